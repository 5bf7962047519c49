//! A catalog that is made anew beside the one in use, and takes its place in one step; the old one stays, aside (S8, S9).
//!
//! It grows in `catalog.new/`. When it is whole a file says so, the two folders are exchanged, and the old one gets a name
//! with the time. A kill before the exchange leaves the old catalog in use, and what was made is gone on with; a kill
//! after it leaves the new one in use, and the next opening gives the old one its name.

use std::io;
use std::path::{Path, PathBuf};

use base::durable;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rusqlite::{Connection, OpenFlags};
use wire::time::UtcTime;

use super::{Catalog, CatalogError, FILE, SCHEMA};

/// Says that a catalog is whole and to be used.
const WHOLE: &str = "whole";
/// Says for what a catalog is being made, once it is worth going on with.
const PURPOSE: &str = "purpose";

/// Tables that a rebuilt catalog takes over from the old one where that can be read, each after those that it points to:
/// what no sidecar tells.
const CARRIED: [&str; 16] = [
    "recorder",
    "login",
    "clock_run",
    "camera",
    "observation",
    "reach",
    "reach_reading",
    "doubt",
    "volume",
    "setting",
    "person",
    "access_log",
    "bookmark",
    "alarm",
    "custody_head",
    "custody_due",
];

/// The folder in which a catalog is made anew, beside the one in use.
pub fn new_folder(folder: &Path) -> PathBuf {
    folder.with_extension("new")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CatalogError + use<> {
    let path = path.to_owned();
    move |source| CatalogError::Io { path, source }
}

/// Locks a catalog's folder, as whoever uses it does. None: there is no such folder.
pub fn lock(folder: &Path) -> Result<Option<std::fs::File>, CatalogError> {
    if !folder.is_dir() {
        return Ok(None);
    }
    super::lock(folder).map(Some)
}

/// Begins to make a catalog anew, or goes on with one that was prepared for the same purpose; true: it goes on.
pub fn begin(folder: &Path, purpose: &str) -> Result<bool, CatalogError> {
    let new = new_folder(folder);
    if std::fs::read_to_string(new.join(PURPOSE)).is_ok_and(|text| text == purpose) {
        return Ok(true);
    }
    if new.is_dir() {
        let _alone = super::lock(&new)?;
        std::fs::remove_dir_all(&new).map_err(at(&new))?;
    }
    durable::create_dir_all(&new).map_err(at(&new))?;
    Ok(false)
}

/// What is to be there first is there: from here on it is gone on with after a kill.
pub fn prepared(folder: &Path, purpose: &str) -> Result<(), CatalogError> {
    let file = new_folder(folder).join(PURPOSE);
    durable::replace(&file, purpose.as_bytes(), 0o600).map_err(at(&file))
}

/// A catalog that came out of a backup, brought to this version: nothing of it was told under the log that comes, and what
/// was under way then is not any more.
pub fn as_restored(folder: &Path) -> Result<(), CatalogError> {
    let c = base::sqlite::open(&new_folder(folder).join(FILE), &SCHEMA)?;
    let sound: String = c.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(CatalogError::Corrupt { what: sound });
    }
    c.execute_batch(
        "delete from person_session; delete from outbox; delete from outbox_log;
         update recording set status = 'pending' where status = 'downloading';",
    )?;
    Ok(())
}

/// Forgets what was made so far of a catalog's rows.
pub fn clear(folder: &Path) -> Result<(), CatalogError> {
    let file = new_folder(folder).join(FILE);
    for extension in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let path = file.with_extension(extension);
        durable::remove_if_there(&path).map_err(at(&path))?;
    }
    Ok(())
}

/// What was taken over from the old catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Rows, by table.
    pub rows: Vec<(&'static str, usize)>,
    /// What could not be, and why.
    pub lost: Vec<(&'static str, String)>,
}

/// Takes over into a new, empty catalog what no sidecar tells: recorders, people, settings, what recorders have answered,
/// and the recordings that are not held. Each table by itself: of a damaged catalog what can be read is read. An error is
/// about the old catalog as a whole.
pub fn carry_over(folder: &Path) -> Result<Carried, CatalogError> {
    let (old, new) = (folder.join(FILE), new_folder(folder).join(FILE));
    let readable = copy_of_this_version(&old, &new.with_extension("old"))?;
    let mut c = base::sqlite::open(&new, &SCHEMA)?;
    // Rows are read in any order and may point to what is lost.
    c.pragma_update(None, "foreign_keys", false)?;
    c.execute(
        "attach database ?1 as old",
        [readable.to_string_lossy().as_ref()],
    )?;
    let mut carried = Carried::default();
    for table in CARRIED {
        match carry(&mut c, table, "true") {
            Ok(rows) => carried.rows.push((table, rows)),
            Err(e) => carried.lost.push((table, e.to_string())),
        }
    }
    // Tombstones, so that what left stays away; what is to be fetched still.
    match carry(&mut c, "recording", "status <> 'completed'") {
        Ok(rows) => carried.rows.push(("recording", rows)),
        Err(e) => carried.lost.push(("recording", e.to_string())),
    }
    c.execute_batch(
        "update main.volume set to_adopt = 1, held_recordings = 0, held_bytes = 0, locked_recordings = 0,
            locked_bytes = 0;
         update main.recording set volume_id = null, stem = null where status <> 'completed';
         update main.recording set status = 'pending' where status = 'downloading';
         delete from main.custody_due where kind = 'kept';",
    )?;
    let orphans: i64 = c.query_row("select count(*) from pragma_foreign_key_check", [], |row| {
        row.get(0)
    })?;
    if orphans > 0 {
        // Recordings of cameras that could not be read: discovery and the sidecars tell of them again.
        for table in [
            "recording",
            "bookmark",
            "camera",
            "login",
            "clock_run",
            "observation",
        ] {
            let sql = format!(
                "delete from main.{table} where rowid in (select rowid from pragma_foreign_key_check('{table}'))"
            );
            c.execute(&sql, [])?;
        }
    }
    c.execute_batch("detach database old")?;
    drop(c);
    for extension in ["old", "old-wal", "old-shm"] {
        let path = new.with_extension(extension);
        durable::remove_if_there(&path).map_err(at(&path))?;
    }
    Ok(carried)
}

/// A catalog of this program's version: the file itself, or a copy of it that was upgraded. The file itself stays as it
/// is.
fn copy_of_this_version(old: &Path, copy: &Path) -> Result<PathBuf, CatalogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let c = Connection::open_with_flags(old, flags)?;
    let version: i64 = c.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == SCHEMA.version() {
        return Ok(old.to_owned());
    }
    durable::remove_if_there(copy).map_err(at(copy))?;
    c.execute("vacuum into ?1", [copy.to_string_lossy().as_ref()])?;
    drop(base::sqlite::open(copy, &SCHEMA)?);
    Ok(copy.to_owned())
}

