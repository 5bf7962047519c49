//! Updates of sites: what runs there, what is offered, and what is being sent. Whether a site takes what is sent is decided
//! there, by its signature.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::ids::{ApplianceId, SiteId};
use wire::time::UtcTime;
use wire::tunnel::Permission;
use wire::update::{ImageVersion, InstallWhen, Update};

use super::visitor::not_there;
use super::{ApiError, ApiResult, App, JsonBody, Path, Visitor};
use crate::store::updates::{Bundle, Delivery, DeliveryState, SiteUpdates};

/// A newer system that can be sent to a site.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OfferedUpdate {
    /// Its version.
    #[schema(value_type = String)]
    version: ImageVersion,
    /// Length of its file.
    bytes: u64,
    /// When it was put here.
    added_at: UtcTime,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateDeliveryState {
    /// It is to be sent, or is being sent.
    Pending,
    /// The appliance has all of it.
    Delivered,
    /// It will not be sent.
    Failed,
}

/// What is sent to a site, or was sent last.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UpdateDelivery {
    /// Its version.
    #[schema(value_type = String)]
    version: ImageVersion,
    /// Length of its file.
    bytes: u64,
    /// How far it is.
    state: UpdateDeliveryState,
    /// When it is to be installed, where a person said so.
    chosen: Option<InstallWhen>,
    /// Who asked for it; null: the site takes updates by itself.
    asked_by: Option<String>,
    /// Why it waits, or failed.
    message: Option<String>,
    /// When it was asked for.
    asked_at: UtcTime,
    /// When its state last changed.
    updated_at: UtcTime,
}

/// Answer to `GET /sites/{site}/update`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SiteUpdate {
    /// The site takes every newer system that is put here, without anybody asking.
    automatic: bool,
    /// What its appliance told last; null: nothing yet.
    told: Option<Update>,
    /// The newest system that is newer than what runs there.
    offered: Option<OfferedUpdate>,
    /// What is sent there, or was sent last.
    delivery: Option<UpdateDelivery>,
}

/// Body of `POST /sites/{site}/update`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendUpdate {
    /// Which system: one that is offered.
    #[schema(value_type = String)]
    version: ImageVersion,
    /// When it is to be installed; null: as the appliance's own settings say.
    #[serde(default)]
    when: Option<InstallWhen>,
}

/// Body of `PUT /sites/{site}/update`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteUpdateSettings {
    /// The site takes every newer system that is put here, without anybody asking.
    automatic: bool,
}

/// Which system runs at a site, what is offered, and what is being sent.
#[utoipa::path(get, path = "/sites/{site}/update", tag = "updates", params(("site" = SiteId, Path)),
    responses((status = 200, body = SiteUpdate)))]
pub async fn get(
    State(app): State<App>,
    visitor: Visitor,
    Path(site): Path<SiteId>,
) -> ApiResult<Json<SiteUpdate>> {
    let known = known(&app, &visitor, site, Permission::View).await?;
    Ok(Json(shown(known, app.store.bundles().await?)))
}

/// Sends a system to a site, as soon as it is online and in pieces. What was being sent there before is not sent on.
#[utoipa::path(post, path = "/sites/{site}/update", tag = "updates", params(("site" = SiteId, Path)),
    request_body = SendUpdate, responses((status = 202, body = SiteUpdate)))]
pub async fn send(
    State(app): State<App>,
    visitor: Visitor,
    Path(site): Path<SiteId>,
    // Looked at after the site: nobody learns by a bad body that there is one.
    body: ApiResult<JsonBody<SendUpdate>>,
) -> ApiResult<(StatusCode, Json<SiteUpdate>)> {
    let mut known = known(&app, &visitor, site, Permission::Manage).await?;
    let JsonBody(wanted) = body?;
    let appliance = appliance(&known)?;
    let bundles = app.store.bundles().await?;
    let bundle = bundles.iter().find(|it| it.version == wanted.version);
    let bundle = bundle.ok_or_else(|| {
        let why = format!("There is no update {} here. Look again.", wanted.version);
        ApiError::invalid_field("version", why)
    })?;
    let running = known.told.as_ref().and_then(|told| told.running.as_ref());
    if let Some(running) = running
        && *running >= bundle.version
    {
        return Err(ApiError::conflict(format!(
            "{} is not newer than {running}, which runs there.",
            bundle.version
        )));
    }
    let now = app.now();
    let delivery = Delivery {
        appliance,
        version: bundle.version.clone(),
        sha256: bundle.sha256.clone(),
        bytes: bundle.bytes,
        chosen: wanted.when,
        asked_by: Some((
            visitor.principal.user_id,
            visitor.principal.username.clone(),
        )),
        state: DeliveryState::Pending,
        message: None,
        asked_at: now,
        updated_at: now,
    };
    let subject = match wanted.when {
        Some(InstallWhen::Now) => format!("{}, now", wanted.version),
        Some(InstallWhen::Window) => format!("{}, in the quiet window", wanted.version),
        None => wanted.version.to_string(),
    };
    note(
        &app,
        &visitor,
        &known,
        "update.send",
        subject,
        StatusCode::ACCEPTED,
    )
    .await?;
    app.store.set_delivery(delivery.clone()).await?;
    app.deliveries.notify_one();
    known.delivery = Some(delivery);
    Ok((StatusCode::ACCEPTED, Json(shown(known, bundles))))
}

