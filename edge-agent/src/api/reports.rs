//! Reports again, for a relay that misses some (docs/design/decisions.md §5). Nobody else has a use for them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use wire::error::ErrorCode;
use wire::ids::LogId;
use wire::telemetry::ReportPage;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, Principal, Query, Via};
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

/// Reports from a number on; for the relay, through the tunnel.
#[utoipa::path(get, path = "/reports", tag = "relay", params(ReportQuery),
    responses((status = 200, body = ReportPage)))]
pub async fn list(
    State(app): State<App>,
    who: Principal,
    Query(query): Query<ReportQuery>,
) -> ApiResult<Json<ReportPage>> {
    who.require(Permission::View)?;
    if who.via != Via::Tunnel {
        return Err(ApiError::new(
            ErrorCode::AuthInsufficientPermissions,
            "Reports are for the relay, through its tunnel.",
        ));
    }
    let answer = match app
        .catalog
        .reports_from(query.log, query.from, REPORTS_MAX)
        .await?
    {
        Backfill::Reports(rows) => ReportPage {
            reports: rows
                .into_iter()
                .map(|row| row.into_report(app.appliance.clone()))
                .collect(),
            gone: false,
        },
        Backfill::Gone => {
            app.catalog.start_log().await?;
            ReportPage {
                reports: Vec::new(),
                gone: true,
            }
        }
    };
    Ok(Json(answer))
}
