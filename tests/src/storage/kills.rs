//! SIGKILL at random moments, over and over (S6, rig b).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Figures;
use crate::seed::Seed;
use crate::site::Site;

/// Longest life between two kills.
const LIFE_MS_MAX: u64 = 1_500;
/// Kills between two waits for more footage: else a bad run of short lives would show nothing.
const WAIT_EVERY: u64 = 10;

/// One site and so many kills of its agent.
pub async fn run(dir: &Path, seed: u64, kills: u64) -> Result<Figures> {
    let begun = Instant::now();
    let mut chance = Seed::of(seed);
    let minutes = 5 + kills as i64 / 10;
    let mut site = Site::new(dir, &dir.join("box"), seed, minutes)?;
    let mut figures = Figures {
        seed,
        ..Figures::default()
    };
    site.begin().await?;
    for kill in 1..=kills {
        let life = Duration::from_millis(chance.below(LIFE_MS_MAX));
        site.live(life).await?;
        site.appliance.kill()?;
        figures.stops += 1;
        figures.held += site.told.held();
        // As after any end of the agent: systemd starts it afresh.
        site.appliance.start().await?;
        for wrong in site.wrong().await? {
            figures.wrong.push(format!("kill {kill}: {wrong}"));
        }
        if kill.is_multiple_of(WAIT_EVERY) {
            site.until_more_is_held(1).await?;
        }
    }
    site.until_more_is_held(2).await?;
    let (compared, wrong) = site.wrong_pictures(dir).await?;
    figures.compared = compared;
    figures.wrong.extend(wrong);
    site.appliance.stop()?;
    if let Err(found) = site.appliance.check() {
        figures.wrong.push(format!("in the end: {found:#}"));
    }
    let log = std::fs::read_to_string(site.appliance.log())?;
    let panicked = log.lines().filter(|line| line.contains("panicked at"));
    figures.wrong.extend(panicked.map(str::to_owned));
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}
