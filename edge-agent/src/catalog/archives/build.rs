//! From `building` to `ready`, or to `failed`.
//!
//! The row names the volume before any file is made there. When the whole file is synced, its final name, size and
//! digest go into the row (it is *sealed*); then it is renamed; then the row says `ready`. So a start finds by the row
//! alone whether to pack on, to rename, or only to say `ready`.

use rusqlite::{OptionalExtension, Row, params};
use wire::archive::{Archive, ArchiveState};
use wire::ids::{ArchiveId, RecordingId};
use wire::resource::Defect;

use super::super::text::{cut, parsed, signed, size, time};
use super::super::{Catalog, CatalogError, Work};
use super::{get, told};
use crate::footage::archives;
use crate::footage::path::Stem;
use crate::footage::volume::VolumeId;
use crate::model::time::UtcRange;

/// An archive that is to be built, or built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveJob {
    /// Which.
    pub id: ArchiveId,
    /// Its range.
    pub range: UtcRange,
    /// Size of the file, reckoned.
    pub bytes: u64,
    /// Where it was begun.
    pub volume: Option<VolumeId>,
    /// Set once all of it was written and synced.
    pub sealed: Option<Sealed>,
}

/// A whole archive that may not have its final name yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 (hex).
    pub digest: String,
}

/// A recording as it is packed.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchiveItem {
    /// Its place in the archive.
    pub n: u64,
    /// Which.
    pub recording: RecordingId,
    /// Its name in the ZIP, without extension.
    pub name: String,
    /// Where it lies.
    pub volume: VolumeId,
    /// The name of its files there.
    pub stem: Stem,
    /// Its span.
    pub span: UtcRange,
    /// Name of its camera.
    pub camera: String,
    /// Size of its media.
    pub kept_bytes: u64,
    /// SHA-256 of its media (hex).
    pub digest: String,
    /// What is wrong with it.
    pub defects: Vec<Defect>,
    /// Why it is not in the archive.
    pub left_out: Option<String>,
}

fn job_of(row: &Row<'_>) -> rusqlite::Result<ArchiveJob> {
    let (file, digest): (Option<String>, Option<String>) = (row.get("file")?, row.get("digest")?);
    let bytes = size(row, "bytes")?;
    Ok(ArchiveJob {
        id: parsed(row, "id")?,
        range: UtcRange {
            from: time(row, "from_utc")?,
            to: time(row, "to_utc")?,
        },
        bytes,
        volume: row.get::<_, Option<i64>>("volume_id")?.map(VolumeId),
        sealed: file.zip(digest).map(|(file, digest)| Sealed {
            file,
            bytes,
            digest,
        }),
    })
}

fn item_of(row: &Row<'_>) -> rusqlite::Result<ArchiveItem> {
    let defects: String = row.get("defects")?;
    Ok(ArchiveItem {
        n: size(row, "n")?,
        recording: parsed(row, "recording_id")?,
        name: row.get("name")?,
        volume: VolumeId(row.get("volume_id")?),
        stem: parsed(row, "stem")?,
        span: UtcRange {
            from: time(row, "start_utc")?,
            to: time(row, "end_utc")?,
        },
        camera: row.get("camera_name")?,
        kept_bytes: size(row, "kept_bytes")?,
        digest: row.get("digest")?,
        defects: super::json(&defects)?,
        left_out: row.get("left_out")?,
    })
}

impl Catalog {
    /// The archive to build next: the one that was asked for first.
    pub async fn archive_to_build(&self) -> Result<Option<ArchiveJob>, CatalogError> {
        self.read(|c| {
            Ok(c.prepare_cached(
                "select * from archive where state = 'building' order by id limit 1",
            )?
            .query_row([], job_of)
            .optional()?)
        })
        .await
    }

