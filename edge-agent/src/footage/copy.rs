//! A recording is copied into another volume's staging: its description, its media, the vendor's bytes where they are
//! kept. Digests are taken as the bytes pass, and once more of what the other disk gives back.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use wire::ids::RecordingId;

use super::keep::IN_STAGING;
use super::path::{MEDIA, NATIVE, SIDECAR, Stem};
use super::sidecar::Sidecar;
use super::staging;
use super::volume::{Volume, VolumeError, VolumeId};
use crate::model::chunks::{CHUNK_BYTES, Digested, Hasher};

/// After so many bytes the disk is waited for, so that what waits for it does not fill a small box's memory.
const SYNC_BYTES: u64 = 32 << 20;

/// A recording that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub recording: RecordingId,
    /// Where it lies.
    pub from: VolumeId,
    /// Under which name.
    pub from_stem: Stem,
    /// Where it goes.
    pub to: VolumeId,
    /// Under which name.
    pub to_stem: Stem,
    /// SHA-256 (hex) of its media.
    pub digest: String,
    /// Size of its media.
    pub bytes: u64,
}

/// Where the copy of a recording grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InStaging {
    /// Its description.
    pub sidecar: PathBuf,
    /// Its media.
    pub media: PathBuf,
    /// The vendor's bytes, where they are kept.
    pub native: PathBuf,
}

impl InStaging {
    /// On a volume.
    pub fn of(volume: &Volume, recording: RecordingId) -> Self {
        let folder = volume.staging(recording);
        Self {
            sidecar: folder.join(IN_STAGING),
            media: folder.join(format!("copy.{MEDIA}")),
            native: folder.join(format!("copy.{NATIVE}")),
        }
    }
}

/// Why there is no copy.
#[derive(Debug)]
pub enum CopyError {
    /// The agent stops.
    Stopped,
    /// What lies here is not what was kept.
    Damaged(String),
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// It cannot be written, or the disk gives back something else.
    Write(PathBuf, io::Error),
    /// A disk is not there.
    Volume(VolumeError),
}

/// Called with the bytes that were copied since the last time; waits as long as it likes. An error stops the copy.
pub type Paced<'a> = &'a mut dyn FnMut(u64) -> io::Result<()>;

/// Copies. Blocking; the copy lies synced in the target's staging then.
pub fn copy(from: &Volume, to: &Volume, order: &Move, pace: Paced<'_>) -> Result<(), CopyError> {
    from.check().map_err(CopyError::Volume)?;
    let staged = InStaging::of(to, order.recording);
    // What an earlier try left may be anything.
    staging::remove(to, order.recording).map_err(CopyError::Volume)?;
    staging::create(to, order.recording).map_err(CopyError::Volume)?;

    let description = from.file(&order.from_stem, SIDECAR);
    let sidecar =
        Sidecar::read(&description).map_err(|error| CopyError::Damaged(error.to_string()))?;
    if sidecar.recording != order.recording || sidecar.digest != order.digest {
        return Err(CopyError::Damaged(format!(
            "{} describes recording {} with digest {}",
            description.display(),
            sidecar.recording,
            sidecar.digest
        )));
    }
    // To the byte: its digest is in the custody log.
    copy_file(&description, &staged.sidecar, pace)?;
    let media = from.file(&order.from_stem, MEDIA);
    let copied = copy_file(&media, &staged.media, pace)?;
    if copied.sha256 != order.digest || copied.bytes != order.bytes {
        return Err(CopyError::Damaged(format!(
            "{} has {} bytes with digest {} instead of {} with {}",
            media.display(),
            copied.bytes,
            copied.sha256,
            order.bytes,
            order.digest
        )));
    }
    let native = from.file(&order.from_stem, NATIVE);
    if native
        .try_exists()
        .map_err(|e| CopyError::Read(native.clone(), e))?
    {
        copy_file(&native, &staged.native, pace)?;
    }
    Ok(())
}

/// Copies a file, syncs it, and compares what the disk gives back.
fn copy_file(from: &Path, to: &Path, pace: Paced<'_>) -> Result<Digested, CopyError> {
    let read = |e| CopyError::Read(from.to_owned(), e);
    let write = |e| CopyError::Write(to.to_owned(), e);
    let mut source = File::open(from).map_err(read)?;
    let mut target = File::create_new(to).map_err(write)?;
    let mut hasher = Hasher::both();
    let (mut chunk, mut unsynced) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let count = source.read(&mut chunk).map_err(read)?;
        if count == 0 {
            break;
        }
        hasher.update(&chunk[..count]);
        target.write_all(&chunk[..count]).map_err(write)?;
        unsynced += count as u64;
        if unsynced >= SYNC_BYTES {
            target.sync_data().map_err(write)?;
            unsynced = 0;
        }
        pace(count as u64).map_err(|_| CopyError::Stopped)?;
    }
    target.sync_all().map_err(write)?;
    let copied = hasher.finish();
    // What is read next is to come from the disk, not from memory. A file system that ignores it costs the proof, not
    // the copy.
    let _ = posix_fadvise(&target, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    let _ = posix_fadvise(&source, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    let given_back = digest_of(to).map_err(write)?;
    if (given_back.bytes, &given_back.chunks) != (copied.bytes, &copied.chunks) {
        return Err(write(io::Error::new(
            io::ErrorKind::InvalidData,
            "the disk gives back other bytes than were written to it",
        )));
    }
    Ok(copied)
}

fn digest_of(path: &Path) -> io::Result<Digested> {
    let mut file = File::open(path)?;
    let (mut hasher, mut chunk) = (Hasher::both(), vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&chunk[..count]),
        }
    }
}
