//! How fast a catalog is made anew from the disks: `edge-agent rebuild` of a volume full of descriptions, beside what it
//! costs to find and read them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use serde_json::json;
use uuid::Uuid;

use crate::process::program;

/// Length of a recording, and of its groups of pictures.
const RECORDING_S: usize = 600;
const GROUP_S: usize = 2;
/// What it has at 4 Mbit/s, in mebibytes.
const CHUNKS: usize = RECORDING_S * 4 / 8;
/// Recordings of a camera in a day.
const PER_DAY: usize = 24 * 3_600 / RECORDING_S;
const CAMERAS: usize = 16;

/// A volume as another box left it.
#[derive(Debug)]
pub struct Volume {
    dir: PathBuf,
    recordings: usize,
}

/// What was measured: seconds.
#[derive(Debug, Clone, Copy)]
pub struct Seconds {
    /// To rebuild.
    pub rebuild: f64,
    /// To find all descriptions and read them.
    pub read: f64,
}

impl Volume {
    /// Makes one with so many recordings. Their media has one byte: a rebuild does not read it.
    pub fn new(dir: &Path, recordings: usize) -> Result<Self> {
        let volume = dir.join("footage");
        std::fs::create_dir_all(&volume)?;
        let marker = json!({ "version": 1, "uuid": Uuid::now_v7() });
        std::fs::write(volume.join(".holdfast-volume"), marker.to_string())?;
        let cameras: Vec<Uuid> = (0..CAMERAS).map(|_| Uuid::now_v7()).collect();
        let recorder = Uuid::now_v7();
        let first: jiff::Timestamp = "2026-06-01T00:00:00Z".parse()?;
        let digests = BASE64.encode(&vec![0x5A; CHUNKS * 32]);
        let fragments: Vec<[usize; 4]> = (0..RECORDING_S / GROUP_S)
            .map(|n| {
                [
                    800 + n * 1_000_000,
                    1_000_000,
                    n * GROUP_S * 1_000,
                    GROUP_S * 1_000,
                ]
            })
            .collect();
        for n in 0..recordings {
            let channel = n % CAMERAS;
            let nth = n / CAMERAS;
            let start = first + jiff::SignedDuration::from_secs((nth * RECORDING_S) as i64);
            let end = start + jiff::SignedDuration::from_secs(RECORDING_S as i64);
            let wall = jiff::tz::TimeZone::UTC.to_datetime(start);
            let folder = volume.join(format!(
                "cameras/{}/{}",
                cameras[channel],
                wall.date().strftime("%Y/%m/%d")
            ));
            if nth.is_multiple_of(PER_DAY) {
                std::fs::create_dir_all(&folder)?;
            }
            let stem = format!("{}.000Z_{RECORDING_S}s", wall.strftime("%H%M%S"));
            let sidecar = json!({
                "version": 1, "recording": Uuid::now_v7(), "appliance": null, "recorder": recorder,
                "recorder_name": "Shop", "device_serial": "SN1", "channel": channel + 1,
                "camera": cameras[channel], "camera_name": format!("Camera {channel}"),
                "start_utc": start, "end_utc": end,
                "recorder_start": wall, "recorder_start_second_pass": false,
                "recorder_end": jiff::tz::TimeZone::UTC.to_datetime(end), "recorder_end_second_pass": false,
                "clock_offset_ms": 0, "zone_minutes": 0, "source_name": format!("f{n:08}"), "source_nth": 1,
                "source_type": 0, "source_locked": false, "stated_bytes": 1, "source_bytes": CHUNKS << 20,
                "fetched_bytes": CHUNKS << 20, "source_digest": "5a".repeat(32), "kept_bytes": 1,
                "digest": "5a".repeat(32), "video_codec": "h264", "audio_codec": "aac", "width": 1920,
                "height": 1080, "duration_ms": RECORDING_S * 1_000, "defects": [], "kept_at": end,
                "fragments": { "init_bytes": 800, "fragments": fragments },
                "custody": { "chunk_bytes": 1 << 20, "kept": digests, "source": digests },
            });
            std::fs::write(folder.join(format!("{stem}.json")), sidecar.to_string())?;
            std::fs::write(folder.join(format!("{stem}.mp4")), "x")?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            recordings,
        })
    }

    /// Measures once, the reading first: both find the disk's cache alike.
    pub fn measure(&self) -> Result<Seconds> {
        let began = Instant::now();
        let read = Command::new("find")
            .arg(self.dir.join("footage/cameras"))
            .args(["-name", "*.json", "-exec", "cat", "{}", "+"])
            .stdout(Stdio::null())
            .status()?;
        ensure!(read.success(), "find failed");
        let read = began.elapsed().as_secs_f64();

        let state = self.dir.join("state");
        if state.exists() {
            std::fs::remove_dir_all(&state)?;
        }
        let config = self.dir.join("agent.toml");
        let text = format!(
            "[state]\nfolder = {:?}\n[[volume]]\nname = \"main\"\npath = {:?}\nfloor_bytes = 0\n",
            state.display().to_string(),
            self.dir.join("footage").display().to_string()
        );
        std::fs::write(&config, text)?;
        let began = Instant::now();
        let output = Command::new(program("edge-agent")?)
            .args(["rebuild", "--config"])
            .arg(&config)
            .output()
            .context("edge-agent rebuild")?;
        let rebuild = began.elapsed().as_secs_f64();
        let told = String::from_utf8_lossy(&output.stdout);
        let all = format!("{} recordings read in, 0 left", self.recordings);
        ensure!(
            output.status.success() && told.contains(&all),
            "{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Seconds { rebuild, read })
    }
}
