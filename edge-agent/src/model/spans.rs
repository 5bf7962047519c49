//! A set of bytes of a file: which parts of it were delivered. Pure.

use serde::{Deserialize, Serialize};

/// Most parts that are remembered apart. Beyond that the shortest hole would have to be guessed, so a part that touches
/// none is forgotten instead: what is said to be delivered always was.
const PARTS_MAX: usize = 10_000;

/// Half-open spans `[first, end)` in order, none touching another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// Adds a span.
    pub fn add(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let from = self.0.partition_point(|(_, e)| *e < first);
        let to = self.0.partition_point(|(f, _)| *f <= end);
        if from == to && self.0.len() >= PARTS_MAX {
            return;
        }
        let joined = self.0[from..to]
            .iter()
            .fold((first, end), |(f, e), (f2, e2)| (f.min(*f2), e.max(*e2)));
        self.0.splice(from..to, [joined]);
    }

    /// Bytes in it.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(first, end)| end - first).sum()
    }

    /// Whether all of a span is in it.
    pub fn covers(&self, first: u64, end: u64) -> bool {
        first >= end || self.0.iter().any(|(f, e)| *f <= first && end <= *e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_what_a_set_of_bytes_is(parts in proptest::collection::vec((0u64..60, 0u64..60), 0..40)) {
            let (mut spans, mut truth) = (Spans::default(), [false; 60]);
            for (a, b) in parts {
                spans.add(a, b);
                for byte in a..b {
                    truth[byte as usize] = true;
                }
                prop_assert_eq!(spans.total(), truth.iter().filter(|b| **b).count() as u64);
                prop_assert_eq!(spans.covers(0, 60), truth.iter().all(|b| *b));
                prop_assert!(spans.0.windows(2).all(|w| w[0].1 < w[1].0), "{:?}", spans);
            }
        }
    }

    #[test]
    fn however_many_parts_there_are_the_memory_is_bounded() {
        let mut spans = Spans::default();
        for n in 0..20_000 {
            spans.add(n * 2, n * 2 + 1);
        }
        assert_eq!(spans.0.len(), PARTS_MAX);
        // What joins is taken still.
        spans.add(1, 2);
        assert_eq!(spans.0.len(), PARTS_MAX - 1);
    }
}
