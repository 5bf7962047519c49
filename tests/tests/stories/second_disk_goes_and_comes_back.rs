//! Two disks, one of which is pulled out while the agent works: it says so, what lies on it stays held and cannot be
//! read, new footage goes to the other, and when it is back all is as before, without a restart.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use tests::appliance::Appliance;
use tests::disks::{SECOND, TwoDisks};
use tests::eventually::eventually;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_channels, standard_spec};
use wire::coverage::Completeness;
use wire::error::ErrorCode;
use wire::resource::{Recording, VolumeState};

fn download(recording: &Recording) -> String {
    format!("/api/v1/recordings/{}/download", recording.id)
}

#[tokio::test]
async fn second_disk_goes_and_comes_back() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let spec = standard_spec(3, 10);
    let mut nvr = StandIn::standard(&dir.path().join("sdk"), &spec)?;
    nvr.add_recorder("127.0.0.1", 8001, standard_channels(&spec)?);
    nvr.write()?;
    let appliance = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    let box_ = TwoDisks::start(appliance, &dir.path().join("second"), |_| {}).await?;
    let add = |name, port| {
        box_.appliance
            .add_recorder(name, "127.0.0.1", port, USER, PASSWORD)
    };
    add("Shop", 8000).await?;
    let first = box_.appliance.all_completed(6).await?;
    let held = box_.volume(SECOND).await?.held_bytes;
    ensure!(held > 0, "nothing lies on the second disk");

    box_.pull()?;
    // Whoever asks for what lies there is told; that it is gone is noticed by that.
    let client = &box_.appliance.client;
    let mut away = None;
    for recording in &first {
        let answer = client
            .request(Method::GET, &download(recording))
            .send()
            .await?;
        if !answer.status().is_success() {
            away = Some(recording);
        }
    }
    let away = away.context("all can be read although a disk was pulled out")?;
    let (status, error) = client.refused(Method::GET, &download(away)).await?;
    ensure!(
        status == 503
            && error.error.code == ErrorCode::Unavailable
            && error.error.message.contains(SECOND),
        "{status} {error:?}"
    );
    let gone = box_.second_is(VolumeState::Gone).await?;
    ensure!(
        gone.held_bytes == held && gone.trouble.is_some(),
        "{gone:?}"
    );
    let path = format!(
        "/api/v1/cameras/{}/gaps?from={}&to={}",
        away.camera_id, away.start_utc, away.end_utc
    );
    let told: Completeness = client.get(&path).await?;
    ensure!(
        !told.away.is_empty() && told.held_ms > 0 && told.gaps.is_empty(),
        "{told:?}"
    );

    // Footage goes on coming, to the disk that is there.
    add("Yard", 8001).await?;
    box_.appliance.all_completed(12).await?;
    ensure!(
        !box_.second().exists(),
        "something was written beside the disk"
    );
    let alarm = "disk_gone";
    let storage: serde_json::Value = client.get("/api/v1/storage").await?;
    ensure!(storage["alarms"][0]["rule"] == alarm, "{storage}");

    box_.plug_in()?;
    box_.second_is(VolumeState::Working).await?;
    let bytes = client.bytes(&download(away)).await?;
    ensure!(Some(bytes.len() as u64) == away.kept_bytes);
    eventually("the alarm is over", || async {
        let storage: serde_json::Value = client
            .get("/api/v1/storage")
            .await
            .map_err(|e| e.to_string())?;
        match storage["alarms"].as_array() {
            Some(alarms) if alarms.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    box_.stop_and_check(&["A volume cannot be used as it should", alarm])
}
