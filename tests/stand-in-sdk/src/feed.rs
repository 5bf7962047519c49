//! Footage in order: a reel played from some moment to another, looped as long as needed, muxed piece by piece.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{RecorderClock, to_wall_time};
use crate::ps::{self, Program};
use crate::reel::{AUDIO_BYTES_PER_S, AccessUnit, Reel, TICKS_PER_S};

/// The first timestamp of a stream is not 0, so that the clock may run ahead of it.
const FIRST_TICKS: u64 = TICKS_PER_S;
/// Sound in one packet: 40 ms.
const SOUND_BYTES: u64 = 320;

/// One thing to be muxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An access unit with its timestamps on the looped line.
    Video {
        /// Where it lies in the reel.
        unit: AccessUnit,
        /// Presentation time in ticks.
        pts: u64,
        /// Decoding time in ticks.
        dts: u64,
    },
    /// A stretch of sound.
    Sound {
        /// Where it lies in the reel's sound.
        offset: u64,
        /// How many bytes it has.
        bytes: usize,
        /// When it begins, in ticks.
        pts: u64,
    },
}

/// A reel looped without end and cut: from one access unit to a moment.
#[derive(Debug, Clone)]
pub struct Steps {
    reel: Arc<Reel>,
    unit: u64,
    sound: u64,
    end_ticks: u64,
}

impl Steps {
    /// From the beginning of the reel to `end_ticks`.
    pub fn whole(reel: Arc<Reel>, end_ticks: u64) -> Self {
        Self {
            reel,
            unit: 0,
            sound: 0,
            end_ticks,
        }
    }

    /// Whole GOPs from the one shown at `from_ticks` to the one shown at `to_ticks`, none reaching past `end_ticks`.
    pub fn between(reel: Arc<Reel>, from_ticks: u64, to_ticks: u64, end_ticks: u64) -> Self {
        let unit = key_at(&reel, from_ticks);
        let after = next_key(&reel, key_at(&reel, to_ticks));
        let cut = unit_dts(&reel, after).min(end_ticks);
        let sound = sound_at(&reel, unit_dts(&reel, unit));
        Self {
            reel,
            unit,
            sound,
            end_ticks: cut,
        }
    }

    /// From the GOP shown at `from_ticks`, without end.
    pub fn endless(reel: Arc<Reel>, from_ticks: u64) -> Self {
        let unit = key_at(&reel, from_ticks);
        let sound = sound_at(&reel, unit_dts(&reel, unit));
        Self {
            reel,
            unit,
            sound,
            end_ticks: u64::MAX,
        }
    }

    /// The reel that is played.
    pub fn reel(&self) -> &Arc<Reel> {
        &self.reel
    }

    /// What a demuxer finds in it.
    pub fn program(&self) -> Program {
        program(&self.reel)
    }

    /// When the first access unit is decoded, in ticks.
    pub fn start_dts(&self) -> u64 {
        unit_dts(&self.reel, self.unit)
    }

    /// How many bytes of program stream these steps make, without making them.
    pub fn bytes(&self) -> u64 {
        let last_unit = unit_at(&self.reel, self.end_ticks);
        let last_sound = sound_at(&self.reel, self.end_ticks);
        let video = video_bytes_before(&self.reel, last_unit)
            - video_bytes_before(&self.reel, self.unit.min(last_unit));
        let sound = sound_bytes_before(&self.reel, last_sound)
            - sound_bytes_before(&self.reel, self.sound.min(last_sound));
        video + sound
    }
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let dts = unit_dts(&self.reel, self.unit);
        let sound_ticks = (self.reel.audio_bytes > 0).then(|| sound_ticks(&self.reel, self.sound));
        if let Some(pts) =
            sound_ticks.filter(|pts| *pts < self.end_ticks && (*pts < dts || dts >= self.end_ticks))
        {
            let offset = self.sound % self.reel.audio_bytes;
            let bytes = SOUND_BYTES.min(self.reel.audio_bytes - offset);
            self.sound += bytes;
            return Some(Step::Sound {
                offset,
                bytes: bytes as usize,
                pts,
            });
        }
        if dts >= self.end_ticks {
            return None;
        }
        let unit = self.reel.units[(self.unit % units(&self.reel)) as usize];
        self.unit += 1;
        Some(Step::Video {
            unit,
            pts: dts - unit.dts + unit.pts,
            dts,
        })
    }
}

