//! How a verified recording becomes a completed one (invariant 3).
//!
//! The name is reserved in the row first; then the files take their place (`footage/keep.rs`); then the row says
//! `completed`, in one transaction with its report. A power cut at any point leaves a `downloading` row that says where
//! to look, which is what start-up does ([`Catalog::finish_interrupted`]).

use rusqlite::{OptionalExtension, params};
use wire::ids::RecordingId;
use wire::resource::{Recording, RecordingStatus};
use wire::telemetry::Event;

use super::super::check::finish_recording;
use super::super::text::{parsed, signed, size};
use super::super::{Catalog, CatalogError, Work, settings};
use crate::footage::keep::{KeepError, Staged, keep};
use crate::footage::path::Stem;
use crate::footage::sidecar::{self, Sidecar};
use crate::footage::staging;
use crate::footage::volume::{Volume, VolumeId};
use crate::model::time::UtcTime;
use crate::verify::{Facts, Verified};

/// Most names tried for one recording. A name is taken when a recorder's clock was set back: twice is rare.
const NAMES_MAX: u32 = 100;

enum Reserved {
    /// The name is this row's.
    Yes(Box<Sidecar>, Stem),
    /// An earlier attempt to keep it here was interrupted: that is to be finished first.
    Interrupted(Stem),
    /// One on another volume was: what lies there is garbage by now.
    Elsewhere,
}

impl Catalog {
    /// Keeps a verified recording on the volume that its staged file lies on: files first, then the row. Its staging
    /// folder is gone afterwards. Goes on to its end even if the asker stops waiting.
    pub async fn keep(
        &self,
        volume: &Volume,
        verified: Verified,
    ) -> Result<Recording, CatalogError> {
        let (catalog, volume) = (self.clone(), volume.clone());
        let id = verified.facts().recording;
        let task = tokio::spawn(async move {
            let _keeping = catalog.signals.keeping.read().await;
            let outcome = catalog.keep_to_the_end(&volume, verified.facts()).await;
            if outcome.is_ok() {
                // What stays is swept at the next start.
                let swept = tokio::task::spawn_blocking(move || staging::remove(&volume, id)).await;
                if let Ok(Err(e)) = swept {
                    tracing::warn!(recording.id = %id, error = %e, "The staging folder of a kept recording stays for now");
                }
            }
            outcome
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(_) => Err(base::sqlite::DbError::Closed.into()),
        }
    }

    async fn keep_to_the_end(
        &self,
        volume: &Volume,
        facts: &Facts,
    ) -> Result<Recording, CatalogError> {
        let mut nth = 1;
        let (sidecar, stem) = loop {
            let (sidecar, stem) = match self.reserve(volume.id(), facts.clone(), nth).await? {
                Reserved::Yes(sidecar, stem) => (sidecar, stem),
                Reserved::Interrupted(stem) => {
                    if finish_recording(self, volume, facts.recording, stem).await? {
                        return self.recording(facts.recording).await;
                    }
                    continue;
                }
                Reserved::Elsewhere => continue,
            };
            match put_in_place(volume, &stem, &sidecar, facts).await {
                Ok(()) => break (sidecar, stem),
                Err(KeepError::Taken { path }) if nth < NAMES_MAX => {
                    tracing::warn!(recording.id = %facts.recording, path = %path.display(),
                        "A file that the catalog does not know bears the name of a recording; the next name is taken");
                    self.release(facts.recording).await?;
                    nth += 1;
                }
                Err(e) => {
                    // Whatever had been renamed is taken back or recognised. On a disk that refuses this too, the row
                    // goes on naming it, and the next attempt or start-up finishes it.
                    if let Err(also) = finish_recording(self, volume, facts.recording, stem).await {
                        tracing::warn!(recording.id = %facts.recording, error = %also, "A recording stays half kept for now");
                    }
                    return Err(e.into());
                }
            }
        };
        let (id, volume) = (facts.recording, volume.id());
        let wanted = self
            .write(move |w| complete(w, &sidecar, volume, &stem))
            .await?;
        match wanted {
            status if keepable(status) => self.recording(id).await,
            status => Err(CatalogError::WrongState {
                id,
                status,
                action: "kept",
            }),
        }
    }

    /// Reserves a name for a recording and writes its description.
    async fn reserve(
        &self,
        volume: VolumeId,
        facts: Facts,
        nth: u32,
    ) -> Result<Reserved, CatalogError> {
        self.write(move |w| {
            let id = facts.recording;
            super::fetch::require(w, id, "kept", keepable)?;
            let interrupted: Option<(VolumeId, Stem)> =
                w.tx.query_row(
                    "select volume_id, stem from recording where id = ?1 and stem is not null",
                    [id.to_string()],
                    |row| Ok((VolumeId(row.get("volume_id")?), parsed(row, "stem")?)),
                )
                .optional()?;
            match interrupted {
                Some((begun, stem)) if begun == volume => return Ok(Reserved::Interrupted(stem)),
                // Its disk went away while it was kept there, and it came anew.
                Some((begun, stem)) => {
                    super::garbage::throw_away(w, id, begun, &stem)?;
                    return Ok(Reserved::Elsewhere);
                }
                None => {}
            }
            let sidecar = describe(w, &facts)?;
            let stem = free_stem(w, volume, &sidecar, nth)?;
            w.tx.prepare_cached("update recording set volume_id = ?2, stem = ?3 where id = ?1")?
                .execute(params![id.to_string(), volume.0, stem.as_str()])?;
            Ok(Reserved::Yes(Box::new(sidecar), stem))
        })
        .await
    }

    /// Gives a reserved name back: no file bears it.
    pub(in super::super) async fn release(&self, id: RecordingId) -> Result<(), CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update recording set volume_id = null, stem = null where id = ?1 and status <> 'completed'",
                [id.to_string()],
            )?;
            Ok(())
        })
        .await
    }
}

