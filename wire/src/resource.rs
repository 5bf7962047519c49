//! The nouns as APIs and reports show them. The agent makes them, the relay keeps and serves them unchanged.

mod storage;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{
    ApplianceId, CameraId, OrganisationId, RecorderId, RecordingId, SiteId, SyncJobId, UserId,
};
use crate::time::UtcTime;
pub use storage::{Disk, DiskHealth, Storage, Tier, Volume, VolumeState, VolumeTrouble};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A way to talk to a recorder.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// The vendor's SDK in a worker process.
    #[default]
    Sdk,
    /// The recorder's HTTP interface (ISAPI) and RTSP; without the vendor's library.
    Isapi,
}

/// Whether a recorder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecorderState {
    /// Not asked yet.
    Unknown,
    /// Logged in and answering.
    Online,
    /// Does not answer; tried again with back-off.
    Offline,
    /// Answers with a refusal that waiting does not mend (wrong password, missing library); see `state_reason`.
    Error,
}

/// A recorder as the API shows it. Credentials never appear; the user name does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Recorder {
    /// Id.
    pub id: RecorderId,
    /// Given by people.
    pub name: String,
    /// How it is talked to.
    pub driver: DriverKind,
    /// Host name or IP address.
    pub address: String,
    /// TCP port (the SDK's default is 8000).
    pub port: u16,
    /// Account on the device.
    pub username: String,
    /// Whether it is talked to over TLS (HTTPS); only with `isapi`.
    #[serde(default)]
    pub tls: bool,
    /// SHA-256 (64 hex digits) of the certificate that it is known by since its first login over TLS.
    #[serde(default)]
    pub certificate_sha256: Option<String>,
    /// SHA-256 of another certificate that it shows now: nothing is sent to it until a person accepts it by making it
    /// the recorder's `certificate_sha256`.
    #[serde(default)]
    pub other_certificate_sha256: Option<String>,
    /// Whether the agent works with it.
    pub enabled: bool,
    /// Whether it answers.
    pub state: RecorderState,
    /// Why it is offline or in error, in words, and what to do.
    pub state_reason: Option<String>,
    /// When it was last asked.
    pub last_checked_at: Option<UtcTime>,
    /// Serial number, once logged in.
    pub serial: Option<String>,
    /// Model or type, once logged in.
    pub model: Option<String>,
    /// Recorder's clock less true time, as measured last.
    pub clock_offset_ms: Option<i64>,
    /// What its clock gains in a day (negative: loses), once it was watched for long enough.
    #[serde(default)]
    pub clock_drift_ms_per_day: Option<i64>,
    /// Its zone as a POSIX text (`<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00`).
    #[serde(default)]
    pub clock_zone: Option<String>,
    /// What is wrong with its clock and what to do, in words; null while it is good enough.
    #[serde(default)]
    pub clock_problem: Option<String>,
    /// When it was added.
    pub created_at: UtcTime,
}

/// What a camera does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Not known yet.
    Unknown,
    /// The recorder says that it is connected.
    Online,
    /// The recorder says that it is not connected, or the recorder does not answer.
    Offline,
}

/// A camera as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Camera {
    /// Id.
    pub id: CameraId,
    /// Its recorder.
    pub recorder_id: RecorderId,
    /// Channel number as the recorder counts (1.. or 33..).
    pub channel: u32,
    /// Name, from the recorder or given by people.
    pub name: String,
    /// Whether its footage is fetched. Footage that is held is kept and served either way.
    pub enabled: bool,
    /// Connected or not.
    pub state: CameraState,
    /// Codec of its newest recording: `h264`, `hevc`.
    pub video_codec: Option<String>,
    /// Recordings held (`completed`).
    pub held_recordings: u64,
    /// Bytes held.
    pub held_bytes: u64,
    /// Start of the oldest held recording.
    pub oldest_utc: Option<UtcTime>,
    /// End of the newest held recording.
    pub newest_utc: Option<UtcTime>,
}

/// The states of a recording.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecordingStatus {
    /// Known to lie on the recorder, not fetched yet.
    Pending,
    /// Being fetched; bytes are in staging.
    Downloading,
    /// Verified and held.
    Completed,
    /// Given up for now; `failure` says why and `next_attempt_at` when it is tried again.
    Failed,
    /// Was held and has left; `eviction_cause` says why. Stays listed.
    Evicted,
}

/// Why footage left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvictionCause {
    /// Older than its camera keeps.
    Retention,
    /// The volume needed room.
    Pressure,
    /// A person deleted it.
    Deleted,
    /// It was archived, and the archive was cleared.
    ArchiveCleared,
}

/// What is wrong with a recording that is kept all the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Defect {
    /// Which kind.
    pub kind: DefectKind,
    /// In words, with numbers.
    pub message: String,
}

