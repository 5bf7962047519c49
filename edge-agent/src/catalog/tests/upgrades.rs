//! A catalog of an older version becomes what a new one is, and keeps its rows.

use std::collections::{BTreeMap, BTreeSet};

use base::sqlite::Schema;
use rusqlite::Connection;

use crate::catalog::SCHEMA;

const V1: Schema = Schema {
    name: "catalog",
    create: include_str!("../upgrade/v1_schema.sql"),
    upgrades: &[],
};

/// Tables with their columns, in no order: an upgrade adds columns at the end.
fn tables(c: &Connection) -> BTreeMap<String, BTreeSet<String>> {
    let columns = "select t.name, c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk || ' ' || ifnull(c.dflt_value, '')
                   from sqlite_schema t join pragma_table_info(t.name) c where t.type = 'table'";
    let mut tables = BTreeMap::<String, BTreeSet<String>>::new();
    let mut statement = c.prepare(columns).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    for row in rows.unwrap() {
        let (table, column): (String, String) = row.unwrap();
        tables.entry(table).or_default().insert(column);
    }
    tables
}

/// Indexes and triggers.
fn others(c: &Connection) -> BTreeSet<String> {
    let mut statement = c
        .prepare("select type || ' ' || name from sqlite_schema where type in ('index', 'trigger')")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_first_version_becomes_what_a_new_catalog_is() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old.sqlite");
    base::sqlite::open(&old, &V1)
        .unwrap()
        .execute(
            "insert into recorder (id, name, driver, address, port, username, password_sealed, created_utc, updated_utc)
             values ('r', 'Shop', 'sdk', '192.0.2.1', 8000, 'admin', x'01', 1, 1)",
            [],
        )
        .unwrap();
    let upgraded = base::sqlite::open(&old, &SCHEMA).unwrap();
    let fresh = base::sqlite::open(&dir.path().join("new.sqlite"), &SCHEMA).unwrap();
    assert_eq!(tables(&upgraded), tables(&fresh));
    assert_eq!(others(&upgraded), others(&fresh));
    let kept: (String, String) = upgraded
        .query_row("select name, driver from recorder", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(kept, ("Shop".to_owned(), "sdk".to_owned()));
}
