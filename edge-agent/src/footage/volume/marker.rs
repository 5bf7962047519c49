//! The marker of a volume, and the guard of its mount point.
//!
//! A known volume is recognised by its marker: an empty mount point has none. What the marker cannot guard is the first
//! time, when there is none yet: a folder where one expects a disk is not made a volume while it lies on the file system
//! of `/` or in memory. And the marker remembers that it was written to a disk of its own, so that a copy of it on the
//! system's disk deceives nobody.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Name of the marker file.
pub const MARKER: &str = ".holdfast-volume";
/// Longest marker.
const BYTES_MAX: u64 = 4096;

/// Folders below which people mount disks (Filesystem Hierarchy Standard).
const FOR_MOUNTS: [&str; 3] = ["/mnt", "/media", "/run/media"];

#[derive(Serialize, Deserialize)]
struct Marker {
    version: u32,
    uuid: Uuid,
    /// It was written to a disk other than that of `/`.
    #[serde(default)]
    mounted: bool,
}

/// What a marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Identity of the volume.
    pub uuid: Uuid,
    /// It was written to a disk other than that of `/`.
    pub mounted: bool,
}

/// The marker in a folder; none when there is none.
pub fn read_marker(folder: &Path) -> io::Result<Option<Found>> {
    match base::untrusted::read(&folder.join(MARKER), BYTES_MAX) {
        Ok(text) => serde_json::from_slice::<Marker>(&text)
            .map(|marker| {
                Some(Found {
                    uuid: marker.uuid,
                    mounted: marker.mounted,
                })
            })
            .map_err(|e| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the marker {MARKER} cannot be read: {e}"),
                )
            }),
        // A part of the path that is no folder is a path that is not there.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Makes a folder a volume.
pub fn write_marker(folder: &Path, uuid: Uuid) -> io::Result<()> {
    base::durable::create_dir_all(folder)?;
    let marker = Marker {
        version: 1,
        uuid,
        mounted: !has_no_disk(folder)?,
    };
    let text = serde_json::to_vec(&marker).map_err(io::Error::other)?;
    base::durable::replace(&folder.join(MARKER), &text, 0o644)
}

/// Whether a folder, or what of its path is there, lies on the file system of `/`.
pub fn lies_on_root(folder: &Path) -> io::Result<bool> {
    let root = std::fs::metadata("/")?.dev();
    Ok(match nearest(folder)? {
        Some((_, metadata)) => metadata.dev() == root,
        None => true,
    })
}

/// Whether it lies where nothing is kept that is to last: on the file system of `/`, or in memory, as mount points do on a
/// system that is read and not written.
pub fn has_no_disk(folder: &Path) -> io::Result<bool> {
    let is_in_memory = match nearest(folder)? {
        Some((there, _)) => statfs(there)?.filesystem_type() == TMPFS_MAGIC,
        None => false,
    };
    Ok(is_in_memory || lies_on_root(folder)?)
}

/// What of a path is there.
fn nearest(folder: &Path) -> io::Result<Option<(&Path, std::fs::Metadata)>> {
    for there in folder.ancestors() {
        match std::fs::metadata(there) {
            Ok(metadata) => return Ok(Some((there, metadata))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

/// Whether one expects a disk to be mounted for this folder: it lies below `/mnt` or `/media`, or the system is to mount
/// something at or above it.
pub fn expects_mount(folder: &Path) -> bool {
    // Without the file nothing is mounted by it.
    let fstab = std::fs::read_to_string("/etc/fstab").unwrap_or_default();
    FOR_MOUNTS.iter().any(|place| folder.starts_with(place)) || is_in(&fstab, folder)
}

/// Whether an fstab names a mount point, other than `/`, at a folder or above it.
fn is_in(fstab: &str, folder: &Path) -> bool {
    fstab
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            // A file system in memory is no disk to wait for.
            words.next().filter(|_| words.next() != Some("tmpfs"))
        })
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .any(|point| point.is_absolute() && point != Path::new("/") && folder.starts_with(&point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_expected_where_the_system_mounts_one() {
        let fstab = "# /dev/sda1 /srv/old ext4\n/dev/sda1 / ext4 defaults 0 1\nUUID=5 /srv/one ext4 nofail 0 2\n\
                     UUID=6 /srv/second\\040disk xfs\n/swap none swap sw\ntmpfs /srv/fast tmpfs\n\nbroken\n";
        let expects = |folder: &str| is_in(fstab, Path::new(folder));
        assert!(expects("/srv/one") && expects("/srv/one/footage"));
        assert!(expects("/srv/second disk/x"));
        assert!(!expects("/srv/fast/x"));
        assert!(!expects("/srv") && !expects("/srv/old") && !expects("/srv/oneself"));
        assert!(expects_mount(Path::new("/mnt/disk2/footage")));
        assert!(!expects_mount(Path::new("/mntx")));
    }

    #[test]
    fn a_marker_remembers_where_it_was_written() {
        for place in ["/dev/shm", "/tmp"] {
            let Ok(dir) = tempfile::tempdir_in(place) else {
                continue;
            };
            let (folder, uuid) = (dir.path().join("new"), Uuid::now_v7());
            assert_eq!(read_marker(&folder).unwrap(), None);
            write_marker(&folder, uuid).unwrap();
            let mounted = !has_no_disk(&folder).unwrap();
            assert!(!(mounted && place == "/dev/shm"));
            assert_eq!(read_marker(&folder).unwrap(), Some(Found { uuid, mounted }));
            assert_eq!(has_no_disk(&folder.join("a/b")).unwrap(), !mounted);
        }
    }
}
