//! `make torture-image`: updates good and bad, and hard resets, on the image in a virtual machine. Resumable: every update
//! and every reset is a line of `torture-image-<campaign>.jsonl` beside the built programs. Ends with 1 when anything was
//! lost, or when a box did not come back by itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tests::image::{self, resets, updates};
use tests::results::Results;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Campaign {
    /// Updates, most of them bad.
    Updates,
    /// Hard resets while it records.
    Resets,
}

/// Treats a box badly, over and over. Runs in the project's root.
#[derive(Debug, Parser)]
struct Arguments {
    /// How.
    campaign: Campaign,
    /// The flashable image.
    image: PathBuf,
    /// Its version.
    #[arg(long)]
    version: String,
    /// Where `image/build.sh` made it.
    #[arg(long)]
    out: PathBuf,
    /// The keys that it trusts.
    #[arg(long)]
    keys: PathBuf,
    /// After how many it is enough.
    #[arg(long)]
    rounds: u64,
    /// The first of them that is to be run now, from 0: two machines may share a campaign.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Begin anew: forget the rounds of before.
    #[arg(long)]
    anew: bool,
}

impl Arguments {
    fn tried(&self) -> image::Image {
        image::Image {
            file: self.image.clone(),
            version: self.version.clone(),
            keys: self.keys.clone(),
        }
    }

    /// The rounds that are still to be run.
    fn missing(&self, done: impl Iterator<Item = u64>) -> Result<Vec<u64>> {
        let mut known = BTreeSet::new();
        for number in done {
            ensure!(known.insert(number), "round {number} is told twice");
        }
        let all = self.first..self.rounds;
        Ok(all.filter(|number| !known.contains(number)).collect())
    }
}

fn before<T: DeserializeOwned>(arguments: &Arguments, name: &str) -> Result<(Results, Vec<T>)> {
    let results = Results::of(name)?;
    if arguments.anew {
        results.forget()?;
    }
    let done = results.read()?;
    println!("{} so far ({})", done.len(), results.path().display());
    Ok((results, done))
}

fn note<T: Serialize + std::fmt::Debug>(results: &Results, round: &T) -> Result<()> {
    println!("{round:?}");
    results.append(round)
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(why) = image::why_not() {
        anyhow::bail!("there is no virtual machine here: {why}");
    }
    let dir = tempfile::Builder::new()
        .prefix("holdfast-image-")
        .tempdir()?;
    let ended = match arguments.campaign {
        Campaign::Updates => updates(&arguments, dir.path()).await,
        Campaign::Resets => resets(&arguments, dir.path()).await,
    };
    if ended.is_err() {
        // Worth a look, so it stays.
        println!(
            "The serial line and the disk stay in {}",
            dir.keep().display()
        );
    }
    ended
}

async fn updates(arguments: &Arguments, dir: &std::path::Path) -> Result<()> {
    let (results, mut done) = before::<updates::Round>(arguments, "image-updates")?;
    let factory = updates::Factory {
        image: arguments.tried(),
        out: arguments.out.clone(),
    };
    let missing = arguments.missing(done.iter().map(|round| round.number))?;
    if !missing.is_empty() {
        let mut campaign = updates::Campaign::begin(factory, dir).await?;
        for number in missing {
            let round = campaign.round(number).await?;
            note(&results, &round)?;
            done.push(round);
        }
        println!("{}", campaign.end().await?);
    }
    println!("{}", updates::summary(&done));
    ensure!(
        done.iter().all(|round| round.lost == 0),
        "something was lost"
    );
    Ok(())
}

async fn resets(arguments: &Arguments, dir: &std::path::Path) -> Result<()> {
    let (results, mut done) = before::<resets::Round>(arguments, "image-resets")?;
    let missing = arguments.missing(done.iter().map(|round| round.number))?;
    if !missing.is_empty() {
        let mut campaign = resets::Campaign::begin(&arguments.tried(), dir).await?;
        for number in missing {
            let round = campaign.round(number).await?;
            note(&results, &round)?;
            done.push(round);
        }
        println!("{}", campaign.end().await?);
    }
    println!("{}", resets::summary(&done));
    let well = |round: &resets::Round| round.lost == 0 && round.settings;
    ensure!(done.iter().all(well), "something was lost");
    Ok(())
}
