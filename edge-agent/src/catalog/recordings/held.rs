//! What is held: where its files lie, and what a range looks like. For playback, downloads and the timeline.

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use wire::coverage::Stretch;
use wire::ids::{CameraId, RecordingId};
use wire::resource::{EvictionCause, Recording, RecordingStatus};

use super::super::text::{parsed, size_opt, time, word, word_opt};
use super::super::{Catalog, CatalogError};
use super::{COLUMNS, recording_of};
use crate::footage::fragments::FragmentIndex;
use crate::footage::path::Stem;
use crate::footage::volume::VolumeId;
use crate::model::time::UtcRange;

/// A completed recording and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The recording as APIs show it.
    pub recording: Recording,
    /// Its volume.
    pub volume: VolumeId,
    /// The name of its files.
    pub stem: Stem,
    /// Length of its pictures.
    pub duration_ms: u64,
    /// Where its fragments lie.
    pub fragments: FragmentIndex,
}

/// A recording as a timeline draws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Which.
    pub id: RecordingId,
    /// Span in true time.
    pub span: UtcRange,
    /// State.
    pub status: RecordingStatus,
    /// Protected from eviction, by a lock or a bookmark.
    pub locked: bool,
    /// Why it left.
    pub eviction_cause: Option<EvictionCause>,
    /// The recorder no longer holds it.
    pub source_gone: bool,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

/// Which spans to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanFilter {
    /// What is held.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for the export of a range (P5), which is not there yet"
        )
    )]
    Held,
    /// Everything that the recorder ever listed.
    All,
}

fn held_of(row: &Row<'_>) -> rusqlite::Result<Held> {
    let fragments: Option<String> = row.get("fragments")?;
    let fragments = match fragments {
        Some(text) => serde_json::from_str(&text).map_err(|e| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
        })?,
        None => FragmentIndex::default(),
    };
    Ok(Held {
        recording: recording_of(row)?,
        volume: VolumeId(row.get("volume_id")?),
        stem: parsed(row, "stem")?,
        duration_ms: size_opt(row, "duration_ms")?.unwrap_or(0),
        fragments,
    })
}

fn span_of(row: &Row<'_>) -> rusqlite::Result<Span> {
    Ok(Span {
        id: parsed(row, "id")?,
        span: UtcRange {
            from: time(row, "start_utc")?,
            to: time(row, "end_utc")?,
        },
        status: word(row, "status")?,
        locked: row.get("protected")?,
        eviction_cause: word_opt(row, "eviction_cause")?,
        source_gone: row.get("source_gone")?,
        failure: row.get("failure")?,
    })
}

const WHERE_HELD: &str = "camera_id = :camera and status = 'completed' and start_utc >= :reach and start_utc < :to \
                          and end_utc > :from order by start_utc, id";

pub(in super::super) fn held_sql() -> String {
    format!(
        "select {COLUMNS}, recording.volume_id, recording.stem, recording.duration_ms, recording.fragments
         from recording indexed by recording_by_camera_status where {WHERE_HELD} limit :limit"
    )
}

pub(in super::super) fn spans_sql(filter: SpanFilter) -> String {
    const SPAN: &str =
        "id, start_utc, end_utc, status, protected, eviction_cause, source_gone, failure";
    match filter {
        SpanFilter::Held => format!(
            "select {SPAN} from recording indexed by recording_by_camera_status where {WHERE_HELD}"
        ),
        SpanFilter::All => format!(
            "select {SPAN} from recording indexed by recording_by_camera where camera_id = :camera
                and start_utc >= :reach and start_utc < :to and end_utc > :from order by start_utc, id"
        ),
    }
}

/// A completed recording, or none when it is not (or no longer) held.
pub(in super::super) fn held(
    c: &Connection,
    id: RecordingId,
) -> Result<Option<Held>, CatalogError> {
    Ok(c.prepare_cached(&format!(
        "select {COLUMNS}, recording.volume_id, recording.stem, recording.duration_ms, recording.fragments
         from recording where id = ?1 and status = 'completed'"
    ))?
    .query_row([id.to_string()], held_of)
    .optional()?)
}

impl Catalog {
    /// A completed recording and where it lies; none when it is not (or no longer) held.
    pub async fn held(&self, id: RecordingId) -> Result<Option<Held>, CatalogError> {
        self.read(move |c| held(c, id)).await
    }

    /// What is held of a camera in a range, oldest first, at most `limit`.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for the export of a range (P5), which is not there yet"
        )
    )]
    pub async fn held_in(
        &self,
        camera: CameraId,
        range: UtcRange,
        limit: u32,
    ) -> Result<Vec<Held>, CatalogError> {
        self.read(move |c| {
            let reach_us = super::longest_us(c, Some(camera))?;
            Ok(c.prepare_cached(&held_sql())?
                .query_map(
                    named_params! {
                        ":camera": camera.to_string(),
                        ":reach": range.from.micros().saturating_sub(reach_us),
                        ":from": range.from.micros(),
                        ":to": range.to.micros(),
                        ":limit": limit,
                    },
                    held_of,
                )?
                .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// When a camera has held footage on these volumes, within a range: stretches that do not touch, oldest first.
    pub async fn held_on(
        &self,
        camera: CameraId,
        range: UtcRange,
        volumes: Vec<VolumeId>,
    ) -> Result<Vec<Stretch>, CatalogError> {
        self.read(move |c| {
            let reach_us = super::longest_us(c, Some(camera))?;
            let mut statement = c.prepare_cached(
                "select start_utc, end_utc, volume_id from recording indexed by recording_by_camera_status
                 where camera_id = :camera and status = 'completed' and start_utc >= :reach and start_utc < :to
                    and end_utc > :from order by start_utc, id",
            )?;
            let mut rows = statement.query(named_params! {
                ":camera": camera.to_string(),
                ":reach": range.from.micros().saturating_sub(reach_us),
                ":from": range.from.micros(),
                ":to": range.to.micros(),
            })?;
            let mut stretches: Vec<Stretch> = Vec::new();
            while let Some(row) = rows.next()? {
                if !volumes.contains(&VolumeId(row.get("volume_id")?)) {
                    continue;
                }
                let from_utc = time(row, "start_utc")?.max(range.from);
                let to_utc = time(row, "end_utc")?.min(range.to);
                match stretches.last_mut() {
                    Some(last) if last.to_utc >= from_utc => last.to_utc = last.to_utc.max(to_utc),
                    _ => stretches.push(Stretch { from_utc, to_utc }),
                }
            }
            Ok(stretches)
        })
        .await
    }

    /// The recordings of a camera that reach into a range, oldest first, in short.
    pub async fn spans(
        &self,
        camera: CameraId,
        range: UtcRange,
        filter: SpanFilter,
    ) -> Result<Vec<Span>, CatalogError> {
        self.read(move |c| {
            let reach_us = super::longest_us(c, Some(camera))?;
            Ok(c.prepare_cached(&spans_sql(filter))?
                .query_map(
                    named_params! {
                        ":camera": camera.to_string(),
                        ":reach": range.from.micros().saturating_sub(reach_us),
                        ":from": range.from.micros(),
                        ":to": range.to.micros(),
                    },
                    span_of,
                )?
                .collect::<Result<_, _>>()?)
        })
        .await
    }
}
