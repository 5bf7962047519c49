//! `make bench`: each figure is a ratio to a named peer or limit, measured in the same run. Ends with 1 when a limit is
//! broken. Numbers of one run on one machine: the ratio is what to compare.

#[path = "bench/archive.rs"]
mod archive;
#[path = "bench/ring.rs"]
mod ring;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use hcnetsdk::state::Call;
use reqwest::Method;
use tests::appliance::Appliance;
use tests::client::Client;
use tests::eventually::eventually_within;
use tests::footage::{ReelSpec, Shown, reel};
use tests::main_job;
use tests::process::resident_bytes;
use tests::rebuild_rate::Volume;
use tests::relay::Relay;
use tests::stand_in::{DAY, StandIn, footage_cache};
use wire::resource::{Recording, RecordingStatus};

/// Pairs measured; the median is told.
const PAIRS: usize = 5;

/// What the agent and its workers may hold in memory on a box of 2 GB: an eighth of it.
const MEMORY_LIMIT_BYTES: u64 = 256 << 20;

/// A relayed download is at least this part of a direct one (a quarter of what one loopback gives is far beyond any
/// uplink; 0.38 was measured when the tunnel was chosen).
const RELAYED_LIMIT: f64 = 0.20;

/// Fetching, remuxing, verifying and keeping may cost at most this many times copying, syncing and hashing the bytes.
/// The goal is 1.3.
const INGEST_LIMIT: f64 = 2.0;

/// Bytes that the agent and its worker may write to the disk for each byte kept: once as received, once as kept.
const WRITTEN_LIMIT: f64 = 2.1;

/// Making the catalog anew may take at most this many times finding and reading the descriptions.
const REBUILD_LIMIT: f64 = 40.0;
/// Recordings that are read in for it: more than a week of 16 cameras.
const REBUILT: usize = 20_000;

/// Length of the recordings: a usual one, and one of about a gibibyte.
const USUAL_S: u32 = 600;
const GIBIBYTE_S: u32 = 4_800;

#[derive(Debug)]
struct Figure {
    what: String,
    seen: String,
    ratio: f64,
    limit: String,
    right: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let dir = tempfile::Builder::new()
        .prefix("holdfast-bench-")
        .tempdir()?;
    let mut figures = Vec::new();
    // `bench rebuild` measures that alone, `bench ring` the ring buffer, `bench ring huge` with ten million recordings.
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| asked.iter().any(|it| it == name);
    if asked.is_empty() {
        with_recorders(dir.path(), &mut figures).await?;
    }
    if asked.is_empty() || is_asked("ring") {
        // The largest first: its rows are made for so long that the box may have become another one by then.
        let sizes: &[u64] = match is_asked("huge") {
            true => &[10_000_000, 1_000_000, 10_000],
            false => &[1_000_000, 10_000],
        };
        ring::measure(dir.path(), sizes, &mut figures).await?;
    }
    if asked.is_empty() || is_asked("rebuild") {
        let volume = dir.path().join("volume");
        std::fs::create_dir_all(&volume)?;
        rebuild(&volume, &mut figures)?;
        std::fs::remove_dir_all(&volume)?;
    }

    println!("\n{:44} {:>8}  {:28} seen", "figure", "ratio", "limit");
    for f in &figures {
        println!(
            "{:44} {:>8.3}  {:28} {}{}",
            f.what,
            f.ratio,
            f.limit,
            f.seen,
            if f.right { "" } else { "  ✗" }
        );
    }
    ensure!(figures.iter().all(|f| f.right), "a limit is broken");
    Ok(())
}

/// Everything that takes a recorder.
async fn with_recorders(dir: &Path, figures: &mut Vec<Figure>) -> Result<()> {
    let large = dir.join("large");
    let mut world = world(&large, GIBIBYTE_S).await?;
    let recording = ingest(&mut world, &large, "1 GiB", figures).await?;
    archive::packed(&world, &large, &recording, figures).await?;
    world.appliance.stop()?;
    world.relay.stop()?;
    drop(world);
    std::fs::remove_dir_all(&large)?;

    let usual = dir.join("usual");
    let mut world = self::world(&usual, USUAL_S).await?;
    let recording = ingest(&mut world, &usual, "10 min", figures).await?;
    relayed(&world, &recording, figures).await?;
    memory_idle(&mut world, figures).await?;
    world.appliance.stop()?;
    world.relay.stop()?;
    Ok(())
}

