//! When the weekly archive is due. Pure.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use serde::Deserialize;

use crate::model::time::UtcTime;

/// A day of the week as the configuration writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// The newest time at which the weekly archive was due: this weekday and hour in this zone, not after `now`. An hour
/// that summer time skips is the one after it; of one that it repeats the first counts. None at the ends of time.
pub fn last_due(now: UtcTime, day: Day, hour: u8, zone: &TimeZone) -> Option<UtcTime> {
    let today = now.timestamp().to_zoned(zone.clone()).date();
    let back = today.weekday().since(day.weekday());
    // This week's, or last week's where that is still to come.
    [back, back + 7].into_iter().find_map(|days| {
        let date = today.checked_sub(i64::from(days).days()).ok()?;
        let hour = i8::try_from(hour.min(23)).ok()?;
        let due: Zoned = date.at(hour, 0, 0, 0).to_zoned(zone.clone()).ok()?;
        let due: UtcTime = due.timestamp().into();
        (due <= now).then_some(due)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn due(now: &str, day: Day, hour: u8) -> String {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let due = last_due(now.parse().unwrap(), day, hour, &zone).unwrap();
        due.timestamp().to_string()
    }

    #[test]
    fn it_is_the_newest_such_hour_of_the_box() {
        // 21 November 2026 is a Saturday; Berlin is one hour ahead in winter and two in summer.
        for (now, day, hour, expected) in [
            (
                "2026-11-21T12:00:00Z",
                Day::Saturday,
                3,
                "2026-11-21T02:00:00Z",
            ),
            (
                "2026-11-21T02:00:00Z",
                Day::Saturday,
                3,
                "2026-11-21T02:00:00Z",
            ),
            (
                "2026-11-21T01:59:59Z",
                Day::Saturday,
                3,
                "2026-11-14T02:00:00Z",
            ),
            (
                "2026-11-21T12:00:00Z",
                Day::Sunday,
                3,
                "2026-11-15T02:00:00Z",
            ),
            (
                "2026-11-21T23:30:00Z",
                Day::Sunday,
                0,
                "2026-11-21T23:00:00Z",
            ),
            // Summer time begins on 29 March: there is no half past two, and three is the hour after it.
            (
                "2026-03-29T12:00:00Z",
                Day::Sunday,
                2,
                "2026-03-29T01:00:00Z",
            ),
            // It ends on 25 October: two o'clock comes twice.
            (
                "2026-10-25T12:00:00Z",
                Day::Sunday,
                2,
                "2026-10-25T00:00:00Z",
            ),
        ] {
            assert_eq!(due(now, day, hour), expected, "{now} {day:?} {hour}");
        }
    }

    proptest! {
        #[test]
        fn it_is_never_more_than_a_week_and_an_hour_ago(seconds in 0i64..4_000_000_000, hour in 0u8..24) {
            let now = UtcTime::from_micros(seconds * 1_000_000);
            let zone = TimeZone::get("America/New_York").unwrap();
            let due = last_due(now, Day::Sunday, hour, &zone).unwrap();
            let age_ms = now.ms_since(due);
            prop_assert!((0..=(7 * 24 + 1) * 3_600_000).contains(&age_ms), "{age_ms}");
        }
    }
}
