//! Live view over HTTP: what a player fetches, and why there is nothing to fetch. Limits, stalls and idle streams are
//! shown in `live/tests.rs`, a recorder of its own in the stories.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;
use wire::ids::CameraId;
use wire::resource::StreamLink;

use super::house::House;
use crate::media::sample::{self, Kind};
use crate::recorder::driver::LiveStream;

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

/// A recorder that sends one reel and then leaves the line open.
fn one_reel() -> crate::live::Open {
    Arc::new(|_| {
        Box::pin(async {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            theirs.set_nonblocking(true).unwrap();
            let stop = CancellationToken::new();
            std::thread::spawn(move || {
                let reel = sample::open(Kind::Yard);
                let whole = sample::part(&reel, 0, sample::groups(&reel));
                // The reader may have had enough before the end: then the stream was ended.
                if ours.write_all(&whole).is_ok() {
                    let mut rest = [0];
                    drop(std::io::Read::read(&mut ours, &mut rest));
                }
            });
            Ok(LiveStream {
                bytes: tokio::net::UnixStream::from_std(theirs).unwrap(),
                guard: stop.drop_guard(),
            })
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_playlist_names_is_fetched_decoded_and_logged() {
    let (house, login) = House::with_live(Some(one_reel())).await.with_admin().await;
    let recorder = house.below.recorder("SERIAL", 1).await.id;
    let camera = house.below.camera(recorder, 1).await;
    let link = house
        .get(&format!("/api/v1/cameras/{camera}/stream/hls"), &login)
        .await;
    assert_eq!(link.status, StatusCode::OK, "{link:?}");
    let link: StreamLink = serde_json::from_value(link.json()).unwrap();
    assert_eq!(link.url, format!("/api/v1/live/{camera}/index.m3u8"));
    let playlist = house.get(&link.url, &login).await;
    assert_eq!(playlist.headers["cache-control"], "no-store");
    assert_eq!(
        playlist.headers["content-type"],
        "application/vnd.apple.mpegurl"
    );
    let text = String::from_utf8(playlist.body).unwrap();
    let init = text
        .lines()
        .find_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"'));
    let segment = text.lines().find(|l| l.ends_with(".m4s"));
    let mut media = Vec::new();
    for name in [init.unwrap(), segment.unwrap()] {
        let path = format!("/api/v1/live/{camera}/{name}");
        let file = house.get(&path, &login).await;
        assert_eq!(file.status, StatusCode::OK);
        let cache = file.headers["cache-control"].to_str().unwrap();
        assert!(cache.starts_with("private, max-age=60"), "{cache}");
        media.extend(file.body);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.mp4");
    std::fs::write(&path, &media).unwrap();
    let decoded = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(&path)
        .args(["-map", "0:v", "-f", "framehash", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&decoded.stderr);
    assert!(decoded.status.success(), "{said}");
    let pictures = String::from_utf8_lossy(&decoded.stdout)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count();
    assert!(pictures >= 25, "{pictures} pictures");

    let health = house.get("/api/v1/live", &login).await.json();
    assert_eq!(health["items"][0]["camera_id"], camera.to_string());
    assert_eq!(health["items"][0]["video_codec"], "h264");
    assert_eq!(health["items"][0]["width"], 320);

    let stop = CancellationToken::new();
    stop.cancel();
    house.app.keep_access_log(stop).await;
    let accesses = house.below.catalog.access_log(None, 100).await.unwrap();
    let bytes: u64 = accesses.items.iter().map(|a| a.bytes).sum();
    assert!(bytes >= media.len() as u64);
    for access in accesses.items {
        assert_eq!(
            (access.action.as_str(), access.camera),
            ("live", Some(camera))
        );
        assert_eq!(access.recording, None);
    }
    house.app.live.shutdown().await;
}
