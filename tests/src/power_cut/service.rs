//! The process that serves the rig's file system, and what is said to it.
//!
//! A process of its own: whoever maps a file of the rig into its memory (SQLite does) waits in the kernel for the rig
//! while its memory is locked. A server in the same memory would wait for that lock, and neither would ever go on.
//!
//! Requests are lines of JSON on standard input, answers lines of JSON on standard output. A log is answered as its
//! operations, a line each, the written bytes as they are behind the line of their write. The end of standard input
//! takes the file system away.

use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fuser::{Config, MountOption};
use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use super::log::{Ino, Log, Op};
use super::passthrough::{Passthrough, Shared};
use super::trouble::{Call, Plan, Trouble};

/// Longest line: a path, a plan.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What is asked of the server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// From here on the n-th fact must hold.
    Mark(u64),
    /// Faults from now on.
    Arm(Plan),
    /// No more faults.
    Heal,
    /// How many calls met one.
    Met,
    /// The power goes.
    Cut,
    /// What was done so far.
    TakeLog,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It is mounted, or done.
    Done,
    /// It could not be mounted.
    Failed(String),
    /// Calls that met a fault.
    Healed(Vec<(Call, PathBuf)>),
    /// How many did.
    Met(u64),
    /// So many operations follow.
    Log {
        /// Operations.
        ops: usize,
        /// Of them, what lay there before.
        prelude: usize,
    },
}

/// An operation as a line; its bytes follow.
#[derive(Serialize, Deserialize)]
enum Line {
    Create(Ino, String, Ino, bool, u32),
    Remove(Ino, String),
    Rename(Ino, String, Ino, String),
    Write(Ino, u64, usize),
    Resize(Ino, u64),
    Sync(Ino),
    Mark(u64),
}

fn line_of(op: &Op) -> Line {
    match op {
        Op::Create {
            folder,
            name,
            ino,
            is_folder,
            mode,
        } => Line::Create(*folder, name.clone(), *ino, *is_folder, *mode),
        Op::Remove { folder, name } => Line::Remove(*folder, name.clone()),
        Op::Rename {
            from,
            name,
            to,
            new_name,
        } => Line::Rename(*from, name.clone(), *to, new_name.clone()),
        Op::Write { ino, offset, bytes } => Line::Write(*ino, *offset, bytes.len()),
        Op::Resize { ino, bytes } => Line::Resize(*ino, *bytes),
        Op::Sync { ino } => Line::Sync(*ino),
        Op::Mark(fact) => Line::Mark(*fact),
    }
}

fn op_of(line: Line, from: &mut impl Read) -> io::Result<Op> {
    Ok(match line {
        Line::Create(folder, name, ino, is_folder, mode) => Op::Create {
            folder,
            name,
            ino,
            is_folder,
            mode,
        },
        Line::Remove(folder, name) => Op::Remove { folder, name },
        Line::Rename(from, name, to, new_name) => Op::Rename {
            from,
            name,
            to,
            new_name,
        },
        Line::Write(ino, offset, size) => {
            let mut bytes = vec![0; size];
            from.read_exact(&mut bytes)?;
            Op::Write {
                ino,
                offset,
                bytes: bytes.into(),
            }
        }
        Line::Resize(ino, bytes) => Op::Resize { ino, bytes },
        Line::Sync(ino) => Op::Sync { ino },
        Line::Mark(fact) => Op::Mark(fact),
    })
}

