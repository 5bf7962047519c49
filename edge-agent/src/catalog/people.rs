//! People who log in on the site's network, and their login sessions.
//!
//! Tokens come here as digests only. A refresh token names its session, so that one which was spent already is told
//! from one that never was: the first means that a copy is about, and ends the session.

use base::sqlite::{Database, DbError};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use wire::ids::UserId;
use wire::time::UtcTime;

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id.
    pub id: UserId,
    /// Login name; case does not matter.
    pub username: String,
}

/// What a password is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Whose.
    pub person: Person,
    /// PHC string.
    pub password_hash: String,
    /// Failures in a row.
    pub failures: u32,
    /// Until when no attempt is heard.
    pub locked_until: Option<UtcTime>,
}

/// A login session to be kept.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id; part of the refresh token.
    pub id: String,
    /// Its tokens.
    pub tokens: TokenDigests,
}

/// The digests of one set of tokens, and when they expire.
#[derive(Debug, Clone)]
pub struct TokenDigests {
    /// Of the access token.
    pub access: String,
    /// When that expires.
    pub access_expires: UtcTime,
    /// Of the refresh token.
    pub refresh: String,
    /// When that expires.
    pub refresh_expires: UtcTime,
    /// Of the CSRF token.
    pub csrf: String,
}

/// A login session in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// Its id.
    pub session_id: String,
    /// Who.
    pub person: Person,
    /// What the CSRF header must hash to.
    pub csrf_digest: String,
}

/// What came of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The tokens were traded.
    Traded(Person),
    /// No such session, or it has expired.
    Unknown,
    /// The token was spent a moment ago: two tabs at once. The session goes on with the newer tokens.
    JustSpent,
    /// The token was spent before: somebody has a copy. The session was ended.
    Reused(Person),
}

/// Most sessions of one person; the oldest makes room.
const SESSIONS_MAX: i64 = 50;

/// How long after a refresh a second one with the same token is taken for another tab.
const SAME_MOMENT_S: i64 = 30;

/// Access to people and their sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct People {
    db: Database,
}

impl People {
    /// In this catalog.
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    /// Whether the first person has been made.
    pub async fn is_set_up(&self) -> Result<bool, DbError> {
        self.db
            .read(|c| Ok(c.query_row("select exists (select 1 from person)", [], |r| r.get(0))?))
            .await
    }

    /// Makes the first person and a session for them. False when somebody was there already.
    pub async fn create_first(
        &self,
        person: Person,
        password_hash: String,
        session: NewSession,
        now: UtcTime,
    ) -> Result<bool, DbError> {
        self.db
            .write(move |tx| {
                let made = tx.execute(
                    "insert into person (id, username, password_hash, created_utc)
                     select ?1, ?2, ?3, ?4 where not exists (select 1 from person)",
                    params![
                        person.id.to_string(),
                        person.username,
                        password_hash,
                        now.micros()
                    ],
                )?;
                if made == 1 {
                    insert_session(tx, person.id, &session, now)?;
                }
                Ok(made == 1)
            })
            .await
    }

    /// What to check the password of this login name against.
    pub async fn credentials(&self, username: String) -> Result<Option<Credentials>, DbError> {
        self.db
            .read(move |c| {
                Ok(c.query_row(
                    "select id, username, password_hash, failures, locked_until_utc from person where username = ?1",
                    [username],
                    |row| {
                        Ok(Credentials {
                            person: person(row)?,
                            password_hash: row.get(2)?,
                            failures: row.get(3)?,
                            locked_until: row.get::<_, Option<i64>>(4)?.map(UtcTime::from_micros),
                        })
                    },
                )
                .optional()?)
            })
            .await
    }

