//! What a kill or a power cut left half done is finished at start-up, before anything new begins (S6).
//!
//! It costs as much as was under way: rows whose name is reserved without being held (a handful), the garbage, and the
//! staging folders. Nothing walks the footage. Digests are computed of the half-kept files only.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use wire::ids::RecordingId;
use wire::resource::RecordingStatus;

use super::super::recordings::{complete, throw_away};
use super::super::text::parsed;
use super::super::{Catalog, CatalogError};
use crate::footage::keep;
use crate::footage::path::{MEDIA, SIDECAR, Stem};
use crate::footage::sidecar::Sidecar;
use crate::footage::staging;
use crate::footage::volume::{Volume, VolumeError, VolumeId, Volumes};

/// What start-up finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Had their files in place and are `completed` now.
    pub completed: Vec<RecordingId>,
    /// Had a name but no files, or not all: fetched on.
    pub released: Vec<RecordingId>,
    /// Had left; their files are gone now.
    pub removed: u64,
    /// Staging folders that nobody wants any more.
    pub swept: Vec<RecordingId>,
    /// Work left because its volume is not there.
    pub waiting: u64,
}

/// What lies under a reserved name.
enum Found {
    /// Nothing of ours.
    Nothing,
    /// Our description alone: the media is still in staging.
    SidecarOnly,
    /// Our description and media whose size and digest it names.
    Whole(Box<Sidecar>),
    /// Our description, and media that is not what it describes.
    Damaged(String),
}

impl Catalog {
    /// Finishes what was interrupted. Called once at start-up, before downloads begin.
    pub async fn finish_interrupted(&self, volumes: &Volumes) -> Result<Finished, CatalogError> {
        self.drop_moves().await?;
        let finished = self.finish(volumes, |_| true).await?;
        if finished != Finished::default() {
            tracing::info!(
                completed = finished.completed.len(),
                released = finished.released.len(),
                removed = finished.removed,
                swept = finished.swept.len(),
                waiting = finished.waiting,
                "Finished what an interruption had left"
            );
        }
        Ok(finished)
    }

    /// The same for one volume that is there again, while the agent works. None: something is being kept at this moment,
    /// to be tried again.
    pub async fn finish_on(
        &self,
        volumes: &Volumes,
        volume: &Volume,
    ) -> Result<Option<Finished>, CatalogError> {
        // Never waited for: whoever keeps on a disk that does not answer would be waited for by all others then.
        let Ok(_alone) = self.signals.keeping.try_write() else {
            return Ok(None);
        };
        self.finish(volumes, |it| it.id() == volume.id())
            .await
            .map(Some)
    }

