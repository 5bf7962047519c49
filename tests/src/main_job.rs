//! The main job, once, as a person would do it: used by `make demo` and by the story that proves it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use wire::resource::{Camera, Recording, RecordingStatus, Site, StreamLink};

use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::{eventually, eventually_within};
use crate::relay::Relay;
use crate::stand_in::{PASSWORD, StandIn, USER};

/// Everything that runs.
#[derive(Debug)]
pub struct World {
    /// The recorder.
    pub recorder: StandIn,
    /// The box.
    pub appliance: Appliance,
    /// The program far away.
    pub relay: Relay,
    /// The site that the box became.
    pub site: Site,
    /// When the agent was started.
    pub started: Instant,
}

/// Starts relay and agent, does the first-run set-up, claims the box and adds the recorder.
pub async fn start(recorder: StandIn, mut appliance: Appliance, mut relay: Relay) -> Result<World> {
    relay.start().await.context("start the relay")?;
    relay.first_login().await.context("log in at the relay")?;
    let started = Instant::now();
    appliance.start().await.context("start the agent")?;
    appliance
        .first_run()
        .await
        .context("set the agent's password")?;
    for (n, device) in recorder.scenario.devices.iter().enumerate() {
        appliance
            .add_recorder(
                &format!("Recorder {}", n + 1),
                &device.address,
                device.port,
                USER,
                PASSWORD,
            )
            .await?;
    }
    let site = relay
        .claim(&appliance, "Demo site")
        .await
        .context("claim the appliance")?;
    Ok(World {
        recorder,
        appliance,
        relay,
        site,
        started,
    })
}

/// One line of the table at the end.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was looked at.
    pub what: &'static str,
    /// What was seen.
    pub seen: String,
    /// Whether it is as it must be.
    pub right: bool,
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Table(pub Vec<Row>);

impl Table {
    /// Adds a line.
    pub fn row(&mut self, what: &'static str, seen: impl Into<String>, right: bool) {
        self.0.push(Row {
            what,
            seen: seen.into(),
            right,
        });
    }

    /// Whether all is right.
    pub fn all_right(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|r| r.right)
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.0.iter().map(|r| r.what.len()).max().unwrap_or(0);
        for row in &self.0 {
            writeln!(
                f,
                "  {}  {:width$}  {}",
                if row.right { "✓" } else { "✗" },
                row.what,
                row.seen
            )?;
        }
        Ok(())
    }
}

/// Does the main job and looks at every result.
pub async fn run(world: &World, work: &Path) -> Result<Table> {
    let mut table = Table::default();
    let expected: usize = world
        .recorder
        .scenario
        .devices
        .iter()
        .flat_map(|d| &d.channels)
        .map(|c| c.recordings.len())
        .sum();

    let first = eventually_within(
        "a first recording is verified",
        Duration::from_secs(180),
        || async {
            let all = world
                .appliance
                .recordings()
                .await
                .map_err(|e| e.to_string())?;
            let done = all
                .iter()
                .filter(|r| r.status == RecordingStatus::Completed)
                .count();
            if done > 0 {
                Ok(world.started.elapsed())
            } else {
                Err(format!("{} found", all.len()))
            }
        },
    )
    .await?;
    let all = world.appliance.all_completed(expected).await?;
    let bytes: u64 = all.iter().filter_map(|r| r.kept_bytes).sum();
    let defects = all.iter().filter(|r| !r.defects.is_empty()).count();
    table.row(
        "recordings found",
        format!("{} of {expected}", all.len()),
        all.len() == expected,
    );
    table.row(
        "recordings downloaded and verified",
        format!("{} ({defects} with defects)", all.len()),
        defects == 0,
    );
    table.row(
        "bytes kept",
        format!("{:.1} MB", bytes as f64 / 1e6),
        bytes > 0,
    );
    table.row(
        "agent start to first verified recording",
        seconds(first),
        true,
    );

    let cameras = world.appliance.cameras().await?;
    let camera = live_camera(&cameras, &all)?;
    let lan = first_picture(&world.appliance.client, camera, work)
        .await
        .context("live on the LAN")?;
    table.row("first live picture on the LAN", seconds(lan), true);
    let far = first_picture(&world.relay.client, camera, work)
        .await
        .context("live through the relay")?;
    table.row("first live picture through the relay", seconds(far), true);

    let listed = eventually("the relay lists every recording as completed", || async {
        let listed = world.relay.recordings().await.map_err(|e| e.to_string())?;
        let done = listed
            .iter()
            .filter(|r| r.recording.status == RecordingStatus::Completed)
            .count();
        if done == expected {
            Ok(listed)
        } else {
            Err(format!("{done} of {} listed", listed.len()))
        }
    })
    .await?;
    let same = all.iter().all(|ours| {
        listed
            .iter()
            .any(|t| t.recording.id == ours.id && t.recording.digest == ours.digest)
    });
    table.row(
        "recordings listed by the relay",
        format!("{}, digests equal", listed.len()),
        same,
    );

    let recording = all
        .iter()
        .max_by_key(|r| r.kept_bytes)
        .context("no recording")?;
    let played = play(&world.relay.client, recording, work)
        .await
        .context("play through the relay")?;
    let wanted = recording.end_utc.ms_since(recording.start_utc) as f64 / 1e3;
    let close = (played - wanted).abs() < 2.5;
    table.row(
        "a recording played through the relay",
        format!("{played:.1} s of {wanted:.1} s"),
        close,
    );

    let here = digest_on_disk(&world.appliance.footage(), recording)?;
    table.row(
        "SHA-256 of a file on the agent",
        here.clone(),
        Some(&here) == recording.digest.as_ref(),
    );
    let (there, resumed_at) = download_interrupted(&world.relay.client, recording)
        .await
        .context("interrupted download")?;
    table.row("SHA-256 through the relay", there.clone(), there == here);
    table.row(
        "  interrupted and resumed by Range at byte",
        resumed_at.to_string(),
        resumed_at > 0,
    );
    Ok(table)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A camera whose codec every browser plays, if there is one.
fn live_camera<'a>(cameras: &'a [Camera], all: &[Recording]) -> Result<&'a Camera> {
    let h264 = |c: &&Camera| {
        all.iter()
            .any(|r| r.camera_id == c.id && r.video_codec.as_deref() == Some("h264"))
    };
    cameras
        .iter()
        .find(h264)
        .or(cameras.first())
        .context("no camera")
}

