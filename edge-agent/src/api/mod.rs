//! The LAN HTTP API. The tunnel serves the same router, so people far away pass the same door and the same checks.
//!
//! To add a noun:
//!
//! 1. Write `api/<noun>.rs`. A handler takes `State(app): State<App>`, `who: Principal` and the extractors of
//!    [`base::http::extract`] (`Path`, `Query`, `JsonBody`), asks `who.require(Permission::…)?` first, and returns
//!    [`ApiResult`]. Bodies are types of [`wire::resource`], or live beside the handler with `Serialize`/`Deserialize`
//!    and `ToSchema`; request bodies carry `#[serde(deny_unknown_fields)]`.
//! 2. Annotate it with `#[utoipa::path(get, path = "/nouns/{id}", tag = "nouns", responses((status = 200, body = Noun)))]`
//!    and a doc comment, which becomes the text of the document. The path has no `/api/v1` in front; tag and function
//!    name together name the operation. What login the route needs and how it fails is added to the document by
//!    [`openapi`]; name only successes.
//! 3. List it in [`router`] with `routes!(…)`; handlers of one path go into one `routes!`.
//! 4. What it needs from the house becomes a field of [`Parts`], filled by `agent.rs`.
//!
//! An error is an [`ApiError`] with a code of [`wire::error`] and a sentence that says what happened and what to do.
//! Never put a credential or a token into one. Request id, error shape, panics, size limits and logging are not a
//! handler's business.

mod access;
mod access_log;
mod archives;
pub mod backup;
mod bookmarks;
mod cameras;
mod custody;
mod discover;
mod disks;
mod downloads;
pub mod error;
mod events;
mod gaps;
mod health;
mod live;
mod media;
mod openapi;
mod part;
mod places;
mod playback;
pub mod principal;
mod range;
mod recorders;
mod recordings;
mod reports;
pub mod request;
pub mod reset;
mod retention;
pub mod router;
pub mod serve;
mod session;
mod setup;
mod storage;
pub mod support;
mod sync;
mod system;
mod ui;
mod update;

#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use wire::claim::Membership;
use wire::ids::ApplianceId;
use wire::time::UtcTime;

use crate::ability::Ability;
use crate::adoption::Disks;
use crate::archive::Archiver;
use crate::catalog::Catalog;
use crate::catalog::people::People;
use crate::evict::Evictor;
use crate::footage::volume::Volumes;
use crate::governor::Governor;
use crate::host::clock::OwnClock;
use crate::live::LiveHub;
use crate::pipeline::Pipeline;
use crate::secrets::Secrets;
use crate::sessions::Sessions;
use crate::update::Updates;
use crate::uplink::UplinkHandle;

pub use base::http::cookies;
pub use base::http::extract::{JsonBody, Path, Query};
pub use error::{ApiError, ApiResult};
pub use principal::{Principal, Via};
pub use recorders::usual_port;

/// What the API listens on: `[api]`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port; port 0 lets the system choose, see `<state>/run/address.json`.
    pub listen: std::net::SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: std::net::SocketAddr::from(([0, 0, 0, 0], 8080)),
        }
    }
}

/// What handlers work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// The parts of the house that the API needs.
#[derive(Debug)]
pub struct Parts {
    /// This appliance.
    pub appliance: ApplianceId,
    /// SHA-256 (hex) of its public key.
    pub key_sha256: String,
    /// Makes a backup.
    pub backup: backup::MakeBackup,
    /// Looks at what the appliance stands on and promises.
    pub examine: support::Examine,
    /// Makes a support bundle.
    pub support: support::MakeSupport,
    /// Orders a factory reset.
    pub resetting: reset::Resetting,
    /// The box's clock.
    pub clock: OwnClock,
    /// Adopts disks for footage.
    pub disks: Disks,
    /// Receives updates of the system.
    pub updates: Updates,
    /// What is known.
    pub catalog: Catalog,
    /// Where footage lies.
    pub volumes: Volumes,
    /// Keeps room there, and knows how long footage stays.
    pub evictor: Evictor,
    /// Seals recorders' passwords.
    pub secrets: Arc<Secrets>,
    /// Sessions with recorders.
    pub sessions: Sessions,
    /// Carries out what people ask for.
    pub pipeline: Pipeline,
    /// Live streams.
    pub live: LiveHub,
    /// Archives.
    pub archiver: Archiver,
    /// Who may use a recorder when.
    pub governor: Governor,
    /// Which organisation the appliance belongs to, as the uplink knows it.
    pub membership: watch::Receiver<Option<Membership>>,
    /// Joins and leaves organisations.
    pub uplink: UplinkHandle,
    /// Whether the vendor's library can be used.
    pub library: watch::Receiver<Ability>,
    /// Whether footage can be made.
    pub footage: watch::Receiver<Ability>,
    /// How far back recorders are asked, in days, where nobody says.
    pub backfill_days: u32,
    /// Whether start-up is over.
    pub ready: watch::Receiver<bool>,
    /// Cancelled when answers without end are to end.
    pub stopping: CancellationToken,
    /// What the API keeps for itself.
    pub own: Own,
}

/// What the API keeps for itself while it runs.
#[derive(Debug)]
pub struct Own {
    /// When the API began.
    started: std::time::Instant,
    /// Slows down who tries passwords.
    attempts: session::Attempts,
    /// Places for open pages.
    listeners: events::Listeners,
    /// Places for connection tests, each of which starts a worker.
    tests: recorders::test::Tests,
    /// Looking for recorders on the network; one at a time.
    discovering: Semaphore,
    /// Making a support bundle or looking at everything; one at a time.
    supporting: Semaphore,
    /// Who saw what.
    access: access::AccessLog,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            started: std::time::Instant::now(),
            attempts: session::Attempts::default(),
            listeners: events::Listeners::default(),
            tests: recorders::test::Tests::default(),
            discovering: Semaphore::new(1),
            supporting: Semaphore::new(1),
            access: access::AccessLog::default(),
        }
    }
}

impl App {
    /// An API over these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Now.
    pub fn now(&self) -> UtcTime {
        self.catalog.now()
    }

    /// Writes who saw what into the catalog until `stop`, and then until the last answer that carries footage is over.
    pub async fn keep_access_log(&self, stop: CancellationToken) {
        let catalog = self.catalog.clone();
        self.own.access.write(catalog, stop).await;
    }

    /// Whether anybody plays or downloads footage, or did a moment ago.
    pub fn footage_in_use(&self) -> bool {
        self.own.access.in_use()
    }

    /// Who may log in here.
    fn people(&self) -> People {
        self.catalog.people()
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
