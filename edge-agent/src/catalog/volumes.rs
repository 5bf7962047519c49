//! Volumes as the catalog knows them: a number for rows to point at, an identity for the marker, totals.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;
use wire::resource::{Storage, Volume as VolumeResource};

use super::text::{parsed, size};
use super::{Catalog, CatalogError};
use crate::footage::volume::{
    Space, Volume, VolumeConfig, VolumeError, VolumeId, Volumes, read_marker, write_marker,
};

impl Catalog {
    /// The volumes of the configuration. A new one gets its folder, marker and row; a known one is taken as it is,
    /// its disk there or not (it then refuses to be written to until it is, see [`Volume::check`]).
    pub async fn open_volumes(&self, configs: &[VolumeConfig]) -> Result<Volumes, CatalogError> {
        let mut volumes = Vec::new();
        for config in configs {
            volumes.push(self.open_volume(config.clone()).await?);
        }
        Ok(Volumes::new(volumes))
    }

    async fn open_volume(&self, config: VolumeConfig) -> Result<Volume, CatalogError> {
        self.write(move |w| {
            let io = |source| VolumeError::Io {
                name: config.name.clone(),
                path: config.path.clone(),
                source,
            };
            if let Some((id, uuid)) = known(w.tx, "name", &config.name)? {
                w.tx.execute(
                    "update volume set path = ?2 where id = ?1 and path <> ?2",
                    params![id.0, config.path.to_string_lossy()],
                )?;
                return Ok(Volume::new(id, uuid, config));
            }
            let marked = read_marker(&config.path).map_err(io)?;
            if let Some(uuid) = marked
                && let Some((id, uuid)) = known(w.tx, "uuid", &uuid.to_string())?
            {
                // The same disk under a new name.
                w.tx.execute(
                    "update volume set name = ?2, path = ?3 where id = ?1",
                    params![id.0, config.name, config.path.to_string_lossy()],
                )?;
                return Ok(Volume::new(id, uuid, config));
            }
            // New here. With a marker it comes from a catalog that was lost, or from another box.
            let uuid = match marked {
                Some(uuid) => uuid,
                None => {
                    let uuid = Uuid::now_v7();
                    write_marker(&config.path, uuid).map_err(io)?;
                    uuid
                }
            };
            w.tx.execute(
                "insert into volume (name, path, uuid, to_adopt) values (?1, ?2, ?3, ?4)",
                params![
                    config.name,
                    config.path.to_string_lossy(),
                    uuid.to_string(),
                    marked.is_some()
                ],
            )?;
            Ok(Volume::new(
                VolumeId(w.tx.last_insert_rowid()),
                uuid,
                config,
            ))
        })
        .await
    }

    /// Bytes of completed footage on a volume.
    pub async fn held_bytes(&self, volume: VolumeId) -> Result<u64, CatalogError> {
        self.read(move |c| held_bytes(c, volume)).await
    }

    /// Recordings that are held on a volume.
    pub async fn held_recordings(&self, volume: VolumeId) -> Result<u64, CatalogError> {
        self.read(move |c| {
            Ok(c.query_row(
                "select held_recordings from volume where id = ?1",
                [volume.0],
                |row| size(row, "held_recordings"),
            )
            .optional()?
            .unwrap_or(0))
        })
        .await
    }

    /// The storage as APIs show it. A volume whose disk is not there shows no room.
    pub async fn storage(&self, volumes: &Volumes) -> Result<Storage, CatalogError> {
        let (volumes, lock_max_bytes) = (volumes.clone(), self.lock_max_bytes());
        self.read(move |c| {
            let mut storage = Storage {
                volumes: Vec::new(),
                locks: super::days::locks(c, lock_max_bytes)?,
            };
            for volume in volumes.iter() {
                let space = match volume.check().and_then(|()| volume.space()) {
                    Ok(space) => space,
                    Err(_) => Space {
                        free_bytes: 0,
                        total_bytes: 0,
                    },
                };
                let held = totals(c, volume.id())?;
                storage.volumes.push(VolumeResource {
                    name: volume.name().to_owned(),
                    path: volume.path().display().to_string(),
                    held_bytes: held.bytes,
                    budget_bytes: volume.config().budget_bytes,
                    free_bytes: space.free_bytes,
                    total_bytes: space.total_bytes,
                    floor_bytes: volume.config().floor_bytes,
                    room_bytes: volume.config().room_bytes(held.bytes, space.free_bytes),
                    locked_recordings: held.locked_recordings,
                    locked_bytes: held.locked_bytes,
                    max_age_days: volume.config().max_age_days,
                });
            }
            Ok(storage)
        })
        .await
    }
}

fn known(
    c: &Connection,
    column: &'static str,
    value: &str,
) -> Result<Option<(VolumeId, Uuid)>, CatalogError> {
    Ok(c.query_row(
        &format!("select id, uuid from volume where {column} = ?1"),
        [value],
        |row| Ok((VolumeId(row.get("id")?), parsed(row, "uuid")?)),
    )
    .optional()?)
}

#[derive(Default)]
struct Totals {
    bytes: u64,
    locked_recordings: u64,
    locked_bytes: u64,
}

fn totals(c: &Connection, volume: VolumeId) -> Result<Totals, CatalogError> {
    let known = c
        .prepare_cached(
            "select held_bytes, locked_recordings, locked_bytes from volume where id = ?1",
        )?
        .query_row([volume.0], |row| {
            Ok(Totals {
                bytes: size(row, "held_bytes")?,
                locked_recordings: size(row, "locked_recordings")?,
                locked_bytes: size(row, "locked_bytes")?,
            })
        })
        .optional()?;
    Ok(known.unwrap_or_default())
}

pub(super) fn held_bytes(c: &Connection, volume: VolumeId) -> Result<u64, CatalogError> {
    Ok(
        c.prepare_cached("select held_bytes from volume where id = ?1")?
            .query_row([volume.0], |row| size(row, "held_bytes"))
            .optional()?
            .unwrap_or(0),
    )
}
