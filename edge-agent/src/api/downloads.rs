//! How much of recorders may be used, and when: bandwidth and the background's time of day.

use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::tunnel::Permission;

use super::{ApiError, ApiResult, App, JsonBody, Principal};
use crate::governor::settings::{CHOSEN, Chosen, Settings};

/// Bandwidth that may be set, in kbit/s: less would take longer than the footage itself, more no recorder gives.
const LIMIT_KBPS: std::ops::RangeInclusive<u32> = 100..=10_000_000;

/// Body of `PUT /system/downloads`. It replaces all of what was chosen before, and goes before the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadSettingsInput {
    /// Bandwidth of all downloads from one recorder together, in kbit/s; null: as much as it gives.
    limit_kbps: Option<u32>,
    /// The same for what nobody asked for; null: as `limit_kbps`.
    background_limit_kbps: Option<u32>,
    /// Time of day in which what nobody asked for is downloaded, `22:00-06:00`; null: always.
    window: Option<String>,
    /// The zone that it is meant in, `Europe/Berlin`; null: that of the appliance.
    zone: Option<String>,
}

/// Answer to `GET` and `PUT /system/downloads`: what holds for each recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DownloadSettings {
    /// Bandwidth of all downloads from one recorder together, in kbit/s; null: as much as it gives.
    limit_kbps: Option<u32>,
    /// The same for what nobody asked for; null: as `limit_kbps`.
    background_limit_kbps: Option<u32>,
    /// Time of day in which what nobody asked for is downloaded, `22:00-06:00`; null: always.
    window: Option<String>,
    /// The zone that it is meant in; null: that of the appliance.
    zone: Option<String>,
    /// The zone of the appliance, where it has a name.
    appliance_zone: Option<String>,
    /// Downloads at once from one recorder, if it gives so many; set in the configuration file. Each gets an equal share
    /// of the bandwidth.
    per_recorder: usize,
}

/// How much of recorders may be used, and when.
#[utoipa::path(get, path = "/system/downloads", tag = "system", responses((status = 200, body = DownloadSettings)))]
pub async fn downloads(
    State(app): State<App>,
    who: Principal,
) -> ApiResult<Json<DownloadSettings>> {
    who.require(Permission::View)?;
    Ok(Json(app.governor.settings().into()))
}

/// Sets how much of recorders may be used, and when. Downloads that nobody asked for stop within a minute when it is no
/// longer their time of day, and go on from there later; a bandwidth holds from the next part of a download on.
#[utoipa::path(put, path = "/system/downloads", tag = "system", request_body = DownloadSettingsInput,
    responses((status = 200, body = DownloadSettings)))]
pub async fn set_downloads(
    State(app): State<App>,
    who: Principal,
    JsonBody(input): JsonBody<DownloadSettingsInput>,
) -> ApiResult<Json<DownloadSettings>> {
    who.require(Permission::Manage)?;
    let chosen = input.checked()?;
    app.catalog.set_setting(CHOSEN, &chosen).await?;
    tracing::info!(
        person = %who.username,
        limit_kbps = chosen.limit_kbps,
        background_limit_kbps = chosen.background_limit_kbps,
        window = chosen.window.map(|window| window.to_string()),
        "The use of recorders by downloads was set"
    );
    app.governor.choose(chosen);
    Ok(Json(app.governor.settings().into()))
}

impl DownloadSettingsInput {
    fn checked(self) -> ApiResult<Chosen> {
        for (field, limit) in [
            ("limit_kbps", self.limit_kbps),
            ("background_limit_kbps", self.background_limit_kbps),
        ] {
            if limit.is_some_and(|kbps| !LIMIT_KBPS.contains(&kbps)) {
                let (least, most) = (LIMIT_KBPS.start(), LIMIT_KBPS.end());
                return Err(ApiError::invalid_field(
                    field,
                    format!("A bandwidth is between {least} and {most} kbit/s."),
                ));
            }
        }
        let window = self.window.map(|text| text.parse()).transpose();
        let window = window
            .map_err(|problem: String| ApiError::invalid_field("window", format!("{problem}.")))?;
        let zone = self.zone.map(|name| {
            TimeZone::get(&name).map_err(|_| {
                let problem = format!("{name:?} is not a time zone like \"Europe/Berlin\".");
                ApiError::invalid_field("zone", problem)
            })
        });
        Ok(Chosen {
            limit_kbps: self.limit_kbps,
            background_limit_kbps: self.background_limit_kbps,
            window,
            zone: zone.transpose()?,
        })
    }
}

impl From<Settings> for DownloadSettings {
    fn from(settings: Settings) -> Self {
        let name = |zone: &TimeZone| zone.iana_name().map(str::to_owned);
        let chosen = settings.chosen;
        Self {
            limit_kbps: chosen.limit_kbps,
            background_limit_kbps: chosen.background_limit_kbps,
            window: chosen.window.map(|window| window.to_string()),
            zone: chosen.zone.as_ref().and_then(name),
            appliance_zone: name(&TimeZone::system()),
            per_recorder: settings.downloads_max,
        }
    }
}
