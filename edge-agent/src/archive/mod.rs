//! Archives (S3, S4): recordings of a date range as one ZIP, packed every week or when somebody asks, told by e-mail,
//! downloaded, and cleared.
//!
//! Three tasks: one packs, one archive at a time; one removes what was cleared, cancelled or given up; one writes
//! e-mails. Each goes on from the rows of the catalog, so that a kill costs at most the recording that was being packed.
//!
//! Order of writes (invariant 3): the row names the volume, the file grows as `archives/<id>.part` and is synced, the
//! row takes its name, size and digest, the file is renamed, the folder is synced, the row says `ready`. Leaving: the
//! row says `clearing`, its recordings become garbage, the file is unlinked, the folder is synced, the row says
//! `cleared`.

mod building;
pub mod mail;
mod manifest;
mod output;
mod pack;
mod removing;
mod weekly;
pub mod zip;

use std::sync::Arc;
use std::time::Duration;

use base::sqlite::DbError;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::archive::Archive;
use wire::ids::{ApplianceId, ArchiveId, CameraId};
use wire::telemetry::{Alert, Event, Severity};

use crate::catalog::archives::WeeklyPlan;
use crate::catalog::{Catalog, CatalogError};
use crate::evict::Evictor;
use crate::footage::volume::Volumes;
use crate::model::time::{UtcRange, UtcTime};
use mail::Mailer;
use pack::PackError;
use weekly::Day;

/// Longest pause between two looks at what is to be done.
const PAUSE: Duration = Duration::from_secs(60);

/// Key of the time for which the weekly archive was last made.
const WEEKLY_DONE: &str = "archive_weekly";

/// `[archive]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Whether an archive is made every week. Default: only when somebody asks.
    pub weekly: bool,
    /// It holds what is older than so many days and in no archive yet. Default 7.
    pub older_than_days: u32,
    /// On this day. Default: Sunday.
    pub weekday: Day,
    /// At this hour, 0 to 23. Default 3.
    pub hour: u8,
    /// In this zone: `"Europe/Berlin"`. Default: that of this box.
    #[serde(with = "jiff::fmt::serde::tz::optional")]
    pub zone: Option<TimeZone>,
    /// Largest weekly archive; what is more becomes another one. Default 100 GB.
    pub max_bytes: u64,
    /// No weekly archive is begun while so many wait to be cleared. Default 2.
    pub uncleared_max: u32,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            weekly: false,
            older_than_days: 7,
            weekday: Day::Sunday,
            hour: 3,
            zone: None,
            max_bytes: 100_000_000_000,
            uncleared_max: 2,
        }
    }
}

