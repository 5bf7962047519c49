//! Pure: what is still to be fetched, what runs, limits and the time of day -> the next orders (R5, R6).
//!
//! Policy, first difference decides:
//!
//! 1. What a person asked for goes before the background; among people's requests the greater priority first.
//! 2. Then what its recorder will overwrite within hours, the first to go first: it would be lost by waiting.
//! 3. Then the oldest first: recorders overwrite the oldest.
//!
//! One recorder never takes the places of another: each has its own limit below the limit in all. People's requests
//! ignore the time window of the background and what it occupies: it gives way, here where the limit in all is
//! reached, at its recorder by the governor. What would be gone before the window opens does not wait for it. Nothing is
//! remembered here: run again, it decides again.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::ids::{RecorderId, RecordingId};

use crate::model::reach::at_risk;
use crate::model::time::UtcTime;

/// Priority of what nobody asked for.
pub const BACKGROUND: i64 = 0;

/// Downloads that are begun of one recording before it is given up until somebody asks for it.
pub const ATTEMPTS_MAX: u32 = 8;
/// Pauses between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// After the first failed attempt; doubles with each.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

/// A recording that is still to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub recording: RecordingId,
    /// Where it lies.
    pub recorder: RecorderId,
    /// Greater goes first.
    pub priority: i64,
    /// Its start.
    pub start: UtcTime,
    /// When its recorder will have overwritten it, as far as can be told.
    pub gone_at: Option<UtcTime>,
    /// Not before this moment; None: at once.
    pub not_before: Option<UtcTime>,
}

/// Whether something that will be gone then would be lost by waiting for the background's turn.
pub fn is_urgent(gone_at: Option<UtcTime>, background: Result<(), UtcTime>, now: UtcTime) -> bool {
    at_risk(gone_at, background.err().unwrap_or(now))
}

/// A download under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub recording: RecordingId,
    /// From where; None once it has been received and only this box works on it.
    pub recorder: Option<RecorderId>,
    /// Its priority now.
    pub priority: i64,
    /// It has been told to give its place back.
    pub gives_way: bool,
}

/// What a recorder bears now, as the governor and its failures have it. 0 while it cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Downloads that people asked for, at once; the background does not count, it gives way.
    pub asked: usize,
    /// Downloads of all kinds that there may be at once when one of the background is begun.
    pub background: usize,
    /// The same when that one would be lost by waiting.
    pub urgent: usize,
    /// When that is looked at again.
    pub again_at: Option<UtcTime>,
}

/// Limits of this moment.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Downloads at once in all.
    pub total: usize,
    /// Of a recorder that is not in `recorders`.
    pub per_recorder: usize,
    /// Recorders with a standing of their own.
    pub recorders: BTreeMap<RecorderId, Standing>,
    /// Whether the background may download now; if not, when it may again.
    pub background: Result<(), UtcTime>,
}

/// What is to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To begin now, in this order.
    pub orders: Vec<RecordingId>,
    /// Downloads of the background that are to give way, since a person's waits for a place of the total.
    pub give_way: Vec<RecordingId>,
    /// When to plan again if nothing happens before; None: when something changes.
    pub again_at: Option<UtcTime>,
}

/// Downloads of one recorder.
#[derive(Debug, Default, Clone, Copy)]
struct Busy {
    asked: usize,
    all: usize,
}

impl Busy {
    fn count(&mut self, priority: i64) {
        self.all += 1;
        self.asked += usize::from(priority > BACKGROUND);
    }
}

