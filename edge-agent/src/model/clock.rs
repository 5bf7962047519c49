//! How a recorder's clock runs beside the box's.

use super::time::UtcTime;

/// A stretch in which a recorder's clock ran evenly beside the box's: from one step, of either, to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockRun {
    /// Counted from 1 for each recorder.
    pub number: u32,
    /// What began it.
    pub began_by: ClockStep,
    /// First reading, by the box's clock.
    pub began_at: UtcTime,
    /// Newest reading, by the box's clock.
    pub last_at: UtcTime,
    /// The recorder's zone as a POSIX text in our spelling.
    pub zone: String,
    /// Recorder's clock less the box's at the first reading, in milliseconds; known to about a second.
    pub first_offset_ms: i64,
    /// The same at the newest reading.
    pub last_offset_ms: i64,
    /// The box's own clock turned out to be wrong in it: nothing is translated by it.
    pub box_was_wrong: bool,
}

/// Shortest run that tells a drift: readings are good to a second.
const DRIFT_AFTER_MS: i64 = DAY_MS / 2;
const DAY_MS: i64 = 86_400_000;

impl ClockRun {
    /// By how many milliseconds a day the recorder's clock gains on the box's (negative: loses). None while the run is
    /// too short to tell.
    pub fn drift_ms_per_day(&self) -> Option<i64> {
        let lasted = self.last_at.ms_since(self.began_at);
        let gained = self.last_offset_ms - self.first_offset_ms;
        (lasted >= DRIFT_AFTER_MS && !self.box_was_wrong)
            .then(|| (gained as f64 * DAY_MS as f64 / lasted as f64).round() as i64)
    }
}

/// Why a run of a clock begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStep {
    /// It was read for the first time.
    First,
    /// The recorder's clock was put forward or (negative) back by so many milliseconds.
    Recorder(i64),
    /// The box's was.
    Box(i64),
    /// One of the two was, while the agent did not run: the recorder's less the box's changed by so many milliseconds.
    Either(i64),
    /// The recorder has another zone or summer time.
    Zone,
}

impl ClockStep {
    /// Its word in the catalog, and by how much.
    pub fn word(self) -> (&'static str, i64) {
        match self {
            Self::First => ("first", 0),
            Self::Recorder(ms) => ("recorder", ms),
            Self::Box(ms) => ("box", ms),
            Self::Either(ms) => ("either", ms),
            Self::Zone => ("zone", 0),
        }
    }

    /// From the word; None for one that is none.
    pub fn from_word(word: &str, ms: i64) -> Option<Self> {
        Some(match word {
            "first" => Self::First,
            "recorder" => Self::Recorder(ms),
            "box" => Self::Box(ms),
            "either" => Self::Either(ms),
            "zone" => Self::Zone,
            _ => return None,
        })
    }
}
