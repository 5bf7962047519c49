//! Locks: what a person protects stays until a person releases it (S2, invariant 4), and no more may be protected than
//! leaves the ring room to turn.

use rusqlite::params;
use std::sync::atomic::Ordering;
use wire::ids::RecordingId;
use wire::resource::{Recording, RecordingStatus};
use wire::telemetry::Event;

use super::super::text::{size, size_opt};
use super::super::{Catalog, CatalogError, Work};
use super::fetch::require;

impl Catalog {
    /// Most bytes that locks and bookmarks may protect together. Eviction says so, who knows the room.
    pub fn set_lock_max_bytes(&self, bytes: u64) {
        self.signals.lock_max_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Most bytes that may be protected; as many as there are until it was said.
    pub fn lock_max_bytes(&self) -> u64 {
        self.signals.lock_max_bytes.load(Ordering::SeqCst)
    }

    /// Protects a recording from eviction, or no longer. What has left cannot be locked, and nothing once as much is
    /// protected as may be. What is still to come counts with the size that its recorder states.
    pub async fn set_locked(
        &self,
        id: RecordingId,
        locked: bool,
    ) -> Result<Recording, CatalogError> {
        let lock_max_bytes = self.lock_max_bytes();
        self.write(move |w| {
            require(w, id, "locked", |s| {
                !locked || s != RecordingStatus::Evicted
            })?;
            if locked {
                let more_bytes =
                    w.tx.prepare_cached(
                        "select iif(protected, 0, coalesce(kept_bytes, stated_bytes)) as more from recording
                         where id = ?1",
                    )?
                    .query_row([id.to_string()], |row| size(row, "more"))?;
                within_lock_max(w, lock_max_bytes, more_bytes)?;
            }
            let changed = w.tx.execute(
                "update recording set locked = ?2, updated_utc = max(?3, updated_utc + 1)
                 where id = ?1 and locked <> ?2",
                params![id.to_string(), locked, w.now.micros()],
            )?;
            if changed == 1 {
                w.recordings_changed(Event::RecordingChanged, &[id])?;
            }
            super::get(w.tx, id)
        })
        .await
    }
}

/// Refuses to protect more bytes than may be. Protecting nothing more is always fine.
pub(in super::super) fn within_lock_max(
    w: &Work<'_>,
    max_bytes: u64,
    more_bytes: u64,
) -> Result<(), CatalogError> {
    let locked_bytes =
        w.tx.prepare_cached("select sum(locked_bytes) as bytes from holding")?
            .query_row([], |row| size_opt(row, "bytes"))?
            .unwrap_or(0);
    if more_bytes > 0 && locked_bytes.saturating_add(more_bytes) > max_bytes {
        return Err(CatalogError::LockLimit {
            locked_bytes,
            more_bytes,
            max_bytes,
        });
    }
    Ok(())
}
