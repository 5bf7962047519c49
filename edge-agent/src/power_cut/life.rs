//! A box at work, in short: recordings are found, fetched, kept, locked, deleted and evicted, reports are made and
//! acknowledged, the agent stops and starts again. All of it by the catalog's own functions, on a folder that may be
//! cut off or refuse at any call.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base::clock::Clock;
use base::sqlite::Schema;
use tests::seed::Seed;
use wire::ids::{RecorderId, RecordingId};
use wire::resource::{DriverKind, RecorderState, Recording, RecordingStatus};

use super::facts::Fact;
use crate::catalog::recorders::{NewRecorder, SessionNoted};
use crate::catalog::recordings::{PendingRecording, RecordingFilter};
use crate::catalog::testing::{at, found, identity, stage};
use crate::catalog::{Catalog, CatalogError};
use crate::evict::{Evictor, RetentionConfig};
use crate::footage::volume::{Volume, VolumeConfig, Volumes};
use crate::model::inventory::{Inventory, RecorderClock};
use crate::model::time::UtcRange;

/// The first version of the catalog: the life begins with an upgrade.
const V1: Schema = Schema {
    name: "catalog",
    create: include_str!("../catalog/upgrade/v1_schema.sql"),
    upgrades: &[],
};

/// Channels of the recorder.
const CHANNELS: u32 = 2;
/// Media of a recording: a few pages, so that it can be torn.
const MEDIA_BYTES_MAX: u64 = 20_000;
/// What the volume may hold, staging included: about eight recordings.
const BUDGET_BYTES: u64 = 80_000;

/// Where the catalog lies in the folder.
pub(super) fn catalog_folder(folder: &Path) -> PathBuf {
    folder.join("state").join("catalog")
}

/// The only volume.
pub(super) fn volume(folder: &Path) -> VolumeConfig {
    let mut config = VolumeConfig::new("main", folder.join("footage"));
    config.floor_bytes = 0;
    config.budget_bytes = Some(BUDGET_BYTES);
    config
}

/// What begins on an empty disk: the catalog of the first version, as an appliance has it that is upgraded now.
pub(super) fn before_the_upgrade(folder: &Path) -> Result<()> {
    let catalog = catalog_folder(folder);
    base::durable::create_dir_all(&catalog)?;
    drop(base::sqlite::open(
        &catalog.join(crate::catalog::FILE),
        &V1,
    )?);
    Ok(())
}

/// An agent that runs.
pub(super) struct Agent {
    pub(super) catalog: Catalog,
    pub(super) volumes: Volumes,
}

impl Agent {
    /// Starts as `agent.rs` does: what was interrupted is finished before anything new begins.
    pub(super) async fn start(folder: &Path, clock: Clock) -> Result<Self> {
        let catalog = loop {
            match Catalog::open(&catalog_folder(folder), clock.clone()) {
                // The lock goes with the last clone, which a task may still hold for a moment.
                Err(CatalogError::Busy { .. }) => tokio::task::yield_now().await,
                other => break other.context("open the catalog")?,
            }
        };
        let config = [volume(folder)];
        let volumes = catalog
            .open_volumes(&config)
            .await
            .context("open the volumes")?;
        let finished = catalog.finish_interrupted(&volumes).await;
        finished.context("finish what was interrupted")?;
        let adopted = catalog.adopt_footage(&volumes).await;
        adopted.context("read footage in")?;
        Ok(Self { catalog, volumes })
    }

    fn volume(&self) -> Result<&Volume> {
        self.volumes.iter().next().context("one is configured")
    }
}

/// Told with every fact, before anything else is done.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Fact);

/// A life under way: what is to be done next is chance.
pub(super) struct Life {
    folder: PathBuf,
    clock: Clock,
    chance: Seed,
    agent: Option<Agent>,
    recorder: Option<RecorderId>,
    found: u64,
}

