//! Sync jobs: what people asked to be fetched now (R5), and how far it has come.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use wire::ids::{CameraId, SyncJobId};
use wire::resource::{SyncJob, SyncJobState};
use wire::telemetry::Event;
use wire::time::UtcTime;

use super::recordings::longest_us;
use super::text::{Word, cut, parsed, parsed_opt, size, time, word};
use super::{Catalog, CatalogError, ChangeKind, Work, cameras, outbox};
use crate::model::time::UtcRange;

/// Jobs that are remembered: enough for people to look back, few enough to count.
const JOBS_MAX: u32 = 200;

/// States that a job does not leave.
pub fn is_over(state: SyncJobState) -> bool {
    matches!(
        state,
        SyncJobState::Done | SyncJobState::Cancelled | SyncJobState::Failed
    )
}

struct Counts {
    found: u64,
    completed: u64,
    failed: u64,
    stated_bytes: u64,
    received_bytes: u64,
}

fn job_of(row: &Row<'_>) -> rusqlite::Result<SyncJob> {
    Ok(SyncJob {
        id: parsed(row, "id")?,
        camera_id: parsed_opt(row, "camera_id")?,
        from_utc: time(row, "from_utc")?,
        to_utc: time(row, "to_utc")?,
        state: word(row, "state")?,
        found: 0,
        completed: 0,
        failed: 0,
        progress_percent: 0,
        failure: row.get("failure")?,
        created_at: time(row, "created_utc")?,
    })
}

/// What lies in a job's range. What has left does not count: it is not fetched again.
fn count(
    c: &Connection,
    camera: Option<CameraId>,
    range: UtcRange,
) -> Result<Counts, CatalogError> {
    let mut all = Counts {
        found: 0,
        completed: 0,
        failed: 0,
        stated_bytes: 0,
        received_bytes: 0,
    };
    let cameras = match camera {
        Some(camera) => vec![camera],
        None => cameras::ids(c)?,
    };
    for camera in cameras {
        let reach_us = longest_us(c, Some(camera))?;
        let counts = c
            .prepare_cached(
                "select count(*) as found, sum(status = 'completed') as completed,
                    sum(status = 'failed' and next_attempt_utc is null) as failed,
                    sum(max(stated_bytes, 1)) as stated,
                    sum(iif(status = 'completed', max(stated_bytes, 1), min(received_bytes, stated_bytes))) as received
                 from recording indexed by recording_by_camera
                 where camera_id = :camera and start_utc >= :reach and start_utc < :to and end_utc > :from
                    and status <> 'evicted'",
            )?
            .query_row(
                named_params! {
                    ":camera": camera.to_string(),
                    ":reach": range.from.micros().saturating_sub(reach_us),
                    ":from": range.from.micros(),
                    ":to": range.to.micros(),
                },
                |row| {
                    let sum = |column| Ok::<_, rusqlite::Error>(super::text::size_opt(row, column)?.unwrap_or(0));
                    Ok(Counts {
                        found: size(row, "found")?,
                        completed: sum("completed")?,
                        failed: sum("failed")?,
                        stated_bytes: sum("stated")?,
                        received_bytes: sum("received")?,
                    })
                },
            )?;
        all.found += counts.found;
        all.completed += counts.completed;
        all.failed += counts.failed;
        all.stated_bytes += counts.stated_bytes;
        all.received_bytes += counts.received_bytes;
    }
    Ok(all)
}

fn counted(c: &Connection, mut job: SyncJob) -> Result<SyncJob, CatalogError> {
    let range = UtcRange {
        from: job.from_utc,
        to: job.to_utc,
    };
    let counts = count(c, job.camera_id, range)?;
    job.found = counts.found;
    job.completed = counts.completed;
    job.failed = counts.failed;
    job.progress_percent = match job.state {
        SyncJobState::Done => 100,
        _ if counts.stated_bytes == 0 => 0,
        _ => {
            let percent = u128::from(counts.received_bytes) * 100 / u128::from(counts.stated_bytes);
            u8::try_from(percent.min(99)).unwrap_or(99)
        }
    };
    Ok(job)
}

fn get(c: &Connection, id: SyncJobId) -> Result<SyncJob, CatalogError> {
    let job = c
        .prepare_cached("select * from sync_job where id = ?1")?
        .query_row([id.to_string()], job_of)
        .optional()?
        .ok_or(CatalogError::NoJob(id))?;
    counted(c, job)
}

