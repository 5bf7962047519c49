//! Reels rendered from the committed clip, with a clock in the picture.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hcnetsdk::reel::{AudioCodec, VideoCodec};
use jiff::Timestamp;
use serde::Serialize;

use super::cached;
use super::ffmpeg::{reel_from, run, utf8};

/// The committed clip: a few seconds of Big Buck Bunny.
const CLIP: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../hw-fixtures/bigbuckbunny/bigbuckbunny.mp4"
);
/// Debian's package fonts-dejavu-core.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";

/// What is rendered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReelSpec {
    /// First part of the folder's name.
    pub name: String,
    /// Codec of the pictures.
    pub video: VideoCodec,
    /// Codec of the sound.
    pub audio: Option<AudioCodec>,
    /// Length.
    pub seconds: u32,
    /// Width; even.
    pub width: u32,
    /// Height; even.
    pub height: u32,
    /// Pictures in a second.
    pub frames_per_s: u32,
    /// Pictures from one key picture to the next.
    pub gop_frames: u32,
    /// Whether pictures are shown in another order than they are sent.
    pub b_frames: bool,
    /// What the clock in the picture says.
    pub shown: Shown,
}

/// The clock in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Shown {
    /// UTC, beginning with this moment; whole seconds.
    Utc(Timestamp),
    /// "LIVE" and the second of the minute. In a reel of one minute, which live streams keep in step with the clock,
    /// it is the second of now.
    Live,
}

impl ReelSpec {
    /// Ten seconds of H.264 at 640x360 and 25 pictures a second, a key picture every 2 s, without sound.
    pub fn new(name: &str, shown: Shown) -> Self {
        Self {
            name: name.to_string(),
            video: VideoCodec::H264,
            audio: None,
            seconds: 10,
            width: 640,
            height: 360,
            frames_per_s: 25,
            gop_frames: 50,
            b_frames: false,
            shown,
        }
    }
}

/// Renders `spec` into `cache`, or finds it there; gives the folder of the reel.
pub fn reel(cache: &Path, spec: &ReelSpec) -> Result<PathBuf> {
    cached(cache, &spec.name, spec, |folder| {
        fs::write(folder.join("clock.txt"), spec.clock_text())?;
        let encoded = folder.join("encoded.mp4");
        render(spec, folder)?;
        reel_from(&encoded, spec.video, spec.audio, folder)?;
        fs::remove_file(encoded)?;
        fs::remove_file(folder.join("clock.txt")).context("clock.txt")
    })
}

impl ReelSpec {
    fn clock_text(&self) -> String {
        match self.shown {
            Shown::Utc(start) => format!("{} %{{pts:gmtime:{}}} UTC", self.name, start.as_second()),
            Shown::Live => format!("{} LIVE %{{pts:gmtime:0:%S}}", self.name),
        }
    }

    fn encoder(&self) -> Vec<String> {
        let (gop, b_frames) = (self.gop_frames, if self.b_frames { 2 } else { 0 });
        let (codec, preset, option, more) = match self.video {
            VideoCodec::H264 => ("libx264", "veryfast", "-x264-params", "open-gop=0"),
            VideoCodec::H265 => (
                "libx265",
                "ultrafast",
                "-x265-params",
                "open-gop=0:log-level=error",
            ),
        };
        let parameters =
            format!("keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}:{more}");
        ["-c:v", codec, "-preset", preset, option, &parameters]
            .map(String::from)
            .to_vec()
    }
}

fn render(spec: &ReelSpec, folder: &Path) -> Result<()> {
    let clip = fs::canonicalize(CLIP).context("the committed clip")?;
    let pictures = format!(
        "fps={rate},scale={}:{},setsar=1,setpts=N/{rate}/TB,\
         drawtext=fontfile={FONT}:textfile=clock.txt:x=h/30:y=h/30:fontsize=h/14:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=4",
        spec.width,
        spec.height,
        rate = spec.frames_per_s,
    );
    let seconds = spec.seconds.to_string();
    let encoder = spec.encoder();
    let mut arguments = vec![
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-stream_loop",
        "-1",
        "-i",
        utf8(&clip)?,
    ];
    arguments.extend(["-map", "0:v:0", "-vf", &pictures, "-pix_fmt", "yuv420p"]);
    arguments.extend(encoder.iter().map(String::as_str));
    if spec.audio.is_some() {
        // G.711 comes at the end: only then is the exact length known
        arguments.extend(["-map", "0:a:0", "-ac", "1", "-ar", "8000", "-c:a", "aac"]);
    }
    arguments.extend(["-t", &seconds, "encoded.mp4"]);
    run("ffmpeg", folder, &arguments).map(drop)
}
