//! Lists, and the indexes that they stand on.

use wire::resource::{RecordingStatus, SyncJobState};

use crate::catalog::recordings::{Order, RecordingFilter, SpanFilter, queries};
use crate::catalog::testing::{House, at, found, range};
use crate::catalog::{Catalog, CatalogError};
use crate::model::time::UtcRange;

/// Eight hours of recordings of two channels, the third of channel 1 held.
async fn eight_hours() -> (House, wire::ids::RecorderId) {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 2).await.id;
    for channel in [1, 2] {
        let list = (0..8).map(|n| {
            let from = at("2026-11-03T01:00:00Z").plus_s(n * 3_600);
            let span = UtcRange {
                from,
                to: from.plus_s(3_600),
            };
            found(&format!("c{channel}f{n}"), span, 1_000 * (n as u64 + 1))
        });
        let ids = house.observe(recorder, channel, list.collect()).await;
        if channel == 1 {
            house.hold(ids[2], b"bytes").await;
        }
    }
    (house, recorder)
}

async fn names(catalog: &Catalog, mut filter: RecordingFilter) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let page = catalog.recordings(filter.clone()).await.unwrap();
        names.extend(page.items.into_iter().map(|r| r.source_name));
        match page.next_cursor {
            Some(cursor) => filter.cursor = Some(cursor),
            None => return names,
        }
    }
}

#[tokio::test]
async fn pages_by_every_filter() {
    let (house, recorder) = eight_hours().await;
    let camera = house.camera(recorder, 1).await;
    let all = RecordingFilter {
        limit: 3,
        ..RecordingFilter::default()
    };
    let everything = names(&house.catalog, all.clone()).await;
    assert_eq!(everything.len(), 16);
    assert!(everything[0].ends_with("f7") && everything[15].ends_with("f0"));
    let oldest_first = RecordingFilter {
        order: Order::OldestFirst,
        ..all.clone()
    };
    let mut reversed = names(&house.catalog, oldest_first).await;
    reversed.reverse();
    assert_eq!(reversed, everything);

    let of_camera = RecordingFilter {
        camera: Some(camera),
        from: Some(at("2026-11-03T03:30:00Z")),
        to: Some(at("2026-11-03T05:00:01Z")),
        ..all.clone()
    };
    assert_eq!(
        names(&house.catalog, of_camera.clone()).await,
        ["c1f4", "c1f3", "c1f2"]
    );
    let held = RecordingFilter {
        status: Some(RecordingStatus::Completed),
        ..of_camera
    };
    assert_eq!(names(&house.catalog, held).await, ["c1f2"]);
    let large = RecordingFilter {
        status: Some(RecordingStatus::Pending),
        min_bytes: Some(7_000),
        ..all.clone()
    };
    assert_eq!(names(&house.catalog, large).await.len(), 4);
    let bad = RecordingFilter {
        cursor: Some("nonsense".to_owned()),
        ..all
    };
    assert!(matches!(
        house.catalog.recordings(bad).await,
        Err(CatalogError::BadCursor)
    ));
}

#[tokio::test]
async fn a_range_finds_what_reaches_into_it() {
    let (house, recorder) = eight_hours().await;
    let camera = house.camera(recorder, 1).await;
    let inside = range("2026-11-03T03:10:00Z", "2026-11-03T03:20:00Z");
    let held = house.catalog.held_in(camera, inside, 10).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].recording.start_utc, at("2026-11-03T03:00:00Z"));
    let spans = house
        .catalog
        .spans(camera, inside, SpanFilter::All)
        .await
        .unwrap();
    assert_eq!(spans.len(), 1);
    let touching = range("2026-11-03T04:00:00Z", "2026-11-03T05:00:00Z");
    let held = house
        .catalog
        .spans(camera, touching, SpanFilter::Held)
        .await
        .unwrap();
    assert!(held.is_empty());
}

#[tokio::test]
async fn one_recorders_backlog_does_not_hide_anothers() {
    let (house, _) = eight_hours().await;
    let other = house.recorder("SN2", 1).await.id;
    let span = range("2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z");
    house.observe(other, 1, vec![found("other", span, 5)]).await;
    let now = house.catalog.now();
    let next = house.catalog.to_fetch(now, 2).await.unwrap();
    let names: Vec<_> = next.iter().map(|r| r.source_name.as_str()).collect();
    assert_eq!(names, ["c1f0", "c2f0", "other"]);
}