impl Catalog {
    /// A person asks for a range, of one camera or of all. Jobs long over are forgotten.
    pub async fn add_job(
        &self,
        camera: Option<CameraId>,
        range: UtcRange,
    ) -> Result<SyncJob, CatalogError> {
        self.write(move |w| {
            if let Some(camera) = camera {
                cameras::get(w.tx, camera)?;
            }
            let id = SyncJobId::new();
            w.tx.execute(
                "insert into sync_job (id, camera_id, from_utc, to_utc, state, created_utc, updated_utc)
                 values (?1, ?2, ?3, ?4, 'queued', ?5, ?5)",
                params![
                    id.to_string(),
                    camera.map(|id| id.to_string()),
                    range.from.micros(),
                    range.to.micros(),
                    w.now.micros()
                ],
            )?;
            w.tx.execute(
                "delete from sync_job where state in ('done', 'cancelled', 'failed')
                    and id not in (select id from sync_job order by id desc limit ?1)",
                [JOBS_MAX],
            )?;
            tell(w, id)
        })
        .await
    }

    /// One job, with its counts as they are now.
    pub async fn job(&self, id: SyncJobId) -> Result<SyncJob, CatalogError> {
        self.read(move |c| get(c, id)).await
    }

    /// The jobs, newest first.
    pub async fn jobs(&self) -> Result<Vec<SyncJob>, CatalogError> {
        self.read(|c| {
            let jobs: Vec<SyncJob> = c
                .prepare_cached("select * from sync_job order by id desc")?
                .query_map([], job_of)?
                .collect::<Result<_, _>>()?;
            jobs.into_iter().map(|job| counted(c, job)).collect()
        })
        .await
    }

    /// The jobs that are not over, oldest first: what start-up takes up again.
    pub async fn open_jobs(&self) -> Result<Vec<SyncJob>, CatalogError> {
        let mut jobs = self.jobs().await?;
        jobs.retain(|job| !is_over(job.state));
        jobs.reverse();
        Ok(jobs)
    }

    /// A job moves on. One that is over stays as it is: a cancelled job is not revived by work that was under way.
    pub async fn set_job_state(
        &self,
        id: SyncJobId,
        state: SyncJobState,
        failure: Option<String>,
    ) -> Result<SyncJob, CatalogError> {
        self.write(move |w| {
            let known = get(w.tx, id)?;
            if is_over(known.state) || (known.state == state && known.failure == failure) {
                return Ok(known);
            }
            w.tx.execute(
                "update sync_job set state = ?2, failure = ?3, updated_utc = ?4 where id = ?1",
                params![
                    id.to_string(),
                    state.word(),
                    failure.map(|text| cut(&text, 1_000)),
                    w.now.micros()
                ],
            )?;
            if state == SyncJobState::Cancelled {
                lower_priority(w, &known)?;
            }
            tell(w, id)
        })
        .await
    }
}

fn tell(w: &mut Work<'_>, id: SyncJobId) -> Result<SyncJob, CatalogError> {
    let job = get(w.tx, id)?;
    w.changed(ChangeKind::SyncJob, id);
    outbox::enqueue(w, &Event::JobChanged(job.clone()))?;
    Ok(job)
}

/// What a cancelled job had asked for is background again, unless another job still asks for it.
fn lower_priority(w: &mut Work<'_>, job: &SyncJob) -> Result<(), CatalogError> {
    let others: Vec<SyncJob> = w
        .tx
        .prepare_cached(
            "select * from sync_job where id <> ?1 and state in ('queued', 'discovering', 'downloading')",
        )?
        .query_map([job.id.to_string()], job_of)?
        .collect::<Result<_, _>>()?;
    let cameras = match job.camera_id {
        Some(camera) => vec![camera],
        None => cameras::ids(w.tx)?,
    };
    for camera in cameras {
        let reach_us = longest_us(w.tx, Some(camera))?;
        let rows: Vec<(String, UtcRange)> = w
            .tx
            .prepare_cached(
                "select id, start_utc, end_utc from recording indexed by recording_by_camera
                 where camera_id = :camera and start_utc >= :reach and start_utc < :to and end_utc > :from
                    and status in ('pending', 'downloading', 'failed') and priority > 0",
            )?
            .query_map(
                named_params! {
                    ":camera": camera.to_string(),
                    ":reach": job.from_utc.micros().saturating_sub(reach_us),
                    ":from": job.from_utc.micros(),
                    ":to": job.to_utc.micros(),
                },
                |row| {
                    let span = UtcRange {
                        from: UtcTime::from_micros(row.get("start_utc")?),
                        to: UtcTime::from_micros(row.get("end_utc")?),
                    };
                    Ok((row.get("id")?, span))
                },
            )?
            .collect::<Result<_, _>>()?;
        for (id, span) in rows {
            let still_asked = others.iter().any(|other| {
                other.camera_id.is_none_or(|of| of == camera)
                    && span.overlaps(UtcRange {
                        from: other.from_utc,
                        to: other.to_utc,
                    })
            });
            if !still_asked {
                w.tx.prepare_cached("update recording set priority = 0 where id = ?1")?
                    .execute([id])?;
            }
        }
    }
    Ok(())
}
