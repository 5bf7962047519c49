//! The session policy of a recorder (R3): log in, keep alive, log in again, and never hammer an account.
//!
//! One task per recorder owns its worker and its login. What follows on what is decided in [`states`]; this file does
//! it.

pub mod states;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use wire::ids::RecorderId;
use wire::resource::{DriverKind, RecorderState};

use super::clock::ClockBook;
use super::config::SdkConfig;
use super::driver::{FailureKind, RecorderAccount, RecorderError, RecorderSession, Tls};
use super::isapi::{IsapiSession, Learnt};
use super::reach::Reach;
use super::worker::WorkerSession;
use super::worker_process::Worker;
use super::worker_protocol::DeviceEvent;
use crate::model::fingerprint::Fingerprint;
use crate::model::inventory::RecorderIdentity;
use crate::model::time::UtcTime;
use states::{Event, Machine, Retry, State};

/// Shortest pause of the back-off.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause of the back-off.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Pause where only a person is likely to mend it, and trying does no harm.
const SLOW: Duration = Duration::from_secs(60);
/// Pause after which a recorder has forgotten a lock: half an hour by its manual, and some.
const LOCK_OVER: Duration = Duration::from_secs(35 * 60);
/// Wishes of people that may wait; more of the same kind are one.
const COMMANDS_MAX: usize = 8;

/// What is known about a recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    /// Whether it answers.
    pub state: RecorderState,
    /// Why it is offline or in error, in words, and what to do.
    pub reason: Option<String>,
    /// When it was last asked.
    pub last_checked_at: Option<UtcTime>,
    /// What its last login told; kept while it is offline.
    pub identity: Option<Arc<RecorderIdentity>>,
    /// It does not take the credentials, or has locked the account.
    pub refusal: Option<RecorderError>,
    /// It shows this certificate instead of the one it is known by.
    pub other_certificate: Option<Fingerprint>,
    /// Which settings all this was found out with.
    pub settings: Arc<str>,
}

/// What a recorder is known to think of the credentials, from an earlier start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Tells these settings from others.
    pub settings: Arc<str>,
    /// It has accepted them before.
    pub proven: bool,
    /// It refused them, or said that the account is locked; since when.
    pub refusal: Option<(RecorderError, UtcTime)>,
}

/// The session of one recorder, kept up by a task of its own. Clones share it.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    status: watch::Receiver<SessionStatus>,
    attempt: watch::Receiver<Attempt>,
    commands: mpsc::Sender<Command>,
}

/// The outcome of the last attempt to log in.
#[derive(Debug, Clone)]
enum Attempt {
    Running,
    Online(RecorderSession),
    Failed(RecorderError),
}

#[derive(Debug)]
enum Command {
    ChangeAccount(RecorderAccount, Arc<str>),
    CheckNow,
}

impl SessionHandle {
    /// Starts the task; it logs in at once unless these credentials are known to be refused, and logs out and ends when
    /// `shutdown` is cancelled. Join the task then.
    pub fn start(
        recorder: RecorderId,
        account: RecorderAccount,
        known: Known,
        config: Arc<SdkConfig>,
        book: ClockBook,
        shutdown: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let unknown = SessionStatus {
            state: RecorderState::Unknown,
            reason: None,
            last_checked_at: None,
            identity: None,
            refusal: None,
            other_certificate: None,
            settings: known.settings.clone(),
        };
        let (status_sender, status) = watch::channel(unknown);
        let (attempt_sender, attempt) = watch::channel(Attempt::Running);
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let span = tracing::info_span!("recorder", recorder.id = %recorder);
        let keeper = Keeper {
            recorder,
            account,
            config,
            book,
            shutdown,
            inbox,
            status: status_sender,
            attempt: attempt_sender,
            worker: None,
            staging: Vec::new(),
            learnt: Arc::default(),
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
            machine: Machine::new(known.proven),
            settings: known.settings,
        };
        (
            Self {
                status,
                attempt,
                commands,
            },
            tokio::spawn(keeper.run(known.refusal).instrument(span)),
        )
    }

