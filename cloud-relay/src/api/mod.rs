//! The relay's API: every route in [`router`], one file per noun, one error shape (spec E), and the page.
//!
//! A handler takes `State(app): State<App>`, a [`Visitor`] and the extractors of [`base::http::extract`], finds its subject within
//! `visitor.scope()`, asks [`crate::access`] through [`Visitor::require`] and returns [`ApiResult`]. Nobody reaches a
//! handler of the closed part of the router without a login. What login a route needs and how it fails is added to the
//! OpenAPI document by the router; handlers name only successes.

mod appliances;
mod audit;
mod cameras;
mod events;
mod gaps;
mod health;
mod live;
mod openapi;
mod page;
mod proxy;
mod recordings;
pub mod request;
pub mod router;
pub mod serve;
mod session;
mod sites;
#[cfg(test)]
mod tests;
mod ui;
mod updates;
pub mod visitor;

use std::ops::Deref;
use std::sync::Arc;

use base::clock::Clock;
use tokio::sync::{Notify, watch};
use wire::time::UtcTime;

use crate::audit::Audit;
use crate::changes::Changes;
use crate::claim::Claims;
use crate::identity::Identity;
use crate::mqtt::Pokes;
use crate::pki::Pki;
use crate::store::Store;
use crate::tunnel::hub::Hub;

pub use base::http::cookies;
pub use base::http::error::{ApiError, ApiResult};
pub use base::http::extract::{JsonBody, Path, Query};
pub use visitor::Visitor;

/// What handlers work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

/// The parts of the house that the API needs.
#[derive(Debug)]
pub struct Parts {
    /// The time.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// Logins.
    pub identity: Identity,
    /// The audit log.
    pub audit: Audit,
    /// What changes.
    pub changes: Changes,
    /// The way to appliances.
    pub hub: Hub,
    /// Signs who asks.
    pub pki: Arc<Pki>,
    /// Where appliances enrol and admins claim them.
    pub claims: Claims,
    /// Notified when an appliance was claimed or revoked, so that the broker's rules follow.
    pub standing: Arc<Notify>,
    /// Whether reports come in now (the broker is reached).
    pub reports: watch::Receiver<bool>,
    /// Hints to appliances.
    pub pokes: Pokes,
    /// Notified when there may be something new to send to an appliance.
    pub deliveries: Arc<Notify>,
    /// Whether start-up is over.
    pub ready: watch::Receiver<bool>,
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
