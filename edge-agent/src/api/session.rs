//! Logging in and out on the site's network.
//!
//! Tokens are 256 random bits and kept as digests only. An access token lives 15 minutes, a refresh token 30 days and
//! works once.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base::rate_limit::{RateLimit, subscriber};
use http::{HeaderMap, StatusCode};
use wire::error::ErrorCode;
use wire::ids::MessageId;
use wire::resource::{LoginRequest, LoginResponse, Me, PasswordChange, RefreshRequest, Role};
use wire::time::UtcTime;

use super::error::sentence;
use super::{ApiError, ApiResult, App, JsonBody, Principal, Via, cookies};
use crate::catalog::people::{Credentials, NewSession, Person, Refreshed, TokenDigests};

/// Life of an access token, in seconds.
const ACCESS_LIFETIME_S: i64 = 15 * 60;

/// Life of a refresh token, in seconds.
const REFRESH_LIFETIME_S: i64 = 30 * 24 * 3600;

/// Wrong passwords in a row after which an account is locked for a while.
const FAILURES_MAX: u32 = 5;

/// First lock, in seconds; each further failure doubles it.
const LOCK_FIRST_S: i64 = 30;

/// Longest lock, in seconds.
const LOCK_MAX_S: i64 = 3600;

/// Attempts to guess that an address has at once, and how long until one more: a bound that does not depend on the
/// account, beside the lock-out of the account itself.
const GUESSES: (u32, Duration) = (20, Duration::from_secs(6));

/// The same for refreshes, which cannot be guessed and come by themselves from every open page.
const REFRESHES: (u32, Duration) = (200, Duration::from_secs(1));

/// Slows down who tries passwords or tokens.
#[derive(Debug)]
pub struct Attempts {
    guesses: RateLimit<IpAddr>,
    refreshes: RateLimit<IpAddr>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            guesses: RateLimit::new(GUESSES.0, GUESSES.1),
            refreshes: RateLimit::new(REFRESHES.0, REFRESHES.1),
        }
    }
}

impl Attempts {
    /// Counts an attempt to guess a password, or refuses it (429).
    pub(super) fn count(&self, address: IpAddr, now: UtcTime) -> ApiResult<()> {
        Self::take(&self.guesses, address, now)
    }

    fn count_refresh(&self, address: IpAddr, now: UtcTime) -> ApiResult<()> {
        Self::take(&self.refreshes, address, now)
    }

    fn take(limit: &RateLimit<IpAddr>, address: IpAddr, now: UtcTime) -> ApiResult<()> {
        limit
            .attempt(subscriber(address), now.timestamp())
            .map_err(|wait_s| {
                ApiError::new(
                    ErrorCode::RateLimitExceeded,
                    "Too many attempts from this address. Wait a moment and try again.",
                )
                .retry_after(wait_s)
            })
    }
}

/// Logs in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest,
    responses((status = 200, body = LoginResponse)))]
pub async fn login(
    State(app): State<App>,
    via: Via,
    JsonBody(request): JsonBody<LoginRequest>,
) -> ApiResult<Response> {
    let address = lan_only(via)?;
    app.own.attempts.count(address, app.now())?;
    let found = app.people().credentials(request.username.clone()).await?;
    if let Some(wait_s) = found
        .as_ref()
        .and_then(|found| locked_for_s(found, app.now()))
    {
        return Err(ApiError::new(
            ErrorCode::RateLimitExceeded,
            format!("Too many wrong passwords. Wait {wait_s} seconds and try again."),
        )
        .retry_after(wait_s));
    }
    // Somebody unknown costs as much time as somebody known, so that names cannot be told apart.
    let hash = found
        .as_ref()
        .map_or_else(|| decoy().to_owned(), |found| found.password_hash.clone());
    let fits = off_thread(move || base::password::verify(&request.password, &hash)).await?;
    match found {
        Some(found) if fits => {
            let (session, answer) = new_session(&found.person, app.now());
            app.people()
                .log_in(found.person.id, session, app.now())
                .await?;
            tracing::info!(person = %found.person.username, address = %address, "Logged in");
            with_cookies(answer)
        }
        found => {
            if let Some(found) = found {
                app.people()
                    .note_failure(found.person.id, app.now(), lock_s)
                    .await?;
            }
            tracing::info!(address = %address, "A login was refused");
            Err(wrong_credentials())
        }
    }
}

/// Trades a refresh token for new tokens. It works once; a token that comes twice ends the login, because somebody
/// else must have it.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", security(()), request_body = RefreshRequest,
    responses((status = 200, body = LoginResponse)))]
pub async fn refresh(
    State(app): State<App>,
    via: Via,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> ApiResult<Response> {
    app.own.attempts.count_refresh(lan_only(via)?, app.now())?;
    let token = match &request.refresh_token {
        Some(token) => token,
        None => cookies::read(&headers, cookies::REFRESH).ok_or_else(|| {
            ApiError::new(
                ErrorCode::AuthTokenMissing,
                "Nobody is logged in here. Log in.",
            )
        })?,
    };
    let over = || {
        ApiError::new(
            ErrorCode::AuthTokenInvalid,
            "The login has expired or was ended. Log in again.",
        )
    };
    let (session_id, _) = token.split_once('.').ok_or_else(over)?;
    let digest = base::token::sha256_hex(token.as_bytes());
    let issued = Tokens::new(session_id.to_owned(), app.now());
    match app
        .people()
        .refresh(session_id.to_owned(), digest, issued.digests(), app.now())
        .await?
    {
        Refreshed::Traded(person) => with_cookies(issued.answer(&person)),
        Refreshed::Unknown | Refreshed::JustSpent => Err(over()),
        Refreshed::Reused(person) => {
            tracing::warn!(person = %person.username, "A refresh token was used twice; the login was ended");
            Err(over())
        }
    }
}

/// Logs out: the tokens of this login stop working at once.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204)))]
pub async fn logout(State(app): State<App>, who: Principal) -> ApiResult<Response> {
    let session = who.require_session()?;
    app.people().log_out(session.session_id.clone()).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut(), cookies::Transport::Http)?;
    Ok(response)
}

