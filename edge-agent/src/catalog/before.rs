//! The catalog as it was before a newer program brought it to its own version: kept then, so that the older program, should
//! it run again, has one that it understands (`step_back.rs`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::durable;
use rusqlite::Connection;

use super::{CatalogError, FILE, SCHEMA};

const BEGINNING: &str = "before-upgrade-v";

/// Oldest copy that is taken up. A newer system shows within the hour whether it is good; whoever goes back after weeks, for
/// starts that were cut short, must not bring back people, passwords and locks of then.
const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Version of the catalog in a folder; none where there is none, or where it cannot be read: whoever opens it says why.
pub fn version_of(folder: &Path) -> Option<i64> {
    let file = folder.join(FILE);
    if !file.is_file() {
        return None;
    }
    let read = Connection::open(file)
        .and_then(|c| c.query_row("PRAGMA user_version", [], |row| row.get(0)));
    // Nothing was ever written to one of version 0.
    read.ok().filter(|version| *version > 0)
}

/// Whether opening the catalog brings it to this program's version, which may take its time.
pub fn is_due(folder: &Path) -> bool {
    version_of(folder).is_some_and(|version| version < SCHEMA.version())
}

/// The catalog of this program's version that was kept in a folder; none where there is none or it is too old.
pub fn usable(folder: &Path) -> Option<PathBuf> {
    let copy = kept(folder, SCHEMA.version());
    let written = copy.metadata().and_then(|meta| meta.modified()).ok()?;
    // One from the future is of a box whose clock was put back.
    let is_young = written.elapsed().map_or(true, |age| age <= AGE_MAX);
    is_young.then_some(copy)
}

/// Where the catalog of a version was kept.
pub fn kept(folder: &Path, version: i64) -> PathBuf {
    folder.join(format!("{BEGINNING}{version}.sqlite"))
}

/// Keeps a catalog that is about to be brought to this program's version. To be called by whoever holds the folder's lock.
/// Without a copy it is not brought there: a box that goes back to the system before would have none.
pub fn keep(folder: &Path) -> Result<(), CatalogError> {
    let Some(version) = version_of(folder).filter(|version| *version < SCHEMA.version()) else {
        return Ok(());
    };
    let copy = kept(folder, version);
    keep_as(folder, &copy).map_err(|why| CatalogError::NotKept {
        version,
        path: copy.clone(),
        why: why.to_string(),
    })?;
    tracing::info!(path = %copy.display(), version, "The catalog is kept as it was before it is upgraded");
    Ok(())
}

/// Removes all copies in a folder but this one.
pub fn remove_but(folder: &Path, copy: Option<&Path>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_copy = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(BEGINNING));
        if is_copy && Some(path.as_path()) != copy {
            durable::remove_if_there(&path)?;
        }
    }
    durable::sync_dir(folder)
}

fn keep_as(folder: &Path, copy: &Path) -> Result<(), CatalogError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogError::Io { path, source }
    };
    let part = copy.with_extension("part");
    durable::remove_if_there(&part).map_err(io(&part))?;
    let written = Connection::open(folder.join(FILE))?
        .execute("vacuum into ?1", [part.to_string_lossy().as_ref()]);
    if let Err(error) = written {
        durable::remove_if_there(&part).map_err(io(&part))?;
        return Err(error.into());
    }
    durable::sync_file(&part).map_err(io(&part))?;
    std::fs::rename(&part, copy).map_err(io(copy))?;
    // One is enough.
    remove_but(folder, Some(copy)).map_err(io(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    /// A folder with a catalog of the first version.
    fn old() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let c = Connection::open(folder.path().join(FILE)).unwrap();
        c.execute_batch(include_str!("upgrade/v1_schema.sql"))
            .unwrap();
        c.pragma_update(None, "user_version", 1).unwrap();
        folder
    }

    fn open(folder: &Path) -> Result<Catalog, CatalogError> {
        Catalog::open(folder, base::clock::Clock::system())
    }

    #[test]
    fn what_is_upgraded_is_kept_and_the_newest_alone() {
        let folder = old();
        let older = kept(folder.path(), 0);
        std::fs::write(&older, "of long ago").unwrap();
        drop(open(folder.path()).unwrap());
        assert_eq!(version_of(folder.path()), Some(SCHEMA.version()));
        let copy = Connection::open(kept(folder.path(), 1)).unwrap();
        let (version, sound): (i64, String) = copy
            .query_row(
                "select user_version, quick_check from pragma_user_version, pragma_quick_check",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((version, sound.as_str()), (1, "ok"));
        assert!(!older.exists());
        // One of this version needs none.
        std::fs::remove_file(kept(folder.path(), 1)).unwrap();
        drop(open(folder.path()).unwrap());
        assert!(!kept(folder.path(), 1).exists());
        assert!(!kept(folder.path(), SCHEMA.version()).exists());
    }

    #[test]
    fn what_cannot_be_kept_is_not_upgraded() {
        let folder = old();
        std::fs::create_dir(kept(folder.path(), 1).with_extension("part")).unwrap();
        let error = open(folder.path()).err().unwrap();
        assert!(
            matches!(error, CatalogError::NotKept { version: 1, .. }),
            "{error}"
        );
        assert_eq!(version_of(folder.path()), Some(1));
        assert!(is_due(folder.path()));
    }
}
