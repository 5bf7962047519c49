//! Sites, and what is passed on to a site's appliance.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use wire::error::ErrorCode;
use wire::ids::SiteId;
use wire::resource::{Page, Site};
use wire::tunnel::Permission;

use super::proxy::{self, Errand, Note};
use super::visitor::not_there;
use super::{ApiError, ApiResult, App, Path, Query, Visitor, page};
use crate::access;
use crate::audit::Access;
use crate::fleet;
use crate::store::sites::SiteCursor;

/// Query of `GET /sites`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SitesQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500.
    limit: Option<u32>,
}

/// Sites by name, with their appliance as last heard of.
#[utoipa::path(get, path = "/sites", tag = "sites", params(SitesQuery),
    responses((status = 200, body = Page<Site>)))]
pub async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query<SitesQuery>,
) -> ApiResult<Json<Page<Site>>> {
    let limit = page::limit(query.limit)?;
    let after = page::cursor::<SiteCursor>(query.cursor.as_deref())?;
    let found = app.store.sites(visitor.scope(), after, limit + 1).await?;
    let with_tunnel = |site| fleet::with_tunnel(site, &app.hub);
    let page = page::page(found, limit, SiteCursor::after, with_tunnel)?;
    Ok(Json(page))
}

/// Passes a request on to the site's appliance, where it is `/api/v1/{noun}`: `recorders` (GET, POST), `sync` (POST),
/// `cameras`, `archives`, `storage` and `system` (GET), `bookmarks` (GET, POST). Bodies and answers are those of the
/// appliance's own API.
#[utoipa::path(method(get, post), path = "/sites/{site}/{noun}", tag = "sites",
    params(("site" = SiteId, Path), ("noun" = String, Path)),
    responses((status = 200, description = "The appliance's answer")))]
pub async fn all_at_site(
    State(app): State<App>,
    visitor: Visitor,
    Path((site, noun)): Path<(SiteId, String)>,
    request: Request,
) -> ApiResult<Response> {
    pass_on(&app, &visitor, site, noun, request).await
}

/// The same for one thing of a noun, `/api/v1/{noun}/{id}` at the appliance: `recorders/{id}` and `cameras/{id}` (GET,
/// PUT, DELETE), `sync/{job}` (GET, DELETE), `bookmarks/{id}` (DELETE), `archives/{id}` (GET); also `recorders/test`,
/// `recorders/bulk`, `recorders/list`, `recorders/discover`, `cameras/bulk`, `system/rotate-key` and `system/factory-reset`
/// (POST), `system/support` and `system/doctor` (GET), `system/downloads` (GET, PUT), `system/update` (GET, DELETE).
#[utoipa::path(method(get, post, put, delete), path = "/sites/{site}/{noun}/{id}", tag = "sites",
    params(("site" = SiteId, Path), ("noun" = String, Path), ("id" = String, Path)),
    responses((status = 200, description = "The appliance's answer")))]
pub async fn one_at_site(
    State(app): State<App>,
    visitor: Visitor,
    Path((site, noun, id)): Path<(SiteId, String, String)>,
    request: Request,
) -> ApiResult<Response> {
    pass_on(&app, &visitor, site, format!("{noun}/{id}"), request).await
}

/// The same for what is done with one thing, `/api/v1/{noun}/{id}/{verb}` at the appliance: `recorders/{id}/test` and
/// `recorders/{id}/import` (POST), `recorders/{id}/places`, `cameras/{id}/status` and `archives/{id}/download` (GET),
/// `cameras/{id}/retention` (GET, PUT), `system/update/install` (POST).
#[utoipa::path(method(get, post, put), path = "/sites/{site}/{noun}/{id}/{verb}", tag = "sites",
    params(("site" = SiteId, Path), ("noun" = String, Path), ("id" = String, Path), ("verb" = String, Path)),
    responses((status = 200, description = "The appliance's answer")))]
pub async fn done_at_site(
    State(app): State<App>,
    visitor: Visitor,
    Path((site, noun, id, verb)): Path<(SiteId, String, String, String)>,
    request: Request,
) -> ApiResult<Response> {
    pass_on(&app, &visitor, site, format!("{noun}/{id}/{verb}"), request).await
}

async fn pass_on(
    app: &App,
    visitor: &Visitor,
    site: SiteId,
    path: String,
    request: Request,
) -> ApiResult<Response> {
    let at = app
        .store
        .locate_site(visitor.scope(), site)
        .await?
        .ok_or_else(|| not_there(ErrorCode::SiteNotFound))?;
    let permission = access::site_route(request.method(), &path).ok_or_else(|| {
        ApiError::new(
            ErrorCode::NotFound,
            "This is not among the routes that are passed on to an appliance; /openapi.json lists them.",
        )
    })?;
    visitor.require(permission, &at, ErrorCode::SiteNotFound)?;
    let query = proxy::query(&request);
    let note = (!request.method().is_safe()).then(|| Note {
        action: "site.change",
        subject: format!("{} {path}", request.method()),
    });
    // Of what is passed on here, only an archive is footage.
    let footage = (permission == Permission::Download).then(|| {
        (
            Access::Download,
            path.trim_end_matches("/download").to_owned(),
        )
    });
    let errand = Errand {
        at,
        target: format!("/api/v1/{path}{query}"),
        footage,
        note,
    };
    proxy::carry(app, visitor, errand, request).await
}
