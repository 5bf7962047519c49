//! Two tiers: footage moves to the cold disk as it ages. It plays and downloads all the while, by addresses from before
//! the move too, also when the agent is killed in the middle; it lies once, and each disk is proven by itself.

use anyhow::{Context, Result, ensure};
use tests::appliance::Appliance;
use tests::disks::{SECOND, TwoDisks};
use tests::eventually::eventually;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::RecordingStatus;

#[tokio::test]
async fn footage_moves_to_the_cold_disk() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(6, 10))?;
    let appliance = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    let cold = dir.path().join("cold");
    let mut box_ = TwoDisks::start(appliance, &cold, |box_| {
        box_.set_volume_of(1, "tier", "cold");
        box_.set("tiers", "limit_bytes_per_s", 20_000_000);
    })
    .await?;
    let shop = box_
        .appliance
        .add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD);
    shop.await?;
    let all = box_.appliance.all_completed(12).await?;
    ensure!(
        box_.volume(SECOND).await?.held_bytes == 0,
        "new footage went to the cold disk"
    );
    // A playlist from before the move, and the addresses of all files.
    let (oldest, newest) = (all.first().context("none")?, all.last().context("none")?);
    let playlist = format!(
        "/api/v1/playback/{}/index.m3u8?from={}&to={}",
        oldest.camera_id, oldest.start_utc, newest.end_utc
    );
    let client = &box_.appliance.client;
    let text = String::from_utf8(client.bytes(&playlist).await?)?;
    let segment = text
        .lines()
        .find(|line| line.contains("/media"))
        .context("no segment")?
        .to_owned();
    let before = client.bytes(&segment).await?;

    // The footage is of a day long past: from now on all of it is old enough.
    box_.appliance.set_volume("move_after_days", 1);
    box_.kill_and_start().await?;
    eventually("the first has moved", || async {
        let held = box_
            .volume(SECOND)
            .await
            .map_err(|e| e.to_string())?
            .held_bytes;
        if held > 0 {
            Ok(())
        } else {
            Err("none yet".to_owned())
        }
    })
    .await?;
    box_.kill_and_start().await?;
    let total: u64 = all.iter().filter_map(|one| one.kept_bytes).sum();
    eventually("all have moved", || async {
        let (hot, cold) = (box_.volume("main").await, box_.volume(SECOND).await);
        let (hot, cold) = (
            hot.map_err(|e| e.to_string())?,
            cold.map_err(|e| e.to_string())?,
        );
        // Every one can be had at any time.
        for one in &all {
            let path = format!("/api/v1/recordings/{}/download", one.id);
            let bytes = box_.appliance.client.bytes(&path).await;
            let bytes = bytes.map_err(|e| format!("in the middle of moving: {e}"))?;
            if Some(bytes.len() as u64) != one.kept_bytes {
                return Err(format!("{} bytes of {}", bytes.len(), one.id));
            }
        }
        match (hot.held_bytes, cold.held_bytes) {
            (0, held) if held == total => Ok(()),
            (hot, cold) => Err(format!("{hot} here, {cold} there")),
        }
    })
    .await?;
    let client = &box_.appliance.client;
    ensure!(client.bytes(&segment).await? == before);
    let now = box_.appliance.recordings().await?;
    ensure!(
        now.len() == 12
            && now
                .iter()
                .all(|one| one.status == RecordingStatus::Completed)
    );
    box_.stop_and_check(&[])
}
