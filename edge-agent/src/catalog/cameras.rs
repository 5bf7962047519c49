//! Cameras: channels of recorders, what is held of each, and whether more is fetched.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::ids::{CameraId, RecorderId};
use wire::resource::{Camera, CameraState};

use super::text::{Word, parsed, signed, size, size_opt, time_opt, word};
use super::{Catalog, CatalogError, ChangeKind, Work, recorders};
use crate::model::inventory::ChannelInfo;

/// What to change about a camera; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct CameraChange {
    /// Name; the recorder's name no longer replaces it.
    pub name: Option<String>,
    /// Whether its footage is fetched.
    pub enabled: Option<bool>,
    /// Its own limits, all of them.
    pub keep: Option<Keep>,
}

/// How long footage of a camera stays; none: as the configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Younger footage stays, in seconds.
    pub min_s: Option<i64>,
    /// Older footage leaves, in seconds.
    pub max_s: Option<i64>,
    /// Most bytes of it.
    pub max_bytes: Option<u64>,
}

/// A camera whose channel is to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelToDiscover {
    /// The camera.
    pub camera: CameraId,
    /// Its channel.
    pub channel: u32,
    /// When the channel was last asked about, with whatever result.
    pub last_asked: Option<wire::time::UtcTime>,
    /// When it was last read how far back the recorder reaches.
    pub reach_read: Option<wire::time::UtcTime>,
}

// Oldest, newest and codec are each one step into an index, and the totals are kept by triggers: a list of cameras
// costs the same with ten recordings as with a million.
pub(super) const SELECT: &str = "
    select camera.id, camera.recorder_id, camera.channel, camera.name, camera.enabled, camera.state,
        holding.recordings, holding.bytes,
        (select start_utc from recording where camera_id = camera.id and status = 'completed'
            order by start_utc limit 1) as oldest_utc,
        (select end_utc from recording where camera_id = camera.id and status = 'completed'
            order by start_utc desc limit 1) as newest_utc,
        (select video_codec from recording where camera_id = camera.id and status = 'completed'
            order by start_utc desc limit 1) as video_codec
    from camera join holding on holding.camera_id = camera.id
        join recorder on recorder.id = camera.recorder_id";

fn camera_of(row: &Row<'_>) -> rusqlite::Result<Camera> {
    Ok(Camera {
        id: parsed(row, "id")?,
        recorder_id: parsed(row, "recorder_id")?,
        channel: row.get("channel")?,
        name: row.get("name")?,
        enabled: row.get("enabled")?,
        state: word(row, "state")?,
        video_codec: row.get("video_codec")?,
        held_recordings: size(row, "recordings")?,
        held_bytes: size(row, "bytes")?,
        oldest_utc: time_opt(row, "oldest_utc")?,
        newest_utc: time_opt(row, "newest_utc")?,
    })
}

/// One camera.
pub(super) fn get(c: &Connection, id: CameraId) -> Result<Camera, CatalogError> {
    c.prepare_cached(&format!("{SELECT} where camera.id = ?1"))?
        .query_row([id.to_string()], camera_of)
        .optional()?
        .ok_or(CatalogError::NoCamera(id))
}

/// The cameras of a recorder, removed or not.
pub(super) fn of_recorder(c: &Connection, id: RecorderId) -> Result<Vec<Camera>, CatalogError> {
    Ok(c.prepare_cached(&format!(
        "{SELECT} where camera.recorder_id = ?1 order by camera.channel"
    ))?
    .query_map([id.to_string()], camera_of)?
    .collect::<Result<_, _>>()?)
}

/// Ids of all cameras: queries that must stay within an index go camera by camera.
pub(super) fn ids(c: &Connection) -> Result<Vec<CameraId>, CatalogError> {
    Ok(c.prepare_cached("select id from camera order by id")?
        .query_map([], |row| parsed(row, "id"))?
        .collect::<Result<_, _>>()?)
}

/// The camera of a recorder's channel.
pub(super) fn of_channel(
    c: &Connection,
    recorder: RecorderId,
    channel: u32,
) -> Result<Option<(CameraId, bool)>, CatalogError> {
    Ok(
        c.prepare_cached("select id, enabled from camera where recorder_id = ?1 and channel = ?2")?
            .query_row(params![recorder.to_string(), channel], |row| {
                Ok((parsed(row, "id")?, row.get("enabled")?))
            })
            .optional()?,
    )
}

