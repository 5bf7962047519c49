//! Completeness against ground truth (R9): weeks of a site's life in seconds, with everything that goes wrong there.
//!
//! A simulated recorder films, overwrites, tells its own wall clock over the changes of summer time, loses power and
//! link, forgets its index for a while after a start, and refuses. The box is switched off, killed and too slow. What
//! asks, plans, stores and computes is the agent's own code on a real catalog; the referee knows what was really filmed
//! and compares every instant of every day. The seed is printed with every failure and repeats it.

mod chance;
mod device;
mod referee;
mod site;

use wire::resource::{EvictionCause, RecordingStatus};

use self::referee::Tally;
use self::site::Days;
use crate::model::coverage::Facts;
use crate::model::time::UtcRange;

/// Camera-days of the short run, which every `cargo test` makes.
const SHORT_CAMERA_DAYS: u64 = 24;
/// Sites of the short run and of the long one.
const SHORT: Days = (4, 7);
const LONG: Days = (12, 22);

/// Runs seeds one after the other until so many camera-days were lived, several at a time.
async fn live(first_seed: u64, camera_days: u64, days: Days, at_a_time: usize) -> Tally {
    let mut tally = Tally::default();
    let mut running = tokio::task::JoinSet::new();
    let mut seed = first_seed;
    loop {
        while running.len() < at_a_time
            && tally.camera_days + running.len() as u64 * 3 * days.1.unsigned_abs() < camera_days
        {
            running.spawn(site::live(seed, days));
            seed += 1;
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let (seed, of_run) =
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        tally.add(&of_run);
        if at_a_time > 1 {
            println!("seed {seed}: {of_run} (so far {})", tally.camera_days);
        }
    }
    println!("{tally}");
    tally
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hole_is_without_its_cause_and_nothing_is_called_complete_that_is_not() {
    let seed = number("HOLDFAST_SEED", 1);
    let tally = live(seed, SHORT_CAMERA_DAYS, SHORT, 1).await;
    tally.assert_right();
}

/// Bends the facts about a range.
type Lie = &'static dyn Fn(UtcRange, &mut Facts);

/// A referee that sees nothing would find nothing wrong: here the facts are bent in each way that must be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_referee_sees_each_lie() {
    let mut seen = [0; 5];
    for seed in 101..109 {
        if seen.iter().all(|seen| *seen > 0) {
            break;
        }
        let (site, life) = site::lived(seed, SHORT).await;
        let lies: [Lie; 5] = [
            // Empty answers always prove that nothing was recorded.
            &|_, facts| facts.doubts.clear(),
            // Everything was asked.
            &|range, facts| facts.settled = vec![range],
            // What is not fetched was never listed.
            &|_, facts| {
                facts
                    .listed
                    .retain(|l| l.status == RecordingStatus::Completed)
            },
            // What is not fetched is held.
            &|_, facts| {
                facts
                    .listed
                    .iter_mut()
                    .for_each(|l| l.status = RecordingStatus::Completed)
            },
            // What left was deleted by a person.
            &|_, facts| {
                for listed in facts
                    .listed
                    .iter_mut()
                    .filter(|l| l.eviction_cause.is_some())
                {
                    listed.eviction_cause = Some(EvictionCause::Deleted);
                }
            },
        ];
        // Before it began to be lived there was footage that nobody ever could ask about.
        let longer = UtcRange {
            from: life.from.plus_s(-3 * 86_400),
            ..life
        };
        let errors = |tally: Tally| tally.false_complete.len() + tally.wrong_cause.len();
        let honest = errors(referee::judge(&site, seed, longer, false).await);
        for (lie, seen) in lies.into_iter().zip(&mut seen) {
            let tally = referee::judge_with(&site, seed, longer, false, lie).await;
            *seen += errors(tally).saturating_sub(honest);
        }
    }
    println!("errors seen by lie: {seen:?}");
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
}

/// `make torture-completeness`: `HOLDFAST_CAMERA_DAYS` (10,000) from `HOLDFAST_SEED` (1) on. Each run prints its seed, so
/// an interrupted campaign goes on with `HOLDFAST_SEED` and what is left. `HOLDFAST_SHOW=<channel>/<from>/<to>` shows what
/// was answered about a stretch, and what is known of it in the end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten thousand camera-days take minutes: make torture-completeness"]
async fn ten_thousand_camera_days() {
    let seed = number("HOLDFAST_SEED", 1);
    let camera_days = number("HOLDFAST_CAMERA_DAYS", 10_000);
    let tally = live(seed, camera_days, LONG, 3).await;
    tally.assert_right();
    tally.assert_telling();
    assert!(tally.camera_days >= camera_days);
}