fn program(reel: &Reel) -> Program {
    let audio = reel.description.audio.filter(|_| reel.audio_bytes > 0);
    Program {
        video: reel.description.codec,
        audio,
    }
}

fn units(reel: &Reel) -> u64 {
    reel.units.len() as u64
}

fn unit_dts(reel: &Reel, unit: u64) -> u64 {
    unit / units(reel) * reel.description.duration_ticks
        + reel.units[(unit % units(reel)) as usize].dts
}

/// The first access unit decoded at or after `ticks`.
fn unit_at(reel: &Reel, ticks: u64) -> u64 {
    let rest = ticks % reel.description.duration_ticks;
    ticks / reel.description.duration_ticks * units(reel)
        + reel.units.partition_point(|unit| unit.dts < rest) as u64
}

/// The last key access unit shown at or before `ticks`.
fn key_at(reel: &Reel, ticks: u64) -> u64 {
    let rest = ticks % reel.description.duration_ticks;
    let shown = |unit: &AccessUnit| unit.pts.saturating_sub(reel.first_pts());
    let key = reel
        .units
        .iter()
        .rposition(|unit| unit.key && shown(unit) <= rest)
        .unwrap_or(0);
    ticks / reel.description.duration_ticks * units(reel) + key as u64
}

/// The key access unit after `unit`.
fn next_key(reel: &Reel, unit: u64) -> u64 {
    let within = (unit % units(reel)) as usize;
    let further = reel.units[within + 1..].iter().position(|unit| unit.key);
    unit - within as u64 + further.map_or(units(reel), |further| (within + 1 + further) as u64)
}

fn sound_ticks(reel: &Reel, sound: u64) -> u64 {
    let rest = sound % reel.audio_bytes;
    sound / reel.audio_bytes * reel.description.duration_ticks
        + rest * TICKS_PER_S / AUDIO_BYTES_PER_S
}

/// The first packet of sound that begins at or after `ticks`, as a place in the looped sound.
fn sound_at(reel: &Reel, ticks: u64) -> u64 {
    if reel.audio_bytes == 0 {
        return 0;
    }
    let rest = ticks % reel.description.duration_ticks;
    let packets = rest.div_ceil(SOUND_BYTES * TICKS_PER_S / AUDIO_BYTES_PER_S);
    ticks / reel.description.duration_ticks * reel.audio_bytes
        + (packets * SOUND_BYTES).min(reel.audio_bytes)
}

fn video_bytes_before(reel: &Reel, unit: u64) -> u64 {
    let sum = |units: &[AccessUnit]| -> u64 {
        units
            .iter()
            .map(|unit| {
                ps::video_bytes(
                    program(reel),
                    unit.size as usize,
                    unit.pts,
                    unit.dts,
                    unit.key,
                )
            })
            .sum()
    };
    let loops = unit / units(reel);
    let rest = sum(&reel.units[..(unit % units(reel)) as usize]);
    if loops == 0 {
        rest
    } else {
        loops * sum(&reel.units) + rest
    }
}

fn sound_bytes_before(reel: &Reel, sound: u64) -> u64 {
    if reel.audio_bytes == 0 {
        return 0;
    }
    let sum = |bytes: u64| -> u64 {
        let part = bytes % SOUND_BYTES;
        bytes / SOUND_BYTES * ps::audio_bytes(SOUND_BYTES as usize)
            + if part > 0 {
                ps::audio_bytes(part as usize)
            } else {
                0
            }
    };
    sound / reel.audio_bytes * sum(reel.audio_bytes) + sum(sound % reel.audio_bytes)
}

/// Steps with their place in time.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// What is muxed.
    pub steps: Steps,
    /// The true time at which the reel's first picture was taken.
    pub start: Timestamp,
    /// What is added to every timestamp.
    pub shift_ticks: i64,
}

