//! A place for footage: its folder, its marker, its room.
//!
//! A volume carries a marker file with an identity, so that an empty mount point is never taken for an empty disk and
//! a foreign disk never for ours: without the right marker nothing is written. Room is counted in bytes, never in
//! per cent (docs/design/decisions.md §8).

mod config;
mod error;
pub mod health;
mod look;
mod marker;
mod patience;
mod reservation;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;
use wire::ids::RecordingId;
use wire::resource::{Disk, VolumeState};

use super::path::Stem;
use crate::model::time::UtcTime;
pub use config::VolumeConfig;
pub use error::VolumeError;
use health::{Fitness, Health, Seen};
pub use look::{LOOK_MAX, look};
pub use marker::{MARKER, read_marker};
use marker::{expects_mount, has_no_disk, lies_on_root, write_marker};
pub use reservation::Reservation;

/// Number of a volume in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub i64);

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
    /// Size of the disk that a test wants; 0: the real one.
    #[cfg(test)]
    pretended_bytes: AtomicU64,
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
            #[cfg(test)]
            pretended_bytes: AtomicU64::new(0),
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
                match needs_mount && has_no_disk(&path).map_err(io)? {
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

    /// A disk of so many bytes, on which media takes as many as it has and nothing else takes any.
    #[cfg(test)]
    pub fn pretend(&self, total_bytes: u64) {
        self.0.pretended_bytes.store(total_bytes, Ordering::SeqCst);
    }

    #[cfg(test)]
    fn pretended(&self) -> Option<Space> {
        fn media(folder: &Path) -> u64 {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.path() {
                    path if path.is_dir() => media(&path),
                    path if path.extension().is_some_and(|it| it == "mp4") => {
                        entry.metadata().map_or(0, |metadata| metadata.len())
                    }
                    _ => 0,
                })
                .sum()
        }
        match self.0.pretended_bytes.load(Ordering::SeqCst) {
            0 => None,
            total_bytes => Some(Space {
                free_bytes: total_bytes.saturating_sub(media(&self.path().join("cameras"))),
                total_bytes,
            }),
        }
    }

    /// Room on its file system now.
    pub fn space(&self) -> Result<Space, VolumeError> {
        let stat = nix::sys::statvfs::statvfs(self.path()).map_err(|e| VolumeError::Io {
            name: self.name().to_owned(),
            path: self.path().to_owned(),
            source: e.into(),
        })?;
        #[cfg(test)]
        if let Some(space) = self.pretended() {
            return Ok(space);
        }
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
    use std::time::Duration;

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
        if !has_no_disk(dir.path()).unwrap() {
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
    fn a_disk_that_must_be_mounted_is_not_made_in_memory() {
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let mut config = VolumeConfig::new("disk", dir.path().join("disk/footage"));
        config.mounted = Some(true);
        let volume = Volume::new(VolumeId(1), Uuid::now_v7(), config).not_made();
        assert!(matches!(
            volume.claim(),
            Err(VolumeError::NotMounted { .. })
        ));
        assert!(!dir.path().join("disk").exists());
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
    async fn who_gives_up_sooner_says_nothing_of_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let config = VolumeConfig::new("main", dir.path());
        let volume = Volume::new(VolumeId(1), Uuid::now_v7(), config);
        let (answer, slow) = std::sync::mpsc::channel::<()>();
        let asked = volume.within(Duration::MAX, move |_| slow.recv());
        let gave_up = tokio::time::timeout(Duration::from_millis(10), asked).await;
        assert!(gave_up.is_err() && !volume.is_silent());
        drop(answer);
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
        assert_eq!(config.slack_bytes(), 1 << 30);
        config.budget_bytes = Some(1_000);
        assert_eq!(config.slack_bytes(), 100);
    }
}
