//! A recorder's clock: wall time in its own zone, with whatever it is wrong by.

use anyhow::{Context, Result};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::layout::{Layout, Time, TimePoint, TimeSearch, ZoneAndDst};
use crate::ps::WallTime;

/// Zone and skew of a recorder.
#[derive(Debug, Clone)]
pub struct RecorderClock {
    zone: TimeZone,
    skew: SignedDuration,
}

impl RecorderClock {
    /// `zone` is `Z`, an offset such as `+05:30`, a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`, or a name of the
    /// zone database; `skew_s` is how far the recorder runs ahead of UTC.
    pub fn new(zone: &str, skew_s: i64) -> Result<Self> {
        Ok(Self {
            zone: parse_zone(zone)?,
            skew: SignedDuration::from_secs(skew_s),
        })
    }

    /// What the recorder's clock shows at the true time `utc`.
    pub fn wall(&self, utc: Timestamp) -> DateTime {
        self.zone.to_datetime(utc + self.skew)
    }

    /// What the recorder takes for UTC at the true time `utc`.
    pub fn told_utc(&self, utc: Timestamp) -> Timestamp {
        utc + self.skew
    }

    /// What the recorder's clock shows now.
    pub fn now(&self) -> DateTime {
        self.wall(Timestamp::now())
    }

    /// The true time at which the recorder's clock shows `wall`; the first one where it shows it twice.
    pub fn utc(&self, wall: DateTime) -> Timestamp {
        let shown = self
            .zone
            .to_ambiguous_timestamp(wall)
            .compatible()
            .unwrap_or(Timestamp::MAX);
        shown.checked_sub(self.skew).unwrap_or(shown)
    }

    /// The zone's offset at the true time `utc`, in minutes.
    pub fn offset_minutes(&self, utc: Timestamp) -> i32 {
        self.zone.to_offset(utc + self.skew).seconds() / 60
    }

    /// The zone's offset without daylight saving, in minutes.
    pub fn standard_offset_minutes(&self) -> i32 {
        let now = Timestamp::now();
        match self.daylight_saving(now) {
            Some(season) => season.standard.seconds() / 60,
            None => self.offset_minutes(now),
        }
    }

    /// The answer to `GET_ZONEANDDST`. The zone's index stays 0: the vendor's table of zones is not known.
    pub fn zone_and_dst(&self) -> ZoneAndDst {
        let mut answer = ZoneAndDst {
            dwSize: size_of::<ZoneAndDst>() as u32,
            ..Layout::zeroed()
        };
        if let Some(season) = self.daylight_saving(Timestamp::now()) {
            answer.dwEnableDST = 1;
            answer.byDSTBias = ((season.daylight.seconds() - season.standard.seconds()) / 60) as u8;
            answer.struBeginPoint = time_point(season.begin);
            answer.struEndPoint = time_point(season.end);
        }
        answer
    }

    fn daylight_saving(&self, now: Timestamp) -> Option<Season> {
        let mut transitions = self.zone.following(now).take(2);
        let (one, two) = (transitions.next()?, transitions.next()?);
        let (begin, end) = if one.offset() > two.offset() {
            (one, two)
        } else {
            (two, one)
        };
        let (daylight, standard) = (begin.offset(), end.offset());
        Some(Season {
            daylight,
            standard,
            begin: standard.to_datetime(begin.timestamp()),
            end: daylight.to_datetime(end.timestamp()),
        })
    }
}

struct Season {
    daylight: Offset,
    standard: Offset,
    begin: DateTime,
    end: DateTime,
}

fn parse_zone(zone: &str) -> Result<TimeZone> {
    if zone == "Z" || zone == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if let Some(minutes) = offset_minutes(zone) {
        let offset =
            Offset::from_seconds(minutes * 60).with_context(|| format!("zone {zone:?}"))?;
        return Ok(offset.to_time_zone());
    }
    TimeZone::get(zone)
        .or_else(|_| TimeZone::posix(zone))
        .with_context(|| format!("zone {zone:?}"))
}

/// `+05:30` or `-03:00`, east positive.
fn offset_minutes(zone: &str) -> Option<i32> {
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?))
}

/// "Second Sunday of March at 2": months and weekdays from 0, weeks from 0 with 4 as the last one.
fn time_point(at: DateTime) -> TimePoint {
    let last = at.day() + 7 > at.days_in_month();
    TimePoint {
        dwMonth: at.month() as u32 - 1,
        dwWeekNo: if last { 4 } else { (at.day() as u32 - 1) / 7 },
        dwWeekDate: at.weekday().to_sunday_zero_offset() as u32,
        dwHour: at.hour() as u32,
        dwMin: at.minute() as u32,
    }
}

