//! Requests that go through the tunnel: what passes, what stays here, and what is written down.

use super::*;
use crate::store::testing::{TestSite, a_recording, dawn};
use axum::extract::Request as Asked;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use ring::signature::KeyPair;
use serde_json::json as value;
use std::sync::Mutex;
use std::time::Duration;
use wire::tunnel::{ASSERTION_HEADER, Assertion, Hello, Lane, Permission};

/// What the appliance was asked.
type Log = Arc<Mutex<Vec<http::request::Parts>>>;

/// An appliance at the other end of the tunnel that answers with `answer`.
async fn appliance<F>(world: &World, at: &TestSite, answer: F) -> Log
where
    F: Fn(&http::request::Parts) -> Response + Clone + Send + Sync + 'static,
{
    let log = Log::default();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let asked = log.clone();
    let router: Router = Router::new().fallback(async move |request: Asked| {
        let parts = request.into_parts().0;
        if parts.method == Method::OPTIONS {
            return StatusCode::NO_CONTENT.into_response();
        }
        let response = answer(&parts);
        asked.lock().unwrap().push(parts);
        response
    });
    tokio::spawn(async move {
        let service = TowerToHyperService::new(router);
        // It ends with the test.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(theirs), service)
            .await;
    });
    let hello = Hello {
        v: wire::version::TUNNEL,
        appliance: at.appliance.clone(),
        lane: Lane::Http,
        generation: 1,
    };
    world.app.hub.attach(&hello, ours).await.unwrap();
    log
}

struct Scene {
    world: World,
    at: TestSite,
    recording: String,
    camera: String,
    operator: Caller,
}

async fn scene() -> Scene {
    let world = World::new().await;
    let organisation = world.store.plant_organisation("A").await;
    let at = world.store.plant_site(organisation, "North").await;
    let camera = world.store.plant_camera(&at, "Gate").await;
    let recording = a_recording(camera, dawn(), 60);
    let id = recording.id.to_string();
    world.store.plant_recordings(&at, vec![recording]).await;
    let operator = world.person(Role::Operator, Some(organisation), None).await;
    Scene {
        world,
        at,
        recording: id,
        camera: camera.to_string(),
        operator,
    }
}

impl Scene {
    async fn audit(&self) -> Vec<Value> {
        self.world.app.audit.flush().await.unwrap();
        let admin = self
            .world
            .person(Role::OrgAdmin, Some(self.at.organisation), None)
            .await;
        self.world.items(&admin, "/api/v1/audit", 10).await
    }
}

