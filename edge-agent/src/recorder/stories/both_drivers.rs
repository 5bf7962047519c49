//! The driver conformance suite: what a person expects of a recorder, told once and run over every driver. The
//! recorders are two stand-ins of the same [`Device`] with the same footage: a library with the vendor's symbols, and a
//! server that speaks ISAPI and RTSP.

use super::*;
use crate::media::MediaConfig;
use crate::media::ps::Program;
use crate::media::sample;
use crate::media::segmenter::Segmenter;
use crate::media::split::Piece;
use crate::model::inventory::FoundRecording;
use tests::isapi_recorder::{IsapiRecorder, Quirks};
use wire::resource::DriverKind;

/// A recorder, and how it is talked to.
pub(super) struct Bench {
    pub place: Place,
    pub isapi: Option<IsapiRecorder>,
}

impl Bench {
    async fn new(driver: DriverKind, device: Device) -> Self {
        match driver {
            DriverKind::Sdk => Self {
                place: Place::new(device),
                isapi: None,
            },
            DriverKind::Isapi => Self::isapi(device, Quirks::default()).await,
        }
    }

    pub async fn isapi(device: Device, quirks: Quirks) -> Self {
        let config = SdkConfig {
            connect_timeout_s: 20,
            answer_timeout_s: 60,
            ..SdkConfig::default()
        };
        let place = Place::with_config(device.clone(), config);
        let media = &place.config.sdk_folder;
        let recorder = IsapiRecorder::start(device, media, quirks).await.unwrap();
        Self {
            place,
            isapi: Some(recorder),
        }
    }

    /// An ISAPI recorder with HTTPS.
    pub async fn isapi_tls(device: Device, config: SdkConfig) -> Self {
        let place = Place::with_config(device.clone(), config);
        let media = &place.config.sdk_folder;
        let recorder = IsapiRecorder::start_tls(device, media, Quirks::default());
        let recorder = recorder.await.unwrap();
        Self {
            place,
            isapi: Some(recorder),
        }
    }

    pub fn account(&self, password: &str) -> RecorderAccount {
        let sdk = self.place.account(password);
        match &self.isapi {
            None => sdk,
            Some(recorder) => RecorderAccount {
                driver: DriverKind::Isapi,
                port: recorder.http.port(),
                tls: match recorder.certificate_sha256().is_empty() {
                    true => Tls::Off,
                    false => Tls::FirstUse,
                },
                ..sdk
            },
        }
    }

    pub fn start(&self) -> Running {
        Running::start(self.account(PASSWORD), self.place.config.clone())
    }

    /// A channel of the device as this driver counts: ISAPI from 1, the SDK from 33.
    fn channel(&self, number: u32) -> u32 {
        match self.isapi {
            None => number,
            Some(_) => number - 32,
        }
    }

    fn change(&self, change: impl Fn(&mut Device)) {
        self.place.change(&change);
        if let Some(recorder) = &self.isapi {
            recorder.device(change);
        }
    }

    /// Attempts to prove the account to the recorder.
    fn login_attempts(&self) -> usize {
        match &self.isapi {
            None => self.place.calls("login").len(),
            Some(recorder) => recorder
                .seen()
                .iter()
                .filter(|seen| seen.with_credentials && seen.status == 401)
                .count(),
        }
    }

    /// The recordings of a channel that a search names, in its order.
    async fn find(&self, session: &RecorderSession, from: &str, to: &str) -> Vec<FoundRecording> {
        let found = session.search(self.channel(33), range(from, to)).await;
        found.unwrap().recordings
    }
}

/// Runs each story over each driver.
macro_rules! over_both_drivers {
    ($($story:ident),+ $(,)?) => {
        mod sdk {
            $(#[tokio::test]
            async fn $story() {
                super::$story(wire::resource::DriverKind::Sdk).await;
            })+
        }
        mod isapi {
            $(#[tokio::test]
            async fn $story() {
                super::$story(wire::resource::DriverKind::Isapi).await;
            })+
        }
    };
}

