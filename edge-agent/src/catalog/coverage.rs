//! What the catalog knows about a range of a camera, gathered for the list of gaps (R9).

use std::sync::Arc;

use rusqlite::{Connection, Row, named_params};
use wire::coverage::OverwriteRisk;
use wire::ids::CameraId;
use wire::resource::{Camera, Defect, DefectKind, RecorderState, RecordingStatus};

use super::recordings::source_time;
use super::text::{time, word, word_opt};
use super::{Catalog, CatalogError, cameras, clocks, observations, reach, recorders};
use crate::model::clock::ClockRun;
use crate::model::coverage::{Doubt, Facts, Listed};
use crate::model::time::{UtcRange, UtcTime};
use crate::recorder::clock;

/// What is known about a range of a camera, and of its recorder.
#[derive(Debug, Clone)]
pub struct Known {
    /// The camera.
    pub camera: Camera,
    /// What its gaps are computed from.
    pub facts: Facts,
    /// Its recorder is about to overwrite footage.
    pub risk: Option<OverwriteRisk>,
}

impl Catalog {
    /// Gathers what is known, as of one moment.
    pub async fn known_of(&self, camera: CameraId, range: UtcRange) -> Result<Known, CatalogError> {
        let now = self.now();
        self.read(move |c| known(c, camera, range, now)).await
    }
}

/// Gathers it.
pub(super) fn known(
    c: &Connection,
    camera: CameraId,
    range: UtcRange,
    now: UtcTime,
) -> Result<Known, CatalogError> {
    let camera = cameras::get(c, camera)?;
    let (recorder, channel) = (camera.recorder_id, camera.channel);
    let facts = Facts {
        settled: observations::covered(c, recorder, channel, range, now)?,
        doubts: reach::doubts(c, recorder, channel, range)?
            .into_iter()
            .map(|(stretch, open)| (stretch, if open { Doubt::Open } else { Doubt::Beyond }))
            .collect(),
        unreachable: observations::failure(c, recorder, channel)?
            .map(|(stretch, reason)| (stretch, reason.into())),
        not_asked: not_asked(c, &camera)?,
        clock_steps: clocks::steps(c, recorder)?
            .into_iter()
            .filter(|(stretch, _)| stretch.overlaps(range))
            .map(|(stretch, how)| (stretch, how.into()))
            .collect(),
        listed: listed(c, &camera, range)?,
    };
    let risk = reach::risk(c, recorder)?;
    Ok(Known {
        camera,
        facts,
        risk,
    })
}

/// Why a camera is not asked about, in words.
fn not_asked(c: &Connection, camera: &Camera) -> Result<Option<Arc<str>>, CatalogError> {
    let recorder = match recorders::get(c, camera.recorder_id) {
        Ok(recorder) => recorder,
        Err(CatalogError::NoRecorder(_)) => return Ok(Some("its recorder was removed".into())),
        Err(error) => return Err(error),
    };
    Ok(match () {
        () if !recorder.enabled => Some(format!("recorder {:?} is switched off", recorder.name)),
        () if !camera.enabled => Some("the camera is switched off".to_owned()),
        () if recorder.state == RecorderState::Error => recorder.state_reason,
        () => None,
    }
    .map(Arc::from))
}

pub(super) const LISTED: &str = "
    select start_utc, end_utc, status, source_gone, eviction_cause, failure, defects,
        source_start, source_end, source_fold, source_end_fold
    from recording indexed by recording_by_camera
    where camera_id = :camera and start_utc >= :reach and start_utc < :to and end_utc + :short > :from
    order by start_utc, id";

fn listed(c: &Connection, camera: &Camera, range: UtcRange) -> Result<Vec<Listed>, CatalogError> {
    let reach_us = super::recordings::longest_us(c, Some(camera.id))?;
    let runs: Vec<ClockRun> = clocks::runs(c, camera.recorder_id)?.into_values().collect();
    let rows: Vec<Listed> = c
        .prepare_cached(LISTED)?
        .query_map(
            named_params! {
                ":camera": camera.id.to_string(),
                ":reach": range.from.micros().saturating_sub(reach_us),
                ":from": range.from.micros(),
                ":to": range.to.micros(),
                // What is held may end before the range and have been told to reach into it.
                ":short": reach_us,
            },
            |row| listed_of(row, &runs),
        )?
        .collect::<Result<_, _>>()?;
    Ok(rows
        .into_iter()
        .filter(|listed| listed.told_end > range.from)
        .collect())
}

fn listed_of(row: &Row<'_>, runs: &[ClockRun]) -> rusqlite::Result<Listed> {
    let span = UtcRange {
        from: time(row, "start_utc")?,
        to: time(row, "end_utc")?,
    };
    let status = word(row, "status")?;
    let failure: Option<String> = row.get("failure")?;
    let short = match status {
        RecordingStatus::Completed | RecordingStatus::Evicted => short_of(row)?,
        _ => None,
    };
    let told_end = match &short {
        Some(_) => span
            .from
            .plus_s(told_seconds(row, span.from, runs)?)
            .max(span.to),
        None => span.to,
    };
    Ok(Listed {
        span,
        told_end,
        status,
        gone: row.get("source_gone")?,
        eviction_cause: word_opt(row, "eviction_cause")?,
        reason: short.or(failure).map(Arc::from),
    })
}

/// What is said of a kept recording that covers less than it should.
fn short_of(row: &Row<'_>) -> rusqlite::Result<Option<String>> {
    let text: String = row.get("defects")?;
    let defects: Vec<Defect> = serde_json::from_str(&text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
    })?;
    let short = defects.into_iter().find(|d| d.kind == DefectKind::Short);
    Ok(short.map(|defect| defect.message))
}

/// Length of a recording by the recorder's own clock, as it was when the recording began.
fn told_seconds(row: &Row<'_>, began: UtcTime, runs: &[ClockRun]) -> rusqlite::Result<i64> {
    let (start, end) = (
        source_time(row, "source_start", "source_fold")?,
        source_time(row, "source_end", "source_end_fold")?,
    );
    let run = runs.iter().rev().find(|run| run.began_at <= began);
    let length_s = run
        .or(runs.first())
        .and_then(|run| clock::told_length_s(&run.zone, start, end));
    // Of a recorder whose clock was never read only what it showed is known.
    Ok(length_s.unwrap_or_else(|| end.wall.duration_since(start.wall).as_secs()))
}
