//! Room for a bundle, twice: the box's update service copies it to where nobody can change it while it is checked. Where
//! footage lies on the same disk, the ring gives way, as for anything that is fetched. Set aside before the first byte
//! comes, so that nothing that is recorded meanwhile can take it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::{UpdateError, Updates, at};
use crate::footage::volume::{LOOK_MAX, Reservation, Volume};
use crate::model::retention::Bytes;

/// The bundle, and its copy.
const COPIES: u64 = 2;
/// Left for the catalog on a disk that holds no footage.
const LEFT_BYTES: u64 = 256 << 20;

impl Updates {
    /// An empty file with room for so much.
    pub(super) async fn make_room(&self, bytes: u64) -> Result<File, UpdateError> {
        let promised = match self.volume_beside().await {
            Some(volume) if !has_spare(volume, COPIES * bytes).await => {
                let promised = self.0.evictor.need(COPIES * bytes, Some(volume.id()));
                let promised = promised.await;
                let promised = promised.map_err(|why| UpdateError::NoRoom {
                    bytes,
                    why: why.to_string(),
                })?;
                // Where that volume takes nothing more, the room is promised on another, and is of no use here.
                (promised.volume().id() == volume.id()).then_some(promised)
            }
            _ => None,
        };
        let folder = self.0.folder.clone();
        let made = tokio::task::spawn_blocking(move || {
            let path = folder.part();
            if promised.is_none() {
                has_room(folder.path(), COPIES * bytes)?;
            }
            let file = File::create(&path).map_err(at(&path))?;
            set_aside(&file, &path, bytes, promised)?;
            base::durable::sync_dir(folder.path()).map_err(at(folder.path()))?;
            Ok(file)
        });
        made.await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// The volume on the same disk, if there is one.
    async fn volume_beside(&self) -> Option<&Volume> {
        let mine = std::fs::metadata(self.0.folder.path()).ok()?.dev();
        for volume in self.0.volumes.iter() {
            let device = volume.within(LOOK_MAX, |volume| {
                std::fs::metadata(volume.path()).map(|meta| meta.dev())
            });
            // A disk that does not answer is not the one that we stand on.
            if matches!(device.await, Ok(Ok(device)) if device == mine) {
                return Some(volume);
            }
        }
        None
    }
}

/// Whether the disk has so much beyond its floor and what is promised: then no footage has to leave, whatever the budget of
/// footage is.
async fn has_spare(volume: &Volume, bytes: u64) -> bool {
    let space = volume.within(LOOK_MAX, Volume::space).await.flatten();
    let promised = volume
        .reserved_bytes()
        .saturating_sub(volume.written_bytes());
    let taken = volume.config().floor_bytes.saturating_add(promised);
    space.is_ok_and(|space| space.free_bytes >= taken.saturating_add(bytes))
}

fn has_room(folder: &Path, bytes: u64) -> Result<(), UpdateError> {
    let stat = nix::sys::statvfs::statvfs(folder).map_err(|e| at(folder)(e.into()))?;
    let free_bytes = stat.blocks_available().saturating_mul(stat.fragment_size());
    match free_bytes.checked_sub(LEFT_BYTES) {
        Some(room) if room >= bytes => Ok(()),
        _ => Err(UpdateError::NoRoom {
            bytes,
            why: format!(
                "{} are free on the disk of {}, of which {} are the catalog's. Free some",
                Bytes(free_bytes),
                folder.display(),
                Bytes(LEFT_BYTES)
            ),
        }),
    }
}

/// Asks the disk to keep the room; where its file system cannot, the promise was all that can be had.
fn set_aside(
    file: &File,
    path: &Path,
    bytes: u64,
    promised: Option<Reservation>,
) -> Result<(), UpdateError> {
    let length = i64::try_from(bytes).map_err(|_| UpdateError::Size(bytes))?;
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length) {
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            if let Some(promised) = promised {
                promised.give_back();
            }
            Ok(())
        }
        Err(Errno::ENOSPC | Errno::EDQUOT) => {
            base::durable::remove_if_there(path).map_err(at(path))?;
            Err(UpdateError::NoRoom {
                bytes,
                why: "the disk is full".into(),
            })
        }
        Err(error) => Err(at(path)(error.into())),
    }
}