    /// Items of an archive from number `from` on, in their order. All are held: they cannot leave while it is built.
    pub async fn archive_items(
        &self,
        id: ArchiveId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<ArchiveItem>, CatalogError> {
        self.read(move |c| {
            Ok(c.prepare_cached(
                "select n, recording_id, archive_item.name, left_out, recording.volume_id, stem, start_utc, end_utc,
                    kept_bytes, digest, defects, camera.name as camera_name
                 from archive_item cross join recording on recording.id = recording_id
                    cross join camera on camera.id = camera_id
                 where archive_id = ?1 and n >= ?2 and status = 'completed' order by n limit ?3",
            )?
            .query_map(params![id.to_string(), signed(from), limit], item_of)?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// An archive will be built on this volume.
    pub async fn place_archive(&self, id: ArchiveId, volume: VolumeId) -> Result<(), CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update archive set volume_id = ?2 where id = ?1 and state = 'building' and file is null",
                params![id.to_string(), volume.0],
            )?;
            Ok(())
        })
        .await
    }

    /// How far an archive is; false when it is no longer to be built.
    pub async fn note_archive_written(
        &self,
        id: ArchiveId,
        written_bytes: u64,
    ) -> Result<bool, CatalogError> {
        self.write(move |w| {
            let still = w.tx.execute(
                "update archive set written_bytes = ?2 where id = ?1 and state = 'building'",
                params![id.to_string(), signed(written_bytes)],
            )? == 1;
            told(w, id).map(|_| still)
        })
        .await
    }

    /// A recording cannot be read and is not packed.
    pub async fn leave_out(&self, id: ArchiveId, n: u64, why: String) -> Result<(), CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update archive_item set left_out = ?3 where archive_id = ?1 and n = ?2",
                params![id.to_string(), signed(n), cut(&why, 500)],
            )?;
            w.tx.execute(
                "update archive set left_out = (select count(*) from archive_item where archive_id = ?1
                    and left_out is not null) where id = ?1",
                [id.to_string()],
            )?;
            Ok(())
        })
        .await
    }

    /// All of an archive is written and synced. False when it is no longer to be built, or when the name is another's:
    /// then the next one is to be tried.
    pub async fn seal_archive(
        &self,
        id: ArchiveId,
        sealed: Sealed,
        damaged: u64,
    ) -> Result<bool, CatalogError> {
        self.write(move |w| {
            let taken = w
                .tx
                .prepare(
                    "select 1 from archive where file = ?2 and id <> ?1
                        and volume_id = (select volume_id from archive where id = ?1)",
                )?
                .exists(params![id.to_string(), sealed.file])?;
            if taken {
                return Ok(false);
            }
            Ok(w.tx.execute(
                "update archive set file = ?2, bytes = ?3, written_bytes = ?3, digest = ?4, damaged = ?5
                 where id = ?1 and state = 'building'",
                params![
                    id.to_string(),
                    sealed.file,
                    signed(sealed.bytes),
                    sealed.digest,
                    signed(damaged)
                ],
            )? == 1)
        })
        .await
    }

    /// A sealed archive turned out not to lie where it should: it is packed anew.
    pub async fn unseal_archive(&self, id: ArchiveId) -> Result<(), CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update archive set file = null, digest = null, written_bytes = 0
                 where id = ?1 and state = 'building'",
                [id.to_string()],
            )?;
            Ok(())
        })
        .await
    }

    /// A sealed archive has its name: it can be downloaded, and people are told.
    pub async fn archive_ready(&self, id: ArchiveId, mail: bool) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update archive set state = 'ready', ready_utc = ?2, failure = null, mail_state = iif(?3, 'waiting', 'none'),
                    mail_next_utc = iif(?3, ?2, null)
                 where id = ?1 and state = 'building' and file is not null and digest is not null",
                params![id.to_string(), w.now.micros(), mail],
            )?;
            told(w, id)
        })
        .await
    }

    /// An archive is not to be built (any more). Its file goes next ([`Catalog::archive_leftovers`]). Refused when it is
    /// not being built.
    pub async fn fail_archive(&self, id: ArchiveId, why: String) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            let archive = get(w.tx, id)?;
            if archive.state != ArchiveState::Building {
                return Err(CatalogError::ArchiveState(format!(
                    "this archive is not being built ({:?}): what is ready is cleared, not cancelled",
                    archive.state
                )));
            }
            w.tx.execute(
                "update archive set state = 'failed', failure = ?2 where id = ?1",
                params![id.to_string(), cut(&why, 1_000)],
            )?;
            drop_items(w, id)?;
            told(w, id)
        })
        .await
    }
}

/// Whether a file in the folder of archives is named by a row.
pub(in super::super) fn named(
    c: &rusqlite::Connection,
    volume: VolumeId,
    name: &str,
) -> Result<bool, CatalogError> {
    let part = archives::part_of(name).map(|id| id.to_string());
    Ok(c.prepare_cached(
        "select 1 from archive where volume_id = ?1 and (file = ?2 or (id = ?3 and state in ('building', 'failed')))",
    )?
    .exists(params![volume.0, name, part])?)
}

/// The recordings of an archive are free again.
pub(super) fn drop_items(w: &Work<'_>, id: ArchiveId) -> Result<(), CatalogError> {
    w.tx.execute(
        "delete from archive_item where archive_id = ?1",
        [id.to_string()],
    )?;
    Ok(())
}

/// The archive that a recording is being packed into.
pub(in super::super) fn packing(
    c: &rusqlite::Connection,
    recording: RecordingId,
) -> Result<Option<ArchiveId>, CatalogError> {
    Ok(c.prepare_cached(
        "select archive.id from archive_item cross join archive on archive.id = archive_id
         where recording_id = ?1 and archive.state = 'building'",
    )?
    .query_row([recording.to_string()], |row| parsed(row, "id"))
    .optional()?)
}
