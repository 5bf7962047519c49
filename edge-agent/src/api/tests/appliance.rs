//! What is asked of the appliance as a whole: examination, support bundle, factory reset.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wire::error::ErrorCode;
use wire::tunnel::{ASSERTION_HEADER, Permission};

use super::doors::Relay;
use super::house::{Answer, House};
use crate::api::Via;

const RESET: &str = "/api/v1/system/factory-reset";
const SUPPORT: &str = "/api/v1/system/support";
const CLOCK: &str = "/api/v1/system/clock";
const DOCTOR: &str = "/api/v1/system/doctor";

/// Somebody far away, who may do this.
async fn from_afar(house: &House, relay: &Relay, may: Permission, body: Value) -> Answer {
    let word = relay.assertion(house, &[may]).sign(&relay.key);
    let ask = house
        .ask(Method::POST, RESET)
        .header(ASSERTION_HEADER, &word);
    ask.json(body).via(Via::Tunnel).send().await
}

fn is_ordered(house: &House) -> bool {
    let there = house.below.path().join("reset.json").is_file();
    assert_eq!(there, house.app.resetting.ordered.is_cancelled());
    there
}

#[tokio::test]
async fn a_box_is_reset_by_its_name_only() {
    let (house, login) = House::set_up().await;
    let post = async |body: Value| {
        let ask = house.ask(Method::POST, RESET).bearer(&login);
        ask.json(body).send().await
    };
    let other = post(json!({ "appliance": "another", "footage": true })).await;
    assert_eq!(other.code(), ErrorCode::ValidationFailed);
    let unnamed = post(json!({ "footage": true })).await;
    assert!(unnamed.status.is_client_error());
    assert!(!is_ordered(&house));
    let me = house.app.appliance.to_string();
    let done = post(json!({ "appliance": me, "footage": true })).await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    assert!(is_ordered(&house));
}

#[tokio::test]
async fn nobody_far_away_makes_footage_vanish() {
    let (house, _) = House::set_up().await;
    let relay = Relay::new(&house);
    let me = house.app.appliance.to_string();
    let all = json!({ "appliance": me, "footage": true });
    let refused = from_afar(&house, &relay, Permission::Manage, all).await;
    assert_eq!(refused.code(), ErrorCode::AuthInsufficientPermissions);
    let keys = json!({ "appliance": me });
    let refused = from_afar(&house, &relay, Permission::Operate, keys.clone()).await;
    assert_eq!(refused.code(), ErrorCode::AuthInsufficientPermissions);
    assert!(!is_ordered(&house));
    let done = from_afar(&house, &relay, Permission::Manage, keys).await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    assert!(is_ordered(&house));
}

#[tokio::test]
async fn the_clock_is_set_on_the_site_where_no_time_server_keeps_it() {
    let (house, login) = House::set_up().await;
    let order = house.below.path().join("clock/order.json");
    let set = async |now: &str| {
        let ask = house.ask(Method::POST, CLOCK).bearer(&login);
        ask.json(json!({ "now": now })).send().await
    };
    let now = "2026-11-23T01:02:03Z";
    let not_of_the_image = set(now).await;
    assert_eq!(not_of_the_image.code(), ErrorCode::Conflict);
    assert_eq!(
        house.get(CLOCK, &login).await.json()["can_be_set"],
        json!(false)
    );

    std::fs::write(house.below.path().join("set-clock"), "").unwrap();
    for never in [
        "1970-01-01T00:00:10Z",
        "2025-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
    ] {
        assert_eq!(set(never).await.code(), ErrorCode::ValidationFailed);
    }
    let relay = Relay::new(&house);
    let word = relay
        .assertion(&house, &[Permission::Manage])
        .sign(&relay.key);
    let ask = house
        .ask(Method::POST, CLOCK)
        .header(ASSERTION_HEADER, &word);
    let far_away = ask
        .json(json!({ "now": now }))
        .via(Via::Tunnel)
        .send()
        .await;
    assert_eq!(far_away.code(), ErrorCode::AuthInsufficientPermissions);
    assert!(!order.exists(), "something was ordered");

    let told = house.get(CLOCK, &login).await.json();
    assert_eq!(
        (&told["follows_server"], &told["can_be_set"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(set(now).await.json()["ordered"], json!(true));
    let mut ordered: Value = serde_json::from_slice(&std::fs::read(&order).unwrap()).unwrap();
    assert_eq!(ordered["at_s"], json!(1_795_395_723));
    assert!(ordered["up_s"].is_u64());
    assert_eq!(ordered["boot"].as_str().unwrap().len(), 36);
    assert_eq!(set(now).await.code(), ErrorCode::Conflict);
    // One of an earlier start is not carried out any more, and holds nobody up.
    ordered["boot"] = json!("another");
    std::fs::write(&order, ordered.to_string()).unwrap();
    assert_eq!(
        house.get(CLOCK, &login).await.json()["ordered"],
        json!(false)
    );
    assert_eq!(set(now).await.status, StatusCode::OK);
}

#[tokio::test]
async fn examination_and_support_bundle_are_for_administrators() {
    let (house, login) = House::set_up().await;
    let bundle = house.get(SUPPORT, &login).await;
    assert_eq!(
        (bundle.status, bundle.body.as_slice()),
        (StatusCode::OK, b"a bundle".as_slice())
    );
    let name = bundle.headers["content-disposition"].to_str().unwrap();
    assert!(
        name.contains("-support-") && name.ends_with(".zip\""),
        "{name}"
    );
    let examined = house.get(DOCTOR, &login).await;
    assert_eq!(examined.json(), json!({ "version": "1.0", "parts": [] }));
    let relay = Relay::new(&house);
    for path in [SUPPORT, DOCTOR] {
        let word = relay
            .assertion(&house, &[Permission::View])
            .sign(&relay.key);
        let ask = house.ask(Method::GET, path).header(ASSERTION_HEADER, &word);
        let refused = ask.via(Via::Tunnel).send().await;
        assert_eq!(refused.code(), ErrorCode::AuthInsufficientPermissions);
    }
}
