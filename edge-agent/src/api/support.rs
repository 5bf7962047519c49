//! The support bundle, to be given to whoever helps.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use wire::tunnel::Permission;

use super::session::off_thread;
use super::{ApiError, ApiResult, App, Principal};
use crate::support::file_name;

/// Makes a support bundle.
#[derive(Clone)]
pub struct MakeSupport(pub Arc<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>);

impl std::fmt::Debug for MakeSupport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MakeSupport")
    }
}

/// One ZIP of texts that somebody far away needs in order to help: settings, states, the examination of `edge-agent doctor`,
/// journals. Without passwords, keys and footage. Takes some seconds; one at a time.
#[utoipa::path(get, path = "/system/support", tag = "system",
    responses((status = 200, content_type = "application/zip", description = "The bundle")))]
pub async fn support(State(app): State<App>, who: Principal) -> ApiResult<Response> {
    who.require(Permission::Manage)?;
    let Ok(_alone) = app.own.supporting.try_acquire() else {
        return Err(ApiError::conflict(
            "A support bundle is being made. Ask again in a minute.",
        ));
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
