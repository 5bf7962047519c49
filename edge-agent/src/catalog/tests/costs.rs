//! What a recording cost: told once it is held, unknown for what an older program kept.

use base::clock::Clock;
use rusqlite::Connection;
use wire::ids::{CameraId, RecorderId, RecordingId};

use crate::catalog::testing::{House, found, range, verified};
use crate::catalog::{Catalog, FILE};

#[tokio::test]
async fn what_is_held_says_what_was_fetched_for_it() {
    let house = House::new().await;
    let recorder = house.recorder("SERIAL", 1).await.id;
    let span = range("2026-11-03T10:00:00Z", "2026-11-03T10:10:00Z");
    house
        .observe(recorder, 1, vec![found("one", span, 5)])
        .await;
    let now = house.catalog.now();
    let pending = house.catalog.to_fetch(now, 1).await.unwrap().remove(0);
    let before = house.catalog.recording(pending.id).await.unwrap();
    assert_eq!(before.fetched_bytes, None);
    house.catalog.begin_download(pending.id).await.unwrap();
    let verified = verified(house.volume(), &pending, b"footage");
    let held = house.catalog.keep(house.volume(), verified).await.unwrap();
    assert_eq!((held.fetched_bytes, held.received_bytes), (Some(7), 7));
}

#[tokio::test]
async fn what_an_older_program_kept_cost_nobody_knows_what() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, camera, recording) = (RecorderId::new(), CameraId::new(), RecordingId::new());
    {
        let old = Connection::open(folder.path().join(FILE)).unwrap();
        old.execute_batch(include_str!("../upgrade/v1_schema.sql"))
            .unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch(&format!(
            "insert into recorder (id, name, driver, address, port, username, password_sealed, created_utc, updated_utc)
                values ('{recorder}', 'Shop', 'sdk', '192.0.2.1', 8000, 'admin', x'01', 1, 1);
             insert into camera (id, recorder_id, channel, name, created_utc, updated_utc)
                values ('{camera}', '{recorder}', 1, 'Gate', 1, 1);
             insert into recording (id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name,
                source_start, source_end, clock_offset_ms, zone_minutes, stated_bytes, received_bytes, created_utc,
                updated_utc)
                values ('{recording}', '{camera}', 'pending', 1, 2, 'S', 1, 'a', '2026-11-03T10:00:00',
                '2026-11-03T10:10:00', 0, 0, 9, 4, 1, 1);"
        ))
        .unwrap();
    }
    let catalog = Catalog::open(folder.path(), Clock::system()).unwrap();
    let known = catalog.recording(recording).await.unwrap();
    assert_eq!((known.received_bytes, known.fetched_bytes), (4, None));
}
