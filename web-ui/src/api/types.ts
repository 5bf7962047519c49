/**
 * The JSON bodies of the API, as `wire/src/resource.rs` and `wire/src/error.rs` write them.
 *
 * Pages import these names from here only; `drift.ts` holds them against the types made from the OpenAPI documents.
 */

/** RFC 3339 in UTC: `2026-11-03T14:05:00Z`. */
export type UtcTime = string;

/** A page of a list. */
export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type RecorderState = "unknown" | "online" | "offline" | "error";

/** How a recorder is talked to: through the vendor's library, or over its web interface. */
export type DriverKind = "sdk" | "isapi";

export interface Recorder {
  id: string;
  name: string;
  driver: DriverKind;
  address: string;
  port: number;
  username: string;
  /** Over HTTPS; only with `isapi`. */
  tls: boolean;
  /** SHA-256 of the certificate that it is known by. */
  certificate_sha256: string | null;
  /** SHA-256 of another one that it shows now and that nobody has accepted. */
  other_certificate_sha256: string | null;
  enabled: boolean;
  state: RecorderState;
  state_reason: string | null;
  last_checked_at: UtcTime | null;
  serial: string | null;
  model: string | null;
  clock_offset_ms: number | null;
  clock_drift_ms_per_day: number | null;
  clock_zone: string | null;
  clock_problem: string | null;
  created_at: UtcTime;
}

/** Body of `POST /recorders` and `PUT /recorders/{id}`; without a password the one that is kept stays. */
export interface RecorderInput {
  name: string;
  driver: DriverKind;
  address: string;
  port: number;
  tls: boolean;
  /** The certificate to trust from now on. */
  certificate_sha256?: string;
  username: string;
  password?: string;
  enabled: boolean;
}

/** Answer to `GET /recorders/{id}/places`: who uses the streams that a recorder gives at once. */
export interface RecorderPlaces {
  live: number;
  asked: number;
  background: number;
  /** As learnt from its refusals; null while it has refused none. */
  limit: number | null;
  refused_at: string | null;
  refusal: string | null;
  next_try_at: string | null;
  /** In words. */
  summary: string;
  /** In words; null while nothing holds the background back. */
  background_waits: string | null;
}

/** A device that answered `POST /recorders/discover`. */
export interface FoundDevice {
  address: string;
  port: number;
  name: string | null;
  model: string | null;
}

/** Answer to `POST /recorders/{id}/test`. */
export type StepName = "library" | "address" | "port" | "tls" | "login" | "channels" | "search" | "first_byte";

/** One step of a connection test. */
export interface TestStep {
  name: StepName;
  result: "passed" | "failed" | "skipped";
  message: string;
  elapsed_ms: number;
}

export interface RecorderTest {
  ok: boolean;
  steps: TestStep[];
}

/** One line of a connection test that is told as it happens. */
export type TestLine =
  | { line: "begins"; name: StepName }
  | ({ line: "ended" } & TestStep)
  | { line: "done"; ok: boolean };

export type RecorderAction = "enable" | "disable" | "delete" | "test";

/** Answer to `POST /recorders/bulk`. */
export interface RecordersBulkDone {
  items: { id: string; ok: boolean; test: RecorderTest | null; message: string | null }[];
}

/** A recorder of a list, before it is added. */
export interface ListedRecorder {
  line: number;
  name: string;
  driver: DriverKind;
  tls: boolean;
  address: string;
  port: number;
  username: string;
  enabled: boolean;
}

/** Answer to `POST /recorders/list`. */
export interface RecorderListRead {
  recorders: ListedRecorder[];
  problems: { line: number; message: string }[];
  added: number;
}

export type CameraState = "unknown" | "online" | "offline";

export interface Camera {
  id: string;
  recorder_id: string;
  channel: number;
  name: string;
  enabled: boolean;
  state: CameraState;
  video_codec: string | null;
  held_recordings: number;
  held_bytes: number;
  oldest_utc: UtcTime | null;
  newest_utc: UtcTime | null;
}

