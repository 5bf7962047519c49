//! Footage that is on a disk and not in the catalog is read in from its sidecars (S9): after the catalog was lost or
//! restored from an old copy, or when a disk comes from another box.
//!
//! The ids are those of the sidecars, so the relay recognises what it knew. Footage goes to the camera that its sidecar
//! names; where that camera is not known, it is made, under a recorder row that counts as removed. When the device
//! with that serial is logged in to (again), it takes its cameras over (`recorders.rs`). Digests are not computed: that
//! is what `edge-agent check --deep` is for.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, named_params, params};
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::RecordingStatus;

use super::text::{parsed, signed, size};
use super::{Catalog, CatalogError, ChangeKind, Work, recordings};
use crate::footage::path::{CAMERAS, MEDIA, SIDECAR, Stem};
use crate::footage::sidecar::Sidecar;
use crate::footage::volume::{Volume, VolumeId, Volumes};

/// Recordings read in per transaction.
const BATCH: usize = 100;

/// What was read in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Recordings that are held now.
    pub recordings: u64,
    /// Descriptions that were left: unreadable, without their media, or of something that the catalog has decided
    /// about. `edge-agent check` names the files.
    pub left: u64,
}

impl Catalog {
    /// Reads in the footage of every volume that came with some, once; goes on where an interruption stopped it. To
    /// be called at start-up before anything is discovered, or else it would be fetched again.
    pub async fn adopt_footage(&self, volumes: &Volumes) -> Result<Adopted, CatalogError> {
        let mut adopted = Adopted::default();
        for volume in volumes.iter() {
            if !self.is_to_adopt(volume.id()).await? || volume.check().is_err() {
                continue;
            }
            let of_volume = match self.adopt_volume(volume).await {
                Ok(of_volume) => of_volume,
                // A disk that cannot be read is no reason not to work with the others.
                Err(e @ (CatalogError::Io { .. } | CatalogError::Volume(_))) => {
                    tracing::warn!(volume = volume.name(), error = %e,
                        "The footage on a volume cannot be read in now; tried again at the next start");
                    continue;
                }
                Err(e) => return Err(e),
            };
            tracing::info!(
                volume = volume.name(),
                recordings = of_volume.recordings,
                left = of_volume.left,
                "The footage that lay on a volume has been read in"
            );
            adopted.recordings += of_volume.recordings;
            adopted.left += of_volume.left;
        }
        Ok(adopted)
    }

    async fn is_to_adopt(&self, id: VolumeId) -> Result<bool, CatalogError> {
        self.read(move |c| {
            Ok(
                c.query_row("select to_adopt from volume where id = ?1", [id.0], |row| {
                    row.get(0)
                })?,
            )
        })
        .await
    }

    async fn adopt_volume(&self, volume: &Volume) -> Result<Adopted, CatalogError> {
        let mut adopted = Adopted::default();
        let mut folders = vec![volume.path().join(CAMERAS)];
        while let Some(folder) = folders.pop() {
            let disk = volume.clone();
            let content = tokio::task::spawn_blocking(move || read_folder(&disk, &folder))
                .await
                .map_err(|_| base::sqlite::DbError::Closed)??;
            folders.extend(content.folders);
            adopted.left += content.left;
            let id = volume.id();
            for batch in content.found.chunks(BATCH) {
                let (batch, all) = (batch.to_vec(), batch.len() as u64);
                let taken = self.write(move |w| adopt(w, id, batch)).await?;
                adopted.recordings += taken;
                adopted.left += all - taken;
            }
        }
        let id = volume.id();
        self.write(move |w| {
            w.tx.execute("update volume set to_adopt = 0 where id = ?1", [id.0])?;
            Ok(())
        })
        .await?;
        Ok(adopted)
    }
}

#[derive(Default)]
struct Content {
    folders: Vec<PathBuf>,
    found: Vec<(Stem, Sidecar)>,
    left: u64,
}