/// Time until a live picture has arrived and been decoded.
pub async fn first_picture(client: &Client, camera: &Camera, work: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let link: StreamLink = eventually("the live stream starts", || async {
        client
            .get(&format!("/api/v1/cameras/{}/stream/hls", camera.id))
            .await
    })
    .await?;
    let folder = link
        .url
        .rsplit_once('/')
        .context("a playlist lies in a folder")?
        .0;
    let (init, segment) = eventually("the live playlist has a segment", || async {
        let playlist = client.bytes(&link.url).await.map_err(|e| e.to_string())?;
        let playlist = String::from_utf8_lossy(&playlist).into_owned();
        let init = playlist
            .lines()
            .find_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\"")?.split('"').next());
        let segment = playlist
            .lines()
            .rfind(|l| !l.is_empty() && !l.starts_with('#'));
        match (init, segment) {
            (Some(init), Some(segment)) => Ok((init.to_owned(), segment.to_owned())),
            _ => Err(playlist),
        }
    })
    .await?;
    let mut media = client.bytes(&join(folder, &init)).await?;
    media.extend(client.bytes(&join(folder, &segment)).await?);
    let path = work.join("live.mp4");
    std::fs::write(&path, media)?;
    decode_one_picture(&path)?;
    Ok(begun.elapsed())
}

