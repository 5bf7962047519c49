//! The mounted rig: marks, faults, the cut.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount, umount2};
use tempfile::TempDir;

use super::log::Log;
use super::service::{Answer, Request, hear, hear_log, say};
use super::trouble::{Call, Plan};
use crate::process::program;

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
    child: Child,
    /// None once its input was closed.
    talk: Option<Mutex<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Rig {
    /// Mounts `backing` at `mount`, which is made when missing. What lies there already counts as durable. Without
    /// `recording` only faults are of interest, and nothing is remembered.
    pub fn mount(backing: &Path, mount: &Path, recording: bool) -> Result<Self> {
        std::fs::create_dir_all(backing)?;
        std::fs::create_dir_all(mount)?;
        let mut command = Command::new(program("power_cut_rig")?);
        command.arg(backing).arg(mount);
        if recording {
            command.arg("--recording");
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the end of its input ends it: it outlives nobody"
        )]
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the rig")?;
        let stdin = child.stdin.take().context("its input")?;
        let stdout = BufReader::new(child.stdout.take().context("its output")?);
        let rig = Self {
            mount: mount.to_owned(),
            child,
            talk: Some(Mutex::new((stdin, stdout))),
        };
        match rig.hear()? {
            Answer::Done => Ok(rig),
            other => bail!("mount the rig at {}: {other:?}", mount.display()),
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// From here on the n-th fact must hold.
    pub fn mark(&self, fact: u64) {
        self.ask(&Request::Mark(fact));
    }

    /// Faults from now on.
    pub fn arm(&self, plan: Plan) {
        self.ask(&Request::Arm(plan));
    }

    /// No more faults; tells which calls met one, and of which path. The first thousand are remembered.
    pub fn heal(&self) -> Vec<(Call, PathBuf)> {
        match self.ask(&Request::Heal) {
            Answer::Healed(met) => met,
            other => panic!("the rig answers {other:?}"),
        }
    }

    /// Calls that met a fault so far.
    pub fn met(&self) -> u64 {
        match self.ask(&Request::Met) {
            Answer::Met(met) => met,
            other => panic!("the rig answers {other:?}"),
        }
    }

    /// The power goes: nothing that is done from now on reaches the disk or the log, and every call fails.
    pub fn cut(&self) {
        self.ask(&Request::Cut);
    }

    /// What was done so far; the log is empty afterwards.
    pub fn take_log(&self) -> Log {
        let mut talk = self.talk();
        let (to, from) = &mut *talk;
        let heard = say(to, &Request::TakeLog)
            .map_err(anyhow::Error::from)
            .and_then(|()| match hear(from)? {
                Some(Answer::Log { ops, prelude }) => hear_log(from, ops, prelude),
                other => bail!("the rig answers {other:?}"),
            });
        heard.unwrap_or_else(|error| panic!("the rig's log: {error:#}"))
    }

    fn talk(&self) -> std::sync::MutexGuard<'_, (ChildStdin, BufReader<ChildStdout>)> {
        let Some(talk) = &self.talk else {
            unreachable!("it is open until the rig is unmounted");
        };
        talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self) -> Result<Answer> {
        hear(&mut self.talk().1)?.context("the rig has ended")
    }

    fn ask(&self, request: &Request) -> Answer {
        let mut talk = self.talk();
        let (to, from) = &mut *talk;
        let heard = say(to, request)
            .map_err(anyhow::Error::from)
            .and_then(|()| hear(from)?.context("the rig has ended"));
        heard.unwrap_or_else(|error| panic!("{request:?}: {error:#}"))
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
                // Not root: fuser, in the other process, asks fusermount3.
                Ok(()) | Err(Errno::EPERM) => break false,
                Err(error) => return Err(error.into()),
            }
        };
        if busy {
            // Its process ends with the last of those files.
            umount2(&self.mount, MntFlags::MNT_DETACH)?;
            return Err(io::Error::from(Errno::EBUSY));
        }
        self.talk = None;
        self.child.wait().map(drop)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.talk.is_some() {
            // A test that failed: whatever is open there is not waited for, and its calls end with errors.
            let _ = umount2(&self.mount, MntFlags::MNT_DETACH);
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
