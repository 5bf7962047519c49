//! The installer mistypes the recorder's password: one attempt, the reason in words, no lock-out; corrected, it works.

use anyhow::{Result, ensure};
use serde_json::json;
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::{Recorder, RecorderState};

#[tokio::test]
async fn wrong_password_is_tried_once() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(1, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    let recorder = box_
        .add_recorder("Shop", "127.0.0.1", 8000, USER, "Mistyped123")
        .await?;

    let refused = state(&box_, RecorderState::Error).await?;
    let reason = refused.state_reason.unwrap_or_default();
    ensure!(
        reason.contains("password"),
        "the reason does not name the password: {reason}"
    );
    ensure!(
        !reason.contains("Mistyped123"),
        "the reason shows the password: {reason}"
    );

    // Discovery runs every second here: five rounds without another attempt show that there is none.
    let checked = std::time::Instant::now();
    while checked.elapsed().as_secs() < 5 {
        ensure!(
            nvr.count("login", "127.0.0.1:8000")? == 1,
            "more than one login: {:?}",
            nvr.calls()?
        );
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    // Also over restarts: the refusal is remembered in the catalog, or the device would lock the account.
    for _ in 0..2 {
        box_.stop()?;
        box_.start().await?;
        let still = state(&box_, RecorderState::Error).await?;
        ensure!(
            still.state_reason.as_ref() == Some(&reason),
            "the reason is another one: {still:?}"
        );
        // Discovery has had its chance to ask for a session.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        ensure!(
            nvr.count("login", "127.0.0.1:8000")? == 1,
            "a restart tried again: {:?}",
            nvr.calls()?
        );
    }

    let body = json!({
        "name": "Shop", "address": "127.0.0.1", "port": 8000, "username": USER, "password": PASSWORD, "enabled": true,
    });
    let _: Recorder = box_
        .client
        .put(&format!("/api/v1/recorders/{}", recorder.id), &body)
        .await?;
    state(&box_, RecorderState::Online).await?;
    box_.all_completed(2).await?;
    box_.stop()?;
    box_.check()?;
    box_.log_is_clean(&["password"])
}

async fn state(appliance: &Appliance, wanted: RecorderState) -> Result<Recorder> {
    eventually(&format!("the recorder is {wanted:?}"), || async {
        let recorders = appliance.recorders().await.map_err(|e| e.to_string())?;
        let it = recorders.into_iter().next().ok_or("none")?;
        if it.state == wanted {
            Ok(it)
        } else {
            Err(format!("{:?}: {:?}", it.state, it.state_reason))
        }
    })
    .await
}
