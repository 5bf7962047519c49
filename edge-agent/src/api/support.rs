//! When something does not work: the examination, and the support bundle for whoever helps.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use wire::tunnel::Permission;

use super::session::off_thread;
use super::{ApiError, ApiResult, App, Principal};
use crate::doctor::Report;
use crate::support::file_name;

/// Makes a support bundle.
#[derive(Clone)]
pub struct MakeSupport(pub Arc<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>);

impl std::fmt::Debug for MakeSupport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MakeSupport")
    }
}

/// Looks at the appliance as `edge-agent doctor` does.
#[derive(Clone)]
pub struct Examine(pub Arc<dyn Fn() -> anyhow::Result<Report> + Send + Sync>);

impl std::fmt::Debug for Examine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Examine")
    }
}

/// Everything that the appliance stands on and promises, and what to do where something is wrong: `edge-agent doctor` for
/// whoever has no shell there. Takes some seconds; one at a time.
#[utoipa::path(get, path = "/system/doctor", tag = "system",
    responses((status = 200, body = Report)))]
pub async fn doctor(State(app): State<App>, who: Principal) -> ApiResult<Json<Report>> {
    who.require(Permission::Manage)?;
    let Ok(_alone) = app.own.supporting.try_acquire() else {
        return Err(busy());
    };
    let examine = app.examine.clone();
    let report = off_thread(move || (examine.0)())
        .await?
        .map_err(ApiError::internal)?;
    Ok(Json(report))
}

fn busy() -> ApiError {
    ApiError::conflict("The appliance is being looked at already. Ask again in a minute.")
}

/// One ZIP of texts that somebody far away needs in order to help: settings, states, the examination of `edge-agent doctor`,
/// journals. Without passwords, keys and footage. Takes some seconds; one at a time.
#[utoipa::path(get, path = "/system/support", tag = "system",
    responses((status = 200, content_type = "application/zip", description = "The bundle")))]
pub async fn support(State(app): State<App>, who: Principal) -> ApiResult<Response> {
    who.require(Permission::Manage)?;
    let Ok(_alone) = app.own.supporting.try_acquire() else {
        return Err(busy());
    };
    let make = app.support.clone();
    let bytes = off_thread(move || (make.0)())
        .await?
        .map_err(ApiError::internal)?;
    tracing::info!(person = %who.username, bytes = bytes.len(), "A support bundle was taken");
    let name = file_name(&app.appliance.to_string(), app.now());
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}
