//! How far back recorders reach: readings, the doubts that they settle, what was overwritten before it was fetched, and
//! what is about to be.
//!
//! That a recorder lists nothing proves that it recorded nothing only if it still reached back that far. So every
//! stretch that is answered for the first time is in doubt until the oldest footage of the channel has been read after
//! the answer: what lies after that was really empty, what lies before it nobody will ever know.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use wire::coverage::OverwriteRisk;
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::telemetry::{Alert, Event, Severity};

use super::text::{parsed, size, time, time_opt};
use super::{Catalog, CatalogError, ChangeKind, Work, cameras, outbox, recorders};
use crate::model::inventory::{FoundRecording, Inventory};
use crate::model::reach::{PACE_OVER_S, RISK_S, Reach, Reading};
use crate::model::time::{UtcRange, UtcTime};

/// What a reading brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReachNoted {
    /// Recordings that turn out to have been overwritten before they were fetched.
    pub gone: Vec<RecordingId>,
}

impl Catalog {
    /// From where on the oldest footage of a channel is to be looked for: nothing that still counts lies before it.
    pub async fn reach_begins(
        &self,
        recorder: RecorderId,
        channel: u32,
        horizon: UtcTime,
    ) -> Result<UtcTime, CatalogError> {
        self.read(move |c| {
            let Some(before) = reach(c, recorder, channel)? else {
                return Ok(horizon);
            };
            let waiting = match cameras::of_channel(c, recorder, channel)? {
                Some((camera, _)) => oldest_waiting(c, camera)?,
                None => None,
            };
            let earliest = waiting.into_iter().chain([before.newest.oldest]).min();
            Ok(earliest.unwrap_or(horizon))
        })
        .await
    }

    /// Stores the oldest footage of a channel: `inventory` is a complete answer about a range before which, as far as
    /// is known, there is nothing. Doubts are settled, and what was overwritten before it was fetched is given up.
    pub async fn note_reach(
        &self,
        recorder: RecorderId,
        inventory: &Inventory,
    ) -> Result<ReachNoted, CatalogError> {
        let inventory = inventory.clone();
        self.write(move |w| {
            let name = recorders::get(w.tx, recorder)?.name;
            let oldest = inventory.recordings.iter().map(surely_from).min();
            store(w, recorder, inventory.channel, inventory.answered_at, oldest)?;
            let Some(oldest) = oldest else {
                return Ok(ReachNoted::default());
            };
            settle_doubts(w, recorder, &inventory, oldest)?;
            let gone = give_up_gone(w, recorder, &inventory, oldest)?;
            if !gone.is_empty() {
                let message = format!(
                    "Recorder {name:?} has overwritten {} of channel {} before they could be fetched: its oldest \
                     footage now begins at {oldest}. Let it keep footage longer, or give this box more of its bandwidth.",
                    counted(gone.len() as u64),
                    inventory.channel
                );
                alert(w, "footage_lost", Severity::Critical, message)?;
            }
            Ok(ReachNoted { gone })
        })
        .await
    }

