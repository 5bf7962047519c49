//! Bookmarks: moments of a camera that people marked (S2). What covers one does not leave, whether it is held already
//! or fetched later; `recording.marked` says so in the row, where eviction looks.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use wire::ids::{BookmarkId, CameraId, RecordingId};
use wire::retention::Bookmark;
use wire::telemetry::Event;
use wire::time::UtcTime;

use super::recordings::{longest_us, within_lock_max};
use super::text::{parsed, size, time};
use super::{Catalog, CatalogError, ChangeKind, Work, cameras};
use crate::model::time::UtcRange;

/// Most bookmarks of an appliance: a person makes a few a day.
pub const BOOKMARKS_MAX: u64 = 100_000;

/// Most that one list answers.
pub const LISTED_MAX: u32 = 1_000;

/// A bookmark that is to be made.
#[derive(Debug, Clone)]
pub struct NewBookmark {
    /// Of which camera.
    pub camera: CameraId,
    /// The moment.
    pub at: UtcTime,
    /// What the person wrote.
    pub note: String,
    /// Login name.
    pub made_by: String,
    /// Through the relay, not from the LAN.
    pub via_relay: bool,
}

fn bookmark_of(row: &Row<'_>) -> rusqlite::Result<Bookmark> {
    Ok(Bookmark {
        id: parsed(row, "id")?,
        camera_id: parsed(row, "camera_id")?,
        at_utc: time(row, "at_utc")?,
        note: row.get("note")?,
        made_by: row.get("made_by")?,
        created_at: time(row, "created_utc")?,
    })
}

impl Catalog {
    /// Marks a moment. What is held of it is protected from now on; refused when that is more than may be protected.
    pub async fn add_bookmark(&self, new: NewBookmark) -> Result<Bookmark, CatalogError> {
        let lock_max_bytes = self.lock_max_bytes();
        self.write(move |w| {
            cameras::get(w.tx, new.camera)?;
            let known: u64 =
                w.tx.query_row("select count(*) as n from bookmark", [], |row| {
                    size(row, "n")
                })?;
            if known >= BOOKMARKS_MAX {
                return Err(CatalogError::TooManyBookmarks);
            }
            let covering = covering(w.tx, new.camera, new.at)?;
            let more_bytes = covering
                .iter()
                .filter(|it| !it.protected)
                .map(|it| it.kept_bytes)
                .sum();
            within_lock_max(w, lock_max_bytes, more_bytes)?;
            let id = BookmarkId::new();
            w.tx.execute(
                "insert into bookmark (id, camera_id, at_utc, note, made_by, via, created_utc)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    id.to_string(),
                    new.camera.to_string(),
                    new.at.micros(),
                    new.note,
                    new.made_by,
                    if new.via_relay { "relay" } else { "lan" },
                    w.now.micros()
                ],
            )?;
            follow(w, covering.into_iter().map(|it| it.id))?;
            w.changed(ChangeKind::Bookmark, id);
            get(w.tx, id)
        })
        .await
    }

    /// Removes a bookmark. What nothing else protects may leave again.
    pub async fn remove_bookmark(&self, id: BookmarkId) -> Result<Bookmark, CatalogError> {
        self.write(move |w| {
            let bookmark = get(w.tx, id)?;
            w.tx.execute("delete from bookmark where id = ?1", [id.to_string()])?;
            let covering = covering(w.tx, bookmark.camera_id, bookmark.at_utc)?;
            follow(w, covering.into_iter().map(|it| it.id))?;
            w.changed(ChangeKind::Bookmark, id);
            Ok(bookmark)
        })
        .await
    }

    /// The bookmarks of a camera (or all) in a range, oldest first, at most `limit`.
    pub async fn bookmarks(
        &self,
        camera: Option<CameraId>,
        range: UtcRange,
        limit: u32,
    ) -> Result<Vec<Bookmark>, CatalogError> {
        self.read(move |c| {
            if let Some(camera) = camera {
                cameras::get(c, camera)?;
            }
            let whose = match camera {
                Some(_) => "camera_id = :camera",
                None => ":camera is null",
            };
            Ok(c.prepare_cached(&format!(
                "select * from bookmark where {whose} and at_utc >= :from and at_utc < :to
                 order by at_utc, id limit :limit"
            ))?
            .query_map(
                named_params! {
                    ":camera": camera.map(|id| id.to_string()),
                    ":from": range.from.micros(),
                    ":to": range.to.micros(),
                    ":limit": limit.min(LISTED_MAX),
                },
                bookmark_of,
            )?
            .collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn get(c: &Connection, id: BookmarkId) -> Result<Bookmark, CatalogError> {
    c.prepare_cached("select * from bookmark where id = ?1")?
        .query_row([id.to_string()], bookmark_of)
        .optional()?
        .ok_or(CatalogError::NoBookmark(id))
}

struct Covering {
    id: RecordingId,
    protected: bool,
    kept_bytes: u64,
}

/// What is held of a moment.
fn covering(c: &Connection, camera: CameraId, at: UtcTime) -> Result<Vec<Covering>, CatalogError> {
    let reach_us = longest_us(c, Some(camera))?;
    Ok(c.prepare_cached(
        "select id, protected, kept_bytes from recording indexed by recording_by_camera_status
         where camera_id = :camera and status = 'completed' and start_utc >= :reach and start_utc <= :at
            and end_utc > :at",
    )?
    .query_map(
        named_params! {
            ":camera": camera.to_string(),
            ":reach": at.micros().saturating_sub(reach_us),
            ":at": at.micros(),
        },
        |row| {
            Ok(Covering {
                id: parsed(row, "id")?,
                protected: row.get("protected")?,
                kept_bytes: size(row, "kept_bytes")?,
            })
        },
    )?
    .collect::<Result<_, _>>()?)
}

/// Makes rows say whether a bookmark lies within them.
fn follow(
    w: &mut Work<'_>,
    recordings: impl Iterator<Item = RecordingId>,
) -> Result<(), CatalogError> {
    let mut changed = Vec::new();
    for id in recordings {
        let rows =
            w.tx.prepare_cached(
                "update recording set marked = not marked, updated_utc = max(?2, updated_utc + 1)
                 where id = ?1 and marked <> exists (select 1 from bookmark
                    where bookmark.camera_id = recording.camera_id
                        and at_utc >= recording.start_utc and at_utc < recording.end_utc)",
            )?
            .execute(params![id.to_string(), w.now.micros()])?;
        if rows == 1 {
            changed.push(id);
        }
    }
    w.recordings_changed(Event::RecordingChanged, &changed)
}
