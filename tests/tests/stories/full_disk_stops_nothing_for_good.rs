//! Something else fills the disk to its last byte, or takes its last inode: the agent lives, says so, keeps what it has,
//! starts on the full disk, and goes on once there is room. On ext4, xfs and in memory.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::FallocateFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::site::Site;
use tests::storage::loop_disk::{Image, Kind, Mounted, why_not};
use wire::resource::RecordingStatus;

/// Large enough for the catalog's reserve, and what xfs needs at least.
const DISK_MIB: u64 = 400;

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Short {
    Room,
    Inodes,
}

/// Says why this is left out here; true when it is.
fn left_out(kind: Option<Kind>) -> bool {
    let why = why_not().or_else(|| kind.and_then(Kind::why_not));
    if let Some(why) = &why {
        eprintln!("LEFT OUT: a full disk ({kind:?}): {why}");
    }
    why.is_some()
}

/// Takes all that is left, through files of its own.
fn fill(folder: &Path, short: Short) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    match short {
        Short::Room => {
            let mut file = std::fs::File::create(folder.join("filler"))?;
            // Most of it in one go, the rest byte by byte. A worker downloads on while the agent stands still: what it
            // has taken since the question is no longer there, so the question is asked again, for less.
            for left in [50, 10, 4, 2] {
                let stat = nix::sys::statvfs::statvfs(folder)?;
                let free = stat.blocks_available() * stat.fragment_size();
                let most = i64::try_from(free - free / left)?;
                match nix::fcntl::fallocate(&file, FallocateFlags::empty(), 0, most) {
                    Err(Errno::ENOSPC) => {}
                    asked => {
                        asked?;
                        break;
                    }
                }
            }
            file.seek(SeekFrom::End(0))?;
            for size in [1 << 20, 4_096, 512, 1] {
                // Until there is no room for so many bytes any more.
                while file.write_all(&vec![7; size]).is_ok() {}
            }
        }
        Short::Inodes => {
            let mut n = 0;
            while std::fs::File::create(folder.join(format!("f{n}"))).is_ok() {
                n += 1;
                ensure!(n < 1_000_000, "inodes without end");
            }
        }
    }
    Ok(())
}

/// The same in a moment in which the agent does nothing: else it would give up what it keeps back while that is taken too.
fn fill_at_once(site: &mut Site, folder: &Path, short: Short) -> Result<()> {
    let agent = Pid::from_raw(i32::try_from(site.appliance.process()?.id())?);
    kill(agent, Signal::SIGSTOP)?;
    let filled = fill(folder, short);
    kill(agent, Signal::SIGCONT)?;
    filled
}

async fn story(mounted: Mounted, dir: &Path, short: Short) -> Result<()> {
    let mut site = Site::new(dir, mounted.path(), 1, 10)?;
    // More than is kept back for the catalog: footage stops here, and somebody else does not.
    site.appliance.set_volume("floor_bytes", 64 << 20);
    site.begin().await?;
    let filler = mounted.path().join("somebody-else");
    fill_at_once(&mut site, &filler, short)?;
    eventually("it is said that nothing can be downloaded", || async {
        let paused = site
            .appliance
            .system()
            .await
            .map_err(|e| e.to_string())?
            .paused;
        paused.ok_or_else(|| "it goes on".to_owned())
    })
    .await?;

    // What is held is served, and the catalog takes what a person changes: its reserve is for that.
    let held = site.appliance.recordings().await?;
    let one = held
        .iter()
        .find(|one| one.status == RecordingStatus::Completed)
        .context("something is held")?;
    let body = json!({ "locked": true });
    let path = format!("/api/v1/recordings/{}/lock", one.id);
    let _: Value = site.appliance.client.post(&path, &body).await?;
    site.appliance
        .client
        .bytes(&format!("/api/v1/recordings/{}/download", one.id))
        .await?;

    // Also a start goes well: a person must be able to see what is wrong. After a kill, and after a stop, once what was
    // kept back could be kept back again.
    site.appliance.kill()?;
    site.appliance
        .start()
        .await
        .context("start on a full disk after a kill")?;
    std::fs::remove_dir_all(&filler)?;
    let reserve = mounted.path().join("state/catalog/reserve");
    eventually("room is kept back again", || {
        std::future::ready(std::fs::metadata(&reserve).map_err(|e| e.to_string()))
    })
    .await?;
    fill_at_once(&mut site, &filler, short)?;
    site.appliance.stop()?;
    site.appliance
        .start()
        .await
        .context("start on a full disk after a stop")?;
    let locked = site.appliance.recordings().await?;
    ensure!(
        locked.iter().any(|now| now.id == one.id && now.locked),
        "the lock is lost"
    );

    std::fs::remove_dir_all(&filler)?;
    site.until_more_is_held(2)
        .await
        .context("there is room again")?;
    let wrong = site.wrong().await?;
    ensure!(wrong.is_empty(), "{wrong:?}");
    site.appliance.stop()?;
    site.appliance.check()?;
    mounted.unmount()
}

async fn on_a_loop_device(kind: Kind, short: Short, options: &[&str]) -> Result<()> {
    if left_out(Some(kind)) {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let image = Image::make(&dir.path().join("image"), kind, DISK_MIB, options)?;
    let mounted = image.mount(&dir.path().join("at"))?;
    story(mounted, dir.path(), short).await
}

#[tokio::test]
async fn full_ext4() -> Result<()> {
    on_a_loop_device(Kind::Ext4, Short::Room, &[]).await
}

#[tokio::test]
async fn full_xfs() -> Result<()> {
    on_a_loop_device(Kind::Xfs, Short::Room, &[]).await
}

#[tokio::test]
async fn full_tmpfs() -> Result<()> {
    if left_out(None) {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mounted = Mounted::in_memory(&dir.path().join("at"), &format!("size={DISK_MIB}m"))?;
    story(mounted, dir.path(), Short::Room).await
}

#[tokio::test]
async fn ext4_without_inodes() -> Result<()> {
    on_a_loop_device(Kind::Ext4, Short::Inodes, &["-N", "256"]).await
}

#[tokio::test]
async fn tmpfs_without_inodes() -> Result<()> {
    if left_out(None) {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mounted = Mounted::in_memory(
        &dir.path().join("at"),
        &format!("size={DISK_MIB}m,nr_inodes=256"),
    )?;
    story(mounted, dir.path(), Short::Inodes).await
}
