//! Asks the disks below the volumes how they fare, now and then, and tells people before one dies.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use wire::resource::{Disk, DiskHealth};
use wire::telemetry::Severity;

use crate::catalog::{Catalog, CatalogError, Change, ChangeKind};
use crate::footage::volume::{LOOK_MAX, Volume, Volumes};
use crate::host::block::{BlockDisk, Kernel};
use crate::host::smart::Smartctl;

/// People are told of a disk that is about to fail, and of one that is to be watched.
const DYING: &str = "disk_dying";
const AGEING: &str = "disk_ageing";

/// Least time between two rounds: a disk with a loose plug comes and goes.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest that asking one disk may take, its program's own patience included.
const ASK_MAX: Duration = Duration::from_secs(60);

/// Asks until told to stop. Ends with an error only when the catalog is closed.
pub async fn ask(
    catalog: Catalog,
    volumes: Volumes,
    smartctl: Smartctl,
    stop: CancellationToken,
) -> Result<(), CatalogError> {
    let interval = Duration::from_secs(u64::from(smartctl.interval_s.max(1)));
    let mut changes = catalog.changes();
    let mut wear = Wear::new(catalog, volumes, smartctl, Kernel::default());
    loop {
        match wear.look().await {
            Err(e @ CatalogError::Db(base::sqlite::DbError::Closed)) => return Err(e),
            Err(error) => {
                tracing::warn!(%error, "What disks say of themselves is not told now; tried again");
            }
            Ok(()) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(interval) => {}
            () = volume_changes(&mut changes) => {}
        }
    }
}

/// A disk went, or another one came.
async fn volume_changes(changes: &mut broadcast::Receiver<Change>) {
    loop {
        match changes.recv().await {
            Ok(change) if change.kind == ChangeKind::Volume => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            // The catalog is closed, and so will this task be.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

struct Wear {
    catalog: Catalog,
    volumes: Volumes,
    smartctl: Smartctl,
    kernel: Kernel,
    /// Questions that were not answered in time: whoever asked hangs with the disk, and no other one is asked meanwhile.
    hung: BTreeMap<BlockDisk, AbortHandle>,
    /// What was said in the journal of each disk.
    said: BTreeMap<String, (DiskHealth, String)>,
}

impl Wear {
    fn new(catalog: Catalog, volumes: Volumes, smartctl: Smartctl, kernel: Kernel) -> Self {
        Self {
            catalog,
            volumes,
            smartctl,
            kernel,
            hung: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Asks every disk once, whichever volumes lie on it.
    async fn look(&mut self) -> Result<(), CatalogError> {
        let mut below = Vec::new();
        let mut disks = BTreeSet::new();
        for volume in self.volumes.clone().iter() {
            let kernel = self.kernel.clone();
            // Of a volume that is away the disk below would be that of its mount point.
            let disks_of = move |volume: &Volume| match volume.check() {
                Ok(()) => kernel.disks_of(volume.path()),
                Err(_) => BTreeSet::new(),
            };
            let of = volume.within(LOOK_MAX, disks_of).await.unwrap_or_default();
            disks.extend(of.iter().cloned());
            below.push((volume.clone(), of));
        }
        let mut told = BTreeMap::new();
        for disk in disks {
            let answer = self.ask(&disk).await;
            told.insert(disk, answer);
        }
        for (volume, of) in below {
            let disks = of.iter().filter_map(|disk| told.get(disk).cloned());
            volume.set_disks(disks.collect());
        }
        self.alarm(told.into_values().collect()).await
    }

    async fn ask(&mut self, disk: &BlockDisk) -> Disk {
        let now = self.catalog.now();
        let unknown = |message: String| Disk {
            device: disk.name.clone(),
            model: self.kernel.model(disk),
            temperature_c: self.kernel.temperature_c(disk),
            message,
            ..Disk::unknown(now)
        };
        self.hung.retain(|_, asking| !asking.is_finished());
        if self.hung.contains_key(disk) {
            return unknown("it was asked, and has not answered since".to_owned());
        }
        let (smartctl, it) = (self.smartctl.clone(), disk.clone());
        let asking = tokio::task::spawn_blocking(move || smartctl.ask(&it));
        let handle = asking.abort_handle();
        match tokio::time::timeout(ASK_MAX, asking).await {
            Ok(Ok(Ok(smart))) => smart.told(&disk.name, now),
            Ok(Ok(Err(why))) => unknown(why.to_string()),
            Ok(Err(failed)) => unknown(failed.to_string()),
            Err(_) => {
                let told = unknown("it was asked, and does not answer".to_owned());
                self.hung.insert(disk.clone(), handle);
                told
            }
        }
    }

    async fn alarm(&mut self, disks: Vec<Disk>) -> Result<(), CatalogError> {
        let mut standing: BTreeMap<&'static str, HashSet<String>> =
            [DYING, AGEING].map(|rule| (rule, HashSet::new())).into();
        for disk in &disks {
            let subject = disk.serial.clone().unwrap_or_else(|| disk.device.clone());
            let said = (disk.health, disk.message.clone());
            if self.said.get(&disk.device) != Some(&said) {
                tracing::info!(disk = disk.device, model = disk.model, health = ?disk.health, reason = disk.message,
                    "What a disk says of itself");
                self.said.insert(disk.device.clone(), said);
            }
            let (rule, severity, advice) = match disk.health {
                DiskHealth::Failing => (
                    DYING,
                    Severity::Critical,
                    "Copy off what matters and replace the disk now",
                ),
                DiskHealth::Ageing => (
                    AGEING,
                    Severity::Warning,
                    "Watch it, and have a new disk at hand",
                ),
                DiskHealth::Unknown | DiskHealth::Good => continue,
            };
            let message = format!(
                "Disk {} ({}): {}. {advice}",
                disk.device,
                disk.model.as_deref().unwrap_or("unknown model"),
                disk.message
            );
            self.catalog
                .raise_alarm(rule, subject.clone(), severity, message)
                .await?;
            standing.entry(rule).or_default().insert(subject);
        }
        // Of a disk that could not be asked not even its serial number is known: what was told before still holds.
        if disks.iter().any(|disk| disk.health == DiskHealth::Unknown) {
            return Ok(());
        }
        for (rule, subjects) in standing {
            self.catalog.keep_alarms(rule, subjects).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
