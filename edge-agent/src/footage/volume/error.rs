//! Why a volume cannot be used, in words that name it.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::MARKER;

/// Why a volume cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The marker is not there: most likely the disk is not mounted.
    #[error(
        "volume {name:?}: {path} does not carry its marker {MARKER}: is the disk mounted? (A new disk needs a new volume name in the configuration.)"
    )]
    Gone {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// Another volume's marker lies there.
    #[error(
        "volume {name:?}: {path} carries the marker of another volume ({found}, not {known}): mount the right disk, or give this one a new volume name in the configuration"
    )]
    Foreign {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
        /// Identity expected.
        known: Uuid,
        /// Identity found.
        found: Uuid,
    },
    /// The folder is the system's own: the disk that belongs there is not mounted.
    #[error(
        "volume {name:?}: {path} lies on the system's own disk or in memory, so the disk that belongs there is not mounted. Mount it (only where footage is to lie on the system's disk say mounted = false for this [[volume]])"
    )]
    NotMounted {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// The disk does not answer.
    #[error("volume {name:?}: the disk at {path} does not answer")]
    Silent {
        /// Name of the volume.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// Nothing is written to it in the state that it is in.
    #[error("volume {name:?} is not written to: {why}")]
    Unfit {
        /// Name of the volume.
        name: String,
        /// What is the matter.
        why: String,
    },
    /// The disk does not do what it should.
    #[error("volume {name:?}: {path}: {source}")]
    Io {
        /// Name of the volume.
        name: String,
        /// Which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
