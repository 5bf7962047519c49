//! The footage of every site: lists from the index, bytes and changes through the tunnel.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use wire::error::ErrorCode;
use wire::ids::{CameraId, RecordingId, SiteId};
use wire::resource::{Page, Recording, RecordingStatus, SiteRecording};
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::proxy::{self, Errand, Note};
use super::visitor::not_there;
use super::{ApiError, ApiResult, App, Path, Query, Visitor, page};
use crate::audit::Access;
use crate::store::recordings::{Order, RecordingCursor, RecordingFilter};
use crate::store::sites::Located;

/// Query of `GET /recordings`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RecordingsQuery {
    /// Of this camera.
    camera: Option<CameraId>,
    /// Of this site.
    site: Option<SiteId>,
    /// That end after this.
    from: Option<UtcTime>,
    /// That start before this.
    to: Option<UtcTime>,
    /// In this state.
    status: Option<RecordingStatus>,
    /// Whose kept file has at least so many bytes.
    min_bytes: Option<u64>,
    /// `newest` (default) or `oldest` first.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500.
    limit: Option<u32>,
}

/// Recordings by start, as last reported: also of sites that are offline.
#[utoipa::path(get, path = "/recordings", tag = "recordings", params(RecordingsQuery),
    responses((status = 200, body = Page<SiteRecording>)))]
pub async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query<RecordingsQuery>,
) -> ApiResult<Json<Page<SiteRecording>>> {
    let limit = page::limit(query.limit)?;
    let after = page::cursor::<RecordingCursor>(query.cursor.as_deref())?;
    if let (Some(from), Some(to)) = (query.from, query.to)
        && to <= from
    {
        return Err(ApiError::invalid_field("to", "`to` must lie after `from`."));
    }
    let filter = RecordingFilter {
        camera: query.camera,
        site: query.site,
        from: query.from,
        to: query.to,
        status: query.status,
        min_bytes: query.min_bytes,
    };
    let found = app
        .store
        .recordings(visitor.scope(), filter, query.order, after, limit + 1)
        .await?;
    let page = page::page(found, limit, |it| it.cursor.clone(), |it| it.recording)?;
    Ok(Json(page))
}

/// One recording.
#[utoipa::path(get, path = "/recordings/{id}", tag = "recordings", params(("id" = RecordingId, Path)),
    responses((status = 200, body = SiteRecording)))]
pub async fn get(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<RecordingId>,
) -> ApiResult<Json<SiteRecording>> {
    let found = app.store.recording(visitor.scope(), id).await?;
    found
        .map(Json)
        .ok_or_else(|| not_there(ErrorCode::RecordingNotFound))
}

/// Deletes the footage at the site. The recording stays listed as evicted.
#[utoipa::path(delete, path = "/recordings/{id}", tag = "recordings", params(("id" = RecordingId, Path)),
    responses((status = 204, description = "Deleted at the site; the index follows with its report")))]
pub async fn delete(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<RecordingId>,
    request: Request,
) -> ApiResult<Response> {
    let at = locate(&app, &visitor, id, Permission::Manage).await?;
    let note = Note {
        action: "recording.delete",
        subject: id.to_string(),
    };
    change(
        &app,
        &visitor,
        at,
        format!("recordings/{id}"),
        note,
        request,
    )
    .await
}

/// Protects from eviction (`{"locked": true}`) or releases.
#[utoipa::path(post, path = "/recordings/{id}/lock", tag = "recordings", params(("id" = RecordingId, Path)),
    responses((status = 200, body = Recording)))]
pub async fn lock(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<RecordingId>,
    request: Request,
) -> ApiResult<Response> {
    let at = locate(&app, &visitor, id, Permission::Operate).await?;
    let note = Note {
        action: "recording.lock",
        subject: id.to_string(),
    };
    change(
        &app,
        &visitor,
        at,
        format!("recordings/{id}/lock"),
        note,
        request,
    )
    .await
}

/// The file, with `Range`, `If-Range` and `ETag` (its digest).
#[utoipa::path(get, path = "/recordings/{id}/download", tag = "recordings", params(("id" = RecordingId, Path)),
    responses((status = 200, content_type = "video/mp4"), (status = 206, content_type = "video/mp4")))]
pub async fn download(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<RecordingId>,
    request: Request,
) -> ApiResult<Response> {
    let at = locate(&app, &visitor, id, Permission::Download).await?;
    let path = format!("recordings/{id}/download");
    footage(&app, &visitor, at, path, (Access::Download, id), request).await
}

/// The file for a player, which asks for ranges of it.
#[utoipa::path(get, path = "/recordings/{id}/media", tag = "playback", params(("id" = RecordingId, Path)),
    responses((status = 200, content_type = "video/mp4"), (status = 206, content_type = "video/mp4")))]
pub async fn media(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<RecordingId>,
    request: Request,
) -> ApiResult<Response> {
    let at = locate(&app, &visitor, id, Permission::View).await?;
    let path = format!("recordings/{id}/media");
    footage(&app, &visitor, at, path, (Access::Playback, id), request).await
}

async fn footage(
    app: &App,
    visitor: &Visitor,
    at: Located,
    path: String,
    (access, id): (Access, RecordingId),
    request: Request,
) -> ApiResult<Response> {
    let errand = Errand {
        at,
        target: format!("/api/v1/{path}{}", proxy::query(&request)),
        footage: Some((access, id.to_string())),
        note: None,
    };
    proxy::carry(app, visitor, errand, request).await
}

async fn change(
    app: &App,
    visitor: &Visitor,
    at: Located,
    path: String,
    note: Note,
    request: Request,
) -> ApiResult<Response> {
    let errand = Errand {
        at,
        target: format!("/api/v1/{path}"),
        footage: None,
        note: Some(note),
    };
    proxy::carry(app, visitor, errand, request).await
}

async fn locate(
    app: &App,
    visitor: &Visitor,
    id: RecordingId,
    permission: Permission,
) -> ApiResult<Located> {
    let at = app
        .store
        .locate_recording(visitor.scope(), id)
        .await?
        .ok_or_else(|| not_there(ErrorCode::RecordingNotFound))?;
    visitor.require(permission, &at, ErrorCode::RecordingNotFound)?;
    Ok(at)
}
