//! How far back a recorder reaches, and when it will have overwritten what it holds now. Pure.
//!
//! A recorder tells how long it keeps footage nowhere. But the oldest footage that it still lists moves forward once
//! its disk is full, and how fast it moved yesterday is the best word on when something will be gone.

use super::time::UtcTime;

/// How far back readings count: a day, since cameras record more by day than by night.
pub const PACE_OVER_S: i64 = 86_400;
/// Two readings closer than this tell no pace: recorders free whole files at a time.
const PACE_AFTER_S: i64 = 3_600;
/// Footage that will be gone within this time is at risk: it goes first, and people hear of it.
pub const RISK_S: i64 = 6 * 3_600;

/// The oldest footage of a channel, as a recorder told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub told_at: UtcTime,
    /// Its start.
    pub oldest: UtcTime,
}

/// How far back a channel reaches and how that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The newest reading.
    pub newest: Reading,
    /// By how many milliseconds the oldest footage moves forward in an hour; None while it does not move.
    pub pace_ms_per_h: Option<i64>,
}

impl Reach {
    /// From readings, oldest first; None without any.
    pub fn of(readings: &[Reading]) -> Option<Self> {
        let newest = *readings.last()?;
        let since = newest.told_at.plus_s(-PACE_OVER_S);
        let first = readings.iter().find(|reading| reading.told_at >= since)?;
        let elapsed_ms = newest.told_at.ms_since(first.told_at);
        let moved_ms = newest.oldest.ms_since(first.oldest);
        let moves = elapsed_ms >= PACE_AFTER_S * 1_000 && moved_ms > 0;
        Some(Self {
            newest,
            pace_ms_per_h: moves.then(|| {
                let pace = i128::from(moved_ms) * 3_600_000 / i128::from(elapsed_ms);
                i64::try_from(pace).unwrap_or(i64::MAX).max(1)
            }),
        })
    }

    /// When footage that begins at `start` will be overwritten; None while nothing is.
    pub fn gone_at(&self, start: UtcTime) -> Option<UtcTime> {
        let pace = i128::from(self.pace_ms_per_h?);
        let ahead_ms = i128::from(start.ms_since(self.newest.oldest).max(0));
        let in_ms = i64::try_from(ahead_ms * 3_600_000 / pace).unwrap_or(i64::MAX);
        Some(self.newest.told_at.plus_ms(in_ms))
    }
}

/// Whether something that will be gone then is at risk now.
pub fn at_risk(gone_at: Option<UtcTime>, now: UtcTime) -> bool {
    gone_at.is_some_and(|gone| gone.ms_since(now) <= RISK_S * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> UtcTime {
        UtcTime::from_micros(0).plus_s(hours * 3_600)
    }

    fn readings(told: &[(i64, i64)]) -> Vec<Reading> {
        let reading = |(told_at, oldest): &(i64, i64)| Reading {
            told_at: at(*told_at),
            oldest: at(*oldest),
        };
        told.iter().map(reading).collect()
    }

    #[test]
    fn what_moves_tells_when_the_rest_will_be_gone() {
        // Not full yet, or read once: nothing is overwritten.
        for told in [&[(100, 0)][..], &[(100, 0), (110, 0)], &[]] {
            let reach = Reach::of(&readings(told));
            assert_eq!(reach.and_then(|reach| reach.gone_at(at(5))), None);
        }
        // An hour for an hour.
        let reach = Reach::of(&readings(&[(100, 0), (105, 4), (110, 10)])).unwrap();
        assert_eq!(reach.pace_ms_per_h, Some(3_600_000));
        assert_eq!(reach.gone_at(at(13)), Some(at(113)));
        assert!(at_risk(reach.gone_at(at(13)), at(110)));
        assert!(!at_risk(reach.gone_at(at(30)), at(110)));
        // What is older than the oldest is gone already.
        assert_eq!(reach.gone_at(at(-5)), Some(at(110)));
        // Twice as fast since the recorder has more cameras; what was before yesterday does not count.
        let faster = Reach::of(&readings(&[(0, 0), (100, 2), (124, 50)])).unwrap();
        assert_eq!(faster.gone_at(at(70)), Some(at(134)));
    }
}
