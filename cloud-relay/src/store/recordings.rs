//! The footage index: recordings as last reported (Q1).
//!
//! A list is walked along one index, in the order of its start, and stops after a page: never a scan, never a sort. So
//! the query says itself which column leads; the others are made unattractive with a unary `+`, because the planner
//! has no figures about our tenants and would guess.

use base::sqlite::DbError;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use wire::ids::{ApplianceId, CameraId, RecordingId, SiteId};
use wire::resource::{RecordingStatus, SiteRecording};
use wire::time::UtcTime;

use super::scope::text;
use super::sites::{Located, located};
use super::{Scope, Store, column, json};

/// Which recordings to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// Of this camera.
    pub camera: Option<CameraId>,
    /// Of this site.
    pub site: Option<SiteId>,
    /// That end after this.
    pub from: Option<UtcTime>,
    /// That start before this.
    pub to: Option<UtcTime>,
    /// In this state.
    pub status: Option<RecordingStatus>,
    /// Whose kept file has at least this many bytes.
    pub min_bytes: Option<u64>,
}

/// Which end of time comes first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Deserialize,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

/// The last recording of a page.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordingCursor {
    start_utc: i64,
    id: RecordingId,
    appliance: ApplianceId,
}

/// A recording with what orders it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRecording {
    /// The cursor after it.
    pub cursor: RecordingCursor,
    /// The recording.
    pub recording: SiteRecording,
}

const RECORDING: &str = "r.start_utc, r.id, r.appliance, r.site_id, r.body";

impl Store {
    /// Recordings by start.
    pub async fn recordings(
        &self,
        scope: Scope,
        filter: RecordingFilter,
        order: Order,
        after: Option<RecordingCursor>,
        limit: u32,
    ) -> Result<Vec<ListedRecording>, DbError> {
        self.db
            .read(move |c| {
                let (sql, values) = list(&scope, &filter, order, after.as_ref(), limit);
                let mut rows = c.prepare_cached(&sql)?;
                let found = rows.query_map(params_from_iter(values), recording)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// One recording. A box that was replaced may have told of the same recording before: the newest claim counts.
    pub async fn recording(
        &self,
        scope: Scope,
        id: RecordingId,
    ) -> Result<Option<SiteRecording>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("r.organisation_id", "r.site_id");
                let sql = format!(
                    "select {RECORDING} from recording r join appliance a on a.id = r.appliance
                     where r.id = ? and {condition} order by a.revoked, a.claimed_utc desc limit 1"
                );
                values.insert(0, text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), recording)
                    .optional()?
                    .map(|it| it.recording))
            })
            .await
    }

    /// Where a recording is.
    pub async fn locate_recording(
        &self,
        scope: Scope,
        id: RecordingId,
    ) -> Result<Option<Located>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("r.organisation_id", "r.site_id");
                let sql = format!(
                    "select r.organisation_id, r.site_id, iif(a.revoked, null, a.id)
                     from recording r join appliance a on a.id = r.appliance
                     where r.id = ? and {condition} order by a.revoked, a.claimed_utc desc limit 1"
                );
                values.insert(0, text(id));
                Ok(c.prepare_cached(&sql)?
                    .query_row(params_from_iter(values), located)
                    .optional()?)
            })
            .await
    }
}

/// The SQL of a list and what is bound to it.
fn list(
    scope: &Scope,
    filter: &RecordingFilter,
    order: Order,
    after: Option<&RecordingCursor>,
    limit: u32,
) -> (String, Vec<Value>) {
    // Which index leads, from the narrowest.
    let by_camera = filter.camera.is_some();
    let by_site = !by_camera && filter.site.is_some();
    let by_organisation = !by_camera && !by_site && *scope != Scope::Everything;
    let by_status = by_organisation && filter.status.is_some();
    let plus = |leads: bool| if leads { "" } else { "+" };

    let (condition, mut values) = scope.condition(
        &format!("{}r.organisation_id", plus(by_organisation)),
        "+r.site_id",
    );
    let mut sql = format!("select {RECORDING} from recording r where {condition}");
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" and ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(camera) = filter.camera {
        and("r.camera_id = ?", text(camera));
    }
    if let Some(site) = filter.site {
        and(&format!("{}r.site_id = ?", plus(by_site)), text(site));
    }
    if let Some(status) = filter.status {
        and(
            &format!("{}r.status = ?", plus(by_status)),
            Value::Text(status_text(status).into()),
        );
    }
    if let Some(from) = filter.from {
        // What overlaps the range starts at most the longest recording's length before it.
        and(
            "r.start_utc > ? - (select coalesce(max(longest_us), 0) from holding)",
            from.micros().into(),
        );
        and("r.end_utc > ?", from.micros().into());
    }
    if let Some(to) = filter.to {
        and("r.start_utc < ?", to.micros().into());
    }
    if let Some(bytes) = filter.min_bytes {
        and(
            "r.kept_bytes >= ?",
            i64::try_from(bytes).unwrap_or(i64::MAX).into(),
        );
    }
    let (beyond, direction) = match order {
        Order::Newest => ("<", "desc"),
        Order::Oldest => (">", "asc"),
    };
    if let Some(after) = after {
        sql.push_str(&format!(
            " and (r.start_utc, r.id, r.appliance) {beyond} (?, ?, ?)"
        ));
        values.extend([
            after.start_utc.into(),
            text(after.id),
            text(&after.appliance),
        ]);
    }
    sql.push_str(&format!(
        " order by r.start_utc {direction}, r.id {direction}, r.appliance {direction} limit ?"
    ));
    values.push(i64::from(limit).into());
    (sql, values)
}

/// A state as it is stored.
pub fn status_text(status: RecordingStatus) -> &'static str {
    match status {
        RecordingStatus::Pending => "pending",
        RecordingStatus::Downloading => "downloading",
        RecordingStatus::Completed => "completed",
        RecordingStatus::Failed => "failed",
        RecordingStatus::Evicted => "evicted",
    }
}

fn recording(row: &Row<'_>) -> rusqlite::Result<ListedRecording> {
    Ok(ListedRecording {
        cursor: RecordingCursor {
            start_utc: row.get(0)?,
            id: column(row, 1)?,
            appliance: column(row, 2)?,
        },
        recording: SiteRecording {
            site_id: column(row, 3)?,
            recording: json(row, 4)?,
        },
    })
}
