//! Power cuts and broken disks (S6, rig a): a life of the box on the rig of `tests/src/power_cut/`, cut off after every
//! operation in every way that a disk may show afterwards, and disturbed at every call.
//!
//! What lives is the catalog and the footage as the agent uses them, SQLite included; what judges is a fresh start as
//! `agent.rs` makes it, the invariants, and everything that had been told before the cut. `make torture-storage` runs
//! it long, `cargo test` short.

mod campaign;
mod disturbed;
mod facts;
mod judge;
mod life;

use tests::power_cut::{Disk, Log, Op, Plan, Promise, Rig, Trouble, fast_folder, why_not};
use tests::seed::Seed;

use self::facts::{Fact, Known};
use self::judge::{Cuts, Tally};
use self::life::Life;

/// What was lived: what was done, and what was told.
struct Lived {
    log: Log,
    facts: Vec<Fact>,
    clock: base::clock::Clock,
}

/// How a life goes before the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing happens to it.
    Calm,
    /// Now and then a call is refused or the agent is killed there, and life goes on on what is in the caches.
    Stopped,
}

/// Lives at least so many steps on the rig, from the first start on, and until something is held: of the end of a life
/// that holds nothing, nothing could be lost.
async fn live(seed: u64, steps: u32, how: Manner) -> Lived {
    let dir = fast_folder().unwrap();
    let rig = Rig::mount(&dir.path().join("behind"), &dir.path().join("disk"), true).unwrap();
    let mut life = Life::new(rig.path(), seed);
    life::before_the_upgrade(rig.path()).unwrap();
    let (mut chance, mut facts) = (Seed::of(!seed), Vec::new());
    let mut known = Known::default();
    for step in 0.. {
        if step >= steps && known.held().next().is_some() {
            break;
        }
        let mut tell = |fact| {
            known.learn(&fact);
            facts.push(fact);
            rig.mark(facts.len() as u64 - 1);
        };
        if how == Manner::Calm || step < 4 || chance.below(3) > 0 {
            if let Err(error) = life.step(&mut tell).await {
                // A refusal before may still be felt; a fresh start never is in vain.
                assert_eq!(how, Manner::Stopped, "seed {seed}, step {step}: {error:#}");
                life.stop();
            }
            continue;
        }
        let kill = chance.below(2) == 0;
        rig.arm(Plan {
            trouble: Trouble::Io,
            after: chance.below(60),
            // A killed agent does nothing more; to a refused one it happens once.
            times: if kill { u64::MAX } else { 1 },
            below: None,
            spare: Some("-shm".to_owned()),
        });
        // That it fails is what is wanted.
        drop(life.step(&mut tell).await);
        if kill {
            life.stop();
        }
        rig.heal();
    }
    life.stop();
    let lived = Lived {
        log: rig.take_log(),
        facts,
        clock: life.clock().clone(),
    };
    rig.unmount().unwrap();
    lived
}

fn cuts(lived: &Lived, promise: Promise, ways: u64, seed: u64) -> Cuts<'_> {
    Cuts {
        one_of: 1,
        log: &lived.log,
        facts: &lived.facts,
        promise,
        ways,
        seed,
        clock: lived.clock.clone(),
        known: Known::default(),
    }
}

/// Both promises of file systems: those that order their changes, and those that keep to the letter.
const PROMISES: [Promise; 2] = [Promise::Ordered, Promise::Letter];

