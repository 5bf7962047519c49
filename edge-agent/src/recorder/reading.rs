//! Readings of a recorder's clock as the drivers use them: into the book, and fresh enough for a search.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::clock::{ClockBook, DeviceClock, box_doubt};
use super::driver::{FailureKind, RecorderError};
use super::worker_protocol::ClockFacts;
use crate::host::clock::up_seconds;
use crate::model::time::UtcTime;

/// How long a reading of the recorder's clock is good for a search.
const LASTS: Duration = Duration::from_secs(15);
/// How far the box's clock may move beside the one that nobody sets while a reading is used.
const BOX_MOVES_MS: i64 = 1_000;

/// A reading of the recorder's clock, and when it was made by the box's two clocks.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The recorder's clock, with how it ran before.
    pub clock: DeviceClock,
    at: UtcTime,
    steady: Instant,
}

impl Reading {
    /// Reads the clock from what the recorder just told, and writes it into the book. A step is told in the journal.
    pub fn note(book: &ClockBook, at: &str, facts: &ClockFacts) -> Self {
        let (clock, step) = book.note(DeviceClock::measure(facts), Instant::now());
        if let Some(step) = step {
            tracing::warn!(
                recorder.address = at,
                recorder.clock_offset_ms = clock.reading().offset_ms,
                recorder.zone = clock.zone_text(),
                ?step,
                "The recorder's clock no longer runs as it did beside this box's; earlier footage keeps the earlier clock"
            );
        }
        Self {
            clock,
            at: Timestamp::now().into(),
            steady: Instant::now(),
        }
    }

    /// Whether the box's clock was set since.
    pub fn box_was_set(&self) -> bool {
        let passed = UtcTime::from(Timestamp::now()).ms_since(self.at);
        let lasted = self.steady.elapsed().as_millis() as i64;
        (passed - lasted).abs() > BOX_MOVES_MS
    }

    /// Whether a search needs another one.
    pub fn is_stale(&self) -> bool {
        self.steady.elapsed() > LASTS || self.box_was_set()
    }

    /// Refuses to be used for a search while it is the box's clock that is not believed. `at`: the recorder.
    pub fn believed(self, at: &str) -> Result<Self, RecorderError> {
        let offset_ms = self.clock.reading().offset_ms;
        match box_doubt(self.at, offset_ms, up_seconds()) {
            None => Ok(self),
            Some(doubt) => Err(RecorderError::new(
                FailureKind::Local,
                format!("{at}: not searched yet: {doubt}"),
            )),
        }
    }

    /// The box's clock was set while a channel was searched: what came cannot be placed in time.
    pub fn check_box(&self, at: &str, channel: u32) -> Result<(), RecorderError> {
        if !self.box_was_set() {
            return Ok(());
        }
        let message = format!(
            "{at}: this box's clock was set while channel {channel} was searched; it is asked again"
        );
        Err(RecorderError::new(FailureKind::Device, message))
    }
}
