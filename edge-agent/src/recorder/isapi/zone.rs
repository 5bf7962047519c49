//! What the device tells about its clock, as facts for `recorder/clock/`, which also reads its zone.

use wire::time::UtcTime;

use super::answers::{DeviceTime, Suffix};
use crate::recorder::worker_protocol::ClockFacts;

/// Facts of an answer that was asked for and given at these times.
pub fn facts(told: &DeviceTime, asked_at: UtcTime, answered_at: UtcTime) -> ClockFacts {
    ClockFacts {
        wall: told.local.wall,
        asked_at,
        answered_at,
        zone_minutes: match told.local.suffix {
            Suffix::Offset(minutes) => Some(minutes),
            // Written by firmware that writes it behind every time, local or not: says nothing.
            Suffix::Z | Suffix::None => None,
        },
        summer_time: None,
        zone_text: told.zone.clone(),
    }
}
