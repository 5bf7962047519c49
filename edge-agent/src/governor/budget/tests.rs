use proptest::prelude::*;

use super::super::limit::{MOOD, PROBE_MAX};
use super::*;

const OPEN: Window = Ok(());

fn at(ms: i64) -> UtcTime {
    UtcTime::from_micros(ms * 1_000)
}

/// A budget whose recorder bears so many of the background, which run.
fn full(running: u64, downloads_max: usize) -> Budget {
    let mut budget = Budget::new(downloads_max);
    for n in 0..running {
        budget.ask(UseId(n), Class::Background);
        assert_eq!(budget.decide(at(0), OPEN), [Decision::Begin(UseId(n))]);
        budget.accepted(UseId(n), at(0));
    }
    budget
}

/// The same at its limit.
fn limited(running: u64) -> Budget {
    let mut budget = full(running, 9);
    for ms in [-2_000, 0] {
        budget.ask(UseId(99), Class::Background);
        assert_eq!(budget.decide(at(ms), OPEN), [Decision::Begin(UseId(99))]);
        assert!(budget.refused(UseId(99), at(ms)), "nothing was known");
    }
    assert_eq!(budget.usage(at(0), OPEN).limit, Some(running as usize));
    budget
}

#[test]
fn a_viewer_takes_the_place_of_what_began_last() {
    let mut budget = limited(2);
    budget.ask(UseId(100), Class::Live);
    let soon = at(1_000 + GRACE_LIVE.as_millis() as i64);
    assert_eq!(
        budget.decide(at(1_000), OPEN),
        [Decision::GiveWay(UseId(1), soon)]
    );
    assert_eq!(budget.decide(at(1_500), OPEN), [], "one is enough");
    // Nobody slips in between.
    budget.ask(UseId(101), Class::Background);
    assert_eq!(
        budget.decide(at(1_600), OPEN),
        [Decision::NotNow(UseId(101))]
    );
    budget.ended(UseId(1));
    assert_eq!(
        budget.decide(at(1_700), OPEN),
        [Decision::Begin(UseId(100))]
    );
}

#[test]
fn what_is_about_to_be_overwritten_waits_for_no_time_of_day_and_gives_way_last_of_the_background() {
    let mut budget = full(1, 3);
    let closed = Err(at(9_000_000));
    budget.ask(UseId(10), Class::Background);
    budget.ask(UseId(11), Class::Urgent);
    let decisions = budget.decide(at(0), closed);
    assert!(
        decisions.contains(&Decision::NotNow(UseId(10))),
        "{decisions:?}"
    );
    assert!(
        decisions.contains(&Decision::Begin(UseId(11))),
        "{decisions:?}"
    );
    budget.accepted(UseId(11), at(0));
    let places = budget.places(at(0), closed);
    assert_eq!((places.background, places.urgent), (0, 3));
    assert_eq!(budget.usage(at(0), OPEN).background, 2);
    // A third is refused, and once more: two is the limit. Two viewers come; the ordinary one goes first.
    for (id, ms) in [(12, 1), (13, 1 + MOOD.as_millis() as i64)] {
        budget.ask(UseId(id), Class::Urgent);
        assert_eq!(budget.decide(at(ms), OPEN), [Decision::Begin(UseId(id))]);
        assert!(budget.refused(UseId(id), at(ms)), "no limit was known");
    }
    assert_eq!(budget.usage(at(3_000), OPEN).limit, Some(2));
    for (viewer, goes) in [(100, 0), (101, 11)] {
        budget.ask(UseId(viewer), Class::Live);
        let decisions = budget.decide(at(3_000), OPEN);
        assert!(
            decisions
                .iter()
                .any(|d| matches!(d, Decision::GiveWay(UseId(id), _) if *id == goes)),
            "{decisions:?}"
        );
    }
}

