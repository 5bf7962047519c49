//! Eviction with a real catalog and files.

use super::*;
use crate::catalog::testing::{House, found};
use crate::model::time::{UtcRange, UtcTime};
use wire::resource::RecordingStatus;

/// Ten recordings of an hour and a thousand bytes each; the newest ended an hour ago.
async fn ten(house: &House) -> Vec<RecordingId> {
    let recorder = house.recorder("SN1", 1).await;
    let now: UtcTime = house.catalog.now();
    let list = (0..10)
        .map(|n| {
            let from = now.plus_s(-(11 - n) * 3_600);
            let span = UtcRange {
                from,
                to: from.plus_s(3_600),
            };
            found(&format!("f{n}"), span, 1_000)
        })
        .collect();
    let ids = house.observe(recorder.id, 1, list).await;
    for id in &ids {
        house.hold(*id, &[7; 1_000]).await;
    }
    ids
}

async fn held(house: &House, ids: &[RecordingId]) -> Vec<usize> {
    let mut held = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        if house.catalog.recording(*id).await.unwrap().status == RecordingStatus::Completed {
            held.push(n);
        }
    }
    held
}

fn evictor(house: &House, config: RetentionConfig) -> Evictor {
    Evictor::new(house.catalog.clone(), house.volumes.clone(), config)
}

#[tokio::test]
async fn a_download_gets_its_room_from_the_oldest_that_is_not_locked() {
    let house = House::with(|config| config.budget_bytes = Some(10_500)).await;
    let ids = ten(&house).await;
    house.catalog.set_locked(ids[0], true).await.unwrap();
    let evictor = evictor(&house, RetentionConfig::default());
    let reservation = evictor.need(2_000).await.unwrap();
    // 1,500 too much, and a tenth of the budget as slack.
    assert_eq!(held(&house, &ids).await, [0, 4, 5, 6, 7, 8, 9]);
    assert_eq!(house.volume().reserved_bytes(), 2_000);
    assert_eq!(
        house.catalog.held_bytes(house.volume().id()).await.unwrap(),
        7_000
    );
    drop(reservation);
    house.assert_sound();
}

#[tokio::test]
async fn a_volume_full_of_locked_footage_says_so_once() {
    let house = House::with(|config| config.budget_bytes = Some(10_000)).await;
    let ids = ten(&house).await;
    for id in &ids {
        house.catalog.set_locked(*id, true).await.unwrap();
    }
    house.catalog.start_log().await.unwrap();
    let evictor = evictor(&house, RetentionConfig::default());
    for _ in 0..2 {
        assert!(matches!(
            evictor.need(1_000).await,
            Err(NoRoom::Full {
                short_bytes: 1_000,
                ..
            })
        ));
    }
    let alerts = house.catalog.batch(0, 100).await.unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(held(&house, &ids).await.len(), 10);
}

#[tokio::test]
async fn age_and_bytes_per_camera_hold_for_cameras_that_are_switched_off_too() {
    let house = House::new().await;
    let ids = ten(&house).await;
    let camera = house.catalog.recording(ids[0]).await.unwrap().camera_id;
    let off = crate::catalog::cameras::CameraChange {
        enabled: Some(false),
        ..Default::default()
    };
    house.catalog.change_camera(camera, off).await.unwrap();
    let by_bytes = evictor(
        &house,
        RetentionConfig {
            camera_max_bytes: Some(7_000),
            ..RetentionConfig::default()
        },
    );
    assert_eq!(by_bytes.relieve().await.unwrap().by_rule, 3);
    assert_eq!(held(&house, &ids).await, [3, 4, 5, 6, 7, 8, 9]);
    house.clock.advance_ms(20 * 3_600_000);
    let by_age = evictor(
        &house,
        RetentionConfig {
            max_age_days: Some(1),
            ..RetentionConfig::default()
        },
    );
    by_age.relieve().await.unwrap();
    assert_eq!(held(&house, &ids).await, [6, 7, 8, 9]);
    house.assert_sound();
}

#[tokio::test]
async fn the_floor_breaks_the_least_age_and_says_so() {
    // No disk is that large: everything is below the floor.
    let house = House::with(|config| config.floor_bytes = u64::MAX / 2).await;
    let ids = ten(&house).await;
    house.catalog.start_log().await.unwrap();
    let evictor = evictor(
        &house,
        RetentionConfig {
            min_age_days: 1,
            ..RetentionConfig::default()
        },
    );
    let relieved = evictor.relieve().await.unwrap();
    assert_eq!((relieved.by_pressure, relieved.forced), (10, 10));
    assert!(held(&house, &ids).await.is_empty());
    let said = house.catalog.batch(0, 100).await.unwrap();
    assert!(
        said.iter().any(
            |row| matches!(&row.event, Event::AlertRaised(a) if a.rule == "retention_shortened")
        )
    );
}

#[tokio::test]
async fn without_its_disk_nothing_is_promised() {
    let house = House::new().await;
    std::fs::remove_file(house.volume().path().join(crate::footage::volume::MARKER)).unwrap();
    let evictor = evictor(&house, RetentionConfig::default());
    assert!(matches!(evictor.need(1).await, Err(NoRoom::Volume(_))));
}
