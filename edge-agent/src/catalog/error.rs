//! What can go wrong with the catalog, by what a caller does about it.

use std::io;
use std::path::PathBuf;

use base::sqlite::{DbError, OpenError};
use wire::ids::{ArchiveId, BookmarkId, CameraId, RecorderId, RecordingId, SyncJobId};
use wire::resource::RecordingStatus;

use crate::model::retention::Bytes;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Another agent works on the folder.
    #[error(
        "the catalog folder {folder} is in use by another edge-agent: stop that one first, or give this one its own folder"
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It must be brought to this program's version, and cannot be kept as it is before.
    #[error(
        "the catalog has version {version} and must be upgraded, but no copy of it can be kept at {path} first: {why}. Make room there and start again"
    )]
    NotKept {
        /// Its version.
        version: i64,
        /// Where the copy was to be.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// SQLite refused; nothing was changed.
    #[error("catalog: {0}")]
    Db(#[from] DbError),
    /// A file operation failed.
    #[error("{path}: {source}")]
    Io {
        /// Which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No such recorder.
    #[error("there is no recorder {0}")]
    NoRecorder(RecorderId),
    /// The recorder has not told its serial number yet, so nothing found on it can be identified.
    #[error("recorder {0:?} has never been logged in to: its serial number is not known yet")]
    NeverLoggedIn(String),
    /// No such camera.
    #[error("there is no camera {0}")]
    NoCamera(CameraId),
    /// The recorder lists no such channel.
    #[error("recorder {recorder:?} has no channel {channel}")]
    NoChannel {
        /// The recorder's name.
        recorder: String,
        /// The channel asked for.
        channel: u32,
    },
    /// No such recording.
    #[error("there is no recording {0}")]
    NoRecording(RecordingId),
    /// No such sync job.
    #[error("there is no sync job {0}")]
    NoJob(SyncJobId),
    /// No such archive.
    #[error("there is no archive {0}")]
    NoArchive(ArchiveId),
    /// An archive is in a state in which this cannot be done; the text says which and what to do.
    #[error("{0}")]
    ArchiveState(String),
    /// Nothing is held that could be packed.
    #[error(
        "nothing is held of this range that could be packed: ask for another range, or fetch its footage first"
    )]
    NothingToArchive,
    /// A recording is being packed.
    #[error(
        "recording {recording} is being packed into archive {archive}: wait until that is ready, or cancel it"
    )]
    BeingArchived {
        /// Which recording.
        recording: RecordingId,
        /// Into which archive.
        archive: ArchiveId,
    },
    /// Locked footage does not leave.
    #[error("recording {0} is locked: unlock it first")]
    Locked(RecordingId),
    /// Bookmarked footage does not leave.
    #[error("recording {0} is protected by a bookmark: remove the bookmark first")]
    Bookmarked(RecordingId),
    /// As much is protected as may be.
    #[error(
        "{} are protected from eviction already and this would be {} more; at most {} may be, so that there is room for new footage. Unlock recordings or remove bookmarks that are no longer needed, download and delete what is, add a disk, or raise [retention] lock_max_bytes",
        Bytes(*locked_bytes), Bytes(*more_bytes), Bytes(*max_bytes)
    )]
    LockLimit {
        /// Protected now.
        locked_bytes: u64,
        /// What was asked for on top.
        more_bytes: u64,
        /// The most.
        max_bytes: u64,
    },
    /// No such bookmark.
    #[error("there is no bookmark {0}")]
    NoBookmark(BookmarkId),
    /// A person makes a few a day.
    #[error("there are as many bookmarks as may be: remove some that are no longer needed")]
    TooManyBookmarks,
    /// The recording is in a state in which this cannot be done.
    #[error("recording {id} is {status:?}: it cannot be {action}")]
    WrongState {
        /// Which.
        id: RecordingId,
        /// Its state.
        status: RecordingStatus,
        /// What was asked.
        action: &'static str,
    },
    /// A cursor that this list did not give out.
    #[error("the cursor is not one that this list gave out: start without a cursor")]
    BadCursor,
    /// A value in a row is not what its column promises.
    #[error("the catalog holds {what}: run `edge-agent check`")]
    Corrupt {
        /// Which value, where.
        what: String,
    },
    /// A volume that cannot be used.
    #[error(transparent)]
    Volume(#[from] crate::footage::volume::VolumeError),
    /// Footage could not be put in its place.
    #[error(transparent)]
    Keep(#[from] crate::footage::keep::KeepError),
}

impl CatalogError {
    /// Whether the disk of the catalog had no room for it.
    pub fn is_disk_full(&self) -> bool {
        let Self::Db(base::sqlite::DbError::Sqlite(error)) = self else {
            return false;
        };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

impl From<rusqlite::Error> for CatalogError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Db(e.into())
    }
}

impl From<serde_json::Error> for CatalogError {
    fn from(e: serde_json::Error) -> Self {
        Self::Corrupt {
            what: format!("JSON that cannot be read ({e})"),
        }
    }
}
