//! Completeness (R9): what a recorder had of a camera, what is held, and every gap with its cause. The agent computes
//! it from what recorders answered; the relay passes it on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{CameraId, RecorderId};
use crate::resource::EvictionCause;
use crate::time::UtcTime;

/// A stretch of time, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stretch {
    /// First instant.
    pub from_utc: UtcTime,
    /// First instant after it.
    pub to_utc: UtcTime,
}

/// Why a stretch is not held.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The recorder was asked while it still reached back that far, and has nothing: it did not record.
    NotRecorded,
    /// The recorder's clock was set around here, so what it recorded may lie a little earlier or later than it says.
    ClockStep,
    /// The recorder was not asked about it yet, or its answer is not final yet.
    NotObserved,
    /// The recorder could not be asked.
    RecorderUnreachable,
    /// When the recorder was first asked about it, its oldest footage was already younger: whatever it had recorded was
    /// overwritten before anybody could look.
    BeyondReach,
    /// The recorder listed it, and overwrote it before it was fetched.
    OverwrittenOnRecorder,
    /// Known to lie on the recorder; waits, or is being fetched.
    NotDownloaded,
    /// Could not be fetched; `reason` says why.
    Failed,
    /// Was held and has left by a rule; `eviction_cause` says which.
    Evicted,
    /// Was held, and a person deleted it.
    Deleted,
    /// What is held covers less than the recorder had claimed; it gave nothing better.
    Defect,
}

/// A stretch that is not held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// First instant.
    pub from_utc: UtcTime,
    /// First instant after it.
    pub to_utc: UtcTime,
    /// Why.
    pub cause: GapCause,
    /// Recordings that the recorder had listed in it.
    pub recordings: u32,
    /// What happened, in a sentence.
    pub message: String,
    /// What to do, in a sentence; null when nothing is to be done or nothing helps.
    pub advice: Option<String>,
    /// The recorder's or the download's own words, where there are any.
    pub reason: Option<String>,
    /// By which rule it left.
    pub eviction_cause: Option<EvictionCause>,
}

/// What may be said of a range as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The recorder was asked about all of it, and all that it had is held.
    Complete,
    /// What is missing may still come by itself.
    Coming,
    /// Something is missing that does not come by itself.
    Incomplete,
}

/// Footage that a recorder is about to overwrite before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverwriteRisk {
    /// Which recorder.
    pub recorder_id: RecorderId,
    /// Recordings that are not fetched and will be gone within hours.
    pub recordings: u64,
    /// When the first of them will be gone, as far as can be told.
    pub first_gone_utc: UtcTime,
    /// When this was worked out.
    pub told_at: UtcTime,
}

/// A camera over a range: answer to `GET /cameras/{id}/gaps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Completeness {
    /// Which camera.
    pub camera_id: CameraId,
    /// From.
    pub from_utc: UtcTime,
    /// To; never later than now.
    pub to_utc: UtcTime,
    /// As a whole.
    pub verdict: Verdict,
    /// Time that the recorder is known to have recorded.
    pub recorded_ms: i64,
    /// Time that is held.
    pub held_ms: i64,
    /// What the recorder is known to have recorded, oldest first.
    pub recorded: Vec<Stretch>,
    /// What is held, oldest first.
    pub held: Vec<Stretch>,
    /// Of what is held: what lies on a disk that is not there now, and can be played once it is back.
    pub away: Vec<Stretch>,
    /// Everything else, oldest first, each with its cause.
    pub gaps: Vec<Gap>,
    /// Its recorder is about to overwrite footage that is not fetched; null: not that anybody knew.
    pub risk: Option<OverwriteRisk>,
}

/// A camera over one day of a calendar: answer to `GET /recordings/timeline/{cameraId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The day, `2026-11-03`.
    pub day: String,
    /// The zone whose day it is, by its name in the tz database.
    pub zone: String,
    /// Beginning of the day.
    pub day_from_utc: UtcTime,
    /// End of the day: 23 to 25 hours later, and maybe in the future.
    pub day_to_utc: UtcTime,
    /// The day as far as it has passed.
    #[serde(flatten)]
    pub completeness: Completeness,
}
