//! The audit log (Q6): rows are added, and their bytes grow while a body flows; nothing is changed or removed.

use base::sqlite::DbError;
use rusqlite::{Row, params, params_from_iter};
use wire::ids::{OrganisationId, SiteId, UserId};
use wire::time::UtcTime;

use super::{Scope, Store, column};

/// What somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Tenant; none: a matter of the relay itself.
    pub organisation: Option<OrganisationId>,
    /// Site, where there is one.
    pub site: Option<SiteId>,
    /// When.
    pub at: UtcTime,
    /// Who, if known.
    pub person: Option<UserId>,
    /// Login name as known or as typed.
    pub username: String,
    /// From where.
    pub address: String,
    /// What, dotted.
    pub action: &'static str,
    /// To what.
    pub subject: String,
    /// How it was answered.
    pub status: u16,
    /// Bytes sent so far, for footage.
    pub bytes: Option<u64>,
    /// Finds the request in the journal.
    pub request_id: String,
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number; grows with time.
    pub id: i64,
    /// Site, where there is one.
    pub site: Option<SiteId>,
    /// When.
    pub at: UtcTime,
    /// Who, if known.
    pub person: Option<UserId>,
    /// Login name.
    pub username: String,
    /// From where.
    pub address: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// How it was answered.
    pub status: u16,
    /// Bytes sent, for footage.
    pub bytes: Option<u64>,
    /// Finds the request in the journal.
    pub request_id: String,
}

impl Store {
    /// Adds an entry; its number lets bytes be added.
    pub async fn add_audit(&self, entry: NewEntry) -> Result<i64, DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "insert into audit (organisation_id, site_id, at_utc, person_id, username, address, action, subject,
                         status, bytes, request_id) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    params![
                        entry.organisation.map(|id| id.to_string()),
                        entry.site.map(|id| id.to_string()),
                        entry.at.micros(),
                        entry.person.map(|id| id.to_string()),
                        entry.username,
                        entry.address,
                        entry.action,
                        entry.subject,
                        entry.status,
                        entry.bytes.map(signed),
                        entry.request_id
                    ],
                )?;
                Ok(tx.last_insert_rowid())
            })
            .await
    }

    /// Adds bytes that have been sent since, to several entries at once.
    pub async fn add_audit_bytes(&self, sent: Vec<(i64, u64)>) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                let mut add = tx.prepare_cached(
                    "update audit set bytes = coalesce(bytes, 0) + ?2 where id = ?1",
                )?;
                for (id, bytes) in sent {
                    add.execute(params![id, signed(bytes)])?;
                }
                Ok(())
            })
            .await
    }

    /// Entries, newest first. People who see some sites only do not see the audit log (`access.rs`).
    pub async fn audit(
        &self,
        scope: Scope,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Entry>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("organisation_id", "site_id");
                values.push(before.unwrap_or(i64::MAX).into());
                values.push(i64::from(limit).into());
                let sql = format!(
                    "select id, site_id, at_utc, person_id, username, address, action, subject, status, bytes, request_id
                     from audit where {condition} and id < ? order by id desc limit ?"
                );
                let mut rows = c.prepare_cached(&sql)?;
                let found = rows.query_map(params_from_iter(values), entry)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        site: row
            .get::<_, Option<String>>(1)?
            .map(|_| column(row, 1))
            .transpose()?,
        at: UtcTime::from_micros(row.get(2)?),
        person: row
            .get::<_, Option<String>>(3)?
            .map(|_| column(row, 3))
            .transpose()?,
        username: row.get(4)?,
        address: row.get(5)?,
        action: row.get(6)?,
        subject: row.get(7)?,
        status: row.get(8)?,
        bytes: row
            .get::<_, Option<i64>>(9)?
            .map(|bytes| u64::try_from(bytes).unwrap_or(0)),
        request_id: row.get(10)?,
    })
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
