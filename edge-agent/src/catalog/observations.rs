//! What a recorder answered about a channel, when; and what it says it holds.
//!
//! The newest recording of a channel usually still grows, so what ends within the settle margin of the recorder's now
//! is left alone: it is not in the catalog yet, the observation counts as settled only up to where it begins, and the
//! next one asks again from there. What is in the catalog therefore rarely changes any more; when it does (size, end),
//! the row follows until it is completed.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, named_params, params};
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::{Defect, DefectKind, RecordingStatus};
use wire::telemetry::Event;
use wire::time::UtcTime;

use super::text::{cut, parsed, signed, size, time, word};
use super::{Catalog, CatalogError, Work, cameras, reach, recorders};
use crate::model::inventory::{FoundRecording, Inventory, Placement};
use crate::model::time::{RecorderTime, UtcRange};

/// How far a recording may seem to have moved, by a clock that drifts, and is still the same.
const SAME_PLACE_MS: i64 = 60_000;

/// What an observation brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Listed for the first time.
    pub new: Vec<RecordingId>,
    /// Known, and now longer or larger.
    pub changed: Vec<RecordingId>,
    /// Held, but the recorder now says that it is longer: kept with a defect.
    pub outgrown: Vec<RecordingId>,
    /// Left alone because they may still grow.
    pub growing: u64,
}

impl Catalog {
    /// Stores one complete answer about a channel: the observation, and the recordings it lists, in one transaction.
    /// Storing the same answer twice changes nothing.
    pub async fn record_observation(
        &self,
        recorder: RecorderId,
        inventory: &Inventory,
        settle_ms: i64,
    ) -> Result<Observed, CatalogError> {
        let inventory = inventory.clone();
        self.write(move |w| {
            let known = recorders::get(w.tx, recorder)?;
            let serial = known
                .serial
                .ok_or(CatalogError::NeverLoggedIn(known.name.clone()))?;
            let (camera, _) = cameras::of_channel(w.tx, recorder, inventory.channel)?.ok_or(
                CatalogError::NoChannel {
                    recorder: known.name,
                    channel: inventory.channel,
                },
            )?;
            let calm = inventory.answered_at.plus_ms(-settle_ms.max(0));
            let mut settled = inventory.asked.to.min(calm).max(inventory.asked.from);
            let mut observed = Observed::default();
            forget_the_future(w, inventory.answered_at)?;
            let settled_before = Settled::of(w.tx, recorder, &inventory)?;
            let listed: HashSet<_> = inventory
                .recordings
                .iter()
                .map(|found| (found.source_name.as_str(), found.start))
                .collect();
            for found in &inventory.recordings {
                let other_pass = RecorderTime {
                    second_pass: !found.start.second_pass,
                    ..found.start
                };
                let both_listed = listed.contains(&(found.source_name.as_str(), other_pass));
                let namesakes = namesakes(w.tx, &serial, inventory.channel, found)?;
                let mut stands = stands_for(&namesakes, found, both_listed);
                let mut placed = found.clone();
                if let (StandsFor::New(_), Some(other)) = (&stands, settled_before.elsewhere(found))
                {
                    placed.place(other);
                    stands = stands_for(&namesakes, &placed, both_listed);
                }
                let found = &placed;
                match stands {
                    StandsFor::Known(row) => follow(w, row, found, &mut observed)?,
                    StandsFor::New(_) if found.span.to > calm => {
                        observed.growing += 1;
                        settled = settled.min(found.span.from).max(inventory.asked.from);
                    }
                    StandsFor::New(nth) => observed
                        .new
                        .push(add(w, camera, &serial, &inventory, found, nth)?),
                }
            }
            let answered = UtcRange {
                from: inventory.asked.from,
                to: settled,
            };
            let known = covered(
                w.tx,
                recorder,
                inventory.channel,
                answered,
                inventory.answered_at,
            )?;
            let fresh = subtract(answered, &known);
            remember(w, recorder, &inventory, settled)?;
            reach::doubt(w, recorder, &inventory, answered, &fresh)?;
            forget_failure(w, recorder, inventory.channel)?;
            w.recordings_changed(Event::RecordingDiscovered, &observed.new)?;
            let mut changed = observed.changed.clone();
            changed.extend(&observed.outgrown);
            w.recordings_changed(Event::RecordingChanged, &changed)?;
            Ok(observed)
        })
        .await
    }

