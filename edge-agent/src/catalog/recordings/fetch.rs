//! What is still to be fetched, and what became of each attempt.

use jiff::civil::DateTime;
use rusqlite::{Connection, Row, named_params, params};
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::RecordingStatus;
use wire::telemetry::Event;
use wire::time::UtcTime;

use super::super::reach::reach_of;
use super::super::text::{Word, cut, parsed, parsed_opt, signed, size, time_opt, word};
use super::super::{Catalog, CatalogError, ChangeKind, Work, cameras};
use crate::model::reach::at_risk;
use crate::model::time::{RecorderTime, UtcRange};

/// Longest failure kept: a report of many failures stays within its bound.
const FAILURE_CHARS_MAX: usize = 1_000;

/// Priority of what a person asked for; the background has 0.
pub const PRIORITY_ASKED: i64 = 10;

/// A recording to fetch, with all that a plan and a download need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRecording {
    /// Which.
    pub id: RecordingId,
    /// Its camera.
    pub camera: CameraId,
    /// Its recorder.
    pub recorder: RecorderId,
    /// `pending`, `failed` and due, or `downloading`: begun, maybe by an earlier run of the agent.
    pub status: RecordingStatus,
    /// Span in true time.
    pub span: UtcRange,
    /// Serial number of the device that listed it.
    pub recorder_serial: String,
    /// Channel as the recorder counts.
    pub channel: u32,
    /// The recorder's name for it.
    pub source_name: String,
    /// Start as told.
    pub source_start: RecorderTime,
    /// End as told.
    pub source_end: RecorderTime,
    /// Where the channel's next recording begins, on the recorder's clock, if that is at once.
    pub next_start: Option<DateTime>,
    /// Recorder's clock less true time when it was listed.
    pub clock_offset_ms: i64,
    /// Recorder's zone then, minutes east.
    pub zone_minutes: i32,
    /// Size as stated.
    pub stated_bytes: u64,
    /// Bytes received so far.
    pub received_bytes: u64,
    /// By how much this device's stated sizes differ from what arrives; none: not learnt yet.
    pub size_delta_bytes: Option<i64>,
    /// Higher goes first.
    pub priority: i64,
    /// Downloads begun so far.
    pub attempts: u32,
    /// Not before.
    pub next_attempt: Option<UtcTime>,
    /// Which forms are kept: `mp4`, `native`, `both`.
    pub keep: String,
    /// When the recorder will have overwritten it, as far as can be told.
    pub gone_at: Option<UtcTime>,
}

pub(in super::super) const TO_FETCH: &str = "
    select recording.*, camera.recorder_id, camera.keep, recorder.size_delta_bytes,
        reach.told_utc, reach.oldest_utc, reach.pace_ms_per_h,
        (select next.source_start from recording next
            where next.camera_id = recording.camera_id and next.start_utc > recording.start_utc
                and next.start_utc between recording.end_utc and recording.end_utc + 1000000
            order by next.start_utc limit 1) as next_start
    from recording indexed by recording_to_fetch
        join camera on camera.id = recording.camera_id
        join recorder on recorder.id = camera.recorder_id
        left join reach on reach.recorder_id = camera.recorder_id and reach.channel = camera.channel
    where recording.camera_id = :camera
        and (recording.status in ('pending', 'downloading')
            or (recording.status = 'failed' and recording.next_attempt_utc is not null))
        and recorder.enabled = 1 and recorder.removed_utc is null
        and (camera.enabled = 1 or recording.priority > 0)
        and coalesce(recording.next_attempt_utc, 0) <= :now
    order by recording.priority desc, recording.start_utc
    limit :limit";

/// A time as the recorder told it, out of two columns.
pub(in super::super) fn source_time(
    row: &Row<'_>,
    wall: &str,
    fold: &str,
) -> rusqlite::Result<RecorderTime> {
    Ok(RecorderTime {
        wall: parsed(row, wall)?,
        second_pass: row.get(fold)?,
    })
}