    /// What is known, now and whenever it changes.
    pub fn status(&self) -> watch::Receiver<SessionStatus> {
        self.status.clone()
    }

    /// The certificate that it showed at its last login; none without TLS.
    pub fn certificate(&self) -> Option<Fingerprint> {
        self.status.borrow().identity.as_ref()?.certificate
    }

    /// A session to work with. Waits for the attempt in progress; between attempts, and in state `error`, it answers
    /// at once with the reason.
    pub async fn session(&self) -> Result<RecorderSession, RecorderError> {
        let mut attempt = self.attempt.clone();
        let ended = |_| RecorderError::new(FailureKind::Cancelled, "the agent is stopping");
        let done = attempt
            .wait_for(|attempt| !matches!(attempt, Attempt::Running))
            .await
            .map_err(ended)?;
        match &*done {
            Attempt::Online(session) => Ok(session.clone()),
            Attempt::Failed(error) => Err(error.clone()),
            Attempt::Running => unreachable!("wait_for returns when this is false"),
        }
    }

    /// A person has changed the account: log in with it now, whatever the last attempt said. `settings` tells the new
    /// settings from others.
    pub async fn change_account(&self, account: RecorderAccount, settings: Arc<str>) {
        let command = Command::ChangeAccount(account, settings);
        // The task has ended: so does the agent.
        let _ = self.commands.send(command).await;
    }

    /// A session that answers, or what comes of one attempt that is made now. What the recorder has refused is not sent
    /// again, nor is anything while it has the account locked.
    pub async fn attempt(&self) -> Result<RecorderSession, RecorderError> {
        let ended = || RecorderError::new(FailureKind::Cancelled, "the agent is stopping");
        let mut attempt = self.attempt.clone();
        loop {
            // What happens from here on is a change.
            let known = attempt.borrow_and_update().clone();
            match known {
                Attempt::Running => attempt.changed().await.map_err(|_| ended())?,
                Attempt::Online(session) => {
                    session.ping().await?;
                    return Ok(session);
                }
                Attempt::Failed(error) if !self.may_try(&error) => return Err(error),
                Attempt::Failed(_) => break,
            }
        }
        self.check_now();
        attempt.changed().await.map_err(|_| ended())?;
        let done = attempt
            .wait_for(|attempt| !matches!(attempt, Attempt::Running))
            .await
            .map_err(|_| ended())?;
        match &*done {
            Attempt::Online(session) => Ok(session.clone()),
            Attempt::Failed(error) => Err(error.clone()),
            Attempt::Running => Err(ended()),
        }
    }

    /// Whether another attempt can do no harm.
    fn may_try(&self, error: &RecorderError) -> bool {
        let since = self.status.borrow().last_checked_at;
        may_try(error, since.unwrap_or(Timestamp::now().into()))
    }

    /// A person asks for a check: try now, unless the recorder has refused these credentials.
    pub fn check_now(&self) {
        // Full: enough checks are waiting.
        let _ = self.commands.try_send(Command::CheckNow);
    }
}

struct Keeper {
    recorder: RecorderId,
    account: RecorderAccount,
    config: Arc<SdkConfig>,
    book: ClockBook,
    shutdown: CancellationToken,
    inbox: mpsc::Receiver<Command>,
    status: watch::Sender<SessionStatus>,
    attempt: watch::Sender<Attempt>,
    /// Where the driver is the SDK.
    worker: Option<Worker>,
    /// The staging folders that its sandbox was made for.
    staging: Vec<Option<FolderId>>,
    /// Where it is ISAPI.
    learnt: Arc<Learnt>,
    backoff: Backoff,
    machine: Machine,
    settings: Arc<str>,
}

/// Why a session that worked is left.
enum Left {
    Stopping,
    AccountChanged,
    Lost(RecorderError),
    /// The worker has grown too large, or its sandbox is for disks that are no longer those.
    Outgrown(String),
}

/// What the next state needs to know of how it came to be.
enum Brought {
    Nothing,
    Session(RecorderSession),
    /// A failure, and when it was found out.
    Failure(RecorderError, UtcTime),
}

