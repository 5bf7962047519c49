//! A recorder as its owner would describe it: what it films when, how long it keeps it, and what its clock shows. It
//! answers searches as recorders do, in wall time and whole files.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::chance::Chance;
use crate::model::inventory::{FoundRecording, Inventory};
use crate::model::time::{UtcRange, UtcTime};
use crate::recorder::clock::{DeviceClock, Told};
use crate::recorder::worker_protocol::{ClockFacts, SummerTime, YearlyMoment};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
/// For so long after a start a recorder lists nothing: it reads its disks first.
const BLIND_S: i64 = 20 * MINUTE;

/// Something that was filmed: one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Film {
    /// The recorder's name for it.
    pub name: String,
    /// Really filmed then.
    pub span: UtcRange,
}

/// A channel and all that it will ever film.
#[derive(Debug)]
pub struct Channel {
    /// Its number.
    pub number: u32,
    /// Oldest first.
    pub films: Vec<Film>,
    /// A film is overwritten so long after its end.
    pub keeps_s: i64,
}

impl Channel {
    /// When a film is overwritten.
    pub fn gone_at(&self, film: &Film) -> UtcTime {
        film.span.to.plus_s(self.keeps_s)
    }

    /// Whether any of a film is there at a time.
    pub fn has(&self, film: &Film, now: UtcTime) -> bool {
        film.span.from < now && now < self.gone_at(film)
    }
}

/// A recorder.
#[derive(Debug)]
pub struct Device {
    /// Its channels.
    pub channels: Vec<Channel>,
    /// The zone that it is set to.
    pub zone: TimeZone,
    standard_minutes: i32,
    summer: Option<SummerTime>,
    /// Tells the difference to UTC with every time (newer firmware).
    tells_difference: bool,
    /// Its clock is ahead by so much from then on, oldest first.
    skews: Vec<(UtcTime, i64)>,
    /// Without power it neither films nor answers.
    power_cuts: Vec<UtcRange>,
    /// Nobody reaches it, but it films.
    link_cuts: Vec<UtcRange>,
}

