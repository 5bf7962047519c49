//! The choice of victims. Pure: figures and candidates in, ids out; candidates come oldest first and are read only as
//! far as needed.

use wire::ids::{CameraId, RecordingId};

use crate::model::retention::{Candidate, Rule};
use crate::model::time::UtcTime;

/// The room on a volume, and what is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Completed footage, and archives.
    pub held_bytes: u64,
    /// Promised to downloads under way.
    pub reserved_bytes: u64,
    /// Of that, written already: no longer free on the file system.
    pub written_bytes: u64,
    /// Wanted now, on top.
    pub needed_bytes: u64,
    /// High water mark of footage, if there is one.
    pub budget_bytes: Option<u64>,
    /// Free on the file system.
    pub free_bytes: u64,
    /// Least that stays free.
    pub floor_bytes: u64,
    /// How far eviction goes beyond a mark once it is crossed.
    pub slack_bytes: u64,
}

impl Room {
    /// Bytes above the budget.
    fn above_budget(&self) -> u64 {
        let used = self
            .held_bytes
            .saturating_add(self.reserved_bytes)
            .saturating_add(self.needed_bytes);
        self.budget_bytes
            .map_or(0, |budget| used.saturating_sub(budget))
    }

    /// The same, as if the disk had no end: only the budget counts.
    pub fn without_floor(self) -> Self {
        Self {
            free_bytes: u64::MAX,
            ..self
        }
    }

    /// Bytes missing above the floor.
    pub fn below_floor(&self) -> u64 {
        self.floor_bytes
            .saturating_add(self.reserved_bytes.saturating_sub(self.written_bytes))
            .saturating_add(self.needed_bytes)
            .saturating_sub(self.free_bytes)
    }

    /// Bytes that fit on top of what is wanted.
    pub fn spare_bytes(&self) -> u64 {
        let by_budget = self.budget_bytes.map_or(u64::MAX, |budget| {
            budget
                .saturating_sub(self.held_bytes)
                .saturating_sub(self.reserved_bytes)
        });
        let by_floor = self
            .free_bytes
            .saturating_sub(self.floor_bytes)
            .saturating_sub(self.reserved_bytes.saturating_sub(self.written_bytes));
        by_budget.min(by_floor).saturating_sub(self.needed_bytes)
    }

    /// Bytes that are missing, by whichever mark misses more.
    pub fn short_bytes(&self) -> u64 {
        self.above_budget().max(self.below_floor())
    }

    /// Whether what is wanted fits.
    pub fn is_enough(&self) -> bool {
        self.short_bytes() == 0
    }
}

/// Who leaves to make room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relief<Id = RecordingId> {
    /// In the order in which they leave.
    pub victims: Vec<Id>,
    /// Younger than their camera's least age: they leave because the disk itself is full.
    pub forced: Vec<Id>,
    /// Begin of the first of all of them.
    pub oldest: Option<UtcTime>,
    /// Bytes that all of them free.
    pub freed_bytes: u64,
}

impl<Id> Default for Relief<Id> {
    fn default() -> Self {
        Self {
            victims: Vec::new(),
            forced: Vec::new(),
            oldest: None,
            freed_bytes: 0,
        }
    }
}

/// Who is beyond its camera's rule: older than it keeps, or too much in all.
pub fn beyond_rule<Id>(
    rule: &Rule,
    held_bytes: u64,
    now: UtcTime,
    candidates: &mut dyn Iterator<Item = Candidate<Id>>,
) -> Vec<Id> {
    let (mut victims, mut left_bytes) = (Vec::new(), held_bytes);
    for candidate in candidates.filter(|candidate| !candidate.locked) {
        let age_ms = candidate.age_ms(now);
        let too_old = rule.max_age_ms.is_some_and(|max| age_ms > max);
        let too_much = rule.max_bytes.is_some_and(|max| left_bytes > max);
        // The least age is a promise against the limit of bytes. Against the limit of age it would be a contradiction
        // in the settings, and the limit of age may be the law.
        if too_old || (too_much && age_ms >= rule.min_age_ms) {
            left_bytes = left_bytes.saturating_sub(candidate.kept_bytes);
            victims.push(candidate.id);
        } else if !too_much {
            // Those that follow begin later. One that begins later may still end earlier; it goes another time.
            break;
        }
    }
    victims
}

