//! Every failure has the one shape, whoever made it, and nothing that comes in is our fault.

use std::sync::LazyLock;

use http::{Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::error::ErrorCode;

use super::house::{House, PASSWORD};
use crate::ability::Ability;
use crate::api::router::document;

#[tokio::test]
async fn failures_of_the_framework_have_our_shape() {
    let (house, login) = House::set_up().await;
    let post = |body: &str| {
        house
            .ask(Method::POST, "/api/v1/auth/login")
            .header("content-type", "application/json")
            .raw(body.to_owned())
    };
    let unknown_key = post(r#"{"username":"a","password":"b","x":1}"#)
        .send()
        .await
        .failure();
    assert_eq!(unknown_key.error.code, ErrorCode::ValidationFailed);
    assert!(
        unknown_key.error.message.contains("unknown field `x`"),
        "{unknown_key:?}"
    );
    for bad in ["", "{", "[]", r#"{"username":1}"#, "\u{0}"] {
        assert_eq!(
            post(bad).send().await.code(),
            ErrorCode::ValidationFailed,
            "{bad:?}"
        );
    }
    let not_json = house
        .ask(Method::POST, "/api/v1/auth/login")
        .raw("x=1")
        .send()
        .await;
    assert_eq!(not_json.code(), ErrorCode::ValidationFailed);
    let huge = post(&format!(r#"{{"username":"{}"}}"#, "a".repeat(70_000)));
    assert_eq!(huge.send().await.code(), ErrorCode::BodyTooLarge);

    let nowhere = house.get("/api/v1/nowhere", &login).await;
    assert_eq!(nowhere.code(), ErrorCode::NotFound);
    let wrong_method = house.ask(Method::DELETE, "/api/v1/auth/login").send().await;
    assert_eq!(wrong_method.code(), ErrorCode::MethodNotAllowed);
    assert_eq!(wrong_method.headers["allow"], "POST");
    let page = house.ask(Method::POST, "/").send().await;
    assert_eq!(page.code(), ErrorCode::MethodNotAllowed);
}

#[tokio::test]
async fn an_agent_that_starts_says_so() {
    let house = House::new().await;
    let ready = || house.ask(Method::GET, "/ready").send();
    assert_eq!(ready().await.status, StatusCode::OK);
    house.ready.send_replace(false);
    let starting = ready().await;
    assert_eq!(starting.code(), ErrorCode::Unavailable);
    assert_eq!(starting.headers["retry-after"], "5");
    let alive = house.ask(Method::GET, "/health").send().await;
    assert_eq!(alive.status, StatusCode::OK);
}

#[tokio::test]
async fn an_agent_says_what_it_is_able_to_do() {
    let (house, login) = House::set_up().await;
    let able = || house.ask(Method::GET, "/ready/recording").send();
    assert_eq!(able().await.json()["library"], true);
    assert_eq!(able().await.json()["relay"], false);
    assert_eq!(able().await.json()["recorder"], false);
    house
        .library
        .send_replace(Ability::Missing("It is not there.".to_owned()));
    assert_eq!(able().await.json()["library"], false);
    house.library.send_replace(Ability::NotLooked);
    assert_eq!(able().await.code(), ErrorCode::Unavailable);
    house.library.send_replace(Ability::There);
    house
        .footage
        .send_replace(Ability::Missing("FFmpeg is gone.".to_owned()));
    assert_eq!(able().await.code(), ErrorCode::Unavailable);
    // Nothing of why for those who did not log in.
    assert!(!able().await.failure().error.message.contains("FFmpeg"));
    let system = house
        .ask(Method::GET, "/api/v1/system")
        .bearer(&login)
        .send()
        .await;
    assert_eq!(system.json()["footage_problem"], "FFmpeg is gone.");
}

#[tokio::test]
async fn answers_are_safe_for_browsers() {
    let house = House::new().await;
    let page = house.ask(Method::GET, "/").send().await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(!policy.contains("http"), "{policy}");
    for path in ["/", "/api/v1/setup", "/api/v1/nowhere"] {
        let answer = house.ask(Method::GET, path).send().await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(answer.headers.contains_key("cache-control"), "{path}");
    }
}

#[test]
fn the_document_is_openapi_3_1_with_failures_everywhere() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} names two operations");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("default"), "{method} {path}");
            let needs_login = operation["security"] != json!([{}]);
            assert_eq!(
                responses.contains_key("401"),
                needs_login,
                "{method} {path}"
            );
            let text = operation["summary"].as_str().unwrap_or_default();
            assert!(text.len() > 5, "{method} {path} says nothing of itself");
        }
    }
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

/// Run `cargo run -p edge-agent -- openapi > web-ui/openapi/agent.json` and look at what changed.
#[test]
fn the_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../web-ui/openapi/agent.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed.trim_end() == document().to_pretty_json().unwrap(),
        "the API has changed: cargo run -p edge-agent -- openapi > web-ui/openapi/agent.json"
    );
}

