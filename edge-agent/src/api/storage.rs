//! Where footage lies, how much room there is, and how long it stays.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use wire::resource::Storage;
use wire::retention::{Alarm, Retention};
use wire::tunnel::Permission;

use super::{ApiResult, App, Principal};

/// Answer to `GET /storage`.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageView {
    /// The volumes, and what is protected.
    #[serde(flatten)]
    storage: Storage,
    /// How long footage stays, at the rate of the last days.
    retention: Retention,
    /// What people were told of and is not over.
    alarms: Vec<Alarm>,
}

/// The volumes, what is held and protected on them, their room, and how long footage stays.
#[utoipa::path(get, path = "/storage", tag = "storage", responses((status = 200, body = StorageView)))]
pub async fn get(State(app): State<App>, who: Principal) -> ApiResult<Json<StorageView>> {
    who.require(Permission::View)?;
    // First: it settles how much may be protected.
    let retention = app.evictor.retention().await?;
    Ok(Json(StorageView {
        storage: app.catalog.storage(&app.volumes).await?,
        retention,
        alarms: app.catalog.alarms().await?,
    }))
}
