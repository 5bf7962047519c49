//! The forecast of this appliance, in figures and in words (S10). Pure: what is known goes in, what people read comes out.

use wire::resource::Tier;
use wire::retention::{CameraRetention, RateBasis, Retention};

use super::RetentionConfig;
use super::forecast::{Camera, Forecast, HORIZON_DAYS, Held, Outcome, Pool, Ring, Share, forecast};
use super::rate::{Rate, rate};
use crate::catalog::days::{HeldDay, RingCamera, RingState};
use crate::footage::volume::VolumeId;
use crate::model::retention::{Bytes, DAY_MS, Rule};
use crate::model::time::UtcTime;

/// Locks are said to cost something from here on, in days.
const COST_DAYS: f64 = 0.5;

/// A volume whose disk is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeRoom {
    /// Which.
    pub id: VolumeId,
    /// Room for footage, what is held included.
    pub room_bytes: u64,
    /// The same by the floor alone.
    pub disk_bytes: u64,
    /// What a stroke of eviction frees beyond the mark.
    pub slack_bytes: u64,
    /// Its own limit of age.
    pub max_age_ms: Option<i64>,
    /// Its tier.
    pub tier: Tier,
    /// What is older moves to the next tier.
    pub move_after_ms: Option<i64>,
}

/// A camera whose promise will be broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Id of the camera.
    pub camera: String,
    /// When, to the day.
    pub on: UtcTime,
    /// In words, with what to do.
    pub message: String,
}

/// The forecast, and what follows from it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outlook {
    /// As people read it.
    pub retention: Retention,
    /// Promises that will be broken, of cameras whose rate is sure.
    pub breaches: Vec<Breach>,
}

/// Reckons it. `volumes` are those that are there; of what lies elsewhere nothing can leave or be added.
pub fn outlook(
    state: &RingState,
    volumes: &[VolumeRoom],
    config: &RetentionConfig,
    now: UtcTime,
) -> Outlook {
    let today = now.micros().div_euclid(DAY_MS * 1_000);
    let rates: Vec<Rate> = state
        .cameras
        .iter()
        .map(|it| rate(it.fetched, &it.listed, it.first_day, today))
        .collect();
    let ring = ring(state, &rates, volumes, config);
    let with = forecast(&ring, now, true);
    let without = forecast(&ring, now, false);
    let mut cameras = Vec::new();
    let mut breaches = Vec::new();
    for (n, it) in state.cameras.iter().enumerate() {
        let told = told(it, &ring.cameras[n], rates[n], (&with, &without), n, now);
        if let Some(on) = told.breaks_on.filter(|_| rates[n].is_sure()) {
            breaches.push(Breach {
                camera: it.holding.camera.to_string(),
                on,
                message: breach(&told, on, now),
            });
        }
        cameras.push(told);
    }
    let shortest = |forecast: &Forecast| {
        let by_room = forecast.cameras.iter().filter(|it| it.by_room);
        by_room.filter_map(|it| it.days).min_by(f64::total_cmp)
    };
    let bytes_per_day = rates.iter().map(|rate| rate.bytes_per_day).sum();
    let mut retention = Retention {
        room_bytes: rounded(ring.pool.room_bytes),
        bytes_per_day,
        days: shortest(&with).map(tenths),
        days_without_locks: shortest(&without).map(tenths),
        full_on: with.full_on.map(day_of),
        horizon_days: u32::try_from(HORIZON_DAYS).unwrap_or(u32::MAX),
        summary: String::new(),
        cameras,
    };
    retention.summary = summary(&retention, now);
    Outlook {
        retention,
        breaches,
    }
}

