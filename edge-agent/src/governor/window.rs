//! Pure: the time of day in which the background may download.

use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::model::time::UtcTime;

/// A time of day: `22:00-06:00`. It may cross midnight; equal ends mean always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayWindow {
    from: Time,
    to: Time,
}

impl DayWindow {
    /// Whether it is open at this time of day.
    pub fn is_open(self, at: Time) -> bool {
        if self.from == self.to {
            true
        } else if self.from < self.to {
            (self.from..self.to).contains(&at)
        } else {
            at >= self.from || at < self.to
        }
    }

    /// Whether it is open now by the clocks of this zone; if not, when it opens. An hour that the clocks skip opens
    /// with the first moment after it; one that they repeat is open, or shut, twice.
    pub fn look(self, zone: &TimeZone, now: UtcTime) -> Result<(), UtcTime> {
        let local = now.timestamp().to_zoned(zone.clone());
        if self.is_open(local.time()) {
            return Ok(());
        }
        let opening = |date: jiff::civil::Date| {
            let ambiguous = zone.to_ambiguous_zoned(date.to_datetime(self.from));
            // A skipped time is taken as the end of the gap, a repeated one as its first pass that is still to come.
            let earlier = ambiguous.clone().earlier().ok()?;
            let later = ambiguous.later().ok()?;
            [earlier, later]
                .map(|zoned| UtcTime::from(zoned.timestamp()))
                .into_iter()
                .chain(
                    zone.following(now.timestamp())
                        .take(1)
                        .map(|change| change.timestamp().into()),
                )
                .filter(|at| {
                    *at > now && self.is_open(at.timestamp().to_zoned(zone.clone()).time())
                })
                .min()
        };
        let (mut date, mut first) = (local.date(), None);
        // The window opens every day: two days hold its next opening, also around a day that a zone leaves out.
        for _ in 0..3 {
            first = [first, opening(date)].into_iter().flatten().min();
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
        }
        Err(first.unwrap_or(now.plus_s(60)))
    }
}

impl std::fmt::Display for DayWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (self.from.strftime("%H:%M"), self.to.strftime("%H:%M"));
        write!(f, "{from}-{to}")
    }
}

impl FromStr for DayWindow {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let time = |part: &str| {
            (part.len() == 5)
                .then(|| Time::strptime("%H:%M", part).ok())
                .flatten()
        };
        text.split_once('-')
            .and_then(|(from, to)| {
                Some(Self {
                    from: time(from)?,
                    to: time(to)?,
                })
            })
            .ok_or_else(|| format!("{text:?} is not a time window like \"22:00-06:00\""))
    }
}

impl serde::Serialize for DayWindow {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for DayWindow {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_of_the_day() {
        let check = |window: &str, open: &[&str], shut: &[&str]| {
            let window: DayWindow = window.parse().unwrap();
            let time = |text: &str| Time::strptime("%H:%M", text).unwrap();
            assert!(open.iter().all(|t| window.is_open(time(t))), "{window:?}");
            assert!(!shut.iter().any(|t| window.is_open(time(t))), "{window:?}");
        };
        check(
            "22:00-06:00",
            &["22:00", "23:59", "00:00", "05:59"],
            &["06:00", "12:00", "21:59"],
        );
        check("01:00-05:30", &["01:00", "05:29"], &["00:59", "05:30"]);
        check("00:00-00:00", &["00:00", "12:00"], &[]);
        for bad in ["22-6", "22:00", "22:00-25:00", "1:00-2:00", ""] {
            assert!(bad.parse::<DayWindow>().is_err(), "{bad}");
        }
        let again: DayWindow = "22:00-06:00".parse().unwrap();
        assert_eq!(again.to_string(), "22:00-06:00");
    }

    #[test]
    fn it_opens_by_the_clocks_of_the_zone() {
        let look = |window: &str, zone: &str, now: &str| {
            let window: DayWindow = window.parse().unwrap();
            let opens = window.look(&TimeZone::get(zone).unwrap(), now.parse().unwrap());
            opens.map_err(|at| at.to_string())
        };
        let shut_until = |at: &str| Err(at.to_owned());
        let berlin = "Europe/Berlin";
        assert_eq!(look("22:00-06:00", berlin, "2026-07-01T20:00:00Z"), Ok(()));
        assert_eq!(
            look("22:00-06:00", berlin, "2026-07-01T19:59:00Z"),
            shut_until("2026-07-01T20:00:00Z")
        );
        assert_eq!(
            look("22:00-06:00", berlin, "2026-01-01T19:59:00Z"),
            shut_until("2026-01-01T21:00:00Z")
        );
        // 02:00 to 03:00 is left out on this night: the window opens at its end.
        assert_eq!(
            look("02:15-04:00", berlin, "2026-03-29T00:30:00Z"),
            shut_until("2026-03-29T01:00:00Z")
        );
        // It lies wholly in the hour that is left out: next night.
        assert_eq!(
            look("02:15-02:45", berlin, "2026-03-29T00:30:00Z"),
            shut_until("2026-03-30T00:15:00Z")
        );
        // 02:00 to 03:00 comes twice on this night, and so does the window.
        assert_eq!(
            look("02:15-02:45", berlin, "2026-10-25T00:50:00Z"),
            shut_until("2026-10-25T01:15:00Z")
        );
    }

    proptest! {
        /// Shut now means shut until just before the told moment, and open then: by minutes, over zones and years.
        #[test]
        fn what_is_told_is_the_next_opening(
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
                "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns",
            ]),
            minute in 10_000_000i64..30_000_000,
            (from, length) in (0i64..1_440, 1i64..1_440),
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let clock = |m: i64| format!("{:02}:{:02}", m / 60 % 24, m % 60);
            let window: DayWindow =
                format!("{}-{}", clock(from), clock(from + length)).parse().unwrap();
            let at = |minute: i64| UtcTime::from_micros(minute * 60_000_000);
            let open = |minute: i64| window.look(&zone, at(minute)).is_ok();
            if let Err(opens) = window.look(&zone, at(minute)) {
                let next = opens.seconds() / 60;
                prop_assert!(next > minute && open(next));
                // Zones of today change by whole minutes.
                prop_assert!((minute..next).all(|m| !open(m)), "open before {opens}");
            }
        }
    }
}