type Zone = (&'static str, i32, Option<SummerTime>);

const fn moment(month: u8, week: u8, hour: u8) -> YearlyMoment {
    YearlyMoment {
        month,
        week,
        weekday: 0,
        hour,
        minute: 0,
    }
}

const fn summer(begin: YearlyMoment, end: YearlyMoment) -> Option<SummerTime> {
    Some(SummerTime {
        bias_minutes: 60,
        begin,
        end,
    })
}

const ZONES: [Zone; 5] = [
    (
        "Europe/Berlin",
        60,
        summer(moment(3, 5, 2), moment(10, 5, 3)),
    ),
    (
        "America/New_York",
        -300,
        summer(moment(3, 2, 2), moment(11, 1, 2)),
    ),
    (
        "Australia/Sydney",
        600,
        summer(moment(10, 1, 2), moment(4, 1, 3)),
    ),
    ("Asia/Kolkata", 330, None),
    ("UTC", 0, None),
];

/// Days near which clocks are changed somewhere, and a quiet one.
const BEGINNINGS: [&str; 6] = [
    "2026-03-01T00:00:00Z",
    "2026-03-20T00:00:00Z",
    "2026-03-28T00:00:00Z",
    "2026-10-15T00:00:00Z",
    "2026-09-28T00:00:00Z",
    "2026-06-01T00:00:00Z",
];

/// When a site of this chance begins to be lived.
pub fn beginning(chance: &mut Chance) -> UtcTime {
    let day: UtcTime = chance.one(&BEGINNINGS).parse().expect("a time");
    day.plus_s(chance.between(0, 24) * HOUR)
}

impl Device {
    /// A recorder that was there for some days before `life` begins. Now and then somebody sets its clock.
    pub fn new(chance: &mut Chance, life: UtcRange, channels: u32) -> Self {
        let (zone, standard_minutes, summer) = *chance.one(&ZONES);
        let power_cuts = cuts(chance, life, 2, 10 * MINUTE, 30 * HOUR);
        let link_cuts = cuts(chance, life, 3, 20 * MINUTE, 160 * HOUR);
        let tells_difference = chance.percent(50);
        let keeps_s = chance.between(24, 150) * HOUR;
        let films_from = life.from.plus_s(-chance.between(1, 6) * 24 * HOUR);
        let filmed = UtcRange {
            from: films_from,
            to: life.to,
        };
        let skews = skews(chance, filmed, life);
        let cuts = Cuts {
            dark: &power_cuts,
            // A recorder begins a new file when its clock is set.
            files: &skews[1..],
        };
        let channels = (1..=channels)
            .map(|number| {
                // The hour that comes twice is told apart by the order of films, so where the recorder does not tell
                // the difference only a camera that always films can be told apart for certain.
                let by_motion = tells_difference && chance.percent(50);
                let films = match by_motion {
                    true => by_motion_films(chance, number, filmed, cuts),
                    false => continuous_films(chance, number, filmed, cuts),
                };
                Channel {
                    number,
                    films,
                    // Quotas differ a little between channels.
                    keeps_s: keeps_s + chance.between(-4, 5) * HOUR,
                }
            })
            .collect();
        Self {
            channels,
            zone: TimeZone::get(zone).expect("a zone of the tz database"),
            standard_minutes,
            summer,
            tells_difference,
            skews,
            power_cuts,
            link_cuts,
        }
    }

    /// Whether nobody can tell for certain on which side of the hour that comes twice something was recorded: a file may
    /// as well be an hour longer and the next one an hour shorter.
    pub fn passes_look_alike(&self, around: UtcRange) -> bool {
        let offset = |at: UtcTime| self.zone.to_offset(at.timestamp()).seconds();
        let (before, after) = (around.from.plus_s(-2 * HOUR), around.to.plus_s(2 * HOUR));
        !self.tells_difference && offset(after) < offset(before)
    }

    /// Whether it answers at a time.
    pub fn answers(&self, now: UtcTime) -> bool {
        let within = |cut: &UtcRange| cut.from <= now && now < cut.to;
        !self.power_cuts.iter().any(within) && !self.link_cuts.iter().any(within)
    }

    /// Whether it lists nothing, because it has just got its power back.
    pub fn blind(&self, now: UtcTime) -> bool {
        let blind = |cut: &UtcRange| cut.to <= now && now < cut.to.plus_s(BLIND_S);
        self.power_cuts.iter().any(blind)
    }

    /// A film by its name.
    pub fn film(&self, channel: u32, name: &str) -> &Film {
        let films = &self.channels[channel as usize - 1].films;
        let film = films.iter().find(|film| film.name == name);
        film.expect("a name that it told")
    }

    /// What its screen shows.
    fn wall(&self, utc: UtcTime) -> (DateTime, i32) {
        let set = self.skews.iter().rev().find(|(from, _)| *from <= utc);
        let skew_s = set.or(self.skews.first()).map_or(0, |(_, skew)| *skew);
        let shown = utc.plus_s(skew_s).timestamp();
        let zoned = shown.to_zoned(self.zone.clone());
        (zoned.datetime(), zoned.offset().seconds() / 60)
    }

    /// When its clock was set, and by how many seconds.
    pub fn steps(&self) -> impl Iterator<Item = (UtcTime, i64)> {
        let pairs = self.skews.windows(2);
        pairs.map(|pair| (pair[1].0, pair[1].1 - pair[0].1))
    }

    /// What the agent measures at a login.
    pub fn clock(&self, now: UtcTime) -> DeviceClock {
        DeviceClock::measure(&ClockFacts {
            wall: self.wall(now).0,
            asked_at: now.plus_ms(400),
            answered_at: now.plus_ms(600),
            zone_minutes: Some(self.standard_minutes),
            summer_time: self.summer,
            zone_text: None,
        })
    }

    /// The answer of a search as the port gives it: the recorder's rows in wall time, translated by the agent's clock.
    pub fn search(
        &self,
        clock: &DeviceClock,
        number: u32,
        range: UtcRange,
        now: UtcTime,
    ) -> Inventory {
        let questions = clock.questions(range);
        let channel = &self.channels[number as usize - 1];
        let films: Vec<&Film> = match self.blind(now) {
            true => Vec::new(),
            false => channel
                .films
                .iter()
                .filter(|film| channel.has(film, now))
                .collect(),
        };
        let end_of = |film: &Film| film.span.to.min(now);
        let listed: Vec<(&Film, Told)> = films
            .into_iter()
            .map(|film| {
                let ((start, at_start), (end, at_end)) =
                    (self.wall(film.span.from), self.wall(end_of(film)));
                let told = Told {
                    start,
                    end,
                    difference_minutes: self.tells_difference.then_some((at_start, at_end)),
                };
                (film, told)
            })
            // By the wall, as it was asked.
            .filter(|(_, told)| {
                let (low, high) = (told.start.min(told.end), told.start.max(told.end));
                questions
                    .iter()
                    .any(|(first, last)| high >= *first && low <= *last)
            })
            .collect();
        let told: Vec<Told> = listed.iter().map(|(_, told)| *told).collect();
        // As the client of the worker does it.
        let recordings = listed
            .iter()
            .zip(clock.place(&told, range, now))
            .filter_map(|((film, told), placed)| {
                let placed = placed?;
                let mut others = clock.readings(told);
                others.retain(|other| *other != placed);
                (placed.span.overlaps(range) || !others.is_empty()).then(|| FoundRecording {
                    source_name: film.name.clone(),
                    start: placed.start,
                    end: placed.end,
                    span: placed.span,
                    clock: placed.clock,
                    others,
                    // What lies on its disk does not depend on how its times are read.
                    stated_bytes: film
                        .span
                        .to
                        .min(now)
                        .ms_since(film.span.from)
                        .unsigned_abs(),
                    source_type: 0,
                    source_locked: false,
                })
            })
            .collect();
        Inventory {
            channel: number,
            asked: range,
            answered_at: now,
            clock: clock.reading(),
            recordings,
        }
    }
}

/// How wrong its clock is, and from when on: mostly always the same.
fn skews(chance: &mut Chance, filmed: UtcRange, life: UtcRange) -> Vec<(UtcTime, i64)> {
    let first = match chance.percent(40) {
        true => 0,
        false => chance.between(-600, 600),
    };
    let mut skews = vec![(filmed.from, first)];
    let times = if chance.percent(30) {
        chance.between(1, 3)
    } else {
        0
    };
    for _ in 0..times {
        let at = life
            .from
            .plus_s(chance.between(0, life.duration_ms() / 1_000));
        // Less than what would be taken for a zone.
        skews.push((at, chance.between(-40 * MINUTE, 40 * MINUTE)));
    }
    skews.sort();
    skews
}

/// Up to so many stretches of a life, of a length between two.
fn cuts(chance: &mut Chance, life: UtcRange, most: i64, low: i64, high: i64) -> Vec<UtcRange> {
    (0..chance.between(0, most + 1))
        .map(|_| {
            let from = life
                .from
                .plus_s(chance.between(0, life.duration_ms() / 1_000));
            // Mostly short, now and then long.
            let high = if chance.percent(60) { low * 8 } else { high };
            UtcRange {
                from,
                to: from.plus_s(chance.between(low, high)),
            }
        })
        .collect()
}

/// One file after the other, with the seams of recorders, and whole stretches without a camera.
fn continuous_films(
    chance: &mut Chance,
    number: u32,
    filmed: UtcRange,
    why: Cuts<'_>,
) -> Vec<Film> {
    let length = *chance.one(&[30 * MINUTE, HOUR, 2 * HOUR]);
    let seam = *chance.one(&[0, 0, 1, 2]);
    let unplugged = cuts(chance, filmed, 2, HOUR, 30 * HOUR);
    let mut films = Films::new(number, why);
    let mut at = filmed.from;
    while at < filmed.to {
        let end = at.plus_s(length).min(filmed.to);
        match unplugged.iter().find(|cut| cut.from < end && at < cut.to) {
            Some(cut) => {
                films.add(at, cut.from);
                at = cut.to;
            }
            None => {
                films.add(at, end);
                at = end.plus_s(seam);
            }
        }
    }
    films.films
}

/// A film when something moves.
fn by_motion_films(chance: &mut Chance, number: u32, filmed: UtcRange, why: Cuts<'_>) -> Vec<Film> {
    let mut films = Films::new(number, why);
    let mut at = filmed.from;
    while at < filmed.to {
        let still = if chance.percent(5) {
            16 * HOUR
        } else {
            90 * MINUTE
        };
        at = at.plus_s(chance.between(20, still));
        let end = at.plus_s(chance.between(10, 40 * MINUTE)).min(filmed.to);
        films.add(at, end);
        at = end;
    }
    films.films
}

/// Why films end.
#[derive(Debug, Clone, Copy)]
struct Cuts<'a> {
    /// No power.
    dark: &'a [UtcRange],
    /// A new file begins.
    files: &'a [(UtcTime, i64)],
}

