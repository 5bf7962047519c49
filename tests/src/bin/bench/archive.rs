//! An archive of one large recording over `zip -0` of the same files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::eventually::eventually_within;
use tests::main_job::World;
use wire::archive::{Archive, ArchiveState};
use wire::resource::Recording;

use super::{Figure, PAIRS, median};

/// Packing compares every recording with its digest, makes the digest of the whole, and has it synced; `zip` makes check
/// values only, and is followed by `sync` here. It may take this many times as long.
const LIMIT: f64 = 2.0;

/// Packs the recording again and again, in turn with the peer.
pub async fn packed(
    world: &World,
    dir: &Path,
    recording: &Recording,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let client = &world.appliance.client;
    // Locked: clearing the archive leaves it.
    let lock = format!("/api/v1/recordings/{}/lock", recording.id);
    let _: Value = client.post(&lock, &json!({ "locked": true })).await?;
    let files = files_below(&world.appliance.footage().join("cameras"))?;
    let (mut ratios, mut ours, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let peer = zip(&files, &dir.join("peer.zip"))?;
        let own = pack(world, recording).await?;
        ratios.push(own / peer);
        ours.push(own);
        peers.push(peer);
    }
    let ratio = median(&mut ratios);
    let mb = recording.kept_bytes.context("no kept bytes")? as f64 / 1e6;
    figures.push(Figure {
        what: "archive of 1 GiB / zip -0 + sync".into(),
        seen: format!(
            "{mb:.0} MB in {:.2} s, peer {:.2} s",
            median(&mut ours),
            median(&mut peers)
        ),
        ratio,
        limit: format!("at most {LIMIT}"),
        right: ratio <= LIMIT,
    });
    Ok(())
}

/// Seconds from the request to `ready`.
async fn pack(world: &World, recording: &Recording) -> Result<f64> {
    let client = &world.appliance.client;
    let body = json!({ "from": recording.start_utc, "to": recording.end_utc });
    let begun = Instant::now();
    let archive: Archive = client.post("/api/v1/archives", &body).await?;
    let path = format!("/api/v1/archives/{}", archive.id);
    let reaches = async |state: ArchiveState| {
        eventually_within("the archive moves on", Duration::from_secs(300), || async {
            let now: Archive = client.get(&path).await.map_err(|e| e.to_string())?;
            match now.state == state {
                true => Ok(now),
                false => Err(format!("{now:?}")),
            }
        })
        .await
    };
    let ready = reaches(ArchiveState::Ready).await?;
    // By its own clock: asking takes a tenth of a second.
    let seconds = ready
        .ready_at
        .context("no time")?
        .ms_since(ready.created_at) as f64
        / 1e3;
    ensure!(seconds <= begun.elapsed().as_secs_f64());
    let _: Archive = client
        .post(&format!("{path}/clear"), &json!({ "override": true }))
        .await?;
    reaches(ArchiveState::Cleared).await?;
    Ok(seconds)
}

/// Seconds of `zip -0` and of syncing what it wrote.
fn zip(files: &[PathBuf], to: &Path) -> Result<f64> {
    let begun = Instant::now();
    let output = Command::new("zip")
        .args(["-0", "-q"])
        .arg(to)
        .args(files)
        .output()
        .context("start zip: `make setup-test` installs it")?;
    ensure!(
        output.status.success(),
        "zip: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::File::open(to)?.sync_all()?;
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(to)?;
    Ok(seconds)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    Ok(files)
}
