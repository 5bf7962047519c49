//! What appliances tell, applied to the index (Q1): numbered reports exactly once and in order, states and presence as
//! the latest wins.
//!
//! # Design constraints
//!
//! - Many messages are applied in one transaction, since each commit is a sync of the disk; each is a savepoint, so one
//!   that the tables refuse costs nobody else anything.
//! - A report counts if it is the next of its log (`seq` = stored + 1). Older ones are repetitions, later ones a hole;
//!   neither changes anything. The number and what it brought are one transaction.
//! - A report that cannot be understood or stored still counts: a newer agent may know events that this relay does
//!   not, and waiting for it to change would stop the log for ever.
//! - Another log is believed, from its first report on, unless it is one of the last [`PAST_LOGS_MAX`].
//! - Organisation and site come from the appliance's row, never from what it tells.

use std::collections::HashMap;
use std::sync::Arc;

use base::sqlite::DbError;
use rusqlite::{ErrorCode, OptionalExtension, Transaction, params};
use wire::ids::{ApplianceId, LogId, MessageId, OrganisationId, SiteId};
use wire::poke::Ack;
use wire::resource::Recording;
use wire::telemetry::{Event, Figures, Online, State};
use wire::time::UtcTime;
use wire::topics::Subject;

use super::{Store, column};

/// Logs remembered as left behind, per appliance.
const PAST_LOGS_MAX: i64 = 16;

/// Recorders of one appliance, and cameras: far more than a box serves.
const RECORDERS_MAX: i64 = 256;
const CAMERAS_MAX: i64 = 4096;

/// Something an appliance told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A numbered report; without an event when it is of a kind that is not known here.
    Report {
        /// Its outbox.
        log: LogId,
        /// Its number.
        seq: u64,
        /// Its identity.
        id: MessageId,
        /// When the change was made.
        ts: UtcTime,
        /// What happened.
        event: Option<Event>,
    },
    /// Birth, clean stop, or last will.
    Online(Online),
    /// A retained state.
    State(UtcTime, State),
    /// A recorder or camera is no more.
    Cleared(Subject),
    /// Fleeting figures.
    Figures(Figures),
}

/// Whose an appliance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    /// Organisation.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Stored. For reports with what is acknowledged now.
    Stored(Tenant, Option<Ack>),
    /// Known already. For reports with what is acknowledged.
    Repeated(Tenant, Option<Ack>),
    /// Reports before it are missing; this is what is stored of its log.
    Gap(Ack),
    /// Not claimed here, or revoked.
    Stranger,
    /// The tables refuse it; a report's number counts all the same.
    Refused(Option<Ack>, String),
}

/// An appliance's row as far as it matters here, kept up to date within a batch.
struct Row {
    tenant: Tenant,
    ack: Option<Ack>,
    boot: Option<String>,
}

impl Store {
    /// Applies messages in order, in one transaction.
    pub async fn apply(
        &self,
        told: Arc<Vec<(ApplianceId, Told)>>,
        now: UtcTime,
    ) -> Result<Vec<Outcome>, DbError> {
        self.db
            .write(move |tx| {
                let mut rows: HashMap<ApplianceId, Option<Row>> = HashMap::new();
                let mut outcomes = Vec::with_capacity(told.len());
                for (appliance, told) in told.iter() {
                    let row = match rows.get_mut(appliance) {
                        Some(row) => row,
                        None => {
                            let row = row(tx, appliance)?;
                            rows.entry(appliance.clone()).or_insert(row)
                        }
                    };
                    outcomes.push(match row {
                        Some(row) => apply_one(tx, appliance, row, told, now)?,
                        None => Outcome::Stranger,
                    });
                }
                let mut seen =
                    tx.prepare_cached("update appliance set last_seen_utc = ?2 where id = ?1")?;
                for (appliance, row) in &rows {
                    if row.is_some() {
                        seen.execute(params![appliance.as_str(), now.micros()])?;
                    }
                }
                Ok(outcomes)
            })
            .await
    }

