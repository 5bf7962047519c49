//! Which recorders are held back, how far and until when. Learnt from their refusals; forgotten by a success, and when
//! a recorder's settings or state change.

use std::collections::BTreeMap;
use std::time::Duration;

use base::backoff::Backoff;
use wire::ids::RecorderId;

use crate::model::time::UtcTime;
use crate::plan::Standing;
use crate::recorder::driver::{FailureKind, RecorderError};

/// First pause after a recorder could not be reached or had nothing left.
const FIRST: Duration = Duration::from_secs(10);
/// Longest pause; a recorder that is back is noticed within it.
const LONGEST: Duration = Duration::from_secs(300);
/// How long fewer downloads at once are asked of a recorder that had no room for more.
const MODEST: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
struct Hold {
    failures: u32,
    /// Nothing before this.
    until: Option<UtcTime>,
    /// One at a time until this.
    modest_until: Option<UtcTime>,
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
            | FailureKind::LibraryMissing
            | FailureKind::Unsupported => LONGEST,
            _ => Backoff::step(FIRST, LONGEST, hold.failures),
        };
        if error.kind == FailureKind::Capacity {
            hold.modest_until = Some(now.plus_s(MODEST.as_secs() as i64));
        }
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

    /// What each bears now, as the planner wants it.
    pub fn standings(
        &mut self,
        now: UtcTime,
        per_recorder: usize,
    ) -> BTreeMap<RecorderId, Standing> {
        let held = |until: Option<UtcTime>| until.is_some_and(|until| until > now);
        self.0
            .retain(|_, hold| hold.failures > 0 || held(hold.modest_until));
        self.0
            .iter()
            .filter_map(|(recorder, hold)| {
                let at_once = if held(hold.until) {
                    0
                } else if held(hold.modest_until) || hold.failures > 0 {
                    // One goes ahead and finds out.
                    per_recorder.min(1)
                } else {
                    return None;
                };
                let again_at = hold.until.filter(|until| *until > now);
                Some((*recorder, Standing { at_once, again_at }))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_is_full_is_asked_later_and_for_less() {
        let (recorder, now) = (RecorderId::new(), UtcTime::from_micros(0));
        let full = RecorderError::new(FailureKind::Capacity, "no session left");
        let mut holds = Holds::default();
        holds.hold_back(recorder, &full, now);
        let standing =
            |holds: &mut Holds, s: i64| holds.standings(now.plus_s(s), 4).remove(&recorder);
        let first = standing(&mut holds, 0).unwrap();
        assert_eq!((first.at_once, first.again_at), (0, Some(now.plus_s(10))));
        assert_eq!(standing(&mut holds, 10).unwrap().at_once, 1);
        // Again: longer.
        holds.hold_back(recorder, &full, now.plus_s(10));
        assert_eq!(standing(&mut holds, 29).unwrap().at_once, 0);
        assert_eq!(standing(&mut holds, 30).unwrap().at_once, 1);
        // It works: still one at a time for a while, then all.
        holds.clear(recorder);
        assert_eq!(standing(&mut holds, 31).unwrap().at_once, 1);
        assert_eq!(standing(&mut holds, 700), None);
    }

    #[test]
    fn a_refusal_is_not_repeated_soon() {
        let (recorder, now) = (RecorderId::new(), UtcTime::from_micros(0));
        let mut holds = Holds::default();
        let refused = RecorderError::new(FailureKind::Locked, "the account is locked");
        holds.hold_back(recorder, &refused, now);
        let standing = holds.standings(now.plus_s(299), 2)[&recorder];
        assert_eq!(
            (standing.at_once, standing.again_at),
            (0, Some(now.plus_s(300)))
        );
    }
}
