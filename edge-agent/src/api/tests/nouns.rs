//! Recorders, cameras, recordings, sync jobs, storage, system: what goes in, what comes out, who may.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wire::claim::ClaimCode;
use wire::error::ErrorCode;
use wire::ids::{LogId, RecordingId, UserId};
use wire::resource::LoginResponse;
use wire::telemetry::FootageAccess;
use wire::tunnel::{ASSERTION_HEADER, Assertion, Permission};

use super::doors::Relay;
use super::house::{Answer, House};
use crate::api::Via;
use crate::catalog::testing::{found, range};
use crate::governor::Way;
use crate::governor::budget::Class;
use crate::governor::settings::{CHOSEN, Chosen};

async fn send(
    house: &House,
    login: &LoginResponse,
    method: &str,
    path: &str,
    body: Value,
) -> Answer {
    let method: Method = method.parse().unwrap();
    let path = format!("/api/v1{path}");
    house
        .ask(method, &path)
        .bearer(login)
        .json(body)
        .send()
        .await
}

fn recorder(name: &str, password: Option<&str>) -> Value {
    let mut body = json!({
        "name": name, "address": " 192.0.2.10 ", "port": 8000, "username": "admin", "enabled": true
    });
    if let Some(password) = password {
        body["password"] = json!(password);
    }
    body
}

#[tokio::test]
async fn a_recorders_password_goes_in_and_never_comes_out() {
    let (house, login) = House::set_up().await;
    let missing = send(&house, &login, "POST", "/recorders", recorder("Shop", None)).await;
    assert_eq!(
        missing.failure().error.details,
        json!({ "field": "password" })
    );

    let secret = "a-very-secret-word";
    let added = send(
        &house,
        &login,
        "POST",
        "/recorders",
        recorder("Shop", Some(secret)),
    )
    .await;
    assert_eq!(added.status, StatusCode::CREATED);
    assert_eq!(added.json()["address"], "192.0.2.10");
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/recorders/{id}");
    let renamed = send(&house, &login, "PUT", &path, recorder("Yard", None)).await;
    assert_eq!(renamed.json()["name"], "Yard");
    let listed = house.get("/api/v1/recorders", &login).await;
    for answer in [&added, &renamed, &listed] {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(
            !text.contains(secret) && !text.contains("password"),
            "{text}"
        );
    }
    // It is kept sealed, and was kept over the change without one.
    let known = house.app.catalog.recorders().await.unwrap().remove(0);
    let sealed = house
        .app
        .catalog
        .recorder_password_sealed(known.id)
        .await
        .unwrap();
    assert!(!sealed.windows(6).any(|w| secret.as_bytes().starts_with(w)));
    let account = house.app.sessions.account(&known).await.unwrap();
    assert_eq!(*account.password, secret);

    assert_eq!(
        send(&house, &login, "DELETE", &path, json!({}))
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        house.get(&format!("/api/v1{path}"), &login).await.code(),
        ErrorCode::RecorderNotFound
    );
}

#[tokio::test]
async fn a_recorder_that_cannot_work_is_refused_with_its_field() {
    let (house, login) = House::set_up().await;
    let good = recorder("Shop", Some("x"));
    for (field, bad) in [
        ("address", json!("")),
        ("address", json!("http://192.0.2.1/")),
        ("address", json!("a b")),
        ("address", json!("a\u{0}b")),
        ("port", json!(0)),
        ("username", json!("")),
        ("username", json!("a".repeat(64))),
        ("password", json!("")),
        ("password", json!("a\nb")),
        ("name", json!("a".repeat(101))),
        ("name", json!("a\tb")),
    ] {
        let mut body = good.clone();
        body[field] = bad.clone();
        let refused = send(&house, &login, "POST", "/recorders", body)
            .await
            .failure();
        assert_eq!(
            refused.error.code,
            ErrorCode::ValidationFailed,
            "{field} {bad}"
        );
        assert_eq!(refused.error.details, json!({ "field": field }), "{bad}");
    }
    let unknown = send(
        &house,
        &login,
        "PUT",
        "/recorders/019a0000-0000-7000-8000-000000000000",
        good,
    );
    assert_eq!(unknown.await.code(), ErrorCode::RecorderNotFound);
}

