//! Held footage for players: one playlist for any range of a camera.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Deserialize;
use utoipa::IntoParams;
use wire::error::ErrorCode;
use wire::ids::CameraId;
use wire::resource::RecordingStatus;
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::access::{Action, Subject};
use super::{ApiError, ApiResult, App, Path, Principal, Query, media};
use crate::catalog::recordings::{Span, SpanFilter};
use crate::model::time::UtcRange;
use crate::playback::vod::Vod;

/// The media type of playlists.
pub const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");

/// What to play.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RangeQuery {
    /// From this instant.
    from: UtcTime,
    /// Up to this one.
    to: UtcTime,
}

/// Playlist of what is held of a camera between two instants, across recordings and gaps: HLS over byte ranges of the
/// kept files, with true times.
#[utoipa::path(get, path = "/playback/{camera}/index.m3u8", tag = "playback",
    params(("camera" = CameraId, Path), RangeQuery),
    responses((status = 200, content_type = "application/vnd.apple.mpegurl", body = String)))]
pub async fn playlist(
    State(app): State<App>,
    who: Principal,
    Path(camera): Path<CameraId>,
    Query(query): Query<RangeQuery>,
) -> ApiResult<Response> {
    who.require(Permission::View)?;
    app.catalog.camera(camera).await?;
    let range = UtcRange::new(query.from, query.to)
        .filter(|range| range.from < range.to)
        .ok_or_else(|| {
            ApiError::invalid_field("to", "The range ends before it begins, or is empty.")
        })?;
    let spans = app.catalog.spans(camera, range, SpanFilter::All).await?;
    let mut vod = Vod::new(range);
    let mut away = None;
    for span in &spans {
        if span.status != RecordingStatus::Completed {
            continue;
        }
        // One at a time: the fragments of a day are megabytes. One that has just left is a gap.
        if let Some(held) = app.catalog.held(span.id).await? {
            // A player that meets a segment it cannot have stops there: what cannot be read is a gap too.
            let disk = app.volumes.get(held.volume);
            if let Some(disk) = disk.filter(|disk| !disk.health().is_there()) {
                away = Some(disk);
                continue;
            }
            vod.add(&held)
                .map_err(|error| ApiError::invalid_field("to", super::error::sentence(&error)))?;
        }
    }
    let Some(text) = vod.finish() else {
        if let Some(disk) = away {
            return Err(media::away(disk));
        }
        return Err(nothing_to_play(&spans, range));
    };
    // What is fetched by this playlist is counted by recording; this tells what was asked for.
    let subject = Subject {
        action: Action::Playback,
        camera: Some(camera),
        recording: None,
        archive: None,
        range: Some(range),
    };
    drop(app.own.access.meter(&who, subject));
    Ok((
        [
            (header::CONTENT_TYPE, PLAYLIST),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        text,
    )
        .into_response())
}

/// Why a range cannot be played: most telling first.
fn nothing_to_play(spans: &[Span], range: UtcRange) -> ApiError {
    let one = |status| spans.iter().find(|span| span.status == status);
    if one(RecordingStatus::Completed).is_some() {
        return ApiError::conflict(
            "What is held of this range cannot be played here: its pictures are damaged or encrypted. Download it instead.",
        );
    }
    if one(RecordingStatus::Pending)
        .or(one(RecordingStatus::Downloading))
        .is_some()
    {
        return ApiError::conflict(
            "The footage of this range has not been fetched from the recorder yet. Wait for it, or ask for a sync.",
        );
    }
    if let Some(failed) = one(RecordingStatus::Failed) {
        let why = failed.failure.as_deref().unwrap_or("the reason is unknown");
        return ApiError::conflict(format!(
            "The footage of this range could not be fetched from the recorder: {}. It is tried again by itself.",
            why.trim_end_matches('.')
        ));
    }
    if let Some(evicted) = one(RecordingStatus::Evicted) {
        return media::gone(evicted.eviction_cause);
    }
    ApiError::new(
        ErrorCode::RecordingNotFound,
        format!(
            "Nothing is known of this camera between {} and {}. Choose another time, or ask for a sync.",
            range.from, range.to
        ),
    )
}