impl Life {
    /// One that begins in this folder.
    pub(super) fn new(folder: &Path, seed: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            clock: Clock::simulated(at("2026-11-03T12:00:00Z").timestamp()),
            chance: Seed::of(seed),
            agent: None,
            recorder: None,
            found: 0,
        }
    }

    /// The clock of all of it.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The agent is stopped, or killed: nothing is asked of it first.
    pub(super) fn stop(&mut self) {
        self.agent = None;
    }

    async fn agent(&mut self) -> Result<&Agent> {
        if self.agent.is_none() {
            self.agent = Some(Agent::start(&self.folder, self.clock.clone()).await?);
        }
        self.agent.as_ref().context("just started")
    }

    /// Something is done. What is not possible just now is left out.
    pub(super) async fn step(&mut self, tell: Tell<'_>) -> Result<()> {
        self.clock.advance_ms(60_000);
        if self.recorder.is_none() {
            return self.first_login().await;
        }
        match self.chance.below(20) {
            0..=4 => self.discover(tell).await,
            5..=11 => self.fetch(tell).await,
            12 => self.lock(tell).await,
            13 => self.delete(tell).await,
            14 | 15 => self.make_room(tell).await,
            16 => self.report().await,
            17 => self.give_up().await,
            18 => self.sweep().await,
            _ => {
                self.stop();
                self.agent().await.map(drop)
            }
        }
    }

    async fn first_login(&mut self) -> Result<()> {
        let agent = self.agent().await?;
        let (catalog, now) = (agent.catalog.clone(), agent.catalog.now());
        let recorder = match catalog.recorders().await?.first() {
            Some(recorder) => recorder.id,
            None => {
                let new = NewRecorder {
                    id: RecorderId::new(),
                    driver: DriverKind::Sdk,
                    name: "Shop".to_owned(),
                    address: "192.0.2.1".to_owned(),
                    port: 8000,
                    username: "admin".to_owned(),
                    password_sealed: b"sealed".to_vec(),
                    tls: false,
                    certificate: None,
                    enabled: true,
                };
                catalog.add_recorder(new).await?.id
            }
        };
        let online = RecorderState::Online;
        let identity = identity("SN1", CHANNELS);
        let noted = catalog
            .note_session(recorder, online, None, now, Some(&identity))
            .await?;
        ensure!(noted == SessionNoted::Accepted, "{noted:?}");
        if catalog.outbox().await?.is_none() {
            catalog.start_log().await?;
        }
        self.recorder = Some(recorder);
        Ok(())
    }

    /// The recorder lists one to three recordings more.
    async fn discover(&mut self, tell: Tell<'_>) -> Result<()> {
        let recorder = self.recorder.context("logged in")?;
        let (channel, count) = (
            1 + self.chance.below(u64::from(CHANNELS)),
            1 + self.chance.below(3),
        );
        let first = self.found;
        self.found += count;
        let agent = self.agent().await?;
        let now = agent.catalog.now();
        let span = |n: u64| {
            let from = at("2026-11-03T00:00:00Z").plus_s(n as i64 * 60);
            UtcRange {
                from,
                to: from.plus_s(60),
            }
        };
        let list = (first..first + count).map(|n| found(&format!("f{n}"), span(n), 10_000));
        let inventory = Inventory {
            channel: channel as u32,
            asked: UtcRange {
                from: span(first).from,
                to: now,
            },
            answered_at: now,
            clock: RecorderClock {
                zone_minutes: 60,
                offset_ms: 1_500,
            },
            recordings: list.collect(),
        };
        let observed = agent
            .catalog
            .record_observation(recorder, &inventory, 120_000)
            .await?;
        observed.new.into_iter().map(Fact::Listed).for_each(tell);
        Ok(())
    }

    /// The next recording is fetched and kept; sometimes only a part of it comes.
    async fn fetch(&mut self, tell: Tell<'_>) -> Result<()> {
        let Some(pending) = self.next_pending().await? else {
            return Ok(());
        };
        let bytes = 1 + self.chance.below(MEDIA_BYTES_MAX);
        let (media, breaks) = (media_of(pending.id, bytes), self.chance.below(8) == 0);
        let agent = self.agent().await?;
        let catalog = agent.catalog.clone();
        let evictor = Evictor::new(
            catalog.clone(),
            agent.volumes.clone(),
            RetentionConfig::default(),
        );
        let volume = agent.volume()?.clone();
        leaving(&catalog, tell).await?;
        let room = evictor.need(bytes, None).await;
        stayed(&catalog, tell).await?;
        let _room = room?;
        catalog.begin_download(pending.id).await?;
        catalog.note_progress(vec![(pending.id, bytes / 2)]).await?;
        if breaks {
            std::fs::create_dir_all(volume.staging(pending.id))?;
            std::fs::write(
                volume.staging(pending.id).join("000.ps"),
                &media[..media.len() / 2],
            )?;
            catalog.put_back(pending.id, None).await?;
            return Ok(());
        }
        let staged = staged(volume.clone(), pending.clone(), media).await?;
        match catalog.keep(&volume, staged).await {
            Ok(kept) => {
                let digest = kept.digest.context("what is held has a digest")?;
                tell(Fact::Held(pending.id, digest));
                Ok(())
            }
            Err(error) => {
                // As the pipeline does: it is tried again, and nothing was promised.
                catalog.put_back(pending.id, None).await?;
                Err(error.into())
            }
        }
    }

    async fn next_pending(&mut self) -> Result<Option<PendingRecording>> {
        let agent = self.agent().await?;
        let now = agent.catalog.now();
        Ok(agent.catalog.to_fetch(now, 1).await?.into_iter().next())
    }

    /// A person locks or unlocks one.
    async fn lock(&mut self, tell: Tell<'_>) -> Result<()> {
        let Some(one) = self.one_held().await? else {
            return Ok(());
        };
        let catalog = self.agent().await?.catalog.clone();
        tell(Fact::Turning(one.id));
        let locked = match catalog.set_locked(one.id, !one.locked).await {
            Ok(_) => !one.locked,
            // As much is locked as may be: told, and nothing changes.
            Err(CatalogError::LockLimit { .. }) => one.locked,
            Err(error) => return Err(error.into()),
        };
        tell(Fact::Locked(one.id, locked));
        Ok(())
    }

    /// A person deletes one.
    async fn delete(&mut self, tell: Tell<'_>) -> Result<()> {
        let Some(one) = self.one_held().await? else {
            return Ok(());
        };
        let agent = self.agent().await?;
        if one.locked {
            return match agent.catalog.delete(one.id).await {
                Err(CatalogError::Locked(_)) => Ok(()),
                Err(error) => Err(error.into()),
                Ok(_) => bail!("{} was deleted although it is locked", one.id),
            };
        }
        tell(Fact::Leaving(one.id));
        agent.catalog.delete(one.id).await?;
        tell(Fact::Left(one.id));
        agent.catalog.empty_garbage(&agent.volumes).await?;
        Ok(())
    }

    /// Eviction looks around.
    async fn make_room(&mut self, tell: Tell<'_>) -> Result<()> {
        let agent = self.agent().await?;
        let (catalog, volumes) = (agent.catalog.clone(), agent.volumes.clone());
        let config = RetentionConfig {
            camera_max_bytes: Some(BUDGET_BYTES / 3),
            ..RetentionConfig::default()
        };
        leaving(&catalog, tell).await?;
        let relieved = Evictor::new(catalog.clone(), volumes, config)
            .relieve()
            .await;
        stayed(&catalog, tell).await?;
        relieved?;
        Ok(())
    }

    /// The relay takes what waits.
    async fn report(&mut self) -> Result<()> {
        let catalog = self.agent().await?.catalog.clone();
        let rows = catalog.batch(0, 50).await?;
        if let Some(last) = rows.last() {
            catalog.ack(last.log, last.seq).await?;
        }
        Ok(())
    }

    /// A download fails.
    async fn give_up(&mut self) -> Result<()> {
        let Some(pending) = self.next_pending().await? else {
            return Ok(());
        };
        let catalog = self.agent().await?.catalog.clone();
        catalog.begin_download(pending.id).await?;
        let retry_at = catalog.now().plus_s(120);
        catalog
            .fail(pending.id, "the recorder is away", Some(retry_at))
            .await?;
        Ok(())
    }

    /// Garbage that waits goes.
    async fn sweep(&mut self) -> Result<()> {
        let agent = self.agent().await?;
        agent.catalog.empty_garbage(&agent.volumes).await?;
        Ok(())
    }

    async fn one_held(&mut self) -> Result<Option<Recording>> {
        let nth = self.chance.next_u64();
        let catalog = self.agent().await?.catalog.clone();
        let held = held(&catalog).await?;
        let index = nth as usize % held.len().max(1);
        Ok(held.into_iter().nth(index))
    }
}

