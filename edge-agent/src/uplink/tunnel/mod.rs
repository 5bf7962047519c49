//! The tunnel's end at the agent: a pool of connections that wait for the relay's requests.
//!
//! Design constraints (docs/design/decisions.md §6):
//! - [`Settings::spares`] connections wait; when one is taken a spare is dialled at once; at most
//!   [`Settings::connections_max`] in all.
//! - A connection counts as attached when the relay has been heard on it (TLS 1.3 refuses a client certificate only
//!   after the client believes itself connected).
//! - Silence of [`Settings::silence_max`] on a waiting connection closes it; the relay pings every 20 s.
//! - After a failure one connection is dialled at a time, with full jitter between 1 s and 60 s; so it is when all
//!   connections are lost at once, lest a thousand appliances return to a restarted relay in the same second.
//! - Asked to stop, waiting connections close at once and busy ones may finish for [`Settings::drain`].
//!
//! It serves the very router that the LAN is served by; `agent.rs` marks it as `Via::Tunnel`.

mod connection;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use base::backoff::Backoff;
use base::net::HostPort;
use rustls::ClientConfig;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::tunnel::Hello;

pub use connection::ConnectionError;

/// The numbers above.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections that wait.
    pub spares: usize,
    /// Connections in all.
    pub connections_max: usize,
    /// Longest silence on a waiting connection.
    pub silence_max: Duration,
    /// Longest time from dialling to the relay's first word.
    pub attach_wait: Duration,
    /// First step of the back-off.
    pub backoff_first: Duration,
    /// Last step of it.
    pub backoff_max: Duration,
    /// How long busy connections may go on after being asked to stop.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            spares: 4,
            connections_max: 64,
            silence_max: Duration::from_secs(60),
            attach_wait: Duration::from_secs(20),
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// Where to dial, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// The relay's tunnel listener.
    pub relay: HostPort,
    /// Trusts the relay's CA, shows the appliance's certificate, speaks [`wire::tunnel::ALPN`].
    pub tls: Arc<ClientConfig>,
    /// What to say first.
    pub hello: Hello,
}

/// How the tunnel stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Connections that the relay has been heard on.
    pub attached: usize,
    /// Of those, carrying a request.
    pub busy: usize,
    /// Why the last attempt failed; none since one succeeded.
    pub failure: Option<String>,
}

/// What the connections tell the pool.
#[derive(Debug, Default)]
struct Counts {
    dialling: AtomicUsize,
    waiting: AtomicUsize,
    busy: AtomicUsize,
    changed: Notify,
}

impl Counts {
    fn get(&self) -> (usize, usize, usize) {
        let n = |a: &AtomicUsize| a.load(Ordering::SeqCst);
        (n(&self.dialling), n(&self.waiting), n(&self.busy))
    }
}

/// Keeps the pool until stopped. `reconnect` ends a back-off (the relay poked, the network came back).
pub async fn run(
    target: Target,
    settings: Settings,
    router: Router,
    status: watch::Sender<Status>,
    reconnect: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut pool = PoolTask {
        counts: Arc::new(Counts::default()),
        backoff: Backoff::new(settings.backoff_first, settings.backoff_max),
        dial_at: Instant::now(),
        had: 0,
        tasks: JoinSet::new(),
        target: Arc::new(target),
        settings: Arc::new(settings),
        router,
        status,
        stop: stop.clone(),
    };
    while !stop.is_cancelled() {
        pool.dial_missing();
        tokio::select! {
            () = stop.cancelled() => {}
            () = reconnect.notified() => {
                pool.backoff.reset();
                pool.dial_at = Instant::now();
            }
            () = pool.counts.changed.notified() => {}
            () = tokio::time::sleep_until(pool.dial_at), if pool.missing() > 0 => {}
            Some(ended) = pool.tasks.join_next() => pool.ended(ended),
        }
        pool.tell();
    }
    // The connections heed `stop` themselves, within `drain`.
    while let Some(ended) = pool.tasks.join_next().await {
        pool.ended(ended);
    }
    pool.status.send_replace(Status::default());
}

struct PoolTask {
    counts: Arc<Counts>,
    backoff: Backoff,
    dial_at: Instant,
    /// Attached connections when last looked at.
    had: usize,
    tasks: JoinSet<Result<(), ConnectionError>>,
    target: Arc<Target>,
    settings: Arc<Settings>,
    router: Router,
    status: watch::Sender<Status>,
    stop: CancellationToken,
}

impl PoolTask {
    /// Connections that should be dialled once the back-off allows.
    fn missing(&self) -> usize {
        let (dialling, waiting, busy) = self.counts.get();
        // After a failure one at a time: four refusals a second teach no more than one.
        let wanted = if self.backoff.failures() > 0 && waiting + busy == 0 {
            1
        } else {
            self.settings.spares
        };
        let room = self
            .settings
            .connections_max
            .saturating_sub(dialling + waiting + busy);
        wanted.saturating_sub(dialling + waiting).min(room)
    }

    fn dial_missing(&mut self) {
        if Instant::now() < self.dial_at {
            return;
        }
        for _ in 0..self.missing() {
            // Counted here, not in the task, so that the next look sees it.
            let phase = connection::Phase::dialling(self.counts.clone());
            self.tasks.spawn(connection::run(
                self.target.clone(),
                self.settings.clone(),
                self.router.clone(),
                phase,
                self.stop.clone(),
            ));
        }
    }

    fn ended(&mut self, ended: Result<Result<(), ConnectionError>, tokio::task::JoinError>) {
        let error = match ended {
            // Closed by the relay, or asked to stop.
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        let (_, waiting, busy) = self.counts.get();
        if waiting + busy == 0 {
            self.fail(error);
        } else {
            tracing::debug!(%error, "A tunnel connection ended");
        }
    }

    fn fail(&mut self, why: String) {
        if self.stop.is_cancelled() {
            return;
        }
        let delay = self.backoff.next_delay();
        self.dial_at = Instant::now() + delay;
        let first = self.status.borrow().failure.as_ref() != Some(&why);
        // The same failure again and again is one line in the journal.
        if first {
            tracing::warn!(relay.tunnel = %self.target.relay, reason = why, retry_ms = delay.as_millis() as u64, "The relay's tunnel cannot be reached");
        }
        self.status.send_modify(|s| s.failure = Some(why));
    }

    /// Publishes what changed, and notices when the last connection has gone or the first has come.
    fn tell(&mut self) {
        let (_, waiting, busy) = self.counts.get();
        let attached = waiting + busy;
        if attached > 0 && self.had == 0 {
            self.backoff.reset();
            self.dial_at = Instant::now();
            self.status.send_modify(|s| s.failure = None);
            tracing::info!(relay.tunnel = %self.target.relay, "The tunnel is attached");
        } else if attached == 0 && self.had > 0 {
            self.fail("the relay closed the tunnel".into());
        }
        self.had = attached;
        self.status.send_if_modified(|s| {
            let changed = (s.attached, s.busy) != (attached, busy);
            (s.attached, s.busy) = (attached, busy);
            changed
        });
    }
}
