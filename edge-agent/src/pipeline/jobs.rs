//! Sync jobs: a person wants a range now (R5). Discovered anew, put before the background, followed to its end.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::ids::{RecorderId, SyncJobId};
use wire::resource::{SyncJob, SyncJobState};

use super::{Pipeline, discovery};
use crate::catalog::CatalogError;
use crate::catalog::jobs::is_over;
use crate::discover::Question;
use crate::governor::budget::Class;
use crate::model::time::UtcRange;

/// How often a job that downloads is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Works until cancelled. Jobs that were under way when the agent ended are taken up again.
pub async fn run(pipeline: Pipeline, cancel: CancellationToken) -> Result<(), CatalogError> {
    let new_jobs = pipeline
        .0
        .new_jobs
        .lock()
        .expect("nothing panics while holding it")
        .take();
    let mut new_jobs = new_jobs.expect("a pipeline runs once");
    let mut working: JoinSet<()> = JoinSet::new();
    let mut known: HashSet<SyncJobId> = HashSet::new();
    let mut begin = |working: &mut JoinSet<()>, id: SyncJobId| {
        if known.insert(id) {
            let (pipeline, cancel) = (pipeline.clone(), cancel.clone());
            working.spawn(async move {
                let outcome = tokio::select! {
                    () = cancel.cancelled() => Ok(()),
                    outcome = carry_out(&pipeline, id, &cancel) => outcome,
                };
                if let Err(error) = outcome {
                    tracing::error!(job.id = %id, %error, "A sync job stands still until the next start");
                }
            });
        }
    };
    for job in pipeline.catalog().open_jobs().await? {
        begin(&mut working, job.id);
    }
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(id) = new_jobs.recv() => begin(&mut working, id),
            Some(ended) = working.join_next() => {
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            }
        }
    }
    working.shutdown().await;
    Ok(())
}

async fn carry_out(
    pipeline: &Pipeline,
    id: SyncJobId,
    cancel: &CancellationToken,
) -> Result<(), CatalogError> {
    let catalog = pipeline.catalog();
    let job = catalog
        .set_job_state(id, SyncJobState::Discovering, None)
        .await?;
    if is_over(job.state) {
        return Ok(());
    }
    let range = UtcRange {
        from: job.from_utc,
        to: job.to_utc.min(pipeline.now()).max(job.from_utc),
    };
    let (asked, failures) = ask_all(pipeline, &job, range, cancel).await?;
    let waiting = catalog.raise_priority(job.camera_id, range).await?;
    pipeline.0.plan.notify_one();
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    if asked == failures.len() && asked > 0 && waiting == 0 {
        catalog
            .set_job_state(id, SyncJobState::Failed, failure)
            .await?;
        return Ok(());
    }
    catalog
        .set_job_state(id, SyncJobState::Downloading, failure.clone())
        .await?;
    loop {
        let job = catalog.job(id).await?;
        if is_over(job.state) {
            return Ok(());
        }
        if job.completed + job.failed >= job.found {
            catalog
                .set_job_state(id, SyncJobState::Done, failure)
                .await?;
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks every recorder that is concerned. Returns how many there are, and what went wrong with which.
async fn ask_all(
    pipeline: &Pipeline,
    job: &SyncJob,
    range: UtcRange,
    cancel: &CancellationToken,
) -> Result<(usize, Vec<String>), CatalogError> {
    let catalog = pipeline.catalog();
    let mut channels: BTreeMap<RecorderId, Vec<u32>> = BTreeMap::new();
    for camera in catalog.cameras().await? {
        // One that is asked for by name is asked even when its background is switched off.
        let wanted = match job.camera_id {
            Some(id) => camera.id == id,
            None => camera.enabled,
        };
        if wanted {
            let of_recorder = channels.entry(camera.recorder_id).or_default();
            of_recorder.push(camera.channel);
        }
    }
    let mut failures = Vec::new();
    for (recorder, channels) in &channels {
        let question = Question {
            channels: channels.clone(),
            range,
            anew: true,
            settle: pipeline.0.parts.discovery.settle(),
            reach_of: channels.clone(),
        };
        let discovered =
            discovery::ask(pipeline, *recorder, &question, Class::Asked, cancel).await?;
        failures.extend(discovered.failure.map(|error| error.message));
    }
    Ok((channels.len(), failures))
}
