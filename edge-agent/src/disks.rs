//! Watches the disks that footage lies on (S7): looks at each volume now and then, says once when its state has
//! changed, and takes it up again when it is well. What the disks say of themselves is asked in `wear.rs`.
//!
//! Each volume is watched by itself, so that one whose disk does not answer holds up none of the others.

pub mod wear;

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;
use wire::resource::VolumeState;
use wire::telemetry::Severity;

use crate::catalog::{Catalog, CatalogError};
use crate::footage::volume::health::{Fitness, Seen};
use crate::footage::volume::{LOOK_MAX, Volume, Volumes, look};

/// Between two looks at a disk that works.
const INTERVAL: Duration = Duration::from_secs(30);
/// And at one that does not: people wait for it.
const INTERVAL_BAD: Duration = Duration::from_secs(5);
/// Least time between two looks, whoever suspects what.
const PAUSE: Duration = Duration::from_secs(1);

/// People are told of a disk that is not there, or that is another one; that takes nothing more; that fails; that is slow.
const GONE: &str = "disk_gone";
const READ_ONLY: &str = "disk_read_only";
const FAILING: &str = "disk_failing";
const SLOW: &str = "disk_slow";

/// Watches the volumes until told to stop. Ends with an error only when the catalog is closed.
pub async fn watch(
    catalog: Catalog,
    volumes: Volumes,
    stop: CancellationToken,
) -> Result<(), CatalogError> {
    let watching = volumes
        .iter()
        .map(|volume| Watch::new(&catalog, &volumes, volume).run(&stop));
    try_join_all(watching).await.map(drop)
}

/// Watches one volume.
struct Watch<'a> {
    catalog: &'a Catalog,
    volumes: &'a Volumes,
    volume: &'a Volume,
    /// Something waits for it to be taken up again.
    was_away: bool,
    looks: u64,
}

impl<'a> Watch<'a> {
    fn new(catalog: &'a Catalog, volumes: &'a Volumes, volume: &'a Volume) -> Self {
        Self {
            catalog,
            volumes,
            volume,
            was_away: false,
            looks: 0,
        }
    }

    async fn run(mut self, stop: &CancellationToken) -> Result<(), CatalogError> {
        loop {
            match self.look().await {
                Err(e @ CatalogError::Db(base::sqlite::DbError::Closed)) => return Err(e),
                Err(error) => {
                    tracing::warn!(volume = self.volume.name(), %error, "A disk is not watched as it should be; tried again");
                }
                Ok(()) => {}
            }
            let pause = match self.volume.health().state() {
                VolumeState::Working if !self.was_away => INTERVAL,
                _ => INTERVAL_BAD,
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.volume.suspected() => {}
                () = tokio::time::sleep(pause - PAUSE) => {}
            }
        }
    }

    /// One look, and what follows from it.
    async fn look(&mut self) -> Result<(), CatalogError> {
        let volume = self.volume;
        if !volume.is_made() {
            // Why not is what the look says.
            let claimed = self.catalog.claim_volume(volume).await?;
            if claimed.is_ok() {
                tracing::info!(
                    volume = volume.name(),
                    "The disk of a new volume is there; it is used from now on"
                );
            }
        }
        let seen = volume.within(LOOK_MAX, look).await;
        let seen = seen.unwrap_or(Seen::Silent(LOOK_MAX));
        let before = volume.judge(seen, self.catalog.now());
        let (state, trouble) = {
            let health = volume.health();
            self.was_away |= health.fitness() == Fitness::Unfit;
            (health.state(), health.trouble())
        };
        match (before, &trouble) {
            // Eviction says what follows from it.
            (Some(_), Some(trouble)) if state == VolumeState::Full => {
                tracing::info!(
                    volume = volume.name(),
                    reason = trouble.message,
                    "A volume is full"
                );
            }
            (Some(_), Some(trouble)) => {
                tracing::warn!(volume = volume.name(), state = ?state, reason = trouble.message, advice = trouble.advice,
                    "A volume cannot be used as it should");
            }
            (Some(before), None) => {
                tracing::info!(volume = volume.name(), was = ?before, "A volume is well again");
            }
            (None, _) => {}
        }
        if before.is_some() {
            self.catalog.volume_changed(volume);
        }
        // The first look too: what people were told before a restart may be over.
        if before.is_some() || self.looks == 0 {
            self.alarm(state).await?;
        }
        self.looks += 1;
        if self.was_away && volume.health().fitness() != Fitness::Unfit {
            let taken_up = self.catalog.volume_is_back(self.volumes, volume).await?;
            self.was_away = !taken_up;
        }
        Ok(())
    }

    /// People are told of the state, and of the end of others.
    async fn alarm(&self, state: VolumeState) -> Result<(), CatalogError> {
        let volume = self.volume;
        let rule = rule(state);
        for other in [GONE, READ_ONLY, FAILING, SLOW] {
            if rule.is_none_or(|(rule, _)| rule != other) {
                let message = match state {
                    VolumeState::Working | VolumeState::Full => {
                        format!("Volume {:?} is well again", volume.name())
                    }
                    state => format!("Volume {:?} is now {}", volume.name(), word(state)),
                };
                let subject = volume.name().to_owned();
                self.catalog.end_alarm(other, subject, message).await?;
            }
        }
        let (Some((rule, severity)), Some(trouble)) = (rule, volume.health().trouble()) else {
            return Ok(());
        };
        let message = format!(
            "Volume {:?} is {}: {}. {}",
            volume.name(),
            word(state),
            trouble.message,
            trouble.advice
        );
        let subject = volume.name().to_owned();
        self.catalog
            .raise_alarm(rule, subject, severity, message)
            .await?;
        Ok(())
    }
}

/// Under which rule people are told of a state. Of a full disk eviction tells them, where that has consequences.
fn rule(state: VolumeState) -> Option<(&'static str, Severity)> {
    match state {
        VolumeState::Working | VolumeState::Full => None,
        VolumeState::Gone | VolumeState::Foreign => Some((GONE, Severity::Critical)),
        VolumeState::ReadOnly => Some((READ_ONLY, Severity::Critical)),
        VolumeState::Failing => Some((FAILING, Severity::Critical)),
        VolumeState::Slow => Some((SLOW, Severity::Warning)),
    }
}

fn word(state: VolumeState) -> &'static str {
    match state {
        VolumeState::Working => "working",
        VolumeState::Gone => "gone",
        VolumeState::Foreign => "another disk than it should be",
        VolumeState::ReadOnly => "read-only",
        VolumeState::Failing => "failing",
        VolumeState::Slow => "slow",
        VolumeState::Full => "full",
    }
}

#[cfg(test)]
mod tests;
