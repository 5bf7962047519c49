//! The footage lies on a disk of its own that is pulled out while it is written, or becomes read-only: the agent says
//! so and lives, nothing is written where the disk was, and when it is back the work goes on without a restart.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tests::eventually::eventually;
use tests::site::Site;
use tests::storage::loop_disk::{Image, Kind, why_not};
use wire::resource::RecordingStatus;

const DISK_MIB: u64 = 64;

fn left_out() -> bool {
    let why = why_not().or_else(|| Kind::Ext4.why_not());
    if let Some(why) = &why {
        eprintln!("LEFT OUT: a disk that is pulled out: {why}");
    }
    why.is_some()
}

async fn until_paused(site: &Site) -> Result<String> {
    eventually("it is said that nothing can be downloaded", || async {
        let system = site.appliance.system().await.map_err(|e| e.to_string())?;
        system.paused.ok_or_else(|| "it goes on".to_owned())
    })
    .await
}

/// State here, footage there.
fn site(dir: &Path, at: &Path) -> Result<Site> {
    let mut site = Site::new(dir, &dir.join("box"), 1, 10)?;
    site.appliance.set_volume("path", at.display().to_string());
    Ok(site)
}

async fn still_right(site: &mut Site) -> Result<()> {
    site.until_more_is_held(2)
        .await
        .context("the disk is back")?;
    let wrong = site.wrong().await?;
    ensure!(wrong.is_empty(), "{wrong:?}");
    site.appliance.stop()?;
    site.appliance.check()
}

#[tokio::test]
async fn a_disk_is_pulled_out_and_comes_back() -> Result<()> {
    if left_out() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let at = dir.path().join("at");
    let image = Image::make(&dir.path().join("image"), Kind::Ext4, DISK_MIB, &[])?;
    let mut site = site(dir.path(), &at)?;
    let mounted = image.mount(&at)?;
    site.begin().await?;
    mounted.pull()?;
    let why = until_paused(&site).await?;
    ensure!(why.contains("main"), "it is not said which disk: {why}");
    let there: Vec<_> = std::fs::read_dir(&at)?.collect();
    ensure!(
        there.is_empty(),
        "something was written beside the disk: {there:?}"
    );
    let held = site.appliance.recordings().await?;
    ensure!(
        held.iter()
            .any(|one| one.status == RecordingStatus::Completed),
        "what lies on a disk that is away is no longer listed"
    );
    let mounted = image.mount(&at)?;
    still_right(&mut site).await?;
    mounted.unmount()
}

#[tokio::test]
async fn a_disk_becomes_read_only_and_well_again() -> Result<()> {
    if left_out() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let at = dir.path().join("at");
    let image = Image::make(&dir.path().join("image"), Kind::Ext4, DISK_MIB, &[])?;
    let mut site = site(dir.path(), &at)?;
    let mounted = image.mount(&at)?;
    site.begin().await?;
    // Refused while a file is open for writing: between two of them it works.
    eventually("it is read-only", || {
        std::future::ready(mounted.remount("ro").map_err(|e| e.to_string()))
    })
    .await?;
    until_paused(&site).await?;
    mounted.remount("rw")?;
    still_right(&mut site).await?;
    mounted.unmount()
}
