//! Archives: ZIPs of recordings of a date range, to be downloaded and then cleared (S3, S4).

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use wire::archive::{Archive, ArchiveClearRequest, ArchiveRequest, ArchiveState};
use wire::error::ErrorCode;
use wire::ids::ArchiveId;
use wire::resource::Page;
use wire::tunnel::Permission;

use super::access::{Action, Subject};
use super::part::{self, Whole};
use super::{ApiError, ApiResult, App, JsonBody, Path, Principal, Query};
use crate::model::time::UtcRange;

/// Most cameras that are named in one request.
const CAMERAS_MAX: usize = 1_000;

/// Which part of the list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ArchiveQuery {
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// The archives, newest first.
#[utoipa::path(get, path = "/archives", tag = "archives", params(ArchiveQuery),
    responses((status = 200, body = Page<Archive>)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
    Query(query): Query<ArchiveQuery>,
) -> ApiResult<Json<Page<Archive>>> {
    who.require(Permission::View)?;
    let cursor = query.cursor.filter(|cursor| !cursor.is_empty());
    Ok(Json(app.catalog.archives(cursor).await?))
}

/// Packs what is held of a range into a ZIP. Its recordings cannot leave before it is ready.
#[utoipa::path(post, path = "/archives", tag = "archives", request_body = ArchiveRequest,
    responses((status = 202, body = Archive)))]
pub async fn add(
    State(app): State<App>,
    who: Principal,
    JsonBody(request): JsonBody<ArchiveRequest>,
) -> ApiResult<(StatusCode, Json<Archive>)> {
    who.require(Permission::Operate)?;
    let range = UtcRange::new(request.from, request.to)
        .filter(|range| range.duration_ms() > 0)
        .ok_or_else(|| ApiError::invalid_field("to", "The range must end after it begins."))?;
    let cameras = match request.cameras {
        Some(mut cameras) => {
            if cameras.is_empty() || cameras.len() > CAMERAS_MAX {
                return Err(ApiError::invalid_field(
                    "cameras",
                    format!(
                        "Name 1 to {CAMERAS_MAX} cameras, or leave the field out for all of them."
                    ),
                ));
            }
            cameras.sort_unstable();
            cameras.dedup();
            Some(cameras)
        }
        None => None,
    };
    let archive = app
        .archiver
        .ask(range, cameras, who.username.clone())
        .await?;
    tracing::info!(archive.id = %archive.id, person = %who.username, recordings = archive.recordings, "An archive was asked for");
    Ok((StatusCode::ACCEPTED, Json(archive)))
}

/// One archive, with what clearing it would delete.
#[utoipa::path(get, path = "/archives/{id}", tag = "archives", params(("id" = ArchiveId, Path)),
    responses((status = 200, body = Archive)))]
pub async fn get(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<ArchiveId>,
) -> ApiResult<Json<Archive>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.archive(id).await?))
}

/// Cancels the building of an archive; takes one off the list that was cleared or has failed. What is ready is cleared.
#[utoipa::path(delete, path = "/archives/{id}", tag = "archives", params(("id" = ArchiveId, Path)),
    responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<ArchiveId>,
) -> ApiResult<StatusCode> {
    who.require(Permission::Operate)?;
    match app.catalog.archive(id).await?.state {
        ArchiveState::Building => {
            app.archiver.cancel(id, &who.username).await?;
            tracing::info!(archive.id = %id, person = %who.username, "An archive was cancelled");
        }
        _ => app.catalog.forget_archive(id).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The ZIP: one `Range` at a time, resumable by `If-Range` with its `ETag` (its digest). Once every byte of it was
/// delivered, over however many ranges and to whomever, the archive is `downloaded`.
#[utoipa::path(get, path = "/archives/{id}/download", tag = "archives", params(("id" = ArchiveId, Path)),
    responses(
        (status = 200, content_type = "application/zip", description = "The whole file"),
        (status = 206, content_type = "application/zip", description = "The range asked for"),
    ))]
