//! What an appliance reports: events through the outbox, retained state, and fleeting telemetry.
//!
//! Events are numbered rows of one outbox (`log`, `seq`) and are told until acknowledged. State is retained and the
//! latest wins. Telemetry may be lost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ApplianceId, ArchiveId, BootId, CameraId, LogId, MessageId, RecordingId, UserId};
use crate::resource::{Camera, Recorder, Recording, Storage, SyncJob};
use crate::retention::Retention;
use crate::time::UtcTime;
use crate::update::Update;

/// Largest payload in bytes, envelope included.
pub const PAYLOAD_BYTES_MAX: usize = 128 * 1024;

/// Most recordings in one report: a report of this many stays below [`PAYLOAD_BYTES_MAX`].
pub const BATCH_MAX: usize = 50;

/// One event out of the outbox, on `…/event/<kind>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`crate::version::TELEMETRY`].
    pub v: u32,
    /// Who tells. Must equal the topic's appliance.
    pub appliance: ApplianceId,
    /// Which outbox.
    pub log: LogId,
    /// Number within the outbox: 1, 2, 3… without holes.
    pub seq: u64,
    /// Identity of this report, for tracing.
    pub id: MessageId,
    /// When the change was made.
    pub ts: UtcTime,
    /// What happened (`type` and `data`).
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// Recordings were found on a recorder.
    #[serde(rename = "recording.discovered")]
    RecordingDiscovered(Recordings),
    /// Recordings were verified and are held.
    #[serde(rename = "recording.completed")]
    RecordingCompleted(Recordings),
    /// Recordings were given up for now.
    #[serde(rename = "recording.failed")]
    RecordingFailed(Recordings),
    /// Recordings left.
    #[serde(rename = "recording.evicted")]
    RecordingEvicted(Recordings),
    /// Anything else about recordings changed (begun, locked), or a full resync.
    #[serde(rename = "recording.changed")]
    RecordingChanged(Recordings),
    /// Something needs a person.
    #[serde(rename = "alert.raised")]
    AlertRaised(Alert),
    /// A sync job moved on.
    #[serde(rename = "job.changed")]
    JobChanged(SyncJob),
    /// Somebody read footage.
    #[serde(rename = "audit.footage")]
    AuditFootage(FootageAccess),
}

impl Event {
    /// The topic kind that the event is published under.
    pub fn kind(&self) -> crate::topics::EventKind {
        use crate::topics::EventKind;
        match self {
            Self::RecordingDiscovered(_)
            | Self::RecordingCompleted(_)
            | Self::RecordingFailed(_)
            | Self::RecordingEvicted(_)
            | Self::RecordingChanged(_) => EventKind::Recording,
            Self::AlertRaised(_) => EventKind::Alert,
            Self::JobChanged(_) => EventKind::Job,
            Self::AuditFootage(_) => EventKind::Audit,
        }
    }

    /// The recordings that the event is about, if it is about recordings.
    pub fn recordings(&self) -> Option<&[Recording]> {
        match self {
            Self::RecordingDiscovered(r)
            | Self::RecordingCompleted(r)
            | Self::RecordingFailed(r)
            | Self::RecordingEvicted(r)
            | Self::RecordingChanged(r) => Some(&r.recordings),
            _ => None,
        }
    }
}

/// Answer to `GET /api/v1/reports?log&from`: reports told again, for a relay that misses some. What is no longer kept is
/// answered with 410 `REPORTS_GONE`, a log that is not told any more with 404.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportPage {
    /// From the asked number on, in order, as many as one answer holds; empty when there is nothing newer.
    #[schema(value_type = Vec<Object>)]
    pub reports: Vec<Report>,
}

/// Body of `POST /api/v1/reports/resync`: the relay misses reports that are no longer kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResyncRequest {
    /// The log that it knows.
    pub log: LogId,
    /// First number that is missing.
    pub from: u64,
}

/// Answer to `POST /api/v1/reports/resync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resync {
    /// The log that is told from now on: a new one, unless the asked reports are kept or belong to an older log.
    pub log: LogId,
}

/// Recordings as they stand after the change, at most [`BATCH_MAX`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recordings {
    /// Whole resources, so that a report can be applied without what came before.
    pub recordings: Vec<Recording>,
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To know.
    Info,
    /// To look at.
    Warning,
    /// Evidence is at risk.
    Critical,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Stable name of the rule (`recorder_error`, `storage_full`).
    pub rule: String,
    /// How urgent.
    pub severity: Severity,
    /// What happened and what to do.
    pub message: String,
}

