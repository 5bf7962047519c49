//! Staged file -> `Verified` or `Rejected`: size, container, decodes, covers its time, digest (R7).

use std::path::PathBuf;

use wire::ids::RecordingId;
use wire::resource::Defect;

use crate::footage::fragments::FragmentIndex;
use crate::model::time::UtcRange;

/// What was found out about a staged file.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Which recording.
    pub recording: RecordingId,
    /// The file in the kept format, complete, in the recording's staging folder on the volume that is to hold it.
    pub media: PathBuf,
    /// The vendor's bytes in one file, in the same folder, where the camera keeps them (`native`, `both`).
    pub native: Option<PathBuf>,
    /// What the footage covers in true time: the claimed span, cut where a defect says that it is short.
    pub span: UtcRange,
    /// Size of `media`.
    pub kept_bytes: u64,
    /// SHA-256 of `media` (hex).
    pub digest: String,
    /// Bytes as received.
    pub source_bytes: u64,
    /// SHA-256 of the bytes as received (hex).
    pub source_digest: String,
    /// `h264`, `hevc`.
    pub video_codec: Option<String>,
    /// `aac`, or none without sound.
    pub audio_codec: Option<String>,
    /// Picture width.
    pub width: Option<u32>,
    /// Picture height.
    pub height: Option<u32>,
    /// Length of the pictures.
    pub duration_ms: u64,
    /// Where the fragments lie.
    pub fragments: FragmentIndex,
    /// What is wrong with it; kept all the same.
    pub defects: Vec<Defect>,
}

/// A staged file that may be kept. Only this file makes one, and the catalog accepts nothing else.
#[derive(Debug)]
pub struct Verified {
    facts: Facts,
}

impl Verified {
    /// What was found out.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// For tests of what comes after verification.
    #[cfg(test)]
    pub(crate) fn for_test(facts: Facts) -> Self {
        Self { facts }
    }
}
