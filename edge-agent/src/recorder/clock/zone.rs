//! A recorder's time zone as it tells it: a POSIX text in one of the vendor's spellings, or numbers.
//!
//! Both end as a [`ZoneRule`], which is written in one canonical spelling and worked out by jiff. What the texts look
//! like (isapi.md §6):
//!
//! | text | means |
//! | --- | --- |
//! | `CST-8:00:00` | 8 hours **east**: POSIX counts westwards; the letters carry no meaning |
//! | `CST-1:00:00DST01:00:00,M3.5.0/02:00:00,M10.5.0/03:00:00` | 1 hour east, and in summer **1 hour more**: behind `DST` the vendor tells by how much clocks go forward, not an offset |
//! | `CET-1CEST,M3.5.0,M10.5.0/3` | the same as POSIX writes it |
//! | `EST5EDT4,J60/2,300/2` | by days of the year: `Jn` never counts 29 February, `n` counts from 0 and does |

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::recorder::worker_protocol::{SummerTime, YearlyMoment};

/// Longest text that is read.
const TEXT_MAX: usize = 128;
/// Zones of the world reach from 12 hours west to 14 east; this leaves room for history.
const OFFSET_MAX_S: i32 = 16 * 3_600;
/// By how much summer time differs from standard time, either way, at most.
const SAVE_MAX_S: i32 = 2 * 3_600;
/// The least by which it differs.
const SAVE_MIN_S: i32 = 15 * 60;
/// Changes may be told as hours before and after the day (RFC 8536 §3.3.1).
const CHANGE_MAX_S: i32 = 167 * 3_600;

/// A zone that is the same every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneRule {
    /// Seconds east of UTC of standard time.
    pub standard_s: i32,
    /// Summer time, where it is kept.
    pub summer: Option<SummerRule>,
}

/// Summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummerRule {
    /// Seconds by which clocks go forward; negative where winter is the exception (Ireland's way of telling it).
    pub save_s: i32,
    /// When it begins, by standard time.
    pub begin: Change,
    /// When it ends, by summer time.
    pub end: Change,
}

/// A moment of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The day.
    pub day: Day,
    /// Seconds after its midnight; may lie in another day.
    pub at_s: i32,
}

/// A day of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// `Mm.w.d`.
    Weekday {
        /// 1–12.
        month: u8,
        /// 1–5; 5 is the last one.
        week: u8,
        /// 0 is Sunday.
        weekday: u8,
    },
    /// `Jn`: 1–365, without 29 February.
    NoLeap(u16),
    /// `n`: 0–365, with 29 February.
    Leap(u16),
}

/// A text that is no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the time zone {text:?} is not understood: {why}")]
pub struct UnreadableZone {
    text: String,
    why: &'static str,
}

impl ZoneRule {
    /// A zone without summer time.
    pub fn fixed(standard_s: i32) -> Self {
        Self {
            standard_s,
            summer: None,
        }
    }

    /// From numbers, as the vendor's library tells them.
    pub fn with_summer_time(standard_s: i32, told: SummerTime) -> Self {
        let change = |m: YearlyMoment| Change {
            day: Day::Weekday {
                month: m.month,
                week: m.week,
                weekday: m.weekday,
            },
            at_s: i32::from(m.hour) * 3_600 + i32::from(m.minute) * 60,
        };
        let save_s = i32::from(told.bias_minutes) * 60;
        Self {
            standard_s,
            summer: (save_s > 0).then(|| SummerRule {
                save_s,
                begin: change(told.begin),
                end: change(told.end),
            }),
        }
    }

    /// The rule at work. None for numbers that are no date or too large.
    pub fn time_zone(self) -> Option<TimeZone> {
        TimeZone::posix(&self.to_string()).ok()
    }
}

