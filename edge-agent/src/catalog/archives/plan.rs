//! Which recordings an archive holds: chosen in one transaction with its row, so that from then on none of them leaves
//! before it is packed.

use std::collections::HashMap;

use rusqlite::{Connection, Row, named_params, params};
use wire::archive::{Archive, ArchiveOrigin};
use wire::ids::{ArchiveId, CameraId, RecordingId};

use super::super::recordings::longest_us;
use super::super::text::{Word, parsed, signed, size, time};
use super::super::{Catalog, CatalogError, Work, cameras};
use super::{REMEMBERED_MAX, told};
use crate::model::names::{CameraParts, RecordingNames};
use crate::model::time::UtcRange;

/// Most recordings in one archive: a year of one camera in files of five minutes. What an archive costs in memory while
/// it is built grows with it.
const RECORDINGS_MAX: usize = 100_000;

/// Archives that wait to be built, or are.
const BUILDING_MAX: u64 = 10;

/// What the names and headers of a recording's files take in the ZIP, its lines in the manifests included: reckoned.
const OVERHEAD_BYTES: u64 = 2_500;

/// The same for the archive as a whole.
const HEAD_BYTES: u64 = 64 * 1024;

/// Which recordings the weekly archive takes.
#[derive(Debug, Clone, Copy)]
pub struct WeeklyPlan {
    /// Those that ended by then and are in no archive.
    pub until: wire::time::UtcTime,
    /// As many bytes at most, and one recording at least.
    pub bytes_max: u64,
}

struct Chosen {
    id: RecordingId,
    camera: CameraId,
    span: UtcRange,
    kept_bytes: u64,
    description_bytes: u64,
}

struct Order {
    origin: ArchiveOrigin,
    range: UtcRange,
    cameras: Option<Vec<CameraId>>,
    asked_by: Option<String>,
}

fn chosen_of(row: &Row<'_>) -> rusqlite::Result<Chosen> {
    Ok(Chosen {
        id: parsed(row, "id")?,
        camera: parsed(row, "camera_id")?,
        span: UtcRange {
            from: time(row, "start_utc")?,
            to: time(row, "end_utc")?,
        },
        kept_bytes: size(row, "kept_bytes")?,
        description_bytes: size(row, "description_bytes")?,
    })
}

/// What a recording is chosen by. Its description holds its fragments, two digests for each mebibyte, and about a kilobyte
/// besides.
const CHOSEN: &str = "id, camera_id, start_utc, end_utc, kept_bytes,
    1500 + coalesce(length(fragments), 0) + kept_bytes / 4096 as description_bytes";

impl Catalog {
    /// A person asks for an archive of what is held of a range. What an archive that is being cleared takes with it is
    /// not held any more.
    pub async fn add_archive(
        &self,
        range: UtcRange,
        cameras: Option<Vec<CameraId>>,
        asked_by: String,
    ) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            let all = match &cameras {
                Some(some) => {
                    for camera in some {
                        super::super::cameras::get(w.tx, *camera)?;
                    }
                    some.clone()
                }
                None => cameras::ids(w.tx)?,
            };
            let mut chosen = Vec::new();
            for camera in all {
                let reach_us = longest_us(w.tx, Some(camera))?;
                let mut statement = w.tx.prepare_cached(&format!(
                    "select {CHOSEN} from recording indexed by recording_by_camera_status
                     where camera_id = :camera and status = 'completed' and start_utc >= :reach and start_utc < :to
                        and end_utc > :from and not exists (select 1 from archive_item
                            join archive on archive.id = archive_item.archive_id
                            where recording_id = recording.id and archive.state = 'clearing')
                     order by start_utc, id limit :limit"
                ))?;
                let rows = statement.query_map(
                    named_params! {
                        ":camera": camera.to_string(),
                        ":reach": range.from.micros().saturating_sub(reach_us),
                        ":from": range.from.micros(),
                        ":to": range.to.micros(),
                        ":limit": (RECORDINGS_MAX + 1 - chosen.len().min(RECORDINGS_MAX)) as i64,
                    },
                    chosen_of,
                )?;
                for row in rows {
                    chosen.push(row?);
                }
            }
            if chosen.len() > RECORDINGS_MAX {
                return Err(CatalogError::ArchiveState(format!(
                    "the range holds more than {RECORDINGS_MAX} recordings: ask for several archives of shorter ranges"
                )));
            }
            let order = Order {
                origin: ArchiveOrigin::Asked,
                range,
                cameras,
                asked_by: Some(asked_by),
            };
            store(w, order, chosen)
        })
        .await
    }

    /// The weekly archive, of the oldest that is in none; none when there is nothing. Its range is what it holds.
    pub async fn add_weekly_archive(
        &self,
        plan: WeeklyPlan,
    ) -> Result<Option<Archive>, CatalogError> {
        self.write(move |w| {
            let mut chosen: Vec<Chosen> = Vec::new();
            let mut bytes = 0_u64;
            {
                let mut statement = w.tx.prepare_cached(&format!(
                    "select {CHOSEN} from recording indexed by recording_by_status
                     where status = 'completed' and start_utc < :until and end_utc <= :until
                        and not exists (select 1 from archive_item where recording_id = recording.id)
                     order by start_utc, id"
                ))?;
                let until = plan.until.micros();
                for row in statement.query_map(named_params! { ":until": until }, chosen_of)? {
                    let row = row?;
                    bytes = bytes.saturating_add(row.kept_bytes);
                    if !chosen.is_empty() && (bytes > plan.bytes_max || chosen.len() == RECORDINGS_MAX) {
                        break;
                    }
                    chosen.push(row);
                }
            }
            let (Some(from), Some(to)) = (
                chosen.iter().map(|one| one.span.from).min(),
                chosen.iter().map(|one| one.span.to).max(),
            ) else {
                return Ok(None);
            };
            let order = Order {
                origin: ArchiveOrigin::Weekly,
                range: UtcRange { from, to },
                cameras: None,
                asked_by: None,
            };
            store(w, order, chosen).map(Some)
        })
        .await
    }

    /// Weekly archives that were made and are not cleared.
    pub async fn uncleared_weekly(&self) -> Result<u64, CatalogError> {
        self.read(|c| {
            Ok(c.query_row(
                "select count(*) as n from archive where origin = 'weekly'
                    and state in ('building', 'ready', 'downloaded')",
                [],
                |row| size(row, "n"),
            )?)
        })
        .await
    }
}