/// Calls off what is to be sent to a site; what came of it there is forgotten at the site itself.
#[utoipa::path(delete, path = "/sites/{site}/update", tag = "updates", params(("site" = SiteId, Path)),
    responses((status = 200, body = SiteUpdate)))]
pub async fn call_off(
    State(app): State<App>,
    visitor: Visitor,
    Path(site): Path<SiteId>,
) -> ApiResult<Json<SiteUpdate>> {
    let mut known = known(&app, &visitor, site, Permission::Manage).await?;
    if let Some(delivery) = known.delivery.take() {
        let version = delivery.version.to_string();
        note(
            &app,
            &visitor,
            &known,
            "update.call_off",
            version,
            StatusCode::OK,
        )
        .await?;
        if known.automatic {
            // Remembered, or it would be sent again at once.
            let why = format!("{} called it off.", visitor.principal.username);
            let (now, failed) = (app.now(), DeliveryState::Failed);
            app.store
                .note_delivery(&delivery, failed, Some(why.clone()), now)
                .await?;
            known.delivery = Some(Delivery {
                state: failed,
                message: Some(why),
                updated_at: now,
                ..delivery
            });
        } else {
            app.store.forget_delivery(delivery.appliance).await?;
        }
    }
    Ok(Json(shown(known, app.store.bundles().await?)))
}

/// Whether a site takes updates by itself.
#[utoipa::path(put, path = "/sites/{site}/update", tag = "updates", params(("site" = SiteId, Path)),
    request_body = SiteUpdateSettings, responses((status = 200, body = SiteUpdate)))]
pub async fn set(
    State(app): State<App>,
    visitor: Visitor,
    Path(site): Path<SiteId>,
    body: ApiResult<JsonBody<SiteUpdateSettings>>,
) -> ApiResult<Json<SiteUpdate>> {
    let mut known = known(&app, &visitor, site, Permission::Manage).await?;
    let JsonBody(settings) = body?;
    let subject = match settings.automatic {
        true => "by itself",
        false => "when somebody asks",
    };
    note(
        &app,
        &visitor,
        &known,
        "update.settings",
        subject.into(),
        StatusCode::OK,
    )
    .await?;
    app.store
        .set_automatic_updates(site, settings.automatic)
        .await?;
    known.automatic = settings.automatic;
    app.deliveries.notify_one();
    Ok(Json(shown(known, app.store.bundles().await?)))
}

/// A site that this person may see, and may do this at.
async fn known(
    app: &App,
    visitor: &Visitor,
    site: SiteId,
    permission: Permission,
) -> ApiResult<SiteUpdates> {
    let known = app.store.site_updates(visitor.scope(), site).await?;
    let known = known.ok_or_else(|| not_there(ErrorCode::SiteNotFound))?;
    visitor.require(permission, &known.at, ErrorCode::SiteNotFound)?;
    Ok(known)
}

fn appliance(known: &SiteUpdates) -> ApiResult<ApplianceId> {
    known.at.appliance.clone().ok_or_else(|| {
        ApiError::new(
            ErrorCode::SiteOffline,
            "This site has no appliance any more. Claim one for it.",
        )
    })
}

async fn note(
    app: &App,
    visitor: &Visitor,
    known: &SiteUpdates,
    action: &'static str,
    subject: String,
    status: StatusCode,
) -> ApiResult<()> {
    let whose = Some((known.at.organisation, Some(known.at.site)));
    let noted = app
        .audit
        .note(visitor.actor(), whose, action, subject, status.as_u16());
    Ok(noted.await?)
}

fn shown(known: SiteUpdates, bundles: Vec<Bundle>) -> SiteUpdate {
    let running = known.told.as_ref().and_then(|told| told.running.as_ref());
    // Where nothing is known of what runs, nothing can be called newer.
    let newest = bundles.into_iter().next();
    let offered = newest.filter(|it| running.is_some_and(|running| it.version > *running));
    SiteUpdate {
        automatic: known.automatic,
        offered: offered.map(|it| OfferedUpdate {
            version: it.version,
            bytes: it.bytes,
            added_at: it.added_at,
        }),
        delivery: known.delivery.map(|it| UpdateDelivery {
            version: it.version,
            bytes: it.bytes,
            state: match it.state {
                DeliveryState::Pending => UpdateDeliveryState::Pending,
                DeliveryState::Delivered => UpdateDeliveryState::Delivered,
                DeliveryState::Failed => UpdateDeliveryState::Failed,
            },
            chosen: it.chosen,
            asked_by: it.asked_by.map(|(_, name)| name),
            message: it.message,
            asked_at: it.asked_at,
            updated_at: it.updated_at,
        }),
        told: known.told,
    }
}
