//! How long footage stays (S10): the forecast of an appliance's ring buffer, and what locks and bookmarks take of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{BookmarkId, CameraId};
use crate::time::UtcTime;

/// What is protected from eviction, and how much of it may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Locks {
    /// Held recordings that a lock or a bookmark protects.
    pub recordings: u64,
    /// Their bytes: room that the ring no longer has.
    pub bytes: u64,
    /// Most bytes that may be protected; a lock or bookmark beyond that is refused.
    pub max_bytes: u64,
    /// Bookmarks, whether or not footage of their moment is held.
    pub bookmarks: u64,
}

/// A moment of a camera that a person marked. It protects the recordings that cover it, also those fetched later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Bookmark {
    /// Id.
    pub id: BookmarkId,
    /// Of which camera.
    pub camera_id: CameraId,
    /// The moment, true time.
    pub at_utc: UtcTime,
    /// What a person wrote; may be empty.
    pub note: String,
    /// Login name of who made it.
    pub made_by: String,
    /// When it was made.
    pub created_at: UtcTime,
}

/// Body of `POST /bookmarks`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BookmarkInput {
    /// Of which camera.
    pub camera_id: CameraId,
    /// The moment, true time.
    pub at_utc: UtcTime,
    /// At most 500 characters.
    #[serde(default)]
    pub note: String,
}

/// The ring buffer, simulated forward at the rate of the last days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Retention {
    /// Room for footage on the volumes that are there, protected footage included.
    pub room_bytes: u64,
    /// Bytes of a day's footage of all cameras.
    pub bytes_per_day: u64,
    /// Days kept of the camera that is kept shortest by room (not by a limit of its own); null: more than is reckoned.
    pub days: Option<f64>,
    /// The same if nothing were protected.
    pub days_without_locks: Option<f64>,
    /// From when on nothing new has room, because everything held is protected or promised; null: not within the
    /// forecast.
    pub full_on: Option<UtcTime>,
    /// How many days forward was reckoned.
    pub horizon_days: u32,
    /// In words.
    pub summary: String,
    /// Camera by camera.
    pub cameras: Vec<CameraRetention>,
}

/// What a camera's rate rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateBasis {
    /// Whole days of footage that the recorder lists.
    Measured,
    /// Less than a whole day is known: from what there is.
    New,
    /// The recorder has listed nothing new for more than a day: the rate of before.
    Stopped,
    /// It is not fetched any more: nothing new comes.
    Off,
    /// Nothing is known yet.
    Unknown,
}

/// How long the footage of one camera stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct CameraRetention {
    /// Which.
    pub camera_id: CameraId,
    /// Its name.
    pub name: String,
    /// What the rate rests on.
    pub basis: RateBasis,
    /// Bytes of a day's footage; 0 while nothing comes.
    pub bytes_per_day: u64,
    /// Bytes held.
    pub held_bytes: u64,
    /// Of that, protected.
    pub locked_bytes: u64,
    /// How far back unprotected footage reaches now, in days.
    pub held_days: f64,
    /// How many days are kept at this rate once the ring has turned around; null: more than is reckoned, or nothing
    /// comes.
    pub days: Option<f64>,
    /// The same if nothing were protected.
    pub days_without_locks: Option<f64>,
    /// Promised: younger footage stays. 0: nothing is promised.
    pub least_days: f64,
    /// Older footage leaves; null: no limit.
    pub most_days: Option<f64>,
    /// Most bytes of it; null: no limit.
    pub most_bytes: Option<u64>,
    /// When footage younger than promised will have to go; null: the promise is kept as far as is reckoned.
    pub breaks_on: Option<UtcTime>,
    /// In words.
    pub summary: String,
}

/// Something that people were told of and that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Alarm {
    /// Stable name of the rule, as in the alert (`retention_at_risk`, `storage_full`).
    pub rule: String,
    /// Name of the camera or volume.
    pub subject: String,
    /// How urgent.
    pub severity: crate::telemetry::Severity,
    /// What is wrong and what to do.
    pub message: String,
    /// Since when.
    pub since: UtcTime,
}
