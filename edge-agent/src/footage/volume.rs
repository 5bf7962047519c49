//! A place for footage: its folder, its marker, its room.
//!
//! A volume carries a marker file with an identity, so that an empty mount point is never taken for an empty disk and
//! a foreign disk never for ours: without the right marker nothing is written. Room is counted in bytes, never in
//! per cent (docs/design/decisions.md §8).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::ids::RecordingId;

use super::path::Stem;

/// Name of the marker file.
pub const MARKER: &str = ".holdfast-volume";

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

/// Number of a volume in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub i64);

/// Why a volume cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The marker is not there: most likely the disk is not mounted.
    #[error(
        "volume {name:?}: {path} does not carry its marker {MARKER}: is the disk mounted? (A new disk needs a new volume name in the configuration.)"
    )]
    Gone {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// Another volume's marker lies there.
    #[error(
        "volume {name:?}: {path} carries the marker of another volume ({found}, not {known}): mount the right disk, or give this one a new volume name in the configuration"
    )]
    Foreign {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
        /// Identity expected.
        known: Uuid,
        /// Identity found.
        found: Uuid,
    },
    /// The disk does not do what it should.
    #[error("volume {name:?}: {path}: {source}")]
    Io {
        /// Name of the volume.
        name: String,
        /// Which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Marker {
    version: u32,
    uuid: Uuid,
}

