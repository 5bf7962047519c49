//! Pure: when an update that is here, whole, is installed. It costs the site one or two minutes without the box, in which
//! nobody can watch and nothing is fetched.
//!
//! 1. Never while the system that was installed before has not shown that it is well: the other slot is what it would
//!    go back to.
//! 2. A person's "now" goes before everything else.
//! 3. Otherwise in the quiet window, and not without anybody's word where updates are not automatic.
//! 4. Not while people watch, play or download, while a sync or an archive that was asked for is under way, or while
//!    footage that its recorder overwrites soon is not here yet. What else is still to be fetched waits two minutes
//!    without harm, from its journal.
//! 5. After so many days 4. no longer holds: where somebody always watches, the box would never be updated.

use jiff::tz::TimeZone;
use wire::update::{InstallWhen, WaitsFor};

use crate::governor::window::DayWindow;
use crate::model::retention::DAY_MS;
use crate::model::time::UtcTime;

/// What was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Without anybody's word.
    pub automatic: bool,
    /// The quiet window.
    pub window: DayWindow,
    /// The zone it is meant in.
    pub zone: TimeZone,
    /// Days after which quiet is no longer waited for.
    pub at_latest_days: u32,
}

/// What goes on in the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The system that runs has not shown yet that it is well.
    pub is_unjudged: bool,
    /// People who watch live.
    pub viewers: usize,
    /// Somebody plays or downloads footage, or did a moment ago.
    pub footage: bool,
    /// Syncs that people asked for.
    pub syncs: usize,
    /// An archive is being packed.
    pub archive: bool,
    /// When the first footage that is not here yet will be overwritten, where that is soon.
    pub gone_at: Option<UtcTime>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Install it now.
    Install(Because),
    /// Not yet.
    Wait(Wait),
}

/// Why now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// A person said so.
    Asked,
    /// It is the quiet window, and quiet.
    Quiet,
    /// It is the quiet window, and it has waited for quiet long enough.
    Overdue,
}

impl Because {
    /// For the journal.
    pub fn words(self) -> &'static str {
        match self {
            Self::Asked => "a person said now",
            Self::Quiet => "the box is quiet",
            Self::Overdue => "it has waited for quiet as long as it may",
        }
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The system that was installed last is still to show that it is well.
    Judgement,
    /// Nobody said that it is to be installed.
    Person,
    /// The quiet window, which opens then.
    Window(UtcTime),
    /// People watch live.
    Viewers(usize),
    /// People play or download footage.
    Footage,
    /// Syncs that people asked for.
    Syncs(usize),
    /// An archive is being packed.
    Archive,
    /// Footage that will be overwritten then.
    Backlog(UtcTime),
}

/// Decides about a bundle that is here since `since`.
pub fn decide(
    chosen: Option<InstallWhen>,
    since: UtcTime,
    settings: &Settings,
    facts: &Facts,
    now: UtcTime,
) -> Decision {
    if facts.is_unjudged {
        return Decision::Wait(Wait::Judgement);
    }
    if chosen == Some(InstallWhen::Now) {
        return Decision::Install(Because::Asked);
    }
    if chosen.is_none() && !settings.automatic {
        return Decision::Wait(Wait::Person);
    }
    if let Err(opens) = settings.window.look(&settings.zone, now) {
        return Decision::Wait(Wait::Window(opens));
    }
    match busy(facts) {
        None => Decision::Install(Because::Quiet),
        Some(_) if now >= latest(since, settings) => Decision::Install(Because::Overdue),
        Some(wait) => Decision::Wait(wait),
    }
}

/// From when on quiet is no longer waited for.
pub fn latest(since: UtcTime, settings: &Settings) -> UtcTime {
    since.plus_ms(i64::from(settings.at_latest_days).saturating_mul(DAY_MS))
}

/// Who would suffer.
fn busy(facts: &Facts) -> Option<Wait> {
    let one = |there: bool, wait: Wait| there.then_some(wait);
    one(facts.viewers > 0, Wait::Viewers(facts.viewers))
        .or(one(facts.footage, Wait::Footage))
        .or(one(facts.syncs > 0, Wait::Syncs(facts.syncs)))
        .or(one(facts.archive, Wait::Archive))
        .or(facts.gone_at.map(Wait::Backlog))
}

impl Wait {
    /// As others are told.
    pub fn kind(self) -> WaitsFor {
        match self {
            Self::Judgement => WaitsFor::Judgement,
            Self::Person => WaitsFor::Person,
            Self::Window(_) => WaitsFor::Window,
            Self::Viewers(_) => WaitsFor::Viewers,
            Self::Footage => WaitsFor::Footage,
            Self::Syncs(_) => WaitsFor::Sync,
            Self::Archive => WaitsFor::Archive,
            Self::Backlog(_) => WaitsFor::Backlog,
        }
    }

