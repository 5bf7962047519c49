//! Real processes under test: started, read, killed, and never left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long anything may take that a person would wait for; a machine of two busy cores needs it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The folder of the built programs: where this test or demo itself lies.
pub fn program(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let mut dir = me.parent().context("a program lies in a folder")?;
    if dir.ends_with("deps") {
        dir = dir.parent().context("deps lies in the target folder")?;
    }
    let path = dir.join(name);
    ensure!(
        path.exists(),
        "{} is not built: `cargo build --workspace` first",
        path.display()
    );
    Ok(path)
}

/// A command that starts with these words; without any, the built program of this name.
pub fn launched(words: &[OsString], name: &str) -> Result<Command> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Command::new(program(name)?));
    };
    let mut command = Command::new(first);
    command.args(rest);
    Ok(command)
}

/// Runs a command to its end. Anything but success is an error with all that it said.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// A process of the product. Dropping it kills its whole group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a command as a group of its own that dies with us; standard output and error go to `log` (appended).
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        // setpriv asks the kernel to end the program when the test ends, whatever the way.
        let mut guarded = Command::new("setpriv");
        guarded
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "setpriv does here what the guard does: the child ends with the test"
        )]
        let child = guarded
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL to the process alone: its children are left to what the product does about them.
    pub fn kill_hard(&mut self) -> Result<ExitStatus> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL)?;
        Ok(self.child.wait()?)
    }

    /// SIGTERM, and waits for a clean end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} does not end; its log:\n{}", self.name, self.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a clean end (exit code 0).
    pub fn stop_cleanly(&mut self) -> Result<()> {
        let status = self.stop()?;
        ensure!(
            status.success(),
            "{} ended with {status} (signal {:?}); its log:\n{}",
            self.name,
            status.signal(),
            self.tail()
        );
        Ok(())
    }

    /// Last lines of its log, for messages.
    pub fn tail(&self) -> String {
        tail(&self.log, 40)
    }

    /// Processes whose parent chain leads to this one.
    pub fn descendants(&self) -> Vec<(u32, String)> {
        descendants(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // ESRCH: it has ended already.
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Last `lines` lines of a file; empty when it cannot be read.
pub fn tail(path: &Path, lines: usize) -> String {
    let Ok(file) = File::open(path) else {
        return String::new();
    };
    let all: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// (id, name) of all processes below one, from /proc.
pub fn descendants(root: u32) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        // pid (name) state ppid …; the name may hold spaces and parentheses.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else {
            continue;
        };
        let Some(parent) = stat[close + 1..]
            .split_whitespace()
            .nth(1)
            .and_then(|p| p.parse::<u32>().ok())
        else {
            continue;
        };
        all.push((pid, parent, stat[open + 1..close].to_owned()));
    }
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (pid, of, name) in &all {
            if *of == parent {
                found.push((*pid, name.clone()));
                parents.push(*pid);
            }
        }
    }
    found
}

/// Resident memory of one process in bytes; 0 when it has ended.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
