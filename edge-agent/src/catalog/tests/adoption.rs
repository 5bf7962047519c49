//! A lost catalog is rebuilt from the disks, and footage never shows up under the wrong camera (S9).

use wire::resource::RecordingStatus;

use crate::catalog::adopt::Adopted;
use crate::catalog::recordings::RecordingFilter;
use crate::catalog::testing::{House, found, range};
use crate::footage::path::{MEDIA, SIDECAR};

#[tokio::test]
async fn a_lost_catalog_is_rebuilt_and_nothing_is_fetched_twice() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 2).await.id;
    let camera = house.camera(recorder, 1).await;
    let list = || {
        vec![
            found(
                "f1",
                range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z"),
                5,
            ),
            found(
                "f2",
                range("2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z"),
                5,
            ),
        ]
    };
    let ids = house.observe(recorder, 1, list()).await;
    for id in &ids {
        house.hold(*id, b"bytes").await;
    }
    let before = house
        .catalog
        .recordings(RecordingFilter::default())
        .await
        .unwrap();

    let house = house.lose_catalog().await;
    let adopted = house.catalog.adopt_footage(&house.volumes).await.unwrap();
    let all = Adopted {
        recordings: 2,
        ..Adopted::default()
    };
    assert_eq!(adopted, all);
    house.assert_sound();
    let mut after = house
        .catalog
        .recordings(RecordingFilter::default())
        .await
        .unwrap();
    for (now, then) in after.items.iter_mut().zip(&before.items) {
        // How it came about is not known any more.
        (now.attempts, now.updated_at) = (then.attempts, then.updated_at);
    }
    assert_eq!(after, before);
    // Once is enough.
    let again = house.catalog.adopt_footage(&house.volumes).await.unwrap();
    assert_eq!(again, Adopted::default());

    // The device is added again: its camera is the same one, and nothing is fetched twice.
    let recorder = house.recorder("SN1", 2).await.id;
    assert_eq!(house.camera(recorder, 1).await, camera);
    assert!(house.catalog.camera(camera).await.unwrap().enabled);
    assert!(house.observe(recorder, 1, list()).await.is_empty());
    house.assert_sound();
}

#[tokio::test]
async fn footage_of_another_device_keeps_its_own_camera() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let span = range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z");
    let id = house.observe(recorder, 1, vec![found("f1", span, 5)]).await[0];
    house.hold(id, b"bytes").await;
    let theirs = house.camera(recorder, 1).await;
    let house = house.lose_catalog().await;
    let other = house.recorder("SN2", 1).await.id;
    house.catalog.adopt_footage(&house.volumes).await.unwrap();
    assert_ne!(house.camera(other, 1).await, theirs);
    let held = house.catalog.held(id).await.unwrap().unwrap();
    assert_eq!(held.recording.camera_id, theirs);
    assert_eq!(house.catalog.cameras().await.unwrap().len(), 2);
    house.assert_sound();
}

#[tokio::test]
async fn what_was_discovered_again_meanwhile_is_not_fetched() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let span = range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z");
    let list = || vec![found("f1", span, 5)];
    let id = house.observe(recorder, 1, list()).await[0];
    house.hold(id, b"bytes").await;
    let house = house.lose_catalog().await;
    house.catalog.start_log().await.unwrap();
    let recorder = house.recorder("SN1", 1).await.id;
    let second = house.observe(recorder, 1, list()).await[0];
    house.catalog.adopt_footage(&house.volumes).await.unwrap();
    assert!(house.catalog.recording(second).await.is_err());
    assert!(house.catalog.held(id).await.unwrap().is_some());
    let now = house.catalog.now();
    assert!(house.catalog.to_fetch(now, 9).await.unwrap().is_empty());
    let mut relay = super::reports::Relay::default();
    relay.drain(&house).await;
    assert_eq!(relay.recordings.len(), 1);
    assert_eq!(relay.recordings[&id].status, RecordingStatus::Completed);
    house.assert_sound();
}

#[tokio::test]
async fn what_does_not_fit_together_is_left_where_it_is() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let list = (0..4).map(|n| {
        let from = crate::catalog::testing::at("2026-11-03T01:00:00Z").plus_s(n * 3_600);
        let span = crate::model::time::UtcRange {
            from,
            to: from.plus_s(3_600),
        };
        found(&format!("f{n}"), span, 5)
    });
    let ids = house.observe(recorder, 1, list.collect()).await;
    let mut stems = Vec::new();
    for id in &ids {
        house.hold(*id, b"bytes").await;
        stems.push(house.catalog.held(*id).await.unwrap().unwrap().stem);
    }
    let file = |n: usize, extension| house.volume().file(&stems[n], extension);
    std::fs::write(file(0, MEDIA), b"cut").unwrap();
    std::fs::write(file(1, SIDECAR), b"{").unwrap();
    std::fs::remove_file(file(2, SIDECAR)).unwrap();
    let house = house.lose_catalog().await;
    let adopted = house.catalog.adopt_footage(&house.volumes).await.unwrap();
    assert_eq!((adopted.recordings, adopted.left), (1, 2));
    assert!(house.catalog.held(ids[3]).await.unwrap().is_some());
    // Nothing is removed; the check names the five files.
    let report = crate::catalog::check::check(house.catalog.folder(), false).unwrap();
    assert_eq!(report.findings.len(), 5, "{report}");
}
