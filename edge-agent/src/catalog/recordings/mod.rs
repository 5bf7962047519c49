//! Recordings: how they are listed here; how they are fetched, kept and leave in the files beside.

mod candidates;
mod fetch;
mod garbage;
mod held;
mod kept;
mod locks;

use data_encoding::BASE64URL_NOPAD;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use wire::ids::{CameraId, RecordingId};
use wire::resource::{Defect, Page, Recording, RecordingStatus};
use wire::time::UtcTime;

use super::text::{Word, parsed, size, size_opt, time, time_opt, word, word_opt};
use super::{Catalog, CatalogError, cameras};

#[allow(unused_imports, reason = "names for whoever stands on the catalog")]
pub use self::{
    fetch::PendingRecording,
    garbage::Emptied,
    held::{Held, Span, SpanFilter},
};
pub(super) use candidates::show;
pub(super) use fetch::{give_up, source_time, take_up};
pub(super) use garbage::{evict as evict_one, throw_away};
pub(super) use kept::complete;
pub(super) use locks::within_lock_max;

/// Items of a page unless asked otherwise.
pub const LIMIT_DEFAULT: u32 = 100;
/// Most items of a page.
pub const LIMIT_MAX: u32 = 1_000;

/// Which way a list runs, by start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// Which recordings to list.
#[derive(Debug, Clone, Default)]
pub struct RecordingFilter {
    /// Of one camera only.
    pub camera: Option<CameraId>,
    /// Reaching beyond this instant.
    pub from: Option<UtcTime>,
    /// Beginning before this instant.
    pub to: Option<UtcTime>,
    /// In this state only.
    pub status: Option<RecordingStatus>,
    /// At least this large (as kept, or as stated while not kept).
    pub min_bytes: Option<u64>,
    /// Which way.
    pub order: Order,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Items of the page; 0 takes [`LIMIT_DEFAULT`], and [`LIMIT_MAX`] is the most.
    pub limit: u32,
}

pub(super) const COLUMNS: &str = "recording.id, recording.camera_id, recording.status, recording.start_utc, \
    recording.end_utc, recording.source_start, recording.clock_offset_ms, recording.source_name, \
    recording.stated_bytes, recording.received_bytes, recording.kept_bytes, recording.digest, \
    recording.source_digest, recording.fetched_bytes, recording.video_codec, recording.audio_codec, recording.width, recording.height, \
    recording.defects, recording.locked, recording.marked, recording.attempts, recording.failure, recording.next_attempt_utc, \
    recording.eviction_cause, recording.updated_utc";

pub(super) fn recording_of(row: &Row<'_>) -> rusqlite::Result<Recording> {
    let status = word(row, "status")?;
    let (stated_bytes, received_bytes) = (size(row, "stated_bytes")?, size(row, "received_bytes")?);
    Ok(Recording {
        id: parsed(row, "id")?,
        camera_id: parsed(row, "camera_id")?,
        status,
        start_utc: time(row, "start_utc")?,
        end_utc: time(row, "end_utc")?,
        recorder_start: row.get("source_start")?,
        clock_offset_ms: row.get("clock_offset_ms")?,
        source_name: row.get("source_name")?,
        stated_bytes,
        received_bytes,
        progress_percent: percent(status, received_bytes, stated_bytes),
        kept_bytes: size_opt(row, "kept_bytes")?,
        digest: row.get("digest")?,
        source_digest: row.get("source_digest")?,
        fetched_bytes: size_opt(row, "fetched_bytes")?,
        video_codec: row.get("video_codec")?,
        audio_codec: row.get("audio_codec")?,
        width: row.get("width")?,
        height: row.get("height")?,
        defects: defects_of(row)?,
        locked: row.get("locked")?,
        bookmarked: row.get("marked")?,
        attempts: row.get("attempts")?,
        failure: row.get("failure")?,
        next_attempt_at: time_opt(row, "next_attempt_utc")?,
        eviction_cause: word_opt(row, "eviction_cause")?,
        updated_at: time(row, "updated_utc")?,
    })
}

fn defects_of(row: &Row<'_>) -> rusqlite::Result<Vec<Defect>> {
    let text: String = row.get("defects")?;
    serde_json::from_str(&text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
    })
}

/// 100 means verified and held; until then 99 is the most, because stated sizes are not exact.
fn percent(status: RecordingStatus, received_bytes: u64, stated_bytes: u64) -> u8 {
    match status {
        RecordingStatus::Completed | RecordingStatus::Evicted if received_bytes > 0 => 100,
        _ if stated_bytes == 0 => 0,
        _ => {
            let percent = u128::from(received_bytes) * 100 / u128::from(stated_bytes);
            u8::try_from(percent.min(99)).unwrap_or(99)
        }
    }
}

/// One recording.
pub(super) fn get(c: &Connection, id: RecordingId) -> Result<Recording, CatalogError> {
    c.prepare_cached(&format!("select {COLUMNS} from recording where id = ?1"))?
        .query_row([id.to_string()], recording_of)
        .optional()?
        .ok_or(CatalogError::NoRecording(id))
}

/// The state of one recording.
pub(super) fn status(c: &Connection, id: RecordingId) -> Result<RecordingStatus, CatalogError> {
    c.prepare_cached("select status from recording where id = ?1")?
        .query_row([id.to_string()], |row| word(row, "status"))
        .optional()?
        .ok_or(CatalogError::NoRecording(id))
}

