//! What travels from stage to stage of one recording (ARCHITECTURE.md): stages do not know each other, they know these.

use std::path::PathBuf;

use wire::ids::RecordingId;

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

/// A recording in staging as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Which.
    pub recording: RecordingId,
    /// Its staging folder.
    pub folder: PathBuf,
    /// What to read, in time order; neighbours may overlap.
    pub stretches: Vec<Stretch>,
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
    /// Bytes received, when it is the stored file as a whole.
    pub whole_file_bytes: Option<u64>,
    /// Whether the source says that its pictures are H.265; None when it does not say what they are.
    pub h265: Option<bool>,
    /// Bytes that the recorder has sent for it, over all attempts.
    pub fetched_bytes: u64,
    /// Longest time missing where two parts meet.
    pub gap_ms: i64,
}
