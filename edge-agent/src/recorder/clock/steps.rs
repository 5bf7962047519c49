//! Where it is not certain when something was recorded, because a recorder's clock was set there. Pure.
//!
//! A clock is read now and then, so when exactly it was set is not known; and by its old and its new time the same
//! footage lies elsewhere. A stretch without footage near a step may be one that was recorded and was placed wrongly:
//! nobody may say of it that nothing was recorded.

use super::zone::ZoneRule;
use crate::model::clock::{ClockRun, ClockStep};
use crate::model::time::{UtcRange, UtcTime};

/// Less than this moves nothing that people see.
const SEEN_MS: i64 = 5_000;

/// The stretches around the steps between runs, oldest first, each with what happened in words.
pub fn steps(runs: &[ClockRun]) -> Vec<(UtcRange, String)> {
    runs.windows(2)
        .filter_map(|pair| match pair {
            // What the box's wrong clock told is asked again; the recorder's did not move.
            [before, after] if !before.box_was_wrong && !after.box_was_wrong => step(before, after),
            _ => None,
        })
        .collect()
}

fn step(before: &ClockRun, after: &ClockRun) -> Option<(UtcRange, String)> {
    let by_ms = shown_ms(after, after.began_at, after.first_offset_ms)
        - shown_ms(before, after.began_at, before.last_offset_ms);
    if by_ms.abs() < SEEN_MS {
        return None;
    }
    let whose = match after.began_by {
        ClockStep::Zone => "the recorder's time zone was changed",
        ClockStep::Box(_) => "this box's clock was set",
        ClockStep::Either(_) => "the recorder's clock or this box's was set",
        ClockStep::First | ClockStep::Recorder(_) => "the recorder's clock was set",
    };
    let way = if by_ms > 0 { "forward" } else { "back" };
    let how = format!(
        "{whose} {way} by {} s between {} and {}",
        by_ms.abs() / 1_000,
        before.last_at,
        after.began_at
    );
    let around = UtcRange::new(
        before.last_at.plus_ms(-by_ms.abs()),
        after.began_at.plus_ms(by_ms.abs()),
    )?;
    Some((around, how))
}

/// By how much a run's clock shows more than UTC at a time.
fn shown_ms(run: &ClockRun, at: UtcTime, offset_ms: i64) -> i64 {
    let zone = run.zone.parse().ok().and_then(ZoneRule::time_zone);
    let zone_s = zone.map_or(0, |zone| zone.to_offset(at.timestamp()).seconds());
    i64::from(zone_s) * 1_000 + offset_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u32, by: ClockStep, hours: (i64, i64), zone: &str, offset_ms: i64) -> ClockRun {
        let at = |hours: i64| UtcTime::from_micros(0).plus_s(hours * 3_600);
        ClockRun {
            number,
            began_by: by,
            began_at: at(hours.0),
            last_at: at(hours.1),
            zone: zone.to_owned(),
            first_offset_ms: offset_ms,
            last_offset_ms: offset_ms,
            box_was_wrong: false,
        }
    }

    /// From and to in minutes, and the words up to `between`.
    fn told(runs: &[ClockRun]) -> Vec<(i64, i64, String)> {
        let minutes = |at: UtcTime| at.seconds() / 60;
        let words = |how: &str| how.split(" between").next().unwrap().to_owned();
        steps(runs)
            .iter()
            .map(|(range, how)| (minutes(range.from), minutes(range.to), words(how)))
            .collect()
    }

    #[test]
    fn around_a_step_nothing_is_certain() {
        let utc = ZoneRule::fixed(0).to_string();
        let east = ZoneRule::fixed(3_600).to_string();
        let first = run(1, ClockStep::First, (0, 10), &utc, 0);
        let mut runs = vec![
            first,
            run(2, ClockStep::Recorder(600_000), (11, 20), &utc, 600_000),
            run(3, ClockStep::Either(-600_000), (30, 40), &utc, 0),
            run(4, ClockStep::Zone, (41, 50), &east, 0),
            // A nudge.
            run(5, ClockStep::Recorder(4_000), (51, 60), &east, 4_000),
        ];
        assert_eq!(
            told(&runs),
            [
                (
                    590,
                    670,
                    "the recorder's clock was set forward by 600 s".to_owned()
                ),
                (
                    1_190,
                    1_810,
                    "the recorder's clock or this box's was set back by 600 s".to_owned()
                ),
                (
                    2_340,
                    2_520,
                    "the recorder's time zone was changed forward by 3600 s".to_owned()
                ),
            ]
        );
        runs[1].box_was_wrong = true;
        assert_eq!(told(&runs).len(), 1);
    }
}
