//! One run of FFmpeg or ffprobe: started so that it cannot outlive us, its pipes always drained, its progress watched,
//! ended with its group.
//!
//! Blocking: callers run it on a blocking thread. `ffmpeg-sidecar` builds the command and reads the log; starting is
//! ours, because a child must be started by the thread that lives as long as the process (`base::child`).

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use base::child::NoLeakChild;
use ffmpeg_sidecar::event::{FfmpegEvent, LogLevel};
use ffmpeg_sidecar::log_parser::FfmpegLogParser;
use tokio_util::sync::CancellationToken;

/// Lines of the log that are kept to explain a failure.
const LOG_LINES: usize = 12;
/// Longest line that is kept, in characters.
const LOG_LINE_CHARS: usize = 300;
/// How often cancelling and the limits are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a process that has closed its log may take to be gone.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// Why FFmpeg did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// It cannot be started: not installed, or not executable.
    #[error("cannot start {program}: {source}; install FFmpeg or set its path in [media]")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended with an error: most likely the footage is at fault.
    #[error("{task} failed ({status}): {log}")]
    Failed {
        /// What it was doing.
        task: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        log: String,
    },
    /// It stood still, or took longer than the work can take.
    #[error("{task} {what} and was ended; last said: {log}")]
    Stuck {
        /// What it was doing.
        task: String,
        /// In which way it was stuck.
        what: String,
        /// What it said last.
        log: String,
    },
    /// It said something that cannot be understood, or too much.
    #[error("{task}: {problem}")]
    Unreadable {
        /// What was read.
        task: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Reading or writing a local file failed.
    #[error("{task}: {source}")]
    Io {
        /// What was done.
        task: String,
        /// Why it failed.
        source: io::Error,
    },
    /// We were told to stop.
    #[error("{0} was cancelled")]
    Cancelled(String),
}

impl MediaError {
    /// Whether the cause lies on this box (program missing, disk) rather than in the footage.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Io { .. })
    }
}

/// What a run may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest time in all.
    pub deadline: Duration,
    /// Longest time without any sign of progress: bytes taken, bytes given, a line of log.
    pub stall: Duration,
    /// Most bytes taken from its standard output.
    pub output_bytes_max: usize,
}

impl Limits {
    /// For something that reads little and answers soon.
    pub const SHORT: Self = Self {
        deadline: Duration::from_secs(60),
        stall: Duration::from_secs(30),
        output_bytes_max: 1 << 20,
    };
}

/// Writes the standard input of a run. Called on a thread of its own; a broken pipe is not its failure.
pub type Feed = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// All of its standard output.
    pub output: Vec<u8>,
    /// Its last warnings and errors, oldest first.
    pub log: Log,
}

/// The last words of a process.
#[derive(Debug, Default, Clone)]
pub struct Log(VecDeque<String>);

impl Log {
    /// Remembers a line, forgetting the oldest beyond the limit.
    pub fn push(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if self.0.len() == LOG_LINES {
            self.0.pop_front();
        }
        self.0
            .push_back(line.chars().take(LOG_LINE_CHARS).collect());
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it said nothing");
        }
        for (n, line) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(" | ")?;
            }
            f.write_str(line)?;
        }
        Ok(())
    }
}

/// A command of ours in its safe shape: guarded, in a group of its own, with all three pipes.
///
/// The test harness's program is not ours and has no guard: there the group alone is set, and the child is killed by
/// its owner.
pub fn start(command: Command) -> Result<Child, MediaError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let guarded = if cfg!(test) {
        use std::os::unix::process::CommandExt;
        let mut command = command;
        command.process_group(0);
        Ok(command)
    } else {
        base::child::guarded(&command)
    };
    guarded
        .and_then(|mut command| {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            base::child::spawn(command)
        })
        .map_err(|source| MediaError::Start { program, source })
}

enum Said {
    Line(String),
    End,
}

/// Runs a command to its end. `feed` writes its standard input; without it the input is closed at once.
pub fn run(
    command: Command,
    task: &str,
    feed: Option<Feed>,
    limits: Limits,
    cancel: &CancellationToken,
) -> Result<Finished, MediaError> {
    let collect = |pipe: &mut dyn Read| collect(pipe, limits.output_bytes_max);
    let (output, log) = run_into(command, task, feed, collect, limits, cancel)?;
    let output = output.ok_or_else(|| MediaError::Unreadable {
        task: task.to_owned(),
        problem: format!("it answered more than {} bytes", limits.output_bytes_max),
    })?;
    Ok(Finished { output, log })
}

