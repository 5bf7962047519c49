//! Which recorders are held back and until when, because they cannot be reached or do not let us in; forgotten by a
//! success, and when a recorder's settings or state change. How much one that is there bears is the governor's business.

use std::collections::BTreeMap;
use std::time::Duration;

use base::backoff::Backoff;
use wire::ids::RecorderId;

use crate::model::time::UtcTime;
use crate::plan::Standing;
use crate::recorder::driver::{FailureKind, RecorderError};

/// First pause after a recorder could not be reached.
const FIRST: Duration = Duration::from_secs(10);
/// Longest pause; a recorder that is back is noticed within it.
const LONGEST: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct Hold {
    failures: u32,
    /// Nothing before this.
    until: Option<UtcTime>,
}

/// The recorders that are held back.
#[derive(Debug, Default)]
pub struct Holds(BTreeMap<RecorderId, Hold>);

impl Holds {
    /// Holds a recorder back because of what it answered.
    pub fn hold_back(&mut self, recorder: RecorderId, error: &RecorderError, now: UtcTime) {
        let hold = self.0.entry(recorder).or_default();
        let pause = match error.kind {
            // Only a person can mend these, and then the recorder changes, which forgives at once.
            FailureKind::Refused
            | FailureKind::Locked
            | FailureKind::OtherCertificate(_)
            | FailureKind::LibraryMissing
            | FailureKind::Unsupported => LONGEST,
            _ => Backoff::step(FIRST, LONGEST, hold.failures),
        };
        hold.failures = hold.failures.saturating_add(1);
        hold.until = Some(now.plus_s(pause.as_secs() as i64));
        if hold.failures == 1 {
            tracing::warn!(
                recorder.id = %recorder,
                reason = error.message,
                pause_s = pause.as_secs(),
                "A recorder is left alone for a while"
            );
        }
    }

    /// It works again.
    pub fn clear(&mut self, recorder: RecorderId) {
        if let Some(hold) = self.0.get_mut(&recorder) {
            hold.failures = 0;
            hold.until = None;
        }
    }

    /// What a recorder bears now, of what it bears when nothing is wrong.
    pub fn standing(&self, recorder: RecorderId, free: Standing, now: UtcTime) -> Standing {
        let Some(hold) = self.0.get(&recorder).filter(|hold| hold.failures > 0) else {
            return free;
        };
        // Once it is looked at again, one goes ahead and finds out.
        let until = hold.until.filter(|until| *until > now);
        let most = usize::from(until.is_none());
        Standing {
            asked: free.asked.min(most),
            background: free.background.min(most),
            urgent: free.urgent.min(most),
            again_at: until.or(free.again_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Standing = Standing {
        asked: 4,
        background: 3,
        urgent: 3,
        again_at: None,
    };

    #[test]
    fn a_recorder_that_is_away_is_asked_ever_later_and_for_one_first() {
        let (recorder, now) = (RecorderId::new(), UtcTime::from_micros(0));
        let away = RecorderError::new(FailureKind::Network, "nothing answers");
        let mut holds = Holds::default();
        holds.hold_back(recorder, &away, now);
        let standing = |holds: &Holds, s: i64| holds.standing(recorder, FREE, now.plus_s(s));
        let first = standing(&holds, 0);
        assert_eq!(
            (first.asked, first.background, first.again_at),
            (0, 0, Some(now.plus_s(10)))
        );
        assert_eq!(standing(&holds, 10).background, 1);
        // Again: longer.
        holds.hold_back(recorder, &away, now.plus_s(10));
        assert_eq!(standing(&holds, 29).asked, 0);
        assert_eq!(standing(&holds, 30).asked, 1);
        holds.clear(recorder);
        assert_eq!(standing(&holds, 31), FREE);
    }

    #[test]
    fn a_refusal_is_not_repeated_soon() {
        let (recorder, now) = (RecorderId::new(), UtcTime::from_micros(0));
        let refused = RecorderError::new(FailureKind::Locked, "the account is locked");
        let mut holds = Holds::default();
        holds.hold_back(recorder, &refused, now);
        let standing = holds.standing(recorder, FREE, now.plus_s(299));
        assert_eq!(
            (standing.asked, standing.again_at),
            (0, Some(now.plus_s(300)))
        );
    }
}
