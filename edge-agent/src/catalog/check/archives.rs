//! Archives: one that can be downloaded has its file, and no file is nobody's (invariant 8).

use std::io;

use rusqlite::{Connection, Row};
use wire::ids::ArchiveId;

use super::super::text::{parsed, size};
use super::super::{CatalogError, archives::named};
use super::interrupted::digest_of;
use super::invariants::Report;
use crate::footage::archives;
use crate::footage::volume::Volume;

/// Number of the invariant.
const INVARIANT: u8 = 8;

struct Ready {
    id: ArchiveId,
    file: String,
    bytes: u64,
    digest: String,
}

fn ready_of(row: &Row<'_>) -> rusqlite::Result<Ready> {
    Ok(Ready {
        id: parsed(row, "id")?,
        file: row.get("file")?,
        bytes: size(row, "bytes")?,
        digest: row.get("digest")?,
    })
}

const READY: &str =
    "select id, file, bytes, digest from archive where state in ('ready', 'downloaded')";

/// No recording belongs to an archive that is over: it would never be packed again.
pub fn rows(c: &Connection, report: &mut Report) -> Result<(), CatalogError> {
    let homeless: Vec<String> = c
        .prepare(
            "select archive.id from archive where state not in ('building', 'ready', 'downloaded', 'clearing')
                and exists (select 1 from archive_item where archive_id = archive.id)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in homeless {
        report.add(
            INVARIANT,
            format!("archive {id} is over, and recordings still belong to it"),
        );
    }
    Ok(())
}

/// Looks at the archives of a volume.
pub fn check(
    c: &Connection,
    volume: &Volume,
    deep: bool,
    report: &mut Report,
) -> Result<(), CatalogError> {
    let ready: Vec<Ready> = c
        .prepare(&format!("{READY} and volume_id = ?1"))?
        .query_map([volume.id().0], ready_of)?
        .collect::<Result<_, _>>()?;
    for archive in ready {
        report.archives += 1;
        if let Some(message) = wrong_with(volume, &archive, deep)
            // It may have been cleared meanwhile.
            && c.prepare_cached(&format!("{READY} and id = ?1"))?
                .exists([archive.id.to_string()])?
        {
            report.add(INVARIANT, format!("archive {}: {message}", archive.id));
        }
    }
    files_have_rows(c, volume, report)
}

fn wrong_with(volume: &Volume, archive: &Ready, deep: bool) -> Option<String> {
    let path = volume.path().join(archives::file(&archive.file));
    let shown = path.display();
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() == archive.bytes => {}
        Ok(metadata) => {
            return Some(format!(
                "{shown} has {} bytes instead of {}",
                metadata.len(),
                archive.bytes
            ));
        }
        Err(e) => return Some(format!("{shown}: {e}")),
    }
    if !deep {
        return None;
    }
    match digest_of(&path) {
        Ok((_, digest)) if digest == archive.digest => None,
        Ok((_, digest)) => Some(format!(
            "{shown} has changed: its digest is {digest} instead of {}",
            archive.digest
        )),
        Err(e) => Some(format!("{shown} cannot be read: {e}")),
    }
}

fn files_have_rows(
    c: &Connection,
    volume: &Volume,
    report: &mut Report,
) -> Result<(), CatalogError> {
    let folder = archives::folder(volume);
    let at = |source| CatalogError::Io {
        path: folder.clone(),
        source,
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(e)),
    };
    for entry in entries {
        let entry = entry.map_err(at)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !named(c, volume.id(), &name)? && entry.path().exists() {
            report.add(
                INVARIANT,
                format!(
                    "{} belongs to no archive in the catalog: move it away",
                    entry.path().display()
                ),
            );
        }
    }
    Ok(())
}
