//! The ring buffer, simulated forward. Pure.
//!
//! Day by day the footage of a day comes, at the rate of the last days, and what must leaves by the very rules that
//! eviction goes by ([`super::choice`]): what stands for a recording there is a camera's day here. All volumes are one
//! pool, since new footage goes where the oldest leaves. What is protected takes room and never leaves.

use std::collections::HashMap;

use wire::ids::CameraId;
use wire::resource::Tier;

use super::choice::{self, Room};
use crate::model::retention::{Candidate, DAY_MS, Rule};
use crate::model::time::{UtcRange, UtcTime};

/// How far forward is reckoned.
pub const HORIZON_DAYS: i64 = 400;

/// The room of all volumes together.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Room for footage by the high water marks, held footage included.
    pub room_bytes: u64,
    /// The same by the floors alone: beyond that footage must leave, promised or not.
    pub disk_bytes: u64,
    /// What a stroke of eviction frees beyond the mark.
    pub slack_bytes: u64,
    /// Where new footage goes; the parts sum to 1.
    pub shares: Vec<Share>,
}

/// A volume's part of new footage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How much of it comes here.
    pub part: f64,
    /// The volume's own limit of age.
    pub max_age_ms: Option<i64>,
    /// Its tier: new footage goes to the hottest, and moves on.
    pub tier: Tier,
    /// Room for footage on it.
    pub room_bytes: u64,
    /// What is older moves to the next tier.
    pub move_after_ms: Option<i64>,
}

/// What is held of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Days since 1970.
    pub day: i64,
    /// On which of the pool's shares.
    pub share: usize,
    /// Bytes that may leave.
    pub bytes: u64,
    /// Bytes that a lock or bookmark protects.
    pub locked_bytes: u64,
}

/// A camera in the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// Which.
    pub id: CameraId,
    /// Its rule.
    pub rule: Rule,
    /// What comes in a day.
    pub bytes_per_day: u64,
    /// What is held, oldest first.
    pub held: Vec<Held>,
}

/// The ring buffer as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    /// Its room.
    pub pool: Pool,
    /// Its cameras.
    pub cameras: Vec<Camera>,
}

/// What will be.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Camera by camera, in the order of the ring.
    pub cameras: Vec<Outcome>,
    /// From when on new footage has no room, because all that is held is protected or promised.
    pub full_on: Option<UtcTime>,
}

/// What will be of one camera.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Days kept once the ring has turned around; none: nothing had to leave as far as was reckoned, or nothing comes.
    pub days: Option<f64>,
    /// It is for want of room, not by its own limits, that footage leaves.
    pub by_room: bool,
    /// When footage younger than promised must go.
    pub breaks_on: Option<UtcTime>,
}

/// The forecast. With `protected` false, as if nothing were locked or bookmarked.
pub fn forecast(ring: &Ring, now: UtcTime, protected: bool) -> Forecast {
    let mut simulation = Simulation::begin(ring, now, protected);
    let mut before = Vec::new();
    for n in 0..=HORIZON_DAYS {
        if n > 0 {
            simulation.day_passes();
        }
        simulation.evict();
        // Once everything from before is gone and two days are alike, so is every later one.
        let state = simulation.state();
        if n > 1 && simulation.has_turned(now) && state == before {
            break;
        }
        before = state;
    }
    simulation.outcome()
}

/// What stands for the recordings of a camera's day.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    camera: usize,
    share: usize,
    span: UtcRange,
    bytes: u64,
    /// Before some of it left.
    whole_bytes: u64,
}

impl Bucket {
    /// When the last of its recordings ended, as far as limits of age go: all but one ended before the day did.
    fn last_end(&self) -> UtcTime {
        self.span.to.plus_ms(-1)
    }
}

struct Simulation<'a> {
    ring: &'a Ring,
    now: UtcTime,
    /// Oldest first.
    buckets: Vec<Bucket>,
    locked_bytes: Vec<u64>,
    least_age_ms: HashMap<CameraId, i64>,
    outcomes: Vec<Outcome>,
    lost: Vec<bool>,
    full_on: Option<UtcTime>,
}

