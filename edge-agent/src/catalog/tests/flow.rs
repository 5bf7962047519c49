//! One recording from the first login to its eviction.

use wire::resource::{EvictionCause, RecordingStatus};

use crate::catalog::recordings::RecordingFilter;
use crate::catalog::testing::{House, found, range};

#[tokio::test]
async fn a_recording_is_listed_fetched_held_locked_and_leaves() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 2).await;
    let camera = house.camera(recorder.id, 1).await;
    let span = range("2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z");
    let ids = house
        .observe(recorder.id, 1, vec![found("f1", span, 1_000)])
        .await;
    let id = ids[0];
    assert_eq!(house.pending(id).await.status, RecordingStatus::Pending);

    house.hold(id, b"footage").await;
    let recording = house.catalog.recording(id).await.unwrap();
    assert_eq!(recording.status, RecordingStatus::Completed);
    assert_eq!(recording.progress_percent, 100);
    assert_eq!(recording.recorder_start, "2026-11-03T11:00:00");
    let held = house.catalog.held(id).await.unwrap().unwrap();
    assert_eq!(
        std::fs::read(house.volume().file(&held.stem, "mp4")).unwrap(),
        b"footage"
    );
    assert_eq!(
        held.stem.as_str(),
        format!("cameras/{camera}/2026/11/03/100000.000Z_3600s")
    );
    assert!(!house.volume().staging(id).exists());
    house.assert_sound();
    let shown = house.catalog.camera(camera).await.unwrap();
    assert_eq!((shown.held_recordings, shown.held_bytes), (1, 7));
    assert_eq!(shown.newest_utc, Some(span.to));

    house.catalog.set_locked(id, true).await.unwrap();
    assert!(house.catalog.delete(id).await.is_err());
    let left = house
        .catalog
        .evict(vec![id], EvictionCause::Pressure)
        .await
        .unwrap();
    assert!(left.is_empty());
    house.catalog.set_locked(id, false).await.unwrap();
    house.catalog.delete(id).await.unwrap();
    house.catalog.garbage_waiting().await;
    let emptied = house.catalog.empty_garbage(&house.volumes).await.unwrap();
    assert_eq!((emptied.removed, emptied.left), (1, 0));
    assert_eq!(
        std::fs::read_dir(house.volume().path().join("cameras"))
            .unwrap()
            .count(),
        0
    );
    house.assert_sound();

    // It is still on the recorder, and stays there.
    assert!(
        house
            .observe(recorder.id, 1, vec![found("f1", span, 1_000)])
            .await
            .is_empty()
    );
    let now = house.catalog.now();
    assert!(house.catalog.to_fetch(now, 10).await.unwrap().is_empty());
    let listed = house
        .catalog
        .recordings(RecordingFilter::default())
        .await
        .unwrap();
    assert_eq!(listed.items[0].eviction_cause, Some(EvictionCause::Deleted));
    assert_eq!(
        listed.items[0].updated_at,
        recording_updated(&house, id).await
    );
}

async fn recording_updated(house: &House, id: wire::ids::RecordingId) -> wire::time::UtcTime {
    house.catalog.recording(id).await.unwrap().updated_at
}
