//! Who saw which footage here (P3), for those who manage the site. Written by `access`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use wire::ids::{ArchiveId, CameraId, RecordingId};
use wire::resource::Page;
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, Principal, Query};
use crate::catalog::access::AccessEntry;
use crate::catalog::recordings::{LIMIT_DEFAULT, LIMIT_MAX};

/// Which part of the log.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccessQuery {
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// Entries of the page: 100 unless told otherwise, 1000 at most.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// One entry: somebody saw something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Access {
    /// When it was over.
    at: UtcTime,
    /// Login name.
    username: String,
    /// `lan`, or `relay` for somebody far away.
    via: String,
    /// Address on the site's network.
    address: Option<String>,
    /// `download`, `playback` or `live`.
    action: String,
    /// Which camera; null for an archive.
    camera_id: Option<CameraId>,
    /// Which recording, where it was one.
    recording_id: Option<RecordingId>,
    /// Which archive, where it was one.
    archive_id: Option<ArchiveId>,
    /// Beginning of the range that was played.
    from_utc: Option<UtcTime>,
    /// Its end.
    to_utc: Option<UtcTime>,
    /// Bytes sent.
    bytes: u64,
    /// Finds the request in the journal, the same at the relay.
    request_id: String,
}

impl From<AccessEntry> for Access {
    fn from(entry: AccessEntry) -> Self {
        Self {
            at: entry.at,
            username: entry.username,
            via: entry.via,
            address: entry.address,
            action: entry.action,
            camera_id: entry.camera,
            recording_id: entry.recording,
            archive_id: entry.archive,
            from_utc: entry.range.map(|range| range.from),
            to_utc: entry.range.map(|range| range.to),
            bytes: entry.bytes,
            request_id: entry.request_id,
        }
    }
}

/// Who saw which footage, newest first.
#[utoipa::path(get, path = "/access-log", tag = "access_log", params(AccessQuery),
    responses((status = 200, body = Page<Access>)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
    Query(query): Query<AccessQuery>,
) -> ApiResult<Json<Page<Access>>> {
    who.require(Permission::Manage)?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::invalid_field(
            "limit",
            format!("The limit must lie between 1 and {LIMIT_MAX}."),
        ));
    }
    let cursor = query.cursor.filter(|cursor| !cursor.is_empty());
    let page = app.catalog.access_log(cursor, limit).await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(Access::from).collect(),
        next_cursor: page.next_cursor,
    }))
}