/// Kinds of defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefectKind {
    /// Covers less time than the recorder claimed.
    Short,
    /// Fewer bytes than the recorder stated, beyond what is usual for this device.
    SizeDiffers,
    /// A stretch cannot be decoded.
    Undecodable,
    /// The pictures are encrypted.
    Encrypted,
}

/// A recording as APIs and reports show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Recording {
    /// Id.
    pub id: RecordingId,
    /// Its camera.
    pub camera_id: CameraId,
    /// State.
    pub status: RecordingStatus,
    /// Start, true time.
    pub start_utc: UtcTime,
    /// End, true time (exclusive).
    pub end_utc: UtcTime,
    /// Start as the recorder told it: its wall clock, no zone (`2026-11-03T15:05:00`).
    pub recorder_start: String,
    /// Recorder's clock less true time when this was found.
    pub clock_offset_ms: i64,
    /// The recorder's name for it.
    pub source_name: String,
    /// Size that the recorder stated.
    pub stated_bytes: u64,
    /// Bytes fetched so far, or in all once completed.
    pub received_bytes: u64,
    /// 0–100.
    pub progress_percent: u8,
    /// Size of the kept file, once completed.
    pub kept_bytes: Option<u64>,
    /// SHA-256 of the kept file (hex), once completed; the ETag of its download.
    pub digest: Option<String>,
    /// SHA-256 of the bytes as received (hex).
    pub source_digest: Option<String>,
    /// Bytes that the recorder sent for it over all attempts, once completed; null where it was not counted.
    #[serde(default)]
    pub fetched_bytes: Option<u64>,
    /// `h264`, `hevc`.
    pub video_codec: Option<String>,
    /// `aac`, or null without sound.
    pub audio_codec: Option<String>,
    /// Picture width.
    pub width: Option<u32>,
    /// Picture height.
    pub height: Option<u32>,
    /// What is wrong with it, if anything.
    pub defects: Vec<Defect>,
    /// Protected from eviction by a person.
    pub locked: bool,
    /// A bookmark lies within it, which protects it too.
    #[serde(default)]
    #[schema(required = true)]
    pub bookmarked: bool,
    /// Downloads begun so far.
    pub attempts: u32,
    /// Why the last attempt failed, in words.
    pub failure: Option<String>,
    /// When it is tried again.
    pub next_attempt_at: Option<UtcTime>,
    /// Why it left.
    pub eviction_cause: Option<EvictionCause>,
    /// Last change; a newer one replaces an older one.
    pub updated_at: UtcTime,
}

/// Where a sync job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncJobState {
    /// Not begun.
    Queued,
    /// Asking the recorders.
    Discovering,
    /// Fetching.
    Downloading,
    /// All that was found is held, or failed for good.
    Done,
    /// Stopped by a person.
    Cancelled,
    /// A recorder could not be asked; `failure` says why.
    Failed,
}

/// One request to discover and download a range now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct SyncJob {
    /// Id.
    pub id: SyncJobId,
    /// Which camera; null: all.
    pub camera_id: Option<CameraId>,
    /// From.
    pub from_utc: UtcTime,
    /// To.
    pub to_utc: UtcTime,
    /// Where it stands.
    pub state: SyncJobState,
    /// Recordings found in the range.
    pub found: u64,
    /// Of those, held.
    pub completed: u64,
    /// Of those, failed.
    pub failed: u64,
    /// 0–100.
    pub progress_percent: u8,
    /// What went wrong, in words.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: UtcTime,
}

/// Where a live stream plays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamLink {
    /// Playlist, relative to the program that answered.
    pub url: String,
}

/// Roles of people at the relay (Q3). The agent's LAN page knows `org_admin` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the relay; sees every organisation.
    SuperAdmin,
    /// Everything within one organisation.
    OrgAdmin,
    /// Views, downloads, syncs, locks.
    Operator,
    /// Views and plays.
    Viewer,
    /// A token, not a person.
    ApiOnly,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Id.
    pub id: UserId,
    /// Login name (at the relay: e-mail address).
    pub username: String,
    /// Role.
    pub role: Role,
    /// Organisation; null on the LAN and for super admins.
    pub organisation_id: Option<OrganisationId>,
    /// Nothing but changing the password is allowed until it is changed.
    pub must_change_password: bool,
}

/// Body of `POST /auth/login`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Login name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Body of `POST /auth/refresh`; a browser sends `{}` and its cookie.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token, where cookies are not used.
    #[serde(default)]
    pub refresh_token: Option<String>,
}

/// Body of `POST /auth/password`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The one in force.
    pub current: String,
    /// The one to set: at least 10 characters.
    pub new: String,
}

