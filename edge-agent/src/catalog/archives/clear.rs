//! From `downloaded` to `cleared`, and whatever else makes files of archives leave.
//!
//! First the row says `clearing`: that is the intention, which every start goes on with. Then recordings leave in
//! batches, each a transaction that also takes their items away; then the file; then the row says `cleared`. So the
//! ZIP is the last to go: until its recordings have all left, somebody who changes their mind can still copy it.

use rusqlite::params;
use wire::archive::{Archive, ArchiveState};
use wire::ids::{ArchiveId, RecordingId};
use wire::resource::{EvictionCause, RecordingStatus};
use wire::telemetry::Event;

use super::super::recordings::evict_one;
use super::super::text::{parsed, word};
use super::super::{Catalog, CatalogError};
use super::{get, told};
use crate::footage::volume::VolumeId;

/// Recordings that leave in one transaction.
const BATCH: u32 = 200;

/// An archive whose file may still lie there although it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Which.
    pub id: ArchiveId,
    /// Its state: `clearing`, or `failed`.
    pub state: ArchiveState,
    /// Where.
    pub volume: VolumeId,
    /// Its final name, where it had one.
    pub file: Option<String>,
}

impl Catalog {
    /// A person clears an archive: its recordings and its file leave, except what is locked. Refused before it was
    /// downloaded, unless they insist, and while a recording of it is packed into another archive.
    pub async fn begin_clear(
        &self,
        id: ArchiveId,
        although_not_downloaded: bool,
    ) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            let archive = get(w.tx, id)?;
            match archive.state {
                ArchiveState::Downloaded => {}
                ArchiveState::Ready if although_not_downloaded => {}
                ArchiveState::Ready => {
                    return Err(CatalogError::ArchiveState(format!(
                        "this archive was not downloaded whole ({} %): download it first, or clear it with the override",
                        archive.downloaded_percent
                    )));
                }
                ArchiveState::Clearing | ArchiveState::Cleared => return Ok(archive),
                ArchiveState::Building | ArchiveState::Failed => {
                    return Err(CatalogError::ArchiveState(format!(
                        "there is nothing to clear: this archive is {:?}",
                        archive.state
                    )));
                }
            }
            let packed_elsewhere = w
                .tx
                .prepare(
                    "select 1 from archive_item mine cross join archive_item other
                        on other.recording_id = mine.recording_id and other.archive_id <> mine.archive_id
                        cross join archive on archive.id = other.archive_id
                     where mine.archive_id = ?1 and archive.state = 'building' limit 1",
                )?
                .exists([id.to_string()])?;
            if packed_elsewhere {
                return Err(CatalogError::ArchiveState(
                    "recordings of this archive are being packed into another one: wait until that is ready, or cancel it"
                        .to_owned(),
                ));
            }
            w.tx.execute(
                "update archive set state = 'clearing', mail_state = iif(mail_state = 'waiting', 'none', mail_state)
                 where id = ?1",
                [id.to_string()],
            )?;
            // What is not in the ZIP stays: nobody has it.
            w.tx.execute(
                "delete from archive_item where archive_id = ?1 and left_out is not null",
                [id.to_string()],
            )?;
            told(w, id)
        })
        .await
    }

    /// The next recordings of an archive that is cleared leave. True when there are none left.
    pub async fn clear_recordings(&self, id: ArchiveId) -> Result<bool, CatalogError> {
        self.write(move |w| {
            let batch: Vec<(i64, RecordingId, RecordingStatus, bool)> =
                w.tx.prepare_cached(
                    "select n, recording_id, status, protected from archive_item
                        cross join recording on recording.id = recording_id
                     where archive_id = ?1 order by n limit ?2",
                )?
                .query_map(params![id.to_string(), BATCH], |row| {
                    Ok((
                        row.get("n")?,
                        parsed(row, "recording_id")?,
                        word(row, "status")?,
                        row.get("protected")?,
                    ))
                })?
                .collect::<Result<_, _>>()?;
            let (mut left, mut locked) = (Vec::new(), 0);
            for (n, recording, status, is_locked) in &batch {
                match (status, is_locked) {
                    (RecordingStatus::Completed, false) => {
                        evict_one(w, *recording, EvictionCause::ArchiveCleared)?;
                        left.push(*recording);
                    }
                    (RecordingStatus::Completed, true) => locked += 1,
                    // It has left already.
                    _ => {}
                }
                w.tx.prepare_cached("delete from archive_item where archive_id = ?1 and n = ?2")?
                    .execute(params![id.to_string(), n])?;
            }
            for some in left.chunks(wire::telemetry::BATCH_MAX) {
                w.recordings_changed(Event::RecordingEvicted, some)?;
            }
            w.tx.execute(
                "update archive set cleared_recordings = cleared_recordings + ?2,
                    locked_recordings = locked_recordings + ?3
                 where id = ?1",
                params![id.to_string(), left.len() as i64, locked],
            )?;
            told(w, id)?;
            Ok(batch.is_empty())
        })
        .await
    }

    /// Archives that are on their way out, oldest first.
    pub async fn archive_leftovers(&self) -> Result<Vec<Leftover>, CatalogError> {
        self.read(|c| {
            Ok(c.prepare_cached(
                "select id, state, volume_id, file from archive
                 where volume_id is not null and state in ('clearing', 'failed') order by id",
            )?
            .query_map([], |row| {
                Ok(Leftover {
                    id: parsed(row, "id")?,
                    state: word(row, "state")?,
                    volume: VolumeId(row.get("volume_id")?),
                    file: row.get("file")?,
                })
            })?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Nothing of an archive's file is left: what was `clearing` is `cleared`.
    pub async fn archive_gone(&self, id: ArchiveId) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update archive set volume_id = null, cleared_utc = iif(state = 'clearing', ?2, cleared_utc),
                    state = iif(state = 'clearing', 'cleared', state)
                 where id = ?1 and state in ('clearing', 'failed')",
                params![id.to_string(), w.now.micros()],
            )?;
            told(w, id)
        })
        .await
    }

    /// Takes an archive off the list; refused unless it was cleared or failed and nothing of it is left.
    pub async fn forget_archive(&self, id: ArchiveId) -> Result<(), CatalogError> {
        self.write(move |w| {
            let archive = get(w.tx, id)?;
            let gone = w.tx.execute(
                "delete from archive where id = ?1 and state in ('cleared', 'failed') and volume_id is null",
                [id.to_string()],
            )?;
            if gone == 0 {
                return Err(CatalogError::ArchiveState(format!(
                    "this archive is {:?}: only what was cleared or failed is taken off the list",
                    archive.state
                )));
            }
            w.changed(super::super::ChangeKind::Archive, id);
            Ok(())
        })
        .await
    }
}