impl<'a> Simulation<'a> {
    fn begin(ring: &'a Ring, now: UtcTime, protected: bool) -> Self {
        let day = |day: i64| UtcTime::from_micros(day.saturating_mul(DAY_MS * 1_000));
        let mut buckets = Vec::new();
        let mut locked_bytes = Vec::new();
        for (camera, it) in ring.cameras.iter().enumerate() {
            let locked = |held: &Held| if protected { held.locked_bytes } else { 0 };
            locked_bytes.push(it.held.iter().map(locked).sum());
            buckets.extend(it.held.iter().filter_map(|held| {
                let bytes = held.bytes + held.locked_bytes - locked(held);
                let from = day(held.day).min(now);
                (bytes > 0).then_some(Bucket {
                    camera,
                    share: held.share,
                    span: UtcRange {
                        from,
                        to: day(held.day + 1).min(now).max(from),
                    },
                    bytes,
                    whole_bytes: bytes,
                })
            }));
        }
        buckets.sort_by_key(|bucket| (bucket.span.from, bucket.camera));
        Self {
            ring,
            now,
            buckets,
            locked_bytes,
            least_age_ms: ring
                .cameras
                .iter()
                .map(|camera| (camera.id, camera.rule.min_age_ms))
                .collect(),
            outcomes: vec![Outcome::default(); ring.cameras.len()],
            lost: vec![false; ring.cameras.len()],
            full_on: None,
        }
    }

    fn day_passes(&mut self) {
        let span = UtcRange {
            from: self.now,
            to: self.now.plus_ms(DAY_MS),
        };
        self.now = span.to;
        for (camera, it) in self.ring.cameras.iter().enumerate() {
            for (share, part) in self.ring.pool.shares.iter().enumerate() {
                let bytes = (it.bytes_per_day as f64 * part.part).round() as u64;
                if bytes > 0 {
                    self.buckets.push(Bucket {
                        camera,
                        share,
                        span,
                        bytes,
                        whole_bytes: bytes,
                    });
                }
            }
        }
    }

    fn evict(&mut self) {
        for camera in 0..self.ring.cameras.len() {
            self.by_camera(camera);
        }
        self.move_on();
        for share in 0..self.ring.pool.shares.len() {
            self.by_volume(share);
        }
        self.by_pressure();
        self.refuse();
    }

    fn by_camera(&mut self, camera: usize) {
        let rule = self.ring.cameras[camera].rule;
        if rule.max_age_ms.is_none() && rule.max_bytes.is_none() {
            return;
        }
        let held = self.bytes_of(camera) + self.locked_bytes[camera];
        let victims = choice::beyond_rule(
            &rule,
            held,
            self.now,
            &mut self.candidates(|bucket| bucket.camera == camera),
        );
        let freed: u64 = victims.iter().map(|n| self.buckets[*n].bytes).sum();
        // Of the last one only a part would have left, had it been for its bytes.
        let back = victims.last().map_or(0, |last| {
            let too_old = rule
                .max_age_ms
                .is_some_and(|max| self.now.ms_since(self.buckets[*last].last_end()) > max);
            match rule.max_bytes {
                Some(max) if !too_old => max.saturating_sub(held - freed),
                _ => 0,
            }
        });
        self.take(&victims, back);
    }

