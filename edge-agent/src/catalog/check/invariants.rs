//! The invariants as questions to a catalog and its disks. Reads only; may run beside the agent, so whatever looks
//! wrong is looked at a second time before it is said.

use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use wire::ids::{CameraId, RecordingId};

use super::super::text::{parsed, size};
use super::super::{CatalogError, FILE, SCHEMA};
use super::archives;
use super::interrupted::digest_of;
use crate::footage::path::{CAMERAS, MEDIA, NATIVE, SIDECAR, Stem};
use crate::footage::sidecar::Sidecar;
use crate::footage::volume::{Volume, VolumeConfig, VolumeId};

/// Rows read between two looks at the disk.
const STRIDE: u32 = 500;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Number of the invariant (ARCHITECTURE.md); 0 for the database itself.
    pub invariant: u8,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invariant {
            0 => write!(f, "catalog: {}", self.message),
            n => write!(f, "invariant {n}: {}", self.message),
        }
    }
}

/// What a check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Completed recordings whose files were looked at.
    pub recordings: u64,
    /// Archives whose files were looked at.
    pub archives: u64,
    /// Files under `cameras/` that were looked at.
    pub files: u64,
    /// Work that an interruption left, which the next start of the agent finishes.
    pub unfinished: u64,
}

impl Report {
    pub(super) fn add(&mut self, invariant: u8, message: impl Into<String>) {
        self.findings.push(Finding {
            invariant,
            message: message.into(),
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.unfinished > 0 {
            writeln!(
                f,
                "{} pieces of work were interrupted or are under way; the agent finishes them by itself",
                self.unfinished
            )?;
        }
        let verdict = match self.findings.len() {
            0 => "nothing is wrong".to_owned(),
            1 => "1 thing is wrong".to_owned(),
            n => format!("{n} things are wrong"),
        };
        write!(
            f,
            "{} recordings and {} files looked at: {verdict}",
            self.recordings, self.files
        )
    }
}

/// Checks the catalog in a folder, and the volumes that it names. `deep` reads every held file and compares digests:
/// as long as reading the disks takes. Blocking.
pub fn check(folder: &Path, deep: bool) -> Result<Report, CatalogError> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Err(CatalogError::Io {
            path,
            source: io::Error::new(
                io::ErrorKind::NotFound,
                "there is no catalog here: the agent has not run with this folder yet",
            ),
        });
    }
    let c = base::sqlite::open_reader(&path, &SCHEMA)?;
    let mut report = Report::default();
    let version: i64 = c.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != SCHEMA.version() {
        report.add(
            0,
            format!(
                "it has version {version}, this program knows {}: start the agent of this version once, or use the \
                 program that wrote it",
                SCHEMA.version()
            ),
        );
        return Ok(report);
    }
    database(&c, deep, &mut report)?;
    totals(&c, &mut report)?;
    outbox(&c, &mut report)?;
    archives::rows(&c, &mut report)?;
    for volume in volumes(&c)? {
        if let Err(e) = volume.check() {
            let held: u64 = c.query_row(
                "select held_recordings as n from volume where id = ?1",
                [volume.id().0],
                |row| size(row, "n"),
            )?;
            if held > 0 {
                report.add(1, format!("{held} recordings cannot be looked at: {e}"));
            }
            continue;
        }
        rows_have_files(&c, &volume, deep, &mut report)?;
        files_have_rows(&c, &volume, &mut report)?;
        archives::check(&c, &volume, deep, &mut report)?;
    }
    report.unfinished = c.query_row(
        "select (select count(*) from garbage) + (select count(*) from moving) + (select count(*) from recording indexed by recording_unfinished
            where stem is not null and status <> 'completed')
            + (select count(*) from archive where volume_id is not null and state in ('building', 'clearing', 'failed'))
            as n",
        [],
        |row| size(row, "n"),
    )?;
    Ok(report)
}

