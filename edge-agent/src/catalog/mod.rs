//! The only owner of SQLite: `schema.sql`, one file of SQL per noun, check and repair.
//!
//! The catalog is the spine of the agent: stages read what is to be done from its rows and write back what became of
//! it, so that after any kill the agent goes on from here. A change of state and the report of it are one transaction
//! (invariant 6). It knows nothing of HTTP, MQTT or the pipeline.

pub mod access;
pub mod adopt;
pub mod alarms;
pub mod anew;
pub mod archives;
pub mod before;
pub mod beside;
pub mod bookmarks;
pub mod cameras;
pub mod check;
pub mod clocks;
pub mod coverage;
pub mod custody;
pub mod days;
pub mod error;
pub mod jobs;
pub mod logins;
pub mod moves;
pub mod observations;
pub mod outbox;
pub mod people;
pub mod reach;
pub mod recorders;
pub mod recordings;
mod reserve;
pub mod settings;
mod text;
pub mod volumes;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use base::clock::Clock;
use base::sqlite::{Database, Schema};
use rusqlite::Connection;
use tokio::sync::{Notify, RwLock, broadcast, watch};
use wire::ids::RecordingId;
use wire::time::UtcTime;

pub use error::CatalogError;

/// The catalog's schema and its upgrades.
pub const SCHEMA: Schema = Schema {
    name: "catalog",
    create: include_str!("schema.sql"),
    upgrades: &[
        include_str!("upgrade/v2_login.sql"),
        include_str!("upgrade/v3_clock.sql"),
        include_str!("upgrade/v4_isapi.sql"),
        include_str!("upgrade/v5_tls.sql"),
        include_str!("upgrade/v6_password.sql"),
        include_str!("upgrade/v7_reach.sql"),
        include_str!("upgrade/v8_fetched_bytes.sql"),
        include_str!("upgrade/v9_custody.sql"),
        include_str!("upgrade/v10_ring.sql"),
        include_str!("upgrade/v11_archive.sql"),
        include_str!("upgrade/v12_volume.sql"),
        include_str!("upgrade/v13_moving.sql"),
    ],
};

/// File of the catalog within its folder.
pub const FILE: &str = "catalog.sqlite";

/// Reading connections: the API's requests beside the pipeline's.
const READERS: usize = 4;

/// Longest that a program which is being started takes to be itself, on a box that is busy.
const LEFT_WITHIN: Duration = Duration::from_secs(5);

/// Changes that a slow listener may lag behind before it is told that it missed some.
const CHANGES_MAX: usize = 1024;

/// Most single changes announced for one transaction; more become one change without an id.
const CHANGES_SINGLE_MAX: usize = 64;

/// The catalog. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Catalog {
    db: Database,
    clock: Clock,
    signals: Arc<Signals>,
}

/// What others wait for, and the lock that makes this agent the only one. Lives as long as the last clone.
struct Signals {
    folder: PathBuf,
    changes: broadcast::Sender<Change>,
    outbox: watch::Sender<u64>,
    garbage: Notify,
    custody: Notify,
    reserve: reserve::Reserve,
    lock_max_bytes: AtomicU64,
    /// Held by whoever keeps a recording, and whole by whoever finishes what was half kept.
    keeping: RwLock<()>,
    _lock: File,
}

/// Which kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A recorder's settings or state.
    Recorder,
    /// A camera's settings or state.
    Camera,
    /// A recording's state or progress.
    Recording,
    /// A sync job.
    SyncJob,
    /// A bookmark.
    Bookmark,
    /// An archive.
    Archive,
    /// The state of a volume; its id is its name.
    Volume,
}

/// One change, for people who watch. It carries no content: who cares reads the thing again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which kind of thing.
    pub kind: ChangeKind,
    /// Its id; none when many changed at once.
    pub id: Option<String>,
}

impl Catalog {
    /// Opens the catalog in its folder, creating both as needed, and locks the folder: a second agent on the same
    /// folder is refused, and so is a catalog that a newer program wrote.
    pub fn open(folder: &Path, clock: Clock) -> Result<Self, CatalogError> {
        anew::settle(folder, clock.now().into())?;
        Self::open_folder(folder, clock)
    }

    fn open_folder(folder: &Path, clock: Clock) -> Result<Self, CatalogError> {
        base::durable::create_dir_all(folder).map_err(|source| CatalogError::Io {
            path: folder.to_owned(),
            source,
        })?;
        let lock = lock(folder)?;
        let reserve = reserve::Reserve::of(folder);
        reserve.give_up_if_low();
        before::keep(folder).or_else(|error| match reserve.give_up() {
            true => before::keep(folder),
            false => Err(error),
        })?;
        let open = || Database::open(&folder.join(FILE), &SCHEMA, READERS);
        let db = match open() {
            // A start on a disk that something else has filled: people must be able to see that.
            Err(base::sqlite::OpenError::Sqlite { source, .. })
                if reserve.give_up_if_full(&source) =>
            {
                open()?
            }
            other => other?,
        };
        reserve.take();
        Ok(Self {
            db,
            clock,
            signals: Arc::new(Signals {
                folder: folder.to_owned(),
                changes: broadcast::channel(CHANGES_MAX).0,
                outbox: watch::channel(0).0,
                garbage: Notify::new(),
                custody: Notify::new(),
                reserve,
                lock_max_bytes: AtomicU64::new(u64::MAX),
                keeping: RwLock::new(()),
                _lock: lock,
            }),
        })
    }

