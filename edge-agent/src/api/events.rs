//! What changed, as it changes, for pages that are open: server-sent events without content. Who cares asks again, so
//! an event tells nothing that the asker may not see, and a lost one costs a question.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, Principal};
use crate::catalog::{Change, ChangeKind};

/// Pages that may listen at once.
const LISTENERS_MAX: usize = 100;

/// A stream ends after this and the browser asks for it again: that is when a login that was ended is noticed.
const STREAM_MAX: Duration = Duration::from_secs(15 * 60);

/// Something to keep proxies from closing a quiet stream.
const QUIET_MAX: Duration = Duration::from_secs(20);

/// Places for listeners.
#[derive(Debug, Clone)]
pub struct Listeners(Arc<Semaphore>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LISTENERS_MAX)))
    }
}

/// Data of an event `changed`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// `recorder`, `camera`, `recording`, `job`, `bookmark`, `archive` or `volume` (by its name).
    kind: &'static str,
    /// Which one; null when many changed, or some changes were missed: read all of the kind anew.
    id: Option<String>,
}

/// Changes as server-sent events: `event: changed`, `data: {"kind": "recording", "id": "…"}`. Whoever is too slow gets
/// an event of every kind without id.
#[utoipa::path(get, path = "/events", tag = "events",
    responses((status = 200, body = Changed, content_type = "text/event-stream")))]
pub async fn stream(
    State(app): State<App>,
    who: Principal,
) -> ApiResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    who.require(Permission::View)?;
    let place = app.own.listeners.0.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(
            ErrorCode::ConcurrentLimitExceeded,
            format!("{LISTENERS_MAX} pages are listening already. Close some, or reload this page now and then."),
        )
        .retry_after(60)
    })?;
    let ends = {
        let stopping = app.stopping.clone();
        async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(STREAM_MAX) => {}
            }
        }
    };
    let events = changes(app.catalog.changes(), place)
        .flat_map(stream::iter)
        .take_until(Box::pin(ends));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(QUIET_MAX)))
}

/// Each item is what one change (or a gap in the changes) becomes.
fn changes(
    changes: broadcast::Receiver<Change>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Vec<Result<Event, Infallible>>> {
    stream::unfold((changes, place), |(mut changes, place)| async move {
        let events = match changes.recv().await {
            Ok(change) => vec![event(change)],
            Err(broadcast::error::RecvError::Lagged(_)) => [
                ChangeKind::Recorder,
                ChangeKind::Camera,
                ChangeKind::Recording,
                ChangeKind::SyncJob,
                ChangeKind::Bookmark,
                ChangeKind::Archive,
                ChangeKind::Volume,
            ]
            .map(|kind| event(Change { kind, id: None }))
            .into(),
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        Some((events, (changes, place)))
    })
}

fn event(change: Change) -> Result<Event, Infallible> {
    let changed = Changed {
        kind: match change.kind {
            ChangeKind::Recorder => "recorder",
            ChangeKind::Camera => "camera",
            ChangeKind::Recording => "recording",
            ChangeKind::SyncJob => "job",
            ChangeKind::Bookmark => "bookmark",
            ChangeKind::Archive => "archive",
            ChangeKind::Volume => "volume",
        },
        id: change.id,
    };
    let data = serde_json::to_string(&changed).expect("two texts are JSON");
    Ok(Event::default().event("changed").data(data))
}
