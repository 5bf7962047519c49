//! Who must go: a pure choice of victims, then removal (S1, S2).
//!
//! Three reasons, in this order: footage is older than its camera keeps; a camera holds more bytes than it may; a
//! volume is above its high water mark, by its budget or by the floor of free bytes. Oldest first, never what a lock or
//! bookmark protects, and never what is younger than its camera's least age, except where the disk itself has no room
//! left (then people are told). Once begun on a volume, eviction goes on to the low water mark, so that it works in
//! strokes.
//!
//! New footage goes where there is most room, in the hottest tier that has any; where there is none, to the volume on
//! which the oldest may leave. So the oldest leaves first whichever disk it lies on, to within one stroke, and all disks are one ring.
//!
//! Cameras that are switched off, or whose recorder was removed, are treated like all others: retention that skips
//! them fills the disk (docs/design/decisions.md §8).

mod archive;
mod choice;
pub mod forecast;
mod moving;
mod outlook;
mod rate;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::ids::{CameraId, RecordingId};
use wire::resource::EvictionCause;
use wire::retention::Retention;
use wire::telemetry::Severity;

use crate::catalog::recordings::Emptied;
use crate::catalog::{Catalog, CatalogError};
use crate::footage::volume::{LOOK_MAX, Reservation, Volume, VolumeError, VolumeId, Volumes};
use crate::model::retention::{Bytes, CameraHolding, DAY_MS, Rule};
use crate::model::time::UtcTime;
pub use archive::ArchiveNeed;
use choice::{Relief, Room};
use outlook::{Outlook, VolumeRoom};

/// Rounds of choosing and removing before a volume counts as full: more than one only when somebody else writes to
/// the disk meanwhile, or a file could not be removed.
const ROUNDS_MAX: u32 = 3;

/// People are told of a promise that breaks, or of room that ends, so long before.
const AHEAD_MS: i64 = 7 * DAY_MS;
/// And it is over once it lies this far ahead: a forecast moves by a day or two without meaning anything.
const AHEAD_AGAIN_MS: i64 = 10 * DAY_MS;
/// How long no footage may have left before its time until that is over.
const SHORTENED_QUIET_MS: i64 = DAY_MS;
/// How long there must have been room until fullness is over.
const FULL_QUIET_MS: i64 = 60 * 60 * 1_000;
/// How old a forecast may be that is shown.
const OUTLOOK_AGE_MAX_MS: i64 = 5_000;

/// Promised footage must go because the disk itself is full.
const SHORTENED: &str = "retention_shortened";
/// A promise will be broken.
const AT_RISK: &str = "retention_at_risk";
/// Nothing new has room.
const FULL: &str = "storage_full";
/// Soon nothing new will have room.
const FULL_SOON: &str = "storage_full_soon";
/// What is alarmed of all volumes together.
const STORAGE: &str = "storage";

/// `[retention]`: what is kept of every camera that has no rule of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Older footage leaves. Default: none, footage is kept as long as there is room.
    pub max_age_days: Option<u32>,
    /// Younger footage stays, unless the disk itself has no room left. Default 0.
    pub min_age_days: u32,
    /// Most bytes of one camera. Default: none.
    pub camera_max_bytes: Option<u64>,
    /// Most bytes that locks and bookmarks may protect. Default: half of the room that footage may have.
    pub lock_max_bytes: Option<u64>,
    /// How often ages and water marks are looked at. Default 60. Before each download they are looked at anyway.
    pub interval_s: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            max_age_days: None,
            min_age_days: 0,
            camera_max_bytes: None,
            lock_max_bytes: None,
            interval_s: 60,
        }
    }
}

impl RetentionConfig {
    /// What cannot be kept: a promise of more than is allowed.
    pub fn check(&self) -> Result<(), String> {
        match self.max_age_days {
            Some(max) if max < self.min_age_days => Err(format!(
                "[retention] min_age_days = {} is more than max_age_days = {max}: footage cannot stay longer than it may",
                self.min_age_days
            )),
            _ => Ok(()),
        }
    }

    /// The rule of a camera: its own, where it has one.
    fn rule(&self, camera: &CameraHolding) -> Rule {
        Rule {
            max_age_ms: camera
                .max_age_ms
                .or(self.max_age_days.map(|days| i64::from(days) * DAY_MS)),
            max_bytes: camera.max_bytes.or(self.camera_max_bytes),
            min_age_ms: camera
                .min_age_ms
                .unwrap_or(i64::from(self.min_age_days) * DAY_MS),
        }
    }
}

