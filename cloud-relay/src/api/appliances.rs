//! Appliances: how they join, and which there are.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::resource::{ClaimRequest, Page, Site};
use wire::time::UtcTime;

use super::visitor::{Peer, not_there};
use super::{ApiError, ApiResult, App, JsonBody, Path, Query, Visitor, page};
use crate::access::Action;
use crate::claim::{ClaimError, EnrollError};
use crate::fleet;
use crate::store::fleet::FleetRow;

/// Query of `GET /appliances`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AppliancesQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500.
    limit: Option<u32>,
}

/// An appliance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Appliance {
    /// Id.
    id: ApplianceId,
    /// Its organisation.
    organisation_id: OrganisationId,
    /// Its site.
    site_id: SiteId,
    /// Name of the site.
    site_name: String,
    /// It says that it is online.
    online: bool,
    /// Tunnel connections open right now.
    tunnel_connections: u32,
    /// Program version.
    version: Option<String>,
    /// When it was last heard of.
    last_seen_at: Option<UtcTime>,
    /// When it was claimed.
    claimed_at: UtcTime,
    /// When its certificate ends; it asks for a new one at two thirds of its life.
    certificate_expires_at: UtcTime,
    /// It was shut out and must be claimed again.
    revoked: bool,
}

/// Appliances by id.
#[utoipa::path(get, path = "/appliances", tag = "appliances", params(AppliancesQuery),
    responses((status = 200, body = Page<Appliance>)))]
pub async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query<AppliancesQuery>,
) -> ApiResult<Json<Page<Appliance>>> {
    let limit = page::limit(query.limit)?;
    let after = page::cursor::<ApplianceId>(query.cursor.as_deref())?;
    let found = app.store.fleet(visitor.scope(), after, limit + 1).await?;
    let resource = |it: FleetRow| Appliance {
        tunnel_connections: app.hub.presence(&it.id).connections,
        id: it.id,
        organisation_id: it.organisation,
        site_id: it.site,
        site_name: it.site_name,
        online: it.online,
        version: it.version,
        last_seen_at: it.last_seen_at,
        claimed_at: it.claimed_at,
        certificate_expires_at: it.certificate_expires_at,
        revoked: it.revoked,
    };
    Ok(Json(page::page(
        found,
        limit,
        |it| it.id.clone(),
        resource,
    )?))
}

/// Joins the appliance that shows this code to the organisation, as a new site.
#[utoipa::path(post, path = "/appliances/claim", tag = "appliances", request_body = ClaimRequest,
    responses((status = 200, body = Site)))]
pub async fn claim(
    State(app): State<App>,
    visitor: Visitor,
    JsonBody(request): JsonBody<ClaimRequest>,
) -> ApiResult<Json<Site>> {
    let organisation = request
        .organisation_id
        .or(visitor.principal.organisation)
        .ok_or_else(|| {
            ApiError::invalid_field(
                "organisation_id",
                "Say which organisation the site joins; you belong to none yourself.",
            )
        })?;
    visitor.require_in(Action::Claim, organisation, "claim appliances")?;
    let claimed = app
        .claims
        .claim(
            visitor.principal.user_id,
            organisation,
            &request.code,
            &request.site_name,
        )
        .await;
    let (subject, site) = match &claimed {
        Ok(claimed) => (claimed.appliance.to_string(), Some(claimed.site)),
        // Never the code: a mistyped one may be that of another box.
        Err(_) => (String::new(), None),
    };
    let outcome = claimed.map_err(refused_claim);
    let status = match &outcome {
        Ok(_) => StatusCode::OK,
        Err(error) => error.status(),
    };
    app.audit
        .note(
            visitor.actor(),
            Some((organisation, site)),
            "appliance.claim",
            subject,
            status.as_u16(),
        )
        .await?;
    let claimed = outcome?;
    app.standing.notify_one();
    let site = app
        .store
        .site(visitor.scope(), claimed.site)
        .await?
        .ok_or_else(|| not_there(ErrorCode::SiteNotFound))?;
    Ok(Json(fleet::with_tunnel(site, &app.hub)))
}

/// Shuts an appliance out: its tunnel is closed and the broker refuses it. Its site stays listed; the box can be claimed
/// again, as a new site.
#[utoipa::path(post, path = "/appliances/{id}/revoke", tag = "appliances",
    params(("id" = ApplianceId, Path)), responses((status = 204)))]
pub async fn revoke(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<ApplianceId>,
) -> ApiResult<StatusCode> {
    let at = app
        .store
        .locate_appliance(visitor.scope(), id.clone())
        .await?
        .ok_or_else(|| not_there(ErrorCode::NotFound))?;
    visitor.require_in(Action::Claim, at.organisation, "revoke appliances")?;
    app.store.revoke_appliance(id.clone()).await?;
    // The store first: who dials again from here on is refused.
    app.hub.close(&id);
    app.standing.notify_one();
    app.audit
        .note(
            visitor.actor(),
            Some((at.organisation, Some(at.site))),
            "appliance.revoke",
            id.to_string(),
            StatusCode::NO_CONTENT.as_u16(),
        )
        .await?;
    tracing::info!(appliance.id = %id, organisation.id = %at.organisation, "An appliance was revoked");
    Ok(StatusCode::NO_CONTENT)
}

/// An appliance asks to be let in, again and again until an admin types its code. Not for people, so not in the
/// document.
pub async fn enroll(State(app): State<App>, Peer(peer): Peer, body: Bytes) -> ApiResult<Response> {
    match app.claims.enroll(peer.ip(), &body).await {
        Ok(enrolled) => Ok(Json(enrolled).into_response()),
        Err(EnrollError::Malformed(why)) => Err(ApiError::invalid(why)),
        Err(EnrollError::TooMany { retry_after_s }) => Err(ApiError::too_many(retry_after_s)),
        Err(EnrollError::Store(error)) => Err(error.into()),
        Err(EnrollError::Pki(error)) => Err(ApiError::internal(error)),
    }
}

fn refused_claim(error: ClaimError) -> ApiError {
    match error {
        ClaimError::Malformed(why) => ApiError::invalid(format!("{why}.")),
        ClaimError::Unknown => ApiError::new(
            ErrorCode::NotFound,
            "No appliance shows this code. It changes every 15 minutes: look again.",
        ),
        ClaimError::TooMany { retry_after_s } => ApiError::too_many(retry_after_s),
        ClaimError::Taken => ApiError::conflict(
            "Somebody else has just claimed this appliance, or the organisation is gone. Look at the list of sites.",
        ),
        ClaimError::Store(error) => error.into(),
        ClaimError::Pki(error) => ApiError::internal(error),
    }
}
