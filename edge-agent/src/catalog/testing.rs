//! Catalogs, footage and devices for tests, here and in what stands on the catalog.

use std::fs;
use std::path::Path;

use base::clock::Clock;
use tempfile::TempDir;
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::{Recorder, RecorderState};
use wire::time::UtcTime;

use super::recorders::{NewRecorder, SessionNoted};
use super::recordings::PendingRecording;
use super::{Catalog, CatalogError};
use crate::config::{Config, State};
use crate::footage::fragments::FragmentIndex;
use crate::footage::sidecar::Custody;
use crate::footage::staging;
use crate::footage::volume::{Volume, VolumeConfig, Volumes};
use crate::model::chunks::{Digested, Hasher};
use crate::model::inventory::{
    ChannelInfo, FoundRecording, Inventory, RecorderClock, RecorderIdentity,
};
use crate::model::time::{RecorderTime, UtcRange};
use crate::secrets::tpm::TpmSetting;
use crate::verify::{Facts, Verified};

/// An instant of the tests' day.
pub fn at(text: &str) -> UtcTime {
    text.parse().expect("a time in a test")
}

/// A range of the tests' day.
pub fn range(from: &str, to: &str) -> UtcRange {
    UtcRange::new(at(from), at(to)).expect("a range in a test")
}

/// A catalog with one volume in a temporary folder, at noon of 3 November 2026.
pub struct House {
    /// The catalog.
    pub catalog: Catalog,
    /// Its volumes: one, `main`.
    pub volumes: Volumes,
    /// Its clock.
    pub clock: Clock,
    dir: TempDir,
}