/// All that is held.
async fn held(catalog: &Catalog) -> Result<Vec<Recording>, CatalogError> {
    let filter = RecordingFilter {
        status: Some(RecordingStatus::Completed),
        limit: 1_000,
        ..RecordingFilter::default()
    };
    Ok(catalog.recordings(filter).await?.items)
}

/// Eviction is about to choose: any of what is not locked may go.
async fn leaving(catalog: &Catalog, tell: Tell<'_>) -> Result<()> {
    let held = held(catalog).await?;
    let unlocked = held.iter().filter(|one| !one.locked);
    unlocked.map(|one| Fact::Leaving(one.id)).for_each(tell);
    Ok(())
}

/// Eviction has chosen: what is still there stays. What was only read is not relied on before a change was durable after
/// it: a commit that the disk refused to sync may be there after a cut all the same.
async fn stayed(catalog: &Catalog, tell: Tell<'_>) -> Result<()> {
    catalog.set_setting("looked", &catalog.now()).await?;
    let filter = RecordingFilter {
        limit: 1_000,
        ..RecordingFilter::default()
    };
    for one in catalog.recordings(filter).await?.items {
        match (one.status, one.digest) {
            (RecordingStatus::Completed, Some(digest)) => tell(Fact::Held(one.id, digest)),
            (RecordingStatus::Evicted, _) => tell(Fact::Left(one.id)),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes that are another recording's nowhere.
fn media_of(id: RecordingId, bytes: u64) -> Vec<u8> {
    let text = id.to_string();
    text.bytes().cycle().take(bytes as usize).collect()
}

/// What download, remux and verification leave in staging; the disk may refuse it.
async fn staged(
    volume: Volume,
    pending: PendingRecording,
    media: Vec<u8>,
) -> Result<crate::verify::Verified> {
    let staged = tokio::task::spawn_blocking(move || stage(&volume, &pending, &media)).await;
    staged?.context("write what was fetched")
}