#[tokio::test]
async fn a_download_passes_with_its_range_and_without_our_secrets() {
    let s = scene().await;
    let log = appliance(&s.world, &s.at, |_| {
        let headers = [
            ("content-type", "video/mp4"),
            ("content-range", "bytes 2-5/10"),
            ("etag", "\"abc\""),
            ("accept-ranges", "bytes"),
            ("content-disposition", "attachment; filename=\"x.mp4\""),
            ("set-cookie", "hf_access=stolen"),
            ("access-control-allow-origin", "*"),
        ];
        (StatusCode::PARTIAL_CONTENT, headers, "2345").into_response()
    })
    .await;
    let path = format!("/api/v1/recordings/{}/download?x=1", s.recording);
    let mut request = s.operator.request(Method::GET, &path, Body::empty());
    for (name, value) in [
        ("range", "bytes=2-5"),
        ("if-range", "\"abc\""),
        ("cookie", "hf_access=secret"),
        ("holdfast-assertion", "forged"),
        ("x-forwarded-for", "1.2.3.4"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = s.world.ask(request).await;
    assert_eq!(answer.status, 206, "{}", answer.text());
    assert_eq!(answer.text(), "2345");
    assert_eq!(answer.headers["content-range"], "bytes 2-5/10");
    assert_eq!(answer.headers["etag"], "\"abc\"");
    assert_eq!(
        answer.headers["content-disposition"],
        "attachment; filename=\"x.mp4\""
    );
    assert!(
        answer.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("'none'")
    );
    for stays in ["set-cookie", "access-control-allow-origin"] {
        assert!(!answer.headers.contains_key(stays), "{stays}");
    }
    let asked = log.lock().unwrap().remove(0);
    assert_eq!(asked.uri.path_and_query().unwrap().as_str(), path);
    assert_eq!(asked.headers["range"], "bytes=2-5");
    assert_eq!(asked.headers["if-range"], "\"abc\"");
    for stays in ["cookie", "authorization", "x-forwarded-for"] {
        assert!(!asked.headers.contains_key(stays), "{stays}");
    }
    assert_eq!(
        asked.headers["x-request-id"],
        answer.headers["x-request-id"]
    );
    let key = s
        .world
        .app
        .pki
        .assertion_key()
        .public_key()
        .as_ref()
        .to_vec();
    let token = asked.headers[ASSERTION_HEADER].to_str().unwrap();
    let now = s.world.app.now().seconds();
    let it = Assertion::verify(token, &key, &s.at.appliance, now).unwrap();
    assert_eq!(it.organisation, s.at.organisation);
    let may = [Permission::View, Permission::Download, Permission::Operate];
    assert_eq!(it.permissions, may);
    let entry = s.audit().await.remove(0);
    assert_eq!(entry["action"], "footage.download");
    assert_eq!(entry["subject"], s.recording);
    assert_eq!(entry["bytes"], 4);
}

#[tokio::test]
async fn a_viewer_who_goes_away_ends_the_upload_and_pays_for_what_was_sent() {
    let s = scene().await;
    let (sent, body) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Mutex::new(Some(body));
    appliance(&s.world, &s.at, {
        let body = Arc::new(body);
        move |_| {
            let body = body.lock().unwrap().take().unwrap();
            let stream = tokio_stream::wrappers::ReceiverStream::new(body);
            Body::from_stream(stream).into_response()
        }
    })
    .await;
    let path = format!("/api/v1/recordings/{}/media", s.recording);
    let request = s.operator.request(Method::GET, &path, Body::empty());
    let mut response = s.world.send(request).await;
    sent.send(Ok(Bytes::from(vec![7; 1000]))).await.unwrap();
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    let seen = frame.data_ref().unwrap().len() as u64;
    assert!(seen > 0);
    assert_eq!(s.world.app.hub.presence(&s.at.appliance).connections, 1);
    drop(response);
    // The appliance notices: its body is dropped with the connection.
    tokio::time::timeout(Duration::from_secs(5), sent.closed())
        .await
        .expect("the appliance is told that nobody listens");
    let entry = s.audit().await.remove(0);
    assert_eq!(entry["action"], "footage.playback");
    assert_eq!(entry["bytes"], seen);
}

#[tokio::test]
async fn live_and_playback_are_asked_of_the_cameras_appliance() {
    let s = scene().await;
    let log = appliance(&s.world, &s.at, |_| "#EXTM3U".into_response()).await;
    let camera = &s.camera;
    for path in [
        format!("/api/v1/cameras/{camera}/stream/hls"),
        format!("/api/v1/live/{camera}/index.m3u8"),
        format!(
            "/api/v1/playback/{camera}/index.m3u8?from=2026-11-03T00:00:00Z&to=2026-11-03T00:01:00Z"
        ),
    ] {
        let answer = s.world.get(&s.operator, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = log.lock().unwrap().remove(0);
        assert_eq!(asked.uri.path_and_query().unwrap().as_str(), path);
    }
    // Completeness too; that is no access to footage.
    for path in [
        format!("/api/v1/cameras/{camera}/gaps?from=2026-11-03T00:00:00Z&to=2026-11-03T00:01:00Z"),
        format!("/api/v1/recordings/timeline/{camera}?day=2026-11-03&zone=Europe/Berlin"),
    ] {
        let answer = s.world.get(&s.operator, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = log.lock().unwrap().remove(0);
        assert_eq!(asked.uri.path_and_query().unwrap().as_str(), path);
        let stranger = s.world.person(
            Role::Operator,
            Some(s.world.store.plant_organisation("B").await),
            None,
        );
        let refused = s.world.get(&stranger.await, &path).await;
        assert_eq!(refused.code(), ErrorCode::CameraNotFound);
    }
    for bad in ["..%2f..%2fsystem", ".hidden", "a%20b"] {
        let path = format!("/api/v1/live/{camera}/{bad}");
        let refused = s.world.get(&s.operator, &path).await;
        assert_eq!(refused.code(), ErrorCode::ValidationFailed);
    }
    let actions: Vec<_> = s
        .audit()
        .await
        .iter()
        .map(|it| it["action"].clone())
        .collect();
    assert_eq!(actions, ["footage.playback", "footage.live"]);
}

#[tokio::test]
async fn a_sites_own_routes_are_passed_on_and_changes_are_written_down() {
    let s = scene().await;
    let log = appliance(&s.world, &s.at, |parts| match parts.method {
        Method::GET => axum::Json(value!({"items": []})).into_response(),
        _ => {
            let failure = value!({"success": false, "error": {"code": "CONFLICT", "message": "Busy.",
                "timestamp": "2026-11-03T14:00:00Z", "requestId": "theirs"}});
            (StatusCode::CONFLICT, axum::Json(failure)).into_response()
        }
    })
    .await;
    let site = s.at.site;
    let list = s
        .world
        .get(
            &s.operator,
            &format!("/api/v1/sites/{site}/recorders?limit=5"),
        )
        .await;
    assert_eq!(list.json(), value!({"items": []}));
    let asked = log.lock().unwrap().remove(0);
    assert_eq!(
        asked.uri.path_and_query().unwrap().as_str(),
        "/api/v1/recorders?limit=5"
    );
    let sync = format!("/api/v1/sites/{site}/sync");
    let refused = s.world.post(&s.operator, &sync, value!({})).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["error"]["message"], "Busy.");
    let unknown = s
        .world
        .get(&s.operator, &format!("/api/v1/sites/{site}/setup"))
        .await;
    assert_eq!(unknown.code(), ErrorCode::NotFound);
    let entry = s.audit().await.remove(0);
    assert_eq!(entry["action"], "site.change");
    assert_eq!(entry["subject"], "POST sync");
    assert_eq!(entry["status"], 409);
    assert_eq!(entry["site_id"], site.to_string());
}

#[tokio::test]
async fn a_site_that_is_not_there_says_so() {
    let s = scene().await;
    let path = format!("/api/v1/recordings/{}/download", s.recording);
    let answer = s.world.get(&s.operator, &path).await;
    assert_eq!(answer.code(), ErrorCode::SiteOffline);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(s.audit().await[0]["status"], 503);
    // Listed all the same.
    let one = format!("/api/v1/recordings/{}", s.recording);
    assert_eq!(
        s.world.get(&s.operator, &one).await.json()["site_id"],
        s.at.site.to_string()
    );
}

#[tokio::test]
async fn an_appliance_that_does_not_believe_us_does_not_log_anybody_out() {
    let s = scene().await;
    appliance(&s.world, &s.at, |_| {
        let failure = value!({"success": false, "error": {"code": "AUTH_TOKEN_INVALID", "message": "Refused: expired.",
            "timestamp": "2026-11-03T14:00:00Z", "requestId": "theirs"}});
        (StatusCode::UNAUTHORIZED, axum::Json(failure)).into_response()
    })
    .await;
    let path = format!("/api/v1/recordings/{}/media", s.recording);
    let answer = s.world.get(&s.operator, &path).await;
    assert_eq!(answer.code(), ErrorCode::SiteOffline);
    assert!(answer.text().contains("Refused: expired"));
}

#[tokio::test]
async fn a_head_asks_for_the_head_only() {
    let s = scene().await;
    let log = appliance(&s.world, &s.at, |_| {
        (
            [("content-type", "video/mp4"), ("etag", "\"abc\"")],
            "0123456789",
        )
            .into_response()
    })
    .await;
    let path = format!("/api/v1/recordings/{}/download", s.recording);
    let answer = s
        .world
        .ask(s.operator.request(Method::HEAD, &path, Body::empty()))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-length"], "10");
    assert_eq!(answer.headers["etag"], "\"abc\"");
    assert_eq!(log.lock().unwrap()[0].method, Method::HEAD);
}

#[tokio::test]
async fn a_revoked_appliance_is_gone_at_once() {
    let s = scene().await;
    appliance(&s.world, &s.at, |_| "here".into_response()).await;
    let admin = s
        .world
        .person(Role::OrgAdmin, Some(s.at.organisation), None)
        .await;
    let path = format!("/api/v1/recordings/{}/media", s.recording);
    assert_eq!(s.world.get(&admin, &path).await.status, 200);
    let revoke = format!("/api/v1/appliances/{}/revoke", s.at.appliance);
    let revoked = s.world.post(&admin, &revoke, value!(null)).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    let gone = s.world.get(&admin, &path).await;
    assert_eq!(gone.code(), ErrorCode::SiteOffline);
    let fleet = s.world.items(&admin, "/api/v1/appliances", 10).await;
    assert_eq!(fleet[0]["revoked"], true);
    let sites = s.world.items(&admin, "/api/v1/sites", 10).await;
    assert_eq!(sites[0]["appliance"], Value::Null);
}
