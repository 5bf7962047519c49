//! A person at the site, in a real browser: first-run wizard, recordings, playback and seeking, live view, download.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::appliance::{Appliance, PASSWORD};
use tests::browser;
use tests::stand_in::{self, StandIn, USER, standard_spec};

#[tokio::test]
async fn browser_at_the_site() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 20))?;
    nvr.listen()?;
    let port = nvr.scenario.devices[0].port;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    let file = browser::run(
        "site",
        json!({
            "url": box_.client.base(),
            "password": PASSWORD,
            "recorder": { "address": "127.0.0.1", "port": port, "username": USER, "password": stand_in::PASSWORD },
            "recordings": 4,
            "screenshots": browser::screenshots("site")?,
        }),
    )
    .await?;
    box_.login().await?;
    let all = box_.recordings().await?;
    let same = all
        .iter()
        .find(|r| r.digest.as_deref() == Some(file.sha256.as_str()))
        .context("no such recording")?;
    ensure!(
        same.kept_bytes == Some(file.bytes) && file.name.ends_with(".mp4"),
        "{file:?} {same:?}"
    );
    box_.stop()?;
    box_.check()?;
    box_.log_is_clean(&[])
}
