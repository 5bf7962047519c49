//! Footage over HTTP: ranges, conditions, what is not there (any more), playlists, and who took what.

use std::process::Command;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use wire::error::ErrorCode;
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::LoginResponse;

use super::house::{Answer, House};
use crate::api::Via;
use crate::catalog::access::AccessEntry;
use crate::catalog::recordings::PendingRecording;
use crate::catalog::testing::{found, range, verified};
use crate::footage::fragments::{Fragment, FragmentIndex};
use crate::footage::path::MEDIA;
use crate::media::sample::{self, Kind};
use crate::media::{MediaConfig, mp4, remux};
use crate::model::time::UtcRange;
use crate::verify::Verified;

/// A house with one camera.
struct Site {
    house: House,
    login: LoginResponse,
    recorder: RecorderId,
    camera: CameraId,
}

impl Site {
    async fn new() -> Self {
        let (house, login) = House::set_up().await;
        let recorder = house.below.recorder("DS-1", 1).await.id;
        let camera = house.below.camera(recorder, 1).await;
        Self {
            house,
            login,
            recorder,
            camera,
        }
    }

    async fn known(&self, name: &str, span: UtcRange) -> RecordingId {
        let found = vec![found(name, span, 1_000)];
        self.house.below.observe(self.recorder, 1, found).await[0]
    }

    /// A held recording of these bytes, five minutes from 10:05.
    async fn held(&self, bytes: &[u8]) -> RecordingId {
        let span = range("2026-11-03T10:05:00Z", "2026-11-03T10:10:00Z");
        let id = self.known("ch01_1", span).await;
        self.house.below.hold(id, bytes).await;
        id
    }

    /// Ten real seconds from this instant, as the pipeline would keep them.
    async fn played(&self, name: &str, kind: Kind, span: UtcRange) -> RecordingId {
        let id = self.known(name, span).await;
        self.house.below.catalog.begin_download(id).await.unwrap();
        let pending = self.house.below.pending(id).await;
        let volume = self.house.below.volume().clone();
        let verified = tokio::task::spawn_blocking(move || real_footage(&volume, &pending, kind))
            .await
            .unwrap();
        self.house
            .below
            .catalog
            .keep(self.house.below.volume(), verified)
            .await
            .unwrap();
        id
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut ask = self.house.ask(method, path).bearer(&self.login);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.send().await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    /// The access log, oldest first.
    async fn accesses(&self) -> Vec<AccessEntry> {
        let stop = CancellationToken::new();
        stop.cancel();
        self.house.app.keep_access_log(stop).await;
        let mut page = self
            .house
            .below
            .catalog
            .access_log(None, 100)
            .await
            .unwrap();
        page.items.reverse();
        page.items
    }
}

fn real_footage(
    volume: &crate::footage::volume::Volume,
    pending: &PendingRecording,
    kind: Kind,
) -> Verified {
    let dir = tempfile::tempdir().unwrap();
    let (source, output) = (dir.path().join("000.ps"), dir.path().join("media.mp4"));
    let reel = sample::open(kind);
    std::fs::write(&source, sample::part(&reel, 0, sample::groups(&reel))).unwrap();
    let source = remux::Source::open(vec![source]).unwrap();
    remux::remux(
        &MediaConfig::default(),
        &source,
        &output,
        &CancellationToken::new(),
    )
    .unwrap();
    let bytes = std::fs::read(&output).unwrap();
    let index = mp4::read_index(std::io::Cursor::new(&bytes), bytes.len() as u64).unwrap();
    let mut facts = verified(volume, pending, &bytes).facts().clone();
    facts.fragments = FragmentIndex {
        init_bytes: index.init_bytes,
        fragments: index
            .fragments
            .iter()
            .map(|f| Fragment {
                offset: f.offset,
                bytes: f.bytes,
                start_ms: f.start_ms,
                duration_ms: f.duration_ms,
            })
            .collect(),
    };
    Verified::for_test(facts)
}

fn body(length: u32) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn a_download_is_whole_or_the_part_that_was_asked_for() {
    let site = Site::new().await;
    let bytes = body(300_000);
    let id = site.held(&bytes).await;
    let path = format!("/api/v1/recordings/{id}/download");

    let whole = site.get(&path, &[]).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.body, bytes);
    let header = |answer: &Answer, name: &str| {
        answer
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header(&whole, "content-length").unwrap(), "300000");
    assert_eq!(header(&whole, "accept-ranges").unwrap(), "bytes");
    assert_eq!(header(&whole, "content-type").unwrap(), "video/mp4");
    assert_eq!(
        header(&whole, "content-disposition").unwrap(),
        "attachment; filename=\"Gate-1_2026-11-03_10-05-00Z.mp4\"; \
         filename*=UTF-8''Gate-1_2026-11-03_10-05-00Z.mp4"
    );
    let tag = header(&whole, "etag").unwrap();
    assert_eq!(tag, format!("\"{}\"", base::token::sha256_hex(&bytes)));

