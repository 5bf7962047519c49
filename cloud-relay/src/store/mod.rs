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
pub mod updates;

use std::path::Path;
use std::str::FromStr;

use base::sqlite::{Database, OpenError, Schema};
use rusqlite::Row;
use rusqlite::types::Type;

pub use base::sqlite::DbError;
pub use scope::Scope;

/// The schema, and how to reach it.
pub const SCHEMA: Schema = Schema {
    name: "store",
    create: include_str!("schema.sql"),
    upgrades: &[include_str!("upgrade/v2_update.sql")],
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::*;

    /// Tables with their columns, indexes and triggers, in no order: an upgrade adds columns at the end.
    fn shape(c: &Connection) -> BTreeSet<String> {
        let columns = "select t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk || ' '
            || ifnull(c.dflt_value, '') from sqlite_schema t join pragma_table_info(t.name) c where t.type = 'table'
            union all select type || ' ' || name from sqlite_schema where type in ('index', 'trigger')";
        let mut statement = c.prepare(columns).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_first_version_becomes_what_a_new_store_is() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("old.db");
        let first = Schema {
            name: "store",
            create: include_str!("upgrade/v1_schema.sql"),
            upgrades: &[],
        };
        base::sqlite::open(&old, &first)
            .unwrap()
            .execute_batch(
                "insert into organisation (id, name, created_utc) values ('o', 'Ours', 1);
                 insert into site (id, organisation_id, name, created_utc) values ('s', 'o', 'Shop', 1);",
            )
            .unwrap();
        let upgraded = base::sqlite::open(&old, &SCHEMA).unwrap();
        let fresh = base::sqlite::open(&dir.path().join("new.db"), &SCHEMA).unwrap();
        assert_eq!(shape(&upgraded), shape(&fresh));
        let automatic: bool = upgraded
            .query_row("select automatic_updates from site", [], |row| row.get(0))
            .unwrap();
        assert!(!automatic);
    }
}
