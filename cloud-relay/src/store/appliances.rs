//! Appliances as the link sees them: which key was claimed for which tenant, and whether it still counts.

use base::sqlite::DbError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::time::UtcTime;

use super::{Store, column};

/// What an appliance with a certain key is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Claimed with this key.
    Claimed,
    /// Not claimed.
    Unclaimed,
    /// Claimed with another key.
    OtherKey,
    /// Was claimed with this key and has been revoked.
    Revoked,
}

/// A claimed appliance and its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which.
    pub appliance: ApplianceId,
    /// Tenant.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
    /// Its name.
    pub site_name: String,
    /// Certificate in force (PEM).
    pub certificate_pem: String,
    /// When that ends.
    pub certificate_expires_at: UtcTime,
    /// SHA-256 (hex) of the SPKI that was claimed.
    pub spki_sha256: String,
    /// Shut out.
    pub revoked: bool,
}

const CLAIMED: &str = "select a.id, a.organisation_id, a.site_id, s.name, a.certificate_pem, \
     a.certificate_expires_utc, a.spki_sha256, a.revoked \
     from appliance a join site s on s.id = a.site_id where a.id = ?1";

impl Store {
    /// What an appliance with this key is here.
    pub async fn standing(
        &self,
        appliance: &ApplianceId,
        spki_sha256: &str,
    ) -> Result<Standing, DbError> {
        let (id, key) = (appliance.to_string(), spki_sha256.to_owned());
        self.db
            .read(move |c| {
                let known: Option<(String, bool)> = c
                    .prepare_cached("select spki_sha256, revoked from appliance where id = ?1")?
                    .query_row([id], |r| Ok((r.get(0)?, r.get(1)?)))
                    .optional()?;
                Ok(match known {
                    None => Standing::Unclaimed,
                    Some((known, _)) if known != key => Standing::OtherKey,
                    Some((_, true)) => Standing::Revoked,
                    Some((_, false)) => Standing::Claimed,
                })
            })
            .await
    }

    /// An appliance that was claimed, also one that was revoked since.
    pub async fn claimed(&self, appliance: &ApplianceId) -> Result<Option<Claimed>, DbError> {
        let id = appliance.to_string();
        self.db.read(move |c| find(c, &id)).await
    }

    /// Keeps a renewed certificate.
    pub async fn renew_certificate(
        &self,
        appliance: &ApplianceId,
        certificate_pem: String,
        expires_at: UtcTime,
    ) -> Result<(), DbError> {
        let id = appliance.to_string();
        self.db
            .write(move |tx| {
                tx.execute(
                    "update appliance set certificate_pem = ?2, certificate_expires_utc = ?3 where id = ?1",
                    params![id, certificate_pem, expires_at.micros()],
                )?;
                Ok(())
            })
            .await
    }

    /// Appliances that are shut out: the broker refuses what they write and read.
    pub async fn revoked_appliances(&self) -> Result<Vec<ApplianceId>, DbError> {
        self.db
            .read(|c| {
                c.prepare_cached("select id from appliance where revoked = 1 order by id")?
                    .query_map([], |r| column(r, 0))?
                    .collect::<Result<_, _>>()
                    .map_err(DbError::from)
            })
            .await
    }
}

pub(in crate::store) fn find(c: &Connection, id: &str) -> Result<Option<Claimed>, DbError> {
    let row = |r: &Row<'_>| {
        Ok(Claimed {
            appliance: column(r, 0)?,
            organisation: column(r, 1)?,
            site: column(r, 2)?,
            site_name: r.get(3)?,
            certificate_pem: r.get(4)?,
            certificate_expires_at: UtcTime::from_micros(r.get(5)?),
            spki_sha256: r.get(6)?,
            revoked: r.get(7)?,
        })
    };
    Ok(c.prepare_cached(CLAIMED)?.query_row([id], row).optional()?)
}
