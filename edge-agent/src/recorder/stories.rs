//! Stories of one recorder: the shipped worker in a process of its own, the stand-in for the vendor's library, and the
//! session policy. The program under test is the test program itself, which also knows how to be a worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hcnetsdk::folder;
use hcnetsdk::reel::{self, AccessUnit, AudioCodec, Description, VideoCodec};
use hcnetsdk::scenario::{Channel, Device, Fault, FaultKind, Recording, Scenario, Scope};
use hcnetsdk::state::Call;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::ids::RecorderId;
use wire::resource::RecorderState;

use super::config::{SdkConfig, WorkerProgram};
use super::driver::{
    FailureKind, PartProgress, PartRequest, RecorderAccount, RecorderError, RecorderSession,
    Source, StreamKind,
};
use super::session::{SessionHandle, SessionStatus};
use super::{examine, test_connection};
use crate::model::inventory::ChannelInfo;
use crate::model::time::{RecorderTime, UtcRange};

const ADDRESS: &str = "127.0.0.1";
const PASSWORD: &str = "correct-horse";
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with the library, its recorders and their footage.
struct Place {
    folder: tempfile::TempDir,
    config: Arc<SdkConfig>,
    port: u16,
}

impl Place {
    fn new(device: Device) -> Self {
        Self::with_config(device, SdkConfig::default())
    }

    fn with_config(device: Device, config: SdkConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sdk_folder = folder.path().join("sdk");
        make_reel(&sdk_folder.join("a.reel"), 250);
        make_reel(&sdk_folder.join("live.reel"), 50);
        let port = device.port;
        folder::prepare(
            &sdk_folder,
            &Scenario {
                devices: vec![device],
                ..Scenario::default()
            },
        )
        .unwrap();
        let program = WorkerProgram {
            path: None,
            arguments: [
                "sdk::worker_main::tests::serves_the_agent",
                "--exact",
                "--nocapture",
            ]
            .map(Into::into)
            .to_vec(),
        };
        let config = SdkConfig {
            sdk_folder,
            work_dir: folder.path().join("work"),
            program,
            ..config
        };
        Self {
            folder,
            config: Arc::new(config),
            port,
        }
    }

    fn account(&self, password: &str) -> RecorderAccount {
        RecorderAccount {
            address: ADDRESS.into(),
            port: self.port,
            username: "admin".into(),
            password: password.to_owned().into(),
        }
    }

    fn start(&self, password: &str) -> Running {
        let shutdown = CancellationToken::new();
        let (handle, task) = SessionHandle::start(
            RecorderId::new(),
            self.account(password),
            self.config.clone(),
            shutdown.clone(),
        );
        Running {
            handle,
            task,
            shutdown,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Device)) {
        let path = self.config.sdk_folder.join("scenario.toml");
        let mut scenario = Scenario::read(&path).unwrap();
        change(&mut scenario.devices[0]);
        folder::write_scenario(&self.config.sdk_folder, &scenario).unwrap();
    }

