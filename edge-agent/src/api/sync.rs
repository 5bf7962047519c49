//! Sync jobs: discover and download a range now, before everything else (R5).

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use wire::ids::{CameraId, SyncJobId};
use wire::resource::{Page, SyncJob};
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Path, Principal};
use crate::catalog::jobs::is_over;
use crate::model::time::UtcRange;

/// Jobs under way at once: each is asked for by a person who waits for it.
const JOBS_MAX: usize = 20;

/// Body of `POST /sync`; what is left out means every camera, or the whole time that recorders are asked about.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncRequest {
    /// Which camera.
    #[serde(default)]
    camera_id: Option<CameraId>,
    /// From.
    #[serde(default)]
    from_utc: Option<UtcTime>,
    /// To.
    #[serde(default)]
    to_utc: Option<UtcTime>,
}

/// Asks the recorders about a range now, and fetches what they hold of it before everything else.
#[utoipa::path(post, path = "/sync", tag = "sync", request_body = SyncRequest,
    responses((status = 202, body = SyncJob)))]
pub async fn start(
    State(app): State<App>,
    who: Principal,
    JsonBody(request): JsonBody<SyncRequest>,
) -> ApiResult<(StatusCode, Json<SyncJob>)> {
    who.require(Permission::Operate)?;
    let to = request.to_utc.unwrap_or(app.now());
    let from = request
        .from_utc
        .unwrap_or(to.plus_s(-i64::from(app.backfill_days) * 24 * 3600));
    let range = UtcRange::new(from, to)
        .filter(|range| range.duration_ms() > 0)
        .ok_or_else(|| ApiError::invalid_field("to_utc", "The range must end after it begins."))?;
    if app.catalog.open_jobs().await?.len() >= JOBS_MAX {
        return Err(ApiError::new(
            wire::error::ErrorCode::ConcurrentLimitExceeded,
            format!("{JOBS_MAX} syncs are under way. Wait for one to end, or cancel one."),
        )
        .retry_after(30));
    }
    let job = app.pipeline.sync(request.camera_id, range).await?;
    tracing::info!(job.id = %job.id, person = %who.username, "A sync was asked for");
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// The sync jobs, newest first.
#[utoipa::path(get, path = "/sync", tag = "sync", responses((status = 200, body = Page<SyncJob>)))]
pub async fn list(State(app): State<App>, who: Principal) -> ApiResult<Json<Page<SyncJob>>> {
    who.require(Permission::View)?;
    Ok(Json(Page {
        items: app.catalog.jobs().await?,
        next_cursor: None,
    }))
}

/// How far a sync has come.
#[utoipa::path(get, path = "/sync/{id}", tag = "sync", params(("id" = SyncJobId, Path)),
    responses((status = 200, body = SyncJob)))]
pub async fn get(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<SyncJobId>,
) -> ApiResult<Json<SyncJob>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.job(id).await?))
}

/// Cancels a sync. What it found stays known and is fetched with the background sync.
#[utoipa::path(delete, path = "/sync/{id}", tag = "sync", params(("id" = SyncJobId, Path)),
    responses((status = 200, body = SyncJob)))]
pub async fn cancel(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<SyncJobId>,
) -> ApiResult<Json<SyncJob>> {
    who.require(Permission::Operate)?;
    let job = app.catalog.job(id).await?;
    if is_over(job.state) {
        return Ok(Json(job));
    }
    Ok(Json(app.pipeline.cancel_sync(id).await?))
}