impl Stretch {
    /// A recording from its own beginning keeps its timestamps whatever part of it is asked for.
    pub fn of_recording(steps: Steps, start: Timestamp) -> Self {
        Self {
            steps,
            start,
            shift_ticks: FIRST_TICKS as i64,
        }
    }

    /// A live stream begins with the first timestamp wherever the reel is.
    pub fn of_live(steps: Steps, start: Timestamp) -> Self {
        let shift_ticks = FIRST_TICKS as i64 - steps.start_dts() as i64;
        Self {
            steps,
            start,
            shift_ticks,
        }
    }

    /// The true time that belongs to `ticks` of the looped reel.
    pub fn utc(&self, ticks: u64) -> Timestamp {
        let shown = ticks.saturating_sub(self.steps.reel().first_pts());
        self.start + SignedDuration::from_micros((shown * 100 / 9) as i64)
    }
}

/// Stretches muxed into one program stream.
#[derive(Debug)]
pub struct Feed {
    stretches: VecDeque<Stretch>,
    clock: RecorderClock,
    unit: Vec<u8>,
}

impl Feed {
    /// A live stream: the reel looped since the beginning of 1970, from the GOP of now on, so that whoever watches
    /// sees the same, and a clock in the picture of a reel of one minute shows the second of now.
    pub fn live(reel: Arc<Reel>, clock: RecorderClock) -> Self {
        let now = Timestamp::now().as_microsecond().max(0) as u64 * 9 / 100;
        Self::new(
            vec![Stretch::of_live(
                Steps::endless(reel, now),
                Timestamp::UNIX_EPOCH,
            )],
            clock,
        )
    }

    /// Plays `stretches` one after the other; there is at least one.
    pub fn new(stretches: Vec<Stretch>, clock: RecorderClock) -> Self {
        Self {
            stretches: stretches.into(),
            clock,
            unit: Vec::new(),
        }
    }

    /// The header in front of the stream.
    pub fn header(&self) -> [u8; ps::HEADER_BYTES] {
        ps::media_header(self.stretches[0].steps.program())
    }

    /// Length of the whole stream that is still to come, without header.
    pub fn bytes(&self) -> u64 {
        self.stretches
            .iter()
            .map(|stretch| stretch.steps.bytes())
            .sum()
    }

