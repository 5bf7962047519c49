//! The requests to one worker: asked side by side, answered in any order, ended with their cause when the worker ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use std::os::fd::OwnedFd;

use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::driver::{FailureKind, PartProgress, RecorderError};
use super::worker_process::Worker;
use super::worker_protocol::{
    self as protocol, Answer, DeviceEvent, FromWorker, Hello, Outcome, Request, Row, ToWorker,
};

/// What the handles of a worker and the task that owns it share.
#[derive(Debug)]
pub struct Shared {
    pub(super) hello: Hello,
    pub(super) process_id: u32,
    hang_timeout: Duration,
    next_id: AtomicU64,
    transfers: AtomicUsize,
    shut_out: AtomicBool,
    frames: mpsc::Sender<Frame>,
    slots: Mutex<Slots>,
    pub(super) orders: Orders,
    pub(super) events: broadcast::Sender<DeviceEvent>,
    pub(super) ended: watch::Receiver<Option<Arc<str>>>,
}

/// A frame to a worker, and the socket that travels with it.
#[derive(Debug)]
pub struct Frame {
    /// Length and content.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Handed over with the first byte.
    pub(super) socket: Option<OwnedFd>,
}

impl From<Zeroizing<Vec<u8>>> for Frame {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            bytes,
            socket: None,
        }
    }
}

/// How the task that owns the process is told to end it.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// In order: log out first.
    pub(super) end: CancellationToken,
    /// At once.
    pub(super) kill: CancellationToken,
    pub(super) cause: Arc<Mutex<Option<String>>>,
}

impl Orders {
    /// Ends the process at once; the first cause counts.
    pub(super) fn kill(&self, cause: String) {
        lock(&self.cause).get_or_insert(cause);
        self.kill.cancel();
    }
}

/// The running requests, or the cause why there are none any more.
#[derive(Debug)]
enum Slots {
    Open(HashMap<u64, Arc<Slot>>),
    Closed(Arc<str>),
}

/// What has come in for one request.
#[derive(Debug)]
struct Slot {
    news: Mutex<News>,
    changed: Notify,
}

#[derive(Debug)]
struct News {
    alive_at: Instant,
    progress: Option<PartProgress>,
    rows: Vec<Row>,
    outcome: Option<Result<Answer, RecorderError>>,
}

impl Slot {
    fn new() -> Arc<Self> {
        let news = News {
            alive_at: Instant::now(),
            progress: None,
            rows: Vec::new(),
            outcome: None,
        };
        Arc::new(Self {
            news: Mutex::new(news),
            changed: Notify::new(),
        })
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        let mut news = lock(&self.news);
        news.alive_at = Instant::now();
        change(&mut news);
        drop(news);
        self.changed.notify_one();
    }
}

impl Worker {
    /// Downloads and live streams that run.
    pub fn transfers(&self) -> usize {
        self.shared.transfers.load(Ordering::Relaxed)
    }

    /// It could not make a file where this program could: its sandbox is for a disk that went and came back. It is to be
    /// replaced.
    pub fn note_shut_out(&self) {
        self.shared.shut_out.store(true, Ordering::Relaxed);
    }

    /// Whether that was noted.
    pub fn is_shut_out(&self) -> bool {
        self.shared.shut_out.load(Ordering::Relaxed)
    }

    /// Counts a transfer until the result is dropped.
    pub fn count_transfer(&self) -> TransferCount {
        self.shared.transfers.fetch_add(1, Ordering::Relaxed);
        TransferCount(self.shared.clone())
    }

    /// Asks and waits for the end of the request. `progress` hears how a download comes along. Cancelling asks the
    /// worker to end the request, and still waits for its answer; dropping the future asks too, and waits for nothing.
    pub async fn call(
        &self,
        doing: &str,
        request: Request,
        cancel: Option<&CancellationToken>,
        progress: impl FnMut(PartProgress),
    ) -> Result<Done, RecorderError> {
        self.call_with(doing, request, None, cancel, progress).await
    }

