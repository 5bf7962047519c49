//! FFmpeg as a child process: remux, key-picture checks, live; and the pure parsers of what goes in and comes
//! out. Nothing else in the agent starts FFmpeg.

pub mod ahead;
pub mod mp4;
pub mod nal;
pub mod picture;
#[cfg(test)]
pub mod probe;
pub mod process;
pub mod ps;
pub mod ps_writer;
pub mod remux;
#[cfg(test)]
pub mod sample;
pub mod segmenter;
pub mod split;

use std::path::PathBuf;

use serde::Deserialize;

/// `[media]`: where FFmpeg is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// The program `ffmpeg`, by name (looked up in PATH) or with its folder. Version 5.1 or newer.
    pub ffmpeg: PathBuf,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            ffmpeg: "ffmpeg".into(),
        }
    }
}
