//! One message of each kind, with fixed ids and times: what the schemas are checked with and the documentation shows.

use serde_json::Value;
use uuid::Uuid;
use wire::ids::{
    ApplianceId, BootId, CameraId, LogId, MessageId, RecorderId, RecordingId, SyncJobId, UserId,
};
use wire::poke::{Ack, Poke};
use wire::resource::{
    Camera, CameraState, Defect, DefectKind, Disk, DiskHealth, DriverKind, EvictionCause, Recorder,
    RecorderState, Recording, RecordingStatus, Storage, SyncJob, SyncJobState, Tier, Volume,
    VolumeState, VolumeTrouble,
};
use wire::retention::{CameraRetention, Locks, RateBasis, Retention};
use wire::telemetry::{
    AgentState, Alert, CameraFigures, DownloadProgress, Event, Figures, FootageAccess, HostFigures,
    NetworkFigures, Online, Recordings, Report, Severity, State, StateMessage, TelemetryMessage,
};
use wire::time::UtcTime;
use wire::topics::{DeviceTopic, EventKind, Group, Leaf, Subject};
use wire::update::{Update, UpdateProgress, WaitsFor};

/// A message, under which topic it goes, and which schema describes it.
pub struct Example {
    /// Name in the documentation.
    pub name: &'static str,
    /// Name of the schema.
    pub schema: &'static str,
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Value,
}

fn id(n: u64) -> Uuid {
    // Of the shape of a UUIDv7 of 3 November 2026.
    Uuid::from_u128(0x019d_e2b4_0000_7000_8000_0000_0000_0000 + u128::from(n))
}

fn at(text: &str) -> UtcTime {
    text.parse().expect("a time")
}

pub fn appliance() -> ApplianceId {
    "k4q7w2mzr5tyd3xa".parse().expect("an appliance id")
}

fn recording() -> Recording {
    Recording {
        id: RecordingId(id(1)),
        camera_id: CameraId(id(2)),
        status: RecordingStatus::Completed,
        start_utc: at("2026-11-03T14:00:00Z"),
        end_utc: at("2026-11-03T14:30:00Z"),
        recorder_start: "2026-11-03T15:01:48".into(),
        clock_offset_ms: 108_000,
        source_name: "ch01_00000000123000000".into(),
        stated_bytes: 268_435_456,
        received_bytes: 268_435_496,
        progress_percent: 100,
        kept_bytes: Some(266_112_004),
        digest: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into()),
        source_digest: Some(
            "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".into(),
        ),
        fetched_bytes: Some(52_500_000),
        video_codec: Some("h264".into()),
        audio_codec: Some("aac".into()),
        width: Some(1920),
        height: Some(1080),
        defects: Vec::new(),
        locked: false,
        bookmarked: false,
        attempts: 1,
        failure: None,
        next_attempt_at: None,
        eviction_cause: None,
        updated_at: at("2026-11-03T14:35:12.5Z"),
    }
}

fn report(event: Event) -> Value {
    let report = Report {
        v: wire::version::TELEMETRY,
        appliance: appliance(),
        log: LogId(id(3)),
        seq: 4711,
        id: MessageId(id(4)),
        ts: at("2026-11-03T14:35:12.5Z"),
        event,
    };
    serde_json::to_value(report).expect("plain data")
}

fn state(state: State) -> Value {
    let message = StateMessage {
        v: wire::version::TELEMETRY,
        appliance: appliance(),
        ts: at("2026-11-03T14:35:00Z"),
        state,
    };
    serde_json::to_value(message).expect("plain data")
}

fn telemetry(figures: Figures) -> Value {
    let message = TelemetryMessage {
        v: wire::version::TELEMETRY,
        appliance: appliance(),
        ts: at("2026-11-03T14:35:00Z"),
        figures,
    };
    serde_json::to_value(message).expect("plain data")
}

