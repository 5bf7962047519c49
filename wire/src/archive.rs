//! Archives: ZIPs of recordings of a date range (S3, S4).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{ArchiveId, CameraId};
use crate::time::UtcTime;

/// What an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveState {
    /// It is being packed, or waits for it. Its recordings cannot leave meanwhile.
    Building,
    /// It can be downloaded.
    Ready,
    /// Every byte of it was delivered.
    Downloaded,
    /// Its recordings and its file are on their way out.
    Clearing,
    /// Its recordings and its file are gone.
    Cleared,
    /// It could not be made, or was cancelled; nothing of it is left.
    Failed,
}

/// Why there is an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveOrigin {
    /// It was the weekday and hour for it.
    Weekly,
    /// A person asked for it.
    Asked,
}

/// How far the e-mail about an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// None is to be sent.
    None,
    /// It is sent as soon as that succeeds.
    Waiting,
    /// The mail server has taken it.
    Sent,
    /// It was given up.
    Failed,
}

/// The e-mail about an archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArchiveMail {
    /// How far.
    pub state: MailState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_attempt_at: Option<UtcTime>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

/// What clearing an archive would delete, as things stand now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArchiveClears {
    /// Recordings that would leave.
    pub recordings: u64,
    /// Their bytes; those of the archive itself come on top.
    pub bytes: u64,
    /// Recordings that would stay because they are locked.
    pub locked: u64,
}

/// An archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Archive {
    /// Id.
    pub id: ArchiveId,
    /// What it is.
    pub state: ArchiveState,
    /// Why it is there.
    pub origin: ArchiveOrigin,
    /// Start of the range. Recordings are packed whole, so what reaches into the range begins a little before it.
    pub from_utc: UtcTime,
    /// End of the range (exclusive).
    pub to_utc: UtcTime,
    /// Which cameras; null: all.
    pub cameras: Option<Vec<CameraId>>,
    /// Who asked for it.
    pub asked_by: Option<String>,
    /// Recordings in it.
    pub recordings: u64,
    /// Of those, recordings whose bytes are no longer those that were kept: they are in it as they are now.
    pub damaged: u64,
    /// Recordings of the range that could not be read and are not in it.
    pub left_out: u64,
    /// Size of the file; about that while it is built.
    pub bytes: u64,
    /// How far the building is, 0 to 100.
    pub progress_percent: u8,
    /// Name of the file.
    pub file_name: Option<String>,
    /// SHA-256 of the file (hex).
    pub digest: Option<String>,
    /// Name of the volume that it lies on.
    pub volume: Option<String>,
    /// How much of the file was delivered to people, 0 to 100; 100 means every byte.
    pub downloaded_percent: u8,
    /// Why it could not be made.
    pub failure: Option<String>,
    /// The e-mail about it.
    pub mail: ArchiveMail,
    /// What clearing it would delete; only of a single archive that can be cleared.
    pub clears: Option<ArchiveClears>,
    /// Recordings that left when it was cleared.
    pub cleared_recordings: u64,
    /// Recordings that stayed then because they were locked.
    pub locked_recordings: u64,
    /// When it was asked for.
    pub created_at: UtcTime,
    /// When it was ready.
    pub ready_at: Option<UtcTime>,
    /// When its last byte was delivered.
    pub downloaded_at: Option<UtcTime>,
    /// When it was cleared.
    pub cleared_at: Option<UtcTime>,
}

/// Body of `POST /archives`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveRequest {
    /// Start of the range.
    pub from: UtcTime,
    /// End of the range (exclusive).
    pub to: UtcTime,
    /// Which cameras; left out: all.
    #[serde(default)]
    pub cameras: Option<Vec<CameraId>>,
}

/// Body of `POST /archives/{id}/clear`; an empty object clears what was downloaded.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveClearRequest {
    /// Clear it although not every byte of it was delivered.
    #[serde(default, rename = "override")]
    pub although_not_downloaded: bool,
}
