//! The relay is away while footage arrives: nothing is lost, every report takes effect once and in order.

use anyhow::{Result, ensure};
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::main_job;
use tests::relay::Relay;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_channels, standard_spec};
use wire::resource::RecordingStatus;

#[tokio::test]
async fn relay_away_then_every_report_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut recorder = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 20))?;
    // A second recorder, to be added while the relay is away.
    recorder.add_recorder("127.0.0.1", 8001, standard_channels(&standard_spec(6, 10))?);
    recorder.write()?;
    let later = recorder.scenario.devices.pop();
    let appliance = Appliance::new(&dir.path().join("box"), recorder.folder())?;
    let relay = Relay::new(&dir.path().join("relay"))?;
    let mut world = main_job::start(recorder, appliance, relay).await?;
    world.appliance.all_completed(4).await?;
    listed(&world.relay, 4).await?;

    world.relay.kill()?;
    ensure!(later.is_some());
    world
        .appliance
        .add_recorder("Late", "127.0.0.1", 8001, USER, PASSWORD)
        .await?;
    let all = world.appliance.all_completed(16).await?;
    // The agent too is restarted meanwhile: the outbox is on disk.
    world.appliance.kill()?;
    world.appliance.start().await?;
    world.relay.start().await?;

    let listed = listed(&world.relay, 16).await?;
    for ours in &all {
        let theirs: Vec<_> = listed
            .iter()
            .filter(|t| t.recording.id == ours.id)
            .collect();
        ensure!(
            theirs.len() == 1,
            "{} is listed {} times",
            ours.id,
            theirs.len()
        );
        ensure!(
            theirs[0].recording == *ours,
            "listed otherwise than held:\n{:?}\n{ours:?}",
            theirs[0].recording
        );
    }
    let store = rusqlite::Connection::open(world.relay.state().join("relay.db"))?;
    let seq: i64 = store.query_row("select seq from appliance", [], |r| r.get(0))?;
    let newest: i64 = store.query_row("select max(seq) from recording", [], |r| r.get(0))?;
    ensure!(
        seq >= newest && newest > 0,
        "applied up to {seq}, newest row {newest}"
    );
    drop(store);
    eventually("the outbox is empty", || async {
        let catalog =
            rusqlite::Connection::open(world.appliance.state().join("catalog/catalog.sqlite"))?;
        let rows: i64 = catalog.query_row("select count(*) from outbox", [], |r| r.get(0))?;
        if rows == 0 {
            Ok(())
        } else {
            anyhow::bail!("{rows} rows")
        }
    })
    .await?;
    world.site = world.relay.site_online(&world.site).await?;
    world.appliance.stop()?;
    world.relay.stop()?;
    world.appliance.check()
}

async fn listed(relay: &Relay, count: usize) -> Result<Vec<wire::resource::SiteRecording>> {
    eventually(
        &format!("the relay lists {count} completed recordings"),
        || async {
            let listed = relay.recordings().await.map_err(|e| e.to_string())?;
            let done = listed
                .iter()
                .filter(|r| r.recording.status == RecordingStatus::Completed)
                .count();
            if done == count && listed.len() == count {
                Ok(listed)
            } else {
                Err(format!("{done} of {}", listed.len()))
            }
        },
    )
    .await
}
