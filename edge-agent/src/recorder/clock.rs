//! What a recorder means when it tells a time: its zone, its summer time and how wrong its clock is.
//!
//! Only here is a [`RecorderTime`] turned into true time and back. Pure: facts come in, nothing is asked.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::worker_protocol::{ClockFacts, SummerTime, YearlyMoment};
use crate::model::inventory::RecorderClock;
use crate::model::time::{RecorderTime, UtcRange, UtcTime};

/// A zone explains a clock when what is left is less than this.
const EXPLAINED_MINUTES: i64 = 15;
/// Zones of the world: 12 hours west to 14 hours east.
const ZONE_MINUTES: std::ops::RangeInclusive<i64> = -12 * 60..=14 * 60;
/// Recorders tell whole seconds, and answers take a while: less than this is not known and counts as right.
const NOISE_MS: i64 = 1_500;
/// How far a recording may begin before the end of the one told before it and still follow it.
const OVERLAP_MS: i64 = 60_000;

/// A recorder's clock, as last measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClock {
    zone: TimeZone,
    reading: RecorderClock,
}

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

/// A recording's times as told and in true time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Start as told.
    pub start: RecorderTime,
    /// End as told.
    pub end: RecorderTime,
    /// True time.
    pub span: UtcRange,
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
        let zone = choose_zone(facts, ahead_ms);
        // The offset in force is that at the moment which the recorder shows, not at the true one.
        let second_pass = false;
        let in_force = offset_of(&zone, facts.wall, second_pass);
        let other = offset_of(&zone, facts.wall, true);
        let rest = |offset: Offset| ahead_ms - i64::from(offset.seconds()) * 1_000;
        // In a fold the pass that makes the clock more right.
        let in_force = if rest(other).abs() < rest(in_force).abs() {
            other
        } else {
            in_force
        };
        let offset_ms = match rest(in_force) {
            small if small.abs() < NOISE_MS => 0,
            large => (large as f64 / 1_000.0).round() as i64 * 1_000,
        };
        Self {
            zone,
            reading: RecorderClock {
                zone_minutes: in_force.seconds() / 60,
                offset_ms,
            },
        }
    }

    /// The reading, for people.
    pub fn reading(&self) -> RecorderClock {
        self.reading
    }

    /// True time of what the recorder tells.
    pub fn to_utc(&self, told: RecorderTime) -> UtcTime {
        let offset = offset_of(&self.zone, told.wall, told.second_pass);
        utc_of(told.wall, offset).plus_ms(-self.reading.offset_ms)
    }

    /// What the recorder's clock showed, or will show, at a true time.
    pub fn to_recorder(&self, utc: UtcTime) -> RecorderTime {
        let shown = utc.plus_ms(self.reading.offset_ms).timestamp();
        let offset = self.zone.to_offset(shown);
        let wall = offset.to_datetime(shown);
        RecorderTime {
            wall,
            second_pass: fold(&self.zone, wall).is_some_and(|(_, after)| after == offset),
        }
    }

    /// The question for a range of true time: first and last second on the recorder's clock, both asked for. Around
    /// the end of summer time it is an hour wider on both sides, since there a later time can look like an earlier one.
    pub fn question(&self, range: UtcRange) -> (DateTime, DateTime) {
        let whole = |wall: DateTime| wall.with().subsec_nanosecond(0).build().unwrap_or(wall);
        let first = self.to_recorder(range.from);
        let last = self.to_recorder(range.to.max(range.from.plus_s(1)).plus_s(-1));
        let in_fold = first.second_pass
            || fold(&self.zone, first.wall).is_some()
            || fold(&self.zone, last.wall).is_some()
            || last.wall < first.wall;
        let (start, end) = (
            whole(first.wall.min(last.wall)),
            whole(last.wall.max(first.wall)),
        );
        if in_fold {
            (start.saturating_sub(1.hour()), end.saturating_add(1.hour()))
        } else {
            (start, end)
        }
    }

    /// Places recordings in true time, in the order told. An hour that exists twice is decided by the difference to
    /// UTC where the recorder tells it, else by the order: a recording does not begin before the one before it ended.
    /// None for times that make no sense (an end before the start, outside a fold).
    pub fn place(&self, told: &[Told]) -> Vec<Option<Placed>> {
        let mut before: Option<UtcTime> = None;
        told.iter()
            .map(|told| {
                let placed = match told.difference_minutes {
                    Some(differences) => self.place_with(told, differences),
                    None => self.place_by_order(told, before),
                }?;
                before = Some(placed.span.to);
                Some(placed)
            })
            .collect()
    }

    fn place_with(&self, told: &Told, (start, end): (i32, i32)) -> Option<Placed> {
        let moment = |wall: DateTime, minutes: i32| {
            let offset = Offset::from_seconds(minutes * 60).ok()?;
            let second_pass = fold(&self.zone, wall).is_some_and(|(_, after)| after == offset);
            let utc = utc_of(wall, offset).plus_ms(-self.reading.offset_ms);
            Some((RecorderTime { wall, second_pass }, utc))
        };
        let ((start, from), (end, to)) = (moment(told.start, start)?, moment(told.end, end)?);
        Some(Placed {
            start,
            end,
            span: UtcRange::new(from, to)?,
        })
    }

    fn place_by_order(&self, told: &Told, before: Option<UtcTime>) -> Option<Placed> {
        let choose = |wall: DateTime, not_before: Option<UtcTime>| {
            let first = RecorderTime::new(wall);
            let utc = self.to_utc(first);
            if fold(&self.zone, wall).is_some() && not_before.is_some_and(|limit| utc < limit) {
                let second = RecorderTime {
                    wall,
                    second_pass: true,
                };
                return (second, self.to_utc(second));
            }
            (first, utc)
        };
        let (start, from) = choose(told.start, before.map(|end| end.plus_ms(-OVERLAP_MS)));
        let (end, to) = choose(told.end, Some(from));
        Some(Placed {
            start,
            end,
            span: UtcRange::new(from, to)?,
        })
    }
}

