//! People and their login sessions. Tokens come here as digests only; a refresh token names its session, so that one
//! which was spent already is told from one that never was.

use base::sqlite::DbError;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use wire::ids::{OrganisationId, SiteId, UserId};
use wire::resource::Role;
use wire::time::UtcTime;

use super::{Store, column};

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id.
    pub id: UserId,
    /// Tenant; none for super admins.
    pub organisation: Option<OrganisationId>,
    /// Login name; case does not matter.
    pub username: String,
    /// Role.
    pub role: Role,
    /// Nothing but changing the password is allowed until it is changed.
    pub must_change_password: bool,
    /// The only sites this person may see; none: all of the organisation's.
    pub sites: Option<Vec<SiteId>>,
}

/// What a password is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub person: Person,
    /// PHC string.
    pub password_hash: String,
    /// Until when no attempt is heard.
    pub locked_until: Option<UtcTime>,
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

/// What came of adding a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Done.
    Added,
    /// Somebody has this name.
    NameTaken,
}

/// Most sessions of one person; the oldest makes room.
const SESSIONS_MAX: i64 = 50;

/// How long after a refresh a second one with the same token is taken for another tab. It is refused all the same.
pub const SAME_MOMENT_S: i64 = 30;

const PERSON: &str =
    "p.id, p.organisation_id, p.username, p.role, p.must_change_password, p.all_sites";

impl Store {
    /// Whether anybody can log in.
    pub async fn has_people(&self) -> Result<bool, DbError> {
        self.db
            .read(|c| Ok(c.query_row("select exists (select 1 from person)", [], |r| r.get(0))?))
            .await
    }

    /// Adds a person.
    pub async fn add_person(
        &self,
        person: Person,
        password_hash: String,
        now: UtcTime,
    ) -> Result<Added, DbError> {
        self.db
            .write(move |tx| insert_person(tx, &person, &password_hash, now))
            .await
    }

    /// What to check the password of this login name against.
    pub async fn credentials(&self, username: String) -> Result<Option<Credentials>, DbError> {
        self.db
            .read(move |c| {
                let found = c
                    .query_row(
                        &format!(
                            "select {PERSON}, p.password_hash, p.locked_until_utc from person p where p.username = ?1"
                        ),
                        [username],
                        |row| {
                            Ok(Credentials {
                                person: person(row)?,
                                password_hash: row.get(6)?,
                                locked_until: row.get::<_, Option<i64>>(7)?.map(UtcTime::from_micros),
                            })
                        },
                    )
                    .optional()?;
                found
                    .map(|mut it| {
                        fill_sites(c, &mut it.person)?;
                        Ok(it)
                    })
                    .transpose()
            })
            .await
    }