/// The canonical spelling: `<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00`.
impl fmt::Display for ZoneRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // POSIX counts westwards.
        write!(f, "<std>{}", Clock(-self.standard_s))?;
        if let Some(summer) = self.summer {
            write!(f, "<dst>{}", Clock(-(self.standard_s + summer.save_s)))?;
            write!(f, ",{},{}", summer.begin, summer.end)?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Day::Weekday {
                month,
                week,
                weekday,
            } => write!(f, "M{month}.{week}.{weekday}")?,
            Day::NoLeap(day) => write!(f, "J{day}")?,
            Day::Leap(day) => write!(f, "{day}")?,
        }
        write!(f, "/{}", Clock(self.at_s))
    }
}

/// `-01:30`, and seconds where there are some.
struct Clock(i32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, s) = (if self.0 < 0 { "-" } else { "" }, self.0.abs());
        write!(f, "{sign}{:02}:{:02}", s / 3_600, s / 60 % 60)?;
        if s % 60 != 0 {
            write!(f, ":{:02}", s % 60)?;
        }
        Ok(())
    }
}

impl FromStr for ZoneRule {
    type Err = UnreadableZone;

    fn from_str(text: &str) -> Result<Self, UnreadableZone> {
        let unreadable = |why| UnreadableZone {
            text: text.chars().take(TEXT_MAX).collect(),
            why,
        };
        if text.len() > TEXT_MAX {
            return Err(unreadable("it is too long"));
        }
        let mut reader = Reader(text.trim().as_bytes());
        zone(&mut reader).map_err(unreadable)
    }
}

type Parsed<T> = Result<T, &'static str>;

fn zone(r: &mut Reader<'_>) -> Parsed<ZoneRule> {
    let name = r.name()?;
    if r.is_empty() && matches!(name, b"UTC" | b"GMT" | b"Z") {
        return Ok(ZoneRule::fixed(0));
    }
    let standard_s = -r.clock(24)?.seconds;
    if standard_s.abs() > OFFSET_MAX_S {
        return Err("its offset is larger than any in the world");
    }
    if r.is_empty() {
        return Ok(ZoneRule::fixed(standard_s));
    }
    let name = r.name()?;
    let told = match r.peek() {
        Some(b',') | None => None,
        Some(_) => Some(r.clock(24)?),
    };
    if r.is_empty() {
        // POSIX leaves the days to the system, which is to say: they are not told.
        return Err("it has summer time and does not say when");
    }
    let save_s = save(standard_s, name, told)?;
    r.expect(b',')?;
    let begin = change(r)?;
    r.expect(b',')?;
    let end = change(r)?;
    if !r.is_empty() {
        return Err("something follows its end");
    }
    let summer = save_s.map(|save_s| SummerRule { save_s, begin, end });
    let rule = ZoneRule { standard_s, summer };
    rule.time_zone().ok_or("its days are not of any year")?;
    Ok(rule)
}

/// By how much clocks go forward. The vendor tells just that behind the letters `DST`, where POSIX tells the offset;
/// where the one reading is impossible the other is meant. None: by nothing.
fn save(standard_s: i32, name: &[u8], told: Option<Written>) -> Parsed<Option<i32>> {
    let Some(told) = told else {
        return Ok(Some(3_600));
    };
    let forward = (SAVE_MIN_S..=SAVE_MAX_S).contains(&told.seconds);
    let as_bias = (!told.signed && forward).then_some(told.seconds);
    // Two hours back is no summer time: such a text is the vendor's with other letters.
    let as_offset = Some(-told.seconds - standard_s)
        .filter(|save| (SAVE_MIN_S..=SAVE_MAX_S).contains(&save.abs()) && *save != -SAVE_MAX_S);
    let save = if name == b"DST" {
        if told.seconds == 0 && !told.signed && told.in_full {
            return Ok(None);
        }
        as_bias.or(as_offset)
    } else {
        as_offset.or(as_bias)
    };
    save.map(Some).ok_or("its summer time differs too much")
}

