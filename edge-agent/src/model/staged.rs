//! What travels from stage to stage of one recording (ARCHITECTURE.md): stages do not know each other, they know these.

use std::path::PathBuf;

use wire::ids::RecordingId;

use super::chunks::Chunks;

/// A stretch of a file: whole groups of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The file.
    pub path: PathBuf,
    /// Where it begins.
    pub from: u64,
    /// Where it ends; None: where the file does.
    pub to: Option<u64>,
}

impl From<PathBuf> for Stretch {
    fn from(path: PathBuf) -> Self {
        Self {
            path,
            from: 0,
            to: None,
        }
    }
}

/// A file as it came from the recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedPart {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Digests that were taken as it came.
    pub chunks: Chunks,
}

/// A recording in staging as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Which.
    pub recording: RecordingId,
    /// Its staging folder.
    pub folder: PathBuf,
    /// What to read, in time order; neighbours may overlap.
    pub stretches: Vec<Stretch>,
    /// The files that those are of.
    pub received: Vec<ReceivedPart>,
    /// Bytes of them all.
    pub bytes: u64,
    /// Bytes that the recorder has sent for this recording, over all attempts.
    pub fetched_bytes: u64,
    /// Whether it is the stored file as a whole, asked for by name: only then does the stated size say anything.
    pub by_name: bool,
}

/// A file in the kept format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 (hex) of what was written.
    pub sha256: String,
    /// SHA-256 of each mebibyte.
    pub chunks: Chunks,
}

/// The parts of a source that did not come as one file, and what of them was read one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joint {
    /// The files as they came.
    pub parts: Vec<ReceivedPart>,
    /// Number of the part, where to read, how much.
    pub pieces: Vec<(usize, u64, u64)>,
}

/// Parts joined into one file in the kept format, not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Which.
    pub recording: RecordingId,
    /// The file in the kept format; or why it could not be made, in FFmpeg's words.
    pub media: Result<Media, String>,
    /// The joined source in one file, where it is to be kept too.
    pub native: Option<PathBuf>,
    /// The part with which the source begins.
    pub first_part: PathBuf,
    /// Bytes of the joined source: what was received, every group of pictures once.
    pub source_bytes: u64,
    /// SHA-256 (hex) of the joined source.
    pub source_digest: String,
    /// SHA-256 of each mebibyte of it.
    pub source_chunks: Chunks,
    /// What it was joined of; None: it came as one file.
    pub joint: Option<Joint>,
    /// Bytes received, when it is the stored file as a whole.
    pub whole_file_bytes: Option<u64>,
    /// Whether the source says that its pictures are H.265; None when it does not say what they are.
    pub h265: Option<bool>,
    /// Bytes that the recorder has sent for it, over all attempts.
    pub fetched_bytes: u64,
    /// Longest time missing where two parts meet.
    pub gap_ms: i64,
}