/// The identity in a folder's marker; none when there is no marker.
pub fn read_marker(folder: &Path) -> io::Result<Option<Uuid>> {
    match std::fs::read(folder.join(MARKER)) {
        Ok(text) => serde_json::from_slice::<Marker>(&text)
            .map(|marker| Some(marker.uuid))
            .map_err(|e| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the marker {MARKER} cannot be read: {e}"),
                )
            }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes a folder a volume.
pub fn write_marker(folder: &Path, uuid: Uuid) -> io::Result<()> {
    base::durable::create_dir_all(folder)?;
    let text = serde_json::to_vec(&Marker { version: 1, uuid }).map_err(io::Error::other)?;
    base::durable::replace(&folder.join(MARKER), &text, 0o644)
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free for us (what is kept back for root does not count).
    pub free_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}

/// A volume in use. Cheap to clone. That it exists does not say that its disk is there: see [`Volume::check`].
#[derive(Debug, Clone)]
pub struct Volume(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: VolumeId,
    uuid: Uuid,
    config: VolumeConfig,
    reserved_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Volume {
    /// A volume as the catalog knows it.
    pub fn new(id: VolumeId, uuid: Uuid, config: VolumeConfig) -> Self {
        Self(Arc::new(Inner {
            id,
            uuid,
            config,
            reserved_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
        }))
    }

    /// Its number in the catalog.
    pub fn id(&self) -> VolumeId {
        self.0.id
    }

    /// Its identity, which its marker carries.
    pub fn uuid(&self) -> Uuid {
        self.0.uuid
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.0.config.path
    }

    /// Its configuration.
    pub fn config(&self) -> &VolumeConfig {
        &self.0.config
    }

    /// Where a file of a stem lies.
    pub fn file(&self, stem: &Stem, extension: &str) -> PathBuf {
        self.path().join(stem.file(extension))
    }

    /// Where a recording grows before it is verified.
    pub fn staging(&self, recording: RecordingId) -> PathBuf {
        self.path()
            .join(super::staging::STAGING)
            .join(recording.to_string())
    }

    /// Whether the right disk is there now. Asked before anything is written or removed.
    pub fn check(&self) -> Result<(), VolumeError> {
        let (name, path) = (self.0.config.name.clone(), self.0.config.path.clone());
        match read_marker(&path) {
            Ok(Some(found)) if found == self.0.uuid => Ok(()),
            Ok(Some(found)) => Err(VolumeError::Foreign {
                name,
                path,
                known: self.0.uuid,
                found,
            }),
            Ok(None) => Err(VolumeError::Gone { name, path }),
            Err(source) => Err(VolumeError::Io { name, path, source }),
        }
    }

    /// Room on its file system now.
    pub fn space(&self) -> Result<Space, VolumeError> {
        let stat = nix::sys::statvfs::statvfs(self.path()).map_err(|e| VolumeError::Io {
            name: self.name().to_owned(),
            path: self.path().to_owned(),
            source: e.into(),
        })?;
        let unit = stat.fragment_size();
        Ok(Space {
            free_bytes: stat.blocks_available().saturating_mul(unit),
            total_bytes: stat.blocks().saturating_mul(unit),
        })
    }

    /// Bytes promised to downloads under way.
    pub fn reserved_bytes(&self) -> u64 {
        self.0.reserved_bytes.load(Ordering::SeqCst)
    }

    /// Of those, bytes that are written already and so no longer free.
    pub fn written_bytes(&self) -> u64 {
        self.0.written_bytes.load(Ordering::SeqCst)
    }

    /// Promises room. Whether there is room is for eviction to say (`evict.rs`), which alone should call this.
    pub fn reserve(&self, bytes: u64) -> Reservation {
        self.0.reserved_bytes.fetch_add(bytes, Ordering::SeqCst);
        Reservation {
            volume: self.clone(),
            bytes: AtomicU64::new(bytes),
            written_bytes: 0,
        }
    }
}

/// Room promised to one download; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    volume: Volume,
    bytes: AtomicU64,
    written_bytes: u64,
}

impl Reservation {
    /// Where the room is.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// How much was promised.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// So many bytes of the download lie on the disk now: they are not free any more, so they are not promised twice.
    pub fn note_written(&mut self, bytes: u64) {
        let written = bytes.min(self.bytes());
        let counter = &self.volume.0.written_bytes;
        if written >= self.written_bytes {
            counter.fetch_add(written - self.written_bytes, Ordering::SeqCst);
        } else {
            counter.fetch_sub(self.written_bytes - written, Ordering::SeqCst);
        }
        self.written_bytes = written;
    }

    /// Takes more room for the same download, promised on the same volume.
    pub fn absorb(&mut self, more: Self) {
        debug_assert_eq!(self.volume.id(), more.volume.id());
        // The promise passes over without being given back in between.
        more.volume
            .0
            .reserved_bytes
            .fetch_add(more.bytes(), Ordering::SeqCst);
        self.bytes.fetch_add(more.bytes(), Ordering::SeqCst);
    }

    /// Gives the room back before its time: the disk itself has set it aside (`fallocate`). Nothing of it may have been
    /// noted as written.
    pub fn give_back(&self) {
        let bytes = self.bytes.swap(0, Ordering::SeqCst);
        self.volume
            .0
            .reserved_bytes
            .fetch_sub(bytes, Ordering::SeqCst);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
        let counter = &self.volume.0.written_bytes;
        counter.fetch_sub(self.written_bytes, Ordering::SeqCst);
    }
}

/// The volumes of the configuration. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Volumes(Arc<[Volume]>);

impl Volumes {
    /// In the order of the configuration.
    pub fn new(volumes: Vec<Volume>) -> Self {
        Self(volumes.into())
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Volume> {
        self.0.iter()
    }

    /// The one with this number; none when it is no longer configured.
    pub fn get(&self, id: VolumeId) -> Option<&Volume> {
        self.0.iter().find(|volume| volume.id() == id)
    }

    /// The first one whose disk is there: where new footage goes. The error is the first volume's.
    pub fn for_writing(&self) -> Result<&Volume, VolumeError> {
        let mut first = None;
        for volume in self.iter() {
            match volume.check() {
                Ok(()) => return Ok(volume),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or(VolumeError::Gone {
            name: "none".to_owned(),
            path: PathBuf::from("(no [[volume]] is configured)"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_right_marker_a_volume_refuses() {
        let dir = tempfile::tempdir().unwrap();
        let uuid = Uuid::now_v7();
        let volume = Volume::new(VolumeId(1), uuid, VolumeConfig::new("main", dir.path()));
        assert!(matches!(volume.check(), Err(VolumeError::Gone { .. })));
        write_marker(dir.path(), Uuid::now_v7()).unwrap();
        assert!(matches!(volume.check(), Err(VolumeError::Foreign { .. })));
        write_marker(dir.path(), uuid).unwrap();
        volume.check().unwrap();
        std::fs::write(dir.path().join(MARKER), "nonsense").unwrap();
        assert!(matches!(volume.check(), Err(VolumeError::Io { .. })));
    }

    #[test]
    fn promised_room_is_given_back() {
        let volume = Volume::new(
            VolumeId(1),
            Uuid::now_v7(),
            VolumeConfig::new("main", "/nowhere"),
        );
        let mut one = volume.reserve(100);
        let two = volume.reserve(10);
        assert_eq!(volume.reserved_bytes(), 110);
        one.note_written(60);
        one.note_written(40);
        assert_eq!((volume.reserved_bytes(), volume.written_bytes()), (110, 40));
        one.absorb(two);
        assert_eq!(volume.reserved_bytes(), 110);
        // No more counts as written than was promised.
        one.note_written(500);
        assert_eq!(volume.written_bytes(), 110);
        drop(one);
        assert_eq!((volume.reserved_bytes(), volume.written_bytes()), (0, 0));
    }

    #[test]
    fn the_slack_is_never_more_than_a_tenth_of_the_budget() {
        let mut config = VolumeConfig::new("main", "/x");
        assert_eq!(config.slack_bytes(), GIB);
        config.budget_bytes = Some(1_000);
        assert_eq!(config.slack_bytes(), 100);
    }
}
