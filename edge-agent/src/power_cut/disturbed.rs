//! A disk that refuses, at every call: the agent's functions answer with errors that name the place, nothing that was
//! told is lost, and when the disk is well again life goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tests::power_cut::{Call, Plan, Rig, Trouble, fast_folder};
use tests::seed::Seed;

use super::facts::Known;
use super::judge::judge;
use super::left_out;
use super::life::{self, Life};

/// Steps until a fault that nobody meets is given up.
const STEPS_MAX: u32 = 40;
/// Faults between two fresh starts that judge everything.
const JUDGED_EVERY: u64 = 20;
/// Calls that go well before the first that does not, at most: longer than any one step.
const AFTER_MAX: u64 = 120;

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Disturbances {
    /// What decided.
    pub(super) seed: u64,
    /// Faults that were met, by kind.
    pub(super) faults: BTreeMap<String, u64>,
    /// The different places that met one: the kind of fault, the call, what it was about.
    pub(super) places: BTreeMap<String, u64>,
    /// Steps that failed with an error, as they should where they could not do their work.
    pub(super) errors: u64,
    /// Steps that failed although the disk was well again, and worked after a restart of the agent.
    pub(super) restarts: u64,
    /// What was lost, wrong, or failed for good. Must be empty.
    pub(super) wrong: Vec<String>,
}

impl Disturbances {
    pub(super) fn met(&self) -> u64 {
        self.faults.values().sum()
    }

    pub(super) fn add(&mut self, other: Self) {
        for (into, from) in [
            (&mut self.faults, other.faults),
            (&mut self.places, other.places),
        ] {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        self.errors += other.errors;
        self.restarts += other.restarts;
        self.wrong.extend(other.wrong);
    }

    pub(super) fn assert_right(&self) {
        assert!(self.wrong.is_empty(), "{self}");
    }
}

impl fmt::Display for Disturbances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} faults at {} places: {:?}; {} steps failed, {} needed a restart, {} things wrong",
            self.met(),
            self.places.len(),
            self.faults,
            self.errors,
            self.restarts,
            self.wrong.len()
        )?;
        for wrong in &self.wrong {
            writeln!(f, "  {wrong}")?;
        }
        Ok(())
    }
}

/// What a path is, without what differs from one recording to the next.
fn kind_of(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let within = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
    let depth = path.components().count();
    match name.rsplit_once('.') {
        Some((_, ending)) if within("cameras") => format!("cameras/*.{ending}"),
        None if within("cameras") => format!("cameras/ level {depth}"),
        Some(_) if within("staging") => format!("staging/*/{name}"),
        None if within("staging") => format!("staging level {depth}"),
        _ => name.into_owned(),
    }
}

/// Disturbs a life so many times.
pub(super) async fn disturb(seed: u64, faults: u64) -> Disturbances {
    let dir = fast_folder().unwrap();
    let rig = Rig::mount(&dir.path().join("behind"), &dir.path().join("disk"), false).unwrap();
    let mut chance = Seed::of(seed);
    let mut life = Life::new(rig.path(), seed);
    let (mut known, mut seen) = (Known::default(), Disturbances::default());
    seen.seed = seed;
    life::before_the_upgrade(rig.path()).unwrap();
    for _ in 0..10 {
        life.step(&mut |fact| known.learn(&fact)).await.unwrap();
    }
    let mut done = 0;
    while done < faults {
        let trouble = Trouble::ALL[chance.below(Trouble::ALL.len() as u64) as usize];
        let times = [1, 1, 3, 20, u64::MAX][chance.below(5) as usize];
        let below = [None, Some("footage".to_owned())][chance.below(2) as usize].clone();
        rig.arm(Plan {
            trouble,
            after: chance.below(AFTER_MAX),
            times,
            below,
            spare: Some("-shm".to_owned()),
        });
        // Now and then it is the start that meets it.
        if chance.below(5) == 0 {
            life.stop();
        }
        let mut steps = 0;
        let before = seen.errors;
        // A lasting one is lived with for some steps more.
        while steps < STEPS_MAX
            && (rig.met() == 0 || (rig.met() < times && seen.errors < before + 5))
        {
            steps += 1;
            if life.step(&mut |fact| known.learn(&fact)).await.is_err() {
                seen.errors += 1;
            }
        }
        let met = rig.heal();
        if met.is_empty() {
            continue;
        }
        done += 1;
        *seen.faults.entry(format!("{trouble:?}")).or_default() += 1;
        for (call, path) in &met {
            let place = format!("{trouble:?} {call:?} {}", kind_of(path));
            *seen.places.entry(place).or_default() += 1;
        }
        let first = met.first().map(|(call, path)| describe(*call, path));
        let what = format!("seed {seed}, fault {done} ({trouble:?} x{times} from {first:?})");
        go_on(&mut life, &mut known, &mut seen, &what).await;
        if done.is_multiple_of(JUDGED_EVERY) {
            life.stop();
            let (_, wrong) = judge(rig.path(), &known, life.clock().clone()).await;
            seen.wrong
                .extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));
        }
        if seen.wrong.len() > 20 {
            break;
        }
    }
    life.stop();
    let (_, wrong) = judge(rig.path(), &known, life.clock().clone()).await;
    seen.wrong.extend(
        wrong
            .into_iter()
            .map(|wrong| format!("seed {seed}, in the end: {wrong}")),
    );
    rig.unmount().unwrap();
    seen
}

fn describe(call: Call, path: &Path) -> String {
    format!("{call:?} {}", kind_of(path))
}

/// The disk is well again: three steps, at most one restart.
async fn go_on(life: &mut Life, known: &mut Known, seen: &mut Disturbances, what: &str) {
    let mut restarted = false;
    let mut steps = 0;
    while steps < 3 {
        match life.step(&mut |fact| known.learn(&fact)).await {
            Ok(()) => steps += 1,
            Err(error) if restarted => {
                seen.wrong
                    .push(format!("{what}: the disk is well again, and: {error:#}"));
                return;
            }
            Err(error) => {
                println!("{what}: restarted after: {error:#}");
                life.stop();
                seen.restarts += 1;
                restarted = true;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_refuses_costs_nothing_that_was_told() {
    if left_out("faults of the disk at every call") {
        return;
    }
    let seen = disturb(Seed::new().next_u64(), 40).await;
    println!("{seen}");
    seen.assert_right();
}
