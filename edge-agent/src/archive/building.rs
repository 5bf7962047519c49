//! Packs archives one after the other, and gives each its name once it is whole.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wire::archive::{Archive, ArchiveState};
use wire::ids::ArchiveId;
use wire::telemetry::Severity;

use super::pack::{self, Done, Order, PackError};
use super::{Archiver, blocking};
use crate::catalog::CatalogError;
use crate::catalog::archives::{ArchiveJob, Sealed};
use crate::evict::{ArchiveNeed, NoRoom};
use crate::footage::archives;
use crate::footage::volume::{Reservation, Volume, VolumeId};

/// Names tried for one archive.
const NAMES_MAX: u32 = 1_000;

/// What became of an attempt to build.
#[derive(Debug)]
enum Built {
    Ready(Box<Archive>),
    /// It was cancelled.
    Unwanted,
    /// The agent stops.
    Stopped,
}

impl Archiver {
    /// Packs what waits.
    pub(super) async fn pack_all(&self, stop: &CancellationToken) -> Result<(), CatalogError> {
        while let Some(job) = self.catalog().archive_to_build().await? {
            let (id, range) = (job.id, job.range);
            match self.build(job, stop).await {
                Ok(Built::Ready(archive)) => self.ready(&archive).await?,
                Ok(Built::Unwanted) => self.0.to_remove.notify_one(),
                Ok(Built::Stopped) => return Ok(()),
                Err(PackError::Catalog(e)) => return Err(e),
                Err(e) => {
                    let why = e.to_string();
                    tracing::error!(archive.id = %id, reason = why, "An archive cannot be made");
                    match self.catalog().fail_archive(id, why.clone()).await {
                        Ok(_) => {}
                        // It was cancelled meanwhile.
                        Err(CatalogError::ArchiveState(_) | CatalogError::NoArchive(_)) => {}
                        Err(e) => return Err(e),
                    }
                    let message = format!(
                        "The archive of {} to {} cannot be made: {why}",
                        range.from, range.to
                    );
                    self.alert("archive_failed", Severity::Warning, message)
                        .await?;
                    self.0.to_remove.notify_one();
                }
            }
        }
        Ok(())
    }

    async fn ready(&self, archive: &Archive) -> Result<(), CatalogError> {
        tracing::info!(archive.id = %archive.id, bytes = archive.bytes, recordings = archive.recordings, "An archive is ready");
        self.0.to_write.notify_one();
        let message = format!(
            "The archive of {} to {} is ready: {} recordings, {} bytes",
            archive.from_utc,
            archive.to_utc,
            archive.recordings - archive.left_out.min(archive.recordings),
            archive.bytes
        );
        self.alert("archive_ready", Severity::Info, message).await
    }

    async fn build(
        &self,
        mut job: ArchiveJob,
        stop: &CancellationToken,
    ) -> Result<Built, PackError> {
        if let (Some(sealed), Some(volume)) = (&job.sealed, job.volume) {
            let volume = self.volume_of(volume)?;
            if self.put_in_place(&volume, job.id, sealed).await? {
                return self.say_ready(job.id).await;
            }
            tracing::warn!(archive.id = %job.id, file = sealed.file, "An archive that was whole is no longer there and is packed anew");
            self.catalog().unseal_archive(job.id).await?;
            job.sealed = None;
        }
        let (volume, room) = self.place(&job).await?;
        let order = Order {
            job: job.clone(),
            volume: volume.clone(),
            room,
            volumes: self.0.parts.volumes.clone(),
            catalog: self.catalog().clone(),
            appliance: self.0.parts.appliance.clone(),
            runtime: Handle::current(),
            stop: stop.clone(),
        };
        let done = match blocking(move || pack::pack(order)).await? {
            Ok(done) => done,
            Err(PackError::Unwanted) => return Ok(Built::Unwanted),
            Err(PackError::Stopped) => return Ok(Built::Stopped),
            Err(e) => return Err(e),
        };
        self.name(&volume, &job, done).await
    }

