//! What has just changed, as server-sent events, so that pages need not ask again and again.
//!
//! An event says what kind of thing changed and where, not how: the page asks for it with the rights that it has then.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;
use wire::ids::{ApplianceId, SiteId};
use wire::telemetry::{Event as Report, State as Retained};
use wire::tunnel::Permission;

use super::{App, Visitor};
use crate::access::{Action, Target};
use crate::changes::{Change, What};

/// A stream ends after this long and the page opens it again, so that a login which has ended stops seeing changes.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Sign of life for proxies in between.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Something changed. Sent as event `changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changed {
    /// What kind of thing: `recording`, `camera`, `recorder`, `job`, `alert`, `storage`, `site`.
    pub kind: &'static str,
    /// At which site; null: anywhere, because some changes were missed.
    pub site_id: Option<SiteId>,
    /// By which appliance.
    pub appliance: Option<ApplianceId>,
}

/// Every kind, for a watcher that fell behind.
const KINDS: [&str; 7] = [
    "recording",
    "camera",
    "recorder",
    "job",
    "alert",
    "storage",
    "site",
];

/// Changes at the sites that the visitor may see, as they are stored: events `changed` with a `Changed` as data.
#[utoipa::path(get, path = "/events", tag = "events",
    responses((status = 200, body = Changed, content_type = "text/event-stream")))]
pub async fn stream(
    State(app): State<App>,
    visitor: Visitor,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let watch = app.changes.watch();
    let end = tokio::time::Instant::now() + LIFETIME;
    let events = futures_util::stream::unfold(
        (watch, visitor, Vec::<Changed>::new()),
        move |(mut watch, visitor, mut waiting)| async move {
            if waiting.is_empty() {
                waiting = tokio::time::timeout_at(end, next(&mut watch, &visitor))
                    .await
                    .ok()??;
            }
            let changed = waiting.pop()?;
            // Plain data: it can always be written.
            let event = Event::default().event("changed").json_data(changed).ok()?;
            Some((Ok(event), (watch, visitor, waiting)))
        },
    );
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Waits for something that the visitor may see; none at the end of the program.
async fn next(
    watch: &mut Receiver<std::sync::Arc<Change>>,
    visitor: &Visitor,
) -> Option<Vec<Changed>> {
    loop {
        match watch.recv().await {
            Ok(change) => {
                if let Some(changed) = seen_by(&change, visitor) {
                    return Some(vec![changed]);
                }
            }
            Err(RecvError::Lagged(_)) => {
                let anything = |kind| Changed {
                    kind,
                    site_id: None,
                    appliance: None,
                };
                return Some(KINDS.map(anything).to_vec());
            }
            Err(RecvError::Closed) => return None,
        }
    }
}

fn seen_by(change: &Change, visitor: &Visitor) -> Option<Changed> {
    let target = Target::Site(change.organisation, change.site);
    visitor
        .principal
        .may(Action::AtSite(Permission::View), target)
        .ok()?;
    Some(Changed {
        kind: kind(&change.what)?,
        site_id: Some(change.site),
        appliance: Some(change.appliance.clone()),
    })
}

fn kind(what: &What) -> Option<&'static str> {
    Some(match what {
        What::Presence(_) | What::State(Retained::Agent(_) | Retained::Update(_)) => "site",
        What::State(Retained::Storage(_) | Retained::Retention(_)) => "storage",
        What::State(Retained::Recorder(_)) => "recorder",
        What::State(Retained::Camera(_)) => "camera",
        What::Event(Report::AlertRaised(_)) => "alert",
        What::Event(Report::JobChanged(_)) => "job",
        What::Event(report) if report.recordings().is_some() => "recording",
        // Figures come every few seconds and are no change; access to footage is the audit log's.
        What::Event(_) | What::Figures(_) => return None,
    })
}