/// As [`run`]; `drain` takes its standard output, to the end unless it fails.
pub fn run_into<T: Send>(
    command: Command,
    task: &str,
    feed: Option<Feed>,
    drain: impl FnOnce(&mut dyn Read) -> io::Result<T> + Send,
    limits: Limits,
    cancel: &CancellationToken,
) -> Result<(T, Log), MediaError> {
    let mut child = NoLeakChild::new(start(command)?, task);
    let pulse = Arc::new(AtomicU64::new(0));
    let (said, hear) = mpsc::channel();
    let stdin = child.inner().stdin.take();
    let stdout = child.inner().stdout.take();
    let stderr = child.inner().stderr.take();
    let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        unreachable!("start() gives every child three pipes");
    };

    // Scoped threads: whichever way this ends, the child is killed first (closing the pipes), then they are joined.
    std::thread::scope(|scope| {
        let feeder = scope.spawn({
            let pulse = pulse.clone();
            move || write_input(stdin, feed, &pulse)
        });
        let reader = scope.spawn({
            let pulse = pulse.clone();
            move || {
                drain(&mut Counted {
                    pipe: stdout,
                    pulse: &pulse,
                })
            }
        });
        scope.spawn({
            let pulse = pulse.clone();
            move || read_log(stderr, &said, &pulse)
        });

        let mut log = Log::default();
        let status = watch(&mut child, task, limits, cancel, &hear, &pulse, &mut log);
        if status.is_err() {
            child.kill().map_err(|source| MediaError::Io {
                task: format!("end {task}"),
                source,
            })?;
        }
        let fed = feeder.join().expect("the feeding thread does not panic");
        let output = reader.join().expect("the reading thread does not panic");
        let status = status?;
        fed.map_err(|source| MediaError::Io {
            task: format!("read footage for {task}"),
            source,
        })?;
        // Before the status: whose output is not taken dies of it.
        let output = output.map_err(|source| MediaError::Io {
            task: format!("take what {task} gives"),
            source,
        })?;
        if !status.success() {
            return Err(MediaError::Failed {
                task: task.to_owned(),
                status,
                log: log.to_string(),
            });
        }
        Ok((output, log))
    })
}

fn watch(
    child: &mut NoLeakChild,
    task: &str,
    limits: Limits,
    cancel: &CancellationToken,
    hear: &mpsc::Receiver<Said>,
    pulse: &AtomicU64,
    log: &mut Log,
) -> Result<ExitStatus, MediaError> {
    let begun = Instant::now();
    let (mut last_pulse, mut last_progress) = (0, begun);
    let stuck = |what: String, log: &Log| MediaError::Stuck {
        task: task.to_owned(),
        what,
        log: log.to_string(),
    };
    loop {
        match hear.recv_timeout(TICK) {
            Ok(Said::Line(line)) => log.push(&line),
            Ok(Said::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if cancel.is_cancelled() {
            return Err(MediaError::Cancelled(task.to_owned()));
        }
        let now = Instant::now();
        let beat = pulse.load(Ordering::Relaxed);
        if beat != last_pulse {
            (last_pulse, last_progress) = (beat, now);
        }
        if now - last_progress > limits.stall {
            let seconds = limits.stall.as_secs();
            return Err(stuck(format!("stood still for {seconds} s"), log));
        }
        if now - begun > limits.deadline {
            let seconds = limits.deadline.as_secs();
            return Err(stuck(format!("took longer than {seconds} s"), log));
        }
    }
    // The log is closed: the process is at its end.
    let closed = Instant::now();
    loop {
        let status = child.inner().try_wait().map_err(|source| MediaError::Io {
            task: format!("wait for {task}"),
            source,
        })?;
        match status {
            Some(status) => return Ok(status),
            None if closed.elapsed() > LAST_BREATH => {
                return Err(stuck("closed its log but did not end".to_owned(), log));
            }
            None => std::thread::sleep(Duration::from_millis(5)), // waiting for the kernel to reap; no event tells
        }
    }
}

/// Counts what passes, so that the watch sees progress.
struct Counted<'a, P> {
    pipe: P,
    pulse: &'a AtomicU64,
}

impl<P: Read> Read for Counted<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buffer)?;
        self.pulse.fetch_add(1, Ordering::Relaxed);
        Ok(count)
    }
}

impl<P: Write> Write for Counted<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.pipe.write(bytes)?;
        self.pulse.fetch_add(1, Ordering::Relaxed);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

