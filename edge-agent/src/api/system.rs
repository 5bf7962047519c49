//! The appliance itself: who it is, whether it belongs to an organisation, and which relay it may join.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use wire::resource::{Claim, System};
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Principal};
use crate::uplink::claim::RelaySettings;

/// Where the relay that was set from the page is kept.
pub const RELAY_SETTING: &str = "relay";

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
    let mut claim: Claim = app.claim.borrow().clone();
    if who.require(Permission::Manage).is_err() {
        claim.code = None;
        claim.code_expires_at = None;
    }
    Ok(Json(System {
        appliance: app.appliance.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_s: app.own.started.elapsed().as_secs(),
        claim,
        sdk_folder: app.sessions.config().sdk_folder.display().to_string(),
        sdk_problem: app.sdk_problem.borrow().clone(),
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
    if url.is_empty() {
        app.catalog.remove_setting(RELAY_SETTING).await?;
        app.relay.send_replace(None);
        tracing::info!(person = %who.username, "The appliance no longer looks for a relay");
        return Ok(Json(app.claim.borrow().clone()));
    }
    let settings = RelaySettings {
        url,
        ca_sha256: input
            .ca_sha256
            .map(|hex| hex.trim().to_owned())
            .filter(|hex| !hex.is_empty()),
        ca_file: None,
    };
    settings.relay().map_err(|bad| {
        let field = match bad {
            crate::uplink::claim::BadRelay::Url => "url",
            _ => "ca_sha256",
        };
        ApiError::invalid_field(field, super::error::sentence(&bad))
    })?;
    app.catalog.set_setting(RELAY_SETTING, &settings).await?;
    tracing::info!(person = %who.username, relay.url = %settings.url, "The relay to join was set");
    let mut claim = app.claim.clone();
    claim.mark_unchanged();
    app.relay.send_replace(Some(settings));
    // The code appears in a moment; who asks sees it at once.
    let seen = tokio::time::timeout(
        std::time::Duration::from_secs(3),
        claim.wait_for(|claim| claim.relay_url.is_some()),
    )
    .await;
    let now = match seen {
        Ok(Ok(claim)) => claim.clone(),
        _ => app.claim.borrow().clone(),
    };
    Ok(Json(now))
}