fn change(r: &mut Reader<'_>) -> Parsed<Change> {
    let day = match r.peek() {
        Some(b'M') => {
            r.skip();
            let month = r.number(1, 12)?;
            r.expect(b'.')?;
            let week = r.number(1, 5)?;
            r.expect(b'.')?;
            Day::Weekday {
                month: month as u8,
                week: week as u8,
                weekday: r.number(0, 6)? as u8,
            }
        }
        Some(b'J') => {
            r.skip();
            Day::NoLeap(r.number(1, 365)? as u16)
        }
        _ => Day::Leap(r.number(0, 365)? as u16),
    };
    let at_s = if r.peek() == Some(b'/') {
        r.skip();
        r.clock(CHANGE_MAX_S / 3_600)?.seconds
    } else {
        2 * 3_600
    };
    Ok(Change { day, at_s })
}

/// A span as it was written.
#[derive(Clone, Copy)]
struct Written {
    seconds: i32,
    signed: bool,
    /// With hours, minutes and seconds, as the vendor does.
    in_full: bool,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.peek() != Some(byte) {
            return Err("it is not put together as zones are");
        }
        self.skip();
        Ok(())
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !belongs(*byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Letters, or anything of letters, digits and signs between angle brackets.
    fn name(&mut self) -> Parsed<&'a [u8]> {
        let name = if self.peek() == Some(b'<') {
            self.skip();
            let name = self.take(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-'));
            self.expect(b'>')?;
            name
        } else {
            self.take(|b| b.is_ascii_alphabetic())
        };
        if name.is_empty() {
            return Err("it has no letters where its name should be");
        }
        Ok(name)
    }

    fn number(&mut self, least: i32, most: i32) -> Parsed<i32> {
        let digits = self.take(|b| b.is_ascii_digit());
        if digits.is_empty() || digits.len() > 3 {
            return Err("a number is missing or too long");
        }
        let number = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err("a number is out of its range")
        }
    }

