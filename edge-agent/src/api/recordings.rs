//! Recordings: found by camera, time, state and size; locked, unlocked, deleted. Their bytes are served by `playback`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use wire::ids::{CameraId, RecordingId};
use wire::resource::{Page, Recording, RecordingStatus};
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Path, Principal, Query};
use crate::catalog::recordings::{LIMIT_MAX, Order, RecordingFilter};

/// Which recordings to list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordingQuery {
    /// Of one camera only.
    #[serde(default)]
    camera: Option<CameraId>,
    /// Reaching beyond this instant.
    #[serde(default)]
    from: Option<UtcTime>,
    /// Beginning before this instant.
    #[serde(default)]
    to: Option<UtcTime>,
    /// In this state only.
    #[serde(default)]
    status: Option<RecordingStatus>,
    /// At least this large.
    #[serde(default)]
    min_bytes: Option<u64>,
    /// Which way, by start.
    #[serde(default)]
    #[param(inline)]
    order: ListOrder,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// Items of the page: 100 unless told otherwise, 1000 at most.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// Body of `POST /recordings/{id}/lock`; an empty object locks.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockInput {
    /// True protects from eviction, false no longer.
    #[serde(default = "yes")]
    locked: bool,
}

fn yes() -> bool {
    true
}

/// Recordings, newest first unless told otherwise.
#[utoipa::path(get, path = "/recordings", tag = "recordings", params(RecordingQuery),
    responses((status = 200, body = Page<Recording>)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
    Query(query): Query<RecordingQuery>,
) -> ApiResult<Json<Page<Recording>>> {
    who.require(Permission::View)?;
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(ApiError::invalid_field(
            "to",
            "The range ends before it begins.",
        ));
    }
    if query
        .limit
        .is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit))
    {
        return Err(ApiError::invalid_field(
            "limit",
            format!("The limit must lie between 1 and {LIMIT_MAX}."),
        ));
    }
    let filter = RecordingFilter {
        camera: query.camera,
        from: query.from,
        to: query.to,
        status: query.status,
        min_bytes: query.min_bytes,
        order: match query.order {
            ListOrder::Newest => Order::NewestFirst,
            ListOrder::Oldest => Order::OldestFirst,
        },
        cursor: query.cursor.filter(|cursor| !cursor.is_empty()),
        limit: query.limit.unwrap_or(0),
    };
    Ok(Json(app.catalog.recordings(filter).await?))
}

/// One recording, whatever its state: what has left stays listed.
#[utoipa::path(get, path = "/recordings/{id}", tag = "recordings", params(("id" = RecordingId, Path)),
    responses((status = 200, body = Recording)))]
pub async fn get(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecordingId>,
) -> ApiResult<Json<Recording>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.recording(id).await?))
}

/// Deletes a recording here; it is not fetched again. The recorder keeps what it has. Refused while a lock or a
/// bookmark protects it.
#[utoipa::path(delete, path = "/recordings/{id}", tag = "recordings", params(("id" = RecordingId, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecordingId>,
) -> ApiResult<StatusCode> {
    who.require(Permission::Manage)?;
    app.catalog.delete(id).await?;
    tracing::info!(recording.id = %id, person = %who.username, "A recording was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Protects a recording from eviction, or no longer. Refused with `LOCK_LIMIT_REACHED` when as much is protected as may
/// be.
#[utoipa::path(post, path = "/recordings/{id}/lock", tag = "recordings", params(("id" = RecordingId, Path)),
    request_body = LockInput, responses((status = 200, body = Recording)))]
pub async fn lock(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecordingId>,
    JsonBody(input): JsonBody<LockInput>,
) -> ApiResult<Json<Recording>> {
    who.require(Permission::Operate)?;
    let recording = app.catalog.set_locked(id, input.locked).await?;
    tracing::info!(recording.id = %id, locked = input.locked, person = %who.username, "A lock was set or released");
    Ok(Json(recording))
}
