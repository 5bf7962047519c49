//! The bytes of recordings: as a file to take along (`download`) and for players, which ask for ranges (`media`).
//!
//! A kept file never changes, so its digest is its entity tag and whatever was fetched stays right.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};
use tokio::fs::File;
use wire::error::ErrorCode;
use wire::ids::RecordingId;
use wire::resource::{EvictionCause, Recording, RecordingStatus};
use wire::tunnel::Permission;

use super::access::{Action, Subject};
use super::part::{self, Whole};
use super::{ApiError, ApiResult, App, Path, Principal};
use crate::catalog::recordings::Held;
use crate::footage::path::MEDIA;
use crate::footage::volume::{LOOK_MAX, Volume};
use crate::model::names::{camera_part, instant_part};

/// The file, for the person who asks: one `Range` at a time, resumable by `If-Range` with its `ETag` (its digest).
#[utoipa::path(get, path = "/recordings/{id}/download", tag = "recordings", params(("id" = RecordingId, Path)),
    responses(
        (status = 200, content_type = "video/mp4", description = "The whole file"),
        (status = 206, content_type = "video/mp4", description = "The range asked for"),
    ))]
pub async fn download(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecordingId>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    who.require(Permission::Download)?;
    let held = find(&app, id).await?;
    let camera = app.catalog.camera(held.recording.camera_id).await?;
    let name = file_name(&camera.name, &held.recording);
    let asked = (&method, &headers);
    serve(&app, &who, &held, Action::Download, Some(name), asked).await
}

/// The file, for a player: byte ranges of it are the segments of the playlist.
#[utoipa::path(get, path = "/recordings/{id}/media", tag = "playback", params(("id" = RecordingId, Path)),
    responses(
        (status = 200, content_type = "video/mp4", description = "The whole file"),
        (status = 206, content_type = "video/mp4", description = "The range asked for"),
    ))]
pub async fn media(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecordingId>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    who.require(Permission::View)?;
    let held = find(&app, id).await?;
    let asked = (&method, &headers);
    serve(&app, &who, &held, Action::Playback, None, asked).await
}

/// What is held under this id, or why it is not.
async fn find(app: &App, id: RecordingId) -> ApiResult<Held> {
    match app.catalog.held(id).await? {
        Some(held) => Ok(held),
        None => Err(not_held(&app.catalog.recording(id).await?)),
    }
}

/// Why a recording that is listed cannot be had.
fn not_held(recording: &Recording) -> ApiError {
    let conflict = |message: String| ApiError::conflict(message);
    match recording.status {
        RecordingStatus::Evicted => gone(recording.eviction_cause),
        RecordingStatus::Pending | RecordingStatus::Downloading => conflict(format!(
            "This recording has not been fetched from the recorder yet ({} %). Wait for it, or ask for a sync of its time.",
            recording.progress_percent
        )),
        RecordingStatus::Failed => {
            let why = recording
                .failure
                .as_deref()
                .unwrap_or("the reason is unknown");
            conflict(format!(
                "This recording could not be fetched from the recorder: {}. It is tried again by itself, or at once by a sync of its time.",
                why.trim_end_matches('.')
            ))
        }
        // It became completed between two looks at the catalog.
        RecordingStatus::Completed => {
            conflict("This recording has just been completed. Try again.".to_owned())
        }
    }
}

/// 410, with what made it leave.
pub(super) fn gone(cause: Option<EvictionCause>) -> ApiError {
    let why = match cause {
        Some(EvictionCause::Retention) => "it was older than its camera keeps footage",
        Some(EvictionCause::Pressure) => "its disk needed the room",
        Some(EvictionCause::Deleted) => "somebody deleted it",
        Some(EvictionCause::ArchiveCleared) => "it was archived, and the archive was cleared",
        None => "the cause is unknown",
    };
    ApiError::new(
        ErrorCode::FootageGone,
        format!("This footage is no longer held here: {why}. Lock what must stay."),
    )
}

async fn serve(
    app: &App,
    who: &Principal,
    held: &Held,
    action: Action,
    name: Option<String>,
    (method, headers): (&Method, &HeaderMap),
) -> ApiResult<Response> {
    let recording = &held.recording;
    let (Some(digest), Some(length)) = (&recording.digest, recording.kept_bytes) else {
        return Err(ApiError::internal(format!(
            "the completed recording {} has no digest or no size",
            recording.id
        )));
    };
    let whole = Whole {
        tag: format!("\"{digest}\""),
        length,
        content_type: "video/mp4",
        cache: cache(action),
        name,
    };
    let asked = match part::asked(&whole, method, headers)? {
        Ok(asked) => asked,
        Err(response) => return Ok(response),
    };
    // Also for HEAD and 304: what they promise must be there.
    let file = open(app, held, length).await?;
    let subject = Subject {
        action,
        camera: Some(recording.camera_id),
        recording: Some(recording.id),
        archive: None,
        range: None,
    };
    let meter = || app.own.access.meter(who, subject);
    let what = format!("recording {}", recording.id);
    part::answer(&whole, asked, file, &what, |body| meter().body(body)).await
}

/// The person's own browser may keep what it played; nobody in between may. A download lies on a disk already.
fn cache(action: Action) -> &'static str {
    match action {
        Action::Playback => "private, max-age=86400, immutable",
        Action::Download | Action::Live => "private, no-cache",
    }
}

/// Opens the file, or says what became of it.
async fn open(app: &App, held: &Held, length: u64) -> ApiResult<File> {
    let id = held.recording.id;
    let mut held = held.clone();
    let (volume, path, problem) = loop {
        let Some(volume) = app.volumes.get(held.volume) else {
            return Err(unreachable(
                "The volume that this recording lies on is not in the configuration any more. Put its [[volume]] back.",
            ));
        };
        let path = volume.file(&held.stem, MEDIA);
        // Nobody waits at a disk that does not answer anyway.
        if volume.is_silent() {
            return Err(away(volume));
        }
        let problem = match part::open(&path, length).await {
            Ok(file) => return Ok(file),
            Err(problem) => problem,
        };
        // It may have left or moved since the catalog was asked, or its disk may be away; only else is something wrong.
        let now = find(app, id).await?;
        if (now.volume, &now.stem) == (held.volume, &held.stem) {
            break (volume, path, problem);
        }
        held = now;
    };
    if let Err(error) = volume.within(LOOK_MAX, Volume::check).await.flatten() {
        tracing::debug!(recording.id = %id, %error, "Footage was asked for whose volume is not there");
        // Whoever watches the disks may not have noticed yet.
        volume.suspect();
        return Err(away(volume));
    }
    tracing::error!(recording.id = %id, file.path = %path.display(), problem, "The file of a completed recording is damaged or missing");
    Err(ApiError::new(
        ErrorCode::RecordingFailed,
        format!(
            "The file of recording {id} is damaged or missing on its disk. Look for what removed it; `edge-agent check` lists every such file."
        ),
    ))
}

/// The disk of a volume is away; what lies on it is not lost.
pub(super) fn away(volume: &Volume) -> ApiError {
    unreachable(format!(
        "This footage is held, but its disk is not there now: volume {:?}, mounted at {}. Mount it again; the Storage page says what is the matter with it.",
        volume.name(),
        volume.path().display()
    ))
}

fn unreachable(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Unavailable, message).retry_after(60)
}

/// `Gate-1_2026-11-03_14-05-00Z.mp4`: whose, when (UTC).
fn file_name(camera: &str, recording: &Recording) -> String {
    let start = instant_part(recording.start_utc.timestamp());
    format!("{}_{start}.mp4", camera_part(camera))
}