/// Why there is no room for new footage.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    /// Not even if everything left that may.
    #[error(
        "volume {volume:?} is full: {} would be missing even if all footage left that may leave. Unlock or delete footage, lower the least age, or add a disk", Bytes(*short_bytes)
    )]
    Full {
        /// Which volume.
        volume: String,
        /// How many bytes are missing.
        short_bytes: u64,
    },
    /// An archive does not fit beside what is younger than it.
    #[error(
        "there is no room for an archive of {bytes} bytes: {short_bytes} are missing on volume {volume:?} although what is older than the archive has left, and nothing younger leaves for it. Clear older archives, ask for a shorter range, or add a disk"
    )]
    ForArchive {
        /// Size of the archive.
        bytes: u64,
        /// Which volume.
        volume: String,
        /// How many bytes are missing.
        short_bytes: u64,
    },
    /// No disk is there.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The catalog could not be asked.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why nobody knows how much room there is.
#[derive(Debug, thiserror::Error)]
enum RoomUnknown {
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<RoomUnknown> for NoRoom {
    fn from(e: RoomUnknown) -> Self {
        match e {
            RoomUnknown::Volume(e) => Self::Volume(e),
            RoomUnknown::Catalog(e) => Self::Catalog(e),
        }
    }
}

/// What one look at everything removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relieved {
    /// Recordings that left because of age or their camera's bytes.
    pub by_rule: u64,
    /// Recordings that left because a volume needed room.
    pub by_pressure: u64,
    /// Of those, younger than their camera's least age.
    pub forced: u64,
}

/// Keeps room on the volumes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Evictor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    volumes: Volumes,
    config: RetentionConfig,
    // One choice at a time: two would both count the same footage as gone.
    turn: tokio::sync::Mutex<()>,
    /// The newest forecast and when it was made.
    outlook: watch::Sender<Option<(UtcTime, Retention)>>,
}

impl Evictor {
    /// For these volumes, by these rules.
    pub fn new(catalog: Catalog, volumes: Volumes, config: RetentionConfig) -> Self {
        Self(Arc::new(Inner {
            catalog,
            volumes,
            config,
            turn: tokio::sync::Mutex::new(()),
            outlook: watch::Sender::new(None),
        }))
    }

    /// Promises room for a download, evicting where that is needed: on the volume where it has begun, or else where
    /// there is most room, or else where the oldest footage may leave.
    pub async fn need(&self, bytes: u64, begun: Option<VolumeId>) -> Result<Reservation, NoRoom> {
        let _turn = self.0.turn.lock().await;
        let fit = self.0.volumes.for_writing().await?;
        let only = fit
            .iter()
            .copied()
            .find(|volume| Some(volume.id()) == begun);
        let fit = only.map_or(fit, |begun| vec![begun]);
        let mut error = None;
        // The best disks first; one that is slow or makes errors only where those can give no room.
        for alike in fit.chunk_by(|a, b| a.health().fitness() == b.health().fitness()) {
            let mut tiers = alike.to_vec();
            tiers.sort_by_key(|volume| volume.config().tier);
            // The hottest tier with room: where the hot ones are full and footage moves more slowly than it comes, what
            // is new lies in a colder one at once, and nothing has to leave for it.
            for tier in tiers.chunk_by(|a, b| a.config().tier == b.config().tier) {
                if let Some(volume) = self.roomiest(tier, bytes).await? {
                    return Ok(volume.reserve(bytes));
                }
            }
            for volume in self.by_oldest(alike, bytes).await? {
                let (_, short_bytes) = self.make_room(volume, bytes).await?;
                if short_bytes == 0 {
                    return Ok(volume.reserve(bytes));
                }
                error = error.or(Some(NoRoom::Full {
                    volume: volume.name().to_owned(),
                    short_bytes,
                }));
            }
        }
        let error = error.unwrap_or_else(|| NoRoom::Full {
            volume: "none".to_owned(),
            short_bytes: bytes,
        });
        self.0
            .catalog
            .raise_alarm(
                FULL,
                STORAGE.to_owned(),
                Severity::Critical,
                error.to_string(),
            )
            .await?;
        Err(error)
    }

