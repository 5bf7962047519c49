//! Recorders with 1, 2 and 10 streams that also refuse by chance, or of which other people take streams without a word;
//! people who come and go, and a background without end: hours of it, from many seeds. Time is simulated.
//!
//! The figures are measured by the world, which knows what the budget has to learn:
//!
//! - *avoidable refusals*: people who were refused, or kept waiting longer than [`KEPT_WAITING_MS`], while lower work of
//!   ours was at the recorder.
//! - *share of the background*: place-milliseconds that it had, of those that the recorder had left for it.
//!
//! `HOLDFAST_SEED` is the first seed, `HOLDFAST_SEEDS` says how many.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Simulated time of one run.
const HOURS: i64 = 4;
/// How long a recorder takes to answer, and to let go of a stream, in ms.
const ANSWER_MS: i64 = 300;
/// How often the pipeline plans when nothing happens.
const PLAN_MS: i64 = 5_000;
/// A viewer who waits this long while lower work runs counts as refused.
const KEPT_WAITING_MS: i64 = 10_000;
const DOWNLOADS_MAX: usize = 10;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from) as u64) as i64
    }
    fn percent(&mut self, p: u64) -> bool {
        self.next() % 100 < p
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    ViewerComes,
    JobComes,
    /// Somebody whom we do not know wants a stream; has one until he goes.
    OtherComes,
    OtherGoes,
    /// The recorder answers.
    Answer(UseId),
    /// A download comes to the end of its part.
    PartEnds(UseId),
    /// A download has run out of grace.
    GraceEnds(UseId),
    /// The recorder has let go.
    LetGo(UseId),
    /// A viewer asks again after a refusal.
    AskAgain(UseId),
    /// A viewer goes.
    ViewerGoes(UseId),
    Look,
}

/// A recorder as it is.
#[derive(Debug, Clone, Copy)]
struct Recorder {
    streams: usize,
    refuses_percent: u64,
    /// Other people use it too.
    is_shared: bool,
}

/// One use in this world.
#[derive(Debug, Clone, Copy)]
struct Work {
    class: Class,
    asked_at: i64,
    on_recorder: bool,
    parts_left: u8,
    part_began: i64,
    part_ms: i64,
    leaves: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Figures {
    viewers: u64,
    viewers_refused: u64,
    avoidable: u64,
    jobs: u64,
    jobs_wait_ms_max: i64,
    viewers_wait_ms_max: i64,
    refusals: u64,
    gave_way: u64,
    /// Place-milliseconds that the background had and could have had.
    background_ms: i64,
    possible_ms: i64,
}

impl Figures {
    fn share(&self) -> f64 {
        self.background_ms as f64 / self.possible_ms as f64
    }

    fn add(&mut self, other: &Self) {
        self.viewers += other.viewers;
        self.viewers_refused += other.viewers_refused;
        self.avoidable += other.avoidable;
        self.jobs += other.jobs;
        self.jobs_wait_ms_max = self.jobs_wait_ms_max.max(other.jobs_wait_ms_max);
        self.viewers_wait_ms_max = self.viewers_wait_ms_max.max(other.viewers_wait_ms_max);
        self.refusals += other.refusals;
        self.gave_way += other.gave_way;
        self.background_ms += other.background_ms;
        self.possible_ms += other.possible_ms;
    }
}

struct World {
    chance: Chance,
    recorder: Recorder,
    /// Streams that other people have.
    others: usize,
    other_waits: bool,
    budget: Budget,
    now: i64,
    /// When the pipeline plans again.
    wake: i64,
    events: BTreeSet<(i64, u64, Event)>,
    order: u64,
    work: BTreeMap<UseId, Work>,
    jobs_waiting: Vec<(i64, u8)>,
    figures: Figures,
    next: u64,
}

impl World {
    fn at(&self) -> UtcTime {
        UtcTime::from_micros(self.now * 1_000)
    }

    fn later(&mut self, ms: i64, event: Event) {
        self.order += 1;
        self.events.insert((self.now + ms, self.order, event));
    }

    fn ask(&mut self, class: Class, parts: u8, asked_at: i64) {
        let id = UseId(self.next);
        self.next += 1;
        let work = Work {
            class,
            asked_at,
            on_recorder: false,
            parts_left: parts,
            part_began: 0,
            part_ms: 0,
            leaves: false,
        };
        self.work.insert(id, work);
        self.budget.ask(id, class);
    }

    fn on_recorder(&self, wanted: impl Fn(Class) -> bool) -> usize {
        self.work
            .values()
            .filter(|work| work.on_recorder && wanted(work.class))
            .count()
    }

    fn is_full(&self) -> bool {
        self.on_recorder(|_| true) + self.others >= self.recorder.streams
    }