    /// Works out what a recorder will overwrite within hours that is not fetched, and tells people when that begins.
    pub async fn assess_overwriting(
        &self,
        recorder: RecorderId,
    ) -> Result<Option<OverwriteRisk>, CatalogError> {
        self.write(move |w| {
            let known = recorders::get(w.tx, recorder)?;
            let before = risk(w.tx, recorder)?;
            let now = assess(w.tx, recorder, w.now)?;
            match &now {
                None => {
                    w.tx.execute(
                        "delete from overwrite_risk where recorder_id = ?1",
                        [recorder.to_string()],
                    )?;
                }
                Some(risk) => {
                    w.tx.execute(
                        "insert or replace into overwrite_risk (recorder_id, recordings, first_gone_utc, told_utc)
                         values (?1, ?2, ?3, ?4)",
                        params![
                            recorder.to_string(),
                            super::text::signed(risk.recordings),
                            risk.first_gone_utc.micros(),
                            risk.told_at.micros()
                        ],
                    )?;
                }
            }
            if let (None, Some(risk)) = (&before, &now) {
                let minutes = risk.first_gone_utc.ms_since(w.now).max(0) / 60_000;
                let first = match minutes {
                    0..=90 => format!("{minutes} min"),
                    _ => format!("{} h", (minutes + 30) / 60),
                };
                let message = format!(
                    "Recorder {:?} is about to overwrite {} that are not fetched yet, the first in about {first}. They \
                     are fetched first; if that is not quick enough, let the recorder keep footage longer.",
                    known.name,
                    counted(risk.recordings)
                );
                alert(w, "overwrite_soon", Severity::Critical, message)?;
            }
            if before.map(|risk| risk.recordings) != now.as_ref().map(|risk| risk.recordings) {
                w.changed(ChangeKind::Recorder, recorder);
            }
            Ok(now)
        })
        .await
    }
}

/// From when on a recording is there for certain: where its told times may mean several, the newest. Taken for older than
/// it is, it would prove that nothing was recorded where the recorder does not reach any more.
fn surely_from(found: &FoundRecording) -> UtcTime {
    let others = found.others.iter().map(|other| other.span.from);
    others.fold(found.span.from, UtcTime::max)
}

fn counted(recordings: u64) -> String {
    match recordings {
        1 => "1 recording".to_owned(),
        n => format!("{n} recordings"),
    }
}

fn alert(
    w: &mut Work<'_>,
    rule: &str,
    severity: Severity,
    message: String,
) -> Result<(), CatalogError> {
    tracing::warn!(rule, message, "Footage is at risk");
    let rule = rule.to_owned();
    let alert = Alert {
        rule,
        severity,
        message,
    };
    outbox::enqueue(w, &Event::AlertRaised(alert))
}

/// What is known of a recorder that is about to overwrite footage.
pub(super) fn risk(
    c: &Connection,
    recorder: RecorderId,
) -> Result<Option<OverwriteRisk>, CatalogError> {
    Ok(
        c.prepare_cached("select * from overwrite_risk where recorder_id = ?1")?
            .query_row([recorder.to_string()], |row| {
                Ok(OverwriteRisk {
                    recorder_id: parsed(row, "recorder_id")?,
                    recordings: size(row, "recordings")?,
                    first_gone_utc: time(row, "first_gone_utc")?,
                    told_at: time(row, "told_utc")?,
                })
            })
            .optional()?,
    )
}

fn assess(
    c: &Connection,
    recorder: RecorderId,
    now: UtcTime,
) -> Result<Option<OverwriteRisk>, CatalogError> {
    let (mut recordings, mut first): (u64, Option<UtcTime>) = (0, None);
    for camera in cameras::of_recorder(c, recorder)? {
        let Some(reach) = reach(c, recorder, camera.channel)?.filter(|_| camera.enabled) else {
            continue;
        };
        for status in ["pending", "downloading", "failed"] {
            let mut rows = c.prepare_cached(
                "select start_utc from recording indexed by recording_by_camera_status
                 where camera_id = ?1 and status = ?2 and source_gone = 0 order by start_utc, id",
            )?;
            let starts = rows.query_map(params![camera.id.to_string(), status], |row| {
                time(row, "start_utc")
            })?;
            for start in starts {
                let Some(gone) = reach
                    .gone_at(start?)
                    .filter(|gone| gone.ms_since(now) <= RISK_S * 1_000)
                else {
                    break;
                };
                recordings += 1;
                first = Some(first.map_or(gone, |first| first.min(gone)));
            }
        }
    }
    Ok(first.map(|first_gone_utc| OverwriteRisk {
        recorder_id: recorder,
        recordings,
        first_gone_utc,
        told_at: now,
    }))
}

