//! The image in a virtual machine: what an installer does on the first day, and one update.

mod machine;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hcnetsdk::scenario::Device;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;
use wire::resource::{Recorder, Recording, RecordingStatus, Site, Storage};

use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::eventually_within;
use crate::footage::{StandardSpec, standard};
use crate::isapi_recorder::{IsapiRecorder, Quirks};
use crate::main_job::Table;
use crate::relay::Relay;
use crate::stand_in::{PASSWORD, USER, footage_cache};

pub use machine::why_not;
use machine::{HOST, Machine};

/// Size of the virtual disk: what the image leaves of it becomes data.
const DISK_BYTES: u64 = 8 << 30;
/// Least that the data partition then has.
const DATA_BYTES_MIN: u64 = 5 << 30;
/// Longest time for each step of a machine whose processor is emulated.
const PATIENCE: Duration = Duration::from_secs(420);
/// What GRUB and the health gate say on the serial line.
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
}

/// Boots the image on a larger disk and lives through its first day; `dir` holds all that this needs.
pub async fn first_day_and_update(files: &Files, dir: &Path) -> Result<Table> {
    let mut table = Table::default();
    let nvr = recorder().await?;
    let mut relay = Relay::new(&dir.join("relay"))?;
    // The name by which the box reaches this machine.
    relay.set("web", "public_host", HOST);
    relay.start().await?;
    relay.first_login().await?;

    let mut machine = Machine::new(dir, &files.image, DISK_BYTES)?;
    machine.boot()?;
    let begun = Instant::now();
    // Only its client is used: the box runs in the machine.
    let mut appliance = Appliance::new(&dir.join("box"), &dir.join("no-sdk"))?;
    appliance.client = Client::new(machine.url(), None)?;
    until_ready(&appliance.client).await?;
    table.row("first boot to the API", seconds(begun), true);
    appliance.first_run().await?;
    table.row("  set up", seconds(begun), true);

    let added = Instant::now();
    let body = json!({
        "name": "Shop", "driver": "isapi", "address": HOST, "port": nvr.http.port(), "username": USER,
        "password": PASSWORD, "enabled": true,
    });
    let _: Recorder = appliance.client.post("/api/v1/recorders", &body).await?;
    held(&appliance, 1).await?;
    table.row(
        "first verified recording",
        format!(
            "{}; {} after the recorder was added",
            seconds(begun),
            seconds(added)
        ),
        begun.elapsed() < Duration::from_secs(300),
    );
    let before = held(&appliance, 4).await?;

    let claiming = Instant::now();
    let url = format!("https://{HOST}:{}", port_of(relay.url())?);
    let site = relay.claim_at(&appliance, "Harbour", &url).await?;
    table.row(
        "claimed through a relay on the host",
        seconds(claiming),
        true,
    );
    indexed(&relay, before.len()).await?;

    let storage: Storage = appliance.client.get("/api/v1/storage").await?;
    let data_bytes = storage.volumes.first().context("a volume")?.total_bytes;
    table.row(
        "data partition grown",
        format!(
            "{:.1} GiB of a disk of {} GiB",
            gib(data_bytes),
            DISK_BYTES >> 30
        ),
        data_bytes >= DATA_BYTES_MIN,
    );
    let name = machine.name()?;
    table.row(
        "the screen tells name and page",
        name.clone(),
        name.starts_with("holdfast-"),
    );
    machine.said(GOOD, 1, PATIENCE).await?;
    // GRUB speaks twice where the firmware has the serial line too.
    let only_a = machine.count(SLOT_A)? > 0 && machine.count(SLOT_B)? == 0;
    table.row("slot A is good", seconds(begun), only_a);

    let updating = Instant::now();
    machine.put_in_stick(&files.update)?;
    machine.said(SLOT_B, 1, PATIENCE).await?;
    let installed = updating.elapsed();
    machine.said(GOOD, 2, PATIENCE).await?;
    table.row(
        "update from a stick, A to B",
        format!(
            "installed after {:.0} s, good after {}",
            installed.as_secs_f64(),
            seconds(updating)
        ),
        true,
    );
    kept(&mut table, &mut appliance, &relay, &site, &before).await?;
    let after = machine.name()?;
    table.row("  the name", after.clone(), after == name);
    machine.end()?;
    relay.stop()?;
    Ok(table)
}

/// What was there before the update is there after it.
async fn kept(
    table: &mut Table,
    appliance: &mut Appliance,
    relay: &Relay,
    site: &Site,
    before: &[Recording],
) -> Result<()> {
    until_ready(&appliance.client).await?;
    appliance.login().await.context("log in after the update")?;
    let after = held(appliance, before.len()).await?;
    let same = before.iter().all(|one| {
        after
            .iter()
            .any(|other| other.id == one.id && other.digest == one.digest)
    });
    table.row(
        "  recordings kept, digests equal",
        format!("{} of {}", after.len(), before.len()),
        same && after.len() == before.len(),
    );
    let online = relay.site_online(site).await?;
    table.row("  membership kept: online at the relay", online.name, true);
    Ok(())
}

/// A recorder on the network of the box, with two cameras of some minutes ago.
async fn recorder() -> Result<IsapiRecorder> {
    let start = Timestamp::now().round(Unit::Minute)? - SignedDuration::from_mins(30);
    let spec = StandardSpec {
        recordings: 2,
        seconds: 10,
        ..StandardSpec::starting(start)
    };
    let channels = (33..)
        .zip(&standard(&footage_cache()?, &spec)?)
        .map(|(number, camera)| camera.channel(number))
        .collect();
    let device = Device {
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        channels,
        ..Device::default()
    };
    IsapiRecorder::start(device, Path::new("/"), Quirks::default()).await
}

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

async fn indexed(relay: &Relay, count: usize) -> Result<()> {
    eventually_within("the relay lists what the box holds", PATIENCE, || async {
        let listed = relay.recordings().await.map_err(|e| e.to_string())?.len();
        match listed >= count {
            true => Ok(()),
            false => Err(format!("{listed}")),
        }
    })
    .await
}

fn port_of(url: &str) -> Result<u16> {
    let (_, port) = url.rsplit_once(':').context("a port")?;
    Ok(port.parse()?)
}

fn seconds(since: Instant) -> String {
    format!("{:.0} s", since.elapsed().as_secs_f64())
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Every row must be right.
pub fn check(table: &Table) -> Result<()> {
    ensure!(table.all_right(), "something is wrong");
    Ok(())
}
