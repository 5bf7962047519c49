//! The image in a virtual machine: what an installer does on the first day, updates good and bad, hard resets.

mod access;
mod as_new;
mod clock;
mod firmware;
mod first_day;
mod machine;
mod newer;
mod page;
pub mod resets;
mod second_disk;
mod set_up;
pub mod updates;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hcnetsdk::scenario::{Channel, Device};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use wire::resource::{Recording, RecordingStatus};

use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::eventually_within;
use crate::footage::{StandardSpec, standard};
use crate::isapi_recorder::{IsapiRecorder, Quirks};
use crate::main_job::Table;
use crate::stand_in::{PASSWORD, USER, footage_cache};

pub use first_day::first_day_and_update;
pub use machine::why_not;
use machine::{HOST, Machine};

/// Size of the virtual disk: what the image leaves of it becomes data.
const DISK_BYTES: u64 = 8 << 30;
/// Longest time for each step of a machine whose processor is emulated.
const PATIENCE: Duration = Duration::from_secs(420);
/// What GRUB, the health gate and the update say on the serial line.
const SLOT_A: &str = "Holdfast: slot A";
const SLOT_B: &str = "Holdfast: slot B";
const GOOD: &str = "Holdfast: this system is good";

/// What is tried.
#[derive(Debug)]
pub struct Files {
    /// The flashable image.
    pub image: PathBuf,
    /// An update that is newer than it.
    pub update: PathBuf,
    /// One that is newer than that.
    pub next_update: PathBuf,
    /// Folder with the keys that the image trusts.
    pub keys: PathBuf,
    /// How long the box is watched while it is idle.
    pub idle: Duration,
}

/// An image that is tried for long.
#[derive(Debug, Clone)]
pub struct Image {
    /// The flashable image.
    pub file: PathBuf,
    /// Its version.
    pub version: String,
    /// Folder with the keys that it trusts.
    pub keys: PathBuf,
}

/// A recorder on the network of the box.
async fn recorder(channels: Vec<Channel>) -> Result<IsapiRecorder> {
    let device = Device {
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        channels,
        ..Device::default()
    };
    IsapiRecorder::start(device, Path::new("/"), Quirks::default()).await
}

/// The first so many recordings of each camera.
fn first_of(all: &[Channel], recordings: u32) -> Vec<Channel> {
    let mut first = all.to_vec();
    for channel in &mut first {
        channel.recordings.truncate(recordings as usize);
    }
    first
}

/// Two cameras with so many recordings each, of ten seconds, since midnight of yesterday: what was rendered once serves
/// all day.
fn channels(recordings: u32) -> Result<Vec<Channel>> {
    let today = TimestampRound::new()
        .smallest(Unit::Hour)
        .increment(24)
        .mode(RoundMode::Trunc);
    let start = Timestamp::now().round(today)? - SignedDuration::from_hours(24);
    let spec = StandardSpec {
        recordings,
        seconds: 10,
        ..StandardSpec::starting(start)
    };
    Ok((33..)
        .zip(&standard(&footage_cache()?, &spec)?)
        .map(|(number, camera)| camera.channel(number))
        .collect())
}

/// What an installer with many boxes puts on a stick.
fn provision(nvr: &IsapiRecorder, relay: Option<(&str, &str)>) -> String {
    let mut text = format!("password = \"{}\"\n", crate::appliance::PASSWORD);
    if let Some((url, ca_sha256)) = relay {
        text += &format!("[relay]\nurl = \"{url}\"\nca_sha256 = \"{ca_sha256}\"\n");
    }
    let port = nvr.http.port();
    text + &format!(
        "[[recorder]]\nname = \"Shop\"\ndriver = \"isapi\"\naddress = \"{HOST}\"\nport = {port}\n\
         username = \"{USER}\"\npassword = \"{PASSWORD}\"\n"
    )
}

/// The client of the box in a machine.
fn appliance(dir: &Path, machine: &Machine) -> Result<Appliance> {
    // Only its client is used: the agent runs in the machine.
    let mut appliance = Appliance::new(&dir.join("box"), &dir.join("no-sdk"))?;
    appliance.client = Client::new(machine.url(), None)?;
    Ok(appliance)
}

/// Waits until the agent in the box answers.
async fn until_ready(client: &Client) -> Result<()> {
    eventually_within("the box's agent is ready", PATIENCE, || async {
        client.bytes("/ready").await
    })
    .await?;
    Ok(())
}

/// Waits until at least `count` recordings are held.
async fn held(appliance: &Appliance, count: usize) -> Result<Vec<Recording>> {
    eventually_within(
        &format!("{count} recordings are held"),
        PATIENCE,
        || async {
            let all = appliance.recordings().await.map_err(|e| e.to_string())?;
            let held: Vec<Recording> = all
                .iter()
                .filter(|one| one.status == RecordingStatus::Completed)
                .cloned()
                .collect();
            match held.len() >= count {
                true => Ok(held),
                false => Err(format!("{all:?}")),
            }
        },
    )
    .await
}

/// What of `before` is not there any more, or is something else.
fn lost(before: &[Recording], after: &[Recording]) -> Vec<String> {
    before
        .iter()
        .filter(|one| {
            !after
                .iter()
                .any(|other| other.id == one.id && other.digest == one.digest)
        })
        .map(|one| format!("{one:?}"))
        .collect()
}

fn seconds(since: Instant) -> String {
    format!("{:.0} s", since.elapsed().as_secs_f64())
}

/// Every row must be right.
pub fn check(table: &Table) -> Result<()> {
    ensure!(table.all_right(), "something is wrong");
    Ok(())
}