/// Writes an archive and its items, by camera and then by time.
fn store(w: &mut Work<'_>, order: Order, mut chosen: Vec<Chosen>) -> Result<Archive, CatalogError> {
    if chosen.is_empty() {
        return Err(CatalogError::NothingToArchive);
    }
    let building: u64 = w.tx.query_row(
        "select count(*) as n from archive where state = 'building'",
        [],
        |row| size(row, "n"),
    )?;
    if building >= BUILDING_MAX {
        return Err(CatalogError::ArchiveState(format!(
            "{BUILDING_MAX} archives are being built or wait for it: wait for one, or cancel one"
        )));
    }
    let names = camera_names(w.tx)?;
    let rank: HashMap<CameraId, usize> = names
        .iter()
        .enumerate()
        .map(|(n, (camera, _))| (*camera, n))
        .collect();
    chosen.sort_by_key(|one| (rank.get(&one.camera).copied(), one.span.from, one.id));
    let bytes: u64 = HEAD_BYTES
        + chosen
            .iter()
            .map(|one| one.kept_bytes + one.description_bytes + OVERHEAD_BYTES)
            .sum::<u64>();
    let id = ArchiveId::new();
    w.tx.execute(
        "insert into archive (id, state, origin, from_utc, to_utc, cameras, asked_by, recordings, bytes, created_utc)
         values (?1, 'building', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            id.to_string(),
            order.origin.word(),
            order.range.from.micros(),
            order.range.to.micros(),
            order
                .cameras
                .map(|cameras| serde_json::to_string(&cameras))
                .transpose()?,
            order.asked_by,
            signed(chosen.len() as u64),
            signed(bytes),
            w.now.micros(),
        ],
    )?;
    add_items(w.tx, id, &names, &chosen)?;
    forget_old(w.tx)?;
    told(w, id)
}

/// Every camera and its name, by name.
fn camera_names(c: &Connection) -> Result<Vec<(CameraId, String)>, CatalogError> {
    Ok(
        c.prepare_cached("select id, name from camera order by name, id")?
            .query_map([], |row| Ok((parsed(row, "id")?, row.get("name")?)))?
            .collect::<Result<_, _>>()?,
    )
}

fn add_items(
    c: &Connection,
    id: ArchiveId,
    cameras: &[(CameraId, String)],
    chosen: &[Chosen],
) -> Result<(), CatalogError> {
    // Every camera gets its part, also those without recordings here: the same camera is called the same next time.
    let mut parts = CameraParts::default();
    let parts: HashMap<CameraId, String> = cameras
        .iter()
        .map(|(camera, name)| (*camera, parts.next(name)))
        .collect();
    let mut insert = c.prepare_cached(
        "insert into archive_item (archive_id, n, recording_id, name) values (?1, ?2, ?3, ?4)",
    )?;
    let mut names: Option<(CameraId, RecordingNames)> = None;
    for (n, one) in chosen.iter().enumerate() {
        let same = names.take().filter(|(camera, _)| *camera == one.camera);
        let (_, of_camera) = names.insert(same.unwrap_or_else(|| {
            let part = parts.get(&one.camera).cloned().unwrap_or_default();
            (one.camera, RecordingNames::new(part))
        }));
        let name = of_camera.next(one.span.from.timestamp());
        insert.execute(params![
            id.to_string(),
            signed(n as u64),
            one.id.to_string(),
            name
        ])?;
    }
    Ok(())
}

/// Archives long over are forgotten.
fn forget_old(c: &Connection) -> Result<(), CatalogError> {
    c.execute(
        "delete from archive where state in ('cleared', 'failed') and volume_id is null and id not in
            (select id from archive where state in ('cleared', 'failed') order by id desc limit ?1)",
        [REMEMBERED_MAX],
    )?;
    Ok(())
}