impl ArchiveConfig {
    /// What the types do not say.
    pub fn check(&self) -> Result<(), String> {
        if self.hour > 23 {
            return Err(format!(
                "[archive] hour = {}: an hour lies between 0 and 23",
                self.hour
            ));
        }
        if self.uncleared_max == 0 || self.max_bytes == 0 {
            return Err(
                "[archive] uncleared_max and max_bytes must not be 0; weekly = false makes no weekly archive"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn zone(&self) -> TimeZone {
        self.zone.clone().unwrap_or_else(TimeZone::system)
    }
}

/// What archives are made with.
#[derive(Debug)]
pub struct Parts {
    /// What is known.
    pub catalog: Catalog,
    /// Where footage and archives lie.
    pub volumes: Volumes,
    /// Makes room.
    pub evictor: Evictor,
    /// `[archive]`.
    pub config: ArchiveConfig,
    /// Writes e-mails, where that is set up.
    pub mailer: Option<Mailer>,
    /// This appliance.
    pub appliance: Option<ApplianceId>,
}

/// Makes, tells and removes archives. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archiver(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    to_pack: Notify,
    to_remove: Notify,
    to_write: Notify,
}

impl Archiver {
    /// Nothing happens before its tasks run.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            to_pack: Notify::new(),
            to_remove: Notify::new(),
            to_write: Notify::new(),
        }))
    }

    fn catalog(&self) -> &Catalog {
        &self.0.parts.catalog
    }

    /// A person asks for an archive.
    pub async fn ask(
        &self,
        range: UtcRange,
        cameras: Option<Vec<CameraId>>,
        by: String,
    ) -> Result<Archive, CatalogError> {
        let archive = self.catalog().add_archive(range, cameras, by).await?;
        self.0.to_pack.notify_one();
        Ok(archive)
    }

    /// A person no longer wants an archive that is being built.
    pub async fn cancel(&self, id: ArchiveId, by: &str) -> Result<Archive, CatalogError> {
        let why = format!("it was cancelled by {by}");
        let archive = self.catalog().fail_archive(id, why).await?;
        self.0.to_remove.notify_one();
        Ok(archive)
    }

    /// A person clears an archive; its recordings and its file go shortly after.
    pub async fn clear(
        &self,
        id: ArchiveId,
        although_not_downloaded: bool,
    ) -> Result<Archive, CatalogError> {
        let archive = self
            .catalog()
            .begin_clear(id, although_not_downloaded)
            .await?;
        self.0.to_remove.notify_one();
        Ok(archive)
    }

    /// A person wants the e-mail about an archive (once more). None: e-mail is not set up.
    pub async fn write_again(&self, id: ArchiveId) -> Result<Option<Archive>, CatalogError> {
        if self.0.parts.mailer.is_none() {
            return Ok(None);
        }
        let archive = self.catalog().send_mail(id).await?;
        self.0.to_write.notify_one();
        Ok(Some(archive))
    }

    /// Packs archives, one after the other, until told to stop. Ends with an error only when the catalog is closed.
    pub async fn run_packing(self, stop: CancellationToken) -> Result<(), CatalogError> {
        loop {
            let worked = async {
                self.begin_weekly().await?;
                self.pack_all(&stop).await
            };
            unless_closed(worked.await, "Archives could not be packed; tried again")?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.0.to_pack.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Removes what is on its way out, until told to stop.
    pub async fn run_removing(self, stop: CancellationToken) -> Result<(), CatalogError> {
        loop {
            let removed = self.remove_leftovers().await;
            unless_closed(removed, "Archives could not be removed; tried again")?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.0.to_remove.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Writes e-mails, until told to stop.
    pub async fn run_writing(self, stop: CancellationToken) -> Result<(), CatalogError> {
        let Some(mailer) = &self.0.parts.mailer else {
            stop.cancelled().await;
            return Ok(());
        };
        unless_closed(self.catalog().retry_mails().await, "E-mails wait")?;
        loop {
            let sent = mailer.send_due(self.catalog(), &stop).await;
            unless_closed(sent, "E-mails about archives wait")?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.0.to_write.notified() => {}
                () = mailer.next_due(self.catalog(), PAUSE) => {}
            }
        }
    }

    /// Begins the weekly archives when they are due.
    async fn begin_weekly(&self) -> Result<(), CatalogError> {
        let (config, catalog) = (&self.0.parts.config, self.catalog());
        let now = catalog.now();
        let due = weekly::last_due(now, config.weekday, config.hour, &config.zone());
        let Some(due) = due.filter(|_| config.weekly) else {
            return Ok(());
        };
        match catalog.setting::<UtcTime>(WEEKLY_DONE).await? {
            Some(done) if done >= due => return Ok(()),
            Some(_) => {}
            // Switched on just now: the first one comes at the next hour for it.
            None => return catalog.set_setting(WEEKLY_DONE, &due).await,
        }
        let plan = WeeklyPlan {
            until: now.plus_s(-i64::from(config.older_than_days) * 86_400),
            bytes_max: config.max_bytes,
        };
        loop {
            let waiting = catalog.uncleared_weekly().await?;
            if waiting >= u64::from(config.uncleared_max) {
                let message = format!(
                    "The weekly archive is not made, or not all of it: {waiting} weekly archives wait to be downloaded and cleared"
                );
                self.alert("archive_waits", Severity::Warning, message)
                    .await?;
                break;
            }
            match catalog.add_weekly_archive(plan).await? {
                Some(archive) => {
                    tracing::info!(archive.id = %archive.id, recordings = archive.recordings, "The weekly archive is begun");
                }
                None => break,
            }
        }
        catalog.set_setting(WEEKLY_DONE, &due).await
    }

    async fn alert(
        &self,
        rule: &str,
        severity: Severity,
        message: String,
    ) -> Result<(), CatalogError> {
        if severity != Severity::Info {
            tracing::warn!(rule, "{message}");
        }
        let alert = Alert {
            rule: rule.to_owned(),
            severity,
            message,
        };
        self.catalog().report(Event::AlertRaised(alert)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PackError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| CatalogError::from(DbError::Closed).into())
}

/// Only a closed catalog ends a task.
fn unless_closed(outcome: Result<(), CatalogError>, told: &str) -> Result<(), CatalogError> {
    match outcome {
        Err(e @ CatalogError::Db(DbError::Closed)) => Err(e),
        Err(e) => {
            tracing::error!(error = %e, "{told}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
