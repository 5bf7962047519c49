//! The stand-in recorder is believed because somebody else's program takes it for one: an unmodified `hikload` from PyPI
//! lists its cameras and recordings and downloads them byte for byte.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hcnetsdk::scenario::Device;
use tests::isapi_recorder::{IsapiRecorder, Quirks};
use tests::python::environment;
use tests::stand_in::{PASSWORD, USER, standard_channels, standard_spec};

/// hikload as released, and what its command line imports. Its own pins (PyQt among them) have no builds for today's
/// Python, so it is installed without them.
const PACKAGES: [&str; 11] = [
    "hikload==1.1.4",
    "requests",
    "lxml",
    "xmler",
    "tqdm",
    "ffmpeg-python",
    "future",
    // What `requests` stands on.
    "urllib3",
    "idna",
    "certifi",
    "charset-normalizer",
];

#[tokio::test]
async fn foreign_client_lists_and_downloads() -> Result<()> {
    let python = tokio::task::spawn_blocking(|| environment(PACKAGES[0], &PACKAGES)).await??;
    let channels = standard_channels(&standard_spec(2, 10))?;
    let device = Device {
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        channels: channels.clone(),
        ..Device::default()
    };
    // Its paging goes on from the start of the last recording, so that page after page begins with a repetition.
    let quirks = Quirks {
        host: "127.0.0.1",
        ..Quirks::default()
    };
    let recorder = IsapiRecorder::start(device, Path::new("/"), quirks).await?;
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(python);
    command
        .args(["-m", "hikload", "--server"])
        .arg(recorder.http.to_string())
        .args(["--username", USER, "--password", PASSWORD])
        .args([
            "--starttime",
            "2026-11-03T00:00:00",
            "--endtime",
            "2026-11-03T23:59:59",
        ])
        .arg("--downloads")
        .arg(dir.path())
        .current_dir(dir.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "hikload ended with {}:\n{said}",
        output.status
    );
    ensure!(said.contains(" 4/4 "), "hikload said:\n{said}");

    for (camera, channel) in [(101, &channels[0]), (201, &channels[1])] {
        for recording in &channel.recordings {
            let digits: String = recording
                .start
                .to_string()
                .chars()
                .filter(char::is_ascii_digit)
                .collect();
            let path = dir.path().join(format!("{digits}-{camera}.mp4"));
            let got =
                std::fs::read(&path).with_context(|| format!("{}\n{said}", path.display()))?;
            let mut expected = Vec::new();
            hcnetsdk::recorded(
                &recording.media,
                recording.start,
                recording.duration_s,
                &mut expected,
            )?;
            ensure!(
                got == expected,
                "{} differs from what the recorder holds",
                path.display()
            );
        }
    }
    Ok(())
}