#[tokio::test]
async fn attempts_wait_and_are_given_up() {
    let (house, _) = eight_hours().await;
    let now = house.catalog.now();
    let id = house.catalog.to_fetch(now, 1).await.unwrap()[0].id;
    house.catalog.begin_download(id).await.unwrap();
    house.catalog.note_progress(vec![(id, 500)]).await.unwrap();
    let recording = house.catalog.recording(id).await.unwrap();
    assert_eq!((recording.progress_percent, recording.attempts), (50, 1));
    house
        .catalog
        .fail(id, "the network is gone", Some(now.plus_s(60)))
        .await
        .unwrap();
    let first = |at| {
        let catalog = house.catalog.clone();
        async move { catalog.to_fetch(at, 1).await.unwrap()[0].id }
    };
    assert_ne!(first(now).await, id);
    assert_eq!(first(now.plus_s(60)).await, id);
    house.catalog.begin_download(id).await.unwrap();
    house.catalog.put_back(id, None).await.unwrap();
    assert_eq!(house.pending(id).await.attempts, 1);
    assert_eq!(house.pending(id).await.received_bytes, 500);
    house.catalog.begin_download(id).await.unwrap();
    assert!(!house.catalog.note_rejected(id, "aa").await.unwrap());
    assert!(!house.catalog.note_rejected(id, "bb").await.unwrap());
    assert!(house.catalog.note_rejected(id, "bb").await.unwrap());
    house.catalog.fail(id, "undecodable", None).await.unwrap();
    assert_ne!(first(now.plus_s(1_000_000)).await, id);
    assert_eq!(house.catalog.backlog().await.unwrap(), (14, 0));
}

#[tokio::test]
async fn a_job_counts_its_range_and_ends() {
    let (house, recorder) = eight_hours().await;
    let camera = house.camera(recorder, 1).await;
    let span = range("2026-11-03T02:30:00Z", "2026-11-03T05:00:00Z");
    let job = house.catalog.add_job(Some(camera), span).await.unwrap();
    assert_eq!((job.found, job.completed, job.failed), (3, 1, 0));
    // Asked for again while it waits, it waits all the same.
    for _ in 0..2 {
        let raised = house.catalog.raise_priority(Some(camera), span).await;
        assert_eq!(raised.unwrap(), 2);
    }
    let now = house.catalog.now();
    let urgent = || async {
        let all = house.catalog.to_fetch(now, 100).await.unwrap();
        all.iter().filter(|r| r.priority > 0).count()
    };
    assert_eq!(urgent().await, 2);
    // A second job still wants one of them when the first is cancelled.
    let other = range("2026-11-03T04:10:00Z", "2026-11-03T04:20:00Z");
    let second = house.catalog.add_job(None, other).await.unwrap();
    let cancelled = house
        .catalog
        .set_job_state(job.id, SyncJobState::Cancelled, None)
        .await
        .unwrap();
    assert_eq!(cancelled.state, SyncJobState::Cancelled);
    assert_eq!(urgent().await, 1);
    let revived = house
        .catalog
        .set_job_state(job.id, SyncJobState::Downloading, None)
        .await
        .unwrap();
    assert_eq!(revived.state, SyncJobState::Cancelled);
    let open = house.catalog.open_jobs().await.unwrap();
    assert_eq!(open.iter().map(|j| j.id).collect::<Vec<_>>(), [second.id]);
}

#[tokio::test]
async fn every_query_finds_its_rows_through_an_index() {
    let (house, _) = eight_hours().await;
    let to_move = crate::catalog::moves::TO_MOVE.replace("?1", "1");
    let moving = [("to move".into(), to_move)];
    for (name, sql) in queries().into_iter().chain(moving) {
        let plan = house.catalog.explain(sql.clone()).await.unwrap();
        let text = plan.join("\n");
        assert!(
            !text.contains("SCAN recording") || text.contains("SCAN recording USING INDEX"),
            "{name}: {text}\n{sql}"
        );
        assert!(!text.contains("TEMP B-TREE"), "{name}: {text}\n{sql}");
    }
}
