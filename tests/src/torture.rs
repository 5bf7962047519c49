//! A recorder that goes wrong in every way, by chance that can be repeated: what does the appliance make of it?
//!
//! One round: an agent, some stand-in recorders, recordings that each meet up to a few faults, and now and then a
//! SIGKILL to the agent or to a worker. In the end every recording must be held, every kept picture must be the one that
//! the recorder has, and little must have been fetched twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hcnetsdk::chaos::Chance;
use hcnetsdk::scenario::{Channel, Chaos, Recording as Stored};
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use wire::resource::{Recording, RecordingStatus};

use crate::appliance::Appliance;
use crate::eventually::eventually_within;
use crate::footage::{AudioCodec, ReelSpec, Shown, VideoCodec, reel};
use crate::process::resident_bytes;
use crate::stand_in::{DAY, PASSWORD, StandIn, USER, footage_cache};

/// How long the first download of a recorder takes, before anything goes wrong, in seconds.
const CALM_S: u64 = 3;
/// Recordings that are judged with one login.
const LOGIN_EVERY: usize = 16;
/// What each recorder gives afterwards.
const RATE_BYTES_PER_S: u64 = 4_000_000;

/// One round.
#[derive(Debug, Clone)]
pub struct Round {
    /// What decides.
    pub seed: u64,
    /// Recorders.
    pub recorders: u32,
    /// Recordings of each, half of them H.264 with sound, half H.265.
    pub recordings: u32,
    /// Length of each in seconds; a key picture every second.
    pub seconds: u32,
    /// Most faults that one recording meets.
    pub faults_max: u32,
    /// SIGKILLs to the agent, and as many to workers.
    pub kills: u32,
    /// Longest time for all of it.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// What decided.
    pub seed: u64,
    /// Faults that happened, by kind and place.
    pub faults: BTreeMap<String, u64>,
    /// Recordings on the recorders.
    pub recordings: u64,
    /// Of them held here in the end.
    pub completed: u64,
    /// Held, and every picture is the recorder's.
    pub right: u64,
    /// Held with a defect that is told.
    pub with_defects: u64,
    /// Not held. Must be 0.
    pub lost: u64,
    /// Held without a defect, and not what the recorder has. Must be 0.
    pub wrongly_complete: u64,
    /// Which ones, and what else is worth a look.
    pub remarks: Vec<String>,
    /// Bytes that the recorders sent.
    pub fetched_bytes: u64,
    /// Bytes that were needed.
    pub needed_bytes: u64,
    /// Memory of the agent at the beginning and at the end.
    pub memory_before_bytes: u64,
    /// The same.
    pub memory_after_bytes: u64,
    /// How long it took.
    pub seconds: u64,
}

impl Figures {
    /// Faults in all.
    pub fn injected(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Bytes fetched over bytes needed.
    pub fn ratio(&self) -> f64 {
        self.fetched_bytes as f64 / self.needed_bytes.max(1) as f64
    }

    /// Takes another round in; memory is that of the round which grew most.
    pub fn add(&mut self, round: &Self) {
        for (kind, count) in &round.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        self.recordings += round.recordings;
        self.completed += round.completed;
        self.right += round.right;
        self.with_defects += round.with_defects;
        self.lost += round.lost;
        self.wrongly_complete += round.wrongly_complete;
        self.fetched_bytes += round.fetched_bytes;
        self.needed_bytes += round.needed_bytes;
        self.seconds += round.seconds;
        let remarks = round.remarks.iter();
        self.remarks
            .extend(remarks.map(|remark| format!("seed {}: {remark}", round.seed)));
        let growth = |f: &Self| f.memory_after_bytes as i64 - f.memory_before_bytes as i64;
        if self.memory_before_bytes == 0 || growth(round) > growth(self) {
            self.memory_before_bytes = round.memory_before_bytes;
            self.memory_after_bytes = round.memory_after_bytes;
        }
    }

    /// What must hold of it.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.lost == 0,
            "{} recordings are lost: {:?}",
            self.lost,
            self.remarks
        );
        ensure!(
            self.wrongly_complete == 0,
            "{} recordings are wrongly complete: {:?}",
            self.wrongly_complete,
            self.remarks
        );
        Ok(())
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        writeln!(f, "  injected faults          {}", self.injected())?;
        for (kind, count) in &self.faults {
            writeln!(f, "    {kind:24} {count}")?;
        }
        writeln!(f, "  recordings               {}", self.recordings)?;
        writeln!(f, "  downloads completed      {}", self.completed)?;
        writeln!(f, "  framehash right          {}", self.right)?;
        writeln!(f, "  kept with a told defect  {}", self.with_defects)?;
        writeln!(f, "  lost (must be 0)         {}", self.lost)?;
        writeln!(f, "  wrongly complete (0)     {}", self.wrongly_complete)?;
        writeln!(
            f,
            "  fetched / needed         {:.4} ({:.1} of {:.1} MB; goal at most 1.05)",
            self.ratio(),
            mb(self.fetched_bytes),
            mb(self.needed_bytes)
        )?;
        writeln!(
            f,
            "  agent's memory           {:.1} MB before, {:.1} MB after",
            mb(self.memory_before_bytes),
            mb(self.memory_after_bytes)
        )?;
        writeln!(f, "  took                     {} s", self.seconds)?;
        for remark in &self.remarks {
            writeln!(f, "  ! {remark}")?;
        }
        Ok(())
    }
}