    let range = |text: &'static str| ("range", text);
    let other = "\"0000\"";
    for (headers, expected) in [
        (vec![range("bytes=0-99")], Some((0, 100))),
        (vec![range("bytes=299990-")], Some((299_990, 300_000))),
        (vec![range("bytes=-10")], Some((299_990, 300_000))),
        (vec![range("bytes=299990-400000")], Some((299_990, 300_000))),
        (vec![range("bytes=5-5"), ("if-range", &tag)], Some((5, 6))),
        (vec![range("bytes=5-5"), ("if-range", other)], None),
        (
            vec![range("bytes=5-5"), ("if-none-match", other)],
            Some((5, 6)),
        ),
        (vec![range("bytes=0-1,5-6")], None),
        (vec![range("pages=1-2")], None),
    ] {
        let answer = site.get(&path, &headers).await;
        match expected {
            Some((from, to)) => {
                assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{headers:?}");
                assert_eq!(answer.body, bytes[from..to], "{headers:?}");
                assert_eq!(
                    header(&answer, "content-range").unwrap(),
                    format!("bytes {from}-{}/300000", to - 1)
                );
            }
            None => {
                assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
                assert_eq!(answer.body.len(), 300_000, "{headers:?}");
                assert_eq!(header(&answer, "content-range"), None);
            }
        }
        assert_eq!(header(&answer, "etag").unwrap(), tag);
    }

