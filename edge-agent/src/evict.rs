//! Who must go: a pure choice of victims, then removal (S1, S2).
//!
//! Three reasons, in this order: footage is older than its camera keeps; a camera holds more bytes than it may; a
//! volume is above its high water mark, by its budget or by the floor of free bytes. Oldest first, never what is
//! locked, and never what is younger than its camera's least age, except where the disk itself has no room left (then
//! with a warning). Once begun on a volume, eviction goes on to the low water mark, so that it works in strokes.
//!
//! Cameras that are switched off, or whose recorder was removed, are treated like all others: retention that skips
//! them fills the disk (docs/design/decisions.md §8).

mod choice;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;
use wire::resource::EvictionCause;
use wire::telemetry::{Alert, Event, Severity};

use crate::catalog::{Catalog, CatalogError};
use crate::footage::volume::{Reservation, Volume, VolumeError, Volumes};
use crate::model::retention::{CameraHolding, Rule};
use choice::{Relief, Room};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Rounds of choosing and removing before a volume counts as full: more than one only when somebody else writes to
/// the disk meanwhile, or a file could not be removed.
const ROUNDS_MAX: u32 = 3;

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
    /// How often ages and water marks are looked at. Default 60. Before each download they are looked at anyway.
    pub interval_s: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            max_age_days: None,
            min_age_days: 0,
            camera_max_bytes: None,
            interval_s: 60,
        }
    }
}

impl RetentionConfig {
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
    /// What could leave has left.
    #[error(
        "volume {volume:?} is full: {short_bytes} bytes are missing although everything that may leave has left. Unlock or delete footage, lower the least age, or add a disk"
    )]
    Full {
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
    full: AtomicBool,
}

impl Evictor {
    /// For these volumes, by these rules.
    pub fn new(catalog: Catalog, volumes: Volumes, config: RetentionConfig) -> Self {
        Self(Arc::new(Inner {
            catalog,
            volumes,
            config,
            turn: tokio::sync::Mutex::new(()),
            full: AtomicBool::new(false),
        }))
    }

    /// Promises room for a download, evicting where that is needed. The first volume with room is taken; only when
    /// none has any does footage leave, from the first one where that helps.
    pub async fn need(&self, bytes: u64) -> Result<Reservation, NoRoom> {
        let _turn = self.0.turn.lock().await;
        self.0.volumes.for_writing()?;
        let there: Vec<&Volume> = self
            .0
            .volumes
            .iter()
            .filter(|volume| volume.check().is_ok())
            .collect();
        for volume in &there {
            if self.room(volume, bytes).await?.is_enough() {
                self.0.full.store(false, Ordering::SeqCst);
                return Ok(volume.reserve(bytes));
            }
        }
        let mut first = None;
        for volume in &there {
            let (_, short_bytes) = self.make_room(volume, bytes).await?;
            if short_bytes == 0 {
                self.0.full.store(false, Ordering::SeqCst);
                return Ok(volume.reserve(bytes));
            }
            first = first.or(Some(NoRoom::Full {
                volume: volume.name().to_owned(),
                short_bytes,
            }));
        }
        let error = first.unwrap_or_else(|| NoRoom::Full {
            volume: "none".to_owned(),
            short_bytes: bytes,
        });
        if !self.0.full.swap(true, Ordering::SeqCst) {
            self.alert("storage_full", Severity::Critical, error.to_string())
                .await?;
        }
        Err(error)
    }

    /// One look at everything: ages, bytes per camera, water marks, and garbage that waits.
    pub async fn relieve(&self) -> Result<Relieved, CatalogError> {
        let _turn = self.0.turn.lock().await;
        let mut relieved = Relieved::default();
        self.0.catalog.empty_garbage(&self.0.volumes).await?;
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
        for volume in self.0.volumes.iter().filter(|v| v.check().is_ok()) {
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
        Ok(relieved)
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
        let space = volume.space()?;
        let config = volume.config();
        Ok(Room {
            held_bytes: self.0.catalog.held_bytes(volume.id()).await?,
            reserved_bytes: volume.reserved_bytes(),
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
            let relief = self.choose(volume, room).await?;
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

    async fn choose(&self, volume: &Volume, room: Room) -> Result<Relief, CatalogError> {
        let rules: std::collections::HashMap<_, _> = self
            .0
            .catalog
            .camera_holdings()
            .await?
            .iter()
            .map(|camera| (camera.camera, self.0.config.rule(camera)))
            .collect();
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
            "Volume {:?} has no room left: {} recordings leave although they are younger than the least age that was \
             set. Footage arrives faster than this disk can keep it",
            volume.name(),
            relief.forced.len()
        );
        tracing::warn!(
            volume = volume.name(),
            recordings = relief.forced.len(),
            "{message}"
        );
        self.alert("retention_shortened", Severity::Critical, message)
            .await
    }

    async fn alert(
        &self,
        rule: &str,
        severity: Severity,
        message: String,
    ) -> Result<(), CatalogError> {
        let alert = Alert {
            rule: rule.to_owned(),
            severity,
            message,
        };
        self.0.catalog.report(Event::AlertRaised(alert)).await
    }
}

#[cfg(test)]
mod tests;
