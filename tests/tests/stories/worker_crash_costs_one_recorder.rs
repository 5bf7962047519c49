//! The vendor library crashes in the middle of a download: only its recorder notices, and the download ends right.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use hcnetsdk::scenario::{Fault, FaultKind, Scope};
use tests::appliance::Appliance;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_channels, standard_spec};
use wire::resource::Recording;

#[tokio::test]
async fn worker_crash_costs_one_recorder() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let spec = standard_spec(2, 20);
    let mut nvr = StandIn::new(&dir.path().join("sdk"))?;
    let crash = Fault {
        at_bytes: 300_000,
        ..Fault::once(FaultKind::Sigsegv, Scope::Download)
    };
    nvr.add_recorder("127.0.0.1", 8000, standard_channels(&spec)?)
        .faults = vec![crash];
    let calm = nvr.add_recorder("127.0.0.1", 8001, standard_channels(&spec)?);
    calm.throttle_bytes_per_s = Some(400_000); // still at it while the other one crashes
    nvr.write()?;

    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    let crashing = box_
        .add_recorder("Crashing", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    box_.add_recorder("Calm", "127.0.0.1", 8001, USER, PASSWORD)
        .await?;
    let all = box_.all_completed(8).await?;

    ensure!(
        nvr.count("fault", "127.0.0.1:8000")? == 1,
        "the library did not crash: {:?}",
        nvr.calls()?
    );
    ensure!(
        nvr.count("login", "127.0.0.1:8000")? == 2,
        "the crashed worker was not replaced"
    );
    ensure!(
        nvr.count("login", "127.0.0.1:8001")? == 1,
        "the calm recorder's session was touched"
    );
    ensure!(all.iter().all(|r| r.defects.is_empty()), "defects: {all:?}");

    // Right as the design defines it: per-packet hashes equal those of the same recording fetched without a crash.
    let cameras = box_.cameras().await?;
    let of_crashing = |r: &&Recording| {
        cameras
            .iter()
            .any(|c| c.id == r.camera_id && c.recorder_id == crashing.id)
    };
    for ours in all.iter().filter(of_crashing) {
        let theirs = all
            .iter()
            .find(|r| r.id != ours.id && r.source_name == ours.source_name)
            .context("both recorders hold the same names")?;
        let (a, b) = (
            save(&box_, dir.path(), ours).await?,
            save(&box_, dir.path(), theirs).await?,
        );
        let (a, b) = (framehash(&a)?, framehash(&b)?);
        if let Some((ours_line, theirs_line)) = a.lines().zip(b.lines()).find(|(x, y)| x != y) {
            bail!(
                "{} differs after the crash: {ours_line} instead of {theirs_line}",
                ours.source_name
            );
        }
        ensure!(
            a.len() == b.len(),
            "{} has {} packets after the crash instead of {}",
            ours.source_name,
            a.lines().count(),
            b.lines().count()
        );
    }
    box_.stop()?;
    box_.check()?;
    box_.log_is_clean(&["worker"])
}

async fn save(
    appliance: &Appliance,
    dir: &Path,
    recording: &Recording,
) -> Result<std::path::PathBuf> {
    let path = dir.join(format!("{}.mp4", recording.id));
    std::fs::write(
        &path,
        appliance
            .client
            .bytes(&format!("/api/v1/recordings/{}/download", recording.id))
            .await?,
    )?;
    Ok(path)
}

fn framehash(path: &Path) -> Result<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:v", "-c", "copy", "-f", "framehash", "-"])
        .output()?;
    ensure!(
        output.status.success(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
