//! What is held and what recorders list, by day: what forecasts are reckoned from. Totals kept by triggers, so it costs
//! the same with a thousand recordings a day as with ten.

use rusqlite::{Connection, named_params};
use wire::ids::CameraId;
use wire::retention::Locks;

use super::text::{parsed, signed, size, size_opt};
use super::{Catalog, CatalogError};
use crate::footage::volume::VolumeId;
use crate::model::retention::{CameraHolding, ListedDay};

/// What is held of a camera on one volume that begins on one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldDay {
    /// Of which camera.
    pub camera: CameraId,
    /// Days since 1970.
    pub day: i64,
    /// On which volume.
    pub volume: VolumeId,
    /// Recordings.
    pub recordings: u64,
    /// Their bytes, protected ones included.
    pub bytes: u64,
    /// Of that, protected by locks and bookmarks.
    pub locked_bytes: u64,
}

/// A camera as the forecast sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RingCamera {
    /// What it holds and its own rules.
    pub holding: CameraHolding,
    /// Its name.
    pub name: String,
    /// Whether new footage is fetched: it and its recorder are switched on, and there.
    pub fetched: bool,
    /// Of what it holds, protected bytes.
    pub locked_bytes: u64,
    /// The newest days that its recorder lists, oldest first.
    pub listed: Vec<ListedDay>,
    /// The first day that was ever listed.
    pub first_day: Option<i64>,
}

/// Everything that a forecast is reckoned from, as of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RingState {
    /// The cameras, by id.
    pub cameras: Vec<RingCamera>,
    /// What is held, by camera and day.
    pub held: Vec<HeldDay>,
}

/// Days of a camera's listing that a rate may be taken from.
const LISTED_DAYS: u32 = 9;

pub(super) const LISTED: &str =
    "select day, bytes, span_us from listed_day where camera_id = :camera and day <= :today
     order by day desc limit :days";

impl Catalog {
    /// What the forecast of a day (days since 1970) is reckoned from.
    pub async fn ring_state(&self, today: i64) -> Result<RingState, CatalogError> {
        self.read(move |c| {
            Ok(RingState {
                cameras: cameras(c, today)?,
                held: held_days(c)?,
            })
        })
        .await
    }

    /// What is protected, and how much may be.
    #[cfg(test)]
    pub async fn locks(&self) -> Result<Locks, CatalogError> {
        let max_bytes = self.lock_max_bytes();
        self.read(move |c| locks(c, max_bytes)).await
    }
}

pub(super) fn locks(c: &Connection, max_bytes: u64) -> Result<Locks, CatalogError> {
    Ok(c.prepare_cached(
        "select coalesce(sum(locked_recordings), 0) as recordings, coalesce(sum(locked_bytes), 0) as bytes,
            (select count(*) from bookmark) as bookmarks from holding",
    )?
    .query_row([], |row| {
        Ok(Locks {
            recordings: size(row, "recordings")?,
            bytes: size(row, "bytes")?,
            max_bytes,
            bookmarks: size(row, "bookmarks")?,
        })
    })?)
}

fn held_days(c: &Connection) -> Result<Vec<HeldDay>, CatalogError> {
    Ok(c.prepare_cached(
        "select camera_id, day, volume_id, recordings, bytes, locked_bytes from held_day
         order by camera_id, day, volume_id",
    )?
    .query_map([], |row| {
        Ok(HeldDay {
            camera: parsed(row, "camera_id")?,
            day: row.get("day")?,
            volume: VolumeId(row.get("volume_id")?),
            recordings: size(row, "recordings")?,
            bytes: size(row, "bytes")?,
            locked_bytes: size(row, "locked_bytes")?,
        })
    })?
    .collect::<Result<_, _>>()?)
}

fn cameras(c: &Connection, today: i64) -> Result<Vec<RingCamera>, CatalogError> {
    let mut cameras: Vec<RingCamera> = c
        .prepare_cached(
            "select camera.id, camera.name, holding.bytes, holding.locked_bytes, keep_max_s, keep_max_bytes, keep_min_s,
                camera.enabled and recorder.enabled and recorder.removed_utc is null as fetched,
                (select min(day) from listed_day where camera_id = camera.id) as first_day
             from camera join holding on holding.camera_id = camera.id
                join recorder on recorder.id = camera.recorder_id
             where recorder.removed_utc is null or holding.recordings > 0
             order by camera.id",
        )?
        .query_map([], |row| {
            let ms = |column: &str| {
                row.get::<_, Option<i64>>(column)
                    .map(|s| s.map(|s| s.saturating_mul(1_000)))
            };
            Ok(RingCamera {
                holding: CameraHolding {
                    camera: parsed(row, "id")?,
                    held_bytes: size(row, "bytes")?,
                    max_age_ms: ms("keep_max_s")?,
                    max_bytes: size_opt(row, "keep_max_bytes")?,
                    min_age_ms: ms("keep_min_s")?,
                },
                name: row.get("name")?,
                fetched: row.get("fetched")?,
                locked_bytes: size(row, "locked_bytes")?,
                listed: Vec::new(),
                first_day: row.get("first_day")?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut listed = c.prepare_cached(LISTED)?;
    for camera in &mut cameras {
        camera.listed = listed
            .query_map(
                named_params! {
                    ":camera": camera.holding.camera.to_string(),
                    ":today": today,
                    ":days": signed(LISTED_DAYS.into()),
                },
                |row| {
                    Ok(ListedDay {
                        day: row.get("day")?,
                        bytes: size(row, "bytes")?,
                        span_ms: row.get::<_, i64>("span_us")? / 1_000,
                    })
                },
            )?
            .collect::<Result<_, _>>()?;
        camera.listed.reverse();
    }
    Ok(cameras)
}
