//! Where the time comes from: the system, or a test that moves it by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// A source of the present. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance_ms`].
    pub fn simulated(start: Timestamp) -> Self {
        Self(Source::Simulated(Arc::new(AtomicI64::new(
            start.as_microsecond(),
        ))))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Simulated(micros) => Timestamp::from_microsecond(micros.load(Ordering::SeqCst))
                .expect("a simulated clock starts from a timestamp and is moved within its range"),
        }
    }

    /// Moves a simulated clock. The system's clock cannot be moved.
    pub fn advance_ms(&self, ms: i64) {
        if let Source::Simulated(micros) = &self.0 {
            micros.fetch_add(ms * 1_000, Ordering::SeqCst);
        }
    }
}
