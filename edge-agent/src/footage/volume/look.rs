//! One look at a disk: the marker, the mount's flags, and a small file that is written and synced. Blocking, maybe for
//! ever: run it by [`Volume::within`].

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::statvfs::{FsFlags, fstatvfs};

use super::health::Seen;
use super::{Volume, VolumeError};

/// A disk that has not answered after so long is silent. One that spins up or moves a bad sector takes up to ten
/// seconds, a controller that is reset up to thirty.
pub const LOOK_MAX: Duration = Duration::from_secs(30);

/// The file that is written, in the volume's folder.
const FILE: &str = ".holdfast-probe";

/// Bytes of it: one block.
const BYTES: usize = 4096;

/// Looks at a volume.
pub fn look(volume: &Volume) -> Seen {
    if let Err(error) = volume.check() {
        let folder = volume.path().display();
        return match error {
            VolumeError::Gone { .. } => {
                Seen::Gone(format!("{folder} does not carry the volume's marker"))
            }
            VolumeError::NotMounted { .. } => Seen::Gone(format!("no disk is mounted at {folder}")),
            VolumeError::Foreign { found, .. } => Seen::Foreign(format!(
                "{folder} carries the marker of another volume ({found})"
            )),
            VolumeError::Io { path, source, .. } => {
                Seen::Failed(format!("{}: {source}", path.display()))
            }
            error => Seen::Failed(error.to_string()),
        };
    }
    match write(volume) {
        Ok(seen) => seen,
        Err(error) => {
            let why = format!("{}: {error}", volume.path().display());
            match error.kind() {
                io::ErrorKind::ReadOnlyFilesystem => Seen::ReadOnly(why),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Seen::NoSpace(why),
                // It went away just now: the next look says how.
                io::ErrorKind::NotFound => Seen::Gone(why),
                _ => Seen::Failed(why),
            }
        }
    }
}

fn write(volume: &Volume) -> io::Result<Seen> {
    // By the open folder, so that a disk that is unmounted at this moment leaves no file below its mount point.
    let folder = File::open(volume.path())?;
    let at = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    if super::read_marker(&at)?.is_none_or(|found| found.uuid != volume.uuid()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let stat = fstatvfs(&folder)?;
    if stat.flags().contains(FsFlags::ST_RDONLY) {
        return Err(io::ErrorKind::ReadOnlyFilesystem.into());
    }
    let began = Instant::now();
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(at.join(FILE))?;
    file.write_all(&[0; BYTES])?;
    file.sync_all()?;
    Ok(Seen::Written {
        took: began.elapsed(),
        free_bytes: stat.blocks_available().saturating_mul(stat.fragment_size()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{MARKER, VolumeConfig, VolumeId};
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_look_tells_a_disk_that_is_there_from_one_that_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let config = VolumeConfig::new("main", dir.path().join("disk"));
        let volume = Volume::new(VolumeId(1), Uuid::now_v7(), config).not_made();
        assert!(matches!(look(&volume), Seen::Gone(_)));
        volume.claim().unwrap();
        for _ in 0..2 {
            let seen = look(&volume);
            assert!(
                matches!(seen, Seen::Written { free_bytes, .. } if free_bytes > 0),
                "{seen:?}"
            );
        }
        let probe = std::fs::metadata(volume.path().join(FILE)).unwrap();
        assert_eq!(probe.len(), BYTES as u64);
        std::fs::remove_file(volume.path().join(FILE)).unwrap();
        // Something that is no file lies there: an error that says where.
        std::fs::create_dir(volume.path().join(FILE)).unwrap();
        let seen = look(&volume);
        assert!(
            matches!(&seen, Seen::Failed(why) if why.contains("disk")),
            "{seen:?}"
        );
        std::fs::write(volume.path().join(MARKER), "{").unwrap();
        assert!(matches!(look(&volume), Seen::Failed(_)));
    }
}
