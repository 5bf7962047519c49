//! Systems for appliances, which of them are on their way to whom, and which sites take them by themselves.

use base::sqlite::DbError;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use wire::ids::{ApplianceId, SiteId, UserId};
use wire::time::UtcTime;
use wire::update::{BundleDigest, ImageVersion, InstallWhen, Update};

use super::scope::text;
use super::sites::{Located, located, unsigned};
use super::{Scope, Store, column, json};

/// A system that the operator put here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its version.
    pub version: ImageVersion,
    /// SHA-256 of its file.
    pub sha256: BundleDigest,
    /// Length of its file.
    pub bytes: u64,
    /// When it was put here.
    pub added_at: UtcTime,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent, or is being sent.
    Pending,
    /// The appliance has all of it.
    Delivered,
    /// It will not be sent.
    Failed,
}

impl DeliveryState {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A system that is to be sent to an appliance, or was sent last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To whom.
    pub appliance: ApplianceId,
    /// Its version.
    pub version: ImageVersion,
    /// SHA-256 of its file.
    pub sha256: BundleDigest,
    /// Length of its file.
    pub bytes: u64,
    /// When it is to be installed, where a person said so.
    pub chosen: Option<InstallWhen>,
    /// Who asked; none: the site takes updates by itself.
    pub asked_by: Option<(UserId, String)>,
    /// How far it is.
    pub state: DeliveryState,
    /// Why it waits, or failed.
    pub message: Option<String>,
    /// When it was asked for.
    pub asked_at: UtcTime,
    /// When its state last changed.
    pub updated_at: UtcTime,
}

/// What is known about updates of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteUpdates {
    /// Where it is.
    pub at: Located,
    /// It takes every newer system by itself.
    pub automatic: bool,
    /// What its appliance told last.
    pub told: Option<Update>,
    /// What is sent to it, or was sent last.
    pub delivery: Option<Delivery>,
}

/// An appliance of a site that takes updates by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Automatic {
    /// Which.
    pub appliance: ApplianceId,
    /// What it told last.
    pub told: Option<Update>,
    /// The system that was sent to it last.
    pub last: Option<BundleDigest>,
}

const BUNDLE: &str = "select version, sha256, bytes, added_utc from bundle";

const DELIVERY: &str = "d.appliance, d.version, d.sha256, d.bytes, d.chosen, d.person_id, d.username, d.state, \
     d.message, d.asked_utc, d.updated_utc";

impl Store {
    /// Everything that the operator put here, the newest version first.
    pub async fn bundles(&self) -> Result<Vec<Bundle>, DbError> {
        let mut found = self
            .db
            .read(|c| {
                let mut rows = c.prepare_cached(BUNDLE)?;
                let found = rows.query_map([], bundle)?;
                Ok::<Vec<_>, DbError>(found.collect::<Result<_, _>>()?)
            })
            .await?;
        found.sort_by(|a, b| b.version.cmp(&a.version));
        Ok(found)
    }

    /// Puts a system here. False: there is one of this version, or with these bytes.
    pub async fn add_bundle(&self, new: Bundle) -> Result<bool, DbError> {
        self.db
            .write(move |tx| {
                let added = tx.execute(
                    "insert or ignore into bundle (sha256, version, bytes, added_utc) values (?1, ?2, ?3, ?4)",
                    params![
                        new.sha256.to_string(),
                        new.version.to_string(),
                        new.bytes as i64,
                        new.added_at.micros()
                    ],
                )?;
                Ok(added > 0)
            })
            .await
    }

    /// Takes a system away; deliveries of it fail when they are next looked at.
    pub async fn remove_bundle(&self, version: ImageVersion) -> Result<Option<Bundle>, DbError> {
        self.db
            .write(move |tx| {
                let sql = format!("{BUNDLE} where version = ?1");
                let found = tx
                    .prepare_cached(&sql)?
                    .query_row([version.to_string()], bundle)
                    .optional()?;
                tx.execute(
                    "delete from bundle where version = ?1",
                    [version.to_string()],
                )?;
                Ok(found)
            })
            .await
    }

    /// What is known about updates of a site.
    pub async fn site_updates(
        &self,
        scope: Scope,
        site: SiteId,
    ) -> Result<Option<SiteUpdates>, DbError> {
        self.db
            .read(move |c| {
                let (condition, mut values) = scope.condition("s.organisation_id", "s.id");
                let sql = format!(
                    "select s.organisation_id, s.id, a.id, s.automatic_updates, a.update_state
                     from site s left join appliance a on a.site_id = s.id and a.revoked = 0
                     where {condition} and s.id = ?"
                );
                values.push(text(site));
                let found = c
                    .prepare_cached(&sql)?
                    .query_row(params_from_iter(values), |row| {
                        Ok(SiteUpdates {
                            at: located(row)?,
                            automatic: row.get(3)?,
                            told: told(row, 4)?,
                            delivery: None,
                        })
                    })
                    .optional()?;
                let Some(mut found) = found else {
                    return Ok(None);
                };
                if let Some(appliance) = &found.at.appliance {
                    let sql = format!("select {DELIVERY} from delivery d where d.appliance = ?1");
                    found.delivery = c
                        .prepare_cached(&sql)?
                        .query_row([appliance.to_string()], delivery)
                        .optional()?;
                }
                Ok(Some(found))
            })
            .await
    }

