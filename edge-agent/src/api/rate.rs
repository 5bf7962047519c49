//! How often one address may try a password: a bound on guessing that does not depend on the account, beside the
//! lock-out of the account itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use wire::time::UtcTime;

use super::error::{ApiError, ApiResult};

/// Attempts that an address may make at once.
const BURST: f64 = 20.0;

/// Seconds until one more is allowed.
const REFILL_S: f64 = 6.0;

/// Addresses remembered; beyond that, those that have rested longest are forgotten.
const ADDRESSES_MAX: usize = 4096;

/// A token bucket per address.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: UtcTime,
}

impl Attempts {
    /// Counts an attempt to guess, or refuses it (429).
    pub fn count(&self, address: IpAddr, now: UtcTime) -> ApiResult<()> {
        self.take(address, now, 1.0)
    }

    /// Counts a refresh, which cannot be guessed and comes by itself from every open page: a tenth of an attempt.
    pub fn count_refresh(&self, address: IpAddr, now: UtcTime) -> ApiResult<()> {
        self.take(address, now, 0.1)
    }

    fn take(&self, address: IpAddr, now: UtcTime, cost: f64) -> ApiResult<()> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(address).or_insert(Bucket {
            left: BURST,
            at: now,
        });
        *bucket = Bucket {
            left: bucket.filled(now),
            at: now,
        };
        if bucket.left < cost {
            return Err(ApiError::new(
                wire::error::ErrorCode::RateLimitExceeded,
                "Too many attempts from this address. Wait a moment and try again.",
            )
            .retry_after(REFILL_S as u32));
        }
        bucket.left -= cost;
        Ok(())
    }
}

impl Bucket {
    fn filled(&self, now: UtcTime) -> f64 {
        // A clock that is set back refills nothing.
        let rested_s = now.ms_since(self.at).max(0) as f64 / 1000.0;
        (self.left + rested_s / REFILL_S).min(BURST)
    }
}

/// Forgets who is back at the full burst; if nobody is, everybody: better than growing without bound.
fn make_room(buckets: &mut HashMap<IpAddr, Bucket>, now: UtcTime) {
    buckets.retain(|_, bucket| bucket.filled(now) < BURST);
    if buckets.len() >= ADDRESSES_MAX {
        buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_slowed_down_and_another_is_not() {
        let attempts = Attempts::default();
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = UtcTime::from_micros(0);
        for _ in 0..20 {
            attempts.count(a, now).unwrap();
        }
        let refused = attempts.count(a, now).unwrap_err();
        assert_eq!(refused.retry_after_s, Some(6));
        attempts.count(b, now).unwrap();
        assert!(attempts.count(a, now.plus_s(5)).is_err());
        attempts.count(a, now.plus_s(11)).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = Attempts::default();
        for n in 0..(ADDRESSES_MAX as u32 * 2) {
            attempts
                .count(IpAddr::from(n.to_be_bytes()), UtcTime::from_micros(0))
                .unwrap();
        }
        assert!(attempts.0.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
