//! Cameras as last reported; live view and stills through the tunnel.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use wire::error::ErrorCode;
use wire::ids::{CameraId, SiteId};
use wire::resource::{Page, SiteCamera};

use super::visitor::not_there;
use super::{ApiResult, App, Path, Query, Visitor, page};
use crate::store::cameras::CameraCursor;

/// Query of `GET /cameras`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CamerasQuery {
    /// Of this site only.
    site: Option<SiteId>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500.
    limit: Option<u32>,
}

/// Cameras by site and name, also of sites that are offline.
#[utoipa::path(get, path = "/cameras", tag = "cameras", params(CamerasQuery),
    responses((status = 200, body = Page<SiteCamera>)))]
pub async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query<CamerasQuery>,
) -> ApiResult<Json<Page<SiteCamera>>> {
    let limit = page::limit(query.limit)?;
    let after = page::cursor::<CameraCursor>(query.cursor.as_deref())?;
    let found = app
        .store
        .cameras(visitor.scope(), query.site, after, limit + 1)
        .await?;
    let page = page::page(found, limit, |it| it.cursor.clone(), |it| it.camera)?;
    Ok(Json(page))
}

/// One camera.
#[utoipa::path(get, path = "/cameras/{id}", tag = "cameras", params(("id" = CameraId, Path)),
    responses((status = 200, body = SiteCamera)))]
pub async fn get(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<CameraId>,
) -> ApiResult<Json<SiteCamera>> {
    let found = app.store.camera(visitor.scope(), id).await?;
    found
        .map(Json)
        .ok_or_else(|| not_there(ErrorCode::CameraNotFound))
}