pub(super) fn pending_of(row: &Row<'_>) -> rusqlite::Result<PendingRecording> {
    let start = UtcTime::from_micros(row.get("start_utc")?);
    Ok(PendingRecording {
        id: parsed(row, "id")?,
        camera: parsed(row, "camera_id")?,
        recorder: parsed(row, "recorder_id")?,
        status: word(row, "status")?,
        span: UtcRange {
            from: start,
            to: UtcTime::from_micros(row.get("end_utc")?),
        },
        recorder_serial: row.get("recorder_serial")?,
        channel: row.get("channel")?,
        source_name: row.get("source_name")?,
        source_start: source_time(row, "source_start", "source_fold")?,
        source_end: source_time(row, "source_end", "source_end_fold")?,
        next_start: parsed_opt(row, "next_start")?,
        clock_offset_ms: row.get("clock_offset_ms")?,
        zone_minutes: row.get("zone_minutes")?,
        stated_bytes: size(row, "stated_bytes")?,
        received_bytes: size(row, "received_bytes")?,
        size_delta_bytes: row.get("size_delta_bytes")?,
        priority: row.get("priority")?,
        attempts: row.get("attempts")?,
        next_attempt: time_opt(row, "next_attempt_utc")?,
        keep: row.get("keep")?,
        gone_at: reach_of(row)?.and_then(|reach| reach.gone_at(start)),
    })
}

impl Catalog {
    /// What may be fetched now: of every recorder at most `limit` recordings, so that the backlog of one that does
    /// not answer never hides another's. What people asked for comes first, then what is about to be overwritten, then
    /// the oldest. Cameras that are switched off count only where a person asked.
    pub async fn to_fetch(
        &self,
        now: UtcTime,
        limit: usize,
    ) -> Result<Vec<PendingRecording>, CatalogError> {
        self.read(move |c| {
            let mut all = Vec::new();
            for recorder in recorders_at_work(c)? {
                let mut of_recorder = Vec::new();
                for camera in cameras::of_recorder(c, recorder)? {
                    of_recorder.extend(
                        c.prepare_cached(TO_FETCH)?
                            .query_map(
                                named_params! {
                                    ":camera": camera.id.to_string(),
                                    ":now": now.micros(),
                                    ":limit": limit as i64,
                                },
                                pending_of,
                            )?
                            .collect::<Result<Vec<_>, _>>()?,
                    );
                }
                let soon_gone = |r: &PendingRecording| match at_risk(r.gone_at, now) {
                    true => r.gone_at.unwrap_or(now).micros(),
                    false => i64::MAX,
                };
                of_recorder.sort_by_key(|r| (-r.priority, soon_gone(r), r.span.from, r.id));
                of_recorder.truncate(limit);
                all.append(&mut of_recorder);
            }
            Ok(all)
        })
        .await
    }

    /// A download begins. Fine for one that was begun before.
    pub async fn begin_download(&self, id: RecordingId) -> Result<(), CatalogError> {
        self.write(move |w| {
            require(w, id, "begun", |s| {
                matches!(
                    s,
                    RecordingStatus::Pending
                        | RecordingStatus::Failed
                        | RecordingStatus::Downloading
                )
            })?;
            w.tx.prepare_cached(
                "update recording set status = 'downloading', attempts = attempts + 1, next_attempt_utc = null,
                    failure = null, updated_utc = max(?2, updated_utc + 1) where id = ?1",
            )?
            .execute(params![id.to_string(), w.now.micros()])?;
            w.recordings_changed(Event::RecordingChanged, &[id])
        })
        .await
    }

    /// Bytes received so far, of many downloads at once. Not reported: telemetry tells progress.
    pub async fn note_progress(
        &self,
        progress: Vec<(RecordingId, u64)>,
    ) -> Result<(), CatalogError> {
        if progress.is_empty() {
            return Ok(());
        }
        self.write(move |w| {
            for (id, bytes) in progress {
                let moved = w
                    .tx
                    .prepare_cached(
                        "update recording set received_bytes = ?2, updated_utc = max(?3, updated_utc + 1)
                         where id = ?1 and status = 'downloading' and received_bytes <> ?2",
                    )?
                    .execute(params![id.to_string(), signed(bytes), w.now.micros()])?;
                if moved == 1 {
                    w.changed(ChangeKind::Recording, id);
                }
            }
            Ok(())
        })
        .await
    }

