//! Opening SQLite files the one way we do: WAL, full sync, schema by `PRAGMA user_version`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// The schema of a database and how to reach it from each earlier version.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// What the database is called in messages ("catalog").
    pub name: &'static str,
    /// SQL of the newest version, for a new file.
    pub create: &'static str,
    /// `upgrades[i]` leads from version `i + 1` to `i + 2`.
    pub upgrades: &'static [&'static str],
}

impl Schema {
    /// The newest version: 1 + upgrades.
    pub fn version(&self) -> i64 {
        1 + self.upgrades.len() as i64
    }
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file was written by a newer program; it is left untouched.
    #[error(
        "the {name} {path} has version {found}, this program knows up to {known}: install the newer program again"
    )]
    Newer {
        /// Name of the database.
        name: &'static str,
        /// Its path.
        path: String,
        /// Version found.
        found: i64,
        /// Version known.
        known: i64,
    },
    /// SQLite refused.
    #[error("cannot open the {name} {path}: {source}")]
    Sqlite {
        /// Name of the database.
        name: &'static str,
        /// Its path.
        path: String,
        /// Why.
        source: rusqlite::Error,
    },
}

/// Opens for writing, creating or upgrading as needed, all in one transaction.
pub fn open(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        name: schema.name,
        path: path.display().to_string(),
        source,
    };
    let mut connection = Connection::open(path).map_err(sqlite)?;
    let found = version(&connection).map_err(sqlite)?;
    if found > schema.version() {
        return Err(OpenError::Newer {
            name: schema.name,
            path: path.display().to_string(),
            found,
            known: schema.version(),
        });
    }
    prepare(&connection).map_err(sqlite)?;
    migrate(&mut connection, schema).map_err(sqlite)?;
    Ok(connection)
}

/// Opens a second connection that can only read.
pub fn open_reader(path: &Path, schema: &Schema) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        name: schema.name,
        path: path.display().to_string(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection
        .busy_timeout(Duration::from_secs(10))
        .map_err(sqlite)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(sqlite)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
        row.get::<_, String>(0)
    })?;
    // A commit that was answered is on the disk: what the invariants stand on.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // 16 MiB of pages: enough for the indexes of a million recordings' hot end, little on a box of 2 GB.
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)
}

fn migrate(connection: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let found = version(&transaction)?;
    if found == schema.version() {
        // Nothing is written: a start must be possible on a disk that is full.
        return Ok(());
    }
    if found == 0 {
        transaction.execute_batch(schema.create)?;
    } else {
        for upgrade in &schema.upgrades[(found - 1) as usize..] {
            transaction.execute_batch(upgrade)?;
        }
    }
    transaction.pragma_update(None, "user_version", schema.version())?;
    transaction.commit()
}

/// Why a piece of work on a database failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// SQLite refused; the transaction was rolled back.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The database was closed, or the work panicked.
    #[error("the database is closed")]
    Closed,
}

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// A database in use: one thread writes, a few connections read beside it (WAL). Cheap to clone; the writer ends when
/// the last clone is dropped, after the work that is queued.
#[derive(Clone)]
pub struct Database {
    writer: mpsc::Sender<Work>,
    readers: Arc<Readers>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

/// Most pieces of write work waiting; more make their askers wait.
const WRITE_QUEUE_MAX: usize = 256;

impl Database {
    /// Opens (creating or upgrading) and starts the writer and `readers` reading connections.
    pub fn open(path: &Path, schema: &Schema, readers: usize) -> Result<Self, OpenError> {
        let mut connection = open(path, schema)?;
        let idle = (0..readers.max(1))
            .map(|_| open_reader(path, schema))
            .collect::<Result<Vec<_>, _>>()?;
        let (writer, mut queue) = mpsc::channel::<Work>(WRITE_QUEUE_MAX);
        std::thread::Builder::new()
            .name(format!("{}-writer", schema.name))
            .spawn(move || {
                while let Some(work) = queue.blocking_recv() {
                    work(&mut connection);
                }
                // Good plans for the next start; a failure costs nothing but speed.
                let _ = connection.execute_batch("PRAGMA optimize");
            })
            .expect("a thread can be started at start-up");
        let readers = Readers {
            free: Semaphore::new(idle.len()),
            idle: Mutex::new(idle),
        };
        Ok(Self {
            writer,
            readers: Arc::new(readers),
        })
    }

