//! Footage that is on a disk and not in the catalog is read in from its sidecars (S9): after the catalog was lost or
//! restored from an old copy, or when a disk comes from another box.
//!
//! The ids are those of the sidecars, so the relay recognises what it knew. Footage goes to the camera that its sidecar
//! names; where that camera is not known, it is made, under a recorder row that counts as removed. When the device
//! with that serial is logged in to (again), it takes its cameras over (`recorders.rs`). Digests are not computed: that
//! is what `edge-agent check --deep` is for.

mod copies;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::io;
use std::path::Path;

use rusqlite::{OptionalExtension, named_params, params};
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::RecordingStatus;

use super::text::{parsed, signed, size};
use super::{Catalog, CatalogError, ChangeKind, Work, recordings};
use crate::footage::path::{CAMERAS, MEDIA, SIDECAR, Stem};
use crate::footage::sidecar::Sidecar;
use crate::footage::volume::{Volume, VolumeId, Volumes};

/// Recordings read in per transaction.
const BATCH: usize = 500;
/// Batches that are read ahead of those that are written.
const AHEAD: usize = 2;
/// Refusals that are remembered; more are counted.
const REFUSED_MAX: usize = 1_000;

/// What was read in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Recordings that are held now.
    pub recordings: u64,
    /// Descriptions that were left: unreadable, without their media, or of something that the catalog has decided
    /// about. `edge-agent check` names the files.
    pub left: u64,
    /// Which those are and why, the first thousand.
    pub refused: Vec<Refused>,
}

/// Footage that was not read in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its volume.
    pub volume: String,
    /// Its files, without extension.
    pub stem: Stem,
    /// Why, in words.
    pub why: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { volume, stem, why } = self;
        write!(f, "not read in: {stem} on volume {volume:?}: {why}")
    }
}

impl Adopted {
    fn refuse(&mut self, volume: &Volume, stem: Stem, why: String) {
        tracing::warn!(volume = volume.name(), stem = %stem, reason = why, "Footage is not read in");
        self.left += 1;
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(Refused {
                volume: volume.name().to_owned(),
                stem,
                why,
            });
        }
    }
}

/// Hears how many recordings have been read in.
pub type Told<'a> = &'a (dyn Fn(u64) + Sync);

impl Catalog {
    /// Reads in the footage of every volume that came with some, once; goes on where an interruption stopped it. To
    /// be called at start-up before anything is discovered, or else it would be fetched again.
    pub async fn adopt_footage(&self, volumes: &Volumes) -> Result<Adopted, CatalogError> {
        self.adopt_footage_telling(volumes, &|_| {}).await
    }

    /// The same, telling how far it is.
    pub async fn adopt_footage_telling(
        &self,
        volumes: &Volumes,
        told: Told<'_>,
    ) -> Result<Adopted, CatalogError> {
        let mut adopted = Adopted::default();
        // The coldest first: of a recording that was moving, the new place counts.
        let mut order: Vec<&Volume> = volumes.iter().collect();
        order.sort_by_key(|volume| Reverse(volume.config().tier));
        for volume in order {
            if !self.is_to_adopt(volume.id()).await? || volume.check().is_err() {
                continue;
            }
            let (before, left) = (adopted.recordings, adopted.left);
            match self.adopt_volume(volumes, volume, &mut adopted, told).await {
                Ok(()) => {}
                // A disk that cannot be read is no reason not to work with the others.
                Err(e @ (CatalogError::Io { .. } | CatalogError::Volume(_))) => {
                    tracing::warn!(volume = volume.name(), error = %e,
                        "The footage on a volume cannot be read in now; tried again at the next start");
                    continue;
                }
                Err(e) => return Err(e),
            }
            tracing::info!(
                volume = volume.name(),
                recordings = adopted.recordings - before,
                left = adopted.left - left,
                "The footage that lay on a volume has been read in"
            );
        }
        Ok(adopted)
    }