export type RecordingStatus = "pending" | "downloading" | "completed" | "failed" | "evicted";

export type EvictionCause = "retention" | "pressure" | "deleted" | "archive_cleared";

export interface Defect {
  kind: "short" | "size_differs" | "undecodable" | "encrypted";
  message: string;
}

export interface Recording {
  id: string;
  camera_id: string;
  status: RecordingStatus;
  start_utc: UtcTime;
  end_utc: UtcTime;
  recorder_start: string;
  clock_offset_ms: number;
  source_name: string;
  stated_bytes: number;
  received_bytes: number;
  progress_percent: number;
  kept_bytes: number | null;
  digest: string | null;
  source_digest: string | null;
  fetched_bytes?: number | null;
  video_codec: string | null;
  audio_codec: string | null;
  width: number | null;
  height: number | null;
  defects: Defect[];
  locked: boolean;
  /** A bookmark lies within it, which protects it too. */
  bookmarked: boolean;
  attempts: number;
  failure: string | null;
  next_attempt_at: UtcTime | null;
  eviction_cause: EvictionCause | null;
  updated_at: UtcTime;
}

/** A camera as either program lists it: only the relay names the site. */
export type ListedCamera = Camera & { site_id?: string };

/** A recording as either program lists it: only the relay names the site. */
export type ListedRecording = Recording & { site_id?: string };

export type Tier = "hot" | "warm" | "cold";

export type VolumeState = "working" | "gone" | "foreign" | "read_only" | "failing" | "slow" | "full";

/** What is the matter with a volume. */
export interface VolumeTrouble {
  since: UtcTime;
  message: string;
  /** What to do. */
  advice: string;
}

export type DiskHealth = "unknown" | "good" | "ageing" | "failing";

/** A disk below a volume, as it tells of itself. */
export interface Disk {
  device: string;
  model: string | null;
  serial: string | null;
  power_on_hours: number | null;
  temperature_c: number | null;
  reallocated_sectors: number | null;
  pending_sectors: number | null;
  uncorrectable_sectors: number | null;
  media_errors: number | null;
  wear_percent: number | null;
  health: DiskHealth;
  /** Why, in words; or why nothing is known. */
  message: string;
  read_at: UtcTime;
}

export interface Volume {
  name: string;
  path: string;
  held_bytes: number;
  budget_bytes: number | null;
  free_bytes: number;
  total_bytes: number;
  floor_bytes: number;
  /** Room that footage may have, what is held included. */
  room_bytes: number;
  locked_recordings: number;
  locked_bytes: number;
  /** Older footage leaves it; null: no limit of its own. */
  max_age_days: number | null;
  tier: Tier;
  /** Older footage moves to the next colder tier; null: only for want of room. */
  move_after_days: number | null;
  state: VolumeState;
  /** Null while it is working. */
  trouble: VolumeTrouble | null;
  /** Empty where none was found: a network, memory. */
  disks: Disk[];
}

/** What locks and bookmarks protect from eviction, and how much they may. */
export interface Locks {
  recordings: number;
  bytes: number;
  max_bytes: number;
  bookmarks: number;
}

/** What a camera's rate rests on. */
export type RateBasis = "measured" | "new" | "stopped" | "off" | "unknown";

/** How long the footage of one camera stays. */
export interface CameraRetention {
  camera_id: string;
  name: string;
  basis: RateBasis;
  bytes_per_day: number;
  held_bytes: number;
  locked_bytes: number;
  held_days: number;
  /** Null: more than is reckoned, or nothing comes. */
  days: number | null;
  days_without_locks: number | null;
  /** Promised; 0: nothing is. */
  least_days: number;
  most_days: number | null;
  most_bytes: number | null;
  breaks_on: UtcTime | null;
  /** In words. */
  summary: string;
}

