//! How ids, times and closed sets are written in columns, and read back.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;
use wire::archive::{ArchiveOrigin, ArchiveState, MailState};
use wire::resource::{
    CameraState, DriverKind, EvictionCause, RecorderState, RecordingStatus, SyncJobState,
};
use wire::telemetry::Severity;
use wire::time::UtcTime;

/// A closed set whose members are words in a column.
pub trait Word: Sized + Copy + 'static {
    /// Every member and its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The word of a member.
    fn word(self) -> &'static str;

    /// The member of a word.
    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(_, w)| *w == word)
            .map(|(member, _)| *member)
    }
}

macro_rules! words {
    ($($kind:ident { $($member:ident = $word:literal),+ $(,)? })*) => {$(
        impl Word for $kind {
            const WORDS: &'static [(Self, &'static str)] = &[$(($kind::$member, $word)),+];
            fn word(self) -> &'static str {
                match self { $($kind::$member => $word),+ }
            }
        }
    )*};
}

words! {
    ArchiveState {
        Building = "building", Ready = "ready", Downloaded = "downloaded", Clearing = "clearing", Cleared = "cleared",
        Failed = "failed",
    }
    ArchiveOrigin { Weekly = "weekly", Asked = "asked" }
    MailState { None = "none", Waiting = "waiting", Sent = "sent", Failed = "failed" }
    DriverKind { Sdk = "sdk", Isapi = "isapi" }
    RecorderState { Unknown = "unknown", Online = "online", Offline = "offline", Error = "error" }
    CameraState { Unknown = "unknown", Online = "online", Offline = "offline" }
    RecordingStatus {
        Pending = "pending", Downloading = "downloading", Completed = "completed", Failed = "failed", Evicted = "evicted",
    }
    EvictionCause {
        Retention = "retention", Pressure = "pressure", Deleted = "deleted", ArchiveCleared = "archive_cleared",
    }
    Severity { Info = "info", Warning = "warning", Critical = "critical" }
    SyncJobState {
        Queued = "queued", Discovering = "discovering", Downloading = "downloading", Done = "done",
        Cancelled = "cancelled", Failed = "failed",
    }
}

fn bad(column: &str, text: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        0,
        Type::Text,
        format!("{text:?} in column {column}").into(),
    )
}

/// Reads anything that is parsed from text: ids, recorder times.
pub fn parsed<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| bad(column, text))
}

/// The same, where null means none.
pub fn parsed_opt<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?
        .map(|text| text.parse().map_err(|_| bad(column, text)))
        .transpose()
}

/// Reads a member of a closed set.
pub fn word<T: Word>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    T::of_word(&text).ok_or_else(|| bad(column, text))
}

/// The same, where null means none.
pub fn word_opt<T: Word>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?
        .map(|text| T::of_word(&text).ok_or_else(|| bad(column, text)))
        .transpose()
}

/// Reads an instant.
pub fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<UtcTime> {
    row.get(column).map(UtcTime::from_micros)
}

/// The same, where null means none.
pub fn time_opt(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<UtcTime>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UtcTime::from_micros))
}

/// A size for a column: SQLite's integers are signed, and no file has 8 EiB.
pub fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Reads a size.
pub fn size(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).cast_unsigned())
}

/// The same, where null means none.
pub fn size_opt(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    Ok(row
        .get::<_, Option<i64>>(column)?
        .map(|n| n.max(0).cast_unsigned()))
}

/// Cuts a text that comes from outside, so that a report stays within its bound.
pub fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
