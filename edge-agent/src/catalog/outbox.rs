//! Reports that wait to be told to the relay (T2).
//!
//! # Design constraints
//!
//! - Nothing is reported until the appliance is claimed: then [`Catalog::start_log`] begins a *log* (an identity for
//!   one unbroken run of numbers), and the whole catalog is told into it once (*resync*).
//! - A report is written in the transaction of the change that it reports (invariant 6), numbered 1, 2, 3… without
//!   holes, and deleted only once the relay's cumulative acknowledgement covers it. A PUBACK of a broker is not one.
//! - A report holds whole recordings as they stand, at most [`BATCH_MAX`] and [`EVENT_BYTES_MAX`] (100 KiB of the
//!   payload's 128, the rest is for the envelope), so each can be applied without those before it.
//! - The resync never fills the outbox: it is written [`RESYNC_BATCHES`] reports (1,000 recordings, about 1 MB) at a
//!   time, when what waits before it has been read and fewer than [`RESYNC_WAITING_MAX`] reports are unacknowledged.
//!   A million recordings are 20,000 reports, but never at once.
//! - Bounded at [`ROWS_MAX`] rows and [`BYTES_MAX`] bytes: at 64 cameras with hourly files, about 4,600 reports a day,
//!   three weeks without a relay. When full, the reports about recordings are *collapsed*: a new log begins, and a
//!   resync tells the state they all led to. Alerts, jobs and audit cannot be told from state: they move to the new
//!   log, the newest [`KEPT_MAX`] of them; older ones are dropped, counted and said in an alert.
//! - Reading, acknowledging and back-filling touch the rows they name only (`seq` is the row id); totals are kept by
//!   triggers.

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;
use wire::ids::{ApplianceId, LogId, MessageId, RecordingId};
use wire::resource::Recording;
use wire::telemetry::{Alert, BATCH_MAX, Event, Recordings, Report, Severity};
use wire::time::UtcTime;

use super::recordings::{self, COLUMNS, recording_of};
use super::text::{parsed, size, time};
use super::{Catalog, CatalogError, Work};

/// Most rows that wait.
pub const ROWS_MAX: u64 = 100_000;
/// Most bytes of events that wait.
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes of one event.
pub const EVENT_BYTES_MAX: usize = 100 * 1024;
/// Reports of a resync that are written at a time.
pub const RESYNC_BATCHES: usize = 20;
/// Reports that may wait for an acknowledgement while a resync goes on.
pub const RESYNC_WAITING_MAX: u64 = 200;
/// Alerts, jobs and audit that survive a collapse.
pub const KEPT_MAX: u64 = 10_000;

/// A report as it waits; [`OutboxRow::into_report`] makes the message of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Its log.
    pub log: LogId,
    /// Its number.
    pub seq: u64,
    /// Its identity.
    pub id: MessageId,
    /// When the change was made.
    pub ts: UtcTime,
    /// What happened.
    pub event: Event,
}

impl OutboxRow {
    /// The message, as this appliance tells it.
    pub fn into_report(self, appliance: ApplianceId) -> Report {
        Report {
            v: wire::version::TELEMETRY,
            appliance,
            log: self.log,
            seq: self.seq,
            id: self.id,
            ts: self.ts,
            event: self.event,
        }
    }
}

/// Where the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxState {
    /// Its log.
    pub log: LogId,
    /// Number of the newest report.
    pub last_seq: u64,
    /// Reports that wait.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether a resync is still being told.
    pub resyncing: bool,
}

impl OutboxState {
    /// Whether the report with this number is no longer kept. Rows are deleted from the front only: the oldest that
    /// waits says what is gone.
    fn is_gone(&self, seq: u64) -> bool {
        let oldest = self.last_seq + 1 - self.rows;
        seq < oldest && seq <= self.last_seq
    }
}

/// Answer to a relay that misses reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Backfill {
    /// Here they are, from the asked number on; empty when there is nothing newer.
    Reports(Vec<OutboxRow>),
    /// They were acknowledged and are no longer kept: only a resync helps ([`Catalog::resync_lost`]).
    Gone,
    /// The log is not the one that is told: whoever asks hears of that one by its reports.
    OtherLog,
}

impl Catalog {
    /// Begins a new log: what waited is dropped, and the whole catalog is told. After a claim, or when the relay has
    /// lost track.
    pub async fn start_log(&self) -> Result<LogId, CatalogError> {
        self.write(|w| {
            let log = new_log(w)?;
            w.effects.reported = true;
            Ok(log)
        })
        .await
    }

    /// Ends reporting: the appliance is no longer claimed.
    pub async fn stop_log(&self) -> Result<(), CatalogError> {
        self.write(|w| {
            w.tx.execute("delete from outbox", [])?;
            w.tx.execute("delete from outbox_log", [])?;
            Ok(())
        })
        .await
    }

    /// Where the outbox stands; none while nothing is reported.
    pub async fn outbox(&self) -> Result<Option<OutboxState>, CatalogError> {
        self.read(state).await
    }

