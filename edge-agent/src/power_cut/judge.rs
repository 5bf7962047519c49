//! A fresh start on what a cut has left: does the agent start by itself, does everything hold that it has told?

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use base::clock::Clock;
use serde::{Deserialize, Serialize};
use tests::power_cut::{Cut, Disk, Image, Log, Op, Promise};
use tests::seed::Seed;
use tokio::task::JoinSet;
use wire::ids::RecordingId;

use super::facts::{Fact, Known};
use super::life::{Agent, catalog_folder};
use crate::catalog::check::check;

/// Fresh starts at once.
const AT_A_TIME: usize = 3;

/// Violations that are kept word for word.
const TOLD_MAX: usize = 20;

/// What a campaign of cuts came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    /// What decided.
    pub(super) seed: u64,
    /// Operations after which the power was cut.
    pub(super) points: u64,
    /// Different disks that such cuts may leave, each started from afresh.
    pub(super) disks: u64,
    /// Recordings that were held before the cut, over all starts.
    pub(super) held: u64,
    /// Of them lost or damaged after it. Must be 0.
    pub(super) lost: u64,
    /// Starts that failed, invariants that did not hold, rows that were wrong. Must be 0.
    pub(super) violations: u64,
    /// The first of them.
    pub(super) told: Vec<String>,
    /// How long it took.
    pub(super) seconds: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.points += other.points;
        self.disks += other.disks;
        self.held += other.held;
        self.lost += other.lost;
        self.violations += other.violations;
        self.seconds += other.seconds;
        self.told.extend(other.told);
        self.told.truncate(TOLD_MAX);
    }

    pub(super) fn assert_right(&self) {
        assert!(self.lost == 0 && self.violations == 0, "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} crash points, {} disks started from; {} held recordings looked at, {} lost, {} violations, {} s",
            self.points, self.disks, self.held, self.lost, self.violations, self.seconds
        )?;
        for told in &self.told {
            writeln!(f, "  {told}")?;
        }
        Ok(())
    }
}

/// Cuts a recorded life at every operation, each in several ways, and judges what is left.
pub(super) struct Cuts<'a> {
    /// What was done.
    pub(super) log: &'a Log,
    /// What was told; marks of the log count them.
    pub(super) facts: &'a [Fact],
    /// What the file system promises.
    pub(super) promise: Promise,
    /// Ways by chance, beside all and nothing of what was not synced.
    pub(super) ways: u64,
    /// One operation of so many is cut after, by chance; 1: each.
    pub(super) one_of: u64,
    /// What decides.
    pub(super) seed: u64,
    /// When it all happens.
    pub(super) clock: Clock,
    /// What had been told before the log begins.
    pub(super) known: Known,
}

impl Cuts<'_> {
    pub(super) async fn judge(&self) -> Tally {
        let dir = tests::power_cut::fast_folder().expect("a folder for what is left");
        let begun = std::time::Instant::now();
        let (mut disk, mut known) = (Disk::new(self.promise), self.known.clone());
        let (mut chance, mut tally) = (Seed::of(self.seed), Tally::default());
        let (mut seen, mut running) = (HashSet::new(), JoinSet::new());
        for (n, op) in self.log.ops.iter().enumerate() {
            disk.apply(op);
            // The end, where most is expected, is never left out.
            let is_last = n + 1 == self.log.ops.len();
            if let Op::Mark(fact) = op {
                let before = known.clone();
                known.learn(&self.facts[*fact as usize]);
                // Where more is expected, the same disk is asked again.
                if known != before {
                    seen.clear();
                } else if !is_last {
                    continue;
                }
            }
            if n < self.log.prelude || (chance.below(self.one_of) > 0 && !is_last) {
                continue;
            }
            tally.points += u64::from(!matches!(op, Op::Mark(_)));
            let mut cuts = vec![Cut::Nothing];
            if !disk.is_settled() {
                cuts.push(Cut::Everything);
                cuts.extend((0..self.ways).map(|_| Cut::Some(chance.next_u64())));
            }
            for cut in cuts {
                let image = disk.cut(cut);
                if !seen.insert(image.digest()) {
                    continue;
                }
                tally.disks += 1;
                tally.held += known.held().count() as u64;
                let folder = dir.path().join(tally.disks.to_string());
                let (known, clock) = (known.clone(), self.clock.clone());
                let name = format!("operation {n} ({}), {:?}, {cut:?}", short(op), self.promise);
                running
                    .spawn(async move { (name, start_from(&image, &folder, &known, clock).await) });
                while running.len() >= AT_A_TIME {
                    take(&mut tally, running.join_next().await);
                }
            }
        }
        while let Some(ended) = running.join_next().await {
            take(&mut tally, Some(ended));
        }
        tally.seconds = begun.elapsed().as_secs();
        tally
    }
}

/// What was found, and which recordings are lost.
type Verdict = (Vec<RecordingId>, Vec<String>);

fn take(tally: &mut Tally, ended: Option<Result<(String, Verdict), tokio::task::JoinError>>) {
    let Some(ended) = ended else { return };
    let (name, (lost, wrong)) =
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    tally.lost += lost.len() as u64;
    tally.violations += wrong.len() as u64;
    for wrong in wrong {
        if tally.told.len() < TOLD_MAX {
            tally.told.push(format!("{name}: {wrong}"));
        }
    }
}

fn short(op: &Op) -> String {
    match op {
        Op::Write { ino, offset, bytes } => format!("{} bytes at {offset} of {ino}", bytes.len()),
        other => format!("{other:?}"),
    }
}

async fn start_from(image: &Image, folder: &Path, known: &Known, clock: Clock) -> Verdict {
    image.write(folder).expect("the image can be written");
    let verdict = judge(folder, known, clock).await;
    // The thread that closes the catalog may still be at it: what stays goes with the folder above.
    drop(std::fs::remove_dir_all(folder));
    verdict
}

/// Starts on a folder, and says what is not as it was told.
pub(super) async fn judge(folder: &Path, known: &Known, clock: Clock) -> Verdict {
    let agent = match Agent::start(folder, clock).await {
        Ok(agent) => agent,
        Err(error) => {
            let lost = known.held().map(|(id, _)| *id).collect();
            return (lost, vec![format!("the agent does not start: {error:#}")]);
        }
    };
    let (mut lost, mut wrong) = (Vec::new(), Vec::new());
    match check(&catalog_folder(folder), true) {
        Ok(report) => {
            wrong.extend(report.findings.iter().map(ToString::to_string));
            if report.unfinished > 0 {
                wrong.push(format!(
                    "{} pieces of work stay unfinished",
                    report.unfinished
                ));
            }
        }
        Err(error) => wrong.push(format!("the check fails: {error}")),
    }
    let damaged = !wrong.is_empty();
    for id in known.listed() {
        let now = match agent.catalog.recording(*id).await {
            Ok(now) => now,
            Err(error) => {
                wrong.push(format!("recording {id} was listed: {error}"));
                lost.push(*id);
                continue;
            }
        };
        if let Some(what) = known.wrong_with(&now) {
            wrong.push(what);
            lost.push(*id);
        }
    }
    // A finding about a held file is a loss, whatever the rows say.
    if damaged && lost.is_empty() {
        let told = wrong.join("\n");
        let named = known
            .held()
            .filter(|(id, _)| told.contains(&id.to_string()));
        lost.extend(named.map(|(id, _)| *id));
    }
    (lost, wrong)
}
