//! Searching.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use common::*;
use hcnetsdk::layout::*;
use hcnetsdk::scenario::{Channel, Device, Fault, FaultKind, Scope};

/// Reads a search to its end: states before the first record, then names.
fn read(sdk: Sdk, handle: i32) -> (Vec<i32>, Vec<FindDataV40>, i32) {
    let (mut waits, mut records) = (Vec::new(), Vec::new());
    loop {
        let mut record = FindDataV40::zeroed();
        match sdk.next_v40(handle, &mut record) {
            1000 => records.push(record),
            1002 => waits.push(1002),
            state => return (waits, records, state),
        }
    }
}

fn names(records: &[FindDataV40]) -> Vec<String> {
    records
        .iter()
        .map(|record| text(&record.sFileName))
        .collect()
}

#[test]
fn recordings_are_found_after_waiting_and_the_end_repeats() {
    let place = Place::new(&scenario(Device {
        find_pending: 3,
        stated_size_delta: 7,
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let handle = sdk.find_v40(user, &window(at(0, 0), at(0, 15)));
    assert_eq!(handle, 0);
    let (waits, records, end) = read(sdk, handle);
    assert_eq!((waits.len(), end), (3, 1003));
    assert_eq!(names(&records), ["ch33_1", "ch33_2"]);
    assert_eq!(
        (
            records[1].struStartTime.dwSecond,
            records[1].struStopTime.dwSecond
        ),
        (10, 20)
    );
    let whole = place
        .expected(&recording("ch33_1", "2026-11-20T10:00:00Z"))
        .len() as u32;
    assert_eq!(records[0].dwFileSize, whole - 40 + 7);
    assert_eq!(sdk.next_v40(handle, &mut FindDataV40::zeroed()), 1003);
    assert_eq!(sdk.open_things(), (1, 1, 0, 0));
    assert_eq!(sdk.find_close(handle), 1);
    assert_eq!((sdk.find_close(handle), sdk.error()), (0, 12));
    assert_eq!(
        (
            sdk.next_v40(handle, &mut FindDataV40::zeroed()),
            sdk.error()
        ),
        (-1, 12)
    );
}

#[test]
fn an_empty_window_and_wrong_questions_say_so() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let handle = sdk.find_v40(user, &window(at(30, 0), at(40, 0)));
    assert_eq!(sdk.next_v40(handle, &mut FindDataV40::zeroed()), 1001);
    let month_zero = Time {
        dwMonth: 0,
        ..at(0, 0)
    };
    assert_eq!(
        (
            sdk.find_v40(user, &window(month_zero, at(0, 1))),
            sdk.error()
        ),
        (-1, 17)
    );
    assert_eq!(
        (sdk.find_v40(5, &window(at(0, 0), at(0, 1))), sdk.error()),
        (-1, 47)
    );
    assert_eq!(
        (sdk.find_v40(user, std::ptr::null()), sdk.error()),
        (-1, 17)
    );
    let elsewhere = FileCondV40 {
        lChannel: 1,
        ..window(at(0, 0), at(0, 1))
    };
    assert_eq!((sdk.find_v40(user, &elsewhere), sdk.error()), (-1, 4));
}

#[test]
fn the_v50_family_tells_offsets_and_insists_on_sizes() {
    let place = Place::new(&scenario(Device {
        v50_offsets: true,
        zone: "-03:30".to_string(),
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let moment = |hour: u8, second: u8| TimeSearchCond {
        wYear: 2026,
        byMonth: 11,
        byDay: 20,
        byHour: hour,
        byMinute: 30,
        bySecond: second,
        ..Layout::zeroed()
    };
    let mut condition = FileCondV50 {
        struStartTime: moment(6, 0),
        struStopTime: moment(6, 5),
        byStreamType: 0xff,
        dwFileType: 0xff,
        byIsLocked: 0xff,
        ..Layout::zeroed()
    };
    condition.struStreamID.dwChannel = 33;
    assert_eq!((sdk.find_v50(user, &condition), sdk.error()), (-1, 17));
    condition.struStreamID.dwSize = 72;
    let handle = sdk.find_v50(user, &condition);
    let mut record = FindDataV50::zeroed();
    assert_eq!(sdk.next_v50(handle, &mut record), 1000);
    let start = record.struStartTime;
    assert_eq!(
        (start.byHour, start.byMinute, start.byLocalOrUTC),
        (6, 30, 1)
    );
    assert_eq!((start.cTimeDifferenceH, start.cTimeDifferenceM), (-3, -30));
    assert_eq!(sdk.next_v50(handle, &mut record), 1003);
    // the same window, given with its difference to UTC
    let told = |second| TimeSearchCond {
        byLocalOrUTC: 1,
        byMinute: 0,
        ..moment(10, second)
    };
    let handle = sdk.find_v50(
        user,
        &FileCondV50 {
            struStartTime: told(0),
            struStopTime: told(5),
            ..condition
        },
    );
    assert_eq!(sdk.next_v50(handle, &mut record), 1000);
    assert_eq!(sdk.next_v50(handle, &mut record), 1003);
}

#[test]
fn wall_time_follows_zone_and_skew_and_the_newest_recording_grows() {
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(5);
    let mut growing = recording("growing", "2026-11-20T10:00:00Z");
    growing.start = start;
    growing.duration_s = Some(3600);
    let channel = Channel {
        number: 33,
        recordings: vec![growing],
        ..Channel::default()
    };
    let place = Place::new(&scenario(Device {
        zone: "Z".to_string(),
        clock_skew_s: -7200,
        channels: vec![channel],
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let wall = jiff::tz::TimeZone::UTC.to_datetime(start - jiff::SignedDuration::from_hours(2));
    let day = |hour, minute| Time {
        dwYear: wall.year() as u32,
        dwMonth: wall.month() as u32,
        dwDay: wall.day() as u32,
        dwHour: hour,
        dwMinute: minute,
        dwSecond: 59,
    };
    let (_, first, _) = read(sdk, sdk.find_v40(user, &window(day(0, 0), day(23, 59))));
    assert_eq!(names(&first), ["growing"]);
    assert_eq!(first[0].struStartTime.dwHour, wall.hour() as u32);
    let told = |record: &FindDataV40| record.dwFileSize;
    eventually("it grows", || {
        let (_, later, _) = read(sdk, sdk.find_v40(user, &window(day(0, 0), day(23, 59))));
        told(&later[0]) > told(&first[0])
    });
}

#[test]
fn searches_break_and_never_end_as_told() {
    let exception = Fault {
        nth: Some(1),
        ..Fault::once(FaultKind::Exception, Scope::Find)
    };
    let endless = Fault {
        nth: Some(2),
        ..Fault::once(FaultKind::Endless, Scope::Find)
    };
    let place = Place::new(&scenario(Device {
        faults: vec![exception, endless],
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let open = || sdk.find_v40(user, &window(at(0, 0), at(1, 0)));
    let broken = open();
    assert_eq!(sdk.next_v40(broken, &mut FindDataV40::zeroed()), 1004);
    assert_eq!(sdk.next_v40(broken, &mut FindDataV40::zeroed()), 1004);
    let endless = open();
    for _ in 0..50 {
        assert_eq!(sdk.next_v40(endless, &mut FindDataV40::zeroed()), 1002);
    }
    assert_eq!(names(&read(sdk, open()).1).len(), 3);
}

#[test]
fn a_recorder_without_v50_says_not_supported() {
    let place = Place::new(&scenario(Device {
        v50: false,
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    assert_eq!(
        (sdk.find_v50(user, &FileCondV50::zeroed()), sdk.error()),
        (-1, 23)
    );
}
