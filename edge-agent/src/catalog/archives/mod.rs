//! Archives (S3, S4): which recordings are packed into which ZIP, and how far that is. What is done to the files, and in
//! which order, is in `archive/`; each step there is a row here first or last, so that a start goes on from the rows.

mod build;
mod clear;
mod mail;
mod plan;

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::archive::{Archive, ArchiveClears, ArchiveMail, ArchiveState};
use wire::ids::ArchiveId;
use wire::resource::Page;

use super::text::{parsed, size, time, time_opt, word};
use super::{Catalog, CatalogError, ChangeKind, Work};
use crate::footage::archives;
use crate::footage::volume::VolumeId;
use crate::model::spans::Spans;

pub use build::{ArchiveItem, ArchiveJob, Sealed};
pub(super) use build::{named, packing};
pub use clear::Leftover;
pub use mail::MailAbout;
pub use plan::WeeklyPlan;

/// Archives that are remembered after they were cleared or failed.
const REMEMBERED_MAX: u32 = 500;

/// Items of a page.
const PAGE_MAX: u32 = 100;

const COLUMNS: &str =
    "archive.*, (select name from volume where volume.id = archive.volume_id) as volume_name";

fn archive_of(row: &Row<'_>) -> rusqlite::Result<Archive> {
    let state: ArchiveState = word(row, "state")?;
    let bytes = size(row, "bytes")?;
    let id: ArchiveId = parsed(row, "id")?;
    let file: Option<String> = row.get("file")?;
    let cameras: Option<String> = row.get("cameras")?;
    let done = !matches!(state, ArchiveState::Building | ArchiveState::Failed);
    Ok(Archive {
        id,
        state,
        origin: word(row, "origin")?,
        from_utc: time(row, "from_utc")?,
        to_utc: time(row, "to_utc")?,
        cameras: cameras.map(|text| json(&text)).transpose()?,
        asked_by: row.get("asked_by")?,
        recordings: size(row, "recordings")?,
        damaged: size(row, "damaged")?,
        left_out: size(row, "left_out")?,
        bytes,
        progress_percent: match done {
            true => 100,
            false => percent(size(row, "written_bytes")?, bytes).min(99),
        },
        file_name: file.filter(|_| done),
        digest: row.get::<_, Option<String>>("digest")?.filter(|_| done),
        volume: row.get("volume_name")?,
        downloaded_percent: match state {
            ArchiveState::Downloaded => 100,
            _ => percent(delivered_of(row)?.total(), bytes).min(99),
        },
        failure: row.get("failure")?,
        mail: ArchiveMail {
            state: word(row, "mail_state")?,
            attempts: u32::try_from(size(row, "mail_attempts")?).unwrap_or(u32::MAX),
            next_attempt_at: time_opt(row, "mail_next_utc")?,
            failure: row.get("mail_failure")?,
        },
        clears: None,
        cleared_recordings: size(row, "cleared_recordings")?,
        locked_recordings: size(row, "locked_recordings")?,
        created_at: time(row, "created_utc")?,
        ready_at: time_opt(row, "ready_utc")?,
        downloaded_at: time_opt(row, "downloaded_utc")?,
        cleared_at: time_opt(row, "cleared_utc")?,
    })
}

fn delivered_of(row: &Row<'_>) -> rusqlite::Result<Spans> {
    json(&row.get::<_, String>("delivered")?)
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
    })
}

fn percent(part: u64, whole: u64) -> u8 {
    match whole {
        0 => 0,
        _ => u8::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(100),
    }
}

fn get(c: &Connection, id: ArchiveId) -> Result<Archive, CatalogError> {
    c.prepare_cached(&format!("select {COLUMNS} from archive where id = ?1"))?
        .query_row([id.to_string()], archive_of)
        .optional()?
        .ok_or(CatalogError::NoArchive(id))
}

/// Announces a change and gives the archive as it is now.
fn told(w: &mut Work<'_>, id: ArchiveId) -> Result<Archive, CatalogError> {
    w.changed(ChangeKind::Archive, id);
    get(w.tx, id)
}