fn oldest_waiting(c: &Connection, camera: CameraId) -> Result<Option<UtcTime>, CatalogError> {
    let mut oldest = None;
    for status in ["pending", "failed"] {
        let first: Option<UtcTime> = c
            .prepare_cached(
                "select start_utc from recording indexed by recording_by_camera_status
                 where camera_id = ?1 and status = ?2 and source_gone = 0 order by start_utc, id limit 1",
            )?
            .query_row(params![camera.to_string(), status], |row| {
                time(row, "start_utc")
            })
            .optional()?;
        oldest = oldest.into_iter().chain(first).min();
    }
    Ok(oldest)
}

/// A reach out of the columns `told_utc`, `oldest_utc` and `pace_ms_per_h`; None where there is none.
pub(super) fn reach_of(row: &Row<'_>) -> rusqlite::Result<Option<Reach>> {
    let (told_at, oldest) = (time_opt(row, "told_utc")?, time_opt(row, "oldest_utc")?);
    let pace_ms_per_h = row.get("pace_ms_per_h")?;
    Ok(told_at.zip(oldest).map(|(told_at, oldest)| Reach {
        newest: Reading { told_at, oldest },
        pace_ms_per_h,
    }))
}

pub(super) fn reach(
    c: &Connection,
    recorder: RecorderId,
    channel: u32,
) -> Result<Option<Reach>, CatalogError> {
    Ok(
        c.prepare_cached("select * from reach where recorder_id = ?1 and channel = ?2")?
            .query_row(params![recorder.to_string(), channel], reach_of)
            .optional()?
            .flatten(),
    )
}