    /// Stores that a channel could not be asked about: nothing may be concluded about the range.
    pub async fn record_failed_observation(
        &self,
        recorder: RecorderId,
        channel: u32,
        asked: UtcRange,
        failure: &str,
    ) -> Result<(), CatalogError> {
        let failure = cut(failure, 1_000);
        self.write(move |w| {
            recorders::get(w.tx, recorder)?;
            let extended = w.tx.execute(
                "update observation set from_utc = min(from_utc, :from), settled_utc = min(from_utc, :from),
                    to_utc = max(to_utc, :to), asked_utc = :now, failure = :failure
                 where recorder_id = :recorder and channel = :channel and result = 'failed'",
                named_params! {
                    ":from": asked.from.micros(), ":to": asked.to.micros(), ":now": w.now.micros(),
                    ":failure": failure, ":recorder": recorder.to_string(), ":channel": channel,
                },
            )?;
            if extended == 0 {
                w.tx.execute(
                    "insert into observation
                        (recorder_id, channel, from_utc, to_utc, settled_utc, asked_utc, result, failure)
                     values (?1, ?2, ?3, ?4, ?3, ?5, 'failed', ?6)",
                    params![
                        recorder.to_string(),
                        channel,
                        asked.from.micros(),
                        asked.to.micros(),
                        w.now.micros(),
                        failure
                    ],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// What is still to be asked about a channel within a horizon, oldest first: where no complete answer is settled.
    /// The newest stretch is always part of it, because nothing settles before the settle margin has passed.
    pub async fn uncovered(
        &self,
        recorder: RecorderId,
        channel: u32,
        horizon: UtcRange,
    ) -> Result<Vec<UtcRange>, CatalogError> {
        let now = self.now();
        self.read(move |c| {
            let covered = covered(c, recorder, channel, horizon, now)?;
            Ok(subtract(horizon, &covered))
        })
        .await
    }

    /// The same, and also where an answer was empty and it has not been shown since that it proves anything.
    pub async fn uncovered_or_doubtful(
        &self,
        recorder: RecorderId,
        channel: u32,
        horizon: UtcRange,
    ) -> Result<Vec<UtcRange>, CatalogError> {
        let now = self.now();
        self.read(move |c| {
            let mut left = subtract(horizon, &covered(c, recorder, channel, horizon, now)?);
            left.extend(reach::open_doubts(c, recorder, channel, horizon)?);
            left.sort_by_key(|range| range.from);
            Ok(united(&left))
        })
        .await
    }
}

/// Forgets what was asked by a box's clock that was ahead and has been put back: nothing is settled in the future, and
/// what is believed to be would never be asked for.
fn forget_the_future(w: &Work<'_>, now: UtcTime) -> Result<(), CatalogError> {
    let forgotten = w.tx.execute(
        "delete from observation where settled_utc > ?1 or (result = 'failed' and from_utc > ?1)",
        [now.micros()],
    )?;
    reach::forget_the_future(w, now)?;
    if forgotten > 0 {
        tracing::warn!(
            observations = forgotten,
            "This box's clock was ahead and has been put back; what was asked by it is asked again"
        );
    }
    Ok(())
}

/// The settled ranges of a channel that reach into a range, oldest first. What is settled in the future was not asked
/// by a clock that was right.
pub(super) fn covered(
    c: &Connection,
    recorder: RecorderId,
    channel: u32,
    range: UtcRange,
    now: UtcTime,
) -> Result<Vec<UtcRange>, CatalogError> {
    Ok(c.prepare_cached(
        "select from_utc, settled_utc from observation
         where recorder_id = ?1 and channel = ?2 and result = 'complete' and settled_utc > ?3 and from_utc < ?4
            and settled_utc <= ?5
         order by from_utc",
    )?
    .query_map(
        params![
            recorder.to_string(),
            channel,
            range.from.micros(),
            range.to.micros(),
            now.micros()
        ],
        |row| {
            Ok(UtcRange {
                from: UtcTime::from_micros(row.get(0)?),
                to: UtcTime::from_micros(row.get(1)?),
            })
        },
    )?
    .collect::<Result<_, _>>()?)
}

/// What is left of a range without the covered ones (given by their start, overlaps allowed). Pure.
pub fn subtract(range: UtcRange, covered: &[UtcRange]) -> Vec<UtcRange> {
    let (mut left, mut at) = (Vec::new(), range.from);
    for cover in covered.iter().filter(|cover| cover.from < cover.to) {
        if cover.from > at && at < range.to {
            left.push(UtcRange {
                from: at,
                to: cover.from.min(range.to),
            });
        }
        at = at.max(cover.to);
    }
    if at < range.to {
        left.push(UtcRange {
            from: at,
            to: range.to,
        });
    }
    left
}

/// Where everything was listed before this answer.
struct Settled(Vec<UtcRange>);

impl Settled {
    fn of(
        c: &Connection,
        recorder: RecorderId,
        inventory: &Inventory,
    ) -> Result<Self, CatalogError> {
        let ambiguous = inventory
            .recordings
            .iter()
            .filter(|found| !found.others.is_empty());
        let spans = ambiguous.flat_map(|found| {
            let others = found.others.iter().map(|other| other.span);
            others.chain([found.span])
        });
        let all = spans.reduce(|all, span| UtcRange {
            from: all.from.min(span.from),
            to: all.to.max(span.to),
        });
        Ok(Self(match all {
            Some(all) => covered(c, recorder, inventory.channel, all, inventory.answered_at)?,
            None => Vec::new(),
        }))
    }

    /// Where a recording that is not known must lie instead, when it was placed where everything was listed before.
    fn elsewhere(&self, found: &FoundRecording) -> Option<Placement> {
        let known = |span: UtcRange| {
            self.0
                .iter()
                .any(|s| s.from <= span.from && span.to <= s.to)
        };
        if !known(found.span) {
            return None;
        }
        found
            .others
            .iter()
            .find(|other| !known(other.span))
            .copied()
    }
}

/// A row of the same name and start, as told.
struct Known {
    id: RecordingId,
    status: RecordingStatus,
    start: UtcTime,
    second_pass: bool,
    nth: u32,
    source_end: String,
    stated_bytes: u64,
    gone: bool,
}

/// Those that share a listed recording's name and start, whichever pass and however many, oldest first.
fn namesakes(
    c: &Connection,
    serial: &str,
    channel: u32,
    found: &FoundRecording,
) -> Result<Vec<Known>, CatalogError> {
    Ok(c.prepare_cached(
        "select id, status, start_utc, source_fold, source_nth, source_end, stated_bytes, source_gone from recording
         where recorder_serial = ?1 and channel = ?2 and source_name = ?3 and source_start = ?4
         order by source_fold, source_nth",
    )?
    .query_map(
        params![serial, channel, found.source_name, found.start.to_string()],
        |row| {
            Ok(Known {
                id: parsed(row, "id")?,
                status: word(row, "status")?,
                start: time(row, "start_utc")?,
                second_pass: row.get("source_fold")?,
                nth: row.get("source_nth")?,
                source_end: row.get("source_end")?,
                stated_bytes: size(row, "stated_bytes")?,
                gone: row.get("source_gone")?,
            })
        },
    )?
    .collect::<Result<_, _>>()?)
}

/// What a listed recording is to the catalog.
enum StandsFor<'a> {
    /// This row.
    Known(&'a Known),
    /// None yet: the how-manieth of its name and start.
    New(u32),
}

/// Decides which row stands for a listed recording. Same end and size: the same, wherever it would be placed now, so
/// that a clock that was set since neither moves nor doubles it. Otherwise it has grown, unless it lies elsewhere in
/// true time: then the recorder's clock was set back and it used the name and the start again. `both_listed`: the answer
/// has both passes of that name and start, so that the one is not the other.
fn stands_for<'a>(
    namesakes: &'a [Known],
    found: &FoundRecording,
    both_listed: bool,
) -> StandsFor<'a> {
    let end = found.end.to_string();
    let alike =
        |known: &&Known| known.source_end == end && known.stated_bytes == found.stated_bytes;
    let same_pass = |known: &&Known| known.second_pass == found.start.second_pass;
    let there = |known: &&Known| known.start.ms_since(found.span.from).abs() <= SAME_PLACE_MS;
    let of_pass = || namesakes.iter().filter(same_pass).rev();
    let known = of_pass()
        .find(alike)
        .or_else(|| namesakes.iter().rev().filter(|_| !both_listed).find(alike))
        .or_else(|| of_pass().find(there));
    match known {
        Some(known) => StandsFor::Known(known),
        None => StandsFor::New(of_pass().next().map_or(1, |newest| newest.nth + 1)),
    }
}

fn add(
    w: &Work<'_>,
    camera: CameraId,
    serial: &str,
    inventory: &Inventory,
    found: &FoundRecording,
    nth: u32,
) -> Result<RecordingId, CatalogError> {
    let id = RecordingId::new();
    w.tx.prepare_cached(
        "insert into recording (id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name,
            source_start, source_fold, source_end, source_end_fold, clock_offset_ms, zone_minutes, stated_bytes,
            source_type, source_locked, source_nth, created_utc, updated_utc)
         values (?1, ?2, 'pending', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18)",
    )?
    .execute(params![
        id.to_string(),
        camera.to_string(),
        found.span.from.micros(),
        found.span.to.micros(),
        serial,
        inventory.channel,
        found.source_name,
        found.start.to_string(),
        found.start.second_pass,
        found.end.to_string(),
        found.end.second_pass,
        found.clock.offset_ms,
        found.clock.zone_minutes,
        signed(found.stated_bytes),
        found.source_type,
        found.source_locked,
        nth,
        w.now.micros(),
    ])?;
    Ok(id)
}

/// A known recording is listed again. One that has left stays a tombstone; one that is held stays as it is.
fn follow(
    w: &Work<'_>,
    known: &Known,
    found: &FoundRecording,
    observed: &mut Observed,
) -> Result<(), CatalogError> {
    let same =
        known.source_end == found.end.to_string() && known.stated_bytes == found.stated_bytes;
    match known.status {
        RecordingStatus::Evicted => Ok(()),
        RecordingStatus::Completed => {
            // The texts are wall clocks of one format, so they compare as times do.
            if found.end.to_string() > known.source_end {
                outgrown(w, known, found)?;
                observed.outgrown.push(known.id);
            }
            Ok(())
        }
        _ if same && !known.gone => Ok(()),
        _ => {
            // Larger than what was given up, or listed again after all: it gets a new chance.
            w.tx.prepare_cached(
                "update recording set end_utc = max(start_utc, ?2), source_end = ?3, source_end_fold = ?4,
                    stated_bytes = ?5, source_gone = 0, rejected_digest = null,
                    attempts = iif(status = 'failed', 0, attempts), failure = iif(status = 'failed', null, failure),
                    next_attempt_utc = iif(status = 'failed', null, next_attempt_utc),
                    status = iif(status = 'failed', 'pending', status), updated_utc = max(?6, updated_utc + 1)
                 where id = ?1",
            )?
            .execute(params![
                known.id.to_string(),
                found.span.to.micros(),
                found.end.to_string(),
                found.end.second_pass,
                signed(found.stated_bytes),
                w.now.micros()
            ])?;
            observed.changed.push(known.id);
            Ok(())
        }
    }
}

/// A recording that is held turns out to go on at the recorder. What is held is kept, and says that it is short.
fn outgrown(w: &Work<'_>, known: &Known, found: &FoundRecording) -> Result<(), CatalogError> {
    let text: String = w.tx.query_row(
        "select defects from recording where id = ?1",
        [known.id.to_string()],
        |row| row.get(0),
    )?;
    let mut defects: Vec<Defect> = serde_json::from_str(&text)?;
    defects.retain(|defect| defect.kind != DefectKind::Short);
    defects.push(Defect {
        kind: DefectKind::Short,
        message: format!(
            "the recorder listed it until {} when it was fetched, and until {} later",
            known.source_end, found.end
        ),
    });
    w.tx.execute(
        "update recording set defects = ?2, source_end = ?3, source_end_fold = ?4,
            updated_utc = max(?5, updated_utc + 1) where id = ?1",
        params![
            known.id.to_string(),
            serde_json::to_string(&defects)?,
            found.end.to_string(),
            found.end.second_pass,
            w.now.micros()
        ],
    )?;
    Ok(())
}

/// Stores a complete answer, extending those that it continues, and forgets failures that it makes good.
fn remember(
    w: &Work<'_>,
    recorder: RecorderId,
    inventory: &Inventory,
    settled: UtcTime,
) -> Result<(), CatalogError> {
    let (id, asked) = (recorder.to_string(), inventory.asked);
    let touching = named_params! {
        ":recorder": id, ":channel": inventory.channel, ":from": asked.from.micros(), ":settled": settled.micros(),
    };
    const TOUCHING: &str = "recorder_id = :recorder and channel = :channel and result = 'complete' \
                            and settled_utc >= :from and from_utc <= :settled";
    let (from, settled_all, to): (Option<i64>, Option<i64>, Option<i64>) = w.tx.query_row(
        &format!(
            "select min(from_utc), max(settled_utc), max(to_utc) from observation where {TOUCHING}"
        ),
        touching,
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    w.tx.execute(
        &format!("delete from observation where {TOUCHING}"),
        touching,
    )?;
    w.tx.execute(
        "insert into observation (recorder_id, channel, from_utc, to_utc, settled_utc, asked_utc, result, found,
            clock_offset_ms, zone_minutes) values (?1, ?2, ?3, ?4, ?5, ?6, 'complete', ?7, ?8, ?9)",
        params![
            id,
            inventory.channel,
            from.unwrap_or(i64::MAX).min(asked.from.micros()),
            to.unwrap_or(i64::MIN).max(asked.to.micros()),
            settled_all.unwrap_or(i64::MIN).max(settled.micros()),
            inventory.answered_at.micros(),
            inventory.recordings.len() as i64,
            inventory.clock.offset_ms,
            inventory.clock.zone_minutes,
        ],
    )?;
    Ok(())
}

/// Forgets that a channel could not be asked once all of it has been answered since.
fn forget_failure(w: &Work<'_>, recorder: RecorderId, channel: u32) -> Result<(), CatalogError> {
    let Some((failed, _)) = failure(w.tx, recorder, channel)? else {
        return Ok(());
    };
    if subtract(failed, &covered(w.tx, recorder, channel, failed, w.now)?).is_empty() {
        w.tx.execute(
            "delete from observation where recorder_id = ?1 and channel = ?2 and result = 'failed'",
            params![recorder.to_string(), channel],
        )?;
    }
    Ok(())
}

/// Where a channel could not be asked when it was tried last, and why.
pub(super) fn failure(
    c: &Connection,
    recorder: RecorderId,
    channel: u32,
) -> Result<Option<(UtcRange, String)>, CatalogError> {
    Ok(c.prepare_cached(
        "select from_utc, to_utc, failure from observation
         where recorder_id = ?1 and channel = ?2 and result = 'failed'",
    )?
    .query_row(params![recorder.to_string(), channel], |row| {
        let range = UtcRange {
            from: UtcTime::from_micros(row.get(0)?),
            to: UtcTime::from_micros(row.get(1)?),
        };
        Ok((range, row.get(2)?))
    })
    .optional()?)
}

/// Ranges given by their start, those that touch as one. Pure.
fn united(ranges: &[UtcRange]) -> Vec<UtcRange> {
    let mut united: Vec<UtcRange> = Vec::new();
    for range in ranges.iter().filter(|range| range.from < range.to) {
        match united.last_mut() {
            Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
            _ => united.push(*range),
        }
    }
    united
}