fn online(online: bool, version: Option<&str>, reason: Option<&str>) -> Value {
    let it = Online {
        v: wire::version::TELEMETRY,
        appliance: appliance(),
        online,
        boot_id: BootId(id(5)),
        since: at("2026-11-03T08:00:00Z"),
        version: version.map(Into::into),
        reason: reason.map(Into::into),
    };
    serde_json::to_value(it).expect("plain data")
}

fn events() -> Vec<(&'static str, EventKind, Event)> {
    let of = |recording| Recordings {
        recordings: vec![recording],
    };
    let blank = |status| Recording {
        status,
        received_bytes: 0,
        progress_percent: 0,
        kept_bytes: None,
        digest: None,
        source_digest: None,
        fetched_bytes: None,
        video_codec: None,
        audio_codec: None,
        width: None,
        height: None,
        attempts: 0,
        ..recording()
    };
    let failed = Recording {
        attempts: 3,
        failure: Some("The recorder ended the download after 12 of 256 MiB.".into()),
        next_attempt_at: Some(at("2026-11-03T15:00:00Z")),
        ..blank(RecordingStatus::Failed)
    };
    let evicted = Recording {
        status: RecordingStatus::Evicted,
        eviction_cause: Some(EvictionCause::Retention),
        defects: vec![Defect {
            kind: DefectKind::Short,
            message: "Covers 29:12 of 30:00.".into(),
        }],
        ..recording()
    };
    let alert = Alert {
        rule: "recorder_error".into(),
        severity: Severity::Critical,
        message: "Recorder “Gate” refuses the password. Correct it on the appliance's page.".into(),
    };
    let job = SyncJob {
        id: SyncJobId(id(6)),
        camera_id: Some(CameraId(id(2))),
        from_utc: at("2026-11-03T00:00:00Z"),
        to_utc: at("2026-11-04T00:00:00Z"),
        state: SyncJobState::Downloading,
        found: 48,
        completed: 12,
        failed: 0,
        progress_percent: 25,
        failure: None,
        created_at: at("2026-11-03T14:20:00Z"),
    };
    let access = FootageAccess {
        user_id: UserId(id(7)),
        username: "ann".into(),
        via: "lan".into(),
        action: "download".into(),
        camera_id: Some(CameraId(id(2))),
        recording_id: Some(RecordingId(id(1))),
        archive_id: None,
        bytes: 266_112_004,
        request_id: "019de2b4-0000-7000-8000-000000000008".into(),
    };
    use EventKind::{Alert as AlertKind, Audit, Job, Recording as RecordingKind};
    vec![
        (
            "recording.discovered",
            RecordingKind,
            Event::RecordingDiscovered(of(blank(RecordingStatus::Pending))),
        ),
        (
            "recording.completed",
            RecordingKind,
            Event::RecordingCompleted(of(recording())),
        ),
        (
            "recording.failed",
            RecordingKind,
            Event::RecordingFailed(of(failed)),
        ),
        (
            "recording.evicted",
            RecordingKind,
            Event::RecordingEvicted(of(evicted)),
        ),
        (
            "recording.changed",
            RecordingKind,
            Event::RecordingChanged(of(blank(RecordingStatus::Downloading))),
        ),
        ("alert.raised", AlertKind, Event::AlertRaised(alert)),
        ("job.changed", Job, Event::JobChanged(job)),
        ("audit.footage", Audit, Event::AuditFootage(access)),
    ]
}