    /// Of the volumes with room for so much the one with most room left, as a part of its own.
    async fn roomiest<'a>(
        &self,
        there: &[&'a Volume],
        bytes: u64,
    ) -> Result<Option<&'a Volume>, NoRoom> {
        let mut best: Option<(f64, &Volume)> = None;
        for volume in there {
            let room = self.room(volume, bytes).await?;
            if !room.is_enough() {
                continue;
            }
            let spare = room.spare_bytes() as f64;
            let part = spare / (spare + room.held_bytes as f64).max(1.0);
            if best.is_none_or(|(most, _)| part > most) {
                best = Some((part, volume));
            }
        }
        Ok(best.map(|(_, volume)| volume))
    }

    /// Volumes in the order in which room is made on them: first where nothing promised has to go, then by the oldest
    /// footage that may leave.
    async fn by_oldest<'a>(
        &self,
        there: &[&'a Volume],
        bytes: u64,
    ) -> Result<Vec<&'a Volume>, NoRoom> {
        let mut order = Vec::new();
        for volume in there {
            let room = self.room(volume, bytes).await?;
            let relief = self.choose(volume, room).await?;
            let too_little = relief.freed_bytes < room.short_bytes();
            let key = (
                too_little,
                !relief.forced.is_empty(),
                relief.oldest.map_or(i64::MAX, UtcTime::micros),
            );
            order.push((key, *volume));
        }
        order.sort_by_key(|(key, _)| *key);
        Ok(order.into_iter().map(|(_, volume)| volume).collect())
    }

    /// One look at everything: ages, bytes per camera, water marks, and garbage that waits.
    pub async fn relieve(&self) -> Result<Relieved, CatalogError> {
        let _turn = self.0.turn.lock().await;
        let mut relieved = Relieved::default();
        self.0.catalog.empty_garbage(&self.0.volumes).await?;
        self.0.catalog.take_reserve().await;
        for camera in self.0.catalog.camera_holdings().await? {
            let (rule, now) = (self.0.config.rule(&camera), self.0.catalog.now());
            if rule.max_age_ms.is_none() && rule.max_bytes.is_none() {
                continue;
            }
            let victims = self
                .0
                .catalog
                .choose_of_camera(camera.camera, move |candidates| {
                    choice::beyond_rule(&rule, camera.held_bytes, now, candidates)
                })
                .await?;
            relieved.by_rule += self.remove(victims, EvictionCause::Retention).await?;
        }
        // Without a disk there is nothing to relieve.
        let fit = self.0.volumes.for_writing().await.unwrap_or_default();
        let coldest = fit.iter().map(|volume| volume.config().tier).max();
        for volume in fit {
            relieved.by_rule += self.too_old(volume).await?;
            if Some(volume.config().tier) < coldest {
                // It is relieved by moving. Where that is not enough, room is made when it is asked for.
                continue;
            }
            match self.make_room(volume, 0).await {
                // What is missing still is said when somebody needs it ([`Evictor::need`]).
                Ok((made, _)) => {
                    relieved.by_pressure += made.by_pressure;
                    relieved.forced += made.forced;
                }
                Err(RoomUnknown::Volume(e)) => {
                    tracing::warn!(volume = volume.name(), error = %e, "The room on a volume is not known");
                }
                Err(RoomUnknown::Catalog(e)) => return Err(e),
            }
        }
        self.look_ahead().await?;
        Ok(relieved)
    }

    /// What is older than a volume keeps leaves it.
    async fn too_old(&self, volume: &Volume) -> Result<u64, CatalogError> {
        let Some(days) = volume.config().max_age_days else {
            return Ok(0);
        };
        let rule = Rule {
            max_age_ms: Some(i64::from(days) * DAY_MS),
            ..Rule::default()
        };
        let now = self.0.catalog.now();
        let victims = self
            .0
            .catalog
            .choose_on_volume(volume.id(), move |candidates| {
                choice::beyond_rule(&rule, 0, now, candidates)
            })
            .await?;
        self.remove(victims, EvictionCause::Retention).await
    }

    /// The rule that holds for a camera with these limits of its own.
    pub fn rule(&self, camera: &CameraHolding) -> Rule {
        self.0.config.rule(camera)
    }

    /// How long footage stays, as reckoned just now.
    pub async fn retention(&self) -> Result<Retention, CatalogError> {
        let now = self.0.catalog.now();
        let known = self.0.outlook.borrow().clone();
        if let Some((at, retention)) = known
            && (0..OUTLOOK_AGE_MAX_MS).contains(&now.ms_since(at))
        {
            return Ok(retention);
        }
        Ok(self.outlook().await?.retention)
    }

    /// The forecast, whenever it is made anew.
    pub fn outlooks(&self) -> watch::Receiver<Option<(UtcTime, Retention)>> {
        self.0.outlook.subscribe()
    }

    async fn outlook(&self) -> Result<Outlook, CatalogError> {
        let (mut volumes, mut lockable_bytes) = (Vec::new(), 0_u64);
        for volume in self.0.volumes.iter() {
            let held_bytes = self.0.catalog.held_bytes(volume.id()).await?;
            // What lies on a disk that is away, or is only read, is not in the ring.
            let look = |volume: &Volume| volume.check_writable().and_then(|()| volume.space());
            let Ok(space) = volume.within(LOOK_MAX, look).await.flatten() else {
                continue;
            };
            let config = volume.config();
            let room_bytes = config.room_bytes(held_bytes, space.free_bytes);
            // Also where something else has taken the room: what is held may be protected.
            lockable_bytes = lockable_bytes.saturating_add(room_bytes.max(held_bytes));
            volumes.push(VolumeRoom {
                id: volume.id(),
                room_bytes,
                disk_bytes: held_bytes
                    .saturating_add(space.free_bytes)
                    .saturating_sub(config.floor_bytes),
                slack_bytes: config.slack_bytes(),
                max_age_ms: config.max_age_days.map(|days| i64::from(days) * DAY_MS),
                tier: config.tier,
                move_after_ms: config.move_after_days.map(|days| i64::from(days) * DAY_MS),
            });
        }
        let lock_max_bytes = self.0.config.lock_max_bytes.unwrap_or(lockable_bytes / 2);
        self.0.catalog.set_lock_max_bytes(lock_max_bytes);
        let now = self.0.catalog.now();
        let today = now.micros().div_euclid(DAY_MS * 1_000);
        let state = self.0.catalog.ring_state(today).await?;
        let config = self.0.config.clone();
        let outlook =
            tokio::task::spawn_blocking(move || outlook::outlook(&state, &volumes, &config, now))
                .await
                .map_err(|_| base::sqlite::DbError::Closed)?;
        self.0
            .outlook
            .send_replace(Some((now, outlook.retention.clone())));
        Ok(outlook)
    }

    /// Tells people before a promise breaks or room ends, and when it is over.
    async fn look_ahead(&self) -> Result<(), CatalogError> {
        let outlook = self.outlook().await?;
        let catalog = &self.0.catalog;
        let now = catalog.now();
        let within = |on: UtcTime, ms: i64| on.ms_since(now) <= ms;
        for breach in &outlook.breaches {
            if within(breach.on, AHEAD_MS) {
                let (camera, message) = (breach.camera.clone(), breach.message.clone());
                catalog
                    .raise_alarm(AT_RISK, camera, Severity::Warning, message)
                    .await?;
            }
        }
        let still = outlook
            .breaches
            .iter()
            .filter(|breach| within(breach.on, AHEAD_AGAIN_MS))
            .map(|breach| breach.camera.clone())
            .collect();
        catalog.keep_alarms(AT_RISK, still).await?;
        let full_on = outlook.retention.full_on;
        if let Some(on) = full_on.filter(|on| within(*on, AHEAD_MS)) {
            let message = outlook::full_soon(on, now);
            catalog
                .raise_alarm(FULL_SOON, STORAGE.to_owned(), Severity::Critical, message)
                .await?;
        }
        let still: HashSet<String> = full_on
            .filter(|on| within(*on, AHEAD_AGAIN_MS))
            .map(|_| STORAGE.to_owned())
            .into_iter()
            .collect();
        catalog.keep_alarms(FULL_SOON, still).await?;
        catalog
            .end_quiet_alarms(SHORTENED, SHORTENED_QUIET_MS)
            .await?;
        catalog.end_quiet_alarms(FULL, FULL_QUIET_MS).await
    }

    /// Removes the files of what has left, now.
    pub async fn empty_garbage(&self) -> Result<Emptied, CatalogError> {
        let _turn = self.0.turn.lock().await;
        self.0.catalog.empty_garbage(&self.0.volumes).await
    }

    /// Looks every interval, and empties the garbage as soon as there is some, until told to stop. Ends with an error
    /// only when the catalog is closed: on a disk that is full, eviction is the last thing that may give up.
    pub async fn run(self, stop: CancellationToken) -> Result<(), CatalogError> {
        let interval = Duration::from_secs(u64::from(self.0.config.interval_s.max(1)));
        loop {
            match self.relieve().await {
                Ok(relieved) if relieved == Relieved::default() => {}
                Ok(relieved) => tracing::info!(
                    by_rule = relieved.by_rule,
                    by_pressure = relieved.by_pressure,
                    forced = relieved.forced,
                    "Footage has left"
                ),
                Err(e @ CatalogError::Db(base::sqlite::DbError::Closed)) => return Err(e),
                Err(e) => tracing::error!(error = %e, "Eviction failed; tried again"),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.0.catalog.garbage_waiting() => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn room(&self, volume: &Volume, needed_bytes: u64) -> Result<Room, RoomUnknown> {
        let space = volume.within(LOOK_MAX, Volume::space).await.flatten()?;
        let config = volume.config();
        Ok(Room {
            held_bytes: self.0.catalog.held_bytes(volume.id()).await?
                + self.0.catalog.archive_bytes(volume.id()).await?,
            reserved_bytes: volume.reserved_bytes(),
            written_bytes: volume.written_bytes(),
            needed_bytes,
            budget_bytes: config.budget_bytes,
            free_bytes: space.free_bytes,
            floor_bytes: config.floor_bytes,
            slack_bytes: config.slack_bytes(),
        })
    }

    /// Evicts from a volume until the room is there; returns what left and how many bytes are missing still. Looks at
    /// the disk again after each round: what counts is what it says, not what was reckoned.
    async fn make_room(
        &self,
        volume: &Volume,
        needed_bytes: u64,
    ) -> Result<(Relieved, u64), RoomUnknown> {
        let mut made = Relieved::default();
        for _ in 0..ROUNDS_MAX {
            let room = self.room(volume, needed_bytes).await?;
            if room.is_enough() {
                return Ok((made, 0));
            }
            let mut relief = self.choose(volume, room).await?;
            if needed_bytes > 0 && relief.freed_bytes < room.short_bytes() {
                // Footage never leaves for what has no room then either.
                return Ok((made, room.short_bytes() - relief.freed_bytes));
            }
            if relief.freed_bytes < room.below_floor() {
                // Something else is filling the disk, and would fill what leaves too: all footage would go for nothing.
                relief = self.choose(volume, room.without_floor()).await?;
            }
            if !relief.forced.is_empty() {
                self.warn_of_forced(volume, &relief).await?;
            }
            let usual = self.remove(relief.victims, EvictionCause::Pressure).await?;
            let forced = self.remove(relief.forced, EvictionCause::Pressure).await?;
            made.by_pressure += usual + forced;
            made.forced += forced;
            if usual + forced == 0 {
                return Ok((made, room.short_bytes()));
            }
        }
        Ok((made, self.room(volume, needed_bytes).await?.short_bytes()))
    }

    /// Every camera's rule.
    async fn rules(&self) -> Result<HashMap<CameraId, Rule>, CatalogError> {
        let cameras = self.0.catalog.camera_holdings().await?;
        Ok(cameras
            .iter()
            .map(|camera| (camera.camera, self.0.config.rule(camera)))
            .collect())
    }

    async fn choose(&self, volume: &Volume, room: Room) -> Result<Relief, CatalogError> {
        let rules = self.rules().await?;
        let now = self.0.catalog.now();
        self.0
            .catalog
            .choose_on_volume(volume.id(), move |candidates| {
                let min_age_ms = |camera| rules.get(&camera).map_or(0, |rule| rule.min_age_ms);
                choice::under_pressure(&room, now, min_age_ms, candidates)
            })
            .await
    }

    /// Rows, files, garbage. Returns how many left: one that was locked or deleted meanwhile does not count.
    async fn remove(
        &self,
        victims: Vec<RecordingId>,
        cause: EvictionCause,
    ) -> Result<u64, CatalogError> {
        if victims.is_empty() {
            return Ok(0);
        }
        let left = self.0.catalog.evict(victims, cause).await?;
        self.0.catalog.empty_garbage(&self.0.volumes).await?;
        Ok(left.len() as u64)
    }

    async fn warn_of_forced(&self, volume: &Volume, relief: &Relief) -> Result<(), CatalogError> {
        let message = format!(
            "Volume {:?} has no room left: footage leaves although it is younger than the least age that was set, {} \
             recordings to begin with. Footage arrives faster than this disk can keep it: add a disk, lower the least \
             age, or unlock footage that is no longer needed",
            volume.name(),
            relief.forced.len()
        );
        self.0
            .catalog
            .raise_alarm(
                SHORTENED,
                volume.name().to_owned(),
                Severity::Critical,
                message,
            )
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