/** The ring buffer, reckoned forward at the rate of the last days. */
export interface Retention {
  room_bytes: number;
  bytes_per_day: number;
  days: number | null;
  days_without_locks: number | null;
  full_on: UtcTime | null;
  horizon_days: number;
  summary: string;
  cameras: CameraRetention[];
}

/** What people were told of and is not over. */
export interface Alarm {
  rule: string;
  subject: string;
  severity: "info" | "warning" | "critical";
  message: string;
  since: UtcTime;
}

/** Answer to `GET /storage`. */
export interface Storage {
  volumes: Volume[];
  locks: Locks;
  retention: Retention;
  alarms: Alarm[];
}

/** Body of `PUT /cameras/{id}/retention` and answer to `GET`; null takes what the configuration says. */
export interface CameraLimits {
  least_days: number | null;
  most_days: number | null;
  most_bytes: number | null;
}

/** A moment that a person marked; it protects the recordings that cover it. */
export interface Bookmark {
  id: string;
  camera_id: string;
  at_utc: UtcTime;
  note: string;
  made_by: string;
  created_at: UtcTime;
}

/** Body of `POST /bookmarks`. */
export interface BookmarkInput {
  camera_id: string;
  at_utc: UtcTime;
  note: string;
}

/** By which key the custody logs are signed, and where they end. */
export interface Custody {
  appliance: string;
  key_sha256: string;
  logs: CustodyLog[];
}

export interface CustodyLog {
  volume: string;
  lines: number;
  head: string;
  at: UtcTime;
}

export type SyncJobState = "queued" | "discovering" | "downloading" | "done" | "cancelled" | "failed";

export interface SyncJob {
  id: string;
  camera_id: string | null;
  from_utc: UtcTime;
  to_utc: UtcTime;
  state: SyncJobState;
  found: number;
  completed: number;
  failed: number;
  progress_percent: number;
  failure: string | null;
  created_at: UtcTime;
}

/** Body of `POST /sync`; what is left out means every camera, or the whole range. */
export interface SyncRequest {
  camera_id?: string;
  from_utc?: UtcTime;
  to_utc?: UtcTime;
}

/** A stretch of time, half open. */
export interface Stretch {
  from_utc: UtcTime;
  to_utc: UtcTime;
}

export type GapCause =
  | "not_recorded"
  | "clock_step"
  | "not_observed"
  | "recorder_unreachable"
  | "beyond_reach"
  | "overwritten_on_recorder"
  | "not_downloaded"
  | "failed"
  | "evicted"
  | "deleted"
  | "defect";

/** A stretch that is not held, and why. */
export interface Gap extends Stretch {
  cause: GapCause;
  recordings: number;
  message: string;
  advice: string | null;
  reason: string | null;
  eviction_cause: EvictionCause | null;
}

export type Verdict = "complete" | "coming" | "incomplete";

/** Footage that a recorder is about to overwrite before it is fetched. */
export interface OverwriteRisk {
  recorder_id: string;
  recordings: number;
  first_gone_utc: UtcTime;
  told_at: UtcTime;
}

/** What is held of a camera in a range, and every gap with its cause. */
export interface Completeness extends Stretch {
  camera_id: string;
  verdict: Verdict;
  recorded_ms: number;
  held_ms: number;
  recorded: Stretch[];
  held: Stretch[];
  /** Of what is held: what lies on a disk that is not there now. */
  away: Stretch[];
  gaps: Gap[];
  risk: OverwriteRisk | null;
}

/** The same for a day of a calendar, as far as it has passed. */
export interface Timeline extends Completeness {
  day: string;
  zone: string;
  day_from_utc: UtcTime;
  day_to_utc: UtcTime;
}

export type ArchiveState = "building" | "ready" | "downloaded" | "clearing" | "cleared" | "failed";