    /// A download stopped without fault of its own (a person needs the session, the agent stops): it waits again,
    /// with what it has, and the attempt does not count.
    pub async fn put_back(
        &self,
        id: RecordingId,
        not_before: Option<UtcTime>,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            require(w, id, "put back", |s| s == RecordingStatus::Downloading)?;
            w.tx.prepare_cached(
                "update recording set status = 'pending', attempts = max(attempts - 1, 0), next_attempt_utc = ?3,
                    updated_utc = max(?2, updated_utc + 1) where id = ?1",
            )?
            .execute(params![
                id.to_string(),
                w.now.micros(),
                not_before.map(UtcTime::micros)
            ])?;
            w.recordings_changed(Event::RecordingChanged, &[id])
        })
        .await
    }

    /// An attempt failed. Tried again at `retry_at`, or given up until a person asks.
    pub async fn fail(
        &self,
        id: RecordingId,
        reason: &str,
        retry_at: Option<UtcTime>,
    ) -> Result<(), CatalogError> {
        self.fail_with(id, reason, retry_at, false).await
    }

    /// The recorder no longer holds it: overwritten before it was fetched.
    pub async fn source_gone(&self, id: RecordingId, reason: &str) -> Result<(), CatalogError> {
        self.fail_with(id, reason, None, true).await
    }

    async fn fail_with(
        &self,
        id: RecordingId,
        reason: &str,
        retry_at: Option<UtcTime>,
        gone: bool,
    ) -> Result<(), CatalogError> {
        let reason = cut(reason, FAILURE_CHARS_MAX);
        self.write(move |w| {
            require(w, id, "failed", |s| {
                matches!(
                    s,
                    RecordingStatus::Pending
                        | RecordingStatus::Failed
                        | RecordingStatus::Downloading
                )
            })?;
            w.tx.prepare_cached(
                "update recording set status = 'failed', failure = ?3, next_attempt_utc = ?4, source_gone = ?5,
                    updated_utc = max(?2, updated_utc + 1) where id = ?1",
            )?
            .execute(params![
                id.to_string(),
                w.now.micros(),
                reason,
                retry_at.map(UtcTime::micros),
                gone
            ])?;
            w.recordings_changed(Event::RecordingFailed, &[id])
        })
        .await
    }

    /// Verification rejected a complete download with this digest (of the bytes as received). True when the download
    /// before it was rejected with the same one: the recorder has nothing better, so it is kept with its defects.
    pub async fn note_rejected(
        &self,
        id: RecordingId,
        source_digest: &str,
    ) -> Result<bool, CatalogError> {
        let digest = source_digest.to_owned();
        self.write(move |w| {
            let before: Option<String> = w.tx.query_row(
                "select rejected_digest from recording where id = ?1",
                [id.to_string()],
                |row| row.get(0),
            )?;
            w.tx.execute(
                "update recording set rejected_digest = ?2 where id = ?1",
                params![id.to_string(), digest],
            )?;
            Ok(before.as_ref() == Some(&digest))
        })
        .await
    }

    /// A person asked for a range: what is not held of it goes first, now, also what had been given up. Of one camera
    /// or of all. Returns how many recordings are to be fetched.
    pub async fn raise_priority(
        &self,
        camera: Option<CameraId>,
        range: UtcRange,
    ) -> Result<u64, CatalogError> {
        self.write(move |w| {
            let cameras = match camera {
                Some(camera) => vec![cameras::get(w.tx, camera)?.id],
                None => cameras::ids(w.tx)?,
            };
            let (mut waiting, mut changed) = (0, Vec::new());
            for camera in cameras {
                let reach_us = super::longest_us(w.tx, Some(camera))?;
                let rows: Vec<(RecordingId, bool)> = w
                    .tx
                    .prepare_cached(
                        "select id, priority < :priority or coalesce(next_attempt_utc > :now, 0)
                                or (status = 'failed' and next_attempt_utc is null) as behind
                         from recording indexed by recording_by_camera
                         where camera_id = :camera and start_utc >= :reach and start_utc < :to and end_utc > :from
                            and status in ('pending', 'downloading', 'failed')",
                    )?
                    .query_map(
                        named_params! {
                            ":priority": PRIORITY_ASKED,
                            ":now": w.now.micros(),
                            ":camera": camera.to_string(),
                            ":reach": range.from.micros().saturating_sub(reach_us),
                            ":from": range.from.micros(),
                            ":to": range.to.micros(),
                        },
                        |row| Ok((parsed(row, "id")?, row.get("behind")?)),
                    )?
                    .collect::<Result<_, _>>()?;
                waiting += rows.len() as u64;
                changed.extend(rows.into_iter().filter(|(_, behind)| *behind).map(|(id, _)| id));
            }
            for id in &changed {
                w.tx.prepare_cached(
                    "update recording set priority = ?2,
                        status = iif(status = 'failed', 'pending', status),
                        failure = iif(status = 'failed', null, failure),
                        attempts = iif(status = 'failed', 0, attempts),
                        source_gone = 0, next_attempt_utc = null, updated_utc = max(?3, updated_utc + 1)
                     where id = ?1",
                )?
                .execute(params![id.to_string(), PRIORITY_ASKED, w.now.micros()])?;
            }
            w.recordings_changed(Event::RecordingChanged, &changed)?;
            Ok(waiting)
        })
        .await
    }

    /// How many recordings wait, and how many are being fetched.
    pub async fn backlog(&self) -> Result<(u64, u64), CatalogError> {
        self.read(|c| {
            let count = |status: RecordingStatus| {
                c.prepare_cached(
                    "select count(*) as n from recording indexed by recording_by_status where status = ?1",
                )?
                .query_row([status.word()], |row| size(row, "n"))
            };
            Ok((
                count(RecordingStatus::Pending)?,
                count(RecordingStatus::Downloading)?,
            ))
        })
        .await
    }
}