/// What is on its way may be kept. That includes a recording whose recorder was removed while it was fetched: it is
/// here and verified.
fn keepable(status: RecordingStatus) -> bool {
    matches!(
        status,
        RecordingStatus::Downloading | RecordingStatus::Pending | RecordingStatus::Failed
    )
}

/// A power cut while keeping: everything up to a step happens, and nothing after it.
#[cfg(test)]
impl Catalog {
    pub async fn keep_until(
        &self,
        volume: &Volume,
        verified: Verified,
        last: crate::footage::keep::Step,
    ) -> Result<(), CatalogError> {
        let facts = verified.facts().clone();
        let (sidecar, stem) = match self.reserve(volume.id(), facts.clone(), 1).await? {
            Reserved::Yes(sidecar, stem) => (sidecar, stem),
            Reserved::Interrupted(stem) => {
                finish_recording(self, volume, facts.recording, stem).await?;
                return Ok(());
            }
            Reserved::Elsewhere => return Ok(()),
        };
        let staged = Staged {
            media: &facts.media,
            native: facts.native.as_deref(),
        };
        // The error is the cut itself.
        let cut =
            crate::footage::keep::keep_with(
                volume,
                &stem,
                &sidecar,
                staged,
                &mut |step| match step == last {
                    true => Err(std::io::Error::other("cut")),
                    false => Ok(()),
                },
            );
        assert!(cut.is_err(), "{last:?} was reached");
        Ok(())
    }
}

async fn put_in_place(
    volume: &Volume,
    stem: &Stem,
    sidecar: &Sidecar,
    facts: &Facts,
) -> Result<(), KeepError> {
    let (volume, stem, sidecar, facts) =
        (volume.clone(), stem.clone(), sidecar.clone(), facts.clone());
    let media = facts.media.clone();
    tokio::task::spawn_blocking(move || {
        let staged = Staged {
            media: &facts.media,
            native: facts.native.as_deref(),
        };
        keep(&volume, &stem, &sidecar, staged)
    })
    .await
    .unwrap_or_else(|e| {
        Err(KeepError::Io {
            path: media,
            source: std::io::Error::other(e),
        })
    })
}

/// The first free name from `nth` on: not a row's, and not that of files on their way out.
fn free_stem(
    w: &Work<'_>,
    volume: VolumeId,
    sidecar: &Sidecar,
    nth: u32,
) -> Result<Stem, CatalogError> {
    let mut taken = w.tx.prepare_cached(
        "select 1 from recording where volume_id = ?1 and stem = ?2
         union all select 1 from garbage where volume_id = ?1 and stem = ?2
         union all select 1 from moving where volume_id = ?1 and stem = ?2",
    )?;
    let mut nth = nth;
    loop {
        let stem = Stem::new(sidecar.camera, sidecar.span(), nth);
        if !taken.exists(params![volume.0, stem.as_str()])? {
            return Ok(stem);
        }
        nth += 1;
    }
}

