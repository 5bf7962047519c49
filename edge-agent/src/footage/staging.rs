//! Where recordings grow: `staging/<recording_id>/` on the volume that is to hold them, so that keeping is a rename.

use std::io;
use std::path::PathBuf;

use wire::ids::RecordingId;

use super::volume::{Volume, VolumeError};

/// Folder of everything that grows.
pub const STAGING: &str = "staging";

/// Makes the folder of all that grows on a volume, which workers are given before anything grows there. Where the volume
/// is away now, its path alone.
pub fn prepare(volume: &Volume) -> PathBuf {
    let path = volume.path().join(STAGING);
    let made = volume.check_writable().and_then(|()| {
        base::durable::create_dir_all(&path).map_err(|source| at(volume, path.clone(), source))
    });
    if let Err(error) = made {
        tracing::warn!(volume = volume.name(), %error, "Nothing can be fetched to a volume until it is back");
    }
    path
}

/// Makes a recording's staging folder, or finds it with what an earlier attempt left.
pub fn create(volume: &Volume, recording: RecordingId) -> Result<PathBuf, VolumeError> {
    volume.check_writable()?;
    let path = volume.staging(recording);
    base::durable::create_dir_all(&path).map_err(|source| at(volume, path.clone(), source))?;
    Ok(path)
}

/// Removes a recording's staging folder and all in it; fine when there is none.
pub fn remove(volume: &Volume, recording: RecordingId) -> Result<(), VolumeError> {
    let path = volume.staging(recording);
    match std::fs::remove_dir_all(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(volume, path, e)),
        _ => Ok(()),
    }
}

/// The recordings that have a staging folder on a volume. What does not bear a recording's id is not ours and is left.
pub fn list(volume: &Volume) -> Result<Vec<RecordingId>, VolumeError> {
    let path = volume.path().join(STAGING);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(volume, path, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| at(volume, path.clone(), e))?;
        if let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            found.push(id);
        }
    }
    Ok(found)
}

fn at(volume: &Volume, path: PathBuf, source: io::Error) -> VolumeError {
    volume.met(&source);
    VolumeError::Io {
        name: volume.name().to_owned(),
        path,
        source,
    }
}
