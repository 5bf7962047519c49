//! Footage moves from tier to tier (S5): to the next colder volumes when it is old enough, or when its own has too little
//! room left, oldest first.
//!
//! What moves stays held all the while. A copy grows in the target's staging, its digests are taken as it passes and once
//! more from the disk, and it takes its place there as every recording does; then the row is switched to it and the old
//! files become garbage, in one transaction. So whoever reads finds one place or the other, and an interruption leaves
//! the old one. All tiers are one ring still: where the colder tier is full, what is older than the footage that moves
//! leaves there, and where nothing older is, nothing moves.
//!
//! One recording moves at a time, no faster than the settings say, and at a quarter of that while others write to either
//! disk, unless room is needed soon.

mod carry;
mod choice;

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;

use crate::catalog::{Catalog, CatalogError};
use crate::evict::{Evictor, NoRoom};
use crate::footage::volume::health::Fitness;
use crate::footage::volume::{Volume, Volumes};
use crate::model::retention::DAY_MS;
use carry::{Carried, Carry, Pace};
use choice::{Chosen, Why, Wish};

/// Between two looks when there was nothing to move.
const INTERVAL: Duration = Duration::from_secs(60);
/// Recordings that could not be moved and are left where they are until the next start.
const LEFT_MAX: usize = 10_000;

/// `[tiers]`: how footage moves between volumes of different tiers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TiersConfig {
    /// Most bytes a second that moving reads and writes. Default 40 MB/s.
    pub limit_bytes_per_s: u64,
}

impl Default for TiersConfig {
    fn default() -> Self {
        Self {
            limit_bytes_per_s: 40_000_000,
        }
    }
}

/// Moves footage.
#[derive(Debug)]
pub struct Mover {
    catalog: Catalog,
    volumes: Volumes,
    evictor: Evictor,
    config: TiersConfig,
    /// What cannot be moved, for a reason of its own, until the next start.
    left: HashSet<RecordingId>,
    /// What was not to be moved after all; looked at again next time.
    skipped: HashSet<RecordingId>,
    /// Volumes that are being relieved until they have room again.
    relieving: HashSet<String>,
    /// The newest trouble that was told.
    told: Option<String>,
}

impl Mover {
    /// Between these volumes.
    pub fn new(catalog: Catalog, volumes: Volumes, evictor: Evictor, config: TiersConfig) -> Self {
        Self {
            catalog,
            volumes,
            evictor,
            config,
            left: HashSet::new(),
            skipped: HashSet::new(),
            relieving: HashSet::new(),
            told: None,
        }
    }