    /// Moves whenever reports were added (or a log was begun). Look at [`Catalog::batch`] once before waiting.
    pub fn waiting(&self) -> watch::Receiver<u64> {
        self.signals.outbox.subscribe()
    }

    /// The reports after a number, in order, at most `limit`. Empty while nothing is reported. Continues a resync as
    /// far as is needed to have something to tell.
    pub async fn batch(
        &self,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, CatalogError> {
        let rows = self.read(move |c| rows(c, after_seq, limit)).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        match self.outbox().await? {
            Some(outbox) if outbox.resyncing && outbox.rows < RESYNC_WAITING_MAX => {
                self.write(continue_resync).await?;
                self.read(move |c| self::rows(c, after_seq, limit)).await
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The relay has stored everything up to a number of a log: those reports go. Another log's acknowledgement is
    /// left alone. Returns how many went.
    pub async fn ack(&self, log: LogId, seq: u64) -> Result<u64, CatalogError> {
        self.write(move |w| match state(w.tx)? {
            Some(state) if state.log == log => {
                let seq = super::text::signed(seq);
                // Room again: a resync may go on.
                w.effects.reported |= state.resyncing;
                Ok(w.tx.execute("delete from outbox where seq <= ?1", [seq])? as u64)
            }
            _ => Ok(0),
        })
        .await
    }

    /// Reports of a log from a number on, for a relay that misses some.
    pub async fn reports_from(
        &self,
        log: LogId,
        from: u64,
        limit: usize,
    ) -> Result<Backfill, CatalogError> {
        self.read(move |c| match state(c)? {
            Some(state) if state.log == log && state.is_gone(from) => Ok(Backfill::Gone),
            Some(state) if state.log == log => {
                Ok(Backfill::Reports(rows(c, from.saturating_sub(1), limit)?))
            }
            _ => Ok(Backfill::OtherLog),
        })
        .await
    }

    /// The relay misses reports of a log from a number on. When they are no longer kept a new log begins; when they
    /// are, or belong to an older log, nothing changes, so that asking twice is asking once. Returns the log that is
    /// told now; none while nothing is reported.
    pub async fn resync_lost(&self, log: LogId, from: u64) -> Result<Option<LogId>, CatalogError> {
        self.write(move |w| match state(w.tx)? {
            Some(state) if state.log == log && state.is_gone(from) => {
                w.effects.reported = true;
                new_log(w).map(Some)
            }
            told => Ok(told.map(|state| state.log)),
        })
        .await
    }

    /// Reports something that is not a change of a recording. Dropped while nothing is reported.
    #[allow(
        dead_code,
        reason = "what needs people is raised as an alarm now; jobs and mails may report by this"
    )]
    pub async fn report(&self, event: Event) -> Result<(), CatalogError> {
        self.write(move |w| enqueue(w, &event)).await
    }
}

/// Where it stands; None while nothing is reported.
pub(super) fn state(c: &Connection) -> Result<Option<OutboxState>, CatalogError> {
    Ok(
        c.prepare_cached("select log, last_seq, rows, bytes, resync_after from outbox_log")?
            .query_row([], |row| {
                Ok(OutboxState {
                    log: parsed(row, "log")?,
                    last_seq: size(row, "last_seq")?,
                    rows: size(row, "rows")?,
                    bytes: size(row, "bytes")?,
                    resyncing: row.get::<_, Option<String>>("resync_after")?.is_some(),
                })
            })
            .optional()?,
    )
}

fn rows(c: &Connection, after_seq: u64, limit: usize) -> Result<Vec<OutboxRow>, CatalogError> {
    let Some(OutboxState { log, .. }) = state(c)? else {
        return Ok(Vec::new());
    };
    Ok(c.prepare_cached(
        "select seq, id, ts_utc, event from outbox where seq > ?1 order by seq limit ?2",
    )?
    .query_map(
        params![super::text::signed(after_seq), limit as i64],
        |row| {
            let event: String = row.get("event")?;
            Ok(OutboxRow {
                log,
                seq: size(row, "seq")?,
                id: parsed(row, "id")?,
                ts: time(row, "ts_utc")?,
                event: serde_json::from_str(&event).map_err(|e| {
                    rusqlite::Error::FromSqlConversionFailure(
                        0,
                        rusqlite::types::Type::Text,
                        Box::new(e),
                    )
                })?,
            })
        },
    )?
    .collect::<Result<_, _>>()?)
}

/// Adds a report to the transaction, if anything is reported at all.
pub(super) fn enqueue(w: &mut Work<'_>, event: &Event) -> Result<(), CatalogError> {
    let Some(state) = state(w.tx)? else {
        return Ok(());
    };
    if state.rows >= ROWS_MAX || state.bytes >= BYTES_MAX {
        collapse(w)?;
    }
    insert(w, event)
}

fn insert(w: &mut Work<'_>, event: &Event) -> Result<(), CatalogError> {
    w.tx.prepare_cached(
        "insert into outbox (seq, id, ts_utc, event)
         select last_seq + 1, ?1, ?2, ?3 from outbox_log",
    )?
    .execute(params![
        MessageId::new().to_string(),
        w.now.micros(),
        serde_json::to_string(event)?
    ])?;
    w.effects.reported = true;
    Ok(())
}

/// Reports recordings as they stand now, in as few events as their bounds allow.
pub(super) fn report_recordings(
    w: &mut Work<'_>,
    event: fn(Recordings) -> Event,
    ids: &[RecordingId],
) -> Result<(), CatalogError> {
    if ids.is_empty() || state(w.tx)?.is_none() {
        return Ok(());
    }
    let mut batch = Batch::default();
    for id in ids {
        let recording = recordings::get(w.tx, *id)?;
        if let Some(full) = batch.add(recording)? {
            enqueue(w, &event(full))?;
        }
    }
    match batch.take() {
        Some(rest) => enqueue(w, &event(rest)),
        None => Ok(()),
    }
}

/// Recordings gathered for one event.
#[derive(Default)]
struct Batch {
    recordings: Vec<Recording>,
    bytes: usize,
}

impl Batch {
    /// Adds one; gives out the batch before it when that is full.
    fn add(&mut self, recording: Recording) -> Result<Option<Recordings>, CatalogError> {
        let bytes = serde_json::to_vec(&recording)?.len() + 1;
        let full = self.recordings.len() == BATCH_MAX || self.bytes + bytes > EVENT_BYTES_MAX;
        let out = if full { self.take() } else { None };
        self.bytes += bytes;
        self.recordings.push(recording);
        Ok(out)
    }

    fn take(&mut self) -> Option<Recordings> {
        self.bytes = 0;
        let recordings = std::mem::take(&mut self.recordings);
        (!recordings.is_empty()).then_some(Recordings { recordings })
    }
}

fn new_log(w: &mut Work<'_>) -> Result<LogId, CatalogError> {
    let log = LogId::new();
    w.tx.execute("delete from outbox", [])?;
    w.tx.execute("delete from outbox_log", [])?;
    w.tx.execute(
        "insert into outbox_log (one, log, resync_after) values (1, ?1, '')",
        [log.to_string()],
    )?;
    Ok(log)
}

/// The whole catalog is told anew, if anything is told at all.
pub(super) fn resync(w: &mut Work<'_>) -> Result<(), CatalogError> {
    if state(w.tx)?.is_some() {
        new_log(w)?;
        w.effects.reported = true;
    }
    Ok(())
}

/// The outbox is full: see the head of this file.
fn collapse(w: &mut Work<'_>) -> Result<(), CatalogError> {
    const NOT_RECORDINGS: &str = "json_extract(event, '$.type') not like 'recording.%'";
    let others: u64 = w.tx.query_row(
        &format!("select count(*) as n from outbox where {NOT_RECORDINGS}"),
        [],
        |row| size(row, "n"),
    )?;
    let kept: Vec<(String, i64, String)> = w
        .tx
        .prepare(&format!(
            "select id, ts_utc, event from
                (select * from outbox where {NOT_RECORDINGS} order by seq desc limit ?1) order by seq"
        ))?
        .query_map([super::text::signed(KEPT_MAX)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let log = new_log(w)?;
    for (id, ts, event) in kept {
        w.tx.prepare_cached(
            "insert into outbox (seq, id, ts_utc, event) select last_seq + 1, ?1, ?2, ?3 from outbox_log",
        )?
        .execute(params![id, ts, event])?;
    }
    let dropped = others.saturating_sub(KEPT_MAX);
    tracing::warn!(outbox.log = %log, outbox.dropped = dropped,
        "The outbox was full after a long time without the relay; a new log begins and the catalog is told anew");
    if dropped > 0 {
        let alert = Alert {
            rule: "outbox_full".to_owned(),
            severity: Severity::Warning,
            message: format!(
                "The relay was out of reach for so long that the {dropped} oldest alerts and access reports were dropped. \
                 The access log on the appliance still has every access."
            ),
        };
        insert(w, &Event::AlertRaised(alert))?;
    }
    Ok(())
}

/// Tells the next stretch of the catalog into the log.
fn continue_resync(w: &mut Work<'_>) -> Result<(), CatalogError> {
    let after: Option<Option<String>> =
        w.tx.query_row("select resync_after from outbox_log", [], |row| row.get(0))
            .optional()?;
    let Some(Some(after)) = after else {
        return Ok(());
    };
    let limit = RESYNC_BATCHES * BATCH_MAX;
    let stretch: Vec<Recording> =
        w.tx.prepare_cached(&format!(
            "select {COLUMNS} from recording where id > ?1 order by id limit ?2"
        ))?
        .query_map(params![after, limit as i64], recording_of)?
        .collect::<Result<_, _>>()?;
    let next = (stretch.len() == limit)
        .then(|| stretch.last().map(|recording| recording.id.to_string()))
        .flatten();
    let mut batch = Batch::default();
    for recording in stretch {
        if let Some(full) = batch.add(recording)? {
            insert(w, &Event::RecordingChanged(full))?;
        }
    }
    if let Some(rest) = batch.take() {
        insert(w, &Event::RecordingChanged(rest))?;
    }
    w.tx.execute("update outbox_log set resync_after = ?1", [next])?;
    Ok(())
}
