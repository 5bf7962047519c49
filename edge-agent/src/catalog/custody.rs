//! What is to be entered in the custody logs (P6): kept by triggers in the transaction of each change, so nothing that
//! was completed can be missing from them, and told to `custody/keeper.rs`.

use rusqlite::{OptionalExtension, params};
use wire::ids::RecordingId;

use super::text::{parsed, signed, size, time};
use super::{Catalog, CatalogError};
use crate::footage::path::Stem;
use crate::footage::volume::{Volume, VolumeId};
use crate::model::time::UtcTime;

/// Something that is to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its number; entries are made in this order.
    pub id: i64,
    /// Which recording.
    pub recording: RecordingId,
    /// Where it lies, or lay.
    pub stem: Stem,
    /// What happened.
    pub what: Happened,
    /// When.
    pub at: UtcTime,
}

/// What happened to a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// It is held.
    Kept,
    /// It is held no longer, for this cause.
    Left(String),
}

/// How far the log of a volume is known to lie synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// Number of its newest line.
    pub n: u64,
    /// Its hash (hex).
    pub hash: String,
    /// When it was written.
    pub at: UtcTime,
}

impl Catalog {
    /// Returns once there is something to enter (or has been since the last time).
    pub async fn custody_waiting(&self) {
        self.signals.custody.notified().await;
    }

    /// What is to be entered in a volume's log after a number, at most `limit`.
    pub async fn custody_due(
        &self,
        volume: VolumeId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Due>, CatalogError> {
        self.read(move |c| {
            Ok(c.prepare_cached(
                "select * from custody_due where volume_id = ?1 and id > ?2 order by id limit ?3",
            )?
            .query_map(params![volume.0, after, limit], |row| {
                let cause: Option<String> = row.get("cause")?;
                Ok(Due {
                    id: row.get("id")?,
                    recording: parsed(row, "recording_id")?,
                    stem: parsed(row, "stem")?,
                    what: match row.get::<_, String>("kind")?.as_str() {
                        "kept" => Happened::Kept,
                        _ => Happened::Left(cause.unwrap_or_default()),
                    },
                    at: time(row, "at_utc")?,
                })
            })?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// These are entered and synced, and the log ends there now.
    pub async fn custody_entered(
        &self,
        volume: VolumeId,
        ids: Vec<i64>,
        head: Option<LogHead>,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            for id in ids {
                w.tx.prepare_cached("delete from custody_due where id = ?1")?
                    .execute([id])?;
            }
            if let Some(head) = head {
                w.tx.prepare_cached(
                    "insert into custody_head (volume_id, n, hash, at_utc) values (?1, ?2, ?3, ?4)
                     on conflict (volume_id) do update set n = excluded.n, hash = excluded.hash, at_utc = excluded.at_utc",
                )?
                .execute(params![volume.0, signed(head.n), head.hash, head.at.micros()])?;
            }
            Ok(())
        })
        .await
    }

    /// How far the log of a volume is known to lie synced; none: nothing was entered yet.
    pub async fn custody_head(&self, volume: VolumeId) -> Result<Option<LogHead>, CatalogError> {
        self.read(move |c| {
            Ok(
                c.prepare_cached("select n, hash, at_utc from custody_head where volume_id = ?1")?
                    .query_row([volume.0], |row| {
                        Ok(LogHead {
                            n: size(row, "n")?,
                            hash: row.get("hash")?,
                            at: time(row, "at_utc")?,
                        })
                    })
                    .optional()?,
            )
        })
        .await
    }

    /// The log of a volume is not what it was: everything held there is to be entered again (what it says already is left
    /// out by whoever enters it).
    pub async fn custody_again(&self, volume: &Volume) -> Result<u64, CatalogError> {
        let volume = volume.id();
        self.write(move |w| {
            let count = w.tx.execute(
                "insert into custody_due (volume_id, recording_id, stem, kind, at_utc)
                 select volume_id, id, stem, 'kept', ?2 from recording indexed by recording_to_evict
                 where volume_id = ?1 and status = 'completed'",
                params![volume.0, w.now.micros()],
            )?;
            w.tx.execute("delete from custody_head where volume_id = ?1", [volume.0])?;
            w.effects.custody = true;
            Ok(count as u64)
        })
        .await
    }
}
