//! Live view as HLS (L1): the first request begins the stream, further ones join it.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::ids::CameraId;
use wire::resource::{Page, StreamLink};
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::access::{Action, Subject};
use super::error::sentence;
use super::playback::PLAYLIST;
use super::{ApiError, ApiResult, App, Path, Principal};
use crate::live::{LiveError, Target};

/// Name of the playlist.
const INDEX: &str = "index.m3u8";
/// Segments never change while they are there.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=60, immutable");

/// Where a camera can be watched live. The stream is begun, so that it plays at once when the page asks for it.
#[utoipa::path(get, path = "/cameras/{id}/stream/hls", tag = "live", params(("id" = CameraId, Path)),
    responses((status = 200, body = StreamLink)))]
pub async fn hls(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<CameraId>,
) -> ApiResult<Json<StreamLink>> {
    who.require(Permission::View)?;
    let target = target(&app, id).await?;
    app.live.playlist(id, target, &viewer(&who)).await?;
    Ok(Json(StreamLink {
        url: format!("/api/v1/live/{id}/{INDEX}"),
    }))
}

/// Playlist (`index.m3u8`) and segments of live view, as the playlist names them.
#[utoipa::path(get, path = "/live/{camera}/{file}", tag = "live",
    params(("camera" = CameraId, Path), ("file" = String, Path)),
    responses((status = 200, description = "Playlist or segment")))]
pub async fn file(
    State(app): State<App>,
    who: Principal,
    Path((camera, name)): Path<(CameraId, String)>,
) -> ApiResult<Response> {
    who.require(Permission::View)?;
    let (kind, cache, bytes) = if name == INDEX {
        let target = target(&app, camera).await?;
        let text = app.live.playlist(camera, target, &viewer(&who)).await?;
        (PLAYLIST, HeaderValue::from_static("no-store"), text.into())
    } else {
        let file = app.live.file(camera, &name, &viewer(&who))?;
        (
            HeaderValue::from_static(file.content_type),
            CACHE,
            file.bytes,
        )
    };
    let subject = Subject {
        action: Action::Live,
        camera: Some(camera),
        recording: None,
        archive: None,
        range: None,
    };
    let body = app.own.access.meter(&who, subject).body(Body::from(bytes));
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    Ok((headers, body).into_response())
}

/// How a live stream is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LiveStreamHealth {
    /// Which camera.
    camera_id: CameraId,
    /// When its first viewer came.
    started_at: UtcTime,
    /// Who watches now.
    viewers: usize,
    /// `h264`, `hevc`; null until it plays.
    video_codec: Option<&'static str>,
    /// Picture width; null until it plays.
    width: Option<u32>,
    /// Picture height; null until it plays.
    height: Option<u32>,
    /// Pictures a second, lately.
    frames_per_s: f64,
    /// Bits a second, lately.
    bits_per_s: u64,
    /// How often its source had to be begun again.
    restarts: u64,
    /// Why it does not play, in words.
    failure: Option<String>,
}

/// The live streams that run now, and how they are doing.
#[utoipa::path(get, path = "/live", tag = "live", responses((status = 200, body = Page<LiveStreamHealth>)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
) -> ApiResult<Json<Page<LiveStreamHealth>>> {
    who.require(Permission::View)?;
    let known = |pixels: u32| (pixels > 0).then_some(pixels);
    let mut items: Vec<LiveStreamHealth> = app
        .live
        .health()
        .into_iter()
        .map(|(camera_id, health)| LiveStreamHealth {
            camera_id,
            started_at: health.started,
            viewers: health.viewers,
            video_codec: health.video_codec,
            width: known(health.width),
            height: known(health.height),
            frames_per_s: health.figures.frames_per_s,
            bits_per_s: health.figures.bits_per_s,
            restarts: health.restarts,
            failure: health.failure,
        })
        .collect();
    items.sort_by_key(|stream| stream.camera_id);
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

/// Tells viewers apart. The relay watches once for all its viewers, and says for whom it began.
fn viewer(who: &Principal) -> String {
    match who.via.address() {
        Some(address) => format!("{} at {}", who.user_id, address.ip()),
        None => format!("{} through the relay", who.user_id),
    }
}

async fn target(app: &App, id: CameraId) -> ApiResult<Target> {
    let camera = app.catalog.camera(id).await?;
    let recorder = app.catalog.recorder(camera.recorder_id).await?;
    if !recorder.enabled {
        return Err(ApiError::new(
            ErrorCode::StreamNodeUnavailable,
            format!(
                "Recorder {:?} is switched off. Switch it on to watch its cameras.",
                recorder.name
            ),
        ));
    }
    Ok(Target {
        recorder: camera.recorder_id,
        channel: camera.channel,
    })
}

impl From<LiveError> for ApiError {
    fn from(error: LiveError) -> Self {
        let message = sentence(&error);
        match error {
            LiveError::TooMany { .. } => {
                Self::new(ErrorCode::ConcurrentLimitExceeded, message).retry_after(10)
            }
            LiveError::Source { .. } => {
                Self::new(ErrorCode::StreamNodeUnavailable, message).retry_after(5)
            }
            LiveError::NoSuchFile => Self::new(ErrorCode::NotFound, message),
        }
    }
}
