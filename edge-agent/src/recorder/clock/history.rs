//! How a recorder's clock ran in the past: runs, and the steps between them.
//!
//! Footage was stamped by the clock as it was when it was recorded. A clock that somebody put right today says nothing
//! about the footage of last week, so every reading is kept as part of a run, and times are translated by the run that
//! they belong to. Pure.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::DeviceClock;
use crate::model::clock::{ClockRun, ClockStep};
use crate::model::time::UtcTime;

/// Runs remembered for translating: more than a year of weekly corrections.
const RUNS_MAX: usize = 64;
/// What two readings may differ by in any case: each is good to a second, and time servers nudge clocks.
const STEP_MS: i64 = 5_000;
/// What a bad quartz may gain or lose: 500 millionths, 43 seconds a day.
const DRIFT_PER_MS: i64 = 2_000;
/// The box's clock may be slewed by so much between two readings and has not stepped.
const BOX_STEP_MS: i64 = 2_000;
/// A box's clock that was put right by more than this was wrong, and what was measured by it says nothing.
const BOX_WRONG_MS: i64 = 120_000;

/// The history of one recorder's clock, shared by those who read the clock and those who write it down.
#[derive(Debug, Clone, Default)]
pub struct ClockBook(Arc<Mutex<ClockHistory>>);

impl ClockBook {
    /// Goes on from what the catalog remembers, oldest run first.
    pub fn new(runs: Vec<ClockRun>) -> Self {
        Self(Arc::new(Mutex::new(ClockHistory::new(runs))))
    }

    /// Adds a reading that was made now. Gives it back with what went before it, and the step between, if any.
    pub fn note(&self, reading: DeviceClock, now: Instant) -> (DeviceClock, Option<ClockStep>) {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = history.note(&reading, now);
        (reading.with_history(&history), step)
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> Vec<ClockRun> {
        let history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        history.runs().to_vec()
    }
}

/// The runs of one recorder's clock, oldest first.
#[derive(Debug, Clone, Default)]
pub struct ClockHistory {
    runs: Vec<ClockRun>,
    /// Runs from here on were begun by this process.
    ours: usize,
    /// The newest reading: by the box's clock, and by the clock that nobody sets.
    newest: Option<(UtcTime, Instant)>,
}

impl ClockHistory {
    /// As the catalog remembers it, oldest run first.
    pub fn new(mut runs: Vec<ClockRun>) -> Self {
        runs.drain(..runs.len().saturating_sub(RUNS_MAX));
        Self {
            ours: runs.len(),
            runs,
            newest: None,
        }
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[ClockRun] {
        &self.runs
    }

    /// Adds a reading, and tells the step before it if there was one. `now` is the steady clock's time of the reading.
    pub fn note(&mut self, reading: &DeviceClock, now: Instant) -> Option<ClockStep> {
        let at = reading.measured_at;
        let watched = self.newest.is_some();
        let box_step = self.newest.replace((at, now)).and_then(|(then, earlier)| {
            let lasted = now.saturating_duration_since(earlier).as_millis() as i64;
            Some(at.ms_since(then) - lasted).filter(|step| step.abs() >= BOX_STEP_MS)
        });
        let put_right = box_step.is_some_and(|ms| ms.abs() >= BOX_WRONG_MS);
        for (place, run) in self.runs.iter_mut().enumerate() {
            let from_the_future = run.last_at.ms_since(at) > BOX_WRONG_MS;
            run.box_was_wrong |= from_the_future || (put_right && place >= self.ours);
        }
        let zone = reading.zone_text();
        let step = match self.runs.last_mut() {
            None => ClockStep::First,
            Some(run) => match step(run, reading, &zone, box_step, watched) {
                Some(step) => step,
                None => {
                    run.last_at = run.last_at.max(at);
                    run.last_offset_ms = reading.exact_offset_ms;
                    return None;
                }
            },
        };
        self.begin(step, at, zone, reading.exact_offset_ms);
        (step != ClockStep::First).then_some(step)
    }

    fn begin(&mut self, step: ClockStep, at: UtcTime, zone: String, offset_ms: i64) {
        let number = self
            .runs
            .last()
            .map_or(1, |run| run.number.saturating_add(1));
        self.runs.push(ClockRun {
            number,
            began_by: step,
            began_at: at,
            last_at: at,
            zone,
            first_offset_ms: offset_ms,
            last_offset_ms: offset_ms,
            box_was_wrong: false,
        });
        if self.runs.len() > RUNS_MAX {
            self.runs.remove(0);
            self.ours = self.ours.saturating_sub(1);
        }
    }
}

/// The step between a run and the next reading; none: it goes on. `watched`: this process made the reading before, so
/// that a step of the box would be known.
fn step(
    run: &ClockRun,
    reading: &DeviceClock,
    zone: &str,
    box_step: Option<i64>,
    watched: bool,
) -> Option<ClockStep> {
    if let Some(ms) = box_step {
        return Some(ClockStep::Box(ms));
    }
    let lasted = reading.measured_at.ms_since(run.last_at).abs();
    let by = reading.exact_offset_ms - run.last_offset_ms;
    if by.abs() > STEP_MS + lasted / DRIFT_PER_MS {
        return Some(if watched {
            ClockStep::Recorder(by)
        } else {
            ClockStep::Either(by)
        });
    }
    if run.zone != zone {
        return Some(ClockStep::Zone);
    }
    run.box_was_wrong.then_some(ClockStep::Either(by))
}