    /// Footage moves to colder tiers: by age, and where its volume has no room for it.
    fn move_on(&mut self) {
        let shares = &self.ring.pool.shares;
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|n| shares[*n].tier);
        for from in order {
            let Some(next) = shares
                .iter()
                .map(|share| share.tier)
                .filter(|tier| *tier > shares[from].tier)
                .min()
            else {
                continue;
            };
            let held = |buckets: &[Bucket], n: usize| -> u64 {
                let own = buckets.iter().filter(|bucket| bucket.share == n);
                own.map(|bucket| bucket.bytes).sum()
            };
            let mut over = held(&self.buckets, from).saturating_sub(shares[from].room_bytes);
            for n in 0..self.buckets.len() {
                let bucket = self.buckets[n];
                if bucket.share != from {
                    continue;
                }
                let age_ms = self.now.ms_since(bucket.last_end());
                if over == 0
                    && shares[from]
                        .move_after_ms
                        .is_none_or(|after| age_ms <= after)
                {
                    break;
                }
                let spare = |to: &usize| {
                    shares[*to]
                        .room_bytes
                        .saturating_sub(held(&self.buckets, *to))
                };
                let to = (0..shares.len())
                    .filter(|to| shares[*to].tier == next)
                    .max_by_key(spare);
                if let Some(to) = to {
                    over = over.saturating_sub(bucket.bytes);
                    self.buckets[n].share = to;
                }
            }
        }
    }

    fn by_volume(&mut self, share: usize) {
        let rule = Rule {
            max_age_ms: self.ring.pool.shares[share].max_age_ms,
            ..Rule::default()
        };
        if rule.max_age_ms.is_some() {
            let victims = choice::beyond_rule(
                &rule,
                0,
                self.now,
                &mut self.candidates(|bucket| bucket.share == share),
            );
            self.take(&victims, 0);
        }
    }

    fn by_pressure(&mut self) {
        let pool = &self.ring.pool;
        let held = self.held_bytes();
        // Eviction works in strokes and leaves room beyond the mark: what it surely keeps is what it keeps then.
        let room = Room {
            held_bytes: held,
            reserved_bytes: 0,
            written_bytes: 0,
            needed_bytes: 0,
            budget_bytes: Some(pool.room_bytes.saturating_sub(pool.slack_bytes)),
            free_bytes: pool.disk_bytes,
            floor_bytes: held,
            slack_bytes: 0,
        };
        let relief = choice::under_pressure(
            &room,
            self.now,
            |camera| self.least_age_ms.get(&camera).copied().unwrap_or(0),
            &mut self.candidates(|_| true),
        );
        for n in relief.victims.iter().chain(&relief.forced) {
            self.outcomes[self.buckets[*n].camera].by_room = true;
        }
        for n in &relief.forced {
            self.outcomes[self.buckets[*n].camera]
                .breaks_on
                .get_or_insert(self.now);
        }
        let wanted = if relief.forced.is_empty() {
            room.short_bytes()
        } else {
            held.saturating_sub(pool.disk_bytes)
        };
        let mut all = relief.victims;
        all.extend(relief.forced);
        self.take(&all, relief.freed_bytes.saturating_sub(wanted));
    }

    /// What still has no room is not fetched.
    fn refuse(&mut self) {
        let mut over = self.held_bytes().saturating_sub(self.ring.pool.room_bytes);
        if over == 0 {
            return;
        }
        self.full_on.get_or_insert(self.now);
        for bucket in self.buckets.iter_mut().rev() {
            let less = bucket.bytes.min(over);
            bucket.bytes -= less;
            bucket.whole_bytes -= less;
            over -= less;
            if over == 0 {
                break;
            }
        }
        self.buckets.retain(|bucket| bucket.bytes > 0);
    }

    fn candidates(
        &self,
        which: impl Fn(&Bucket) -> bool,
    ) -> impl Iterator<Item = Candidate<usize>> {
        self.buckets
            .iter()
            .enumerate()
            .filter(move |(_, bucket)| which(bucket))
            .map(|(n, bucket)| Candidate {
                id: n,
                camera: self.ring.cameras[bucket.camera].id,
                span: UtcRange {
                    from: bucket.span.from,
                    to: bucket.last_end(),
                },
                kept_bytes: bucket.bytes,
                locked: false,
            })
    }

    /// Victims leave, but for so many bytes of the last one.
    fn take(&mut self, victims: &[usize], back: u64) {
        let Some(last) = victims.last() else {
            return;
        };
        for n in victims {
            let left = if n == last {
                back.min(self.buckets[*n].bytes)
            } else {
                0
            };
            self.lost[self.buckets[*n].camera] |= left < self.buckets[*n].bytes;
            self.buckets[*n].bytes = left;
        }
        self.buckets.retain(|bucket| bucket.bytes > 0);
    }

    fn bytes_of(&self, camera: usize) -> u64 {
        let own = self.buckets.iter().filter(|b| b.camera == camera);
        own.map(|bucket| bucket.bytes).sum()
    }

    fn held_bytes(&self) -> u64 {
        let free: u64 = self.buckets.iter().map(|bucket| bucket.bytes).sum();
        free + self.locked_bytes.iter().sum::<u64>()
    }

    fn has_turned(&self, beginning: UtcTime) -> bool {
        self.buckets
            .iter()
            .all(|bucket| bucket.span.from >= beginning)
    }

    /// How the ring looks from today, whichever day it is.
    fn state(&self) -> Vec<(usize, usize, i64, u64)> {
        self.buckets
            .iter()
            .map(|b| (b.camera, b.share, self.now.ms_since(b.span.to), b.bytes))
            .collect()
    }

    fn outcome(mut self) -> Forecast {
        for (camera, outcome) in self.outcomes.iter_mut().enumerate() {
            let it = &self.ring.cameras[camera];
            if !self.lost[camera] || it.bytes_per_day == 0 {
                continue;
            }
            let days = |ms: i64| ms as f64 / DAY_MS as f64;
            let oldest = self.buckets.iter().find(|bucket| bucket.camera == camera);
            let held = oldest.map_or(0.0, |oldest| {
                let part = oldest.bytes as f64 / oldest.whole_bytes.max(1) as f64;
                days(self.now.ms_since(oldest.span.to)) + part * days(oldest.span.duration_ms())
            });
            // Recordings leave one by one when they are too old, not by the day.
            let volumes = self.ring.pool.shares.iter().map(|share| share.max_age_ms);
            let by_volume = volumes
                .collect::<Option<Vec<_>>>()
                .and_then(|all| all.into_iter().max());
            let limits = it.rule.max_age_ms.into_iter().chain(by_volume);
            outcome.days = Some(limits.map(days).fold(held, f64::min));
        }
        Forecast {
            cameras: self.outcomes,
            full_on: self.full_on,
        }
    }
}

#[cfg(test)]
mod tests;
