//! The relay's store: SQLite now; PostgreSQL becomes the second implementation (Q13).
//!
//! One file of SQL per noun. Every query that serves people takes a [`Scope`], which says whose rows may be seen.

pub mod appliances;
pub mod audit;
pub mod cameras;
pub mod enrolments;
pub mod fleet;
pub mod organisations;
pub mod people;
pub mod recordings;
pub mod reports;
pub mod scope;
pub mod sites;
#[cfg(test)]
pub mod testing;

use std::path::Path;
use std::str::FromStr;

use base::sqlite::{Database, OpenError, Schema};
use rusqlite::Row;
use rusqlite::types::Type;

pub use base::sqlite::DbError;
pub use scope::Scope;

/// The schema, version 1.
pub const SCHEMA: Schema = Schema {
    name: "store",
    create: include_str!("schema.sql"),
    upgrades: &[],
};

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// One writer, a few readers.
    pub(in crate::store) db: Database,
}

impl Store {
    /// Opens `<folder>/relay.db`.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            db: Database::open(&folder.join("relay.db"), &SCHEMA, 4)?,
        })
    }
}

/// A column that holds something with a text form (an id).
pub(in crate::store) fn column<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(index)?;
    text.parse()
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}

/// A column that holds JSON of one of our resources.
pub(in crate::store) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}