struct Films<'a> {
    number: u32,
    cuts: Cuts<'a>,
    films: Vec<Film>,
}

impl<'a> Films<'a> {
    fn new(number: u32, cuts: Cuts<'a>) -> Self {
        Self {
            number,
            cuts,
            films: Vec::new(),
        }
    }

    /// Adds what is filmed between two instants: with power only, in one file for each stretch.
    fn add(&mut self, from: UtcTime, to: UtcTime) {
        if from >= to {
            return;
        }
        let whole = UtcRange { from, to };
        let mut dark: Vec<UtcRange> = self
            .cuts
            .dark
            .iter()
            .copied()
            .filter(|cut| cut.overlaps(whole))
            .collect();
        dark.sort_by_key(|cut| cut.from);
        for span in crate::catalog::observations::subtract(whole, &dark) {
            let within = |at: &UtcTime| span.from < *at && *at < span.to;
            let files = self.cuts.files.iter().map(|(at, _)| *at).filter(within);
            let mut from = span.from;
            for to in files.chain([span.to]) {
                self.push(UtcRange { from, to });
                from = to;
            }
        }
    }

    fn push(&mut self, span: UtcRange) {
        if span.from < span.to {
            let name = format!("ch{:02}_{:08}", self.number, self.films.len());
            self.films.push(Film { name, span });
        }
    }
}