#[test]
fn the_background_goes_before_what_people_asked_for() {
    let mut budget = limited(2);
    budget.promote(UseId(1));
    for (viewer, goes) in [(100, 0), (101, 1)] {
        budget.ask(UseId(viewer), Class::Live);
        let decisions = budget.decide(at(0), OPEN);
        assert!(
            matches!(decisions[..], [Decision::GiveWay(UseId(id), _)] if id == goes),
            "{decisions:?}"
        );
    }
    // The next finds nobody who could go: it asks the recorder itself, one at a time.
    budget.ended(UseId(0));
    budget.ended(UseId(1));
    assert_eq!(budget.decide(at(0), OPEN).len(), 2);
    budget.accepted(UseId(100), at(0));
    budget.accepted(UseId(101), at(0));
    budget.ask(UseId(102), Class::Live);
    budget.ask(UseId(103), Class::Live);
    assert_eq!(budget.decide(at(1), OPEN), [Decision::Begin(UseId(102))]);
    assert!(
        !budget.refused(UseId(102), at(2)),
        "nobody can give way: that is the answer"
    );
    assert_eq!(budget.decide(at(3), OPEN), [Decision::Begin(UseId(103))]);
}

#[test]
fn a_viewer_shortens_the_time_that_was_given_for_less() {
    let mut budget = limited(1);
    budget.ask(UseId(100), Class::Asked);
    let decisions = budget.decide(at(0), OPEN);
    assert_eq!(decisions, [Decision::GiveWay(UseId(0), at(20_000))]);
    budget.ask(UseId(101), Class::Live);
    let decisions = budget.decide(at(1_000), OPEN);
    // The place that comes is the viewer's; nothing else is left that could go for the download.
    assert_eq!(
        decisions,
        [
            Decision::GiveWay(UseId(0), at(3_000)),
            Decision::NotNow(UseId(100))
        ]
    );
}

#[test]
fn a_refused_viewer_asks_again_once_the_background_has_gone() {
    let mut budget = full(2, 9);
    // At once, since it may have been a mood; then two of the background run and one of them can go.
    for (id, ms) in [(100, 0), (101, 1)] {
        budget.ask(UseId(id), Class::Live);
        assert_eq!(budget.decide(at(ms), OPEN), [Decision::Begin(UseId(id))]);
        assert!(budget.refused(UseId(id), at(ms)));
    }
    budget.ask(UseId(102), Class::Live);
    let decisions = budget.decide(at(2), OPEN);
    assert!(
        matches!(decisions[..], [Decision::GiveWay(UseId(1), _)]),
        "{decisions:?}"
    );
}

#[test]
fn a_download_that_a_person_asked_for_goes_before_the_background_but_not_before_viewers() {
    let mut budget = full(1, 1);
    budget.ask(UseId(100), Class::Asked);
    let by = at(GRACE_ASKED.as_millis() as i64);
    assert_eq!(
        budget.decide(at(0), OPEN),
        [Decision::GiveWay(UseId(0), by)]
    );
    let mut watched = Budget::new(1);
    watched.ask(UseId(1), Class::Live);
    watched.decide(at(0), OPEN);
    watched.accepted(UseId(1), at(0));
    for ms in [-2_000, 0] {
        watched.ask(UseId(2), Class::Background);
        watched.decide(at(ms), OPEN);
        watched.refused(UseId(2), at(ms));
    }
    watched.ask(UseId(3), Class::Asked);
    assert_eq!(watched.decide(at(0), OPEN), [Decision::NotNow(UseId(3))]);
    assert_eq!(
        watched.usage(at(0), OPEN).background_waits,
        Some(Wait::People)
    );
    let places = watched.places(at(0), OPEN);
    assert_eq!((places.asked, places.again_at), (0, Some(at(15_000))));
}

#[test]
fn outside_its_time_of_day_the_background_goes_and_people_stay() {
    let mut budget = full(2, 3);
    budget.promote(UseId(0));
    let shut = Err(at(9_000_000));
    let by = at(GRACE_WINDOW.as_millis() as i64);
    assert_eq!(
        budget.decide(at(0), shut),
        [Decision::GiveWay(UseId(1), by)]
    );
    budget.ask(UseId(9), Class::Background);
    assert_eq!(budget.decide(at(0), shut), [Decision::NotNow(UseId(9))]);
    let usage = budget.usage(at(0), shut);
    assert_eq!(usage.background_waits, Some(Wait::Window(at(9_000_000))));
    assert_eq!(budget.places(at(0), shut).background, 0);
}

