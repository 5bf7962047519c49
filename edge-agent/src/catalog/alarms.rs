//! What people were told of and is not over: each thing is told once, not with every stroke, also over restarts. It may
//! be told again only after its row was gone, which whoever watches the thing decides (hysteresis).

use std::collections::HashSet;

use rusqlite::{Connection, params};
use wire::retention::Alarm;
use wire::telemetry::{Alert, Event, Severity};

use super::text::{Word, time, word};
use super::{Catalog, CatalogError, outbox};

/// How often it is written down that something goes on: often enough for the shortest quiet that ends an alarm.
const SEEN_EVERY_MS: i64 = 60_000;

impl Catalog {
    /// Something is wrong. Told to people only when it was not known; true then.
    pub async fn raise_alarm(
        &self,
        rule: &'static str,
        subject: String,
        severity: Severity,
        message: String,
    ) -> Result<bool, CatalogError> {
        self.write(move |w| {
            let now = w.now.micros();
            let new = w.tx.execute(
                "insert or ignore into alarm (rule, subject, severity, message, raised_utc, seen_utc)
                 values (?1, ?2, ?3, ?4, ?5, ?5)",
                params![rule, subject, severity.word(), message, now],
            )?;
            if new == 0 {
                w.tx.execute(
                    "update alarm set seen_utc = ?3, message = ?4 where rule = ?1 and subject = ?2 and seen_utc <= ?5",
                    params![rule, subject, now, message, now - SEEN_EVERY_MS * 1_000],
                )?;
                return Ok(false);
            }
            tracing::warn!(rule, subject, message, "People are told");
            let alert = Alert {
                rule: rule.to_owned(),
                severity,
                message,
            };
            outbox::enqueue(w, &Event::AlertRaised(alert))?;
            Ok(true)
        })
        .await
    }

    /// Of a rule only these subjects still hold: the alarms of others are over.
    pub async fn keep_alarms(
        &self,
        rule: &'static str,
        subjects: HashSet<String>,
    ) -> Result<(), CatalogError> {
        let over: Vec<String> = self
            .alarms()
            .await?
            .into_iter()
            .filter(|alarm| alarm.rule == rule && !subjects.contains(&alarm.subject))
            .map(|alarm| alarm.subject)
            .collect();
        if over.is_empty() {
            return Ok(());
        }
        self.write(move |w| {
            for subject in over {
                w.tx.execute(
                    "delete from alarm where rule = ?1 and subject = ?2",
                    params![rule, subject],
                )?;
                tracing::info!(rule, subject, "It is over");
            }
            Ok(())
        })
        .await
    }

    /// What people were told of under a rule and a subject is over, and they are told that too. Nothing when they were not.
    pub async fn end_alarm(
        &self,
        rule: &'static str,
        subject: String,
        message: String,
    ) -> Result<(), CatalogError> {
        let known = {
            let subject = subject.clone();
            self.read(move |c| {
                Ok::<_, CatalogError>(
                    c.prepare_cached("select 1 from alarm where rule = ?1 and subject = ?2")?
                        .exists(params![rule, subject])?,
                )
            })
            .await?
        };
        if !known {
            return Ok(());
        }
        self.write(move |w| {
            w.tx.execute(
                "delete from alarm where rule = ?1 and subject = ?2",
                params![rule, subject],
            )?;
            tracing::info!(rule, subject, message, "It is over");
            let alert = Alert {
                rule: rule.to_owned(),
                severity: Severity::Info,
                message,
            };
            outbox::enqueue(w, &Event::AlertRaised(alert))
        })
        .await
    }

    /// Alarms of a rule that were not seen for so long are over.
    pub async fn end_quiet_alarms(
        &self,
        rule: &'static str,
        quiet_ms: i64,
    ) -> Result<(), CatalogError> {
        let before = self.now().plus_ms(-quiet_ms).micros();
        let any = self
            .read(move |c| {
                Ok::<_, CatalogError>(
                    c.prepare_cached("select 1 from alarm where rule = ?1 and seen_utc < ?2")?
                        .exists(params![rule, before])?,
                )
            })
            .await?;
        if !any {
            return Ok(());
        }
        self.write(move |w| {
            w.tx.execute(
                "delete from alarm where rule = ?1 and seen_utc < ?2",
                params![rule, before],
            )?;
            tracing::info!(rule, "It is over");
            Ok(())
        })
        .await
    }

    /// What is not over, the newest first.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, CatalogError> {
        self.read(all).await
    }
}

/// What is not over, the newest first.
pub(super) fn all(c: &Connection) -> Result<Vec<Alarm>, CatalogError> {
    Ok(c.prepare_cached(
        "select rule, subject, severity, message, raised_utc from alarm order by raised_utc desc, rule, subject",
    )?
    .query_map([], |row| {
        Ok(Alarm {
            rule: row.get("rule")?,
            subject: row.get("subject")?,
            severity: word(row, "severity")?,
            message: row.get("message")?,
            since: time(row, "raised_utc")?,
        })
    })?
    .collect::<Result<_, _>>()?)
}