/// The zone that explains the clock best.
fn choose_zone(facts: &ClockFacts, ahead_ms: i64) -> TimeZone {
    let explains = |minutes: i64| (ahead_ms - minutes * 60_000).abs() <= EXPLAINED_MINUTES * 60_000;
    let fixed = |minutes: i64| {
        Offset::from_seconds(minutes as i32 * 60)
            .map_or(TimeZone::UTC, |offset| offset.to_time_zone())
    };
    let Some(standard) = facts.zone_minutes.map(i64::from) else {
        let quarters = (ahead_ms as f64 / (15.0 * 60_000.0)).round() as i64 * 15;
        // A clock that is a day wrong says nothing about a zone.
        return if ZONE_MINUTES.contains(&quarters) {
            fixed(quarters)
        } else {
            TimeZone::UTC
        };
    };
    let with_rule = facts
        .summer_time
        .and_then(|summer_time| rule(standard, summer_time));
    if let Some(zone) = with_rule {
        let now = i64::from(offset_of(&zone, facts.wall, false).seconds() / 60);
        let later = i64::from(offset_of(&zone, facts.wall, true).seconds() / 60);
        // A rule that the clock contradicts, while a plain hour of summer time would explain it, was misread.
        let contradicted = !explains(now)
            && !explains(later)
            && [standard, standard + 60].into_iter().any(explains);
        if !contradicted {
            return zone;
        }
    }
    // Some recorders tell their zone without summer time, and keep summer time.
    if !explains(standard) && explains(standard + 60) {
        fixed(standard + 60)
    } else {
        fixed(standard)
    }
}

