//! Starting the process of a worker.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use base::child::NoLeakChild;

use crate::recorder::config::WorkerProgram;

/// What starting a process gives.
pub(super) struct Launched {
    pub(super) child: NoLeakChild,
    pub(super) socket: StdStream,
    pub(super) output: io::PipeReader,
    pub(super) folder: PathBuf,
}

/// Starts the process: nothing in its environment but the way to libraries, a socket as its input, a pipe for what it
/// prints, a fresh folder (the vendor's library reads settings from where it is started). It is not started through the
/// guard: it asks for the signal of our death itself, and for one that leaves it the time to log out. Fails with what
/// failed.
pub(super) fn launch(
    folder: PathBuf,
    program: WorkerProgram,
) -> Result<Launched, (String, io::Error)> {
    let at = |what: String| move |error| (what, error);
    make_fresh(&folder).map_err(at(format!("working folder {}", folder.display())))?;
    let path = match program.path {
        Some(path) => path,
        None => base::child::own_program().map_err(at("find the agent's program".into()))?,
    };
    let (socket, theirs) = StdStream::pair().map_err(at("socket pair".into()))?;
    let (output, input) = io::pipe().map_err(at("pipe".into()))?;
    let mut command = Command::new(&path);
    command
        .args(&program.arguments)
        .env_clear()
        .current_dir(&folder)
        .stdin(OwnedFd::from(theirs))
        .stdout(input.try_clone().map_err(at("pipe".into()))?)
        .stderr(input)
        .process_group(0);
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let child = base::child::spawn(command).map_err(at(path.display().to_string()))?;
    let child = NoLeakChild::new(child, "sdk-worker");
    Ok(Launched {
        child,
        socket,
        output,
        folder,
    })
}

/// An empty folder that only we can enter.
fn make_fresh(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}
