//! `make torture-recorder`: rounds of seeded faults until there were enough. Resumable: every round is a line of the
//! result file, and a campaign that was stopped goes on with the next one. Ends with 1 when a recording is lost or
//! wrongly complete, or too much was fetched twice.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tests::stand_in::footage_cache;
use tests::torture::{Figures, Round, run};

/// Bytes fetched over bytes needed, over the whole campaign.
const RATIO_MAX: f64 = 1.05;

/// A campaign of seeded faults against an agent and its workers.
#[derive(Debug, Parser)]
struct Arguments {
    /// What decides; the rounds of one campaign have seeds that follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults after which it is enough.
    #[arg(long, default_value_t = 1_000)]
    faults: u64,
    /// Recorders of a round.
    #[arg(long, default_value_t = 8)]
    recorders: u32,
    /// Recordings of each recorder.
    #[arg(long, default_value_t = 8)]
    recordings: u32,
    /// Seconds of each recording.
    #[arg(long, default_value_t = 240)]
    seconds: u32,
    /// Most faults that one recording meets.
    #[arg(long, default_value_t = 4)]
    faults_max: u32,
    /// Minutes that a round may take.
    #[arg(long, default_value_t = 30)]
    patience: u64,
    /// Begin anew: forget the rounds of before.
    #[arg(long)]
    anew: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cache = footage_cache()?;
    let results = cache.with_file_name("torture-recorder.jsonl");
    if arguments.anew {
        base::durable::remove_if_there(&results)?;
    }
    let mut rounds = read(&results, arguments.seed)?;
    let mut all = Figures::default();
    rounds.iter().for_each(|round| all.add(round));
    println!(
        "Campaign {}: {} faults in {} rounds so far ({})",
        arguments.seed,
        all.injected(),
        rounds.len(),
        results.display()
    );
    while all.injected() < arguments.faults {
        let round = Round {
            seed: arguments.seed * 1_000 + rounds.len() as u64,
            recorders: arguments.recorders,
            recordings: arguments.recordings,
            seconds: arguments.seconds,
            faults_max: arguments.faults_max,
            kills: 4,
            patience: Duration::from_secs(arguments.patience * 60),
        };
        let dir = tempfile::Builder::new()
            .prefix("holdfast-torture-")
            .tempdir()?;
        let figures = match run(dir.path(), &round).await {
            Ok(figures) => figures,
            Err(error) => {
                // Worth a look, so it stays.
                let kept = dir.keep();
                return Err(error.context(format!("round {}, see {}", round.seed, kept.display())));
            }
        };
        if figures.check().is_err() {
            println!("The folder of this round stays: {}", dir.keep().display());
        }
        println!("Round {}:\n{figures}", round.seed);
        let mut file = File::options().create(true).append(true).open(&results)?;
        file.write_all((serde_json::to_string(&figures)? + "\n").as_bytes())?;
        all.add(&figures);
        rounds.push(figures);
    }
    println!(
        "Campaign {}, {} rounds:\n{all}",
        arguments.seed,
        rounds.len()
    );
    all.check()?;
    ensure!(
        all.ratio() <= RATIO_MAX,
        "{:.4} times what is needed was fetched",
        all.ratio()
    );
    Ok(())
}

/// The rounds of this campaign that are done.
fn read(results: &PathBuf, seed: u64) -> Result<Vec<Figures>> {
    let text = match std::fs::read_to_string(results) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(results.display().to_string()),
    };
    let mut rounds = Vec::new();
    for line in text.lines() {
        let figures: Figures = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if figures.seed / 1_000 == seed {
            rounds.push(figures);
        }
    }
    Ok(rounds)
}