#[tokio::test]
async fn https_is_for_isapi_and_a_certificate_is_accepted_by_its_fingerprint() {
    let (house, login) = House::set_up().await;
    let mut body = recorder("Shop", Some("x"));
    body["tls"] = json!(true);
    let refused = send(&house, &login, "POST", "/recorders", body.clone()).await;
    assert_eq!(refused.failure().error.details, json!({ "field": "tls" }));

    body["driver"] = json!("isapi");
    body.as_object_mut().unwrap().remove("port");
    body["certificate_sha256"] = json!("not one");
    let refused = send(&house, &login, "POST", "/recorders", body.clone()).await;
    let field = json!({ "field": "certificate_sha256" });
    assert_eq!(refused.failure().error.details, field);

    body.as_object_mut().unwrap().remove("certificate_sha256");
    let added = send(&house, &login, "POST", "/recorders", body.clone())
        .await
        .json();
    assert_eq!(
        (&added["port"], &added["tls"], &added["certificate_sha256"]),
        (&json!(443), &json!(true), &json!(null))
    );
    let path = format!("/recorders/{}", added["id"].as_str().unwrap());
    // As browsers write it.
    body["certificate_sha256"] = json!("AB:".repeat(31) + "AB");
    let accepted = send(&house, &login, "PUT", &path, body).await.json();
    assert_eq!(accepted["certificate_sha256"], "ab".repeat(32));
}

#[tokio::test]
async fn a_test_says_what_is_missing() {
    let (house, login) = House::set_up().await;
    let added = send(
        &house,
        &login,
        "POST",
        "/recorders",
        recorder("Shop", Some("x")),
    )
    .await;
    let path = format!("/recorders/{}/test", added.json()["id"].as_str().unwrap());
    let test = send(&house, &login, "POST", &path, json!({})).await.json();
    assert_eq!(test["ok"], false);
    let steps = test["steps"].as_array().unwrap();
    let made: Vec<_> = steps.iter().map(|step| step["result"].clone()).collect();
    assert_eq!((steps.len(), &steps[0]["name"]), (8, &json!("library")));
    assert_eq!((&made[0], &made[1]), (&json!("failed"), &json!("skipped")));
}

#[tokio::test]
async fn a_recorder_says_who_uses_it() {
    let (house, login) = House::set_up().await;
    let id = house.below.recorder("SERIAL", 1).await.id;
    let path = format!("/api/v1/recorders/{id}/places");
    let idle = house.get(&path, &login).await.json();
    assert_eq!((&idle["live"], &idle["limit"]), (&json!(0), &json!(null)));
    let governor = &house.app.governor;
    let place = governor.enter(id, Class::Live, &Way::default()).await;
    place.as_ref().unwrap().accepted();
    let watched = house.get(&path, &login).await.json();
    assert_eq!(watched["live"], 1);
    let summary = watched["summary"].as_str().unwrap();
    assert!(summary.starts_with("1 live view."), "{summary}");
}

#[tokio::test]
async fn bandwidth_and_time_of_day_are_set_from_the_page() {
    let (house, login) = House::set_up().await;
    let path = "/system/downloads";
    let none = json!({
        "limit_kbps": null, "background_limit_kbps": null, "window": null, "zone": null
    });
    for (field, bad) in [
        ("limit_kbps", json!(99)),
        ("background_limit_kbps", json!(20_000_000)),
        ("window", json!("22-06")),
        ("zone", json!("Middle/Earth")),
    ] {
        let mut body = none.clone();
        body[field] = bad;
        let refused = send(&house, &login, "PUT", path, body).await.failure();
        assert_eq!(refused.error.details, json!({ "field": field }));
    }
    let wanted = json!({
        "limit_kbps": 20_000, "background_limit_kbps": 8_000, "window": "00:00-00:01", "zone": "Europe/Berlin"
    });
    let set = send(&house, &login, "PUT", path, wanted.clone()).await;
    let told = house.get(&format!("/api/v1{path}"), &login).await.json();
    assert_eq!(set.json(), told);
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&told[field], value);
    }
    // It holds, and will after a start.
    assert!(house.app.governor.window().is_err());
    let kept: Option<Chosen> = house.app.catalog.setting(CHOSEN).await.unwrap();
    assert_eq!(kept, Some(house.app.governor.settings().chosen));
    let cleared = send(&house, &login, "PUT", path, none).await.json();
    assert_eq!(cleared["limit_kbps"], json!(null));
    assert_eq!(house.app.governor.window(), Ok(()));
}

