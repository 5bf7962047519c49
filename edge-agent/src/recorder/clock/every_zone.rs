//! Every zone of the tz database, as a recorder there would tell it, against what the database says.
//!
//! A recorder knows one rule that is the same every year, so for each zone and year this asks: what would it have told
//! then? Where no such rule exists (a country that changed its mind that year) no recorder can be right and the year is
//! counted as not expressible. The database's own rule for the years to come (its POSIX footer) is read as well.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::zone::{Change, Day, SummerRule, ZoneRule};
use super::*;
use crate::model::time::RecorderTime;

const FIRST_YEAR: i16 = 1990;
const LAST_YEAR: i16 = 2037;

#[derive(Debug, Default)]
struct Count {
    zones: usize,
    footers: usize,
    years: usize,
    not_expressible: usize,
    edges: usize,
    checks: usize,
}

/// A clock in a zone that tells its zone in these words, right to the second.
fn clock(text: &str) -> DeviceClock {
    let rule: ZoneRule = text.parse().unwrap();
    DeviceClock {
        rule,
        zone: rule.time_zone().unwrap(),
        reading: RecorderClock {
            zone_minutes: 0,
            offset_ms: 0,
        },
        exact_offset_ms: 0,
        measured_at: UtcTime::from_micros(0),
        earlier: Vec::new(),
    }
}

fn year_of(zone: &TimeZone, year: i16) -> (Timestamp, Timestamp) {
    let start = |year| {
        let newyear: DateTime = jiff::civil::date(year, 1, 1).at(0, 0, 0, 0);
        zone.to_ambiguous_timestamp(newyear).compatible().unwrap()
    };
    (start(year), start(year + 1))
}

/// Both directions at one second: what is shown, and what the shown time means, with its pass.
fn check(clock: &DeviceClock, zone: &TimeZone, at: Timestamp, name: &str, count: &mut Count) {
    let truly = UtcTime::from(at);
    let shown = clock.to_recorder(truly);
    assert_eq!(
        shown.wall,
        zone.to_datetime(at),
        "{name}: {at} is shown wrongly by {}",
        clock.zone_text()
    );
    assert_eq!(
        clock.to_utc(shown),
        truly,
        "{name}: {at} does not come back by {}",
        clock.zone_text()
    );
    // The other pass, by the database's own account.
    match zone.to_ambiguous_timestamp(shown.wall).offset() {
        AmbiguousOffset::Fold { before, after } => {
            for (second_pass, offset) in [(false, before), (true, after)] {
                let told = RecorderTime {
                    wall: shown.wall,
                    second_pass,
                };
                assert_eq!(
                    clock.to_utc(told),
                    utc_of(shown.wall, offset),
                    "{name}: {told:?}"
                );
                count.checks += 1;
            }
        }
        _ => assert!(!shown.second_pass, "{name}: {at} is no second pass"),
    }
    count.checks += 2;
}

/// The seconds around a change, in and around what is shown twice or never.
fn seconds_around(at: Timestamp, jump_s: i64) -> impl Iterator<Item = Timestamp> {
    let jump_s = jump_s.abs();
    [
        -jump_s - 1,
        -jump_s,
        -jump_s + 1,
        -1,
        0,
        1,
        jump_s - 1,
        jump_s,
        jump_s + 1,
    ]
    .into_iter()
    .map(move |s| at + s.seconds())
}

/// The ways in which a recorder could tell a year.
fn texts_of(zone: &TimeZone, year: i16) -> Option<Vec<String>> {
    let (start, end) = year_of(zone, year);
    let mut changes: Vec<(Timestamp, Offset, Offset)> = Vec::new();
    for change in zone
        .following(start - 1.second())
        .take_while(|change| change.timestamp() < end)
    {
        let before = zone.to_offset(change.timestamp() - 1.second());
        if before != change.offset() {
            changes.push((change.timestamp(), before, change.offset()));
        }
    }
    let west = |offset: Offset| {
        let s = offset.seconds();
        format!(
            "{}{}:{:02}:{:02}",
            if s > 0 { "-" } else { "+" },
            s.abs() / 3_600,
            s.abs() / 60 % 60,
            s.abs() % 60
        )
    };
    match changes[..] {
        [] => Some(vec![format!("CST{}", west(zone.to_offset(start)))]),
        [one, two] => {
            let (forward, back) = if one.2 > one.1 {
                (one, two)
            } else {
                (two, one)
            };
            if forward.1 != back.2 || forward.2 != back.1 {
                return None;
            }
            let save_s = forward.2.seconds() - forward.1.seconds();
            if save_s > 7_200 {
                return None;
            }
            let save = format!(
                "{:02}:{:02}:{:02}",
                save_s / 3_600,
                save_s / 60 % 60,
                save_s % 60
            );
            let [begin, end] = [forward, back].map(|(at, before, _)| before.to_datetime(at));
            // The midnight that ends the year is hour 24 of its last day.
            let told = |at: DateTime| {
                let (day, hour) = if at.year() > year {
                    (at.date().yesterday().unwrap(), at.hour() + 24)
                } else {
                    (at.date(), at.hour())
                };
                (
                    day,
                    format!("{hour:02}:{:02}:{:02}", at.minute(), at.second()),
                )
            };
            let m = |at: DateTime| {
                let (day, time) = told(at);
                let last = day.day() + 7 > day.days_in_month();
                let week = if last { 5 } else { (day.day() - 1) / 7 + 1 };
                let weekday = day.weekday().to_sunday_zero_offset();
                format!("M{}.{week}.{weekday}/{time}", day.month())
            };
            let n = |at: DateTime| {
                let (day, time) = told(at);
                format!("{}/{time}", day.day_of_year() - 1)
            };
            let j = |at: DateTime| {
                let (day, time) = told(at);
                let after_february = day.in_leap_year() && day.month() > 2;
                format!("J{}/{time}", day.day_of_year() - i16::from(after_february))
            };
            let (std, dst) = (west(forward.1), west(forward.2));
            Some(vec![
                format!("CST{std}DST{save},{},{}", m(begin), m(end)),
                format!("CST{std}CDT{dst},{},{}", m(begin), m(end)),
                format!("<AA>{std}<BB>{dst},{},{}", n(begin), n(end)),
                format!("<AA>{std}<BB>{dst},{},{}", j(begin), j(end)),
            ])
        }
        _ => None,
    }
}

