//! Rows whose files are gone: found when a catalog is restored from an older copy, or a disk has lost something.

use std::collections::HashMap;

use rusqlite::{named_params, params};
use wire::ids::RecordingId;
use wire::resource::EvictionCause;
use wire::telemetry::Event;

use super::super::text::{Word, parsed};
use super::super::{Catalog, CatalogError, Work};
use crate::footage::path::{MEDIA, Stem};
use crate::footage::volume::{Volume, Volumes};

/// Rows looked at between two looks at the disk.
const STRIDE: u32 = 500;

/// A row whose media is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub recording: RecordingId,
    /// Where it should lie.
    pub stem: Stem,
}

/// What became of such rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// They had left, for a cause that is known.
    pub left: u64,
    /// They were lost, and are fetched again if their recorder still has them.
    pub lost: u64,
}

impl Catalog {
    /// The held recordings of a volume whose media is not there. The volume must be there.
    pub async fn missing_media(&self, volume: &Volume) -> Result<Vec<Missing>, CatalogError> {
        let mut missing = Vec::new();
        let mut after = String::new();
        loop {
            let (disk, from) = (volume.clone(), after.clone());
            let rows: Vec<Missing> = self
                .read(move |c| {
                    Ok(c.prepare_cached(
                        "select id, stem from recording indexed by recording_stem
                         where volume_id = :volume and stem > :after and stem is not null and status = 'completed'
                         order by stem limit :stride",
                    )?
                    .query_map(
                        named_params! { ":volume": disk.id().0, ":after": from, ":stride": STRIDE },
                        |row| {
                            Ok(Missing {
                                recording: parsed(row, "id")?,
                                stem: parsed(row, "stem")?,
                            })
                        },
                    )?
                    .collect::<Result<_, _>>()?)
                })
                .await?;
            let Some(last) = rows.last() else {
                // A disk that went away meanwhile would seem to have lost everything.
                volume.check()?;
                return Ok(missing);
            };
            after = last.stem.as_str().to_owned();
            let disk = volume.clone();
            let gone = tokio::task::spawn_blocking(move || {
                let is_gone =
                    |row: &Missing| matches!(disk.file(&row.stem, MEDIA).try_exists(), Ok(false));
                rows.into_iter().filter(is_gone).collect::<Vec<_>>()
            });
            missing.extend(gone.await.map_err(|_| base::sqlite::DbError::Closed)?);
        }
    }

    /// Says of such rows what became of them: those for which a cause is known have left, the others are to be fetched
    /// again. What is locked has not left (invariant 4). What remains of their files goes.
    pub async fn settle_missing(
        &self,
        volume: &Volume,
        missing: Vec<Missing>,
        causes: HashMap<RecordingId, String>,
    ) -> Result<Settled, CatalogError> {
        let volume = volume.id();
        self.write(move |w| {
            let mut settled = Settled::default();
            for Missing { recording, stem } in missing {
                w.tx.execute(
                    "insert or ignore into garbage (volume_id, stem, since_utc) values (?1, ?2, ?3)",
                    params![volume.0, stem.as_str(), w.now.micros()],
                )?;
                w.effects.garbage = true;
                let cause = causes
                    .get(&recording)
                    .and_then(|cause| EvictionCause::of_word(cause));
                if settle(w, recording, cause)? {
                    settled.left += 1;
                    w.recordings_changed(Event::RecordingEvicted, &[recording])?;
                } else {
                    settled.lost += 1;
                    w.recordings_changed(Event::RecordingChanged, &[recording])?;
                }
            }
            w.effects.custody = true;
            Ok(settled)
        })
        .await
    }

    /// All rows of these volumes whose media is gone, settled; the causes are those that `causes` knows.
    pub async fn settle_all_missing(
        &self,
        volumes: &Volumes,
        causes: impl Fn(&Volume, &[Missing]) -> HashMap<RecordingId, String>,
    ) -> Result<Settled, CatalogError> {
        let mut settled = Settled::default();
        for volume in volumes.iter().filter(|volume| volume.check().is_ok()) {
            let missing = self.missing_media(volume).await?;
            if missing.is_empty() {
                continue;
            }
            let causes = causes(volume, &missing);
            let of_volume = self.settle_missing(volume, missing, causes).await?;
            settled.left += of_volume.left;
            settled.lost += of_volume.lost;
        }
        Ok(settled)
    }
}

/// True: it has left.
fn settle(
    w: &Work<'_>,
    id: RecordingId,
    cause: Option<EvictionCause>,
) -> Result<bool, CatalogError> {
    if let Some(cause) = cause {
        let left = w.tx.execute(
            "update recording set marked = 0, status = 'evicted', eviction_cause = ?2, evicted_utc = ?3, volume_id = null,
                stem = null, fragments = null, updated_utc = max(?3, updated_utc + 1)
             where id = ?1 and status = 'completed' and protected = 0",
            params![id.to_string(), cause.word(), w.now.micros()],
        )?;
        if left > 0 {
            return Ok(true);
        }
    }
    w.tx.execute(
        "update recording set marked = 0, status = 'pending', volume_id = null, stem = null, kept_bytes = null, digest = null,
            source_bytes = null, source_digest = null, fragments = null, received_bytes = 0, completed_utc = null,
            defects = '[]', attempts = 0, updated_utc = max(?2, updated_utc + 1)
         where id = ?1 and status = 'completed'",
        params![id.to_string(), w.now.micros()],
    )?;
    Ok(false)
}
