//! Child processes that cannot outlive us.
//!
//! Three things end a child: its owner drops it (killed with its group, and waited for), its standard input closes, or
//! our process dies, whatever the way. The last is the kernel's `PR_SET_PDEATHSIG`, which has two traps: it must be
//! asked for in the child, and it fires when the *thread* that started the child ends. So children are started through
//! our own binary (`<program> guard <program> <args…>`, see [`guard_main`]), which asks for the signal and then becomes
//! the real program; and they are started by one thread that lives as long as the process ([`spawn`]).

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Name of the hidden subcommand that [`guard_main`] serves. Both programs have it.
pub const GUARD: &str = "guard";

/// Exit code of a guard that could not become the program.
pub const EXIT_CANNOT_EXEC: i32 = 127;

/// Pause between two looks at a child that is to end.
const LOOK: Duration = Duration::from_millis(20);

type Job = Box<dyn FnOnce() + Send>;

/// Starts a command on the thread that lives as long as the process.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("child-starter".into())
            .spawn(move || queue.into_iter().for_each(|job| job()))
            .expect("a thread can be started at start-up");
        jobs
    });
    let (answer, child) = mpsc::sync_channel(1);
    let job: Job = Box::new(move || {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that starts children"
        )]
        let child = command.spawn();
        // The asker waits for this answer; if it is gone the process is ending.
        let _ = answer.send(child);
    });
    starter
        .send(job)
        .map_err(|_| io::Error::other("the thread that starts children has ended"))?;
    child
        .recv()
        .map_err(|_| io::Error::other("the thread that starts children has ended"))?
}

/// The same command, started through the guard: it dies with us, and leads a process group of its own.
///
/// Program, arguments, working folder and changed environment are taken over; redirections are the caller's to set on
/// the result (they cannot be read from a `Command`).
pub fn guarded(command: &Command) -> io::Result<Command> {
    let mut guard = Command::new(own_program()?);
    guard
        .arg(GUARD)
        .arg(std::process::id().to_string())
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        guard.current_dir(dir);
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => guard.env(key, value),
            None => guard.env_remove(key),
        };
    }
    guard.process_group(0);
    Ok(guard)
}

/// The program that this process runs, to start it once more.
///
/// While a package is upgraded, the file of that name is already another one, or none: what runs is still to be had from
/// the kernel, and it is what speaks the same protocol as we do.
pub fn own_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // The kernel adds " (deleted)" to the name of a file that was replaced.
    Ok(if path.exists() {
        path
    } else {
        PathBuf::from("/proc/self/exe")
    })
}

/// The guard itself: `args` are the parent's process id, the program and its arguments. Returns only on failure.
pub fn guard_main(args: Vec<OsString>) -> i32 {
    let mut args = args.into_iter();
    let parent = args
        .next()
        .and_then(|p| p.to_str().and_then(|p| p.parse::<i32>().ok()));
    let (Some(parent), Some(program)) = (parent, args.next()) else {
        eprintln!(
            "`{GUARD}` is how the program starts its children; it is not meant to be run by hand"
        );
        return EXIT_CANNOT_EXEC;
    };
    if let Err(error) = die_with_parent(parent) {
        eprintln!("cannot ask to end with the parent: {error}");
        return EXIT_CANNOT_EXEC;
    }
    let error = Command::new(&program).args(args).exec();
    eprintln!("cannot start {}: {error}", program.to_string_lossy());
    EXIT_CANNOT_EXEC
}

/// Asks the kernel to kill this process when its parent dies, and checks that it has not died already.
pub fn die_with_parent(parent: i32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid() != Pid::from_raw(parent) {
        return Err(io::Error::other("the parent has ended already"));
    }
    Ok(())
}

/// A child that is killed with its group and waited for before it is dropped.
#[derive(Debug)]
pub struct NoLeakChild {
    child: Child,
    name: String,
}

impl NoLeakChild {
    /// Takes charge of a child that leads its own process group (as [`guarded`] makes it).
    pub fn new(child: Child, name: impl Into<String>) -> Self {
        Self {
            child,
            name: name.into(),
        }
    }

    /// The process.
    pub fn inner(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the group and waits. Returns how it ended.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill_group(self.child.id(), Signal::SIGKILL);
        self.child.wait()
    }

    /// Waits at most `patience` for it to end by itself; none when it goes on. Blocks: not for async threads.
    pub fn wait_within(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks politely (SIGTERM), waits at most `patience`, then kills. Blocks: not for async threads.
    pub fn stop(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        kill_group(self.child.id(), Signal::SIGTERM);
        match self.wait_within(patience)? {
            Some(status) => Ok(status),
            None => self.kill(),
        }
    }
}

impl Drop for NoLeakChild {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(child = self.name, %error, "A child process could not be ended");
        }
    }
}

fn kill_group(leader: u32, signal: Signal) {
    // ESRCH: it has just ended by itself, which is what was wanted.
    let _ = killpg(Pid::from_raw(leader as i32), signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where [`without_its_file`] lies when it runs as a program of its own.
    const COPY: &str = "HOLDFAST_TEST_COPY";

    #[test]
    fn what_runs_is_started_again_although_its_file_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("program");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let output = Command::new(&copy)
            .args(["--ignored", "--exact", "child::tests::without_its_file"])
            .env(COPY, &copy)
            .output()
            .unwrap();
        assert!(
            output.status.success() && !copy.exists(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }

    #[test]
    #[ignore = "a part of the test above: it removes the program that it runs in"]
    fn without_its_file() {
        let copy = PathBuf::from(std::env::var_os(COPY).expect("the test above sets it"));
        assert_eq!(own_program().unwrap(), copy);
        std::fs::remove_file(copy).unwrap();
        let output = Command::new(own_program().unwrap())
            .arg("--list")
            .output()
            .unwrap();
        let listed = String::from_utf8_lossy(&output.stdout);
        assert!(listed.contains("without_its_file"), "{output:?}");
    }
}
