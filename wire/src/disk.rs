//! The disks in an appliance, and adopting one for footage (docs/guide/storage.md).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::UtcTime;

/// The disks in this box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxDisks {
    /// Whether this box tells of its disks and adopts them. Only one of the appliance image does.
    pub offered: bool,
    /// They, in the order in which the box found them.
    pub items: Vec<BoxDisk>,
    /// The disk that is being made ready, or what became of the last one.
    pub adoption: Adoption,
}

/// A disk in this box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxDisk {
    /// What it is known by wherever it is plugged in; null for one without a number.
    pub id: Option<String>,
    /// As the kernel calls it now, such as `sdb`.
    pub name: String,
    /// What its maker calls it; may be empty.
    pub model: String,
    /// Its serial number; may be empty.
    pub serial: String,
    /// Its size.
    pub bytes: u64,
    /// How it is connected: `sata`, `nvme`, `usb`, …; may be empty.
    pub transport: String,
    /// It may be pulled out while the box runs.
    pub removable: bool,
    /// It turns.
    pub rotational: bool,
    /// What it may be used for.
    pub state: DiskState,
    /// The volume that it was adopted as.
    pub volume: Option<String>,
    /// What that means, in a sentence.
    pub message: String,
    /// What is on it.
    pub contents: Vec<DiskContent>,
    /// Changes with what is on it: who adopts the disk sends it back.
    pub seen: String,
    /// What a person types to confirm that this disk is meant; null where it cannot be adopted.
    pub confirm: Option<Confirmation>,
}

/// What is on a disk: a partition, or the whole of it where it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskContent {
    /// As the kernel calls it now, such as `sdb1`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// `ext4`, `ntfs`, …; empty where it is not known.
    pub file_system: String,
    /// What somebody has called it; may be empty.
    pub label: String,
    /// The folder where it is mounted; null where it is not.
    pub mounted_at: Option<String>,
}

/// What a person types to confirm which disk is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Confirmation {
    /// The end of what.
    pub of: NumberKind,
    /// So many characters.
    pub chars: u8,
}

/// The numbers that stand on a disk's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// The serial number.
    Serial,
    /// The World Wide Name.
    Wwn,
}

/// How far an adoption is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Adoption {
    /// There was none.
    None,
    /// The disk is being erased and made ready.
    Ordered {
        /// Which.
        id: String,
    },
    /// It is used for footage.
    Good {
        /// Which.
        id: String,
        /// Since when.
        at: UtcTime,
    },
    /// It was left as it was.
    Refused {
        /// Which.
        id: String,
        /// Why.
        reason: String,
        /// When.
        at: UtcTime,
    },
    /// It was begun and did not come to its end.
    Failed {
        /// Which.
        id: String,
        /// Why.
        reason: String,
        /// When.
        at: UtcTime,
    },
}

/// What a disk may be used for, as the box judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// The box runs from it.
    System,
    /// It was adopted for footage.
    Footage,
    /// Nothing is on it: it can be adopted.
    Free,
    /// Something is on it that would be erased: it can be adopted.
    HasData,
    /// Something on it is mounted or used otherwise.
    InUse,
    /// It cannot be adopted, for the reason that is told.
    Refused,
}

/// Which disk is meant, once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// `seen` of the disk as the person was shown it.
    pub seen: String,
    /// The end of its number, as `confirm` of the disk asks for it.
    pub confirm: String,
}