/// One recorder with one recording.
async fn world(dir: &Path, seconds: u32) -> Result<main_job::World> {
    std::fs::create_dir_all(dir)?;
    let start: jiff::Timestamp = DAY.parse()?;
    let model = ReelSpec {
        seconds: 60,
        width: 1280,
        height: 720,
        ..ReelSpec::new("bench", Shown::Utc(start))
    };
    let media = reel(&footage_cache()?, &model)?;
    let mut recorder = StandIn::new(&dir.join("sdk"))?;
    let clip = tests::footage::Clip {
        start,
        seconds,
        reel: media.clone(),
    };
    let camera = tests::footage::Camera {
        name: "Bench".into(),
        clips: vec![clip],
        live: media,
    };
    recorder.add_recorder("127.0.0.1", 8000, vec![camera.channel(33)]);
    recorder.write()?;
    let appliance = Appliance::new(&dir.join("box"), recorder.folder())?;
    let relay = Relay::new(&dir.join("relay"))?;
    main_job::start(recorder, appliance, relay).await
}

/// From the recorder to `completed`, over `cp` + `sync` + `sha256sum` of the same bytes; and what it costs in memory and
/// in writing.
async fn ingest(
    world: &mut main_job::World,
    dir: &Path,
    name: &str,
    figures: &mut Vec<Figure>,
) -> Result<Recording> {
    let mut peak = 0;
    let appliance = &mut world.appliance;
    let pids = |appliance: &mut Appliance| -> Result<Vec<u32>> {
        let process = appliance.process()?;
        let own = process.id();
        let workers = process
            .descendants()
            .into_iter()
            .filter(|(_, name)| !name.contains("ffmpeg"));
        Ok(std::iter::once(own)
            .chain(workers.map(|(pid, _)| pid))
            .collect())
    };
    let deadline = Instant::now() + Duration::from_secs(600);
    // Counters of a process end with it: the highest seen of each counts.
    let mut written = std::collections::BTreeMap::new();
    let recording = loop {
        let all = appliance.recordings().await?;
        let now = pids(appliance)?;
        for pid in &now {
            let bytes = written_bytes(*pid).unwrap_or(0);
            written.insert(*pid, bytes);
        }
        peak = peak.max(now.into_iter().map(resident_bytes).sum());
        if let Some(done) = all
            .into_iter()
            .find(|r| r.status == RecordingStatus::Completed)
        {
            break done;
        }
        ensure!(Instant::now() < deadline, "the recording is not completed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    figures.push(Figure {
        what: format!("memory while syncing {name} / 256 MiB"),
        seen: format!("{:.0} MB agent and worker", peak as f64 / 1e6),
        ratio: peak as f64 / MEMORY_LIMIT_BYTES as f64,
        limit: "at most 1".into(),
        right: peak <= MEMORY_LIMIT_BYTES,
    });

    let calls = world.recorder.calls()?;
    let begun = calls
        .iter()
        .find(|c| c.call == "download_start")
        .context("no download")?
        .at;
    let ours = recording
        .updated_at
        .timestamp()
        .duration_since(begun)
        .as_secs_f64();
    phases(&calls, dir, &recording)?;
    let file = dir.join("peer");
    write_alike(&file, recording.received_bytes)?;
    let mut peers: Vec<f64> = (0..PAIRS)
        .map(|_| copy_sync_hash(&file, &dir.join("peer.copy")))
        .collect::<Result<_>>()?;
    let peer = median(&mut peers);
    let mb = recording.received_bytes as f64 / 1e6;
    figures.push(Figure {
        what: format!("ingest of {name} / cp + sync + sha256sum"),
        seen: format!("{mb:.0} MB in {ours:.2} s, peer {peer:.2} s"),
        ratio: ours / peer,
        limit: format!("at most {INGEST_LIMIT}, goal 1.3"),
        right: ours / peer <= INGEST_LIMIT,
    });
    let kept = recording.kept_bytes.context("no kept bytes")? as f64;
    let all = written.values().sum::<u64>() as f64;
    figures.push(Figure {
        what: format!("bytes written for {name} / bytes kept"),
        seen: format!("{:.0} of {:.0} MB", all / 1e6, kept / 1e6),
        ratio: all / kept,
        limit: format!("at most {WRITTEN_LIMIT}"),
        right: all / kept <= WRITTEN_LIMIT,
    });
    Ok(recording)
}

