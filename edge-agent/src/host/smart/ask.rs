//! Asking `smartctl`, a program of smartmontools that need not be there. It reads from the disk's controller, so it needs
//! rights that the agent has not by itself; which is said plainly.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Smart, read};
use crate::host::block::BlockDisk;

/// Longest answer that is read; a talkative disk's has 30 kB.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// A disk that has not answered its controller after so long does not.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// `[smart]`: how disks are asked about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smartctl {
    /// The program and what goes before its own arguments. Empty: disks are not asked.
    pub command: Vec<String>,
    /// Seconds between two questions. Default one hour.
    pub interval_s: u32,
}

impl Default for Smartctl {
    fn default() -> Self {
        Self {
            command: vec!["smartctl".to_owned()],
            interval_s: 3_600,
        }
    }
}

/// Why a disk was not asked, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// Nobody wants to know.
    #[error("the settings say that disks are not asked ([smart] command is empty)")]
    Off,
    /// The program is not there.
    #[error("{0} is not installed: install the package smartmontools to see how the disk fares")]
    NotInstalled(String),
    /// It may not.
    #[error(
        "smartctl may not ask the disk: it needs the rights of the system's administrator; [smart] command can name another way to run it, such as through sudo"
    )]
    NotAllowed,
    /// The disk sleeps, and is not woken for this.
    #[error("the disk sleeps, and is not woken to be asked")]
    Asleep,
    /// It says nothing of itself: a virtual disk, a USB bridge that passes nothing on.
    #[error("the disk tells nothing of its health ({0})")]
    Silent(String),
    /// What was answered is no answer.
    #[error("what smartctl answered cannot be read: {0}")]
    Unreadable(String),
    /// It could not be run to its end.
    #[error("smartctl could not be asked: {0}")]
    Failed(String),
}

impl Smartctl {
    /// Asks about a disk. Blocking.
    pub fn ask(&self, disk: &BlockDisk) -> Result<Smart, Unasked> {
        let (program, before) = self.command.split_first().ok_or(Unasked::Off)?;
        let mut command = Command::new(program);
        command
            .args(before)
            // Identity, health, attributes; a disk that sleeps is left asleep.
            .args(["--json=c", "-i", "-H", "-A", "-n", "standby"])
            .arg(format!("/dev/{}", disk.name));
        let answer = run(command).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Unasked::NotInstalled(program.clone()),
            _ => Unasked::Failed(error.to_string()),
        })?;
        read(&answer)
    }
}

/// Runs it and takes its standard output. How it ends does not matter: bits of its status tell of the disk, and so does
/// what it prints.
fn run(mut command: Command) -> io::Result<Vec<u8>> {
    use std::os::unix::process::CommandExt;
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // Short-lived: without a guard, and killed with its group when this gives up.
    command.process_group(0);
    let child = base::child::spawn(command)?;
    let mut child = base::child::NoLeakChild::new(child, "smartctl");
    let Some(stdout) = child.inner().stdout.take() else {
        return Err(io::Error::other("it has no output"));
    };
    let reader = std::thread::Builder::new()
        .name("smartctl-answer".into())
        .spawn(move || {
            let mut answer = Vec::new();
            stdout
                .take(ANSWER_BYTES_MAX + 1)
                .read_to_end(&mut answer)
                .map(|_| answer)
        })?;
    let deadline = Instant::now() + PATIENCE;
    while !reader.is_finished() {
        if Instant::now() > deadline {
            child.kill()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} seconds", PATIENCE.as_secs()),
            ));
        }
        std::thread::sleep(LOOK);
    }
    let answer = reader
        .join()
        .map_err(|_| io::Error::other("its reader panicked"))??;
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(io::Error::other("its answer does not end"));
    }
    Ok(answer)
}