    /// In words.
    pub fn words(self, window: DayWindow) -> String {
        let many = |n: usize, one: &str, more: &str| match n {
            1 => one.to_owned(),
            n => format!("{n} {more}"),
        };
        match self {
            Self::Judgement => {
                "The system that was installed last has not shown yet that it is well.".into()
            }
            Self::Person => "It is installed when you say so.".into(),
            Self::Window(_) => format!("It waits for the quiet window, {window}."),
            Self::Viewers(n) => format!(
                "{} being watched. It waits until nobody watches.",
                many(n, "A live view is", "live views are")
            ),
            Self::Footage => {
                "Somebody plays or downloads footage. It waits until that is over.".into()
            }
            Self::Syncs(n) => format!(
                "{} under way that somebody asked for. It waits until that is over.",
                many(n, "A sync is", "syncs are")
            ),
            Self::Archive => "An archive is being packed. It waits until that is done.".into(),
            Self::Backlog(gone_at) => format!(
                "Footage that its recorder overwrites by {gone_at} is not here yet. It waits until it is."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three weeks of minutes, in a zone of its own.
    fn at(minute: i64) -> UtcTime {
        let noon: UtcTime = "2026-11-03T12:00:00Z".parse().unwrap();
        noon.plus_s(minute * 60)
    }

    fn settings(automatic: bool) -> Settings {
        Settings {
            automatic,
            window: "02:00-05:00".parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            at_latest_days: 7,
        }
    }

    /// 13 hours after noon in UTC it is two in Berlin.
    const OPENS: i64 = 13 * 60;

    #[test]
    fn each_rule_by_itself() {
        let check = |chosen, automatic, minute, facts: Facts, want| {
            let decision = decide(chosen, at(0), &settings(automatic), &facts, at(minute));
            assert_eq!(decision, want, "{chosen:?} {automatic} {minute} {facts:?}");
        };
        use Decision::{Install, Wait as Waits};
        let (now, window) = (Some(InstallWhen::Now), Some(InstallWhen::Window));
        let quiet = Facts::default();
        check(None, true, 0, quiet, Waits(Wait::Window(at(OPENS))));
        check(None, true, OPENS, quiet, Install(Because::Quiet));
        check(None, true, OPENS + 179, quiet, Install(Because::Quiet));
        let next = at(OPENS + 24 * 60);
        check(None, true, OPENS + 180, quiet, Waits(Wait::Window(next)));
        check(None, false, OPENS, quiet, Waits(Wait::Person));
        check(window, false, OPENS, quiet, Install(Because::Quiet));
        check(now, false, 0, quiet, Install(Because::Asked));

        let soon = at(OPENS + 60);
        for (facts, wait) in [
            (
                Facts {
                    viewers: 2,
                    ..quiet
                },
                Wait::Viewers(2),
            ),
            (
                Facts {
                    footage: true,
                    ..quiet
                },
                Wait::Footage,
            ),
            (Facts { syncs: 1, ..quiet }, Wait::Syncs(1)),
            (
                Facts {
                    archive: true,
                    ..quiet
                },
                Wait::Archive,
            ),
            (
                Facts {
                    gone_at: Some(soon),
                    ..quiet
                },
                Wait::Backlog(soon),
            ),
        ] {
            check(None, true, OPENS, facts, Waits(wait));
            check(now, true, 0, facts, Install(Because::Asked));
            let week = 7 * 24 * 60;
            // Overdue, and still only in the window.
            check(
                None,
                true,
                week,
                facts,
                Waits(Wait::Window(at(week + OPENS))),
            );
            check(None, true, week + OPENS, facts, Install(Because::Overdue));
        }
        let judged = Facts {
            is_unjudged: true,
            ..quiet
        };
        for chosen in [None, now, window] {
            check(chosen, true, OPENS, judged, Waits(Wait::Judgement));
        }
    }

    proptest! {
        #[test]
        fn nobody_suffers_and_it_comes_in_the_end(
            chosen in prop_oneof![Just(None), Just(Some(InstallWhen::Now)), Just(Some(InstallWhen::Window))],
            automatic: bool,
            minute in 0i64..21 * 24 * 60,
            viewers in 0usize..3,
            footage: bool,
            syncs in 0usize..2,
            archive: bool,
            gone in proptest::option::of(0i64..360),
            is_unjudged in proptest::bool::weighted(0.1),
        ) {
            let settings = settings(automatic);
            let facts = Facts { is_unjudged, viewers, footage, syncs, archive, gone_at: gone.map(|m| at(minute + m)) };
            let decision = decide(chosen, at(0), &settings, &facts, at(minute));
            let open = settings.window.look(&settings.zone, at(minute)).is_ok();
            let quiet = facts == Facts::default();
            let overdue = minute >= 7 * 24 * 60;
            match decision {
                Decision::Install(because) => {
                    prop_assert!(!is_unjudged);
                    match because {
                        Because::Asked => prop_assert_eq!(chosen, Some(InstallWhen::Now)),
                        Because::Quiet => prop_assert!(open && quiet),
                        Because::Overdue => prop_assert!(open && !quiet && overdue),
                    }
                    prop_assert!(chosen.is_some() || automatic);
                }
                Decision::Wait(wait) => {
                    prop_assert!(chosen != Some(InstallWhen::Now) || is_unjudged);
                    let may = chosen.is_some() || automatic;
                    prop_assert!(!(open && may && !is_unjudged && (quiet || overdue)), "{:?}", wait);
                    prop_assert!(wait.words(settings.window).ends_with('.'));
                }
            }
        }
    }
}
