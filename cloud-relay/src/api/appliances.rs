//! Appliances: how they join, and which there are.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::{ApplianceId, OrganisationId, SiteId};
use wire::resource::Page;
use wire::time::UtcTime;

use super::{ApiResult, App, Query, Visitor, page};
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
