//! Stories of one recorder: the shipped worker in a process of its own, the stand-in for the vendor's library, and the
//! session policy. The program under test is the test program itself, which also knows how to be a worker.
//!
//! [`both_drivers`] is the conformance suite: the same stories over the SDK and over ISAPI.

mod both_drivers;
mod examining;
mod fetching;
mod finding;
mod https;
mod isapi;
mod live;
mod logging_in;
mod setting_the_clock;
mod worker_in_trouble;

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

use super::clock::ClockBook;
use super::config::{SdkConfig, WorkerProgram};
use super::driver::{
    FailureKind, PartProgress, PartRequest, RecorderAccount, RecorderError, RecorderSession,
    Source, StreamKind, Tls,
};
use super::examination::{Examination, Login, News, Outcome, Step, Target, examine};
use super::session::{Known, SessionHandle, SessionStatus};
use crate::model::inventory::ChannelInfo;
use crate::model::time::{RecorderTime, UtcRange, UtcTime};

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
        std::fs::create_dir(folder.path().join("staging")).unwrap();
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
            sdk_folder: sdk_folder.clone(),
            work_dir: folder.path().join("work"),
            staging: vec![folder.path().join("staging")],
            writable: vec![sdk_folder.join(folder::STATE)],
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
            driver: wire::resource::DriverKind::Sdk,
            address: ADDRESS.into(),
            port: self.port,
            tls: Tls::Off,
            username: "admin".into(),
            password: password.to_owned().into(),
        }
    }

    fn start(&self, password: &str) -> Running {
        self.start_with(password, Known::default(), ClockBook::default())
    }

    fn start_knowing(&self, password: &str, known: Known) -> Running {
        self.start_with(password, known, ClockBook::default())
    }

    fn start_with(&self, password: &str, known: Known, book: ClockBook) -> Running {
        let shutdown = CancellationToken::new();
        let (handle, task) = SessionHandle::start(
            RecorderId::new(),
            self.account(password),
            known,
            self.config.clone(),
            book.clone(),
            shutdown.clone(),
        );
        Running {
            handle,
            task,
            book,
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
        self.folder.path().join("staging").join(name)
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
    book: ClockBook,
    shutdown: CancellationToken,
}

impl Running {
    fn start(account: RecorderAccount, config: Arc<SdkConfig>) -> Self {
        Self::start_knowing(account, Known::default(), config, ClockBook::default())
    }

    fn start_knowing(
        account: RecorderAccount,
        known: Known,
        config: Arc<SdkConfig>,
        book: ClockBook,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let (handle, task) = SessionHandle::start(
            RecorderId::new(),
            account,
            known,
            config,
            book.clone(),
            shutdown.clone(),
        );
        Self {
            handle,
            task,
            book,
            shutdown,
        }
    }

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
