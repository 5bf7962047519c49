//! Recorders' clocks that are wrong, drift and are set, and boxes whose clock is.

use wire::resource::RecordingStatus;
use wire::telemetry::Event;

use crate::catalog::testing::{House, at, found, range};
use crate::model::clock::{ClockRun, ClockStep};
use crate::model::inventory::{FoundRecording, Inventory, RecorderClock};
use crate::model::time::UtcRange;
use wire::ids::{RecorderId, RecordingId};

fn run(number: u32, began_by: ClockStep, from: &str, to: &str, offset_ms: i64) -> ClockRun {
    ClockRun {
        number,
        began_by,
        began_at: at(from),
        last_at: at(to),
        zone: "<std>-01:00".into(),
        first_offset_ms: offset_ms,
        last_offset_ms: offset_ms,
        box_was_wrong: false,
    }
}

fn inventory(house: &House, asked: UtcRange, recordings: Vec<FoundRecording>) -> Inventory {
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

/// As listed by a clock that is so far ahead: told alike, and elsewhere in true time.
fn ahead(name: &str, shown: UtcRange, bytes: u64, offset_ms: i64) -> FoundRecording {
    let mut found = found(name, shown, bytes);
    found.span = UtcRange {
        from: shown.from.plus_ms(-offset_ms),
        to: shown.to.plus_ms(-offset_ms),
    };
    found.clock.offset_ms = offset_ms;
    found
}

async fn alerts(house: &House) -> Vec<(String, String)> {
    let batch = house.catalog.batch(0, 1_000).await.unwrap();
    let alert = |event| match event {
        Event::AlertRaised(alert) => Some((alert.rule, alert.message)),
        _ => None,
    };
    batch
        .into_iter()
        .filter_map(|row| alert(row.event))
        .collect()
}

async fn start_of(house: &House, id: RecordingId) -> String {
    let recording = house.catalog.recording(id).await.unwrap();
    recording.start_utc.to_string()
}

async fn all(house: &House, recorder: RecorderId) -> usize {
    let _ = recorder;
    let filter = crate::catalog::recordings::RecordingFilter {
        limit: 100,
        ..Default::default()
    };
    house.catalog.recordings(filter).await.unwrap().items.len()
}

#[tokio::test]
async fn runs_are_kept_and_people_hear_once_that_a_clock_is_wrong() {
    let house = House::new().await;
    let id = house.recorder("SN1", 1).await.id;
    house.catalog.start_log().await.unwrap();
    let mut first = run(
        1,
        ClockStep::First,
        "2026-11-01T12:00:00Z",
        "2026-11-01T12:00:00Z",
        -192_000,
    );
    house
        .catalog
        .note_clock(id, vec![first.clone()])
        .await
        .unwrap();
    first.last_at = at("2026-11-02T12:00:00Z");
    first.last_offset_ms = -193_000;
    house
        .catalog
        .note_clock(id, vec![first.clone()])
        .await
        .unwrap();
    let recorder = house.catalog.recorder(id).await.unwrap();
    assert_eq!(recorder.clock_drift_ms_per_day, Some(-1_000));
    assert_eq!(recorder.clock_zone.as_deref(), Some("<std>-01:00"));
    let told = alerts(&house).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "recorder_clock");
    assert!(
        told[0]
            .1
            .contains("3 min 12 s behind; set it or turn on NTP"),
        "{told:?}"
    );
    // Somebody sets it: another run, and the earlier one stays as it was.
    let second = run(
        2,
        ClockStep::Recorder(193_000),
        "2026-11-02T12:01:00Z",
        "2026-11-02T12:01:00Z",
        0,
    );
    let both = vec![first, second];
    house.catalog.note_clock(id, both.clone()).await.unwrap();
    assert_eq!(house.catalog.clock_runs(id).await.unwrap(), both);
    let told = alerts(&house).await;
    assert_eq!(told.len(), 2);
    assert!(
        told[1]
            .1
            .contains("was set while the agent watched and is now right"),
        "{told:?}"
    );
    assert_eq!(
        house
            .catalog
            .recorder(id)
            .await
            .unwrap()
            .clock_drift_ms_per_day,
        None
    );
    house.assert_sound();
}

