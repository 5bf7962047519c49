//! One worker process as the agent sees it: started, spoken to, watched, killed, and the cause of its end remembered.
//!
//! A request that shows no sign of life for too long, a frame that is not understood, or the end of the process ends
//! the worker: it is killed and waited for, and every request that still runs fails with the cause in words.

mod launch;
mod owner;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::DropGuard;

use super::config::SdkConfig;
use super::driver::{FailureKind, RecorderError};
use super::reach::Reach;
use super::sandbox;
use super::worker_log;
use super::worker_protocol::{self as protocol, DeviceEvent, Hello, ToWorker};
use super::worker_requests::{Orders, Shared};
use launch::{Launched, launch};
use owner::{Owned, Process, own, write_frames};

/// Frames that may wait to be written: a worker that reads none for so long hangs.
const FRAMES_MAX: usize = 256;
/// Unasked events that a slow listener may lag behind.
const EVENTS_MAX: usize = 64;

/// Workers that were started. Counted from nothing by each agent, so that what a killed one's workers have left bears
/// names that come again, and is cleared then.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// A running worker. Clones share it; when the last one goes the worker logs out and ends.
#[derive(Debug, Clone)]
pub struct Worker {
    pub(super) shared: Arc<Shared>,
    reach: Reach,
    _end: Arc<DropGuard>,
}

impl Worker {
    /// Starts a worker for `name` (a recorder's address, for messages and the log) with a working folder of its own
    /// whose name begins so, and waits until it has loaded the library, or found that it cannot: see [`Worker::hello`].
    /// What it loads reaches no address but these.
    pub async fn start(
        config: &SdkConfig,
        folder_name: &str,
        name: &str,
        reach: &Reach,
    ) -> Result<Self, RecorderError> {
        let local = |what: &str, error: io::Error| {
            let message = format!("{name}: the SDK worker cannot be started: {what}: {error}");
            RecorderError::new(FailureKind::Local, message)
        };
        // A worker that is still ending takes its folder along; the next one's is another.
        let nth = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = config.work_dir.join(format!("{folder_name}-{nth}"));
        let program = config.program.clone();
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
        Self::adopt(socket, Some(process), process_id, config, name, reach).await
    }

    /// Speaks to whatever is at the other end of a socket. `process` is killed in the end.
    async fn adopt(
        socket: StdStream,
        process: Option<Process>,
        process_id: u32,
        config: &SdkConfig,
        name: &str,
        reach: &Reach,
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

        let configure = protocol::encode(&ToWorker::Configure(
            config.configure(&reach.addresses, reach.port),
        ))
        .map_err(|error| lost(&format!("the configuration cannot be sent: {error}")))?;
        // A worker that is gone already is noticed by its owner, just below.
        let _ = frames.send(configure.into()).await;
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
        sandbox::note(&hello.sandbox, name);
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
            reach: reach.clone(),
            _end: Arc::new(end),
        })
    }

    /// How the worker presented itself.
    pub fn hello(&self) -> &Hello {
        &self.shared.hello
    }

    /// Where it can go.
    pub fn reach(&self) -> &Reach {
        &self.reach
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
