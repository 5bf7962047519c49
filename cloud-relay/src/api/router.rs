//! Every route of the relay, on one page.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::visitor::{require_login, require_session};
use super::{
    App, appliances, audit, cameras, events, gaps, health, live, openapi, recordings, request,
    session, sites, ui, updates,
};

/// Largest body of a request, in bytes: an import of a hundred recorders is a tenth of it.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest pause between two pieces of a body.
const BODY_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(20);

/// Open to everybody.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session::login))
        .routes(routes!(session::refresh))
}

/// Open to whoever is logged in, also with a password that must be changed.
fn own() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session::logout))
        .routes(routes!(session::me))
        .routes(routes!(session::password))
}

/// Open to whoever is logged in; each handler asks what this person may.
fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // Sites and appliances
        .routes(routes!(sites::list))
        .routes(routes!(sites::all_at_site))
        .routes(routes!(sites::one_at_site))
        .routes(routes!(sites::done_at_site))
        .routes(routes!(
            updates::get,
            updates::send,
            updates::set,
            updates::call_off
        ))
        .routes(routes!(appliances::list))
        .routes(routes!(appliances::claim))
        .routes(routes!(appliances::revoke))
        // Footage, out of the index
        .routes(routes!(cameras::list))
        .routes(routes!(cameras::get))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::get, recordings::delete))
        // Footage, through the tunnel
        .routes(routes!(gaps::gaps))
        .routes(routes!(gaps::timeline))
        .routes(routes!(recordings::lock))
        .routes(routes!(recordings::download))
        .routes(routes!(recordings::media))
        .routes(routes!(live::playback))
        .routes(routes!(live::hls))
        .routes(routes!(live::snapshot))
        .routes(routes!(live::file))
        // The organisation
        .routes(routes!(events::stream))
        .routes(routes!(audit::list))
}

/// All of it, ready to serve connections.
pub fn router(app: App) -> Router {
    let (routes, document) = documented(&app);
    let document = std::sync::Arc::new(document);
    routes
        .route(
            "/openapi.json",
            get(async move || axum::Json(document.as_ref().clone())),
        )
        .route(wire::claim::PATH, post(appliances::enroll))
        .fallback(ui::serve)
        .with_state(app)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(axum::middleware::from_fn(request::handle))
}

/// The routes with their document.
fn documented(app: &App) -> (Router<App>, OpenApi) {
    let v1 = OpenApiRouter::new()
        .merge(closed().route_layer(from_fn_with_state(app.clone(), require_login)))
        .merge(own().route_layer(from_fn_with_state(app.clone(), require_session)))
        .merge(open());
    let (router, document) = with_health(v1).split_for_parts();
    (router, openapi::complete(document))
}

/// The OpenAPI document.
pub fn document() -> OpenApi {
    let v1 = OpenApiRouter::new()
        .merge(closed())
        .merge(own())
        .merge(open());
    openapi::complete(with_health(v1).into_openapi())
}

fn with_health(v1: OpenApiRouter<App>) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .nest("/api/v1", v1)
}
