//! What a recorder means when it tells a time: its zone, its summer time and how wrong its clock is and was.
//!
//! Only here is a [`RecorderTime`] turned into true time and back. Pure: facts come
//! in, nothing is asked.
//!
//! | file | what |
//! | --- | --- |
//! | here | a reading: zone and offset from what the recorder told |
//! | `zone.rs` | a zone as recorders tell it |
//! | `history.rs` | how the clock ran before, and its steps |
//! | `translate.rs` | times and questions, both ways |
//! | `place.rs` | listed recordings in true time, the hour that comes twice included |
//! | `steps.rs` | where it is not certain when something was recorded |
//! | `doubt.rs` | when the box's own clock is the one that is wrong |

mod doubt;
mod history;
mod place;
mod steps;
mod translate;
pub mod zone;

pub use doubt::box_doubt;
pub use history::{ClockBook, ClockHistory};
pub use place::Told;
pub use steps::steps;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use self::translate::Era;
use self::zone::ZoneRule;
use super::worker_protocol::ClockFacts;
use crate::model::clock::told_offset;
use crate::model::inventory::RecorderClock;
use crate::model::time::{RecorderTime, UtcTime};

/// A zone explains a clock when what is left is less than this.
const EXPLAINED_MINUTES: i64 = 15;
/// Zones of the world: 12 hours west to 14 hours east.
const ZONE_MINUTES: std::ops::RangeInclusive<i64> = -12 * 60..=14 * 60;
/// A recorder's clock, as last measured and as it ran before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClock {
    rule: ZoneRule,
    zone: TimeZone,
    reading: RecorderClock,
    /// The offset as measured, to tell steps and drift by.
    exact_offset_ms: i64,
    measured_at: UtcTime,
    /// Before now, oldest first.
    earlier: Vec<Era>,
}

impl DeviceClock {
    /// From what the recorder told.
    ///
    /// The zone is taken from the recorder where its clock confirms it; else it is guessed from the clock, which
    /// works as long as the clock is less than a quarter of an hour wrong. The rest is the clock's offset.
    pub fn measure(facts: &ClockFacts) -> Self {
        let asked = facts.asked_at.micros();
        let answered = facts.answered_at.micros().max(asked);
        let middle = UtcTime::from_micros(asked + (answered - asked) / 2);
        // The second that the recorder shows has been running for half a second, on average.
        let shown = utc_of(facts.wall, Offset::UTC).plus_ms(500);
        let ahead_ms = shown.ms_since(middle);
        let (rule, zone) = choose_zone(facts, ahead_ms);
        // The offset in force is that at the moment which the recorder shows, not at the true one. In a fold it is
        // that of the pass which makes the clock more right.
        let rest = |offset: Offset| ahead_ms - i64::from(offset.seconds()) * 1_000;
        let [first, second] = [false, true].map(|pass| offset_of(&zone, facts.wall, pass));
        let in_force = if rest(second).abs() < rest(first).abs() {
            second
        } else {
            first
        };
        let exact_offset_ms = rest(in_force);
        let offset_ms = told_offset(exact_offset_ms);
        Self {
            rule,
            zone,
            reading: RecorderClock {
                zone_minutes: in_force.seconds() / 60,
                offset_ms,
            },
            exact_offset_ms,
            measured_at: middle,
            earlier: Vec::new(),
        }
    }

    /// The reading, for people.
    pub fn reading(&self) -> RecorderClock {
        self.reading
    }

    /// The zone as a POSIX text, in our spelling.
    pub fn zone_text(&self) -> String {
        self.rule.to_string()
    }
}

/// The zone that explains the clock best.
fn choose_zone(facts: &ClockFacts, ahead_ms: i64) -> (ZoneRule, TimeZone) {
    let explains = |minutes: i64| (ahead_ms - minutes * 60_000).abs() <= EXPLAINED_MINUTES * 60_000;
    let fixed = |minutes: i64| {
        let rule = ZoneRule::fixed(minutes as i32 * 60);
        rule.time_zone()
            .map_or((ZoneRule::fixed(0), TimeZone::UTC), |zone| (rule, zone))
    };
    let Some(told) = told_zone(facts) else {
        let quarters = (ahead_ms as f64 / (15.0 * 60_000.0)).round() as i64 * 15;
        // A clock that is a day wrong says nothing about a zone.
        return fixed(if ZONE_MINUTES.contains(&quarters) {
            quarters
        } else {
            0
        });
    };
    let standard = i64::from(told.standard_s / 60);
    if told.summer.is_some()
        && let Some(zone) = told.time_zone()
    {
        let [now, later] =
            [false, true].map(|pass| i64::from(offset_of(&zone, facts.wall, pass).seconds() / 60));
        // A rule that the clock contradicts, while a plain hour of summer time would explain it, was misread.
        let contradicted = !explains(now)
            && !explains(later)
            && [standard, standard + 60].into_iter().any(explains);
        if !contradicted {
            return (told, zone);
        }
    }
    // Some recorders tell their zone without summer time, and keep summer time.
    if !explains(standard) && explains(standard + 60) {
        fixed(standard + 60)
    } else {
        fixed(standard)
    }
}

/// The zone that the recorder tells: as a text where it does and the text is one, else as numbers.
fn told_zone(facts: &ClockFacts) -> Option<ZoneRule> {
    let text = facts
        .zone_text
        .as_deref()
        .and_then(|text| text.parse().ok());
    text.or_else(|| {
        let standard_s = facts.zone_minutes?.checked_mul(60)?;
        Some(match facts.summer_time {
            Some(told) => ZoneRule::with_summer_time(standard_s, told),
            None => ZoneRule::fixed(standard_s),
        })
    })
}

/// Seconds from one told time to another in a zone given as a POSIX text: an hour that comes twice or is left out between
/// them counts as it is. None when the text is no zone.
pub fn told_length_s(zone: &str, start: RecorderTime, end: RecorderTime) -> Option<i64> {
    let zone = zone.parse().ok().and_then(ZoneRule::time_zone)?;
    let utc = |told: RecorderTime| {
        utc_of(told.wall, offset_of(&zone, told.wall, told.second_pass)).seconds()
    };
    Some(utc(end) - utc(start))
}

/// Both offsets of a wall clock that is shown twice: first pass, second pass.
fn fold(zone: &TimeZone, wall: DateTime) -> Option<(Offset, Offset)> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Fold { before, after } => Some((before, after)),
        _ => None,
    }
}

fn offset_of(zone: &TimeZone, wall: DateTime, second_pass: bool) -> Offset {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        // A wall clock that never was: read as if the clock had not been put forward yet.
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { before, after } => {
            if second_pass {
                after
            } else {
                before
            }
        }
    }
}

fn utc_of(wall: DateTime, offset: Offset) -> UtcTime {
    offset
        .to_timestamp(wall)
        .unwrap_or(if wall.year() < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
        .into()
}

#[cfg(test)]
mod every_zone;
#[cfg(test)]
mod tests;
