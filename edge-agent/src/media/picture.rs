//! Whether the key pictures of fragments decode: the fragments alone, behind the file's initialisation part, are given
//! to FFmpeg. One run for all of them: what it costs is the start of a program.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use ffmpeg_sidecar::command::FfmpegCommand;
use tokio_util::sync::CancellationToken;

use super::MediaConfig;
use super::mp4::Fragment;
use super::process::{Feed, Limits, MediaError, run};

/// What decoders say when they patch a picture up instead of refusing it. Private SEI that they do not understand is
/// no fault of the picture, so "no error was logged" would be too strict.
const PATCHED_UP: [&str; 6] = [
    "concealing",
    "error while decoding",
    "decode_slice",
    "Error splitting",
    "Invalid NAL",
    "non-existing PPS",
];
/// Width and height of the picture that proves that one was decoded.
const PROOF: usize = 16;

/// The verdict on key pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// All of them decode.
    Whole,
    /// One does not; why, in FFmpeg's words.
    Damaged(String),
}

/// Decodes the key picture with which each of these fragments begins.
pub fn check(
    config: &MediaConfig,
    path: &Path,
    init_bytes: u64,
    fragments: &[Fragment],
    cancel: &CancellationToken,
) -> Result<Picture, MediaError> {
    let mut command = FfmpegCommand::new_with_path(&config.ffmpeg);
    command.hide_banner().overwrite();
    command.args(["-threads", "1", "-skip_frame", "nokey"]);
    command.args(["-f", "mp4", "-i", "pipe:0"]);
    let count = fragments.len();
    command.args(["-map", "0:v:0", "-vsync", "passthrough"]);
    command.args(["-frames:v", &count.to_string()]);
    command.args(["-vf", &format!("scale={PROOF}:{PROOF}"), "-pix_fmt", "gray"]);
    command.args(["-f", "rawvideo"]).pipe_stdout();
    let feed: Feed = {
        let (path, fragments) = (path.to_owned(), fragments.to_vec());
        Box::new(move |to| {
            let mut file = File::open(&path)?;
            copy(&mut file, 0, init_bytes, to)?;
            fragments
                .iter()
                .try_for_each(|fragment| copy(&mut file, fragment.offset, fragment.bytes, to))
        })
    };
    let task = "decoding key pictures";
    match run(
        Command::from(command),
        task,
        Some(feed),
        Limits::SHORT,
        cancel,
    ) {
        Ok(done) => {
            let log = done.log.to_string();
            let patched = PATCHED_UP.iter().any(|words| log.contains(words));
            Ok(if done.output.len() == count * PROOF * PROOF && !patched {
                Picture::Whole
            } else {
                Picture::Damaged(log)
            })
        }
        Err(MediaError::Failed { log, .. }) => Ok(Picture::Damaged(log)),
        Err(error) => Err(error),
    }
}

fn copy(file: &mut File, offset: u64, bytes: u64, to: &mut dyn Write) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    io::copy(&mut file.take(bytes), to)?;
    Ok(())
}