/// How far before a range a recording that reaches into it may start.
pub(super) fn longest_us(c: &Connection, camera: Option<CameraId>) -> Result<i64, CatalogError> {
    Ok(match camera {
        Some(camera) => c
            .prepare_cached("select longest_us from holding where camera_id = ?1")?
            .query_row([camera.to_string()], |row| row.get(0))
            .optional()?
            .unwrap_or(0),
        None => c
            .prepare_cached("select coalesce(max(longest_us), 0) from holding")?
            .query_row([], |row| row.get(0))?,
    })
}

impl Catalog {
    /// One recording.
    pub async fn recording(&self, id: RecordingId) -> Result<Recording, CatalogError> {
        self.read(move |c| get(c, id)).await
    }

    /// A page of recordings by start. Whatever the filter, the rows are found through an index in their order; only
    /// `min_bytes` may read rows that it then leaves out.
    pub async fn recordings(
        &self,
        filter: RecordingFilter,
    ) -> Result<Page<Recording>, CatalogError> {
        self.read(move |c| {
            if let Some(camera) = filter.camera {
                cameras::get(c, camera)?;
            }
            page(c, &filter)
        })
        .await
    }
}

fn page(c: &Connection, filter: &RecordingFilter) -> Result<Page<Recording>, CatalogError> {
    let limit = match filter.limit {
        0 => LIMIT_DEFAULT,
        asked => asked.min(LIMIT_MAX),
    };
    let after = filter.cursor.as_deref().map(read_cursor).transpose()?;
    let reach_us = longest_us(c, filter.camera)?;
    let mut items = c
        .prepare_cached(&list_sql(filter))?
        .query_map(
            named_params! {
                ":camera": filter.camera.map(|id| id.to_string()),
                ":status": filter.status.map(Word::word),
                ":from": filter.from.map(UtcTime::micros),
                ":reach": filter.from.map(|from| from.micros().saturating_sub(reach_us)),
                ":to": filter.to.map(UtcTime::micros),
                ":min_bytes": filter.min_bytes.map(super::text::signed),
                ":after_start": after.as_ref().map(|(start, _)| start),
                ":after_id": after.as_ref().map(|(_, id)| id.to_string()),
                ":limit": limit + 1,
            },
            recording_of,
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(write_cursor);
    Ok(Page { items, next_cursor })
}

/// The query of a list. Conditions that are not asked for are written as true ones on their (null) parameter, so that
/// every query has the same parameters.
pub(super) fn list_sql(filter: &RecordingFilter) -> String {
    let index = match (filter.camera, filter.status) {
        (Some(_), Some(_)) => "recording_by_camera_status",
        (Some(_), None) => "recording_by_camera",
        (None, Some(_)) => "recording_by_status",
        (None, None) => "recording_by_start",
    };
    let (after, order) = match filter.order {
        Order::NewestFirst => ("<", "desc"),
        Order::OldestFirst => (">", "asc"),
    };
    let when = |asked: bool, condition: &str, parameter: &str| {
        if asked {
            format!(" and {condition}")
        } else {
            format!(" and {parameter} is null")
        }
    };
    format!(
        "select {COLUMNS} from recording indexed by {index} where true{}{}{}{}{}{} \
         order by start_utc {order}, id {order} limit :limit",
        when(filter.camera.is_some(), "camera_id = :camera", ":camera"),
        when(filter.status.is_some(), "status = :status", ":status"),
        when(
            filter.from.is_some(),
            "start_utc >= :reach and end_utc > :from",
            "(:reach is null and :from)"
        ),
        when(filter.to.is_some(), "start_utc < :to", ":to"),
        when(
            filter.min_bytes.is_some(),
            "coalesce(kept_bytes, stated_bytes) >= :min_bytes",
            ":min_bytes"
        ),
        when(
            filter.cursor.is_some(),
            &format!("(start_utc, id) {after} (:after_start, :after_id)"),
            "(:after_start is null and :after_id)"
        ),
    )
}

/// The queries that must stay within an index however many recordings there are.
#[cfg(test)]
pub(super) fn queries() -> Vec<(String, String)> {
    let mut all = vec![
        ("to_fetch".to_owned(), fetch::TO_FETCH.to_owned()),
        ("listed".to_owned(), super::coverage::LISTED.to_owned()),
        ("held".to_owned(), held::held_sql()),
        ("spans held".to_owned(), held::spans_sql(SpanFilter::Held)),
        ("spans".to_owned(), held::spans_sql(SpanFilter::All)),
        ("of volume".to_owned(), candidates::OF_VOLUME.to_owned()),
        ("of camera".to_owned(), candidates::OF_CAMERA.to_owned()),
        ("cameras".to_owned(), cameras::SELECT.to_owned()),
        ("listed days".to_owned(), super::days::LISTED.to_owned()),
    ];
    for bits in 0..32_u32 {
        let asked = |bit: u32| bits & (1 << bit) != 0;
        let time = Some(UtcTime::from_micros(0));
        let filter = RecordingFilter {
            camera: asked(0).then(CameraId::new),
            status: asked(1).then_some(RecordingStatus::Completed),
            from: time.filter(|_| asked(2)),
            to: time.filter(|_| asked(2)),
            cursor: asked(3).then(String::new),
            order: if asked(4) {
                Order::NewestFirst
            } else {
                Order::OldestFirst
            },
            ..RecordingFilter::default()
        };
        all.push((format!("{filter:?}"), list_sql(&filter)));
    }
    all
}

fn write_cursor(last: &Recording) -> String {
    BASE64URL_NOPAD.encode(format!("{}:{}", last.start_utc.micros(), last.id).as_bytes())
}

fn read_cursor(cursor: &str) -> Result<(i64, RecordingId), CatalogError> {
    let read = || {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (start, id) = text.split_once(':')?;
        Some((start.parse().ok()?, id.parse().ok()?))
    };
    read().ok_or(CatalogError::BadCursor)
}
