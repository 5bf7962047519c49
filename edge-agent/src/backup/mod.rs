//! Backup and restore of configuration and catalog (S8), while the agent records.
//!
//! A backup is one file (`format.rs`): the settings file, the catalog as one transaction saw it, and the appliance's keys
//! if a passphrase was given to seal them with. Footage is not in it: it describes itself, and what was fetched after the
//! backup is read in from the disks when it is restored. Login sessions and reports that wait are not in it either: people
//! log in again, and the relay is told everything anew under a new log.

mod format;
mod keys;
mod make;
mod restore;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::catalog::CatalogError;

pub use self::make::{Args as BackupArgs, make, run as run_backup};
pub use self::restore::{Args as RestoreArgs, run as run_restore};

/// Names of the parts of a backup.
mod part {
    pub const CONFIG: &str = "agent.toml";
    pub const CATALOG: &str = "catalog.sqlite";
    pub const KEYS: &str = "keys";
}

/// Why a backup could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no backup, or not as it was written.
    #[error("{path} is not a backup that can be restored: {why}")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The keys do not open.
    #[error(
        "the passphrase does not open the keys in this backup: check it, or leave it out (recorders' passwords are then entered again)"
    )]
    Passphrase,
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

fn at(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::Io { path, source }
}
