//! Appliances as admins see them.

use base::sqlite::DbError;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::time::UtcTime;

use super::scope::text;
use super::sites::{Located, located};
use super::{Scope, Store, column};

/// An appliance with its claim and presence.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetRow {
    /// Id.
    pub id: ApplianceId,
    /// Tenant.
    pub organisation: OrganisationId,
    /// Its site.
    pub site: SiteId,
    /// Name of the site.
    pub site_name: String,
    /// Says that it is online.
    pub online: bool,
    /// Program version.
    pub version: Option<String>,
    /// When it was last heard of.
    pub last_seen_at: Option<UtcTime>,
    /// When it was claimed.
    pub claimed_at: UtcTime,
    /// When its certificate ends.
    pub certificate_expires_at: UtcTime,
    /// Shut out.
    pub revoked: bool,
}

impl Store {
    /// Appliances by id.
    pub async fn fleet(
        &self,
        scope: Scope,
        after: Option<ApplianceId>,
        limit: u32,
    ) -> Result<Vec<FleetRow>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("a.organisation_id", "a.site_id");
                let mut sql = format!(
                    "select a.id, a.organisation_id, a.site_id, s.name, a.online, a.version, a.last_seen_utc,
                         a.claimed_utc, a.certificate_expires_utc, a.revoked
                     from appliance a join site s on s.id = a.site_id where {condition}"
                );
                if let Some(after) = after {
                    sql.push_str(" and a.id > ?");
                    values.push(text(after));
                }
                sql.push_str(" order by a.id limit ?");
                values.push(i64::from(limit).into());
                let mut rows = c.prepare_cached(&sql)?;
                let found = rows.query_map(params_from_iter(values), fleet_row)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Where an appliance is, also one that was shut out.
    pub async fn locate_appliance(
        &self,
        scope: Scope,
        id: ApplianceId,
    ) -> Result<Option<Located>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("organisation_id", "site_id");
                let sql = format!(
                    "select organisation_id, site_id, id from appliance where {condition} and id = ?"
                );
                values.push(text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), located)
                    .optional()?)
            })
            .await
    }

    /// Shuts an appliance out.
    pub async fn revoke_appliance(&self, id: ApplianceId) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "update appliance set revoked = 1, online = 0 where id = ?1",
                    [id.to_string()],
                )?;
                Ok(())
            })
            .await
    }
}

fn fleet_row(row: &Row<'_>) -> rusqlite::Result<FleetRow> {
    Ok(FleetRow {
        id: column(row, 0)?,
        organisation: column(row, 1)?,
        site: column(row, 2)?,
        site_name: row.get(3)?,
        online: row.get(4)?,
        version: row.get(5)?,
        last_seen_at: row.get::<_, Option<i64>>(6)?.map(UtcTime::from_micros),
        claimed_at: UtcTime::from_micros(row.get(7)?),
        certificate_expires_at: UtcTime::from_micros(row.get(8)?),
        revoked: row.get(9)?,
    })
}