fn states() -> Vec<(&'static str, Subject, State)> {
    let agent = AgentState {
        version: "0.1.0".into(),
        started_at: at("2026-11-03T08:00:00Z"),
        pending: 36,
        downloading: 1,
        outbox_rows: 0,
    };
    let storage = Storage {
        volumes: vec![Volume {
            name: "main".into(),
            path: "/var/lib/holdfast/footage".into(),
            held_bytes: 1_200_000_000_000,
            budget_bytes: None,
            free_bytes: 700_000_000_000,
            total_bytes: 2_000_000_000_000,
            floor_bytes: 20_000_000_000,
            room_bytes: 1_880_000_000_000,
            locked_recordings: 12,
            locked_bytes: 9_000_000_000,
            max_age_days: None,
            tier: Tier::Hot,
            move_after_days: Some(7),
            state: VolumeState::ReadOnly,
            disks: vec![Disk {
                device: "sda".into(),
                model: Some("WDC WD40PURZ-85TTDY0".into()),
                serial: Some("WD-WCC7K0000001".into()),
                power_on_hours: Some(21_364),
                temperature_c: Some(34),
                reallocated_sectors: Some(24),
                pending_sectors: Some(8),
                uncorrectable_sectors: Some(0),
                health: DiskHealth::Ageing,
                message: "8 sectors cannot be read; 24 sectors had to be replaced".into(),
                ..Disk::unknown(at("2026-11-03T14:30:00Z"))
            }],
            trouble: Some(VolumeTrouble {
                since: at("2026-11-03T14:30:00Z"),
                message: "/var/lib/holdfast/footage: Read-only file system (os error 30)".into(),
                advice: "What it holds can still be played and downloaded.".into(),
            }),
        }],
        locks: Locks {
            recordings: 12,
            bytes: 9_000_000_000,
            max_bytes: 940_000_000_000,
            bookmarks: 3,
        },
    };
    let recorder = Recorder {
        id: RecorderId(id(9)),
        name: "Gate".into(),
        driver: DriverKind::Sdk,
        address: "192.0.2.10".into(),
        port: 8000,
        username: "holdfast".into(),
        tls: false,
        certificate_sha256: None,
        other_certificate_sha256: None,
        enabled: true,
        state: RecorderState::Online,
        state_reason: None,
        last_checked_at: Some(at("2026-11-03T14:34:58Z")),
        serial: Some("EXAMPLE0000000000000001".into()),
        model: Some("Example NVR 8".into()),
        clock_offset_ms: Some(108_000),
        clock_drift_ms_per_day: Some(1_200),
        clock_zone: Some("<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00".into()),
        clock_problem: Some(
            "the recorder's clock is 1 min 48 s ahead; set it or turn on NTP at the recorder"
                .into(),
        ),
        created_at: at("2026-10-01T09:00:00Z"),
    };
    let camera = Camera {
        id: CameraId(id(2)),
        recorder_id: RecorderId(id(9)),
        channel: 33,
        name: "Loading dock".into(),
        enabled: true,
        state: CameraState::Online,
        video_codec: Some("h264".into()),
        held_recordings: 1440,
        held_bytes: 380_000_000_000,
        oldest_utc: Some(at("2026-10-04T00:00:00Z")),
        newest_utc: Some(at("2026-11-03T14:30:00Z")),
    };
    vec![
        ("state.agent", Subject::Agent, State::Agent(agent)),
        ("state.storage", Subject::Storage, State::Storage(storage)),
        (
            "state.retention",
            Subject::Retention,
            State::Retention(retention()),
        ),
        ("state.update", Subject::Update, State::Update(update())),
        (
            "state.recorder",
            Subject::Recorder(RecorderId(id(9))),
            State::Recorder(recorder),
        ),
        (
            "state.camera",
            Subject::Camera(CameraId(id(2))),
            State::Camera(camera),
        ),
    ]
}

fn update() -> Update {
    Update {
        running: Some("0.1.0+20261003081500".parse().expect("a version")),
        unable: None,
        automatic: true,
        window: "02:00-05:00".into(),
        progress: UpdateProgress::Waiting {
            version: "0.1.0+20261102170000".parse().expect("a version"),
            sha256: "5a".repeat(32).parse().expect("a digest"),
            since: at("2026-11-03T10:12:00Z"),
            chosen: None,
            waits_for: WaitsFor::Window,
            message: "It waits for the quiet window, 02:00-05:00.".into(),
            opens_at: Some(at("2026-11-04T01:00:00Z")),
            latest_at: at("2026-11-10T10:12:00Z"),
        },
    }
}

