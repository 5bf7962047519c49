//! Footage from a recorder to an admin far away: found, fetched, verified, listed, played, downloaded over a line that
//! breaks, and live.

use anyhow::{Result, ensure};
use tests::appliance::Appliance;
use tests::main_job;
use tests::relay::Relay;
use tests::stand_in::{StandIn, standard_spec};

#[tokio::test]
async fn whole_job_end_to_end() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let recorder = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 20))?;
    let appliance = Appliance::new(&dir.path().join("box"), recorder.folder())?;
    let relay = Relay::new(&dir.path().join("relay"))?;
    let mut world = main_job::start(recorder, appliance, relay).await?;
    let table = main_job::run(&world, dir.path()).await?;
    println!("{table}");
    ensure!(table.all_right(), "\n{table}");
    world.appliance.stop()?;
    world.relay.stop()?;
    world.appliance.check()?;
    world.appliance.verify()?;
    world.appliance.log_is_clean(&[])?;
    tests::appliance::log_is_clean(&world.relay.log(), &[])
}
