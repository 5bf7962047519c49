//! One worker process as the agent sees it: started, spoken to, watched, killed, and the cause of its end remembered.
//!
//! A request that shows no sign of life for too long, a frame that is not understood, or the end of the process ends
//! the worker: it is killed and waited for, and every request that still runs fails with the cause in words.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::child::NoLeakChild;
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use super::config::{SdkConfig, WorkerProgram};
use super::driver::{FailureKind, RecorderError};
use super::worker_log;
use super::worker_protocol::{
    self as protocol, DeviceEvent, FromWorker, Hello, PROTOCOL, ToWorker,
};
use super::worker_requests::{Orders, Shared, lock};

/// Frames that may wait to be written: a worker that reads none for so long hangs.
const FRAMES_MAX: usize = 256;
/// How long a worker has for its own end: it logs out within two seconds.
const END_PATIENCE: Duration = Duration::from_secs(4);
/// How long a process may take from closing its socket to its end.
const DYING: Duration = Duration::from_millis(500);
/// Unasked events that a slow listener may lag behind.
const EVENTS_MAX: usize = 64;

/// A running worker. Clones share it; when the last one goes the worker logs out and ends.
#[derive(Debug, Clone)]
pub struct Worker {
    pub(super) shared: Arc<Shared>,
    _end: Arc<DropGuard>,
}

impl Worker {
    /// Starts a worker for `name` (a recorder's address, for messages and the log) with a fresh working folder of that
    /// name, and waits until it has loaded the library, or found that it cannot: see [`Worker::hello`].
    pub async fn start(
        config: &SdkConfig,
        folder_name: &str,
        name: &str,
    ) -> Result<Self, RecorderError> {
        let local = |what: &str, error: io::Error| {
            let message = format!("{name}: the SDK worker cannot be started: {what}: {error}");
            RecorderError::new(FailureKind::Local, message)
        };
        let (folder, program) = (config.work_dir.join(folder_name), config.program.clone());
        let Launched {
            child,
            socket,
            output,
            folder,
        } = tokio::task::spawn_blocking(move || launch(folder, program))
            .await
            .map_err(|error| local("start", io::Error::other(error)))?
            .map_err(|(what, error)| local(&what, error))?;
        let output =
            pipe::Receiver::from_owned_fd(output.into()).map_err(|error| local("output", error))?;
        let last_lines = worker_log::follow(output, name);
        let process_id = child.id();
        let process = Process {
            child,
            folder,
            last_lines,
        };
        Self::adopt(socket, Some(process), process_id, config, name).await
    }

    /// Speaks to whatever is at the other end of a socket. `process` is killed in the end.
    async fn adopt(
        socket: StdStream,
        process: Option<Process>,
        process_id: u32,
        config: &SdkConfig,
        name: &str,
    ) -> Result<Self, RecorderError> {
        let lost =
            |cause: &str| RecorderError::new(FailureKind::Worker, format!("{name}: {cause}"));
        let stream = socket
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(socket))
            .map_err(|error| lost(&format!("the worker's socket is not usable: {error}")))?;
        let (input, output) = stream.into_split();
        let (frames, queue) = mpsc::channel(FRAMES_MAX);
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let (ended_sender, ended) = watch::channel(None);
        let (hello_sender, hello) = oneshot::channel();
        let (ready_sender, ready) = oneshot::channel();
        let orders = Orders::default();
        let end = orders.end.clone().drop_guard();
        tokio::spawn(write_frames(output, queue, orders.end.clone()));
        tokio::spawn(own(Owned {
            input,
            process,
            orders: orders.clone(),
            hello: hello_sender,
            ready,
            ended: ended_sender,
            name: name.to_owned(),
        }));