    let outside = site.get(&path, &[range("bytes=300000-")]).await;
    assert_eq!(outside.code(), ErrorCode::RangeNotSatisfiable);
    assert_eq!(header(&outside, "content-range").unwrap(), "bytes */300000");
    let same = site.get(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(
        (same.status, same.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    assert_eq!(header(&same, "etag").unwrap(), tag);
    let changed = site.get(&path, &[("if-match", other)]).await;
    assert_eq!(changed.code(), ErrorCode::PreconditionFailed);

    let head = site.ask(Method::HEAD, &path, &[range("bytes=0-99")]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(header(&head, "content-length").unwrap(), "300000");
    assert_eq!(header(&head, "etag").unwrap(), tag);

    let media = site
        .get(&path.replace("download", "media"), &[range("bytes=0-99")])
        .await;
    assert_eq!(media.status, StatusCode::PARTIAL_CONTENT);
    assert!(
        header(&media, "cache-control")
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(header(&media, "content-disposition"), None);
}

#[tokio::test]
async fn every_access_is_logged_with_the_bytes_that_were_sent() {
    let site = Site::new().await;
    let bytes = body(2_000_000);
    let id = site.held(&bytes).await;
    let path = format!("/api/v1/recordings/{id}/download");
    site.get(&path, &[]).await;
    site.get(&path, &[("range", "bytes=-7")]).await;
    site.ask(Method::HEAD, &path, &[]).await;
    site.get(&path, &[("range", "bytes=9000000-")]).await;
    // One that is broken off after its first piece.
    let request = http::Request::get(&path)
        .header(
            "authorization",
            format!("Bearer {}", site.login.access_token),
        )
        .extension(Via::Lan(([192, 168, 1, 77], 50_000).into()))
        .body(axum::body::Body::empty())
        .unwrap();
    let mut broken = site
        .house
        .router
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    let piece = broken.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!((1..=128 * 1024).contains(&piece.len()));
    drop(broken);
    for part in ["bytes=0-99", "bytes=100-299"] {
        site.get(&path.replace("download", "media"), &[("range", part)])
            .await;
    }

    let accesses = site.accesses().await;
    let seen: Vec<(&str, u64)> = accesses
        .iter()
        .map(|a| (a.action.as_str(), a.bytes))
        .collect();
    // Each request of the tests comes from an address of its own, so the two ranges are two accesses; their order is
    // not told.
    assert_eq!(
        seen[..3],
        [
            ("download", 2_000_000),
            ("download", 7),
            ("download", piece.len() as u64)
        ]
    );
    let mut played: Vec<_> = seen[3..].to_vec();
    played.sort_unstable();
    assert_eq!(played, [("playback", 100), ("playback", 200)]);
    assert_eq!(accesses[2].address.as_deref(), Some("192.168.1.77"));
    for access in &accesses {
        assert_eq!(access.username, "admin");
        assert_eq!(access.via, "lan");
        assert_eq!(
            (access.camera, access.recording),
            (Some(site.camera), Some(id))
        );
        assert!(!access.request_id.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_there_says_why() {
    let site = Site::new().await;
    let download = |id: RecordingId| format!("/api/v1/recordings/{id}/download");
    let held = site.held(&body(1_000)).await;
    let unknown = site.get(&download(RecordingId::new()), &[]).await;
    assert_eq!(unknown.code(), ErrorCode::RecordingNotFound);

    let span = range("2026-11-03T11:00:00Z", "2026-11-03T11:05:00Z");
    let pending = site.known("ch01_2", span).await;
    let answer = site.get(&download(pending), &[]).await;
    assert_eq!(answer.code(), ErrorCode::Conflict);
    let nobody = site.house.ask(Method::GET, &download(held)).send().await;
    assert_eq!(nobody.code(), ErrorCode::AuthTokenMissing);

    // The file is cut, then vanishes, then its disk does.
    let below = &site.house.below;
    let stem = below.catalog.held(held).await.unwrap().unwrap().stem;
    let file = below.volume().file(&stem, MEDIA);
    std::fs::write(&file, [0; 10]).unwrap();
    let cut = site.get(&download(held), &[]).await.failure();
    assert_eq!(cut.error.code, ErrorCode::RecordingFailed);
    assert!(cut.error.message.contains(&held.to_string()), "{cut:?}");
    std::fs::remove_file(&file).unwrap();
    let vanished = site.get(&download(held), &[("range", "bytes=0-1")]).await;
    assert_eq!(vanished.code(), ErrorCode::RecordingFailed);
    let marker = below.volume().path().join(crate::footage::volume::MARKER);
    std::fs::rename(&marker, marker.with_extension("away")).unwrap();
    let away = site.get(&download(held), &[]).await.failure();
    assert_eq!(away.error.code, ErrorCode::Unavailable);
    assert!(away.error.message.contains("volume \"main\""), "{away:?}");

    below.catalog.delete(held).await.unwrap();
    let gone = site.get(&download(held), &[]).await.failure();
    assert_eq!(gone.error.code, ErrorCode::FootageGone);
    assert!(gone.error.message.contains("deleted"), "{gone:?}");
    assert!(site.accesses().await.is_empty());
}

#[tokio::test]
async fn a_range_without_anything_to_play_says_why() {
    let site = Site::new().await;
    let playlist = |camera: CameraId, from: &str, to: &str| {
        format!("/api/v1/playback/{camera}/index.m3u8?from=2026-11-03T{from}Z&to=2026-11-03T{to}Z")
    };
    let ask = async |path: String| site.get(&path, &[]).await.code();
    let camera = site.camera;
    assert_eq!(
        ask(playlist(CameraId::new(), "10:00:00", "11:00:00")).await,
        ErrorCode::CameraNotFound
    );
    for (from, to) in [("11:00:00", "10:00:00"), ("10:00:00", "10:00:00")] {
        assert_eq!(
            ask(playlist(camera, from, to)).await,
            ErrorCode::ValidationFailed
        );
    }
    assert_eq!(
        ask(playlist(camera, "10:00:00", "11:00:00")).await,
        ErrorCode::RecordingNotFound
    );
    let id = site.held(&body(1_000)).await;
    // Bytes without fragments: nothing that a player reads.
    assert_eq!(
        ask(playlist(camera, "10:00:00", "11:00:00")).await,
        ErrorCode::Conflict
    );
    site.house.below.catalog.delete(id).await.unwrap();
    assert_eq!(
        ask(playlist(camera, "10:00:00", "11:00:00")).await,
        ErrorCode::FootageGone
    );
    let span = range("2026-11-03T10:30:00Z", "2026-11-03T10:35:00Z");
    site.known("ch01_2", span).await;
    assert_eq!(
        ask(playlist(camera, "10:00:00", "11:00:00")).await,
        ErrorCode::Conflict
    );
}

/// A player at the agent's own door plays two recordings with a gap between them, from the asked second on.
#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_a_range_across_a_gap() {
    let site = Site::new().await;
    let first = range("2026-11-03T10:05:00Z", "2026-11-03T10:05:10Z");
    let second = range("2026-11-03T10:06:00Z", "2026-11-03T10:06:10Z");
    let ids = [
        site.played("ch01_1", Kind::Yard, first).await,
        site.played("ch01_2", Kind::Yard, second).await,
    ];
    let path = format!(
        "/api/v1/playback/{}/index.m3u8?from=2026-11-03T10:05:03Z&to=2026-11-03T10:06:04Z",
        site.camera
    );
    let answer = site.get(&path, &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(
        answer.headers["content-type"],
        "application/vnd.apple.mpegurl"
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("EXT-X-START:TIME-OFFSET=0.9"), "{text}");

    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(crate::api::serve::serve_lan(
        listener,
        site.house.router.clone(),
        stop.clone(),
    ));
    let (token, url) = (
        site.login.access_token.clone(),
        format!("http://{address}{path}"),
    );
    let (read, decoded) = tokio::task::spawn_blocking(move || {
        let lines = |program: &str, what: &[&str]| {
            let output = Command::new(program)
                .args(["-v", "error", "-headers"])
                .arg(format!("Authorization: Bearer {token}\r\n"))
                .args(["-i", &url])
                .args(what)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty())
                .count()
        };
        (
            lines(
                "ffprobe",
                &[
                    "-select_streams",
                    "v",
                    "-show_entries",
                    "packet=pts",
                    "-of",
                    "csv",
                ],
            ),
            lines(
                "ffmpeg",
                &["-xerror", "-map", "0:v", "-f", "framehash", "-"],
            ),
        )
    })
    .await
    .unwrap();
    // Groups of two seconds at 25 pictures: four of the first recording, two of the second.
    assert_eq!(read, 300);
    // FFmpeg knows nothing of discontinuities: it decodes all, and shows none whose timestamp lies before the first.
    assert_eq!(decoded, 250);
    stop.cancel();
    served.await.unwrap();

    let accesses = site.accesses().await;
    for id in ids {
        let bytes: u64 = accesses
            .iter()
            .filter(|a| a.recording == Some(id))
            .map(|a| a.bytes)
            .sum();
        assert!(bytes > 10_000, "{accesses:?}");
    }
    let asked = accesses.iter().find(|a| a.range.is_some()).unwrap();
    assert_eq!((asked.action.as_str(), asked.recording), ("playback", None));
}
