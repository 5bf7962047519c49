//! Hard resets of a file system in a loop device (S6, rig c): the rig lies under the file that is the disk, so a cut
//! loses what the file system had written and not flushed, in any order that a disk with a write cache may choose.
//!
//! ```text
//! agent ── ext4 or xfs ── loop device ── rig (one file: writes and flushes are recorded) ── cut ── what is left
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Figures;
use super::loop_disk::{Image, Kind};
use crate::power_cut::{Cut, Disk, Op, Promise, Rig, fast_folder};
use crate::seed::Seed;
use crate::site::Site;

/// Size of the disk: xfs makes none below 300 MiB.
const DISK_MIB: u64 = 320;
/// Longest life between two resets.
const LIFE_MS_MAX: u64 = 3_000;
/// The disk, below the rig and where it was left.
pub(super) const FILE: &str = "disk.img";

/// One site on one disk that is reset so many times; each life goes on with what the cut before has left.
pub async fn run(dir: &Path, seed: u64, kind: Kind, resets: u64) -> Result<Figures> {
    let begun = Instant::now();
    let mut chance = Seed::of(seed);
    let fast = fast_folder()?;
    let (behind, below, at) = (
        fast.path().join("behind"),
        fast.path().join("rig"),
        fast.path().join("at"),
    );
    std::fs::create_dir_all(&behind)?;
    let image = Image::make(&behind.join(FILE), kind, DISK_MIB, &[])?;
    let mut site = Site::new(dir, &at, seed, 5 + resets as i64 / 4)?;
    let mut figures = Figures {
        seed,
        on: kind.name().to_owned(),
        ..Figures::default()
    };
    for reset in 0..=resets {
        let rig = Rig::mount(&behind, &below, true)?;
        let mounted = image
            .at(&below.join(FILE))
            .mount(&at)
            .with_context(|| format!("reset {reset}: the file system does not come back"))?;
        match reset {
            0 => site.begin().await?,
            _ => {
                figures.stops += 1;
                figures.held += site.told.held();
                site.appliance
                    .start()
                    .await
                    .with_context(|| format!("reset {reset}"))?;
                let wrong = site.wrong().await?;
                figures.wrong.extend(
                    wrong
                        .into_iter()
                        .map(|wrong| format!("reset {reset}: {wrong}")),
                );
            }
        }
        if reset == resets || reset % 10 == 5 {
            site.until_more_is_held(2).await?;
            let (compared, wrong) = site.wrong_pictures(dir).await?;
            figures.compared += compared;
            figures.wrong.extend(wrong);
        }
        if reset == resets {
            site.appliance.stop()?;
            mounted.unmount()?;
            rig.unmount()?;
            break;
        }
        site.live(Duration::from_millis(chance.below(LIFE_MS_MAX)))
            .await?;
        // The power goes. What the agent is told from here on nobody hears of.
        rig.cut();
        site.appliance.kill()?;
        let log = rig.take_log();
        mounted.pull()?;
        rig.unmount().context("unmount the rig")?;
        figures.lost_bytes += leave(&log.ops, &behind, chance.next_u64())?;
    }
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}

/// Puts what a cut at the end of the log leaves into the folder behind the rig. Returns the bytes that had been written
/// and not flushed.
pub(super) fn leave(ops: &[Op], behind: &Path, seed: u64) -> Result<u64> {
    // A single file: names play no part.
    let mut disk = Disk::new(Promise::Ordered);
    ops.iter().for_each(|op| disk.apply(op));
    disk.cut(Cut::Some(seed)).write(behind)?;
    Ok(disk.unflushed_bytes())
}
