//! Disks that go and come, with a real catalog and files.

use super::*;
use crate::catalog::testing::{House, found, range};
use crate::footage::keep::Step;
use crate::footage::path::MEDIA;
use crate::footage::volume::{MARKER, VolumeConfig};
use wire::ids::RecordingId;
use wire::resource::RecordingStatus;
use wire::telemetry::{Alert, Event};

async fn some(house: &House) -> Vec<RecordingId> {
    let recorder = house.recorder("SN1", 1).await.id;
    let spans = [
        range("2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z"),
        range("2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z"),
    ];
    let listed = spans.map(|span| found(&span.from.to_string(), span, 1_000));
    house.observe(recorder, 1, listed.into()).await
}

async fn alerts(house: &House) -> Vec<Alert> {
    let told = house.catalog.batch(0, 1_000).await.unwrap();
    told.into_iter()
        .filter_map(|report| match report.event {
            Event::AlertRaised(alert) => Some(alert),
            _ => None,
        })
        .collect()
}

fn state(house: &House) -> VolumeState {
    house.volume().health().state()
}

#[tokio::test]
async fn a_disk_that_goes_is_told_once_and_taken_up_again() {
    let house = House::new().await;
    house.catalog.start_log().await.unwrap();
    let ids = some(&house).await;
    house.hold(ids[0], b"one").await;
    let half = house.fetch(ids[1], b"two").await;
    let (catalog, volume) = (&house.catalog, house.volume());
    catalog
        .keep_until(volume, half, Step::MediaRenamed)
        .await
        .unwrap();
    catalog.delete(ids[0]).await.unwrap();
    let mut watch = Watch::new(catalog, &house.volumes, volume);
    let away = house.path().join("away");
    std::fs::rename(volume.path(), &away).unwrap();
    for _ in 0..3 {
        watch.look().await.unwrap();
        assert_eq!(state(&house), VolumeState::Gone);
    }
    let told = alerts(&house).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.contains("\"main\"") && told[0].message.contains("plugged in"));
    assert_eq!(catalog.alarms().await.unwrap()[0].rule, GONE);
    let storage = catalog.storage(&house.volumes).await.unwrap();
    assert_eq!(storage.volumes[0].state, VolumeState::Gone);
    assert!(storage.volumes[0].trouble.is_some());
    // Nothing was written where it was.
    assert!(!volume.path().exists());

    std::fs::rename(&away, volume.path()).unwrap();
    watch.look().await.unwrap();
    assert_eq!(state(&house), VolumeState::Working);
    assert!(catalog.alarms().await.unwrap().is_empty());
    let told = alerts(&house).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].severity == Severity::Info && told[1].message.contains("well again"));
    // What was half kept is held, and what had left has gone.
    let kept = catalog.recording(ids[1]).await.unwrap();
    assert_eq!(kept.status, RecordingStatus::Completed);
    house.assert_sound();
    let held = catalog.held(ids[1]).await.unwrap().unwrap();
    assert_eq!(
        std::fs::read(volume.file(&held.stem, MEDIA)).unwrap(),
        b"two"
    );
}

#[tokio::test]
async fn what_is_told_of_another_disk_is_told_anew() {
    let house = House::new().await;
    house.catalog.start_log().await.unwrap();
    let volume = house.volume();
    let mut watch = Watch::new(&house.catalog, &house.volumes, volume);
    watch.look().await.unwrap();
    let marker = volume.path().join(MARKER);
    let ours = std::fs::read(&marker).unwrap();
    std::fs::write(
        &marker,
        format!("{{\"version\":1,\"uuid\":\"{}\"}}", uuid::Uuid::now_v7()),
    )
    .unwrap();
    watch.look().await.unwrap();
    assert_eq!(state(&house), VolumeState::Foreign);
    std::fs::write(&marker, "not a marker").unwrap();
    watch.look().await.unwrap();
    assert_eq!(state(&house), VolumeState::Failing);
    let rules: Vec<String> = house
        .catalog
        .alarms()
        .await
        .unwrap()
        .into_iter()
        .map(|alarm| alarm.rule)
        .collect();
    assert_eq!(rules, [FAILING]);
    std::fs::write(&marker, ours).unwrap();
    watch.look().await.unwrap();
    assert!(house.catalog.alarms().await.unwrap().is_empty());
}