/// The recordings of one folder whose description and media fit together.
fn read_folder(volume: &Volume, folder: &Path) -> Result<Content, CatalogError> {
    let io = |source| CatalogError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut content = Content::default();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(content),
        Err(e) => return Err(io(e)),
    };
    for entry in entries {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            content.folders.push(path);
            continue;
        }
        let relative = path.strip_prefix(volume.path()).unwrap_or(&path);
        let Ok((stem, SIDECAR)) = Stem::of_file(&relative.to_string_lossy())
            .as_ref()
            .map(|(stem, extension)| (stem.clone(), *extension))
        else {
            continue;
        };
        match fits(volume, &stem, &path) {
            Ok(sidecar) => content.found.push((stem, sidecar)),
            Err(why) => {
                tracing::warn!(volume = volume.name(), stem = %stem, reason = why, "Footage is not read in");
                content.left += 1;
            }
        }
    }
    Ok(content)
}

fn fits(volume: &Volume, stem: &Stem, description: &Path) -> Result<Sidecar, String> {
    let sidecar = Sidecar::read(description).map_err(|e| e.to_string())?;
    if sidecar.camera != stem.camera() {
        return Err(format!("it describes footage of camera {}", sidecar.camera));
    }
    match std::fs::metadata(volume.file(stem, MEDIA)) {
        Ok(metadata) if metadata.len() == sidecar.kept_bytes => Ok(sidecar),
        Ok(metadata) => Err(format!(
            "its media has {} bytes instead of {}",
            metadata.len(),
            sidecar.kept_bytes
        )),
        Err(e) => Err(format!("its media: {e}")),
    }
}

/// Takes recordings in; returns how many are held now because of it (those that already were count too).
fn adopt(
    w: &mut Work<'_>,
    volume: VolumeId,
    batch: Vec<(Stem, Sidecar)>,
) -> Result<u64, CatalogError> {
    let mut held = 0;
    for (stem, sidecar) in batch {
        held += u64::from(adopt_one(w, volume, &stem, &sidecar)?);
    }
    Ok(held)
}

fn adopt_one(
    w: &mut Work<'_>,
    volume: VolumeId,
    stem: &Stem,
    sidecar: &Sidecar,
) -> Result<bool, CatalogError> {
    let named_by: Option<RecordingId> =
        w.tx.prepare_cached("select id from recording where volume_id = ?1 and stem = ?2")?
            .query_row(params![volume.0, stem.as_str()], |row| parsed(row, "id"))
            .optional()?;
    if let Some(named_by) = named_by {
        // Held already, or being kept: then start-up finishes it.
        return Ok(named_by == sidecar.recording);
    }
    let leaving =
        w.tx.prepare_cached("select 1 from garbage where volume_id = ?1 and stem = ?2")?
            .exists(params![volume.0, stem.as_str()])?;
    if leaving {
        return Ok(false);
    }
    if !make_camera(w, sidecar)? {
        return Ok(false);
    }
    match same_source(w, sidecar)? {
        None => insert_pending(w, sidecar)?,
        Some((_, RecordingStatus::Completed | RecordingStatus::Evicted)) => return Ok(false),
        Some((id, _)) => {
            // Discovered again before its footage was read in: the id that the footage bears wins. What was told of
            // the other one is made good by a resync.
            if id != sidecar.recording {
                w.tx.execute(
                    "update recording set id = ?2, camera_id = ?3 where id = ?1",
                    params![
                        id.to_string(),
                        sidecar.recording.to_string(),
                        sidecar.camera.to_string()
                    ],
                )?;
                super::outbox::resync(w)?;
            }
            w.tx.execute(
                "update recording set volume_id = null, stem = null where id = ?1",
                [sidecar.recording.to_string()],
            )?;
        }
    }
    let status = recordings::complete(w, sidecar, volume, stem)?;
    Ok(status != RecordingStatus::Evicted)
}