/// What clearing would delete now.
fn clears(c: &Connection, id: ArchiveId) -> Result<ArchiveClears, CatalogError> {
    Ok(c.prepare_cached(
        "select coalesce(sum(not protected), 0) as recordings,
            coalesce(sum(iif(protected, 0, kept_bytes)), 0) as bytes, coalesce(sum(protected), 0) as locked
         from archive_item cross join recording on recording.id = archive_item.recording_id
         where archive_id = ?1 and status = 'completed' and left_out is null",
    )?
    .query_row([id.to_string()], |row| {
        Ok(ArchiveClears {
            recordings: size(row, "recordings")?,
            bytes: size(row, "bytes")?,
            locked: size(row, "locked")?,
        })
    })?)
}

/// Where a ready archive lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Its volume.
    pub volume: VolumeId,
    /// Path on it.
    pub path: std::path::PathBuf,
}

impl Catalog {
    /// One archive, with what clearing it would delete.
    pub async fn archive(&self, id: ArchiveId) -> Result<Archive, CatalogError> {
        self.read(move |c| {
            let mut archive = get(c, id)?;
            if can_be_cleared(archive.state) {
                archive.clears = Some(clears(c, id)?);
            }
            Ok(archive)
        })
        .await
    }

    /// The archives, newest first.
    pub async fn archives(&self, cursor: Option<String>) -> Result<Page<Archive>, CatalogError> {
        let before = match cursor {
            Some(cursor) => cursor
                .parse::<ArchiveId>()
                .map_err(|_| CatalogError::BadCursor)?
                .to_string(),
            // After every id.
            None => "g".to_owned(),
        };
        self.read(move |c| {
            let mut items: Vec<Archive> = c
                .prepare_cached(&format!(
                    "select {COLUMNS} from archive where id < ?1 order by id desc limit ?2"
                ))?
                .query_map(params![before, PAGE_MAX + 1], archive_of)?
                .collect::<Result<_, _>>()?;
            let more = items.len() > PAGE_MAX as usize;
            items.truncate(PAGE_MAX as usize);
            let next_cursor = items
                .last()
                .filter(|_| more)
                .map(|last| last.id.to_string());
            Ok(Page { items, next_cursor })
        })
        .await
    }

    /// Where an archive lies that can be downloaded; none in any other state.
    pub async fn archive_file(&self, id: ArchiveId) -> Result<Option<ArchiveFile>, CatalogError> {
        self.read(move |c| {
            Ok(c.prepare_cached(
                "select volume_id, file from archive where id = ?1 and state in ('ready', 'downloaded')",
            )?
            .query_row([id.to_string()], |row| {
                Ok(ArchiveFile {
                    volume: VolumeId(row.get("volume_id")?),
                    path: archives::file(&row.get::<_, String>("file")?),
                })
            })
            .optional()?)
        })
        .await
    }

    /// Bytes of archives on a volume; of one that is built, what it will have.
    pub async fn archive_bytes(&self, volume: VolumeId) -> Result<u64, CatalogError> {
        self.read(move |c| {
            Ok(c.prepare_cached(
                "select coalesce(sum(bytes), 0) as bytes from archive where volume_id = ?1",
            )?
            .query_row([volume.0], |row| size(row, "bytes"))?)
        })
        .await
    }

    /// Notes that bytes of a file were delivered, from `first` to before `end`. With the last missing one the archive is
    /// `downloaded`.
    pub async fn note_delivered(
        &self,
        id: ArchiveId,
        first: u64,
        end: u64,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            let known =
                w.tx.prepare_cached(
                    "select delivered, bytes from archive where id = ?1 and state = 'ready'",
                )?
                .query_row([id.to_string()], |row| {
                    Ok((delivered_of(row)?, size(row, "bytes")?))
                })
                .optional()?;
            let Some((mut delivered, bytes)) = known else {
                return Ok(());
            };
            delivered.add(first, end.min(bytes));
            w.tx.prepare_cached(
                "update archive set delivered = ?2, state = iif(?3, 'downloaded', state),
                    downloaded_utc = iif(?3, ?4, downloaded_utc)
                 where id = ?1",
            )?
            .execute(params![
                id.to_string(),
                serde_json::to_string(&delivered)?,
                delivered.covers(0, bytes),
                w.now.micros()
            ])?;
            told(w, id).map(drop)
        })
        .await
    }
}

/// Whether there is a file and recordings that clearing would delete.
pub fn can_be_cleared(state: ArchiveState) -> bool {
    matches!(state, ArchiveState::Ready | ArchiveState::Downloaded)
}

#[cfg(test)]
mod tests;
