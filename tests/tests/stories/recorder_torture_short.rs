//! A short run of the campaign (`make torture-recorder`): whatever a recorder, its library and its link do, nothing is
//! lost and nothing is held that is not what the recorder has.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::seed::Seed;
use tests::torture::{Round, run};

#[tokio::test]
async fn recorder_torture_short() -> Result<()> {
    let round = Round {
        seed: Seed::new().below(1_000_000),
        recorders: 2,
        recordings: 8,
        seconds: 60,
        faults_max: 2,
        kills: 1,
        patience: Duration::from_secs(300),
    };
    let dir = tempfile::tempdir()?;
    let figures = run(dir.path(), &round).await?;
    println!("{figures}");
    figures.check()?;
    ensure!(
        figures.injected() > 0,
        "nothing went wrong, which shows nothing"
    );
    Ok(())
}
