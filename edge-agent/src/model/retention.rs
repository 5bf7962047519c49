//! What may leave, and when it must: the rules of retention and the footage that they are applied to.

use wire::ids::{CameraId, RecordingId};

use super::time::{UtcRange, UtcTime};

/// What is kept of one camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Older footage leaves; none: as long as there is room.
    pub max_age_ms: Option<i64>,
    /// Most bytes of it; none: as long as there is room.
    pub max_bytes: Option<u64>,
    /// Younger footage stays, unless the disk itself has no room left.
    pub min_age_ms: i64,
}

/// A completed recording as a candidate for eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: RecordingId,
    /// Its camera.
    pub camera: CameraId,
    /// What it covers.
    pub span: UtcRange,
    /// What its removal frees.
    pub kept_bytes: u64,
    /// Protected by a person.
    pub locked: bool,
}

impl Candidate {
    /// Time since its last picture.
    pub fn age_ms(&self, now: UtcTime) -> i64 {
        now.ms_since(self.span.to)
    }
}

/// What a camera holds, and the rules that are its own (those left out are the configuration's).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraHolding {
    /// Which camera.
    pub camera: CameraId,
    /// Bytes held, locked ones included.
    pub held_bytes: u64,
    /// Its own limit of age.
    pub max_age_ms: Option<i64>,
    /// Its own limit of bytes.
    pub max_bytes: Option<u64>,
    /// Its own least age.
    pub min_age_ms: Option<i64>,
}
