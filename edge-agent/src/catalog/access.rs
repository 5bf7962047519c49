//! Who read which footage (P3): a row for the appliance's own log, a report for the relay's.

use rusqlite::{Row, params};
use wire::ids::{ArchiveId, CameraId, RecordingId};
use wire::resource::Page;
use wire::telemetry::{Event, FootageAccess};
use wire::time::UtcTime;

use super::text::{cut, parsed_opt, signed, size, time, time_opt};
use super::{Catalog, CatalogError, outbox};
use crate::model::time::UtcRange;

/// Entries that are kept: at a thousand a day, more than two years. Older ones go.
const ENTRIES_MAX: i64 = 1_000_000;

/// One entry of the access log.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessEntry {
    /// When.
    pub at: UtcTime,
    /// Who: login name.
    pub username: String,
    /// `lan` or `relay`.
    pub via: String,
    /// From which address.
    pub address: Option<String>,
    /// `download`, `playback`, `live`.
    pub action: String,
    /// Which camera; none for an archive.
    pub camera: Option<CameraId>,
    /// Which recording, unless live or an archive.
    pub recording: Option<RecordingId>,
    /// Which archive.
    pub archive: Option<ArchiveId>,
    /// Which range, for playback.
    pub range: Option<UtcRange>,
    /// Bytes sent.
    pub bytes: u64,
    /// Request id.
    pub request_id: String,
}

fn entry_of(row: &Row<'_>) -> rusqlite::Result<AccessEntry> {
    let (from, to) = (time_opt(row, "range_from")?, time_opt(row, "range_to")?);
    Ok(AccessEntry {
        at: time(row, "at_utc")?,
        username: row.get("username")?,
        via: row.get("via")?,
        address: row.get("address")?,
        action: row.get("action")?,
        camera: parsed_opt(row, "camera_id")?,
        recording: parsed_opt(row, "recording_id")?,
        archive: parsed_opt(row, "archive_id")?,
        range: from.zip(to).map(|(from, to)| UtcRange { from, to }),
        bytes: size(row, "bytes")?,
        request_id: row.get("request_id")?,
    })
}

impl Catalog {
    /// Logs and reports that somebody read footage.
    pub async fn log_access(
        &self,
        access: FootageAccess,
        address: Option<String>,
        range: Option<UtcRange>,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            let access = FootageAccess {
                username: cut(&access.username, 200),
                request_id: cut(&access.request_id, 200),
                ..access
            };
            w.tx.prepare_cached(
                "insert into access_log (at_utc, username, via, address, action, camera_id, recording_id,
                    range_from, range_to, bytes, request_id, archive_id)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                w.now.micros(),
                access.username,
                access.via,
                address.map(|text| cut(&text, 200)),
                access.action,
                access.camera_id.map(|id| id.to_string()),
                access.recording_id.map(|id| id.to_string()),
                range.map(|range| range.from.micros()),
                range.map(|range| range.to.micros()),
                signed(access.bytes),
                access.request_id,
                access.archive_id.map(|id| id.to_string()),
            ])?;
            let newest = w.tx.last_insert_rowid();
            w.tx.prepare_cached("delete from access_log where id <= ?1")?
                .execute([newest - ENTRIES_MAX])?;
            outbox::enqueue(w, &Event::AuditFootage(access))
        })
        .await
    }

    /// The access log, newest first.
    pub async fn access_log(
        &self,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<AccessEntry>, CatalogError> {
        let before: i64 = match cursor {
            Some(cursor) => cursor.parse().map_err(|_| CatalogError::BadCursor)?,
            None => i64::MAX,
        };
        let limit = limit.clamp(1, super::recordings::LIMIT_MAX);
        self.read(move |c| {
            let mut rows: Vec<(i64, AccessEntry)> = c
                .prepare_cached("select * from access_log where id < ?1 order by id desc limit ?2")?
                .query_map(params![before, limit + 1], |row| {
                    Ok((row.get("id")?, entry_of(row)?))
                })?
                .collect::<Result<_, _>>()?;
            let more = rows.len() > limit as usize;
            rows.truncate(limit as usize);
            let next_cursor = rows.last().filter(|_| more).map(|(id, _)| id.to_string());
            Ok(Page {
                items: rows.into_iter().map(|(_, entry)| entry).collect(),
                next_cursor,
            })
        })
        .await
    }
}