    /// As the pipeline does it: people's jobs first, then the background, as far as there are places.
    fn plan(&mut self) {
        loop {
            let places = self.budget.places(self.at(), Ok(()));
            let has = |class| self.work.values().filter(move |work| work.class == class);
            let asked = has(Class::Asked).count();
            let all = has(Class::Background).count() + asked;
            if asked < places.asked && !self.jobs_waiting.is_empty() {
                let (since, parts) = self.jobs_waiting.remove(0);
                self.ask(Class::Asked, parts, since);
            } else if all < places.background {
                let parts = self.chance.between(1, 5) as u8;
                self.ask(Class::Background, parts, self.now);
            } else {
                break;
            }
            if !self.decide() {
                break;
            }
        }
        let again_at = self.budget.places(self.at(), Ok(())).again_at;
        let again_ms = again_at.map_or(PLAN_MS, |at| at.ms_since(self.at()).max(100));
        let wake = self.now + again_ms.min(PLAN_MS);
        if wake < self.wake || self.wake <= self.now {
            self.wake = wake;
            self.later(wake - self.now, Event::Look);
        }
    }

    /// False: something was sent away.
    fn decide(&mut self) -> bool {
        let mut all_served = true;
        for decision in self.budget.decide(self.at(), Ok(())) {
            match decision {
                Decision::Begin(id) => self.later(ANSWER_MS, Event::Answer(id)),
                Decision::GiveWay(id, by) => {
                    self.figures.gave_way += 1;
                    self.work.entry(id).and_modify(|work| work.leaves = true);
                    let grace = by.ms_since(self.at());
                    self.later(grace, Event::GraceEnds(id));
                }
                Decision::NotNow(id) => {
                    let work = self.work.remove(&id).unwrap();
                    if work.class == Class::Asked {
                        self.jobs_waiting
                            .insert(0, (work.asked_at, work.parts_left));
                    }
                    all_served = false;
                }
            }
        }
        all_served
    }

    fn answer(&mut self, id: UseId) {
        let Some(work) = self.work.get(&id).copied() else {
            return;
        };
        if self.is_full() || self.chance.percent(self.recorder.refuses_percent) {
            self.refused(id, work);
            return;
        }
        self.work
            .entry(id)
            .and_modify(|work| work.on_recorder = true);
        self.budget.accepted(id, self.at());
        let waited = self.now - work.asked_at;
        match work.class {
            Class::Live => {
                self.figures.viewers_wait_ms_max = self.figures.viewers_wait_ms_max.max(waited);
                let stays = self.chance.between(10_000, 120_000);
                self.later(stays, Event::ViewerGoes(id));
            }
            Class::Asked => {
                self.figures.jobs_wait_ms_max = self.figures.jobs_wait_ms_max.max(waited);
                self.begin_part(id);
            }
            Class::Background | Class::Urgent => self.begin_part(id),
        }
    }

    fn refused(&mut self, id: UseId, work: Work) {
        self.figures.refusals += 1;
        let lower = self.on_recorder(|class| class < work.class) > 0;
        let again = self.budget.refused(id, self.at());
        self.work.remove(&id);
        match work.class {
            Class::Live if again => {
                self.work.insert(id, work);
                self.later(300, Event::AskAgain(id));
            }
            Class::Live => {
                self.figures.viewers_refused += 1;
                self.figures.avoidable += u64::from(lower);
            }
            Class::Asked => self
                .jobs_waiting
                .insert(0, (work.asked_at, work.parts_left)),
            Class::Background | Class::Urgent => {}
        }
    }

    fn begin_part(&mut self, id: UseId) {
        let ms = self.chance.between(5_000, 40_000);
        let now = self.now;
        self.work
            .entry(id)
            .and_modify(|work| (work.part_began, work.part_ms) = (now, ms));
        self.later(ms, Event::PartEnds(id));
    }

    fn part_ends(&mut self, id: UseId) {
        let Some(work) = self.work.get_mut(&id) else {
            return;
        };
        if work.part_began + work.part_ms != self.now {
            return; // of a part that was broken off
        }
        work.parts_left -= 1;
        if work.parts_left == 0 || work.leaves {
            self.later(ANSWER_MS, Event::LetGo(id));
        } else {
            self.begin_part(id);
        }
    }

    fn measure(&mut self, until: i64) {
        let live = self.on_recorder(|class| class == Class::Live);
        let asked = self.on_recorder(|class| class == Class::Asked);
        let possible = (self.recorder.streams - self.others)
            .saturating_sub(live)
            .min(DOWNLOADS_MAX)
            .saturating_sub(asked);
        let passed = until - self.now;
        self.figures.possible_ms += possible as i64 * passed;
        let background = self.on_recorder(|class| class == Class::Background);
        self.figures.background_ms += background as i64 * passed;
    }