/// The rule that the database gives for the years after its table.
fn footer(name: &str) -> Option<String> {
    let bytes = std::fs::read(std::path::Path::new("/usr/share/zoneinfo").join(name)).ok()?;
    let text = bytes.strip_suffix(b"\n")?;
    let start = text.iter().rposition(|byte| *byte == b'\n')? + 1;
    let text = std::str::from_utf8(&text[start..]).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn whole_year(clock: &DeviceClock, zone: &TimeZone, year: i16, name: &str, count: &mut Count) {
    let (start, end) = year_of(zone, year);
    let mut at = start;
    while at < end {
        check(clock, zone, at, name, count);
        at += (24 * 29 + 5).hours();
    }
    for change in zone
        .following(start)
        .take_while(|change| change.timestamp() < end)
    {
        let at = change.timestamp();
        let jump = zone.to_offset(at).seconds() - zone.to_offset(at - 1.second()).seconds();
        count.edges += 1;
        for second in seconds_around(at, jump.into()).filter(|second| (start..end).contains(second))
        {
            check(clock, zone, second, name, count);
        }
    }
}

#[test]
fn recorders_in_every_zone_are_understood() {
    let mut count = Count::default();
    for name in jiff::tz::db().available() {
        let name = name.as_str();
        let Ok(zone) = TimeZone::get(name) else {
            continue;
        };
        count.zones += 1;
        for year in FIRST_YEAR..=LAST_YEAR {
            let Some(texts) = texts_of(&zone, year) else {
                count.not_expressible += 1;
                continue;
            };
            count.years += 1;
            for text in texts {
                whole_year(&clock(&text), &zone, year, name, &mut count);
            }
        }
        if let Some(text) = footer(name) {
            count.footers += 1;
            // Past every table (Morocco's ends in 2087), where only the rule is left; two are leap years.
            for year in [2088, 2089, 2092, 2100] {
                whole_year(&clock(&text), &zone, year, name, &mut count);
            }
        }
    }
    println!("{count:?}");
    // A machine without the database tests nothing and must not pass.
    assert!(count.zones > 300 && count.footers > 300, "{count:?}");
    assert!(count.not_expressible * 50 < count.years, "{count:?}");
}

/// What is told must be the days of every year, not only of the one that it was made from.
#[test]
fn the_three_ways_to_tell_a_day_differ_in_leap_years() {
    let summer = |begin| SummerRule {
        save_s: 3_600,
        begin,
        end: Change {
            day: Day::NoLeap(300),
            at_s: 7_200,
        },
    };
    let begins = |day| {
        let rule = ZoneRule {
            standard_s: 0,
            summer: Some(summer(Change { day, at_s: 7_200 })),
        };
        let zone = rule.time_zone().unwrap();
        [2027, 2028].map(|year| {
            let (start, _) = year_of(&zone, year);
            let change = zone.following(start).next().unwrap();
            TimeZone::UTC
                .to_datetime(change.timestamp())
                .date()
                .to_string()
        })
    };
    assert_eq!(begins(Day::NoLeap(60)), ["2027-03-01", "2028-03-01"]);
    assert_eq!(begins(Day::Leap(59)), ["2027-03-01", "2028-02-29"]);
    let last_sunday = Day::Weekday {
        month: 3,
        week: 5,
        weekday: 0,
    };
    assert_eq!(begins(last_sunday), ["2027-03-28", "2028-03-26"]);
}