fn retention() -> Retention {
    let camera = CameraRetention {
        camera_id: CameraId(id(2)),
        name: "Gate 1".into(),
        basis: RateBasis::Measured,
        bytes_per_day: 42_000_000_000,
        held_bytes: 970_000_000_000,
        locked_bytes: 9_000_000_000,
        held_days: 23.0,
        days: Some(23.4),
        days_without_locks: Some(23.6),
        least_days: 30.0,
        most_days: None,
        most_bytes: None,
        breaks_on: Some(at("2026-11-06T00:00:00Z")),
        summary:
            "At today's rate 23 days are kept. Its promise of 30 days breaks on Friday 6 November."
                .into(),
    };
    Retention {
        room_bytes: 1_880_000_000_000,
        bytes_per_day: 80_000_000_000,
        days: Some(23.4),
        days_without_locks: Some(23.6),
        full_on: None,
        horizon_days: 400,
        summary: "At today's rate footage is kept for 23 days; camera \"Gate 1\" will break its promise of 30 days on \
                  Friday 6 November."
            .into(),
        cameras: vec![camera],
    }
}

fn figures() -> Vec<(&'static str, Group, Figures)> {
    let host = HostFigures {
        cpu_percent: 12.5,
        memory_total_bytes: 4_000_000_000,
        memory_used_bytes: 1_500_000_000,
        agent_memory_bytes: 180_000_000,
        temperature_c: Some(48.5),
        uptime_s: 86_400,
        load_1m: 0.5,
    };
    let network = NetworkFigures {
        received_bytes: 52_000_000_000,
        sent_bytes: 3_100_000_000,
    };
    let camera = CameraFigures {
        camera_id: CameraId(id(2)),
        downloads: vec![DownloadProgress {
            recording_id: RecordingId(id(1)),
            received_bytes: 120_000_000,
            progress_percent: 44,
        }],
        live_viewers: 1,
    };
    vec![
        ("telemetry.host", Group::Host, Figures::Host(host)),
        (
            "telemetry.network",
            Group::Network,
            Figures::Network(network),
        ),
        ("telemetry.camera", Group::Camera, Figures::Camera(camera)),
    ]
}

/// One of each kind.
pub fn examples() -> Vec<Example> {
    let mut all = Vec::new();
    let mut add = |name, schema, leaf, payload| {
        let topic = DeviceTopic {
            appliance: appliance(),
            leaf,
        };
        all.push(Example {
            name,
            schema,
            topic: topic.to_string(),
            payload,
        });
    };
    add(
        "birth",
        "online",
        Leaf::Online,
        online(true, Some("0.1.0"), None),
    );
    add(
        "last will",
        "online",
        Leaf::Online,
        online(false, None, None),
    );
    add(
        "clean stop",
        "online",
        Leaf::Online,
        online(false, None, Some("stopped")),
    );
    for (name, kind, event) in events() {
        assert_eq!(event.kind(), kind);
        add(name, "report", Leaf::Event(kind), report(event));
    }
    for (name, subject, it) in states() {
        add(name, "state", Leaf::State(subject), state(it));
    }
    for (name, group, it) in figures() {
        add(name, "telemetry", Leaf::Telemetry(group), telemetry(it));
    }
    let ack = Ack {
        log: LogId(id(3)),
        seq: 4711,
    };
    add(
        "ack",
        "ack",
        Leaf::Ack,
        serde_json::to_value(ack).expect("plain data"),
    );
    let resync = Poke::Resync {
        log: LogId(id(3)),
        from: 4712,
    };
    for (name, poke) in [
        ("poke: resync", resync),
        ("poke: reconnect", Poke::Reconnect),
        ("poke: refresh", Poke::Refresh),
    ] {
        add(
            name,
            "poke",
            Leaf::Poke,
            serde_json::to_value(poke).expect("plain data"),
        );
    }
    all
}

#[test]
fn every_example_fits_its_topic() {
    for example in examples() {
        assert!(
            example.topic.parse::<DeviceTopic>().is_ok(),
            "{}",
            example.topic
        );
        let bytes = serde_json::to_vec(&example.payload).expect("plain data");
        assert!(bytes.len() <= wire::telemetry::PAYLOAD_BYTES_MAX);
    }
}
