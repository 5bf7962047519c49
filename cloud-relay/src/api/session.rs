//! Logging in and out.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wire::error::ErrorCode;
use wire::resource::{LoginRequest, LoginResponse, Me, PasswordChange, RefreshRequest};

use super::request::RequestId;
use super::visitor::Peer;
use super::{ApiError, ApiResult, App, JsonBody, Visitor, cookies};
use crate::audit::Actor;
use crate::identity::{self, REFRESH_LIFETIME_S, Refused};
use crate::store::people::Person;

/// Logs in. After a few wrong passwords an account is locked for some minutes; the answer does not tell.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest,
    responses((status = 200, body = LoginResponse)))]
pub async fn login(
    State(app): State<App>,
    Peer(peer): Peer,
    axum::Extension(RequestId(request_id)): axum::Extension<RequestId>,
    JsonBody(request): JsonBody<LoginRequest>,
) -> ApiResult<Response> {
    let mut actor = Actor {
        person: None,
        username: request.username.trim().to_owned(),
        address: peer.ip().to_string(),
        request_id,
    };
    match app
        .identity
        .log_in(&request.username, request.password, peer.ip())
        .await
    {
        Ok(login) => {
            actor.person = Some(login.person.id);
            actor.username = login.person.username.clone();
            note(
                &app,
                actor,
                Some(&login.person),
                "session.login",
                StatusCode::OK,
            )
            .await?;
            with_cookies(login.response)
        }
        Err(Refused::Credentials(meant)) => {
            let error = refusal(Refused::Credentials(None));
            note(
                &app,
                actor,
                meant.as_deref(),
                "session.login",
                error.status(),
            )
            .await?;
            Err(error)
        }
        // What is refused for its frequency alone is not written: it would fill the log.
        Err(refused) => Err(refusal(refused)),
    }
}

/// Trades a refresh token for new tokens. It works once; a token that comes twice ends the login, because somebody
/// else must have it.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", security(()), request_body = RefreshRequest,
    responses((status = 200, body = LoginResponse)))]
pub async fn refresh(
    State(app): State<App>,
    Peer(peer): Peer,
    axum::Extension(RequestId(request_id)): axum::Extension<RequestId>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> ApiResult<Response> {
    let token = match &request.refresh_token {
        Some(token) => token,
        None => cookies::read(&headers, cookies::REFRESH).ok_or_else(|| {
            ApiError::new(
                ErrorCode::AuthTokenMissing,
                "Nobody is logged in here. Log in.",
            )
        })?,
    };
    match app.identity.refresh(token, peer.ip()).await {
        Ok(login) => with_cookies(login.response),
        Err(refused) => {
            if let Refused::RefreshReused(person) = &refused {
                let actor = Actor {
                    person: Some(person.id),
                    username: person.username.clone(),
                    address: peer.ip().to_string(),
                    request_id,
                };
                let whose = person.organisation.map(|organisation| (organisation, None));
                app.audit
                    .note(actor, whose, "session.reuse", person.id.to_string(), 401)
                    .await?;
            }
            Err(refusal(refused))
        }
    }
}

/// Logs out: the tokens of this login stop working at once.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204)))]
pub async fn logout(State(app): State<App>, visitor: Visitor) -> ApiResult<Response> {
    app.identity
        .log_out(visitor.session.session_id.clone())
        .await?;
    note_own(&app, &visitor, "session.logout", StatusCode::NO_CONTENT).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut(), cookies::Transport::Https)?;
    Ok(response)
}

/// Who is logged in.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = Me)))]
pub async fn me(visitor: Visitor) -> Json<Me> {
    Json(identity::me(&visitor.session.person))
}

/// Changes the password. Other logins of the same person end.
#[utoipa::path(post, path = "/auth/password", tag = "auth", request_body = PasswordChange,
    responses((status = 204)))]
pub async fn password(
    State(app): State<App>,
    visitor: Visitor,
    JsonBody(change): JsonBody<PasswordChange>,
) -> ApiResult<StatusCode> {
    let changed = app
        .identity
        .change_password(
            &visitor.session,
            change.current,
            change.new,
            visitor.address,
        )
        .await;
    match changed {
        Ok(()) => {
            note_own(&app, &visitor, "person.password", StatusCode::NO_CONTENT).await?;
            Ok(StatusCode::NO_CONTENT)
        }
        Err(Refused::Credentials(_)) => {
            note_own(&app, &visitor, "person.password", StatusCode::UNAUTHORIZED).await?;
            Err(ApiError::new(
                ErrorCode::AuthCredentialsInvalid,
                "The current password is wrong, or was wrong too often: then wait some minutes.",
            ))
        }
        Err(other) => Err(refusal(other)),
    }
}

async fn note(
    app: &App,
    actor: Actor,
    person: Option<&Person>,
    action: &'static str,
    status: StatusCode,
) -> ApiResult<()> {
    let whose = person.and_then(|it| Some((it.organisation?, None)));
    let subject = person.map_or_else(String::new, |it| it.id.to_string());
    Ok(app
        .audit
        .note(actor, whose, action, subject, status.as_u16())
        .await?)
}

async fn note_own(
    app: &App,
    visitor: &Visitor,
    action: &'static str,
    status: StatusCode,
) -> ApiResult<()> {
    let person = &visitor.session.person;
    let whose = person.organisation.map(|organisation| (organisation, None));
    Ok(app
        .audit
        .note(
            visitor.actor(),
            whose,
            action,
            person.id.to_string(),
            status.as_u16(),
        )
        .await?)
}

fn with_cookies(answer: LoginResponse) -> ApiResult<Response> {
    let mut headers = HeaderMap::new();
    cookies::set(
        &mut headers,
        cookies::Transport::Https,
        &answer,
        REFRESH_LIFETIME_S,
    )?;
    Ok((headers, Json(answer)).into_response())
}

fn refusal(refused: Refused) -> ApiError {
    match refused {
        Refused::Credentials(_) => ApiError::new(
            ErrorCode::AuthCredentialsInvalid,
            "The user name or the password is wrong. After five wrong passwords an account is locked for some minutes.",
        ),
        Refused::RefreshToken | Refused::RefreshReused(_) => ApiError::new(
            ErrorCode::AuthTokenInvalid,
            "The login has expired or was ended. Log in again.",
        ),
        Refused::TooMany(seconds) => ApiError::too_many(seconds),
        Refused::Weak(weak) => ApiError::invalid_field("new", sentence(&weak)),
        Refused::Same => ApiError::invalid_field(
            "new",
            "The new password is the one in force. Choose another.",
        ),
        Refused::Db(error) => error.into(),
        Refused::Stopping => ApiError::unavailable("The relay is stopping. Try again in a moment."),
    }
}

/// An error text as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => text,
    }
}