#[tokio::test]
async fn a_camera_keeps_the_name_that_a_person_gave_it() {
    let (house, login) = House::set_up().await;
    let nvr = house.below.recorder("A1", 1).await;
    let camera = house.below.camera(nvr.id, 1).await;
    let path = format!("/cameras/{camera}");
    // The page sends the name along when it switches.
    let off = json!({ "name": "Gate 1", "enabled": false });
    assert_eq!(
        send(&house, &login, "PUT", &path, off).await.json()["enabled"],
        false
    );
    let renamed = send(
        &house,
        &login,
        "PUT",
        &path,
        json!({ "name": " Front gate " }),
    )
    .await;
    assert_eq!(renamed.json()["name"], "Front gate");
    drop(house.below.login(nvr.id, "A1", 1).await);
    let listed = house.get("/api/v1/cameras", &login).await.json();
    assert_eq!(listed["items"][0]["name"], "Front gate");
    assert_eq!(listed["items"][0]["enabled"], false);
    let nameless = send(&house, &login, "PUT", &path, json!({ "name": "  " })).await;
    assert_eq!(nameless.failure().error.details, json!({ "field": "name" }));
}

/// Three recordings of one camera, the oldest of them held.
async fn with_recordings(house: &House) -> Vec<RecordingId> {
    let nvr = house.below.recorder("A1", 1).await;
    let spans = ["08", "09", "10"].map(|hour| {
        let at = |minute: &str| format!("2026-11-03T{hour}:{minute}:00Z");
        range(&at("00"), &at("10"))
    });
    let listed = spans.map(|span| found(&format!("r{}", span.from), span, 1000));
    let ids = house.below.observe(nvr.id, 1, listed.into()).await;
    house.below.hold(ids[0], b"some media").await;
    ids
}

