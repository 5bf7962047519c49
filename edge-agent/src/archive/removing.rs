//! Removes archives that were cleared, cancelled or given up, with what clearing takes along.

use std::io;

use wire::archive::ArchiveState;

use super::pack::PackError;
use super::{Archiver, blocking};
use crate::catalog::CatalogError;
use crate::catalog::archives::Leftover;
use crate::footage::archives;

impl Archiver {
    /// Goes on with what was cleared, cancelled or given up.
    pub(super) async fn remove_leftovers(&self) -> Result<(), CatalogError> {
        for leftover in self.catalog().archive_leftovers().await? {
            if leftover.state == ArchiveState::Clearing {
                while !self.catalog().clear_recordings(leftover.id).await? {}
                self.0.parts.evictor.empty_garbage().await?;
            }
            match self.remove_file(&leftover).await {
                Ok(()) => {
                    let archive = self.catalog().archive_gone(leftover.id).await?;
                    tracing::info!(archive.id = %archive.id, state = ?archive.state, recordings = archive.cleared_recordings,
                        locked = archive.locked_recordings, "An archive has gone");
                }
                Err(e) => {
                    tracing::warn!(archive.id = %leftover.id, error = %e, "The file of an archive cannot be removed yet");
                }
            }
        }
        Ok(())
    }

    async fn remove_file(&self, leftover: &Leftover) -> Result<(), PackError> {
        let volume = self.volume_of(leftover.volume)?;
        let part = archives::part(&volume, leftover.id);
        let file = leftover
            .file
            .as_ref()
            .map(|name| volume.path().join(archives::file(name)));
        let folder = archives::folder(&volume);
        blocking(move || {
            // In this order: what is renamed meanwhile is found under its new name.
            for path in [Some(part), file].into_iter().flatten() {
                base::durable::remove_if_there(&path)?;
            }
            match folder.is_dir() {
                true => base::durable::sync_dir(&folder),
                false => Ok(()),
            }
        })
        .await?
        .map_err(|e: io::Error| PackError::Failed(e.to_string()))
    }
}
