//! The connections of one appliance: plain bookkeeping under the hub's lock, no waiting and no I/O.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One connection on which requests can be sent, one at a time.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
    pub(super) generation: u64,
    /// Ends the task that drives the socket, whatever is under way on it.
    pub(super) end: CancellationToken,
}

impl Connection {
    /// The other side has closed it, or it was ended here.
    pub(super) fn is_dead(&self) -> bool {
        self.sender.is_closed() || self.end.is_cancelled()
    }
}

/// A connection that waits for a request.
pub(super) struct Spare {
    pub(super) connection: Connection,
    /// Last answer on it.
    pub(super) heard: Instant,
    /// Last request other than a ping.
    pub(super) used: Instant,
}

/// All connections of one appliance.
pub(super) struct Pool {
    /// The newest generation seen.
    pub(super) generation: u64,
    spares: Vec<Spare>,
    /// Sockets open, spare or not.
    pub(super) open: usize,
    /// When the last socket closed; meaningless while one is open.
    pub(super) closed_at: Instant,
    /// One permit per connection that was parked.
    pub(super) parked: Arc<Notify>,
    /// Ends every socket of the appliance.
    pub(super) end: CancellationToken,
}

impl Pool {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            generation: 0,
            spares: Vec::new(),
            open: 0,
            closed_at: now,
            parked: Arc::new(Notify::new()),
            end: CancellationToken::new(),
        }
    }

    /// The spare that was heard last: the least likely to be stale.
    pub(super) fn take(&mut self) -> Option<Connection> {
        while let Some(spare) = self.spares.pop() {
            if !spare.connection.is_dead() {
                return Some(spare.connection);
            }
        }
        None
    }

    /// Parks a connection. Given back when it may not stay.
    pub(super) fn park(&mut self, spare: Spare) -> Result<(), Connection> {
        if spare.connection.generation != self.generation || spare.connection.is_dead() {
            return Err(spare.connection);
        }
        self.spares.push(spare);
        self.parked.notify_one();
        Ok(())
    }

    /// Live spares.
    pub(super) fn spare_count(&self) -> usize {
        self.spares
            .iter()
            .filter(|s| !s.connection.is_dead())
            .count()
    }

    /// Takes out spares of other generations and those that have died; the caller drops them without the lock.
    pub(super) fn take_useless(&mut self) -> Vec<Spare> {
        let generation = self.generation;
        self.spares
            .extract_if(.., |s| {
                s.connection.generation != generation || s.connection.is_dead()
            })
            .collect()
    }

    /// Takes out what has been silent for `silent`, to be pinged.
    pub(super) fn take_silent(&mut self, now: Instant, silent: Duration) -> Vec<Spare> {
        self.spares
            .extract_if(.., |s| now.duration_since(s.heard) >= silent)
            .collect()
    }

    /// Takes out spares beyond `keep` that nobody has used for `unused`.
    pub(super) fn take_unused(
        &mut self,
        now: Instant,
        keep: usize,
        unused: Duration,
    ) -> Vec<Spare> {
        let mut beyond = self.spares.len().saturating_sub(keep);
        self.spares
            .extract_if(.., |s| {
                let goes = beyond > 0 && now.duration_since(s.used) >= unused;
                beyond -= usize::from(goes);
                goes
            })
            .collect()
    }
}
