//! Pure: how many streams a recorder bears at once, learnt from what it accepts and refuses (ABI.md §10.6).
//!
//! No recorder tells its limit, and other programs and people take from it without a word. So:
//!
//! - What is unknown is felt for from below: one stream more than was ever borne, and the next only when that one runs.
//! - One refusal may be a mood, since recorders also refuse for a moment, without a reason of ours: it is believed the
//!   second time that it comes beside as many streams. What follows on a try beyond the known limit is believed at once.
//! - A limit is not for ever: after a pause one stream more is tried. Each try that is refused doubles the pause, one
//!   that is accepted raises the limit, and soon the next is tried: where one place became free there may be more.

use std::time::Duration;

use crate::model::time::UtcTime;
use crate::recorder::driver::{FailureKind, RecorderError};

/// Until a limit that was just learnt is tried again.
pub const PROBE_FIRST: Duration = Duration::from_secs(20);
/// Until the next try after one that was accepted.
pub const PROBE_NEXT: Duration = Duration::from_secs(5);
/// The longest: a limit that has gone is noticed within it.
pub const PROBE_MAX: Duration = Duration::from_secs(600);
/// The longest while a download waits that a person asked for.
pub const PROBE_ASKED: Duration = Duration::from_secs(15);
/// Until a refusal that may be a mood is followed by another try.
pub const MOOD: Duration = Duration::from_secs(1);
/// A refusal so long ago says nothing about one of now.
pub const MOOD_FORGOTTEN: Duration = Duration::from_secs(60);
/// The vendor's "took too long to answer": how an overloaded recorder refuses, and how a broken network looks.
const RECEIVE_TIMEOUT: u32 = 10;

/// Whether a failure to begin a stream means "no more than these": `others` streams of ours run at that recorder.
pub fn is_refusal(error: &RecorderError, others: usize) -> bool {
    error.kind == FailureKind::Capacity
        || (error.vendor_code == Some(RECEIVE_TIMEOUT) && others > 0)
}

/// What is known of one recorder's limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Most streams that it was seen to bear, as far as later refusals leave that standing.
    borne: usize,
    ceiling: Option<Ceiling>,
    mood: Option<Mood>,
}

/// One more than this was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ceiling {
    at: usize,
    refused_at: UtcTime,
    pause: Duration,
}

/// A refusal that is not believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mood {
    others: usize,
    until: UtcTime,
}

fn after(at: UtcTime, pause: Duration) -> UtcTime {
    at.plus_ms(pause.as_millis() as i64)
}

impl Learnt {
    /// The limit; none as long as nothing was refused.
    pub fn limit(&self) -> Option<usize> {
        self.ceiling.map(|ceiling| ceiling.at)
    }

    /// When it refused last, if that is what the limit rests on.
    pub fn refused_at(&self) -> Option<UtcTime> {
        self.ceiling.map(|ceiling| ceiling.refused_at)
    }

    /// When one more than the limit is tried for the background.
    pub fn probe_at(&self) -> Option<UtcTime> {
        self.ceiling
            .map(|ceiling| after(ceiling.refused_at, ceiling.pause))
    }

    /// A stream runs, the recorder bears `in_use` of ours now.
    pub fn accepted(&mut self, in_use: usize, now: UtcTime) {
        self.borne = self.borne.max(in_use);
        if self.mood.is_some_and(|mood| in_use > mood.others) {
            self.mood = None;
        }
        if let Some(ceiling) = &mut self.ceiling
            && in_use > ceiling.at
        {
            *ceiling = Ceiling {
                at: in_use,
                refused_at: now,
                pause: PROBE_NEXT,
            };
        }
    }

    /// A stream was refused while `others` of ours were there. True: it is not believed yet.
    pub fn refused(&mut self, others: usize, now: UtcTime) -> bool {
        let is_known = self.ceiling.is_some_and(|ceiling| others >= ceiling.at);
        let is_second = self
            .mood
            .is_some_and(|mood| others == mood.others && now <= after(mood.until, MOOD_FORGOTTEN));
        if !is_known && !is_second {
            let until = after(now, MOOD);
            self.mood = Some(Mood { others, until });
            return true;
        }
        self.mood = None;
        self.borne = self.borne.min(others);
        let pause = match self.ceiling {
            Some(known) if is_known => (known.pause * 2).clamp(PROBE_FIRST, PROBE_MAX),
            _ => PROBE_FIRST,
        };
        self.ceiling = Some(Ceiling {
            at: others.min(self.limit().unwrap_or(usize::MAX)),
            refused_at: now,
            pause,
        });
        false
    }

    /// Streams that people may have at once.
    pub fn for_people(&self) -> usize {
        self.limit().unwrap_or(usize::MAX)
    }

    /// The same with one more where it is time to try whether the limit still holds.
    pub fn for_asked(&self, now: UtcTime) -> usize {
        let due = |ceiling: Ceiling| after(ceiling.refused_at, ceiling.pause.min(PROBE_ASKED));
        match self.ceiling {
            Some(ceiling) if due(ceiling) <= now => ceiling.at + 1,
            _ => self.for_people(),
        }
    }