over_both_drivers!(
    a_login_tells_who_it_is_and_its_channels,
    a_wrong_password_is_tried_once,
    a_search_lists_everything_once_in_true_time,
    a_day_without_footage_is_an_answer,
    a_download_gives_the_bytes_of_the_recorder,
    a_slice_of_time_gives_whole_groups,
    a_download_that_breaks_is_brought_to_its_end,
    a_download_can_be_stopped,
    footage_that_is_gone_is_told,
    a_live_stream_gives_pictures,
    the_clock_is_read,
    a_recorder_that_goes_away_comes_back,
);

async fn a_login_tells_who_it_is_and_its_channels(driver: DriverKind) {
    let channel = |number, name: &str, online| Channel {
        number,
        name: name.into(),
        online,
        ..Channel::default()
    };
    let bench = Bench::new(
        driver,
        Device {
            channels: vec![
                channel(33, "Tor & Hof <1>", true),
                channel(36, "大门", true),
                channel(44, "Lager", false),
            ],
            digital_channels: Some(16),
            ..device()
        },
    )
    .await;
    let running = bench.start();
    let session = running.session().await;
    let identity = session.identity();
    assert_eq!(identity.model, "DS-7608NI-K2");
    assert_eq!(identity.serial, Device::default().serial);
    let told: Vec<_> = identity
        .channels
        .iter()
        .filter(|channel| !channel.name.is_empty())
        .map(|channel| (channel.number, channel.name.as_str(), channel.online))
        .collect();
    let number = |number| bench.channel(number);
    assert_eq!(
        told,
        [
            (number(33), "Tor & Hof <1>", Some(true)),
            (number(36), "大门", Some(true)),
            (number(44), "Lager", Some(false)),
        ]
    );
    running.stop().await;
}

async fn a_wrong_password_is_tried_once(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = Running::start(bench.account("Mistyped123"), bench.place.config.clone());
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::Refused, "{error}");
    assert!(error.message.contains("password"), "{error}");
    assert!(!error.message.contains("Mistyped123"), "{error}");
    running.status(RecorderState::Error).await;
    // Whoever asks for a session gets the reason, and no attempt is made for them.
    for _ in 0..5 {
        assert_eq!(running.refusal().await.kind, FailureKind::Refused);
    }
    assert_eq!(bench.login_attempts(), 1);
    running
        .handle
        .change_account(bench.account(PASSWORD), "corrected".into())
        .await;
    running.status(RecorderState::Online).await;
    let wrong = match driver {
        DriverKind::Sdk => 2, // every login is counted there
        DriverKind::Isapi => 1,
    };
    assert_eq!(bench.login_attempts(), wrong);
    running.stop().await;
}

async fn a_search_lists_everything_once_in_true_time(driver: DriverKind) {
    let day: jiff::Timestamp = "2026-11-18T22:00:00Z".parse().unwrap();
    let starts: Vec<String> = (0..130)
        .map(|n| (day + jiff::SignedDuration::from_mins(10 * n)).to_string())
        .collect();
    let mut device = Device {
        zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
        clock_skew_s: 72,
        ..device()
    };
    device.channels[0].recordings = (0..)
        .zip(&starts)
        .map(|(n, start)| recording(&format!("ch33_{n}"), start))
        .collect();
    device.channels[0].recordings[7].locked = true;
    let bench = Bench::new(driver, device).await;
    let running = bench.start();
    let session = running.session().await;
    let found = bench
        .find(&session, "2026-11-18T00:00:00Z", "2026-11-21T00:00:00Z")
        .await;
    assert_eq!(found.len(), starts.len());
    for (found, start) in found.iter().zip(&starts) {
        let late_ms = found.span.from.ms_since(start.parse().unwrap());
        assert!(late_ms.abs() <= 1_000, "{found:?}");
        assert!(
            (9_000..=11_000).contains(&found.span.duration_ms()),
            "{found:?}"
        );
        assert!(found.stated_bytes > 0 && found.source_name.len() <= 99);
    }
    let locked: Vec<bool> = found.iter().map(|found| found.source_locked).collect();
    assert_eq!(locked.iter().filter(|locked| **locked).count(), 1);
    assert!(locked[7]);
    // A part of it: those that share an instant with the range. Its ends lie seconds away from theirs, since the offset of
    // the clock is measured, by a box that may be busy.
    let part = bench
        .find(&session, "2026-11-19T10:00:05Z", "2026-11-19T10:19:30Z")
        .await;
    let names = |list: &[FoundRecording]| -> Vec<String> {
        list.iter().map(|found| found.source_name.clone()).collect()
    };
    assert_eq!(names(&part), names(&found[72..74]));
    running.stop().await;
}

