//! A file of nothing beside the catalog: room that is given up when something else has filled the disk, so that the
//! catalog stays writable and can say so (S1).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

/// Room kept back. A day's changes of 64 cameras are about 5 MB of journal; this is enough for people to notice.
const RESERVE_BYTES: u64 = 32 * 1024 * 1024;

/// Free room below which an error that only may come of a full disk is taken for one.
const FULL_BYTES: u64 = 1024 * 1024;

/// Free room below which the reserve is given up before a change needs it: no change writes as much.
const LOW_BYTES: u64 = 4 * FULL_BYTES;

/// Free room without which none is taken for the reserve: it must not be what fills the disk.
const FREE_BYTES_MIN: u64 = 8 * RESERVE_BYTES;

/// The reserve of one catalog.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve of the catalog in this folder, taken by an earlier start or not.
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            path: folder.join("reserve"),
        }
    }

    /// Takes the room, where the disk has plenty. That it cannot be taken is no reason not to start.
    pub(super) fn take(&self) {
        if let Err(e) = allocate(&self.path) {
            tracing::debug!(path = %self.path.display(), error = %e, "No room is kept back for the catalog");
        }
    }

    /// Gives the room up if there is hardly any other. Asked before every change, so that none is refused for want of it.
    pub(super) fn give_up_if_low(&self) {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // A file system that cannot say, or that is away, is met by what comes next.
        if free(folder).is_ok_and(|(bytes, files)| bytes < LOW_BYTES || files == 0) {
            self.give_up();
        }
    }

    /// Gives the room up if this error says that the disk is full. True when that made room.
    pub(super) fn give_up_if_full(&self, error: &rusqlite::Error) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, SystemIoFailure};
        let full = match error.sqlite_error_code() {
            Some(DiskFull) => true,
            // What SQLite says when its journal or its shared memory finds no room to be made in.
            Some(CannotOpen | SystemIoFailure) => self.is_full(),
            _ => false,
        };
        if !full {
            return false;
        }
        self.give_up()
    }

    /// True when that made room.
    pub(super) fn give_up(&self) -> bool {
        let made_room = std::fs::remove_file(&self.path).is_ok();
        if made_room {
            tracing::error!(
                path = %self.path.display(),
                "The disk of the catalog is full. The room that was kept back is given up; free some, or the agent stops working"
            );
        }
        made_room
    }

    fn is_full(&self) -> bool {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        free(folder).is_ok_and(|(bytes, files)| bytes < FULL_BYTES || files == 0)
    }
}

/// Free bytes of the file system that a folder lies on, and how many files it can still take.
fn free(folder: &Path) -> io::Result<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(folder)?;
    let bytes = stat.blocks_available().saturating_mul(stat.fragment_size());
    // A file system that does not count its files has none and needs none.
    let files = match stat.files() {
        0 => u64::MAX,
        _ => stat.files_available(),
    };
    Ok((bytes, files))
}

fn allocate(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|m| m.len() == RESERVE_BYTES) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let (free_bytes, _) = free(folder)?;
    if free_bytes < FREE_BYTES_MIN {
        return Err(io::Error::other("the disk is nearly full"));
    }
    let file = File::create(path)?;
    let bytes = i64::try_from(RESERVE_BYTES).map_err(io::Error::other)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes).map_err(|e| {
        // Half a reserve is none; what cannot be removed either costs nothing.
        drop(std::fs::remove_file(path));
        e.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite_error(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn given_up_once_and_only_when_the_disk_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        reserve.take();
        if !reserve.path.exists() {
            // This file system cannot, or the disk is nearly full.
            return;
        }
        assert!(!reserve.give_up_if_full(&sqlite_error(rusqlite::ffi::SQLITE_BUSY)));
        let full = sqlite_error(rusqlite::ffi::SQLITE_FULL);
        assert!(reserve.give_up_if_full(&full));
        assert!(!reserve.path.exists());
        assert!(!reserve.give_up_if_full(&full));
    }
}
