//! The task that owns a worker process: reads what it says to its end, ends it, and tells why it ended.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::child::NoLeakChild;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::recorder::worker_protocol::{self as protocol, FromWorker, Hello, PROTOCOL};
use crate::recorder::worker_requests::{Frame, Orders, Shared, lock};

/// How long a worker has for its own end: it logs out within two seconds.
const END_PATIENCE: Duration = Duration::from_secs(4);
/// How long a process may take from closing its socket to its end.
const DYING: Duration = Duration::from_millis(500);
/// What belongs to a real process.
pub(super) struct Process {
    pub(super) child: NoLeakChild,
    pub(super) folder: PathBuf,
    pub(super) last_lines: Arc<Mutex<VecDeque<String>>>,
}

/// What the owning task takes over.
pub(super) struct Owned {
    pub(super) input: OwnedReadHalf,
    pub(super) process: Option<Process>,
    pub(super) orders: Orders,
    pub(super) hello: oneshot::Sender<Hello>,
    pub(super) ready: oneshot::Receiver<Arc<Shared>>,
    pub(super) ended: watch::Sender<Option<Arc<str>>>,
    pub(super) name: String,
}

/// Owns the process from its start to its end.
pub(super) async fn own(owned: Owned) {
    let Owned {
        mut input,
        process,
        orders,
        hello,
        ready,
        ended,
        name,
    } = owned;
    let mut shared = None;
    let listening = listen(&mut input, hello, ready, &mut shared);
    let overdue = async {
        orders.end.cancelled().await;
        tokio::time::sleep(END_PATIENCE).await;
    };
    let heard = tokio::select! {
        () = orders.kill.cancelled() => None,
        () = overdue => None,
        heard = listening => Some(heard),
    };
    let asked = orders.end.is_cancelled();
    let (status, last_line) = match process {
        None => (None, None),
        Some(process) => {
            let patience = match (asked, &heard) {
                (true, _) => END_PATIENCE,
                // Its socket has closed: how it ends by itself in this moment is what we want to know.
                (false, Some(Ok(()))) => DYING,
                _ => Duration::ZERO,
            };
            end_process(process, patience).await
        }
    };
    let told = lock(&orders.cause).take();
    let cause = match (told, heard, status) {
        (Some(cause), _, _) => cause,
        (None, Some(Err(broken)), _) => broken,
        _ if asked => "the worker was ended by the agent".to_owned(),
        (None, _, status) => {
            status.map_or_else(|| "the worker closed its socket".to_owned(), cause_in_words)
        }
    };
    let cause = match last_line {
        Some(line) if !asked => format!("{cause}; it last said: {line}"),
        _ => cause,
    };
    if asked {
        tracing::debug!(recorder.address = name, "SDK worker ended");
    } else {
        tracing::warn!(
            recorder.address = name,
            cause,
            "SDK worker ended; its requests fail and it is started anew"
        );
    }
    let cause: Arc<str> = cause.into();
    if let Some(shared) = shared {
        shared.close(&cause);
    }
    ended.send_replace(Some(cause));
}

/// Reads frames to the end of the stream.
async fn listen(
    input: &mut OwnedReadHalf,
    hello: oneshot::Sender<Hello>,
    ready: oneshot::Receiver<Arc<Shared>>,
    shared: &mut Option<Arc<Shared>>,
) -> Result<(), String> {
    let not_understood = |error| format!("the worker sent what is not a frame: {error}");
    match protocol::read_async::<FromWorker>(input)
        .await
        .map_err(not_understood)?
    {
        None => return Ok(()),
        Some(FromWorker::Hello(greeting)) if greeting.protocol == PROTOCOL => {
            // The one who starts the worker has given up: the end comes next.
            let _ = hello.send(greeting);
        }
        Some(FromWorker::Hello(greeting)) => {
            return Err(format!(
                "the worker speaks protocol {} and the agent {PROTOCOL}: the program was replaced while it ran; restart it",
                greeting.protocol
            ));
        }
        Some(_) => return Err("the worker did not present itself".into()),
    }
    let Ok(agent) = ready.await else {
        return Ok(());
    };
    *shared = Some(agent.clone());
    while let Some(message) = protocol::read_async(input).await.map_err(not_understood)? {
        agent.take(message)?;
    }
    Ok(())
}

/// Waits for the process, or kills it; how it ended and its last line.
async fn end_process(process: Process, patience: Duration) -> (Option<ExitStatus>, Option<String>) {
    let Process {
        mut child,
        folder,
        last_lines,
    } = process;
    let ended = tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + patience;
        let mut status = child.inner().try_wait();
        while matches!(status, Ok(None)) && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5)); // waiting for another process has no other way with a bound
            status = child.inner().try_wait();
        }
        let status = match status {
            Ok(Some(status)) => Ok(status),
            _ => child.kill(),
        };
        let removed = std::fs::remove_dir_all(&folder);
        (status, removed, folder)
    })
    .await;
    let status = match ended {
        Ok((status, removed, folder)) => {
            if let Err(error) = removed {
                tracing::warn!(folder = %folder.display(), %error, "A worker's folder could not be removed");
            }
            status
                .inspect_err(|error| tracing::warn!(%error, "A worker could not be waited for"))
                .ok()
        }
        Err(error) => {
            tracing::error!(%error, "Ending a worker failed");
            None
        }
    };
    let last_line = lock(&last_lines).back().cloned();
    (status, last_line)
}

/// Writes frames until the end is asked for.
pub(super) async fn write_frames(
    mut output: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Frame>,
    end: CancellationToken,
) {
    loop {
        let frame = tokio::select! {
            () = end.cancelled() => break,
            frame = queue.recv() => frame,
        };
        let Some(frame) = frame else { break };
        let sent = match &frame.socket {
            Some(socket) => hand_over(&output, &frame.bytes, socket).await,
            None => Ok(0),
        };
        let written = match sent {
            Ok(sent) => output.write_all(&frame.bytes[sent..]).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            break; // the worker has gone; its owner finds out why
        }
    }
    // Half of the socket closes with `output`: the worker logs out, ends, and closes the other half.
}

fn cause_in_words(status: ExitStatus) -> String {
    match (status.signal().map(Signal::try_from), status.code()) {
        (Some(Ok(signal)), _) => format!(
            "the worker was ended by {} in the vendor's library",
            signal.as_str()
        ),
        (_, Some(code)) => format!("the worker ended with exit code {code}"),
        _ => format!("the worker ended: {status}"),
    }
}

/// Sends the beginning of a frame with a socket beside it; how many bytes went.
async fn hand_over(
    output: &OwnedWriteHalf,
    bytes: &[u8],
    socket: &OwnedFd,
) -> std::io::Result<usize> {
    let stream: &UnixStream = output.as_ref();
    stream
        .async_io(Interest::WRITABLE, || {
            let beside = [ControlMessage::ScmRights(&[socket.as_raw_fd()])];
            let pieces = [IoSlice::new(bytes)];
            let flags = MsgFlags::MSG_NOSIGNAL;
            let sent = sendmsg::<()>(stream.as_raw_fd(), &pieces, &beside, flags, None)?;
            Ok(sent)
        })
        .await
}
