//! What happens to every request: it gets an id, its failure gets the one error shape, its answer the headers that
//! keep browsers honest.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, StatusCode, Uri};
use tracing::Instrument;
use wire::error::ErrorCode;
use wire::ids::MessageId;
use wire::time::UtcTime;

use super::cookies::Transport;
use super::error::{ApiError, BODY_TOO_LARGE};

/// The id of a request: in the answer, in the error shape, in the journal, in the log of accesses, and with the
/// appliance that a relay asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// A new one.
    #[expect(
        clippy::new_without_default,
        reason = "an id is made on purpose, never by default"
    )]
    pub fn new() -> Self {
        Self(MessageId::new().to_string())
    }
}

/// Where the id travels.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks an answer whose failures have our shape already, because another of our programs gave it.
#[derive(Debug, Clone, Copy)]
pub struct Shaped;

/// What the page may load: only what this program serves. hls.js plays through `blob:` and works in a worker made from
/// one; the components position themselves by inline styles.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; \
    media-src 'self' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The outermost layer of a router.
pub async fn handle(
    id: RequestId,
    transport: Transport,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let pinned =
        transport == Transport::Https && is_public_host(request.headers().get(header::HOST));
    request.extensions_mut().insert(id.clone());
    // Never the query: signed links carry their signature there.
    let span = tracing::info_span!("request", request.id = %id.0, http.method = %method, http.path = uri.path());
    async move {
        let response = next.run(request).await;
        let response = in_our_shape(response, &id, &method, &uri).await;
        tracing::debug!(http.status = response.status().as_u16(), "Answered");
        with_headers(response, &id, pinned)
    }
    .instrument(span)
    .await
}

/// Browsers remember "HTTPS only" for a host name with all its ports. On `localhost` that would shut people out of
/// everything else on their own machine, an agent's page among it.
fn is_public_host(host: Option<&HeaderValue>) -> bool {
    let name = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
    !name.is_empty() && name != "localhost" && !name.ends_with(".localhost")
}

/// Writes the body of a failure.
async fn in_our_shape(
    mut response: Response,
    id: &RequestId,
    method: &Method,
    uri: &Uri,
) -> Response {
    let status = response.status();
    let is_failure = status.is_client_error() || status.is_server_error();
    if !is_failure || response.extensions().get::<Shaped>().is_some() {
        return response;
    }
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None => match foreign(status, method, uri) {
            Some(error) => error,
            None => ApiError::internal(format!("a handler answered {status} without a reason")),
        },
    };
    let body = error.body(&id.0, UtcTime::from(jiff::Timestamp::now()));
    let mut answer = (error.status(), axum::Json(body)).into_response();
    // `Retry-After`, `Content-Range`, `Allow` and cookies stay; what describes the old body goes.
    for (name, value) in response.headers() {
        if !matches!(
            *name,
            header::CONTENT_TYPE | header::CONTENT_LENGTH | header::TRANSFER_ENCODING
        ) {
            answer.headers_mut().append(name.clone(), value.clone());
        }
    }
    answer
}

/// A refusal by the framework, in our words.
fn foreign(status: StatusCode, method: &Method, uri: &Uri) -> Option<ApiError> {
    Some(match status {
        StatusCode::NOT_FOUND => ApiError::new(
            ErrorCode::NotFound,
            format!("There is nothing at {}.", shortened(uri.path())),
        ),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::new(
            ErrorCode::MethodNotAllowed,
            format!(
                "{method} is not possible at {}; the header Allow says what is.",
                shortened(uri.path())
            ),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(ErrorCode::BodyTooLarge, BODY_TOO_LARGE),
        StatusCode::REQUEST_TIMEOUT => {
            ApiError::invalid("The request did not arrive in time. Try again on a better line.")
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            ApiError::invalid("The request cannot be read.")
        }
        _ => return None,
    })
}

fn shortened(path: &str) -> String {
    path.chars().take(200).collect()
}

fn with_headers(mut response: Response, id: &RequestId, pinned: bool) -> Response {
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    // Two years, as the preload lists ask for; a browser heeds it only once it trusts our certificate.
    if pinned {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000"),
        );
    }
    if is_page {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        );
    }
    // Answers are about a moment and a person; whatever may be cached says so itself.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The answer to a request whose handler panicked. The panic itself was printed by the hook.
pub fn panicked(_panic: Box<dyn std::any::Any + Send>) -> http::Response<Body> {
    ApiError::internal("a handler panicked").into_response()
}