    /// Appends the next piece to `out` and says when it belongs, in true time; nothing at the end.
    pub fn next_piece(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Timestamp>> {
        while let Some(stretch) = self.stretches.front_mut() {
            if let Some(step) = stretch.steps.next() {
                return mux(stretch, &self.clock, step, &mut self.unit, out).map(Some);
            }
            if self.stretches.len() == 1 {
                return Ok(None); // the last one stays: it still knows the header
            }
            self.stretches.pop_front();
        }
        Ok(None)
    }
}

fn mux(
    stretch: &Stretch,
    clock: &RecorderClock,
    step: Step,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> io::Result<Timestamp> {
    let shift = |ticks: u64| ticks.wrapping_add_signed(stretch.shift_ticks);
    let reel = stretch.steps.reel();
    match step {
        Step::Video { unit, pts, dts } => {
            reel.read_video(&unit, scratch)?;
            let utc = stretch.utc(pts);
            let wall = unit.key.then(|| to_wall_time(clock.wall(utc)));
            ps::video(
                out,
                stretch.steps.program(),
                scratch,
                shift(pts),
                shift(dts),
                wall,
            );
            Ok(utc)
        }
        Step::Sound { offset, bytes, pts } => {
            reel.read_audio(offset, bytes, scratch)?;
            // Sound is shown with the picture of the same reel time, which B-frames delay.
            let pts = pts + reel.first_pts();
            ps::audio(out, scratch, shift(pts));
            Ok(stretch.utc(pts))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reel::{self, AudioCodec, Description, VideoCodec};

    /// Twenty pictures of 40 ms in two GOPs, shown one picture later than decoded, with sound.
    fn reel(folder: &std::path::Path, audio: Option<AudioCodec>) -> Arc<Reel> {
        let mut video = Vec::new();
        let mut units = Vec::new();
        for n in 0..20_u64 {
            let size = 40 + (n * 977 % 12_000) as u32;
            let key = n % 10 == 0;
            // every third picture is shown at once, so that some need no DTS
            let pts = n * 3_600 + if n % 3 == 2 { 0 } else { 3_600 };
            units.push(AccessUnit {
                offset: video.len() as u64,
                size,
                key,
                pts,
                dts: n * 3_600,
            });
            video.extend(std::iter::repeat_n(n as u8, size as usize));
        }
        let description = Description {
            codec: VideoCodec::H264,
            width: 16,
            height: 16,
            frames_per_s: 25.0,
            duration_ticks: 72_000,
            audio,
        };
        reel::write(folder, &description, &units, &video, &[0xD5; 6_400]).unwrap();
        Arc::new(Reel::open(folder).unwrap())
    }

    fn all(steps: Steps) -> Vec<u8> {
        let clock = RecorderClock::new("Z", 0).unwrap();
        let mut feed = Feed::new(
            vec![Stretch::of_recording(
                steps,
                "2026-11-21T00:00:00Z".parse().unwrap(),
            )],
            clock,
        );
        let told = feed.bytes();
        let mut out = Vec::new();
        while feed.next_piece(&mut out).unwrap().is_some() {}
        assert_eq!(out.len() as u64, told);
        out
    }

    #[test]
    fn sizes_are_told_exactly() {
        let folder = tempfile::tempdir().unwrap();
        for audio in [None, Some(AudioCodec::G711a)] {
            let reel = reel(folder.path(), audio);
            for end in [1, 3_600, 36_000, 71_999, 72_000, 72_001, 200_000, 720_000] {
                all(Steps::whole(reel.clone(), end));
            }
            for (from, to) in [
                (0, 0),
                (0, 36_000),
                (40_000, 100_000),
                (71_999, 72_000),
                (500_000, 500_000),
            ] {
                all(Steps::between(reel.clone(), from, to, 600_000));
            }
        }
    }

    #[test]
    fn timestamps_go_on_where_the_reel_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        let reel = reel(folder.path(), Some(AudioCodec::G711u));
        let steps: Vec<Step> = Steps::whole(reel, 180_000).collect();
        let dts: Vec<u64> = steps
            .iter()
            .filter_map(|step| {
                if let Step::Video { dts, .. } = step {
                    Some(*dts)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(dts, (0..50).map(|n| n * 3_600).collect::<Vec<_>>());
        let sound: Vec<u64> = steps
            .iter()
            .filter_map(|step| {
                if let Step::Sound { pts, .. } = step {
                    Some(*pts)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(sound, (0..50).map(|n| n * 3_600).collect::<Vec<_>>());
    }

    #[test]
    fn parts_begin_and_end_with_whole_gops() {
        let folder = tempfile::tempdir().unwrap();
        let reel = reel(folder.path(), None);
        let first_and_last = |from, to| {
            let dts: Vec<u64> = Steps::between(reel.clone(), from, to, 1_000_000)
                .map(|step| {
                    if let Step::Video { dts, .. } = step {
                        dts
                    } else {
                        unreachable!("no sound")
                    }
                })
                .collect();
            (dts[0], dts[dts.len() - 1])
        };
        assert_eq!(first_and_last(0, 0), (0, 32_400));
        assert_eq!(first_and_last(35_999, 36_000), (0, 68_400));
        assert_eq!(first_and_last(36_000, 36_000), (36_000, 68_400));
        assert_eq!(first_and_last(80_000, 80_000), (72_000, 104_400));
    }

    #[test]
    fn a_part_is_cut_out_of_the_whole_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let reel = reel(folder.path(), Some(AudioCodec::G711a));
        let whole = all(Steps::whole(reel.clone(), 180_000));
        let part = all(Steps::between(reel, 36_000, 100_000, 180_000));
        assert!(whole.windows(part.len()).any(|window| window == part));
    }
}
