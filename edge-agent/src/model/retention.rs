//! What may leave, and when it must: the rules of retention and the footage that they are applied to.

use std::fmt;

use wire::ids::{CameraId, RecordingId};

use super::time::{UtcRange, UtcTime};

/// A day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What is kept of one camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Older footage leaves; none: as long as there is room.
    pub max_age_ms: Option<i64>,
    /// Most bytes of it; none: as long as there is room.
    pub max_bytes: Option<u64>,
    /// Younger footage stays, unless the disk itself has no room left.
    pub min_age_ms: i64,
}

/// Footage as a candidate for eviction: a completed recording, or what stands for several in a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<Id = RecordingId> {
    /// Which.
    pub id: Id,
    /// Its camera.
    pub camera: CameraId,
    /// What it covers.
    pub span: UtcRange,
    /// What its removal frees.
    pub kept_bytes: u64,
    /// Protected by a lock or a bookmark.
    pub locked: bool,
}

impl<Id> Candidate<Id> {
    /// Time since its last picture.
    pub fn age_ms(&self, now: UtcTime) -> i64 {
        now.ms_since(self.span.to)
    }
}

/// What a camera holds, and the rules that are its own (those left out are the configuration's).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraHolding {
    /// Which camera.
    pub camera: CameraId,
    /// Bytes held, locked ones included.
    pub held_bytes: u64,
    /// Its own limit of age.
    pub max_age_ms: Option<i64>,
    /// Its own limit of bytes.
    pub max_bytes: Option<u64>,
    /// Its own least age.
    pub min_age_ms: Option<i64>,
}

/// What a recorder lists of a camera that begins on one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedDay {
    /// Days since 1970.
    pub day: i64,
    /// Bytes, as kept or as stated.
    pub bytes: u64,
    /// Time covered.
    pub span_ms: i64,
}

/// A number of bytes for people, in decimal units as disks are sold: `950 kB`, `1.5 GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
        let (mut value, mut unit) = (self.0 as f64, 0);
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1_000.0;
            unit += 1;
        }
        let digits = match value {
            _ if unit == 0 => 0,
            v if v >= 99.5 => 0,
            v if v >= 9.95 => 1,
            _ => 2,
        };
        write!(f, "{value:.digits$} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn bytes_for_people() {
        let table = [
            (0, "0 B"),
            (950_000, "950 kB"),
            (999_500, "1.00 MB"),
            (1_500_000_000, "1.50 GB"),
            (23_400_000_000, "23.4 GB"),
        ];
        for (bytes, text) in table {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
