//! Whether the relay lives and whether it is ready: for systemd, load balancers and tests, without login.

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

/// Answer to `GET /ready`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ready {
    /// `ok`.
    status: &'static str,
    /// Program version.
    version: &'static str,
    /// Whether reports of appliances come in now. Without, lists grow old, but people can watch and download.
    reports: bool,
}

/// The relay has started, reports have come in once, and the database answers.
#[utoipa::path(get, path = "/ready", tag = "health", security(()), responses((status = 200, body = Ready)))]
pub async fn ready(State(app): State<App>) -> ApiResult<Json<Ready>> {
    if !*app.ready.borrow() {
        return Err(ApiError::unavailable(
            "The relay is starting or stopping. Try again in a moment.",
        ));
    }
    app.store.has_people().await?;
    Ok(Json(Ready {
        status: ALIVE.status,
        version: ALIVE.version,
        reports: *app.reports.borrow(),
    }))
}
