//! What recorders answer, and what is still to be asked.

use proptest::prelude::*;
use wire::resource::{DefectKind, RecordingStatus};

use crate::catalog::observations::{Observed, subtract};
use crate::catalog::testing::{House, at, found, range};
use crate::model::inventory::{FoundRecording, Inventory, RecorderClock};
use crate::model::time::{UtcRange, UtcTime};
use wire::ids::RecorderId;

const SETTLE_MS: i64 = 120_000;

async fn answer(
    house: &House,
    recorder: RecorderId,
    asked: UtcRange,
    recordings: Vec<FoundRecording>,
) -> Observed {
    let inventory = Inventory {
        channel: 1,
        asked,
        answered_at: house.catalog.now(),
        clock: RecorderClock {
            zone_minutes: 60,
            offset_ms: 0,
        },
        recordings,
    };
    house
        .catalog
        .record_observation(recorder, &inventory, SETTLE_MS)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_same_answer_twice_changes_nothing() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let asked = range("2026-11-03T08:00:00Z", "2026-11-03T11:00:00Z");
    let one = || {
        vec![found(
            "f1",
            range("2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z"),
            5,
        )]
    };
    assert_eq!(answer(&house, recorder, asked, one()).await.new.len(), 1);
    assert_eq!(
        answer(&house, recorder, asked, one()).await,
        Observed::default()
    );
}

#[tokio::test]
async fn a_listing_that_repeats_itself_adds_nothing_twice() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let asked = range("2026-11-03T08:00:00Z", "2026-11-03T11:00:00Z");
    let film = |name: &str, from: &str, to: &str| found(name, range(from, to), 5);
    let first = || film("f1", "2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z");
    let last = || film("f2", "2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z");
    let repeated = vec![first(), last(), last(), first(), last()];
    let observed = answer(&house, recorder, asked, repeated).await;
    assert_eq!((observed.new.len(), observed.changed.len()), (2, 0));
}

#[tokio::test]
async fn what_still_grows_is_left_alone_and_asked_again_from_where_it_begins() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let horizon = |to: &str| range("2026-11-03T08:00:00Z", to);
    let growing = |to: &str, bytes| found("f2", range("2026-11-03T11:30:00Z", to), bytes);
    let done = || {
        found(
            "f1",
            range("2026-11-03T10:30:00Z", "2026-11-03T11:30:00Z"),
            9,
        )
    };
    let first = answer(
        &house,
        recorder,
        horizon("2026-11-03T12:00:00Z"),
        vec![done(), growing("2026-11-03T12:00:00Z", 4)],
    )
    .await;
    assert_eq!((first.new.len(), first.growing), (1, 1));
    let left = house
        .catalog
        .uncovered(recorder, 1, horizon("2026-11-03T12:00:00Z"))
        .await
        .unwrap();
    assert_eq!(
        left,
        [range("2026-11-03T11:30:00Z", "2026-11-03T12:00:00Z")]
    );

    // Ten minutes later it has ended.
    house.clock.advance_ms(600_000);
    let second = answer(
        &house,
        recorder,
        range("2026-11-03T11:30:00Z", "2026-11-03T12:10:00Z"),
        vec![growing("2026-11-03T12:05:00Z", 5)],
    )
    .await;
    assert_eq!((second.new.len(), second.growing), (1, 0));
    let left = house
        .catalog
        .uncovered(recorder, 1, horizon("2026-11-03T12:10:00Z"))
        .await
        .unwrap();
    assert_eq!(
        left,
        [range("2026-11-03T12:08:00Z", "2026-11-03T12:10:00Z")]
    );
}

#[tokio::test]
async fn failures_leave_holes_that_a_later_answer_fills() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let camera = house.camera(recorder, 1).await;
    let horizon = range("2026-11-03T00:00:00Z", "2026-11-03T11:00:00Z");
    answer(
        &house,
        recorder,
        range("2026-11-03T00:00:00Z", "2026-11-03T04:00:00Z"),
        vec![],
    )
    .await;
    let middle = range("2026-11-03T04:00:00Z", "2026-11-03T06:00:00Z");
    house
        .catalog
        .record_failed_observation(recorder, 1, middle, "no route to host")
        .await
        .unwrap();
    answer(
        &house,
        recorder,
        range("2026-11-03T06:00:00Z", "2026-11-03T11:00:00Z"),
        vec![],
    )
    .await;
    let uncovered = || house.catalog.uncovered(recorder, 1, horizon);
    assert_eq!(uncovered().await.unwrap(), [middle]);
    let (settled, failure) = house.catalog.observed(camera, horizon).await.unwrap();
    assert_eq!(settled.len(), 2);
    assert_eq!(failure.as_deref(), Some("no route to host"));
    answer(&house, recorder, middle, vec![]).await;
    assert_eq!(uncovered().await.unwrap(), []);
    let (settled, failure) = house.catalog.observed(camera, horizon).await.unwrap();
    assert_eq!((settled, failure), (vec![horizon], None));
}

