//! When the box's own clock is the one that is wrong.
//!
//! A box without a battery for its clock starts in the past, and a time server puts it right a little later. What is
//! measured by it in between says nothing about a recorder, and recordings would end up at times that never were. Two
//! clocks that agree are believed at once; a box that is known to be wrong is not used; where the two differ just after
//! a start, the time server gets its chance first.

use crate::host::clock::EARLIEST_S;
use crate::model::time::UtcTime;

/// Two clocks that nobody has set together do not agree by this much by accident.
const AGREED_MS: i64 = 5 * 60_000;
/// How long after a start a time server may take.
const CHANCE_S: u64 = 10 * 60;

/// Where a person sets the box's clock.
const BY_HAND: &str =
    "on an appliance's own page, under System; elsewhere by `timedatectl set-time`";

/// Why the box's clock is not believed yet, in words; none when it is. `up_s` is how long the box has been running,
/// where that is known.
pub fn box_doubt(now: UtcTime, offset_ms: i64, up_s: Option<u64>) -> Option<String> {
    if now.seconds() < EARLIEST_S {
        return Some(format!(
            "this box's clock shows {now}, which is long past: connect it to a time server (NTP), or set its clock \
             ({BY_HAND})"
        ));
    }
    let just_started = up_s.is_some_and(|up_s| up_s < CHANCE_S);
    (just_started && offset_ms.abs() > AGREED_MS).then(|| {
        format!(
            "this box has just started, and its clock and the recorder's differ by {} min: until {} min after the \
             start a time server may put the box's clock right. Where there is none, set the one that is wrong (this \
             box's: {BY_HAND})",
            offset_ms.abs() / 60_000,
            CHANCE_S / 60
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_is_in_the_past_or_disagrees_just_after_its_start_is_doubted() {
        let at = |text: &str| text.parse::<UtcTime>().unwrap();
        let now = at("2026-11-03T12:00:00Z");
        for (now, offset_ms, up_s, doubted) in [
            (at("1970-01-01T00:00:20Z"), 0, None, true),
            (at("2025-12-31T23:59:59Z"), 0, Some(100_000), true),
            (now, 0, Some(5), false),
            (now, 299_000, Some(5), false),
            (now, -172_800_000, Some(5), true),
            // Its clock has had its chance: the recorder is wrong.
            (now, -172_800_000, Some(600), false),
            (now, -172_800_000, None, false),
        ] {
            let doubt = box_doubt(now, offset_ms, up_s);
            assert_eq!(
                doubt.is_some(),
                doubted,
                "{now} {offset_ms} {up_s:?}: {doubt:?}"
            );
        }
    }
}
