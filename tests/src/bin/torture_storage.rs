//! `make torture-storage`: kills, cuts, faults and hard resets on real processes, in rounds until there were enough.
//! Resumable: every round is a line of `torture-<campaign>.jsonl` beside the built programs. Ends with 1 when anything
//! was lost or wrong.

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tests::power_cut;
use tests::results::Results;
use tests::storage::loop_disk::{self, Kind};
use tests::storage::{Figures, cuts, faults, guest, kills, machine, resets};

/// What is done to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Campaign {
    /// SIGKILL at random moments.
    Kills,
    /// The power goes at sampled operations of its data folder.
    Cuts,
    /// Its disk refuses.
    Faults,
    /// Its disk, ext4 in a loop device, is reset.
    Ext4,
    /// Its disk, xfs in a loop device, is reset.
    Xfs,
    /// The virtual machine that it runs in is reset.
    Machine,
}

/// Stops an agent hard, over and over, and looks what it comes back with.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is done to it.
    campaign: Campaign,
    /// Kills, cuts, faults or resets after which it is enough.
    #[arg(long, default_value_t = 100)]
    stops: u64,
    /// Of them in each round.
    #[arg(long, default_value_t = 50)]
    round: u64,
    /// Begin anew: forget the rounds of before.
    #[arg(long)]
    anew: bool,
}

impl Campaign {
    fn name(self) -> &'static str {
        match self {
            Self::Kills => "kills",
            Self::Cuts => "agent-cuts",
            Self::Faults => "agent-faults",
            Self::Ext4 => "resets-ext4",
            Self::Xfs => "resets-xfs",
            Self::Machine => "resets-machine",
        }
    }

    /// Why it cannot be had on this machine.
    fn why_not(self) -> Option<String> {
        let mounts = |kind: Kind| {
            let loops = loop_disk::why_not();
            power_cut::why_not().or(loops).or(kind.why_not())
        };
        match self {
            Self::Kills => None,
            Self::Cuts | Self::Faults => power_cut::why_not(),
            Self::Ext4 => mounts(Kind::Ext4),
            Self::Xfs => mounts(Kind::Xfs),
            Self::Machine => power_cut::why_not().or_else(guest::why_not),
        }
    }

    async fn round(self, dir: &std::path::Path, seed: u64, stops: u64) -> Result<Figures> {
        match self {
            Self::Kills => kills::run(dir, seed, stops).await,
            Self::Cuts => cuts::run(dir, seed, Duration::from_secs(20), stops).await,
            Self::Faults => faults::run(dir, seed, stops).await,
            Self::Ext4 => resets::run(dir, seed, Kind::Ext4, stops).await,
            Self::Xfs => resets::run(dir, seed, Kind::Xfs, stops).await,
            Self::Machine => machine::run(dir, seed, stops).await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let campaign = arguments.campaign;
    if let Some(why) = campaign.why_not() {
        println!("LEFT OUT: {}: {why}", campaign.name());
        return Ok(());
    }
    let results = Results::of(campaign.name())?;
    if arguments.anew {
        results.forget()?;
    }
    let done: Vec<Figures> = results.read()?;
    let mut seed = done.iter().map(|round| round.seed).max().unwrap_or(0);
    let mut all = Figures::default();
    done.iter().for_each(|round| all.add(round));
    println!(
        "{} so far ({}): {all}",
        campaign.name(),
        results.path().display()
    );
    while all.stops < arguments.stops {
        seed += 1;
        let dir = tempfile::Builder::new()
            .prefix("holdfast-torture-")
            .tempdir()?;
        let stops = arguments.round.min(arguments.stops - all.stops);
        let figures = match campaign.round(dir.path(), seed, stops).await {
            Ok(figures) => figures,
            Err(error) => {
                // Worth a look, so it stays.
                let kept = dir.keep();
                return Err(error.context(format!("round {seed}, see {}", kept.display())));
            }
        };
        if figures.check().is_err() {
            println!("The folder of this round stays: {}", dir.keep().display());
        }
        println!("Round {seed}: {figures}");
        results.append(&figures)?;
        all.add(&figures);
    }
    println!("{}: {all}", campaign.name());
    all.check()
}
