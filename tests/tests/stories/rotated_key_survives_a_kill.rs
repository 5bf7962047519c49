//! The key of the stored passwords is changed, and the program killed while it does so: whatever lies on the disk then,
//! the next start brings it to its end and the recorder is logged in to.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::process::{Process, program};
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::RecorderState;

/// Kills that have to leave a change half done.
const HALF_DONE: usize = 3;
/// Attempts to hit one.
const KILLS_MAX: usize = 400;

#[tokio::test]
async fn rotated_key_survives_a_kill() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(1, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    logged_in(&box_, &nvr, 0).await?;
    box_.stop()?;

    // How long a whole change takes, to kill within it.
    let began = Instant::now();
    ensure!(
        rotate(&box_)?.output()?.status.success(),
        "the key is not changed"
    );
    let whole = began.elapsed();
    let log = dir.path().join("rotate.log");
    let next = box_.state().join("secrets.key.next");
    ensure!(!next.exists(), "the change has not ended");

    let (mut kills, mut half_done) = (0_u32, 0);
    while half_done < HALF_DONE {
        ensure!(
            (kills as usize) < KILLS_MAX,
            "no kill hit a change half done"
        );
        let mut changing = Process::start("rotate-key", &rotate(&box_)?, &log)?;
        // Spread over the whole of it.
        std::thread::sleep(
            whole
                .mul_f64(f64::from(kills * 37 % 100) / 100.0)
                .max(Duration::from_millis(1)),
        );
        changing.kill_hard()?;
        kills += 1;
        if next.exists() {
            half_done += 1;
            let before = logins(&nvr)?;
            box_.start().await?;
            logged_in(&box_, &nvr, before).await?;
            ensure!(!next.exists(), "the start has not brought it to its end");
            box_.stop()?;
        }
    }
    println!("{kills} kills, {half_done} of them with both keys on the disk");
    let before = logins(&nvr)?;
    box_.start().await?;
    logged_in(&box_, &nvr, before).await?;
    // While the agent runs, its catalog is its own.
    let beside = rotate(&box_)?.output()?;
    ensure!(!beside.status.success(), "changed behind the agent's back");
    box_.stop()?;
    box_.check()?;
    box_.log_is_clean(&[])
}

fn rotate(appliance: &Appliance) -> Result<Command> {
    let mut command = Command::new(program("edge-agent")?);
    command
        .args(["rotate-key", "--config"])
        .arg(appliance.config_path());
    Ok(command)
}

fn logins(nvr: &StandIn) -> Result<usize> {
    nvr.count("login", "127.0.0.1:8000")
}

/// Waits for a login that is newer than those.
async fn logged_in(appliance: &Appliance, nvr: &StandIn, before: usize) -> Result<()> {
    eventually("the recorder is logged in to", || async {
        let now = logins(nvr).map_err(|e| e.to_string())?;
        if now <= before {
            return Err(format!("{now} logins"));
        }
        let recorders = appliance.recorders().await.map_err(|e| e.to_string())?;
        match recorders.first() {
            Some(it) if it.state == RecorderState::Online => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}
