//! Live view over HTTP, as far as it goes without a recorder; what plays is shown in `live/tests.rs` and the stories.

use http::{Method, StatusCode};
use wire::ids::CameraId;

use super::house::House;

#[tokio::test]
async fn a_camera_that_cannot_be_watched_says_why() {
    let (house, login) = House::set_up().await;
    let recorder = house.below.recorder("SERIAL", 1).await.id;
    let camera = house.below.camera(recorder, 1).await;
    let answer = house
        .get(&format!("/api/v1/cameras/{camera}/stream/hls"), &login)
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["error"]["code"], "STREAM_NODE_UNAVAILABLE");
    assert!(answer.headers.contains_key("retry-after"));
    let nobody = CameraId::new();
    let answer = house
        .get(&format!("/api/v1/live/{nobody}/index.m3u8"), &login)
        .await;
    assert_eq!(answer.json()["error"]["code"], "CAMERA_NOT_FOUND");
}

#[tokio::test]
async fn only_names_that_a_playlist_has_are_served_and_only_to_viewers() {
    let (house, login) = House::set_up().await;
    let camera = CameraId::new();
    for name in [
        "0.m4s",
        "..%2F0.m4s",
        "init-1.mp4",
        "%2Fetc%2Fpasswd",
        "index.m3u8.bak",
    ] {
        let answer = house
            .get(&format!("/api/v1/live/{camera}/{name}"), &login)
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    let path = format!("/api/v1/live/{camera}/0.m4s");
    let answer = house.ask(Method::GET, &path).send().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}