    /// Whether a site takes updates by itself from now on.
    pub async fn set_automatic_updates(
        &self,
        site: SiteId,
        automatic: bool,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "update site set automatic_updates = ?2 where id = ?1",
                    params![site.to_string(), automatic],
                )?;
                Ok(())
            })
            .await
    }

    /// Something is to be sent to an appliance, in place of whatever was.
    pub async fn set_delivery(&self, it: Delivery) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                let (person, username) = match it.asked_by {
                    Some((person, username)) => (Some(person.to_string()), Some(username)),
                    None => (None, None),
                };
                tx.execute(
                    "insert or replace into delivery (appliance, version, sha256, bytes, chosen, person_id, username,
                         state, message, asked_utc, updated_utc)
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    params![
                        it.appliance.to_string(),
                        it.version.to_string(),
                        it.sha256.to_string(),
                        it.bytes as i64,
                        it.chosen.map(when_word),
                        person,
                        username,
                        it.state.word(),
                        it.message,
                        it.asked_at.micros(),
                        it.updated_at.micros()
                    ],
                )?;
                Ok(())
            })
            .await
    }

    /// How far a delivery is now. Nothing where another one has taken its place, or it was called off.
    pub async fn note_delivery(
        &self,
        of: &Delivery,
        state: DeliveryState,
        message: Option<String>,
        now: UtcTime,
    ) -> Result<(), DbError> {
        let (appliance, asked) = (of.appliance.to_string(), of.asked_at.micros());
        let sha256 = of.sha256.to_string();
        self.db
            .write(move |tx| {
                tx.execute(
                    "update delivery set state = ?4, message = ?5, updated_utc = ?6
                     where appliance = ?1 and sha256 = ?2 and asked_utc = ?3
                         and (state, ifnull(message, '')) <> (?4, ifnull(?5, ''))",
                    params![
                        appliance,
                        sha256,
                        asked,
                        state.word(),
                        message,
                        now.micros()
                    ],
                )?;
                Ok(())
            })
            .await
    }

    /// Nothing is to be sent to an appliance any more.
    pub async fn forget_delivery(&self, appliance: ApplianceId) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "delete from delivery where appliance = ?1",
                    [appliance.to_string()],
                )?;
                Ok(())
            })
            .await
    }

    /// What is to be sent, whoever asked first comes first. Not to appliances that were shut out.
    pub async fn pending_deliveries(&self) -> Result<Vec<Delivery>, DbError> {
        self.db
            .read(|c| {
                let sql = format!(
                    "select {DELIVERY} from delivery d join appliance a on a.id = d.appliance and a.revoked = 0
                     where d.state = 'pending' order by d.asked_utc, d.appliance"
                );
                let mut rows = c.prepare_cached(&sql)?;
                let found = rows.query_map([], delivery)?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Appliances of sites that take updates by themselves, but for those to which a person is sending one.
    pub async fn automatic_appliances(&self) -> Result<Vec<Automatic>, DbError> {
        self.db
            .read(|c| {
                let mut rows = c.prepare_cached(
                    "select a.id, a.update_state, d.sha256
                     from site s join appliance a on a.site_id = s.id and a.revoked = 0
                     left join delivery d on d.appliance = a.id
                     where s.automatic_updates = 1
                         and (d.state is null or d.state <> 'pending' or d.person_id is null)
                     order by a.id",
                )?;
                let found = rows.query_map([], |row| {
                    Ok(Automatic {
                        appliance: column(row, 0)?,
                        told: told(row, 1)?,
                        last: some(row, 2)?,
                    })
                })?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn when_word(when: InstallWhen) -> &'static str {
    match when {
        InstallWhen::Now => "now",
        InstallWhen::Window => "window",
    }
}

fn bundle(row: &Row<'_>) -> rusqlite::Result<Bundle> {
    Ok(Bundle {
        version: column(row, 0)?,
        sha256: column(row, 1)?,
        bytes: unsigned(row, 2)?,
        added_at: UtcTime::from_micros(row.get(3)?),
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let person: Option<UserId> = some(row, 5)?;
    let username: Option<String> = row.get(6)?;
    Ok(Delivery {
        appliance: column(row, 0)?,
        version: column(row, 1)?,
        sha256: column(row, 2)?,
        bytes: unsigned(row, 3)?,
        chosen: match row.get::<_, Option<String>>(4)?.as_deref() {
            Some("now") => Some(InstallWhen::Now),
            // The schema allows no third.
            Some(_) => Some(InstallWhen::Window),
            None => None,
        },
        asked_by: person.zip(username),
        state: match row.get::<_, String>(7)?.as_str() {
            "pending" => DeliveryState::Pending,
            "delivered" => DeliveryState::Delivered,
            _ => DeliveryState::Failed,
        },
        message: row.get(8)?,
        asked_at: UtcTime::from_micros(row.get(9)?),
        updated_at: UtcTime::from_micros(row.get(10)?),
    })
}

/// What an appliance told; a version of it that cannot be read any more is as good as none.
fn told(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Update>> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => Ok(json(row, index).ok()),
    }
}

fn some<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => column(row, index).map(Some),
    }
}