    /// Counts a wrong password. `lock_s` says for how many seconds that many failures in a row lock the account.
    pub async fn note_login_failure(
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
        session_id: String,
        tokens: TokenDigests,
        now: UtcTime,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "update person set failures = 0, locked_until_utc = null where id = ?1",
                    [id.to_string()],
                )?;
                insert_session(tx, id, &session_id, &tokens, now)
            })
            .await
    }

    /// The session that an access token belongs to.
    pub async fn session_by_access(
        &self,
        digest: String,
        now: UtcTime,
    ) -> Result<Option<LoggedIn>, DbError> {
        self.db
            .read(move |c| {
                let found = c
                    .query_row(
                        &format!(
                            "select {PERSON}, s.id, s.csrf_digest
                             from person_session s join person p on p.id = s.person_id
                             where s.access_digest = ?1 and s.access_expires_utc > ?2"
                        ),
                        params![digest, now.micros()],
                        |row| {
                            Ok(LoggedIn {
                                person: person(row)?,
                                session_id: row.get(6)?,
                                csrf_digest: row.get(7)?,
                            })
                        },
                    )
                    .optional()?;
                found
                    .map(|mut it| {
                        fill_sites(c, &mut it.person)?;
                        Ok(it)
                    })
                    .transpose()
            })
            .await
    }

    /// Trades a refresh token for a new set of tokens.
    pub async fn refresh_session(
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
                        &format!(
                            "select {PERSON}, s.refresh_digest, s.refreshed_utc
                             from person_session s join person p on p.id = s.person_id
                             where s.id = ?1 and s.refresh_expires_utc > ?2"
                        ),
                        params![session_id, now.micros()],
                        |row| {
                            Ok((
                                person(row)?,
                                row.get::<_, String>(6)?,
                                UtcTime::from_micros(row.get(7)?),
                            ))
                        },
                    )
                    .optional()?;
                let Some((mut person, current, refreshed)) = found else {
                    return Ok(Refreshed::Unknown);
                };
                fill_sites(tx, &mut person)?;
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

    /// Sets a password and ends the person's sessions except the one in which it was done.
    pub async fn set_password(
        &self,
        id: UserId,
        password_hash: String,
        kept_session: String,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "update person set password_hash = ?2, must_change_password = 0, failures = 0,
                         locked_until_utc = null where id = ?1",
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

/// Adds a person within a transaction that does more.
pub(in crate::store) fn insert_person(
    tx: &Transaction<'_>,
    person: &Person,
    password_hash: &str,
    now: UtcTime,
) -> Result<Added, DbError> {
    let made = tx.execute(
        "insert into person (id, organisation_id, username, password_hash, role, must_change_password, all_sites,
             created_utc) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict (username) do nothing",
        params![
            person.id.to_string(),
            person.organisation.map(|id| id.to_string()),
            person.username,
            password_hash,
            role_text(person.role),
            person.must_change_password,
            person.sites.is_none(),
            now.micros()
        ],
    )?;
    if made == 0 {
        return Ok(Added::NameTaken);
    }
    for site in person.sites.iter().flatten() {
        tx.execute(
            "insert or ignore into person_site (person_id, site_id) values (?1, ?2)",
            params![person.id.to_string(), site.to_string()],
        )?;
    }
    Ok(Added::Added)
}

/// Columns as [`PERSON`] names them; the sites are filled in by [`fill_sites`].
fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    let all_sites: bool = row.get(5)?;
    Ok(Person {
        id: column(row, 0)?,
        organisation: row
            .get::<_, Option<String>>(1)?
            .map(|_| column(row, 1))
            .transpose()?,
        username: row.get(2)?,
        role: role(row, 3)?,
        must_change_password: row.get(4)?,
        sites: (!all_sites).then(Vec::new),
    })
}

fn fill_sites(c: &Connection, person: &mut Person) -> Result<(), DbError> {
    if let Some(sites) = &mut person.sites {
        let mut rows = c.prepare_cached("select site_id from person_site where person_id = ?1")?;
        *sites = rows
            .query_map([person.id.to_string()], |row| column(row, 0))?
            .collect::<Result<_, _>>()?;
    }
    Ok(())
}

fn role_text(role: Role) -> &'static str {
    match role {
        Role::SuperAdmin => "super_admin",
        Role::OrgAdmin => "org_admin",
        Role::Operator => "operator",
        Role::Viewer => "viewer",
        // The schema refuses it: this role is for tokens.
        Role::ApiOnly => "api_only",
    }
}

fn role(row: &Row<'_>, index: usize) -> rusqlite::Result<Role> {
    let text: String = row.get(index)?;
    Ok(match text.as_str() {
        "super_admin" => Role::SuperAdmin,
        "org_admin" => Role::OrgAdmin,
        "operator" => Role::Operator,
        "viewer" => Role::Viewer,
        other => {
            return Err(rusqlite::Error::FromSqlConversionFailure(
                index,
                rusqlite::types::Type::Text,
                format!("{other:?} is not a role").into(),
            ));
        }
    })
}

fn insert_session(
    tx: &Transaction<'_>,
    person: UserId,
    session_id: &str,
    tokens: &TokenDigests,
    now: UtcTime,
) -> Result<(), DbError> {
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
            session_id,
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