fn database(c: &Connection, deep: bool, report: &mut Report) -> Result<(), CatalogError> {
    let pragma = if deep {
        "integrity_check"
    } else {
        "quick_check"
    };
    let answers: Vec<String> = c
        .prepare(&format!("PRAGMA {pragma}"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for answer in answers.into_iter().filter(|answer| answer != "ok") {
        report.add(0, format!("the file is damaged: {answer}"));
    }
    let broken: Vec<String> = c
        .prepare("PRAGMA foreign_key_check")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<_, _>>()?;
    for table in broken {
        report.add(0, format!("a row of {table} points at nothing"));
    }
    Ok(())
}

fn totals(c: &Connection, report: &mut Report) -> Result<(), CatalogError> {
    // One statement: rows and totals as of one moment.
    let wrong: Vec<String> = c
        .prepare(
            "select 'camera ' || holding.camera_id || ' counts ' || holding.recordings || ' recordings and '
                    || holding.bytes || ' bytes, its rows ' || count(recording.id) || ' and '
                    || coalesce(sum(recording.kept_bytes), 0)
             from holding left join recording
                on recording.camera_id = holding.camera_id and recording.status = 'completed'
             group by holding.camera_id
             having holding.recordings <> count(recording.id)
                or holding.bytes <> coalesce(sum(recording.kept_bytes), 0)
             union all
             select 'volume ' || volume.name || ' counts ' || volume.held_recordings || ' recordings and '
                    || volume.held_bytes || ' bytes, its rows ' || count(recording.id) || ' and '
                    || coalesce(sum(recording.kept_bytes), 0)
             from volume left join recording on recording.volume_id = volume.id and recording.status = 'completed'
             group by volume.id
             having volume.held_recordings <> count(recording.id)
                or volume.held_bytes <> coalesce(sum(recording.kept_bytes), 0)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for message in wrong {
        report.add(0, message);
    }
    days(c, report)?;
    protection(c, report)
}

/// The totals by day, like those above: what forecasts and calendars are reckoned from.
fn days(c: &Connection, report: &mut Report) -> Result<(), CatalogError> {
    let wrong: Vec<String> = c
        .prepare(
            "select 'camera ' || coalesce(r.camera_id, d.camera_id) || ', day ' || coalesce(r.day, d.day) || ', volume '
                    || coalesce(r.volume_id, d.volume_id) || ' counts ' || coalesce(d.recordings, 0) || ' recordings and '
                    || coalesce(d.bytes, 0) || ' bytes, ' || coalesce(d.locked_bytes, 0) || ' of them protected; its rows '
                    || coalesce(r.n, 0) || ', ' || coalesce(r.total, 0) || ' and ' || coalesce(r.locked_total, 0)
             from (select camera_id, start_utc / 86400000000 as day, volume_id, count(*) as n, sum(kept_bytes) as total,
                    sum(protected) as locked_n, sum(protected * kept_bytes) as locked_total
                from recording where status = 'completed' group by 1, 2, 3) r
             full join held_day d on d.camera_id = r.camera_id and d.day = r.day and d.volume_id = r.volume_id
             where d.recordings is not r.n or d.bytes is not r.total or d.locked_recordings is not r.locked_n
                or d.locked_bytes is not r.locked_total
             union all
             select 'camera ' || coalesce(r.camera_id, d.camera_id) || ', day ' || coalesce(r.day, d.day) || ' lists '
                    || coalesce(d.recordings, 0) || ' recordings and ' || coalesce(d.bytes, 0) || ' bytes, its rows '
                    || coalesce(r.n, 0) || ' and ' || coalesce(r.total, 0)
             from (select camera_id, start_utc / 86400000000 as day, count(*) as n,
                    sum(coalesce(kept_bytes, stated_bytes)) as total, sum(end_utc - start_utc) as span
                from recording where source_gone = 0 or kept_bytes is not null group by 1, 2) r
             full join listed_day d on d.camera_id = r.camera_id and d.day = r.day
             where d.recordings is not r.n or d.bytes is not r.total or d.span_us is not r.span
             union all
             select 'camera ' || h.camera_id || ' counts ' || h.locked_bytes || ' protected bytes, its days '
                    || coalesce(sum(d.locked_bytes), 0)
             from holding h left join held_day d on d.camera_id = h.camera_id group by h.camera_id
             having h.locked_bytes <> coalesce(sum(d.locked_bytes), 0)
                or h.locked_recordings <> coalesce(sum(d.locked_recordings), 0)
             union all
             select 'volume ' || v.name || ' counts ' || v.locked_bytes || ' protected bytes, its days '
                    || coalesce(sum(d.locked_bytes), 0)
             from volume v left join held_day d on d.volume_id = v.id group by v.id
             having v.locked_bytes <> coalesce(sum(d.locked_bytes), 0)
                or v.locked_recordings <> coalesce(sum(d.locked_recordings), 0)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for message in wrong {
        report.add(0, message);
    }
    Ok(())
}

/// Invariant 4, as far as rows can tell: what a bookmark lies within says so, and so is not chosen to leave.
fn protection(c: &Connection, report: &mut Report) -> Result<(), CatalogError> {
    let wrong: Vec<String> = c
        .prepare(
            "select 'recording ' || id || iif(marked, ' counts as bookmarked and is not',
                    ' is bookmarked and does not say so: it could be evicted')
             from recording where status = 'completed' and marked <> exists (select 1 from bookmark
                where bookmark.camera_id = recording.camera_id and at_utc >= start_utc and at_utc < end_utc)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for message in wrong {
        report.add(4, message);
    }
    Ok(())
}

fn outbox(c: &Connection, report: &mut Report) -> Result<(), CatalogError> {
    let wrong: Option<String> = c
        .query_row(
            "select 'log ' || log || ' counts ' || rows || ' reports and ' || bytes || ' bytes up to number '
                    || last_seq || '; there are ' || n || ' and ' || total || ' from ' || low || ' to ' || high
             from outbox_log, (select count(*) as n, coalesce(sum(length(event)), 0) as total,
                coalesce(min(seq), 0) as low, coalesce(max(seq), 0) as high from outbox)
             where rows <> n or bytes <> total or (n > 0 and (high <> last_seq or high - low + 1 <> n))",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(message) = wrong {
        report.add(6, message);
    }
    let homeless: bool = c.query_row(
        "select exists (select 1 from outbox) and not exists (select 1 from outbox_log)",
        [],
        |row| row.get(0),
    )?;
    if homeless {
        report.add(6, "reports wait, but there is no log that they belong to");
    }
    Ok(())
}

fn volumes(c: &Connection) -> Result<Vec<Volume>, CatalogError> {
    Ok(
        c.prepare("select id, name, path, uuid from volume order by id")?
            .query_map([], |row| {
                let (name, path): (String, String) = (row.get("name")?, row.get("path")?);
                let config = VolumeConfig::new(name, path);
                Ok(Volume::new(
                    VolumeId(row.get("id")?),
                    parsed(row, "uuid")?,
                    config,
                ))
            })?
            .collect::<Result<_, _>>()?,
    )
}

struct HeldRow {
    id: RecordingId,
    camera: CameraId,
    stem: Stem,
    kept_bytes: u64,
    digest: String,
}

fn held_row(row: &Row<'_>) -> rusqlite::Result<HeldRow> {
    Ok(HeldRow {
        id: parsed(row, "id")?,
        camera: parsed(row, "camera_id")?,
        stem: parsed(row, "stem")?,
        kept_bytes: size(row, "kept_bytes")?,
        digest: row.get("digest")?,
    })
}

/// Invariant 1, and that a path follows from its row.
fn rows_have_files(
    c: &Connection,
    volume: &Volume,
    deep: bool,
    report: &mut Report,
) -> Result<(), CatalogError> {
    let mut after = String::new();
    loop {
        // Read out whole: while a statement runs, the connection sees the past.
        let rows: Vec<HeldRow> = c
            .prepare_cached(
                "select id, camera_id, stem, kept_bytes, digest from recording indexed by recording_stem
                 where volume_id = :volume and stem > :after and stem is not null and status = 'completed'
                 order by stem limit :stride",
            )?
            .query_map(
                named_params! { ":volume": volume.id().0, ":after": after, ":stride": STRIDE },
                held_row,
            )?
            .collect::<Result<_, _>>()?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.stem.as_str().to_owned();
        for row in rows {
            report.recordings += 1;
            if let Some(message) = wrong_with(volume, &row, deep)
                && still_held(c, volume, &row)?
            {
                report.add(1, format!("recording {}: {message}", row.id));
            }
        }
    }
}

fn wrong_with(volume: &Volume, row: &HeldRow, deep: bool) -> Option<String> {
    if row.stem.camera() != row.camera {
        return Some(format!(
            "{} is not a path of camera {}",
            row.stem, row.camera
        ));
    }
    let media = volume.file(&row.stem, MEDIA);
    let bytes = match std::fs::metadata(&media) {
        Ok(metadata) => metadata.len(),
        Err(e) => return Some(format!("{}: {e}", media.display())),
    };
    if bytes != row.kept_bytes {
        return Some(format!(
            "{} has {bytes} bytes instead of {}",
            media.display(),
            row.kept_bytes
        ));
    }
    let sidecar = match Sidecar::read(&volume.file(&row.stem, SIDECAR)) {
        Ok(sidecar) => sidecar,
        Err(e) => return Some(e.to_string()),
    };
    if sidecar.recording != row.id || sidecar.digest != row.digest {
        return Some(format!(
            "its description tells of recording {} with digest {}",
            sidecar.recording, sidecar.digest
        ));
    }
    if !deep {
        return None;
    }
    match digest_of(&media) {
        Ok((_, digest)) if digest == row.digest => None,
        Ok((_, digest)) => Some(format!(
            "{} has changed: its digest is {digest} instead of {}",
            media.display(),
            row.digest
        )),
        Err(e) => Some(format!("{} cannot be read: {e}", media.display())),
    }
}

fn still_held(c: &Connection, volume: &Volume, row: &HeldRow) -> Result<bool, CatalogError> {
    Ok(c.prepare_cached(
        "select 1 from recording where id = ?1 and status = 'completed' and volume_id = ?2 and stem = ?3",
    )?
    .exists(params![
        row.id.to_string(),
        volume.id().0,
        row.stem.as_str()
    ])?)
}

/// Invariant 2: every file under `cameras/` is named by a row.
fn files_have_rows(
    c: &Connection,
    volume: &Volume,
    report: &mut Report,
) -> Result<(), CatalogError> {
    let mut folders = vec![volume.path().join(CAMERAS)];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // Empty days are removed while the agent runs.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(CatalogError::Io {
                    path: folder,
                    source,
                });
            }
        };
        for entry in entries {
            let path = entry
                .map_err(|source| CatalogError::Io {
                    path: folder.clone(),
                    source,
                })?
                .path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            report.files += 1;
            if let Some(message) = stray(c, volume, &path)?
                && path.exists()
            {
                report.add(2, message);
            }
        }
    }
    Ok(())
}

fn stray(c: &Connection, volume: &Volume, path: &Path) -> Result<Option<String>, CatalogError> {
    let relative = path
        .strip_prefix(volume.path())
        .unwrap_or(path)
        .to_string_lossy();
    let stem = match Stem::of_file(&relative) {
        Ok((stem, MEDIA | NATIVE | SIDECAR)) => stem,
        _ => {
            return Ok(Some(format!(
                "{} is not one of our files: move it away",
                path.display()
            )));
        }
    };
    let named = c
        .prepare_cached(
            "select 1 from recording where volume_id = ?1 and stem = ?2
             union all select 1 from garbage where volume_id = ?1 and stem = ?2
             union all select 1 from moving where volume_id = ?1 and stem = ?2",
        )?
        .exists(params![volume.id().0, stem.as_str()])?;
    Ok((!named).then(|| format!("{} belongs to no recording in the catalog", path.display())))
}