/// The row that stands for the same recording of the same device, or bears the same id.
fn same_source(
    w: &Work<'_>,
    sidecar: &Sidecar,
) -> Result<Option<(RecordingId, RecordingStatus)>, CatalogError> {
    Ok(w.tx
        .prepare_cached(
            "select id, status from recording where id = :id
             union all
             select id, status from recording where recorder_serial = :serial and channel = :channel
                and source_name = :name and source_start = :start and source_fold = :fold and source_nth = :nth
                and id <> :id
             limit 1",
        )?
        .query_row(
            named_params! {
                ":id": sidecar.recording.to_string(),
                ":serial": sidecar.device_serial,
                ":channel": sidecar.channel,
                ":name": sidecar.source_name,
                ":start": sidecar.recorder_start,
                ":fold": sidecar.recorder_start_second_pass,
                ":nth": sidecar.source_nth,
            },
            |row| Ok((parsed(row, "id")?, super::text::word(row, "status")?)),
        )
        .optional()?)
}

/// Makes sure that the camera is there. False when the camera of that id is another device's: footage never shows up
/// under the wrong camera.
fn make_camera(w: &mut Work<'_>, sidecar: &Sidecar) -> Result<bool, CatalogError> {
    let known: Option<(Option<String>, u64)> = w
        .tx
        .prepare_cached(
            "select recorder.serial, camera.channel from camera join recorder on recorder.id = camera.recorder_id
             where camera.id = ?1",
        )?
        .query_row([sidecar.camera.to_string()], |row| {
            Ok((row.get("serial")?, size(row, "channel")?))
        })
        .optional()?;
    if let Some((serial, channel)) = known {
        return Ok(serial.as_deref() == Some(&sidecar.device_serial)
            && channel == u64::from(sidecar.channel));
    }
    let (recorder, at_work) = recorder_for(w, sidecar)?;
    let camera: CameraId = sidecar.camera;
    w.tx.execute(
        "insert into camera (id, recorder_id, channel, name, enabled, state, created_utc, updated_utc)
         values (?1, ?2, ?3, ?4, ?5, 'offline', ?6, ?6)",
        params![
            camera.to_string(),
            recorder.to_string(),
            sidecar.channel,
            sidecar.camera_name,
            at_work,
            w.now.micros()
        ],
    )?;
    w.changed(ChangeKind::Camera, camera);
    Ok(true)
}

/// A row for the device that has no camera of that channel yet, and whether it is at work: the device's own if it has
/// been logged in to, or else one that counts as removed.
fn recorder_for(w: &Work<'_>, sidecar: &Sidecar) -> Result<(RecorderId, bool), CatalogError> {
    let known: Option<(RecorderId, bool)> = w
        .tx
        .query_row(
            "select id, removed_utc is null as at_work from recorder where serial = ?1 and not exists
                (select 1 from camera where camera.recorder_id = recorder.id and camera.channel = ?2)
             order by at_work desc limit 1",
            params![sidecar.device_serial, sidecar.channel],
            |row| Ok((parsed(row, "id")?, row.get("at_work")?)),
        )
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let id = RecorderId::new();
    w.tx.execute(
        "insert into recorder (id, name, driver, address, port, username, password_sealed, enabled, serial,
            removed_utc, created_utc, updated_utc) values (?1, ?2, 'sdk', '', 8000, '', x'', 0, ?3, ?4, ?4, ?4)",
        params![
            id.to_string(),
            sidecar.recorder_name,
            sidecar.device_serial,
            w.now.micros()
        ],
    )?;
    Ok((id, false))
}

fn insert_pending(w: &mut Work<'_>, sidecar: &Sidecar) -> Result<(), CatalogError> {
    w.tx.prepare_cached(
        "insert into recording (id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name,
            source_start, source_fold, source_end, source_end_fold, clock_offset_ms, zone_minutes, stated_bytes,
            source_type, source_nth, created_utc, updated_utc)
         values (?1, ?2, 'pending', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17)",
    )?
    .execute(params![
        sidecar.recording.to_string(),
        sidecar.camera.to_string(),
        sidecar.span().from.micros(),
        sidecar.span().to.micros(),
        sidecar.device_serial,
        sidecar.channel,
        sidecar.source_name,
        sidecar.recorder_start,
        sidecar.recorder_start_second_pass,
        sidecar.recorder_end,
        sidecar.recorder_end_second_pass,
        sidecar.clock_offset_ms,
        sidecar.zone_minutes,
        signed(sidecar.stated_bytes),
        sidecar.source_type,
        sidecar.source_nth,
        w.now.micros(),
    ])?;
    Ok(())
}