impl Keeper {
    async fn run(mut self, known: Option<(RecorderError, UtcTime)>) {
        let mut brought = Brought::Nothing;
        if let Some((error, since)) = known {
            self.machine.on(Event::Failed(error.kind));
            brought = Brought::Failure(error, since);
        }
        loop {
            let event = match (self.machine.state(), brought) {
                (State::Online, Brought::Session(session)) => self.serve(session).await,
                (State::Failed(state, retry), Brought::Failure(error, since)) => (
                    self.wait_after(error, since, state, retry).await,
                    Brought::Nothing,
                ),
                (State::Stopped, _) => break,
                // Also a state that came without what it needs: a login finds out anew.
                _ => self.try_login().await,
            };
            self.machine.on(event.0);
            brought = event.1;
        }
        let stopping = RecorderError::new(FailureKind::Cancelled, "the agent is stopping");
        self.attempt.send_replace(Attempt::Failed(stopping));
        self.end_worker().await;
    }

    async fn try_login(&mut self) -> (Event, Brought) {
        self.attempt.send_replace(Attempt::Running);
        let shutdown = self.shutdown.clone();
        let outcome = tokio::select! {
            () = shutdown.cancelled() => return (Event::Stop, Brought::Nothing),
            outcome = self.log_in() => outcome,
        };
        match outcome {
            Ok(session) => (Event::LoggedIn, Brought::Session(session)),
            Err(error) => failed(error),
        }
    }

    async fn log_in(&mut self) -> Result<RecorderSession, RecorderError> {
        match self.account.driver {
            DriverKind::Sdk => self.log_in_with_worker().await.map(RecorderSession::Sdk),
            DriverKind::Isapi => {
                let learnt = self.learnt.clone();
                IsapiSession::login(&self.account, &self.config, learnt, self.book.clone())
                    .await
                    .map(RecorderSession::Isapi)
            }
        }
    }

    /// A login, with a worker that is alive.
    async fn log_in_with_worker(&mut self) -> Result<WorkerSession, RecorderError> {
        let reach = Reach::of(&self.account.address, self.account.port).await?;
        let worker = match self.worker.take().filter(Worker::is_alive) {
            Some(worker) if worker.reach().covers(&reach) => worker,
            // Its sandbox knows another recorder.
            former => {
                if let Some(former) = former {
                    former.close().await;
                }
                let folder = format!("recorder-{}", self.recorder);
                self.staging = folders(&self.config.staging, &[]).await;
                Worker::start(&self.config, &folder, &self.account.at(), &reach).await?
            }
        };
        self.worker = Some(worker.clone());
        WorkerSession::login(worker, &self.account, self.book.clone()).await
    }

    /// Publishes and keeps a session.
    async fn serve(&mut self, session: RecorderSession) -> (Event, Brought) {
        self.backoff.reset();
        let identity = session.identity().clone();
        // The one shown first is the one from now on.
        if let (Tls::FirstUse, Some(certificate)) = (self.account.tls, identity.certificate) {
            self.account.tls = Tls::Known(certificate);
        }
        tracing::info!(
            recorder.address = self.account.at(),
            recorder.model = identity.model,
            recorder.channels = identity.channels.len(),
            recorder.clock_offset_ms = identity.clock.offset_ms,
            recorder.zone_minutes = identity.clock.zone_minutes,
            "Logged in at the recorder"
        );
        self.publish_online(identity);
        self.attempt.send_replace(Attempt::Online(session.clone()));
        let event = match self.keep(&session).await {
            Left::Stopping => return (Event::Stop, Brought::Nothing),
            Left::Lost(error) => return failed(error),
            Left::AccountChanged => Event::AccountChanged,
            Left::Outgrown(why) => {
                tracing::info!(
                    recorder.address = self.account.at(),
                    why,
                    "The SDK worker is replaced"
                );
                Event::Outgrown
            }
        };
        self.attempt.send_replace(Attempt::Running);
        self.end_worker().await;
        (event, Brought::Nothing)
    }

