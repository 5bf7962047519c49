//! How far back recorders reach: what empty answers prove, what was lost, and what is about to be.

use rusqlite::Connection;
use wire::coverage::{GapCause, Verdict};
use wire::ids::{CameraId, RecorderId, RecordingId};
use wire::resource::RecordingStatus;
use wire::telemetry::Event;
use wire::time::UtcTime;

use crate::catalog::beside::Beside;
use crate::catalog::testing::{House, at, found};
use crate::catalog::{Catalog, FILE};
use crate::model::coverage::{Doubt, coverage};
use crate::model::inventory::{FoundRecording, Inventory, RecorderClock};
use crate::model::time::UtcRange;

fn answer(house: &House, asked: UtcRange, recordings: Vec<FoundRecording>) -> Inventory {
    Inventory {
        channel: 1,
        asked,
        answered_at: house.catalog.now(),
        clock: RecorderClock {
            zone_minutes: 60,
            offset_ms: 0,
        },
        recordings,
    }
}

fn hour(n: i64) -> UtcTime {
    at("2026-11-03T00:00:00Z").plus_s(n * 3_600)
}

fn hours(from: i64, to: i64) -> UtcRange {
    UtcRange {
        from: hour(from),
        to: hour(to),
    }
}

fn film(n: i64) -> FoundRecording {
    found(&format!("f{n}"), hours(n, n + 1), 5)
}

async fn observe(
    house: &House,
    recorder: RecorderId,
    asked: UtcRange,
    films: &[i64],
) -> Vec<RecordingId> {
    let films = films.iter().copied().map(film).collect();
    let inventory = answer(house, asked, films);
    let observed = house.catalog.record_observation(recorder, &inventory, 0);
    observed.await.unwrap().new
}

async fn read_reach(house: &House, recorder: RecorderId, films: &[i64]) -> Vec<RecordingId> {
    let films = films.iter().copied().map(film).collect();
    let inventory = answer(
        house,
        UtcRange {
            from: hour(-48),
            to: house.catalog.now(),
        },
        films,
    );
    house
        .catalog
        .note_reach(recorder, &inventory)
        .await
        .unwrap()
        .gone
}

/// `(from, to, cause)` in hours of the day.
async fn gaps(house: &House, camera: CameraId, range: UtcRange) -> Vec<(i64, i64, GapCause)> {
    let known = house.catalog.known_of(camera, range).await.unwrap();
    let n = |at: UtcTime| at.ms_since(hour(0)) / 3_600_000;
    coverage(range, &known.facts)
        .gaps
        .iter()
        .map(|gap| (n(gap.range.from), n(gap.range.to), gap.cause))
        .collect()
}

#[tokio::test]
async fn an_empty_answer_proves_something_once_the_recorder_is_known_to_reach_further_back() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let camera = house.camera(recorder, 1).await;
    let horizon = hours(0, 12);
    observe(&house, recorder, horizon, &[4]).await;
    use GapCause::*;
    let all = [
        (0, 4, NotObserved),
        (4, 5, NotDownloaded),
        (5, 12, NotObserved),
    ];
    assert_eq!(gaps(&house, camera, horizon).await, all);
    // It is not asked about again and again, but when the reach is read.
    let catalog = &house.catalog;
    assert_eq!(catalog.uncovered(recorder, 1, horizon).await.unwrap(), []);
    let doubtful = catalog.uncovered_or_doubtful(recorder, 1, horizon);
    assert_eq!(doubtful.await.unwrap(), [horizon]);
    // A recorder that lists nothing at all (it has just started) settles nothing.
    read_reach(&house, recorder, &[]).await;
    assert_eq!(gaps(&house, camera, horizon).await, all);

    read_reach(&house, recorder, &[4]).await;
    let settled = [
        (0, 4, BeyondReach),
        (4, 5, NotDownloaded),
        (5, 12, NotRecorded),
    ];
    assert_eq!(gaps(&house, camera, horizon).await, settled);
    let doubtful = catalog.uncovered_or_doubtful(recorder, 1, horizon);
    assert_eq!(doubtful.await.unwrap(), []);

    // An outage of nine hours, in which the recorder overwrote all that was there: nobody knows of the first five.
    house.clock.advance_ms(9 * 3_600_000);
    observe(&house, recorder, hours(12, 21), &[17, 18]).await;
    read_reach(&house, recorder, &[17, 18]).await;
    let after = gaps(&house, camera, hours(0, 21)).await;
    assert_eq!(
        after,
        [
            (0, 4, BeyondReach),
            (4, 5, OverwrittenOnRecorder),
            // This had been settled while the recorder still reached back.
            (5, 12, NotRecorded),
            (12, 17, BeyondReach),
            (17, 19, NotDownloaded),
            (19, 21, NotRecorded),
        ]
    );
    // A disk is back: what was out of reach is worth another question.
    read_reach(&house, recorder, &[2, 17, 18]).await;
    let doubtful = catalog.uncovered_or_doubtful(recorder, 1, hours(0, 21));
    assert_eq!(doubtful.await.unwrap(), [hours(0, 4), hours(12, 17)]);
}