fn ring(
    state: &RingState,
    rates: &[Rate],
    volumes: &[VolumeRoom],
    config: &RetentionConfig,
) -> Ring {
    let sum = |of: fn(&VolumeRoom) -> u64| volumes.iter().map(of).fold(0, u64::saturating_add);
    let room_bytes = sum(|volume| volume.room_bytes);
    // New footage goes to the hottest tier.
    let hottest = volumes.iter().map(|volume| volume.tier).min();
    let hot = |volume: &&VolumeRoom| Some(volume.tier) == hottest;
    let hot_bytes: u64 = volumes.iter().filter(hot).map(|it| it.room_bytes).sum();
    let pool = Pool {
        room_bytes,
        disk_bytes: sum(|volume| volume.disk_bytes),
        slack_bytes: sum(|volume| volume.slack_bytes),
        shares: volumes
            .iter()
            .map(|volume| Share {
                part: match hot(&volume) {
                    true => volume.room_bytes as f64 / hot_bytes.max(1) as f64,
                    false => 0.0,
                },
                max_age_ms: volume.max_age_ms,
                tier: volume.tier,
                room_bytes: volume.room_bytes,
                move_after_ms: volume.move_after_ms,
            })
            .collect(),
    };
    let share_of = |id: VolumeId| volumes.iter().position(|volume| volume.id == id);
    let cameras = state.cameras.iter().zip(rates).map(|(it, rate)| {
        let camera = it.holding.camera;
        let own = |held: &&HeldDay| held.camera == camera;
        Camera {
            id: camera,
            rule: config.rule(&it.holding),
            bytes_per_day: rate.bytes_per_day,
            held: state
                .held
                .iter()
                .filter(own)
                .filter_map(|held| {
                    Some(Held {
                        day: held.day,
                        share: share_of(held.volume)?,
                        bytes: held.bytes - held.locked_bytes.min(held.bytes),
                        locked_bytes: held.locked_bytes,
                    })
                })
                .collect(),
        }
    });
    Ring {
        cameras: cameras.collect(),
        pool,
    }
}

fn told(
    it: &RingCamera,
    ring: &Camera,
    rate: Rate,
    (with, without): (&Forecast, &Forecast),
    n: usize,
    now: UtcTime,
) -> CameraRetention {
    let (with, without): (Outcome, Outcome) = (with.cameras[n], without.cameras[n]);
    let Rule {
        min_age_ms,
        max_age_ms,
        max_bytes,
    } = ring.rule;
    let oldest = ring.held.iter().find(|held| held.bytes > 0);
    let held_days = oldest.map_or(0.0, |held| {
        let from = UtcTime::from_micros(held.day.saturating_mul(DAY_MS * 1_000));
        days(now.ms_since(from).max(0))
    });
    let mut told = CameraRetention {
        camera_id: it.holding.camera,
        name: it.name.clone(),
        basis: rate.basis,
        bytes_per_day: rate.bytes_per_day,
        held_bytes: it.holding.held_bytes,
        locked_bytes: it.locked_bytes,
        held_days: held_days.round(),
        days: with.days.map(tenths),
        days_without_locks: without.days.map(tenths),
        least_days: tenths(days(min_age_ms)),
        most_days: max_age_ms.map(days).map(tenths),
        most_bytes: max_bytes,
        breaks_on: with.breaks_on.map(day_of),
        summary: String::new(),
    };
    told.summary = camera_summary(&told, now);
    told
}

fn camera_summary(it: &CameraRetention, now: UtcTime) -> String {
    let mut said = Vec::new();
    match it.basis {
        RateBasis::Off => said.push(
            "It is switched off: nothing new comes, and what is held leaves like that of other cameras.".to_owned(),
        ),
        RateBasis::Unknown => {
            said.push("How much it records is not known yet.".to_owned());
        }
        RateBasis::Measured | RateBasis::New | RateBasis::Stopped => {
            said.push(match it.days {
                Some(days) => format!("At today's rate {} are kept.", days_text(days)),
                None => format!("At today's rate more than {HORIZON_DAYS} days are kept."),
            });
        }
    }
    match it.basis {
        RateBasis::New => said.push("Less than a whole day of it is known yet.".to_owned()),
        RateBasis::Stopped => said.push(
            "Its recorder has listed nothing new for more than a day; this is the rate of before."
                .to_owned(),
        ),
        _ => {}
    }
    if let Some(on) = it.breaks_on {
        said.push(format!(
            "Its promise of {} breaks {}.",
            days_text(it.least_days),
            when(on, now)
        ));
    } else if it.least_days > 0.0 && it.basis != RateBasis::Unknown {
        said.push(format!(
            "Its promise of {} is kept.",
            days_text(it.least_days)
        ));
    }
    if let (Some(with), Some(without)) = (it.days, it.days_without_locks)
        && without - with >= COST_DAYS
    {
        said.push(format!(
            "Locks and bookmarks cost {}.",
            days_text(without - with)
        ));
    }
    said.join(" ")
}