async fn a_day_without_footage_is_an_answer(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = bench.start();
    let session = running.session().await;
    let found = bench
        .find(&session, "2026-10-01T00:00:00Z", "2026-10-04T00:00:00Z")
        .await;
    assert_eq!(found, []);
    running.stop().await;
}

/// The second recording, asked for by the name that a search gave it.
async fn second(bench: &Bench, session: &RecorderSession) -> PartRequest {
    let found = bench
        .find(session, "2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z")
        .await;
    assert_eq!(found.len(), 3);
    PartRequest {
        stated_bytes: found[1].stated_bytes,
        ..part(
            Source::Name(found[1].source_name.clone()),
            bench.place.path("000.ps"),
        )
    }
}

async fn a_download_gives_the_bytes_of_the_recorder(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = bench.start();
    let session = running.session().await;
    let (done, progress) = download(&session, second(&bench, &session).await).await;
    let expected = bench.place.expected("2026-11-20T10:00:10Z");
    assert_eq!(done.unwrap(), expected.len() as u64);
    assert_eq!(
        (progress.percent, progress.received_bytes),
        (100, expected.len() as u64)
    );
    assert!(std::fs::read(bench.place.path("000.ps")).unwrap() == expected);
    running.stop().await;
}

async fn a_slice_of_time_gives_whole_groups(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = bench.start();
    let session = running.session().await;
    let time = |text: &str| RecorderTime::new(text.parse().unwrap());
    let slice = Source::Time {
        channel: bench.channel(33),
        start: time("2026-11-20T10:00:13"),
        end: time("2026-11-20T10:00:15"),
    };
    let (done, _) = download(&session, part(slice, bench.place.path("001.ps"))).await;
    done.unwrap();
    let whole = bench.place.expected("2026-11-20T10:00:10Z");
    let bytes = std::fs::read(bench.place.path("001.ps")).unwrap();
    assert_eq!(&bytes[..4], b"IMKH");
    let body = &bytes[40..];
    assert!(
        !body.is_empty() && body.len() < whole.len() / 2,
        "{}",
        body.len()
    );
    assert!(whole.windows(body.len()).any(|window| window == body));
    running.stop().await;
}

async fn a_download_that_breaks_is_brought_to_its_end(driver: DriverKind) {
    let device = with_fault(Fault {
        at_bytes: 100_000,
        error: 10,
        ..Fault::once(FaultKind::Fail200, Scope::Download)
    });
    let bench = Bench::new(driver, device).await;
    if let Some(recorder) = &bench.isapi {
        recorder.quirks(|quirks| quirks.cut_at = vec![100_000]);
    }
    let running = bench.start();
    let session = running.session().await;
    let wanted = second(&bench, &session).await;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match download(&session, wanted.clone()).await.0 {
            Ok(_) => break,
            Err(error) => {
                assert!(attempts < 3, "{error}");
                let kinds = [FailureKind::Network, FailureKind::Device];
                assert!(kinds.contains(&error.kind), "{error:?}");
            }
        }
    }
    let expected = bench.place.expected("2026-11-20T10:00:10Z");
    assert!(std::fs::read(bench.place.path("000.ps")).unwrap() == expected);
    running.stop().await;
}

