//! The bytes of recordings: as a file to take along (`download`) and for players, which ask for ranges (`media`).
//!
//! A kept file never changes, so its digest is its entity tag and whatever was fetched stays right. What may be asked
//! of it is in [`super::range`]; bytes are read as the viewer takes them, never ahead of a small buffer.

use std::path::Path as FilePath;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;
use wire::error::ErrorCode;
use wire::ids::RecordingId;
use wire::resource::{EvictionCause, Recording, RecordingStatus};
use wire::tunnel::Permission;

use super::access::{Action, Subject};
use super::range::{Wanted, wanted};
use super::{ApiError, ApiResult, App, Path, Principal};
use crate::catalog::recordings::Held;
use crate::footage::path::MEDIA;

/// Read at a time, for each answer.
const CHUNK_BYTES: usize = 128 * 1024;

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
    let mut response = serve(&app, &who, &held, Action::Download, &method, &headers).await?;
    if response.status().is_success() {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, attachment(&name)?);
    }
    Ok(response)
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
    serve(&app, &who, &held, Action::Playback, &method, &headers).await
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
    method: &Method,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let recording = &held.recording;
    let (Some(digest), Some(length)) = (&recording.digest, recording.kept_bytes) else {
        return Err(ApiError::internal(format!(
            "the completed recording {} has no digest or no size",
            recording.id
        )));
    };
    let tag = format!("\"{digest}\"");
    let is_get = *method == Method::GET;
    let asked = wanted(headers, is_get, &tag, length);
    let (status, first, count) = match asked {
        Wanted::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
        Wanted::Whole => (StatusCode::OK, 0, length),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Wanted::Changed => {
            return Err(ApiError::new(
                ErrorCode::PreconditionFailed,
                "The file here is not the one that If-Match names. Begin anew without it.",
            ));
        }
        Wanted::Outside => return Ok(outside(length)),
    };
    // Also for HEAD and 304: what they promise must be there.
    let file = open(app, held, length).await?;
    let mut response = if is_get && status != StatusCode::NOT_MODIFIED {
        let subject = Subject {
            action,
            camera: recording.camera_id,
            recording: Some(recording.id),
            range: None,
        };
        let meter = app.own.access.meter(who, subject);
        meter
            .body(stream(file, recording.id, first, count).await?)
            .into_response()
    } else {
        Body::empty().into_response()
    };
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.insert(
        header::ETAG,
        HeaderValue::from_str(&tag).map_err(ApiError::internal)?,
    );
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::CACHE_CONTROL, cache(action));
    if status != StatusCode::NOT_MODIFIED {
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {first}-{}/{length}", first + count - 1);
        out.insert(
            header::CONTENT_RANGE,
            HeaderValue::from_str(&text).map_err(ApiError::internal)?,
        );
    }
    Ok(response)
}

/// The person's own browser may keep what it played; nobody in between may. A download lies on a disk already.
fn cache(action: Action) -> HeaderValue {
    HeaderValue::from_static(match action {
        Action::Playback => "private, max-age=86400, immutable",
        Action::Download | Action::Live => "private, no-cache",
    })
}

/// 416, telling how long the file is.
fn outside(length: u64) -> Response {
    let error = ApiError::new(
        ErrorCode::RangeNotSatisfiable,
        format!("The range lies outside the file, which has {length} bytes."),
    );
    let mut response = error.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// Opens the file, or says what became of it.
async fn open(app: &App, held: &Held, length: u64) -> ApiResult<File> {
    let id = held.recording.id;
    let Some(volume) = app.volumes.get(held.volume) else {
        return Err(unreachable(
            "The volume that this recording lies on is not in the configuration any more. Put its [[volume]] back.",
        ));
    };
    let path = volume.file(&held.stem, MEDIA);
    let problem = match opened(&path).await {
        Ok((file, bytes)) if bytes == length => return Ok(file),
        Ok((_, bytes)) => format!("has {bytes} bytes instead of {length}"),
        Err(error) => error.to_string(),
    };
    // It may have left since the catalog was asked, or its disk may be away; only else is something wrong with it.
    find(app, id).await?;
    let checked = {
        let volume = volume.clone();
        tokio::task::spawn_blocking(move || volume.check()).await
    };
    if let Err(away) = checked.map_err(ApiError::internal)? {
        tracing::warn!(recording.id = %id, error = %away, "Footage was asked for whose volume is not there");
        return Err(unreachable(
            "The disk that this recording lies on is not there. Mount it again; the journal says which one it is.",
        ));
    }
    tracing::error!(recording.id = %id, file.path = %path.display(), problem, "The file of a completed recording is damaged or missing");
    Err(ApiError::new(
        ErrorCode::RecordingFailed,
        format!(
            "The file of recording {id} is damaged or missing on its disk. Look for what removed it; `edge-agent check` lists every such file."
        ),
    ))
}

fn unreachable(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unavailable, message).retry_after(60)
}

async fn opened(path: &FilePath) -> std::io::Result<(File, u64)> {
    let file = File::open(path).await?;
    let bytes = file.metadata().await?.len();
    Ok((file, bytes))
}

/// `count` bytes from `first`, read as they are taken. A file that ends early breaks the answer off: its promised
/// length is not reached, which the viewer sees.
async fn stream(mut file: File, id: RecordingId, first: u64, count: u64) -> ApiResult<Body> {
    file.seek(SeekFrom::Start(first)).await.map_err(|error| {
        ApiError::internal(format!("seek in the file of recording {id}: {error}"))
    })?;
    file.set_max_buf_size(CHUNK_BYTES);
    let chunks = ReaderStream::with_capacity(file.take(count), CHUNK_BYTES);
    let mut left = count;
    Ok(Body::from_stream(futures_util::StreamExt::map(
        chunks,
        move |chunk| {
            match &chunk {
                Ok(bytes) => left = left.saturating_sub(bytes.len() as u64),
                Err(error) => {
                    tracing::error!(recording.id = %id, %error, missing_bytes = left, "Reading footage failed in the middle of an answer");
                }
            }
            chunk
        },
    )))
}

/// `Gate-1_2026-11-03_14-05-00Z.mp4`: whose, when (UTC).
fn file_name(camera: &str, recording: &Recording) -> String {
    let start = recording
        .start_utc
        .timestamp()
        .strftime("%Y-%m-%d_%H-%M-%SZ");
    let camera: String = camera
        .chars()
        .map(|c| match c {
            // What a file system or a shell would trip over, and what would be read as a path.
            c if c.is_control() || c.is_whitespace() => '-',
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\'' | '%' | ';' => '-',
            c => c,
        })
        .collect();
    let camera = camera.trim_matches(|c| matches!(c, '-' | '.'));
    let camera = if camera.is_empty() { "camera" } else { camera };
    format!("{camera}_{start}.mp4")
}

/// The name for every browser (RFC 6266): in ASCII, and as it is.
fn attachment(name: &str) -> ApiResult<HeaderValue> {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let mut full = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            full.push(byte.into());
        } else {
            full.push_str(&format!("%{byte:02X}"));
        }
    }
    HeaderValue::from_str(&format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
    ))
    .map_err(ApiError::internal)
}