    fn step(&mut self, at: i64, event: Event) {
        self.measure(at);
        self.now = at;
        match event {
            Event::ViewerComes => {
                self.figures.viewers += 1;
                self.ask(Class::Live, 0, at);
                let ms = self.chance.between(20_000, 240_000);
                self.later(ms, Event::ViewerComes);
            }
            Event::JobComes => {
                self.figures.jobs += 1;
                let parts = self.chance.between(1, 4) as u8;
                self.jobs_waiting.push((at, parts));
                let ms = self.chance.between(60_000, 600_000);
                self.later(ms, Event::JobComes);
            }
            Event::OtherComes => self.other_waits = true,
            Event::OtherGoes => {
                self.others -= 1;
                let ms = self.chance.between(1_800_000, 5_400_000);
                self.later(ms, Event::OtherComes);
            }
            Event::Answer(id) => self.answer(id),
            Event::PartEnds(id) => self.part_ends(id),
            Event::GraceEnds(id) => {
                if let Some(work) = self.work.get_mut(&id)
                    && work.on_recorder
                    && work.part_began + work.part_ms > at
                {
                    work.part_ms = -1;
                    self.later(ANSWER_MS, Event::LetGo(id));
                }
            }
            Event::LetGo(id) | Event::ViewerGoes(id) => {
                if let Some(work) = self.work.remove(&id)
                    && work.class == Class::Asked
                    && work.parts_left > 0
                {
                    self.jobs_waiting.insert(0, (at, work.parts_left));
                }
                self.budget.ended(id);
            }
            Event::AskAgain(id) => {
                let work = self.work.remove(&id).unwrap();
                self.ask(Class::Live, 0, work.asked_at);
            }
            Event::Look => {}
        }
        if self.other_waits && !self.is_full() {
            (self.other_waits, self.others) = (false, self.others + 1);
            let ms = self.chance.between(1_200_000, 3_600_000);
            self.later(ms, Event::OtherGoes);
        }
        self.decide();
        self.plan();
        let (held, limit) = (self.budget.held(), self.budget.learnt.limit());
        assert!(
            limit.is_none_or(|limit| held <= limit + 1),
            "{held} of {limit:?}"
        );
        let lower = self.on_recorder(|class| class < Class::Live) > 0;
        let kept_waiting = self.work.values().filter(|work| {
            work.class == Class::Live
                && !work.on_recorder
                && at - work.asked_at > KEPT_WAITING_MS
                && lower
        });
        self.figures.avoidable += kept_waiting.count() as u64;
    }

    fn run(recorder: Recorder, seed: u64) -> Figures {
        let mut world = World {
            chance: Chance(seed),
            recorder,
            others: 0,
            other_waits: false,
            budget: Budget::new(DOWNLOADS_MAX),
            now: 0,
            wake: 0,
            events: BTreeSet::new(),
            order: 0,
            work: BTreeMap::new(),
            jobs_waiting: Vec::new(),
            figures: Figures::default(),
            next: 0,
        };
        for event in [Event::ViewerComes, Event::JobComes] {
            world.later(30_000, event);
        }
        if recorder.is_shared {
            world.later(1_000_000, Event::OtherComes);
        }
        world.plan();
        while let Some((at, _, event)) = world.events.pop_first() {
            if at > HOURS * 3_600_000 {
                break;
            }
            world.step(at, event);
        }
        world.figures
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs the seeds of one kind of recorder and prints what came of them: all together, and the least share of one.
fn all_seeds(recorder: Recorder) -> (Figures, f64) {
    let (first, seeds) = (number("HOLDFAST_SEED", 1), number("HOLDFAST_SEEDS", 8));
    let (mut all, mut least) = (Figures::default(), f64::INFINITY);
    for seed in first..first + seeds {
        let one = World::run(recorder, seed);
        assert_eq!(
            one.avoidable, 0,
            "HOLDFAST_SEED={seed} {recorder:?} {one:?}"
        );
        assert!(
            one.viewers > 50 && one.jobs > 20,
            "nothing happened: {one:?}"
        );
        least = least.min(one.share());
        all.add(&one);
    }
    let Recorder {
        streams,
        refuses_percent,
        is_shared,
    } = recorder;
    println!(
        "{streams:2} streams, {refuses_percent:2} % refused by chance, others use it: {is_shared:5}; {seeds} seeds from \
         {first}, {HOURS} h each: background {:.1} % of what was left (least {:.1} %); viewers {} (refused {}, \
         avoidably {}, longest wait {} ms); jobs {} (longest wait {} s); refusals by the recorder {}; gave way {}",
        all.share() * 100.0,
        least * 100.0,
        all.viewers,
        all.viewers_refused,
        all.avoidable,
        all.viewers_wait_ms_max,
        all.jobs,
        all.jobs_wait_ms_max / 1_000,
        all.refusals,
        all.gave_way,
    );
    (all, least)
}

#[test]
fn people_are_not_refused_and_the_background_uses_what_is_left() {
    for streams in [1, 2, 10] {
        for refuses_percent in [0, 10] {
            let (all, least) = all_seeds(Recorder {
                streams,
                refuses_percent,
                is_shared: false,
            });
            assert!(least >= 0.9, "{all:?}");
            // There is something to see only where people and the background came into each other's way.
            assert!(all.gave_way > 0 && all.refusals > 0, "{all:?}");
        }
    }
}

/// Streams that other people take and leave are noticed by trying, which is slow on purpose.
#[test]
fn what_other_people_leave_is_found_again() {
    for streams in [1, 2, 10] {
        let (all, _) = all_seeds(Recorder {
            streams,
            refuses_percent: 2,
            is_shared: true,
        });
        assert!(all.share() >= 0.9, "{all:?}");
    }
}