pub async fn download(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<ArchiveId>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    who.require(Permission::Download)?;
    let archive = app.catalog.archive(id).await?;
    let (Some(digest), Some(name), Some(path)) = (
        archive.digest.clone(),
        archive.file_name.clone(),
        path(&app, id).await?,
    ) else {
        return Err(not_there(&archive));
    };
    let whole = Whole {
        tag: format!("\"{digest}\""),
        length: archive.bytes,
        content_type: "application/zip",
        cache: "private, no-cache",
        name: Some(name),
    };
    let asked = match part::asked(&whole, &method, &headers)? {
        Ok(asked) => asked,
        Err(response) => return Ok(response),
    };
    let file = match part::open(&path, archive.bytes).await {
        Ok(file) => file,
        Err(problem) => {
            tracing::error!(archive.id = %id, file.path = %path.display(), problem, "The file of an archive is damaged or missing");
            return Err(ApiError::new(
                ErrorCode::RecordingFailed,
                "The file of this archive is damaged, missing, or on a disk that is away. The journal and `edge-agent check` say which.",
            ));
        }
    };
    let meter = app.own.access.meter(
        &who,
        Subject {
            action: Action::Download,
            camera: None,
            recording: None,
            archive: Some(id),
            range: None,
        },
    );
    let meter = meter.of_part(asked.first, asked.count);
    part::answer(&whole, asked, file, &format!("archive {id}"), |body| {
        meter.body(body)
    })
    .await
}

/// Where the file lies; none when it cannot be downloaded.
async fn path(app: &App, id: ArchiveId) -> ApiResult<Option<PathBuf>> {
    let Some(file) = app.catalog.archive_file(id).await? else {
        return Ok(None);
    };
    Ok(app
        .volumes
        .get(file.volume)
        .map(|volume| volume.path().join(file.path)))
}

fn not_there(archive: &Archive) -> ApiError {
    match archive.state {
        ArchiveState::Building => ApiError::conflict(format!(
            "This archive is still being packed ({} %). Wait for it.",
            archive.progress_percent
        )),
        ArchiveState::Clearing | ArchiveState::Cleared => ApiError::new(
            ErrorCode::FootageGone,
            "This archive was cleared: its file and its recordings are no longer here.",
        ),
        ArchiveState::Failed => ApiError::conflict(format!(
            "This archive could not be made: {}. Ask for it again.",
            archive
                .failure
                .as_deref()
                .unwrap_or("the reason is unknown")
                .trim_end_matches('.')
        )),
        ArchiveState::Ready | ArchiveState::Downloaded => ApiError::new(
            ErrorCode::Unavailable,
            "The volume that this archive lies on is not in the configuration any more. Put its [[volume]] back.",
        ),
    }
}

/// Clears an archive: its recordings and its file are deleted. Refused before every byte of it was delivered, unless
/// `override` is true. Locked recordings stay; how many is told in the archive.
#[utoipa::path(post, path = "/archives/{id}/clear", tag = "archives", params(("id" = ArchiveId, Path)),
    request_body = ArchiveClearRequest, responses((status = 202, body = Archive)))]
pub async fn clear(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<ArchiveId>,
    JsonBody(request): JsonBody<ArchiveClearRequest>,
) -> ApiResult<(StatusCode, Json<Archive>)> {
    who.require(Permission::Manage)?;
    let anyway = request.although_not_downloaded;
    let archive = app.archiver.clear(id, anyway).await?;
    tracing::info!(archive.id = %id, person = %who.username, not_downloaded_allowed = anyway, "An archive is cleared");
    Ok((StatusCode::ACCEPTED, Json(archive)))
}

/// Sends the e-mail about an archive, also once more.
#[utoipa::path(post, path = "/archives/{id}/mail", tag = "archives", params(("id" = ArchiveId, Path)),
    responses((status = 202, body = Archive)))]
pub async fn mail(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<ArchiveId>,
) -> ApiResult<(StatusCode, Json<Archive>)> {
    who.require(Permission::Operate)?;
    let archive = app.archiver.write_again(id).await?.ok_or_else(|| {
        ApiError::conflict(
            "E-mail is not set up. Write [email] into the configuration of the agent and start it again.",
        )
    })?;
    Ok((StatusCode::ACCEPTED, Json(archive)))
}
