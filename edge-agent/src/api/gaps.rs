//! Completeness: what is held of a camera, and every gap with its cause (R9).

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::IntoParams;
use wire::coverage::{Completeness, Timeline};
use wire::ids::CameraId;
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, Path, Principal, Query};
use crate::completeness::{DAYS_MAX, report};
use crate::footage::volume::{Volume, VolumeId};
use crate::model::time::UtcRange;

/// Which range.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GapsQuery {
    /// From this instant.
    from: UtcTime,
    /// Up to this one, at most 31 days later; what lies in the future is left out.
    to: UtcTime,
}

/// Which day.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TimelineQuery {
    /// Day of the calendar, `2026-11-03`.
    day: String,
    /// The zone whose day it is, by its name in the tz database; UTC without one.
    #[serde(default)]
    zone: Option<String>,
}

/// What the recorder had of a camera in a range, what is held, and every gap with its cause.
#[utoipa::path(get, path = "/cameras/{id}/gaps", tag = "cameras", params(("id" = CameraId, Path), GapsQuery),
    responses((status = 200, body = Completeness)))]
pub async fn gaps(
    State(app): State<App>,
    who: Principal,
    Path(camera): Path<CameraId>,
    Query(query): Query<GapsQuery>,
) -> ApiResult<Json<Completeness>> {
    who.require(Permission::View)?;
    let range = UtcRange::new(query.from, query.to)
        .filter(|range| range.from < range.to)
        .ok_or_else(|| {
            ApiError::invalid_field("to", "The range ends before it begins, or is empty.")
        })?;
    if range.duration_ms() > DAYS_MAX * 86_400_000 {
        return Err(ApiError::invalid_field(
            "to",
            format!("The range must not be longer than {DAYS_MAX} days."),
        ));
    }
    Ok(Json(tell(&app, camera, range.until(app.now())).await?))
}

/// The same for a day of a calendar, which has 23 to 25 hours.
#[utoipa::path(get, path = "/recordings/timeline/{camera}", tag = "recordings",
    params(("camera" = CameraId, Path), TimelineQuery), responses((status = 200, body = Timeline)))]
pub async fn timeline(
    State(app): State<App>,
    who: Principal,
    Path(camera): Path<CameraId>,
    Query(query): Query<TimelineQuery>,
) -> ApiResult<Json<Timeline>> {
    who.require(Permission::View)?;
    let zone = query.zone.as_deref().unwrap_or("UTC");
    let zone = TimeZone::get(zone).map_err(|_| {
        ApiError::invalid_field(
            "zone",
            "This is not a time zone like \"Europe/Berlin\" or \"UTC\".",
        )
    })?;
    let day = query.day.parse::<Date>().ok();
    let range = day.and_then(|day| UtcRange::of_day(day, &zone));
    let (Some(day), Some(range)) = (day, range) else {
        return Err(ApiError::invalid_field(
            "day",
            "This is not a day like \"2026-11-03\".",
        ));
    };
    Ok(Json(Timeline {
        day: day.to_string(),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        day_from_utc: range.from,
        day_to_utc: range.to,
        completeness: tell(&app, camera, range.until(app.now())).await?,
    }))
}

async fn tell(app: &App, camera: CameraId, range: UtcRange) -> ApiResult<Completeness> {
    let known = app.catalog.known_of(camera, range).await?;
    let mut told = report(known, range);
    let gone: Vec<VolumeId> = app
        .volumes
        .iter()
        .filter(|volume| !volume.health().is_there())
        .map(Volume::id)
        .collect();
    if !gone.is_empty() {
        told.away = app.catalog.held_on(camera, range, gone).await?;
    }
    Ok(told)
}
