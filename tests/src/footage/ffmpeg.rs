//! FFmpeg as test tooling: run it, and turn what it wrote into a reel.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use hcnetsdk::reel::{
    self, AUDIO_BYTES_PER_S, AccessUnit, AudioCodec, Description, TICKS_PER_S, VideoCodec,
};
use serde::Deserialize;

use super::annexb;

/// What ffprobe tells of one stream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Stream {
    /// `video`, `audio`, ...
    pub codec_type: String,
    /// Name of the codec.
    pub codec_name: String,
    /// Width in pixels, 0 for sound.
    pub width: u32,
    /// Height in pixels, 0 for sound.
    pub height: u32,
}

#[derive(Debug, Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<Stream>,
}

/// Runs a tool of FFmpeg in `folder` and gives its standard output; its complaint is the error.
pub fn run(tool: &str, folder: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(tool)
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{tool} cannot be started"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        // "[mov @ 0x55...] what is wrong": which module at which address said so helps nobody
        let words = complaint
            .lines()
            .map(|line| line.rsplit_once("] ").map_or(line, |(_, words)| words));
        bail!(
            "{tool} failed: {}",
            words.take(3).collect::<Vec<_>>().join("; ")
        );
    }
    Ok(output.stdout)
}

/// The streams in a file.
pub fn probe(file: &Path) -> Result<Vec<Stream>> {
    let name = utf8(file)?;
    let told = run(
        "ffprobe",
        Path::new("."),
        &["-v", "error", "-show_streams", "-of", "json", name],
    )?;
    Ok(serde_json::from_slice::<Probe>(&told)?.streams)
}

/// Paths go to FFmpeg as text.
pub fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Turns the H.264 or H.265 video of `source` into a reel in `folder`, bit for bit, and its sound into G.711.
pub fn reel_from(
    source: &Path,
    codec: VideoCodec,
    audio: Option<AudioCodec>,
    folder: &Path,
) -> Result<()> {
    let source_name = utf8(source)?;
    let (filter, format) = match codec {
        VideoCodec::H264 => ("h264_mp4toannexb", "h264"),
        VideoCodec::H265 => ("hevc_mp4toannexb", "hevc"),
    };
    let stream = ["-map", "0:V:0", "-c", "copy", "-bsf:v", filter];
    let mut arguments = vec![
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-fflags",
        "+genpts",
        "-i",
        source_name,
    ];
    arguments.extend(stream);
    arguments.extend(["-f", format, "raw.es"]);
    arguments.extend(stream);
    arguments.extend(["-f", "framecrc", "raw.txt"]);
    run("ffmpeg", folder, &arguments)?;
    let (raw, index) = (folder.join("raw.es"), folder.join("raw.txt"));
    let (units, duration_ticks) = {
        let mut from = BufReader::new(File::open(&raw)?);
        let mut to = BufWriter::new(File::create(folder.join("video.es"))?);
        let cut = access_units(&fs::read_to_string(&index)?, &mut from, &mut to, codec)
            .context("access units")?;
        to.flush()?;
        cut
    };
    fs::remove_file(raw)?;
    fs::remove_file(index)?;
    if let Some(audio) = audio {
        fs::write(
            folder.join("audio.g711"),
            sound(source_name, audio, duration_ticks, folder)?,
        )?;
    }
    let picture = probe(source)?
        .into_iter()
        .find(|stream| stream.codec_type == "video")
        .unwrap_or_default();
    let description = Description {
        codec,
        width: picture.width,
        height: picture.height,
        frames_per_s: (units.len() as u64 * TICKS_PER_S * 1000 / duration_ticks) as f64 / 1000.0,
        duration_ticks,
        audio,
    };
    reel::describe(folder, &description, &units)
}

