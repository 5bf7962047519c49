//! A recorder's own clock, kept apart from true time by type.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

pub use wire::time::UtcTime;

/// What a device says: its wall clock, without a zone, and which of the two passes of a DST fold is meant.
///
/// Only `recorder/clock.rs` turns it into true time and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecorderTime {
    /// The wall clock.
    pub wall: DateTime,
    /// The second pass through an hour that the end of summer time repeats.
    pub second_pass: bool,
}

impl RecorderTime {
    /// A wall clock outside any fold.
    pub fn new(wall: DateTime) -> Self {
        Self {
            wall,
            second_pass: false,
        }
    }
}

/// `2026-11-03T15:05:00`, as the API shows it.
impl fmt::Display for RecorderTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wall.fmt(f)
    }
}

impl FromStr for RecorderTime {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse().map(Self::new)
    }
}

/// A range of true time, half open: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UtcRange {
    /// First instant.
    pub from: UtcTime,
    /// First instant after it; never before `from`.
    pub to: UtcTime,
}

impl UtcRange {
    /// None when `to` lies before `from`.
    pub fn new(from: UtcTime, to: UtcTime) -> Option<Self> {
        (from <= to).then_some(Self { from, to })
    }

    /// A day of the calendar of a zone: 23 to 25 hours where clocks are changed. None at the ends of the calendar.
    pub fn of_day(day: Date, zone: &TimeZone) -> Option<Self> {
        let midnight = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp().into());
        Self::new(midnight(day)?, midnight(day.tomorrow().ok()?)?)
    }

    /// Length in milliseconds.
    pub fn duration_ms(self) -> i64 {
        self.to.ms_since(self.from)
    }

    /// What of it lies before an instant; empty when all of it comes later.
    pub fn until(self, now: UtcTime) -> Self {
        Self {
            to: self.to.min(now).max(self.from),
            ..self
        }
    }

    /// Whether the two share an instant.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_hours_of_their_zone() {
        for (day, zone, hours, from) in [
            ("2026-03-29", "Europe/Berlin", 23, "2026-03-28T23:00:00Z"),
            ("2026-10-25", "Europe/Berlin", 25, "2026-10-24T22:00:00Z"),
            ("2026-11-03", "UTC", 24, "2026-11-03T00:00:00Z"),
            // Midnight itself is skipped in Beirut.
            ("2026-03-29", "Asia/Beirut", 23, "2026-03-28T22:00:00Z"),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let range = UtcRange::of_day(day.parse().unwrap(), &zone).unwrap();
            assert_eq!(range.duration_ms(), hours * 3_600_000, "{day}");
            assert_eq!(range.from.to_string(), from);
        }
        assert_eq!(UtcRange::of_day(Date::MAX, &TimeZone::UTC), None);
    }
}
