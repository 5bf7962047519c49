//! Recorders tested, and several of them at once.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wire::error::ErrorCode;

use super::house::{Answer, House};
use crate::catalog::testing::identity;
use wire::resource::{LoginResponse, RecorderState};

async fn post(house: &House, login: &LoginResponse, path: &str, body: Value) -> Answer {
    let path = format!("/api/v1{path}");
    house
        .ask(Method::POST, &path)
        .bearer(login)
        .json(body)
        .send()
        .await
}

fn form(name: &str, address: &str) -> Value {
    json!({ "name": name, "address": address, "username": "admin", "password": "x" })
}

async fn added(house: &House, login: &LoginResponse, name: &str, address: &str) -> String {
    let added = post(house, login, "/recorders", form(name, address)).await;
    added.json()["id"].as_str().unwrap().to_owned()
}

async fn recorders(house: &House) -> Vec<(String, bool)> {
    let all = house.app.catalog.recorders().await.unwrap();
    all.into_iter().map(|r| (r.name, r.enabled)).collect()
}

#[tokio::test]
async fn a_test_is_told_line_by_line_to_who_asks_for_lines() {
    let (house, login) = House::set_up().await;
    let answer = house
        .ask(Method::POST, "/api/v1/recorders/test")
        .bearer(&login)
        .header("accept", "application/x-ndjson")
        .json(form("Shop", "192.0.2.10"))
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = String::from_utf8(answer.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0], json!({ "line": "begins", "name": "library" }));
    assert_eq!(lines[1]["result"], "failed");
    assert_eq!(
        lines.last().unwrap(),
        &json!({ "line": "done", "ok": false })
    );
    assert_eq!(lines.len(), 1 + 8 + 1);
    // Nothing of the form is kept.
    assert!(recorders(&house).await.is_empty());

    let mut without = form("Shop", "192.0.2.10");
    without.as_object_mut().unwrap().remove("password");
    let refused = post(&house, &login, "/recorders/test", without).await;
    assert_eq!(
        refused.failure().error.details,
        json!({ "field": "password" })
    );
}

#[tokio::test]
async fn several_recorders_are_switched_and_removed_together_or_not_at_all() {
    let (house, login) = House::set_up().await;
    let one = added(&house, &login, "One", "192.0.2.1").await;
    let two = added(&house, &login, "Two", "192.0.2.2").await;
    let nobody = "019a0000-0000-7000-8000-000000000000";
    for action in ["disable", "delete", "test"] {
        let body = json!({ "action": action, "ids": [one, nobody] });
        let refused = post(&house, &login, "/recorders/bulk", body).await;
        assert_eq!(refused.code(), ErrorCode::RecorderNotFound, "{action}");
    }
    let as_before = [("One".to_owned(), true), ("Two".to_owned(), true)];
    assert_eq!(recorders(&house).await, as_before);

    let act = async |action: &str| {
        let body = json!({ "action": action, "ids": [one, two, one] });
        post(&house, &login, "/recorders/bulk", body).await.json()
    };
    assert_eq!(act("disable").await["items"].as_array().unwrap().len(), 2);
    assert!(recorders(&house).await.iter().all(|(_, enabled)| !enabled));
    let tested = act("test").await;
    assert_eq!(tested["items"][1]["id"], json!(two));
    assert_eq!(tested["items"][1]["ok"], false);
    assert_eq!(tested["items"][1]["test"]["steps"][0]["result"], "failed");
    act("enable").await;
    assert_eq!(recorders(&house).await, as_before);
    act("delete").await;
    assert!(recorders(&house).await.is_empty());
    let none = post(
        &house,
        &login,
        "/recorders/bulk",
        json!({ "action": "test", "ids": [] }),
    );
    assert_eq!(
        none.await.failure().error.details,
        json!({ "field": "ids" })
    );
}

