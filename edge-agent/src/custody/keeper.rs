//! Enters in the log of each volume what the catalog says is to be entered: in batches, each signed and synced as one.
//!
//! A row of the catalog is deleted only once its entry lies on the disk, so a kill in between costs a second look, not an
//! entry; and what the log says already is not said again. A volume that is away is entered when it is back. A log that
//! is shorter than the catalog knows it (a disk restored from an old copy, a file lost) is told, and everything held on
//! that volume is entered again.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::chain::{Chain, Head, day_of};
use super::entry::{Entry, Hash, Kept};
use crate::catalog::custody::{Due, Happened, LogHead};
use crate::catalog::{Catalog, CatalogError};
use crate::footage::path::SIDECAR;
use crate::footage::sidecar::Sidecar;
use crate::footage::volume::{LOOK_MAX, Volume, VolumeId, Volumes};
use crate::host::signature::Signer;
use crate::model::time::UtcTime;

/// Entries of one batch.
const BATCH: u32 = 500;
/// How long is waited for more, once there is something to enter: one sync for all that comes meanwhile.
const GATHER: Duration = Duration::from_secs(1);
/// How often it is looked all the same: a volume may be back.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long a batch may take before its disk counts as one that does not answer: its log of the day is read first.
const BATCH_TIME_MAX: Duration = Duration::from_secs(300);
/// A recording that was kept so much earlier than its row says was found, not fetched.
const FOUND_AFTER_MS: i64 = 60 * 60 * 1_000;

/// Keeps the logs.
#[derive(Debug)]
pub struct Keeper {
    catalog: Catalog,
    volumes: Volumes,
    signer: Arc<Signer>,
    chains: HashMap<VolumeId, Chain>,
    /// Work on disks that did not answer in time.
    stuck: HashMap<VolumeId, AbortHandle>,
    /// Volumes whose trouble was told.
    told: HashMap<VolumeId, String>,
}

impl Keeper {
    /// Of these volumes.
    pub fn new(catalog: Catalog, volumes: Volumes, signer: Arc<Signer>) -> Self {
        Self {
            catalog,
            volumes,
            signer,
            chains: HashMap::new(),
            stuck: HashMap::new(),
            told: HashMap::new(),
        }
    }

    /// Enters what there is to enter until it is told to stop, and then what there still is. Ends with an error only when
    /// the catalog is closed.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), CatalogError> {
        loop {
            let last = stop.is_cancelled();
            self.enter_all().await?;
            if last {
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled() => continue,
                () = tokio::time::sleep(INTERVAL) => continue,
                () = self.catalog.custody_waiting() => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
        }
    }

    /// Enters all that is to be entered now, on every volume that is there.
    pub async fn enter_all(&mut self) -> Result<(), CatalogError> {
        for volume in self.volumes.clone().iter() {
            // Work on a disk that did not answer may still go on there: two must not write to one log.
            if !self
                .stuck
                .get(&volume.id())
                .is_none_or(AbortHandle::is_finished)
            {
                continue;
            }
            self.stuck.remove(&volume.id());
            let checked = volume.within(LOOK_MAX, Volume::check_writable).await;
            if checked.flatten().is_err() {
                // Whatever it was, it may be another disk's when it comes back.
                self.chains.remove(&volume.id());
                continue;
            }
            match self.enter(volume).await {
                Ok(()) => {
                    if self.told.remove(&volume.id()).is_some() {
                        tracing::info!(
                            volume = volume.name(),
                            "The custody log of a volume is written again"
                        );
                    }
                }
                Err(KeeperError::Catalog(e @ CatalogError::Db(base::sqlite::DbError::Closed))) => {
                    return Err(e);
                }
                Err(e) => {
                    // Opened anew next time: nobody knows what lies there now.
                    self.chains.remove(&volume.id());
                    let why = e.to_string();
                    if self.told.insert(volume.id(), why.clone()).as_ref() != Some(&why) {
                        tracing::warn!(
                            volume = volume.name(),
                            error = why,
                            "The custody log of a volume cannot be written now; nothing is lost, it is tried again"
                        );
                    }
                }
            }
        }
        Ok(())
    }

