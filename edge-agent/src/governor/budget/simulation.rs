//! Recorders with 1, 2 and 10 streams that also refuse by chance, people who come and go, and a background without end:
//! hours of it, from a seed. Time is simulated, so it takes a moment.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Simulated time of one run.
const HOURS: i64 = 12;
/// How long a recorder takes to answer, and to let go of a stream, in ms.
const ANSWER_MS: i64 = 300;

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

/// One use in this world.
#[derive(Debug, Clone, Copy)]
struct Work {
    class: Class,
    asked_at: i64,
    on_recorder: bool,
    /// Lengths of parts that are still to be fetched, in ms.
    parts_left: u8,
    part_began: i64,
    part_ms: i64,
    leaves: bool,
}

#[derive(Debug, Default)]
struct Figures {
    viewers: u64,
    viewers_refused: u64,
    refused_although_avoidable: u64,
    jobs: u64,
    jobs_wait_ms_max: i64,
    viewers_wait_ms_max: i64,
    refusals: u64,
    /// Place-milliseconds that the background had and could have had.
    background_ms: i64,
    possible_ms: i64,
    fetched_ms: i64,
    needed_ms: i64,
}

struct World {
    chance: Chance,
    streams: usize,
    refuses_percent: u64,
    downloads_max: usize,
    budget: Budget,
    now: i64,
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

    fn ask(&mut self, class: Class, parts: u8, asked_at: i64) -> UseId {
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
        id
    }

    fn on_recorder(&self, wanted: impl Fn(Class) -> bool) -> usize {
        self.work
            .values()
            .filter(|w| w.on_recorder && wanted(w.class))
            .count()
    }

    /// As the pipeline does it: people's jobs first, then the background, as far as there are places.
    fn plan(&mut self) {
        loop {
            let places = self.budget.places(self.at(), Ok(()));
            let asked = self
                .work
                .values()
                .filter(|w| w.class == Class::Asked)
                .count();
            let all = self.work.values().filter(|w| w.class < Class::Live).count();
            if asked < places.asked && !self.jobs_waiting.is_empty() {
                let (since, parts) = self.jobs_waiting.remove(0);
                self.ask(Class::Asked, parts, since);
            } else if all < places.background {
                let parts = self.chance.between(1, 5) as u8;
                self.ask(Class::Background, parts, self.now);
            } else {
                return;
            }
            if !self.decide() {
                return;
            }
        }
    }

    /// False: something was sent away.
    fn decide(&mut self) -> bool {
        let mut all_served = true;
        for decision in self.budget.decide(self.at(), Ok(())) {
            match decision {
                Decision::Begin(id) => self.later(ANSWER_MS, Event::Answer(id)),
                Decision::GiveWay(id, by) => {
                    self.work.entry(id).and_modify(|w| w.leaves = true);
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
        if self.on_recorder(|_| true) >= self.streams || self.chance.percent(self.refuses_percent) {
            self.figures.refusals += 1;
            let avoidable = self.on_recorder(|class| class < Class::Asked) > 0;
            let again = self.budget.refused(id, self.at());
            self.work.remove(&id);
            match work.class {
                Class::Live if again => {
                    self.work.insert(id, work);
                    self.later(500, Event::AskAgain(id));
                }
                Class::Live => {
                    self.figures.viewers_refused += 1;
                    self.figures.refused_although_avoidable += u64::from(avoidable);
                }
                Class::Asked => self
                    .jobs_waiting
                    .insert(0, (work.asked_at, work.parts_left)),
                Class::Background | Class::Urgent => {}
            }
            return;
        }
        self.work.entry(id).and_modify(|w| w.on_recorder = true);
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

    fn begin_part(&mut self, id: UseId) {
        let ms = self.chance.between(5_000, 40_000);
        let now = self.now;
        self.work
            .entry(id)
            .and_modify(|w| (w.part_began, w.part_ms) = (now, ms));
        self.later(ms, Event::PartEnds(id));
    }

    fn part_ends(&mut self, id: UseId) {
        let Some(work) = self.work.get_mut(&id) else {
            return;
        };
        if work.part_began + work.part_ms != self.now {
            return; // an event of a part that was broken off
        }
        work.parts_left -= 1;
        self.figures.fetched_ms += work.part_ms;
        self.figures.needed_ms += work.part_ms;
        if work.parts_left == 0 || work.leaves {
            self.later(ANSWER_MS, Event::LetGo(id));
        } else {
            self.begin_part(id);
        }
    }

    fn step(&mut self, at: i64, event: Event) {
        let live = self.on_recorder(|class| class == Class::Live);
        let asked = self.on_recorder(|class| class == Class::Asked);
        let possible = self
            .streams
            .saturating_sub(live)
            .min(self.downloads_max)
            .saturating_sub(asked);
        let passed = at - self.now;
        self.figures.possible_ms += possible as i64 * passed;
        self.figures.background_ms += self.on_recorder(|c| c == Class::Background) as i64 * passed;
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
            Event::Answer(id) => self.answer(id),
            Event::PartEnds(id) => self.part_ends(id),
            Event::GraceEnds(id) => {
                if let Some(work) = self.work.get_mut(&id)
                    && work.on_recorder
                    && work.part_began + work.part_ms > at
                {
                    self.figures.fetched_ms += at - work.part_began;
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
            Event::Look => self.later(1_000, Event::Look),
        }
        self.decide();
        self.plan();
        let (held, limit) = (self.budget.held(), self.budget.learnt.limit());
        assert!(
            limit.is_none_or(|limit| held <= limit + 1),
            "{held} of {limit:?}"
        );
    }

    fn run(streams: usize, refuses_percent: u64, seed: u64) -> Figures {
        let downloads_max = 10;
        let mut world = World {
            chance: Chance(seed),
            streams,
            refuses_percent,
            downloads_max,
            budget: Budget::new(downloads_max),
            now: 0,
            events: BTreeSet::new(),
            order: 0,
            work: BTreeMap::new(),
            jobs_waiting: Vec::new(),
            figures: Figures::default(),
            next: 0,
        };
        for event in [Event::Look, Event::ViewerComes, Event::JobComes] {
            world.later(30_000, event);
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

#[test]
fn people_are_not_refused_and_the_background_uses_what_is_left() {
    let seed: u64 = std::env::var("HOLDFAST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    println!("HOLDFAST_SEED={seed}, {HOURS} h each");
    for (streams, percent) in [(1, 0), (1, 10), (2, 0), (2, 10), (10, 0), (10, 10)] {
        let it = World::run(streams, percent, seed);
        let share = it.background_ms as f64 / it.possible_ms as f64;
        let fetched = it.fetched_ms as f64 / it.needed_ms as f64;
        println!(
            "{streams:2} streams, {percent:2} % refused by chance: background {:.1} % of what the limit allows; \
             viewers {} (refused {}, avoidably {}, longest wait {} ms); jobs {} (longest wait {} ms); \
             refusals by the recorder {}; fetched/needed {fetched:.3}",
            share * 100.0,
            it.viewers,
            it.viewers_refused,
            it.refused_although_avoidable,
            it.viewers_wait_ms_max,
            it.jobs,
            it.jobs_wait_ms_max,
            it.refusals,
        );
        assert_eq!(it.refused_although_avoidable, 0);
        assert!(share >= 0.9, "{share}");
        assert!(it.viewers > 200 && it.jobs > 80);
    }
}
