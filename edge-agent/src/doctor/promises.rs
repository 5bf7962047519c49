//! What the catalog says: recorders that do not answer, promises that break, work that does not get done, yesterday's
//! completeness. Read beside a running agent.

use jiff::ToSpan;
use jiff::tz::TimeZone;
use wire::coverage::Verdict;
use wire::resource::{Recorder, RecorderState};
use wire::telemetry::Severity;

use super::finding::Finding;
use crate::catalog::CatalogError;
use crate::catalog::beside::{Beside, Waiting};
use crate::completeness::report;
use crate::model::time::{UtcRange, UtcTime};

/// Entries of the custody log are written within seconds; more than this many that wait say that it is stuck.
const CUSTODY_WAITING_MAX: u64 = 1_000;
/// Reports are acknowledged within seconds; more than this many that wait say that the relay is away.
const REPORTS_WAITING_MAX: u64 = 1_000;

/// The recorders.
pub fn recorders(catalog: &Beside) -> Result<Vec<Finding>, CatalogError> {
    let recorders = catalog.recorders()?;
    if recorders.is_empty() {
        return Ok(vec![Finding::note(
            "recorders",
            "none was added yet",
            "Add one on the page: footage arrives by itself.",
        )]);
    }
    Ok(recorders.iter().flat_map(recorder).collect())
}

fn recorder(recorder: &Recorder) -> Vec<Finding> {
    let about = format!("recorder {:?} ({})", recorder.name, recorder.address);
    let reason = || {
        let reason = recorder.state_reason.clone();
        reason.unwrap_or_else(|| "it is not said why".to_owned())
    };
    let advice = "Its panel on the page has a connection test that shows which step fails.";
    let first = match recorder.state {
        _ if !recorder.enabled => Finding::note(
            &about,
            "switched off",
            "Nothing is fetched from it until it is switched on.",
        ),
        RecorderState::Online => Finding::well(&about, "answers"),
        RecorderState::Unknown => Finding::note(&about, "was not asked yet", "Wait for a minute."),
        RecorderState::Offline => Finding::wrong(&about, format!("offline: {}", reason()), advice),
        RecorderState::Error => Finding::wrong(&about, reason(), advice),
    };
    let clock = recorder.clock_problem.iter().map(|problem| {
        Finding::note(
            format!("{about}, clock"),
            problem,
            "Footage is stamped with true time nevertheless, as far as that can be known.",
        )
    });
    std::iter::once(first).chain(clock).collect()
}

/// What people were told of and is not over; what waits; and whether yesterday is complete.
pub fn promises(catalog: &Beside, now: UtcTime) -> Result<Vec<Finding>, CatalogError> {
    let mut findings: Vec<Finding> = Vec::new();
    for alarm in catalog.alarms()? {
        let about = format!("{} ({})", alarm.rule, alarm.subject);
        let advice = format!("People were told of it at {}.", alarm.since);
        findings.push(match alarm.severity {
            Severity::Info => Finding::well(about, alarm.message),
            Severity::Warning => Finding::note(about, alarm.message, advice),
            Severity::Critical => Finding::wrong(about, alarm.message, advice),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::well("alarms", "none"));
    }
    findings.extend(waiting(catalog.waiting()?));
    findings.extend(yesterday(catalog, now)?);
    Ok(findings)
}

fn waiting(waiting: Waiting) -> Vec<Finding> {
    let counted = |about: &str, count: u64, max: u64, what: &str, advice: &str| match count {
        0 => Finding::well(about, "nothing waits"),
        n if n <= max => Finding::well(about, format!("{n} {what}")),
        n => Finding::note(about, format!("{n} {what}"), advice),
    };
    vec![
        match waiting.failed {
            0 => Finding::well("downloads", format!("{} wait", waiting.to_fetch)),
            n => Finding::note(
                "downloads",
                format!("{n} failed, {} wait", waiting.to_fetch),
                "*Completeness* on the page says why each failed, and can try again.",
            ),
        },
        counted(
            "custody log",
            waiting.custody,
            CUSTODY_WAITING_MAX,
            "entries wait to be written",
            "The disk of a volume may be away, full or slow: see *Storage* on the page.",
        ),
        counted(
            "reports",
            waiting.reports,
            REPORTS_WAITING_MAX,
            "wait for the relay",
            "The relay was away for some time; nothing is lost, they are told when it is back.",
        ),
    ]
}

fn yesterday(catalog: &Beside, now: UtcTime) -> Result<Vec<Finding>, CatalogError> {
    let zone = TimeZone::system();
    let day = now
        .timestamp()
        .to_zoned(zone.clone())
        .date()
        .checked_sub(1.day());
    let Some((day, range)) = day
        .ok()
        .and_then(|day| Some((day, UtcRange::of_day(day, &zone)?)))
    else {
        return Ok(Vec::new());
    };
    let mut findings = Vec::new();
    for camera in catalog.cameras()? {
        if !camera.enabled {
            continue;
        }
        let completeness = report(catalog.known(camera.id, range, now)?, range);
        let about = format!("camera {:?} on {day}", camera.name);
        let ask = format!(
            "`edge-agent gaps --camera {:?} --day {day}` names every gap.",
            camera.name
        );
        findings.push(match completeness.verdict {
            Verdict::Complete => {
                Finding::well(about, "complete: everything that the recorder had is held")
            }
            Verdict::Coming => Finding::note(about, "something is still to come", ask),
            Verdict::Incomplete => {
                Finding::note(about, "incomplete: something is missing for good", ask)
            }
        });
    }
    Ok(findings)
}
