//! The agent is killed with SIGKILL while it records and shows live: worker and FFmpeg end with it.

use anyhow::{Result, ensure};
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::main_job::first_picture;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};

#[tokio::test]
async fn agent_killed_leaves_no_process_behind() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 20))?;
    nvr.scenario.devices[0].throttle_bytes_per_s = Some(50_000);
    nvr.write()?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    let cameras = eventually("cameras are listed", || async {
        match box_.cameras().await {
            Ok(cameras) if cameras.len() == 2 => Ok(cameras),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let yard = cameras
        .iter()
        .find(|c| c.channel == 33)
        .expect("the standard footage has channel 33");
    first_picture(&box_.client, yard, dir.path()).await?;

    let children = box_.process()?.descendants();
    ensure!(
        children.iter().any(|(_, name)| name.contains("ffmpeg")),
        "no FFmpeg while live: {children:?}"
    );
    ensure!(children.len() >= 2, "no worker: {children:?}");
    box_.kill()?;
    eventually("all its processes have ended", || async {
        let left: Vec<_> = children
            .iter()
            .filter(|(pid, name)| {
                // Gone, or a zombie that nobody has waited for yet.
                std::fs::read_to_string(format!("/proc/{pid}/stat"))
                    .is_ok_and(|stat| stat.contains(&format!("({name})")) && !stat.contains(") Z "))
            })
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await?;
    box_.check()
}
