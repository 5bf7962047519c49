//! A recorder's own clock, kept apart from true time by type.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;

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

    /// Length in milliseconds.
    pub fn duration_ms(self) -> i64 {
        self.to.ms_since(self.from)
    }

    /// Whether the two share an instant.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}