/// The description of a recording: what its row knows of where it came from, and what verification found.
fn describe(w: &Work<'_>, facts: &Facts) -> Result<Sidecar, CatalogError> {
    let appliance = settings::appliance(w.tx)?;
    let facts = facts.clone();
    let now = w.now;
    w.tx.prepare_cached(
        "select recording.*, camera.name as camera_name, camera.recorder_id, recorder.name as recorder_name
         from recording join camera on camera.id = recording.camera_id
            join recorder on recorder.id = camera.recorder_id
         where recording.id = ?1",
    )?
    .query_row([facts.recording.to_string()], |row| {
        Ok(Sidecar {
            version: sidecar::VERSION,
            recording: facts.recording,
            appliance,
            recorder: parsed(row, "recorder_id")?,
            recorder_name: row.get("recorder_name")?,
            device_serial: row.get("recorder_serial")?,
            channel: row.get("channel")?,
            camera: parsed(row, "camera_id")?,
            camera_name: row.get("camera_name")?,
            start_utc: facts.span.from,
            end_utc: facts.span.to,
            recorder_start: row.get("source_start")?,
            recorder_start_second_pass: row.get("source_fold")?,
            recorder_end: row.get("source_end")?,
            recorder_end_second_pass: row.get("source_end_fold")?,
            clock_offset_ms: row.get("clock_offset_ms")?,
            zone_minutes: row.get("zone_minutes")?,
            source_name: row.get("source_name")?,
            source_nth: row.get("source_nth")?,
            source_type: row.get("source_type")?,
            source_locked: row.get("source_locked")?,
            stated_bytes: size(row, "stated_bytes")?,
            source_bytes: facts.source_bytes,
            fetched_bytes: Some(facts.fetched_bytes),
            source_digest: facts.source_digest,
            kept_bytes: facts.kept_bytes,
            digest: facts.digest,
            video_codec: facts.video_codec,
            audio_codec: facts.audio_codec,
            width: facts.width,
            height: facts.height,
            duration_ms: facts.duration_ms,
            defects: facts.defects,
            kept_at: now,
            fragments: facts.fragments,
            custody: Some(facts.custody),
        })
    })
    .optional()?
    .ok_or(CatalogError::NoRecording(facts.recording))
}

/// The files are in their place: the row says so. Returns the state in which the row was found: `evicted` means that
/// a person deleted it meanwhile, and what has just been kept becomes garbage.
pub(in super::super) fn complete(
    w: &mut Work<'_>,
    sidecar: &Sidecar,
    volume: VolumeId,
    stem: &Stem,
) -> Result<RecordingStatus, CatalogError> {
    let id = sidecar.recording;
    let status = super::status(w.tx, id)?;
    if status == RecordingStatus::Evicted {
        super::garbage::throw_away(w, id, volume, stem)?;
    }
    if !keepable(status) {
        return Ok(status);
    }
    let now: UtcTime = w.now;
    w.tx.prepare_cached(
        "update recording set status = 'completed', start_utc = ?2, end_utc = ?3, volume_id = ?4, stem = ?5,
            kept_bytes = ?6, digest = ?7, source_bytes = ?8, source_digest = ?9, received_bytes = ?8,
            video_codec = ?10, audio_codec = ?11, width = ?12, height = ?13, duration_ms = ?14, fragments = ?15,
            defects = ?16, completed_utc = ?17, failure = null, next_attempt_utc = null, priority = 0,
            rejected_digest = null, source_gone = 0, fetched_bytes = ?18,
            marked = exists (select 1 from bookmark
                where bookmark.camera_id = recording.camera_id and at_utc >= ?2 and at_utc < ?3), updated_utc = max(?17, updated_utc + 1)
         where id = ?1",
    )?
    .execute(params![
        id.to_string(),
        sidecar.span().from.micros(),
        sidecar.span().to.micros(),
        volume.0,
        stem.as_str(),
        signed(sidecar.kept_bytes),
        sidecar.digest,
        signed(sidecar.source_bytes),
        sidecar.source_digest,
        sidecar.video_codec,
        sidecar.audio_codec,
        sidecar.width,
        sidecar.height,
        signed(sidecar.duration_ms),
        serde_json::to_string(&sidecar.fragments)?,
        serde_json::to_string(&sidecar.defects)?,
        now.micros(),
        sidecar.fetched_bytes.map(signed),
    ])?;
    w.effects.custody = true;
    w.recordings_changed(Event::RecordingCompleted, &[id])?;
    Ok(status)
}
