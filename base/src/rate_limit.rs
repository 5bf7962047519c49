//! How often somebody may try something: a bucket per key that refills steadily.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Most keys remembered. Beyond, the ones that have recovered are forgotten, then everybody: an attacker with that many
/// addresses is not held by a limit per address anyway.
const KEYS_MAX: usize = 20_000;

/// Lets each key do something `burst` times at once and once per `period` in the long run.
#[derive(Debug)]
pub struct RateLimit<K> {
    burst: i64,
    period_us: i64,
    /// When each key's bucket is full again, in microseconds since 1970. A full bucket needs no entry.
    full_again: Mutex<HashMap<K, i64>>,
}

impl<K: Hash + Eq> RateLimit<K> {
    /// `burst` and `period` must not be zero.
    pub fn new(burst: u32, period: Duration) -> Self {
        assert!(burst > 0 && !period.is_zero(), "a limit of zero forbids");
        Self {
            burst: i64::from(burst),
            period_us: i64::try_from(period.as_micros()).unwrap_or(i64::MAX),
            full_again: Mutex::new(HashMap::new()),
        }
    }

    /// Counts one attempt, or says after how many seconds to come again. A refused attempt costs nothing.
    pub fn attempt(&self, key: K, now: Timestamp) -> Result<(), u32> {
        let now = now.as_microsecond();
        let empty = self.burst.saturating_mul(self.period_us);
        let mut full_again = self
            .full_again
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if full_again.len() >= KEYS_MAX && !full_again.contains_key(&key) {
            full_again.retain(|_, at| *at > now);
            if full_again.len() >= KEYS_MAX {
                full_again.clear();
            }
        }
        // Both bounds matter: before, the bucket is full; a clock that was set back must not lock anybody out for long.
        let at = full_again.get(&key).copied().unwrap_or(now);
        let at = at.clamp(now, now.saturating_add(empty));
        let then = at.saturating_add(self.period_us);
        let missing = then.saturating_sub(now.saturating_add(empty));
        if missing > 0 {
            full_again.insert(key, at);
            return Err(
                u32::try_from(missing.saturating_add(999_999) / 1_000_000).unwrap_or(u32::MAX)
            );
        }
        full_again.insert(key, then);
        Ok(())
    }
}

/// What counts as one address: an IPv6 subscriber has a whole /64.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + s).unwrap()
    }

    #[test]
    fn a_burst_then_one_per_period_per_key() {
        let limit = RateLimit::new(3, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(limit.attempt("a", at(0)), Ok(()));
        }
        assert_eq!(limit.attempt("a", at(0)), Err(10));
        assert_eq!(limit.attempt("b", at(0)), Ok(()));
        assert_eq!(limit.attempt("a", at(9)), Err(1));
        assert_eq!(limit.attempt("a", at(10)), Ok(()));
        assert_eq!(limit.attempt("a", at(10)), Err(10));
        for _ in 0..3 {
            assert_eq!(limit.attempt("a", at(1000)), Ok(()));
        }
    }

    #[test]
    fn a_clock_set_back_costs_one_bucket_at_most() {
        let limit = RateLimit::new(2, Duration::from_secs(10));
        assert_eq!(limit.attempt("a", at(100_000)), Ok(()));
        assert_eq!(limit.attempt("a", at(0)), Err(10));
        assert_eq!(limit.attempt("a", at(10)), Ok(()));
    }

    #[test]
    fn many_addresses_are_bounded() {
        let limit = RateLimit::new(1, Duration::from_secs(10));
        for key in 0..(KEYS_MAX as u32 * 2) {
            assert_eq!(limit.attempt(key, at(0)), Ok(()));
        }
        assert!(limit.full_again.lock().unwrap().len() <= KEYS_MAX);
    }

    #[test]
    fn an_ipv6_subscriber_is_a_network() {
        let a: IpAddr = "2001:db8:1:2:3::4".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::".parse().unwrap();
        assert_eq!(subscriber(a), subscriber(b));
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(subscriber(mapped), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