    /// Checks a session until it is lost.
    async fn keep(&mut self, session: &RecorderSession) -> Left {
        let worker = self.worker.clone();
        let mut events = worker.as_ref().map(Worker::events);
        let period = self.config.check_interval();
        let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Left::Stopping,
                cause = ended(worker.as_ref()) => return Left::Lost(RecorderError::new(FailureKind::Worker, &*cause)),
                command = self.inbox.recv() => match command {
                    None => return Left::Stopping,
                    Some(Command::ChangeAccount(account, settings)) => {
                        self.take_account(account, settings);
                        return Left::AccountChanged;
                    }
                    Some(Command::CheckNow) => {}
                },
                event = next_event(&mut events) => match event {
                    Ok(DeviceEvent::SessionLost) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Ok(DeviceEvent::ReloginFailed) => {
                        let message = format!("{}: the recorder ended the session", self.account.at());
                        return Left::Lost(RecorderError::new(FailureKind::Network, message));
                    }
                    Ok(event) => {
                        tracing::debug!(recorder.address = self.account.at(), ?event, "The recorder's side tells");
                        continue;
                    }
                    // The worker has ended; its cause comes next.
                    Err(broadcast::error::RecvError::Closed) => continue,
                },
                _ = ticks.tick() => {
                    let limit_bytes = self.config.memory_limit_bytes;
                    if let Some(why) = worker.as_ref().and_then(|worker| outgrown(worker, limit_bytes)) {
                        return Left::Outgrown(why);
                    }
                    let shut_out = worker.as_ref().is_some_and(Worker::is_shut_out);
                    if shut_out || (worker.is_some() && folders(&self.config.staging, &self.staging).await != self.staging) {
                        // What a sandbox allows is a folder, not its path. The same disk in the same place cannot be told
                        // from before by its numbers: there a download has found it out.
                        let why = "a disk for footage went or came back".to_owned();
                        return Left::Outgrown(why);
                    }
                }
            }
            let checked = tokio::select! {
                () = self.shutdown.cancelled() => return Left::Stopping,
                checked = session.ping() => checked,
            };
            match checked {
                Ok(clock) => {
                    // A worker that has lived this long does not die in a row.
                    if began.elapsed() >= period {
                        self.machine.on(Event::Lasts);
                    }
                    let identity = RecorderIdentity {
                        clock,
                        ..RecorderIdentity::clone(session.identity())
                    };
                    self.publish_online(identity.into());
                }
                Err(error) => return Left::Lost(error),
            }
        }
    }

    /// Publishes a failure and waits until the next attempt is due.
    async fn wait_after(
        &mut self,
        mut error: RecorderError,
        since: UtcTime,
        state: RecorderState,
        retry: Retry,
    ) -> Event {
        let pause = match retry {
            Retry::BackingOff => Some(self.backoff.next_delay()),
            Retry::Slowly => Some(SLOW),
            Retry::AfterLock => {
                error.message = format!(
                    "{} has locked the account after wrong passwords, which were not this one: it has worked before. \
                     Tried again by itself {} minutes after that",
                    self.account.at(),
                    LOCK_OVER.as_secs() / 60
                );
                let waited_ms = UtcTime::from(Timestamp::now()).ms_since(since).max(0);
                Some(LOCK_OVER.saturating_sub(Duration::from_millis(waited_ms.unsigned_abs())))
            }
            Retry::WhenAsked | Retry::WhenChanged => None,
        };
        let known = self.status.borrow().clone();
        // Each new state and each new reason once; a recorder that is off for a night fills no journal.
        if known.state != state || known.reason.as_deref() != Some(&error.message) {
            tracing::warn!(
                recorder.address = self.account.at(),
                reason = error.message,
                vendor_code = error.vendor_code,
                "The recorder cannot be used"
            );
        }
        let refused = matches!(error.kind, FailureKind::Refused | FailureKind::Locked);
        let other_certificate = match error.kind {
            FailureKind::OtherCertificate(shown) => Some(shown),
            _ => None,
        };
        self.status.send_replace(SessionStatus {
            state,
            reason: Some(error.message.clone()),
            last_checked_at: Some(since),
            identity: known.identity,
            refusal: refused.then(|| error.clone()),
            other_certificate,
            settings: self.settings.clone(),
        });
        self.attempt.send_replace(Attempt::Failed(error));
        if state == RecorderState::Error {
            // It would only hold memory, and a new library is seen only by a new process.
            self.end_worker().await;
        }
        let due = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Event::Stop,
                () = &mut due => return Event::Due,
                command = self.inbox.recv() => match command {
                    None => return Event::Stop,
                    // Whoever asks does not mean that the refused password is sent once more.
                    Some(Command::CheckNow) if retry == Retry::WhenChanged => {}
                    Some(Command::CheckNow) => return Event::Asked,
                    Some(Command::ChangeAccount(account, settings)) => {
                        self.take_account(account, settings);
                        return Event::AccountChanged;
                    }
                },
            }
        }
    }

    fn publish_online(&self, identity: Arc<RecorderIdentity>) {
        self.status.send_replace(SessionStatus {
            state: RecorderState::Online,
            reason: None,
            last_checked_at: Some(Timestamp::now().into()),
            identity: Some(identity),
            refusal: None,
            other_certificate: None,
            settings: self.settings.clone(),
        });
    }

    /// Perhaps another device: nothing that was learnt of the old one holds.
    fn take_account(&mut self, account: RecorderAccount, settings: Arc<str>) {
        (self.account, self.settings) = (account, settings);
        self.learnt = Arc::default();
    }

    async fn end_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.close().await;
        }
    }
}