    /// `[+-]h[:mm[:ss]]`.
    fn clock(&mut self, hours_max: i32) -> Parsed<Written> {
        let sign = self.peek().filter(|byte| matches!(byte, b'+' | b'-'));
        if sign.is_some() {
            self.skip();
        }
        let mut seconds = self.number(0, hours_max)? * 3_600;
        let mut pieces = 1;
        for unit in [60, 1] {
            if self.peek() != Some(b':') {
                break;
            }
            self.skip();
            seconds += self.number(0, 59)? * unit;
            pieces += 1;
        }
        Ok(Written {
            seconds: if sign == Some(b'-') {
                -seconds
            } else {
                seconds
            },
            signed: sign.is_some(),
            in_full: pieces == 3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<ZoneRule>().unwrap().to_string()
    }

    /// As real devices and the vendor's documents have them; found in public bug reports and captures.
    #[test]
    fn recorded_texts_are_understood() {
        for (told, means) in [
            ("CST-8:00:00", "<std>-08:00"),
            ("CST-5:30:00", "<std>-05:30"),
            ("CST+5:00:00", "<std>05:00"),
            ("CST+3:00:00", "<std>03:00"),
            ("CST+0:00:00", "<std>00:00"),
            // Vendor's example for a device with half an hour of summer time.
            (
                "CST-8:00:00DST00:30:00,M4.1.0/02:00:00,M10.5.0/02:00:00",
                "<std>-08:00<dst>-08:30,M4.1.0/02:00,M10.5.0/02:00",
            ),
            // DS-KV6124-E1, whose localTime said +03:00 at the same time.
            (
                "CST-2:00:00DST01:00:00,M4.1.0/02:00:00,M10.5.0/02:00:00",
                "<std>-02:00<dst>-03:00,M4.1.0/02:00,M10.5.0/02:00",
            ),
            // An EZVIZ recorder, line feeds included.
            (
                "\nCST-1:00:00DST01:00:00,M3.5.0/02:00:00,M10.5.0/03:00:00\n",
                "<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00",
            ),
            (
                "CST+5:00:00DST01:00:00,M3.2.0/02:00:00,M11.1.0/02:00:00",
                "<std>05:00<dst>04:00,M3.2.0/02:00,M11.1.0/02:00",
            ),
            // Southern summer, by people who set it so.
            (
                "CST+0:00:00DST01:00:00,M5.3.0/02:00:00,M4.2.0/03:00:00",
                "<std>00:00<dst>-01:00,M5.3.0/02:00,M4.2.0/03:00",
            ),
            (
                "CST-10:30:00DST00:30:00,M10.1.0/02:00:00,M4.1.0/02:00:00",
                "<std>-10:30<dst>-11:00,M10.1.0/02:00,M4.1.0/02:00",
            ),
            // The Azores: an hour behind and summer time at zero, where both readings of `01:00:00` exist.
            (
                "CST+1:00:00DST01:00:00,M3.5.0/00:00:00,M10.5.0/01:00:00",
                "<std>01:00<dst>00:00,M3.5.0/00:00,M10.5.0/01:00",
            ),
            // Switched off by a bias of nothing.
            (
                "CST-8:00:00DST00:00:00,M4.1.0/02:00:00,M10.5.0/02:00:00",
                "<std>-08:00",
            ),
        ] {
            assert_eq!(canonical(told), means, "{told:?}");
        }
    }

    #[test]
    fn posix_texts_are_understood() {
        for (told, means) in [
            ("UTC", "<std>00:00"),
            ("UTC0", "<std>00:00"),
            ("<+0545>-5:45", "<std>-05:45"),
            (
                "CET-1CEST,M3.5.0,M10.5.0/3",
                "<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00",
            ),
            (
                "EST5EDT4,J60/2,300/2",
                "<std>05:00<dst>04:00,J60/02:00,300/02:00",
            ),
            (
                "IST-1GMT0,M10.5.0,M3.5.0/1",
                "<std>-01:00<dst>00:00,M10.5.0/02:00,M3.5.0/01:00",
            ),
            (
                "EET-2EEST,M3.4.4/50,M10.4.4/50",
                "<std>-02:00<dst>-03:00,M3.4.4/50:00,M10.4.4/50:00",
            ),
            (
                "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
                "<std>02:00<dst>01:00,M3.5.0/-01:00,M10.5.0/00:00",
            ),
            (
                "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",
                "<std>00:00<dst>-02:00,M3.5.0/01:00,M10.5.0/03:00",
            ),
            // Other letters before the vendor's bias.
            (
                "CET-1:00:00CEST01:00:00,M3.5.0/2,M10.5.0/3",
                "<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00",
            ),
        ] {
            assert_eq!(canonical(told), means, "{told:?}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for told in [
            "",
            "CST",
            "-8",
            "CST-8:00:00:00",
            "CST-25",
            "CST-8:60",
            "CST-17",
            "CST-8 ",
            "CST-8;x",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,M3.5.7,M10.5.0",
            "CET-1CEST,J0,J300",
            "CET-1CEST,366,J300",
            "CET-1CEST,M3.5.0/168,M10.5.0",
            "CET-1CEST,M3.5.0,M10.5.0,",
            "CET-1CEST-9,M3.5.0,M10.5.0",
            "CST-1:00:00DST09:00:00,M3.5.0,M10.5.0",
            "<CST-8",
            "<>-8",
            "Ω-8",
            "CST-99999999999999",
            "CET-1CEST,M3.5.0,M10.5.0/99999999999",
        ] {
            // A blank at the end alone is nothing wrong.
            assert_eq!(
                told.parse::<ZoneRule>().is_ok(),
                told == "CST-8 ",
                "{told:?}"
            );
        }
        assert!(
            "A".repeat(4_000)
                .parse::<ZoneRule>()
                .unwrap_err()
                .to_string()
                .len()
                < 300
        );
    }

    proptest::proptest! {
        /// Whatever a recorder sends, it is read or refused, and what is read is written and read again as the same.
        #[test]
        fn any_text_is_read_or_refused(told in "[A-Z<>+\\-]{1,4}[0-9:+\\-]{1,8}[A-Z]{0,3}[0-9:+\\-]{0,8}[,0-9MJ./:\\-]{0,40}|\\PC{0,60}") {
            if let Ok(rule) = told.parse::<ZoneRule>() {
                let again: ZoneRule = rule.to_string().parse().unwrap();
                proptest::prop_assert_eq!(again, rule);
            }
        }
    }
}
