//! Recordings on their way from one volume to another. The row of a move names the new place before any file has that
//! name (invariant 2); the switch and the end of the old place are one transaction. What an interruption leaves goes back:
//! the old place holds until the switch.

use rusqlite::{OptionalExtension, params};
use wire::ids::RecordingId;
use wire::telemetry::Event;

use super::text::{parsed, size};
use super::{Catalog, CatalogError, Work, archives};
use crate::footage::copy::Move;
use crate::footage::path::Stem;
use crate::footage::sidecar::Sidecar;
use crate::footage::volume::VolumeId;
use crate::model::retention::Candidate;

/// Most names tried for one recording.
const NAMES_MAX: u32 = 100;

// Both sorts by the index, merged: what is protected moves too.
pub(in crate::catalog) const TO_MOVE: &str = "
    select id, camera_id, start_utc, end_utc, kept_bytes, protected from recording indexed by recording_to_evict
    where volume_id = ?1 and protected = 0 and status = 'completed'
        and not exists (select 1 from archive_item cross join archive on archive.id = archive_id
            where recording_id = recording.id and archive.state = 'building')
    union all
    select id, camera_id, start_utc, end_utc, kept_bytes, protected from recording indexed by recording_to_evict
    where volume_id = ?1 and protected = 1 and status = 'completed'
        and not exists (select 1 from archive_item cross join archive on archive.id = archive_id
            where recording_id = recording.id and archive.state = 'building')
    order by start_utc, id";

impl Catalog {
    /// Chooses among all footage of a volume, oldest first.
    pub async fn choose_to_move<T: Send + 'static>(
        &self,
        volume: VolumeId,
        choose: impl FnOnce(&mut dyn Iterator<Item = Candidate>) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.read(move |c| super::recordings::show(c, TO_MOVE, [volume.0], choose))
            .await
    }

    /// Begins the move of a recording; none when it does not lie there any more, or is being packed into an archive.
    pub async fn begin_move(
        &self,
        recording: RecordingId,
        from: VolumeId,
        to: VolumeId,
    ) -> Result<Option<Move>, CatalogError> {
        self.write(move |w| {
            let found =
                w.tx.prepare_cached(
                    "select recording.stem, digest, kept_bytes from recording
                     where id = ?1 and status = 'completed' and volume_id = ?2
                        and not exists (select 1 from moving where recording_id = ?1)",
                )?
                .query_row(params![recording.to_string(), from.0], |row| {
                    Ok((
                        parsed::<Stem>(row, "stem")?,
                        row.get::<_, String>("digest")?,
                        size(row, "kept_bytes")?,
                    ))
                })
                .optional()?;
            let Some((from_stem, digest, bytes)) = found else {
                return Ok(None);
            };
            if archives::packing(w.tx, recording)?.is_some() {
                return Ok(None);
            }
            let Some(to_stem) = free_stem(w, to, &from_stem)? else {
                return Ok(None);
            };
            w.tx.execute(
                "insert into moving (recording_id, volume_id, stem) values (?1, ?2, ?3)",
                params![recording.to_string(), to.0, to_stem.as_str()],
            )?;
            Ok(Some(Move {
                recording,
                from,
                from_stem,
                to,
                to_stem,
                digest,
                bytes,
            }))
        })
        .await
    }

    /// The copy lies in its place, synced: the row is switched to it and the old files become garbage. False when the
    /// recording has left meanwhile, or is being packed: then the copy becomes garbage.
    pub async fn finish_move(&self, order: &Move) -> Result<bool, CatalogError> {
        let order = order.clone();
        self.write(move |w| {
            let id = order.recording;
            let still = w
                .tx
                .prepare_cached(
                    "select 1 from recording where id = ?1 and status = 'completed' and volume_id = ?2 and stem = ?3",
                )?
                .exists(params![id.to_string(), order.from.0, order.from_stem.as_str()])?;
            if !still || archives::packing(w.tx, id)?.is_some() {
                throw_back(w, &order)?;
                return Ok(false);
            }
            w.tx.execute("delete from moving where recording_id = ?1", [id.to_string()])?;
            switch(w, id, order.to, &order.to_stem)?;
            Ok(true)
        })
        .await
    }

    /// A move is given up: what lies under the new name is garbage.
    pub async fn drop_move(&self, order: &Move) -> Result<(), CatalogError> {
        let order = order.clone();
        self.write(move |w| throw_back(w, &order)).await
    }

    /// Moves that an interruption has stopped are given up. Called while nothing moves.
    pub async fn drop_moves(&self) -> Result<u64, CatalogError> {
        let any = self
            .read(|c| Ok::<_, CatalogError>(c.prepare_cached("select 1 from moving")?.exists([])?))
            .await?;
        if !any {
            return Ok(0);
        }
        self.write(|w| {
            w.tx.execute(
                "insert or ignore into garbage (volume_id, stem, since_utc) select volume_id, stem, ?1 from moving",
                [w.now.micros()],
            )?;
            let dropped = w.tx.execute("delete from moving", [])?;
            w.effects.garbage |= dropped > 0;
            Ok(dropped as u64)
        })
        .await
    }

    /// Two whole copies of one recording lie on two volumes, as an interrupted move or an older catalog leaves them: the
    /// row is to name this one.
    pub async fn take_copy(
        &self,
        recording: RecordingId,
        volume: VolumeId,
        stem: Stem,
    ) -> Result<(), CatalogError> {
        self.write(move |w| switch(w, recording, volume, &stem))
            .await
    }

    /// Of two whole copies of one recording this one goes, which the row does not name.
    pub async fn drop_copy(
        &self,
        sidecar: &Sidecar,
        volume: VolumeId,
        stem: Stem,
    ) -> Result<(), CatalogError> {
        let recording = sidecar.recording;
        self.write(move |w| {
            w.tx.execute(
                "insert or ignore into garbage (volume_id, stem, since_utc) values (?1, ?2, ?3)",
                params![volume.0, stem.as_str(), w.now.micros()],
            )?;
            // Its volume's log may tell that it was kept there.
            w.tx.execute(
                "insert into custody_due (volume_id, recording_id, stem, kind, cause, at_utc)
                 values (?1, ?2, ?3, 'left', 'moved', ?4)",
                params![
                    volume.0,
                    recording.to_string(),
                    stem.as_str(),
                    w.now.micros()
                ],
            )?;
            w.effects.garbage = true;
            w.effects.custody = true;
            Ok(())
        })
        .await
    }
}

