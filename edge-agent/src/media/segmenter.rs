//! FFmpeg between a recorder's live stream and the segments that players fetch: bytes in from a socket, fragments out
//! of a pipe. One process per stream, three threads: in, out, log.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use base::child::NoLeakChild;
use ffmpeg_sidecar::event::FfmpegEvent;
use ffmpeg_sidecar::log_parser::FfmpegLogParser;
use tokio::sync::mpsc;

use super::MediaConfig;
use super::process::{Log, MediaError, start, worth_keeping};
use super::ps::Program;
use super::remux::arguments;
use super::split::{Piece, Splitter};

/// Pieces that may wait for the stream's owner; a full queue holds FFmpeg back.
const QUEUE: usize = 4;
const READ_BYTES: usize = 64 * 1024;

/// Nice value of what people watch: where the processor is short, recording goes first (A3). The program is coreutils'.
const NICE: [&str; 3] = ["nice", "-n", "10"];

/// A running segmenter. Dropping it ends the process and its threads.
#[derive(Debug)]
pub struct Segmenter {
    child: NoLeakChild,
    source: UnixStream,
    threads: Vec<JoinHandle<()>>,
    pieces: mpsc::Receiver<Piece>,
    log: Arc<Mutex<Log>>,
    received_bytes: Arc<AtomicU64>,
}

impl Segmenter {
    /// Starts FFmpeg on a live stream of which `begun` has been read already.
    pub fn start(
        config: &MediaConfig,
        program: Program,
        begun: Vec<u8>,
        source: UnixStream,
    ) -> Result<Self, MediaError> {
        let io = |source| MediaError::Io {
            task: "take over a live stream".to_owned(),
            source,
        };
        source.set_nonblocking(false).map_err(io)?;
        let reading = source.try_clone().map_err(io)?;
        let mut command = arguments(config, program, true);
        command.output("pipe:1");
        let mut child = NoLeakChild::new(start(giving_way(&command.into()))?, "live");
        let pipes = (
            child.inner().stdin.take(),
            child.inner().stdout.take(),
            child.inner().stderr.take(),
        );
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            unreachable!("start() gives every child three pipes");
        };
        let (pieces, receiver) = mpsc::channel(QUEUE);
        let log = Arc::new(Mutex::new(Log::default()));
        let received_bytes = Arc::new(AtomicU64::new(0));
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(io)
        };
        let threads = vec![
            spawn("live-in", {
                let received = received_bytes.clone();
                Box::new(move || feed(reading, &begun, stdin, &received))
            })?,
            spawn("live-out", {
                let log = log.clone();
                Box::new(move || read(stdout, &pieces, &log))
            })?,
            spawn("live-log", {
                let log = log.clone();
                Box::new(move || listen(stderr, &log))
            })?,
        ];
        Ok(Self {
            child,
            source,
            threads,
            pieces: receiver,
            log,
            received_bytes,
        })
    }

    /// The next piece; None when the stream has ended, for whatever reason ([`Self::last_words`]). May be dropped
    /// while waiting.
    pub async fn next(&mut self) -> Option<Piece> {
        self.pieces.recv().await
    }

    /// Bytes received from the recorder.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// What FFmpeg said last.
    pub fn last_words(&self) -> String {
        self.log
            .lock()
            .expect("nothing panics while holding the log")
            .to_string()
    }

    /// Ends it and waits for all of it. Blocks shortly.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Segmenter {
    fn drop(&mut self) {
        // Each thread waits for the queue, the socket or a pipe of the child: all are ended first.
        self.pieces.close();
        if let Err(error) = self.source.shutdown(Shutdown::Both) {
            tracing::debug!(%error, "A live stream's socket was closed already");
        }
        if let Err(error) = self.child.kill() {
            tracing::warn!(%error, "FFmpeg of a live stream could not be ended");
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("A thread of a live stream panicked");
            }
        }
    }
}

fn giving_way(command: &Command) -> Command {
    let [nice, arguments @ ..] = NICE;
    let mut niced = Command::new(nice);
    niced.args(arguments);
    niced.arg(command.get_program()).args(command.get_args());
    niced
}

/// Ends when either side does; what follows (closed input, then the end of FFmpeg) tells the owner.
fn feed(mut from: UnixStream, begun: &[u8], mut to: impl Write, received: &AtomicU64) {
    received.fetch_add(begun.len() as u64, Ordering::Relaxed);
    if to.write_all(begun).is_err() {
        return;
    }
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
        received.fetch_add(count as u64, Ordering::Relaxed);
    }
}

fn read(mut from: impl Read, pieces: &mpsc::Sender<Piece>, log: &Mutex<Log>) {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        match splitter.push(&buffer[..count]) {
            Ok(whole) => {
                for piece in whole {
                    if pieces.blocking_send(piece).is_err() {
                        return; // the owner has gone
                    }
                }
            }
            Err(error) => {
                note(log, &error.to_string());
                return;
            }
        }
    }
}

fn listen(from: impl Read, log: &Mutex<Log>) {
    let mut parser = FfmpegLogParser::new(from);
    loop {
        match parser.parse_next_event() {
            Ok(FfmpegEvent::LogEOF) => return,
            Ok(event) => {
                if let Some(line) = worth_keeping(event) {
                    note(log, &line);
                }
            }
            Err(error) if error.downcast_ref::<std::io::Error>().is_some() => return,
            Err(error) => note(log, &error.to_string()),
        }
    }
}

fn note(log: &Mutex<Log>, line: &str) {
    log.lock()
        .expect("nothing panics while holding the log")
        .push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `nice` says alone: the value that it runs with.
    fn value(mut command: Command) -> i32 {
        let output = command.output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    #[test]
    fn what_is_watched_gives_way() {
        let plain = Command::new("nice");
        let watched = value(giving_way(&plain));
        assert_eq!(watched, (value(plain) + 10).min(19));
    }
}
