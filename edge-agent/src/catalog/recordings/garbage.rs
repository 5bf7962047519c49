//! How footage leaves: the row first becomes a tombstone and its files garbage, in one transaction; then the files go;
//! then the garbage row (invariant 3). And what a person deletes.

use std::time::Duration;

use rusqlite::params;
use wire::ids::RecordingId;
use wire::resource::{EvictionCause, Recording, RecordingStatus};
use wire::telemetry::Event;

use super::super::text::{Word, parsed, size};
use super::super::{Catalog, CatalogError, Work, archives};
use crate::footage::keep;
use crate::footage::path::Stem;
use crate::footage::volume::{Volume, VolumeError, VolumeId, Volumes};

/// Files removed between two transactions.
const SWEEP_MAX: u32 = 64;
/// How long removing them may take before the disk counts as one that does not answer.
const SWEEP_TIME_MAX: Duration = Duration::from_secs(120);

/// What an emptying of the garbage did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Recordings whose files are gone now.
    pub removed: u64,
    /// Recordings whose files could not be removed now (disk not there, input/output error); tried again next time.
    pub left: u64,
}

impl Catalog {
    /// A person deletes a recording: it leaves, and is not fetched again. Its files go shortly after. Fine when it
    /// has left already; refused while a lock or a bookmark protects it.
    pub async fn delete(&self, id: RecordingId) -> Result<Recording, CatalogError> {
        self.write(move |w| {
            let recording = super::get(w.tx, id)?;
            if recording.locked {
                return Err(CatalogError::Locked(id));
            }
            if recording.bookmarked {
                return Err(CatalogError::Bookmarked(id));
            }
            if let Some(archive) = archives::packing(w.tx, id)? {
                return Err(CatalogError::BeingArchived {
                    recording: id,
                    archive,
                });
            }
            if recording.status != RecordingStatus::Evicted {
                evict(w, id, EvictionCause::Deleted)?;
                w.recordings_changed(Event::RecordingEvicted, &[id])?;
            }
            super::get(w.tx, id)
        })
        .await
    }

    /// Footage leaves. What is protected, being packed into an archive, or no longer held, is left out: the choice may be a
    /// moment old. Returns those
    /// that left; their files go with [`Catalog::empty_garbage`].
    pub async fn evict(
        &self,
        ids: Vec<RecordingId>,
        cause: EvictionCause,
    ) -> Result<Vec<RecordingId>, CatalogError> {
        self.write(move |w| {
            let mut left = Vec::new();
            for id in ids {
                let recording = super::get(w.tx, id)?;
                let protected = recording.locked || recording.bookmarked;
                if recording.status == RecordingStatus::Completed
                    && !protected
                    && archives::packing(w.tx, id)?.is_none()
                {
                    evict(w, id, cause)?;
                    left.push(id);
                }
            }
            w.recordings_changed(Event::RecordingEvicted, &left)?;
            Ok(left)
        })
        .await
    }

    /// Returns once there is garbage to empty (or has been since the last time).
    pub async fn garbage_waiting(&self) {
        self.signals.garbage.notified().await;
    }

    /// Removes the files of what has left, on every volume that is there.
    pub async fn empty_garbage(&self, volumes: &Volumes) -> Result<Emptied, CatalogError> {
        let mut emptied = Emptied::default();
        for volume in volumes.iter() {
            self.empty_volume(volume, &mut emptied).await?;
        }
        Ok(emptied)
    }

    async fn empty_volume(
        &self,
        volume: &Volume,
        emptied: &mut Emptied,
    ) -> Result<(), CatalogError> {
        let mut after = String::new();
        loop {
            let batch = self.garbage(volume.id(), after).await?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            after = last.as_str().to_owned();
            let all = batch.len() as u64;
            let remove = |disk: &Volume| keep::remove_all(disk, batch);
            let gone = match volume.within(SWEEP_TIME_MAX, remove).await.flatten() {
                Ok(removed) => {
                    // One that cannot be removed does not hold up the others.
                    for error in removed.failed {
                        tracing::warn!(volume = volume.name(), %error, "Footage that has left cannot be removed yet");
                    }
                    removed.gone
                }
                // Whoever watches the disks has said what is the matter.
                Err::<_, VolumeError>(e) => {
                    tracing::debug!(volume = volume.name(), error = %e, "Footage that has left waits for its disk");
                    emptied.left += self.garbage_of(volume.id()).await?;
                    return Ok(());
                }
            };
            emptied.removed += gone.len() as u64;
            emptied.left += all - gone.len() as u64;
            self.forget_garbage(volume.id(), gone).await?;
        }
    }

    async fn garbage(&self, volume: VolumeId, after: String) -> Result<Vec<Stem>, CatalogError> {
        self.read(move |c| {
            Ok(c.prepare_cached(
                "select stem from garbage where volume_id = ?1 and stem > ?2 order by stem limit ?3",
            )?
            .query_map(params![volume.0, after, SWEEP_MAX], |row| {
                parsed(row, "stem")
            })?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn garbage_of(&self, volume: VolumeId) -> Result<u64, CatalogError> {
        self.read(move |c| {
            Ok(c.query_row(
                "select count(*) as n from garbage where volume_id = ?1",
                [volume.0],
                |row| size(row, "n"),
            )?)
        })
        .await
    }

    async fn forget_garbage(&self, volume: VolumeId, stems: Vec<Stem>) -> Result<(), CatalogError> {
        if stems.is_empty() {
            return Ok(());
        }
        self.write(move |w| {
            for stem in stems {
                w.tx.prepare_cached("delete from garbage where volume_id = ?1 and stem = ?2")?
                    .execute(params![volume.0, stem.as_str()])?;
            }
            Ok(())
        })
        .await
    }
}

/// The row becomes a tombstone. The name of a held recording passes to the garbage; one that is only reserved stays
/// with the row until whoever is keeping it finds out ([`super::complete`]) or start-up does.
pub(in super::super) fn evict(
    w: &mut Work<'_>,
    id: RecordingId,
    cause: EvictionCause,
) -> Result<(), CatalogError> {
    let threw =
        w.tx.prepare_cached(
            "insert into garbage (volume_id, stem, since_utc)
             select volume_id, stem, ?2 from recording where id = ?1 and status = 'completed'",
        )?
        .execute(params![id.to_string(), w.now.micros()])?;
    w.effects.garbage |= threw > 0;
    w.effects.custody |= threw > 0;
    w.tx.prepare_cached(
        "update recording set eviction_cause = ?2, evicted_utc = ?3, next_attempt_utc = null, failure = null,
            volume_id = iif(status = 'completed', null, volume_id), stem = iif(status = 'completed', null, stem),
            status = 'evicted', fragments = null, updated_utc = max(?3, updated_utc + 1)
         where id = ?1",
    )?
    .execute(params![id.to_string(), cause.word(), w.now.micros()])?;
    Ok(())
}

/// Files that bear a row's reserved name and are not wanted become garbage.
pub(in super::super) fn throw_away(
    w: &mut Work<'_>,
    id: RecordingId,
    volume: VolumeId,
    stem: &Stem,
) -> Result<(), CatalogError> {
    w.tx.execute(
        "update recording set volume_id = null, stem = null where id = ?1 and status <> 'completed'",
        [id.to_string()],
    )?;
    w.tx.execute(
        "insert or ignore into garbage (volume_id, stem, since_utc) values (?1, ?2, ?3)",
        params![volume.0, stem.as_str(), w.now.micros()],
    )?;
    w.effects.garbage = true;
    Ok(())
}