fn join(folder: &str, name: &str) -> String {
    if name.starts_with('/') {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn decode_one_picture(path: &Path) -> Result<()> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:v", "-frames:v", "1", "-f", "framehash", "-"])
        .output()?;
    let frames = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| !l.starts_with('#'))
        .count();
    ensure!(
        output.status.success() && frames == 1,
        "no picture: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Plays a recording by its playlist, as a player does, and gives the seconds that could be decoded.
pub async fn play(client: &Client, recording: &Recording, work: &Path) -> Result<f64> {
    let path = format!(
        "/api/v1/playback/{}/index.m3u8?from={}&to={}",
        recording.camera_id, recording.start_utc, recording.end_utc
    );
    let playlist = String::from_utf8(client.bytes(&path).await?)?;
    let folder = path
        .split('?')
        .next()
        .and_then(|p| p.rsplit_once('/'))
        .context("a path")?
        .0;
    let mut media = Vec::new();
    let (mut range, mut next) = (None::<(u64, u64)>, 0u64);
    for line in playlist.lines() {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:") {
            let uri = map
                .split("URI=\"")
                .nth(1)
                .and_then(|u| u.split('"').next())
                .context("EXT-X-MAP without URI")?;
            let map_range = map
                .split("BYTERANGE=\"")
                .nth(1)
                .and_then(|r| r.split('"').next())
                .map(parse_range)
                .transpose()?;
            let map_range = map_range.map(|(length, offset)| (length, offset.unwrap_or(0)));
            media.extend(fetch(client, &join(folder, uri), map_range).await?);
        } else if let Some(text) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            let (length, offset) = parse_range(text)?;
            let offset = offset.unwrap_or(next);
            next = offset + length;
            range = Some((length, offset));
        } else if !line.is_empty() && !line.starts_with('#') {
            media.extend(fetch(client, &join(folder, line), range.take()).await?);
        }
    }
    let file = work.join("played.mp4");
    std::fs::write(&file, media)?;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(&file)
        .args(["-map", "0:v", "-f", "framehash", "-"])
        .output()?;
    ensure!(
        output.status.success(),
        "what was played does not decode: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let frames = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|l| !l.starts_with('#'))
        .count();
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            "stream=avg_frame_rate",
            "-of",
            "csv=p=0",
        ])
        .arg(&file)
        .output()?;
    let rate = String::from_utf8_lossy(&probe.stdout);
    let (num, den) = rate
        .trim()
        .split_once('/')
        .with_context(|| format!("frame rate {rate:?}"))?;
    Ok(frames as f64 * den.parse::<f64>()? / num.parse::<f64>()?)
}

/// `length[@offset]`.
fn parse_range(text: &str) -> Result<(u64, Option<u64>)> {
    let (length, offset) = text
        .trim()
        .split_once('@')
        .map_or((text.trim(), None), |(l, o)| (l, Some(o)));
    Ok((length.parse()?, offset.map(str::parse).transpose()?))
}

async fn fetch(client: &Client, path: &str, range: Option<(u64, u64)>) -> Result<Vec<u8>> {
    let mut request = client.request(Method::GET, path);
    if let Some((length, offset)) = range {
        request = request.header("range", format!("bytes={offset}-{}", offset + length - 1));
    }
    let response = request.send().await?;
    let status = response.status();
    let wanted = if range.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let body = response.bytes().await?;
    ensure!(
        status == wanted,
        "{path}: {status} {}",
        String::from_utf8_lossy(&body[..body.len().min(300)])
    );
    if let Some((length, _)) = range {
        ensure!(
            body.len() as u64 == length,
            "{path}: {} bytes instead of {length}",
            body.len()
        );
    }
    Ok(body.to_vec())
}

/// SHA-256 of the file on the volume, found by the recording's day and start.
pub fn digest_on_disk(footage: &Path, recording: &Recording) -> Result<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![
        footage
            .join("cameras")
            .join(recording.camera_id.to_string()),
    ];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json")
                && std::fs::read_to_string(&path)?.contains(&recording.id.to_string())
            {
                found.push(path.with_extension("mp4"));
            }
        }
    }
    match found.as_slice() {
        [file] => Ok(base::token::sha256_hex(&std::fs::read(file)?)),
        other => bail!("{} sidecars name {}", other.len(), recording.id),
    }
}

/// Downloads half, breaks off, resumes by Range; gives the digest of the whole and where it was resumed.
pub async fn download_interrupted(client: &Client, recording: &Recording) -> Result<(String, u64)> {
    let path = format!("/api/v1/recordings/{}/download", recording.id);
    let size = recording
        .kept_bytes
        .context("a completed recording has a size")?;
    let response = client
        .request(Method::GET, &path)
        .send()
        .await?
        .error_for_status()?;
    let etag = response.headers().get("etag").context("no ETag")?.clone();
    let mut got: Vec<u8> = Vec::new();
    let mut stream = response.bytes_stream();
    while (got.len() as u64) < size / 2 {
        got.extend(stream.next().await.context("ended early")??);
    }
    drop(stream); // the line breaks here
    // A resumed client knows only what it has written.
    got.truncate((size / 2) as usize);
    let resumed_at = got.len() as u64;
    let response = eventually("the download resumes", || async {
        client
            .request(Method::GET, &path)
            .header("range", format!("bytes={resumed_at}-"))
            .header("if-range", &etag)
            .send()
            .await
    })
    .await?;
    ensure!(
        response.status() == StatusCode::PARTIAL_CONTENT,
        "resume answered {}",
        response.status()
    );
    got.extend(response.bytes().await?);
    ensure!(
        got.len() as u64 == size,
        "{} bytes instead of {size}",
        got.len()
    );
    Ok((base::token::sha256_hex(&got), resumed_at))
}
