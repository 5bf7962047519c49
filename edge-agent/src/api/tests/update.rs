//! Updates over HTTP: who may send one, and how a sender that knows nothing but the answers gets it across.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wire::error::ErrorCode;
use wire::resource::LoginResponse;
use wire::tunnel::{ASSERTION_HEADER, Permission};

use super::doors::Relay;
use super::house::{Answer, House};
use crate::api::Via;

const UPDATE: &str = "/api/v1/system/update";
const BUNDLE: &str = "/api/v1/system/update/bundle";
const INSTALL: &str = "/api/v1/system/update/install";
/// More than any other request may be.
const LENGTH: usize = 200_000;

/// A box with the image.
async fn appliance() -> (House, LoginResponse) {
    House::with_version("0.1.0+20261101000000")
        .await
        .with_admin()
        .await
}

fn announced(bytes: &[u8]) -> Value {
    json!({ "version": "0.1.0+20261103090000", "bytes": bytes.len(), "sha256": base::token::sha256_hex(bytes) })
}

async fn put(house: &House, login: &LoginResponse, range: &str, bytes: &[u8]) -> Answer {
    house
        .ask(Method::PUT, BUNDLE)
        .bearer(login)
        .header("content-range", range)
        .raw(bytes.to_vec())
        .send()
        .await
}

#[tokio::test]
async fn a_bundle_comes_in_pieces_and_waits() {
    let (house, login) = appliance().await;
    let bytes = vec![7; LENGTH];
    let post = |path: &str, body: Value| {
        house
            .ask(Method::POST, path)
            .bearer(&login)
            .json(body)
            .send()
    };
    let none = house.get(UPDATE, &login).await.json();
    assert_eq!(none["running"], "0.1.0+20261101000000");
    assert_eq!(none["progress"], json!({ "state": "none" }));
    let early = post(INSTALL, json!({ "when": "now" })).await;
    assert_eq!(early.code(), ErrorCode::Conflict);

    let begun = post(UPDATE, announced(&bytes)).await.json();
    assert_eq!(begun["progress"]["state"], "receiving");
    assert_eq!(begun["progress"]["received_bytes"], 0);
    let half = LENGTH / 2;
    let first = put(
        &house,
        &login,
        &format!("bytes 0-{}/{LENGTH}", half - 1),
        &bytes[..half],
    )
    .await;
    assert_eq!(first.json()["progress"]["received_bytes"], half);
    // The same once more, as by somebody who did not get the answer.
    let again = put(
        &house,
        &login,
        &format!("bytes 0-{}/{LENGTH}", half - 1),
        &bytes[..half],
    )
    .await;
    let failure = again.failure().error;
    assert_eq!(
        (failure.code, &failure.details["offset"]),
        (ErrorCode::Conflict, &json!(half))
    );
    let unsaid = put(&house, &login, "", &bytes[half..]).await;
    assert_eq!(unsaid.code(), ErrorCode::ValidationFailed);
    let last = put(
        &house,
        &login,
        &format!("bytes {half}-{}/{LENGTH}", LENGTH - 1),
        &bytes[half..],
    )
    .await;
    assert_eq!(last.json()["progress"]["state"], "waiting");
    let chosen = post(INSTALL, json!({ "when": "window" })).await.json();
    assert_eq!(chosen["progress"]["chosen"], "window");
    let forgotten = house
        .ask(Method::DELETE, UPDATE)
        .bearer(&login)
        .send()
        .await;
    assert_eq!(forgotten.json()["progress"]["state"], "none");
}

#[tokio::test]
async fn other_requests_stay_small_and_a_piece_is_bounded() {
    let (house, login) = appliance().await;
    let large = vec![b' '; LENGTH];
    let other = house
        .ask(Method::POST, UPDATE)
        .bearer(&login)
        .header("content-type", "application/json");
    assert_eq!(
        other.raw(large).send().await.code(),
        ErrorCode::BodyTooLarge
    );
    let length = wire::update::PIECE_BYTES_MAX as usize + 1;
    let range = format!("bytes 0-{}/{length}", length - 1);
    let refused = house.ask(Method::PUT, BUNDLE).bearer(&login);
    let refused = refused
        .header("content-range", &range)
        .header("content-length", &length.to_string());
    assert_eq!(
        refused.raw(vec![0; length]).send().await.code(),
        ErrorCode::BodyTooLarge
    );
}

#[tokio::test]
async fn updates_are_for_administrators() {
    let (house, _) = appliance().await;
    let relay = Relay::new(&house);
    let ask = async |method: Method, path: &str, may: Permission, body: Value| {
        let word = relay
            .assertion(&house, &[Permission::View, may])
            .sign(&relay.key);
        let ask = house.ask(method, path).header(ASSERTION_HEADER, &word);
        ask.json(body).via(Via::Tunnel).send().await
    };
    let offer = announced(b"a bundle");
    for (method, path, body) in [
        (Method::POST, UPDATE, offer.clone()),
        (Method::PUT, BUNDLE, json!({})),
        (Method::POST, INSTALL, json!({ "when": "now" })),
        (Method::DELETE, UPDATE, json!({})),
    ] {
        let refused = ask(method, path, Permission::Operate, body).await;
        assert_eq!(
            refused.code(),
            ErrorCode::AuthInsufficientPermissions,
            "{path}"
        );
    }
    let seen = ask(Method::GET, UPDATE, Permission::View, json!({})).await;
    assert_eq!(seen.status, StatusCode::OK);
    let begun = ask(Method::POST, UPDATE, Permission::Manage, offer).await;
    assert_eq!(begun.status, StatusCode::OK);
}

#[tokio::test]
async fn a_box_without_the_image_says_how_it_is_updated() {
    let (house, login) = House::set_up().await;
    let told = house.get(UPDATE, &login).await.json();
    assert_eq!(told["running"], Value::Null);
    assert!(told["unable"].as_str().unwrap().contains("Debian package"));
    let refused = house.ask(Method::POST, UPDATE).bearer(&login);
    let refused = refused.json(announced(b"a bundle")).send().await.failure();
    assert_eq!(refused.error.code, ErrorCode::Conflict);
    assert!(refused.error.message.contains("Debian package"));
}
