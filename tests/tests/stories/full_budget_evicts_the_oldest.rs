//! The disk budget is reached: the oldest recordings leave, stay listed as evicted, and are not fetched again.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::{EvictionCause, RecordingStatus, Storage};

#[tokio::test]
async fn full_budget_evicts_the_oldest() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(6, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    let all = box_.all_completed(12).await?;
    let held: u64 = all.iter().filter_map(|r| r.kept_bytes).sum();

    // The oldest of all is locked: it stays whatever the budget.
    let locked = &all[0];
    let path = format!("/api/v1/recordings/{}/lock", locked.id);
    let _: Value = box_.client.post(&path, &json!({ "locked": true })).await?;
    box_.stop()?;
    let budget = held / 2;
    box_.set_volume("budget_bytes", budget as i64);
    box_.start().await?;

    let now = eventually("the volume is below its budget", || async {
        let storage: Storage = box_
            .client
            .get("/api/v1/storage")
            .await
            .map_err(|e| e.to_string())?;
        let held = storage.volumes[0].held_bytes;
        if held <= budget {
            box_.recordings().await.map_err(|e| e.to_string())
        } else {
            Err(format!("{held} bytes held"))
        }
    })
    .await?;
    ensure!(now.len() == 12, "evicted recordings left the list");
    let kept = |status| now.iter().filter(move |r| r.status == status);
    let evicted: Vec<_> = kept(RecordingStatus::Evicted).collect();
    ensure!(!evicted.is_empty());
    ensure!(
        evicted
            .iter()
            .all(|r| r.eviction_cause == Some(EvictionCause::Pressure)),
        "{evicted:?}"
    );
    let youngest_gone = evicted.iter().map(|r| r.start_utc).max();
    let oldest_kept = kept(RecordingStatus::Completed)
        .filter(|r| r.id != locked.id)
        .map(|r| r.start_utc)
        .min();
    ensure!(
        youngest_gone <= oldest_kept,
        "a younger recording left before an older one"
    );
    ensure!(
        kept(RecordingStatus::Completed).any(|r| r.id == locked.id),
        "the locked recording left"
    );

    // Gone is gone: the listing says so, the download too, and discovery (every second) does not fetch it again.
    let (status, error) = box_
        .client
        .refused(
            reqwest::Method::GET,
            &format!("/api/v1/recordings/{}/download", evicted[0].id),
        )
        .await?;
    ensure!(
        status == 410 && error.error.code == wire::error::ErrorCode::FootageGone,
        "{status} {error:?}"
    );
    let downloads = nvr.count("download_start", "127.0.0.1:8000")?;
    let finds = nvr.count("find", "127.0.0.1:8000")?;
    eventually("discovery ran three more times", || async {
        let now = nvr
            .count("find", "127.0.0.1:8000")
            .map_err(|e| e.to_string())?;
        if now >= finds + 6 {
            Ok(())
        } else {
            Err(now.to_string())
        }
    })
    .await?;
    ensure!(
        nvr.count("download_start", "127.0.0.1:8000")? == downloads,
        "evicted footage was fetched again"
    );
    box_.stop()?;
    box_.check()?;
    box_.verify()?;
    box_.log_is_clean(&[])
}
