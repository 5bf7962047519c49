//! Devices of the network that could be recorders (ONVIF WS-Discovery): nobody has to know an address by heart.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::resource::Page;
use wire::tunnel::Permission;

use super::error::sentence;
use super::{ApiError, ApiResult, App, Principal};
use crate::recorder::onvif;

/// How long answers are waited for. Devices wait up to half a second before they answer.
const PATIENCE: Duration = Duration::from_millis(2_400);

/// A device that answered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FoundDevice {
    /// Where its answer came from.
    address: String,
    /// Port of its web interface.
    port: u16,
    /// Its name, where it tells one.
    name: Option<String>,
    /// Its model, where it tells one.
    model: Option<String>,
}

/// Asks the network for devices by multicast; answers after a few seconds. Devices with ONVIF switched off do not answer.
#[utoipa::path(post, path = "/recorders/discover", tag = "recorders",
    responses((status = 200, body = Page<FoundDevice>)))]
pub async fn discover(
    State(app): State<App>,
    who: Principal,
) -> ApiResult<Json<Page<FoundDevice>>> {
    who.require(Permission::Manage)?;
    let _place = app.own.discovering.try_acquire().map_err(|_| {
        ApiError::new(
            ErrorCode::ConcurrentLimitExceeded,
            "Somebody is looking for recorders already. Try again in a moment.",
        )
        .retry_after(3)
    })?;
    let found = onvif::discover(PATIENCE).await.map_err(|error| {
        ApiError::new(
            ErrorCode::RecorderFailed,
            sentence(&format!(
                "the network cannot be asked for recorders: {error}"
            )),
        )
    })?;
    let items = found
        .into_iter()
        .map(|device| FoundDevice {
            address: device.address.to_string(),
            port: device.port,
            name: device.name,
            model: device.model,
        })
        .collect();
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}
