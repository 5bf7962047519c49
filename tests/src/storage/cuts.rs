//! The real agent on the rig, its life cut off at sampled operations (S6, rig a): what the short lives of
//! `edge-agent/src/power_cut/` leave out, from the journal of a download to the keys of the box.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Figures;
use crate::power_cut::{Cut, Disk, Op, Promise, Rig, fast_folder};
use crate::seed::Seed;
use crate::site::{Site, Told};

/// How long one look of people lasts: what they know is marked after each.
const LOOK: Duration = Duration::from_millis(150);

/// Lives for `life` on the rig, then starts afresh from `cuts` cuts by chance.
pub async fn run(dir: &Path, seed: u64, life: Duration, cuts: u64) -> Result<Figures> {
    let begun = Instant::now();
    let fast = fast_folder()?;
    let disk = fast.path().join("disk");
    let rig = Rig::mount(&fast.path().join("behind"), &disk, true)?;
    let mut site = Site::new(dir, &disk, seed, 10)?;
    // What people knew at each mark, and whose lock they turned before the next.
    let mut known = vec![(Told::default(), BTreeSet::new())];
    site.begin().await?;
    while begun.elapsed() < life {
        site.live(LOOK).await?;
        let turned = site.take_turned();
        if let Some((told, turning)) = known.last_mut() {
            turning.extend(turned);
            if *told == site.told {
                continue;
            }
        }
        known.push((site.told.clone(), BTreeSet::new()));
        rig.mark(known.len() as u64 - 1);
    }
    site.appliance.kill()?;
    let log = rig.take_log();
    rig.unmount().context("unmount the rig")?;

    let mut figures = Figures {
        seed,
        ..Figures::default()
    };
    let mut chance = Seed::of(seed);
    let mut at: Vec<u64> = (0..cuts)
        .map(|_| chance.below(log.ops.len() as u64))
        .collect();
    at.sort_unstable();
    for promise in [Promise::Ordered, Promise::Letter] {
        let mut at = at
            .iter()
            .enumerate()
            .filter(|(n, _)| (n.is_multiple_of(2)) == (promise == Promise::Ordered));
        let mut next = at.next();
        let (mut there, mut fact) = (Disk::new(promise), 0);
        for (n, op) in log.ops.iter().enumerate() {
            there.apply(op);
            if let Op::Mark(mark) = op {
                fact = *mark as usize;
            }
            while let Some((_, cut_at)) = next
                && *cut_at == n as u64
            {
                let cut = match chance.below(6) {
                    0 => Cut::Nothing,
                    1 => Cut::Everything,
                    _ => Cut::Some(chance.next_u64()),
                };
                let left = fast.path().join("left");
                there.cut(cut).write(&left)?;
                let (told, turning) = &known[fact];
                site.told = told.clone().while_turning(turning);
                let what = format!("{promise:?}, operation {n} of {}, {cut:?}", log.ops.len());
                start_from(&mut site, &left, &what, &mut figures, dir).await?;
                next = at.next();
            }
        }
    }
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}

/// Starts afresh on what a cut has left, and now and then lets life go on there.
async fn start_from(
    site: &mut Site,
    left: &Path,
    what: &str,
    figures: &mut Figures,
    dir: &Path,
) -> Result<()> {
    figures.stops += 1;
    figures.held += site.told.held();
    site.appliance.move_to(left);
    if let Err(error) = site.appliance.start().await {
        figures
            .wrong
            .push(format!("{what}: the agent does not start: {error:#}"));
        return Ok(());
    }
    if site.told == Told::default() {
        // Cut before anybody was told anything: that it starts is all there is to ask.
        return site.appliance.kill();
    }
    match site.wrong().await {
        Ok(wrong) => figures
            .wrong
            .extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}"))),
        Err(error) => figures.wrong.push(format!("{what}: {error:#}")),
    }
    if figures.stops.is_multiple_of(20) {
        // Downloads that were interrupted go on from what the disk holds of them.
        site.until_more_is_held(2)
            .await
            .with_context(|| what.to_owned())?;
        let (compared, wrong) = site.wrong_pictures(dir).await?;
        figures.compared += compared;
        figures
            .wrong
            .extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));
    }
    site.appliance.kill()
}
