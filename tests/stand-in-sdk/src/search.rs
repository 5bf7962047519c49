//! Which recordings a recorder has in a window, told as recorders do: in wall time, whole seconds, up to now.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use crate::chaos;
use crate::clock::RecorderClock;
use crate::codes::{error, find};
use crate::faults::{self, Armed};
use crate::feed::Steps;
use crate::reel::{Reel, TICKS_PER_S};
use crate::scenario::{FaultKind, Recording, Scope};
use crate::world::{DeviceRef, world};

/// A moment as the caller gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// What the recorder's clock shows.
    Wall(DateTime),
    /// The recorder's idea of UTC, given with a difference by the V50 family.
    Utc(Timestamp),
}

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Channel number.
    pub channel: u32,
    /// First moment.
    pub from: Moment,
    /// Last moment, inclusive.
    pub to: Moment,
    /// The vendor's record type; 0xff all.
    pub file_type: u32,
    /// 0 unlocked, 1 locked, 0xff all.
    pub locked: u32,
    /// Stream 0 main, 1 sub, 2 third; none: all.
    pub stream: Option<u8>,
}

/// One result.
#[derive(Debug, Clone)]
pub struct Found {
    /// Name of the file on the recorder.
    pub name: String,
    /// First second, wall time.
    pub start: DateTime,
    /// Last second, wall time.
    pub stop: DateTime,
    /// Difference of the zone to UTC at both ends, in minutes; only from recorders that tell it.
    pub offsets: Option<(i32, i32)>,
    /// Size as the recorder states it.
    pub stated_bytes: u64,
    /// Whether it is protected.
    pub locked: bool,
    /// The vendor's record type.
    pub file_type: u8,
    /// 0 main, 1 sub, 2 third stream.
    pub stream: u8,
    /// Running number in the search.
    pub index: u32,
}

/// What `FindNextFile` says next.
#[derive(Debug)]
pub enum Answer {
    /// A state without a record.
    State(i32),
    /// A record.
    Record(Box<Found>),
}

/// Results of a search that repeats itself: more than anybody has patience for.
const TOLD_AGAIN: usize = 50_000;

/// A search that is being read.
#[derive(Debug)]
pub struct Search {
    found: std::vec::IntoIter<Found>,
    told: bool,
    pending: u32,
    fault: Option<Armed>,
    /// What the call for the next answer meets.
    faults: Vec<Armed>,
}

impl Search {
    /// Looks once; what is recorded later is not found.
    pub fn new(device: &DeviceRef, query: &Query, faults: Vec<Armed>) -> Result<Self, u32> {
        let found = look(device, query)?;
        let fault = faults
            .iter()
            .find(|fault| {
                matches!(
                    fault.kind(),
                    FaultKind::Exception | FaultKind::Endless | FaultKind::Repeat
                )
            })
            .cloned();
        Ok(Self {
            found: found.into_iter(),
            told: false,
            pending: device.find_pending,
            fault,
            faults,
        })
    }

    /// The next answer.
    pub fn next_answer(&mut self) -> Result<Answer, u32> {
        faults::meet(&self.faults, Scope::Next)?;
        Ok(self.answer())
    }

    fn answer(&mut self) -> Answer {
        if let Some(fault) = self.fault.take_if(|fault| self.told || fault.fire()) {
            self.told = true;
            if fault.kind() == FaultKind::Repeat {
                let all: Vec<Found> = self.found.by_ref().collect();
                let again: Vec<Found> = all.iter().cloned().cycle().take(TOLD_AGAIN).collect();
                self.found = again.into_iter();
                return self.answer();
            }
            let state = match fault.kind() {
                FaultKind::Endless => find::ISFINDING,
                _ => find::FILE_EXCEPTION,
            };
            self.fault = Some(fault); // a broken search stays broken
            return Answer::State(state);
        }
        if self.pending > 0 {
            self.pending -= 1;
            return Answer::State(find::ISFINDING);
        }
        match self.found.next() {
            Some(found) => {
                self.told = true;
                Answer::Record(Box::new(found))
            }
            None if self.told => Answer::State(find::NOMOREFILE),
            None => {
                self.told = true;
                Answer::State(find::FILE_NOFIND)
            }
        }
    }
}

fn look(device: &DeviceRef, query: &Query) -> Result<Vec<Found>, u32> {
    if !device.has_channel(query.channel) {
        return Err(error::CHANNEL_ERROR);
    }
    let now = Timestamp::now();
    let recordings = device
        .channel(query.channel)
        .map(|channel| channel.recordings.as_slice())
        .unwrap_or_default();
    let mut held: Vec<Held> = recordings
        .iter()
        .filter(|recording| query.wants(recording))
        .filter_map(|recording| Held::new(recording, now))
        .filter(|held| query.overlaps(held, &device.clock_at(held.start)))
        .collect();
    held.sort_by_key(|held| held.start);
    held.truncate(find::MAX_RECORDS);
    Ok((0..)
        .zip(held)
        .map(|(index, held)| found(device, &device.clock_at(held.start), index, &held))
        .collect())
}

