//! How much footage a camera makes in a day. Pure.
//!
//! Taken from what its recorder lists by the day on which pictures were taken: neither back-fill, which brings a month
//! in a night, nor a backlog, nor what has already left distorts it.

use wire::retention::RateBasis;

use crate::model::retention::{DAY_MS, ListedDay};

/// Days that a rate is the mean of: a week, since shops have Sundays.
const WINDOW_DAYS: i64 = 7;

/// Footage of less time than this tells nothing.
const LEAST_SPAN_MS: i64 = 10 * 60 * 1_000;

/// A camera's bytes a day, and what they rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What it rests on.
    pub basis: RateBasis,
    /// 0 when nothing comes or nothing is known.
    pub bytes_per_day: u64,
}

impl Rate {
    /// Whether people should be woken up for what follows from it.
    pub fn is_sure(self) -> bool {
        matches!(self.basis, RateBasis::Measured | RateBasis::Stopped)
    }
}

/// The rate of a camera. `listed` are its newest days up to today, oldest first; `first_day` is the first that was ever
/// listed, of which only a part may be known, like of the newest.
pub fn rate(fetched: bool, listed: &[ListedDay], first_day: Option<i64>, today: i64) -> Rate {
    let none = |basis| Rate {
        basis,
        bytes_per_day: 0,
    };
    if !fetched {
        return none(RateBasis::Off);
    }
    let (Some(newest), Some(first)) = (listed.last().map(|l| l.day), first_day) else {
        return none(RateBasis::Unknown);
    };
    // The newest day is not over, or was not when the recorder stopped.
    let end = newest - 1;
    let begin = (end - WINDOW_DAYS + 1).max(first + 1);
    let stopped = newest < today - 1;
    let basis = if stopped {
        RateBasis::Stopped
    } else {
        RateBasis::Measured
    };
    if begin <= end {
        let bytes: u64 = listed
            .iter()
            .filter(|l| (begin..=end).contains(&l.day))
            .map(|l| l.bytes)
            .sum();
        // A day without footage is a day like others: a camera may record on motion only.
        return Rate {
            basis,
            bytes_per_day: bytes / (end - begin + 1).unsigned_abs(),
        };
    }
    let bytes: u64 = listed.iter().map(|l| l.bytes).sum();
    let span_ms: i64 = listed.iter().map(|l| l.span_ms).sum();
    if span_ms < LEAST_SPAN_MS {
        return none(RateBasis::Unknown);
    }
    let per_day =
        u128::from(bytes) * DAY_MS.unsigned_abs() as u128 / span_ms.unsigned_abs() as u128;
    Rate {
        basis: RateBasis::New,
        bytes_per_day: u64::try_from(per_day).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = 3_600_000;

    fn days(list: &[(i64, u64, i64)]) -> Vec<ListedDay> {
        list.iter()
            .map(|&(day, bytes, hours)| ListedDay {
                day,
                bytes,
                span_ms: hours * H,
            })
            .collect()
    }

    #[test]
    fn by_table() {
        let today = 100;
        let week: Vec<(i64, u64, i64)> = (92..=100).map(|d| (d, 700, 24)).collect();
        let mut sunday = week.clone();
        sunday.remove(3);
        let part_of_today = [&week[..8], &[(100, 10, 1)]].concat();
        let gone: Vec<_> = (80..=90).map(|d| (d, 700, 24)).collect();
        type Case<'a> = (&'a str, bool, Vec<(i64, u64, i64)>, i64, RateBasis, u64);
        let table: Vec<Case<'_>> = vec![
            (
                "a usual week",
                true,
                week.clone(),
                50,
                RateBasis::Measured,
                700,
            ),
            (
                "closed on a Sunday",
                true,
                sunday,
                50,
                RateBasis::Measured,
                600,
            ),
            (
                "today is not over",
                true,
                part_of_today,
                50,
                RateBasis::Measured,
                700,
            ),
            ("switched off", false, week, 50, RateBasis::Off, 0),
            ("silent for days", true, gone, 50, RateBasis::Stopped, 700),
            (
                "two hours old",
                true,
                vec![(100, 50, 2)],
                100,
                RateBasis::New,
                600,
            ),
            (
                "since yesterday evening",
                true,
                vec![(99, 50, 2), (100, 250, 10)],
                99,
                RateBasis::New,
                600,
            ),
            (
                "two whole days",
                true,
                vec![(97, 1, 1), (98, 40, 24), (99, 60, 24), (100, 1, 1)],
                97,
                RateBasis::Measured,
                50,
            ),
            (
                "five minutes old",
                true,
                vec![(100, 50, 0)],
                100,
                RateBasis::Unknown,
                0,
            ),
            ("nothing listed", true, vec![], 0, RateBasis::Unknown, 0),
        ];
        for (name, fetched, listed, first, basis, bytes_per_day) in table {
            let first = (!listed.is_empty()).then_some(first);
            assert_eq!(
                rate(fetched, &days(&listed), first, today),
                Rate {
                    basis,
                    bytes_per_day
                },
                "{name}"
            );
        }
    }
}