    async fn enter(&mut self, volume: &Volume) -> Result<(), KeeperError> {
        let mut after = 0;
        loop {
            let due = self.catalog.custody_due(volume.id(), after, BATCH).await?;
            let Some(last) = due.last() else {
                return Ok(());
            };
            after = last.id;
            let mut chain = self.chain(volume).await?;
            let (disk, now) = (volume.clone(), self.catalog.now());
            let (chain, entered) = self
                .blocking(volume, move || {
                    let entered = enter_batch(&mut chain, &disk, due, now)?;
                    Ok((chain, entered))
                })
                .await?;
            self.chains.insert(volume.id(), chain);
            let head = entered.head.map(|head| LogHead {
                n: head.n,
                hash: head.hash.to_string(),
                at: now,
            });
            self.catalog
                .custody_entered(volume.id(), entered.ids, head)
                .await?;
        }
    }

    /// The log of a volume, opened at its first use; compared then with what the catalog knows of it.
    async fn chain(&mut self, volume: &Volume) -> Result<Chain, KeeperError> {
        if let Some(chain) = self.chains.remove(&volume.id()) {
            return Ok(chain);
        }
        let (root, signer) = (volume.path().to_owned(), self.signer.clone());
        let uuid = volume.uuid();
        let open = move || Chain::open(&root, uuid, signer);
        let chain = self.blocking(volume, open).await?;
        let known = self.catalog.custody_head(volume.id()).await?;
        if let Some(known) = known
            && chain.head().map_or(0, |head| head.n) < known.n
        {
            let again = self.catalog.custody_again(volume).await?;
            tracing::error!(
                volume = volume.name(),
                lines.known = known.n,
                lines.found = chain.head().map_or(0, |head| head.n),
                recordings = again,
                "The custody log of a volume is shorter than it was: somebody removed a part of it, or the disk lost it. \
                 What is held there is entered again, as from now"
            );
        }
        Ok(chain)
    }

    /// Work on a volume, given up when its disk does not answer.
    async fn blocking<T: Send + 'static>(
        &mut self,
        volume: &Volume,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut task = tokio::task::spawn_blocking(work);
        match tokio::time::timeout(BATCH_TIME_MAX, &mut task).await {
            Ok(done) => {
                let done = done.map_err(io::Error::other)?;
                done.inspect_err(|error| volume.met(error))
            }
            Err(_) => {
                self.stuck.insert(volume.id(), task.abort_handle());
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the disk does not answer",
                ))
            }
        }
    }
}

/// Why the log of a volume could not be written.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct Entered {
    /// Rows that are done with.
    ids: Vec<i64>,
    /// Where the log ends now; none: nothing was written.
    head: Option<Head>,
}

fn enter_batch(
    chain: &mut Chain,
    volume: &Volume,
    due: Vec<Due>,
    now: UtcTime,
) -> io::Result<Entered> {
    let (mut ids, mut entries) = (Vec::new(), Vec::new());
    for due in due {
        let (entry, day) = match &due.what {
            Happened::Left(cause) => {
                let entry = Entry::Left {
                    recording: due.recording,
                    stem: due.stem.as_str().to_owned(),
                    cause: cause.clone(),
                };
                (entry, day_of(due.at))
            }
            Happened::Kept => match described(chain, volume, &due) {
                Ok(Some(described)) => described,
                Ok(None) => {
                    ids.push(due.id);
                    continue;
                }
                Err(why) => {
                    tracing::warn!(volume = volume.name(), recording.id = %due.recording, reason = why,
                        "A recording cannot be entered in the custody log now; tried again");
                    continue;
                }
            },
        };
        ids.push(due.id);
        if !entries.contains(&entry) && !chain.says(&entry, day)? {
            entries.push(entry);
        }
    }
    let head = match entries.is_empty() {
        true => None,
        false => Some(chain.append(now, entries)?),
    };
    Ok(Entered { ids, head })
}