#[tokio::test]
async fn a_longer_listing_renews_what_is_not_held_and_marks_what_is() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let asked = range("2026-11-03T08:00:00Z", "2026-11-03T11:00:00Z");
    let listed = |to: &str, bytes| {
        vec![
            found("held", range("2026-11-03T09:00:00Z", to), bytes),
            found("given up", range("2026-11-03T09:30:00Z", to), bytes),
        ]
    };
    let ids = answer(&house, recorder, asked, listed("2026-11-03T10:00:00Z", 5))
        .await
        .new;
    house.hold(ids[0], b"bytes").await;
    house.catalog.begin_download(ids[1]).await.unwrap();
    house
        .catalog
        .source_gone(ids[1], "overwritten")
        .await
        .unwrap();
    let observed = answer(&house, recorder, asked, listed("2026-11-03T10:10:00Z", 6)).await;
    assert_eq!(observed.outgrown, [ids[0]]);
    assert_eq!(observed.changed, [ids[1]]);
    let held = house.catalog.recording(ids[0]).await.unwrap();
    assert_eq!(held.status, RecordingStatus::Completed);
    assert_eq!(held.defects[0].kind, DefectKind::Short);
    let renewed = house.catalog.recording(ids[1]).await.unwrap();
    assert_eq!(renewed.status, RecordingStatus::Pending);
    assert_eq!(renewed.end_utc, at("2026-11-03T10:10:00Z"));
    // And once said, it is not said again.
    let again = answer(&house, recorder, asked, listed("2026-11-03T10:10:00Z", 6)).await;
    assert_eq!(again, Observed::default());
}

#[tokio::test]
async fn both_passes_of_a_repeated_hour_are_two_recordings() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let asked = range("2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z");
    let first = found(
        "f",
        range("2026-10-25T00:30:00Z", "2026-10-25T00:40:00Z"),
        5,
    );
    let mut second = found(
        "f",
        range("2026-10-25T01:30:00Z", "2026-10-25T01:40:00Z"),
        5,
    );
    (second.start, second.end) = (first.start, first.end);
    second.start.second_pass = true;
    second.end.second_pass = true;
    let new = answer(&house, recorder, asked, vec![first, second.clone()])
        .await
        .new;
    assert_eq!(new.len(), 2);
    let pending = house.pending(new[1]).await;
    assert_eq!(
        (pending.source_start, pending.source_end),
        (second.start, second.end)
    );
}

fn minutes(from: i64, to: i64) -> UtcRange {
    let at = |minutes| UtcTime::from_micros(0).plus_s(minutes * 60);
    UtcRange {
        from: at(from),
        to: at(to),
    }
}

#[test]
fn ranges_subtracted_by_table() {
    type Minutes<'a> = &'a [(i64, i64)];
    let table: &[(Minutes<'_>, Minutes<'_>)] = &[
        (&[], &[(10, 20)]),
        (&[(0, 30)], &[]),
        (&[(10, 20)], &[]),
        (&[(12, 14)], &[(10, 12), (14, 20)]),
        (&[(0, 12), (18, 30)], &[(12, 18)]),
        (&[(5, 12), (11, 13), (13, 14)], &[(14, 20)]),
        (&[(10, 15), (11, 12)], &[(15, 20)]),
        (&[(0, 5)], &[(10, 20)]),
        (&[(20, 25)], &[(10, 20)]),
    ];
    for (covered, left) in table {
        let list = |pairs: &[(i64, i64)]| -> Vec<_> {
            pairs.iter().map(|(a, b)| minutes(*a, *b)).collect()
        };
        assert_eq!(
            subtract(minutes(10, 20), &list(covered)),
            list(left),
            "{covered:?}"
        );
    }
}

proptest! {
    #[test]
    fn every_minute_is_either_covered_or_left(
        covers in prop::collection::vec((0_i64..60, 0_i64..20), 0..8), from in 0_i64..60, length in 0_i64..40,
    ) {
        let mut covered: Vec<UtcRange> = covers.iter().map(|(from, length)| minutes(*from, from + length)).collect();
        covered.sort_by_key(|range| range.from);
        let left = subtract(minutes(from, from + length), &covered);
        for minute in 0..110 {
            let this = minutes(minute, minute + 1);
            let asked = minute >= from && minute < from + length;
            let is_covered = covered.iter().any(|range| range.overlaps(this));
            let is_left = left.iter().any(|range| range.overlaps(this));
            prop_assert_eq!(is_left, asked && !is_covered, "minute {}", minute);
        }
        prop_assert!(left.iter().all(|range| range.from < range.to));
        prop_assert!(left.windows(2).all(|pair| pair[0].to < pair[1].from));
    }
}
