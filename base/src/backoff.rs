//! Exponential back-off with full jitter: the one type that everything which reconnects or retries uses.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// Doubles from `first` up to `max`; each delay is drawn evenly between a tenth of the step and the whole step, so that
/// a thousand appliances that lost the same relay do not return in the same second.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// `first` must not be zero; `max` is raised to `first` when smaller.
    pub fn new(first: Duration, max: Duration) -> Self {
        assert!(!first.is_zero(), "a back-off of zero is a busy loop");
        Self {
            first,
            max: max.max(first),
            failures: 0,
        }
    }

    /// Starts again from `first`: call it after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts one failure and gives the delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let step = Self::step(self.first, self.max, self.failures);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(0.1 + 0.9 * random_unit())
    }

    /// The longest delay after `failures` failures, without jitter: for schedules that are stored.
    pub fn step(first: Duration, max: Duration, failures: u32) -> Duration {
        first
            .saturating_mul(2u32.saturating_pow(failures.min(31)))
            .min(max)
    }
}

/// Evenly distributed in 0..1.
fn random_unit() -> f64 {
    let mut bytes = [0u8; 4];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        for limit in [1, 2, 4, 8, 10, 10] {
            let delay = backoff.next_delay();
            assert!(
                delay <= Duration::from_secs(limit) && delay >= Duration::from_millis(limit * 100),
                "{delay:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_secs(1));
        assert_eq!(
            Backoff::step(Duration::from_secs(1), Duration::from_secs(60), u32::MAX),
            Duration::from_secs(60)
        );
    }
}