/// What is to be said of a recording that is held, and the day of which it is; none: its files are gone already.
fn described(
    chain: &Chain,
    volume: &Volume,
    due: &Due,
) -> Result<Option<(Entry, jiff::civil::Date)>, String> {
    let path = volume.file(&due.stem, SIDECAR);
    let (sidecar, digest) = match Sidecar::read_with_digest(&path) {
        Ok(read) => read,
        Err(_) if matches!(path.try_exists(), Ok(false)) => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    if sidecar.recording != due.recording {
        return Err(format!(
            "{} describes recording {}",
            path.display(),
            sidecar.recording
        ));
    }
    let media = Hash::parse(&sidecar.digest).ok_or("its description has no digest")?;
    let kept = Kept {
        recording: due.recording,
        stem: due.stem.as_str().to_owned(),
        sidecar: Hash(digest),
        media,
        bytes: sidecar.kept_bytes,
    };
    let ours = sidecar.appliance.as_ref() == Some(chain.appliance());
    let fresh = due.at.ms_since(sidecar.kept_at) < FOUND_AFTER_MS;
    let entry = match ours && fresh {
        true => Entry::Kept(kept),
        false => Entry::Found(kept),
    };
    Ok(Some((entry, day_of(sidecar.kept_at))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{House, found, range};
    use crate::custody::verifier::{Verdict, Wanted, verify};
    use crate::host::signature::testing::signer;
    use wire::ids::RecordingId;

    struct Site {
        house: House,
        signer: Arc<Signer>,
        ids: Vec<RecordingId>,
    }

    impl Site {
        /// Some recordings that are not held yet.
        async fn new() -> Self {
            let (house, signer) = (House::new().await, Arc::new(signer()));
            let appliance = signer.key().appliance();
            house.catalog.set_appliance(&appliance).await.unwrap();
            let recorder = house.recorder("SN1", 1).await.id;
            let listed = (0..6).map(|n| {
                let span = range(
                    &format!("2026-11-03T0{n}:00:00Z"),
                    &format!("2026-11-03T0{n}:30:00Z"),
                );
                found(&format!("f{n}"), span, 5)
            });
            let ids = house.observe(recorder, 1, listed.collect()).await;
            Self { house, signer, ids }
        }

        fn keeper(&self) -> Keeper {
            let House {
                catalog, volumes, ..
            } = &self.house;
            Keeper::new(catalog.clone(), volumes.clone(), self.signer.clone())
        }

        async fn hold(&self, n: usize) {
            let bytes = format!("footage {n}");
            self.house.hold(self.ids[n], bytes.as_bytes()).await;
        }

        async fn due(&self) -> Vec<Due> {
            let volume = self.house.volume().id();
            self.house
                .catalog
                .custody_due(volume, 0, 100)
                .await
                .unwrap()
        }

        /// Lines that tell of recordings, over all days.
        fn entries(&self) -> usize {
            let folder = self.house.volume().path().join(crate::custody::FOLDER);
            let folder = folder.join(self.signer.key().appliance().as_str());
            let days = crate::custody::lines::days(&folder).unwrap();
            let text = |day| {
                std::fs::read_to_string(folder.join(crate::custody::lines::name_of(day))).unwrap()
            };
            days.into_iter()
                .map(|day| text(day).matches("\"recording\"").count())
                .sum()
        }

        fn assert_proven(&self) {
            let wanted = Wanted {
                keys: vec![self.signer.key().fingerprint()],
                ..Wanted::default()
            };
            let root = self.house.volume().path();
            let report = verify(root, &wanted, &mut |_, _| {}).unwrap();
            assert_eq!(report.verdict, Verdict::Proven, "{report}");
            assert!(report.notes.is_empty(), "{report}");
        }
    }

    #[tokio::test]
    async fn what_is_kept_and_what_leaves_is_entered() {
        let site = Site::new().await;
        let mut keeper = site.keeper();
        for n in 0..3 {
            site.hold(n).await;
        }
        keeper.enter_all().await.unwrap();
        assert!(site.due().await.is_empty());
        site.assert_proven();
        site.house.catalog.delete(site.ids[1]).await.unwrap();
        let emptied = site.house.catalog.empty_garbage(&site.house.volumes).await;
        assert_eq!(emptied.unwrap().removed, 1);
        keeper.enter_all().await.unwrap();
        assert_eq!(site.entries(), 4);
        site.assert_proven();
        let head = site.house.catalog.custody_head(site.house.volume().id());
        assert_eq!(head.await.unwrap().unwrap().n, 7);
    }

    /// Killed after the entries lay on the disk and before the catalog heard of it.
    #[tokio::test]
    async fn a_kill_between_log_and_catalog_enters_nothing_twice() {
        let site = Site::new().await;
        site.hold(0).await;
        site.keeper().enter_all().await.unwrap();
        for n in 1..4 {
            site.hold(n).await;
        }
        let volume = site.house.volume();
        let mut chain = Chain::open(volume.path(), volume.uuid(), site.signer.clone()).unwrap();
        let now = site.house.catalog.now();
        let entered = enter_batch(&mut chain, volume, site.due().await, now).unwrap();
        assert_eq!(entered.ids.len(), 3);
        assert_eq!(site.due().await.len(), 3);
        site.keeper().enter_all().await.unwrap();
        assert!(site.due().await.is_empty());
        assert_eq!(site.entries(), 4);
        site.assert_proven();
    }

    #[tokio::test]
    async fn a_log_that_was_lost_or_cut_is_made_good() {
        let site = Site::new().await;
        for n in 0..2 {
            site.hold(n).await;
            site.keeper().enter_all().await.unwrap();
        }
        site.house.clock.advance_ms(24 * 3_600 * 1_000);
        for n in 2..4 {
            site.hold(n).await;
            site.keeper().enter_all().await.unwrap();
        }
        let folder = site.house.volume().path().join(crate::custody::FOLDER);
        let today = folder
            .join(site.signer.key().appliance().as_str())
            .join("2026-11-04.jsonl");
        std::fs::remove_file(&today).unwrap();
        site.hold(4).await;
        site.keeper().enter_all().await.unwrap();
        assert_eq!(site.entries(), 5);
        site.assert_proven();
        std::fs::remove_dir_all(&folder).unwrap();
        site.hold(5).await;
        site.keeper().enter_all().await.unwrap();
        assert_eq!(site.entries(), 6);
        site.assert_proven();
    }

    #[tokio::test]
    async fn a_lost_catalog_enters_only_what_the_log_lacks() {
        let site = Site::new().await;
        for n in 0..3 {
            site.hold(n).await;
        }
        site.keeper().enter_all().await.unwrap();
        site.hold(3).await;
        let Site { house, signer, ids } = site;
        let house = house.lose_catalog().await;
        house.clock.advance_ms(48 * 3_600 * 1_000);
        house.catalog.adopt_footage(&house.volumes).await.unwrap();
        let site = Site { house, signer, ids };
        assert_eq!(site.due().await.len(), 4);
        site.keeper().enter_all().await.unwrap();
        assert_eq!(site.entries(), 4);
        site.assert_proven();
    }

    #[tokio::test]
    async fn what_was_lost_and_fetched_again_is_no_contradiction() {
        let site = Site::new().await;
        site.hold(0).await;
        site.keeper().enter_all().await.unwrap();
        let stem = site
            .house
            .catalog
            .held(site.ids[0])
            .await
            .unwrap()
            .unwrap()
            .stem;
        std::fs::remove_file(site.house.volume().file(&stem, "mp4")).unwrap();
        let House {
            catalog, volumes, ..
        } = &site.house;
        let repaired = crate::repair::repair(catalog, volumes).await.unwrap();
        assert_eq!(repaired.settled.lost, 1);
        site.house.clock.advance_ms(5_000);
        site.house.hold(site.ids[0], b"other bytes").await;
        site.keeper().enter_all().await.unwrap();
        assert_eq!(site.entries(), 3);
        site.assert_proven();
    }

    #[tokio::test]
    async fn a_volume_that_is_away_is_entered_when_it_is_back() {
        let site = Site::new().await;
        site.hold(0).await;
        let (path, away) = {
            let path = site.house.volume().path().to_owned();
            let away = path.with_extension("away");
            (path, away)
        };
        std::fs::rename(&path, &away).unwrap();
        let mut keeper = site.keeper();
        keeper.enter_all().await.unwrap();
        assert_eq!(site.due().await.len(), 1);
        std::fs::rename(&away, &path).unwrap();
        keeper.enter_all().await.unwrap();
        site.assert_proven();
    }
}
