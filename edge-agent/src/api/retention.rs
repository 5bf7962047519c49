//! How long the footage of one camera stays: its own limits, or those of the configuration.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::CameraId;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Path, Principal};
use crate::catalog::cameras::{CameraChange, Keep};
use crate::model::retention::{CameraHolding, DAY_MS};

/// Longest age that can be set: a hundred years.
const DAYS_MAX: u32 = 36_500;

const DAY_S: i64 = DAY_MS / 1_000;

/// A camera's own limits; null takes that of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraLimits {
    /// Promised: younger footage stays, unless the disk itself has no room left.
    #[serde(default)]
    least_days: Option<u32>,
    /// Older footage leaves.
    #[serde(default)]
    most_days: Option<u32>,
    /// Most bytes of it.
    #[serde(default)]
    most_bytes: Option<u64>,
}

impl From<Keep> for CameraLimits {
    fn from(keep: Keep) -> Self {
        let days = |s: i64| u32::try_from(s / DAY_S).unwrap_or(u32::MAX);
        Self {
            least_days: keep.min_s.map(days),
            most_days: keep.max_s.map(days),
            most_bytes: keep.max_bytes,
        }
    }
}

/// How long the footage of a camera stays.
#[utoipa::path(get, path = "/cameras/{id}/retention", tag = "retention", params(("id" = CameraId, Path)),
    responses((status = 200, body = CameraLimits)))]
pub async fn get(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<CameraId>,
) -> ApiResult<Json<CameraLimits>> {
    who.require(Permission::View)?;
    Ok(Json(app.catalog.keep_of_camera(id).await?.into()))
}

/// Sets how long the footage of a camera stays: all three limits, null for that of the configuration.
#[utoipa::path(put, path = "/cameras/{id}/retention", tag = "retention", params(("id" = CameraId, Path)),
    request_body = CameraLimits, responses((status = 200, body = CameraLimits)))]
pub async fn set(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<CameraId>,
    JsonBody(limits): JsonBody<CameraLimits>,
) -> ApiResult<Json<CameraLimits>> {
    who.require(Permission::Manage)?;
    app.catalog.camera(id).await?;
    for (field, days) in [
        ("least_days", limits.least_days),
        ("most_days", limits.most_days),
    ] {
        if days.is_some_and(|days| days > DAYS_MAX) {
            return Err(ApiError::invalid_field(
                field,
                format!("At most {DAYS_MAX} days can be set."),
            ));
        }
    }
    if limits.most_days == Some(0) {
        return Err(ApiError::invalid_field(
            "most_days",
            "Footage must be allowed to stay for a day at least. To fetch none, switch the camera off.",
        ));
    }
    let seconds = |days: u32| i64::from(days) * DAY_S;
    let keep = Keep {
        min_s: limits.least_days.map(seconds),
        max_s: limits.most_days.map(seconds),
        max_bytes: limits.most_bytes,
    };
    let ms = |s: i64| s * 1_000;
    let rule = app.evictor.rule(&CameraHolding {
        camera: id,
        held_bytes: 0,
        max_age_ms: keep.max_s.map(ms),
        max_bytes: keep.max_bytes,
        min_age_ms: keep.min_s.map(ms),
    });
    if let Some(max_ms) = rule.max_age_ms.filter(|max| *max < rule.min_age_ms) {
        return Err(ApiError::invalid_field(
            "least_days",
            format!(
                "Footage is promised for {} days and may stay for {} only (one of the two may come from the \
                 configuration). Set both so that they fit.",
                rule.min_age_ms / DAY_MS,
                max_ms / DAY_MS
            ),
        ));
    }
    let change = CameraChange {
        keep: Some(keep),
        ..CameraChange::default()
    };
    app.catalog.change_camera(id, change).await?;
    tracing::info!(camera.id = %id, person = %who.username, "How long a camera's footage stays was set");
    Ok(Json(keep.into()))
}
