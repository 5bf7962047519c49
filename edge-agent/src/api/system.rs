//! The appliance itself: who it is, whether it belongs to an organisation, and which relay it may join.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::resource::{BoxClock, Claim, ClaimState, SandboxLayer, SetClockRequest, System};
use wire::tunnel::Permission;

use super::error::sentence;
use super::session::off_thread;
use super::{ApiError, ApiResult, App, JsonBody, Principal};
use crate::host::clock::SetClockError;
use crate::uplink::SetRelayError;
use crate::uplink::claim::{BadRelay, RelaySettings};

/// How long somebody who sets a relay waits for the claim code.
const CODE_WAIT: Duration = Duration::from_secs(3);

/// Body of `PUT /system/relay`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayInput {
    /// `https://host[:port]` of the relay; empty: none, the appliance works on the site's network only.
    url: String,
    /// SHA-256 (hex) of the relay's CA certificate, as the relay shows it to its administrator.
    #[serde(default)]
    ca_sha256: Option<String>,
}

/// The appliance: version, claim, and whether the vendor's library is there. The claim code is shown to those who may
/// change settings.
#[utoipa::path(get, path = "/system", tag = "system", responses((status = 200, body = System)))]
pub async fn get(State(app): State<App>, who: Principal) -> ApiResult<Json<System>> {
    who.require(Permission::View)?;
    let mut claim = app.uplink.claim();
    if who.require(Permission::Manage).is_err() {
        claim.code = None;
        claim.code_expires_at = None;
    }
    Ok(Json(System {
        appliance: app.appliance.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_s: app.own.started.elapsed().as_secs(),
        claim,
        paused: app.pipeline.status().borrow().paused.clone(),
        sdk_folder: app.sessions.config().sdk_folder.display().to_string(),
        sdk_problem: app.library.borrow().problem().map(str::to_owned),
        footage_problem: app.footage.borrow().problem().map(str::to_owned),
        sdk_sandbox: crate::recorder::sandbox::layers()
            .into_iter()
            .map(|layer| SandboxLayer {
                name: layer.name.word().to_owned(),
                missing: layer.missing,
            })
            .collect(),
    }))
}

/// Says which relay to join. The appliance then shows a claim code, which an administrator types at the relay. On the
/// site's own network only: nobody far away may send an appliance elsewhere.
#[utoipa::path(put, path = "/system/relay", tag = "system", request_body = RelayInput,
    responses((status = 200, body = Claim)))]
pub async fn set_relay(
    State(app): State<App>,
    who: Principal,
    JsonBody(input): JsonBody<RelayInput>,
) -> ApiResult<Json<Claim>> {
    who.require(Permission::Manage)?;
    who.require_session()?;
    let url = input.url.trim().trim_end_matches('/').to_owned();
    let settings = (!url.is_empty()).then(|| RelaySettings {
        url,
        ca_sha256: input
            .ca_sha256
            .map(|hex| hex.trim().to_owned())
            .filter(|hex| !hex.is_empty()),
        ca_file: None,
    });
    let (uplink, is_set) = (app.uplink.clone(), settings.is_some());
    let mut shown = uplink.shown();
    shown.mark_unchanged();
    off_thread(move || uplink.set_relay(settings)).await??;
    tracing::info!(person = %who.username, is_set, "The relay to join was set");
    if is_set {
        // The code appears in a moment, and so does a failure; where neither does, the page asks again.
        let appears = shown.wait_for(|shown| shown.code.is_some() || shown.failure.is_some());
        drop(tokio::time::timeout(CODE_WAIT, appears).await);
    }
    Ok(Json(app.uplink.claim()))
}

/// The box's clock, and whether a time server keeps it.
#[utoipa::path(get, path = "/system/clock", tag = "system", responses((status = 200, body = BoxClock)))]
pub async fn clock(State(app): State<App>, who: Principal) -> ApiResult<Json<BoxClock>> {
    who.require(Permission::View)?;
    let clock = app.clock.clone();
    Ok(Json(off_thread(move || clock.status()).await?))
}

/// Sets the box's clock where no time server can be reached: a recorder's would be judged by a wrong one. The box does it
/// in a moment. Refused (409) where a time server keeps it, and on a box that is not of the appliance image. On the
/// site's own network only: whoever comes from far away shows that a time server can be reached.
#[utoipa::path(post, path = "/system/clock", tag = "system", request_body = SetClockRequest,
    responses((status = 200, body = BoxClock)))]
pub async fn set_clock(
    State(app): State<App>,
    who: Principal,
    JsonBody(request): JsonBody<SetClockRequest>,
) -> ApiResult<Json<BoxClock>> {
    who.require(Permission::Manage)?;
    who.require_session()?;
    let clock = app.clock.clone();
    let told = off_thread(move || clock.set(request.now)).await??;
    tracing::warn!(person = %who.username, was = %told.now, now = %request.now, "The box's clock is set by a person");
    Ok(Json(told))
}

/// What became of a change of the key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyRotated {
    /// Passwords that are sealed with the new key.
    passwords: usize,
}

/// Seals the recorders' passwords with a new key and forgets the old one. Sessions go on.
#[utoipa::path(post, path = "/system/rotate-key", tag = "system", responses((status = 200, body = KeyRotated)))]
pub async fn rotate_key(State(app): State<App>, who: Principal) -> ApiResult<Json<KeyRotated>> {
    who.require(Permission::Manage)?;
    who.require_session()?;
    let passwords = crate::rotate_key::rotate(&app.secrets, &app.catalog)
        .await
        .map_err(ApiError::internal)?;
    tracing::info!(person = %who.username, "The key of stored passwords was changed by a person");
    Ok(Json(KeyRotated { passwords }))
}

/// Leaves the organisation: nothing is reported any more, and nobody far away gets in. An administrator should also
/// revoke the appliance at the relay. Footage stays.
#[utoipa::path(delete, path = "/system/relay", tag = "system", responses((status = 202)))]
pub async fn leave(State(app): State<App>, who: Principal) -> ApiResult<StatusCode> {
    who.require(Permission::Manage)?;
    who.require_session()?;
    if app.uplink.claim().state != ClaimState::Claimed {
        return Err(ApiError::conflict(
            "This appliance belongs to no organisation, so there is nothing to leave.",
        ));
    }
    app.uplink.leave();
    tracing::info!(person = %who.username, "The appliance was told to leave its organisation");
    Ok(StatusCode::ACCEPTED)
}

impl From<SetClockError> for ApiError {
    fn from(error: SetClockError) -> Self {
        let said = sentence(&error);
        match error {
            SetClockError::NotOffered | SetClockError::Followed | SetClockError::Busy => {
                Self::conflict(said)
            }
            SetClockError::Never(_) => Self::invalid_field("now", said),
            SetClockError::Io { .. } => Self::internal(error),
        }
    }
}

impl From<SetRelayError> for ApiError {
    fn from(error: SetRelayError) -> Self {
        match &error {
            SetRelayError::Bad(BadRelay::Url) => Self::invalid_field("url", sentence(&error)),
            SetRelayError::Bad(_) => Self::invalid_field("ca_sha256", sentence(&error)),
            SetRelayError::Claimed => Self::conflict(sentence(&error)),
            SetRelayError::Io(_) => Self::internal(error),
        }
    }
}
