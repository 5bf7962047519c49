//! Reels made from somebody's own video files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hcnetsdk::reel::{AudioCodec, Reel, TICKS_PER_S, VideoCodec};

use super::cached;
use super::ffmpeg::{Stream, probe, reel_from, run, utf8};

/// What came of a folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserFootage {
    /// The usable files, by name.
    pub clips: Vec<UserClip>,
    /// The others.
    pub skipped: Vec<Skipped>,
}

/// A video file that became a reel.
#[derive(Debug, Clone, PartialEq)]
pub struct UserClip {
    /// Name of the file without its ending.
    pub name: String,
    /// Its length, rounded down, at least 1.
    pub seconds: u32,
    /// Its reel.
    pub reel: PathBuf,
}

/// A file that could not be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

/// Turns every video file in `footage` into a reel in `cache`. H.264 and H.265 stay bit for bit, other codecs become
/// H.264; sound becomes G.711 A-law. What cannot be used is skipped and told on standard error; a folder without one
/// usable file is an error.
pub fn from_folder(cache: &Path, footage: &Path) -> Result<UserFootage> {
    let entries = fs::read_dir(footage)
        .with_context(|| format!("the footage folder {}", footage.display()))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter(|path| path.is_file() && !is_hidden(path))
        .collect();
    files.sort();
    let mut result = UserFootage::default();
    for file in files {
        match clip(cache, &file) {
            Ok(clip) => result.clips.push(clip),
            Err(problem) => {
                let reason = format!("{problem:#}");
                eprintln!("footage: skipping {}: {reason}", file.display());
                result.skipped.push(Skipped { file, reason });
            }
        }
    }
    if result.clips.is_empty() {
        let skipped = result.skipped.len();
        bail!(
            "no usable video in {} ({skipped} files were skipped)",
            footage.display()
        );
    }
    Ok(result)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn clip(cache: &Path, file: &Path) -> Result<UserClip> {
    let file = file.canonicalize()?;
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let streams = probe(&file).context("FFmpeg cannot read it")?;
    let video = streams
        .iter()
        .find(|stream| stream.codec_type == "video" && stream.width > 0);
    let video = video.context("there is no video in it")?;
    let sound = streams.iter().any(|stream| stream.codec_type == "audio");
    let audio = sound.then_some(AudioCodec::G711a);
    let data = file.metadata()?;
    let key = (&file, data.len(), data.modified()?);
    let plain: String = name
        .chars()
        .map(|sign| {
            if sign.is_ascii_alphanumeric() {
                sign
            } else {
                '_'
            }
        })
        .collect();
    let reel = cached(cache, &plain, &key, |folder| {
        make(&file, video, audio, folder)
    })?;
    let ticks = Reel::open(&reel)?.description.duration_ticks;
    Ok(UserClip {
        name,
        seconds: u32::try_from(ticks / TICKS_PER_S)?.max(1),
        reel,
    })
}

fn make(file: &Path, video: &Stream, audio: Option<AudioCodec>, folder: &Path) -> Result<()> {
    let copied = match video.codec_name.as_str() {
        "h264" => reel_from(file, VideoCodec::H264, audio, folder),
        "hevc" => reel_from(file, VideoCodec::H265, audio, folder),
        _ => return encode(file, audio, folder),
    };
    copied.or_else(|problem| {
        eprintln!("footage: encoding {} anew: {problem:#}", file.display());
        for left in ["raw.es", "raw.txt"] {
            let _ = fs::remove_file(folder.join(left)); // only there when the copy got that far
        }
        encode(file, audio, folder)
    })
}

fn encode(file: &Path, audio: Option<AudioCodec>, folder: &Path) -> Result<()> {
    let mut arguments = vec![
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-i",
        utf8(file)?,
        "-map",
        "0:V:0",
    ];
    // H.264 in 4:2:0 needs even sizes; a padded line is better than a scaled picture
    arguments.extend([
        "-vf",
        "pad=ceil(iw/2)*2:ceil(ih/2)*2,setsar=1,format=yuv420p",
        "-vsync",
        "vfr",
    ]);
    arguments.extend([
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-g",
        "50",
        "-x264-params",
        "open-gop=0",
    ]);
    if audio.is_some() {
        arguments.extend(["-map", "0:a:0", "-c:a", "aac"]);
    }
    arguments.push("encoded.mp4");
    run("ffmpeg", folder, &arguments)?;
    let encoded = folder.join("encoded.mp4");
    reel_from(&encoded, VideoCodec::H264, audio, folder)?;
    fs::remove_file(encoded).context("encoded.mp4")
}