#[tokio::test]
async fn a_list_is_looked_at_first_and_added_whole_or_not_at_all() {
    let (house, login) = House::set_up().await;
    added(&house, &login, "Known", "192.0.2.1").await;
    let head = "name,driver,address,port,username,password,enabled\n";
    let send = async |lines: &str, dry_run: bool| {
        let body = json!({ "csv": format!("{head}{lines}"), "dry_run": dry_run });
        post(&house, &login, "/recorders/list", body).await.json()
    };
    let bad = "Good,sdk,192.0.2.2,,admin,word-of-good,yes\n\
               Twice,sdk,192.0.2.2,8000,admin,x,yes\n\
               Again,sdk,192.0.2.1,,admin,x,yes\n\
               Odd,sdk,http://x,,admin,x,yes\n\
               Short,sdk,192.0.2.3\n";
    let read = send(bad, false).await;
    let lines: Vec<u64> = read["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["line"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (lines, &read["added"]),
        (vec![3, 4, 5, 6], &json!(0)),
        "{read}"
    );
    assert!(
        read["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("line 2")
    );
    assert!(!read.to_string().contains("word-of-good"));

    let good =
        "Good,sdk,192.0.2.2,,admin,\"wo,rd\",yes\nGate,isapi-tls,gate.local,,holdfast,x,no\n";
    let read = send(good, true).await;
    assert_eq!((&read["added"], &read["problems"]), (&json!(0), &json!([])));
    assert_eq!(read["recorders"][1]["port"], 443);
    assert_eq!(recorders(&house).await.len(), 1, "it was only looked at");
    assert_eq!(send(good, false).await["added"], 2);
    let all = house.app.catalog.recorders().await.unwrap();
    let gate = all.iter().find(|recorder| recorder.name == "Gate").unwrap();
    assert!(gate.tls && !gate.enabled);
    let good = all.iter().find(|recorder| recorder.name == "Good").unwrap();
    let account = house.app.sessions.account(good).await.unwrap();
    assert_eq!(*account.password, "wo,rd");
}

#[tokio::test]
async fn several_cameras_are_switched_together_or_not_at_all() {
    let (house, login) = House::set_up().await;
    let id = house.below.recorder("SN1", 3).await.id;
    let cameras = async || house.app.catalog.cameras().await.unwrap();
    let ids: Vec<Value> = cameras().await.iter().map(|c| json!(c.id)).collect();
    let mut with_nobody = ids.clone();
    with_nobody.push(json!("019a0000-0000-7000-8000-000000000000"));
    let body = json!({ "action": "disable", "ids": with_nobody });
    let refused = post(&house, &login, "/cameras/bulk", body).await;
    assert_eq!(refused.code(), ErrorCode::CameraNotFound);
    assert!(cameras().await.iter().all(|camera| camera.enabled));
    let body = json!({ "action": "disable", "ids": ids[..2] });
    let done = post(&house, &login, "/cameras/bulk", body).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    let enabled: Vec<bool> = cameras().await.iter().map(|c| c.enabled).collect();
    assert_eq!(enabled, [false, false, true]);
    // A login does not switch them on again.
    let told = identity("SN1", 3);
    let now = house.app.now();
    let noted = house
        .app
        .catalog
        .note_session(id, RecorderState::Online, None, now, Some(&told));
    drop(noted.await.unwrap());
    assert_eq!(cameras().await.iter().filter(|c| c.enabled).count(), 1);
}

#[tokio::test]
async fn the_key_is_changed_and_everything_opens_as_before() {
    let (house, login) = House::set_up().await;
    added(&house, &login, "Shop", "192.0.2.1").await;
    let key = || std::fs::read(house.below.path().join("secrets.key")).unwrap();
    let before = key();
    let rotated = post(&house, &login, "/system/rotate-key", json!({})).await;
    assert_eq!(rotated.json(), json!({ "passwords": 1 }));
    assert_ne!(key(), before);
    let known = house.app.catalog.recorders().await.unwrap().remove(0);
    let account = house.app.sessions.account(&known).await.unwrap();
    assert_eq!(*account.password, "x");
}
