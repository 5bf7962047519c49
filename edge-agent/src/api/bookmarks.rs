//! Bookmarks: moments that people marked, which protect the footage that covers them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use wire::ids::{BookmarkId, CameraId};
use wire::resource::Page;
use wire::retention::{Bookmark, BookmarkInput};
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Path, Principal, Query, Via};
use crate::catalog::bookmarks::{LISTED_MAX, NewBookmark};
use crate::model::time::UtcRange;

/// Longest note that is kept.
const NOTE_CHARS_MAX: usize = 500;

/// How far ahead of this box's clock a moment may lie: clocks differ by a little.
const AHEAD_MAX_MS: i64 = 60 * 60 * 1_000;

/// Which bookmarks to list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BookmarkQuery {
    /// Of one camera only.
    #[serde(default)]
    camera: Option<CameraId>,
    /// From this instant on.
    #[serde(default)]
    from: Option<UtcTime>,
    /// Before this instant.
    #[serde(default)]
    to: Option<UtcTime>,
}

/// Bookmarks by their moment, oldest first. At most 1000 are answered; ask from the last one on for more.
#[utoipa::path(get, path = "/bookmarks", tag = "bookmarks", params(BookmarkQuery),
    responses((status = 200, body = Page<Bookmark>)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
    Query(query): Query<BookmarkQuery>,
) -> ApiResult<Json<Page<Bookmark>>> {
    who.require(Permission::View)?;
    let from = query.from.unwrap_or(UtcTime::from_micros(0));
    let to = query.to.unwrap_or(UtcTime::from_micros(i64::MAX));
    let range = UtcRange::new(from, to)
        .ok_or_else(|| ApiError::invalid_field("to", "The range ends before it begins."))?;
    let items = app
        .catalog
        .bookmarks(query.camera, range, LISTED_MAX)
        .await?;
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

/// Marks a moment of a camera. What covers it is protected from eviction, also what is fetched later. Refused with
/// `LOCK_LIMIT_REACHED` when as much is protected as may be.
#[utoipa::path(post, path = "/bookmarks", tag = "bookmarks", request_body = BookmarkInput,
    responses((status = 201, body = Bookmark)))]
pub async fn add(
    State(app): State<App>,
    who: Principal,
    JsonBody(input): JsonBody<BookmarkInput>,
) -> ApiResult<(StatusCode, Json<Bookmark>)> {
    who.require(Permission::Operate)?;
    let note = input.note.trim().to_owned();
    let is_text = |c: char| !c.is_control() || c == '\n';
    if note.chars().count() > NOTE_CHARS_MAX || !note.chars().all(is_text) {
        return Err(ApiError::invalid_field(
            "note",
            format!("The note must have at most {NOTE_CHARS_MAX} characters."),
        ));
    }
    if input.at_utc.ms_since(app.catalog.now()) > AHEAD_MAX_MS {
        return Err(ApiError::invalid_field(
            "at_utc",
            "The moment lies in the future.",
        ));
    }
    let bookmark = app
        .catalog
        .add_bookmark(NewBookmark {
            camera: input.camera_id,
            at: input.at_utc,
            note,
            made_by: who.username.clone(),
            via_relay: matches!(who.via, Via::Tunnel),
        })
        .await?;
    tracing::info!(bookmark.id = %bookmark.id, camera.id = %bookmark.camera_id, person = %who.username, "A moment was bookmarked");
    Ok((StatusCode::CREATED, Json(bookmark)))
}

/// Removes a bookmark. What nothing else protects may be evicted again.
#[utoipa::path(delete, path = "/bookmarks/{id}", tag = "bookmarks", params(("id" = BookmarkId, Path)),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<BookmarkId>,
) -> ApiResult<StatusCode> {
    who.require(Permission::Operate)?;
    let bookmark = app.catalog.remove_bookmark(id).await?;
    tracing::info!(bookmark.id = %id, camera.id = %bookmark.camera_id, person = %who.username, "A bookmark was removed");
    Ok(StatusCode::NO_CONTENT)
}