    /// Finds room for an archive, or the volume where it was begun.
    async fn place(&self, job: &ArchiveJob) -> Result<(Volume, Reservation), PackError> {
        let evictor = &self.0.parts.evictor;
        let need = ArchiveNeed {
            bytes: job.bytes,
            before: job.range.from,
        };
        let room = match job.volume {
            Some(volume) => {
                let volume = self.volume_of(volume)?;
                let there = match std::fs::metadata(archives::part(&volume, job.id)) {
                    Ok(metadata) => metadata.blocks() * 512,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
                    Err(e) => return Err(PackError::Failed(e.to_string())),
                };
                evictor.need_for_begun_archive(&volume, need, there).await
            }
            None => evictor.need_for_archive(need).await,
        };
        let room = room.map_err(|e| match e {
            NoRoom::Catalog(e) => PackError::Catalog(e),
            e => PackError::Failed(e.to_string()),
        })?;
        let volume = room.volume().clone();
        self.catalog().place_archive(job.id, volume.id()).await?;
        Ok((volume, room))
    }

    /// A volume that an archive lies on, which must be there and take what is written.
    pub(super) fn volume_of(&self, id: VolumeId) -> Result<Volume, PackError> {
        let volume = self.0.parts.volumes.get(id).cloned().ok_or_else(|| {
            PackError::Failed(
                "the volume that it was begun on is not in the configuration any more".to_owned(),
            )
        })?;
        volume
            .check_writable()
            .map_err(|e| PackError::Failed(e.to_string()))?;
        Ok(volume)
    }

    /// Gives a whole archive a name that no other file has.
    async fn name(
        &self,
        volume: &Volume,
        job: &ArchiveJob,
        done: Done,
    ) -> Result<Built, PackError> {
        for nth in 1..NAMES_MAX {
            let sealed = Sealed {
                file: archives::name(job.range, nth),
                bytes: done.bytes,
                digest: done.digest.clone(),
            };
            if volume.path().join(archives::file(&sealed.file)).exists() {
                continue;
            }
            let catalog = self.catalog();
            if catalog
                .seal_archive(job.id, sealed.clone(), done.damaged)
                .await?
            {
                if self.put_in_place(volume, job.id, &sealed).await? {
                    return self.say_ready(job.id).await;
                }
                return Err(PackError::Failed(format!(
                    "{} has gone, or {} was taken, while it was given its name",
                    archives::part(volume, job.id).display(),
                    sealed.file
                )));
            }
            if catalog.archive(job.id).await?.state != ArchiveState::Building {
                return Ok(Built::Unwanted);
            }
        }
        Err(PackError::Failed(format!(
            "{NAMES_MAX} archives of the same range lie on volume {:?}: remove some",
            volume.name()
        )))
    }

    /// Has a sealed archive bear its name; false when it lies neither under that nor where it was built.
    async fn put_in_place(
        &self,
        volume: &Volume,
        id: ArchiveId,
        sealed: &Sealed,
    ) -> Result<bool, PackError> {
        let (part, folder) = (archives::part(volume, id), archives::folder(volume));
        let (file, bytes) = (
            volume.path().join(archives::file(&sealed.file)),
            sealed.bytes,
        );
        blocking(move || rename(&part, &file, &folder, bytes))
            .await?
            .map_err(|e| PackError::Failed(e.to_string()))
    }

    async fn say_ready(&self, id: ArchiveId) -> Result<Built, PackError> {
        let mail = self.0.parts.mailer.is_some();
        let archive = self.catalog().archive_ready(id, mail).await?;
        Ok(match archive.state {
            ArchiveState::Ready => Built::Ready(Box::new(archive)),
            _ => Built::Unwanted,
        })
    }
}

/// Blocking. See [`Archiver::put_in_place`].
fn rename(part: &Path, file: &Path, folder: &Path, bytes: u64) -> io::Result<bool> {
    let has = |path: &Path| match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() == bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    };
    if has(part)? {
        match base::durable::rename_new(part, file) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(e),
        }
    } else if !has(file)? {
        return Ok(false);
    }
    base::durable::sync_dir(folder)?;
    Ok(true)
}
