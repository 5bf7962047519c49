//! Who asks, and whether they may.
//!
//! There are two kinds: a person on the site's network, known by a cookie or a bearer token that this agent gave out;
//! and somebody far away, for whom the relay vouches with a signed assertion. An assertion counts only on a connection
//! that came through the tunnel, and a cookie or token only on one that did not, so neither side can borrow the
//! other's door.

use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use wire::claim::Membership;
use wire::error::ErrorCode;
use wire::ids::UserId;
use wire::resource::Role;
use wire::tunnel::{ASSERTION_HEADER, Assertion, Permission};

use super::App;
use super::cookies;
use super::error::{ApiError, ApiResult};
use super::request::RequestId;
use crate::catalog::people::LoggedIn;

/// Which door a connection came through. Set once per connection by whoever accepted it, never by a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The site's network.
    Lan(SocketAddr),
    /// The relay, through the tunnel that the agent dialled.
    Tunnel,
}

impl Via {
    /// As reports and the access log write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lan(_) => "lan",
            Self::Tunnel => "relay",
        }
    }

    /// The address on the site's network.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Lan(address) => Some(address),
            Self::Tunnel => None,
        }
    }
}

/// Who asks. As an extractor it refuses whoever is not known; what they may do is asked with [`Principal::require`].
#[derive(Debug, Clone)]
pub struct Principal {
    /// Person here, or user of the relay.
    pub user_id: UserId,
    /// Login name.
    pub username: String,
    /// Role.
    pub role: Role,
    /// Which door.
    pub via: Via,
    /// The id of this request; for what comes through the tunnel, the relay's.
    pub request_id: String,
    /// The login session, for people on the site's network.
    pub session: Option<LoggedIn>,
    permissions: Vec<Permission>,
}

impl Principal {
    /// Refuses (403) who may not do this.
    pub fn require(&self, permission: Permission) -> ApiResult<()> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        let what = match permission {
            Permission::View => "see this site",
            Permission::Download => "download footage of this site",
            Permission::Operate => "sync or lock footage of this site",
            Permission::Manage => "change recorders, cameras or settings of this site",
        };
        Err(ApiError::new(
            ErrorCode::AuthInsufficientPermissions,
            format!(
                "{} may not {what}. Ask an administrator of your organisation for the right to.",
                self.username
            ),
        ))
    }

    /// The session of a person on the site's network; what concerns passwords is nobody else's.
    pub fn require_session(&self) -> ApiResult<&LoggedIn> {
        self.session.as_ref().ok_or_else(|| {
            ApiError::new(
                ErrorCode::AuthInsufficientPermissions,
                "This is possible on the site's own network only.",
            )
        })
    }
}

impl FromRequestParts<App> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let via = Via::of(parts)?;
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(String::new, |id| id.0.clone());
        match via {
            Via::Tunnel => vouched_for(&parts.headers, app, request_id),
            Via::Lan(_) => person(&parts.method, &parts.headers, app, via, request_id).await,
        }
    }
}

impl Via {
    fn of(parts: &Parts) -> ApiResult<Self> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| {
            // A connection that nobody labelled is trusted with nothing.
            ApiError::internal("a connection without a door")
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Via {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        Self::of(parts)
    }
}

/// A person on the site's network.
async fn person(
    method: &Method,
    headers: &HeaderMap,
    app: &App,
    via: Via,
    request_id: String,
) -> ApiResult<Principal> {
    if headers.contains_key(ASSERTION_HEADER) {
        return Err(ApiError::new(
            ErrorCode::AuthTokenInvalid,
            "The relay's word counts only through its tunnel. Log in here, or ask the relay.",
        ));
    }
    let (token, by_cookie) = match bearer(headers)? {
        Some(token) => (token, false),
        None => match cookies::read(headers, cookies::ACCESS) {
            Some(token) => (token, true),
            None => return Err(nobody(app).await?),
        },
    };
    let digest = base::token::sha256_hex(token.as_bytes());
    let Some(session) = app.people().by_access(digest, app.now()).await? else {
        return Err(ApiError::new(
            ErrorCode::AuthTokenInvalid,
            "The login has expired or was ended. Log in again.",
        ));
    };
    if by_cookie && is_change(method) {
        check_csrf(headers, &session)?;
    }
    Ok(Principal {
        user_id: session.person.id,
        username: session.person.username.clone(),
        role: Role::OrgAdmin,
        via,
        request_id,
        permissions: vec![
            Permission::View,
            Permission::Download,
            Permission::Operate,
            Permission::Manage,
        ],
        session: Some(session),
    })
}

/// 401, with the way in that there is.
async fn nobody(app: &App) -> ApiResult<ApiError> {
    let message = if app.people().is_set_up().await? {
        "Log in first."
    } else {
        "This appliance is not set up yet. Open its page and choose a password for admin."
    };
    Ok(ApiError::new(ErrorCode::AuthTokenMissing, message))
}

fn bearer(headers: &HeaderMap) -> ApiResult<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
        .map(|(_, token)| Some(token.trim()))
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::AuthTokenInvalid,
                "The header Authorization must read: Bearer <access token>.",
            )
        })
}

fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A page of somebody else can make a browser send our cookie, but cannot read it: the header proves our own page.
fn check_csrf(headers: &HeaderMap, session: &LoggedIn) -> ApiResult<()> {
    let told = headers.get(cookies::CSRF_HEADER).map(|v| v.as_bytes());
    if told.is_some_and(|told| base::token::sha256_hex(told) == session.csrf_digest) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::AuthInsufficientPermissions,
        "The header X-CSRF-Token is missing or wrong. Send the value of the cookie hf_csrf, or reload the page.",
    ))
}

/// Somebody far away.
fn vouched_for(headers: &HeaderMap, app: &App, request_id: String) -> ApiResult<Principal> {
    let refused = |message: String| ApiError::new(ErrorCode::AuthTokenInvalid, message);
    let Some(token) = headers.get(ASSERTION_HEADER) else {
        return Err(ApiError::new(
            ErrorCode::AuthTokenMissing,
            "The relay sent a request without saying for whom.",
        ));
    };
    let membership = app.membership.borrow().clone().ok_or_else(|| {
        refused("This appliance belongs to no organisation, so no relay is believed.".into())
    })?;
    let token = token
        .to_str()
        .map_err(|_| refused("The relay's assertion is not text.".into()))?;
    let it = Assertion::verify(
        token,
        &assertion_key(&membership)?,
        &app.appliance,
        app.now().seconds(),
    )
    .map_err(|why| refused(format!("Refused by the appliance: {why}.")))?;
    if it.organisation != membership.organisation {
        return Err(refused(
            "The relay speaks for an organisation that this appliance does not belong to.".into(),
        ));
    }
    Ok(Principal {
        user_id: it.user_id,
        role: role_of(&it.permissions),
        username: it.username,
        via: Via::Tunnel,
        request_id: if request_id.is_empty() {
            it.request_id
        } else {
            request_id
        },
        session: None,
        permissions: it.permissions,
    })
}

/// The nearest role, for people to read; decisions use the permissions.
fn role_of(permissions: &[Permission]) -> Role {
    if permissions.contains(&Permission::Manage) {
        Role::OrgAdmin
    } else if permissions.contains(&Permission::Operate) {
        Role::Operator
    } else {
        Role::Viewer
    }
}

/// The point of the relay's key, as kept from the claim.
fn assertion_key(membership: &Membership) -> ApiResult<Vec<u8>> {
    wire::claim::p256_point(&membership.assertion_key_pem)
        .ok_or_else(|| ApiError::internal("the relay's assertion key kept here cannot be read"))
}
