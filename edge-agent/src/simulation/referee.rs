//! Compares what the agent says of every instant with what really happened.

use std::collections::BTreeSet;
use std::fmt;

use wire::coverage::{GapCause, Verdict};

use super::device::{Channel, Film};
use super::site::Site;
use crate::model::coverage::{Coverage, Facts, coverage};
use crate::model::time::{UtcRange, UtcTime};

/// Recorders tell whole seconds, their clocks are known to a second and a half, and files have seams: what is shorter
/// than this is nobody's error.
const BLUR_MS: i64 = 4_000;

/// What became of a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Held up to here.
    Held { to: UtcTime },
    /// Was held up to here, and has left.
    Left { to: UtcTime, by_person: bool },
    /// The last attempt failed.
    Failed,
    /// The same, and maybe a person asked for it since.
    MaybeFailed,
    /// Not there any more when it was to be fetched.
    Gone,
}

/// What the referee saw.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Days of cameras that were lived to their end.
    pub camera_days: u64,
    /// Of those, days of 23 or 25 hours.
    pub odd_days: u64,
    /// Judgements: a day of a camera, looked at once.
    pub judged: u64,
    /// Gaps told.
    pub gaps: u64,
    /// Days told to be complete.
    pub complete: u64,
    /// By cause, in seconds.
    pub causes: std::collections::BTreeMap<&'static str, i64>,
    /// Seconds that were held.
    pub held_s: i64,
    /// Errors: told to be held or empty where there was footage that is not held; days told to be complete that are not;
    /// instants without a state; instants with a wrong cause.
    pub false_complete: Vec<String>,
    /// Instants in no gap and not held.
    pub without_cause: Vec<String>,
    /// Instants with a cause that is not theirs.
    pub wrong_cause: Vec<String>,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.camera_days += other.camera_days;
        self.odd_days += other.odd_days;
        self.judged += other.judged;
        self.gaps += other.gaps;
        self.complete += other.complete;
        self.held_s += other.held_s;
        for (cause, seconds) in &other.causes {
            *self.causes.entry(cause).or_default() += seconds;
        }
        self.false_complete.extend_from_slice(&other.false_complete);
        self.without_cause.extend_from_slice(&other.without_cause);
        self.wrong_cause.extend_from_slice(&other.wrong_cause);
    }

    /// Fails with the first errors, if there are any.
    pub fn assert_right(&self) {
        let all = [&self.false_complete, &self.without_cause, &self.wrong_cause];
        let first: Vec<&String> = all.into_iter().flatten().take(20).collect();
        assert!(first.is_empty(), "{self}\n{first:#?}");
    }

    /// Fails unless every cause that this world has occurred: else nothing was shown of it.
    pub fn assert_telling(&self) {
        let causes = [
            "not_recorded",
            "not_observed",
            "unreachable",
            "beyond_reach",
            "overwritten",
            "not_downloaded",
            "failed",
            "evicted",
            "deleted",
            "defect",
            "clock_step",
        ];
        for cause in causes {
            assert!(
                self.causes.contains_key(cause),
                "{cause} never occurred: {self}"
            );
        }
        assert!(self.complete > 0 && self.odd_days > 0, "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} camera-days ({} of 23 or 25 h), {} looks at a day, {} told complete, {} gaps; false complete {}, \
             without cause {}, wrong cause {}; hours held {}",
            self.camera_days,
            self.odd_days,
            self.judged,
            self.complete,
            self.gaps,
            self.false_complete.len(),
            self.without_cause.len(),
            self.wrong_cause.len(),
            self.held_s / 3_600
        )?;
        for (cause, seconds) in &self.causes {
            write!(f, ", {cause} {}", seconds / 3_600)?;
        }
        Ok(())
    }
}

/// Judges every day of every camera that reaches into a range. The last judgement counts the days.
pub async fn judge(site: &Site, seed: u64, range: UtcRange, last: bool) -> Tally {
    judge_with(site, seed, range, last, |_, _| {}).await
}

