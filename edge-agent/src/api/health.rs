//! Whether the agent lives and whether it is ready: for systemd, load balancers and tests, without login.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, ApiResult, App};

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
