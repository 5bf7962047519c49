//! The page, bundled into the program.

use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use rust_embed::RustEmbed;

/// Gathered by `build.rs`.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/ui"]
struct Files;

/// What no route took.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    base::http::page::serve::<Files>(&["api"], &method, &uri, &headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{StatusCode, header};

    async fn get(path: &str) -> Response {
        serve(Method::GET, path.parse().unwrap(), HeaderMap::new()).await
    }

    #[tokio::test]
    async fn the_page_answers_for_its_addresses_and_nothing_else() {
        for path in ["/", "/index.html", "/recordings", "/recordings/abc?x=1"] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(
                response.headers()[header::CONTENT_TYPE],
                "text/html; charset=utf-8"
            );
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        }
        for path in [
            "/api",
            "/api/v1/nothing",
            "/assets/gone-123.js",
            "/favicon.xyz",
            "/../etc/passwd.txt",
        ] {
            assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn an_unchanged_page_is_not_sent_again() {
        let tag = get("/").await.headers()[header::ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, tag);
        let again = serve(Method::GET, "/".parse().unwrap(), headers).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}
