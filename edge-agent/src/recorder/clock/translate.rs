//! Times and questions, both ways.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::zone::ZoneRule;
use super::{ClockHistory, DeviceClock, fold, offset_of, utc_of};
use crate::model::clock::told_offset;
use crate::model::inventory::RecorderClock;
use crate::model::time::{RecorderTime, UtcRange, UtcTime};

/// Two questions with less than this between them are asked as one.
const ASKED_AS_ONE_H: i64 = 1;
/// Changes of summer time looked at within one question: half a century.
const CHANGES_MAX: usize = 100;

/// A time in which zone and offset of a recorder's clock stayed as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Era {
    /// First instant.
    pub from: UtcTime,
    /// First instant after it, as far as is known: of its last reading.
    pub to: UtcTime,
    /// The first reading of the next one: somewhere before it the clock was set.
    pub maybe_to: UtcTime,
    pub zone: TimeZone,
    pub offset_ms: i64,
}

/// What a told time may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// As told, with its pass.
    pub told: RecorderTime,
    /// True time.
    pub utc: UtcTime,
    /// The recorder's clock then.
    pub clock: RecorderClock,
}

impl Era {
    fn moment(&self, wall: DateTime, offset: Offset) -> Moment {
        Moment {
            told: RecorderTime {
                wall,
                second_pass: fold(&self.zone, wall).is_some_and(|(_, after)| after == offset),
            },
            utc: utc_of(wall, offset).plus_ms(-self.offset_ms),
            clock: RecorderClock {
                zone_minutes: offset.seconds() / 60,
                offset_ms: self.offset_ms,
            },
        }
    }

    fn shown_at(&self, utc: UtcTime) -> RecorderTime {
        let shown = utc.plus_ms(self.offset_ms).timestamp();
        let offset = self.zone.to_offset(shown);
        let wall = offset.to_datetime(shown);
        RecorderTime {
            wall,
            second_pass: fold(&self.zone, wall).is_some_and(|(_, after)| after == offset),
        }
    }

    /// The instants within a range at which the shown time jumps.
    fn changes(&self, within: UtcRange) -> Vec<UtcTime> {
        let true_time = |shown: Timestamp| UtcTime::from(shown).plus_ms(-self.offset_ms);
        self.zone
            .following(within.from.plus_ms(self.offset_ms).timestamp())
            .map(|change| true_time(change.timestamp()))
            .take_while(|change| *change < within.to)
            .take(CHANGES_MAX)
            .collect()
    }
}

impl DeviceClock {
    /// As it ran before: what was recorded then is translated by the clock of then.
    #[must_use]
    pub fn with_history(mut self, history: &ClockHistory) -> Self {
        let runs = history.runs();
        let before_now = runs.len().saturating_sub(1);
        let mut from = UtcTime::from_micros(i64::MIN);
        for (place, run) in runs[..before_now].iter().enumerate() {
            if run.box_was_wrong {
                continue;
            }
            let zone = run.zone.parse().ok().and_then(ZoneRule::time_zone);
            // The catalog was written by us; a zone that cannot be read was damaged there.
            let Some(zone) = zone.filter(|_| run.last_at > from) else {
                continue;
            };
            let offset_ms = told_offset(run.last_offset_ms);
            let next = runs[place + 1..].iter().find(|run| !run.box_was_wrong);
            self.earlier.push(Era {
                from,
                to: run.last_at,
                maybe_to: next.map_or(run.last_at, |next| next.began_at.max(run.last_at)),
                zone,
                offset_ms,
            });
            from = run.last_at;
        }
        self
    }

    fn eras(&self) -> impl Iterator<Item = Era> {
        let from = self
            .earlier
            .last()
            .map_or(UtcTime::from_micros(i64::MIN), |era| era.to);
        let now = Era {
            from,
            to: UtcTime::from_micros(i64::MAX),
            maybe_to: UtcTime::from_micros(i64::MAX),
            zone: self.zone.clone(),
            offset_ms: self.reading.offset_ms,
        };
        self.earlier.iter().cloned().chain([now])
    }

