//! The long runs of `make torture-storage`, each round a line of the result file, so that a campaign that was stopped
//! goes on with the next seed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tests::results::Results;

use super::disturbed::{Disturbances, disturb};
use super::judge::Tally;
use super::{Manner, PROMISES, cut_twice, cuts, live};

/// Steps of one life.
const STEPS: u32 = 60;
/// Ways by chance at each operation, beside all and nothing.
const WAYS: u64 = 3;
/// Cuts of a life whose following start is cut too.
const TWICE: usize = 8;
/// Faults of one life.
const FAULTS: u64 = 500;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The rounds that are done, and where the next goes.
fn results<T: Serialize + DeserializeOwned>(name: &str) -> (Results, Vec<T>) {
    let results = Results::of(name).unwrap();
    let done = results.read().unwrap();
    (results, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[ignore = "tens of thousands of fresh starts: make torture-storage"]
async fn every_cut() {
    let wanted = number("HOLDFAST_DISKS", 100_000);
    let (results, done) = results::<Tally>("power-cuts");
    let mut all = Tally::default();
    let mut seed = done.iter().map(|round| round.seed).max().unwrap_or(0);
    done.into_iter().for_each(|round| all.add(round));
    while all.disks < wanted {
        seed += 1;
        let how = if seed.is_multiple_of(2) {
            Manner::Calm
        } else {
            Manner::Stopped
        };
        let lived = live(seed, STEPS, how).await;
        let mut round = Tally::default();
        for promise in PROMISES {
            round.add(cuts(&lived, promise, WAYS, seed).judge().await);
        }
        round.add(cut_twice(&lived, seed, TWICE, 1).await);
        round.seed = seed;
        println!("seed {seed}: {round}");
        results.append(&round).unwrap();
        all.add(round);
    }
    println!("all rounds: {all}");
    all.assert_right();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[ignore = "thousands of faults: make torture-storage"]
async fn every_fault() {
    let wanted = number("HOLDFAST_FAULTS", 10_000);
    let (results, done) = results::<Disturbances>("disk-faults");
    let mut all = Disturbances::default();
    let mut seed = done.iter().map(|round| round.seed).max().unwrap_or(0);
    done.into_iter().for_each(|round| all.add(round));
    while all.met() < wanted {
        seed += 1;
        let round = disturb(seed, FAULTS).await;
        println!("seed {seed}: {round}");
        results.append(&round).unwrap();
        all.add(round);
    }
    println!("all rounds: {all}");
    for (place, count) in &all.places {
        println!("  {count:6} {place}");
    }
    all.assert_right();
}
