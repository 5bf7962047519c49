//! The footage index: recordings as last reported (Q1).
//!
//! A list is walked along one index, in the order of its start, and stops after a page: never a scan, never a sort. The
//! query names the index itself, because the planner has no figures about our tenants and guesses badly.

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
    // From the narrowest.
    let index = match filter {
        RecordingFilter {
            camera: Some(_), ..
        } => "recording_by_camera",
        RecordingFilter { site: Some(_), .. } => "recording_by_site",
        _ if *scope == Scope::Everything => "recording_by_start",
        RecordingFilter {
            status: Some(_), ..
        } => "recording_by_status",
        _ => "recording_by_organisation",
    };
    let (condition, mut values) = scope.condition("r.organisation_id", "r.site_id");
    let mut sql =
        format!("select {RECORDING} from recording r indexed by {index} where {condition}");
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" and ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(camera) = filter.camera {
        and("r.camera_id = ?", text(camera));
    }
    if let Some(site) = filter.site {
        and("r.site_id = ?", text(site));
    }
    if let Some(status) = filter.status {
        and("r.status = ?", Value::Text(status_text(status).into()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestSite, a_recording, dawn};
    use proptest::prelude::*;
    use wire::ids::OrganisationId;
    use wire::resource::Recording;

    fn plan(store: &Store, sql: String, values: Vec<Value>) -> String {
        let store = store.clone();
        let work = async move {
            store
                .db
                .read(move |c| {
                    let mut rows = c.prepare(&format!("explain query plan {sql}"))?;
                    let lines =
                        rows.query_map(params_from_iter(values), |r| r.get::<_, String>(3))?;
                    Ok::<_, DbError>(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
                })
                .await
                .unwrap()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(work)
    }

    #[test]
    fn every_list_walks_one_index_without_sorting() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all = |scope: Scope, filter: RecordingFilter, index: &str| {
            for order in [Order::Newest, Order::Oldest] {
                let after = RecordingCursor {
                    start_utc: 0,
                    id: RecordingId::new(),
                    appliance: ApplianceId::from_spki(b"a"),
                };
                for after in [None, Some(&after)] {
                    let (sql, values) = list(&scope, &filter, order, after, 10);
                    let plan = plan(&store, sql, values);
                    assert!(plan.contains(index), "{filter:?}: {plan}");
                    assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
                }
            }
        };
        let mine = Scope::Organisation(OrganisationId::new());
        let some = Scope::Sites(OrganisationId::new(), vec![SiteId::new(), SiteId::new()]);
        let range = RecordingFilter {
            from: Some(dawn()),
            to: Some(dawn().plus_s(60)),
            min_bytes: Some(5),
            ..RecordingFilter::default()
        };
        for scope in [mine, some, Scope::Everything] {
            let plain = match scope {
                Scope::Everything => "recording_by_start",
                _ => "recording_by_organisation",
            };
            all(scope.clone(), range.clone(), plain);
            let camera = RecordingFilter {
                camera: Some(CameraId::new()),
                site: Some(SiteId::new()),
                status: Some(RecordingStatus::Failed),
                ..range.clone()
            };
            all(scope.clone(), camera, "recording_by_camera");
            let site = RecordingFilter {
                site: Some(SiteId::new()),
                status: Some(RecordingStatus::Failed),
                ..range.clone()
            };
            all(scope.clone(), site, "recording_by_site");
            let status = RecordingFilter {
                status: Some(RecordingStatus::Failed),
                ..range.clone()
            };
            let index = match scope {
                Scope::Everything => "recording_by_start",
                _ => "recording_by_status",
            };
            all(scope, status, index);
        }
    }

    async fn planted(spans: &[(i64, i64)]) -> (tempfile::TempDir, Store, TestSite, Vec<Recording>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let organisation = store.plant_organisation("A").await;
        let site = store.plant_site(organisation, "North").await;
        let cameras = [
            store.plant_camera(&site, "Gate").await,
            store.plant_camera(&site, "Yard").await,
        ];
        let recordings: Vec<_> = spans
            .iter()
            .enumerate()
            .map(|(i, (start, length))| {
                let mut it = a_recording(cameras[i % 2], dawn().plus_s(*start), *length);
                it.kept_bytes = Some(*start as u64);
                if i % 3 == 0 {
                    it.status = RecordingStatus::Pending;
                    it.kept_bytes = None;
                }
                it
            })
            .collect();
        store.plant_recordings(&site, recordings.clone()).await;
        (dir, store, site, recordings)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Pages one after the other are the whole list, filtered and sorted, whatever their length.
        #[test]
        fn pages_are_the_list(
            spans in prop::collection::vec((0i64..50, 1i64..30), 0..25),
            from in prop::option::of(0i64..60),
            to in prop::option::of(0i64..60),
            by_camera: bool, by_status: bool, by_bytes: bool, newest: bool, length in 1u32..6,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (_dir, store, site, all) = planted(&spans).await;
                let filter = RecordingFilter {
                    camera: all.first().filter(|_| by_camera).map(|it| it.camera_id),
                    site: Some(site.site),
                    from: from.map(|s| dawn().plus_s(s)),
                    to: to.map(|s| dawn().plus_s(s)),
                    status: by_status.then_some(RecordingStatus::Completed),
                    min_bytes: by_bytes.then_some(20),
                };
                let mut expected: Vec<_> = all
                    .iter()
                    .filter(|it| filter.camera.is_none_or(|c| it.camera_id == c))
                    .filter(|it| filter.from.is_none_or(|t| it.end_utc > t))
                    .filter(|it| filter.to.is_none_or(|t| it.start_utc < t))
                    .filter(|it| filter.status.is_none_or(|s| it.status == s))
                    .filter(|it| filter.min_bytes.is_none_or(|b| it.kept_bytes.unwrap_or(0) >= b))
                    .map(|it| (it.start_utc, it.id))
                    .collect();
                expected.sort();
                let order = if newest { Order::Newest } else { Order::Oldest };
                if newest {
                    expected.reverse();
                }
                let mut found = Vec::new();
                let mut after = None;
                loop {
                    let scope = Scope::Organisation(site.organisation);
                    let page = store.recordings(scope, filter.clone(), order, after, length).await.unwrap();
                    let Some(last) = page.last() else { break };
                    after = Some(last.cursor.clone());
                    found.extend(page.iter().map(|it| (it.recording.recording.start_utc, it.recording.recording.id)));
                }
                prop_assert_eq!(found, expected);
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn what_is_held_is_counted_as_reports_come() {
        let (_dir, store, site, mut all) = planted(&[(0, 10), (10, 10), (20, 10)]).await;
        let held = async || {
            let site = store
                .site(Scope::Everything, site.site)
                .await
                .unwrap()
                .unwrap();
            (site.cameras, site.held_recordings, site.held_bytes)
        };
        assert_eq!(held().await, (2, 2, 30));
        store.plant_recordings(&site, all.clone()).await;
        assert_eq!(held().await, (2, 2, 30));
        all[0].status = RecordingStatus::Completed;
        all[0].kept_bytes = Some(7);
        all[1].status = RecordingStatus::Evicted;
        all[1].kept_bytes = None;
        store.plant_recordings(&site, all).await;
        assert_eq!(held().await, (2, 2, 27));
    }
}