    /// As [`Worker::call`], and hands a socket over with the request.
    pub async fn call_with(
        &self,
        doing: &str,
        request: Request,
        socket: Option<OwnedFd>,
        cancel: Option<&CancellationToken>,
        mut progress: impl FnMut(PartProgress),
    ) -> Result<Done, RecorderError> {
        let mut ticket = self.begin(request, socket).await?;
        let mut cancelled = false;
        loop {
            let (alive_at, news, rows, outcome) = {
                let mut news = lock(&ticket.slot.news);
                let done = news.outcome.is_some();
                let rows = if done {
                    std::mem::take(&mut news.rows)
                } else {
                    Vec::new()
                };
                (
                    news.alive_at,
                    news.progress.take(),
                    rows,
                    news.outcome.take(),
                )
            };
            if let Some(news) = news {
                progress(news);
            }
            if let Some(outcome) = outcome {
                ticket.done = true;
                return outcome.map(|answer| Done {
                    id: ticket.id,
                    answer,
                    rows,
                });
            }
            let asked_to_stop = async {
                match cancel {
                    Some(token) if !cancelled => token.cancelled().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ticket.slot.changed.notified() => {}
                () = asked_to_stop => {
                    cancelled = true;
                    self.cancel(ticket.id);
                }
                () = tokio::time::sleep_until(alive_at + self.shared.hang_timeout) => {
                    let alive_at = lock(&ticket.slot.news).alive_at;
                    if alive_at.elapsed() >= self.shared.hang_timeout {
                        let seconds = self.shared.hang_timeout.as_secs();
                        self.kill(format!("the worker gave no sign of life for {seconds} s when told to {doing}"));
                        self.ended().await; // which ends this request too
                    }
                }
            }
        }
    }

    /// Asks the worker to end a request, or a live stream that runs.
    pub fn cancel(&self, id: u64) {
        self.shared.cancel(id);
    }

    async fn begin(
        &self,
        request: Request,
        socket: Option<OwnedFd>,
    ) -> Result<Ticket, RecorderError> {
        let shared = &self.shared;
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let bytes = protocol::encode(&ToWorker::Request { id, request }).map_err(|error| {
            RecorderError::new(
                FailureKind::Worker,
                format!("a request cannot be sent: {error}"),
            )
        })?;
        let slot = Slot::new();
        match &mut *lock(&shared.slots) {
            Slots::Open(slots) => slots.insert(id, slot.clone()),
            Slots::Closed(cause) => return Err(RecorderError::new(FailureKind::Worker, &**cause)),
        };
        let ticket = Ticket {
            shared: shared.clone(),
            id,
            slot,
            done: false,
        };
        // When the writer is gone the worker ends, and the owner closes the slot with the cause.
        let _ = shared.frames.send(Frame { bytes, socket }).await;
        Ok(ticket)
    }
}

/// A request that ended well.
#[derive(Debug)]
pub struct Done {
    /// Its id: a live stream is ended by it.
    pub id: u64,
    /// What it told.
    pub answer: Answer,
    /// What a search found.
    pub rows: Vec<Row>,
}

/// One counted transfer.
#[derive(Debug)]
pub struct TransferCount(Arc<Shared>);

impl Drop for TransferCount {
    fn drop(&mut self) {
        self.0.transfers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A running request. Dropped before its end it asks the worker to end it.
struct Ticket {
    shared: Arc<Shared>,
    id: u64,
    slot: Arc<Slot>,
    done: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Slots::Open(slots) = &mut *lock(&self.shared.slots) {
            slots.remove(&self.id);
        }
        if !self.done {
            self.shared.cancel(self.id);
        }
    }
}

impl Shared {
    /// Of a worker that has just presented itself.
    pub(super) fn new(
        hello: Hello,
        process_id: u32,
        hang_timeout: Duration,
        frames: mpsc::Sender<Frame>,
        orders: Orders,
        events: broadcast::Sender<DeviceEvent>,
        ended: watch::Receiver<Option<Arc<str>>>,
    ) -> Self {
        Self {
            hello,
            process_id,
            hang_timeout,
            next_id: AtomicU64::new(1),
            transfers: AtomicUsize::new(0),
            shut_out: AtomicBool::new(false),
            frames,
            slots: Mutex::new(Slots::Open(HashMap::new())),
            orders,
            events,
            ended,
        }
    }

    fn cancel(&self, id: u64) {
        match protocol::encode(&ToWorker::Cancel { id })
            .map(|frame| self.frames.try_send(frame.into()))
        {
            Ok(Err(mpsc::error::TrySendError::Full(_))) => {
                self.orders.kill("the worker reads no requests".into())
            }
            // Closed: what should end has ended.
            Ok(_) => {}
            Err(error) => self
                .orders
                .kill(format!("a request cannot be ended: {error}")),
        }
    }

    fn slot(&self, id: u64) -> Option<Arc<Slot>> {
        match &*lock(&self.slots) {
            Slots::Open(slots) => slots.get(&id).cloned(),
            Slots::Closed(_) => None,
        }
    }

    /// What the worker says; fails when it may not say it.
    pub(super) fn take(&self, message: FromWorker) -> Result<(), String> {
        // A request that was dropped in the meantime has no slot any more.
        match message {
            FromWorker::Hello(_) => return Err("the worker presented itself twice".into()),
            FromWorker::Event(event) => {
                let _ = self.events.send(event); // nobody listens: nobody misses it
            }
            FromWorker::Progress {
                id,
                received_bytes,
                percent,
            } => {
                if let Some(slot) = self.slot(id) {
                    slot.tell(|news| {
                        news.progress = Some(PartProgress {
                            received_bytes,
                            percent,
                        })
                    });
                }
            }
            FromWorker::Rows { id, rows } => {
                if let Some(slot) = self.slot(id) {
                    slot.tell(|news| news.rows.extend(rows));
                }
            }
            FromWorker::Reply { id, outcome } => {
                if let Some(slot) = self.slot(id) {
                    let outcome = match outcome {
                        Outcome::Done(answer) => Ok(answer),
                        Outcome::Failed(failure) => Err(failure.into()),
                    };
                    slot.tell(|news| news.outcome = Some(outcome));
                }
            }
        }
        Ok(())
    }

    /// The worker has ended: so have its requests.
    pub(super) fn close(&self, cause: &Arc<str>) {
        let former = std::mem::replace(&mut *lock(&self.slots), Slots::Closed(cause.clone()));
        if let Slots::Open(slots) = former {
            for slot in slots.into_values() {
                let error = RecorderError::new(FailureKind::Worker, &**cause);
                slot.tell(|news| {
                    news.outcome.get_or_insert(Err(error));
                });
            }
        }
    }
}

/// A lock whose holder never leaves half a change behind.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