    fn calls(&self, of: &str) -> Vec<Call> {
        let calls = folder::calls(&self.config.sdk_folder).unwrap();
        calls.into_iter().filter(|call| call.call == of).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the recorder gives for the recording that begins then.
    fn expected(&self, start: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let reel = self.config.sdk_folder.join("a.reel");
        hcnetsdk::recorded(&reel, start.parse().unwrap(), None, &mut bytes).unwrap();
        bytes
    }
}

/// A session and what ends it.
struct Running {
    handle: SessionHandle,
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Running {
    async fn session(&self) -> RecorderSession {
        let session = tokio::time::timeout(PATIENCE, self.handle.session());
        session.await.unwrap().unwrap()
    }

    async fn refusal(&self) -> RecorderError {
        let session = tokio::time::timeout(PATIENCE, self.handle.session());
        session.await.unwrap().unwrap_err()
    }

    async fn status(&self, state: RecorderState) -> SessionStatus {
        let mut status = self.handle.status();
        let reached = tokio::time::timeout(PATIENCE, status.wait_for(|s| s.state == state));
        reached.await.unwrap().unwrap().clone()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

fn make_reel(folder: &Path, frames: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let (mut video, mut units) = (Vec::new(), Vec::new());
    for n in 0..frames {
        let key = n % 25 == 0;
        let size: u32 = if key { 12_000 } else { 900 };
        units.push(AccessUnit {
            offset: video.len() as u64,
            size,
            key,
            pts: n * 3_600,
            dts: n * 3_600,
        });
        video.extend(std::iter::repeat_n(0x11 + (n % 100) as u8, size as usize));
    }
    let description = Description {
        codec: VideoCodec::H264,
        width: 640,
        height: 360,
        frames_per_s: 25.0,
        duration_ticks: frames * 3_600,
        audio: Some(AudioCodec::G711a),
    };
    let sound = vec![0xD5; frames as usize * 320];
    reel::write(folder, &description, &units, &video, &sound).unwrap();
}

fn recording(name: &str, start: &str) -> Recording {
    Recording {
        name: name.into(),
        start: start.parse().unwrap(),
        duration_s: None,
        media: "a.reel".into(),
        locked: false,
        file_type: 1,
        stream: 0,
    }
}

/// A recorder with one camera, three recordings of ten seconds, and a clock in UTC that is right.
fn device() -> Device {
    let recordings = vec![
        recording("ch33_1", "2026-11-20T10:00:00Z"),
        recording("ch33_2", "2026-11-20T10:00:10Z"),
        recording("ch33_3", "2026-11-20T10:00:20Z"),
    ];
    Device {
        address: ADDRESS.into(),
        password: PASSWORD.into(),
        find_pending: 3,
        channels: vec![Channel {
            number: 33,
            name: "Yard".into(),
            live: Some("live.reel".into()),
            recordings,
            ..Channel::default()
        }],
        ..Device::default()
    }
}

fn with_fault(fault: Fault) -> Device {
    Device {
        faults: vec![fault],
        ..device()
    }
}

fn range(from: &str, to: &str) -> UtcRange {
    UtcRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
}

fn part(source: Source, path: PathBuf) -> PartRequest {
    PartRequest {
        source,
        path,
        stated_bytes: 0,
        limit_kbps: Some(100_000),
    }
}

fn by_name(place: &Place, name: &str) -> PartRequest {
    part(Source::Name(name.into()), place.path("000.ps"))
}

async fn download(
    session: &RecorderSession,
    part: PartRequest,
) -> (Result<u64, RecorderError>, PartProgress) {
    let (sender, receiver) = watch::channel(PartProgress::default());
    let done = session
        .download(part, sender, CancellationToken::new())
        .await;
    (done, *receiver.borrow())
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_recorder_is_searched_and_its_footage_fetched() {
    let place = Place::new(Device {
        zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
        clock_skew_s: 72,
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let identity = session.identity().clone();
    assert_eq!(identity.model, "DS-7608NI-K2");
    assert!(identity.serial.starts_with("DS-7608NI-K2"));
    let yard = ChannelInfo {
        number: 33,
        name: "Yard".into(),
        online: Some(true),
    };
    assert_eq!(identity.channels, [yard]);
    let clock = session.ping().await.unwrap();
    assert!((clock.offset_ms - 72_000).abs() <= 1_000, "{clock:?}");

    let asked = range("2026-11-20T10:00:15Z", "2026-11-20T10:00:20Z");
    let found = session.search(33, asked).await.unwrap();
    assert!(
        found.recordings.iter().any(|r| r.source_name == "ch33_2"),
        "{found:?}"
    );
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    let found = session.search(33, whole).await.unwrap();
    let names: Vec<_> = found
        .recordings
        .iter()
        .map(|r| r.source_name.as_str())
        .collect();
    assert_eq!(names, ["ch33_1", "ch33_2", "ch33_3"]);
    let second = &found.recordings[1];
    assert_eq!(second.start.wall.to_string(), "2026-11-20T11:01:22");
    let late_ms = second
        .span
        .from
        .ms_since("2026-11-20T10:00:10Z".parse().unwrap());
    assert!(late_ms.abs() <= 1_000, "{second:?}");
    assert_eq!((second.source_type, second.source_locked), (1, false));

    let (done, progress) = download(&session, by_name(&place, "ch33_2")).await;
    let bytes = done.unwrap();
    assert_eq!(
        std::fs::metadata(place.path("000.ps")).unwrap().len(),
        bytes
    );
    assert_eq!(bytes, second.stated_bytes + 40);
    assert_eq!(
        progress,
        PartProgress {
            received_bytes: bytes,
            percent: 100
        }
    );

    let running_worker = place.config.work_dir.clone();
    assert_eq!(std::fs::read_dir(&running_worker).unwrap().count(), 1);
    running.stop().await;
    assert_eq!(std::fs::read_dir(&running_worker).unwrap().count(), 0);
    assert_eq!(
        (place.calls("login").len(), place.calls("logout").len()),
        (1, 1)
    );
}

#[tokio::test]
async fn bytes_are_those_of_the_recorder() {
    let place = Place::new(device());
    let running = place.start(PASSWORD);
    let session = running.session().await;
    download(&session, by_name(&place, "ch33_2"))
        .await
        .0
        .unwrap();
    let expected = place.expected("2026-11-20T10:00:10Z");
    assert!(std::fs::read(place.path("000.ps")).unwrap() == expected);
    let time = |text: &str| RecorderTime::new(text.parse().unwrap());
    let source = Source::Time {
        channel: 33,
        start: time("2026-11-20T10:00:10"),
        end: time("2026-11-20T10:00:19"),
    };
    download(&session, part(source, place.path("001.ps")))
        .await
        .0
        .unwrap();
    assert_eq!(&std::fs::read(place.path("001.ps")).unwrap()[..4], b"IMKH");
    running.stop().await;
}

#[tokio::test]
async fn summer_time_and_the_hour_that_comes_twice_are_understood() {
    let truly = [
        "2026-07-01T10:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-11-20T10:00:00Z",
    ];
    for offsets in [false, true] {
        let mut device = Device {
            zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
            v50_offsets: offsets,
            ..device()
        };
        device.channels[0].recordings = truly.iter().map(|start| recording(start, start)).collect();
        let place = Place::new(device);
        let running = place.start(PASSWORD);
        let session = running.session().await;
        let year = range("2026-01-01T00:00:00Z", "2026-11-21T00:00:00Z");
        let found = session.search(33, year).await.unwrap().recordings;
        let spans: Vec<_> = found
            .iter()
            .map(|found| (found.source_name.clone(), found.span.from.to_string()))
            .collect();
        assert_eq!(spans, truly.map(|time| (time.to_owned(), time.to_owned())));
        let passes = found.iter().map(|found| found.start.second_pass);
        assert!(passes.eq([false, false, true, true, false]), "{found:?}");
        // Only the second pass, asked for by itself.
        let second = range("2026-10-25T01:25:00Z", "2026-10-25T01:45:00Z");
        let found = session.search(33, second).await.unwrap().recordings;
        let names: Vec<_> = found.iter().map(|r| r.source_name.as_str()).collect();
        assert!(names.contains(&"2026-10-25T01:30:00Z"), "{names:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_recorder_of_the_older_kind_is_searched_all_the_same() {
    let place = Place::new(Device {
        v50: false,
        analog_channels: 4,
        first_digital: 5,
        digital_channels: Some(4),
        channels: vec![Channel {
            number: 2,
            name: "Gate".into(),
            recordings: vec![recording("ch02_1", "2026-11-20T10:00:00Z")],
            ..Channel::default()
        }],
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let names: Vec<_> = session
        .identity()
        .channels
        .iter()
        .map(|c| (c.number, c.name.clone()))
        .collect();
    assert_eq!(names[..2], [(1, String::new()), (2, "Gate".into())]);
    assert_eq!(
        names.len(),
        4,
        "digital inputs without a camera are not channels: {names:?}"
    );
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    assert_eq!(session.search(2, whole).await.unwrap().recordings.len(), 1);
    assert!(
        session
            .search(3, whole)
            .await
            .unwrap()
            .recordings
            .is_empty()
    );
    let error = session.search(99, whole).await.unwrap_err();
    assert_eq!(
        (error.kind, error.vendor_code),
        (FailureKind::Unsupported, Some(4))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_full_answer_is_asked_for_in_halves() {
    let start: jiff::Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let recordings = (0..5_000)
        .map(|n| Recording {
            start: start + Duration::from_secs(n * 10),
            ..recording(&format!("ch33_{n}"), "2026-11-01T00:00:00Z")
        })
        .collect();
    let mut device = device();
    device.channels[0].recordings = recordings;
    let place = Place::new(device);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    let found = session.search(33, whole).await.unwrap();
    assert_eq!(found.recordings.len(), 5_000);
    running.stop().await;
}

#[tokio::test]
async fn a_crash_in_the_library_costs_one_download() {
    let place = Place::new(with_fault(Fault {
        at_bytes: 60_000,
        ..Fault::once(FaultKind::Sigsegv, Scope::Download)
    }));
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let (done, _) = download(&session, by_name(&place, "ch33_1")).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind, FailureKind::Worker);
    assert!(error.message.contains("SIGSEGV"), "{error}");
    // The next session is another process, and the work goes on.
    let session = loop {
        match tokio::time::timeout(PATIENCE, running.handle.session())
            .await
            .unwrap()
        {
            Ok(session) if session.ping().await.is_ok() => break session,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    download(&session, by_name(&place, "ch33_1"))
        .await
        .0
        .unwrap();
    let expected = place.expected("2026-11-20T10:00:00Z");
    assert!(std::fs::read(place.path("000.ps")).unwrap() == expected);
    running.stop().await;
}

#[tokio::test]
async fn a_recorder_that_stops_sending_is_noticed() {
    let config = SdkConfig {
        stall_timeout_s: 2,
        ..SdkConfig::default()
    };
    let place = Place::with_config(
        with_fault(Fault {
            at_bytes: 60_000,
            ..Fault::once(FaultKind::Stall, Scope::Download)
        }),
        config,
    );
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let (done, progress) = download(&session, by_name(&place, "ch33_1")).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind, FailureKind::Network);
    assert!(
        error.message.contains("stopped sending: no byte for 2 s"),
        "{error}"
    );
    assert!(
        progress.received_bytes > 0 && progress.percent < 100,
        "{progress:?}"
    );
    eventually("the download is stopped", || {
        place.calls("download_stop").len() == 1
    })
    .await;
    // The worker has survived it.
    download(&session, by_name(&place, "ch33_1"))
        .await
        .0
        .unwrap();
    running.stop().await;
}

#[tokio::test]
async fn position_200_is_not_success() {
    let place = Place::new(with_fault(Fault {
        at_bytes: 60_000,
        error: 800,
        ..Fault::once(FaultKind::Fail200, Scope::Download)
    }));
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let error = download(&session, by_name(&place, "ch33_1"))
        .await
        .0
        .unwrap_err();
    assert_eq!(
        (error.kind, error.vendor_code),
        (FailureKind::Capacity, Some(800))
    );
    let error = download(&session, by_name(&place, "gone"))
        .await
        .0
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::SourceGone);
    let nowhere = part(
        Source::Name("ch33_1".into()),
        place.path("no/folder/000.ps"),
    );
    let error = download(&session, nowhere).await.0.unwrap_err();
    assert_eq!(
        (error.kind, error.vendor_code),
        (FailureKind::Local, Some(34))
    );
    running.stop().await;
}

#[tokio::test]
async fn downloads_run_side_by_side_up_to_the_recorders_limit() {
    let place = Place::new(Device {
        max_downloads: Some(2),
        throttle_bytes_per_s: Some(100_000),
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let fetch = |name: &str, file: &str| {
        let part = PartRequest {
            path: place.path(file),
            limit_kbps: None,
            ..by_name(&place, name)
        };
        let (sender, progress) = watch::channel(PartProgress::default());
        let session = session.clone();
        let done = async move {
            session
                .download(part, sender, CancellationToken::new())
                .await
        };
        (tokio::spawn(done), progress)
    };
    let (one, mut progress_of_one) = fetch("ch33_1", "1.ps");
    let (two, mut progress_of_two) = fetch("ch33_2", "2.ps");
    for progress in [&mut progress_of_one, &mut progress_of_two] {
        let begun = progress.wait_for(|progress| progress.received_bytes > 0);
        begun.await.unwrap();
    }
    let refused = fetch("ch33_3", "3.ps").0.await.unwrap().unwrap_err();
    assert_eq!(
        (refused.kind, refused.vendor_code),
        (FailureKind::Capacity, Some(28))
    );
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_download_is_cancelled_at_once() {
    let place = Place::new(Device {
        throttle_bytes_per_s: Some(20_000),
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let (sender, mut progress) = watch::channel(PartProgress::default());
    let cancel = CancellationToken::new();
    let downloading = tokio::spawn({
        // A limit of ours would replace the rate of this slow recorder.
        let part = PartRequest {
            limit_kbps: None,
            ..by_name(&place, "ch33_1")
        };
        let (session, cancel) = (session.clone(), cancel.clone());
        async move { session.download(part, sender, cancel).await }
    });
    progress
        .wait_for(|progress| progress.received_bytes > 0)
        .await
        .unwrap();
    let asked = Instant::now();
    cancel.cancel();
    let error = downloading.await.unwrap().unwrap_err();
    assert_eq!(error.kind, FailureKind::Cancelled);
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(place.calls("download_stop").len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let config = SdkConfig {
        check_interval_s: 1,
        ..SdkConfig::default()
    };
    let place = Place::with_config(device(), config);
    let running = place.start("wrong-horse");
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::Refused);
    assert_eq!(
        error.message,
        "wrong user name or password for 127.0.0.1:8000; 4 tries left before the recorder locks the account; not tried \
         again until you change the password"
    );
    let status = running.status(RecorderState::Error).await;
    assert_eq!(status.reason, Some(error.message));
    // A reason to try again would have come within three checks.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(place.calls("login").len(), 1);
    running.handle.change_account(place.account(PASSWORD)).await;
    running.status(RecorderState::Online).await;
    running.session().await.ping().await.unwrap();
    assert_eq!(place.calls("login").len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_locked_account_is_left_alone() {
    let place = Place::new(Device {
        login_tries: 1,
        ..device()
    });
    let running = place.start("wrong-horse");
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::Locked);
    assert!(error.message.contains("wait 30 minutes"), "{error}");
    running.handle.check_now();
    eventually("a person's check is made", || {
        place.calls("login").len() == 2
    })
    .await;
    running.status(RecorderState::Error).await;
    running.stop().await;
}

#[tokio::test]
async fn a_recorder_that_was_off_is_found_again() {
    let config = SdkConfig {
        check_interval_s: 1,
        ..SdkConfig::default()
    };
    let place = Place::with_config(
        Device {
            reachable: false,
            ..device()
        },
        config,
    );
    let running = place.start(PASSWORD);
    let status = running.status(RecorderState::Offline).await;
    let reason = status.reason.unwrap();
    assert!(
        reason.starts_with("nothing answers at 127.0.0.1:8000"),
        "{reason}"
    );
    place.change(|device| device.reachable = true);
    let status = running.status(RecorderState::Online).await;
    assert!(status.identity.is_some() && status.reason.is_none());
    // And is missed when it goes.
    place.change(|device| device.reachable = false);
    let status = running.status(RecorderState::Offline).await;
    assert!(status.identity.is_some(), "what is known of it stays known");
    running.stop().await;
}

#[tokio::test]
async fn a_library_that_hangs_is_replaced() {
    let config = SdkConfig {
        hang_timeout_s: 2,
        ..SdkConfig::default()
    };
    let hangs = with_fault(Fault::once(FaultKind::Hang, Scope::Find));
    let place = Place::with_config(hangs, config);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    let error = session.search(33, whole).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Worker);
    assert!(error.message.contains("no sign of life for 2 s"), "{error}");
    eventually("another worker logs in", || place.calls("login").len() == 2).await;
    let found = running.session().await.search(33, whole).await.unwrap();
    assert_eq!(found.recordings.len(), 3);
    running.stop().await;
}

#[tokio::test]
async fn a_hanging_call_does_not_keep_the_worker_alive() {
    let hangs = with_fault(Fault::once(FaultKind::Hang, Scope::Find));
    let place = Place::new(hangs);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let searching = tokio::spawn(async move {
        let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
        session.search(33, whole).await
    });
    eventually("the call hangs", || !place.calls("fault").is_empty()).await;
    let asked = Instant::now();
    running.stop().await;
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        searching.await.unwrap().unwrap_err().kind,
        FailureKind::Worker
    );
}

#[tokio::test]
async fn a_search_that_breaks_or_never_ends_is_told() {
    let config = SdkConfig {
        search_timeout_s: 2,
        ..SdkConfig::default()
    };
    let faults = vec![
        Fault::once(FaultKind::Exception, Scope::Find),
        Fault::once(FaultKind::Endless, Scope::Find),
    ];
    let place = Place::with_config(Device { faults, ..device() }, config);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    let mut told = Vec::new();
    for _ in 0..2 {
        let error = session.search(33, whole).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Device);
        told.push(error.message);
    }
    let told = told.join("\n");
    assert!(
        told.contains("broke the search off") && told.contains("did not finish within 2 s"),
        "{told}"
    );
    assert_eq!(session.search(33, whole).await.unwrap().recordings.len(), 3);
    running.stop().await;
}

#[tokio::test]
async fn a_live_stream_begins_with_the_header_and_ends_when_dropped() {
    let place = Place::new(device());
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let mut live = session.live(33, StreamKind::Main).await.unwrap();
    let mut bytes = vec![0; 50_000];
    tokio::time::timeout(PATIENCE, live.bytes.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&bytes[..4], b"IMKH");
    assert_eq!(&bytes[40..44], [0, 0, 1, 0xBA]);
    assert_eq!(place.calls("live_stop").len(), 0);
    drop(live);
    eventually("the stream ends at the recorder", || {
        place.calls("live_stop").len() == 1
    })
    .await;
    let error = session.live(99, StreamKind::Sub).await.unwrap_err();
    assert_eq!(error.vendor_code, Some(4));
    running.stop().await;
}

#[tokio::test]
async fn a_live_stream_that_breaks_comes_back_with_its_header() {
    let place = Place::new(with_fault(Fault {
        at_bytes: 20_000,
        ..Fault::once(FaultKind::Break, Scope::Live)
    }));
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let mut live = session.live(33, StreamKind::Main).await.unwrap();
    let mut bytes = Vec::new();
    let began = Instant::now();
    let headers = |bytes: &[u8]| bytes.windows(4).filter(|four| four == b"IMKH").count();
    while headers(&bytes) < 2 {
        assert!(
            began.elapsed() < PATIENCE,
            "no second header in {} bytes",
            bytes.len()
        );
        let mut piece = [0; 65_536];
        let count = tokio::time::timeout(PATIENCE, live.bytes.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(count, 0, "the stream ended");
        bytes.extend_from_slice(&piece[..count]);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_missing_library_is_explained_and_found_when_it_comes() {
    let place = Place::new(device());
    let library = place.config.sdk_folder.join(folder::LIBRARY);
    std::fs::remove_file(&library).unwrap();
    let running = place.start(PASSWORD);
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::LibraryMissing);
    let folder = place.config.sdk_folder.display().to_string();
    assert!(
        error.message.contains("libhcnetsdk.so is missing in"),
        "{error}"
    );
    assert!(error.message.contains(&folder), "{error}");
    std::fs::copy(folder::built_library().unwrap(), &library).unwrap();
    running.handle.check_now();
    running.status(RecorderState::Online).await;
    running.stop().await;

    std::fs::write(&library, "not a library").unwrap();
    let error = place.start(PASSWORD).refusal().await;
    assert_eq!(error.kind, FailureKind::LibraryMissing);
    assert!(error.message.contains("cannot be loaded"), "{error}");
}

#[tokio::test]
async fn a_connection_test_names_the_first_step_that_fails() {
    // The stand-in needs no network; the plain connection before the login does.
    let listener = tokio::net::TcpListener::bind((ADDRESS, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::new(Device { port, ..device() });
    let steps = test_connection(&place.account(PASSWORD), &place.config).await;
    let names: Vec<_> = steps.iter().map(|step| (step.name, step.ok)).collect();
    let all = ["library", "address", "port", "login", "channels", "search"];
    assert_eq!(names, all.map(|name| (name, true)), "{steps:?}");

    let steps = test_connection(&place.account("wrong-horse"), &place.config).await;
    let last = steps.last().unwrap();
    assert_eq!((last.name, last.ok), ("login", false), "{steps:?}");

    drop(listener);
    let examined = examine(ADDRESS, port, None, &place.config).await;
    let failure = examined.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Network);
    assert!(
        failure
            .message
            .starts_with(&format!("nothing answers at {ADDRESS}:{port}")),
        "{failure}"
    );
}

#[tokio::test]
async fn a_worker_that_has_grown_too_large_is_replaced() {
    let config = SdkConfig {
        check_interval_s: 1,
        memory_limit_bytes: 1,
        ..SdkConfig::default()
    };
    let place = Place::with_config(device(), config);
    let running = place.start(PASSWORD);
    running.session().await;
    eventually("it is replaced", || place.calls("login").len() >= 2).await;
    assert!(!place.calls("logout").is_empty());
    running.stop().await;
}