#[test]
fn nobody_takes_the_place_of_a_viewer_who_asks_again() {
    let mut budget = limited(1);
    budget.ended(UseId(0));
    budget.ask(UseId(100), Class::Live);
    assert_eq!(budget.decide(at(0), OPEN), [Decision::Begin(UseId(100))]);
    assert!(budget.refused(UseId(100), at(0)), "it may be a mood");
    for (id, class) in [(101, Class::Background), (102, Class::Asked)] {
        let places = budget.places(at(100), OPEN);
        assert_eq!((places.asked, places.background), (0, 0));
        assert_eq!(places.again_at, Some(at(1_000)));
        budget.ask(UseId(id), class);
        let decisions = budget.decide(at(100), OPEN);
        assert_eq!(decisions, [Decision::NotNow(UseId(id))]);
    }
    budget.ask(UseId(103), Class::Live);
    assert_eq!(budget.decide(at(300), OPEN), [Decision::Begin(UseId(103))]);
    // He may also have gone.
    let mut left = limited(1);
    left.ended(UseId(0));
    left.ask(UseId(100), Class::Live);
    left.decide(at(0), OPEN);
    left.refused(UseId(100), at(0));
    assert_eq!(left.places(at(1_000), OPEN).background, 1);
}

/// Others, or chance, may have been refused a moment before: that is no answer to a person.
#[test]
fn a_viewer_is_refused_only_by_a_limit_that_was_known() {
    let mut budget = full(2, 9);
    budget.ended(UseId(0));
    budget.ended(UseId(1));
    budget.ask(UseId(2), Class::Background);
    budget.decide(at(0), OPEN);
    budget.refused(UseId(2), at(0));
    for (id, again) in [(100, true), (101, false)] {
        budget.ask(UseId(id), Class::Live);
        assert_eq!(budget.decide(at(1), OPEN), [Decision::Begin(UseId(id))]);
        assert_eq!(budget.refused(UseId(id), at(1)), again);
    }
}

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ask(Class),
    /// The recorder answers the n-th that waits for its answer.
    Answer(usize, bool),
    /// The n-th that holds a place ends.
    End(usize),
    Promote(usize),
    Pass(i64),
    Window(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let class = prop::sample::select(vec![
        Class::Live,
        Class::Asked,
        Class::Urgent,
        Class::Background,
    ]);
    let step = prop_oneof![
        4 => class.prop_map(Step::Ask),
        4 => (0usize..8, prop::bool::weighted(0.7)).prop_map(|(n, yes)| Step::Answer(n, yes)),
        2 => (0usize..8).prop_map(Step::End),
        1 => (0usize..8).prop_map(Step::Promote),
        2 => (0i64..60_000).prop_map(Step::Pass),
        1 => prop::bool::ANY.prop_map(Step::Window),
    ];
    prop::collection::vec(step, 1..120)
}

fn nth(budget: &Budget, n: usize, wanted: impl Fn(&Use) -> bool) -> Option<UseId> {
    let ids: Vec<UseId> = budget
        .uses
        .iter()
        .filter(|(_, one)| wanted(one))
        .map(|(id, _)| *id)
        .collect();
    (!ids.is_empty()).then(|| ids[n % ids.len()])
}

