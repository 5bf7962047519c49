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
        .execute_batch(
            "insert into recorder (id, name, driver, address, port, username, password_sealed, created_utc, updated_utc)
             values ('r', 'Shop', 'sdk', '192.0.2.1', 8000, 'admin', x'01', 1, 1);
             insert into camera (id, recorder_id, channel, name, created_utc, updated_utc)
             values ('c', 'r', 1, 'Gate', 1, 1);
             insert into volume (name, path, uuid) values ('main', '/footage', 'u');
             insert into recording (id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name,
                source_start, source_end, clock_offset_ms, zone_minutes, stated_bytes, volume_id, stem, kept_bytes,
                digest, locked, created_utc, updated_utc)
             values ('x', 'c', 'completed', 5, 9, 'S', 1, 'f', 'a', 'b', 0, 60, 7, 1, 'stem', 6, 'd', 1, 1, 1);",
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
    let unknown = upgraded.execute("update recorder set driver = 'other'", []);
    assert!(unknown.is_err(), "the check of the drivers holds");
    let orphans: i64 = upgraded
        .query_row("select count(*) from pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(orphans, 0);
    // The totals that triggers keep went through it unharmed, and are kept further.
    let held = "select holding.recordings, holding.bytes, held_bytes from holding, volume";
    let totals = |c: &Connection| -> (i64, i64, i64) {
        c.query_row(held, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
    };
    assert_eq!(totals(&upgraded), (1, 6, 6));
    let row: (i64, String, i64) = upgraded
        .query_row(
            "select source_nth, stem, locked from recording",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(row, (1, "stem".to_owned(), 1));
    // So are those by day, and what is protected: there from the rows that were, kept further.
    let days = |c: &Connection| -> Vec<(i64, i64, i64, i64)> {
        let sql = "select day, recordings, bytes, locked_bytes from held_day
                   union all select -1, locked_recordings, locked_bytes, 0 from volume
                   union all select -2, locked_recordings, locked_bytes, 0 from holding
                   union all select 100 + day, recordings, bytes, span_us from listed_day order by 1";
        let mut statement = c.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(
        days(&upgraded),
        [(-2, 1, 6, 0), (-1, 1, 6, 0), (0, 1, 6, 6), (100, 1, 6, 4)]
    );
    upgraded
        .execute_batch("update recording set locked = 0; update recording set status = 'evicted', eviction_cause = 'deleted'")
        .unwrap();
    assert_eq!(totals(&upgraded), (0, 0, 0));
    assert_eq!(
        days(&upgraded),
        [(-2, 0, 0, 0), (-1, 0, 0, 0), (100, 1, 6, 4)]
    );
}