/// Who leaves a volume that has too little room: the oldest first, down to the low water mark.
pub fn under_pressure<Id>(
    room: &Room,
    now: UtcTime,
    min_age_ms: impl Fn(CameraId) -> i64,
    candidates: &mut dyn Iterator<Item = Candidate<Id>>,
) -> Relief<Id> {
    let mut relief = Relief::default();
    if room.is_enough() {
        return relief;
    }
    let wanted = room.short_bytes().saturating_add(room.slack_bytes);
    let must = room.below_floor();
    let (mut young, mut young_bytes) = (Vec::new(), 0_u64);
    for candidate in candidates.filter(|candidate| !candidate.locked) {
        if candidate.age_ms(now) < min_age_ms(candidate.camera) {
            if young_bytes < must {
                young_bytes = young_bytes.saturating_add(candidate.kept_bytes);
                young.push(candidate);
            }
            continue;
        }
        relief.oldest.get_or_insert(candidate.span.from);
        relief.victims.push(candidate.id);
        relief.freed_bytes = relief.freed_bytes.saturating_add(candidate.kept_bytes);
        if relief.freed_bytes >= wanted {
            return relief;
        }
    }
    // Only the floor breaks the promise of a least age, and only as far as it must.
    for candidate in young {
        if relief.freed_bytes >= must {
            break;
        }
        relief.oldest.get_or_insert(candidate.span.from);
        relief.forced.push(candidate.id);
        relief.freed_bytes = relief.freed_bytes.saturating_add(candidate.kept_bytes);
    }
    relief
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::UtcRange;
    use proptest::prelude::*;

    const HOUR_MS: i64 = 3_600_000;

    fn now() -> UtcTime {
        "2026-11-03T12:00:00Z".parse().unwrap()
    }

    /// Recordings of an hour, given by how many hours ago they ended.
    fn candidates(list: &[(i64, u64, bool)]) -> (CameraId, Vec<Candidate>) {
        let camera = CameraId::new();
        let all = list
            .iter()
            .map(|(hours_ago, kept_bytes, locked)| {
                let to = now().plus_ms(-hours_ago * HOUR_MS);
                Candidate {
                    id: RecordingId::new(),
                    camera,
                    span: UtcRange {
                        from: to.plus_ms(-HOUR_MS),
                        to,
                    },
                    kept_bytes: *kept_bytes,
                    locked: *locked,
                }
            })
            .collect();
        (camera, all)
    }

    fn places(all: &[Candidate], ids: &[RecordingId]) -> Vec<usize> {
        ids.iter()
            .map(|id| all.iter().position(|c| c.id == *id).unwrap())
            .collect()
    }

    #[test]
    fn beyond_a_rule() {
        let (_, all) = candidates(&[
            (50, 10, false),
            (40, 10, true),
            (30, 10, false),
            (20, 10, false),
            (1, 10, false),
        ]);
        let table: &[(&str, Rule, &[usize])] = &[
            ("no rule", Rule::default(), &[]),
            (
                "age",
                Rule {
                    max_age_ms: Some(25 * HOUR_MS),
                    ..Rule::default()
                },
                &[0, 2],
            ),
            (
                "exactly as old as is kept",
                Rule {
                    max_age_ms: Some(30 * HOUR_MS),
                    ..Rule::default()
                },
                &[0],
            ),
            (
                "bytes, locked ones count and stay",
                Rule {
                    max_bytes: Some(25),
                    ..Rule::default()
                },
                &[0, 2, 3],
            ),
            (
                "bytes, but no younger than the least age",
                Rule {
                    max_bytes: Some(5),
                    min_age_ms: 25 * HOUR_MS,
                    ..Rule::default()
                },
                &[0, 2],
            ),
        ];
        for (name, rule, expected) in table {
            let victims = beyond_rule(rule, 50, now(), &mut all.iter().copied());
            assert_eq!(&places(&all, &victims), expected, "{name}");
        }
    }

    fn room() -> Room {
        Room {
            held_bytes: 50,
            reserved_bytes: 0,
            written_bytes: 0,
            needed_bytes: 0,
            budget_bytes: None,
            free_bytes: 100,
            floor_bytes: 0,
            slack_bytes: 0,
        }
    }

    #[test]
    fn under_pressure_by_table() {
        let (_, all) = candidates(&[
            (50, 10, false),
            (40, 10, true),
            (30, 10, false),
            (20, 10, false),
            (1, 10, false),
        ]);
        let quiet = room();
        let budget = Room {
            budget_bytes: Some(45),
            ..room()
        };
        let slack = Room {
            slack_bytes: 10,
            ..budget
        };
        let needs = Room {
            needed_bytes: 20,
            reserved_bytes: 5,
            budget_bytes: Some(60),
            ..room()
        };
        let floor = Room {
            free_bytes: 5,
            floor_bytes: 30,
            ..room()
        };
        let tight = Room {
            budget_bytes: Some(20),
            ..room()
        };
        type Case<'a> = (&'a str, Room, i64, &'a [usize], &'a [usize]);
        let table: &[Case<'_>] = &[
            ("enough room", quiet, 0, &[], &[]),
            ("above the budget", budget, 0, &[0], &[]),
            ("down to the low water mark", slack, 0, &[0, 2], &[]),
            ("room for a download", needs, 0, &[0, 2], &[]),
            ("below the floor", floor, 0, &[0, 2, 3], &[]),
            ("the budget respects the least age", tight, 25, &[0, 2], &[]),
            ("the floor does not", floor, 25, &[0, 2], &[3]),
        ];
        for (name, room, min_age_h, victims, forced) in table {
            let relief = under_pressure(
                room,
                now(),
                |_| min_age_h * HOUR_MS,
                &mut all.iter().copied(),
            );
            assert_eq!(&places(&all, &relief.victims), victims, "{name}");
            assert_eq!(&places(&all, &relief.forced), forced, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_always_holds(
            list in prop::collection::vec((0_i64..100, 1_u64..20, any::<bool>()), 0..40),
            budget_bytes in prop::option::of(0_u64..400),
            free_bytes in 0_u64..200,
            floor_bytes in 0_u64..200,
            slack_bytes in 0_u64..50,
            needed_bytes in 0_u64..50,
            min_age_h in 0_i64..100,
        ) {
            let mut list = list;
            list.sort_by_key(|(hours_ago, _, _)| -hours_ago);
            let (_, all) = candidates(&list);
            let held_bytes = list.iter().map(|(_, bytes, _)| bytes).sum();
            let room = Room { held_bytes, reserved_bytes: 0, written_bytes: 0, needed_bytes, budget_bytes, free_bytes, floor_bytes, slack_bytes };
            let relief = under_pressure(&room, now(), |_| min_age_h * HOUR_MS, &mut all.iter().copied());
            let old = |c: &Candidate| c.age_ms(now()) >= min_age_h * HOUR_MS;
            let chosen: Vec<Candidate> = relief.victims.iter().chain(&relief.forced)
                .map(|id| *all.iter().find(|c| c.id == *id).unwrap()).collect();

            // Nobody without need, nobody twice, nobody locked.
            prop_assert!(!room.is_enough() || chosen.is_empty());
            let mut ids: Vec<_> = chosen.iter().map(|c| c.id).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), chosen.len());
            prop_assert!(chosen.iter().all(|c| !c.locked));
            prop_assert_eq!(relief.freed_bytes, chosen.iter().map(|c| c.kept_bytes).sum::<u64>());

            // The least age holds but for the floor, and then only after all that is old has left.
            prop_assert!(relief.victims.iter().all(|id| old(all.iter().find(|c| c.id == *id).unwrap())));
            if !relief.forced.is_empty() {
                prop_assert!(room.below_floor() > 0);
                prop_assert_eq!(relief.victims.len(), all.iter().filter(|c| !c.locked && old(c)).count());
            }

            // Oldest first: no unlocked old one stays that is older than one that leaves.
            let last = relief.victims.last().and_then(|id| all.iter().position(|c| c.id == *id));
            if let Some(last) = last {
                prop_assert!(all[..=last].iter().filter(|c| !c.locked && old(c)).all(|c| relief.victims.contains(&c.id)));
            }

            // Never one more than needed.
            if let Some(last) = relief.victims.last() {
                let bytes = all.iter().find(|c| c.id == *last).unwrap().kept_bytes;
                if relief.forced.is_empty() {
                    prop_assert!(relief.freed_bytes - bytes < room.short_bytes() + slack_bytes);
                }
            }

            // And afterwards there is room, unless everything that may leave has left.
            let after = Room {
                held_bytes: held_bytes - relief.freed_bytes,
                free_bytes: free_bytes + relief.freed_bytes,
                ..room
            };
            let unlocked = |only_old: bool| all.iter().filter(|c| !c.locked && (old(c) || !only_old)).count();
            if after.below_floor() > 0 {
                prop_assert_eq!(chosen.len(), unlocked(false));
            } else if !after.is_enough() {
                prop_assert_eq!(relief.victims.len(), unlocked(true));
            }
        }
    }
}
