//! Footage for tests: program stream parts as a recorder gives them, muxed by the stand-in from rendered reels.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hcnetsdk::ps::{self, Program, WallTime};
use hcnetsdk::reel::{AccessUnit, Reel};
use tests::footage::{AudioCodec, ReelSpec, Shown, VideoCodec, reel};

/// Which footage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// H.264 with B-frames and A-law sound.
    Yard,
    /// H.265 without sound.
    Gate,
}

fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-footage"))
}

/// The folder of a reel as cameras send live: ten seconds of H.264 without B-frames, with A-law sound.
pub fn live() -> PathBuf {
    let start = "2026-11-03T14:05:00Z".parse().expect("a timestamp");
    let spec = ReelSpec {
        width: 320,
        height: 180,
        audio: Some(AudioCodec::G711a),
        b_frames: false,
        ..ReelSpec::new("sample-live", Shown::Utc(start))
    };
    reel(cache(), &spec).expect("FFmpeg renders the sample")
}

/// Ten seconds, a key picture every two, rendered once and shared by all tests.
pub fn open(kind: Kind) -> Reel {
    let start = "2026-11-03T14:05:00Z".parse().expect("a timestamp");
    let base = ReelSpec {
        width: 320,
        height: 180,
        ..ReelSpec::new("sample-yard", Shown::Utc(start))
    };
    let spec = match kind {
        Kind::Yard => ReelSpec {
            audio: Some(AudioCodec::G711a),
            b_frames: true,
            ..base
        },
        Kind::Gate => ReelSpec {
            name: "sample-gate".to_owned(),
            video: VideoCodec::H265,
            ..base
        },
    };
    let folder = reel(cache(), &spec).expect("FFmpeg renders the sample");
    Reel::open(&folder).expect("a reel that was just rendered can be read")
}

/// A part that begins at group `from` and ends before group `to`.
pub fn part(reel: &Reel, from: usize, to: usize) -> Vec<u8> {
    let keys: Vec<usize> = (0..reel.units.len())
        .filter(|n| reel.units[*n].key)
        .collect();
    let first = keys[from];
    let end = keys.get(to).copied().unwrap_or(reel.units.len());
    mux(reel, first, end)
}

/// The number of groups.
pub fn groups(reel: &Reel) -> usize {
    reel.units.iter().filter(|unit| unit.key).count()
}

fn mux(reel: &Reel, first: usize, end: usize) -> Vec<u8> {
    let program = Program {
        video: reel.description.codec,
        audio: reel.description.audio,
    };
    let mut out = ps::media_header(program).to_vec();
    let mut unit_bytes = Vec::new();
    for unit in &reel.units[first..end] {
        reel.read_video(unit, &mut unit_bytes)
            .expect("the reel is whole");
        let wall = unit.key.then(|| wall(unit));
        ps::video(
            &mut out,
            program,
            &unit_bytes,
            unit.pts + 90_000,
            unit.dts + 90_000,
            wall,
        );
        if program.audio.is_some() {
            sound(reel, unit, &mut out);
        }
    }
    out
}

/// The sound that belongs to one picture: 40 ms at 25 pictures a second.
fn sound(reel: &Reel, unit: &AccessUnit, out: &mut Vec<u8>) {
    let (offset, bytes) = (unit.dts * 8 / 90, 320);
    if offset + bytes <= reel.audio_bytes {
        let mut samples = Vec::new();
        reel.read_audio(offset, bytes as usize, &mut samples)
            .expect("the reel is whole");
        ps::audio(out, &samples, unit.dts + 90_000 + reel.first_pts());
    }
}

fn wall(unit: &AccessUnit) -> WallTime {
    let ms = unit.pts / 90;
    WallTime {
        year: 2026,
        month: 11,
        day: 3,
        hour: 15,
        minute: 5,
        second: (ms / 1_000) as u8,
        millisecond: (ms % 1_000) as u16,
    }
}
