//! The agent is killed with SIGKILL at twenty random moments: invariants hold after each start, and nothing that was
//! completed is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use tests::appliance::Appliance;
use tests::seed::Seed;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::{Recording, RecordingStatus};

const KILLS: usize = 20;

#[tokio::test]
async fn agent_killed_twenty_times_loses_nothing_completed() -> Result<()> {
    let mut seed = Seed::new();
    let dir = tempfile::tempdir()?;
    let mut nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(6, 10))?;
    // About a second per recording, so that kills meet every stage.
    nvr.scenario.devices[0].throttle_bytes_per_s = Some(600_000);
    nvr.write()?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;

    let mut completed: BTreeMap<String, Recording> = BTreeMap::new();
    for kill in 1..=KILLS {
        tokio::time::sleep(Duration::from_millis(seed.below(1_200))).await;
        for recording in box_.recordings().await? {
            if recording.status == RecordingStatus::Completed {
                completed.insert(recording.id.to_string(), recording);
            }
        }
        box_.kill()?;
        box_.start().await?;
        box_.check()?;
        let now = box_.recordings().await?;
        for (id, before) in &completed {
            let after = now.iter().find(|r| r.id.to_string() == *id);
            ensure!(
                after.is_some_and(
                    |a| a.status == RecordingStatus::Completed && a.digest == before.digest
                ),
                "kill {kill}: {id} was completed and is now {after:?}"
            );
        }
    }
    let all = box_.all_completed(12).await?;
    ensure!(all.iter().all(|r| r.defects.is_empty()), "defects: {all:?}");
    let mut names: Vec<_> = all
        .iter()
        .map(|r| (r.camera_id.to_string(), r.source_name.clone()))
        .collect();
    names.sort();
    names.dedup();
    ensure!(names.len() == 12, "a recording is listed twice");
    box_.stop()?;
    box_.check()?;
    // The custody log has no fork, and nothing that was completed is missing from it.
    box_.verify()?;
    box_.log_is_clean(&["interrupted", "worker"])
}
