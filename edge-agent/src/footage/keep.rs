//! The one order in which footage takes its place and leaves it (invariant 3).
//!
//! Keeping: everything is written and synced in staging; the description is renamed into place, then the media; the
//! folder is synced; then (the caller) the row. Removing: (the caller) the row to `garbage`; the media is unlinked,
//! then the description; the folder is synced; then (the caller) the garbage row. So media never lies anywhere without
//! its description beside it, and a row never says `completed` without its file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base::durable;

use super::path::{MEDIA, NATIVE, SIDECAR, Stem};
use super::sidecar::Sidecar;
use super::volume::{Volume, VolumeError};

/// Name of a description in staging.
pub const IN_STAGING: &str = "sidecar.json";

/// Tries when a day's folder vanishes between its making and the rename (it was empty and eviction took it).
const TRIES: u32 = 3;

/// What lies in staging, ready to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Staged<'a> {
    /// The file in the kept format.
    pub media: &'a Path,
    /// The vendor's bytes, where they are kept too.
    pub native: Option<&'a Path>,
}

/// Why footage could not take its place.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Something that the catalog does not know bears the name already. It is not touched; another name is to be used.
    #[error("{path} exists already and is not replaced")]
    Taken {
        /// The name.
        path: PathBuf,
    },
    /// The disk is not there.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The disk does not do what it should.
    #[error("{path}: {source}")]
    Io {
        /// Which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The moments after which a power cut is worth a thought; tests stop there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The description lies in staging, synced, and so does the media.
    Written,
    /// The description has its name.
    SidecarRenamed,
    /// The media has its name.
    MediaRenamed,
    /// The names are durable.
    Synced,
    /// The media is unlinked.
    MediaUnlinked,
    /// The description is unlinked.
    SidecarUnlinked,
}

/// Called after each step; an error stops there. Outside tests it does nothing.
pub type Stop<'a> = &'a mut dyn FnMut(Step) -> io::Result<()>;

/// Moves a verified recording from staging to its place. Blocking.
pub fn keep(
    volume: &Volume,
    stem: &Stem,
    sidecar: &Sidecar,
    staged: Staged<'_>,
) -> Result<(), KeepError> {
    keep_with(volume, stem, sidecar, staged, &mut |_| Ok(()))
        .inspect_err(|error| suspect(volume, error))
}

/// The disk that an error came from is looked at.
fn suspect(volume: &Volume, error: &KeepError) {
    if let KeepError::Io { source, .. } = error {
        volume.met(source);
    }
}

/// [`keep`], stopping where `stop` says.
pub fn keep_with(
    volume: &Volume,
    stem: &Stem,
    sidecar: &Sidecar,
    staged: Staged<'_>,
    stop: Stop<'_>,
) -> Result<(), KeepError> {
    volume.check_writable()?;
    let in_staging = staged.media.with_file_name(IN_STAGING);
    write_synced(&in_staging, sidecar).map_err(at(&in_staging))?;
    for path in [Some(staged.media), staged.native].into_iter().flatten() {
        durable::sync_file(path).map_err(at(path))?;
    }
    stop(Step::Written).map_err(at(&in_staging))?;
    place(volume, stem, &in_staging, staged, stop)
}

/// Takes the place: description and media lie in staging, written and synced. Blocking.
pub fn place(
    volume: &Volume,
    stem: &Stem,
    in_staging: &Path,
    staged: Staged<'_>,
    stop: Stop<'_>,
) -> Result<(), KeepError> {
    volume.check_writable()?;
    let folder = volume.path().join(stem.folder());
    let target = |extension| volume.file(stem, extension);
    for path in [target(MEDIA), target(NATIVE)] {
        // Looked at first so that the usual case leaves nothing to take back; the renames below are what is safe.
        if path.exists() {
            return Err(KeepError::Taken { path });
        }
    }
    rename_into(&folder, in_staging, &target(SIDECAR))?;
    // Synced of its own: not every file system makes two renames durable in their order.
    durable::sync_dir(&folder).map_err(at(&folder))?;
    stop(Step::SidecarRenamed).map_err(at(&folder))?;
    if let Some(native) = staged.native
        && let Err(e) = rename_into(&folder, native, &target(NATIVE))
    {
        durable::remove_if_there(&target(SIDECAR)).map_err(at(&folder))?;
        return Err(e);
    }
    if let Err(e) = rename_into(&folder, staged.media, &target(MEDIA)) {
        if let Some(native) = staged.native {
            std::fs::rename(target(NATIVE), native).map_err(at(native))?;
        }
        durable::remove_if_there(&target(SIDECAR)).map_err(at(&folder))?;
        return Err(e);
    }
    stop(Step::MediaRenamed).map_err(at(&folder))?;
    settle(volume, stem)?;
    stop(Step::Synced).map_err(at(&folder))
}

