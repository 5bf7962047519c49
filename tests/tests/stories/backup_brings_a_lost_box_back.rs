//! Backed up while it records, then everything but the footage disk is lost: what was held is there, also what came after
//! the backup, and a copy of the footage proves itself all the time.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::{RecorderState, Recording, RecordingStatus};

#[tokio::test]
async fn backup_brings_a_lost_box_back() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(5, 10))?;
    // About a second per recording, so that it is backed up in the middle of it.
    nvr.scenario.devices[0].throttle_bytes_per_s = Some(600_000);
    nvr.write()?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    eventually("something is held", || async {
        let all = box_.recordings().await.map_err(|e| e.to_string())?;
        let held = all
            .iter()
            .filter(|r| r.status == RecordingStatus::Completed);
        match held.count() {
            0 | 1 => Err(format!("{} recordings", all.len())),
            _ => Ok(()),
        }
    })
    .await?;
    let backup = dir.path().join("box.backup").display().to_string();
    let phrase = dir.path().join("phrase");
    std::fs::write(&phrase, "a ladder and a lamp\n")?;
    let phrase = phrase.display().to_string();
    box_.command("backup", &[&backup, "--passphrase-file", &phrase])?;
    let before = box_.recordings().await?;
    ensure!(
        before
            .iter()
            .any(|r| r.status != RecordingStatus::Completed),
        "it was not backed up while it recorded"
    );
    let all = box_.all_completed(10).await?;
    box_.stop()?;
    box_.verify()?;
    let appliance = std::fs::read(box_.state().join("appliance.key"))?;

    std::fs::remove_dir_all(box_.state())?;
    let told = box_.command("restore", &[&backup, "--passphrase-file", &phrase])?;
    ensure!(told.contains("10 recordings lie on the disks"), "{told}");
    ensure!(std::fs::read(box_.state().join("appliance.key"))? == appliance);
    box_.check()?;
    box_.start().await?;
    box_.login().await?;
    // The recorder's password opens, and nothing is fetched a second time.
    eventually("the recorder is logged in to", || async {
        let recorders = box_.recorders().await.map_err(|e| e.to_string())?;
        match recorders.first().map(|recorder| recorder.state) {
            Some(RecorderState::Online) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    same(&all, &box_.all_completed(10).await?)?;
    box_.stop()?;
    box_.check()?;
    box_.verify()?;

    // The catalog alone is lost.
    std::fs::write(box_.state().join("catalog/catalog.sqlite"), "nonsense")?;
    for beside in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
        base::durable::remove_if_there(&box_.state().join("catalog").join(beside))?;
    }
    let told = box_.command("rebuild", &[])?;
    ensure!(told.contains("10 recordings read in, 0 left"), "{told}");
    box_.check()?;
    box_.start().await?;
    box_.first_run().await?;
    same(&all, &box_.all_completed(10).await?)?;
    box_.stop()?;
    box_.check()?;
    box_.verify()?;
    box_.log_is_clean(&["worker"])
}

/// The same recordings with the same digests.
fn same(before: &[Recording], after: &[Recording]) -> Result<()> {
    let brief = |all: &[Recording]| -> BTreeSet<String> {
        all.iter()
            .map(|r| format!("{} {} {:?}", r.id, r.camera_id, r.digest))
            .collect()
    };
    ensure!(brief(before) == brief(after), "{before:?} became {after:?}");
    Ok(())
}
