//! An admin far away, in a real browser: first login, claim, recordings, playback and seeking, live view, download.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::appliance::Appliance;
use tests::browser;
use tests::eventually::eventually;
use tests::relay::{PASSWORD, Relay};
use tests::stand_in::{self, StandIn, USER, standard_spec};
use wire::resource::Claim;

#[tokio::test]
async fn browser_far_away() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 20))?;
    let mut relay = Relay::new(&dir.path().join("relay"))?;
    relay.start().await?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, stand_in::PASSWORD)
        .await?;
    let setting = json!({ "url": relay.url(), "ca_sha256": relay.ca_sha256()? });
    let _: Value = box_.client.put("/api/v1/system/relay", &setting).await?;
    let code = eventually("the box shows a claim code", || async {
        let claim: Claim = box_.system().await.map_err(|e| e.to_string())?.claim;
        claim.code.clone().ok_or(format!("{claim:?}"))
    })
    .await?;
    let all = box_.all_completed(4).await?;

    let first = std::fs::read_to_string(relay.state().join("first-admin-password"))?;
    let file = browser::run(
        "far",
        json!({
            "url": relay.url(),
            "first_password": first.trim(),
            "password": PASSWORD,
            "code": code,
            "recordings": 4,
            "screenshots": browser::screenshots("far")?,
        }),
    )
    .await?;
    let same = all
        .iter()
        .find(|r| r.digest.as_deref() == Some(file.sha256.as_str()))
        .context("no such recording")?;
    ensure!(same.kept_bytes == Some(file.bytes), "{file:?} {same:?}");
    box_.stop()?;
    relay.stop()?;
    box_.check()?;
    box_.log_is_clean(&[])?;
    tests::appliance::log_is_clean(&relay.log(), &[])
}