    /// The footage of these volumes is to be read in again: what the catalog knows is left alone.
    pub async fn adopt_again(&self, volumes: &Volumes) -> Result<(), CatalogError> {
        let ids: Vec<i64> = volumes.iter().map(|volume| volume.id().0).collect();
        self.write(move |w| {
            for id in ids {
                w.tx.execute("update volume set to_adopt = 1 where id = ?1", [id])?;
            }
            Ok(())
        })
        .await
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

    async fn adopt_volume(
        &self,
        volumes: &Volumes,
        volume: &Volume,
        adopted: &mut Adopted,
        told: Told<'_>,
    ) -> Result<(), CatalogError> {
        // Reading and parsing on one thread, writing on another.
        let (give, mut come) = tokio::sync::mpsc::channel(AHEAD);
        let (catalog, disk) = (self.clone(), volume.clone());
        let runtime = tokio::runtime::Handle::current();
        let reading = tokio::task::spawn_blocking(move || {
            let known = |folder: String| runtime.block_on(catalog.stems_in(disk.id(), folder));
            read_volume(&disk, known, |content| give.blocking_send(content).is_ok())
        });
        let id = volume.id();
        while let Some(content) = come.recv().await {
            adopted.recordings += content.known;
            for (stem, why) in content.refused {
                adopted.refuse(volume, stem, why);
            }
            if !content.found.is_empty() {
                let taken = self.write(move |w| adopt(w, id, content.found)).await?;
                adopted.recordings += taken.held;
                for (stem, why) in taken.refused {
                    adopted.refuse(volume, stem, why);
                }
                for (stem, sidecar) in taken.copies {
                    match self.settle_copy(volumes, volume, &stem, sidecar).await? {
                        Ok(()) => adopted.recordings += 1,
                        Err(why) => adopted.refuse(volume, stem, why),
                    }
                }
            }
            told(adopted.recordings);
        }
        reading.await.map_err(|_| base::sqlite::DbError::Closed)??;
        self.write(move |w| {
            w.tx.execute("update volume set to_adopt = 0 where id = ?1", [id.0])?;
            Ok(())
        })
        .await
    }

    /// The stems within a folder of a volume that the catalog knows to be held.
    async fn stems_in(
        &self,
        volume: VolumeId,
        folder: String,
    ) -> Result<HashSet<String>, CatalogError> {
        self.read(move |c| {
            Ok(c.prepare_cached(
                "select stem from recording indexed by recording_stem
                 where volume_id = ?1 and stem > ?2 || '/' and stem < ?2 || '0' and stem is not null
                    and status = 'completed'",
            )?
            .query_map(params![volume.0, folder], |row| row.get(0))?
            .collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// A piece of what lies on a volume.
#[derive(Default)]
struct Content {
    found: Vec<(Stem, Sidecar)>,
    /// Recordings that the catalog knows: read in before.
    known: u64,
    refused: Vec<(Stem, String)>,
}

/// Reads what lies on a volume and gives it away piece by piece, until nobody takes it.
fn read_volume(
    volume: &Volume,
    known: impl Fn(String) -> Result<HashSet<String>, CatalogError>,
    mut give: impl FnMut(Content) -> bool,
) -> Result<(), CatalogError> {
    let mut folders = vec![volume.path().join(CAMERAS)];
    let mut content = Content::default();
    while let Some(folder) = folders.pop() {
        let io = |source| CatalogError::Io {
            path: folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(io(e)),
        };
        let mut of_folder = None;
        for entry in entries {
            let entry = entry.map_err(io)?;
            let path = entry.path();
            if entry.file_type().map_err(io)?.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(volume.path()).unwrap_or(&path);
            let relative = relative.to_string_lossy();
            let Ok((stem, SIDECAR)) = Stem::of_file(&relative) else {
                continue;
            };
            let known = match &of_folder {
                Some(known) => known,
                None => of_folder.insert(known(stem.folder().to_owned())?),
            };
            if known.contains(stem.as_str()) {
                content.known += 1;
                continue;
            }
            match fits(volume, &stem, &path) {
                Ok(sidecar) => content.found.push((stem, sidecar)),
                Err(why) => content.refused.push((stem, why)),
            }
            if content.found.len() >= BATCH && !give(std::mem::take(&mut content)) {
                return Ok(());
            }
        }
    }
    give(content);
    Ok(())
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

/// What became of a batch.
#[derive(Default)]
struct Taken {
    /// Held now because of it; those that already were count too.
    held: u64,
    refused: Vec<(Stem, String)>,
    /// Copies of recordings that are held elsewhere.
    copies: Vec<(Stem, Sidecar)>,
}

/// Why a recording is not taken in.
enum Not {
    Because(String),
    /// It is held elsewhere, under the same id.
    Twice,
}

impl From<String> for Not {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

/// Takes recordings in.
fn adopt(
    w: &mut Work<'_>,
    volume: VolumeId,
    batch: Vec<(Stem, Sidecar)>,
) -> Result<Taken, CatalogError> {
    let mut taken = Taken::default();
    for (stem, sidecar) in batch {
        match adopt_one(w, volume, &stem, &sidecar)? {
            Ok(()) => taken.held += 1,
            Err(Not::Because(why)) => taken.refused.push((stem, why)),
            Err(Not::Twice) => taken.copies.push((stem, sidecar)),
        }
    }
    Ok(taken)
}

/// Takes a recording in, or says why not.
fn adopt_one(
    w: &mut Work<'_>,
    volume: VolumeId,
    stem: &Stem,
    sidecar: &Sidecar,
) -> Result<Result<(), Not>, CatalogError> {
    let named_by: Option<RecordingId> =
        w.tx.prepare_cached("select id from recording where volume_id = ?1 and stem = ?2")?
            .query_row(params![volume.0, stem.as_str()], |row| parsed(row, "id"))
            .optional()?;
    if let Some(named_by) = named_by {
        // Held already, or being kept: then start-up finishes it.
        return Ok(match named_by == sidecar.recording {
            true => Ok(()),
            false => Err(Not::Because(format!(
                "its description tells of recording {}, but the name is that of recording {named_by}",
                sidecar.recording
            ))),
        });
    }
    let leaving =
        w.tx.prepare_cached("select 1 from garbage where volume_id = ?1 and stem = ?2")?
            .exists(params![volume.0, stem.as_str()])?;
    if leaving {
        return Ok(Err(Not::Because(
            "it has left, and its files are about to go".to_owned(),
        )));
    }
    if let Err(why) = make_camera(w, sidecar)? {
        return Ok(Err(why.into()));
    }
    match same_source(w, sidecar)? {
        None => insert_pending(w, sidecar)?,
        Some((id, RecordingStatus::Completed)) if id == sidecar.recording => {
            return Ok(Err(Not::Twice));
        }
        Some((id, RecordingStatus::Completed)) => {
            return Ok(Err(held_elsewhere(w, id)?.into()));
        }
        Some((id, RecordingStatus::Evicted)) => {
            return Ok(Err(Not::Because(format!(
                "recording {id} has left, by a rule or because a person deleted it: remove the files, or move them away"
            ))));
        }
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
    recordings::complete(w, sidecar, volume, stem)?;
    Ok(Ok(()))
}

/// Two recordings of the same footage: the first that was read in stays.
fn held_elsewhere(w: &Work<'_>, id: RecordingId) -> Result<String, CatalogError> {
    let (volume, stem): (String, String) = w.tx.query_row(
        "select volume.name, recording.stem from recording join volume on volume.id = recording.volume_id
         where recording.id = ?1",
        [id.to_string()],
        |row| Ok((row.get("name")?, row.get("stem")?)),
    )?;
    Ok(format!(
        "it is the same footage of the recorder as recording {id}, which is held as {stem} on volume {volume:?}"
    ))
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

/// Makes sure that the camera is there, or says why not: the camera of that id is another device's, and footage never
/// shows up under the wrong camera.
fn make_camera(w: &mut Work<'_>, sidecar: &Sidecar) -> Result<Result<(), String>, CatalogError> {
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
        let same = serial.as_deref() == Some(&sidecar.device_serial)
            && channel == u64::from(sidecar.channel);
        return Ok(match same {
            true => Ok(()),
            false => Err(format!(
                "camera {} is channel {channel} of device {}; this footage is of channel {} of device {}",
                sidecar.camera,
                serial.unwrap_or_else(|| "(unknown)".to_owned()),
                sidecar.channel,
                sidecar.device_serial
            )),
        });
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
    Ok(Ok(()))
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