fn recorders_at_work(c: &Connection) -> Result<Vec<RecorderId>, CatalogError> {
    Ok(c.prepare_cached(
        "select id from recorder where enabled = 1 and removed_utc is null order by created_utc, id",
    )?
    .query_map([], |row| parsed(row, "id"))?
    .collect::<Result<_, _>>()?)
}

/// Refuses what does not fit the recording's state.
pub(super) fn require(
    w: &Work<'_>,
    id: RecordingId,
    action: &'static str,
    fits: impl FnOnce(RecordingStatus) -> bool,
) -> Result<RecordingStatus, CatalogError> {
    let status = super::status(w.tx, id)?;
    if fits(status) {
        Ok(status)
    } else {
        Err(CatalogError::WrongState { id, status, action })
    }
}

/// Gives up all that is still to be fetched of a camera. A download under way finds out when it is to be kept.
pub(in super::super) fn give_up(
    w: &mut Work<'_>,
    camera: CameraId,
    reason: &str,
) -> Result<(), CatalogError> {
    let ids = ids_in(w, camera, &["pending", "downloading", "failed"])?;
    for id in &ids {
        w.tx.prepare_cached(
            "update recording set status = 'failed', failure = ?2, next_attempt_utc = null,
                updated_utc = max(?3, updated_utc + 1) where id = ?1",
        )?
        .execute(params![id.to_string(), reason, w.now.micros()])?;
    }
    w.recordings_changed(Event::RecordingFailed, &ids)
}

/// Takes up again what was given up of a camera.
pub(in super::super) fn take_up(w: &mut Work<'_>, camera: CameraId) -> Result<(), CatalogError> {
    let ids = ids_in(w, camera, &["failed"])?;
    for id in &ids {
        w.tx.prepare_cached(
            "update recording set status = 'pending', failure = null, attempts = 0, next_attempt_utc = null,
                updated_utc = max(?2, updated_utc + 1) where id = ?1",
        )?
        .execute(params![id.to_string(), w.now.micros()])?;
    }
    w.recordings_changed(Event::RecordingChanged, &ids)
}

fn ids_in(
    w: &Work<'_>,
    camera: CameraId,
    statuses: &[&str],
) -> Result<Vec<RecordingId>, CatalogError> {
    let mut ids = Vec::new();
    for status in statuses {
        ids.extend(
            w.tx.prepare_cached(
                "select id from recording indexed by recording_by_camera_status
                 where camera_id = ?1 and status = ?2 order by start_utc, id",
            )?
            .query_map([&camera.to_string(), *status], |row| parsed(row, "id"))?
            .collect::<Result<Vec<RecordingId>, _>>()?,
        );
    }
    Ok(ids)
}