/// Configured before its disk is mounted, and mounted later, empty or with footage.
#[tokio::test]
async fn a_new_disk_is_claimed_when_it_is_there_and_never_before() {
    let house = House::new().await;
    // A folder that cannot be made: a file is in the way.
    let path = house.path().join("mount/disk2");
    std::fs::write(house.path().join("mount"), "").unwrap();
    let configs = [
        house.volume().config().clone(),
        VolumeConfig::new("second", &path),
    ];
    let volumes = house.catalog.open_volumes(&configs).await.unwrap();
    let second = volumes.iter().nth(1).unwrap();
    assert!(!second.is_made());
    let mut watch = Watch::new(&house.catalog, &volumes, second);
    watch.look().await.unwrap();
    assert_eq!(second.health().state(), VolumeState::Gone);
    let fit = volumes.for_writing().await.unwrap();
    assert_eq!(fit.len(), 1);
    std::fs::remove_file(house.path().join("mount")).unwrap();
    watch.look().await.unwrap();
    assert_eq!(second.health().state(), VolumeState::Working);
    assert_eq!(volumes.for_writing().await.unwrap().len(), 2);
    // Known from now on: without its marker it is gone, not new.
    std::fs::remove_file(path.join(MARKER)).unwrap();
    let volumes = house.catalog.open_volumes(&configs).await.unwrap();
    let second = volumes.iter().nth(1).unwrap();
    assert!(second.is_made() && second.check().is_err());
    assert!(!path.join(MARKER).exists());
}

/// The disk of a known volume lies where a new one is configured.
#[tokio::test]
async fn the_disk_of_another_volume_is_never_taken_for_a_new_one() {
    let house = House::new().await;
    let path = house.path().join("mount/disk2");
    std::fs::write(house.path().join("mount"), "").unwrap();
    let configs = [
        house.volume().config().clone(),
        VolumeConfig::new("second", &path),
    ];
    house.catalog.open_volumes(&configs).await.unwrap();
    std::fs::remove_file(house.path().join("mount")).unwrap();
    std::fs::create_dir_all(&path).unwrap();
    std::fs::copy(house.volume().path().join(MARKER), path.join(MARKER)).unwrap();
    let volumes = house.catalog.open_volumes(&configs).await.unwrap();
    let second = volumes.iter().nth(1).unwrap();
    assert_ne!(second.uuid(), house.volume().uuid());
    let mut watch = Watch::new(&house.catalog, &volumes, second);
    watch.look().await.unwrap();
    assert_eq!(second.health().state(), VolumeState::Foreign);
    assert!(!second.is_made());
}

#[tokio::test]
async fn a_disk_that_goes_while_it_is_kept_on_leaves_no_doubt_when_the_recording_comes_elsewhere() {
    let house = House::new().await;
    let ids = some(&house).await;
    let configs = [
        house.volume().config().clone(),
        VolumeConfig::new("second", house.path().join("second")),
    ];
    let volumes = house.catalog.open_volumes(&configs).await.unwrap();
    let (first, second) = (
        volumes.iter().next().unwrap(),
        volumes.iter().nth(1).unwrap(),
    );
    let half = house.fetch(ids[0], b"one").await;
    house
        .catalog
        .keep_until(first, half, Step::MediaRenamed)
        .await
        .unwrap();
    let away = house.path().join("away");
    std::fs::rename(first.path(), &away).unwrap();
    let again =
        crate::catalog::testing::verified(second, &house.pending(ids[0]).await, b"one again");
    house.catalog.keep(second, again).await.unwrap();
    std::fs::rename(&away, first.path()).unwrap();
    assert!(house.catalog.volume_is_back(&volumes, first).await.unwrap());
    let held = house.catalog.held(ids[0]).await.unwrap().unwrap();
    assert_eq!(held.volume, second.id());
    assert!(!first.file(&held.stem, MEDIA).exists());
    house.assert_sound();
}
