//! Which footage moves to a colder tier. Pure: figures and candidates in, a choice out; candidates come oldest first and
//! are read only as far as needed.

use wire::ids::RecordingId;

use crate::model::retention::Candidate;
use crate::model::time::UtcTime;

/// Chosen at a time: the disks are looked at again after them.
const STROKE_MAX: usize = 32;

/// How a volume stands, and what is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What is older moves on; none: only for want of room.
    pub move_after_ms: Option<i64>,
    /// Room that is left for new footage.
    pub spare_bytes: u64,
    /// Room that is to be left, so that nothing has to leave for what comes.
    pub headroom_bytes: u64,
    /// It had too little room and is being relieved.
    pub relieving: bool,
}

impl Wish {
    /// Whether footage moves for want of room: once there is less than the headroom, until there is twice that.
    pub fn is_pressed(&self) -> bool {
        let until = match self.relieving {
            true => self.headroom_bytes.saturating_mul(2),
            false => self.headroom_bytes,
        };
        self.spare_bytes < until
    }

    fn missing_bytes(&self) -> u64 {
        match self.is_pressed() {
            true => self
                .headroom_bytes
                .saturating_mul(2)
                .saturating_sub(self.spare_bytes),
            false => 0,
        }
    }
}

/// Why footage moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is old enough.
    Age,
    /// Its volume needs the room.
    Room,
}

/// Footage that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen<Id = RecordingId> {
    /// Which.
    pub candidate: Candidate<Id>,
    /// Why.
    pub why: Why,
}

/// What moves, oldest first. What is locked moves like everything else: a lock says that it stays, not where.
pub fn to_move<Id>(
    wish: &Wish,
    now: UtcTime,
    candidates: &mut dyn Iterator<Item = Candidate<Id>>,
) -> Vec<Chosen<Id>> {
    let (mut chosen, mut freed_bytes) = (Vec::new(), 0_u64);
    let missing_bytes = wish.missing_bytes();
    for candidate in candidates.take(STROKE_MAX) {
        let why = match wish.move_after_ms {
            _ if freed_bytes < missing_bytes => Why::Room,
            Some(after) if candidate.age_ms(now) > after => Why::Age,
            // Those that follow begin later. One that ended earlier all the same goes another time.
            _ => break,
        };
        freed_bytes = freed_bytes.saturating_add(candidate.kept_bytes);
        chosen.push(Chosen { candidate, why });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::UtcRange;
    use proptest::prelude::*;
    use wire::ids::CameraId;

    const HOUR_MS: i64 = 3_600_000;

    fn now() -> UtcTime {
        "2026-11-03T12:00:00Z".parse().unwrap()
    }

    /// Recordings of an hour, given by how many hours ago they ended.
    fn candidates(list: &[(i64, u64)]) -> Vec<Candidate<usize>> {
        let of = |(id, (hours_ago, kept_bytes)): (usize, &(i64, u64))| {
            let to = now().plus_ms(-hours_ago * HOUR_MS);
            Candidate {
                id,
                camera: CameraId::new(),
                span: UtcRange {
                    from: to.plus_ms(-HOUR_MS),
                    to,
                },
                kept_bytes: *kept_bytes,
                locked: false,
            }
        };
        list.iter().enumerate().map(of).collect()
    }

    fn chosen(wish: Wish, list: &[(i64, u64)]) -> Vec<(usize, Why)> {
        to_move(&wish, now(), &mut candidates(list).into_iter())
            .into_iter()
            .map(|one| (one.candidate.id, one.why))
            .collect()
    }

    #[test]
    fn by_age_and_by_room_oldest_first() {
        let wish = Wish {
            move_after_ms: Some(10 * HOUR_MS),
            spare_bytes: 100,
            headroom_bytes: 50,
            relieving: false,
        };
        let list = [(12, 30), (11, 30), (10, 30), (2, 30)];
        assert_eq!(chosen(wish, &list), [(0, Why::Age), (1, Why::Age)]);
        // Too little room: until there is twice the headroom.
        let pressed = Wish {
            spare_bytes: 40,
            ..wish
        };
        assert_eq!(chosen(pressed, &list), [(0, Why::Room), (1, Why::Room)]);
        let half = Wish {
            spare_bytes: 70,
            move_after_ms: None,
            ..wish
        };
        assert_eq!(chosen(half, &list), []);
        let relieving = Wish {
            relieving: true,
            ..half
        };
        assert_eq!(chosen(relieving, &list), [(0, Why::Room)]);
    }

    proptest! {
        #[test]
        fn what_moves_is_what_must_and_nothing_else(
            list in proptest::collection::vec((0_i64..100, 1_u64..100), 0..60),
            move_after_h in proptest::option::of(0_i64..100),
            spare_bytes in 0_u64..400,
            headroom_bytes in 0_u64..200,
            relieving in any::<bool>(),
        ) {
            let mut list = list;
            list.sort_by_key(|(hours_ago, _)| -hours_ago);
            let all = candidates(&list);
            let wish = Wish { move_after_ms: move_after_h.map(|h| h * HOUR_MS), spare_bytes, headroom_bytes, relieving };
            let chosen = to_move(&wish, now(), &mut all.iter().copied());
            // The oldest, in their order, none left out.
            let ids: Vec<usize> = chosen.iter().map(|one| one.candidate.id).collect();
            prop_assert_eq!(&ids, &(0..ids.len()).collect::<Vec<_>>());
            prop_assert!(chosen.len() <= STROKE_MAX);
            let old = |one: &Candidate<usize>| wish.move_after_ms.is_some_and(|after| one.age_ms(now()) > after);
            let mut freed = 0;
            for one in &chosen {
                let pressed = wish.is_pressed() && freed + spare_bytes < 2 * headroom_bytes;
                prop_assert_eq!(one.why == Why::Room, pressed);
                prop_assert!(pressed || old(&one.candidate));
                freed += one.candidate.kept_bytes;
            }
            // And nothing that must move is forgotten.
            if chosen.len() < STROKE_MAX && let Some(next) = all.get(chosen.len()) {
                prop_assert!(!old(next));
                prop_assert!(!wish.is_pressed() || freed + spare_bytes >= 2 * headroom_bytes);
            }
        }
    }
}
