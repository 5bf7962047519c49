//! Updates of the box's system: announced, sent in pieces, installed when a person says or the box is quiet. Whether a
//! bundle is believed is decided by its signature when it is installed, and by nobody here.

use axum::Json;
use axum::extract::{Request, State};
use http::header;
use wire::error::ErrorCode;
use wire::tunnel::Permission;
use wire::update::{InstallRequest, Update, UpdateOffer};

use super::error::sentence;
use super::{ApiError, ApiResult, App, JsonBody, Principal};
use crate::update::{Piece, UpdateError};

/// Which system runs, and how far an update of it is.
#[utoipa::path(get, path = "/system/update", tag = "system", responses((status = 200, body = Update)))]
pub async fn update(State(app): State<App>, who: Principal) -> ApiResult<Json<Update>> {
    who.require(Permission::View)?;
    Ok(Json(app.updates.status()?))
}

/// Announces a bundle (`.raucb`), or one that is to be sent on: `progress.received_bytes` of the answer says from where.
/// Refused (409) what is not newer than the system that runs, and what the box has gone back from. There is one at a time;
/// a newer one takes the place of one that waits.
#[utoipa::path(post, path = "/system/update", tag = "system", request_body = UpdateOffer,
    responses((status = 200, body = Update)))]
pub async fn begin_update(
    State(app): State<App>,
    who: Principal,
    JsonBody(offer): JsonBody<UpdateOffer>,
) -> ApiResult<Json<Update>> {
    who.require(Permission::Manage)?;
    let (version, bytes) = (offer.version.clone(), offer.bytes);
    let update = app.updates.begin(offer).await?;
    tracing::info!(person = %who.username, version = %version, bytes, "An update was announced");
    Ok(Json(update))
}

/// The next piece of the bundle, of at most 16 MiB, as the header `Content-Range` says:
/// `bytes <first>-<last>/<length of the bundle>`. One that does not begin where the last one ended is refused (409), with
/// the place in `details.offset`. What came of a piece that breaks off stays. With the last byte the bundle is compared
/// with its digest; one that differs is removed (400).
#[utoipa::path(put, path = "/system/update/bundle", tag = "system",
    request_body(content_type = "application/octet-stream", description = "Bytes of the bundle"),
    params(("Content-Range" = String, Header, description = "Which bytes these are")),
    responses((status = 200, body = Update)))]
pub async fn send_update(
    State(app): State<App>,
    who: Principal,
    request: Request,
) -> ApiResult<Json<Update>> {
    who.require(Permission::Manage)?;
    let range = request.headers().get(header::CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    let piece = Piece::of_header(range.unwrap_or_default())?;
    let (updates, body) = (app.updates.clone(), request.into_body());
    // By itself: who hangs up ends the body, and what came of it is put in order all the same.
    let appended =
        tokio::spawn(async move { updates.append(piece, body.into_data_stream()).await });
    Ok(Json(appended.await.map_err(ApiError::internal)??))
}

/// Says when the bundle that is here is installed: `now`, whoever watches or downloads, or in the quiet `window`. The box
/// restarts then, which takes one or two minutes.
#[utoipa::path(post, path = "/system/update/install", tag = "system", request_body = InstallRequest,
    responses((status = 200, body = Update)))]
pub async fn install_update(
    State(app): State<App>,
    who: Principal,
    JsonBody(request): JsonBody<InstallRequest>,
) -> ApiResult<Json<Update>> {
    who.require(Permission::Manage)?;
    let update = app.updates.install(request.when).await?;
    tracing::info!(person = %who.username, when = ?request.when, "A person said when the update is installed");
    Ok(Json(update))
}

/// Forgets a bundle that is being received or waits, and what became of the last one.
#[utoipa::path(delete, path = "/system/update", tag = "system", responses((status = 200, body = Update)))]
pub async fn forget_update(State(app): State<App>, who: Principal) -> ApiResult<Json<Update>> {
    who.require(Permission::Manage)?;
    let update = app.updates.forget().await?;
    tracing::info!(person = %who.username, "The update was forgotten");
    Ok(Json(update))
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        let said = sentence(&error);
        match error {
            UpdateError::Unable(_)
            | UpdateError::NotNewer { .. }
            | UpdateError::WentBack(_)
            | UpdateError::Busy(_) => Self::conflict(said),
            UpdateError::Offset(offset) => {
                Self::conflict(said).details(serde_json::json!({ "offset": offset }))
            }
            UpdateError::Size(_) => Self::invalid_field("bytes", said),
            UpdateError::Range => Self::invalid_field("Content-Range", said),
            UpdateError::BrokeOff { received_bytes, .. } => {
                // It goes on from there: whoever sends asks how far it came.
                Self::conflict(said).details(serde_json::json!({ "offset": received_bytes }))
            }
            UpdateError::Damaged { .. } => Self::invalid_field("sha256", said),
            UpdateError::NoRoom { .. } => Self::new(ErrorCode::StorageFull, said),
            UpdateError::Io { .. } => Self::internal(error),
        }
    }
}