fn carry(c: &mut Connection, table: &str, which: &str) -> rusqlite::Result<usize> {
    let tx = c.transaction()?;
    let columns: Vec<String> = tx
        .prepare("select name from pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let columns = columns.join(", ");
    let rows = tx.execute(
        &format!(
            "insert into main.{table} ({columns}) select {columns} from old.{table} where {which}"
        ),
        [],
    )?;
    tx.commit()?;
    Ok(rows)
}

/// The new catalog takes the place of the one in use. Returns where the old one lies now, if there was one. The caller
/// holds both locks.
pub fn take_place(folder: &Path, now: UtcTime) -> Result<Option<PathBuf>, CatalogError> {
    say_whole(folder)?;
    exchange(folder, &new_folder(folder))?;
    put_aside(folder, now)
}

/// The catalog that was made is whole: from here on it is the one to be used.
pub fn say_whole(folder: &Path) -> Result<(), CatalogError> {
    let whole = new_folder(folder).join(WHOLE);
    durable::replace(&whole, b"", 0o600).map_err(at(&whole))
}

/// Brings an exchange to its end that a kill interrupted. Called before a catalog is opened.
pub fn settle(folder: &Path, now: UtcTime) -> Result<(), CatalogError> {
    let new = new_folder(folder);
    if folder.join(WHOLE).is_file() {
        put_aside(folder, now)?;
    } else if new.join(WHOLE).is_file() {
        // Whoever makes it holds its lock; nobody does after a kill.
        let _alone = super::lock(&new)?;
        exchange(folder, &new)?;
        put_aside(folder, now)?;
    }
    Ok(())
}

fn exchange(folder: &Path, new: &Path) -> Result<(), CatalogError> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    if folder.is_dir() {
        match renameat2(
            AT_FDCWD,
            folder,
            AT_FDCWD,
            new,
            RenameFlags::RENAME_EXCHANGE,
        ) {
            Ok(()) => {}
            Err(Errno::EINVAL | Errno::ENOSYS) => {
                // A file system without it: in three steps, of which the next opening knows the last.
                let between = folder.with_extension("between");
                std::fs::rename(folder, &between).map_err(at(folder))?;
                std::fs::rename(new, folder).map_err(at(new))?;
                std::fs::rename(&between, new).map_err(at(&between))?;
            }
            Err(e) => return Err(at(folder)(e.into())),
        }
    } else {
        std::fs::rename(new, folder).map_err(at(new))?;
    }
    durable::sync_dir(parent).map_err(at(parent))
}

/// The old catalog gets its name, and the new one is like any other.
fn put_aside(folder: &Path, now: UtcTime) -> Result<Option<PathBuf>, CatalogError> {
    let (new, parent) = (
        new_folder(folder),
        folder.parent().unwrap_or(Path::new(".")),
    );
    let mut aside = None;
    if new.is_dir() {
        let stamp = now.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut path = folder.with_extension(format!("before-{stamp}"));
        for nth in 2..100 {
            if !path.exists() {
                break;
            }
            path = folder.with_extension(format!("before-{stamp}-{nth}"));
        }
        durable::rename_new(&new, &path).map_err(at(&new))?;
        durable::sync_dir(parent).map_err(at(parent))?;
        aside = Some(path);
    }
    for name in [PURPOSE, WHOLE] {
        let path = folder.join(name);
        durable::remove_if_there(&path).map_err(at(&path))?;
    }
    durable::sync_dir(folder).map_err(at(folder))?;
    Ok(aside)
}

impl Catalog {
    /// Opens the catalog that is made anew beside `folder`.
    pub fn open_new(folder: &Path, clock: base::clock::Clock) -> Result<Self, CatalogError> {
        Self::open_folder(&new_folder(folder), clock)
    }

    /// Locks what is locked in the old catalog, once the footage is read in. Returns how many that are.
    pub async fn carry_locks(&self, folder: &Path) -> Result<usize, CatalogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let old = Connection::open_with_flags(folder.join(FILE), flags)?;
        let locked: Vec<String> = old
            .prepare("select id from recording where locked = 1")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        drop(old);
        self.write(move |w| {
            let mut count = 0;
            for id in locked {
                count += w.tx.execute(
                    "update recording set locked = 1 where id = ?1 and status <> 'evicted'",
                    [id],
                )?;
            }
            Ok(count)
        })
        .await
    }
}
