//! Tenants.

use base::sqlite::DbError;
use rusqlite::params;
use wire::ids::OrganisationId;
use wire::time::UtcTime;

use super::people::{Added, Person, insert_person};
use super::{Store, column};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Id.
    pub id: OrganisationId,
    /// Name.
    pub name: String,
}

impl Store {
    /// All tenants, by name. For the relay's operator, not for people who log in.
    pub async fn organisations(&self) -> Result<Vec<Organisation>, DbError> {
        self.db
            .read(|c| {
                let mut rows = c.prepare("select id, name from organisation order by name, id")?;
                let found = rows.query_map([], |row| {
                    Ok(Organisation {
                        id: column(row, 0)?,
                        name: row.get(1)?,
                    })
                })?;
                Ok(found.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Adds a tenant.
    pub async fn add_organisation(
        &self,
        organisation: Organisation,
        now: UtcTime,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                tx.execute(
                    "insert into organisation (id, name, created_utc) values (?1, ?2, ?3)",
                    params![organisation.id.to_string(), organisation.name, now.micros()],
                )?;
                Ok(())
            })
            .await
    }

    /// Makes the first tenant and its first person, in one transaction. False when somebody was there already.
    pub async fn add_first(
        &self,
        organisation: Organisation,
        person: Person,
        password_hash: String,
        now: UtcTime,
    ) -> Result<bool, DbError> {
        self.db
            .write(move |tx| {
                let somebody: bool =
                    tx.query_row("select exists (select 1 from person)", [], |r| r.get(0))?;
                if somebody {
                    return Ok(false);
                }
                tx.execute(
                    "insert into organisation (id, name, created_utc) values (?1, ?2, ?3)",
                    params![organisation.id.to_string(), organisation.name, now.micros()],
                )?;
                Ok(insert_person(tx, &person, &password_hash, now)? == Added::Added)
            })
            .await
    }
}