/// As the vendor writes a wall time.
pub fn to_time(at: DateTime) -> Time {
    Time {
        dwYear: at.year() as u32,
        dwMonth: at.month() as u32,
        dwDay: at.day() as u32,
        dwHour: at.hour() as u32,
        dwMinute: at.minute() as u32,
        dwSecond: at.second() as u32,
    }
}

/// A wall time as the caller wrote it; nothing for a date that does not exist, such as month 0.
pub fn from_time(time: &Time) -> Option<DateTime> {
    let small = |value: u32| i8::try_from(value).ok();
    DateTime::new(
        i16::try_from(time.dwYear).ok()?,
        small(time.dwMonth)?,
        small(time.dwDay)?,
        small(time.dwHour)?,
        small(time.dwMinute)?,
        small(time.dwSecond)?,
        0,
    )
    .ok()
}

/// A wall time of the V50 family from its fields.
pub fn from_fields(
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
) -> Option<DateTime> {
    from_time(&Time {
        dwYear: year.into(),
        dwMonth: month.into(),
        dwDay: day.into(),
        dwHour: hour.into(),
        dwMinute: minute.into(),
        dwSecond: second.into(),
    })
}

/// As the V50 family answers: with the difference to UTC when the recorder gives one.
pub fn to_time_search(at: DateTime, offset_minutes: Option<i32>) -> TimeSearch {
    TimeSearch {
        wYear: at.year() as u16,
        byMonth: at.month() as u8,
        byDay: at.day() as u8,
        byHour: at.hour() as u8,
        byMinute: at.minute() as u8,
        bySecond: at.second() as u8,
        cTimeDifferenceH: offset_minutes.map_or(0, |minutes| (minutes / 60) as i8),
        cTimeDifferenceM: offset_minutes.map_or(0, |minutes| (minutes % 60) as i8),
        byLocalOrUTC: u8::from(offset_minutes.is_some()),
        wMillisecond: (at.subsec_nanosecond() / 1_000_000) as u16,
    }
}

/// As the system map of a program stream holds it.
pub fn to_wall_time(at: DateTime) -> WallTime {
    WallTime {
        year: at.year() as u16,
        month: at.month() as u8,
        day: at.day() as u8,
        hour: at.hour() as u8,
        minute: at.minute() as u8,
        second: at.second() as u8,
        millisecond: (at.subsec_nanosecond() / 1_000_000) as u16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    #[test]
    fn zone_and_skew_make_the_wall_time() {
        let clock = RecorderClock::new("+05:30", 90).unwrap();
        let utc: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        assert_eq!(clock.wall(utc).to_string(), "2026-11-21T05:31:30");
        assert_eq!(clock.utc(clock.wall(utc)), utc);
        assert_eq!(clock.standard_offset_minutes(), 330);
        assert!(RecorderClock::new("nowhere at all", 0).is_err());
    }

    #[test]
    fn daylight_saving_is_told_as_a_rule() {
        let clock = RecorderClock::new(BERLIN, 0).unwrap();
        let answer = clock.zone_and_dst();
        assert_eq!((answer.dwEnableDST, answer.byDSTBias), (1, 60));
        let begin = answer.struBeginPoint;
        let end = answer.struEndPoint;
        assert_eq!(
            (
                begin.dwMonth,
                begin.dwWeekNo,
                begin.dwWeekDate,
                begin.dwHour
            ),
            (2, 4, 0, 2)
        );
        assert_eq!(
            (end.dwMonth, end.dwWeekNo, end.dwWeekDate, end.dwHour),
            (9, 4, 0, 3)
        );
        assert_eq!(clock.standard_offset_minutes(), 60);
    }

    #[test]
    fn the_fold_shows_the_same_wall_time_twice() {
        let clock = RecorderClock::new(BERLIN, 0).unwrap();
        let (first, second): (Timestamp, Timestamp) = (
            "2026-10-25T00:30:00Z".parse().unwrap(),
            "2026-10-25T01:30:00Z".parse().unwrap(),
        );
        assert_eq!(clock.wall(first), clock.wall(second));
        assert_eq!(clock.utc(clock.wall(second)), first);
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        let good = Time {
            dwYear: 2026,
            dwMonth: 2,
            dwDay: 28,
            dwHour: 23,
            dwMinute: 59,
            dwSecond: 59,
        };
        assert_eq!(
            from_time(&good).map(to_time).map(|time| time.dwDay),
            Some(28)
        );
        assert!(from_time(&Time { dwMonth: 0, ..good }).is_none());
        assert!(from_time(&Time { dwDay: 30, ..good }).is_none());
    }
}