/// Who read which footage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FootageAccess {
    /// Who.
    pub user_id: UserId,
    /// Login name.
    pub username: String,
    /// `lan` or `relay`.
    pub via: String,
    /// `download`, `playback`, `live`.
    pub action: String,
    /// Which camera; none for an archive, which may hold several.
    pub camera_id: Option<CameraId>,
    /// Which recording, unless live or an archive.
    pub recording_id: Option<RecordingId>,
    /// Which archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_id: Option<ArchiveId>,
    /// Bytes sent.
    pub bytes: u64,
    /// Request id, the same at the relay.
    pub request_id: String,
}

/// A retained state, on `…/state/<subject>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StateMessage {
    /// [`crate::version::TELEMETRY`].
    pub v: u32,
    /// Who tells.
    pub appliance: ApplianceId,
    /// When.
    pub ts: UtcTime,
    /// What (`type` and `data`).
    #[serde(flatten)]
    pub state: State,
}

/// The subjects of retained state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum State {
    /// The agent.
    #[serde(rename = "state.agent")]
    Agent(AgentState),
    /// Volumes.
    #[serde(rename = "state.storage")]
    Storage(Storage),
    /// How long footage stays.
    #[serde(rename = "state.retention")]
    Retention(Retention),
    /// The system's update.
    #[serde(rename = "state.update")]
    Update(Update),
    /// A recorder.
    #[serde(rename = "state.recorder")]
    Recorder(Recorder),
    /// A camera.
    #[serde(rename = "state.camera")]
    Camera(Camera),
}

/// Presence, on `…/state/online`: birth, clean stop and last will share the topic and are told apart by `boot_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Online {
    /// [`crate::version::TELEMETRY`].
    pub v: u32,
    /// Who.
    pub appliance: ApplianceId,
    /// True from birth, false from the will or a clean stop.
    pub online: bool,
    /// Which start of the agent speaks.
    pub boot_id: BootId,
    /// When the session began (a will is written beforehand, so it has this time too).
    pub since: UtcTime,
    /// Program version; not in a will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `stopped` after a clean stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The agent in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentState {
    /// Program version.
    pub version: String,
    /// When the agent started.
    pub started_at: UtcTime,
    /// Recordings waiting to be fetched.
    pub pending: u64,
    /// Recordings being fetched.
    pub downloading: u64,
    /// Reports waiting to be acknowledged.
    pub outbox_rows: u64,
}

/// Fleeting figures, on `…/telemetry/<group>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TelemetryMessage {
    /// [`crate::version::TELEMETRY`].
    pub v: u32,
    /// Who tells.
    pub appliance: ApplianceId,
    /// When.
    pub ts: UtcTime,
    /// What (`type` and `data`).
    #[serde(flatten)]
    pub figures: Figures,
}

/// The telemetry groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Figures {
    /// The box.
    #[serde(rename = "telemetry.host")]
    Host(HostFigures),
    /// Its network.
    #[serde(rename = "telemetry.network")]
    Network(NetworkFigures),
    /// Downloads and viewers per camera.
    #[serde(rename = "telemetry.camera")]
    Camera(CameraFigures),
}

/// The box (T1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostFigures {
    /// All cores, 0–100.
    pub cpu_percent: f32,
    /// Memory of the box.
    pub memory_total_bytes: u64,
    /// Of that, used.
    pub memory_used_bytes: u64,
    /// Resident memory of the agent and its children.
    pub agent_memory_bytes: u64,
    /// Hottest sensor, where there is one.
    pub temperature_c: Option<f32>,
    /// Seconds since the box started.
    pub uptime_s: u64,
    /// One-minute load.
    pub load_1m: f64,
}

/// Bytes since the agent started, all interfaces but loopback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkFigures {
    /// In.
    pub received_bytes: u64,
    /// Out.
    pub sent_bytes: u64,
}

/// One camera's running figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CameraFigures {
    /// Which.
    pub camera_id: CameraId,
    /// Downloads under way.
    pub downloads: Vec<DownloadProgress>,
    /// People watching live here.
    pub live_viewers: u32,
}

/// A download under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DownloadProgress {
    /// Which recording.
    pub recording_id: RecordingId,
    /// Bytes so far.
    pub received_bytes: u64,
    /// 0–100.
    pub progress_percent: u8,
}