impl Catalog {
    /// The cameras, by recorder and channel. Those of removed recorders are listed as long as footage of them is held.
    pub async fn cameras(&self) -> Result<Vec<Camera>, CatalogError> {
        self.read(|c| {
            Ok(c.prepare_cached(&format!(
                "{SELECT} where recorder.removed_utc is null or holding.recordings > 0
                 order by recorder.created_utc, recorder.id, camera.channel"
            ))?
            .query_map([], camera_of)?
            .collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One camera.
    pub async fn camera(&self, id: CameraId) -> Result<Camera, CatalogError> {
        self.read(move |c| get(c, id)).await
    }

    /// Changes a camera.
    pub async fn change_camera(
        &self,
        id: CameraId,
        change: CameraChange,
    ) -> Result<Camera, CatalogError> {
        self.write(move |w| {
            let known = get(w.tx, id)?;
            w.tx.execute(
                "update camera set name = coalesce(?2, name), name_by_person = name_by_person or ?2 is not null,
                    enabled = coalesce(?3, enabled), updated_utc = ?4 where id = ?1",
                params![id.to_string(), change.name, change.enabled, w.now.micros()],
            )?;
            if let Some(keep) = change.keep {
                w.tx.execute(
                    "update camera set keep_min_s = ?2, keep_max_s = ?3, keep_max_bytes = ?4 where id = ?1",
                    params![id.to_string(), keep.min_s, keep.max_s, keep.max_bytes.map(signed)],
                )?;
            }
            w.changed(ChangeKind::Camera, known.id);
            get(w.tx, id)
        })
        .await
    }

    /// Switches the fetching of several cameras' footage on or off: all of them or none.
    pub async fn switch_cameras(
        &self,
        ids: Vec<CameraId>,
        enabled: bool,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            for id in ids {
                get(w.tx, id)?;
                w.tx.execute(
                    "update camera set enabled = ?2, updated_utc = ?3 where id = ?1",
                    params![id.to_string(), enabled, w.now.micros()],
                )?;
                w.changed(ChangeKind::Camera, id);
            }
            Ok(())
        })
        .await
    }

    /// A camera's own limits.
    pub async fn keep_of_camera(&self, id: CameraId) -> Result<Keep, CatalogError> {
        self.read(move |c| {
            c.prepare_cached(
                "select keep_min_s, keep_max_s, keep_max_bytes from camera where id = ?1",
            )?
            .query_row([id.to_string()], |row| {
                Ok(Keep {
                    min_s: row.get("keep_min_s")?,
                    max_s: row.get("keep_max_s")?,
                    max_bytes: size_opt(row, "keep_max_bytes")?,
                })
            })
            .optional()?
            .ok_or(CatalogError::NoCamera(id))
        })
        .await
    }

    /// The channels of a recorder whose footage is fetched.
    pub async fn channels_to_discover(
        &self,
        recorder: RecorderId,
    ) -> Result<Vec<ChannelToDiscover>, CatalogError> {
        self.read(move |c| {
            recorders::get(c, recorder)?;
            Ok(c.prepare_cached(
                "select id, channel,
                    (select max(asked_utc) from observation
                     where recorder_id = camera.recorder_id and channel = camera.channel) as last_asked,
                    (select told_utc from reach
                     where recorder_id = camera.recorder_id and channel = camera.channel) as reach_read
                 from camera where recorder_id = ?1 and enabled = 1 order by channel",
            )?
            .query_map([recorder.to_string()], |row| {
                Ok(ChannelToDiscover {
                    camera: parsed(row, "id")?,
                    channel: row.get("channel")?,
                    last_asked: time_opt(row, "last_asked")?,
                    reach_read: time_opt(row, "reach_read")?,
                })
            })?
            .collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Says of every camera of a recorder that it is offline.
pub(super) fn all_offline(w: &mut Work<'_>, recorder: RecorderId) -> Result<(), CatalogError> {
    for camera in of_recorder(w.tx, recorder)? {
        set_state(w, &camera, CameraState::Offline)?;
    }
    Ok(())
}

/// Makes the cameras follow the channels that a login told.
pub(super) fn follow_channels(
    w: &mut Work<'_>,
    recorder: RecorderId,
    channels: &[ChannelInfo],
) -> Result<(), CatalogError> {
    for channel in channels {
        let id = of_channel(w.tx, recorder, channel.number)?.map(|(id, _)| id);
        match id {
            Some(id) => follow(w, id, channel)?,
            None => add(w, recorder, channel)?,
        }
    }
    for camera in of_recorder(w.tx, recorder)? {
        if !channels.iter().any(|told| told.number == camera.channel) {
            set_state(w, &camera, CameraState::Offline)?;
        }
    }
    Ok(())
}

fn state_told(channel: &ChannelInfo) -> CameraState {
    match channel.online {
        Some(true) => CameraState::Online,
        Some(false) => CameraState::Offline,
        None => CameraState::Unknown,
    }
}

fn follow(w: &mut Work<'_>, id: CameraId, channel: &ChannelInfo) -> Result<(), CatalogError> {
    if !channel.name.is_empty() {
        let renamed = w.tx.execute(
            "update camera set name = ?2, updated_utc = ?3 where id = ?1 and name_by_person = 0 and name <> ?2",
            params![id.to_string(), channel.name, w.now.micros()],
        )?;
        if renamed == 1 {
            w.changed(ChangeKind::Camera, id);
        }
    }
    let camera = get(w.tx, id)?;
    set_state(w, &camera, state_told(channel))
}

fn add(w: &mut Work<'_>, recorder: RecorderId, channel: &ChannelInfo) -> Result<(), CatalogError> {
    let id = CameraId::new();
    let name = if channel.name.is_empty() {
        format!("Camera {}", channel.number)
    } else {
        channel.name.clone()
    };
    w.tx.execute(
        "insert into camera (id, recorder_id, channel, name, state, created_utc, updated_utc)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        params![
            id.to_string(),
            recorder.to_string(),
            channel.number,
            name,
            state_told(channel).word(),
            w.now.micros()
        ],
    )?;
    w.changed(ChangeKind::Camera, id);
    Ok(())
}

fn set_state(w: &mut Work<'_>, camera: &Camera, state: CameraState) -> Result<(), CatalogError> {
    if camera.state == state {
        return Ok(());
    }
    w.tx.execute(
        "update camera set state = ?2, updated_utc = ?3 where id = ?1",
        params![camera.id.to_string(), state.word(), w.now.micros()],
    )?;
    w.changed(ChangeKind::Camera, camera.id);
    Ok(())
}
