//! Parts -> one staged file in the kept format. Run again it makes the same file again. Blocking.
//!
//! Most of it is done when the last byte comes: a recording that comes whole is remuxed on its way (`media/ahead.rs`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::media::MediaConfig;
use crate::media::ahead::Ahead;
use crate::media::process::MediaError;
use crate::media::ps::VideoCodec;
use crate::media::remux::{Source, remux as run_ffmpeg};
use crate::model::chunks::Chunks;
use crate::model::staged::{Joint, Parts, Staged, Stretch};

/// Name of the file in the kept format within the staging folder.
const MEDIA: &str = "media.mp4";
/// Name of what was made while the part came.
const AHEAD: &str = "ahead.mp4";
/// Name of the joined source, when there are several parts.
const NATIVE: &str = "native.ps";

/// Starts to remux a part that is about to come, in its staging folder. `pause`: how long it may stay as long as it is.
/// None where it cannot be started, which loses nothing.
pub fn ahead(config: &MediaConfig, part: &Path, pause: Duration) -> Option<Ahead> {
    let begun = Ahead::begin(config, part, &part.with_file_name(AHEAD), pause);
    begun
        .inspect_err(|error| tracing::debug!(%error, "A recording is not remuxed while it comes"))
        .ok()
}

/// Makes the staged file, or takes over what was made while it came. `keep_native` keeps the recorder's bytes beside it.
pub fn remux(
    config: &MediaConfig,
    parts: &Parts,
    ahead: Option<Ahead>,
    keep_native: bool,
    cancel: &CancellationToken,
) -> Result<Staged, MediaError> {
    let mut source = Source::open(parts.stretches.clone())?;
    source.chunks = known_chunks(parts, &source);
    let remuxed = match ahead.and_then(|ahead| ahead.finish(&source)) {
        Some(remuxed) => remuxed,
        None => run_ffmpeg(config, &source, &parts.folder.join(MEDIA), cancel)?,
    };
    let joint = match &source.chunks {
        Some(_) => None,
        None => Some(joint(parts, &source)),
    };
    if source.lost_bytes > 0 || source.joined.gap_ms > 1_000 {
        tracing::warn!(
            recording.id = %parts.recording,
            source.lost_bytes = source.lost_bytes,
            source.gap_ms = source.joined.gap_ms,
            "The recorder's stream is damaged or has a hole where two parts meet"
        );
    }
    let media = remuxed.outcome.map(|(media, log)| {
        if !log.is_empty() {
            tracing::debug!(recording.id = %parts.recording, %log, "FFmpeg complained about a recording");
        }
        media
    });
    // What cannot be turned into the kept format is worth keeping as it came.
    let native = if keep_native || media.is_err() {
        Some(native(parts, &source, cancel)?)
    } else {
        None
    };
    let source_bytes = source.bytes();
    Ok(Staged {
        recording: parts.recording,
        media,
        native,
        first_part: parts
            .stretches
            .first()
            .map(|first| first.path.clone())
            .unwrap_or_default(),
        source_bytes,
        source_digest: remuxed.source.sha256,
        source_chunks: source.chunks.unwrap_or(remuxed.source.chunks),
        joint,
        whole_file_bytes: parts.by_name.then_some(parts.bytes),
        h265: source.program.video.map(|codec| codec == VideoCodec::H265),
        fetched_bytes: parts.fetched_bytes,
        gap_ms: source.joined.gap_ms,
    })
}

/// The digests of the source's mebibytes, where they were taken as it came: it came as one file, and is all of it.
fn known_chunks(parts: &Parts, source: &Source) -> Option<Chunks> {
    let [received] = &parts.received[..] else {
        return None;
    };
    let whole = source.is_whole(&received.path) && received.bytes == source.bytes();
    (whole && received.chunks.fits(received.bytes)).then(|| received.chunks.clone())
}

/// What came, and what of it was joined.
fn joint(parts: &Parts, source: &Source) -> Joint {
    let number = |path: &Path| {
        let same = |received: &crate::model::staged::ReceivedPart| received.path == path;
        parts.received.iter().position(same).unwrap_or_default()
    };
    let pieces = source.joined.pieces.iter().map(|piece| {
        let stretch = &source.parts[piece.part];
        (
            number(&stretch.path),
            stretch.from + piece.offset,
            piece.bytes,
        )
    });
    Joint {
        pieces: pieces.collect(),
        parts: parts.received.clone(),
    }
}

/// The joined source as one file: a single part that is read whole is one already.
fn native(
    parts: &Parts,
    source: &Source,
    cancel: &CancellationToken,
) -> Result<PathBuf, MediaError> {
    if let [
        Stretch {
            path,
            from: 0,
            to: None,
        },
    ] = &parts.stretches[..]
    {
        return Ok(path.clone());
    }
    let path = parts.folder.join(NATIVE);
    File::create(&path)
        .and_then(|mut file| source.copy_to(&mut file, cancel))
        .map_err(|source| MediaError::Io {
            task: format!("write {}", path.display()),
            source,
        })?;
    Ok(path)
}
