//! What happens to every request; see [`base::http::request`].

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use base::http::cookies::Transport;
use base::http::request::REQUEST_ID;
pub use base::http::request::{RequestId, panicked};
use http::HeaderMap;

use super::principal::Via;

/// Longest id that is taken over from the relay.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// The outermost layer of the router.
pub async fn handle(request: Request, next: Next) -> Response {
    let id = request_id(request.headers(), request.extensions().get());
    base::http::request::handle(id, Transport::Http, request, next).await
}

/// The relay's id for what comes through the tunnel, so that both journals tell of the same request; else a new one.
fn request_id(headers: &HeaderMap, via: Option<&Via>) -> RequestId {
    let told = headers
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_CHARS_MAX)
        .filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    match (via, told) {
        (Some(Via::Tunnel), Some(id)) => RequestId(id.to_owned()),
        _ => RequestId::new(),
    }
}