/// Footage of one kind: its reel, and of a recording made of it its size and the hash of every picture.
pub(crate) struct Footage {
    pub(crate) reel: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) pictures: Vec<String>,
}

/// Runs a round in a folder.
pub async fn run(dir: &Path, round: &Round) -> Result<Figures> {
    let begun = Instant::now();
    let day: Timestamp = DAY.parse()?;
    let footage = [
        footage(
            dir,
            day,
            round.seconds,
            VideoCodec::H264,
            Some(AudioCodec::G711a),
        )?,
        footage(dir, day, round.seconds, VideoCodec::H265, None)?,
    ];
    let mut nvr = StandIn::new(&dir.join("sdk"))?;
    for n in 0..round.recorders {
        let device = nvr.add_recorder("127.0.0.1", 8000 + n as u16, channels(n, round, &footage));
        device.throttle_bytes_per_s = Some(footage[0].bytes / CALM_S);
    }
    nvr.write()?;
    let mut box_ = appliance(dir, &nvr, round)?;
    box_.start().await?;
    box_.first_run().await?;
    for (n, device) in nvr.scenario.devices.iter().enumerate() {
        box_.add_recorder(
            &format!("Recorder {n}"),
            &device.address,
            device.port,
            USER,
            PASSWORD,
        )
        .await?;
    }
    // A recording of each without trouble teaches what the sizes of this recorder mean.
    eventually_within("each recorder's first is held", round.patience, || async {
        let all = box_.recordings().await.map_err(|e| e.to_string())?;
        let held = all
            .iter()
            .filter(|r| r.status == RecordingStatus::Completed);
        let from: BTreeSet<&str> = held.map(|r| recorder_of(&r.source_name)).collect();
        if from.len() == round.recorders as usize {
            Ok(())
        } else {
            Err(format!("{} of {}", from.len(), round.recorders))
        }
    })
    .await?;
    let memory_before_bytes = resident_bytes(box_.process()?.id());

    for (n, device) in nvr.scenario.devices.iter_mut().enumerate() {
        device.throttle_bytes_per_s = Some(RATE_BYTES_PER_S);
        device.chaos = Some(Chaos {
            seed: round.seed.wrapping_add(n as u64),
            faults_max: round.faults_max,
            calls_permille: 15,
            ..Chaos::default()
        });
    }
    nvr.write()?;
    let mut kills = BTreeMap::new();
    let expected: usize = nvr
        .scenario
        .devices
        .iter()
        .flat_map(|d| &d.channels)
        .map(|c| c.recordings.len())
        .sum();
    let held = wait_and_kill(&mut box_, round, expected, &mut kills).await?;

    let mut figures = Figures {
        seed: round.seed,
        recordings: expected as u64,
        faults: kills,
        memory_before_bytes,
        memory_after_bytes: resident_bytes(box_.process()?.id()),
        ..Figures::default()
    };
    for call in nvr.calls()?.into_iter().filter(|call| call.call == "fault") {
        *figures
            .faults
            .entry(call.name.unwrap_or_default())
            .or_default() += 1;
    }
    judge(&mut box_, dir, &held, &footage, &mut figures).await?;
    box_.stop()?;
    box_.check()?;
    let log = std::fs::read_to_string(box_.log())?;
    if let Some(line) = log.lines().find(|line| line.contains("panicked at")) {
        figures.remarks.push(format!("the agent panicked: {line}"));
    }
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}