    /// Moves what is to be moved until told to stop. Ends with an error only when the catalog is closed.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), CatalogError> {
        if !self.has_tiers() {
            stop.cancelled().await;
            return Ok(());
        }
        while !stop.is_cancelled() {
            match self.move_all(&stop).await {
                Ok(_) => self.told = None,
                Err(e @ CatalogError::Db(base::sqlite::DbError::Closed)) => return Err(e),
                Err(error) => {
                    let why = error.to_string();
                    if self.told.as_ref() != Some(&why) {
                        tracing::warn!(error = why, "Footage does not move for now; tried again");
                    }
                    self.told = Some(why);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
        Ok(())
    }

    /// Whether there is more than one tier.
    fn has_tiers(&self) -> bool {
        let tier = |volume: &Volume| volume.config().tier;
        self.volumes
            .iter()
            .zip(self.volumes.iter().skip(1))
            .any(|(a, b)| tier(a) != tier(b))
    }

    /// Moves everything that is to be moved now; how many recordings that were.
    async fn move_all(&mut self, stop: &CancellationToken) -> Result<u64, CatalogError> {
        // What a catalog that could not be written has left.
        self.catalog.drop_moves().await?;
        self.skipped.clear();
        let mut moved = 0;
        for source in self.volumes.clone().iter() {
            while !stop.is_cancelled() {
                let chosen = self.choose(source).await?;
                let mut went = 0;
                for one in chosen {
                    if stop.is_cancelled() || !self.move_one(source, one, stop).await? {
                        break;
                    }
                    went += 1;
                }
                moved += went;
                if went == 0 {
                    break;
                }
            }
        }
        if moved > 0 {
            tracing::info!(recordings = moved, "Footage has moved to a colder tier");
        }
        Ok(moved)
    }

    /// What is to leave a volume for a colder one.
    async fn choose(&mut self, source: &Volume) -> Result<Vec<Chosen>, CatalogError> {
        if self.colder(source).next().is_none() || !usable(source).await {
            return Ok(Vec::new());
        }
        let Ok(room) = self.evictor.room_of(source).await else {
            // Its disk has just gone: whoever watches the disks says so.
            return Ok(Vec::new());
        };
        let config = source.config();
        let wish = Wish {
            move_after_ms: config.move_after_days.map(|days| i64::from(days) * DAY_MS),
            spare_bytes: room.spare_bytes(),
            headroom_bytes: config.slack_bytes(),
            relieving: self.relieving.contains(source.name()),
        };
        match wish.is_pressed() {
            true => self.relieving.insert(source.name().to_owned()),
            false => self.relieving.remove(source.name()),
        };
        let now = self.catalog.now();
        let left: HashSet<RecordingId> = self.left.union(&self.skipped).copied().collect();
        self.catalog
            .choose_to_move(source.id(), move |candidates| {
                let mut candidates = candidates.filter(|one| !left.contains(&one.id));
                choice::to_move(&wish, now, &mut candidates)
            })
            .await
    }

    /// The volumes of colder tiers, the next tier's first.
    fn colder<'a>(&'a self, source: &'a Volume) -> impl Iterator<Item = &'a Volume> {
        let mut colder: Vec<&Volume> = self
            .volumes
            .iter()
            .filter(|volume| volume.config().tier > source.config().tier)
            .collect();
        colder.sort_by_key(|volume| volume.config().tier);
        colder.into_iter()
    }

    /// Moves one recording; false when there is no place for it now.
    async fn move_one(
        &mut self,
        source: &Volume,
        one: Chosen,
        stop: &CancellationToken,
    ) -> Result<bool, CatalogError> {
        let mut targets = Vec::new();
        for target in self.colder(source) {
            if usable(target).await {
                targets.push(target);
            }
        }
        let Chosen { candidate, why } = one;
        let reservation = match self
            .evictor
            .need_for_move(&targets, candidate.kept_bytes, candidate.span.from)
            .await
        {
            Ok(reservation) => reservation,
            Err(NoRoom::Catalog(e)) => return Err(e),
            Err(e) => {
                tracing::debug!(volume = source.name(), error = %e, "Nothing moves: there is no place for it");
                return Ok(false);
            }
        };
        let pace = Pace {
            limit_bytes_per_s: self.config.limit_bytes_per_s.max(1),
            hurries: why == Why::Room,
        };
        let carry = Carry {
            catalog: &self.catalog,
            source,
            recording: candidate.id,
        };
        match carry.carry(reservation, pace, stop).await? {
            Carried::Moved => Ok(true),
            Carried::Unwanted => {
                self.skipped.insert(candidate.id);
                Ok(true)
            }
            Carried::Stopped => Ok(false),
            Carried::Damaged(reason) => {
                tracing::error!(recording.id = %candidate.id, volume = source.name(), reason,
                    "A recording cannot be moved: its files are not what they were. It stays where it is; `edge-agent check --deep` and `edge-agent verify` tell more");
                let goes_on = self.left.len() < LEFT_MAX;
                if goes_on {
                    self.left.insert(candidate.id);
                }
                Ok(goes_on)
            }
            Carried::Failed(reason) => {
                tracing::warn!(recording.id = %candidate.id, volume = source.name(), reason,
                    "A recording could not be moved now; it stays where it is, and is tried again");
                Ok(false)
            }
        }
    }
}

/// Whether footage is moved from or to a volume: its disk is well.
async fn usable(volume: &Volume) -> bool {
    let limit = crate::footage::volume::LOOK_MAX;
    volume.health().fitness() == Fitness::Good
        && volume
            .within(limit, Volume::check_writable)
            .await
            .flatten()
            .is_ok()
}

#[cfg(test)]
mod tests;
