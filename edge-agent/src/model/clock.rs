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

/// Recorders tell whole seconds, and answers take a while: less than this is not known and counts as right.
const NOISE_MS: i64 = 1_500;

/// A measured offset as it is used and told: whole seconds, and none where it may be noise.
pub fn told_offset(exact_ms: i64) -> i64 {
    if exact_ms.abs() < NOISE_MS {
        0
    } else {
        (exact_ms as f64 / 1_000.0).round() as i64 * 1_000
    }
}

/// From here on a person should set a recorder's clock.
const WRONG_MS: i64 = 30_000;
/// From here on, by day, it needs a time server.
const DRIFTS_MS: i64 = 20_000;

/// What is wrong with a recorder's clock and what to do, in words; none while it is good enough.
pub fn told_problem(offset_ms: i64, drift_ms_per_day: Option<i64>) -> Option<String> {
    let drift = drift_ms_per_day.filter(|drift| drift.abs() >= DRIFTS_MS);
    let drifts = drift.map(|drift| {
        let way = if drift > 0 { "gains" } else { "loses" };
        format!("{way} {} a day", span(drift))
    });
    if offset_ms.abs() >= WRONG_MS {
        let drifts = drifts.map_or(String::new(), |drifts| format!(" and {drifts}"));
        let is = told_ahead(offset_ms);
        return Some(format!(
            "the recorder's clock is {is}{drifts}; set it or turn on NTP at the recorder"
        ));
    }
    drifts.map(|drifts| format!("the recorder's clock {drifts}; turn on NTP at the recorder"))
}

/// `right`, `3 min 12 s behind`, `1 h 2 min ahead`.
pub fn told_ahead(offset_ms: i64) -> String {
    if offset_ms.abs() < 1_500 {
        return "right".to_owned();
    }
    let way = if offset_ms > 0 { "ahead" } else { "behind" };
    format!("{} {way}", span(offset_ms))
}

/// The two largest units: `12 s`, `3 min 12 s`, `2 d 4 h`.
fn span(ms: i64) -> String {
    let s = (ms.unsigned_abs() + 500) / 1_000;
    let (large, small) = match s {
        0..60 => return format!("{s} s"),
        60..3_600 => ((s / 60, "min"), (s % 60, "s")),
        3_600..86_400 => ((s / 3_600, "h"), (s / 60 % 60, "min")),
        _ => ((s / 86_400, "d"), (s / 3_600 % 24, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (n, unit) => format!("{} {} {n} {unit}", large.0, large.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_in_words() {
        for (offset_ms, drift, words) in [
            (0, None, None),
            (29_000, Some(3_000), None),
            (
                -192_000,
                None,
                Some("is 3 min 12 s behind; set it or turn on NTP at the recorder"),
            ),
            (
                3_720_000,
                Some(-25_000),
                Some(
                    "is 1 h 2 min ahead and loses 25 s a day; set it or turn on NTP at the recorder",
                ),
            ),
            (
                1_000,
                Some(60_000),
                Some("gains 1 min a day; turn on NTP at the recorder"),
            ),
            (
                -187_200_000,
                None,
                Some("is 2 d 4 h behind; set it or turn on NTP at the recorder"),
            ),
        ] {
            let words = words.map(|words| format!("the recorder's clock {words}"));
            assert_eq!(told_problem(offset_ms, drift), words);
        }
        assert_eq!(told_ahead(400), "right");
    }
}