/// A route of the document with its parameters filled, well or badly, or any path at all.
fn any_path() -> impl Strategy<Value = String> {
    let document = serde_json::to_value(document()).unwrap();
    let paths: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let part = prop_oneof![
        Just("019a0000-0000-7000-8000-000000000000".to_owned()),
        "[a-zA-Z0-9._~%-]{0,40}",
        Just("%00".to_owned()),
        Just("%ff%fe".to_owned()),
        Just("..%2f..%2fetc".to_owned()),
    ];
    let known = (prop::sample::select(paths), part).prop_map(|(path, part)| {
        path.split('/')
            .map(|level| {
                if level.starts_with('{') {
                    part.clone()
                } else {
                    level.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join("/")
    });
    let query = prop_oneof![
        Just(String::new()),
        "\\?(camera|from|to|status|min_bytes|order|cursor|limit|day|zone|log|stream)=[a-zA-Z0-9:%.+-]{0,30}",
        "\\?[a-z_]{1,10}=[a-zA-Z0-9:%&=+.-]{0,60}",
        Just("?from=2026-11-03T14:05:00Z&to=2020-01-01T00:00:00Z&limit=-1".to_owned()),
        Just("?cursor=%F0%9F%98%80&limit=99999999999999999999".to_owned()),
    ];
    let path = prop_oneof![4 => known, 1 => "/[a-zA-Z0-9/._~%-]{0,60}"];
    (path, query).prop_map(|(path, query)| path + &query)
}

fn any_body() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        ".{0,200}",
        Just(json!({ "password": PASSWORD, "username": "admin" }).to_string()),
        Just(
            json!({ "name": "", "address": "\u{0}", "port": 0, "username": "", "password": "", "enabled": true })
                .to_string()
        ),
        Just(
            json!({ "from_utc": "9999-12-31T23:59:59Z", "to_utc": "0001-01-01T00:00:00Z" }).to_string()
        ),
        Just("[".repeat(5000)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    /// Whatever comes, a failure is the asker's, in our shape; recorders that do not answer (502) are nobody's.
    #[test]
    fn nothing_that_comes_in_is_our_fault(
        requests in prop::collection::vec(
            (prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]), any_path(), any_body()),
            1..8,
        )
    ) {
        let (runtime, house) = &*HOUSE;
        runtime.block_on(async {
            let login = house.new_login().await;
            for (method, path, body) in requests {
                if path.parse::<http::Uri>().is_err() || path.contains("/events") {
                    continue;
                }
                let answer = house
                    .ask(method.parse().unwrap(), &path)
                    .bearer(&login)
                    .header("content-type", "application/json")
                    .raw(body)
                    .send()
                    .await;
                let status = answer.status.as_u16();
                assert!(status < 500 || status == 502, "{method} {path}: {answer:?}");
                if status >= 400 && method != "HEAD" {
                    answer.failure();
                }
            }
        });
    }
}

/// Password work is slow on purpose, so all cases share one house.
static HOUSE: LazyLock<(tokio::runtime::Runtime, House)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (house, _) = runtime.block_on(House::set_up());
    (runtime, house)
});
