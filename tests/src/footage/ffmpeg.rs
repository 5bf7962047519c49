//! FFmpeg as test tooling: run it, and turn what it wrote into a reel.

use std::fs;
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
    let (units, video, duration_ticks) =
        access_units(&fs::read_to_string(&index)?, &fs::read(&raw)?, codec)
            .context("access units")?;
    fs::remove_file(raw)?;
    fs::remove_file(index)?;
    let sound = match audio {
        Some(audio) => sound(source_name, audio, duration_ticks, folder)?,
        None => Vec::new(),
    };
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
    reel::write(folder, &description, &units, &video, &sound)
}

/// Reads the list of packets that FFmpeg wrote beside the raw stream. What comes before the first key picture is left
/// out, and key pictures get their parameter sets, so that decoding can begin at each of them.
fn access_units(
    index: &str,
    raw: &[u8],
    codec: VideoCodec,
) -> Result<(Vec<AccessUnit>, Vec<u8>, u64)> {
    let (mut numerator, mut denominator) = (1_i64, 1_i64);
    let mut packets = Vec::new();
    let mut offset = 0;
    for line in index.lines() {
        if let Some(base) = line.strip_prefix("#tb 0: ") {
            let (over, under) = base.split_once('/').context("time base")?;
            (numerator, denominator) = (over.trim().parse()?, under.trim().parse()?);
        } else if !line.starts_with('#') && !line.is_empty() {
            let packet = Packet::parse(line, offset).with_context(|| line.to_string())?;
            offset += packet.size;
            packets.push(packet);
        }
    }
    ensure!(
        offset == raw.len(),
        "the list of packets is {offset} bytes long, the stream {}",
        raw.len()
    );
    let first = packets
        .iter()
        .position(|packet| packet.key)
        .context("there is no key picture")?;
    let packets = &packets[first..];
    let ticks = |time: i64| {
        (i128::from(time - packets[0].dts) * 90_000 * i128::from(numerator))
            / i128::from(denominator)
    };
    let mut sets = annexb::ParameterSets::default();
    let mut video = Vec::with_capacity(raw.len());
    let mut units = Vec::with_capacity(packets.len());
    for packet in packets {
        let bytes = &raw[packet.offset..packet.offset + packet.size];
        let begin = video.len();
        if !sets.seen_in(bytes, codec) && packet.key {
            ensure!(
                !sets.is_empty(),
                "the first key picture comes without parameter sets"
            );
            video.extend_from_slice(sets.bytes());
        }
        video.extend_from_slice(bytes);
        units.push(AccessUnit {
            offset: begin as u64,
            size: u32::try_from(video.len() - begin)?,
            key: packet.key,
            pts: u64::try_from(ticks(packet.pts)).context("a picture is shown before the first")?,
            dts: u64::try_from(ticks(packet.dts)).context("decoding times fall")?,
        });
    }
    let (last, span) = (
        packets[packets.len() - 1],
        packets[packets.len() - 1].dts - packets[0].dts,
    );
    let mean = span / (packets.len() as i64 - 1).max(1);
    let step = if last.duration > 0 {
        last.duration
    } else {
        mean.max(1)
    };
    let duration_ticks = u64::try_from(ticks(last.dts + step))?.max(units[units.len() - 1].dts + 1);
    Ok((units, video, duration_ticks))
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    offset: usize,
    size: usize,
    key: bool,
    pts: i64,
    dts: i64,
    duration: i64,
}

impl Packet {
    /// `stream, dts, pts, duration, size, checksum[, F=flags][, ...]`; flags are left out for a plain key picture.
    fn parse(line: &str, offset: usize) -> Result<Self> {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        ensure!(cells.len() >= 6, "six cells are expected");
        let flags = cells.iter().find_map(|cell| cell.strip_prefix("F=0x"));
        let key = flags.map_or(Ok(true), |flags| {
            u32::from_str_radix(flags, 16).map(|flags| flags & 1 == 1)
        })?;
        Ok(Self {
            offset,
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
