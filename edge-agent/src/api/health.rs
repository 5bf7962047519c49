//! Whether the agent lives and whether it is ready: for systemd, load balancers and tests, without login.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use wire::resource::RecorderState;

use super::{ApiError, ApiResult, App};
use crate::ability::Ability;

/// Answer to `GET /health` and `GET /ready`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Alive {
    /// `ok`.
    status: &'static str,
    /// Program version.
    version: &'static str,
}

/// Answer to `GET /ready/recording`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Able {
    /// `ok`.
    status: &'static str,
    /// Whether the vendor's library can be used.
    library: bool,
    /// Whether a recorder is logged in.
    recorder: bool,
    /// Whether reports reach a relay, and it reaches this box.
    relay: bool,
}

const ALIVE: Alive = Alive {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};

/// The program answers.
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses((status = 200, body = Alive)))]
pub async fn health() -> Json<Alive> {
    Json(ALIVE)
}

/// The start-up check is done, and the catalog answers.
#[utoipa::path(get, path = "/ready", tag = "health", security(()), responses((status = 200, body = Alive)))]
pub async fn ready(State(app): State<App>) -> ApiResult<Json<Alive>> {
    if !*app.ready.borrow() {
        return Err(ApiError::unavailable(
            "The agent is starting: it checks what an interruption may have left behind. Pages and lists work already.",
        ));
    }
    app.people().is_set_up().await?;
    Ok(Json(ALIVE))
}

/// What this system is able to do: a rehearsed recording came out well, somebody has looked for the vendor's library, a
/// recorder and a relay answer. Whether a newer system is kept is decided by this.
#[utoipa::path(get, path = "/ready/recording", tag = "health", security(()), responses((status = 200, body = Able)))]
pub async fn ready_to_record(State(app): State<App>) -> ApiResult<Json<Able>> {
    if app.footage.borrow().problem().is_some() {
        return Err(ApiError::unavailable(
            "This box cannot make footage of what recorders send; the system page and the journal say why.",
        ));
    }
    let library = match &*app.library.borrow() {
        Ability::There => Some(true),
        Ability::Missing(_) => Some(false),
        Ability::NotLooked => None,
    };
    let is_made = *app.footage.borrow() == Ability::There;
    let Some(library) = library.filter(|_| is_made) else {
        return Err(ApiError::unavailable(
            "The agent has not tried yet whether it can make footage.",
        ));
    };
    let recorders = app.catalog.recorders().await?;
    Ok(Json(Able {
        status: "ok",
        library,
        recorder: recorders
            .iter()
            .any(|recorder| recorder.state == RecorderState::Online),
        relay: app.uplink.is_heard(),
    }))
}
