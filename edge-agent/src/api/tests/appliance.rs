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