async fn a_download_can_be_stopped(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = bench.start();
    let session = running.session().await;
    let wanted = PartRequest {
        limit_kbps: Some(200),
        ..second(&bench, &session).await
    };
    let (sender, mut receiver) = watch::channel(PartProgress::default());
    let cancel = CancellationToken::new();
    let (outcome, ()) = tokio::join!(session.download(wanted, sender, cancel.clone()), async {
        receiver
            .wait_for(|progress| progress.received_bytes > 0)
            .await
            .unwrap();
        cancel.cancel();
    });
    assert_eq!(outcome.unwrap_err().kind, FailureKind::Cancelled);
    running.stop().await;
}

async fn footage_that_is_gone_is_told(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = bench.start();
    let session = running.session().await;
    let wanted = second(&bench, &session).await;
    bench.change(|device| {
        device.channels[0].recordings.remove(1);
    });
    let (done, _) = download(&session, wanted).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind, FailureKind::SourceGone, "{error}");
    running.stop().await;
}

async fn a_live_stream_gives_pictures(driver: DriverKind) {
    let mut device = device();
    device.channels[0].live = Some(sample::live());
    let bench = Bench::new(driver, device).await;
    let running = bench.start();
    let session = running.session().await;
    let mut live = session
        .live(bench.channel(33), StreamKind::Main)
        .await
        .unwrap();
    let mut begun = vec![0; 40];
    tokio::time::timeout(PATIENCE, live.bytes.read_exact(&mut begun))
        .await
        .unwrap()
        .unwrap();
    let program = Program::from_header(&begun).unwrap();
    let source = live.bytes.into_std().unwrap();
    let segmenter = tokio::task::spawn_blocking(move || {
        Segmenter::start(&MediaConfig::default(), program, begun, source)
    });
    let mut segmenter = segmenter.await.unwrap().unwrap();
    let mut pictures = 0;
    while pictures < 100 {
        let piece = tokio::time::timeout(PATIENCE, segmenter.next())
            .await
            .unwrap();
        match piece.unwrap_or_else(|| panic!("it ended: {}", segmenter.last_words())) {
            Piece::Init { width, height, .. } => assert_eq!((width, height), (320, 180)),
            Piece::Fragment { pictures: more, .. } => pictures += more,
        }
    }
    drop(live.guard);
    eventually("the stream ends at the recorder", || match &bench.isapi {
        None => bench.place.calls("live_stop").len() == 1,
        Some(recorder) => recorder.rtsp_sessions() == 0,
    })
    .await;
    tokio::task::spawn_blocking(|| segmenter.stop())
        .await
        .unwrap();
    let error = session
        .live(bench.channel(99), StreamKind::Sub)
        .await
        .unwrap_err();
    assert!(error.message.contains("live"), "{error}");
    running.stop().await;
}

async fn the_clock_is_read(driver: DriverKind) {
    for (zone, minutes) in [
        ("CET-1CEST,M3.5.0,M10.5.0/3", 60),
        ("-03:30", -210),
        ("Z", 0),
    ] {
        let device = Device {
            zone: zone.into(),
            clock_skew_s: -72,
            ..device()
        };
        let bench = Bench::new(driver, device).await;
        let running = bench.start();
        let session = running.session().await;
        let clock = session.ping().await.unwrap();
        assert_eq!(clock.zone_minutes, minutes, "{zone}");
        assert!(
            (clock.offset_ms + 72_000).abs() <= 1_500,
            "{zone} {clock:?}"
        );
        running.stop().await;
    }
}

async fn a_recorder_that_goes_away_comes_back(driver: DriverKind) {
    let bench = Bench::new(driver, device()).await;
    let running = bench.start();
    let session = running.session().await;
    bench.change(|device| device.reachable = false);
    if let Some(recorder) = &bench.isapi {
        recorder.quirks(|quirks| quirks.hangs_up = true);
    }
    let error = session.search(
        bench.channel(33),
        range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z"),
    );
    let error = error.await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Network, "{error}");
    running.handle.check_now();
    running.status(RecorderState::Offline).await;
    bench.change(|device| device.reachable = true);
    if let Some(recorder) = &bench.isapi {
        recorder.quirks(|quirks| quirks.hangs_up = false);
    }
    running.status(RecorderState::Online).await;
    running.stop().await;
}
