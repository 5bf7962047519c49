//! The mounted rig: marks, faults, the cut.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fuser::{BackgroundSession, Config, MountOption};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount, umount2};
use tempfile::TempDir;

use super::log::{Log, Op};
use super::passthrough::{Passthrough, Shared};
use super::trouble::{Call, Plan, Trouble};

/// How long files may stay open below a rig that is unmounted: a catalog is closed by a thread of its own.
const CLOSING: Duration = Duration::from_secs(20);

/// A temporary folder in memory where there is one: thousands of starts are not a matter of the disk here.
pub fn fast_folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("holdfast-rig-");
    match memory.is_dir() {
        true => builder.tempdir_in(memory),
        false => builder.tempdir(),
    }
}

/// Why this machine cannot carry the rig; none when it can.
pub fn why_not() -> Option<String> {
    match File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => None,
        Err(error) => Some(format!(
            "/dev/fuse cannot be opened ({error}): run as root, or install fuse3 and be allowed to use it"
        )),
    }
}

/// A folder, seen through the rig. Unmounted when dropped.
#[derive(Debug)]
pub struct Rig {
    mount: PathBuf,
    shared: Arc<Shared>,
    session: Option<BackgroundSession>,
}

impl Rig {
    /// Mounts `backing` at `mount`, which is made when missing. What lies there already counts as durable. Without
    /// `recording` only faults are of interest, and nothing is remembered.
    pub fn mount(backing: &Path, mount: &Path, recording: bool) -> Result<Self> {
        std::fs::create_dir_all(backing)?;
        std::fs::create_dir_all(mount)?;
        let shared = Arc::new(Shared::new(backing, recording)?);
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("holdfast-rig".to_owned()),
            MountOption::NoAtime,
        ];
        let session = fuser::spawn_mount(Passthrough(shared.clone()), mount, &config)
            .with_context(|| format!("mount the rig at {}", mount.display()))?;
        Ok(Self {
            mount: mount.to_owned(),
            shared,
            session: Some(session),
        })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// From here on the n-th fact must hold.
    pub fn mark(&self, fact: u64) {
        self.shared.state().note(Op::Mark(fact));
    }

    /// Faults from now on.
    pub fn arm(&self, plan: Plan) {
        self.shared.state().troubles.arm(plan);
    }

    /// No more faults; tells which calls met one, and of which path. The first thousand are remembered.
    pub fn heal(&self) -> Vec<(Call, PathBuf)> {
        self.shared.state().troubles.heal()
    }

    /// Calls that met a fault so far.
    pub fn met(&self) -> u64 {
        self.shared.state().troubles.met()
    }

    /// The power goes: nothing that is done from now on reaches the disk or the log, and every call fails.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        state.recording = false;
        state.troubles.arm(Plan::lasting(Trouble::Io, 0));
    }

    /// What was done so far; the log is empty afterwards.
    pub fn take_log(&self) -> Log {
        std::mem::take(&mut self.shared.state().log)
    }

    /// Unmounts it, once whoever has files open in it has closed them; after a while in spite of them.
    pub fn unmount(mut self) -> io::Result<()> {
        let deadline = Instant::now() + CLOSING;
        let busy = loop {
            match umount(&self.mount) {
                Err(Errno::EBUSY) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(Errno::EBUSY) => break true,
                // Not root: fuser asks fusermount3.
                Ok(()) | Err(Errno::EPERM) => break false,
                Err(error) => return Err(error.into()),
            }
        };
        match self.session.take() {
            Some(session) if !busy => session.umount_and_join(),
            session => {
                umount2(&self.mount, MntFlags::MNT_DETACH)?;
                // Its thread ends with the last of those files.
                drop(session);
                Err(io::Error::from(Errno::EBUSY))
            }
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.session.is_some() {
            // A test that failed: whatever is open there is not waited for.
            let _ = umount2(&self.mount, MntFlags::MNT_DETACH);
        }
    }
}
