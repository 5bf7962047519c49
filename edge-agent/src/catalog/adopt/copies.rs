//! Two copies of one recording, on volumes of two tiers: what a move that was interrupted leaves when the catalog
//! is lost too, or one that an older catalog does not know of. One of them is right, and the other goes.

use crate::catalog::check::digest_of;
use crate::catalog::{Catalog, CatalogError};
use crate::footage::path::{MEDIA, Stem};
use crate::footage::sidecar::Sidecar;
use crate::footage::volume::{Volume, Volumes};

impl Catalog {
    /// Settles a copy of a recording that is held elsewhere: where that is whole, the copy goes; where it is not, the copy
    /// takes its place. The inner error says why both stay.
    pub(super) async fn settle_copy(
        &self,
        volumes: &Volumes,
        volume: &Volume,
        stem: &Stem,
        sidecar: Sidecar,
    ) -> Result<Result<(), String>, CatalogError> {
        let id = sidecar.recording;
        let Some(held) = self.held(id).await? else {
            return Ok(Err(format!("recording {id} has just changed; look again")));
        };
        let elsewhere = volumes.get(held.volume);
        // Footage moves between tiers only: any other copy was made by somebody, and is theirs.
        if elsewhere.is_some_and(|disk| disk.config().tier == volume.config().tier) {
            let name = elsewhere.map_or("", Volume::name);
            return Ok(Err(format!(
                "it is a copy of recording {id}, which is held as {} on volume {name:?}",
                held.stem
            )));
        }
        let there = elsewhere.filter(|disk| disk.check().is_ok());
        let Some(disk) = there else {
            let name = elsewhere.map_or("that is not configured any more", Volume::name);
            return Ok(Err(format!(
                "it is a copy of recording {id}, which is held as {} on volume {name:?}, whose disk is not there to compare",
                held.stem
            )));
        };
        if held.recording.digest.as_ref() != Some(&sidecar.digest) {
            return Ok(Err(format!(
                "it bears the id of recording {id}, which is held as {} on volume {:?}, but has another digest",
                held.stem,
                disk.name()
            )));
        }
        let (ours, theirs) = (volume.file(stem, MEDIA), disk.file(&held.stem, MEDIA));
        let wanted = sidecar.digest.clone();
        let (is_whole, is_there) = tokio::task::spawn_blocking(move || {
            let whole = |path| digest_of(path).is_ok_and(|(_, digest)| digest == wanted);
            (whole(&ours), whole(&theirs))
        })
        .await
        .map_err(|_| base::sqlite::DbError::Closed)?;
        if is_there {
            self.drop_copy(&sidecar, volume.id(), stem.clone()).await?;
            tracing::info!(recording.id = %id, volume = volume.name(), "A second copy of a recording goes");
        } else if is_whole {
            self.take_copy(id, volume.id(), stem.clone()).await?;
            tracing::info!(recording.id = %id, volume = volume.name(), "The copy of a recording that was lost elsewhere is held now");
        } else {
            return Ok(Err(format!(
                "it is a copy of recording {id}, and neither is what was kept"
            )));
        }
        Ok(Ok(()))
    }
}