/// Copies the raw stream by the list of packets that FFmpeg wrote beside it. What comes before the first key picture is
/// left out, and key pictures get their parameter sets, so that decoding can begin at each of them.
fn access_units(
    index: &str,
    from: &mut (impl Read + Seek),
    to: &mut impl Write,
    codec: VideoCodec,
) -> Result<(Vec<AccessUnit>, u64)> {
    let (numerator, denominator, packets) = listed(index)?;
    let told: u64 = packets.iter().map(|packet| packet.size as u64).sum();
    let length = from.seek(SeekFrom::End(0))?;
    ensure!(
        told == length,
        "the list of packets is {told} bytes long, the stream {length}"
    );
    let first = packets
        .iter()
        .position(|packet| packet.key)
        .context("there is no key picture")?;
    let (before, packets) = packets.split_at(first);
    from.seek(SeekFrom::Start(
        before.iter().map(|packet| packet.size as u64).sum(),
    ))?;
    let ticks = |time: i64| {
        i128::from(time - packets[0].dts) * 90_000 * i128::from(numerator) / i128::from(denominator)
    };
    let mut sets = annexb::ParameterSets::default();
    let mut units = Vec::with_capacity(packets.len());
    let (mut offset, mut bytes) = (0_u64, Vec::new());
    for packet in packets {
        bytes.resize(packet.size, 0);
        from.read_exact(&mut bytes)?;
        let mut size = packet.size;
        if !sets.seen_in(&bytes, codec) && packet.key {
            ensure!(
                !sets.is_empty(),
                "the first key picture comes without parameter sets"
            );
            to.write_all(sets.bytes())?;
            size += sets.bytes().len();
        }
        to.write_all(&bytes)?;
        units.push(AccessUnit {
            offset,
            size: u32::try_from(size)?,
            key: packet.key,
            pts: u64::try_from(ticks(packet.pts)).context("a picture is shown before the first")?,
            dts: u64::try_from(ticks(packet.dts)).context("decoding times fall")?,
        });
        offset += size as u64;
    }
    let last = packets[packets.len() - 1];
    let mean = (last.dts - packets[0].dts) / (packets.len() as i64 - 1).max(1);
    let step = if last.duration > 0 {
        last.duration
    } else {
        mean.max(1)
    };
    let duration_ticks = u64::try_from(ticks(last.dts + step))?.max(units[units.len() - 1].dts + 1);
    Ok((units, duration_ticks))
}

/// The time base and the packets of a list.
fn listed(index: &str) -> Result<(i64, i64, Vec<Packet>)> {
    let (mut numerator, mut denominator) = (1, 1);
    let mut packets = Vec::new();
    for line in index.lines() {
        if let Some(base) = line.strip_prefix("#tb 0: ") {
            let (over, under) = base.split_once('/').context("time base")?;
            (numerator, denominator) = (over.trim().parse()?, under.trim().parse()?);
        } else if !line.starts_with('#') && !line.is_empty() {
            packets.push(Packet::parse(line).with_context(|| line.to_string())?);
        }
    }
    Ok((numerator, denominator, packets))
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    size: usize,
    key: bool,
    pts: i64,
    dts: i64,
    duration: i64,
}

impl Packet {
    /// `stream, dts, pts, duration, size, checksum[, F=flags][, ...]`; flags are left out for a plain key picture.
    fn parse(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        ensure!(cells.len() >= 6, "six cells are expected");
        let flags = cells.iter().find_map(|cell| cell.strip_prefix("F=0x"));
        let key = flags.map_or(Ok(true), |flags| {
            u32::from_str_radix(flags, 16).map(|flags| flags & 1 == 1)
        })?;
        Ok(Self {
            size: cells[4].parse()?,
            key,
            pts: cells[2].parse().context("a picture without time")?,
            dts: cells[1].parse().context("a picture without time")?,
            duration: cells[3].parse().unwrap_or(0),
        })
    }
}

/// The sound as G.711, exactly as long as the video, silence where it has none.
fn sound(source: &str, audio: AudioCodec, duration_ticks: u64, folder: &Path) -> Result<Vec<u8>> {
    let (codec, format, silence) = match audio {
        AudioCodec::G711a => ("pcm_alaw", "alaw", 0xD5),
        AudioCodec::G711u => ("pcm_mulaw", "mulaw", 0xFF),
    };
    let resample = "aresample=8000:async=1:first_pts=0";
    let mut sound = run(
        "ffmpeg",
        folder,
        &[
            "-v", "error", "-nostdin", "-i", source, "-map", "0:a:0", "-af", resample, "-ac", "1",
            "-ar", "8000", "-c:a", codec, "-f", format, "-",
        ],
    )?;
    sound.resize(
        usize::try_from(duration_ticks * AUDIO_BYTES_PER_S / TICKS_PER_S)?,
        silence,
    );
    Ok(sound)
}