fn store(
    w: &Work<'_>,
    recorder: RecorderId,
    channel: u32,
    told_at: UtcTime,
    oldest: Option<UtcTime>,
) -> Result<(), CatalogError> {
    let id = recorder.to_string();
    // Those of a clock that was ahead and has been put back say nothing.
    w.tx.prepare_cached(
        "delete from reach_reading where recorder_id = ?1 and channel = ?2 and (told_utc > ?3 or told_utc < ?4)",
    )?
    .execute(params![
        id,
        channel,
        told_at.micros(),
        told_at.plus_s(-2 * PACE_OVER_S).micros()
    ])?;
    if let Some(oldest) = oldest {
        w.tx.prepare_cached("insert or replace into reach_reading values (?1, ?2, ?3, ?4)")?
            .execute(params![id, channel, told_at.micros(), oldest.micros()])?;
    }
    let readings: Vec<Reading> =
        w.tx.prepare_cached(
            "select told_utc, oldest_utc from reach_reading where recorder_id = ?1 and channel = ?2 order by told_utc",
        )?
        .query_map(params![id, channel], |row| {
            Ok(Reading {
                told_at: time(row, "told_utc")?,
                oldest: time(row, "oldest_utc")?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let reach = oldest.and_then(|_| Reach::of(&readings));
    w.tx.prepare_cached("insert or replace into reach values (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            id,
            channel,
            told_at.micros(),
            oldest.map(UtcTime::micros),
            reach.and_then(|reach| reach.pace_ms_per_h)
        ])?;
    Ok(())
}

/// What was noted by a box's clock that was ahead and has been put back counts from now.
pub(super) fn forget_the_future(w: &Work<'_>, now: UtcTime) -> Result<(), CatalogError> {
    let now = [now.micros()];
    w.tx.prepare_cached("delete from doubt where from_utc >= ?1")?
        .execute(now)?;
    w.tx.prepare_cached(
        "update doubt set asked_utc = min(asked_utc, ?1), to_utc = min(to_utc, ?1) where asked_utc > ?1 or to_utc > ?1",
    )?
    .execute(now)?;
    Ok(())
}

// --- doubts -------------------------------------------------------------------------------------

/// Notes that stretches were answered for the first time, or again while they were in doubt.
pub(super) fn doubt(
    w: &Work<'_>,
    recorder: RecorderId,
    inventory: &Inventory,
    answered: UtcRange,
    fresh: &[UtcRange],
) -> Result<(), CatalogError> {
    let (id, channel) = (recorder.to_string(), inventory.channel);
    for stretch in fresh {
        // A neighbour in doubt is the same doubt, settled by the same reading.
        let touching = named_params! {
            ":recorder": id, ":channel": channel, ":from": stretch.from.micros(), ":to": stretch.to.micros(),
        };
        const TOUCHING: &str = "recorder_id = :recorder and channel = :channel and kind = 'open' \
                                and to_utc >= :from and from_utc <= :to";
        let (from, to): (Option<i64>, Option<i64>) =
            w.tx.prepare_cached(&format!(
                "select min(from_utc), max(to_utc) from doubt where {TOUCHING}"
            ))?
            .query_row(touching, |row| Ok((row.get(0)?, row.get(1)?)))?;
        w.tx.prepare_cached(&format!("delete from doubt where {TOUCHING}"))?
            .execute(touching)?;
        w.tx.prepare_cached(
            "insert into doubt (recorder_id, channel, kind, from_utc, to_utc, asked_utc)
             values (?1, ?2, 'open', ?3, ?4, ?5)",
        )?
        .execute(params![
            id,
            channel,
            from.unwrap_or(i64::MAX).min(stretch.from.micros()),
            to.unwrap_or(i64::MIN).max(stretch.to.micros()),
            inventory.answered_at.micros()
        ])?;
    }
    // What was in doubt and has been answered again counts from the new answer on.
    w.tx.prepare_cached(
        "update doubt set asked_utc = max(asked_utc, ?5) where recorder_id = ?1 and channel = ?2 and kind = 'open'
            and from_utc < ?4 and to_utc > ?3",
    )?
    .execute(params![
        id,
        channel,
        answered.from.micros(),
        answered.to.micros(),
        inventory.answered_at.micros()
    ])?;
    Ok(())
}

/// Doubts all that a recorder was asked about a range: the box's clock was wrong then, so it was asked about other times.
pub(super) fn doubt_anew(
    w: &Work<'_>,
    recorder: RecorderId,
    asked: UtcRange,
) -> Result<(), CatalogError> {
    let bounds = named_params! {
        ":recorder": recorder.to_string(), ":from": asked.from.micros(), ":to": asked.to.micros(),
        ":now": w.now.micros(),
    };
    w.tx.prepare_cached(
        "insert into doubt (recorder_id, channel, kind, from_utc, to_utc, asked_utc)
         select recorder_id, channel, 'open', max(from_utc, :from), min(settled_utc, :to), :now from observation
         where recorder_id = :recorder and result = 'complete'
            and max(from_utc, :from) < min(settled_utc, :to)",
    )?
    .execute(bounds)?;
    Ok(())
}

/// The stretches of a range that are in open doubt, oldest first.
pub(super) fn open_doubts(
    c: &Connection,
    recorder: RecorderId,
    channel: u32,
    range: UtcRange,
) -> Result<Vec<UtcRange>, CatalogError> {
    let doubts = doubts(c, recorder, channel, range)?;
    let open = |(stretch, open): (UtcRange, bool)| {
        open.then_some(UtcRange {
            from: stretch.from.max(range.from),
            to: stretch.to.min(range.to),
        })
    };
    Ok(doubts.into_iter().filter_map(open).collect())
}

/// The doubts that reach into a range, oldest first, and whether each is open.
pub(super) fn doubts(
    c: &Connection,
    recorder: RecorderId,
    channel: u32,
    range: UtcRange,
) -> Result<Vec<(UtcRange, bool)>, CatalogError> {
    Ok(c.prepare_cached(
        "select from_utc, to_utc, kind = 'open' as open from doubt
         where recorder_id = ?1 and channel = ?2 and to_utc > ?3 and from_utc < ?4 order by from_utc",
    )?
    .query_map(
        params![
            recorder.to_string(),
            channel,
            range.from.micros(),
            range.to.micros()
        ],
        |row| {
            let stretch = UtcRange {
                from: time(row, "from_utc")?,
                to: time(row, "to_utc")?,
            };
            Ok((stretch, row.get("open")?))
        },
    )?
    .collect::<Result<_, _>>()?)
}

/// A reading settles every doubt whose answer came before it: what lies after the oldest footage was really empty.
fn settle_doubts(
    w: &Work<'_>,
    recorder: RecorderId,
    inventory: &Inventory,
    oldest: UtcTime,
) -> Result<(), CatalogError> {
    let (id, channel) = (recorder.to_string(), inventory.channel);
    let (oldest, told) = (oldest.micros(), inventory.answered_at.micros());
    // The recorder has older footage again (a disk is back): what was beyond its reach is worth asking about.
    w.tx.prepare_cached(
        "update doubt set kind = 'open', asked_utc = ?4 where recorder_id = ?1 and channel = ?2 and kind = 'beyond'
            and to_utc > ?3",
    )?
    .execute(params![id, channel, oldest, told + 1])?;
    w.tx.prepare_cached(
        "insert into doubt (recorder_id, channel, kind, from_utc, to_utc, asked_utc)
         select recorder_id, channel, 'beyond', from_utc, min(to_utc, ?3), asked_utc from doubt
         where recorder_id = ?1 and channel = ?2 and kind = 'open' and asked_utc <= ?4 and from_utc < ?3",
    )?
    .execute(params![id, channel, oldest, told])?;
    w.tx.prepare_cached(
        "delete from doubt where recorder_id = ?1 and channel = ?2 and kind = 'open' and asked_utc <= ?3",
    )?
    .execute(params![id, channel, told])?;
    Ok(())
}

/// What waits to be fetched, ended before the oldest footage begins, and is not listed any more, is gone. What is being
/// fetched finds out by itself.
fn give_up_gone(
    w: &mut Work<'_>,
    recorder: RecorderId,
    inventory: &Inventory,
    oldest: UtcTime,
) -> Result<Vec<RecordingId>, CatalogError> {
    let Some((camera, _)) = cameras::of_channel(w.tx, recorder, inventory.channel)? else {
        return Ok(Vec::new());
    };
    // By the recorder's own clock too: a clock that was set since moves what is listed, not what it is.
    let listed: HashSet<(&str, String)> = inventory
        .recordings
        .iter()
        .map(|found| (found.source_name.as_str(), found.start.to_string()))
        .collect();
    let mut gone: Vec<RecordingId> = Vec::new();
    for status in ["pending", "failed"] {
        let mut rows = w.tx.prepare_cached(
            "select id, source_name, source_start from recording indexed by recording_by_camera_status
             where camera_id = ?1 and status = ?2 and source_gone = 0 and start_utc >= ?3 and start_utc < ?4
                and end_utc <= ?4 order by start_utc, id",
        )?;
        let rows = rows.query_map(
            params![
                camera.to_string(),
                status,
                inventory.asked.from.micros(),
                oldest.micros()
            ],
            |row| {
                let (name, start): (String, String) =
                    (row.get("source_name")?, row.get("source_start")?);
                Ok((parsed(row, "id")?, name, start))
            },
        )?;
        for row in rows {
            let (id, name, start) = row?;
            if !listed.contains(&(name.as_str(), start)) {
                gone.push(id);
            }
        }
    }
    let reason = format!("overwritten by the recorder: its oldest footage begins at {oldest}");
    for id in &gone {
        w.tx.prepare_cached(
            "update recording set status = 'failed', failure = ?2, next_attempt_utc = null, source_gone = 1,
                updated_utc = max(?3, updated_utc + 1) where id = ?1",
        )?
        .execute(params![id.to_string(), reason, w.now.micros()])?;
    }
    w.recordings_changed(Event::RecordingFailed, &gone)?;
    Ok(gone)
}
