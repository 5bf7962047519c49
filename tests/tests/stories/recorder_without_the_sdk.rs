//! A box without the vendor's library and a recorder that speaks ISAPI: footage arrives over a connection that breaks,
//! live view plays, and the password stands in no process list and no log.

use std::path::Path;

use anyhow::{Result, ensure};
use hcnetsdk::scenario::Device;
use serde_json::json;
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::isapi_recorder::{IsapiRecorder, Quirks};
use tests::stand_in::{PASSWORD, USER, standard_channels, standard_spec};
use wire::resource::{DriverKind, Recorder, RecorderState};

#[tokio::test]
async fn recorder_without_the_sdk() -> Result<()> {
    let device = Device {
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        zone: "CET-1CEST,M3.5.0,M10.5.0/3".to_owned(),
        channels: standard_channels(&standard_spec(2, 10))?,
        ..Device::default()
    };
    let quirks = Quirks {
        cut_at: vec![100_000, 200_000],
        single_use_nonce: true,
        ..Quirks::default()
    };
    let nvr = IsapiRecorder::start(device, Path::new("/"), quirks).await?;
    let dir = tempfile::tempdir()?;
    let mut box_ = Appliance::new(&dir.path().join("box"), &dir.path().join("no-sdk"))?;
    box_.start().await?;
    box_.first_run().await?;
    let body = json!({
        "name": "Shop", "driver": "isapi", "address": "127.0.0.1", "port": nvr.http.port(), "username": USER,
        "password": PASSWORD, "enabled": true,
    });
    let added: Recorder = box_.client.post("/api/v1/recorders", &body).await?;
    ensure!(added.driver == DriverKind::Isapi, "{added:?}");

    let all = box_.all_completed(4).await?;
    ensure!(
        all.iter().all(|recording| recording.defects.is_empty()),
        "recordings have defects: {all:?}"
    );
    let recorder: Recorder = box_
        .client
        .get(&format!("/api/v1/recorders/{}", added.id))
        .await?;
    ensure!(recorder.state == RecorderState::Online, "{recorder:?}");
    let cameras = box_.cameras().await?;
    let names: Vec<_> = cameras
        .iter()
        .map(|c| (c.channel, c.name.as_str()))
        .collect();
    ensure!(names == [(1, "Yard"), (2, "Gate")], "{names:?}");

    let link: wire::resource::StreamLink = box_
        .client
        .get(&format!("/api/v1/cameras/{}/stream/hls", cameras[0].id))
        .await?;
    eventually("the live playlist has a segment", || async {
        let playlist = box_
            .client
            .bytes(&link.url)
            .await
            .map_err(|e| e.to_string())?;
        let playlist = String::from_utf8_lossy(&playlist).into_owned();
        if playlist.contains("#EXTINF") {
            Ok(())
        } else {
            Err(playlist)
        }
    })
    .await?;
    let told = command_lines()?;
    ensure!(
        told.iter().any(|line| line.contains("ffmpeg")),
        "no FFmpeg runs: {told:?}"
    );
    ensure!(
        told.iter().all(|line| !line.contains(PASSWORD)),
        "a process list shows the password: {told:?}"
    );
    box_.stop()?;
    box_.check()?;
    let log = std::fs::read_to_string(box_.log())?;
    ensure!(!log.contains(PASSWORD), "the log shows the password");
    box_.log_is_clean(&["library"])
}

/// The command lines of all processes of this machine that may be read, also others'.
fn command_lines() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().chars().all(|c| c.is_ascii_digit()));
        // A process that has just ended has none.
        if let (true, Ok(bytes)) = (is_process, std::fs::read(path.join("cmdline"))) {
            lines.push(String::from_utf8_lossy(&bytes).replace('\0', " "));
        }
    }
    Ok(lines)
}
