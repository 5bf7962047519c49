//! How the recorders' clocks ran (R13): runs, the drift that they tell, and what a person should hear of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, named_params, params};
use wire::ids::{RecorderId, RecordingId};
use wire::telemetry::{Alert, Event, Severity};

use super::text::{parsed, time};
use super::{Catalog, CatalogError, ChangeKind, Work, outbox, reach, recorders};
use crate::model::clock::{ClockRun, ClockStep, told_ahead, told_offset, told_problem};
use crate::model::time::UtcRange;
use crate::recorder::clock;

/// Runs kept of each recorder.
const RUNS_MAX: u32 = 256;
/// A step of a recorder's clock by less is a correction that nobody needs to hear of.
const STEP_ALERT_MS: i64 = 60_000;
/// Within this two offsets are the same.
const NOISE_MS: i64 = 5_000;
/// How long after its newest reading a run may still have placed recordings.
const FOUND_AFTER_S: i64 = 300;
/// How far before a run in which the box's clock was wrong answers are doubted: what recorders are usually asked about.
const DOUBTED_S: i64 = 31 * 86_400;

impl Catalog {
    /// The runs of a recorder's clock, oldest first.
    pub async fn clock_runs(&self, recorder: RecorderId) -> Result<Vec<ClockRun>, CatalogError> {
        self.read(move |c| Ok(runs(c, recorder)?.into_values().collect()))
            .await
    }

    /// Stores how a recorder's clock ran: the runs as its session knows them, oldest first. New runs are added and the
    /// newest ones go on; nothing is overwritten by another. Tells people when the clock became wrong and when it was
    /// set.
    pub async fn note_clock(
        &self,
        recorder: RecorderId,
        told: Vec<ClockRun>,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            let name = recorders::get(w.tx, recorder)?.name;
            let known = runs(w.tx, recorder)?;
            for run in &told {
                match known.get(&run.number) {
                    Some(known) if known == run => {}
                    known => {
                        store(w, recorder, run)?;
                        if known.is_none() {
                            tell_step(w, recorder, &name, run)?;
                        }
                    }
                }
            }
            let Some(newest) = told.last() else {
                return Ok(());
            };
            for run in told.iter().filter(|run| run.box_was_wrong) {
                if known
                    .get(&run.number)
                    .is_none_or(|known| !known.box_was_wrong)
                {
                    place_anew(w, recorder, run, newest)?;
                    let asked = UtcRange {
                        from: run.began_at.plus_s(-DOUBTED_S),
                        to: run.last_at.plus_s(FOUND_AFTER_S),
                    };
                    reach::doubt_anew(w, recorder, asked)?;
                }
            }
            w.tx.execute(
                "delete from clock_run where recorder_id = ?1 and number <= ?2",
                params![
                    recorder.to_string(),
                    i64::from(newest.number) - i64::from(RUNS_MAX)
                ],
            )?;
            tell_problem(w, recorder, &name, newest)
        })
        .await
    }
}

/// Where it is not certain when something was recorded, because the clock was set, and how it was.
pub(super) fn steps(
    c: &Connection,
    recorder: RecorderId,
) -> Result<Vec<(UtcRange, String)>, CatalogError> {
    let runs: Vec<ClockRun> = runs(c, recorder)?.into_values().collect();
    Ok(clock::steps(&runs))
}

pub(super) fn runs(
    c: &Connection,
    recorder: RecorderId,
) -> Result<BTreeMap<u32, ClockRun>, CatalogError> {
    Ok(
        c.prepare_cached("select * from clock_run where recorder_id = ?1 order by number")?
            .query_map([recorder.to_string()], |row| {
                let number = row.get("number")?;
                let (word, ms): (String, i64) = (row.get("began_by")?, row.get("step_ms")?);
                let run = ClockRun {
                    number,
                    // The schema lets no other word in.
                    began_by: ClockStep::from_word(&word, ms).unwrap_or(ClockStep::Either(ms)),
                    began_at: time(row, "began_utc")?,
                    last_at: time(row, "last_utc")?,
                    zone: row.get("zone")?,
                    first_offset_ms: row.get("first_offset_ms")?,
                    last_offset_ms: row.get("last_offset_ms")?,
                    box_was_wrong: row.get("box_was_wrong")?,
                };
                Ok((number, run))
            })?
            .collect::<Result<_, _>>()?,
    )
}

