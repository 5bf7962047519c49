//! The agent is killed with SIGKILL at random moments while archives are packed and cleared: after every start the
//! invariants hold, what is ready is whole, and what was cleared has gone.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::seed::Seed;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::archive::{Archive, ArchiveState};
use wire::resource::{Recording, RecordingStatus};

/// Kills while archives are packed.
const PACKED: usize = 12;

#[tokio::test]
async fn archive_killed_while_it_is_built_and_cleared() -> Result<()> {
    let mut seed = Seed::new();
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(6, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    let all = box_.all_completed(12).await?;

    for round in 1..=PACKED {
        let archive = ask(&box_, &all).await?;
        kill(&mut box_, seed.below(150)).await?;
        let now = reaches(&box_, &archive, ArchiveState::Ready).await?;
        ensure!(
            now.recordings == 12 && now.left_out + now.damaged == 0,
            "round {round}: {now:?}"
        );
        box_.check()?;
        // Most go at once, so that the last ones are cleared beside ready ones.
        if round < PACKED - 2 {
            continue;
        }
        let zip = box_
            .client
            .bytes(&format!("/api/v1/archives/{}/download", archive.id))
            .await?;
        ensure!(zip.len() as u64 == now.bytes);
    }
    // One archive for each pair of recordings, and each is cleared under a kill.
    for (round, pair) in all.chunks(2).enumerate() {
        let archive = ask(&box_, pair).await?;
        reaches(&box_, &archive, ArchiveState::Ready).await?;
        let path = format!("/api/v1/archives/{}/clear", archive.id);
        let _: Archive = box_
            .client
            .post(&path, &json!({ "override": true }))
            .await?;
        kill(&mut box_, seed.below(60)).await?;
        let now = reaches(&box_, &archive, ArchiveState::Cleared).await?;
        ensure!(now.locked_recordings == 0, "round {round}: {now:?}");
        box_.check()?;
        let left = box_.recordings().await?;
        let gone = |r: &&Recording| pair.iter().any(|p| p.id == r.id);
        ensure!(
            left.iter()
                .filter(gone)
                .all(|r| r.status == RecordingStatus::Evicted),
            "round {round}: {left:?}"
        );
        // Nothing else left with them.
        let held = left
            .iter()
            .filter(|r| r.status == RecordingStatus::Completed)
            .count();
        ensure!(
            held == all.len() - (round + 1) * 2,
            "round {round}: {held} are held"
        );
    }
    box_.stop()?;
    box_.check()?;
    box_.log_is_clean(&["interrupted", "worker"])
}

/// Asks for an archive of what reaches into the middles of these recordings: just these, since none overlap much.
async fn ask(box_: &Appliance, recordings: &[Recording]) -> Result<Archive> {
    let middle = |r: &Recording| r.start_utc.plus_ms(r.end_utc.ms_since(r.start_utc) / 2);
    let from = recordings.iter().map(middle).min();
    let to = recordings.iter().map(middle).max().map(|at| at.plus_ms(1));
    let body = json!({ "from": from, "to": to });
    box_.client.post("/api/v1/archives", &body).await
}

async fn kill(box_: &mut Appliance, after_ms: u64) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    box_.kill()?;
    box_.start().await
}

async fn reaches(box_: &Appliance, archive: &Archive, state: ArchiveState) -> Result<Archive> {
    let path = format!("/api/v1/archives/{}", archive.id);
    eventually(&format!("archive {} is {state:?}", archive.id), || async {
        let now: Archive = box_.client.get(&path).await.map_err(|e| e.to_string())?;
        match now.state == state {
            true => Ok(now),
            false => Err(format!("{now:?}")),
        }
    })
    .await
}
