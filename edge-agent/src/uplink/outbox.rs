//! Which reports to publish next. Pure: it is told what happened and asked what to do, and does neither I/O nor waiting.
//!
//! # Design constraints
//!
//! - Reports go out in the order of their numbers, at most [`WINDOW`] beyond the last one that the relay has
//!   acknowledged: a relay that is away costs a bounded number of messages in a broker's queue, not the whole outbox.
//! - That the broker took a report means nothing; only `ack {log, seq}` moves the window (and deletes rows, which is
//!   the catalog's to do).
//! - Without progress for [`PATIENCE`] everything from the first unacknowledged report goes out again; so it does after
//!   each new session, since what was on its way with the old one may be lost. The relay ignores what it knows.
//! - A poke may ask for an earlier number. It is believed as far as rows exist.

use std::time::{Duration, Instant};

use wire::ids::LogId;
use wire::poke::Ack;

/// Reports on their way, at most.
pub const WINDOW: u64 = 256;

/// Longest time without progress before reports go out again.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the draining of the outbox stands.
#[derive(Debug, Clone)]
pub struct Drain {
    log: Option<LogId>,
    /// Everything up to here is acknowledged, or was never there.
    floor: u64,
    /// Everything up to here was published in this session.
    sent: u64,
    /// When the floor last moved, or publishing began from it.
    progress: Instant,
}

impl Drain {
    /// Nothing published yet.
    pub fn new(now: Instant) -> Self {
        Self {
            log: None,
            floor: 0,
            sent: 0,
            progress: now,
        }
    }

    /// A new session: what the old one had on its way counts as lost.
    pub fn begin_session(&mut self, now: Instant) {
        self.sent = self.floor;
        self.progress = now;
    }

    /// The log that the outbox has now. Another one than before begins at its beginning.
    pub fn of_log(&mut self, log: LogId, now: Instant) {
        if self.log != Some(log) {
            *self = Self {
                log: Some(log),
                ..Self::new(now)
            };
        }
    }

    /// After which number to read, and how many at most; none while the window is full.
    pub fn wanted(&self) -> Option<(u64, usize)> {
        let room = (self.floor + WINDOW).saturating_sub(self.sent);
        (room > 0).then_some((self.sent, room as usize))
    }

    /// A report was handed to the session.
    pub fn published(&mut self, seq: u64, now: Instant) {
        if self.sent == self.floor {
            // Rows below were acknowledged before we started: the window begins here.
            self.floor = self.floor.max(seq.saturating_sub(1));
            self.progress = now;
        }
        self.sent = self.sent.max(seq);
    }

    /// The relay has stored everything up to a number. True: that is news about this log.
    pub fn acked(&mut self, ack: Ack, now: Instant) -> bool {
        if self.log != Some(ack.log) || ack.seq <= self.floor {
            return false;
        }
        self.floor = ack.seq;
        self.sent = self.sent.max(ack.seq);
        self.progress = now;
        true
    }

    /// The relay misses reports from a number on. True: they go out again.
    pub fn resync(&mut self, log: LogId, from: u64, now: Instant) -> bool {
        if self.log != Some(log) || from > self.sent {
            return false;
        }
        self.sent = from.saturating_sub(1).max(self.floor);
        self.progress = now;
        true
    }

    /// Time passes. True: nothing was acknowledged for too long, everything goes out again.
    pub fn overdue(&mut self, now: Instant) -> bool {
        let overdue = self.sent > self.floor && now.duration_since(self.progress) >= PATIENCE;
        if overdue {
            self.begin_session(now);
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_with_acknowledgements_only() {
        let (log, other, now) = (LogId::new(), LogId::new(), Instant::now());
        let ack = |seq| Ack { log, seq };
        let mut drain = Drain::new(now);
        drain.of_log(log, now);
        assert_eq!(drain.wanted(), Some((0, 256)));
        // The outbox begins at 1001: the rest was acknowledged in an earlier life.
        for seq in 1001..=1256 {
            drain.published(seq, now);
        }
        assert_eq!(drain.wanted(), None);
        assert!(!drain.acked(
            Ack {
                log: other,
                seq: 9999
            },
            now
        ));
        assert!(!drain.acked(ack(1000), now));
        assert!(drain.acked(ack(1100), now));
        assert_eq!(drain.wanted(), Some((1256, 100)));
        // A new session tells again what was under way.
        drain.begin_session(now);
        assert_eq!(drain.wanted(), Some((1100, 256)));
        // A new log begins at its beginning.
        drain.of_log(other, now);
        assert_eq!(drain.wanted(), Some((0, 256)));
    }

    #[test]
    fn what_lags_or_is_missed_goes_out_again() {
        let (log, now) = (LogId::new(), Instant::now());
        let mut drain = Drain::new(now);
        drain.of_log(log, now);
        (1..=10).for_each(|seq| drain.published(seq, now));
        assert!(!drain.overdue(now + Duration::from_secs(29)));
        assert!(drain.overdue(now + PATIENCE));
        assert_eq!(drain.wanted().unwrap().0, 0);
        let now = now + PATIENCE;
        (1..=10).for_each(|seq| drain.published(seq, now));
        assert!(drain.acked(Ack { log, seq: 4 }, now));
        assert!(drain.resync(log, 7, now));
        assert_eq!(drain.wanted().unwrap().0, 6);
        // Not below what was acknowledged, not beyond what was sent, not of another log.
        assert!(drain.resync(log, 2, now));
        assert_eq!(drain.wanted().unwrap().0, 4);
        assert!(!drain.resync(log, 6, now));
        assert!(!drain.resync(LogId::new(), 1, now));
        // With nothing under way nothing is overdue.
        assert!(!drain.overdue(now + 100 * PATIENCE));
    }
}
