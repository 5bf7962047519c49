//! The disks of an appliance: volumes, their tiers and states, what they say of their health, and what is protected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::retention::Locks;
use crate::time::UtcTime;

/// How near footage on a volume is at hand: it moves from hot to cold.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Where new footage goes.
    #[default]
    Hot,
    /// Where it moves from there.
    Warm,
    /// Where it moves last.
    Cold,
}

/// Whether a volume can be used.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum VolumeState {
    /// It takes and gives footage.
    #[default]
    Working,
    /// Its disk is not there, or not mounted.
    Gone,
    /// Another volume's disk is mounted in its place.
    Foreign,
    /// Nothing can be written to it.
    ReadOnly,
    /// It does not answer, or answers with errors.
    Failing,
    /// It answers, but takes seconds for what a disk does in milliseconds.
    Slow,
    /// Less is free than its floor, or nothing at all.
    Full,
}

/// What is the matter with a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct VolumeTrouble {
    /// Since when.
    pub since: UtcTime,
    /// What was found.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// How a disk fares.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DiskHealth {
    /// It tells nothing, or could not be asked.
    #[default]
    Unknown,
    /// It finds nothing wrong.
    Good,
    /// It is to be watched.
    Ageing,
    /// It is about to fail.
    Failing,
}

/// A disk below a volume, as it tells of itself (SMART, NVMe health); what it does not tell is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Disk {
    /// Name in the kernel, such as `sda` or `nvme0n1`.
    pub device: String,
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Hours with power.
    pub power_on_hours: Option<u64>,
    /// °C.
    pub temperature_c: Option<i64>,
    /// Sectors that were replaced by spare ones.
    pub reallocated_sectors: Option<u64>,
    /// Sectors that cannot be read now.
    pub pending_sectors: Option<u64>,
    /// Sectors that were lost.
    pub uncorrectable_sectors: Option<u64>,
    /// Errors of the medium that an NVMe disk could not mend.
    pub media_errors: Option<u64>,
    /// Per cent used of what its maker promised to be writable; may exceed 100.
    pub wear_percent: Option<u64>,
    /// What that means.
    pub health: DiskHealth,
    /// Why, in words; or why nothing is known.
    pub message: String,
    /// When it was asked.
    pub read_at: UtcTime,
}

impl Disk {
    /// One of which nothing is known.
    pub fn unknown(read_at: UtcTime) -> Self {
        Self {
            device: String::new(),
            model: None,
            serial: None,
            power_on_hours: None,
            temperature_c: None,
            reallocated_sectors: None,
            pending_sectors: None,
            uncorrectable_sectors: None,
            media_errors: None,
            wear_percent: None,
            health: DiskHealth::Unknown,
            message: String::new(),
            read_at,
        }
    }
}

/// What is held of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Volume {
    /// Name from the configuration.
    pub name: String,
    /// Folder.
    pub path: String,
    /// Bytes of completed footage on it.
    pub held_bytes: u64,
    /// Most footage that may lie on it; null: only the free-space floor counts.
    pub budget_bytes: Option<u64>,
    /// Bytes free on its file system.
    pub free_bytes: u64,
    /// Size of its file system.
    pub total_bytes: u64,
    /// Free bytes below which nothing more is written.
    pub floor_bytes: u64,
    /// Room that footage may have, what is held included: by budget or floor, whichever leaves less.
    #[serde(default)]
    pub room_bytes: u64,
    /// Recordings on it that a lock or a bookmark protects.
    #[serde(default)]
    pub locked_recordings: u64,
    /// Their bytes: room that the ring no longer has.
    #[serde(default)]
    pub locked_bytes: u64,
    /// Older footage leaves it; null: no limit of its own.
    #[serde(default)]
    pub max_age_days: Option<u32>,
    /// Its tier.
    #[serde(default)]
    pub tier: Tier,
    /// Older footage moves to the next colder tier; null: only for want of room.
    #[serde(default)]
    pub move_after_days: Option<u32>,
    /// Whether it can be used.
    #[serde(default)]
    pub state: VolumeState,
    /// What is the matter, unless it is working.
    #[serde(default)]
    pub trouble: Option<VolumeTrouble>,
    /// The disks that it lies on; empty where none was found: a network, memory.
    #[serde(default)]
    pub disks: Vec<Disk>,
}

/// The storage of an appliance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Storage {
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// What is protected from eviction.
    #[serde(default)]
    pub locks: Locks,
}
