//! Sites with their appliances, as people see them.

use base::sqlite::DbError;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::resource::Site;
use wire::time::UtcTime;

use super::scope::text;
use super::{Scope, Store, column};

/// Where something is: the appliance to ask, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Tenant.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
    /// The site's appliance; none: not claimed, or revoked.
    pub appliance: Option<ApplianceId>,
}

/// The last site of a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SiteCursor {
    name: String,
    id: SiteId,
}

impl SiteCursor {
    /// The cursor after this site.
    pub fn after(site: &Site) -> Self {
        Self {
            name: site.name.clone(),
            id: site.id,
        }
    }
}

const SITE: &str =
    "s.id, s.organisation_id, s.name, a.id, coalesce(a.online, 0), a.version, a.last_seen_utc,
    (select count(*) from camera c where c.appliance = a.id),
    (select coalesce(sum(h.recordings), 0) from holding h where h.appliance = a.id),
    (select coalesce(sum(h.bytes), 0) from holding h where h.appliance = a.id)
    from site s left join appliance a on a.site_id = s.id and a.revoked = 0";

impl Store {
    /// Sites by name. Tunnel connections are not known here: they are 0.
    pub async fn sites(
        &self,
        scope: Scope,
        after: Option<SiteCursor>,
        limit: u32,
    ) -> Result<Vec<Site>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("s.organisation_id", "s.id");
                let mut sql = format!("select {SITE} where {condition}");
                if let Some(after) = after {
                    sql.push_str(" and (s.name, s.id) > (?, ?)");
                    values.extend([text(after.name), text(after.id)]);
                }
                sql.push_str(" order by s.name, s.id limit ?");
                values.push(i64::from(limit).into());
                let mut rows = c.prepare_cached(&sql)?;
                let found = rows.query_map(params_from_iter(values), site)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// One site. Tunnel connections are not known here: they are 0.
    pub async fn site(&self, scope: Scope, id: SiteId) -> Result<Option<Site>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("s.organisation_id", "s.id");
                let sql = format!("select {SITE} where {condition} and s.id = ?");
                values.push(text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), site)
                    .optional()?)
            })
            .await
    }

    /// Where a site is.
    pub async fn locate_site(&self, scope: Scope, id: SiteId) -> Result<Option<Located>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("s.organisation_id", "s.id");
                let sql = format!(
                    "select s.organisation_id, s.id, a.id
                     from site s left join appliance a on a.site_id = s.id and a.revoked = 0
                     where {condition} and s.id = ?"
                );
                values.push(text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), located)
                    .optional()?)
            })
            .await
    }
}

fn site(row: &Row<'_>) -> rusqlite::Result<Site> {
    Ok(Site {
        id: column(row, 0)?,
        organisation_id: column(row, 1)?,
        name: row.get(2)?,
        appliance: appliance(row, 3)?,
        online: row.get(4)?,
        tunnel_connections: 0,
        version: row.get(5)?,
        last_seen_at: row.get::<_, Option<i64>>(6)?.map(UtcTime::from_micros),
        cameras: unsigned(row, 7)?,
        held_recordings: unsigned(row, 8)?,
        held_bytes: unsigned(row, 9)?,
    })
}

/// Organisation, site, appliance.
pub(in crate::store) fn located(row: &Row<'_>) -> rusqlite::Result<Located> {
    Ok(Located {
        organisation: column(row, 0)?,
        site: column(row, 1)?,
        appliance: appliance(row, 2)?,
    })
}

fn appliance(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<ApplianceId>> {
    row.get::<_, Option<String>>(index)?
        .map(|_| column(row, index))
        .transpose()
}

/// A count or sum; never negative.
pub(in crate::store) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(index)?).unwrap_or(0))
}
