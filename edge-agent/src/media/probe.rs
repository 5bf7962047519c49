//! What a media file is, as ffprobe sees it: for tests, which do not believe our own reading of a file.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::process::{Limits, MediaError, run};

/// What a kept file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `h264`, `hevc`.
    pub video_codec: String,
    /// The code in the MP4 (`avc1`, `hvc1`).
    pub video_tag: String,
    /// Picture width.
    pub width: u32,
    /// Picture height.
    pub height: u32,
    /// `aac`; None without sound.
    pub audio_codec: Option<String>,
    /// Length in milliseconds, as the container tells it.
    pub duration_ms: u64,
}

#[derive(Deserialize)]
struct Answer {
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: String,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    codec_tag_string: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
}

#[derive(Deserialize)]
struct Format {
    format_name: String,
    #[serde(default)]
    duration: Option<String>,
}

/// Asks ffprobe about a file.
pub fn probe(path: &Path, cancel: &CancellationToken) -> Result<Probe, MediaError> {
    let mut command = Command::new("ffprobe");
    command
        .args(["-v", "error", "-print_format", "json", "-show_streams"])
        .args(["-show_format", "-i"])
        .arg(path);
    let done = run(command, "probe", None, Limits::SHORT, cancel)?;
    parse(&done.output).map_err(|problem| MediaError::Unreadable {
        task: format!("probe of {}", path.display()),
        problem,
    })
}

fn parse(json: &[u8]) -> Result<Probe, String> {
    let answer: Answer = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    if !answer.format.format_name.split(',').any(|f| f == "mp4") {
        return Err(format!("it is {}, not MP4", answer.format.format_name));
    }
    let of_kind = |kind| answer.streams.iter().find(move |s| s.codec_type == kind);
    let video = of_kind("video").ok_or("there are no pictures in it")?;
    if video.width == 0 || video.height == 0 {
        return Err("the size of its pictures is unknown".to_owned());
    }
    let seconds: f64 = match &answer.format.duration {
        Some(text) => text.parse().map_err(|_| format!("duration {text:?}"))?,
        None => return Err("its length is unknown".to_owned()),
    };
    if !(0.0..=10.0 * 86_400.0).contains(&seconds) {
        return Err(format!("an impossible length of {seconds} s"));
    }
    Ok(Probe {
        video_codec: video.codec_name.clone(),
        video_tag: video.codec_tag_string.clone(),
        width: video.width,
        height: video.height,
        audio_codec: of_kind("audio").map(|audio| audio.codec_name.clone()),
        duration_ms: (seconds * 1_000.0).round() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_strictly() {
        let good = br#"{"streams":[
            {"codec_type":"video","codec_name":"hevc","codec_tag_string":"hvc1","width":1280,"height":720},
            {"codec_type":"audio","codec_name":"aac"}],
            "format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":"12.3456"}}"#;
        let probe = parse(good).unwrap();
        assert_eq!(
            (probe.video_codec.as_str(), probe.duration_ms),
            ("hevc", 12_346)
        );
        assert_eq!(probe.audio_codec.as_deref(), Some("aac"));
        for bad in [
            r#"{}"#,
            r#"{"streams":[],"format":{"format_name":"mov,mp4","duration":"1"}}"#,
            r#"{"streams":[],"format":{"format_name":"mpeg","duration":"1"}}"#,
            r#"{"streams":[{"codec_type":"video"}],"format":{"format_name":"mp4","duration":"1"}}"#,
            r#"{"streams":[{"codec_type":"video","width":1,"height":1}],"format":{"format_name":"mp4"}}"#,
            r#"{"streams":[{"codec_type":"video","width":1,"height":1}],"format":{"format_name":"mp4","duration":"NaN"}}"#,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
