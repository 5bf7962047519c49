//! Every route of the agent, on one page.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    App, access_log, archives, backup, bookmarks, cameras, custody, discover, disks, downloads,
    events, gaps, health, live, media, openapi, places, playback, recorders, recordings, reports,
    request, reset, retention, session, setup, storage, support, sync, system, ui, update,
};

/// Largest body of a request, in bytes: an import of a hundred recorders is a tenth of it.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Largest piece of an update.
const PIECE_BYTES_MAX: usize = wire::update::PIECE_BYTES_MAX as usize;

/// Longest pause between two pieces of a body.
const BODY_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(20);

/// The routes below `/api/v1`.
fn v1() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // People on the site's network
        .routes(routes!(setup::get, setup::post))
        .routes(routes!(session::login))
        .routes(routes!(session::refresh))
        .routes(routes!(session::logout))
        .routes(routes!(session::me))
        .routes(routes!(session::password))
        // What footage comes from
        .routes(routes!(recorders::list, recorders::add))
        .routes(routes!(
            recorders::get,
            recorders::change,
            recorders::remove
        ))
        .routes(routes!(discover::discover))
        .routes(routes!(recorders::test::test))
        .routes(routes!(recorders::test::test_form))
        .routes(routes!(recorders::bulk::bulk))
        .routes(routes!(recorders::bulk::add_list))
        .routes(routes!(recorders::import))
        .routes(routes!(places::places))
        .routes(routes!(cameras::list))
        .routes(routes!(cameras::bulk))
        .routes(routes!(cameras::get, cameras::change))
        .routes(routes!(gaps::gaps))
        .routes(routes!(retention::get, retention::set))
        // Footage
        .routes(routes!(gaps::timeline))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::get, recordings::delete))
        .routes(routes!(recordings::lock))
        .routes(routes!(bookmarks::list, bookmarks::add))
        .routes(routes!(bookmarks::remove))
        .routes(routes!(media::download))
        .routes(routes!(media::media))
        .routes(routes!(playback::playlist))
        .routes(routes!(live::hls))
        .routes(routes!(live::file))
        .routes(routes!(live::list))
        .routes(routes!(sync::list, sync::start))
        .routes(routes!(sync::get, sync::cancel))
        .routes(routes!(archives::list, archives::add))
        .routes(routes!(archives::get, archives::remove))
        .routes(routes!(archives::download))
        .routes(routes!(archives::clear))
        .routes(routes!(archives::mail))
        // The appliance
        .routes(routes!(system::get))
        .routes(routes!(system::set_relay, system::leave))
        .routes(routes!(downloads::downloads, downloads::set_downloads))
        .routes(routes!(system::clock, system::set_clock))
        .routes(routes!(system::rotate_key))
        .routes(routes!(custody::custody))
        .routes(routes!(backup::backup))
        .routes(routes!(support::doctor))
        .routes(routes!(support::support))
        .routes(routes!(reset::factory_reset))
        .routes(routes!(
            update::update,
            update::begin_update,
            update::forget_update
        ))
        .routes(routes!(update::install_update))
        .routes(routes!(storage::get))
        .routes(routes!(disks::list))
        .routes(routes!(disks::adopt))
        .routes(routes!(access_log::list))
        .routes(routes!(events::stream))
        // The relay alone
        .routes(routes!(reports::list))
        .routes(routes!(reports::resync))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        // Behind the layer: what takes more than a request otherwise may
        .merge(
            OpenApiRouter::new()
                .routes(routes!(update::send_update))
                .layer(RequestBodyLimitLayer::new(PIECE_BYTES_MAX)),
        )
}

/// All of it, ready to serve connections.
pub fn router(app: App) -> Router {
    let (routes, document) = documented();
    let document = std::sync::Arc::new(document);
    routes
        .route(
            "/openapi.json",
            get(async move || axum::Json(document.as_ref().clone())),
        )
        .fallback(ui::serve)
        .with_state(app)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(axum::middleware::from_fn(request::handle))
}

/// The same for what comes through the tunnel: the relay's word counts there, and nothing else does.
pub fn tunnel_router(app: App) -> Router {
    router(app).layer(axum::Extension(super::Via::Tunnel))
}

/// The OpenAPI document.
pub fn document() -> OpenApi {
    documented().1
}

fn documented() -> (Router<App>, OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(health::ready_to_record))
        .nest("/api/v1", v1())
        .split_for_parts();
    (router, openapi::complete(document))
}