#[tokio::test]
async fn recordings_are_found_page_by_page_and_by_what_is_asked() {
    let (house, login) = House::set_up().await;
    let ids = with_recordings(&house).await;
    let list = async |query: &str| {
        let answer = house
            .get(&format!("/api/v1/recordings?{query}"), &login)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
        answer.json()
    };
    let count = |page: &Value| page["items"].as_array().unwrap().len();
    let first = list("order=oldest&limit=2").await;
    assert_eq!(first["items"][0]["id"], json!(ids[0]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = list(&format!("order=oldest&limit=2&cursor={cursor}")).await;
    assert_eq!((count(&second), &second["next_cursor"]), (1, &Value::Null));
    assert_eq!(list("").await["items"][0]["id"], json!(ids[2]));
    assert_eq!(count(&list("status=completed&cursor=").await), 1);
    assert_eq!(
        count(&list("from=2026-11-03T08:05:00Z&to=2026-11-03T09:05:00Z").await),
        2
    );
    assert_eq!(count(&list("min_bytes=500").await), 2);

    for query in [
        "limit=0",
        "limit=1001",
        "order=sideways",
        "from=yesterday",
        "from=2026-11-03T09:00:00Z&to=2026-11-03T08:00:00Z",
        "cursor=%21",
        "camera=1",
        "colour=red",
    ] {
        let refused = house
            .get(&format!("/api/v1/recordings?{query}"), &login)
            .await;
        assert_eq!(refused.code(), ErrorCode::ValidationFailed, "{query}");
    }
    let stranger = "camera=019a0000-0000-7000-8000-000000000000";
    let refused = house
        .get(&format!("/api/v1/recordings?{stranger}"), &login)
        .await;
    assert_eq!(refused.code(), ErrorCode::CameraNotFound);
}

#[tokio::test]
async fn a_locked_recording_stays_until_it_is_unlocked() {
    let (house, login) = House::set_up().await;
    let ids = with_recordings(&house).await;
    let path = format!("/recordings/{}", ids[0]);
    let lock = format!("{path}/lock");
    assert_eq!(
        send(&house, &login, "POST", &lock, json!({})).await.json()["locked"],
        true
    );
    let refused = send(&house, &login, "DELETE", &path, json!({}))
        .await
        .failure();
    assert_eq!(refused.error.code, ErrorCode::Conflict);
    assert!(
        refused.error.message.contains("unlock it first"),
        "{refused:?}"
    );
    let unlocked = send(&house, &login, "POST", &lock, json!({ "locked": false })).await;
    assert_eq!(unlocked.json()["locked"], false);
    let deleted = send(&house, &login, "DELETE", &path, json!({})).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let left = house.get(&format!("/api/v1{path}"), &login).await.json();
    assert_eq!(
        (&left["status"], &left["eviction_cause"]),
        (&json!("evicted"), &json!("deleted"))
    );
}

#[tokio::test]
async fn a_sync_is_asked_for_watched_and_cancelled() {
    let (house, login) = House::set_up().await;
    with_recordings(&house).await;
    let asked = json!({ "from_utc": "2026-11-03T09:00:00Z", "to_utc": "2026-11-03T11:00:00Z" });
    let job = send(&house, &login, "POST", "/sync", asked).await;
    assert_eq!(job.status, StatusCode::ACCEPTED);
    let path = format!("/sync/{}", job.json()["id"].as_str().unwrap());
    let seen = house.get(&format!("/api/v1{path}"), &login).await.json();
    assert_eq!(
        (&seen["state"], &seen["found"]),
        (&json!("queued"), &json!(2))
    );
    for _ in 0..2 {
        let cancelled = send(&house, &login, "DELETE", &path, json!({})).await;
        assert_eq!(cancelled.json()["state"], "cancelled");
    }
    let backwards = json!({ "from_utc": "2026-11-03T09:00:00Z", "to_utc": "2026-11-03T08:00:00Z" });
    assert_eq!(
        send(&house, &login, "POST", "/sync", backwards)
            .await
            .code(),
        ErrorCode::ValidationFailed
    );
    for _ in 0..20 {
        send(&house, &login, "POST", "/sync", json!({})).await;
    }
    assert_eq!(
        send(&house, &login, "POST", "/sync", json!({}))
            .await
            .code(),
        ErrorCode::ConcurrentLimitExceeded
    );
}

#[tokio::test]
async fn what_somebody_far_away_may_do_is_what_the_relay_says() {
    let (house, _) = House::set_up().await;
    let ids = with_recordings(&house).await;
    let relay = Relay::new(&house);
    let ask = async |permissions: &[Permission], method: &str, path: &str, body: Value| {
        let word = relay.assertion(&house, permissions).sign(&relay.key);
        house
            .ask(method.parse().unwrap(), &format!("/api/v1{path}"))
            .via(Via::Tunnel)
            .header(ASSERTION_HEADER, &word)
            .json(body)
            .send()
            .await
    };
    let recording = format!("/recordings/{}", ids[0]);
    let lock = format!("{recording}/lock");
    use Permission::{Download, Manage, Operate, View};
    for (needed, others, method, path) in [
        (View, [Download, Operate, Manage], "GET", "/recordings"),
        (View, [Download, Operate, Manage], "GET", "/cameras"),
        (View, [Download, Operate, Manage], "GET", "/storage"),
        (View, [Download, Operate, Manage], "GET", "/events"),
        (Operate, [View, Download, Manage], "POST", lock.as_str()),
        (Operate, [View, Download, Manage], "POST", "/sync"),
        (
            Manage,
            [View, Download, Operate],
            "DELETE",
            recording.as_str(),
        ),
        (
            Manage,
            [View, Download, Operate],
            "DELETE",
            "/recorders/019a0000-0000-7000-8000-000000000000",
        ),
    ] {
        let refused = ask(&others, method, path, json!({})).await;
        assert_eq!(
            refused.code(),
            ErrorCode::AuthInsufficientPermissions,
            "{method} {path} needs {needed:?}"
        );
    }
    assert_eq!(
        ask(&[View], "GET", "/recordings", json!({})).await.status,
        StatusCode::OK
    );
    let code = ClaimCode::parse("ABCD-1234").unwrap();
    house.app.uplink.show_code(code, house.app.now());
    // The code that takes an appliance over is for those who may change it.
    let seen = ask(&[View], "GET", "/system", json!({})).await.json();
    assert_eq!(seen["claim"]["code"], Value::Null);
    let shown = ask(&[View, Manage], "GET", "/system", json!({}))
        .await
        .json();
    assert_eq!(shown["claim"]["code"], "ABCD-1234");
    // Nobody far away sends an appliance to another relay.
    let away = ask(
        &[Manage],
        "PUT",
        "/system/relay",
        json!({ "url": "https://elsewhere.example" }),
    )
    .await;
    assert_eq!(away.code(), ErrorCode::AuthInsufficientPermissions);
    // Nor takes what is in a backup.
    let away = ask(&[View, Manage], "GET", "/system/backup", json!({})).await;
    assert_eq!(away.code(), ErrorCode::AuthInsufficientPermissions);
    let custody = ask(&[View], "GET", "/system/custody", json!({}))
        .await
        .json();
    assert_eq!(custody["key_sha256"], "5a".repeat(32));
    assert_eq!(custody["logs"], json!([]));
}

#[tokio::test]
async fn an_administrator_takes_a_backup() {
    let (house, login) = House::set_up().await;
    let answer = send(&house, &login, "GET", "/system/backup", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.body, b"a backup");
}

#[tokio::test]
async fn the_relay_to_join_is_checked_and_kept() {
    let (house, login) = House::set_up().await;
    let digest = "ab".repeat(32);
    for (field, bad) in [
        ("url", json!({ "url": "relay.example" })),
        (
            "url",
            json!({ "url": "http://relay.example", "ca_sha256": digest }),
        ),
        ("ca_sha256", json!({ "url": "https://relay.example" })),
        (
            "ca_sha256",
            json!({ "url": "https://relay.example", "ca_sha256": "abc" }),
        ),
    ] {
        let refused = send(&house, &login, "PUT", "/system/relay", bad)
            .await
            .failure();
        assert_eq!(refused.error.details, json!({ "field": field }));
    }
    let good = json!({ "url": "https://relay.example/", "ca_sha256": digest });
    let claim = send(&house, &login, "PUT", "/system/relay", good)
        .await
        .json();
    assert_eq!(claim["state"], "waiting");
    assert_eq!(claim["relay_url"], "https://relay.example");
    let none = send(&house, &login, "PUT", "/system/relay", json!({ "url": "" }))
        .await
        .json();
    assert_eq!(none["state"], "no_relay", "{none}");
    let left = send(&house, &login, "DELETE", "/system/relay", json!({})).await;
    assert_eq!(left.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn who_saw_what_is_listed_for_those_who_manage() {
    let (house, login) = House::set_up().await;
    let ids = with_recordings(&house).await;
    let recording = house.app.catalog.recording(ids[0]).await.unwrap();
    for action in ["download", "playback"] {
        let access = FootageAccess {
            user_id: login.user.id,
            username: "admin".into(),
            via: "lan".into(),
            action: action.into(),
            camera_id: Some(recording.camera_id),
            recording_id: Some(recording.id),
            archive_id: None,
            bytes: 10,
            request_id: "r".into(),
        };
        let from = Some("10.0.0.7".to_owned());
        house
            .app
            .catalog
            .log_access(access, from, None)
            .await
            .unwrap();
    }
    let first = house.get("/api/v1/access-log?limit=1", &login).await.json();
    assert_eq!(first["items"][0]["action"], "playback");
    assert_eq!(first["items"][0]["address"], "10.0.0.7");
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/api/v1/access-log?cursor={cursor}");
    let second = house.get(&path, &login).await.json();
    assert_eq!(second["items"][0]["action"], "download");
    assert_eq!(second["next_cursor"], Value::Null);
    let bad = house.get("/api/v1/access-log?cursor=x", &login).await;
    assert_eq!(bad.code(), ErrorCode::ValidationFailed);
}

#[tokio::test]
async fn reports_are_for_the_relay_alone() {
    let (house, login) = House::set_up().await;
    with_recordings(&house).await;
    let log = house.app.catalog.start_log().await.unwrap();
    house.app.catalog.batch(0, 10).await.unwrap();
    let path = |log: LogId, from: u64| format!("/api/v1/reports?log={log}&from={from}");
    assert_eq!(
        house.get(&path(log, 1), &login).await.code(),
        ErrorCode::AuthInsufficientPermissions
    );
    let relay = Relay::new(&house);
    let ask = async |method: Method, path: String, by: UserId, body: Value| {
        let word = Assertion {
            user_id: by,
            ..relay.assertion(&house, &[Permission::View])
        };
        let ask = house.ask(method, &path).via(Via::Tunnel).json(body);
        ask.header(ASSERTION_HEADER, &word.sign(&relay.key))
            .send()
            .await
    };
    let get = async |path: String| ask(Method::GET, path, UserId::RELAY, json!({})).await;
    let somebody = ask(Method::GET, path(log, 1), UserId::new(), json!({})).await;
    assert_eq!(somebody.code(), ErrorCode::AuthInsufficientPermissions);
    assert_eq!(get(path(log, 1)).await.json()["reports"][0]["seq"], 1);
    let foreign = get(path(LogId::new(), 1)).await;
    assert_eq!(foreign.code(), ErrorCode::NotFound);
    house.app.catalog.ack(log, 1).await.unwrap();
    assert_eq!(get(path(log, 1)).await.code(), ErrorCode::ReportsGone);
    let told = async || house.app.catalog.outbox().await.unwrap().unwrap().log;
    assert_eq!(told().await, log, "a question changes nothing");

    let resync = async |lost: LogId, by: UserId| {
        let path = "/api/v1/reports/resync".to_owned();
        ask(Method::POST, path, by, json!({ "log": lost, "from": 1 })).await
    };
    let somebody = resync(log, UserId::new()).await;
    assert_eq!(somebody.code(), ErrorCode::AuthInsufficientPermissions);
    assert_eq!(told().await, log);
    let anew = resync(log, UserId::RELAY).await.json();
    assert_ne!(told().await, log);
    assert_eq!(anew["log"], json!(told().await));
    // Asked again because the answer was lost: no further log.
    assert_eq!(resync(log, UserId::RELAY).await.json(), anew);
}

#[tokio::test]
async fn what_changes_is_told_to_open_pages() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let (house, login) = House::set_up().await;
    let request = http::Request::get("/api/v1/events")
        .header("authorization", format!("Bearer {}", login.access_token))
        .extension(Via::Lan(([10, 0, 0, 1], 1).into()))
        .body(axum::body::Body::empty())
        .unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let added = send(
        &house,
        &login,
        "POST",
        "/recorders",
        recorder("Shop", Some("x")),
    )
    .await;
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let id = added.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        String::from_utf8(frame.to_vec()).unwrap(),
        format!("event: changed\ndata: {{\"kind\":\"recorder\",\"id\":\"{id}\"}}\n\n")
    );
    house.app.stopping.cancel();
    assert!(
        body.frame().await.is_none(),
        "the stream ends with the agent"
    );
}