/// The row names another place; what lies in the old one is garbage.
fn switch(
    w: &mut Work<'_>,
    id: RecordingId,
    volume: VolumeId,
    stem: &Stem,
) -> Result<(), CatalogError> {
    w.tx.execute(
        "insert or ignore into garbage (volume_id, stem, since_utc)
         select volume_id, stem, ?2 from recording where id = ?1 and status = 'completed'",
        params![id.to_string(), w.now.micros()],
    )?;
    w.tx.execute(
        "update recording set volume_id = ?2, stem = ?3, updated_utc = max(?4, updated_utc + 1)
         where id = ?1 and status = 'completed'",
        params![id.to_string(), volume.0, stem.as_str(), w.now.micros()],
    )?;
    w.effects.garbage = true;
    w.effects.custody = true;
    w.recordings_changed(Event::RecordingChanged, &[id])
}

fn throw_back(w: &mut Work<'_>, order: &Move) -> Result<(), CatalogError> {
    let dropped = w.tx.execute(
        "delete from moving where recording_id = ?1",
        [order.recording.to_string()],
    )?;
    if dropped > 0 {
        w.tx.execute(
            "insert or ignore into garbage (volume_id, stem, since_utc) values (?1, ?2, ?3)",
            params![order.to.0, order.to_stem.as_str(), w.now.micros()],
        )?;
        w.effects.garbage = true;
    }
    Ok(())
}

/// The first of its names that is free there; none of many.
fn free_stem(w: &Work<'_>, volume: VolumeId, stem: &Stem) -> Result<Option<Stem>, CatalogError> {
    let mut taken = w.tx.prepare_cached(
        "select 1 from recording where volume_id = ?1 and stem = ?2
         union all select 1 from garbage where volume_id = ?1 and stem = ?2
         union all select 1 from moving where volume_id = ?1 and stem = ?2",
    )?;
    for nth in 1..=NAMES_MAX {
        let candidate = stem.numbered(nth);
        if !taken.exists(params![volume.0, candidate.as_str()])? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}