fn appliance(dir: &Path, nvr: &StandIn, round: &Round) -> Result<Appliance> {
    let mut box_ = Appliance::new(&dir.join("box"), nvr.folder())?;
    // Times are short, so that a hang costs seconds; what is measured is not time.
    for (key, value) in [
        ("stall_s", 6),
        ("retry_max_s", 2),
        ("total", i64::from(round.recorders)),
    ] {
        box_.set("download", key, value);
    }
    let day: Timestamp = DAY.parse()?;
    let days = Timestamp::now().duration_since(day).as_hours() / 24 + 2;
    box_.set("discovery", "interval_s", 3);
    box_.set("discovery", "backfill_days", days);
    for (key, value) in [
        ("hang_timeout_s", 4),
        ("stall_timeout_s", 3),
        ("search_timeout_s", 5),
        ("check_interval_s", 3),
        ("memory_limit_bytes", 192 << 20),
    ] {
        box_.set("sdk", key, value);
    }
    Ok(box_)
}

/// A reel of thirty seconds, looped to the length of a recording; the truth is what the recorder would give whole.
pub(crate) fn footage(
    dir: &Path,
    day: Timestamp,
    seconds: u32,
    video: VideoCodec,
    audio: Option<AudioCodec>,
) -> Result<Footage> {
    let spec = ReelSpec {
        seconds: 30,
        width: 320,
        height: 180,
        gop_frames: 25,
        video,
        audio,
        b_frames: video == VideoCodec::H264,
        ..ReelSpec::new(
            &format!("torture-{video:?}").to_lowercase(),
            Shown::Utc(day),
        )
    };
    let reel = reel(&footage_cache()?, &spec)?;
    std::fs::create_dir_all(dir)?;
    let truth = dir.join(format!("truth-{video:?}.ps"));
    hcnetsdk::recorded(
        &reel,
        day,
        Some(seconds.into()),
        &mut std::fs::File::create(&truth)?,
    )?;
    // Through the same container: it is the pictures that are compared, not how it writes them down.
    let same = truth.with_extension("mp4");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "mpeg", "-i"])
        .arg(&truth)
        .args(["-map", "0:v", "-c", "copy"])
        .arg(&same)
        .output()?;
    ensure!(
        output.status.success(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let pictures = pictures(&same)?;
    ensure!(!pictures.is_empty(), "{} has no pictures", truth.display());
    Ok(Footage {
        reel,
        bytes: truth.metadata()?.len(),
        pictures,
    })
}

/// The digits of a recording's name that say whose it is.
fn recorder_of(source_name: &str) -> &str {
    source_name.get(5..7).unwrap_or_default()
}

/// Two channels with the recordings of a recorder, half a minute apart.
fn channels(recorder: u32, round: &Round, footage: &[Footage; 2]) -> Vec<Channel> {
    let day: Timestamp = DAY.parse().expect("a constant");
    let stored = |channel: u32, n: u32, footage: &Footage| Stored {
        name: format!("ch{channel:02}_{recorder:02}{n:09}"),
        start: day + SignedDuration::from_secs(i64::from(n) * i64::from(round.seconds + 30)),
        duration_s: Some(round.seconds.into()),
        media: footage.reel.clone(),
        locked: false,
        file_type: 0,
        stream: 0,
    };
    [33, 34]
        .into_iter()
        .zip(footage)
        .map(|(number, footage)| Channel {
            number,
            name: format!("Camera {number}"),
            recordings: (0..round.recordings / 2)
                .map(|n| stored(number, n, footage))
                .collect(),
            ..Channel::default()
        })
        .collect()
}

/// Waits until everything is held or given up, and kills now and then.
async fn wait_and_kill(
    box_: &mut Appliance,
    round: &Round,
    expected: usize,
    kills: &mut BTreeMap<String, u64>,
) -> Result<Vec<Recording>> {
    let mut chance = Chance::of(round.seed, "kills");
    let deadline = Instant::now() + round.patience;
    // A kill whenever another share of the first half is held: the moments differ, the progress is what counts. Through
    // the second half the agent lives, so that its memory in the end says something.
    let due = |n: u64| expected as u64 / 2 * (n + 1) / (u64::from(round.kills) * 2 + 1);
    let mut killed = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(300))).await;
        let all = match box_.recordings().await {
            Ok(all) => all,
            Err(_) => {
                // A token lives for a quarter of an hour.
                box_.login().await?;
                continue;
            }
        };
        let held = all
            .iter()
            .filter(|r| r.status == RecordingStatus::Completed)
            .count();
        let open = all.iter().any(|r| match r.status {
            RecordingStatus::Completed | RecordingStatus::Evicted => false,
            RecordingStatus::Failed => r.next_attempt_at.is_some(),
            RecordingStatus::Pending | RecordingStatus::Downloading => true,
        });
        if (all.len() == expected && !open) || Instant::now() > deadline {
            return Ok(all);
        }
        if killed < u64::from(round.kills) * 2 && held as u64 >= due(killed) {
            killed += 1;
            if killed % 2 == 0 {
                box_.kill()?;
                box_.start().await?;
                *kills.entry("agent killed".into()).or_default() += 1;
            } else {
                let workers = box_.process()?.descendants();
                let workers: Vec<u32> = workers
                    .into_iter()
                    .filter(|(_, name)| name.starts_with("edge-agent"))
                    .map(|(pid, _)| pid)
                    .collect();
                if let Some(pid) = workers.get(chance.below(workers.len() as u64) as usize) {
                    // ESRCH: it has just died by itself.
                    let _ = kill(Pid::from_raw(*pid as i32), Signal::SIGKILL);
                    *kills.entry("worker killed".into()).or_default() += 1;
                }
            }
        }
    }
}