/// The same of facts that were changed before coverage was computed from them.
pub async fn judge_with(
    site: &Site,
    seed: u64,
    range: UtcRange,
    last: bool,
    change: impl Fn(UtcRange, &mut Facts),
) -> Tally {
    let mut tally = Tally::default();
    let now = site.now();
    let zone = &site.device.zone;
    for channel in &site.device.channels {
        let mut day = range.from.timestamp().to_zoned(zone.clone()).date();
        while let Some(whole) = UtcRange::of_day(day, zone)
            && whole.from < range.to
        {
            let past = UtcRange {
                from: whole.from,
                to: whole.to.min(now).max(whole.from),
            };
            let known = site
                .house
                .catalog
                .known_of(site.cameras[&channel.number], past)
                .await;
            let mut facts = known.unwrap().facts;
            change(past, &mut facts);
            let told = coverage(past, &facts);
            let name = format!("seed {seed} channel {} day {day} at {now}", channel.number);
            Judge {
                site,
                channel,
                now,
                name,
            }
            .day(&told, &mut tally);
            if last && whole.from >= range.from && whole.to <= now {
                tally.camera_days += 1;
                tally.odd_days += u64::from(whole.duration_ms() != 86_400_000);
            }
            tally.judged += 1;
            day = day.tomorrow().expect("a day before the end of time");
        }
    }
    tally
}

struct Judge<'a> {
    site: &'a Site,
    channel: &'a Channel,
    now: UtcTime,
    name: String,
}

