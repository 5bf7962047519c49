//! The footage that retention looks at, oldest first, read only as far as the choice wants to see.

use rusqlite::{Connection, Params, Row};
use wire::ids::CameraId;

use super::super::text::{parsed, size, size_opt, time};
use super::super::{Catalog, CatalogError};
use crate::footage::volume::VolumeId;
use crate::model::retention::{CameraHolding, Candidate};
use crate::model::time::UtcRange;

// Protected footage is not even looked at: the index puts it elsewhere. What is packed into an archive just now stays until
// that is done.
pub(in super::super) const OF_VOLUME: &str = "
    select id, camera_id, start_utc, end_utc, kept_bytes, protected from recording indexed by recording_to_evict
    where volume_id = ?1 and protected = 0 and status = 'completed'
        and not exists (select 1 from archive_item cross join archive on archive.id = archive_id
            where recording_id = recording.id and archive.state = 'building')
    order by start_utc, id";

pub(in super::super) const OF_CAMERA: &str = "
    select id, camera_id, start_utc, end_utc, kept_bytes, protected from recording indexed by recording_to_age
    where camera_id = ?1 and protected = 0 and status = 'completed'
        and not exists (select 1 from archive_item cross join archive on archive.id = archive_id
            where recording_id = recording.id and archive.state = 'building')
    order by start_utc, id";

fn candidate_of(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        id: parsed(row, "id")?,
        camera: parsed(row, "camera_id")?,
        span: UtcRange {
            from: time(row, "start_utc")?,
            to: time(row, "end_utc")?,
        },
        kept_bytes: size(row, "kept_bytes")?,
        locked: row.get("protected")?,
    })
}

/// Shows candidates to a choice, one by one, as long as it asks.
pub(in super::super) fn show<T>(
    c: &Connection,
    sql: &str,
    params: impl Params,
    choose: impl FnOnce(&mut dyn Iterator<Item = Candidate>) -> T,
) -> Result<T, CatalogError> {
    let mut failure = None;
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement
        .query_map(params, candidate_of)?
        .map_while(|row| match row {
            Ok(candidate) => Some(candidate),
            Err(e) => {
                failure = Some(e);
                None
            }
        });
    let chosen = choose(&mut rows);
    drop(rows);
    match failure {
        Some(e) => Err(e.into()),
        None => Ok(chosen),
    }
}

impl Catalog {
    /// What each camera holds and its own rules.
    pub async fn camera_holdings(&self) -> Result<Vec<CameraHolding>, CatalogError> {
        self.read(|c| {
            let ms = |row: &Row<'_>, column: &str| {
                row.get::<_, Option<i64>>(column)
                    .map(|s| s.map(|s| s.saturating_mul(1_000)))
            };
            Ok(c.prepare_cached(
                "select camera.id, holding.bytes, keep_max_s, keep_max_bytes, keep_min_s
                 from camera join holding on holding.camera_id = camera.id order by camera.id",
            )?
            .query_map([], |row| {
                Ok(CameraHolding {
                    camera: parsed(row, "id")?,
                    held_bytes: size(row, "bytes")?,
                    max_age_ms: ms(row, "keep_max_s")?,
                    max_bytes: size_opt(row, "keep_max_bytes")?,
                    min_age_ms: ms(row, "keep_min_s")?,
                })
            })?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Chooses among the unlocked footage of a volume, oldest first.
    pub async fn choose_on_volume<T: Send + 'static>(
        &self,
        volume: VolumeId,
        choose: impl FnOnce(&mut dyn Iterator<Item = Candidate>) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.read(move |c| show(c, OF_VOLUME, [volume.0], choose))
            .await
    }

    /// Chooses among the unlocked footage of a camera, oldest first.
    pub async fn choose_of_camera<T: Send + 'static>(
        &self,
        camera: CameraId,
        choose: impl FnOnce(&mut dyn Iterator<Item = Candidate>) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.read(move |c| show(c, OF_CAMERA, [camera.to_string()], choose))
            .await
    }
}
