//! What a recording says about itself (S9, P6): `<stem>.json` beside its media.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wire::ids::{ApplianceId, CameraId, RecorderId, RecordingId};
use wire::resource::Defect;

use super::fragments::FragmentIndex;
use crate::model::chunks::{CHUNK_BYTES, Chunks, Sha256, sha256};
use crate::model::staged::Joint;
use crate::model::time::{UtcRange, UtcTime};

/// Version of the description. Fields are added without a new one; a new meaning needs one.
pub const VERSION: u32 = 1;

/// Largest description that is read: a day of one-second fragments at 16 Mbit/s stays below.
pub const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The description of one kept recording: enough to list, play and prove it without any catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// [`VERSION`].
    pub version: u32,
    /// Which recording.
    pub recording: RecordingId,
    /// Which appliance fetched it.
    pub appliance: Option<ApplianceId>,
    /// The recorder as that appliance knew it.
    pub recorder: RecorderId,
    /// Its name then.
    pub recorder_name: String,
    /// Serial number of the device.
    pub device_serial: String,
    /// Channel as the recorder counts.
    pub channel: u32,
    /// The camera.
    pub camera: CameraId,
    /// Its name then.
    pub camera_name: String,
    /// Start in true time.
    pub start_utc: UtcTime,
    /// End in true time (exclusive).
    pub end_utc: UtcTime,
    /// Start by the recorder's own clock, without zone.
    pub recorder_start: String,
    /// Whether that start is the second pass through a repeated hour.
    pub recorder_start_second_pass: bool,
    /// End by the recorder's own clock.
    pub recorder_end: String,
    /// Whether that end is the second pass.
    pub recorder_end_second_pass: bool,
    /// Recorder's clock less true time when it began.
    pub clock_offset_ms: i64,
    /// Recorder's zone then, minutes east of UTC.
    pub zone_minutes: i32,
    /// The recorder's name for it.
    pub source_name: String,
    /// The how-manieth of that name and start, where the recorder's clock was set back; 1 otherwise.
    #[serde(default = "first")]
    pub source_nth: u32,
    /// The vendor's record type.
    pub source_type: u32,
    /// Whether the recorder told that it keeps it from being overwritten.
    #[serde(default)]
    pub source_locked: bool,
    /// Size that the recorder stated.
    pub stated_bytes: u64,
    /// Bytes as received.
    pub source_bytes: u64,
    /// Bytes that the recorder sent for it, over all attempts; None: not counted then.
    #[serde(default)]
    pub fetched_bytes: Option<u64>,
    /// SHA-256 of the bytes as received (hex).
    pub source_digest: String,
    /// Size of the kept file.
    pub kept_bytes: u64,
    /// SHA-256 of the kept file (hex).
    pub digest: String,
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
    /// What is wrong with it.
    pub defects: Vec<Defect>,
    /// When it was kept.
    pub kept_at: UtcTime,
    /// Where its fragments lie.
    pub fragments: FragmentIndex,
    /// Digests by which a change is found to the mebibyte; None: it was kept before they were taken.
    #[serde(default)]
    pub custody: Option<Custody>,
}

/// The digests of a recording's mebibytes, taken as the bytes came and as they were written (P6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custody {
    /// Bytes of a chunk.
    pub chunk_bytes: u64,
    /// Of the kept file.
    pub kept: Chunks,
    /// Of the bytes as received: of the `.ps` file, where that is kept too.
    pub source: Chunks,
    /// The files that those were joined of, each as it came; empty: they came as one file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received: Vec<ReceivedFile>,
    /// What was read of them one after the other: number of the file (from 0), where, how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<[u64; 3]>,
}

/// A file as the recorder sent it, when a recording came in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedFile {
    /// What it was called here.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its mebibytes.
    pub chunks: Chunks,
}

impl Custody {
    /// Of what was received and what was made of it.
    pub fn new(kept: Chunks, source: Chunks, joint: Option<&Joint>) -> Self {
        let received = joint.iter().flat_map(|joint| &joint.parts).map(|part| {
            let name = part.path.file_name().unwrap_or_default();
            ReceivedFile {
                name: name.to_string_lossy().into_owned(),
                bytes: part.bytes,
                chunks: part.chunks.clone(),
            }
        });
        let joined = joint
            .iter()
            .flat_map(|joint| &joint.pieces)
            .map(|(part, offset, bytes)| [*part as u64, *offset, *bytes]);
        Self {
            chunk_bytes: CHUNK_BYTES as u64,
            kept,
            source,
            received: received.collect(),
            joined: joined.collect(),
        }
    }
}

fn first() -> u32 {
    1
}

impl Sidecar {
    /// The span in true time.
    pub fn span(&self) -> UtcRange {
        UtcRange {
            from: self.start_utc,
            to: self.end_utc.max(self.start_utc),
        }
    }

    /// Reads a description. An error says which file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, UnreadableSidecar> {
        Self::read_with_digest(path).map(|(sidecar, _)| sidecar)
    }

    /// Reads a description, and the SHA-256 of its text.
    pub fn read_with_digest(path: &Path) -> Result<(Self, Sha256), UnreadableSidecar> {
        let unreadable = |why: String| UnreadableSidecar {
            path: path.display().to_string(),
            why,
        };
        let text = base::untrusted::read(path, BYTES_MAX).map_err(|e| unreadable(e.to_string()))?;
        let sidecar = Self::parse(&text).map_err(unreadable)?;
        Ok((sidecar, sha256(&text)))
    }

    /// Reads the text of a description.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > BYTES_MAX {
            return Err(format!("more than {BYTES_MAX} bytes are too many"));
        }
        let sidecar: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if sidecar.version > VERSION {
            return Err(format!(
                "it has version {}, this program knows {VERSION}",
                sidecar.version
            ));
        }
        Ok(sidecar)
    }
}

/// A description that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the description {path} cannot be read: {why}")]
pub struct UnreadableSidecar {
    path: String,
    why: String,
}