    /// Runs `work` in one immediate transaction on the writer thread: committed when it returns `Ok`, rolled back
    /// when it returns `Err` or panics. The work is done even if the asker stops waiting for it.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job: Work = Box::new(move |connection| {
            let outcome = catch_unwind(AssertUnwindSafe(|| in_transaction(connection, work)));
            match outcome {
                Ok(outcome) => drop(answer.send(outcome)),
                // The asker sees `Closed`; the panic itself was printed by the hook.
                Err(_) => tracing::error!("A piece of database work panicked and was rolled back"),
            }
        });
        self.writer.send(job).await.map_err(|_| DbError::Closed)?;
        result.await.map_err(|_| DbError::Closed)?
    }

    /// Runs `work` on a connection that can only read, on a blocking thread.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let readers = self.readers.clone();
        let permit = readers.free.acquire().await.map_err(|_| DbError::Closed)?;
        permit.forget();
        let readers = self.readers.clone();
        tokio::task::spawn_blocking(move || {
            let lent = Lent::take(&readers);
            work(lent.connection())
        })
        .await
        .map_err(|_| DbError::Closed)?
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

fn in_transaction<T, E: From<DbError>>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(DbError::from)?;
    let value = work(&transaction)?;
    transaction.commit().map_err(DbError::from)?;
    Ok(value)
}

/// A reading connection that goes back to its place, also when the work panics.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl<'a> Lent<'a> {
    /// The caller holds a permit, so there is an idle connection.
    fn take(readers: &'a Readers) -> Self {
        let mut idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = idle.pop();
        Self {
            readers,
            connection,
        }
    }

    fn connection(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("as many connections as permits")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        self.readers.free.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Schema = Schema {
        name: "test",
        create: "create table t(a) strict_is_not_needed;",
        upgrades: &[],
    };
    const V1: Schema = Schema {
        name: "test",
        create: "create table t(a);",
        upgrades: &[],
    };
    const V2: Schema = Schema {
        name: "test",
        create: "create table t(a, b);",
        upgrades: &["alter table t add column b;"],
    };
    const BROKEN: Schema = Schema {
        name: "test",
        create: "create table t(a, b, c);",
        upgrades: &[
            "alter table t add column b;",
            "insert into t(nonsense) values (1);",
        ],
    };

    #[test]
    fn upgrades_keep_rows_and_a_newer_file_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        open(&path, &V1)
            .unwrap()
            .execute("insert into t values (1)", [])
            .unwrap();
        let up = open(&path, &V2).unwrap();
        assert_eq!(
            up.query_row("select a, b from t", [], |r| r.get::<_, i64>(0))
                .unwrap(),
            1
        );
        drop(up);
        assert!(matches!(
            open(&path, &V1),
            Err(OpenError::Newer {
                found: 2,
                known: 1,
                ..
            })
        ));
        assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), 2);
    }

    #[test]
    fn a_broken_upgrade_leaves_the_old_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        open(&path, &V1)
            .unwrap()
            .execute("insert into t values (1)", [])
            .unwrap();
        assert!(open(&path, &BROKEN).is_err());
        let old = open(&path, &V1).unwrap();
        assert_eq!(
            old.query_row("select count(*) from t", [], |r| r.get::<_, i64>(0))
                .unwrap(),
            1
        );
        assert!(open(&dir.path().join("new"), &ONE).is_err());
    }

    /// A start must be possible on a disk that is full.
    #[test]
    fn opening_what_is_of_the_newest_version_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        drop(open(&path, &V1).unwrap());
        let before = std::fs::read(&path).unwrap();
        let again = open(&path, &V1).unwrap();
        let journal = path.with_file_name("db-wal");
        assert_eq!(std::fs::metadata(journal).map_or(0, |m| m.len()), 0);
        drop(again);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let _writer = open(&path, &V1).unwrap();
        assert!(
            open_reader(&path, &V1)
                .unwrap()
                .execute("insert into t values (1)", [])
                .is_err()
        );
    }

    #[tokio::test]
    async fn work_is_all_or_nothing_also_when_it_panics() {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("db"), &V1, 2).unwrap();
        let insert = |tx: &Transaction<'_>| {
            tx.execute("insert into t values (1)", [])
                .map_err(DbError::from)
        };
        db.write(move |tx| insert(tx)).await.unwrap();
        let failed: Result<(), DbError> = db
            .write(move |tx| {
                insert(tx)?;
                Err(DbError::Closed)
            })
            .await;
        assert!(failed.is_err());
        let panicked: Result<(), DbError> = db
            .write(move |tx| {
                insert(tx)?;
                panic!("on purpose")
            })
            .await;
        assert!(matches!(panicked, Err(DbError::Closed)));
        let read_panicked: Result<(), DbError> = db.read(|_| panic!("on purpose")).await;
        assert!(read_panicked.is_err());
        for _ in 0..4 {
            let count = db
                .read(|c| {
                    c.query_row("select count(*) from t", [], |r| r.get::<_, i64>(0))
                        .map_err(DbError::from)
                })
                .await
                .unwrap();
            assert_eq!(count, 1);
        }
    }
}
