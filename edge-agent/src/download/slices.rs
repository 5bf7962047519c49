//! Pure: how a recording is cut into parts that are fetched one after the other. Resuming means doing one part again.

use std::time::Duration;

use jiff::civil::DateTime;

use crate::model::time::RecorderTime;
use crate::recorder::driver::Source;

/// Seconds of its predecessor that a part begins with. Devices give whole groups of pictures; one that begins with the
/// first group *after* the asked second would leave a hole without it. What comes twice is dropped when joining.
const OVERLAP_S: i64 = 5;

/// What is to be fetched, as the recorder told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The recorder's name for it; empty when it has none.
    pub source_name: String,
    /// Channel number.
    pub channel: u32,
    /// Start as told.
    pub start: RecorderTime,
    /// End as told.
    pub end: RecorderTime,
    /// Where the channel's next recording begins, on the same clock, if that is at once.
    pub next_start: Option<DateTime>,
    /// Size as stated; 0 when unknown.
    pub stated_bytes: u64,
}

/// One part of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// What to ask for.
    pub source: Source,
    /// Expected size, for progress; 0 when unknown.
    pub stated_bytes: u64,
}

/// Cuts a recording into parts of about `length`. Short ones stay whole and are asked for by name, which alone gives
/// the exact stored file (ABI §10.5); so does `whole`, which is for recordings whose slices did not meet.
pub fn cut(wanted: &Wanted, length: Duration, whole: bool) -> Vec<Slice> {
    let seconds = seconds_between(wanted.start, wanted.end);
    let length_s = (length.as_secs() as i64).max(1);
    // A wall clock that was turned within the recording cannot be counted along.
    let turned = wanted.start.second_pass != wanted.end.second_pass;
    let named = !wanted.source_name.is_empty();
    if named && (whole || turned || seconds <= length_s) {
        return vec![Slice {
            source: Source::Name(wanted.source_name.clone()),
            stated_bytes: wanted.stated_bytes,
        }];
    }
    let count = if turned || whole {
        1
    } else {
        // Rounded, so that no part is a sliver.
        ((seconds + length_s / 2) / length_s).max(1)
    };
    let border = |n: i64| seconds * n / count;
    (0..count)
        .map(|n| {
            let from = if n == 0 { 0 } else { border(n) - OVERLAP_S };
            let last = n + 1 == count;
            let moved = |s: i64| RecorderTime {
                wall: wanted
                    .start
                    .wall
                    .saturating_add(jiff::SignedDuration::from_secs(s)),
                second_pass: wanted.start.second_pass,
            };
            Slice {
                source: Source::Time {
                    channel: wanted.channel,
                    start: moved(from.max(0)),
                    end: if last {
                        wanted.end
                    } else {
                        moved(border(n + 1))
                    },
                },
                stated_bytes: wanted.stated_bytes / count as u64,
            }
        })
        .collect()
}

fn seconds_between(from: RecorderTime, to: RecorderTime) -> i64 {
    to.wall.duration_since(from.wall).as_secs().max(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(start: &str, end: &str) -> Wanted {
        Wanted {
            source_name: "ch33_00000000001".into(),
            channel: 33,
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            next_start: None,
            stated_bytes: 1_200,
        }
    }

    fn told(slices: &[Slice]) -> Vec<String> {
        slices
            .iter()
            .map(|slice| match &slice.source {
                Source::Name(name) => name.clone(),
                Source::Time { start, end, .. } => format!("{start}..{end}"),
            })
            .collect()
    }

    #[test]
    fn short_ones_by_name_long_ones_by_time() {
        let ten = Duration::from_secs(600);
        let short = wanted("2026-11-03T15:00:00", "2026-11-03T15:10:00");
        assert_eq!(told(&cut(&short, ten, false)), ["ch33_00000000001"]);
        let long = wanted("2026-11-03T23:50:00", "2026-11-04T00:21:00");
        let slices = cut(&long, ten, false);
        assert_eq!(
            told(&slices),
            [
                "2026-11-03T23:50:00..2026-11-04T00:00:20",
                "2026-11-04T00:00:15..2026-11-04T00:10:40",
                "2026-11-04T00:10:35..2026-11-04T00:21:00",
            ]
        );
        assert_eq!(slices[0].stated_bytes, 400);
        assert_eq!(told(&cut(&long, ten, true)), ["ch33_00000000001"]);
    }

    #[test]
    fn a_clock_that_is_turned_within_it_is_not_counted_along() {
        let mut fold = wanted("2026-10-25T01:30:00", "2026-10-25T02:30:00");
        fold.end.second_pass = true;
        assert_eq!(
            told(&cut(&fold, Duration::from_secs(600), false)),
            ["ch33_00000000001"]
        );
        fold.source_name.clear();
        assert_eq!(cut(&fold, Duration::from_secs(600), false).len(), 1);
    }

    proptest! {
        #[test]
        fn parts_cover_the_recording_without_hole(seconds in 0i64..90_000, length in 1u64..4_000) {
            let mut wanted = wanted("2026-11-03T15:00:00", "2026-11-03T15:00:00");
            wanted.source_name.clear();
            wanted.end.wall = wanted.start.wall.saturating_add(jiff::SignedDuration::from_secs(seconds));
            let slices = cut(&wanted, Duration::from_secs(length), false);
            let spans: Vec<_> = slices.iter().map(|s| match &s.source {
                Source::Time { start, end, .. } => (*start, *end),
                Source::Name(_) => unreachable!("it has no name"),
            }).collect();
            prop_assert_eq!(spans[0].0, wanted.start);
            prop_assert_eq!(spans.last().unwrap().1, wanted.end);
            prop_assert!(spans.iter().all(|(from, to)| from <= to));
            prop_assert!(spans.windows(2).all(|w| w[1].0 < w[0].1 || seconds == 0));
        }
    }
}