fn store(w: &Work<'_>, recorder: RecorderId, run: &ClockRun) -> Result<(), CatalogError> {
    let (word, step_ms) = run.began_by.word();
    w.tx.prepare_cached(
        "insert into clock_run (recorder_id, number, began_by, step_ms, began_utc, last_utc, zone, first_offset_ms,
            last_offset_ms, box_was_wrong) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         on conflict (recorder_id, number) do update set last_utc = excluded.last_utc,
            last_offset_ms = excluded.last_offset_ms, box_was_wrong = excluded.box_was_wrong",
    )?
    .execute(params![
        recorder.to_string(),
        run.number,
        word,
        step_ms,
        run.began_at.micros(),
        run.last_at.micros(),
        run.zone,
        run.first_offset_ms,
        run.last_offset_ms,
        run.box_was_wrong,
    ])?;
    Ok(())
}

/// What was found while the box's clock was wrong lies at times that never were. What is not held yet moves to where
/// the newest reading says; what is held keeps its name on the disk, and its time.
fn place_anew(
    w: &mut Work<'_>,
    recorder: RecorderId,
    wrong: &ClockRun,
    newest: &ClockRun,
) -> Result<(), CatalogError> {
    let moved: Vec<RecordingId> =
        w.tx.prepare_cached(
            "update recording set start_utc = start_utc + (clock_offset_ms - :right) * 1000,
                end_utc = end_utc + (clock_offset_ms - :right) * 1000, clock_offset_ms = :right,
                updated_utc = max(:now, updated_utc + 1)
             where status in ('pending', 'failed') and abs(clock_offset_ms - :wrong) <= :noise
                and camera_id in (select id from camera where recorder_id = :recorder)
                and created_utc between :from and :to
             returning id",
        )?
        .query_map(
            named_params! {
                ":recorder": recorder.to_string(), ":now": w.now.micros(),
                ":right": told_offset(newest.last_offset_ms), ":wrong": wrong.last_offset_ms,
                ":noise": NOISE_MS,
                ":from": wrong.began_at.plus_ms(-NOISE_MS).micros(),
                // Until the next reading, which the step followed.
                ":to": wrong.last_at.plus_s(FOUND_AFTER_S).micros(),
            },
            |row| parsed(row, "id"),
        )?
        .collect::<Result<_, _>>()?;
    w.recordings_changed(Event::RecordingChanged, &moved)
}

fn tell_step(
    w: &mut Work<'_>,
    recorder: RecorderId,
    name: &str,
    run: &ClockRun,
) -> Result<(), CatalogError> {
    let message = match run.began_by {
        ClockStep::Recorder(ms) if ms.abs() >= STEP_ALERT_MS => format!(
            "recorder {name:?}: its clock was set while the agent watched and is now {}; footage from before keeps \
             the time of then",
            told_ahead(run.last_offset_ms)
        ),
        ClockStep::Either(ms) if ms.abs() >= STEP_ALERT_MS => format!(
            "recorder {name:?}: its clock or this box's was set while the agent did not run; the recorder's is now {}",
            told_ahead(run.last_offset_ms)
        ),
        _ => return Ok(()),
    };
    alert(w, recorder, "recorder_clock_set", Severity::Info, message)
}

/// Once when it becomes wrong, and again only after it was right.
fn tell_problem(
    w: &mut Work<'_>,
    recorder: RecorderId,
    name: &str,
    newest: &ClockRun,
) -> Result<(), CatalogError> {
    let drift = newest.drift_ms_per_day();
    let problem = told_problem(newest.last_offset_ms, drift);
    let told: bool = w.tx.query_row(
        "select clock_told from recorder where id = ?1",
        [recorder.to_string()],
        |row| row.get(0),
    )?;
    w.tx.execute(
        "update recorder set clock_zone = ?2, clock_drift_ms_per_day = ?3, clock_told = ?4 where id = ?1",
        params![recorder.to_string(), newest.zone, drift, problem.is_some()],
    )?;
    if problem.is_some() != told {
        w.changed(ChangeKind::Recorder, recorder);
    }
    match problem.filter(|_| !told) {
        Some(problem) => {
            let message = format!("recorder {name:?}: {problem}");
            alert(w, recorder, "recorder_clock", Severity::Warning, message)
        }
        None => Ok(()),
    }
}

fn alert(
    w: &mut Work<'_>,
    recorder: RecorderId,
    rule: &str,
    severity: Severity,
    message: String,
) -> Result<(), CatalogError> {
    tracing::warn!(recorder.id = %recorder, rule, message, "A recorder's clock needs a look");
    let rule = rule.to_owned();
    outbox::enqueue(
        w,
        &Event::AlertRaised(Alert {
            rule,
            severity,
            message,
        }),
    )
}
