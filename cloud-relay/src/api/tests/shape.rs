//! Failures have one shape, answers keep browsers honest, and the document is what was promised.

use super::*;
use serde_json::json as value;

#[tokio::test]
async fn every_failure_has_the_one_shape() {
    let world = World::new().await;
    let organisation = world.store.plant_organisation("A").await;
    let admin = world.person(Role::OrgAdmin, Some(organisation), None).await;
    for (method, path, body, code) in [
        (Method::GET, "/api/v1/nothing", "", ErrorCode::NotFound),
        (Method::GET, "/api", "", ErrorCode::NotFound),
        (Method::GET, "/enroll/v9", "", ErrorCode::NotFound),
        (Method::GET, "/assets/gone.js", "", ErrorCode::NotFound),
        (
            Method::PATCH,
            "/api/v1/sites",
            "",
            ErrorCode::MethodNotAllowed,
        ),
        (Method::POST, "/recordings", "", ErrorCode::MethodNotAllowed),
        (
            Method::GET,
            "/api/v1/recordings/x",
            "",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::GET,
            "/api/v1/recordings?limit=0",
            "",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::GET,
            "/api/v1/recordings?cursor=x",
            "",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::GET,
            "/api/v1/recordings?from=yesterday",
            "",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::GET,
            "/api/v1/recordings?colour=red",
            "",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::GET,
            "/api/v1/recordings?from=2026-11-03T14:00:00Z&to=2026-11-03T14:00:00Z",
            "",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::POST,
            "/api/v1/auth/login",
            "{",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::POST,
            "/api/v1/auth/login",
            "{\"user\":1}",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::POST,
            "/api/v1/appliances/claim",
            "{}",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::POST,
            "/api/v1/appliances/claim",
            "{\"code\":\"x\",\"site_name\":\"N\"}",
            ErrorCode::ValidationFailed,
        ),
        (
            Method::POST,
            "/api/v1/appliances/claim",
            "{\"code\":\"ABCD-1234\",\"site_name\":\"N\"}",
            ErrorCode::NotFound,
        ),
        (
            Method::POST,
            "/enroll/v1",
            "{}",
            ErrorCode::ValidationFailed,
        ),
    ] {
        let request = admin.request(method.clone(), path, Body::from(body));
        let answer = world.ask(request).await;
        assert_eq!(answer.code(), code, "{method} {path}: {}", answer.text());
    }
    let large = Body::from(vec![b' '; 70 * 1024]);
    let large = admin.request(Method::POST, "/api/v1/auth/login", large);
    assert_eq!(world.ask(large).await.code(), ErrorCode::BodyTooLarge);
    let plain = Request::post("/api/v1/auth/login")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(world.ask(plain).await.code(), ErrorCode::ValidationFailed);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_tells_nothing() {
    use axum::routing::get;
    use tower_http::catch_panic::CatchPanicLayer;
    let router: Router = Router::new()
        .route("/", get(async || -> &'static str { panic!("the secret") }))
        .layer(CatchPanicLayer::custom(super::super::request::panicked))
        .layer(axum::middleware::from_fn(super::super::request::handle));
    let world = World {
        router,
        ..World::new().await
    };
    let request = Request::get("/").body(Body::empty()).unwrap();
    let answer = world.ask(request).await;
    assert_eq!(answer.code(), ErrorCode::Internal);
    assert!(!answer.text().contains("secret"));
}

#[tokio::test]
async fn answers_keep_browsers_honest() {
    let world = World::new().await;
    let get = |path: &str| {
        let request = Request::get(path).header(header::HOST, "relay.example.org:8443");
        request.body(Body::empty()).unwrap()
    };
    for path in ["/", "/recordings", "/health", "/api/v1/sites"] {
        let answer = world.ask(get(path)).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let hsts = answer.headers["strict-transport-security"].to_str();
        assert!(hsts.unwrap().starts_with("max-age="));
        let html = path == "/" || path == "/recordings";
        let csp = answer.headers.get("content-security-policy");
        assert_eq!(csp.is_some(), html, "{path}");
        let cache = if html { "no-cache" } else { "no-store" };
        assert_eq!(answer.headers["cache-control"], cache, "{path}");
    }
    let own = Request::get("/health").header(header::HOST, "localhost:8443");
    let own = world.ask(own.body(Body::empty()).unwrap()).await;
    assert!(!own.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn health_tells_life_and_readiness() {
    let world = World::new().await;
    for path in ["/health", "/ready"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(world.ask(request).await.json()["status"], value!("ok"));
    }
}

/// The document is committed, so that clients are generated from it and a change is seen. To accept a change:
/// `cargo run -p cloud-relay -- openapi > web-ui/openapi/relay.json`.
#[test]
fn the_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../web-ui/openapi/relay.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let now = router::document().to_pretty_json().unwrap();
    assert!(
        committed.trim_end() == now,
        "the API has changed: cargo run -p cloud-relay -- openapi > web-ui/openapi/relay.json"
    );
}

#[test]
fn no_reference_of_the_document_leads_nowhere() {
    let document = serde_json::to_value(router::document()).unwrap();
    assert_eq!(dangling(&document), [""; 0]);
}

/// Every `$ref` of a document that leads nowhere; generators of clients stumble over them.
fn dangling(document: &Value) -> Vec<String> {
    fn refs<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| refs(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    refs(document, &mut found);
    assert!(found.len() > 10, "nothing refers to anything: {found:?}");
    found
        .into_iter()
        .filter(|to| {
            to.strip_prefix('#')
                .is_none_or(|pointer| document.pointer(pointer).is_none())
        })
        .map(str::to_owned)
        .collect()
}