    async fn finish(
        &self,
        volumes: &Volumes,
        which: impl Fn(&Volume) -> bool,
    ) -> Result<Finished, CatalogError> {
        let mut finished = Finished::default();
        for (id, volume, stem) in self.unfinished().await? {
            let disk = volumes.get(volume);
            if disk.is_some_and(|disk| !which(disk)) {
                continue;
            }
            let Some(disk) = disk.filter(|disk| disk.check_writable().is_ok()) else {
                finished.waiting += 1;
                continue;
            };
            match finish_recording(self, disk, id, stem).await {
                Ok(true) => finished.completed.push(id),
                Ok(false) => finished.released.push(id),
                // A disk that is broken or went away just now: the others work, and the next start looks again.
                Err(
                    error @ (CatalogError::Volume(_)
                    | CatalogError::Io { .. }
                    | CatalogError::Keep(_)),
                ) => {
                    tracing::warn!(recording.id = %id, volume = disk.name(), %error, "A recording stays half kept for now");
                    finished.waiting += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let emptied = self.empty_garbage(volumes).await?;
        finished.removed = emptied.removed;
        finished.waiting += emptied.left;
        for volume in volumes.iter().filter(|volume| which(volume)) {
            match self.sweep_staging(volume).await {
                Ok(swept) => finished.swept.extend(swept),
                Err(CatalogError::Volume(e)) => {
                    tracing::warn!(volume = volume.name(), error = %e, "The staging folders of a volume are not swept now");
                }
                Err(e) => return Err(e),
            }
        }
        Ok(finished)
    }

    async fn unfinished(&self) -> Result<Vec<(RecordingId, VolumeId, Stem)>, CatalogError> {
        self.read(|c| {
            Ok(c.prepare_cached(
                "select id, volume_id, stem from recording indexed by recording_unfinished
                 where stem is not null and status <> 'completed'",
            )?
            .query_map([], |row| {
                Ok((
                    parsed(row, "id")?,
                    VolumeId(row.get("volume_id")?),
                    parsed(row, "stem")?,
                ))
            })?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Removes the staging folders of recordings that are not to be fetched (any more).
    async fn sweep_staging(&self, volume: &Volume) -> Result<Vec<RecordingId>, CatalogError> {
        let disk = volume.clone();
        let there = blocking(move || {
            disk.check_writable()?;
            staging::list(&disk)
        })
        .await??;
        let unwanted = self
            .read(move |c| {
                let mut unwanted = Vec::new();
                for id in there {
                    let wanted = c
                        .prepare_cached(
                            "select 1 from recording where id = ?1 and (status in ('pending', 'downloading')
                                or (status = 'failed' and next_attempt_utc is not null)
                                or exists (select 1 from moving where recording_id = ?1))",
                        )?
                        .exists([id.to_string()])?;
                    if !wanted {
                        unwanted.push(id);
                    }
                }
                Ok::<_, CatalogError>(unwanted)
            })
            .await?;
        let disk = volume.clone();
        let swept = blocking(move || {
            for id in &unwanted {
                staging::remove(&disk, *id)?;
            }
            Ok::<_, VolumeError>(unwanted)
        })
        .await??;
        Ok(swept)
    }
}

/// Finishes the keeping of one recording whose name is reserved: true when it is held now, false when its name is given
/// back (or it was thrown away) and it has to be fetched on.
pub(in super::super) async fn finish_recording(
    catalog: &Catalog,
    volume: &Volume,
    id: RecordingId,
    stem: Stem,
) -> Result<bool, CatalogError> {
    let (disk, name) = (volume.clone(), stem.clone());
    let found = blocking(move || look(&disk, &name, id)).await??;
    let volume_id = volume.id();
    match found {
        Found::Whole(sidecar) => {
            let status = catalog
                .write(move |w| complete(w, &sidecar, volume_id, &stem))
                .await?;
            Ok(status != RecordingStatus::Evicted)
        }
        Found::Damaged(why) => {
            tracing::warn!(recording.id = %id, stem = %stem, reason = why, "A half-kept recording is damaged and is fetched again");
            catalog
                .write(move |w| throw_away(w, id, volume_id, &stem))
                .await?;
            Ok(false)
        }
        Found::SidecarOnly => {
            let disk = volume.clone();
            blocking(move || keep::remove(&disk, &stem)).await??;
            catalog.release(id).await?;
            Ok(false)
        }
        Found::Nothing => {
            catalog.release(id).await?;
            Ok(false)
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CatalogError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| base::sqlite::DbError::Closed.into())
}

/// Looks what lies under a name. Only what our description beside it claims for this recording is ours: anything else
/// is somebody's and stays.
fn look(volume: &Volume, stem: &Stem, id: RecordingId) -> Result<Found, CatalogError> {
    volume.check()?;
    let (media, description) = (volume.file(stem, MEDIA), volume.file(stem, SIDECAR));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogError::Io { path, source }
    };
    if !description.try_exists().map_err(io(&description))? {
        return Ok(Found::Nothing);
    }
    let sidecar = match Sidecar::read(&description) {
        Ok(sidecar) if sidecar.recording == id => sidecar,
        Ok(_) => return Ok(Found::Nothing),
        Err(e) => {
            tracing::warn!(recording.id = %id, error = %e, "A description under a reserved name cannot be read and is left");
            return Ok(Found::Nothing);
        }
    };
    if !media.try_exists().map_err(io(&media))? {
        return Ok(Found::SidecarOnly);
    }
    let (bytes, digest) = digest_of(&media).map_err(io(&media))?;
    if bytes == sidecar.kept_bytes && digest == sidecar.digest {
        // Who kept it was stopped before its names were durable, or was refused when making them so. Its bytes were synced
        // before they were renamed, but by whom is not known: once more costs little.
        for path in [&media, &description] {
            base::durable::sync_file(path).map_err(io(path))?;
        }
        keep::settle(volume, stem)?;
        Ok(Found::Whole(Box::new(sidecar)))
    } else {
        Ok(Found::Damaged(format!(
            "{} bytes with digest {digest} instead of {} with {}",
            bytes, sidecar.kept_bytes, sidecar.digest
        )))
    }
}

/// Size and SHA-256 (hex) of a file.
pub(in crate::catalog) fn digest_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let (mut chunk, mut bytes) = (vec![0; 1024 * 1024], 0);
    loop {
        match file.read(&mut chunk)? {
            0 => {
                let digest = data_encoding::HEXLOWER.encode(context.finish().as_ref());
                return Ok((bytes, digest));
            }
            n => {
                context.update(&chunk[..n]);
                bytes += n as u64;
            }
        }
    }
}
