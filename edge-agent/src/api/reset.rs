//! Factory reset, asked for by an administrator.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use wire::tunnel::Permission;

use super::session::off_thread;
use super::{ApiError, ApiResult, App, JsonBody, Principal};
use crate::config;
use crate::reset::{Order, order};

/// Where a reset is ordered, and how the agent is then told to end.
#[derive(Debug, Clone)]
pub struct Resetting {
    /// The order lies in its folder.
    pub state: config::State,
    /// Cancelled once it is there.
    pub ordered: CancellationToken,
}

/// Body of `POST /system/factory-reset`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetInput {
    /// The appliance's id, so that nobody resets another box than the one they mean.
    appliance: String,
    /// Wipes all footage and archives too. On the site's own network only.
    #[serde(default)]
    footage: bool,
}

/// Makes the box as new: people, recorders and their passwords, settings of the page, locks, identity and keys go, and it
/// leaves its organisation. Footage stays and is shown to whoever sets the box up next, unless it is to go too. The
/// agent ends and starts again; there is no way back.
#[utoipa::path(post, path = "/system/factory-reset", tag = "system", request_body = ResetInput,
    responses((status = 202)))]
pub async fn factory_reset(
    State(app): State<App>,
    who: Principal,
    JsonBody(input): JsonBody<ResetInput>,
) -> ApiResult<StatusCode> {
    who.require(Permission::Manage)?;
    if input.footage {
        // Nobody far away can make evidence vanish.
        who.require_session()?;
    }
    if input.appliance != app.appliance.to_string() {
        return Err(ApiError::invalid_field(
            "appliance",
            format!(
                "This is appliance {}, not the one that was named.",
                app.appliance
            ),
        ));
    }
    let (resetting, at) = (app.resetting.clone(), app.now());
    let asked = Order {
        footage: input.footage,
        at,
    };
    off_thread(move || order(&resetting.state, asked))
        .await?
        .map_err(ApiError::internal)?;
    tracing::warn!(person = %who.username, footage = input.footage, "A factory reset was ordered by a person");
    app.resetting.ordered.cancel();
    Ok(StatusCode::ACCEPTED)
}
