//! The page, bundled into the program: nothing is loaded from elsewhere, and it works with the internet down.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use wire::error::ErrorCode;

use super::ApiError;

const INDEX: &str = "index.html";

/// Names below this carry a hash of their content, so they never change.
const HASHED: &str = "assets/";

/// What no route took: a file of the page; an address that the page itself understands; or nothing, as everywhere below
/// the `reserved` first parts of a path.
pub fn serve<Files: RustEmbed>(
    reserved: &[&str],
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    let path = uri.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if reserved.contains(&first) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let refused = ApiError::new(
            ErrorCode::MethodNotAllowed,
            "Only GET is possible here; the API lies below /api/v1.",
        );
        return ([(header::ALLOW, "GET, HEAD")], refused).into_response();
    }
    match Files::get(path) {
        Some(file) => answer(path, file, headers),
        // Addresses of the page have no file name with an ending; a missing asset must not be answered with HTML.
        None if is_address_of_the_page(path) => match Files::get(INDEX) {
            Some(file) => answer(INDEX, file, headers),
            None => ApiError::internal("the page is not embedded").into_response(),
        },
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn is_address_of_the_page(path: &str) -> bool {
    !path.starts_with(HASHED)
        && path
            .rsplit('/')
            .next()
            .is_none_or(|last| !last.contains('.'))
}

fn answer(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = format!(
        "\"{}\"",
        data_encoding::HEXLOWER.encode(&file.metadata.sha256_hash()[..16])
    );
    let cache = if name.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, value);
    }
    let is_known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if let Ok(kind) = HeaderValue::from_str(&content_type(file.metadata.mimetype())) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    (headers, file.data).into_response()
}

fn content_type(guessed: &str) -> String {
    if guessed.starts_with("text/") {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_owned()
    }
}