    /// What a told time may mean, the earliest first: two passes of an hour that comes twice, and times before and
    /// after the clock was set back. With the told difference to UTC only what agrees with it. Never empty.
    pub(super) fn meanings(&self, wall: DateTime, difference: Option<Offset>) -> Vec<Moment> {
        let offsets = |era: &Era| match (difference, fold(&era.zone, wall)) {
            (Some(told), _) => vec![told],
            (None, Some((first, second))) => vec![first, second],
            (None, None) => vec![offset_of(&era.zone, wall, false)],
        };
        let mut meanings = Vec::new();
        let (mut now, mut maybe) = (None, None);
        for era in self.eras() {
            for offset in offsets(&era) {
                let moment = era.moment(wall, offset);
                now = Some(moment);
                if era.to <= moment.utc && moment.utc < era.maybe_to {
                    maybe = Some(moment);
                }
                if era.from <= moment.utc && moment.utc < era.to {
                    meanings.push(moment);
                }
            }
        }
        // A time that was leapt over when somebody set the clock: shown before that, though after the last reading; else
        // as the clock tells it now.
        if meanings.is_empty() {
            meanings.extend(maybe.or(now));
        }
        meanings
    }

    /// True time of what the recorder tells; where its clock showed that more than once, the newest such time.
    pub fn to_utc(&self, told: RecorderTime) -> UtcTime {
        let meanings = self.meanings(told.wall, None);
        let same_pass = meanings.iter().rev().find(|moment| moment.told == told);
        same_pass
            .or(meanings.last())
            .map_or(utc_of(told.wall, Offset::UTC), |moment| moment.utc)
    }

    /// What the recorder's clock showed, or will show, at a true time.
    pub fn to_recorder(&self, utc: UtcTime) -> RecorderTime {
        let era = self.eras().find(|era| utc < era.to);
        era.map_or_else(
            || RecorderTime::new(Offset::UTC.to_datetime(utc.timestamp())),
            |era| era.shown_at(utc),
        )
    }

    /// The questions for a range of true time: first and last second on the recorder's clock, both asked for. Usually
    /// one; more where the clock was put far forward or back within the range, and where nobody knows by which clock
    /// something was recorded, because it was set in between, by both. Around the end of summer time a
    /// question is wider by what comes twice, so that the order of the answer tells the passes apart.
    pub fn questions(&self, range: UtcRange) -> Vec<(DateTime, DateTime)> {
        let mut questions = Vec::new();
        let end = range.to.max(range.from.plus_s(1));
        for era in self
            .eras()
            .filter(|era| era.from < end && range.from < era.maybe_to)
        {
            let within = UtcRange {
                from: range.from.max(era.from),
                to: end.min(era.maybe_to),
            };
            let mut from = within.from;
            for to in era.changes(within).into_iter().chain([within.to]) {
                if from < to {
                    questions.push(question(&era, UtcRange { from, to }));
                }
                from = to;
            }
        }
        questions.sort();
        questions.dedup_by(|next, before| {
            let as_one = next.0 <= before.1.saturating_add(ASKED_AS_ONE_H.hours());
            if as_one {
                before.1 = before.1.max(next.1);
            }
            as_one
        });
        questions
    }
}

/// The question for a range in which the shown time runs on evenly.
fn question(era: &Era, range: UtcRange) -> (DateTime, DateTime) {
    let whole = |wall: DateTime| wall.with().subsec_nanosecond(0).build().unwrap_or(wall);
    let first = era.shown_at(range.from).wall;
    let last = era.shown_at(range.to.plus_s(-1).max(range.from)).wall;
    let comes_twice_s = [first, last]
        .into_iter()
        .filter_map(|wall| fold(&era.zone, wall))
        .map(|(before, after)| before.seconds() - after.seconds())
        .max()
        .unwrap_or(0);
    (
        whole(first).saturating_sub(comes_twice_s.seconds()),
        whole(last).saturating_add(comes_twice_s.seconds()),
    )
}
