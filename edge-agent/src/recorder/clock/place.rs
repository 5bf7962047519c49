//! Listed recordings in true time.
//!
//! A recorder's wall clock shows some times twice: in the hour that the end of summer time repeats, and after somebody
//! has set it back. What a listed recording means is decided, in this order, by
//!
//! 1. the difference to UTC, where the recorder tells it;
//! 2. the present: nothing was recorded in the future;
//! 3. the order of the answer: where told times go back, the second showing has begun;
//! 4. its neighbours: a channel records one thing at a time, so of two that look the same the other is the later one;
//! 5. the question: what lies outside of it and fits into it belongs into it, since the rest was settled before.
//!
//! The catalog has the last word: what it does not know cannot lie where it has listed everything before.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::DeviceClock;
use super::translate::Moment;
use crate::model::inventory::Placement;
use crate::model::time::{UtcRange, UtcTime};

/// How far recordings may overlap that follow each other, and how far the present may be off.
const OVERLAP_MS: i64 = 60_000;

/// A recording's times as told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// First second.
    pub start: DateTime,
    /// Last second.
    pub end: DateTime,
    /// Minutes east of UTC of both, where the recorder tells.
    pub difference_minutes: Option<(i32, i32)>,
}

impl DeviceClock {
    /// Places the recordings of an answer, in the order told. None for times that make no sense (an end before the
    /// start that no repeated hour explains).
    pub fn place(&self, told: &[Told], asked: UtcRange, now: UtcTime) -> Vec<Option<Placement>> {
        let latest = now.plus_ms(OVERLAP_MS);
        let readings: Vec<Vec<Placement>> = told.iter().map(|told| self.readings(told)).collect();
        let mut placed: Vec<Option<Placement>> = Vec::with_capacity(told.len());
        let mut not_before = UtcTime::from_micros(i64::MIN);
        let mut before: Option<(DateTime, UtcTime)> = None;
        for (told, readings) in told.iter().zip(&readings) {
            if let Some((wall, from)) = before
                && seconds_from(told.start, wall) * 1_000 > OVERLAP_MS
            {
                not_before = not_before.max(from);
            }
            let in_order = |one: &&Placement| one.span.from >= not_before;
            let fits =
                |one: &&Placement| one.span.from <= latest && is_free(&placed, None, one.span);
            let mut choice = readings.first();
            if readings.len() > 1 {
                choice = readings
                    .iter()
                    .find(|one| in_order(one) && fits(one))
                    .or_else(|| readings.iter().find(in_order))
                    .or(choice);
            }
            before = choice.map(|one| (told.start, one.span.from)).or(before);
            placed.push(choice.copied());
        }
        for (place, readings) in readings.iter().enumerate().filter(|(_, r)| r.len() > 1) {
            if placed[place].is_some_and(|one| one.span.overlaps(asked)) {
                continue;
            }
            let belongs = readings.iter().find(|one| {
                one.span.overlaps(asked)
                    && one.span.to <= latest
                    && is_free(&placed, Some(place), one.span)
            });
            if let Some(belongs) = belongs {
                placed[place] = Some(*belongs);
            }
        }
        placed
    }

    /// Everything that a recording's times may mean, the earliest first.
    pub fn readings(&self, told: &Told) -> Vec<Placement> {
        let offset = |minutes: i32| Offset::from_seconds(minutes.checked_mul(60)?).ok();
        let (start, end) = match told.difference_minutes {
            None => (None, None),
            Some((start, end)) => match (offset(start), offset(end)) {
                (Some(start), Some(end)) => (Some(start), Some(end)),
                _ => return Vec::new(),
            },
        };
        let ends = self.meanings(told.end, end);
        let place = |start: &Moment| {
            // A recording of an hour that begins in the hour that comes twice ends when it began, by the clock.
            let after = ends.iter().find(|end| end.utc > start.utc);
            let end = after.or_else(|| ends.iter().find(|end| end.utc == start.utc))?;
            Some(Placement {
                start: start.told,
                end: end.told,
                span: UtcRange::new(start.utc, end.utc)?,
                clock: start.clock,
            })
        };
        self.meanings(told.start, start)
            .iter()
            .filter_map(place)
            .collect()
    }
}

/// Whether no other recording was placed there.
fn is_free(placed: &[Option<Placement>], but: Option<usize>, span: UtcRange) -> bool {
    let shared_ms = |other: UtcRange| span.to.min(other.to).ms_since(span.from.max(other.from));
    let others = placed.iter().enumerate().filter(|(n, _)| Some(*n) != but);
    others
        .filter_map(|(_, other)| other.as_ref())
        .all(|other| shared_ms(other.span) <= OVERLAP_MS.min(span.duration_ms() / 2))
}

/// Seconds from one wall clock to a later one, as shown.
fn seconds_from(earlier: DateTime, later: DateTime) -> i64 {
    earlier.duration_until(later).as_secs()
}
