//! How many streams a recorder gives at once, who uses them, and why the background waits: in words for an installer.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use wire::ids::RecorderId;
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::error::sentence;
use super::{ApiResult, App, Path, Principal};
use crate::governor::Report;
use crate::governor::budget::{Usage, Wait};

/// Answer to `GET /recorders/{id}/places`. A place is one stream that the recorder gives: a live view or a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecorderPlaces {
    /// Live views that are open.
    live: usize,
    /// Downloads that people asked for.
    asked: usize,
    /// Downloads of what nobody asked for.
    background: usize,
    /// How many streams the recorder gives at once, all kinds together, as learnt from its refusals; null as long as it
    /// has refused none.
    limit: Option<usize>,
    /// When it refused the last time.
    refused_at: Option<UtcTime>,
    /// What it said then.
    refusal: Option<String>,
    /// When one stream more than the limit is tried.
    next_try_at: Option<UtcTime>,
    /// Who uses it, in words.
    summary: String,
    /// Why the background does not begin more, in words; null while nothing holds it back.
    background_waits: Option<String>,
}

/// How many streams a recorder gives at once, who uses them, and why the background waits.
#[utoipa::path(get, path = "/recorders/{id}/places", tag = "recorders", params(("id" = RecorderId, Path)),
    responses((status = 200, body = RecorderPlaces)))]
pub async fn places(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<RecorderId>,
) -> ApiResult<Json<RecorderPlaces>> {
    who.require(Permission::View)?;
    let recorder = app.catalog.recorder(id).await?;
    Ok(Json(RecorderPlaces::of(app.governor.report(recorder.id))))
}

impl RecorderPlaces {
    fn of(report: Report) -> Self {
        let usage = report.usage;
        Self {
            live: usage.live,
            asked: usage.asked,
            background: usage.background,
            limit: usage.limit,
            refused_at: usage.refused_at.filter(|_| report.refusal.is_some()),
            next_try_at: usage.probe_at,
            summary: summary(&usage),
            background_waits: usage.background_waits.map(|wait| reason(wait, &report)),
            refusal: report.refusal,
        }
    }
}

fn summary(usage: &Usage) -> String {
    let counted = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let uses: Vec<String> = [
        counted(usage.live, "live view", "live views"),
        counted(
            usage.asked,
            "download that was asked for",
            "downloads that were asked for",
        ),
        counted(
            usage.background,
            "download in the background",
            "downloads in the background",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let uses = match &uses[..] {
        [] => "Nothing is fetched or watched now".to_owned(),
        uses => uses.join(", "),
    };
    match usage.limit {
        Some(0) => format!("{uses}. The recorder gives no stream at all at the moment."),
        Some(limit) => format!("{uses}. The recorder gives {limit} at once."),
        None => format!("{uses}. The recorder has refused none so far."),
    }
}

fn reason(wait: Wait, report: &Report) -> String {
    match wait {
        Wait::Window(_) => match report.window {
            Some(window) => {
                format!("Footage that nobody asked for is fetched only between {window}.")
            }
            None => "Footage that nobody asked for is not fetched at this time of day.".to_owned(),
        },
        Wait::People => {
            "People use what the recorder gives at once. The background goes on when they are done."
                .to_owned()
        }
        Wait::Refused(at) => {
            let said = report.refusal.as_ref().map(sentence).unwrap_or_default();
            format!(
                "The recorder refused, although nothing of ours runs there: other programs or viewers use it. \
                 It is asked again at {at}. {said}"
            )
            .trim_end()
            .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(change: impl FnOnce(&mut Report)) -> RecorderPlaces {
        let mut report = Report {
            usage: Usage {
                live: 0,
                asked: 0,
                background: 0,
                waiting: 0,
                limit: None,
                refused_at: None,
                probe_at: None,
                background_waits: None,
            },
            refusal: None,
            window: Some("22:00-06:00".parse().unwrap()),
        };
        change(&mut report);
        RecorderPlaces::of(report)
    }

    #[test]
    fn an_installer_reads_why() {
        let at = UtcTime::from_micros(1_800_000_000_000_000);
        let idle = report(|_| {});
        assert_eq!(
            (idle.summary.as_str(), idle.background_waits),
            (
                "Nothing is fetched or watched now. The recorder has refused none so far.",
                None
            )
        );
        let full = report(|report| {
            report.usage.live = 1;
            report.usage.background = 2;
            report.usage.limit = Some(3);
        });
        assert_eq!(
            full.summary,
            "1 live view, 2 downloads in the background. The recorder gives 3 at once."
        );
        let shut = report(|report| report.usage.background_waits = Some(Wait::Window(at)));
        assert_eq!(
            shut.background_waits.unwrap(),
            "Footage that nobody asked for is fetched only between 22:00-06:00."
        );
        let refused = report(|report| {
            report.usage.limit = Some(0);
            report.usage.background_waits = Some(Wait::Refused(at));
            report.refusal = Some("192.0.2.1:8000: the recorder is busy (error 24)".into());
        });
        assert_eq!(
            refused.background_waits.unwrap(),
            "The recorder refused, although nothing of ours runs there: other programs or viewers use it. It is asked \
             again at 2027-01-15T08:00:00Z. 192.0.2.1:8000: the recorder is busy (error 24)."
        );
        assert_eq!(
            refused.summary,
            "Nothing is fetched or watched now. The recorder gives no stream at all at the moment."
        );
    }
}
