//! A place for footage: its folder, its marker, its room.
//!
//! A volume carries a marker file with an identity, so that an empty mount point is never taken for an empty disk and
//! a foreign disk never for ours: without the right marker nothing is written. Room is counted in bytes, never in
//! per cent (docs/design/decisions.md §8).

pub mod health;
mod look;
mod marker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Notify;
use uuid::Uuid;
use wire::ids::RecordingId;
use wire::resource::{Disk, Tier, VolumeState};

use super::path::Stem;
use crate::model::time::UtcTime;
use health::{Fitness, Health, Seen};
pub use look::{LOOK_MAX, look};
pub use marker::{MARKER, read_marker};
use marker::{expects_mount, lies_on_root, write_marker};

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
    /// `/`. Default: what its marker remembers; of a new volume, where one would expect it ([`marker::expects_mount`]).
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
    /// The folder is the system's own: the disk that belongs there is not mounted.
    #[error(
        "volume {name:?}: {path} lies on the system's own disk, so the disk that belongs there is not mounted. Mount it (or say mounted = false for this [[volume]] if footage is to lie on the system's disk)"
    )]
    NotMounted {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// The disk does not answer.
    #[error("volume {name:?}: the disk at {path} does not answer")]
    Silent {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// Nothing is written to it in the state that it is in.
    #[error("volume {name:?} is not written to: {why}")]
    Unfit {
        /// Name of the volume.
        name: String,
        /// What is the matter.
        why: String,
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
    /// A marker was written to its disk, or found there.
    made: AtomicBool,
    reserved_bytes: AtomicU64,
    written_bytes: AtomicU64,
    health: Mutex<Health>,
    /// Work on the disk that takes longer than anything should, and has not ended yet.
    stuck: AtomicUsize,
    suspected: Notify,
    disks: Mutex<Vec<Disk>>,
}

impl Volume {
    /// A volume as the catalog knows it.
    pub fn new(id: VolumeId, uuid: Uuid, config: VolumeConfig) -> Self {
        Self(Arc::new(Inner {
            id,
            uuid,
            config,
            made: AtomicBool::new(true),
            reserved_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            health: Mutex::default(),
            stuck: AtomicUsize::new(0),
            suspected: Notify::new(),
            disks: Mutex::default(),
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

    /// Whether the right disk is there now, for reading. Blocking; see [`Volume::within`].
    pub fn check(&self) -> Result<(), VolumeError> {
        let (name, path) = (self.0.config.name.clone(), self.0.config.path.clone());
        if self.is_silent() {
            return Err(VolumeError::Silent { name, path });
        }
        let config = self.config();
        let io = |source| self.io(source);
        match read_marker(&path) {
            Ok(Some(found)) if found.uuid == self.0.uuid => {
                let needs_mount = config.mounted.unwrap_or(found.mounted);
                match needs_mount && lies_on_root(&path).map_err(io)? {
                    true => Err(VolumeError::NotMounted { name, path }),
                    false => Ok(()),
                }
            }
            Ok(Some(found)) => Err(VolumeError::Foreign {
                name,
                path,
                known: self.0.uuid,
                found: found.uuid,
            }),
            Ok(None) => {
                let needs_mount = config.mounted.unwrap_or_else(|| expects_mount(&path));
                match needs_mount && lies_on_root(&path).map_err(io)? {
                    true => Err(VolumeError::NotMounted { name, path }),
                    false => Err(VolumeError::Gone { name, path }),
                }
            }
            Err(source) => Err(self.io(source)),
        }
    }

    /// Whether it may be written to, or removed from: the right disk is there, and nothing is known against it. Asked
    /// before either. Blocking.
    pub fn check_writable(&self) -> Result<(), VolumeError> {
        self.check()?;
        let health = self.health();
        // One that a look found gone is there again by now; only what a check cannot see counts from the newest look.
        let unfit = match health.state() {
            VolumeState::ReadOnly => true,
            VolumeState::Failing => health.fitness() == Fitness::Unfit,
            _ => false,
        };
        match unfit {
            true => Err(VolumeError::Unfit {
                name: self.name().to_owned(),
                why: health.why(),
            }),
            false => Ok(()),
        }
    }

    /// Claims the folder of a new volume: guards the mount point, and writes the marker. Fine when that was done before.
    /// Blocking.
    pub fn claim(&self) -> Result<(), VolumeError> {
        match self.check() {
            Ok(()) => {}
            Err(VolumeError::Gone { .. }) if !self.is_made() => {
                write_marker(self.path(), self.0.uuid).map_err(|e| self.io(e))?;
            }
            Err(e) => return Err(e),
        }
        self.0.made.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// A marker was written to its disk, or found there: until then it was never seen.
    pub fn is_made(&self) -> bool {
        self.0.made.load(Ordering::SeqCst)
    }

    /// As the catalog knows a volume whose disk was never there.
    pub fn not_made(self) -> Self {
        self.0.made.store(false, Ordering::SeqCst);
        self
    }

    fn io(&self, source: io::Error) -> VolumeError {
        VolumeError::Io {
            name: self.name().to_owned(),
            path: self.path().to_owned(),
            source,
        }
    }

    /// How it fares, by the newest look.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.0.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disks below it, as they told of themselves last.
    pub fn disks(&self) -> Vec<Disk> {
        let disks = self.0.disks.lock().unwrap_or_else(PoisonError::into_inner);
        disks.clone()
    }

    /// Takes what the disks below it tell of themselves.
    pub fn set_disks(&self, disks: Vec<Disk>) {
        *self.0.disks.lock().unwrap_or_else(PoisonError::into_inner) = disks;
    }

    /// Takes what a look has seen; the state before, where it is another one now.
    pub fn judge(&self, seen: Seen, now: UtcTime) -> Option<VolumeState> {
        self.health().judge(seen, self.config().floor_bytes, now)
    }

    /// Somebody who wrote or read met this error: it counts, and the disk is looked at at once.
    pub fn met(&self, error: &io::Error) {
        if health::is_of_the_disk(error) {
            self.health().met();
        }
        self.suspect();
    }

    /// It is looked at at once.
    pub fn suspect(&self) {
        self.0.suspected.notify_one();
    }

    /// Returns when somebody suspects the disk.
    pub async fn suspected(&self) {
        self.0.suspected.notified().await;
    }

    /// The disk is given something to do that it has not answered for longer than anything should take.
    pub fn is_silent(&self) -> bool {
        self.0.stuck.load(Ordering::SeqCst) > 0
    }

    /// Work on the disk for somebody who cannot wait for ever: it runs on a thread of its own, and goes on there when the
    /// time is over. Until the disk answers it counts as silent, and nothing more is asked of it.
    pub async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, VolumeError> {
        let silent = || VolumeError::Silent {
            name: self.name().to_owned(),
            path: self.path().to_owned(),
        };
        if self.is_silent() {
            return Err(silent());
        }
        let asked = Asked {
            disk: self.clone(),
            stage: Arc::new(AtomicU8::new(RUNS)),
        };
        let stage = asked.stage.clone();
        let task = tokio::task::spawn_blocking(move || work(&asked.disk));
        match tokio::time::timeout(limit, task).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failed)) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(self.io(io::Error::other(cancelled))),
            },
            Err(_) => {
                self.0.stuck.fetch_add(1, Ordering::SeqCst);
                if stage.swap(GIVEN_UP, Ordering::SeqCst) == ENDED {
                    // It has just ended after all.
                    self.0.stuck.fetch_sub(1, Ordering::SeqCst);
                }
                self.0.suspected.notify_one();
                Err(silent())
            }
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

const RUNS: u8 = 0;
const GIVEN_UP: u8 = 1;
const ENDED: u8 = 2;

/// Work that a disk was asked for. When it ends, whoever gave it up hears of it.
struct Asked {
    disk: Volume,
    stage: Arc<AtomicU8>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.stage.swap(ENDED, Ordering::SeqCst) == GIVEN_UP {
            self.disk.0.stuck.fetch_sub(1, Ordering::SeqCst);
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

    /// Those that may be written to, the best first: what is slow or makes errors is used where nothing else is there.
    /// Within each kind in the order of the configuration. The error is the first volume's.
    pub async fn for_writing(&self) -> Result<Vec<&Volume>, VolumeError> {
        let (mut fit, mut first) = (Vec::new(), None);
        for volume in self.iter() {
            match volume.within(LOOK_MAX, Self::check_one).await.flatten() {
                Ok(()) => fit.push(volume),
                Err(e) => first = first.or(Some(e)),
            }
        }
        if fit.is_empty() {
            return Err(first.unwrap_or(VolumeError::Gone {
                name: "none".to_owned(),
                path: PathBuf::from("(no [[volume]] is configured)"),
            }));
        }
        fit.sort_by_key(|volume| volume.health().fitness());
        Ok(fit)
    }

    fn check_one(volume: &Volume) -> Result<(), VolumeError> {
        volume.check_writable()
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
        let before = volume.check_writable();
        assert!(matches!(before, Err(VolumeError::Gone { .. })));
        write_marker(dir.path(), Uuid::now_v7()).unwrap();
        assert!(matches!(volume.check(), Err(VolumeError::Foreign { .. })));
        write_marker(dir.path(), uuid).unwrap();
        volume.check().unwrap();
        std::fs::write(dir.path().join(MARKER), "nonsense").unwrap();
        assert!(matches!(volume.check(), Err(VolumeError::Io { .. })));
    }

    #[test]
    fn a_disk_that_must_be_mounted_is_not_made_on_the_systems_own() {
        // Where temporary folders lie on the root file system, as they mostly do.
        let dir = tempfile::tempdir().unwrap();
        if !lies_on_root(dir.path()).unwrap() {
            return;
        }
        let mut config = VolumeConfig::new("main", dir.path());
        config.mounted = Some(true);
        let volume = Volume::new(VolumeId(1), Uuid::now_v7(), config.clone()).not_made();
        assert!(matches!(
            volume.claim(),
            Err(VolumeError::NotMounted { .. })
        ));
        assert!(!dir.path().join(MARKER).exists() && !volume.is_made());
        // Neither is one that carries the marker: somebody has copied it.
        write_marker(dir.path(), volume.uuid()).unwrap();
        assert!(matches!(
            volume.check(),
            Err(VolumeError::NotMounted { .. })
        ));
        config.mounted = Some(false);
        Volume::new(VolumeId(1), volume.uuid(), config)
            .check()
            .unwrap();
    }

    #[test]
    fn a_new_volume_claims_its_folder_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = VolumeConfig::new("main", dir.path());
        let volume = Volume::new(VolumeId(1), Uuid::now_v7(), config.clone()).not_made();
        volume.claim().unwrap();
        volume.claim().unwrap();
        volume.check().unwrap();
        // A disk that lost its marker is not claimed anew.
        std::fs::remove_file(dir.path().join(MARKER)).unwrap();
        assert!(matches!(volume.claim(), Err(VolumeError::Gone { .. })));
        let other = Volume::new(VolumeId(2), Uuid::now_v7(), config).not_made();
        write_marker(dir.path(), volume.uuid()).unwrap();
        assert!(matches!(other.claim(), Err(VolumeError::Foreign { .. })));
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let config = VolumeConfig::new("main", dir.path());
        let volume = Volume::new(VolumeId(1), Uuid::now_v7(), config).not_made();
        volume.claim().unwrap();
        let (answer, hung) = std::sync::mpsc::channel::<()>();
        let gave_up = volume
            .within(Duration::from_millis(10), move |_| hung.recv())
            .await;
        assert!(matches!(gave_up, Err(VolumeError::Silent { .. })));
        // Nothing more is asked of it.
        assert!(matches!(volume.check(), Err(VolumeError::Silent { .. })));
        let asked = volume.within(Duration::MAX, |_| panic!("asked")).await;
        assert!(matches!(asked, Err(VolumeError::Silent { .. })));
        answer.send(()).unwrap();
        while volume.is_silent() {
            tokio::task::yield_now().await;
        }
        volume.check_writable().unwrap();
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
