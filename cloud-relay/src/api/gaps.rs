//! Completeness: what is held of a camera and every gap with its cause (R9). Only the camera's appliance knows what its
//! recorder answered, so it is asked through the tunnel.

use axum::extract::{Request, State};
use axum::response::Response;
use wire::coverage::{Completeness, Timeline};
use wire::error::ErrorCode;
use wire::ids::CameraId;
use wire::tunnel::Permission;

use super::proxy::{self, Errand};
use super::visitor::not_there;
use super::{ApiResult, App, Path, Visitor};

/// What the recorder had of a camera in a range (`from`, `to`), what is held, and every gap with its cause.
#[utoipa::path(get, path = "/cameras/{id}/gaps", tag = "cameras",
    params(
        ("id" = CameraId, Path),
        ("from" = wire::time::UtcTime, Query),
        ("to" = wire::time::UtcTime, Query),
    ),
    responses((status = 200, body = Completeness)))]
pub async fn gaps(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<CameraId>,
    request: Request,
) -> ApiResult<Response> {
    let path = format!("cameras/{id}/gaps");
    carry(&app, &visitor, id, path, request).await
}

/// The same for a day of a calendar (`day`, `zone`), which has 23 to 25 hours.
#[utoipa::path(get, path = "/recordings/timeline/{camera}", tag = "recordings",
    params(
        ("camera" = CameraId, Path),
        ("day" = String, Query),
        ("zone" = Option<String>, Query),
    ),
    responses((status = 200, body = Timeline)))]
pub async fn timeline(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<CameraId>,
    request: Request,
) -> ApiResult<Response> {
    let path = format!("recordings/timeline/{id}");
    carry(&app, &visitor, id, path, request).await
}

/// Paths are the same at the appliance. No footage passes, so there is no access to audit.
async fn carry(
    app: &App,
    visitor: &Visitor,
    camera: CameraId,
    path: String,
    request: Request,
) -> ApiResult<Response> {
    let at = app
        .store
        .locate_camera(visitor.scope(), camera)
        .await?
        .ok_or_else(|| not_there(ErrorCode::CameraNotFound))?;
    visitor.require(Permission::View, &at, ErrorCode::CameraNotFound)?;
    let errand = Errand {
        at,
        target: format!("/api/v1/{path}{}", proxy::query(&request)),
        footage: None,
        note: None,
    };
    proxy::carry(app, visitor, errand, request).await
}
