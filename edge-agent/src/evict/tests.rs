//! Eviction with a real catalog and files.

use super::*;
use crate::catalog::testing::{House, found};
use crate::footage::volume::VolumeConfig;
use crate::model::time::{UtcRange, UtcTime};
use wire::resource::RecordingStatus;
use wire::telemetry::Event;

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
    let reservation = evictor.need(2_000, None).await.unwrap();
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
async fn nothing_leaves_for_what_has_no_room_even_then() {
    let house = House::with(|config| config.budget_bytes = Some(10_000)).await;
    let ids = ten(&house).await;
    for id in &ids[..3] {
        house.catalog.set_locked(*id, true).await.unwrap();
    }
    let evictor = evictor(&house, RetentionConfig::default());
    // Three thousand are locked, so no more than seven can be had.
    let refused = evictor.need(7_001, None).await;
    let Err(NoRoom::Full { short_bytes, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(short_bytes, 1);
    assert_eq!(held(&house, &ids).await.len(), 10);
    drop(evictor.need(7_000, None).await.unwrap());
    assert_eq!(held(&house, &ids).await, [0, 1, 2]);
}

#[tokio::test]
async fn what_fills_the_disk_does_not_take_the_footage_too() {
    // A floor that no disk has: as if something else had filled it.
    let house = House::with(|config| {
        config.floor_bytes = u64::MAX / 2;
        config.budget_bytes = Some(8_000);
    })
    .await;
    let ids = ten(&house).await;
    let evictor = evictor(&house, RetentionConfig::default());
    for _ in 0..3 {
        evictor.relieve().await.unwrap();
    }
    // The budget counts all the same: two thousand too much, and a tenth of it as slack.
    assert_eq!(held(&house, &ids).await, [3, 4, 5, 6, 7, 8, 9]);
    assert!(evictor.need(1, None).await.is_err());
    assert_eq!(held(&house, &ids).await.len(), 7);
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
            evictor.need(1_000, None).await,
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
    let house = House::with(|config| config.floor_bytes = 5_000).await;
    house.volume().pretend(12_000);
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
    // Three thousand are missing, and no more than that breaks the promise.
    assert_eq!((relieved.by_pressure, relieved.forced), (3, 3));
    assert_eq!(held(&house, &ids).await, [3, 4, 5, 6, 7, 8, 9]);
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
    assert!(matches!(
        evictor.need(1, None).await,
        Err(NoRoom::Volume(_))
    ));
}

/// Two volumes of so many bytes each, without slack.
async fn two_volumes(house: &House, budget_bytes: u64) -> Volumes {
    let volume = |name: &str| {
        let mut config = VolumeConfig::new(name, house.path().join(name));
        config.floor_bytes = 0;
        config.slack_bytes = 0;
        config.budget_bytes = Some(budget_bytes);
        config
    };
    let configs = [volume("main"), volume("second")];
    house.catalog.open_volumes(&configs).await.unwrap()
}

/// So many recordings of a day and a thousand bytes, each kept where room is given; the newest ended an hour ago. Returns on
/// which volume each was kept.
async fn arriving(house: &House, evictor: &Evictor, days: i64) -> Vec<(RecordingId, String)> {
    let recorder = house.recorder("SN1", 1).await;
    // What has only just ended may still grow, and is not listed yet.
    let now = house.catalog.now().plus_s(-3_600);
    let list = (0..days)
        .map(|n| {
            let from = now.plus_s((n - days) * 86_400);
            let span = UtcRange {
                from,
                to: from.plus_s(86_400),
            };
            found(&format!("f{n:03}"), span, 1_000)
        })
        .collect();
    let mut kept = Vec::new();
    for id in house.observe(recorder.id, 1, list).await {
        let reservation = evictor.need(1_000, None).await.unwrap();
        let pending = house.pending(id).await;
        house.catalog.begin_download(id).await.unwrap();
        let volume = reservation.volume();
        let verified = crate::catalog::testing::verified(volume, &pending, &[7; 1_000]);
        house.catalog.keep(volume, verified).await.unwrap();
        kept.push((id, volume.name().to_owned()));
    }
    kept
}

#[tokio::test]
async fn the_oldest_leaves_first_whichever_disk_it_lies_on() {
    let house = House::new().await;
    let volumes = two_volumes(&house, 5_000).await;
    let evictor = Evictor::new(house.catalog.clone(), volumes, RetentionConfig::default());
    let kept = arriving(&house, &evictor, 24).await;
    // Both fill alike.
    let on_second = |kept: &[(RecordingId, String)]| {
        let second = kept.iter().filter(|(_, volume)| volume == "second");
        second.count()
    };
    assert_eq!(on_second(&kept[..10]), 5);
    // And once both are full, what is held is the newest of all, without a hole.
    let ids: Vec<RecordingId> = kept.iter().map(|(id, _)| *id).collect();
    assert_eq!(held(&house, &ids).await, (14..24).collect::<Vec<_>>());
    assert_eq!(on_second(&kept[14..]), 5);
    house.assert_sound();
}

#[tokio::test]
async fn a_download_goes_on_where_it_has_begun() {
    let house = House::new().await;
    let volumes = two_volumes(&house, 5_000).await;
    let evictor = Evictor::new(
        house.catalog.clone(),
        volumes.clone(),
        RetentionConfig::default(),
    );
    for volume in volumes.iter() {
        let room = evictor.need(4_000, Some(volume.id())).await.unwrap();
        assert_eq!(room.volume().name(), volume.name());
        // Where its parts lie there is no more room, and they cannot be elsewhere.
        let more = evictor.need(4_000, Some(volume.id())).await;
        assert!(matches!(more, Err(NoRoom::Full { .. })), "{more:?}");
    }
}

#[tokio::test]
async fn a_volume_has_a_limit_of_age_of_its_own() {
    let house = House::with(|config| config.max_age_days = Some(1)).await;
    let ids = ten(&house).await;
    house.catalog.set_locked(ids[1], true).await.unwrap();
    house.clock.advance_ms(20 * 3_600_000);
    let evictor = evictor(&house, RetentionConfig::default());
    let relieved = evictor.relieve().await.unwrap();
    assert_eq!((relieved.by_rule, relieved.by_pressure), (5, 0));
    assert_eq!(held(&house, &ids).await, [1, 6, 7, 8, 9]);
    house.assert_sound();
}

async fn alerts(house: &House) -> Vec<String> {
    let rows = house.catalog.batch(0, 100).await.unwrap();
    rows.iter()
        .filter_map(|row| match &row.event {
            Event::AlertRaised(alert) => Some(alert.rule.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_promise_is_alarmed_before_it_breaks_once_and_again_only_after_it_was_over() {
    let config = RetentionConfig {
        min_age_days: 15,
        ..RetentionConfig::default()
    };
    let mut house = House::new().await;
    house.catalog.start_log().await.unwrap();
    let before = Evictor::new(house.catalog.clone(), house.volumes.clone(), config.clone());
    arriving(&house, &before, 10).await;
    let free_bytes = house.volume().space().unwrap().free_bytes;
    // The tests' disk has room for more than its promise: nothing is told.
    before.relieve().await.unwrap();
    assert_eq!(alerts(&house).await, Vec::<String>::new());
    let camera = house.catalog.cameras().await.unwrap()[0].id;
    // As if so much came in a day that four days fill the disk.
    let per_day = free_bytes / 4;
    house.catalog.write_test_listed(camera, per_day).await;
    before.relieve().await.unwrap();
    before.relieve().await.unwrap();
    assert_eq!(alerts(&house).await, ["retention_at_risk"]);
    let alarm = house.catalog.alarms().await.unwrap().remove(0);
    assert_eq!(alarm.subject, camera.to_string());
    assert!(
        alarm.message.contains("will break its promise of 15 days"),
        "{}",
        alarm.message
    );
    // A restart does not tell it again.
    drop(before);
    house = house.restart().await;
    let after = Evictor::new(house.catalog.clone(), house.volumes.clone(), config.clone());
    after.relieve().await.unwrap();
    assert_eq!(alerts(&house).await, ["retention_at_risk"]);
    // Far enough away it is over, and may be told anew.
    house
        .catalog
        .write_test_listed(camera, free_bytes / 100)
        .await;
    after.relieve().await.unwrap();
    assert!(house.catalog.alarms().await.unwrap().is_empty());
    house.catalog.write_test_listed(camera, per_day).await;
    after.relieve().await.unwrap();
    assert_eq!(
        alerts(&house).await,
        ["retention_at_risk", "retention_at_risk"]
    );
}

#[tokio::test]
async fn footage_that_leaves_before_its_time_is_told_once_a_day() {
    let house = House::with(|config| config.floor_bytes = 100).await;
    house.volume().pretend(105);
    let recorder = house.recorder("SN1", 1).await;
    house.catalog.start_log().await.unwrap();
    let config = RetentionConfig {
        min_age_days: 1,
        ..RetentionConfig::default()
    };
    let evictor = evictor(&house, config);
    for n in 0..3 {
        let from = house.catalog.now().plus_s(-3_600);
        let span = UtcRange {
            from,
            to: from.plus_s(600),
        };
        let ids = house
            .observe(recorder.id, 1, vec![found(&format!("g{n}"), span, 10)])
            .await;
        house.hold(ids[0], b"0123456789").await;
        assert_eq!(evictor.relieve().await.unwrap().forced, 1);
        house.clock.advance_ms(3_600_000);
    }
    let told = alerts(&house).await;
    assert_eq!(
        told.iter()
            .filter(|rule| *rule == "retention_shortened")
            .count(),
        1,
        "{told:?}"
    );
    house.clock.advance_ms(2 * DAY_MS);
    evictor.relieve().await.unwrap();
    let open = house.catalog.alarms().await.unwrap();
    assert!(
        open.iter().all(|alarm| alarm.rule != "retention_shortened"),
        "{open:?}"
    );
}

#[tokio::test]
async fn half_of_the_room_may_be_protected_unless_it_is_said() {
    let house = House::with(|config| config.budget_bytes = Some(9_000)).await;
    let usual = evictor(&house, RetentionConfig::default());
    usual.relieve().await.unwrap();
    assert_eq!(house.catalog.lock_max_bytes(), 4_500);
    let config = RetentionConfig {
        lock_max_bytes: Some(123),
        ..RetentionConfig::default()
    };
    evictor(&house, config).relieve().await.unwrap();
    assert_eq!(house.catalog.lock_max_bytes(), 123);
}
