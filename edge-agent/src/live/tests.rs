//! Live view with real FFmpeg; the recorder is a socket that a thread writes footage into.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::FutureExt;

use super::*;
use crate::media::sample::{self, Kind};
use crate::recorder::driver::{FailureKind, LiveStream, RecorderError};

/// What the recorder's side does with a stream.
#[derive(Debug, Clone, Copy)]
enum Plays {
    /// Sends group after group, a few times as fast as it should.
    On,
    /// Sends so many groups and falls silent.
    Silent(usize),
    /// Refuses.
    Never,
}

#[derive(Clone)]
struct Camera {
    plays: Plays,
    kind: Kind,
    opened: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Camera {
    fn new(kind: Kind, plays: Plays) -> Self {
        Self {
            plays,
            kind,
            opened: Arc::default(),
            ended: Arc::default(),
        }
    }

    fn open(&self) -> Open {
        let camera = self.clone();
        Arc::new(move |_| {
            camera.opened.fetch_add(1, Ordering::SeqCst);
            let camera = camera.clone();
            async move {
                if matches!(camera.plays, Plays::Never) {
                    let message = "the recorder has no session left";
                    return Err(RecorderError::new(FailureKind::Capacity, message));
                }
                let (ours, theirs) = UnixStream::pair().unwrap();
                theirs.set_nonblocking(true).unwrap();
                let stop = CancellationToken::new();
                let stopped = stop.clone();
                let (kind, plays, ended) = (camera.kind, camera.plays, camera.ended.clone());
                std::thread::spawn(move || {
                    send(ours, kind, plays, &stopped);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
                Ok(LiveStream {
                    bytes: tokio::net::UnixStream::from_std(theirs).unwrap(),
                    guard: stop.drop_guard(),
                })
            }
            .boxed()
        })
    }
}

fn send(mut to: UnixStream, kind: Kind, plays: Plays, stopped: &CancellationToken) {
    let reel = sample::open(kind);
    let groups = sample::groups(&reel);
    let whole = sample::part(&reel, 0, groups);
    let mut sent = to.write_all(&whole[..40]).is_ok();
    for n in 0.. {
        if !sent || stopped.is_cancelled() {
            return;
        }
        if matches!(plays, Plays::Silent(count) if n >= count) {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        // The reel again and again; its timestamps start anew each time, as after a reconnect of the device.
        let group = n % groups;
        sent = to
            .write_all(&sample::part(&reel, group, group + 1)[40..])
            .is_ok();
        std::thread::sleep(Duration::from_millis(150));
    }
}

fn config() -> LiveConfig {
    LiveConfig {
        idle_s: 2,
        stall_s: 3,
        start_s: 60,
        ..LiveConfig::default()
    }
}

fn hub(camera: &Camera, config: LiveConfig) -> LiveHub {
    LiveHub::new(
        config,
        MediaConfig::default(),
        Clock::system(),
        camera.open(),
    )
}

fn target(channel: u32) -> Target {
    Target {
        recorder: RecorderId(uuid::Uuid::from_u128(7)),
        channel,
    }
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Init and the listed segments as one file, as a player sees them.
fn play(hub: &LiveHub, camera: CameraId, playlist: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in playlist.lines() {
        let name = match line.strip_prefix("#EXT-X-MAP:URI=\"") {
            Some(rest) => rest.trim_end_matches('"'),
            None if line.ends_with(".m4s") => line,
            None => continue,
        };
        bytes.extend_from_slice(&hub.file(camera, name, "player").unwrap().bytes);
    }
    bytes
}

async fn plays(kind: Kind, codec: &str) {
    let camera = Camera::new(kind, Plays::On);
    let hub = hub(&camera, config());
    let id = CameraId::new();
    let both = tokio::join!(
        hub.playlist(id, target(33), "one"),
        hub.playlist(id, target(33), "two")
    );
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    assert_eq!(
        camera.opened.load(Ordering::SeqCst),
        1,
        "one source feeds every viewer"
    );
    let mut playlist = String::new();
    for _ in 0..60 {
        playlist = hub.playlist(id, target(33), "one").await.unwrap();
        if playlist.matches(".m4s").count() >= 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(playlist.matches(".m4s").count() >= 5, "{playlist}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.mp4");
    std::fs::write(&path, play(&hub, id, &playlist)).unwrap();
    let probe = crate::media::probe::probe(&path, &CancellationToken::new());
    let probe = probe.unwrap();
    assert_eq!((probe.video_codec.as_str(), probe.width), (codec, 320));
    assert!(probe.duration_ms > 7_000, "{}", probe.duration_ms);

    let (_, health) = hub.health().remove(0);
    assert_eq!(
        (health.viewers, health.video_codec, health.width),
        (3, Some(codec), 320)
    );
    assert!(
        (20.0..30.0).contains(&health.figures.frames_per_s),
        "{health:?}"
    );
    assert!(health.figures.bits_per_s > 10_000);

    // Nobody asks any more: it ends, at the recorder too.
    until("the idle stream ends", || hub.health().is_empty()).await;
    until("the recorder is let go of", || {
        camera.ended.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(hub.file(id, "0.m4s", "late"), Err(LiveError::NoSuchFile));
    hub.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h264_with_sound_plays_live_for_all_from_one_source() {
    plays(Kind::Yard, "h264").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h265_plays_live() {
    plays(Kind::Gate, "hevc").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_stream_is_begun_again() {
    let camera = Camera::new(Kind::Gate, Plays::Silent(6));
    // FFmpeg must be up before silence counts as a stall, on a loaded machine too.
    let patient = LiveConfig {
        stall_s: 8,
        ..config()
    };
    let hub = hub(&camera, patient);
    let id = CameraId::new();
    let begun = Instant::now();
    // On a machine so loaded that no picture comes before the stall is noticed, the player is told to try again.
    let mut played = false;
    while !played || camera.opened.load(Ordering::SeqCst) < 2 {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{:?}",
            hub.health()
        );
        played |= hub.playlist(id, target(33), "one").await.is_ok();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut playlist = String::new();
    while !playlist.contains("#EXT-X-DISCONTINUITY\n") {
        assert!(begun.elapsed() < Duration::from_secs(120), "{playlist}");
        playlist = hub.playlist(id, target(33), "one").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(hub.health()[0].1.restarts >= 1);
    hub.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_refuses_is_told_in_its_words() {
    let camera = Camera::new(Kind::Gate, Plays::Never);
    let impatient = LiveConfig {
        start_s: 1,
        ..config()
    };
    let hub = hub(&camera, impatient);
    let error = hub
        .playlist(CameraId::new(), target(33), "one")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the camera cannot be watched now: the recorder has no session left"
    );
    hub.shutdown().await;
    let error = hub
        .playlist(CameraId::new(), target(33), "one")
        .await
        .unwrap_err();
    assert!(matches!(error, LiveError::Source { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_told_and_a_place_comes_free() {
    let camera = Camera::new(Kind::Gate, Plays::On);
    let tight = LiveConfig {
        per_recorder_max: 1,
        idle_s: 30,
        ..config()
    };
    let hub = hub(&camera, tight);
    let (first, second) = (CameraId::new(), CameraId::new());
    hub.playlist(first, target(33), "one").await.unwrap();
    let error = hub.playlist(second, target(34), "one").await.unwrap_err();
    assert_eq!(
        error,
        LiveError::TooMany {
            limit: 1,
            whose: "of this recorder"
        }
    );
    // The first one's viewer leaves; its place is taken long before the idle time is over.
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    hub.playlist(second, target(34), "one").await.unwrap();
    assert_eq!(hub.health().len(), 1);
    hub.shutdown().await;
    until("all are let go of", || {
        camera.ended.load(Ordering::SeqCst) == 2
    })
    .await;
}