/** A ZIP of recordings of a range of days. */
export interface Archive {
  id: string;
  state: ArchiveState;
  origin: "weekly" | "asked";
  from_utc: UtcTime;
  to_utc: UtcTime;
  /** Null: all. */
  cameras: string[] | null;
  asked_by: string | null;
  recordings: number;
  damaged: number;
  left_out: number;
  /** Of the file; about that while it is built. */
  bytes: number;
  progress_percent: number;
  file_name: string | null;
  digest: string | null;
  volume: string | null;
  downloaded_percent: number;
  failure: string | null;
  mail: {
    state: "none" | "waiting" | "sent" | "failed";
    attempts: number;
    next_attempt_at: UtcTime | null;
    failure: string | null;
  };
  /** What clearing would delete; only of a single archive that can be cleared. */
  clears: { recordings: number; bytes: number; locked: number } | null;
  cleared_recordings: number;
  locked_recordings: number;
  created_at: UtcTime;
  ready_at: UtcTime | null;
  downloaded_at: UtcTime | null;
  cleared_at: UtcTime | null;
}

/** Body of `POST /archives`; without cameras, all of them. */
export interface ArchiveRequest {
  from: UtcTime;
  to: UtcTime;
  cameras?: string[];
}

/** Where a live stream plays. */
export interface StreamLink {
  url: string;
}

export type Role = "super_admin" | "org_admin" | "operator" | "viewer" | "api_only";

export interface Me {
  id: string;
  username: string;
  role: Role;
  organisation_id: string | null;
  must_change_password: boolean;
}

/** Answer to a login or to the set-up. The tokens in it are for programs: a browser has them as cookies. */
export interface LoginResponse {
  expires_in_s: number;
  user: Me;
}

export interface Claim {
  state: "no_relay" | "waiting" | "claimed";
  code: string | null;
  code_expires_at: UtcTime | null;
  relay_url: string | null;
  connected: boolean;
  site_name: string | null;
  failure: string | null;
}

export interface System {
  appliance: string;
  version: string;
  uptime_s: number;
  claim: Claim;
  sdk_folder: string;
  sdk_problem: string | null;
  /** Why no footage can be made of what recorders send; null when it can. */
  footage_problem: string | null;
  /** What shuts the vendor library in: each layer, and why it does not stand; empty before the first worker. */
  sdk_sandbox: { name: string; missing: string | null }[];
}

/** Body of `PUT /system/relay`; an empty address means no relay. */
export interface RelayInput {
  url: string;
  ca_sha256?: string;
}

/** Body of `POST /system/factory-reset`. */
export interface ResetInput {
  /** The id of the appliance that is meant. */
  appliance: string;
  footage: boolean;
}

/** What is on a disk: a partition, or the whole of it where it has none. */
export interface DiskContent {
  name: string;
  bytes: number;
  /** Empty where it is not known. */
  file_system: string;
  /** May be empty. */
  label: string;
  mounted_at: string | null;
}

/** A disk in this box. */
export interface BoxDisk {
  /** Null for one without a number. */
  id: string | null;
  /** As the kernel calls it now: `sdb`. */
  name: string;
  /** May be empty, as the serial number and the way it is connected. */
  model: string;
  serial: string;
  bytes: number;
  transport: string;
  removable: boolean;
  rotational: boolean;
  state: "system" | "footage" | "free" | "has_data" | "in_use" | "refused";
  volume: string | null;
  /** What the state means, in a sentence. */
  message: string;
  contents: DiskContent[];
  /** Sent back by who adopts it. */
  seen: string;
  /** What is typed to confirm it; null where it cannot be adopted. */
  confirm: { of: "serial" | "wwn"; chars: number } | null;
}

/** How far the adoption of a disk is, or what became of the last one. */
export type Adoption =
  | { state: "none" }
  | { state: "ordered"; id: string }
  | { state: "good"; id: string; at: UtcTime }
  | { state: "refused" | "failed"; id: string; reason: string; at: UtcTime };

/** Answer to everything below `/disks`. */
export interface BoxDisks {
  /** Only a box with the image adopts disks. */
  offered: boolean;
  items: BoxDisk[];
  adoption: Adoption;
}

