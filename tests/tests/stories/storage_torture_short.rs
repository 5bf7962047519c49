//! Short runs of the campaigns of `make torture-storage`: whatever stops the agent or its disk, nothing that people were
//! told is lost.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::power_cut;
use tests::seed::Seed;
use tests::storage::loop_disk::{self, Kind};
use tests::storage::{Figures, cuts, faults, kills, resets};

fn seed() -> u64 {
    Seed::new().below(1_000_000)
}

/// Says why a run is left out here; true when it is.
fn left_out(what: &str, why: Option<String>) -> bool {
    if let Some(why) = &why {
        eprintln!("LEFT OUT: {what}: {why}");
    }
    why.is_some()
}

fn judged(figures: &Figures) -> Result<()> {
    println!("{figures}");
    figures.check()?;
    ensure!(
        figures.stops > 0,
        "nothing was stopped, which shows nothing"
    );
    Ok(())
}

#[tokio::test]
async fn kills_short() -> Result<()> {
    let dir = tempfile::tempdir()?;
    judged(&kills::run(dir.path(), seed(), 6).await?)
}

#[tokio::test]
async fn cuts_short() -> Result<()> {
    if left_out("the agent on the rig, cut off", power_cut::why_not()) {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    judged(&cuts::run(dir.path(), seed(), Duration::from_secs(6), 8).await?)
}

#[tokio::test]
async fn faults_short() -> Result<()> {
    if left_out("the agent on the rig, refused", power_cut::why_not()) {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    judged(&faults::run(dir.path(), seed(), 3).await?)
}

#[tokio::test]
async fn resets_short() -> Result<()> {
    for kind in [Kind::Ext4, Kind::Xfs] {
        let why = power_cut::why_not()
            .or_else(loop_disk::why_not)
            .or_else(|| kind.why_not());
        if left_out("hard resets of a file system", why) {
            continue;
        }
        let dir = tempfile::tempdir()?;
        judged(&resets::run(dir.path(), seed(), kind, 2).await?)?;
    }
    Ok(())
}