    /// Takes offline who has not been heard since `since`: a will is lost when the broker itself dies.
    pub async fn take_offline(
        &self,
        since: UtcTime,
    ) -> Result<Vec<(ApplianceId, Tenant)>, DbError> {
        self.db
            .write(move |tx| {
                Ok(tx
                    .prepare_cached(
                        "update appliance set online = 0 where online = 1 and coalesce(last_seen_utc, 0) < ?1 \
                         returning id, organisation_id, site_id",
                    )?
                    .query_map([since.micros()], |r| {
                        let tenant = Tenant {
                            organisation: column(r, 1)?,
                            site: column(r, 2)?,
                        };
                        Ok((column(r, 0)?, tenant))
                    })?
                    .collect::<Result<_, _>>()?)
            })
            .await
    }

    /// What is stored of the reports of each appliance that is online.
    pub async fn acknowledged_online(&self) -> Result<Vec<(ApplianceId, Ack)>, DbError> {
        self.db
            .read(|c| {
                Ok(c.prepare_cached(
                    "select id, log, seq from appliance where online = 1 and revoked = 0 and log is not null",
                )?
                .query_map([], |r| {
                    let seq = u64::try_from(r.get::<_, i64>(2)?).unwrap_or(0);
                    let log = column(r, 1)?;
                    Ok((column(r, 0)?, Ack { log, seq }))
                })?
                .collect::<Result<_, _>>()?)
            })
            .await
    }

    /// What is stored of an appliance's reports.
    #[cfg(test)]
    pub async fn acknowledged(&self, appliance: &ApplianceId) -> Result<Option<Ack>, DbError> {
        let appliance = appliance.clone();
        self.db
            .write(move |tx| Ok(row(tx, &appliance)?.and_then(|row| row.ack)))
            .await
    }
}

fn row(tx: &Transaction<'_>, appliance: &ApplianceId) -> Result<Option<Row>, DbError> {
    Ok(tx
        .prepare_cached(
            "select organisation_id, site_id, log, seq, boot_id from appliance where id = ?1 and revoked = 0",
        )?
        .query_row([appliance.as_str()], |r| {
            let log: Option<LogId> = r
                .get::<_, Option<String>>(2)?
                .map(|_| column(r, 2))
                .transpose()?;
            let seq = u64::try_from(r.get::<_, i64>(3)?).unwrap_or(0);
            Ok(Row {
                tenant: Tenant {
                    organisation: column(r, 0)?,
                    site: column(r, 1)?,
                },
                ack: log.map(|log| Ack { log, seq }),
                boot: r.get(4)?,
            })
        })
        .optional()?)
}

