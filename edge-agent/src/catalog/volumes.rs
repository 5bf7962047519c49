//! Volumes as the catalog knows them: a number for rows to point at, an identity for the marker, totals.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;
use wire::resource::{Storage, Volume as VolumeResource};

use super::text::{parsed, size};
use super::{Catalog, CatalogError, Change, ChangeKind, Effects};
use crate::footage::volume::{
    LOOK_MAX, Space, Volume, VolumeConfig, VolumeError, VolumeId, Volumes, read_marker,
};

/// How long somebody who looks at the storage waits for a disk.
const SPACE_TIME_MAX: Duration = Duration::from_secs(5);

impl Catalog {
    /// The volumes of the configuration. A new one gets its row, and its folder and marker as soon as its disk is there;
    /// a known one is taken as it is, its disk there or not (it then refuses to be written to until it is, see
    /// [`Volume::check`]).
    pub async fn open_volumes(&self, configs: &[VolumeConfig]) -> Result<Volumes, CatalogError> {
        let mut volumes = Vec::new();
        for config in configs {
            let volume = self.open_volume(config.clone()).await?;
            if !volume.is_made()
                && let Err(error) = self.claim_volume(&volume).await?
            {
                tracing::warn!(volume = volume.name(), %error,
                    "A new volume cannot be used until its disk is there");
            }
            volumes.push(volume);
        }
        Ok(Volumes::new(volumes))
    }

    async fn open_volume(&self, config: VolumeConfig) -> Result<Volume, CatalogError> {
        let marked = marker_in_time(&config).await;
        let new = Uuid::now_v7();
        self.write(move |w| {
            let path = config.path.to_string_lossy().into_owned();
            if let Some(known) = known(w.tx, "name", &config.name)? {
                w.tx.execute(
                    "update volume set path = ?2 where id = ?1 and path <> ?2",
                    params![known.id.0, path],
                )?;
                let Some(came) = marked.filter(|_| !known.made) else {
                    return Ok(known.volume(config));
                };
                let is_ours =
                    w.tx.prepare_cached("select 1 from volume where uuid = ?1 and id <> ?2")?
                        .exists(params![came.to_string(), known.id.0])?;
                if is_ours {
                    // The disk of another volume lies in its place: that is what looks will tell.
                    return Ok(known.volume(config));
                }
                // It was never seen before, and comes with footage of another catalog or box.
                w.tx.execute(
                    "update volume set made = 1, uuid = ?2, to_adopt = uuid <> ?2 where id = ?1",
                    params![known.id.0, came.to_string()],
                )?;
                return Ok(Volume::new(known.id, came, config));
            }
            if let Some(uuid) = marked
                && let Some(known) = known(w.tx, "uuid", &uuid.to_string())?
            {
                // The same disk under a new name.
                w.tx.execute(
                    "update volume set name = ?2, path = ?3 where id = ?1",
                    params![known.id.0, config.name, path],
                )?;
                return Ok(known.volume(config));
            }
            // New here. With a marker it comes from a catalog that was lost, or from another box.
            let uuid = marked.unwrap_or(new);
            w.tx.execute(
                "insert into volume (name, path, uuid, to_adopt, made) values (?1, ?2, ?3, ?4, ?4)",
                params![config.name, path, uuid.to_string(), marked.is_some()],
            )?;
            let known = Known {
                id: VolumeId(w.tx.last_insert_rowid()),
                uuid,
                made: marked.is_some(),
            };
            Ok(known.volume(config))
        })
        .await
    }

    /// Claims a new volume's folder, where its disk is there now. The inner error says why it is not.
    pub async fn claim_volume(
        &self,
        volume: &Volume,
    ) -> Result<Result<(), VolumeError>, CatalogError> {
        if let Err(e) = volume.within(LOOK_MAX, Volume::claim).await.flatten() {
            return Ok(Err(e));
        }
        let id = volume.id();
        self.write(move |w| {
            w.tx.execute("update volume set made = 1 where id = ?1", [id.0])?;
            Ok(())
        })
        .await?;
        Ok(Ok(()))
    }

    /// A volume is there that was not, or may be written to again: what waited for it is done.
    pub async fn volume_is_back(
        &self,
        volumes: &Volumes,
        volume: &Volume,
    ) -> Result<bool, CatalogError> {
        let Some(finished) = self.finish_on(volumes, volume).await? else {
            return Ok(false);
        };
        self.signals.garbage.notify_one();
        self.signals.custody.notify_one();
        tracing::debug!(
            volume = volume.name(),
            ?finished,
            "What waited for a volume is done"
        );
        Ok(true)
    }

    /// Tells those who watch that the state of a volume has changed.
    pub fn volume_changed(&self, volume: &Volume) {
        let mut effects = Effects::default();
        effects.changes.push(Change {
            kind: ChangeKind::Volume,
            id: Some(volume.name().to_owned()),
        });
        self.signals.tell(effects);
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
        let mut spaces = Vec::new();
        for volume in volumes.iter() {
            let look = |volume: &Volume| volume.check().and_then(|()| volume.space());
            // Whoever looks at a page gives up sooner than the disk counts as silent: it may only be waking up.
            let asked = volume.within(LOOK_MAX, look);
            let answered = tokio::time::timeout(SPACE_TIME_MAX, asked).await;
            let space = answered.ok().and_then(|space| space.flatten().ok());
            spaces.push(space.unwrap_or(Space {
                free_bytes: 0,
                total_bytes: 0,
            }));
        }
        self.read(move |c| {
            let mut storage = Storage {
                volumes: Vec::new(),
                locks: super::days::locks(c, lock_max_bytes)?,
            };
            for (volume, space) in volumes.iter().zip(spaces) {
                let (state, trouble) = {
                    let health = volume.health();
                    (health.state(), health.trouble())
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
                    tier: volume.config().tier,
                    move_after_days: volume.config().move_after_days,
                    state,
                    trouble,
                    disks: volume.disks(),
                });
            }
            Ok(storage)
        })
        .await
    }
}

/// A row of `volume`.
struct Known {
    id: VolumeId,
    uuid: Uuid,
    made: bool,
}

impl Known {
    fn volume(self, config: VolumeConfig) -> Volume {
        let volume = Volume::new(self.id, self.uuid, config);
        match self.made {
            true => volume,
            false => volume.not_made(),
        }
    }
}

/// The volume of this name; None while the catalog does not know it.
pub(super) fn of_config(
    c: &Connection,
    config: &VolumeConfig,
) -> Result<Option<Volume>, CatalogError> {
    let known = known(c, "name", &config.name)?;
    Ok(known.map(|known| known.volume(config.clone())))
}

fn known(c: &Connection, column: &'static str, value: &str) -> Result<Option<Known>, CatalogError> {
    Ok(c.query_row(
        &format!("select id, uuid, made from volume where {column} = ?1"),
        [value],
        |row| {
            Ok(Known {
                id: VolumeId(row.get("id")?),
                uuid: parsed(row, "uuid")?,
                made: row.get("made")?,
            })
        },
    )
    .optional()?)
}

/// The identity of what lies in a volume's folder now; none also when its disk cannot be read in time, which is told
/// when somebody wants to use it.
async fn marker_in_time(config: &VolumeConfig) -> Option<Uuid> {
    let path = config.path.clone();
    let reading = tokio::task::spawn_blocking(move || read_marker(&path));
    let found = tokio::time::timeout(LOOK_MAX, reading).await;
    found.ok()?.ok()?.ok()?.map(|found| found.uuid)
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