/// Decides.
pub fn plan(candidates: &[Candidate], running: &[Running], limits: &Limits, now: UtcTime) -> Plan {
    let mut ordered: Vec<&Candidate> = candidates.iter().collect();
    ordered.sort_by_key(|c| {
        let soon_gone = match at_risk(c.gone_at, now) {
            true => c.gone_at.unwrap_or(now).micros(),
            false => i64::MAX,
        };
        (
            std::cmp::Reverse(c.priority),
            soon_gone,
            c.start,
            c.recording,
        )
    });

    let mut busy: BTreeMap<RecorderId, Busy> = BTreeMap::new();
    for download in running {
        if let Some(recorder) = download.recorder {
            busy.entry(recorder).or_default().count(download.priority);
        }
    }
    let mut free = limits.total.saturating_sub(running.len());
    let mut coming = running.iter().filter(|download| download.gives_way).count();
    let mut could_go: Vec<RecordingId> = running
        .iter()
        .filter(|download| download.recorder.is_some() && !download.gives_way)
        .filter(|download| download.priority <= BACKGROUND)
        .map(|download| download.recording)
        .collect();
    could_go.sort();
    let mut plan = Plan::default();
    for candidate in ordered {
        if running.iter().any(|r| r.recording == candidate.recording) {
            continue;
        }
        let standing = limits.recorders.get(&candidate.recorder);
        let mut wait = |until: Option<UtcTime>| {
            plan.again_at = match (plan.again_at, until) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        if let Some(not_before) = candidate.not_before
            && not_before > now
        {
            wait(Some(not_before));
            continue;
        }
        let is_urgent = is_urgent(candidate.gone_at, limits.background, now);
        if candidate.priority <= BACKGROUND
            && let Err(opens) = limits.background
            && !is_urgent
        {
            wait(Some(opens));
            continue;
        }
        let is_asked = candidate.priority > BACKGROUND;
        let busy = busy.entry(candidate.recorder).or_default();
        let (taken, places) = match (is_asked, standing) {
            (true, standing) => (
                busy.asked,
                standing.map_or(limits.per_recorder, |s| s.asked),
            ),
            (false, standing) => (
                busy.all,
                standing.map_or(limits.per_recorder, |s| match is_urgent {
                    true => s.urgent,
                    false => s.background,
                }),
            ),
        };
        if taken >= places {
            // A running download that ends wakes the planner; a recorder that is held back does not.
            wait(standing.and_then(|s| s.again_at));
            continue;
        }
        if free > 0 {
            free -= 1;
            busy.count(candidate.priority);
            plan.orders.push(candidate.recording);
        } else if is_asked && coming > 0 {
            coming -= 1;
        } else if is_asked {
            plan.give_way.extend(could_go.pop());
        }
    }
    plan
}

/// How long to wait after `attempts` downloads have failed; None: given up until somebody asks.
pub fn pause_after(attempts: u32, pauses: Pauses) -> Option<Duration> {
    if attempts >= ATTEMPTS_MAX {
        return None;
    }
    Some(base::backoff::Backoff::step(
        pauses.first,
        pauses.longest,
        attempts.saturating_sub(1),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn recording(n: u128) -> RecordingId {
        RecordingId(Uuid::from_u128(n))
    }
    fn recorder(n: u128) -> RecorderId {
        RecorderId(Uuid::from_u128(n))
    }
    fn at(s: i64) -> UtcTime {
        UtcTime::from_micros(s * 1_000_000)
    }
    fn limits(total: usize, per_recorder: usize) -> Limits {
        Limits {
            total,
            per_recorder,
            recorders: BTreeMap::new(),
            background: Ok(()),
        }
    }
    /// (recording, recorder, priority, start, not before)
    fn candidates(rows: &[(u128, u128, i64, i64, i64)]) -> Vec<Candidate> {
        rows.iter()
            .map(|(n, r, priority, start, not_before)| Candidate {
                recording: recording(*n),
                recorder: recorder(*r),
                priority: *priority,
                start: at(*start),
                gone_at: None,
                not_before: (*not_before > 0).then(|| at(*not_before)),
            })
            .collect()
    }

    #[test]
    fn a_table_of_decisions() {
        let now = at(1_000);
        type Row = (u128, u128, i64, i64, i64);
        let check = |rows: &[Row],
                     running: &[(u128, u128)],
                     limits: &Limits,
                     want: &[u128],
                     again: Option<i64>| {
            let running: Vec<Running> = running
                .iter()
                .map(|(n, r)| Running {
                    recording: recording(*n),
                    recorder: (*r > 0).then(|| recorder(*r)),
                    priority: BACKGROUND,
                    gives_way: false,
                })
                .collect();
            let got = plan(&candidates(rows), &running, limits, now);
            let want: Vec<RecordingId> = want.iter().map(|n| recording(*n)).collect();
            assert_eq!(got.orders, want, "{rows:?}");
            assert_eq!(got.again_at, again.map(at), "{rows:?}");
        };
        let rows: &[Row] = &[(1, 1, 0, 30, 0), (2, 1, 0, 10, 0), (3, 1, 0, 20, 0)];
        // Oldest first, within the recorder's limit.
        check(rows, &[], &limits(8, 2), &[2, 3], None);
        // What runs counts, and is not begun twice.
        check(rows, &[(2, 1)], &limits(8, 2), &[3], None);
        // What has been received takes a place of the total, none of its recorder.
        check(rows, &[(2, 0)], &limits(3, 2), &[3, 1], None);
        // A person's request goes first, however new.
        let asked: &[Row] = &[(1, 1, 0, 10, 0), (2, 1, 10, 99, 0)];
        check(asked, &[], &limits(8, 1), &[2], None);
        // Each recorder has its places; the total bounds them all.
        let two: &[Row] = &[
            (1, 1, 0, 1, 0),
            (2, 1, 0, 2, 0),
            (3, 2, 0, 9, 0),
            (4, 3, 0, 10, 0),
        ];
        check(two, &[], &limits(8, 1), &[1, 3, 4], None);
        check(two, &[], &limits(2, 1), &[1, 3], None);
        // Back-off is waited for, by the earliest.
        let later: &[Row] = &[(1, 1, 0, 1, 1_500), (2, 1, 0, 2, 1_200), (3, 1, 0, 3, 900)];
        check(later, &[], &limits(8, 1), &[3], Some(1_200));
        // A person's request does not wait for the background, neither at its recorder nor for a place of the total.
        check(asked, &[(1, 1)], &limits(8, 1), &[2], None);
        let give_way =
            |running: &[Running]| plan(&candidates(asked), running, &limits(1, 1), now).give_way;
        let background = Running {
            recording: recording(1),
            recorder: Some(recorder(7)),
            priority: BACKGROUND,
            gives_way: false,
        };
        assert_eq!(give_way(&[background]), [recording(1)]);
        let gives_way = Running {
            gives_way: true,
            ..background
        };
        assert_eq!(give_way(&[gives_way]), []);
        let of_a_person = Running {
            priority: 10,
            ..background
        };
        assert_eq!(give_way(&[of_a_person]), []);
        // Outside the window only people's requests go.
        let mut closed = limits(8, 4);
        closed.background = Err(at(7_000));
        check(asked, &[], &closed, &[2], Some(7_000));
        // A recorder that is held back holds back only itself.
        let mut held = limits(8, 4);
        held.recorders.insert(
            recorder(1),
            Standing {
                asked: 0,
                background: 0,
                urgent: 0,
                again_at: Some(at(1_060)),
            },
        );
        check(two, &[], &held, &[3, 4], Some(1_060));
    }

    #[test]
    fn what_is_about_to_be_overwritten_goes_first_and_waits_for_no_window() {
        let now = at(1_000);
        let rows: &[(u128, u128, i64, i64, i64)] = &[
            (1, 1, 0, 10, 0),
            (2, 1, 0, 20, 0),
            (3, 2, 0, 30, 0),
            (4, 1, 10, 40, 0),
        ];
        let hour = 3_600;
        let mut candidates = candidates(rows);
        // The first by age is safe for days; two others are not, and the newer of them goes sooner.
        candidates[0].gone_at = Some(at(1_000 + 72 * hour));
        candidates[1].gone_at = Some(at(1_000 + 5 * hour));
        candidates[2].gone_at = Some(at(1_000 + 3 * hour));
        let orders = |limits: &Limits| {
            let plan = plan(&candidates, &[], limits, now);
            plan.orders
                .iter()
                .map(|id| id.0.as_u128())
                .collect::<Vec<_>>()
        };
        assert_eq!(orders(&limits(8, 8)), [4, 3, 2, 1]);
        // A window that opens in two hours is too late for both (within six hours of then), and not for the safe one.
        let mut closed = limits(8, 8);
        closed.background = Err(at(1_000 + 2 * hour));
        assert_eq!(orders(&closed), [4, 3, 2]);
    }

    #[test]
    fn attempts_are_bounded_and_ever_further_apart() {
        let rule = Pauses {
            first: Duration::from_secs(30),
            longest: Duration::from_secs(3_600),
        };
        let pauses: Vec<_> = (1..=ATTEMPTS_MAX)
            .map(|attempts| pause_after(attempts, rule))
            .collect();
        assert_eq!(pauses[0], Some(Duration::from_secs(30)));
        assert_eq!(pauses[1], Some(Duration::from_secs(60)));
        assert_eq!(pauses.last(), Some(&None));
        assert!(pauses.iter().flatten().is_sorted());
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_broken(
            rows in proptest::collection::vec((0u128..60, 0u128..4, -1i64..12, 0i64..50, 0i64..2_000), 0..40),
            running in proptest::collection::btree_map(0u128..60, (0u128..4, any::<bool>(), any::<bool>()), 0..6),
            total in 0usize..6, per_recorder in 0usize..4, closed: bool,
        ) {
            // A recording has one row, and its recorder is a property of it.
            let mut seen = std::collections::BTreeSet::new();
            let rows: Vec<_> = rows.into_iter().filter(|r| seen.insert(r.0)).collect();
            let candidates = candidates(&rows);
            let running: Vec<Running> = running.iter()
                .map(|(n, (r, asked, gives_way))| Running {
                    recording: recording(*n),
                    recorder: Some(recorder(*r)),
                    priority: i64::from(*asked) * 10,
                    gives_way: *gives_way,
                }).collect();
            let mut limits = limits(total, per_recorder);
            if closed { limits.background = Err(at(9_000)); }
            let now = at(1_000);
            let got = plan(&candidates, &running, &limits, now);

            prop_assert!(got.orders.len() + running.len() <= total.max(running.len()));
            let mut busy: BTreeMap<RecorderId, Busy> = BTreeMap::new();
            for r in &running { busy.entry(r.recorder.unwrap()).or_default().count(r.priority); }
            let mut ordered = std::collections::BTreeSet::new();
            for id in &got.orders {
                let c = candidates.iter().find(|c| c.recording == *id).unwrap();
                prop_assert!(ordered.insert(*id), "ordered twice");
                prop_assert!(running.iter().all(|r| r.recording != *id));
                prop_assert!(c.not_before.is_none_or(|t| t <= now));
                prop_assert!(!closed || c.priority > BACKGROUND);
                let busy = busy.entry(c.recorder).or_default();
                busy.count(c.priority);
                // People share the recorder's places among themselves, the background takes what is left of them.
                let taken = if c.priority > BACKGROUND { busy.asked } else { busy.all };
                prop_assert!(taken <= per_recorder);
            }
            let has_place = |c: &Candidate| {
                let busy = busy.get(&c.recorder).copied().unwrap_or_default();
                (if c.priority > BACKGROUND { busy.asked } else { busy.all }) < per_recorder
            };
            // Nobody who could go is left behind while there is room, and no person without somebody who makes room.
            let room = total.saturating_sub(running.len() + got.orders.len());
            let left: Vec<&Candidate> = candidates.iter().filter(|c| !got.orders.contains(&c.recording)
                && running.iter().all(|r| r.recording != c.recording)
                && c.not_before.is_none_or(|t| t <= now)
                && (!closed || c.priority > BACKGROUND)
                && has_place(c)).collect();
            prop_assert!(room == 0 || left.is_empty());
            let people_left = left.iter().filter(|c| c.priority > BACKGROUND).count();
            let leaving = running.iter().filter(|r| r.gives_way).count() + got.give_way.len();
            let could_go = running.iter().filter(|r| r.priority == BACKGROUND && !r.gives_way).count();
            prop_assert!(leaving >= people_left.min(could_go));
            prop_assert!(got.give_way.len() <= people_left);
            for id in &got.give_way {
                let goes = running.iter().find(|r| r.recording == *id).unwrap();
                prop_assert!(goes.priority == BACKGROUND && !goes.gives_way);
            }
            // The same question has the same answer.
            prop_assert_eq!(&got, &plan(&candidates, &running, &limits, now));
        }
    }
}