fn found(device: &DeviceRef, clock: &RecorderClock, index: u32, held: &Held) -> Found {
    let offsets = (
        clock.offset_minutes(held.start),
        clock.offset_minutes(held.stop()),
    );
    Found {
        name: held.recording.name.clone(),
        start: clock.wall(held.start),
        stop: clock.wall(held.stop()),
        offsets: device.v50_offsets.then_some(offsets),
        stated_bytes: held
            .whole()
            .bytes()
            .saturating_add_signed(device.stated_size_delta + wrong_by(device, held)),
        locked: held.recording.locked,
        file_type: held.recording.file_type,
        stream: held.recording.stream,
        index,
    }
}

/// By how much the size of a recording is told wrong. It is told alike however often it is asked for.
fn wrong_by(device: &DeviceRef, held: &Held) -> i64 {
    let name = held.recording.name.as_str();
    let explicit = device
        .faults
        .iter()
        .filter(|fault| fault.name.as_deref() == Some(name));
    let by_chance = device
        .chaos
        .as_ref()
        .map(|chaos| chaos::faults(chaos, name));
    explicit
        .cloned()
        .chain(by_chance.into_iter().flatten())
        .filter(|fault| fault.kind == FaultKind::WrongSize)
        .map(|fault| {
            faults::note_once(device, &fault);
            fault.bytes as i64
        })
        .sum()
}

impl Query {
    fn wants(&self, recording: &Recording) -> bool {
        (self.file_type == 0xff || self.file_type == u32::from(recording.file_type))
            && (self.locked == 0xff || self.locked == u32::from(recording.locked))
            && self.stream.is_none_or(|stream| stream == recording.stream)
    }

    fn overlaps(&self, held: &Held, clock: &RecorderClock) -> bool {
        !is_before(held.stop(), self.from, clock) && !is_after(held.start, self.to, clock)
    }
}

fn is_before(utc: Timestamp, moment: Moment, clock: &RecorderClock) -> bool {
    match moment {
        Moment::Wall(wall) => clock.wall(utc) < wall,
        Moment::Utc(told) => clock.told_utc(utc) < told,
    }
}

fn is_after(utc: Timestamp, moment: Moment, clock: &RecorderClock) -> bool {
    match moment {
        Moment::Wall(wall) => clock.wall(utc) > wall,
        Moment::Utc(told) => clock.told_utc(utc) > told,
    }
}

/// A recording as far as it exists now.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its entry in the scenario.
    pub recording: Recording,
    /// Its reel.
    pub reel: Arc<Reel>,
    /// True time of its first picture.
    pub start: Timestamp,
    /// Its length so far, in ticks.
    pub ticks: u64,
}

impl Held {
    /// Nothing before it begins, and nothing for a reel that cannot be read, which is said on standard error.
    pub fn new(recording: &Recording, now: Timestamp) -> Option<Self> {
        let reel = match world().reel(&recording.media) {
            Ok(reel) => reel,
            Err(error) => {
                eprintln!("stand-in SDK: recording {}: {error:#}", recording.name);
                return None;
            }
        };
        let whole = recording
            .duration_s
            .map_or(reel.description.duration_ticks, |seconds| {
                seconds * TICKS_PER_S
            });
        let so_far = u64::try_from(now.duration_since(recording.start).as_micros()).ok()? * 9 / 100;
        Some(Self {
            recording: recording.clone(),
            reel,
            start: recording.start,
            ticks: whole.min(so_far),
        })
    }

    /// True time of its end so far.
    pub fn stop(&self) -> Timestamp {
        self.start + SignedDuration::from_micros((self.ticks * 100 / 9) as i64)
    }

    /// All of it.
    pub fn whole(&self) -> Steps {
        Steps::whole(self.reel.clone(), self.ticks)
    }

    /// The whole GOPs that show `from` to `to`.
    pub fn part(&self, from: Timestamp, to: Timestamp) -> Steps {
        let ticks = |utc: Timestamp| {
            let into = utc.duration_since(self.start).as_micros().max(0) as u64 * 9 / 100;
            into.min(self.ticks.saturating_sub(1))
        };
        if from <= self.start && to >= self.stop() {
            return self.whole();
        }
        Steps::between(self.reel.clone(), ticks(from), ticks(to), self.ticks)
    }
}
