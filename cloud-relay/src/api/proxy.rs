//! Carries a request through the tunnel to an appliance, and the answer back.
//!
//! The appliance learns who asks from a signed assertion and from nothing else: cookies and tokens of the relay stay
//! here. Of the headers on either side only those pass that are listed below, so that a new one cannot leak by being
//! forgotten. Bodies are streamed; whoever goes away closes the tunnel connection with the body, so the site's uplink
//! is not spent on nobody.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use wire::error::{ErrorCode, ErrorResponse};
use wire::poke::Poke;
use wire::tunnel::{ASSERTION_HEADER, ASSERTION_LIFETIME_S, Assertion};

use super::request::{REQUEST_ID, Shaped};
use super::{ApiError, ApiResult, App, Visitor};
use crate::access;
use crate::audit::{Access, Meter};
use crate::store::sites::Located;
use crate::tunnel::hub::TunnelError;

/// How long an appliance may take to begin an answer: it may have to wake a recorder for live view.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Largest failure of an appliance that is looked into.
const FAILURE_BYTES_MAX: usize = 64 * 1024;

/// What passes to the appliance.
const REQUEST_HEADERS: [HeaderName; 9] = [
    header::ACCEPT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// What passes back.
const ANSWER_HEADERS: [HeaderName; 11] = [
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    header::VARY,
];

/// What an appliance sends is shown, never run: it shares our origin, but it is not us.
const SANDBOX: &str =
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'";

/// What is to be carried. The caller has asked whether it may be.
#[derive(Debug)]
pub struct Errand {
    /// To whom.
    pub at: Located,
    /// Path and query at the appliance.
    pub target: String,
    /// The access to footage that this is, and to what: audited before the first byte is passed on.
    pub footage: Option<(Access, String)>,
    /// The change that this is: audited with its outcome.
    pub note: Option<Note>,
}

/// A change at a site, for the audit log.
#[derive(Debug)]
pub struct Note {
    /// What.
    pub action: &'static str,
    /// To what.
    pub subject: String,
}

/// The query as it came, with its question mark.
pub fn query(request: &Request) -> String {
    request
        .uri()
        .query()
        .map_or_else(String::new, |query| format!("?{query}"))
}

/// Carries it.
pub async fn carry(
    app: &App,
    visitor: &Visitor,
    errand: Errand,
    request: Request,
) -> ApiResult<Response> {
    let mut outcome = exchange(app, visitor, &errand, request).await;
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.status(),
    };
    if let Some((access, subject)) = errand.footage {
        // A part, or nothing new, is as good as the whole.
        let ok = status.is_success() || status == StatusCode::NOT_MODIFIED;
        let meter = app
            .audit
            .access(
                visitor.actor(),
                errand.at.organisation,
                errand.at.site,
                access,
                subject,
                if ok { 200 } else { status.as_u16() },
            )
            .await?;
        outcome = outcome.map(|response| response.map(|body| Body::new(Metered { body, meter })));
    }
    if let Some(note) = errand.note {
        let whose = Some((errand.at.organisation, Some(errand.at.site)));
        app.audit
            .note(
                visitor.actor(),
                whose,
                note.action,
                note.subject,
                status.as_u16(),
            )
            .await?;
    }
    outcome
}

async fn exchange(
    app: &App,
    visitor: &Visitor,
    errand: &Errand,
    request: Request,
) -> ApiResult<Response> {
    let Some(appliance) = &errand.at.appliance else {
        return Err(ApiError::new(
            ErrorCode::SiteOffline,
            "This site has no appliance any more. Claim one for it.",
        ));
    };
    let assertion = Assertion {
        appliance: appliance.clone(),
        user_id: visitor.principal.user_id,
        username: visitor.principal.username.clone(),
        organisation: errand.at.organisation,
        permissions: access::permissions(visitor.principal.role).to_vec(),
        request_id: visitor.request_id.clone(),
        expires_s: app.now().seconds() + ASSERTION_LIFETIME_S,
    };
    let request = outgoing(
        request,
        &errand.target,
        &assertion.sign(app.pki.assertion_key()),
        visitor,
    )?;
    let answer = tokio::time::timeout(ANSWER_PATIENCE, app.hub.request(appliance, request))
        .await
        .map_err(|_| {
            offline("The appliance did not answer in time. Try again; if it stays, look at it on its own network.")
        })?
        .map_err(|error| {
            tracing::debug!(appliance.id = %appliance, %error, "A request did not get through the tunnel");
            match error {
                TunnelError::Offline(_) => {
                    // Its reports may still come in: then it dials again at once.
                    app.pokes.send(appliance.clone(), Poke::Reconnect);
                    offline("The site is offline, so its footage cannot be fetched now. What it reported stays listed.")
                }
                TunnelError::Busy(_) => ApiError::new(
                    ErrorCode::ConcurrentLimitExceeded,
                    "All connections to the site are in use. Close a stream or a download and try again.",
                )
                .retry_after(5),
                TunnelError::Broken { .. } => {
                    offline("The connection to the site broke. Try again in a moment.")
                }
            }
        })?;
    incoming(answer).await
}

fn offline(message: &str) -> ApiError {
    ApiError::new(ErrorCode::SiteOffline, message).retry_after(10)
}

fn outgoing(
    request: Request,
    target: &str,
    assertion: &str,
    visitor: &Visitor,
) -> ApiResult<http::Request<Body>> {
    let (parts, body) = request.into_parts();
    let mut onward = http::Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = target.parse().map_err(ApiError::internal)?;
    let headers = onward.headers_mut();
    copy(&REQUEST_HEADERS, &parts.headers, headers);
    headers.insert(
        HeaderName::from_static(ASSERTION_HEADER),
        HeaderValue::from_str(assertion).map_err(ApiError::internal)?,
    );
    headers.insert(
        REQUEST_ID,
        HeaderValue::from_str(&visitor.request_id).map_err(ApiError::internal)?,
    );
    Ok(onward)
}

async fn incoming(answer: http::Response<Body>) -> ApiResult<Response> {
    let (parts, body) = answer.into_parts();
    if parts.status == StatusCode::UNAUTHORIZED {
        // Not the visitor's login is wrong, but our word to the appliance: told as it is, a page would log out.
        return Err(refused_us(body).await);
    }
    let mut response = (parts.status, body).into_response();
    copy(&ANSWER_HEADERS, &parts.headers, response.headers_mut());
    if !parts.headers.contains_key(header::CONTENT_TYPE) {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(SANDBOX),
    );
    response.extensions_mut().insert(Shaped);
    Ok(response)
}

async fn refused_us(body: Body) -> ApiError {
    let why = match http_body_util::Limited::new(body, FAILURE_BYTES_MAX)
        .collect()
        .await
    {
        Ok(body) => serde_json::from_slice::<ErrorResponse>(&body.to_bytes())
            .map(|failure| failure.error.message)
            .ok(),
        Err(_) => None,
    };
    let why = why.unwrap_or_else(|| "it gave no reason".into());
    tracing::warn!(reason = %why, "An appliance does not believe the relay");
    offline(&format!(
        "The appliance does not accept requests from this relay ({}). Check its clock, or claim it again.",
        why.trim_end_matches('.')
    ))
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name.clone(), value.clone());
        }
    }
}

/// A body whose bytes are counted as they are handed to the viewer's connection.
struct Metered {
    body: Body,
    meter: Meter,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.meter.add(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