        let configure = protocol::encode(&ToWorker::Configure(config.configure()))
            .map_err(|error| lost(&format!("the configuration cannot be sent: {error}")))?;
        // A worker that is gone already is noticed by its owner, just below.
        let _ = frames.send(configure).await;
        let cause_of_end = || async {
            let mut ended = ended.clone();
            let cause = ended
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|cause| cause.clone());
            cause.map_or_else(
                || "the worker has ended".to_owned(),
                |cause| cause.to_string(),
            )
        };
        let hello = match tokio::time::timeout(config.hang_timeout(), hello).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(_)) => return Err(lost(&cause_of_end().await)),
            Err(_) => {
                orders.kill(format!(
                    "the vendor's library did not load within {} s",
                    config.hang_timeout().as_secs()
                ));
                return Err(lost(&cause_of_end().await));
            }
        };
        let shared = Arc::new(Shared::new(
            hello,
            process_id,
            config.hang_timeout(),
            frames,
            orders,
            events,
            ended,
        ));
        // When the owner has ended in this instant, so has the worker, and the first request says why.
        let _ = ready_sender.send(shared.clone());
        Ok(Self {
            shared,
            _end: Arc::new(end),
        })
    }

    /// How the worker presented itself.
    pub fn hello(&self) -> &Hello {
        &self.shared.hello
    }

    /// Process id.
    pub fn process_id(&self) -> u32 {
        self.shared.process_id
    }

    /// What the recorder and the library say unasked, from now on.
    pub fn events(&self) -> broadcast::Receiver<DeviceEvent> {
        self.shared.events.subscribe()
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        self.shared.ended.borrow().is_none()
    }

    /// Waits until the worker has ended; the cause in words.
    pub async fn ended(&self) -> Arc<str> {
        let mut ended = self.shared.ended.clone();
        let cause = ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|cause| cause.clone());
        cause.unwrap_or_else(|| "the worker has ended".into())
    }

    /// Lets the worker log out and end, and waits for it.
    pub async fn close(&self) {
        self.shared.orders.end.cancel();
        self.ended().await;
    }

    /// Ends the worker at once.
    pub fn kill(&self, cause: impl Into<String>) {
        self.shared.orders.kill(cause.into());
    }

    /// Resident memory; None when it has just ended.
    pub fn resident_bytes(&self) -> Option<u64> {
        let text =
            std::fs::read_to_string(format!("/proc/{}/statm", self.shared.process_id)).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
        Some(pages * page as u64)
    }
}

/// What belongs to a real process.
struct Process {
    child: NoLeakChild,
    folder: PathBuf,
    last_lines: Arc<Mutex<VecDeque<String>>>,
}

struct Owned {
    input: OwnedReadHalf,
    process: Option<Process>,
    orders: Orders,
    hello: oneshot::Sender<Hello>,
    ready: oneshot::Receiver<Arc<Shared>>,
    ended: watch::Sender<Option<Arc<str>>>,
    name: String,
}

