//! The LAN HTTP API. The tunnel serves the same router, so people far away pass the same door and the same checks.
//!
//! To add a noun:
//!
//! 1. Write `api/<noun>.rs`. A handler takes `State(app): State<App>`, `who: Principal` and the extractors of
//!    [`extract`] (`Path`, `Query`, `JsonBody`), asks `who.require(Permission::…)?` first, and returns
//!    [`ApiResult`]. Bodies are types of [`wire::resource`], or live beside the handler with `Serialize`/`Deserialize`
//!    and `ToSchema`; request bodies carry `#[serde(deny_unknown_fields)]`.
//! 2. Annotate it with `#[utoipa::path(get, path = "/nouns/{id}", tag = "nouns", responses((status = 200, body = Noun)))]`
//!    and a doc comment, which becomes the text of the document. The path has no `/api/v1` in front. What login the
//!    route needs and how it fails is added to the document by [`router`]; name only successes.
//! 3. List it in [`router`] with `routes!(…)`; handlers of one path go into one `routes!`.
//! 4. What it needs from the house becomes a field of [`Parts`], filled by `agent.rs`.
//!
//! An error is an [`ApiError`] with a code of [`wire::error`] and a sentence that says what happened and what to do.
//! Never put a credential or a token into one. Request id, error shape, panics, size limits and logging are not a
//! handler's business.

pub mod cookies;
pub mod error;
pub mod extract;
mod health;
mod openapi;
pub mod principal;
mod rate;
pub mod request;
pub mod router;
pub mod serve;
mod session;
mod setup;
mod ui;

#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use base::clock::Clock;
use tokio::sync::watch;
use wire::claim::Membership;
use wire::ids::ApplianceId;
use wire::time::UtcTime;

use crate::catalog::people::People;

pub use error::{ApiError, ApiResult};
pub use extract::JsonBody;
pub use principal::{Principal, Via};

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
    /// The time.
    pub clock: Clock,
    /// Who may log in here.
    pub people: People,
    /// Which organisation the appliance belongs to, as the uplink knows it.
    pub membership: watch::Receiver<Option<Membership>>,
    /// Whether start-up is over.
    pub ready: watch::Receiver<bool>,
    /// Slows down who tries passwords.
    pub attempts: rate::Attempts,
}

impl App {
    /// An API over these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Now.
    pub fn now(&self) -> UtcTime {
        UtcTime::from(self.clock.now())
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
