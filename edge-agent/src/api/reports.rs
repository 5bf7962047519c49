//! Reports again, for a relay that misses some (docs/design/decisions.md §5). Nobody else has a use for them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use wire::error::ErrorCode;
use wire::ids::{LogId, UserId};
use wire::telemetry::{ReportPage, Resync, ResyncRequest};
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Principal, Query, Via};
use crate::catalog::outbox::Backfill;

/// Reports of one answer.
const REPORTS_MAX: usize = 500;

/// Which reports.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// The outbox that the relay knows.
    log: LogId,
    /// First number that is missing.
    from: u64,
}

/// Reports from a number on; for the relay, through the tunnel. 410 when they are no longer kept (see
/// `POST /reports/resync`), 404 when the log is not the one that is told.
#[utoipa::path(get, path = "/reports", tag = "relay", params(ReportQuery),
    responses((status = 200, body = ReportPage)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
    Query(query): Query<ReportQuery>,
) -> ApiResult<Json<ReportPage>> {
    relay_alone(&who)?;
    let answer = app
        .catalog
        .reports_from(query.log, query.from, REPORTS_MAX)
        .await?;
    match answer {
        Backfill::Reports(rows) => Ok(Json(ReportPage {
            reports: rows
                .into_iter()
                .map(|row| row.into_report(app.appliance.clone()))
                .collect(),
        })),
        Backfill::Gone => Err(ApiError::new(
            ErrorCode::ReportsGone,
            format!(
                "Report {} of log {} was acknowledged and is no longer kept. Ask for everything anew.",
                query.from, query.log
            ),
        )),
        Backfill::OtherLog => Err(no_log(query.log)),
    }
}

/// Everything is told anew in a new log, if the reports that the relay misses are no longer kept. Otherwise nothing
/// changes, so that asking twice is asking once.
#[utoipa::path(post, path = "/reports/resync", tag = "relay", request_body = ResyncRequest,
    responses((status = 200, body = Resync)))]
pub async fn resync(
    State(app): State<App>,
    who: Principal,
    JsonBody(lost): JsonBody<ResyncRequest>,
) -> ApiResult<Json<Resync>> {
    relay_alone(&who)?;
    let told = app.catalog.resync_lost(lost.log, lost.from).await?;
    let log = told.ok_or_else(|| no_log(lost.log))?;
    if log != lost.log {
        tracing::info!(outbox.log = %log, "The relay has lost track of the reports; everything is told anew");
    }
    Ok(Json(Resync { log }))
}

fn no_log(log: LogId) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        format!("Log {log} is not told here any more. The reports of the one that is say its id."),
    )
}

/// Refuses everybody else, people of the relay included: it speaks for nobody when it asks for itself.
fn relay_alone(who: &Principal) -> ApiResult<()> {
    who.require(Permission::View)?;
    if who.via == Via::Tunnel && who.user_id == UserId::RELAY {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::AuthInsufficientPermissions,
        "Reports are for the relay itself, through its tunnel.",
    ))
}
