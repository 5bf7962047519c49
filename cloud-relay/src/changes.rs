//! What has just changed, for whoever watches now (the dashboard's event stream). Nothing is kept: a watcher that falls
//! behind is told so and asks for the lists again.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::telemetry::{Event, Figures, State};

/// Changes that a slow watcher may lag behind before it loses some.
const BACKLOG_MAX: usize = 1024;

/// One change at one site, after it was stored.
#[derive(Debug, Clone)]
pub struct Change {
    /// Tenant: only its people may see this.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
    /// Appliance that told.
    pub appliance: ApplianceId,
    /// What.
    pub what: What,
}

/// The kinds of change; written as the reports are (`type`, `data`).
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum What {
    /// The appliance came or went.
    Presence(Presence),
    /// A retained state.
    State(State),
    /// An event out of the outbox.
    Event(Event),
    /// Fleeting figures.
    Figures(Figures),
}

/// The appliance came or went.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", content = "data")]
pub enum Presence {
    /// By birth, will or clean stop.
    #[serde(rename = "state.online")]
    Online {
        /// Whether it is there now.
        online: bool,
    },
}

/// Hands changes to everybody who watches. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Arc<Change>>);

impl Changes {
    /// Nobody watches yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG_MAX))
    }

    /// Tells whoever watches; with nobody there it is forgotten.
    pub fn tell(&self, change: Change) {
        // The only error is that nobody watches.
        let _ = self.0.send(Arc::new(change));
    }

    /// Watches from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Change>> {
        self.0.subscribe()
    }
}
