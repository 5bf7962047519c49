//! Whether the relay lives and whether it is ready: for systemd, load balancers and tests, without login.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, ApiResult, App};
use crate::broker::Health;

/// Answer to `GET /health` and `GET /ready`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Alive {
    /// `ok`.
    status: &'static str,
    /// Program version.
    version: &'static str,
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

/// Listeners and broker are up, and the database answers.
#[utoipa::path(get, path = "/ready", tag = "health", security(()), responses((status = 200, body = Alive)))]
pub async fn ready(State(app): State<App>) -> ApiResult<Json<Alive>> {
    if !*app.ready.borrow() {
        return Err(ApiError::unavailable(
            "The relay is starting or stopping. Try again in a moment.",
        ));
    }
    let broker = app.broker.as_ref().map(|health| health.borrow().clone());
    match broker {
        None | Some(Health::Running) => {}
        Some(Health::Starting) => {
            return Err(ApiError::unavailable(
                "The MQTT broker is starting. Try again in a moment.",
            ));
        }
        // Why stands in the journal: this route is open to everybody.
        Some(Health::Down { .. }) => {
            return Err(ApiError::unavailable(
                "The MQTT broker is down and is started again; the journal says why. Pages and downloads work.",
            ));
        }
    }
    app.store.has_people().await?;
    Ok(Json(ALIVE))
}
