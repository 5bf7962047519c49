//! Where footage lies, and how much room there is.

use axum::Json;
use axum::extract::State;
use wire::resource::Storage;
use wire::tunnel::Permission;

use super::{ApiResult, App, Principal};

/// The volumes, what is held on them, and their room.
#[utoipa::path(get, path = "/storage", tag = "storage", responses((status = 200, body = Storage)))]
pub async fn get(State(app): State<App>, who: Principal) -> ApiResult<Json<Storage>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.storage(&app.volumes).await?))
}
