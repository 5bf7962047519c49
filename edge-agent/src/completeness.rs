//! The report on completeness (R9) as the API and the command line tell it: coverage in words, with what to do.

use wire::coverage::{Completeness, GapCause, Stretch};
use wire::resource::EvictionCause;

use crate::catalog::coverage::Known;
use crate::model::coverage::{Gap, coverage};
use crate::model::time::UtcRange;

/// Longest range of one report: a month holds some ten thousand recordings.
pub const DAYS_MAX: i64 = 31;

/// The report on a range of a camera.
pub fn report(known: Known, range: UtcRange) -> Completeness {
    let coverage = coverage(range, &known.facts);
    let total_ms = |stretches: &[UtcRange]| stretches.iter().map(|s| s.duration_ms()).sum();
    let told = |stretches: &[UtcRange]| stretches.iter().copied().map(stretch).collect();
    Completeness {
        camera_id: known.camera.id,
        from_utc: range.from,
        to_utc: range.to,
        verdict: coverage.verdict(),
        recorded_ms: total_ms(&coverage.recorded),
        held_ms: total_ms(&coverage.held),
        recorded: told(&coverage.recorded),
        held: told(&coverage.held),
        away: Vec::new(),
        gaps: coverage.gaps.iter().map(gap).collect(),
        risk: known.risk,
    }
}

fn stretch(range: UtcRange) -> Stretch {
    Stretch {
        from_utc: range.from,
        to_utc: range.to,
    }
}

fn gap(gap: &Gap) -> wire::coverage::Gap {
    let (message, advice) = words(gap);
    wire::coverage::Gap {
        from_utc: gap.range.from,
        to_utc: gap.range.to,
        cause: gap.cause,
        recordings: gap.recordings,
        message: message.to_owned(),
        advice: advice.map(str::to_owned),
        reason: gap.reason.as_deref().map(str::to_owned),
        eviction_cause: gap.eviction_cause,
    }
}

/// What happened and what to do.
fn words(gap: &Gap) -> (&'static str, Option<&'static str>) {
    match gap.cause {
        GapCause::NotRecorded => (
            "The recorder did not record.",
            Some(
                "Nothing is missing here. If the camera should have recorded, look at its schedule, its cable and the recorder's log.",
            ),
        ),
        GapCause::ClockStep => (
            "The recorder's clock was set around here. What it recorded may lie a little earlier or later than it says.",
            Some(
                "Look at the recordings before and after. Turn on NTP at the recorder, so that its clock is never set by hand.",
            ),
        ),
        GapCause::NotObserved if gap.reason.is_some() => (
            "The recorder is not asked about this camera.",
            Some("Mend or switch on what the reason names; then it is asked again."),
        ),
        GapCause::NotObserved => (
            "The recorder has not given a final answer about this yet.",
            Some("Wait: it is asked every few minutes. Or fetch the range now."),
        ),
        GapCause::RecorderUnreachable => (
            "The recorder could not be asked.",
            Some("Look at its power and its network. It is asked again by itself once it answers."),
        ),
        GapCause::BeyondReach => (
            "The recorder was asked too late: its oldest footage was already younger. Whether it had recorded is not known.",
            Some(
                "This cannot be fetched any more. To be safe against long outages let the recorder keep footage longer.",
            ),
        ),
        GapCause::OverwrittenOnRecorder => (
            "The recorder had recorded this, and overwrote it before it was fetched.",
            Some(
                "This cannot be fetched any more. Let the recorder keep footage longer, or give this box more time and bandwidth to fetch.",
            ),
        ),
        GapCause::NotDownloaded => (
            "Known to be on the recorder, not fetched yet.",
            Some("Wait, or fetch the range now to put it first."),
        ),
        GapCause::Failed => (
            "It could not be fetched.",
            Some("See the reason. Fetch the range now to try once more."),
        ),
        GapCause::Evicted => match gap.eviction_cause {
            Some(EvictionCause::Pressure) => (
                "It was held, and left because its volume needed room.",
                Some("Add room or keep less of other cameras; lock what must stay."),
            ),
            Some(EvictionCause::ArchiveCleared) => (
                "It was archived, and the archive was cleared.",
                Some("Look for it where the archive was downloaded to."),
            ),
            _ => (
                "It was held, and left because it was older than its camera keeps.",
                Some("Raise the retention of the camera; lock what must stay."),
            ),
        },
        GapCause::Deleted => ("It was held, and a person deleted it.", None),
        GapCause::Defect => (
            "What the recorder gave covers less than it had listed.",
            Some("The rest is not to be had from the recorder. Check its disk."),
        ),
    }
}
