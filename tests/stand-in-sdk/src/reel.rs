//! A reel: footage as elementary streams with an index, from which recordings and live streams are made.
//!
//! A folder `<name>.reel/` with `reel.toml` (what it is), `video.es` (access units, Annex B), `video.csv` (where each
//! access unit lies: `offset,size,key,pts,dts` in 90 kHz ticks) and, with sound, `audio.g711` (8 kHz mono, one byte a
//! sample, exactly as long as the video). The first access unit is a key one and has DTS 0.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Ticks of a second in MPEG timestamps.
pub const TICKS_PER_S: u64 = 90_000;
/// Samples, and so bytes, of a second of G.711.
pub const AUDIO_BYTES_PER_S: u64 = 8_000;

/// How the pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264, Annex B.
    H264,
    /// H.265, Annex B.
    H265,
}

/// How the sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// G.711 A-law.
    G711a,
    /// G.711 µ-law.
    G711u,
}

/// `reel.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Codec of `video.es`.
    pub codec: VideoCodec,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Mean frames per second, for people.
    pub frames_per_s: f64,
    /// Length in 90 kHz ticks: what is added to every timestamp when the reel starts over.
    pub duration_ticks: u64,
    /// Codec of `audio.g711`; absent without sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioCodec>,
}

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessUnit {
    /// Where it begins in `video.es`.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u32,
    /// Whether decoding can begin here.
    pub key: bool,
    /// When it is shown, in ticks.
    pub pts: u64,
    /// When it is decoded, in ticks.
    pub dts: u64,
}

/// A reel opened for reading.
#[derive(Debug)]
pub struct Reel {
    /// What it is.
    pub description: Description,
    /// Its access units in decoding order.
    pub units: Vec<AccessUnit>,
    /// Length of the sound in bytes; 0 without.
    pub audio_bytes: u64,
    video: File,
    audio: Option<File>,
}

impl Reel {
    /// Opens the reel in `folder` and checks that its parts agree.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::read(folder).with_context(|| format!("reel {}", folder.display()))
    }

    fn read(folder: &Path) -> Result<Self> {
        let description: Description =
            toml::from_str(&std::fs::read_to_string(folder.join("reel.toml"))?)?;
        let units = std::fs::read_to_string(folder.join("video.csv"))?
            .lines()
            .skip(1)
            .map(|line| parse_unit(line).with_context(|| format!("video.csv: {line:?}")))
            .collect::<Result<Vec<_>>>()?;
        let video = File::open(folder.join("video.es"))?;
        let end = units
            .last()
            .map_or(0, |unit| unit.offset + u64::from(unit.size));
        ensure!(
            video.metadata()?.len() == end,
            "video.es does not end where its index does"
        );
        check_order(&units, description.duration_ticks)?;
        let audio = match description.audio {
            Some(_) => Some(File::open(folder.join("audio.g711"))?),
            None => None,
        };
        let audio_bytes = audio
            .as_ref()
            .map_or(Ok(0), |file| file.metadata().map(|data| data.len()))?;
        Ok(Self {
            description,
            units,
            audio_bytes,
            video,
            audio,
        })
    }

    /// Puts the bytes of `unit` into `out`, replacing what it held.
    pub fn read_video(&self, unit: &AccessUnit, out: &mut Vec<u8>) -> std::io::Result<()> {
        out.resize(unit.size as usize, 0);
        self.video.read_exact_at(out, unit.offset)
    }

    /// Puts `bytes` of sound from `offset` into `out`, replacing what it held.
    pub fn read_audio(&self, offset: u64, bytes: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        out.resize(bytes, 0);
        match &self.audio {
            Some(file) => file.read_exact_at(out, offset),
            None => Ok(()),
        }
    }

    /// When the first picture is shown, in ticks: more than 0 with B-frames.
    pub fn first_pts(&self) -> u64 {
        self.units[0].pts
    }
}

fn parse_unit(line: &str) -> Result<AccessUnit> {
    let cells: Vec<&str> = line.split(',').collect();
    let [offset, size, key, pts, dts] = cells[..] else {
        anyhow::bail!("five cells are expected")
    };
    Ok(AccessUnit {
        offset: offset.parse()?,
        size: size.parse()?,
        key: key == "1",
        pts: pts.parse()?,
        dts: dts.parse()?,
    })
}

fn check_order(units: &[AccessUnit], duration_ticks: u64) -> Result<()> {
    let (Some(first), Some(last)) = (units.first(), units.last()) else {
        anyhow::bail!("the reel is empty")
    };
    ensure!(
        first.key && first.dts == 0,
        "the first access unit must be a key one at DTS 0"
    );
    ensure!(units.is_sorted_by(|a, b| a.dts < b.dts), "DTS must rise");
    ensure!(
        units.iter().all(|unit| unit.pts >= unit.dts),
        "PTS must not be before DTS"
    );
    ensure!(
        last.dts < duration_ticks,
        "the reel is shorter than its last access unit"
    );
    Ok(())
}

/// Writes a reel into `folder`, which must exist; `units` say where each access unit lies in `video`.
pub fn write(
    folder: &Path,
    description: &Description,
    units: &[AccessUnit],
    video: &[u8],
    audio: &[u8],
) -> Result<()> {
    std::fs::write(folder.join("video.es"), video)?;
    if description.audio.is_some() {
        std::fs::write(folder.join("audio.g711"), audio)?;
    }
    describe(folder, description, units)
}

/// Makes a reel of a folder that holds `video.es` and, with sound, `audio.g711`.
pub fn describe(folder: &Path, description: &Description, units: &[AccessUnit]) -> Result<()> {
    check_order(units, description.duration_ticks)?;
    let mut index = BufWriter::new(File::create(folder.join("video.csv"))?);
    writeln!(index, "offset,size,key,pts,dts")?;
    for unit in units {
        writeln!(
            index,
            "{},{},{},{},{}",
            unit.offset,
            unit.size,
            u8::from(unit.key),
            unit.pts,
            unit.dts
        )?;
    }
    index.flush()?;
    std::fs::write(folder.join("reel.toml"), toml::to_string(description)?)?;
    Ok(())
}