/** The box's own clock. */
export interface BoxClock {
  now: UtcTime;
  /** Whether a time server keeps it; null where that cannot be told. */
  follows_server: boolean | null;
  can_be_set: boolean;
  /** Somebody has just set it, and the box has not carried that out yet. */
  ordered: boolean;
}

export interface SetClockRequest {
  now: UtcTime;
}

/** How much a finding matters. */
export type FindingLevel = "well" | "note" | "wrong";

/** One thing that was looked at. In `advice`, what is to be typed stands in backquotes, parts of the page in asterisks. */
export interface Finding {
  level: FindingLevel;
  about: string;
  seen: string;
  advice: string | null;
}

export interface ExaminedPart {
  name: string;
  findings: Finding[];
}

/** Answer to `GET /system/doctor`. */
export interface Examination {
  version: string;
  parts: ExaminedPart[];
}

/** When an update that waits is to be installed. */
export type InstallWhen = "now" | "window";

/** Answer to everything below `/system/update`. */
export interface Update {
  /** Version of the system that runs; null where the box is no appliance image. */
  running: string | null;
  /** Why this box takes no updates, in words. */
  unable: string | null;
  automatic: boolean;
  /** `02:00-05:00`, by the clocks of the site. */
  window: string;
  progress: UpdateProgress;
}

/** How far an update is. */
export type UpdateProgress =
  | { state: "none" }
  | { state: "receiving"; version: string; sha256: string; bytes: number; received_bytes: number }
  | {
      state: "waiting";
      version: string;
      sha256: string;
      since: UtcTime;
      chosen: InstallWhen | null;
      waits_for:
        | "person"
        | "window"
        | "judgement"
        | "viewers"
        | "footage"
        | "sync"
        | "archive"
        | "backlog"
        | "moment";
      message: string;
      opens_at: UtcTime | null;
      latest_at: UtcTime;
    }
  | { state: "ordered"; version: string }
  | { state: "installed" | "good"; version: string; at: UtcTime }
  | { state: "refused" | "failed" | "went_back"; version: string; reason: string; at: UtcTime };

/** What the relay sends to a site, or sent last. */
export interface UpdateDelivery {
  version: string;
  bytes: number;
  state: "pending" | "delivered" | "failed";
  chosen: InstallWhen | null;
  /** Null: the site takes updates by itself. */
  asked_by: string | null;
  message: string | null;
  asked_at: UtcTime;
  updated_at: UtcTime;
}

/** Answer to everything at `/sites/{site}/update`. */
export interface SiteUpdate {
  automatic: boolean;
  told: Update | null;
  offered: { version: string; bytes: number; added_at: UtcTime } | null;
  delivery: UpdateDelivery | null;
}

/** Body of `PUT /system/downloads`: how much of each recorder downloads may use, and when. */
export interface DownloadSettingsInput {
  /** Of all downloads from one recorder together. */
  limit_kbps: number | null;
  background_limit_kbps: number | null;
  /** `22:00-06:00`, of what nobody asked for; null: always. */
  window: string | null;
  /** The zone it is meant in; null: that of the appliance. */
  zone: string | null;
}

/** Answer to `GET` and `PUT /system/downloads`. */
export interface DownloadSettings extends DownloadSettingsInput {
  appliance_zone: string | null;
  per_recorder: number;
}

export interface Setup {
  needed: boolean;
  appliance: string;
}

export interface Site {
  id: string;
  organisation_id: string;
  name: string;
  appliance: string | null;
  online: boolean;
  tunnel_connections: number;
  version: string | null;
  last_seen_at: UtcTime | null;
  cameras: number;
  held_recordings: number;
  held_bytes: number;
}

/** Body of `POST /appliances/claim`. */
export interface ClaimRequest {
  code: string;
  site_name: string;
  organisation_id?: string;
}

/** What happened and what to do, for a program (`code`) and for a person (`message`). */
export interface ErrorBody {
  code: string;
  message: string;
  details?: unknown;
  timestamp: UtcTime;
  requestId: string;
}