    /// Keeps room back again once there is plenty, where it had to be given up.
    pub async fn take_reserve(&self) {
        let signals = self.signals.clone();
        // It ends early only where the runtime goes down, and then nothing more is written.
        drop(tokio::task::spawn_blocking(move || signals.reserve.take()).await);
    }

    /// The folder that it lies in.
    #[cfg(test)]
    pub fn folder(&self) -> &Path {
        &self.signals.folder
    }

    /// The catalog's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Now, by the catalog's clock.
    pub fn now(&self) -> UtcTime {
        self.clock.now().into()
    }

    /// Access to people and their login sessions.
    pub fn people(&self) -> people::People {
        people::People::new(self.db.clone())
    }

    /// Every change from now on. Who lags is told so by the channel and reads anew.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.signals.changes.subscribe()
    }

    /// Runs `work` in one transaction and then tells those who wait. The work and the telling are done even if the
    /// asker stops waiting.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Work<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (db, signals, now) = (self.db.clone(), self.signals.clone(), self.now());
        let task = tokio::spawn(async move {
            let before = signals.clone();
            let outcome = db
                .write(move |tx| {
                    before.reserve.give_up_if_low();
                    let mut work_done = Work {
                        tx,
                        now,
                        effects: Effects::default(),
                    };
                    let value = work(&mut work_done)?;
                    Ok::<_, CatalogError>((value, work_done.effects))
                })
                .await;
            if let Err(CatalogError::Db(base::sqlite::DbError::Sqlite(e))) = &outcome {
                // This work is lost to its asker, who tries again; what comes next finds room.
                signals.reserve.give_up_if_full(e);
            }
            let (value, effects) = outcome?;
            signals.tell(effects);
            Ok(value)
        });
        match task.await {
            Ok(outcome) => outcome,
            // The runtime is going down; nothing else ends this task.
            Err(_) => Err(base::sqlite::DbError::Closed.into()),
        }
    }

    /// Runs `work` on a reading connection.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.db.read(work).await
    }
}

/// Writes the catalog in a file as it stands into another file, also while it is written to.
pub fn copy_to(file: &Path, copy: &Path) -> Result<(), CatalogError> {
    let c = base::sqlite::open_reader(file, &SCHEMA)?;
    // One transaction that reads: what is written meanwhile is not in it, and goes on.
    c.pragma_update(None, "query_only", false)
        .and_then(|()| c.execute("vacuum into ?1", [copy.to_string_lossy().as_ref()]))?;
    Ok(())
}

/// Writes the catalog in a folder as it stands into another file, without what a backup must not hold: sessions of people,
/// and reports that wait, which a restored catalog would tell a second time. Returns the version of its schema.
pub fn stripped_copy(folder: &Path, copy: &Path) -> Result<i64, CatalogError> {
    copy_to(&folder.join(FILE), copy)?;
    let c = Connection::open(copy)?;
    c.execute_batch(
        "delete from person_session; delete from outbox; delete from outbox_log; vacuum;",
    )?;
    Ok(c.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Waits a few seconds for the lock of a catalog's folder. An agent that was killed leaves it at once, but for a program that
/// it was about to start: that one holds what it was born with until it runs. For an agent that starts; whoever holds the
/// lock for longer is told of when the catalog is opened.
pub async fn until_free(folder: &Path) {
    let begun = Instant::now();
    while begun.elapsed() < LEFT_WITHIN
        && matches!(anew::lock(folder), Err(CatalogError::Busy { .. }))
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Locks a catalog's folder for as long as the file lives.
fn lock(folder: &Path) -> Result<File, CatalogError> {
    let io = |source| CatalogError::Io {
        path: folder.to_owned(),
        source,
    };
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(CatalogError::Busy {
            folder: folder.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalog({})", self.signals.folder.display())
    }
}

impl Signals {
    fn tell(&self, effects: Effects) {
        // Nobody listening is fine: `send` then fails and nothing is lost.
        let mut many = Vec::new();
        let crowded = effects.changes.len() > CHANGES_SINGLE_MAX;
        for change in effects.changes {
            if !crowded {
                drop(self.changes.send(change));
            } else if !many.contains(&change.kind) {
                many.push(change.kind);
            }
        }
        for kind in many {
            drop(self.changes.send(Change { kind, id: None }));
        }
        if effects.reported {
            self.outbox.send_modify(|n| *n += 1);
        }
        if effects.garbage {
            self.garbage.notify_one();
        }
        if effects.custody {
            self.custody.notify_one();
        }
    }
}

/// What is to be told once the transaction is committed.
#[derive(Default)]
struct Effects {
    changes: Vec<Change>,
    reported: bool,
    garbage: bool,
    custody: bool,
}

/// One transaction under way: the connection, the time it happens at, and what it will tell.
struct Work<'a> {
    tx: &'a Connection,
    now: UtcTime,
    effects: Effects,
}

impl Work<'_> {
    fn changed(&mut self, kind: ChangeKind, id: impl ToString) {
        self.effects.changes.push(Change {
            kind,
            id: Some(id.to_string()),
        });
    }

    /// Announces changed recordings and, where the appliance is claimed, reports them as they stand now.
    fn recordings_changed(
        &mut self,
        event: fn(wire::telemetry::Recordings) -> wire::telemetry::Event,
        ids: &[RecordingId],
    ) -> Result<(), CatalogError> {
        for id in ids {
            self.changed(ChangeKind::Recording, id);
        }
        outbox::report_recordings(self, event, ids)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