/// Says on standard error why a rig is left out on this machine; true when it is.
fn left_out(what: &str) -> bool {
    match why_not() {
        Some(why) => {
            eprintln!("LEFT OUT: {what}: {why}");
            true
        }
        None => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cut_loses_what_was_told() {
    if left_out("power cuts at every operation") {
        return;
    }
    let seed = Seed::new().next_u64();
    let mut tally = Tally::default();
    for how in [Manner::Calm, Manner::Stopped] {
        let lived = live(seed, 16, how).await;
        for promise in PROMISES {
            let sample = Cuts {
                one_of: 24,
                ..cuts(&lived, promise, 2, seed)
            };
            tally.add(sample.judge().await);
        }
    }
    println!("{tally}");
    tally.assert_right();
    assert!(tally.held > 0, "nothing was ever held");
}

/// A judge that sees nothing would find nothing wrong: what was recorded is bent as if the agent were careless, and each
/// way must be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judge_sees_each_carelessness() {
    if left_out("the sight of the power cut rig") {
        return;
    }
    let lived = live(7, 40, Manner::Calm).await;
    let names = Names::of(&lived.log);
    type Forgotten = fn(&Names, &Op) -> bool;
    let careless: [(&str, Promise, Forgotten); 4] = [
        (
            "media is not synced",
            Promise::Ordered,
            |names, op| matches!(op, Op::Sync { ino } if names.ends_with(*ino, ".mp4")),
        ),
        (
            "the journal of the catalog is not synced",
            Promise::Ordered,
            |names, op| matches!(op, Op::Sync { ino } if names.ends_with(*ino, "-wal")),
        ),
        (
            "folders are not synced",
            Promise::Letter,
            |names, op| matches!(op, Op::Sync { ino } if names.is_folder(*ino)),
        ),
        (
            "descriptions are not written",
            Promise::Ordered,
            |names, op| matches!(op, Op::Write { ino, .. } if names.ends_with(*ino, "sidecar.json")),
        ),
    ];
    for (what, promise, forgotten) in careless {
        let mut bent = Lived {
            log: lived.log.clone(),
            facts: lived.facts.clone(),
            clock: lived.clock.clone(),
        };
        bent.log.ops.retain(|op| !forgotten(&names, op));
        // The beginning is as good as it was; one cut in the middle of it all shows enough.
        bent.log.prelude = bent.log.ops.len().saturating_sub(40);
        let tally = cuts(&bent, promise, 2, 7).judge().await;
        println!(
            "{what}: {} violations of {} disks",
            tally.violations, tally.disks
        );
        assert!(tally.violations > 0, "{what}, and nobody saw it");
    }
}

/// What each number of a log was called first, and whether it is a folder.
struct Names(std::collections::HashMap<tests::power_cut::Ino, (String, bool)>);

impl Names {
    fn of(log: &Log) -> Self {
        let named = log.ops.iter().filter_map(|op| match op {
            Op::Create {
                ino,
                name,
                is_folder,
                ..
            } => Some((*ino, (name.clone(), *is_folder))),
            _ => None,
        });
        Self(named.collect())
    }

    fn ends_with(&self, ino: tests::power_cut::Ino, ending: &str) -> bool {
        self.0
            .get(&ino)
            .is_some_and(|(name, _)| name.ends_with(ending))
    }

    fn is_folder(&self, ino: tests::power_cut::Ino) -> bool {
        self.0.get(&ino).is_none_or(|(_, is_folder)| *is_folder)
    }
}

/// The start after a cut is cut off itself: so many cuts of a life, and of each start that followed all of them.
async fn cut_twice(lived: &Lived, seed: u64, first_cuts: usize, ways: u64) -> Tally {
    let mut chance = Seed::of(seed);
    let mut tally = Tally::default();
    for _ in 0..first_cuts {
        let at = chance.below(lived.log.ops.len() as u64) as usize;
        let promise = PROMISES[chance.below(2) as usize];
        let (mut disk, mut known) = (Disk::new(promise), Known::default());
        for op in &lived.log.ops[..=at] {
            disk.apply(op);
            if let Op::Mark(fact) = op {
                known.learn(&lived.facts[*fact as usize]);
            }
        }
        let dir = fast_folder().unwrap();
        let behind = dir.path().join("behind");
        disk.cut(tests::power_cut::Cut::Some(chance.next_u64()))
            .write(&behind)
            .unwrap();
        let rig = Rig::mount(&behind, &dir.path().join("disk"), true).unwrap();
        drop(life::Agent::start(rig.path(), lived.clock.clone()).await);
        let log = rig.take_log();
        rig.unmount().unwrap();
        let again = Cuts {
            log: &log,
            facts: &[],
            promise,
            ways,
            one_of: 2,
            seed: chance.next_u64(),
            clock: lived.clock.clone(),
            known,
        };
        tally.add(again.judge().await);
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_while_starting_after_a_cut_loses_nothing_either() {
    if left_out("power cuts of the start after a power cut") {
        return;
    }
    let seed = Seed::new().next_u64();
    let lived = live(seed, 20, Manner::Stopped).await;
    let tally = cut_twice(&lived, seed, 3, 1).await;
    println!("{tally}");
    tally.assert_right();
}

/// A life until something is held, with the rig that it is lived on.
async fn until_held(rig: &Rig, before: impl FnOnce()) -> (Life, Vec<Fact>) {
    let mut life = Life::new(rig.path(), 3);
    life::before_the_upgrade(rig.path()).unwrap();
    life.step(&mut |_| {}).await.unwrap();
    before();
    let mut facts = Vec::new();
    while !facts.iter().any(|fact| matches!(fact, Fact::Held(..))) {
        let mut tell = |fact| {
            facts.push(fact);
            rig.mark(facts.len() as u64 - 1);
        };
        life.step(&mut tell).await.unwrap();
    }
    (life, facts)
}

/// Where folders are durable one by one, those that an agent made that was killed before it had synced them must be synced
/// by the one after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_in_folders_that_a_killed_agent_made_is_durable() {
    if left_out("folders that a killed agent made") {
        return;
    }
    let dir = fast_folder().unwrap();
    let rig = Rig::mount(&dir.path().join("behind"), &dir.path().join("disk"), true).unwrap();
    let cameras = rig.path().join("footage").join("cameras");
    let (mut life, facts) = until_held(&rig, || std::fs::create_dir(cameras).unwrap()).await;
    life.stop();
    let lived = Lived {
        log: rig.take_log(),
        facts,
        clock: life.clock().clone(),
    };
    rig.unmount().unwrap();
    let sample = Cuts {
        one_of: 4,
        ..cuts(&lived, Promise::Letter, 0, 3)
    };
    let tally = sample.judge().await;
    println!("{tally}");
    tally.assert_right();
    assert!(tally.held > 0, "nothing was ever held");
}