impl House {
    /// A new one.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A new one, its volume as `change` wants it.
    pub async fn with(change: impl FnOnce(&mut VolumeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(at("2026-11-03T12:00:00Z").timestamp());
        let catalog = Catalog::open(&dir.path().join("catalog"), clock.clone()).unwrap();
        let mut config = VolumeConfig::new("main", dir.path().join("main"));
        config.floor_bytes = 0;
        change(&mut config);
        let volumes = catalog.open_volumes(&[config]).await.unwrap();
        Self {
            catalog,
            volumes,
            clock,
            dir,
        }
    }

    /// The volume.
    pub fn volume(&self) -> &Volume {
        self.volumes.iter().next().unwrap()
    }

    /// Settings of an agent with this catalog and this volume.
    pub fn config(&self) -> Config {
        Config {
            state: State {
                folder: self.path().to_owned(),
                tpm: TpmSetting::Off,
            },
            volume: vec![self.volume().config().clone()],
            ..Config::default()
        }
    }

    /// The temporary folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A kill: everything that was open is gone, and the agent starts again on the same folders.
    pub async fn restart(self) -> Self {
        let Self {
            catalog,
            volumes,
            clock,
            dir,
        } = self;
        drop(catalog);
        Self::again(volumes, clock, dir).await
    }

    async fn again(volumes: Volumes, clock: Clock, dir: TempDir) -> Self {
        let configs: Vec<VolumeConfig> = volumes.iter().map(|it| it.config().clone()).collect();
        // The lock goes with the last clone, which a task may still hold for a moment.
        let catalog = loop {
            match Catalog::open(&dir.path().join("catalog"), clock.clone()) {
                Err(CatalogError::Busy { .. }) => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        };
        let volumes = catalog.open_volumes(&configs).await.unwrap();
        Self {
            catalog,
            volumes,
            clock,
            dir,
        }
    }

    /// A second volume, as `change` wants it.
    pub async fn add_volume(&mut self, change: impl FnOnce(&mut VolumeConfig)) -> Volume {
        let mut config = VolumeConfig::new("second", self.path().join("second"));
        config.floor_bytes = 0;
        change(&mut config);
        let configs = [self.volume().config().clone(), config];
        self.volumes = self.catalog.open_volumes(&configs).await.unwrap();
        self.volumes.iter().nth(1).unwrap().clone()
    }

    /// The catalog is lost: all that is left are the disks.
    pub async fn lose_catalog(self) -> Self {
        let folder = self.catalog.folder().to_owned();
        let Self {
            catalog,
            volumes,
            clock,
            dir,
        } = self;
        drop(catalog);
        std::fs::rename(&folder, dir.path().join("lost")).unwrap();
        Self::again(volumes, clock, dir).await
    }

    /// Waits until nobody has a catalog open: the lock goes with the last clone, which a task may hold for a moment.
    pub async fn unlocked(folder: &Path) {
        while super::lock(folder).is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// The agent is stopped.
    pub async fn close(self) -> Closed {
        let Self {
            catalog,
            volumes,
            clock,
            dir,
        } = self;
        let folder = catalog.folder().to_owned();
        drop(catalog);
        Self::unlocked(&folder).await;
        Closed {
            clock,
            volumes,
            dir,
        }
    }

    /// The catalog is as it was when this copy of it was made.
    pub async fn with_catalog(self, copy: &Path) -> Self {
        let copy = copy.to_owned();
        let house = self.lose_catalog().await;
        let file = house.catalog.folder().join(super::FILE);
        let Self {
            catalog,
            volumes,
            clock,
            dir,
        } = house;
        let folder = catalog.folder().to_owned();
        drop(catalog);
        Self::unlocked(&folder).await;
        for extension in ["sqlite-wal", "sqlite-shm"] {
            base::durable::remove_if_there(&file.with_extension(extension)).unwrap();
        }
        // By a new file: a connection that is not quite closed yet writes to the old one.
        let beside = file.with_extension("new");
        fs::copy(copy, &beside).unwrap();
        fs::rename(beside, &file).unwrap();
        Self::again(volumes, clock, dir).await
    }

    /// A recorder with this serial that was logged in to, its channels 1 to `channels`.
    pub async fn recorder(&self, serial: &str, channels: u32) -> Recorder {
        let recorder = self
            .catalog
            .add_recorder(NewRecorder {
                id: RecorderId::new(),
                driver: wire::resource::DriverKind::Sdk,
                name: format!("Recorder {serial}"),
                address: "192.0.2.1".to_owned(),
                port: 8000,
                username: "admin".to_owned(),
                password_sealed: b"sealed".to_vec(),
                tls: false,
                certificate: None,
                enabled: true,
            })
            .await
            .unwrap();
        let noted = self.login(recorder.id, serial, channels).await;
        assert_eq!(noted, SessionNoted::Accepted);
        self.catalog.recorder(recorder.id).await.unwrap()
    }

    /// A login.
    pub async fn login(&self, id: RecorderId, serial: &str, channels: u32) -> SessionNoted {
        self.catalog
            .note_session(
                id,
                RecorderState::Online,
                None,
                self.catalog.now(),
                Some(&identity(serial, channels)),
            )
            .await
            .unwrap()
    }

    /// The camera of a channel.
    pub async fn camera(&self, recorder: RecorderId, channel: u32) -> CameraId {
        let cameras = self.catalog.cameras().await.unwrap();
        cameras
            .iter()
            .find(|c| c.recorder_id == recorder && c.channel == channel)
            .unwrap()
            .id
    }

    /// An observation of a channel that found these recordings.
    pub async fn observe(
        &self,
        recorder: RecorderId,
        channel: u32,
        found: Vec<FoundRecording>,
    ) -> Vec<RecordingId> {
        let from = found.iter().map(|f| f.span.from).min();
        let inventory = Inventory {
            channel,
            asked: UtcRange {
                from: from.unwrap_or(self.catalog.now()).min(self.catalog.now()),
                to: self.catalog.now(),
            },
            answered_at: self.catalog.now(),
            clock: RecorderClock {
                zone_minutes: 60,
                offset_ms: 1_500,
            },
            recordings: found,
        };
        self.catalog
            .record_observation(recorder, &inventory, 120_000)
            .await
            .unwrap()
            .new
    }

    /// Begins a download and lets its bytes lie in staging, verified.
    pub async fn fetch(&self, id: RecordingId, media: &[u8]) -> Verified {
        self.catalog.begin_download(id).await.unwrap();
        let pending = self.pending(id).await;
        verified(self.volume(), &pending, media)
    }

    /// A recording as it is to be fetched.
    pub async fn pending(&self, id: RecordingId) -> PendingRecording {
        let all = self
            .catalog
            .to_fetch(self.catalog.now(), 1_000_000)
            .await
            .unwrap();
        all.into_iter().find(|r| r.id == id).unwrap()
    }

    /// A held recording of these bytes.
    pub async fn hold(&self, id: RecordingId, media: &[u8]) {
        let verified = self.fetch(id, media).await;
        self.catalog.keep(self.volume(), verified).await.unwrap();
    }

    /// Fails unless all invariants hold, digests included.
    pub fn assert_sound(&self) {
        let report = super::check::check(self.catalog.folder(), true).unwrap();
        assert!(report.findings.is_empty(), "{report}");
    }
}

/// A house whose agent does not run.
pub struct Closed {
    /// Its clock.
    pub clock: Clock,
    volumes: Volumes,
    dir: TempDir,
}

impl Closed {
    /// It is started again.
    pub async fn open(self) -> House {
        House::again(self.volumes, self.clock, self.dir).await
    }
}

/// What a login at a device tells.
pub fn identity(serial: &str, channels: u32) -> RecorderIdentity {
    RecorderIdentity {
        serial: serial.to_owned(),
        model: "DS-7608".to_owned(),
        channels: (1..=channels)
            .map(|number| ChannelInfo {
                number,
                name: format!("Gate {number}"),
                online: Some(true),
            })
            .collect(),
        clock: RecorderClock {
            zone_minutes: 60,
            offset_ms: 1_500,
        },
        certificate: None,
    }
}

/// A recording as a device lists it, an hour ahead of UTC.
pub fn found(name: &str, span: UtcRange, stated_bytes: u64) -> FoundRecording {
    let told = |t: UtcTime| {
        RecorderTime::new(jiff::tz::TimeZone::UTC.to_datetime(t.plus_s(3_600).timestamp()))
    };
    FoundRecording {
        source_name: name.to_owned(),
        start: told(span.from),
        end: told(span.to),
        span,
        clock: RecorderClock {
            zone_minutes: 60,
            offset_ms: 0,
        },
        others: Vec::new(),
        stated_bytes,
        source_type: 0,
        source_locked: false,
    }
}

/// Puts bytes into staging as a verified recording.
pub fn verified(volume: &Volume, pending: &PendingRecording, media: &[u8]) -> Verified {
    stage(volume, pending, media).unwrap()
}

/// [`verified`], on a disk that may refuse.
pub fn stage(
    volume: &Volume,
    pending: &PendingRecording,
    media: &[u8],
) -> std::io::Result<Verified> {
    let folder = staging::create(volume, pending.id).map_err(std::io::Error::other)?;
    let path = folder.join("media.mp4");
    fs::write(&path, media)?;
    fs::write(folder.join("000.ps"), media)?;
    let mut hasher = Hasher::both();
    hasher.update(media);
    let Digested {
        sha256: digest,
        chunks,
        ..
    } = hasher.finish();
    Ok(Verified::for_test(Facts {
        recording: pending.id,
        media: path,
        native: None,
        span: pending.span,
        kept_bytes: media.len() as u64,
        digest: digest.clone(),
        source_bytes: media.len() as u64,
        fetched_bytes: media.len() as u64,
        source_digest: digest,
        video_codec: Some("h264".to_owned()),
        audio_codec: None,
        width: Some(1920),
        height: Some(1080),
        duration_ms: pending.span.duration_ms().cast_unsigned(),
        fragments: FragmentIndex::default(),
        defects: Vec::new(),
        custody: Custody::new(chunks.clone(), chunks, None),
    }))
}

impl Catalog {
    /// Where the recorder's answers about a camera are settled, and why the last one failed if it did.
    pub async fn observed(
        &self,
        camera: CameraId,
        range: UtcRange,
    ) -> Result<(Vec<UtcRange>, Option<String>), CatalogError> {
        let facts = self.known_of(camera, range).await?.facts;
        let failure = facts.unreachable.map(|(_, reason)| reason.to_string());
        Ok((facts.settled, failure))
    }

    /// How SQLite means to answer a query.
    pub async fn explain(&self, sql: String) -> Result<Vec<String>, CatalogError> {
        self.read(move |c| {
            let mut statement = c.prepare(&format!("explain query plan {sql}"))?;
            let (mut rows, mut plan) = (statement.raw_query(), Vec::new());
            while let Some(row) = rows.next()? {
                plan.push(row.get("detail")?);
            }
            Ok(plan)
        })
        .await
    }

    /// What a camera's recorder lists becomes as if so many bytes had come on each of its days.
    pub async fn write_test_listed(&self, camera: CameraId, bytes: u64) {
        self.write(move |w| {
            w.tx.execute(
                "update listed_day set bytes = ?2 where camera_id = ?1",
                rusqlite::params![camera.to_string(), super::text::signed(bytes)],
            )?;
            Ok(())
        })
        .await
        .unwrap();
    }

    /// The catalog was damaged by hand.
    pub async fn damage(&self, sql: &'static str) {
        self.write(move |w| Ok(w.tx.execute_batch(sql)?))
            .await
            .unwrap();
    }
}
