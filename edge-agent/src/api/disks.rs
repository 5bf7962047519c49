//! The disks in this box, and adopting one for footage. The box's own service erases and mounts; here it is only ordered.

use axum::Json;
use axum::extract::State;
use wire::disk::{AdoptRequest, BoxDisks};
use wire::error::ErrorCode;
use wire::tunnel::Permission;

use super::error::sentence;
use super::{ApiError, ApiResult, App, JsonBody, Path, Principal};
use crate::adoption::AdoptionError;

/// The disks in this box, what is on each, and whether it can be used for footage. `offered` is false where the box is not
/// of the appliance image.
#[utoipa::path(get, path = "/disks", tag = "disks", responses((status = 200, body = BoxDisks)))]
pub async fn list(State(app): State<App>, who: Principal) -> ApiResult<Json<BoxDisks>> {
    who.require(Permission::View)?;
    let disks = app.disks.clone();
    let told = tokio::task::spawn_blocking(move || disks.status()).await;
    Ok(Json(told.map_err(ApiError::internal)??))
}

/// Erases a disk and uses it for footage from then on. The box does it within a minute and starts the agent again;
/// `adoption` tells how far it is. Refused (409) is a disk that the box runs from, that is in use, or on which something
/// else lies than was shown. On the site's own network only.
#[utoipa::path(post, path = "/disks/{id}/adopt", tag = "disks", request_body = AdoptRequest,
    params(("id" = String, Path, description = "`id` of the disk")),
    responses((status = 200, body = BoxDisks)))]
pub async fn adopt(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<AdoptRequest>,
) -> ApiResult<Json<BoxDisks>> {
    who.require(Permission::Manage)?;
    // Nobody far away can make evidence vanish.
    who.require_session()?;
    let (disks, disk) = (app.disks.clone(), id.clone());
    let ordered =
        tokio::task::spawn_blocking(move || disks.adopt(&disk, &request.seen, &request.confirm));
    let told = ordered.await.map_err(ApiError::internal)??;
    tracing::warn!(person = %who.username, disk = id, "A disk is ordered to be erased and used for footage");
    Ok(Json(told))
}

impl From<AdoptionError> for ApiError {
    fn from(error: AdoptionError) -> Self {
        let said = sentence(&error);
        match error {
            AdoptionError::NoDisk(_) => Self::new(ErrorCode::NotFound, said),
            AdoptionError::NotOffered
            | AdoptionError::Unfit { .. }
            | AdoptionError::Changed(_)
            | AdoptionError::Busy => Self::conflict(said),
            AdoptionError::NotConfirmed(_) => Self::invalid_field("confirm", said),
            AdoptionError::Io { .. } => Self::internal(error),
        }
    }
}