    /// Counts a wrong password. `lock_s` says for how many seconds that many failures in a row lock the account.
    pub async fn note_failure(
        &self,
        id: UserId,
        now: UtcTime,
        lock_s: fn(u32) -> i64,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                let failures: u32 = tx.query_row(
                    "update person set failures = failures + 1 where id = ?1 returning failures",
                    [id.to_string()],
                    |row| row.get(0),
                )?;
                let until = match lock_s(failures) {
                    0 => None,
                    seconds => Some(now.plus_s(seconds).micros()),
                };
                tx.execute(
                    "update person set locked_until_utc = ?2 where id = ?1",
                    params![id.to_string(), until],
                )?;
                Ok(())
            })
            .await
    }

    /// Keeps a new session after a right password, and forgets the failures before it.
    pub async fn log_in(
        &self,
        id: UserId,
        session: NewSession,
        now: UtcTime,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "update person set failures = 0, locked_until_utc = null where id = ?1",
                    [id.to_string()],
                )?;
                insert_session(tx, id, &session, now)
            })
            .await
    }

    /// The session that an access token belongs to.
    pub async fn by_access(
        &self,
        digest: String,
        now: UtcTime,
    ) -> Result<Option<LoggedIn>, DbError> {
        self.db
            .read(move |c| {
                Ok(c.query_row(
                    "select p.id, p.username, s.id, s.csrf_digest
                     from person_session s join person p on p.id = s.person_id
                     where s.access_digest = ?1 and s.access_expires_utc > ?2",
                    params![digest, now.micros()],
                    |row| {
                        Ok(LoggedIn {
                            person: person(row)?,
                            session_id: row.get(2)?,
                            csrf_digest: row.get(3)?,
                        })
                    },
                )
                .optional()?)
            })
            .await
    }

    /// Trades a refresh token for a new set of tokens.
    pub async fn refresh(
        &self,
        session_id: String,
        digest: String,
        new: TokenDigests,
        now: UtcTime,
    ) -> Result<Refreshed, DbError> {
        self.db
            .write(move |tx| {
                let found = tx
                    .query_row(
                        "select p.id, p.username, s.refresh_digest, s.refreshed_utc
                         from person_session s join person p on p.id = s.person_id
                         where s.id = ?1 and s.refresh_expires_utc > ?2",
                        params![session_id, now.micros()],
                        |row| {
                            Ok((
                                person(row)?,
                                row.get::<_, String>(2)?,
                                UtcTime::from_micros(row.get(3)?),
                            ))
                        },
                    )
                    .optional()?;
                let Some((person, current, refreshed)) = found else {
                    return Ok(Refreshed::Unknown);
                };
                if current == digest {
                    tx.execute(
                        "update person_session set access_digest = ?2, access_expires_utc = ?3, refresh_digest = ?4,
                             refresh_expires_utc = ?5, csrf_digest = ?6, refreshed_utc = ?7 where id = ?1",
                        params![
                            session_id,
                            new.access,
                            new.access_expires.micros(),
                            new.refresh,
                            new.refresh_expires.micros(),
                            new.csrf,
                            now.micros()
                        ],
                    )?;
                    return Ok(Refreshed::Traded(person));
                }
                if (0..SAME_MOMENT_S * 1000).contains(&now.ms_since(refreshed)) {
                    return Ok(Refreshed::JustSpent);
                }
                delete_session(tx, &session_id)?;
                Ok(Refreshed::Reused(person))
            })
            .await
    }

    /// Ends a session.
    pub async fn log_out(&self, session_id: String) -> Result<(), DbError> {
        self.db
            .write(move |tx| delete_session(tx, &session_id))
            .await
    }

    /// Sets a password and ends every other session of the person.
    pub async fn set_password(
        &self,
        id: UserId,
        password_hash: String,
        kept_session: String,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "update person set password_hash = ?2, failures = 0, locked_until_utc = null where id = ?1",
                    params![id.to_string(), password_hash],
                )?;
                tx.execute(
                    "delete from person_session where person_id = ?1 and id <> ?2",
                    params![id.to_string(), kept_session],
                )?;
                Ok(())
            })
            .await
    }
}

/// The first two columns.
fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    let id: String = row.get(0)?;
    Ok(Person {
        id: id.parse().map_err(|e| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
        })?,
        username: row.get(1)?,
    })
}

fn insert_session(
    tx: &Transaction<'_>,
    person: UserId,
    session: &NewSession,
    now: UtcTime,
) -> Result<(), DbError> {
    let tokens = &session.tokens;
    tx.execute(
        "delete from person_session where refresh_expires_utc <= ?1",
        [now.micros()],
    )?;
    tx.execute(
        "delete from person_session where id in (select id from person_session where person_id = ?1
             order by refreshed_utc desc limit -1 offset ?2)",
        params![person.to_string(), SESSIONS_MAX - 1],
    )?;
    tx.execute(
        "insert into person_session (id, person_id, access_digest, access_expires_utc, refresh_digest,
             refresh_expires_utc, csrf_digest, created_utc, refreshed_utc) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        params![
            session.id,
            person.to_string(),
            tokens.access,
            tokens.access_expires.micros(),
            tokens.refresh,
            tokens.refresh_expires.micros(),
            tokens.csrf,
            now.micros()
        ],
    )?;
    Ok(())
}

fn delete_session(tx: &Connection, id: &str) -> Result<(), DbError> {
    tx.execute("delete from person_session where id = ?1", [id])?;
    Ok(())
}