fn write_input(pipe: ChildStdin, feed: Option<Feed>, pulse: &AtomicU64) -> io::Result<()> {
    let Some(feed) = feed else { return Ok(()) };
    match feed(&mut Counted { pipe, pulse }) {
        // It had enough, or it died: its exit status tells.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// All of the output; None when it is more than allowed (the rest is still drained).
fn collect(pipe: &mut dyn Read, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut output = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut too_much = false;
    loop {
        let count = pipe.read(&mut buffer)?;
        if count == 0 {
            return Ok((!too_much).then_some(output));
        }
        too_much |= output.len() + count > max;
        if !too_much {
            output.extend_from_slice(&buffer[..count]);
        }
    }
}

fn read_log(pipe: impl Read, said: &mpsc::Sender<Said>, pulse: &AtomicU64) {
    let mut parser = FfmpegLogParser::new(pipe);
    loop {
        pulse.fetch_add(1, Ordering::Relaxed);
        let line = match parser.parse_next_event() {
            Ok(FfmpegEvent::LogEOF) => break,
            Ok(event) => worth_keeping(event),
            // A line that the parser stumbles over is still a line; only a broken pipe ends the log.
            Err(error) if error.downcast_ref::<io::Error>().is_some() => break,
            Err(error) => Some(error.to_string()),
        };
        if let Some(line) = line
            && said.send(Said::Line(line)).is_err()
        {
            break;
        }
    }
    // The watch may be gone already: then nobody needs to know.
    let _ = said.send(Said::End);
}

/// Warnings and errors; what FFmpeg tells about streams and progress is not.
pub fn worth_keeping(event: FfmpegEvent) -> Option<String> {
    match event {
        FfmpegEvent::Log(LogLevel::Warning | LogLevel::Error | LogLevel::Fatal, line)
        | FfmpegEvent::Error(line) => Some(line),
        // A guard that cannot start the program, and ffprobe, say it without a level.
        FfmpegEvent::Log(LogLevel::Unknown, line) => Some(line),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn limits(stall_ms: u64) -> Limits {
        Limits {
            deadline: Duration::from_secs(20),
            stall: Duration::from_millis(stall_ms),
            output_bytes_max: 1 << 20,
        }
    }

    #[test]
    fn every_pipe_is_drained_while_input_is_written() {
        let feed: Feed = Box::new(|to| to.write_all(&vec![b'x'; 900_000]));
        let noise = "i=0; while [ $i -lt 3000 ]; do echo '[warning] noise noise noise noise noise' >&2; i=$((i+1)); done; cat";
        let done = run(
            sh(noise),
            "noise",
            Some(feed),
            limits(10_000),
            &CancellationToken::new(),
        )
        .unwrap();
        assert_eq!(done.output.len(), 900_000);
        assert_eq!(done.log.0.len(), LOG_LINES);
    }

    #[test]
    fn a_process_that_stands_still_is_ended_with_its_group() {
        let begun = Instant::now();
        let error = run(
            sh("echo '[error] about to hang' >&2; sleep 60 & sleep 60"),
            "hang",
            None,
            limits(300),
            &CancellationToken::new(),
        )
        .unwrap_err();
        assert!(matches!(error, MediaError::Stuck { .. }), "{error}");
        assert!(error.to_string().contains("about to hang"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn cancelling_and_failing_are_told_apart() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let error = run(sh("sleep 60"), "sleep", None, limits(30_000), &cancel).unwrap_err();
        assert!(matches!(error, MediaError::Cancelled(_)));

        let error = run(
            sh("echo '[error] no such stream' >&2; exit 3"),
            "probe",
            None,
            limits(5_000),
            &CancellationToken::new(),
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("no such stream") && !error.is_local(),
            "{error}"
        );
        let gone = Command::new("/nonexistent/ffmpeg");
        let error = run(
            gone,
            "probe",
            None,
            Limits::SHORT,
            &CancellationToken::new(),
        )
        .unwrap_err();
        assert!(
            error.is_local() && error.to_string().contains("[media]"),
            "{error}"
        );
    }

    #[test]
    fn more_output_than_allowed_is_refused() {
        let few = Limits {
            output_bytes_max: 100,
            ..limits(5_000)
        };
        let error = run(
            sh("head -c 100000 /dev/zero"),
            "flood",
            None,
            few,
            &CancellationToken::new(),
        )
        .unwrap_err();
        assert!(matches!(error, MediaError::Unreadable { .. }), "{error}");
    }
}