/// Whether credentials that met with this failure then may be sent again.
pub fn may_try(error: &RecorderError, since: UtcTime) -> bool {
    let passed_ms = UtcTime::from(Timestamp::now()).ms_since(since);
    match error.kind {
        FailureKind::Refused => false,
        FailureKind::Locked => Duration::from_millis(passed_ms.max(0).unsigned_abs()) >= LOCK_OVER,
        _ => true,
    }
}

fn failed(error: RecorderError) -> (Event, Brought) {
    let event = Event::Failed(error.kind);
    (event, Brought::Failure(error, Timestamp::now().into()))
}

/// Tells a folder from another one at the same path: that of a disk that was mounted anew.
type FolderId = (u64, u64);

/// How long a disk may take to tell of a folder.
const FOLDER_TIME_MAX: Duration = Duration::from_secs(5);

/// The folders at these paths; none where there is none now. Of a disk that does not answer what was known of it before:
/// a session does not wait for it.
async fn folders(paths: &[PathBuf], known: &[Option<FolderId>]) -> Vec<Option<FolderId>> {
    let mut folders = Vec::new();
    for (n, path) in paths.iter().enumerate() {
        let looking = tokio::time::timeout(FOLDER_TIME_MAX, tokio::fs::metadata(path));
        folders.push(match looking.await {
            Ok(metadata) => metadata.ok().map(|there| (there.dev(), there.ino())),
            Err(_) => known.get(n).copied().flatten(),
        });
    }
    folders
}

/// The end of a worker, where there is one.
async fn ended(worker: Option<&Worker>) -> Arc<str> {
    match worker {
        Some(worker) => worker.ended().await,
        None => std::future::pending().await,
    }
}

/// What a worker tells, where there is one.
async fn next_event(
    events: &mut Option<broadcast::Receiver<DeviceEvent>>,
) -> Result<DeviceEvent, broadcast::error::RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

/// Why a worker should be replaced now. While something runs it may grow to twice its limit.
fn outgrown(worker: &Worker, limit_bytes: u64) -> Option<String> {
    let bytes = worker.resident_bytes()?;
    let (transfers, megabyte) = (worker.transfers(), 1 << 20);
    let due = if transfers == 0 {
        bytes > limit_bytes
    } else {
        bytes > limit_bytes.saturating_mul(2)
    };
    due.then(|| {
        format!(
            "it holds {} MB, its limit is {} MB; transfers that run: {transfers}",
            bytes / megabyte,
            limit_bytes / megabyte
        )
    })
}