/// The newest footage overlaps what was recorded before, and one slot of the recorder's disk is used again under the
/// same name at the same time by its clock.
#[tokio::test]
async fn a_recorder_set_back_overwrites_nothing() {
    let house = House::new().await;
    let id = house.recorder("SN1", 1).await.id;
    let shown = range("2026-11-03T08:00:00Z", "2026-11-03T08:30:00Z");
    let asked = range("2026-11-03T07:00:00Z", "2026-11-03T11:00:00Z");
    let before = vec![
        ahead("slot7", shown, 1_000, 0),
        ahead(
            "slot8",
            range("2026-11-03T08:30:00Z", "2026-11-03T09:00:00Z"),
            900,
            0,
        ),
    ];
    let seen = house
        .catalog
        .record_observation(id, &inventory(&house, asked, before.clone()), 120_000)
        .await
        .unwrap();
    let [a, b] = seen.new[..] else {
        panic!("{seen:?}")
    };
    house.hold(a, b"as it was").await;
    // Two hours back: slot 9 overlaps slot 8 by its clock, slot 7 is written anew.
    let back = -7_200_000;
    let again = ahead(
        "slot7",
        range("2026-11-03T08:00:00Z", "2026-11-03T08:25:00Z"),
        800,
        back,
    );
    let after = vec![
        again.clone(),
        before[1].clone(),
        ahead(
            "slot9",
            range("2026-11-03T08:30:00Z", "2026-11-03T09:00:00Z"),
            900,
            back,
        ),
    ];
    let seen = house
        .catalog
        .record_observation(id, &inventory(&house, asked, after.clone()), 120_000)
        .await
        .unwrap();
    let [c, d] = seen.new[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((&seen.changed[..], &seen.outgrown[..]), (&[][..], &[][..]));
    assert_eq!(start_of(&house, c).await, "2026-11-03T10:00:00Z");
    assert_eq!(start_of(&house, d).await, "2026-11-03T10:30:00Z");
    // Both slots 7 are held, each with its bytes, also under one name on the disk.
    house.hold(c, b"as it is now").await;
    for (recording, bytes) in [(a, 9), (c, 12)] {
        let held = house.catalog.recording(recording).await.unwrap();
        assert_eq!(
            (held.status, held.kept_bytes),
            (RecordingStatus::Completed, Some(bytes))
        );
    }
    // Listed again, by whatever clock, they stay who they are.
    for offset_ms in [back, 0, 3_600_000] {
        let mut same = after.clone();
        for found in &mut same {
            found.span.from = found.span.from.plus_ms(offset_ms);
            found.span.to = found.span.to.plus_ms(offset_ms);
        }
        same.push(before[0].clone());
        let seen = house
            .catalog
            .record_observation(id, &inventory(&house, asked, same), 120_000)
            .await
            .unwrap();
        assert!(
            seen.new.is_empty() && seen.changed.is_empty() && seen.outgrown.is_empty(),
            "{seen:?}"
        );
    }
    assert_eq!(start_of(&house, a).await, "2026-11-03T08:00:00Z");
    assert_eq!(start_of(&house, b).await, "2026-11-03T08:30:00Z");
    assert_eq!(all(&house, id).await, 4);
    house.assert_sound();
}

/// Two recordings of different times that end up with the same place in true time: files are never overwritten.
#[tokio::test]
async fn two_recordings_at_one_time_are_two_files() {
    let house = House::new().await;
    let id = house.recorder("SN1", 1).await.id;
    let span = range("2026-11-03T08:00:00Z", "2026-11-03T08:30:00Z");
    let twins = vec![found("one", span, 5), found("two", span, 5)];
    let asked = range("2026-11-03T07:00:00Z", "2026-11-03T11:00:00Z");
    let seen = house
        .catalog
        .record_observation(id, &inventory(&house, asked, twins), 120_000)
        .await
        .unwrap();
    for (n, recording) in seen.new.iter().enumerate() {
        house.hold(*recording, &vec![7; n + 1]).await;
    }
    let sizes: Vec<_> =
        futures_util::future::join_all(seen.new.iter().map(|r| house.catalog.recording(*r)))
            .await
            .into_iter()
            .map(|r| r.unwrap().kept_bytes)
            .collect();
    assert_eq!(sizes, [Some(1), Some(2)]);
    house.assert_sound();
}

#[tokio::test]
async fn a_box_that_was_in_the_future_does_not_silence_a_recorder() {
    let house = House::new().await;
    let id = house.recorder("SN1", 1).await.id;
    let mut early = inventory(
        &house,
        range("2026-11-03T07:00:00Z", "2030-01-01T00:00:00Z"),
        Vec::new(),
    );
    early.answered_at = at("2030-01-01T00:00:00Z");
    house
        .catalog
        .record_observation(id, &early, 120_000)
        .await
        .unwrap();
    let today = range("2026-11-03T07:00:00Z", "2026-11-03T12:00:00Z");
    assert_eq!(
        house.catalog.uncovered(id, 1, today).await.unwrap(),
        [today]
    );
    // A right answer takes its place.
    let asked = range("2026-11-03T07:00:00Z", "2026-11-03T10:00:00Z");
    house
        .catalog
        .record_observation(id, &inventory(&house, asked, Vec::new()), 120_000)
        .await
        .unwrap();
    let left = range("2026-11-03T10:00:00Z", "2026-11-03T12:00:00Z");
    assert_eq!(house.catalog.uncovered(id, 1, today).await.unwrap(), [left]);
}

#[tokio::test]
async fn what_a_wrong_box_found_moves_to_where_it_was() {
    let house = House::new().await;
    let id = house.recorder("SN1", 1).await.id;
    let now = house.catalog.now();
    // The box is two days behind: the recorder seems to be ahead.
    let two_days = 172_800_000;
    let shown = range("2026-11-03T08:00:00Z", "2026-11-03T08:30:00Z");
    let asked = range("2026-11-01T07:00:00Z", "2026-11-01T11:00:00Z");
    let wrong = vec![
        ahead("f1", shown, 5, two_days),
        ahead(
            "f2",
            range("2026-11-03T08:30:00Z", "2026-11-03T09:00:00Z"),
            5,
            two_days,
        ),
    ];
    let seen = house
        .catalog
        .record_observation(id, &inventory(&house, asked, wrong), 120_000)
        .await
        .unwrap();
    let [pending, held] = seen.new[..] else {
        panic!("{seen:?}")
    };
    house.hold(held, b"already").await;
    assert_eq!(start_of(&house, pending).await, "2026-11-01T08:00:00Z");
    let mut during = run(
        1,
        ClockStep::First,
        "2026-11-03T12:00:00Z",
        "2026-11-03T12:00:00Z",
        two_days,
    );
    (during.began_at, during.last_at) = (now, now);
    house
        .catalog
        .note_clock(id, vec![during.clone()])
        .await
        .unwrap();
    assert_eq!(start_of(&house, pending).await, "2026-11-01T08:00:00Z");
    during.box_was_wrong = true;
    let mut right = run(
        2,
        ClockStep::Box(two_days),
        "2026-11-03T12:00:00Z",
        "2026-11-03T12:00:00Z",
        300,
    );
    (right.began_at, right.last_at) = (now, now);
    let both = vec![during, right];
    house.catalog.note_clock(id, both.clone()).await.unwrap();
    assert_eq!(start_of(&house, pending).await, "2026-11-03T08:00:00Z");
    // Once: noting it again moves nothing. What is held stays with its file.
    house.catalog.note_clock(id, both).await.unwrap();
    assert_eq!(start_of(&house, pending).await, "2026-11-03T08:00:00Z");
    assert_eq!(start_of(&house, held).await, "2026-11-01T08:30:00Z");
    house.assert_sound();
}