fn apply_one(
    tx: &Transaction<'_>,
    appliance: &ApplianceId,
    row: &mut Row,
    told: &Told,
    now: UtcTime,
) -> Result<Outcome, DbError> {
    let tenant = row.tenant;
    let mut ack = None;
    if let Told::Report { log, seq, .. } = told {
        let stored = match row.ack {
            Some(known) if known.log == *log => known.seq,
            known => {
                if is_past(tx, appliance, *log)? {
                    return Ok(Outcome::Repeated(tenant, known));
                }
                begin_log(tx, appliance, known, *log)?;
                row.ack = Some(Ack { log: *log, seq: 0 });
                0
            }
        };
        let here = Ack {
            log: *log,
            seq: stored,
        };
        if *seq <= stored {
            return Ok(Outcome::Repeated(tenant, Some(here)));
        }
        if *seq > stored + 1 {
            return Ok(Outcome::Gap(here));
        }
        let next = Ack {
            log: *log,
            seq: *seq,
        };
        tx.prepare_cached("update appliance set seq = ?2 where id = ?1")?
            .execute(params![appliance.as_str(), signed(next.seq)])?;
        row.ack = Some(next);
        ack = Some(next);
    }
    tx.execute_batch("savepoint told")?;
    match keep(tx, appliance, row, told, now) {
        Ok(true) => {
            tx.execute_batch("release told")?;
            Ok(Outcome::Stored(tenant, ack))
        }
        Ok(false) => {
            tx.execute_batch("release told")?;
            Ok(Outcome::Repeated(tenant, ack))
        }
        Err(error) if is_refusal(&error) => {
            tx.execute_batch("rollback to told; release told")?;
            Ok(Outcome::Refused(ack, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The message itself is at fault, not the database.
fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    ) || matches!(
        error,
        rusqlite::Error::ToSqlConversionFailure(_) | rusqlite::Error::IntegralValueOutOfRange(..)
    )
}

fn is_past(tx: &Transaction<'_>, appliance: &ApplianceId, log: LogId) -> rusqlite::Result<bool> {
    tx.prepare_cached("select 1 from past_log where appliance = ?1 and log = ?2")?
        .exists(params![appliance.as_str(), log.to_string()])
}

fn begin_log(
    tx: &Transaction<'_>,
    appliance: &ApplianceId,
    left: Option<Ack>,
    log: LogId,
) -> rusqlite::Result<()> {
    let id = appliance.as_str();
    if let Some(left) = left {
        tx.execute(
            "insert or ignore into past_log (appliance, log) values (?1, ?2)",
            params![id, left.log.to_string()],
        )?;
        tx.execute(
            "delete from past_log where appliance = ?1 and id not in \
             (select id from past_log where appliance = ?1 order by id desc limit ?2)",
            params![id, PAST_LOGS_MAX],
        )?;
    }
    tx.execute(
        "update appliance set log = ?2, seq = 0 where id = ?1",
        params![id, log.to_string()],
    )?;
    Ok(())
}

/// Writes what was told. False: it is older than what is known.
fn keep(
    tx: &Transaction<'_>,
    appliance: &ApplianceId,
    row: &mut Row,
    told: &Told,
    now: UtcTime,
) -> rusqlite::Result<bool> {
    let id = appliance.as_str();
    match told {
        Told::Report {
            seq,
            id: message,
            ts,
            event: Some(event),
            ..
        } => keep_event(tx, id, row.tenant, *seq, *message, *ts, event)?,
        Told::Report { event: None, .. }
        | Told::Figures(Figures::Network(_) | Figures::Camera(_)) => {}
        Told::Online(online) => return keep_presence(tx, id, row, online),
        Told::State(_, State::Agent(state)) => {
            set(tx, "agent_state", id, state)?;
        }
        Told::State(_, State::Storage(state)) => {
            set(tx, "storage_state", id, state)?;
        }
        // Consumers read it from the site's tree; pages ask the appliance.
        Told::State(_, State::Retention(_)) => {}
        Told::State(_, State::Update(update)) => {
            set(tx, "update_state", id, update)?;
        }
        Told::Figures(Figures::Host(figures)) => {
            set(tx, "host_figures", id, figures)?;
        }
        Told::State(_, State::Recorder(recorder)) => {
            make_room(tx, "recorder", id, &recorder.id.to_string(), RECORDERS_MAX)?;
            tx.prepare_cached(
                "insert into recorder (id, appliance, organisation_id, site_id, body, updated_utc) \
                 values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (appliance, id) do update set body = excluded.body, \
                 updated_utc = excluded.updated_utc",
            )?
            .execute(params![
                recorder.id.to_string(),
                id,
                row.tenant.organisation.to_string(),
                row.tenant.site.to_string(),
                json(recorder)?,
                now.micros()
            ])?;
        }
        Told::State(_, State::Camera(camera)) => {
            make_room(tx, "camera", id, &camera.id.to_string(), CAMERAS_MAX)?;
            tx.prepare_cached(
                "insert into camera (id, appliance, organisation_id, site_id, name, body, updated_utc) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (appliance, id) do update set name = excluded.name, \
                 body = excluded.body, updated_utc = excluded.updated_utc",
            )?
            .execute(params![
                camera.id.to_string(),
                id,
                row.tenant.organisation.to_string(),
                row.tenant.site.to_string(),
                camera.name,
                json(camera)?,
                now.micros()
            ])?;
        }
        Told::Cleared(Subject::Recorder(gone)) => {
            tx.prepare_cached("delete from recorder where appliance = ?1 and id = ?2")?
                .execute(params![id, gone.to_string()])?;
        }
        Told::Cleared(Subject::Camera(gone)) => {
            tx.prepare_cached("delete from camera where appliance = ?1 and id = ?2")?
                .execute(params![id, gone.to_string()])?;
        }
        Told::Cleared(Subject::Agent | Subject::Storage | Subject::Retention | Subject::Update) => {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Birth switches on. A will or a clean stop switches off only what that very start of the agent had switched on: the
/// will of an earlier start may come after the birth of a later one.
fn keep_presence(
    tx: &Transaction<'_>,
    id: &str,
    row: &mut Row,
    online: &Online,
) -> rusqlite::Result<bool> {
    let boot = online.boot_id.to_string();
    if !online.online && row.boot.as_ref().is_some_and(|known| *known != boot) {
        return Ok(false);
    }
    tx.prepare_cached(
        "update appliance set online = ?2, boot_id = ?3, version = coalesce(?4, version) where id = ?1",
    )?
    .execute(params![id, online.online, boot, online.version])?;
    row.boot = Some(boot);
    Ok(true)
}

fn keep_event(
    tx: &Transaction<'_>,
    id: &str,
    tenant: Tenant,
    seq: u64,
    message: MessageId,
    ts: UtcTime,
    event: &Event,
) -> rusqlite::Result<()> {
    if let Some(recordings) = event.recordings() {
        for recording in recordings {
            keep_recording(tx, id, tenant, seq, recording)?;
        }
        return Ok(());
    }
    match event {
        Event::AlertRaised(alert) => {
            tx.prepare_cached(
                "insert or ignore into alert (id, appliance, organisation_id, at_utc, body) values (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                message.to_string(),
                id,
                tenant.organisation.to_string(),
                ts.micros(),
                json(alert)?
            ])?;
        }
        // Who came through the relay is in its audit log already, with the address that the appliance cannot know.
        Event::AuditFootage(access) if access.via != "relay" => {
            let subject = match (access.archive_id, access.recording_id, access.camera_id) {
                (Some(archive), _, _) => format!("archive {archive}"),
                (_, Some(recording), _) => recording.to_string(),
                (_, _, camera) => camera.map_or_else(String::new, |camera| camera.to_string()),
            };
            tx.prepare_cached(
                "insert into audit (organisation_id, site_id, at_utc, person_id, username, address, action, subject, \
                 status, bytes, request_id) values (?1, ?2, ?3, null, ?4, '', ?5, ?6, 200, ?7, ?8)",
            )?
            .execute(params![
                tenant.organisation.to_string(),
                tenant.site.to_string(),
                ts.micros(),
                access.username,
                format!("lan.{}", access.action),
                subject,
                signed(access.bytes),
                access.request_id
            ])?;
        }
        _ => {}
    }
    Ok(())
}

fn keep_recording(
    tx: &Transaction<'_>,
    id: &str,
    tenant: Tenant,
    seq: u64,
    recording: &Recording,
) -> rusqlite::Result<()> {
    // A name as serde spells it, without its quotes.
    let status = json(&recording.status)?;
    tx.prepare_cached(
        "insert into recording (id, appliance, organisation_id, site_id, camera_id, status, start_utc, end_utc, \
         kept_bytes, seq, updated_utc, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         on conflict (appliance, id) do update set camera_id = excluded.camera_id, status = excluded.status, \
         start_utc = excluded.start_utc, end_utc = excluded.end_utc, kept_bytes = excluded.kept_bytes, \
         seq = excluded.seq, updated_utc = excluded.updated_utc, body = excluded.body",
    )?
    .execute(params![
        recording.id.to_string(),
        id,
        tenant.organisation.to_string(),
        tenant.site.to_string(),
        recording.camera_id.to_string(),
        status.trim_matches('"'),
        recording.start_utc.micros(),
        recording.end_utc.micros(),
        signed(recording.kept_bytes.unwrap_or(0)),
        signed(seq),
        recording.updated_at.micros(),
        json(recording)?
    ])?;
    Ok(())
}

fn set(
    tx: &Transaction<'_>,
    column: &'static str,
    id: &str,
    value: &impl serde::Serialize,
) -> rusqlite::Result<()> {
    tx.prepare_cached(&format!("update appliance set {column} = ?2 where id = ?1"))?
        .execute(params![id, json(value)?])?;
    Ok(())
}

/// Refuses a new row beyond the bound.
fn make_room(
    tx: &Transaction<'_>,
    table: &'static str,
    id: &str,
    row: &str,
    max: i64,
) -> rusqlite::Result<()> {
    let (count, known): (i64, bool) = tx
        .prepare_cached(&format!(
            "select count(*), coalesce(max(id = ?2), 0) from {table} where appliance = ?1"
        ))?
        .query_row([id, row], |r| Ok((r.get(0)?, r.get(1)?)))?;
    if known || count < max {
        Ok(())
    } else {
        Err(rusqlite::Error::ToSqlConversionFailure(
            format!("more than {max} rows of {table} for one appliance").into(),
        ))
    }
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// As SQLite counts; what does not fit is a lie in any case.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