proptest! {
    #[test]
    fn whatever_happens(steps in steps(), downloads_max in 1usize..5) {
        let mut budget = Budget::new(downloads_max);
        let (mut now, mut next, mut window) = (at(0), 0, OPEN);
        for step in steps {
            match step {
                Step::Ask(class) => {
                    budget.ask(UseId(next), class);
                    next += 1;
                }
                Step::Answer(n, yes) => {
                    let Some(id) = nth(&budget, n, |one| one.phase == Phase::Begun) else { continue };
                    let one = budget.uses[&id];
                    if yes {
                        budget.accepted(id, now);
                        let runs = budget.count(|one| one.phase == Phase::Runs);
                        prop_assert!(budget.learnt.for_people() >= runs, "what runs is within the limit");
                    } else {
                        // Nobody gives way to what is urgent: it is of the background.
                        let lower = one.class >= Class::Asked
                            && budget.uses.iter().any(|(other, o)| *other != id && o.is_held() && o.class < one.class);
                        prop_assert!(budget.refused(id, now) || !lower, "told to give up although somebody could give way");
                    }
                }
                Step::End(n) => {
                    let Some(id) = nth(&budget, n, Use::is_held) else { continue };
                    budget.ended(id);
                }
                Step::Promote(n) => {
                    let Some(id) = nth(&budget, n, Use::is_held) else { continue };
                    budget.promote(id);
                }
                Step::Pass(ms) => now = now.plus_ms(ms),
                Step::Window(open) => window = if open { OPEN } else { Err(now.plus_s(3_600)) },
            }
            let before = budget.clone();
            let decisions = budget.decide(now, window);

            // Never more than is known, but for one try at a time, and the background tries only when it is due.
            let (held, limit) = (budget.held(), budget.learnt.for_people());
            let asking = budget.count(|one| one.phase == Phase::Begun);
            prop_assert!(held <= limit || held - limit <= asking);
            for decision in &decisions {
                let Decision::Begin(id) = decision else { continue };
                let begun = budget.uses[id];
                if before.held() >= limit {
                    prop_assert!(asking == 1, "one try at a time");
                }
                if begun.class < Class::Asked {
                    prop_assert!(window.is_ok() || begun.class == Class::Urgent, "outside its time of day");
                    let due = budget.learnt.probe_at().is_some_and(|due| due <= now);
                    prop_assert!(held <= limit || due);
                    // Whoever is greater has been served.
                    prop_assert!(!budget.uses.values().any(|o| o.phase == Phase::Waiting && o.class > begun.class));
                }
            }
            // Only lower work gives way, and only to people who wait or to the time of day.
            let highest = before.uses.values().filter(|one| one.phase == Phase::Waiting).map(|one| one.class).max();
            for decision in &decisions {
                let Decision::GiveWay(id, _) = decision else { continue };
                let one = before.uses[id];
                prop_assert!(one.class < Class::Live);
                // What goes already may be told to go sooner, also for its like.
                let may_like = one.gives_way.is_some();
                let is_lower = highest.is_some_and(|h| one.class < h || (may_like && one.class == h));
                prop_assert!(is_lower || window.is_err());
            }
            // The limit of settings is kept; promoting does not exceed it either.
            prop_assert!(budget.downloads() <= downloads_max);
            // People wait only for a place that is about to become free, or for the recorder's answer to one of them.
            let waiting = budget.count(|one| one.phase == Phase::Waiting);
            let leaving = budget.count(|one| one.gives_way.is_some());
            prop_assert!(waiting == 0 || leaving > 0 || asking > 0);
            prop_assert!(!budget.uses.values().any(|o| o.phase == Phase::Waiting && o.class < Class::Asked));
            if let Some((_, viewer)) = budget.uses.iter().find(|(_, o)| o.phase == Phase::Waiting && o.class == Class::Live) {
                let could_go = budget.victim(viewer.class).is_some();
                let promised = budget.count(|o| o.phase == Phase::Waiting && o.class >= Class::Asked) <= leaving;
                prop_assert!(!could_go || promised || asking > 0 || leaving > 0);
            }
            // Outside its time of day all of the background is told to go.
            if window.is_err() {
                prop_assert!(budget.uses.values().all(|o| o.class > Class::Background || o.gives_way.is_some()));
            }
            // What a plan is told holds: it does not begin what is sent away at once.
            let places = budget.places(now, window);
            let asked = budget.count(|one| one.class == Class::Asked);
            let all = budget.count(|one| one.class < Class::Live);
            for (class, may) in [(Class::Asked, asked < places.asked), (Class::Urgent, all < places.urgent), (Class::Background, all < places.background)] {
                let (mut then, id) = (budget.clone(), UseId(u64::MAX));
                then.ask(id, class);
                let sent_away = then.decide(now, window).contains(&Decision::NotNow(id));
                prop_assert!(!(may && sent_away), "{class:?} {places:?} {budget:?}");
            }
            // Nothing more to decide: the same question has no further answer.
            prop_assert_eq!(budget.decide(now, window), []);
        }

        // Once people are gone and the recorder accepts everything, the background gets all its places again.
        let ids: Vec<UseId> = budget.uses.keys().copied().collect();
        ids.into_iter().for_each(|id| budget.ended(id));
        let end = now.plus_s((1 + downloads_max as i64) * PROBE_MAX.as_secs() as i64);
        while budget.downloads() < downloads_max {
            prop_assert!(now <= end, "starved: {budget:?}");
            let id = UseId(next);
            next += 1;
            budget.ask(id, Class::Background);
            if budget.decide(now, OPEN) == [Decision::Begin(id)] {
                budget.accepted(id, now);
            } else {
                let again = budget.places(now, OPEN).again_at;
                prop_assert!(again.is_some_and(|at| at > now), "nothing to wait for: {budget:?}");
                now = again.unwrap();
            }
        }
    }
}
