//! Cameras as last reported.

use base::sqlite::DbError;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use wire::ids::{CameraId, OrganisationId, SiteId};
use wire::resource::SiteCamera;

use super::scope::text;
use super::sites::{Located, located};
use super::{Scope, Store, column, json};

/// The last camera of a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CameraCursor {
    organisation: OrganisationId,
    site: SiteId,
    name: String,
    id: CameraId,
}

/// A camera with what orders it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedCamera {
    /// The cursor after it.
    pub cursor: CameraCursor,
    /// The camera.
    pub camera: SiteCamera,
}

const CAMERA: &str = "c.organisation_id, c.site_id, c.name, c.id, c.body";

impl Store {
    /// Cameras by site and name.
    pub async fn cameras(
        &self,
        scope: Scope,
        site: Option<SiteId>,
        after: Option<CameraCursor>,
        limit: u32,
    ) -> Result<Vec<ListedCamera>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("c.organisation_id", "c.site_id");
                let mut sql = format!(
                    "select {CAMERA} from camera c join appliance a on a.id = c.appliance
                     where {condition} and a.revoked = 0"
                );
                if let Some(site) = site {
                    sql.push_str(" and c.site_id = ?");
                    values.push(text(site));
                }
                if let Some(after) = after {
                    sql.push_str(
                        " and (c.organisation_id, c.site_id, c.name, c.id) > (?, ?, ?, ?)",
                    );
                    values.extend([
                        text(after.organisation),
                        text(after.site),
                        text(after.name),
                        text(after.id),
                    ]);
                }
                sql.push_str(" order by c.organisation_id, c.site_id, c.name, c.id limit ?");
                values.push(i64::from(limit).into());
                let mut rows = c.prepare_cached(&sql)?;
                let found = rows.query_map(params_from_iter(values), camera)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// One camera. A box that was replaced may have told of the same camera before: the newest claim counts.
    pub async fn camera(&self, scope: Scope, id: CameraId) -> Result<Option<SiteCamera>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("c.organisation_id", "c.site_id");
                let sql = format!(
                    "select {CAMERA} from camera c join appliance a on a.id = c.appliance
                     where c.id = ? and {condition} order by a.revoked, a.claimed_utc desc limit 1"
                );
                values.insert(0, text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), camera)
                    .optional()?
                    .map(|it| it.camera))
            })
            .await
    }

    /// Where a camera is.
    pub async fn locate_camera(
        &self,
        scope: Scope,
        id: CameraId,
    ) -> Result<Option<Located>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("c.organisation_id", "c.site_id");
                let sql = format!(
                    "select c.organisation_id, c.site_id, iif(a.revoked, null, a.id)
                     from camera c join appliance a on a.id = c.appliance
                     where c.id = ? and {condition} order by a.revoked, a.claimed_utc desc limit 1"
                );
                values.insert(0, text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), located)
                    .optional()?)
            })
            .await
    }
}

fn camera(row: &Row<'_>) -> rusqlite::Result<ListedCamera> {
    let site: SiteId = column(row, 1)?;
    Ok(ListedCamera {
        cursor: CameraCursor {
            organisation: column(row, 0)?,
            site,
            name: row.get(2)?,
            id: column(row, 3)?,
        },
        camera: SiteCamera {
            site_id: site,
            camera: json(row, 4)?,
        },
    })
}
