//! The relay's store: SQLite now; PostgreSQL becomes the second implementation (Q13).
//!
//! One file of SQL per noun; every query that serves a tenant takes a [`Scope`] as an argument.

pub mod scope;

use std::path::Path;

use base::sqlite::{Database, OpenError, Schema};

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
