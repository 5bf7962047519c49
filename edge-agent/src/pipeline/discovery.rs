//! Asks the recorders what is new, each in its own time.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::ids::RecorderId;
use wire::resource::{Recorder, RecorderState};

use super::Pipeline;
use crate::catalog::CatalogError;
use crate::discover::{Discovered, Question, discover, question};
use crate::governor::budget::Class;
use crate::model::time::UtcRange;
use crate::recorder::driver::FailureKind;

/// How often it is looked who is due.
const LOOK: Duration = Duration::from_secs(10);

/// Works until cancelled.
pub async fn run(pipeline: Pipeline, cancel: CancellationToken) -> Result<(), CatalogError> {
    let mut asking: JoinSet<(RecorderId, Result<Discovered, CatalogError>)> = JoinSet::new();
    let mut asked: HashSet<RecorderId> = HashSet::new();
    // Those whose last answer was a failure: asked again as soon as they are online.
    let mut failed: HashSet<RecorderId> = HashSet::new();
    while !cancel.is_cancelled() {
        match due(&pipeline, &asked, &mut failed).await {
            Ok(due) => {
                for (recorder, question) in due {
                    asked.insert(recorder);
                    let (pipeline, cancel) = (pipeline.clone(), cancel.clone());
                    asking.spawn(async move {
                        let outcome =
                            ask(&pipeline, recorder, &question, Class::Background, &cancel).await;
                        (recorder, outcome)
                    });
                }
            }
            Err(error @ CatalogError::Db(base::sqlite::DbError::Closed)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "It cannot be read which recorders are to be asked")
            }
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = pipeline.0.discover.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            Some(ended) = asking.join_next() => {
                let (recorder, outcome) = ended
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                asked.remove(&recorder);
                if told(recorder, outcome) {
                    failed.insert(recorder);
                }
                pipeline.0.plan.notify_one();
            }
        }
    }
    // Searches are left where they are; what they would have found is asked again.
    asking.shutdown().await;
    Ok(())
}

/// Who is to be asked what now.
async fn due(
    pipeline: &Pipeline,
    asked: &HashSet<RecorderId>,
    failed: &mut HashSet<RecorderId>,
) -> Result<Vec<(RecorderId, Question)>, CatalogError> {
    let (config, now) = (&pipeline.0.parts.discovery, pipeline.now());
    let interval = Duration::from_secs(config.interval_s.max(1).into());
    let range = UtcRange {
        from: now.plus_s(-86_400 * i64::from(config.backfill_days)),
        to: now,
    };
    let mut due = Vec::new();
    for recorder in pipeline.catalog().recorders().await? {
        if !recorder.enabled || asked.contains(&recorder.id) || !worth_asking(&recorder) {
            continue;
        }
        let back = recorder.state == RecorderState::Online && failed.remove(&recorder.id);
        let channels = pipeline.catalog().channels_to_discover(recorder.id).await?;
        let question = question(&channels, back, range, interval, config.settle());
        due.extend(question.map(|question| (recorder.id, question)));
    }
    Ok(due)
}

/// A refusal that waiting does not mend is not asked again and again; changed settings make the state unknown.
fn worth_asking(recorder: &Recorder) -> bool {
    recorder.state != RecorderState::Error
}

/// Asks one recorder.
pub async fn ask(
    pipeline: &Pipeline,
    recorder: RecorderId,
    question: &Question,
    class: Class,
    cancel: &CancellationToken,
) -> Result<Discovered, CatalogError> {
    let (recorders, governor) = (&pipeline.0.parts.recorders, &pipeline.0.parts.governor);
    let search = |channel, range| async move {
        recorders.reach(recorder).await?;
        match recorders.search(recorder, channel, range).await {
            // A search takes no place of its own, but a recorder whose places are taken may refuse it all the same. A
            // person's then has the background give way.
            Err(error) if error.kind == FailureKind::Capacity && class > Class::Background => {
                let search = || recorders.search(recorder, channel, range);
                governor
                    .begin(recorder, class, search)
                    .await
                    .map(|(inventory, _place)| inventory)
            }
            found => found,
        }
    };
    discover(pipeline.catalog(), recorder, question, search, cancel).await
}

/// Says what came of it; true when it failed.
fn told(recorder: RecorderId, outcome: Result<Discovered, CatalogError>) -> bool {
    match outcome {
        Ok(Discovered {
            failure: Some(error),
            ..
        }) => {
            tracing::warn!(recorder.id = %recorder, reason = error.message, "A recorder could not be asked what it holds");
            true
        }
        Ok(discovered) => {
            if discovered.new > 0 {
                tracing::info!(recorder.id = %recorder, new = discovered.new, "A recorder has new recordings");
            }
            false
        }
        Err(CatalogError::NoRecorder(_) | CatalogError::NoChannel { .. }) => false,
        Err(error) => {
            tracing::error!(recorder.id = %recorder, %error, "What a recorder answered cannot be written down");
            true
        }
    }
}
