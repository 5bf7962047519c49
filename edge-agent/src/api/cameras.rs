//! Cameras: channels of recorders. They appear when a recorder is logged in to; people name them and switch them off.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use wire::ids::CameraId;
use wire::resource::{Camera, Page};
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Path, Principal};
use crate::catalog::cameras::CameraChange;

/// Longest name that is kept.
const NAME_CHARS_MAX: usize = 100;

/// Body of `PUT /cameras/{id}`; what is left out stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraInput {
    /// Name; once given, the recorder's name for the channel no longer replaces it.
    #[serde(default)]
    name: Option<String>,
    /// Whether footage is fetched. What is held is kept and served either way.
    #[serde(default)]
    enabled: Option<bool>,
}

/// The cameras, by recorder and channel.
#[utoipa::path(get, path = "/cameras", tag = "cameras", responses((status = 200, body = Page<Camera>)))]
pub async fn list(State(app): State<App>, who: Principal) -> ApiResult<Json<Page<Camera>>> {
    who.require(Permission::View)?;
    Ok(Json(Page {
        items: app.catalog.cameras().await?,
        next_cursor: None,
    }))
}

/// One camera.
#[utoipa::path(get, path = "/cameras/{id}", tag = "cameras", params(("id" = CameraId, Path)),
    responses((status = 200, body = Camera)))]
pub async fn get(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<CameraId>,
) -> ApiResult<Json<Camera>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.camera(id).await?))
}

/// Names a camera, or switches the fetching of its footage on or off.
#[utoipa::path(put, path = "/cameras/{id}", tag = "cameras", params(("id" = CameraId, Path)),
    request_body = CameraInput, responses((status = 200, body = Camera)))]
pub async fn change(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<CameraId>,
    JsonBody(input): JsonBody<CameraInput>,
) -> ApiResult<Json<Camera>> {
    who.require(Permission::Manage)?;
    let known = app.catalog.camera(id).await?;
    let name = input.name.map(checked_name).transpose()?;
    let change = CameraChange {
        // The page sends the name along with every change; only a new one was given by a person.
        name: name.filter(|name| *name != known.name),
        enabled: input.enabled,
        keep: None,
    };
    Ok(Json(app.catalog.change_camera(id, change).await?))
}

/// Most cameras that are switched at once: every channel of every recorder that an appliance may have.
const CAMERAS_MAX: usize = 4_096;

/// What to do with several cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraAction {
    /// Fetch their footage.
    Enable,
    /// Do not; what is held is kept and served.
    Disable,
}

/// Body of `POST /cameras/bulk`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CamerasBulk {
    /// What to do.
    action: CameraAction,
    /// With which cameras.
    ids: Vec<CameraId>,
}

/// Switches the fetching of several cameras' footage on or off. An id that is not known changes nothing at all.
#[utoipa::path(post, path = "/cameras/bulk", tag = "cameras", request_body = CamerasBulk,
    responses((status = 204)))]
pub async fn bulk(
    State(app): State<App>,
    who: Principal,
    JsonBody(bulk): JsonBody<CamerasBulk>,
) -> ApiResult<StatusCode> {
    who.require(Permission::Manage)?;
    let CamerasBulk { action, ids } = bulk;
    if ids.is_empty() || ids.len() > CAMERAS_MAX {
        let words = format!("Name between 1 and {CAMERAS_MAX} cameras.");
        return Err(ApiError::invalid_field("ids", words));
    }
    let enabled = action == CameraAction::Enable;
    app.catalog.switch_cameras(ids, enabled).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked_name(name: String) -> ApiResult<String> {
    let name = name.trim().to_owned();
    if name.is_empty()
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        return Err(ApiError::invalid_field(
            "name",
            format!("The name must have between 1 and {NAME_CHARS_MAX} characters."),
        ));
    }
    Ok(name)
}