/// Owns the process from its start to its end.
async fn own(owned: Owned) {
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

async fn write_frames(
    mut output: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Zeroizing<Vec<u8>>>,
    end: CancellationToken,
) {
    loop {
        let frame = tokio::select! {
            () = end.cancelled() => break,
            frame = queue.recv() => frame,
        };
        let Some(frame) = frame else { break };
        if output.write_all(&frame).await.is_err() {
            break; // the worker has gone; its owner finds out why
        }
    }
    // Half of the socket closes with `output`: the worker logs out, ends, and closes the other half.
}

/// What starting a process gives.
struct Launched {
    child: NoLeakChild,
    socket: StdStream,
    output: io::PipeReader,
    folder: PathBuf,
}

/// Starts the process: nothing in its environment but the way to libraries, a socket as its input, a pipe for what it
/// prints, a fresh folder (the vendor's library reads settings from where it is started). It is not started through the guard: it asks for the signal of our death
/// itself, and for one that leaves it the time to log out. Fails with what failed.
fn launch(folder: PathBuf, program: WorkerProgram) -> Result<Launched, (String, io::Error)> {
    let at = |what: String| move |error| (what, error);
    make_fresh(&folder).map_err(at(format!("working folder {}", folder.display())))?;
    let path = match program.path {
        Some(path) => path,
        None => std::env::current_exe().map_err(at("find the agent's program".into()))?,
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::recorder::driver::PartProgress;
    use crate::recorder::worker_protocol::{Answer, Failure, Kind, Outcome, Request};

    fn hello() -> FromWorker {
        FromWorker::Hello(Hello {
            protocol: PROTOCOL,
            build: "test".into(),
            sdk_version: Some("6.1.6.45".into()),
            missing: Vec::new(),
            problem: None,
        })
    }

    fn send(stream: &mut StdStream, message: &FromWorker) {
        stream
            .write_all(&protocol::encode(message).unwrap())
            .unwrap();
    }

    /// A worker that follows a script, over an in-memory socket.
    async fn scripted(
        config: SdkConfig,
        script: impl FnOnce(StdStream) + Send + 'static,
    ) -> Result<Worker, RecorderError> {
        let (ours, theirs) = StdStream::pair().unwrap();
        std::thread::spawn(move || script(theirs));
        Worker::adopt(ours, None, 0, &config, "192.0.2.10:8000").await
    }

    fn next(stream: &mut StdStream) -> Option<ToWorker> {
        protocol::read(stream).unwrap()
    }

    fn search() -> Request {
        let time = "2026-11-03T15:05:00".parse().unwrap();
        Request::Search {
            session: 1,
            channel: 33,
            start: time,
            end: time,
        }
    }

    #[tokio::test]
    async fn requests_are_answered_out_of_order() {
        let worker = scripted(SdkConfig::default(), |mut stream| {
            assert!(matches!(next(&mut stream), Some(ToWorker::Configure(_))));
            send(&mut stream, &hello());
            let mut ids = Vec::new();
            while let Some(ToWorker::Request { id, .. }) = next(&mut stream) {
                ids.push(id);
                if let [first, second] = ids[..] {
                    send(
                        &mut stream,
                        &FromWorker::Progress {
                            id: first,
                            received_bytes: 40,
                            percent: 7,
                        },
                    );
                    let failure = Failure {
                        kind: Kind::Device,
                        message: "no".into(),
                        code: Some(29),
                    };
                    send(
                        &mut stream,
                        &FromWorker::Reply {
                            id: second,
                            outcome: Outcome::Failed(failure),
                        },
                    );
                    send(
                        &mut stream,
                        &FromWorker::Reply {
                            id: first,
                            outcome: Outcome::Done(Answer::Found),
                        },
                    );
                }
            }
        })
        .await
        .unwrap();
        let mut seen = PartProgress::default();
        let (first, second) = tokio::join!(
            worker.call("search", search(), None, |progress| seen = progress),
            worker.call("search", search(), None, |_| {}),
        );
        assert_eq!(first.unwrap().answer, Answer::Found);
        let second = second.unwrap_err();
        assert_eq!(
            (second.kind, second.vendor_code),
            (FailureKind::Device, Some(29))
        );
        assert!(
            seen.percent == 7 || seen == PartProgress::default(),
            "progress may be overtaken by the end"
        );
        worker.close().await;
    }

    #[tokio::test]
    async fn a_worker_without_a_sign_of_life_is_ended() {
        let config = SdkConfig {
            hang_timeout_s: 1,
            ..SdkConfig::default()
        };
        let worker = scripted(config, |mut stream| {
            next(&mut stream);
            send(&mut stream, &hello());
            while next(&mut stream).is_some() {}
        })
        .await
        .unwrap();
        let error = worker
            .call("search channel 33", search(), None, |_| {})
            .await
            .unwrap_err();
        assert_eq!(error.kind, FailureKind::Worker);
        assert_eq!(
            error.message,
            "the worker gave no sign of life for 1 s when told to search channel 33"
        );
        let later = worker
            .call("search", search(), None, |_| {})
            .await
            .unwrap_err();
        assert_eq!(later, error);
    }

    #[tokio::test]
    async fn a_broken_frame_ends_the_worker() {
        let worker = scripted(SdkConfig::default(), |mut stream| {
            next(&mut stream);
            send(&mut stream, &hello());
            next(&mut stream);
            stream.write_all(b"NET_DVR_Init: 192.0.2.10\n").unwrap();
            while next(&mut stream).is_some() {}
        })
        .await
        .unwrap();
        let error = worker
            .call("search", search(), None, |_| {})
            .await
            .unwrap_err();
        assert!(error.message.contains("not a frame"), "{error}");
    }

    #[tokio::test]
    async fn a_foreign_protocol_is_refused() {
        let error = scripted(SdkConfig::default(), |mut stream| {
            next(&mut stream);
            let FromWorker::Hello(mut hello) = hello() else {
                unreachable!()
            };
            hello.protocol = 99;
            send(&mut stream, &FromWorker::Hello(hello));
        })
        .await
        .unwrap_err();
        assert!(error.message.contains("protocol 99"), "{error}");
    }

    #[tokio::test]
    async fn a_dropped_request_is_ended() {
        let (sender, cancelled) = oneshot::channel();
        let worker = scripted(SdkConfig::default(), |mut stream| {
            next(&mut stream);
            send(&mut stream, &hello());
            let Some(ToWorker::Request { id: asked, .. }) = next(&mut stream) else {
                panic!("no request")
            };
            let Some(ToWorker::Cancel { id }) = next(&mut stream) else {
                panic!("no cancel")
            };
            sender.send(asked == id).unwrap();
        })
        .await
        .unwrap();
        let call = worker.call("search", search(), None, |_| {});
        let _ = tokio::time::timeout(Duration::from_millis(50), call).await;
        assert!(cancelled.await.unwrap());
    }
}
