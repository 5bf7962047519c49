//! A recorder's clock that somebody sets: what was recorded before and after, from the search into the catalog.

use hcnetsdk::scenario::ClockWas;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::catalog::testing::House;
use crate::discover::{Discovered, Question, discover};
use crate::model::clock::ClockStep;
use crate::model::time::UtcTime;

/// A house whose catalog knows the recorder of a place.
async fn moved_in(session: &RecorderSession) -> (House, RecorderId) {
    let house = House::new().await;
    let serial = session.identity().serial.clone();
    let recorder = house.recorder(&serial, 1).await.id;
    let noted = house
        .catalog
        .note_session(
            recorder,
            RecorderState::Online,
            None,
            Timestamp::now().into(),
            Some(session.identity()),
        )
        .await;
    assert_eq!(
        noted.unwrap(),
        crate::catalog::recorders::SessionNoted::Accepted
    );
    (house, recorder)
}

/// Asks for the last hours.
async fn ask(house: &House, recorder: RecorderId, session: &RecorderSession) -> Discovered {
    let now: UtcTime = Timestamp::now().into();
    let question = Question {
        channels: vec![33],
        range: UtcRange {
            from: now.plus_s(-4 * 3_600),
            to: now,
        },
        anew: true,
        // Clocks are known to a second: what is listed as far as now may lack the last one.
        settle: Duration::from_secs(2),
        reach_of: Vec::new(),
    };
    let search = |channel, range| session.search(channel, range);
    discover(
        &house.catalog,
        recorder,
        &question,
        search,
        &CancellationToken::new(),
    )
    .await
    .unwrap()
}

/// Start in true time and as told, by the recorder's name.
async fn listed(house: &House) -> Vec<(String, UtcTime, String)> {
    let filter = crate::catalog::recordings::RecordingFilter {
        limit: 10,
        ..Default::default()
    };
    let page = house.catalog.recordings(filter).await.unwrap();
    let mut listed: Vec<_> = page
        .items
        .into_iter()
        .map(|one| (one.source_name, one.start_utc, one.recorder_start))
        .collect();
    listed.sort();
    listed
}

fn whole_seconds_ago(seconds: i64) -> Timestamp {
    let then = Timestamp::now() - SignedDuration::from_secs(seconds);
    Timestamp::from_second(then.as_second()).unwrap()
}

fn recorded(name: &str, start: Timestamp) -> Recording {
    Recording {
        duration_s: Some(1),
        ..recording(name, &start.to_string())
    }
}

/// Set back by a person, and put right: both ways what was recorded before stays where and who it was, and what is
/// recorded afterwards is found where it belongs, though the recorder's clock shows times that it has shown before.
#[tokio::test]
async fn a_recorder_that_is_set_loses_and_overwrites_nothing() {
    for (before_s, after_s) in [(0, -5_400), (-192, 0)] {
        let old = whole_seconds_ago(5_400);
        let mut device = Device {
            zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
            clock_skew_s: before_s,
            ..device()
        };
        device.channels[0].recordings = vec![recorded("old", old)];
        let place = Place::new(device);
        let running = place.start(PASSWORD);
        let session = running.session().await;
        let (house, recorder) = moved_in(&session).await;
        let first = ask(&house, recorder, &session).await;
        assert_eq!((first.new, &first.failure), (1, &None));
        let known = listed(&house).await;
        let off_ms = known[0].1.ms_since(old.into());
        assert!(off_ms.abs() <= 2_000, "{known:?}");

        // Now somebody sets it.
        let set_at = Timestamp::now();
        place.change(|device| {
            device.clock_skew_s = after_s;
            device.clock_was = vec![ClockWas {
                until: set_at,
                skew_s: before_s,
            }];
        });
        let reading = session.ping().await.unwrap();
        let off_ms = reading.offset_ms - after_s * 1_000;
        assert!(off_ms.abs() <= 2_000, "{reading:?}");
        let runs = running.book.runs();
        assert_eq!(runs.len(), 2, "{runs:?}");
        let ClockStep::Recorder(by) = runs[1].began_by else {
            panic!("{runs:?}")
        };
        assert!((by - (after_s - before_s) * 1_000).abs() <= 2_000, "{by}");

        // It records. Whatever it recorded between the setting and that reading could be of either run.
        let new = whole_seconds_ago(-1);
        place.change(|device| device.channels[0].recordings.push(recorded("new", new)));

        let began = Instant::now();
        while listed(&house).await.len() < 2 {
            assert!(
                began.elapsed() < PATIENCE,
                "the new recording was not found"
            );
            let again = ask(&house, recorder, &session).await;
            assert_eq!(again.failure, None);
        }
        let both = listed(&house).await;
        assert_eq!(both[1], known[0], "what was known has changed");
        let off_ms = both[0].1.ms_since(new.into());
        assert!(off_ms.abs() <= 2_000, "{both:?}, recorded at {new}");
        // Asked again, nothing is new.
        let again = ask(&house, recorder, &session).await;
        assert_eq!((again.new, again.failure), (0, None));
        assert_eq!(listed(&house).await, both);

        // After a start of the agent the catalog still knows how the clock ran.
        house
            .catalog
            .note_clock(recorder, running.book.runs())
            .await
            .unwrap();
        running.stop().await;
        let book = ClockBook::new(house.catalog.clock_runs(recorder).await.unwrap());
        let running = place.start_with(PASSWORD, Known::default(), book);
        let session = running.session().await;
        assert_eq!(running.book.runs().len(), 2, "{:?}", running.book.runs());
        let again = ask(&house, recorder, &session).await;
        assert_eq!((again.new, again.failure), (0, None));
        assert_eq!(listed(&house).await, both);
        running.stop().await;
        house.assert_sound();
    }
}