/// Who is logged in.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = Me)))]
pub async fn me(who: Principal) -> Json<Me> {
    Json(Me {
        id: who.user_id,
        username: who.username,
        role: who.role,
        organisation_id: None,
        must_change_password: false,
    })
}

/// Changes the password. Other logins of the same person end.
#[utoipa::path(post, path = "/auth/password", tag = "auth", request_body = PasswordChange,
    responses((status = 204)))]
pub async fn password(
    State(app): State<App>,
    who: Principal,
    JsonBody(change): JsonBody<PasswordChange>,
) -> ApiResult<StatusCode> {
    let session = who.require_session()?;
    app.own.attempts.count(lan_only(who.via)?, app.now())?;
    base::password::check(&change.new)
        .map_err(|weak| ApiError::invalid_field("new", sentence(&weak)))?;
    let found = app
        .people()
        .credentials(who.username.clone())
        .await?
        .ok_or_else(wrong_credentials)?;
    let hash = off_thread(move || {
        base::password::verify(&change.current, &found.password_hash)
            .then(|| base::password::hash(&change.new))
    })
    .await?
    .ok_or_else(|| {
        ApiError::new(
            ErrorCode::AuthCredentialsInvalid,
            "The current password is wrong.",
        )
    })?;
    app.people()
        .set_password(who.user_id, hash, session.session_id.clone())
        .await?;
    tracing::info!(person = %who.username, "The password was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// A new session of a person, to be kept and to be told.
pub(super) fn new_session(person: &Person, now: UtcTime) -> (NewSession, LoginResponse) {
    let tokens = Tokens::new(MessageId::new().to_string(), now);
    let session = NewSession {
        id: tokens.session_id.clone(),
        tokens: tokens.digests(),
    };
    (session, tokens.answer(person))
}

/// The answer to a login, for programs and for browsers.
pub(super) fn with_cookies(answer: LoginResponse) -> ApiResult<Response> {
    let mut headers = HeaderMap::new();
    cookies::set(
        &mut headers,
        cookies::Transport::Http,
        &answer,
        REFRESH_LIFETIME_S,
    )?;
    Ok((headers, Json(answer)).into_response())
}

/// Passwords are of this site's network; the relay has people of its own.
pub(super) fn lan_only(via: Via) -> ApiResult<IpAddr> {
    via.address().map(|address| address.ip()).ok_or_else(|| {
        ApiError::new(
            ErrorCode::AuthInsufficientPermissions,
            "This is possible on the site's own network only.",
        )
    })
}

/// Password work, off the threads that answer requests.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> ApiResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ApiError::internal)
}

struct Tokens {
    session_id: String,
    access: String,
    refresh: String,
    csrf: String,
    now: UtcTime,
}

impl Tokens {
    fn new(session_id: String, now: UtcTime) -> Self {
        Self {
            access: base::token::generate(),
            refresh: format!("{session_id}.{}", base::token::generate()),
            csrf: base::token::generate(),
            session_id,
            now,
        }
    }

    fn digests(&self) -> TokenDigests {
        let digest = |token: &str| base::token::sha256_hex(token.as_bytes());
        TokenDigests {
            access: digest(&self.access),
            access_expires: self.now.plus_s(ACCESS_LIFETIME_S),
            refresh: digest(&self.refresh),
            refresh_expires: self.now.plus_s(REFRESH_LIFETIME_S),
            csrf: digest(&self.csrf),
        }
    }

    fn answer(self, person: &Person) -> LoginResponse {
        LoginResponse {
            access_token: self.access,
            refresh_token: self.refresh,
            csrf_token: self.csrf,
            expires_in_s: ACCESS_LIFETIME_S as u32,
            user: Me {
                id: person.id,
                username: person.username.clone(),
                role: Role::OrgAdmin,
                organisation_id: None,
                must_change_password: false,
            },
        }
    }
}

fn wrong_credentials() -> ApiError {
    ApiError::new(
        ErrorCode::AuthCredentialsInvalid,
        "The user name or the password is wrong.",
    )
}

/// Seconds that this many failures in a row lock an account for.
fn lock_s(failures: u32) -> i64 {
    match failures.checked_sub(FAILURES_MAX) {
        None => 0,
        Some(beyond) => (LOCK_FIRST_S << beyond.min(16)).min(LOCK_MAX_S),
    }
}

fn locked_for_s(credentials: &Credentials, now: UtcTime) -> Option<u32> {
    let ms = credentials.locked_until?.ms_since(now);
    // A clock that was set back must not lock anybody out for years.
    let ms = ms.min(LOCK_MAX_S * 1000);
    u32::try_from(ms.div_euclid(1000) + 1)
        .ok()
        .filter(|_| ms > 0)
}

/// The hash of a password that nobody has.
fn decoy() -> &'static str {
    static DECOY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    DECOY.get_or_init(|| base::password::hash(&base::token::generate()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_from_the_fifth_failure_on_and_is_bounded() {
        let waits: Vec<i64> = [1, 4, 5, 6, 7, 20, u32::MAX].map(lock_s).into();
        assert_eq!(waits, [0, 0, 30, 60, 120, 3600, 3600]);
    }
}
