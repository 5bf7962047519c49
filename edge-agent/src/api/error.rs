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
            | CatalogError::NotKept { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_one() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch("pragma max_page_count = 2; create table footage (bytes)")
            .unwrap();
        let full = db
            .execute("insert into footage values (zeroblob(100000))", [])
            .unwrap_err();
        let told = ApiError::from(CatalogError::from(full));
        assert_eq!(told.code, ErrorCode::StorageFull);
        assert_eq!(told.status().as_u16(), 507);

        // Another fault of the catalog is not taken for one, and not told to whoever asks.
        let other = db
            .execute("insert into nothing values (1)", [])
            .unwrap_err();
        let told = ApiError::from(CatalogError::from(other));
        assert_eq!(told.code, ErrorCode::Internal);
        assert!(!told.message.contains("nothing"), "{}", told.message);
    }
}
