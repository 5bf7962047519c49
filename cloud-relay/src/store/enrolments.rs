//! Certificate requests that wait for their code, and the transaction that makes an appliance of one.

use base::sqlite::DbError;
use rusqlite::{OptionalExtension, params};
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::time::UtcTime;

use super::appliances::{Claimed, find};
use super::{Store, column};

/// Most requests waiting at once: about 4 MB of database at the largest, and 4096 HMACs per typed code.
pub const ENROLMENTS_MAX: i64 = 4096;

/// Most of them from one address; a roll-out behind one NAT has fewer boxes waiting at the same time.
pub const ENROLMENTS_PER_ADDRESS_MAX: i64 = 64;

/// A request that waits.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Who.
    pub appliance: ApplianceId,
    /// Its request, verified when it came.
    pub csr_pem: String,
    /// HMAC made with the code.
    pub proof: String,
    /// Program version.
    pub version: String,
    /// From where.
    pub address: String,
}

/// Whether a request was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It waits now.
    Waiting,
    /// Too many wait already, from this address or in all.
    Full,
}

/// What becomes of an appliance when it is claimed.
#[derive(Debug, Clone)]
pub struct NewAppliance {
    /// Which.
    pub appliance: ApplianceId,
    /// SHA-256 (hex) of its SPKI.
    pub spki_sha256: String,
    /// Tenant.
    pub organisation: OrganisationId,
    /// Name of the site.
    pub site_name: String,
    /// Its certificate (PEM).
    pub certificate_pem: String,
    /// When that ends.
    pub certificate_expires_at: UtcTime,
    /// Program version, as it told.
    pub version: String,
}

impl Store {
    /// Keeps a request, or refreshes one that waits. What was not refreshed since `oldest` goes.
    pub async fn keep_enrolment(
        &self,
        enrolment: Enrolment,
        now: UtcTime,
        oldest: UtcTime,
    ) -> Result<Kept, DbError> {
        self.db
            .write(move |tx| {
                tx.execute("delete from enrolment where seen_utc < ?1", [oldest.micros()])?;
                let id = enrolment.appliance.to_string();
                let (all, here): (i64, i64) = tx.query_row(
                    "select count(*), count(*) filter (where address = ?2) from enrolment where appliance <> ?1",
                    params![id, enrolment.address],
                    |r| Ok((r.get(0)?, r.get(1)?)),
                )?;
                if all >= ENROLMENTS_MAX || here >= ENROLMENTS_PER_ADDRESS_MAX {
                    return Ok(Kept::Full);
                }
                tx.execute(
                    "insert into enrolment (appliance, csr_pem, proof, version, address, seen_utc) \
                     values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (appliance) do update set csr_pem = excluded.csr_pem, \
                     proof = excluded.proof, version = excluded.version, address = excluded.address, \
                     seen_utc = excluded.seen_utc",
                    params![
                        id,
                        enrolment.csr_pem,
                        enrolment.proof,
                        enrolment.version,
                        enrolment.address,
                        now.micros()
                    ],
                )?;
                Ok(Kept::Waiting)
            })
            .await
    }

    /// The requests seen since `oldest`.
    pub async fn enrolments(&self, oldest: UtcTime) -> Result<Vec<Enrolment>, DbError> {
        self.db
            .read(move |c| {
                c.prepare_cached(
                    "select appliance, csr_pem, proof, version, address from enrolment where seen_utc >= ?1",
                )?
                .query_map([oldest.micros()], |r| {
                    Ok(Enrolment {
                        appliance: column(r, 0)?,
                        csr_pem: r.get(1)?,
                        proof: r.get(2)?,
                        version: r.get(3)?,
                        address: r.get(4)?,
                    })
                })?
                .collect::<Result<_, _>>()
                .map_err(DbError::from)
            })
            .await
    }

    /// Makes site and appliance. `None`: it is claimed already (two admins typed the same code), or the organisation
    /// does not exist. A revoked appliance starts anew: nothing of its old tenant comes along.
    pub async fn claim_appliance(
        &self,
        new: NewAppliance,
        now: UtcTime,
    ) -> Result<Option<Claimed>, DbError> {
        self.db
            .write(move |tx| {
                let id = new.appliance.to_string();
                let organisation = new.organisation.to_string();
                if find(tx, &id)?.is_some_and(|known| !known.revoked) {
                    return Ok(None);
                }
                let exists: Option<i64> = tx
                    .query_row("select 1 from organisation where id = ?1", [&organisation], |r| r.get(0))
                    .optional()?;
                if exists.is_none() {
                    return Ok(None);
                }
                let site = SiteId::new().to_string();
                // The old site stays listed with its name and without an appliance; its index goes with the row.
                tx.execute("delete from appliance where id = ?1", [&id])?;
                tx.execute(
                    "insert into site (id, organisation_id, name, created_utc) values (?1, ?2, ?3, ?4)",
                    params![site, organisation, new.site_name, now.micros()],
                )?;
                tx.execute(
                    "insert into appliance (id, organisation_id, site_id, spki_sha256, certificate_pem, \
                     certificate_expires_utc, claimed_utc, version) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![
                        id,
                        organisation,
                        site,
                        new.spki_sha256,
                        new.certificate_pem,
                        new.certificate_expires_at.micros(),
                        now.micros(),
                        new.version
                    ],
                )?;
                tx.execute("delete from enrolment where appliance = ?1", [&id])?;
                find(tx, &id)
            })
            .await
    }
}