/// Prints where the time went: the recorder's side, FFmpeg behind it, verification, keeping.
fn phases(calls: &[Call], dir: &Path, recording: &Recording) -> Result<()> {
    let at = |name: &str| calls.iter().find(|c| c.call == name).map(|c| c.at);
    let written = |end: &str| -> Result<jiff::Timestamp> {
        let file = files_below(dir)?
            .into_iter()
            .find(|path| {
                let path = path.to_string_lossy();
                path.contains("/cameras/") && path.ends_with(end)
            })
            .with_context(|| format!("no {end} is kept"))?;
        Ok(file.metadata()?.modified()?.try_into()?)
    };
    let marks = [
        at("download_start"),
        at("download_stop"),
        Some(written(".mp4")?),
        Some(written(".json")?),
        Some(recording.updated_at.timestamp()),
    ];
    for (what, pair) in ["transfer", "remux after it", "verification", "keeping"]
        .iter()
        .zip(marks.windows(2))
    {
        if let [Some(from), Some(to)] = pair {
            println!("  {what}: {:.3} s", to.duration_since(*from).as_secs_f64());
        }
    }
    Ok(())
}

fn files_below(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// A file of so many bytes that no file system can make smaller.
fn write_alike(path: &Path, bytes: u64) -> Result<()> {
    use std::io::Write;
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut state = 1u64;
    for _ in 0..bytes.div_ceil(8) {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    Ok(file.into_inner()?.sync_all()?)
}

/// Bytes that a process has caused to be written to a disk, so far (proc_pid_io(5)).
fn written_bytes(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = text.lines().find_map(|l| l.strip_prefix("write_bytes: "));
    Ok(line.context("no write_bytes")?.trim().parse()?)
}

fn copy_sync_hash(from: &Path, to: &Path) -> Result<f64> {
    let begun = Instant::now();
    for (program, args) in [
        ("cp", vec![from, to]),
        ("sync", vec![to]),
        ("sha256sum", vec![to]),
    ] {
        let output = Command::new(program).args(args).output()?;
        ensure!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// The same file through the relay and directly from the agent, in turn.
async fn relayed(
    world: &main_job::World,
    recording: &Recording,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    eventually_within(
        "the relay lists the recording",
        Duration::from_secs(60),
        || async {
            match world.relay.recordings().await {
                Ok(all)
                    if all
                        .iter()
                        .any(|r| r.recording.status == RecordingStatus::Completed) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        },
    )
    .await?;
    let (mut ratios, mut fast, mut slow) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let direct = throughput(&world.appliance.client, recording).await?;
        let far = throughput(&world.relay.client, recording).await?;
        ratios.push(far / direct);
        fast.push(direct);
        slow.push(far);
    }
    let ratio = median(&mut ratios);
    figures.push(Figure {
        what: "relayed download / direct download".into(),
        seen: format!(
            "{:.0} of {:.0} MB/s",
            median(&mut slow) / 1e6,
            median(&mut fast) / 1e6
        ),
        ratio,
        limit: format!("at least {RELAYED_LIMIT}"),
        right: ratio >= RELAYED_LIMIT,
    });
    Ok(())
}

async fn throughput(client: &Client, recording: &Recording) -> Result<f64> {
    let begun = Instant::now();
    let path = format!("/api/v1/recordings/{}/download", recording.id);
    let mut body = client
        .request(Method::GET, &path)
        .send()
        .await?
        .error_for_status()?
        .bytes_stream();
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        bytes += chunk?.len() as u64;
    }
    ensure!(Some(bytes) == recording.kept_bytes, "{bytes} bytes");
    Ok(bytes as f64 / begun.elapsed().as_secs_f64())
}

async fn memory_idle(world: &mut main_job::World, figures: &mut Vec<Figure>) -> Result<()> {
    let process = world.appliance.process()?;
    let own = resident_bytes(process.id());
    let workers: u64 = process
        .descendants()
        .into_iter()
        .map(|(pid, _)| resident_bytes(pid))
        .sum();
    let all = own + workers;
    figures.push(Figure {
        what: "memory idle / 256 MiB".into(),
        seen: format!(
            "{:.0} MB agent, {:.0} MB worker",
            own as f64 / 1e6,
            workers as f64 / 1e6
        ),
        ratio: all as f64 / MEMORY_LIMIT_BYTES as f64,
        limit: "at most 1".into(),
        right: all <= MEMORY_LIMIT_BYTES,
    });
    Ok(())
}

/// A catalog made anew from the disks, over `find` and reading the same descriptions.
fn rebuild(dir: &Path, figures: &mut Vec<Figure>) -> Result<()> {
    let volume = Volume::new(dir, REBUILT)?;
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let seconds = volume.measure()?;
        ratios.push(seconds.rebuild / seconds.read);
        rates.push(REBUILT as f64 / seconds.rebuild);
    }
    let ratio = median(&mut ratios);
    figures.push(Figure {
        what: "rebuild / find and read the descriptions".into(),
        seen: format!("{:.0} recordings a second", median(&mut rates)),
        ratio,
        limit: format!("≤ {REBUILD_LIMIT}"),
        right: ratio <= REBUILD_LIMIT,
    });
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
