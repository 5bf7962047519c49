//! Locks and bookmarks: what they protect stays, is counted, and is bounded; and the totals by day follow.

use wire::ids::{CameraId, RecordingId};
use wire::resource::{EvictionCause, RecordingStatus};

use crate::catalog::CatalogError;
use crate::catalog::bookmarks::NewBookmark;
use crate::catalog::check;
use crate::catalog::testing::{House, at, found, range};
use crate::model::time::{UtcRange, UtcTime};

/// Three recordings of an hour and a thousand bytes: 08 to 11 o'clock. Two are held.
async fn three(house: &House) -> (CameraId, Vec<RecordingId>) {
    let recorder = house.recorder("SN1", 1).await.id;
    let list = (0..3)
        .map(|n| {
            let from = at("2026-11-03T08:00:00Z").plus_s(n * 3_600);
            let span = UtcRange {
                from,
                to: from.plus_s(3_600),
            };
            found(&format!("f{n}"), span, 1_000)
        })
        .collect();
    let ids = house.observe(recorder, 1, list).await;
    for id in &ids[..2] {
        house.hold(*id, &[7; 1_000]).await;
    }
    (house.camera(recorder, 1).await, ids)
}

fn mark(camera: CameraId, at: UtcTime) -> NewBookmark {
    NewBookmark {
        camera,
        at,
        note: "a van".to_owned(),
        made_by: "ann".to_owned(),
        via_relay: false,
    }
}

async fn evict_all(house: &House, ids: &[RecordingId]) -> Vec<RecordingId> {
    house
        .catalog
        .evict(ids.to_vec(), EvictionCause::Pressure)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_bookmark_protects_what_covers_it_now_and_later() {
    let house = House::new().await;
    let (camera, ids) = three(&house).await;
    let early = mark(camera, at("2026-11-03T08:30:00Z"));
    let first = house.catalog.add_bookmark(early.clone()).await.unwrap();
    let again = house.catalog.add_bookmark(early).await.unwrap();
    // Of a moment that is still to be fetched.
    let late = mark(camera, at("2026-11-03T10:59:59Z"));
    house.catalog.add_bookmark(late).await.unwrap();
    house.hold(ids[2], &[8; 500]).await;
    let bookmarked = |n: usize| {
        let (catalog, id) = (house.catalog.clone(), ids[n]);
        async move { catalog.recording(id).await.unwrap().bookmarked }
    };
    assert!(bookmarked(0).await && !bookmarked(1).await && bookmarked(2).await);
    let locks = house.catalog.locks().await.unwrap();
    assert_eq!(
        (locks.recordings, locks.bytes, locks.bookmarks),
        (2, 1_500, 3)
    );
    assert!(matches!(
        house.catalog.delete(ids[0]).await,
        Err(CatalogError::Bookmarked(_))
    ));
    assert_eq!(evict_all(&house, &ids).await, [ids[1]]);
    house.assert_sound();

    // One of two marks protects as well as two.
    house.catalog.remove_bookmark(first.id).await.unwrap();
    assert!(bookmarked(0).await);
    house.catalog.remove_bookmark(again.id).await.unwrap();
    assert!(!bookmarked(0).await);
    assert_eq!(evict_all(&house, &ids).await, [ids[0]]);
    assert!(matches!(
        house.catalog.remove_bookmark(first.id).await,
        Err(CatalogError::NoBookmark(_))
    ));
    house.assert_sound();
    let hour = range("2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z");
    let listed = house
        .catalog
        .bookmarks(Some(camera), hour, 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].note.as_str(), listed[0].made_by.as_str()),
        ("a van", "ann")
    );
}

#[tokio::test]
async fn no_more_is_protected_than_may_be() {
    let house = House::new().await;
    let (camera, ids) = three(&house).await;
    house.catalog.set_lock_max_bytes(1_500);
    house.catalog.set_locked(ids[0], true).await.unwrap();
    let refused = house.catalog.set_locked(ids[1], true).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "1.00 kB are protected from eviction already and this would be 1.00 kB more; at most 1.50 kB may be, so that \
         there is room for new footage. Unlock recordings or remove bookmarks that are no longer needed, download and \
         delete what is, add a disk, or raise [retention] lock_max_bytes"
    );
    let second = mark(camera, at("2026-11-03T09:31:00Z"));
    assert!(matches!(
        house.catalog.add_bookmark(second.clone()).await,
        Err(CatalogError::LockLimit {
            more_bytes: 1_000,
            ..
        })
    ));
    // Nothing was left behind of what was refused.
    assert_eq!(house.catalog.locks().await.unwrap().bookmarks, 0);
    // What is protected already may be marked too: that costs nothing more.
    let first = mark(camera, at("2026-11-03T08:30:00Z"));
    house.catalog.add_bookmark(first).await.unwrap();
    house.catalog.set_locked(ids[0], false).await.unwrap();
    house.catalog.set_locked(ids[0], true).await.unwrap();
    // And there is room once something was released.
    house.catalog.set_lock_max_bytes(2_000);
    house.catalog.add_bookmark(second).await.unwrap();
    house.assert_sound();
}

#[tokio::test]
async fn days_count_what_lies_on_them() {
    let house = House::new().await;
    let (camera, ids) = three(&house).await;
    house.catalog.set_locked(ids[1], true).await.unwrap();
    let day = at("2026-11-03T00:00:00Z").micros() / 86_400_000_000;
    let state = house.catalog.ring_state(day).await.unwrap();
    let held = &state.held[..];
    assert_eq!(held.len(), 1);
    assert_eq!(
        (
            held[0].camera,
            held[0].day,
            held[0].recordings,
            held[0].bytes,
            held[0].locked_bytes
        ),
        (camera, day, 2, 2_000, 1_000)
    );
    let seen = &state.cameras[0];
    assert_eq!(
        (seen.fetched, seen.locked_bytes, seen.first_day),
        (true, 1_000, Some(day))
    );
    // Three are listed, whether or not they are here.
    assert_eq!(seen.listed.len(), 1);
    assert_eq!(
        (seen.listed[0].bytes, seen.listed[0].span_ms),
        (3_000, 3 * 3_600_000)
    );
    evict_all(&house, &ids).await;
    let state = house.catalog.ring_state(day).await.unwrap();
    assert_eq!(state.held[0].recordings, 1);
    assert_eq!(state.cameras[0].listed[0].bytes, 3_000);
    assert_eq!(
        house.catalog.recording(ids[0]).await.unwrap().status,
        RecordingStatus::Evicted
    );
    house.assert_sound();
}

#[tokio::test]
async fn what_does_not_add_up_is_found() {
    let house = House::new().await;
    let (camera, _) = three(&house).await;
    let at = at("2026-11-03T08:30:00Z");
    house.catalog.add_bookmark(mark(camera, at)).await.unwrap();
    house.assert_sound();
    house
        .catalog
        .damage("update held_day set bytes = bytes + 1; update listed_day set recordings = 9; delete from bookmark;")
        .await;
    let report = check::check(house.catalog.folder(), false).unwrap();
    let said: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{report}");
    assert!(
        said[0].contains("counts 2 recordings and 2001 bytes"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("lists 9 recordings"), "{}", said[1]);
    assert!(said[2].starts_with("invariant 4: "), "{}", said[2]);
}