/// Compares what is held with what the recorders have.
async fn judge(
    box_: &mut Appliance,
    dir: &Path,
    all: &[Recording],
    footage: &[Footage; 2],
    figures: &mut Figures,
) -> Result<()> {
    let path = dir.join("kept.mp4");
    for (n, recording) in all.iter().enumerate() {
        // A token lives for a quarter of an hour, which a round on a busy machine outlasts.
        if n % LOGIN_EVERY == 0 {
            box_.login().await?;
        }
        if recording.status != RecordingStatus::Completed {
            figures.remarks.push(format!(
                "{} is {:?} after {} attempts: {:?}",
                recording.source_name, recording.status, recording.attempts, recording.failure
            ));
            continue;
        }
        figures.completed += 1;
        figures.fetched_bytes += recording.fetched_bytes.context("it says what it cost")?;
        let kept = format!("/api/v1/recordings/{}/download", recording.id);
        std::fs::write(&path, box_.client.bytes(&kept).await?)?;
        let of = &footage[usize::from(recording.source_name.starts_with("ch34"))];
        figures.needed_bytes += of.bytes;
        let truth = &of.pictures;
        let held = pictures(&path)?;
        if held == *truth {
            figures.right += 1;
        }
        if !recording.defects.is_empty() {
            figures.with_defects += 1;
            figures.remarks.push(format!(
                "{}: {:?}",
                recording.source_name, recording.defects
            ));
        } else if held != *truth {
            figures.wrongly_complete += 1;
            let same = held.iter().zip(truth).take_while(|(a, b)| a == b).count();
            figures.remarks.push(format!(
                "{} is wrong: {} pictures of {}, the first {same} alike",
                recording.source_name,
                held.len(),
                truth.len()
            ));
        }
    }
    figures.lost = figures.recordings - figures.completed;
    Ok(())
}

/// One hash per coded picture, whatever the container.
pub(crate) fn pictures(path: &Path) -> Result<Vec<String>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args([
            "-map",
            "0:v",
            "-c",
            "copy",
            "-f",
            "framehash",
            "-hash",
            "md5",
            "-",
        ])
        .output()?;
    ensure!(
        output.status.success(),
        "ffmpeg: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(',').next())
        .map(|hash| hash.trim().to_owned())
        .collect())
}