/// Answer to a login, a refresh or the first-run set-up. Browsers get the same as cookies
/// (`hf_access`, `hf_refresh`: HttpOnly, SameSite=Strict; `hf_csrf`: readable, sent back as `X-CSRF-Token` on changes).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    /// Send as `Authorization: Bearer …`.
    pub access_token: String,
    /// Trade for a new pair at `POST /auth/refresh`; works once.
    pub refresh_token: String,
    /// Value for `X-CSRF-Token` where cookies are used.
    pub csrf_token: String,
    /// Seconds until the access token expires.
    pub expires_in_s: u32,
    /// Who logged in.
    pub user: Me,
}

/// How far an appliance has joined an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// No relay is configured: the appliance works on the LAN only.
    NoRelay,
    /// Shows a claim code and waits for an admin to type it at the relay.
    Waiting,
    /// Belongs to an organisation.
    Claimed,
}

/// The appliance's claim, as `GET /system` shows it to who may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// How far.
    pub state: ClaimState,
    /// The code to type at the relay (`ABCD-1234`), while waiting; only to a logged-in admin.
    pub code: Option<String>,
    /// When the code changes.
    pub code_expires_at: Option<UtcTime>,
    /// The relay's address.
    pub relay_url: Option<String>,
    /// Whether the relay is reached now (tunnel attached).
    pub connected: bool,
    /// Name of the site, once claimed.
    pub site_name: Option<String>,
    /// Last failure in words.
    pub failure: Option<String>,
}

/// The appliance itself: `GET /system` on the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct System {
    /// Id.
    pub appliance: ApplianceId,
    /// Program version.
    pub version: String,
    /// Seconds since the agent started.
    pub uptime_s: u64,
    /// Claim.
    pub claim: Claim,
    /// Why no footage is fetched now, in words (no room, a disk that fails); null: it is, or there is none to fetch.
    pub paused: Option<String>,
    /// Where the vendor SDK is looked for.
    pub sdk_folder: String,
    /// What is missing of the vendor SDK and where to put it; null when it is there.
    pub sdk_problem: Option<String>,
    /// Why no footage can be made of what recorders send, as the last rehearsal found it; null when it can.
    pub footage_problem: Option<String>,
    /// What shuts the vendor SDK in, as its last worker found it; empty before the first.
    pub sdk_sandbox: Vec<SandboxLayer>,
}

/// The box's own clock, by which recorders' clocks are judged: `GET /system/clock` on the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxClock {
    /// What it shows.
    pub now: UtcTime,
    /// Whether a time server keeps it; null where that cannot be told.
    pub follows_server: Option<bool>,
    /// It can be set by `POST /system/clock`: the box is of the appliance image, and no time server has set it.
    pub can_be_set: bool,
    /// Somebody has just set it, and the box has not carried that out yet.
    pub ordered: bool,
}

/// Body of `POST /system/clock`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetClockRequest {
    /// What the clock is to show, when this is asked.
    pub now: UtcTime,
}

/// One layer of what shuts the vendor SDK in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxLayer {
    /// `limits`, `privileges`, `network`, `files` or `calls`.
    pub name: String,
    /// Why it does not stand, or not wholly, in words; null when it does.
    pub missing: Option<String>,
}

/// Whether first-run set-up is still to be done: `GET /setup` on the agent, without login.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Setup {
    /// True until the admin password is set.
    pub needed: bool,
    /// The appliance, to tell boxes apart.
    pub appliance: ApplianceId,
}

/// Body of `POST /setup`: works once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// Password of `admin`: at least 10 characters.
    pub password: String,
}

/// A site as the relay shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Site {
    /// Id.
    pub id: SiteId,
    /// Its organisation.
    pub organisation_id: OrganisationId,
    /// Name.
    pub name: String,
    /// Its appliance, once claimed.
    pub appliance: Option<ApplianceId>,
    /// The appliance says that it is online (birth/will over MQTT).
    pub online: bool,
    /// Spare tunnel connections right now.
    pub tunnel_connections: u32,
    /// Program version of the appliance.
    pub version: Option<String>,
    /// When it was last heard of.
    pub last_seen_at: Option<UtcTime>,
    /// Cameras known.
    pub cameras: u64,
    /// Recordings held at the site.
    pub held_recordings: u64,
    /// Bytes held at the site.
    pub held_bytes: u64,
}

/// A camera as the relay lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SiteCamera {
    /// Its site.
    pub site_id: SiteId,
    /// The camera as last reported.
    #[serde(flatten)]
    pub camera: Camera,
}

/// A recording as the relay lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SiteRecording {
    /// Its site.
    pub site_id: SiteId,
    /// The recording as last reported.
    #[serde(flatten)]
    pub recording: Recording,
}

/// Body of `POST /appliances/claim` at the relay.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The code as the appliance shows it; case, spaces and hyphens do not matter.
    pub code: String,
    /// Name of the new site.
    pub site_name: String,
    /// Organisation to join; needed from super admins only.
    #[serde(default)]
    pub organisation_id: Option<OrganisationId>,
}