/// Writes one value as a line.
pub(super) fn say(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Reads one line; none at the end.
pub(super) fn hear<T: for<'de> Deserialize<'de>>(from: &mut impl BufRead) -> Result<Option<T>> {
    let mut line = String::new();
    let n = from.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
    if n == 0 {
        return Ok(None);
    }
    ensure!(line.ends_with('\n'), "a line of the rig has no end");
    let value = serde_json::from_str(&line).with_context(|| line.trim().to_owned())?;
    Ok(Some(value))
}

/// Writes a log behind its answer.
fn say_log(to: &mut impl Write, log: &Log) -> io::Result<()> {
    let (ops, prelude) = (log.ops.len(), log.prelude);
    say(to, &Answer::Log { ops, prelude })?;
    for op in &log.ops {
        say(to, &line_of(op))?;
        if let Op::Write { bytes, .. } = op {
            to.write_all(bytes)?;
        }
    }
    Ok(())
}

/// Reads the operations that an answer has announced.
pub(super) fn hear_log(from: &mut impl BufRead, ops: usize, prelude: usize) -> Result<Log> {
    let mut log = Log {
        ops: Vec::with_capacity(ops),
        prelude,
    };
    for _ in 0..ops {
        let line = hear(from)?.context("the rig ended in the middle of its log")?;
        log.ops.push(op_of(line, from)?);
    }
    Ok(log)
}

/// Serves `backing` at `mount` until standard input ends.
pub fn serve(backing: &Path, mount: &Path, recording: bool) -> Result<()> {
    let (stdin, stdout) = (io::stdin().lock(), io::stdout().lock());
    let (mut stdin, mut stdout) = (io::BufReader::new(stdin), BufWriter::new(stdout));
    let mounted = Shared::new(backing, recording)
        .map(Arc::new)
        .and_then(|shared| {
            let mut config = Config::default();
            config.mount_options = vec![
                MountOption::FSName("holdfast-rig".to_owned()),
                MountOption::NoAtime,
            ];
            let session = fuser::spawn_mount(Passthrough(shared.clone()), mount, &config)?;
            Ok((shared, session))
        });
    let (shared, session) = match mounted {
        Ok(mounted) => mounted,
        Err(error) => {
            say(&mut stdout, &Answer::Failed(error.to_string()))?;
            return Ok(stdout.flush()?);
        }
    };
    say(&mut stdout, &Answer::Done)?;
    stdout.flush()?;
    while let Some(request) = hear(&mut stdin)? {
        let mut state = shared.state();
        let answer = match request {
            Request::Mark(fact) => {
                state.note(Op::Mark(fact));
                Answer::Done
            }
            Request::Arm(plan) => {
                state.troubles.arm(plan);
                Answer::Done
            }
            Request::Heal => Answer::Healed(state.troubles.heal()),
            Request::Met => Answer::Met(state.troubles.met()),
            Request::Cut => {
                state.recording = false;
                state.troubles.arm(Plan::lasting(Trouble::Io, 0));
                Answer::Done
            }
            Request::TakeLog => {
                let log = std::mem::take(&mut state.log);
                drop(state);
                say_log(&mut stdout, &log)?;
                stdout.flush()?;
                continue;
            }
        };
        drop(state);
        say(&mut stdout, &answer)?;
        stdout.flush()?;
    }
    // Whoever held the other end has unmounted it already, or is no more.
    let _ = umount2(mount, MntFlags::MNT_DETACH);
    drop(session);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_survives_the_way() {
        let ops = vec![
            Op::Create {
                folder: 1,
                name: "a\n\"b".to_owned(),
                ino: 2,
                is_folder: false,
                mode: 0o644,
            },
            Op::Write {
                ino: 2,
                offset: 7,
                bytes: b"{\n}\0\xff".as_slice().into(),
            },
            Op::Resize { ino: 2, bytes: 3 },
            Op::Sync { ino: 2 },
            Op::Mark(9),
            Op::Rename {
                from: 1,
                name: "a".to_owned(),
                to: 1,
                new_name: "b".to_owned(),
            },
            Op::Remove {
                folder: 1,
                name: "b".to_owned(),
            },
        ];
        let (mut bytes, log) = (Vec::new(), Log { ops, prelude: 2 });
        say_log(&mut bytes, &log).unwrap();
        let mut from = bytes.as_slice();
        let Some(Answer::Log { ops, prelude }) = hear(&mut from).unwrap() else {
            panic!("not a log");
        };
        let heard = hear_log(&mut from, ops, prelude).unwrap();
        assert_eq!((heard.ops, heard.prelude), (log.ops, log.prelude));
        assert!(from.is_empty());
    }
}