impl Judge<'_> {
    fn day(&self, told: &Coverage, tally: &mut Tally) {
        tally.gaps += told.gaps.len() as u64;
        let films: Vec<&Film> = self
            .channel
            .films
            .iter()
            .filter(|film| film.span.overlaps(told.range))
            .collect();
        let mut edges: BTreeSet<UtcTime> = [told.range.from, told.range.to].into();
        for film in &films {
            edges.extend([film.span.from, film.span.to]);
            if let Some(Fate::Held { to } | Fate::Left { to, .. }) = self.fate(film) {
                edges.insert(to);
            }
        }
        for stretch in told
            .held
            .iter()
            .chain(told.gaps.iter().map(|gap| &gap.range))
        {
            edges.extend([stretch.from, stretch.to]);
        }
        let edges: Vec<UtcTime> = edges
            .into_iter()
            .filter(|at| told.range.from <= *at && *at <= told.range.to)
            .collect();
        let mut missing_ms = 0;
        for pair in edges.windows(2) {
            let cell = UtcRange {
                from: pair[0],
                to: pair[1],
            };
            missing_ms += self.cell(cell, &films, told, tally);
        }
        if told.verdict() == Verdict::Complete {
            tally.complete += 1;
            if missing_ms > 0 {
                tally.false_complete.push(format!(
                    "{}: complete, but {missing_ms} ms are not held",
                    self.name
                ));
            }
        }
    }

    fn fate(&self, film: &Film) -> Option<Fate> {
        let key = (self.channel.number, film.name.clone());
        self.site.fates.get(&key).copied()
    }

    /// Judges a stretch in which nothing changes; returns how much footage there was that is not held.
    fn cell(&self, cell: UtcRange, films: &[&Film], told: &Coverage, tally: &mut Tally) -> i64 {
        let length_ms = cell.duration_ms();
        let film = films.iter().find(|film| film.span.overlaps(cell));
        let gap = told.gaps.iter().find(|gap| gap.range.overlaps(cell));
        let told_held = told.held.iter().any(|held| held.overlaps(cell));
        let what = || {
            format!(
                "{}: {} to {} told {:?}, film {film:?} {:?}",
                self.name,
                cell.from,
                cell.to,
                gap.map(|gap| gap.cause),
                film.and_then(|film| self.fate(film))
            )
        };
        if gap.is_none() && !told_held {
            tally.without_cause.push(what());
        }
        if let Some(gap) = gap {
            *tally.causes.entry(word(gap.cause)).or_default() += length_ms / 1_000;
        } else {
            tally.held_s += length_ms / 1_000;
        }
        let truly_held = film.is_some_and(
            |film| matches!(self.fate(film), Some(Fate::Held { to }) if cell.from < to),
        );
        if length_ms <= BLUR_MS {
            return 0;
        }
        let was_there = film.is_some();
        if self.clock_was_set_near(cell) {
            // What was recorded around it may lie somewhat elsewhere. But nothing there is ever "not recorded".
            let fine = gap.is_some_and(|gap| gap.cause == GapCause::NotRecorded);
            if was_there && !truly_held && fine {
                tally.false_complete.push(what());
            }
            return if was_there && !truly_held && !told_held {
                length_ms
            } else {
                0
            };
        }
        let called_fine = told_held || gap.is_some_and(|gap| gap.cause == GapCause::NotRecorded);
        if was_there && !truly_held && called_fine || !was_there && told_held {
            tally.false_complete.push(what());
        } else if let Some(gap) = gap {
            let allowed = match film {
                Some(film) => self.causes_of(film, cell),
                None => self.causes_of_nothing(cell),
            };
            if !allowed.contains(&gap.cause) {
                tally
                    .wrong_cause
                    .push(format!("{}, not one of {allowed:?}", what()));
            }
        }
        if was_there && !truly_held {
            length_ms
        } else {
            0
        }
    }

    /// Whether the recorder's clock was set so near, in true time or as it showed it, that what was recorded there may
    /// have been placed wrongly.
    fn clock_was_set_near(&self, cell: UtcRange) -> bool {
        self.site.device.steps().any(|(at, by_s)| {
            let read = &self.site.clock_read;
            let before = read.iter().rev().find(|read| **read <= at);
            let after = read.iter().find(|read| **read >= at);
            let near_s = by_s.abs() + BLUR_MS / 1_000;
            let near = UtcRange {
                // Set before anybody had read it: nobody can know by how much what lies before that is wrong.
                from: before.map_or(UtcTime::from_micros(0), |before| before.plus_s(-near_s)),
                to: after.copied().unwrap_or(self.now).plus_s(near_s),
            };
            near.overlaps(cell)
        })
    }

    /// What may be said of footage that is not held.
    fn causes_of(&self, film: &Film, cell: UtcRange) -> Vec<GapCause> {
        use GapCause::*;
        let gone_at = self.channel.gone_at(film);
        let listed = self
            .site
            .listed
            .contains(&(self.channel.number, film.name.clone()));
        match self.fate(film) {
            Some(Fate::Held { to }) if cell.from >= to => return vec![Defect],
            // The file after it, which is not listed yet, may have the hour that comes twice.
            Some(Fate::Held { .. }) if self.site.device.passes_look_alike(cell) => {
                return vec![NotObserved];
            }
            Some(Fate::Held { .. }) => return Vec::new(),
            Some(Fate::Left { to, .. }) if cell.from >= to => return vec![Defect],
            Some(Fate::Left {
                by_person: true, ..
            }) => return vec![Deleted],
            Some(Fate::Left { .. }) => return vec![Evicted],
            Some(Fate::Gone) => return vec![OverwrittenOnRecorder, NotDownloaded],
            Some(Fate::Failed | Fate::MaybeFailed) | None => {}
        }
        if !listed {
            // Never "not recorded". Whether nobody could ask in time is known once the recorder's reach was read.
            return match gone_at <= self.now {
                true => vec![BeyondReach, NotObserved, RecorderUnreachable],
                false => vec![NotObserved, RecorderUnreachable],
            };
        }
        let read = self.site.reach_read.get(&self.channel.number);
        if read.is_some_and(|read| *read >= gone_at) {
            return vec![OverwrittenOnRecorder];
        }
        let waiting = match self.fate(film) {
            Some(Fate::Failed) => vec![Failed],
            Some(Fate::MaybeFailed) => vec![Failed, NotDownloaded],
            _ => vec![NotDownloaded],
        };
        if gone_at <= self.now {
            [waiting, vec![OverwrittenOnRecorder]].concat()
        } else {
            waiting
        }
    }

    /// What may be said of time in which nothing was filmed.
    fn causes_of_nothing(&self, cell: UtcRange) -> Vec<GapCause> {
        use GapCause::*;
        let is_older = |film: &&Film| film.span.from <= cell.from;
        let mut older = self.channel.films.iter().filter(is_older);
        if older.any(|film| self.channel.has(film, self.now)) {
            // The recorder still has something older, so this was never out of reach.
            vec![NotRecorded, NotObserved, RecorderUnreachable]
        } else {
            vec![NotRecorded, NotObserved, RecorderUnreachable, BeyondReach]
        }
    }
}

fn word(cause: GapCause) -> &'static str {
    match cause {
        GapCause::NotRecorded => "not_recorded",
        GapCause::ClockStep => "clock_step",
        GapCause::NotObserved => "not_observed",
        GapCause::RecorderUnreachable => "unreachable",
        GapCause::BeyondReach => "beyond_reach",
        GapCause::OverwrittenOnRecorder => "overwritten",
        GapCause::NotDownloaded => "not_downloaded",
        GapCause::Failed => "failed",
        GapCause::Evicted => "evicted",
        GapCause::Deleted => "deleted",
        GapCause::Defect => "defect",
    }
}
