//! The disks of the box over HTTP: who may adopt one, and what is asked of them.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wire::error::ErrorCode;
use wire::tunnel::{ASSERTION_HEADER, Permission};

use super::doors::Relay;
use super::house::House;
use crate::api::Via;

const DISKS: &str = "/api/v1/disks";
const ADOPT: &str = "/api/v1/disks/0123456789ab/adopt";

fn told() -> Value {
    let disk = |name: &str, id: Value, state: &str, serial: &str| {
        json!({ "name": name, "id": id, "seen": "a".repeat(64), "bytes": 4_000_000_000_000_u64, "model": "WDC WD40PURZ",
            "serial": serial, "wwn": "", "transport": "sata", "removable": false, "rotational": true, "state": state,
            "reason": "", "volume": null, "contents": [] })
    };
    json!({ "at": "2026-11-22T11:00:00Z", "disks": [
        disk("sda", json!("ba9876543210"), "system", "WD-0000"), disk("sdb", json!("0123456789ab"), "free", "WD-F5A6")] })
}

fn confirmed() -> Value {
    json!({ "seen": "a".repeat(64), "confirm": "F5A6" })
}

#[tokio::test]
async fn a_disk_is_adopted_once_it_is_confirmed() {
    let (house, login) = House::set_up().await;
    let post = |path: &str, body: Value| {
        house
            .ask(Method::POST, path)
            .bearer(&login)
            .json(body)
            .send()
    };
    let none = house.get(DISKS, &login).await.json();
    assert_eq!(
        none,
        json!({ "offered": false, "items": [], "adoption": { "state": "none" } })
    );
    assert_eq!(post(ADOPT, confirmed()).await.code(), ErrorCode::Conflict);

    std::fs::write(house.below.path().join("disks.json"), told().to_string()).unwrap();
    let list = house.get(DISKS, &login).await.json();
    assert_eq!(list["items"][0]["confirm"], Value::Null);
    assert_eq!(
        list["items"][1]["confirm"],
        json!({ "of": "serial", "chars": 4 })
    );
    let wrong = post(ADOPT, json!({ "seen": "a".repeat(64), "confirm": "F5A7" })).await;
    assert_eq!(wrong.code(), ErrorCode::ValidationFailed);
    let changed = post(ADOPT, json!({ "seen": "b".repeat(64), "confirm": "F5A6" })).await;
    assert_eq!(changed.code(), ErrorCode::Conflict);
    let system = post("/api/v1/disks/ba9876543210/adopt", confirmed()).await;
    assert_eq!(system.code(), ErrorCode::Conflict);
    let unknown = post("/api/v1/disks/sdb/adopt", confirmed()).await;
    assert_eq!(unknown.code(), ErrorCode::NotFound);
    let order = house.below.path().join("disks/order.json");
    assert!(!order.exists(), "something was ordered");

    let ordered = post(ADOPT, confirmed()).await.json();
    assert_eq!(
        ordered["adoption"],
        json!({ "state": "ordered", "id": "0123456789ab" })
    );
    let order: Value = serde_json::from_slice(&std::fs::read(order).unwrap()).unwrap();
    assert_eq!(
        order,
        json!({ "id": "0123456789ab", "bytes": 4_000_000_000_000_u64, "seen": "a".repeat(64) })
    );
    assert_eq!(post(ADOPT, confirmed()).await.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn only_who_manages_the_box_on_its_own_network_adopts() {
    let (house, _) = House::set_up().await;
    std::fs::write(house.below.path().join("disks.json"), told().to_string()).unwrap();
    let relay = Relay::new(&house);
    let ask = async |method: Method, path: &str, may: Permission| {
        let word = relay
            .assertion(&house, &[Permission::View, may])
            .sign(&relay.key);
        let ask = house.ask(method, path).header(ASSERTION_HEADER, &word);
        ask.json(confirmed()).via(Via::Tunnel).send().await
    };
    let refused = ask(Method::POST, ADOPT, Permission::Operate).await;
    assert_eq!(refused.code(), ErrorCode::AuthInsufficientPermissions);
    let nobody = house
        .ask(Method::POST, ADOPT)
        .json(confirmed())
        .send()
        .await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    let seen = ask(Method::GET, DISKS, Permission::View).await;
    assert_eq!(seen.status, StatusCode::OK);
    let far_away = ask(Method::POST, ADOPT, Permission::Manage).await;
    assert_eq!(far_away.code(), ErrorCode::AuthInsufficientPermissions);
    assert!(!house.below.path().join("disks/order.json").exists());
}
