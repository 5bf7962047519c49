//! How much room a download needs: pure. What a recorder states may be wrong, so the need follows what really comes.

use std::time::Duration;

/// Room beyond twice the stated size (the parts and the kept file lie there together).
const BESIDE: u64 = 16 << 20;
/// Room for a recording whose size was not told.
const UNKNOWN: u64 = 1 << 30;
/// How often it is looked at while bytes come. At a gigabit a second 125 MB come in that time, far less than any floor
/// should be.
pub const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// What no camera sends, in bytes a second: 200 Mbit/s.
const RATE_MAX: u64 = 25_000_000;
/// How many times a stated size may be exceeded.
const STATED_TIMES: u64 = 8;

/// Room for what is still to come of a recording, and for the kept file.
pub fn wanted(stated_bytes: u64, received_bytes: u64) -> u64 {
    if stated_bytes == 0 {
        return UNKNOWN;
    }
    // More came before than was stated: there is more to it.
    let all = stated_bytes.max(received_bytes);
    all.saturating_mul(2)
        .saturating_sub(received_bytes)
        .saturating_add(BESIDE)
}

/// What is missing of the promised room now that so much has come: the parts that came since it was promised, and as
/// much again as the kept file will be, and something ahead.
pub fn missing(received_bytes: u64, before_bytes: u64, promised_bytes: u64) -> u64 {
    let come = received_bytes.saturating_sub(before_bytes);
    let used = come.saturating_add(received_bytes);
    if used <= promised_bytes {
        return 0;
    }
    (used - promised_bytes)
        .saturating_add(used / 4)
        .saturating_add(BESIDE)
}

/// More than this is not footage of that time: somebody sends without end.
pub fn most(stated_bytes: u64, duration_ms: i64) -> u64 {
    if stated_bytes == 0 {
        let seconds = duration_ms.max(0).unsigned_abs() / 1_000;
        return RATE_MAX.saturating_mul(seconds).saturating_add(UNKNOWN);
    }
    stated_bytes
        .saturating_mul(STATED_TIMES)
        .saturating_add(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn room_follows_what_comes() {
        assert_eq!(wanted(0, 5), UNKNOWN);
        assert_eq!(wanted(100 * MIB, 0), 216 * MIB);
        assert_eq!(wanted(100 * MIB, 40 * MIB), 176 * MIB);
        // Stated too small: as much again as came, at least.
        assert_eq!(wanted(10 * MIB, 300 * MIB), 316 * MIB);
        // As stated: the promise is enough to the end.
        let promised = wanted(100 * MIB, 40 * MIB);
        assert_eq!(missing(100 * MIB, 40 * MIB, promised), 0);
        // Twice as large: more is asked for in good time, and that is enough for a while.
        let more = missing(150 * MIB, 40 * MIB, promised);
        assert!(more > 0);
        assert_eq!(missing(180 * MIB, 40 * MIB, promised + more), 0);
    }

    #[test]
    fn what_does_not_end_is_ended() {
        assert_eq!(most(0, 10_000), 250_000_000 + UNKNOWN);
        assert_eq!(most(MIB, 10_000), 8 * MIB + UNKNOWN);
    }
}