fn summary(it: &Retention, now: UtcTime) -> String {
    let known = it
        .cameras
        .iter()
        .any(|camera| !matches!(camera.basis, RateBasis::Unknown | RateBasis::Off));
    if !known {
        return "How long footage will be kept is known once a day of it was found.".to_owned();
    }
    let mut said = match it.days {
        Some(days) => format!("At today's rate footage is kept for {}", days_text(days)),
        None => format!("At today's rate there is room for more than {HORIZON_DAYS} days"),
    };
    let mut broken: Vec<&CameraRetention> = it
        .cameras
        .iter()
        .filter(|camera| camera.breaks_on.is_some())
        .collect();
    broken.sort_by_key(|camera| camera.breaks_on);
    if let Some((first, on)) = broken.first().and_then(|it| Some((it, it.breaks_on?))) {
        said.push_str(&format!(
            "; camera {:?} will break its promise of {} {}",
            first.name,
            days_text(first.least_days),
            when(on, now)
        ));
        match broken.len() - 1 {
            0 => {}
            1 => said.push_str(", and one more camera later"),
            n => said.push_str(&format!(", and {n} more cameras later")),
        }
    }
    said.push('.');
    if let Some(on) = it.full_on {
        said.push_str(&format!(
            " Nothing new has room {}: all that is held then is protected or promised.",
            when(on, now)
        ));
    }
    if let (Some(with), Some(without)) = (it.days, it.days_without_locks)
        && without - with >= COST_DAYS
    {
        said.push_str(&format!(
            " Locks and bookmarks cost {}.",
            days_text(without - with)
        ));
    }
    said
}

fn breach(it: &CameraRetention, on: UtcTime, now: UtcTime) -> String {
    let kept = it
        .days
        .map_or("fewer".to_owned(), |days| format!("{days} days"));
    format!(
        "Camera {:?} will break its promise of {} {}: {} of footage come a day, and at that rate {kept} have room. Add a \
         disk, lower the promise or what other cameras keep, or unlock footage that is no longer needed",
        it.name,
        days_text(it.least_days),
        when(on, now),
        Bytes(it.bytes_per_day)
    )
}

/// What is said of a day on which all that is held will be protected or promised.
pub fn full_soon(on: UtcTime, now: UtcTime) -> String {
    format!(
        "Nothing new will have room {}: all footage that is held then is protected or promised. Unlock or delete footage, \
         lower a camera's least age, raise the budget of a volume, or add a disk",
        when(on, now)
    )
}

/// `on Friday 27 November`, `today`.
fn when(on: UtcTime, now: UtcTime) -> String {
    if on.micros() <= now.micros() {
        "today".to_owned()
    } else {
        format!("on {}", on.timestamp().strftime("%A %-d %B"))
    }
}

fn days_text(days: f64) -> String {
    let days = if days >= 9.95 {
        days.round()
    } else {
        tenths(days)
    };
    match days {
        1.0 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn days(ms: i64) -> f64 {
    ms as f64 / DAY_MS as f64
}

fn tenths(days: f64) -> f64 {
    (days * 10.0).round() / 10.0
}

/// The UTC day on which an instant lies: a forecast is no better than that, and what is told does not change every
/// minute.
fn day_of(instant: UtcTime) -> UtcTime {
    let day_us = DAY_MS * 1_000;
    UtcTime::from_micros(instant.micros().div_euclid(day_us) * day_us)
}

/// To three digits, for the same reason.
fn rounded(bytes: u64) -> u64 {
    let unit = 10_u64.pow(bytes.max(1).ilog10().saturating_sub(2));
    bytes / unit * unit
}

#[cfg(test)]
mod tests;
