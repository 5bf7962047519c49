//! What the agent's own failures are to whoever asks; the shape of all failures is [`base::http::error`].

pub use base::http::error::{ApiError, ApiResult, sentence};
use wire::error::ErrorCode;

use crate::catalog::CatalogError;
use crate::recorder::driver::{FailureKind, RecorderError};
use crate::sessions::CannotLogIn;

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        if error.is_disk_full() {
            tracing::error!(%error, "The disk of the catalog is full");
            return Self::new(
                ErrorCode::StorageFull,
                "The disk that the catalog lies on is full, so this was not done. What was kept back for such a moment is \
                 given up now: try again, and free some room on that disk.",
            );
        }
        let code = match &error {
            CatalogError::NoRecorder(_) => ErrorCode::RecorderNotFound,
            CatalogError::NoCamera(_) => ErrorCode::CameraNotFound,
            CatalogError::NoRecording(_) => ErrorCode::RecordingNotFound,
            CatalogError::NoJob(_)
            | CatalogError::NoArchive(_)
            | CatalogError::NothingToArchive
            | CatalogError::NoChannel { .. } => ErrorCode::NotFound,
            CatalogError::LockLimit { .. } => ErrorCode::LockLimitReached,
            CatalogError::NoBookmark(_) => ErrorCode::BookmarkNotFound,
            CatalogError::Locked(_)
            | CatalogError::Bookmarked(_)
            | CatalogError::TooManyBookmarks
            | CatalogError::ArchiveState(_)
            | CatalogError::BeingArchived { .. }
            | CatalogError::WrongState { .. }
            | CatalogError::NeverLoggedIn(_) => ErrorCode::Conflict,
            CatalogError::BadCursor => ErrorCode::ValidationFailed,
            CatalogError::Db(base::sqlite::DbError::Closed) => {
                return Self::from(base::sqlite::DbError::Closed);
            }
            CatalogError::Busy { .. }
            | CatalogError::Open(_)
            | CatalogError::Db(_)
            | CatalogError::Io { .. }
            | CatalogError::Corrupt { .. }
            | CatalogError::Volume(_)
            | CatalogError::Keep(_) => return Self::internal(error),
        };
        Self::new(code, sentence(&error))
    }
}

impl From<RecorderError> for ApiError {
    fn from(error: RecorderError) -> Self {
        let code = match error.kind {
            FailureKind::SourceGone => ErrorCode::FootageGone,
            FailureKind::Cancelled => ErrorCode::Unavailable,
            FailureKind::Capacity => ErrorCode::StreamNodeUnavailable,
            _ => ErrorCode::RecorderFailed,
        };
        Self::new(code, sentence(&error))
    }
}

impl From<CannotLogIn> for ApiError {
    fn from(error: CannotLogIn) -> Self {
        match error {
            CannotLogIn::Catalog(error) => error.into(),
            CannotLogIn::Password(why) => Self::conflict(sentence(&why)),
        }
    }
}
