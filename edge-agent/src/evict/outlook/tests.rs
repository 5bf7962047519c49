//! What people read, and that totals of a real catalog lead to it.

use wire::ids::CameraId;

use super::*;
use crate::model::retention::{CameraHolding, ListedDay};

const GB: u64 = 1_000_000_000;

fn now() -> UtcTime {
    // A Tuesday.
    "2026-11-03T12:00:00Z".parse().unwrap()
}

fn today() -> i64 {
    now().micros() / (DAY_MS * 1_000)
}

fn camera(
    name: &str,
    gb_a_day: u64,
    held_days: i64,
    least_days: i64,
) -> (RingCamera, Vec<HeldDay>) {
    let id = CameraId::new();
    let day = |back: i64| HeldDay {
        camera: id,
        day: today() - back,
        volume: VolumeId(1),
        recordings: 24,
        bytes: gb_a_day * GB,
        locked_bytes: 0,
    };
    let held: Vec<HeldDay> = (1..=held_days).rev().map(day).collect();
    let camera = RingCamera {
        holding: CameraHolding {
            camera: id,
            held_bytes: held.iter().map(|day| day.bytes).sum(),
            max_age_ms: None,
            max_bytes: None,
            min_age_ms: Some(least_days * DAY_MS),
        },
        name: name.to_owned(),
        fetched: true,
        locked_bytes: 0,
        listed: (1..=8)
            .rev()
            .map(|back| ListedDay {
                day: today() - back,
                bytes: gb_a_day * GB,
                span_ms: DAY_MS,
            })
            .collect(),
        first_day: Some(today() - 60),
    };
    (camera, held)
}

fn look(cameras: Vec<(RingCamera, Vec<HeldDay>)>, room_gb: u64) -> Outlook {
    let (cameras, held): (Vec<_>, Vec<_>) = cameras.into_iter().unzip();
    let state = RingState {
        cameras,
        held: held.concat(),
    };
    let volume = VolumeRoom {
        id: VolumeId(1),
        room_bytes: room_gb * GB,
        disk_bytes: room_gb * GB,
        slack_bytes: 0,
        max_age_ms: None,
        tier: Tier::Hot,
        move_after_ms: None,
    };
    outlook(&state, &[volume], &RetentionConfig::default(), now())
}

#[test]
fn a_promise_that_will_break_is_named_with_its_day() {
    // Twenty days of both have room; 17 are held.
    let found = look(
        vec![camera("Gate", 10, 17, 0), camera("Till", 10, 17, 30)],
        600,
    );
    assert_eq!(
        found.retention.summary,
        "At today's rate footage is kept for 30 days."
    );
    assert!(found.breaches.is_empty());
    let found = look(
        vec![camera("Gate", 10, 17, 0), camera("Till", 10, 17, 30)],
        200,
    );
    let till = &found.retention.cameras[1];
    assert_eq!(
        found.retention.summary,
        "At today's rate footage is kept for 0 days; camera \"Till\" will break its promise of 30 days on Saturday 7 November."
    );
    assert_eq!(
        till.summary,
        "At today's rate 20 days are kept. Its promise of 30 days breaks on Saturday 7 November."
    );
    assert_eq!(till.breaks_on.unwrap().to_string(), "2026-11-07T00:00:00Z");
    assert_eq!(found.breaches.len(), 1);
    assert!(
        found.breaches[0]
            .message
            .contains("10.0 GB of footage come a day")
    );
}

#[test]
fn what_is_off_new_or_silent_says_so() {
    let (mut off, held) = camera("Off", 10, 5, 0);
    off.fetched = false;
    let (mut new, _) = camera("New", 24, 0, 90);
    new.listed = vec![ListedDay {
        day: today(),
        bytes: GB,
        span_ms: 3_600_000,
    }];
    new.first_day = Some(today());
    let (mut silent, _) = camera("Silent", 10, 0, 0);
    silent.listed.truncate(4);
    let (mut unknown, _) = camera("Unknown", 10, 0, 0);
    (unknown.listed, unknown.first_day) = (Vec::new(), None);
    let none = Vec::new;
    let found = look(
        vec![
            (off, held),
            (new, none()),
            (silent, none()),
            (unknown, none()),
        ],
        340,
    );
    let said: Vec<&str> = found
        .retention
        .cameras
        .iter()
        .map(|camera| camera.summary.as_str())
        .collect();
    assert!(said[0].starts_with("It is switched off"), "{}", said[0]);
    assert!(
        said[1].contains("Less than a whole day of it is known yet."),
        "{}",
        said[1]
    );
    assert!(
        said[1].contains("Its promise of 90 days breaks"),
        "{}",
        said[1]
    );
    assert!(
        said[2].contains("listed nothing new for more than a day"),
        "{}",
        said[2]
    );
    assert_eq!(said[3], "How much it records is not known yet.");
    // Nobody is woken up for what an hour of footage seems to say.
    assert!(found.breaches.is_empty());
}

#[test]
fn an_empty_box_says_what_it_waits_for() {
    let found = look(Vec::new(), 100);
    assert_eq!(
        found.retention.summary,
        "How long footage will be kept is known once a day of it was found."
    );
    assert_eq!(rounded(1_234_567), 1_230_000);
    assert_eq!((rounded(0), rounded(12)), (0, 12));
}
