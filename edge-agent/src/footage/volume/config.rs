//! A volume as it is configured.

use std::path::PathBuf;

use serde::Deserialize;
use wire::resource::Tier;

const GIB: u64 = 1024 * 1024 * 1024;

/// A volume in the configuration: `[[volume]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeConfig {
    /// Name, unique; a new disk gets a new name.
    pub name: String,
    /// Folder.
    pub path: PathBuf,
    /// Most footage that may lie on it, staging included (the high water mark). Default: as much as the floor leaves.
    #[serde(default)]
    pub budget_bytes: Option<u64>,
    /// Free bytes on its file system below which nothing more is written. Default 2 GiB: room for the catalog, the
    /// journal and an update to go on.
    #[serde(default = "floor_bytes_default")]
    pub floor_bytes: u64,
    /// Once a mark is crossed, footage leaves until this much room is there again (the low water mark lies this far
    /// below the high one), so that eviction works in strokes rather than file by file. Default 1 GiB, and never more
    /// than a tenth of the budget.
    #[serde(default = "slack_bytes_default")]
    pub slack_bytes: u64,
    /// Older footage leaves this volume, whatever its camera keeps. Default: no limit of its own.
    #[serde(default)]
    pub max_age_days: Option<u32>,
    /// Its tier. Default hot, where new footage goes.
    #[serde(default)]
    pub tier: Tier,
    /// Older footage moves to the next colder tier. Default: only when this volume needs the room.
    #[serde(default)]
    pub move_after_days: Option<u32>,
    /// Whether a disk must be mounted for it: then nothing is ever written while its folder lies on the file system of
    /// `/`. Default: what its marker remembers; of a new volume, where one would expect it (`marker.rs`).
    #[serde(default)]
    pub mounted: Option<bool>,
}

fn floor_bytes_default() -> u64 {
    2 * GIB
}

fn slack_bytes_default() -> u64 {
    GIB
}

impl VolumeConfig {
    /// A volume with the defaults.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            budget_bytes: None,
            floor_bytes: floor_bytes_default(),
            slack_bytes: slack_bytes_default(),
            max_age_days: None,
            tier: Tier::Hot,
            move_after_days: None,
            mounted: None,
        }
    }

    /// Room that footage may have, what is held included: what the floor leaves, and no more than the budget.
    pub fn room_bytes(&self, held_bytes: u64, free_bytes: u64) -> u64 {
        let by_floor = held_bytes
            .saturating_add(free_bytes)
            .saturating_sub(self.floor_bytes);
        self.budget_bytes
            .map_or(by_floor, |budget| budget.min(by_floor))
    }

    /// How far the low water mark lies below the high one.
    pub fn slack_bytes(&self) -> u64 {
        let tenth = self.budget_bytes.map_or(u64::MAX, |budget| budget / 10);
        self.slack_bytes.min(tenth)
    }
}