/// The rule as a POSIX time zone; None when the recorder told an impossible one.
fn rule(standard_minutes: i64, summer_time: SummerTime) -> Option<TimeZone> {
    let summer_minutes = standard_minutes + i64::from(summer_time.bias_minutes);
    let moment = |m: YearlyMoment| {
        format!(
            "M{}.{}.{}/{:02}:{:02}",
            m.month, m.week, m.weekday, m.hour, m.minute
        )
    };
    // POSIX counts minutes west of UTC.
    let offset = |minutes: i64| {
        let sign = if minutes > 0 { "-" } else { "" };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    };
    let text = format!(
        "<std>{}<dst>{},{},{}",
        offset(standard_minutes),
        offset(summer_minutes),
        moment(summer_time.begin),
        moment(summer_time.end)
    );
    TimeZone::posix(&text).ok()
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wall(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> UtcTime {
        text.parse().unwrap()
    }

    /// Central Europe.
    fn berlin() -> SummerTime {
        let sunday = |month, hour| YearlyMoment {
            month,
            week: 5,
            weekday: 0,
            hour,
            minute: 0,
        };
        SummerTime {
            bias_minutes: 60,
            begin: sunday(3, 2),
            end: sunday(10, 3),
        }
    }

    fn facts(
        shown: &str,
        truly: &str,
        zone_minutes: Option<i32>,
        summer_time: Option<SummerTime>,
    ) -> ClockFacts {
        let asked_at = utc(truly);
        ClockFacts {
            wall: wall(shown),
            asked_at,
            answered_at: asked_at.plus_ms(40),
            zone_minutes,
            summer_time,
        }
    }

    fn measured(
        shown: &str,
        truly: &str,
        zone: Option<i32>,
        summer: Option<SummerTime>,
    ) -> (i32, i64) {
        let reading = DeviceClock::measure(&facts(shown, truly, zone, summer)).reading();
        (reading.zone_minutes, reading.offset_ms)
    }

    #[test]
    fn zone_and_offset_are_told_apart() {
        let noon = "2026-11-03T12:00:00.3Z";
        // Zone told and confirmed.
        assert_eq!(
            measured("2026-11-03T13:00:00", noon, Some(60), None),
            (60, 0)
        );
        assert_eq!(
            measured("2026-11-03T13:01:12", noon, Some(60), None),
            (60, 72_000)
        );
        assert_eq!(
            measured("2026-11-03T17:29:50", noon, Some(330), None),
            (330, -10_000)
        );
        // A second more or less is not known.
        assert_eq!(measured("2026-11-03T12:00:01", noon, Some(0), None), (0, 0));
        // Nothing told: the nearest quarter of an hour.
        assert_eq!(
            measured("2026-11-03T17:46:00", noon, None, None),
            (345, 60_000)
        );
        assert_eq!(measured("2026-11-03T00:00:00", noon, None, None), (-720, 0));
        // A clock without a battery.
        assert_eq!(
            measured("1970-01-01T00:00:10", "1970-01-03T00:00:10.5Z", None, None),
            (0, -172_800_000)
        );
        // Told without summer time, and keeping it.
        assert_eq!(
            measured(
                "2026-07-03T14:00:00",
                "2026-07-03T12:00:00.4Z",
                Some(60),
                None
            ),
            (120, 0)
        );
        // An hour wrong: only a rule can tell that it is not summer time.
        assert_eq!(
            measured("2026-11-03T14:00:00", noon, Some(60), Some(berlin())),
            (120, 0)
        );
        assert_eq!(
            measured("2026-11-03T12:00:00", noon, Some(60), Some(berlin())),
            (60, -3_600_000)
        );
        assert_eq!(
            measured(
                "2026-07-03T14:00:30",
                "2026-07-03T12:00:00Z",
                Some(60),
                Some(berlin())
            ),
            (120, 30_000)
        );
    }

    #[test]
    fn translated_both_ways() {
        let winter = DeviceClock::measure(&facts(
            "2026-11-03T13:01:12",
            "2026-11-03T12:00:00.5Z",
            Some(60),
            Some(berlin()),
        ));
        for (shown, second_pass, truly) in [
            ("2026-11-03T15:06:12", false, "2026-11-03T14:05:00Z"),
            // Measured in winter, right in summer.
            ("2026-07-01T12:01:12", false, "2026-07-01T10:00:00Z"),
            // The hour that is there twice.
            ("2026-10-25T02:31:12", false, "2026-10-25T00:30:00Z"),
            ("2026-10-25T02:31:12", true, "2026-10-25T01:30:00Z"),
        ] {
            let told = RecorderTime {
                wall: wall(shown),
                second_pass,
            };
            assert_eq!(winter.to_utc(told), utc(truly), "{shown} {second_pass}");
            assert_eq!(winter.to_recorder(utc(truly)), told, "{truly}");
        }
    }

    #[test]
    fn questions_end_a_second_before_the_range() {
        let clock = DeviceClock::measure(&facts(
            "2026-11-03T13:00:00",
            "2026-11-03T12:00:00.5Z",
            Some(60),
            Some(berlin()),
        ));
        let ask = |from: &str, to: &str| {
            let (start, end) = clock.question(UtcRange::new(utc(from), utc(to)).unwrap());
            (start.to_string(), end.to_string())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            ask("2026-11-03T12:00:00.7Z", "2026-11-03T13:00:00Z"),
            pair("2026-11-03T13:00:00", "2026-11-03T13:59:59")
        );
        assert_eq!(
            ask("2026-11-03T12:00:00Z", "2026-11-03T12:00:00Z"),
            pair("2026-11-03T13:00:00", "2026-11-03T13:00:00")
        );
        // From 2:30 in the first pass to 2:15 in the second.
        assert_eq!(
            ask("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z"),
            pair("2026-10-25T01:14:59", "2026-10-25T03:30:00")
        );
    }

    #[test]
    fn the_order_tells_the_passes_of_a_fold() {
        let clock = DeviceClock::measure(&facts(
            "2026-11-03T13:00:00",
            "2026-11-03T12:00:00.5Z",
            Some(60),
            Some(berlin()),
        ));
        let told = |start: &str, end: &str| Told {
            start: wall(start),
            end: wall(end),
            difference_minutes: None,
        };
        let placed = clock.place(&[
            told("2026-10-25T01:30:00", "2026-10-25T02:15:00"),
            told("2026-10-25T02:15:00", "2026-10-25T02:10:00"), // through the fold
            told("2026-10-25T02:10:00", "2026-10-25T02:40:00"),
            told("2026-10-25T03:00:00", "2026-10-25T04:00:00"),
            told("2026-10-25T05:00:00", "2026-10-25T04:00:00"),
        ]);
        let spans: Vec<_> = placed
            .iter()
            .map(|placed| placed.map(|placed| format!("{}/{}", placed.span.from, placed.span.to)))
            .collect();
        let span = |text: &str| Some(text.to_owned());
        assert_eq!(
            spans,
            [
                span("2026-10-24T23:30:00Z/2026-10-25T00:15:00Z"),
                span("2026-10-25T00:15:00Z/2026-10-25T01:10:00Z"),
                span("2026-10-25T01:10:00Z/2026-10-25T01:40:00Z"),
                span("2026-10-25T02:00:00Z/2026-10-25T03:00:00Z"),
                None,
            ]
        );
        assert!(placed[1].unwrap().end.second_pass && placed[2].unwrap().start.second_pass);
    }

    #[test]
    fn a_told_difference_decides() {
        let clock = DeviceClock::measure(&facts(
            "2026-11-03T13:00:00",
            "2026-11-03T12:00:00.5Z",
            Some(60),
            Some(berlin()),
        ));
        let told = Told {
            start: wall("2026-10-25T02:10:00"),
            end: wall("2026-10-25T02:40:00"),
            difference_minutes: Some((60, 60)),
        };
        let placed = clock.place(&[told])[0].unwrap();
        assert_eq!(placed.span.from, utc("2026-10-25T01:10:00Z"));
        assert!(placed.start.second_pass && placed.end.second_pass);
    }

    proptest! {
        /// There and back is where one was, in every zone and hour, for clocks that are wrong by up to a day.
        #[test]
        fn there_and_back(
            seconds in 1_600_000_000i64..2_000_000_000,
            zone in -48i32..56,
            skew_s in -86_400i64..86_400,
            summer: bool,
        ) {
            let zone = choose_zone(
                &facts("2026-11-03T12:00:00", "2026-11-03T12:00:00Z", Some(zone * 15), summer.then(berlin)),
                i64::from(zone) * 15 * 60_000,
            );
            let clock = DeviceClock { zone, reading: RecorderClock { zone_minutes: 0, offset_ms: skew_s * 1_000 } };
            let truly = UtcTime::from_micros(seconds * 1_000_000);
            prop_assert_eq!(clock.to_utc(clock.to_recorder(truly)), truly);
        }
    }
}
