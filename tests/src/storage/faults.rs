//! The real agent on a disk that refuses (S6, S7): it stays alive or is started again by whoever looks after it, says
//! what happened, loses nothing that was told, and goes on when the disk is well again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Figures;
use crate::power_cut::{Plan, Rig, Trouble, fast_folder};
use crate::seed::Seed;
use crate::site::Site;

/// Longest time that a fault lasts.
const LASTS_MS_MAX: u64 = 2_500;
/// Calls that go well before the first that does not, at most: about a second of work.
const AFTER_MAX: u64 = 400;

/// One site, disturbed so many times.
pub async fn run(dir: &Path, seed: u64, faults: u64) -> Result<Figures> {
    let begun = Instant::now();
    let fast = fast_folder()?;
    let disk = fast.path().join("disk");
    let rig = Rig::mount(&fast.path().join("behind"), &disk, false)?;
    let mut site = Site::new(dir, &disk, seed, 10 + faults as i64 / 4)?;
    let mut figures = Figures {
        seed,
        ..Figures::default()
    };
    let mut chance = Seed::of(seed);
    site.begin().await?;
    for fault in 1..=faults {
        let trouble = Trouble::ALL[chance.below(Trouble::ALL.len() as u64) as usize];
        let times = [1, 5, 50, u64::MAX][chance.below(4) as usize];
        let below = [None, Some("footage".to_owned())][chance.below(2) as usize].clone();
        let what = format!("fault {fault} ({trouble:?} x{times} below {below:?})");
        let said_before = said(&site)?;
        rig.arm(Plan {
            trouble,
            after: chance.below(AFTER_MAX),
            times,
            below,
            spare: None,
        });
        site.live(Duration::from_millis(500 + chance.below(LASTS_MS_MAX)))
            .await?;
        let met = rig.heal().len() as u64;
        if met == 0 {
            continue;
        }
        figures.stops += 1;
        figures.held += site.told.held();
        if !site.appliance.process()?.is_running() {
            figures.restarts += 1;
            site.appliance.start().await.with_context(|| what.clone())?;
        }
        // Many of one kind, and no word about any: nobody could know.
        if met > 40 && said(&site)? == said_before {
            figures.wrong.push(format!(
                "{what}: {met} calls failed and the journal says nothing"
            ));
        }
        if let Err(error) = goes_on(&mut site, &mut figures).await {
            figures
                .wrong
                .push(format!("{what}: well again, and {error:#}"));
            break;
        }
        match site.wrong().await {
            Ok(wrong) => figures
                .wrong
                .extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}"))),
            Err(error) => figures.wrong.push(format!("{what}: {error:#}")),
        }
        if figures.wrong.len() > 10 {
            break;
        }
    }
    let (compared, wrong) = site.wrong_pictures(dir).await?;
    figures.compared = compared;
    figures.wrong.extend(wrong);
    site.appliance.stop()?;
    rig.unmount().context("unmount the rig")?;
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}

/// More footage is held; an agent that ends meanwhile is started again, once.
async fn goes_on(site: &mut Site, figures: &mut Figures) -> Result<()> {
    let more = site.until_more_is_held(1).await;
    if more.is_err() && !site.appliance.process()?.is_running() {
        figures.restarts += 1;
        site.appliance.start().await?;
        return site.until_more_is_held(1).await;
    }
    more
}

/// Lines of the journal that a person should look at.
fn said(site: &Site) -> Result<usize> {
    let log = std::fs::read_to_string(site.appliance.log())?;
    let lines = log
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    Ok(lines.count())
}
