//! Live view, stills and playback: playlists and segments come from the camera's appliance, through the tunnel.

use axum::extract::{Request, State};
use axum::response::Response;
use wire::error::ErrorCode;
use wire::ids::CameraId;
use wire::resource::StreamLink;
use wire::tunnel::Permission;

use super::proxy::{self, Errand};
use super::visitor::not_there;
use super::{ApiError, ApiResult, App, Path, Visitor};
use crate::audit::Access;

/// Starts live view of a camera, or joins it; the answer says where it plays.
#[utoipa::path(get, path = "/cameras/{id}/stream/hls", tag = "live", params(("id" = CameraId, Path)),
    responses((status = 200, body = StreamLink)))]
pub async fn hls(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<CameraId>,
    request: Request,
) -> ApiResult<Response> {
    let path = format!("cameras/{id}/stream/hls");
    carry(&app, &visitor, id, Access::Live, path, request).await
}

/// A still picture of a camera.
#[utoipa::path(get, path = "/cameras/{id}/snapshot", tag = "live", params(("id" = CameraId, Path)),
    responses((status = 200, content_type = "image/jpeg")))]
pub async fn snapshot(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<CameraId>,
    request: Request,
) -> ApiResult<Response> {
    let path = format!("cameras/{id}/snapshot");
    carry(&app, &visitor, id, Access::Snapshot, path, request).await
}

/// Playlist and segments of live view.
#[utoipa::path(get, path = "/live/{camera}/{file}", tag = "live",
    params(("camera" = CameraId, Path), ("file" = String, Path)),
    responses((status = 200, description = "Playlist or segment")))]
pub async fn file(
    State(app): State<App>,
    visitor: Visitor,
    Path((id, file)): Path<(CameraId, String)>,
    request: Request,
) -> ApiResult<Response> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if file.starts_with('.') || !file.bytes().all(is_name) {
        return Err(ApiError::invalid(
            "This is no name of a live playlist or segment.",
        ));
    }
    let path = format!("live/{id}/{file}");
    carry(&app, &visitor, id, Access::Live, path, request).await
}

/// Playlist of what is held of a camera between two instants (`from`, `to`).
#[utoipa::path(get, path = "/playback/{camera}/index.m3u8", tag = "playback",
    params(
        ("camera" = CameraId, Path),
        ("from" = wire::time::UtcTime, Query),
        ("to" = wire::time::UtcTime, Query),
    ),
    responses((status = 200, content_type = "application/vnd.apple.mpegurl")))]
pub async fn playback(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<CameraId>,
    request: Request,
) -> ApiResult<Response> {
    let path = format!("playback/{id}/index.m3u8");
    carry(&app, &visitor, id, Access::Playback, path, request).await
}

/// Paths are the same at the appliance. They are made from what was read of them, never passed on as they came.
async fn carry(
    app: &App,
    visitor: &Visitor,
    camera: CameraId,
    access: Access,
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
        footage: Some((access, camera.to_string())),
        note: None,
    };
    proxy::carry(app, visitor, errand, request).await
}
