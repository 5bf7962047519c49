//! Footage for stories and the demo: reels rendered from the committed clip, or made from a folder of video files.
//!
//! Rendered reels show the true UTC of every picture, so that what comes out at the far end can be compared with the
//! time that it claims. Reels are kept under the hash of what they were made from and appear in one rename: whoever
//! finds one finds all of it.

mod annexb;
mod ffmpeg;
mod folder;
mod render;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hcnetsdk::scenario::{Channel, Recording};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use folder::{Skipped, UserClip, UserFootage, from_folder};
pub use hcnetsdk::reel::{AudioCodec, VideoCodec};
pub use render::{ReelSpec, Shown, reel};

/// Counted up when the same parameters make other bytes than before.
const FORMAT: u32 = 1;

/// What [`standard`] renders.
#[derive(Debug, Clone, PartialEq)]
pub struct StandardSpec {
    /// True time of the first picture of every camera; whole seconds.
    pub start: Timestamp,
    /// Recordings of each camera, one after the other without a gap.
    pub recordings: u32,
    /// Length of each.
    pub seconds: u32,
    /// Width of the pictures.
    pub width: u32,
    /// Height of the pictures.
    pub height: u32,
    /// Pictures from one key picture to the next.
    pub gop_frames: u32,
}

impl StandardSpec {
    /// Two recordings of 20 s at 640x360 and a key picture every 2 s.
    pub fn starting(start: Timestamp) -> Self {
        Self {
            start,
            recordings: 2,
            seconds: 20,
            width: 640,
            height: 360,
            gop_frames: 50,
        }
    }
}

/// A camera with footage.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its name.
    pub name: String,
    /// Its recordings.
    pub clips: Vec<Clip>,
    /// Reel of its live stream.
    pub live: PathBuf,
}

/// One recording of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// True time of its first picture.
    pub start: Timestamp,
    /// Its length.
    pub seconds: u32,
    /// Its reel.
    pub reel: PathBuf,
}

/// Two cameras: "Yard" in H.264 with B-frames and A-law sound, "Gate" in H.265 without sound, each with its
/// recordings and a live reel of one minute. Nothing is rendered twice into the same `cache`.
pub fn standard(cache: &Path, spec: &StandardSpec) -> Result<Vec<Camera>> {
    let yard = ReelSpec {
        video: VideoCodec::H264,
        b_frames: true,
        audio: Some(AudioCodec::G711a),
        seconds: spec.seconds,
        width: spec.width,
        height: spec.height,
        gop_frames: spec.gop_frames,
        ..ReelSpec::new("yard", Shown::Utc(spec.start))
    };
    let gate = ReelSpec {
        name: "gate".to_string(),
        video: VideoCodec::H265,
        b_frames: false,
        audio: None,
        ..yard.clone()
    };
    [("Yard", yard), ("Gate", gate)]
        .into_iter()
        .map(|(name, model)| camera(cache, name, &model, spec))
        .collect()
}

fn camera(cache: &Path, name: &str, model: &ReelSpec, spec: &StandardSpec) -> Result<Camera> {
    let clips = (0..spec.recordings)
        .map(|n| {
            let start =
                spec.start + SignedDuration::from_secs(i64::from(n) * i64::from(spec.seconds));
            let reel = reel(
                cache,
                &ReelSpec {
                    shown: Shown::Utc(start),
                    ..model.clone()
                },
            )?;
            Ok(Clip {
                start,
                seconds: spec.seconds,
                reel,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let live = ReelSpec {
        name: format!("{}-live", model.name),
        shown: Shown::Live,
        seconds: 60,
        b_frames: false, // cameras send none live: they would delay the picture
        ..model.clone()
    };
    Ok(Camera {
        name: name.to_string(),
        clips,
        live: reel(cache, &live)?,
    })
}

impl Camera {
    /// This camera as a channel of a stand-in recorder.
    pub fn channel(&self, number: u32) -> Channel {
        let recordings = (1..)
            .zip(&self.clips)
            .map(|(n, clip)| Recording {
                name: format!("ch{number:02}_{n:011}"),
                start: clip.start,
                duration_s: Some(clip.seconds.into()),
                media: clip.reel.clone(),
                locked: false,
                file_type: 0,
                stream: 0,
            })
            .collect();
        Channel {
            number,
            name: self.name.clone(),
            live: Some(self.live.clone()),
            recordings,
            ..Channel::default()
        }
    }
}

/// The reel of `parameters` in `cache`; `make` fills a folder with it when it is not there yet.
fn cached(
    cache: &Path,
    name: &str,
    parameters: &impl Serialize,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    let cache = cache.canonicalize()?;
    let told = serde_json::to_vec(&(FORMAT, parameters))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &told);
    let hash = &data_encoding::HEXLOWER.encode(digest.as_ref())[..16];
    let target = cache.join(format!("{name}-{hash}.reel"));
    // Tests run side by side: one of them makes the reel, the others wait for it.
    let lock = File::create(cache.join(format!("{name}-{hash}.lock")))?;
    lock.lock()?;
    if !target.exists() {
        let work = tempfile::Builder::new()
            .prefix("making-")
            .tempdir_in(&cache)?;
        make(work.path()).with_context(|| format!("making {}", target.display()))?;
        fs::rename(work.keep(), &target)?;
    }
    Ok(target)
}
