//! Who asks: a person with a login session, known by a cookie or a bearer token.
//!
//! [`require_login`] stands in front of every route of the closed part of the router, so no handler can forget it;
//! [`Visitor`] is how a handler learns whom it let in.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use wire::error::ErrorCode;
use wire::ids::{OrganisationId, SiteId};
use wire::tunnel::Permission;

use super::request::RequestId;
use super::{ApiError, ApiResult, App, cookies};
use crate::access::{Action, Principal, Refusal, Target};
use crate::audit::Actor;
use crate::store::Scope;
use crate::store::people::LoggedIn;
use crate::store::sites::Located;

/// The address of whoever opened the connection. Set once per connection by whoever accepted it, never by a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Who asks, in which request.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who, for decisions.
    pub principal: Principal,
    /// The login session.
    pub session: LoggedIn,
    /// From where.
    pub address: IpAddr,
    /// Which request.
    pub request_id: String,
}

impl Visitor {
    /// Whose rows may be seen.
    pub fn scope(&self) -> Scope {
        self.principal.scope()
    }

    /// For the audit log.
    pub fn actor(&self) -> Actor {
        Actor {
            person: Some(self.principal.user_id),
            username: self.principal.username.clone(),
            address: self.address.to_string(),
            request_id: self.request_id.clone(),
        }
    }

    /// Refuses who may not do this at a site; `hidden` is the answer where the site does not exist for them.
    pub fn require(
        &self,
        permission: Permission,
        at: &Located,
        hidden: ErrorCode,
    ) -> ApiResult<()> {
        self.require_at(permission, at.organisation, at.site, hidden)
    }

    fn require_at(
        &self,
        permission: Permission,
        organisation: OrganisationId,
        site: SiteId,
        hidden: ErrorCode,
    ) -> ApiResult<()> {
        let what = match permission {
            Permission::View => "see this site",
            Permission::Download => "download footage of this site",
            Permission::Operate => "sync or lock footage of this site",
            Permission::Manage => "change recorders, cameras or settings of this site",
        };
        let target = Target::Site(organisation, site);
        self.decide(Action::AtSite(permission), target, what, hidden)
    }

    /// Refuses who may not do this in an organisation.
    pub fn require_in(
        &self,
        action: Action,
        organisation: OrganisationId,
        what: &str,
    ) -> ApiResult<()> {
        let target = Target::Organisation(organisation);
        self.decide(action, target, what, ErrorCode::NotFound)
    }

    fn decide(
        &self,
        action: Action,
        target: Target,
        what: &str,
        hidden: ErrorCode,
    ) -> ApiResult<()> {
        match self.principal.may(action, target) {
            Ok(()) => Ok(()),
            Err(Refusal::Hidden) => Err(not_there(hidden)),
            Err(Refusal::Forbidden) => Err(ApiError::new(
                ErrorCode::AuthInsufficientPermissions,
                format!(
                    "{} may not {what}. Ask an administrator of your organisation for the right to.",
                    self.principal.username
                ),
            )),
        }
    }
}

/// 404, the same for what does not exist and for what belongs to others.
pub fn not_there(code: ErrorCode) -> ApiError {
    let what = match code {
        ErrorCode::CameraNotFound => "camera",
        ErrorCode::RecordingNotFound => "recording",
        ErrorCode::SiteNotFound => "site",
        ErrorCode::RecorderNotFound => "recorder",
        _ => "thing",
    };
    ApiError::new(
        code,
        format!(
            "There is no such {what} in your organisation. It may have been removed: look at the list again."
        ),
    )
}

impl FromRequestParts<App> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> ApiResult<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            // A route that was put outside the closed part by mistake lets nobody in.
            ApiError::internal("a handler asks who is there, but nobody looked")
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let peer = parts.extensions.get::<Self>().copied();
        peer.ok_or_else(|| ApiError::internal("a connection without an address"))
    }
}

/// Lets in who is logged in.
pub async fn require_login(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    let (visitor, request) = recognise(&app, request).await?;
    if visitor.session.person.must_change_password {
        return Err(ApiError::new(
            ErrorCode::AuthPasswordChangeRequired,
            "Choose a password of your own first (POST /api/v1/auth/password).",
        ));
    }
    Ok(go_on(visitor, request, next).await)
}

/// Lets in who is logged in, also with a password that must be changed.
pub async fn require_session(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    let (visitor, request) = recognise(&app, request).await?;
    Ok(go_on(visitor, request, next).await)
}

async fn go_on(visitor: Visitor, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

async fn recognise(app: &App, request: Request) -> ApiResult<(Visitor, Request)> {
    // In parts, because a body cannot be shared over an await.
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let (token, by_cookie) = match bearer(headers)? {
        Some(token) => (token, false),
        None => match cookies::read(headers, cookies::ACCESS) {
            Some(token) => (token, true),
            None => {
                return Err(ApiError::new(ErrorCode::AuthTokenMissing, "Log in first."));
            }
        },
    };
    let session = app.identity.authenticate(token).await?.ok_or_else(|| {
        ApiError::new(
            ErrorCode::AuthTokenInvalid,
            "The login has expired or was ended. Log in again.",
        )
    })?;
    if by_cookie && is_change(&parts.method) {
        check_csrf(headers, &session)?;
    }
    let Some(Peer(peer)) = parts.extensions.get::<Peer>() else {
        return Err(ApiError::internal("a connection without an address"));
    };
    let visitor = Visitor {
        principal: Principal::from(session.person.clone()),
        session,
        address: peer.ip(),
        request_id: parts
            .extensions
            .get::<RequestId>()
            .map_or_else(String::new, |id| id.0.clone()),
    };
    Ok((visitor, Request::from_parts(parts, body)))
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
        .map(|(_, token)| Some(token))
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
