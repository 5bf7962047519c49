//! What happens to every request; see [`base::http::request`].

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use base::http::cookies::Transport;
pub use base::http::request::{REQUEST_ID, RequestId, Shaped, panicked};

/// The outermost layer of the router.
pub async fn handle(request: Request, next: Next) -> Response {
    base::http::request::handle(RequestId::new(), Transport::Https, request, next).await
}
