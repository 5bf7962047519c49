//! The first minute of an appliance: somebody on the site's network chooses the password of `admin`. It works once.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use wire::ids::UserId;
use wire::resource::{LoginResponse, Setup, SetupRequest};

use super::error::sentence;
use super::session::{lan_only, new_session, off_thread, with_cookies};
use super::{ApiError, ApiResult, App, JsonBody, Via};
use crate::catalog::people::Person;

/// The one login name on the site's network.
const ADMIN: &str = "admin";

/// Whether the first-run set-up is still to be done.
#[utoipa::path(get, path = "/setup", tag = "setup", security(()), responses((status = 200, body = Setup)))]
pub async fn get(State(app): State<App>) -> ApiResult<Json<Setup>> {
    Ok(Json(Setup {
        needed: !app.people().is_set_up().await?,
        appliance: app.appliance.clone(),
    }))
}

/// Sets the password of `admin` and logs in. Works once.
#[utoipa::path(post, path = "/setup", tag = "setup", security(()), request_body = SetupRequest,
    responses((status = 200, body = LoginResponse)))]
pub async fn post(
    State(app): State<App>,
    via: Via,
    JsonBody(request): JsonBody<SetupRequest>,
) -> ApiResult<Response> {
    let address = lan_only(via)?;
    let done = || ApiError::conflict("This appliance is set up already. Log in as admin.");
    if app.people().is_set_up().await? {
        return Err(done());
    }
    app.own.attempts.count(address, app.now())?;
    base::password::check(&request.password)
        .map_err(|weak| ApiError::invalid_field("password", sentence(&weak)))?;
    let hash = off_thread(move || base::password::hash(&request.password)).await?;
    let person = Person {
        id: UserId::new(),
        username: ADMIN.into(),
    };
    let (session, answer) = new_session(&person, app.now());
    if !app
        .people()
        .create_first(person, hash, session, app.now())
        .await?
    {
        return Err(done());
    }
    tracing::info!(address = %address, "The appliance was set up");
    with_cookies(answer)
}