    /// Streams that there may be at once when the background is to begin one more.
    pub fn for_background(&self, now: UtcTime) -> usize {
        let limit = match self.probe_at() {
            Some(due) if due <= now => self.for_people() + 1,
            _ => self.for_people(),
        };
        let in_mood = self.mood.filter(|mood| mood.until > now);
        limit
            .min(self.borne + 1)
            .min(in_mood.map_or(usize::MAX, |mood| mood.others))
    }

    /// The next moment at which time alone may allow more.
    pub fn again_at(&self, now: UtcTime) -> Option<UtcTime> {
        let asked = self
            .ceiling
            .map(|ceiling| after(ceiling.refused_at, ceiling.pause.min(PROBE_ASKED)));
        [asked, self.probe_at(), self.mood.map(|mood| mood.until)]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> UtcTime {
        UtcTime::from_micros(s * 1_000_000)
    }

    /// What it has learnt when it is refused there, and once more.
    fn refused_twice(learnt: &mut Learnt, others: usize, now: UtcTime) {
        assert!(learnt.refused(others, now.plus_ms(-2_000)));
        assert!(!learnt.refused(others, now));
    }

    #[test]
    fn it_is_felt_for_from_below_and_two_refusals_are_the_limit() {
        let mut learnt = Learnt::default();
        assert_eq!((learnt.limit(), learnt.for_background(at(0))), (None, 1));
        learnt.accepted(1, at(0));
        learnt.accepted(2, at(1));
        assert_eq!(learnt.for_background(at(1)), 3);
        refused_twice(&mut learnt, 2, at(4));
        assert_eq!((learnt.limit(), learnt.for_background(at(5))), (Some(2), 2));
    }

    #[test]
    fn a_refusal_of_long_ago_or_beside_other_streams_is_not_the_first_of_two() {
        let mut learnt = Learnt::default();
        (1..=5).for_each(|n| learnt.accepted(n, at(0)));
        assert!(learnt.refused(3, at(0)));
        assert!(learnt.refused(3, at(63)), "forgotten");
        assert!(learnt.refused(4, at(64)), "three cannot be the limit");
        assert!(
            learnt.refused(2, at(66)),
            "nothing says that three are not borne"
        );
        assert!(!learnt.refused(2, at(67)));
        assert_eq!(learnt.limit(), Some(2));
    }

    #[test]
    fn a_mood_is_not_a_limit_but_two_are() {
        let mut learnt = Learnt::default();
        learnt.accepted(1, at(0));
        learnt.accepted(2, at(0));
        assert!(learnt.refused(1, at(10)), "two were borne before");
        assert_eq!((learnt.limit(), learnt.for_background(at(10))), (None, 1));
        assert_eq!(learnt.again_at(at(10)), Some(at(11)));
        assert_eq!(learnt.for_background(at(11)), 3);
        learnt.accepted(2, at(12));
        assert!(learnt.refused(1, at(20)));
        assert!(!learnt.refused(1, at(22)));
        assert_eq!(learnt.limit(), Some(1));
    }

    #[test]
    fn it_is_tried_again_ever_more_slowly_until_it_has_gone() {
        let mut learnt = Learnt::default();
        refused_twice(&mut learnt, 0, at(0));
        let (mut now, mut pauses) = (at(0), Vec::new());
        for _ in 0..8 {
            let due = learnt.probe_at().unwrap();
            pauses.push(due.ms_since(now) / 1_000);
            assert_eq!(learnt.for_background(due.plus_ms(-1)), 0);
            assert_eq!(learnt.for_background(due), 1);
            now = due;
            assert!(!learnt.refused(0, now));
        }
        assert_eq!(pauses, [20, 40, 80, 160, 320, 600, 600, 600]);
        // A person's download does not wait that long.
        assert_eq!(learnt.for_asked(now.plus_s(15)), 1);
        learnt.accepted(1, now);
        assert_eq!(
            (learnt.limit(), learnt.probe_at()),
            (Some(1), Some(now.plus_s(5)))
        );
        // Another is tried soon, and refused it is a limit as before.
        assert!(!learnt.refused(1, now.plus_s(5)));
        assert_eq!(learnt.probe_at(), Some(now.plus_s(25)));
    }

    #[test]
    fn what_counts_as_a_refusal() {
        let error = |kind, code| RecorderError {
            vendor_code: code,
            ..RecorderError::new(kind, "words")
        };
        // The vendor's library, and an RTSP or HTTP server.
        for code in [5, 24, 28, 52, 426, 800, 453, 503] {
            assert!(is_refusal(&error(FailureKind::Capacity, Some(code)), 0));
        }
        assert!(is_refusal(&error(FailureKind::Network, Some(10)), 1));
        assert!(!is_refusal(&error(FailureKind::Network, Some(10)), 0));
        assert!(!is_refusal(&error(FailureKind::Network, Some(7)), 3));
    }
}