/// Makes the names of a recording durable, and those of the folders above it: whoever made these may have been killed
/// before they were synced, and a file system need not take them along. To be done again before a row says `completed`
/// wherever it is not known that [`keep`] came to its end.
pub fn settle(volume: &Volume, stem: &Stem) -> Result<(), KeepError> {
    let day = volume.path().join(stem.folder());
    for folder in day
        .ancestors()
        .take_while(|folder| folder.starts_with(volume.path()))
    {
        durable::sync_dir(folder).map_err(at(folder))?;
    }
    Ok(())
}

/// Unlinks a recording's files, whatever of them is there. Blocking. Empty folders go too.
pub fn remove(volume: &Volume, stem: &Stem) -> Result<(), KeepError> {
    remove_with(volume, stem, &mut |_| Ok(())).inspect_err(|error| suspect(volume, error))
}

/// [`remove`], stopping where `stop` says.
pub fn remove_with(volume: &Volume, stem: &Stem, stop: Stop<'_>) -> Result<(), KeepError> {
    // On an empty mount point everything would seem to be gone.
    volume.check_writable()?;
    unlink(volume, stem, stop)?;
    let folder = volume.path().join(stem.folder());
    sync_removal(volume, &folder)?;
    remove_empty(volume, &folder);
    Ok(())
}

/// What became of [`remove_all`].
#[derive(Debug, Default)]
pub struct Removed {
    /// Nothing of these is there any more, and that is durable.
    pub gone: Vec<Stem>,
    /// Why others are not.
    pub failed: Vec<KeepError>,
}

/// [`remove`] for many: what one disk write can make durable for all of them is asked for once.
pub fn remove_all(volume: &Volume, stems: Vec<Stem>) -> Result<Removed, VolumeError> {
    volume.check_writable()?;
    let (mut removed, mut folders) = (Removed::default(), BTreeMap::<PathBuf, Vec<Stem>>::new());
    let mut failed = |error| {
        suspect(volume, &error);
        removed.failed.push(error);
    };
    for stem in stems {
        match unlink(volume, &stem, &mut |_| Ok(())) {
            Ok(()) => {
                let folder = volume.path().join(stem.folder());
                folders.entry(folder).or_default().push(stem);
            }
            Err(error) => failed(error),
        }
    }
    for (folder, stems) in folders {
        match sync_removal(volume, &folder) {
            Ok(()) => removed.gone.extend(stems),
            Err(error) => {
                failed(error);
                continue;
            }
        }
        remove_empty(volume, &folder);
    }
    Ok(removed)
}

/// Unlinks the files of a recording, whatever of them is there.
fn unlink(volume: &Volume, stem: &Stem, stop: Stop<'_>) -> Result<(), KeepError> {
    for (extension, step) in [
        (MEDIA, Some(Step::MediaUnlinked)),
        (NATIVE, None),
        (SIDECAR, Some(Step::SidecarUnlinked)),
    ] {
        let path = volume.file(stem, extension);
        durable::remove_if_there(&path).map_err(at(&path))?;
        if let Some(step) = step {
            stop(step).map_err(at(&path))?;
        }
    }
    Ok(())
}

/// Makes it durable that files of a folder are gone.
fn sync_removal(volume: &Volume, folder: &Path) -> Result<(), KeepError> {
    // Where somebody else has removed the empty folder just now, it is its going that must last.
    let there = folder.ancestors().find(|folder| folder.is_dir());
    match there.filter(|there| there.starts_with(volume.path())) {
        Some(there) => durable::sync_dir(there).map_err(at(there)),
        None => Ok(()),
    }
}

/// Removes the day's folder and those above it as long as they are empty. That one is not empty, or already gone, is
/// the usual end of it; that a folder stays is harmless.
fn remove_empty(volume: &Volume, folder: &Path) {
    let root = volume.path().join(super::path::CAMERAS);
    let mut folder = folder;
    while folder != root && folder.starts_with(&root) && std::fs::remove_dir(folder).is_ok() {
        match folder.parent() {
            Some(parent) => folder = parent,
            None => return,
        }
    }
}

fn write_synced(path: &Path, sidecar: &Sidecar) -> io::Result<()> {
    let text = serde_json::to_vec(sidecar).map_err(io::Error::other)?;
    let mut file = File::create(path)?;
    file.write_all(&text)?;
    file.sync_all()
}

/// Renames into a folder that may have to be made, never replacing.
fn rename_into(folder: &Path, from: &Path, to: &Path) -> Result<(), KeepError> {
    let mut tries = TRIES;
    loop {
        durable::create_dir_all(folder).map_err(at(folder))?;
        tries -= 1;
        match durable::rename_new(from, to) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeepError::Taken {
                    path: to.to_owned(),
                });
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && tries > 0 && from.exists() => {}
            Err(e) => return Err(at(to)(e)),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeepError + use<> {
    let path = path.to_owned();
    move |source| KeepError::Io { path, source }
}