#[tokio::test]
async fn what_was_overwritten_before_it_was_fetched_is_given_up_and_told() {
    let house = House::new().await;
    let catalog = &house.catalog;
    let recorder = house.recorder("SN1", 1).await.id;
    catalog.start_log().await.unwrap();
    let ids = observe(&house, recorder, hours(0, 12), &[1, 2, 3, 8]).await;
    house.hold(ids[0], b"held").await;
    catalog.begin_download(ids[2]).await.unwrap();
    assert_eq!(read_reach(&house, recorder, &[8]).await, [ids[1]]);
    let gone = catalog.recording(ids[1]).await.unwrap();
    assert_eq!(gone.status, RecordingStatus::Failed);
    assert!(
        gone.failure
            .unwrap()
            .contains("overwritten by the recorder")
    );
    // What is held stays, what is being fetched finds out by itself, and it is said once.
    assert_eq!(
        catalog.recording(ids[0]).await.unwrap().status,
        RecordingStatus::Completed
    );
    assert_eq!(
        catalog.recording(ids[2]).await.unwrap().status,
        RecordingStatus::Downloading
    );
    assert_eq!(read_reach(&house, recorder, &[8]).await, []);
    assert_eq!(alerts(&house, "footage_lost").await, 1);
    // Listed again after all: it gets a new chance.
    observe(&house, recorder, hours(0, 12), &[2]).await;
    assert_eq!(
        catalog.recording(ids[1]).await.unwrap().status,
        RecordingStatus::Pending
    );
}

#[tokio::test]
async fn what_is_about_to_be_overwritten_goes_first_and_people_hear_of_it_once() {
    let house = House::new().await;
    let catalog = &house.catalog;
    let recorder = house.recorder("SN1", 1).await.id;
    catalog.start_log().await.unwrap();
    let ids = observe(&house, recorder, hours(0, 12), &[1, 2, 3, 4, 11]).await;
    // Not full yet.
    read_reach(&house, recorder, &[0, 1]).await;
    assert_eq!(catalog.assess_overwriting(recorder).await.unwrap(), None);
    let waiting = catalog.to_fetch(catalog.now(), 10).await.unwrap();
    assert!(waiting.iter().all(|row| row.gone_at.is_none()));
    // An hour later its oldest footage is an hour younger: the next hours go one by one.
    house.clock.advance_ms(3_600_000);
    read_reach(&house, recorder, &[1, 2]).await;
    let risk = catalog.assess_overwriting(recorder).await.unwrap().unwrap();
    assert_eq!((risk.recordings, risk.first_gone_utc), (4, hour(13)));
    let waiting = catalog.to_fetch(catalog.now(), 10).await.unwrap();
    let gone: Vec<_> = waiting.iter().map(|row| (row.id, row.gone_at)).collect();
    assert_eq!(gone[1], (ids[1], Some(hour(14))));
    assert_eq!(gone[4], (ids[4], Some(hour(23))));
    catalog.assess_overwriting(recorder).await.unwrap();
    assert_eq!(alerts(&house, "overwrite_soon").await, 1);
    let camera = house.camera(recorder, 1).await;
    let known = catalog.known_of(camera, hours(0, 12)).await.unwrap();
    assert_eq!(known.risk.unwrap().recordings, 4);
    // Fetched in time: no risk any more, and the next one is told anew.
    for id in &ids[..4] {
        house.hold(*id, b"held").await;
    }
    assert_eq!(catalog.assess_overwriting(recorder).await.unwrap(), None);
    house.clock.advance_ms(6 * 3_600_000);
    read_reach(&house, recorder, &[7, 8]).await;
    assert_eq!(
        catalog
            .assess_overwriting(recorder)
            .await
            .unwrap()
            .unwrap()
            .recordings,
        1
    );
    assert_eq!(alerts(&house, "overwrite_soon").await, 2);
}

async fn alerts(house: &House, rule: &str) -> usize {
    let rows = house.catalog.batch(0, 1_000).await.unwrap();
    let of_rule = |event: &Event| matches!(event, Event::AlertRaised(alert) if alert.rule == rule);
    rows.iter().filter(|row| of_rule(&row.event)).count()
}

#[tokio::test]
async fn what_an_older_program_believed_to_be_empty_is_asked_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, camera) = (RecorderId::new(), CameraId::new());
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
             insert into observation (recorder_id, channel, from_utc, to_utc, settled_utc, asked_utc, result)
                values ('{recorder}', 1, {}, {}, {}, {}, 'complete');",
            hour(0).micros(),
            hour(12).micros(),
            hour(11).micros(),
            hour(12).micros()
        ))
        .unwrap();
    }
    let clock = base::clock::Clock::simulated(hour(12).timestamp());
    let catalog = Catalog::open(folder.path(), clock).unwrap();
    let known = catalog.known_of(camera, hours(0, 12)).await.unwrap();
    assert_eq!(known.facts.doubts, [(hours(0, 11), Doubt::Open)]);
    assert_eq!(
        coverage(hours(0, 12), &known.facts).verdict(),
        Verdict::Coming
    );
    let doubtful = catalog.uncovered_or_doubtful(recorder, 1, hours(0, 12));
    assert_eq!(doubtful.await.unwrap(), [hours(0, 12)]);
    let beside = Beside::open(folder.path()).unwrap();
    assert_eq!(
        beside.known(camera, hours(0, 12), hour(12)).unwrap().facts,
        known.facts
    );
}
