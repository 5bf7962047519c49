//! What a recording says about itself (S9, P6): `<stem>.json` beside its media.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wire::ids::{ApplianceId, CameraId, RecorderId, RecordingId};
use wire::resource::Defect;

use super::fragments::FragmentIndex;
use crate::model::time::{UtcRange, UtcTime};

/// Version of the description. Fields are added without a new one; a new meaning needs one.
pub const VERSION: u32 = 1;

/// Largest description that is read: a day of one-second fragments stays far below.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

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
        let unreadable = |why: String| UnreadableSidecar {
            path: path.display().to_string(),
            why,
        };
        let bytes = std::fs::metadata(path)
            .map_err(|e| unreadable(e.to_string()))?
            .len();
        if bytes > BYTES_MAX {
            return Err(unreadable(format!("{bytes} bytes are too many")));
        }
        let text = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
        let sidecar: Self = serde_json::from_slice(&text).map_err(|e| unreadable(e.to_string()))?;
        if sidecar.version > VERSION {
            return Err(unreadable(format!(
                "it has version {}, this program knows {VERSION}",
                sidecar.version
            )));
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
