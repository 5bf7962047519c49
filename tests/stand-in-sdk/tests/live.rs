//! Live streams.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use std::ffi::c_void;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::*;
use hcnetsdk::layout::*;
use hcnetsdk::scenario::{Device, Fault, FaultKind, Scope};

const PATIENCE: Duration = Duration::from_secs(20);

fn watch(sdk: Sdk, user: i32, callback: DataFn, pointer: *mut c_void) -> i32 {
    let wanted = PreviewInfo {
        lChannel: 33,
        bBlocked: 1,
        ..Layout::zeroed()
    };
    let handle = sdk.live(user, &wanted, Some(callback), pointer);
    assert!(handle >= 0, "no live stream: {}", sdk.error());
    handle
}

/// The next thing given that is no ordinary data.
fn next_mark(given: &mpsc::Receiver<Given>) -> Given {
    loop {
        let next = given.recv_timeout(PATIENCE).unwrap();
        if next.1 != 2 {
            return next;
        }
    }
}

#[test]
fn a_live_stream_is_paced_and_goes_on_after_logout() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let (callback, pointer, given) = listener();
    let handle = watch(sdk, user, callback, pointer);
    let first = given.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.0, first.1, first.2.len()), (handle, 1, 40));
    let begun = Instant::now();
    let mut stream = Vec::new();
    while begun.elapsed() < Duration::from_secs(2) {
        let next = given.recv_timeout(PATIENCE).unwrap();
        assert!(next.1 == 2 && (1..=5120).contains(&next.2.len()));
        stream.extend(next.2);
    }
    assert_eq!(stream[..4], [0, 0, 1, 0xBA]);
    let pictures = stream
        .windows(4)
        .filter(|bytes| *bytes == [0, 0, 1, 0xBA])
        .count();
    // two seconds, and what was left of the GOP of now, which comes at once
    assert!((45..=80).contains(&pictures), "{pictures} pictures in 2 s");
    assert_eq!(sdk.logout(user), 1);
    assert_eq!(given.recv_timeout(PATIENCE).unwrap().1, 2);
    assert_eq!(sdk.stop_live(handle), 1);
    let left = given.try_iter().count();
    assert_eq!(
        given.recv_timeout(Duration::from_millis(200)).err(),
        Some(mpsc::RecvTimeoutError::Timeout),
        "{left}"
    );
    assert_eq!((sdk.stop_live(handle), sdk.error()), (0, 17));
    assert_eq!(sdk.open_things(), (0, 0, 0, 0));
}

#[test]
fn live_views_and_downloads_share_the_streams_of_a_recorder() {
    let place = Place::new(&scenario(Device {
        max_streams: Some(2),
        full_error: 426,
        throttle_bytes_per_s: Some(20_000),
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let (callback, pointer, _given) = listener();
    let live = watch(sdk, user, callback, pointer);
    let one = sdk.download(user, "ch33_1", &place.saved("1.ps"));
    let two = sdk.open_by_name(user, "ch33_2", &place.saved("2.ps"));
    assert_eq!((sdk.start_play(two), sdk.error()), (0, 426));
    let wanted = PreviewInfo {
        lChannel: 33,
        bBlocked: 1,
        ..Layout::zeroed()
    };
    let refused = sdk.live(user, &wanted, Some(callback), pointer);
    assert_eq!((refused, sdk.error()), (-1, 426));
    assert_eq!(place.calls("refused").len(), 2);
    assert_eq!(sdk.stop_file(one), 1);
    assert_eq!(sdk.start_play(two), 1);
    assert_eq!((sdk.stop_file(two), sdk.stop_live(live)), (1, 1));
}

#[test]
fn the_wall_clock_of_a_live_stream_is_now() {
    let place = Place::new(&scenario(Device {
        zone: "+02:00".to_string(),
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let (callback, pointer, given) = listener();
    let handle = watch(sdk, user, callback, pointer);
    given.recv_timeout(PATIENCE).unwrap();
    let piece = given.recv_timeout(PATIENCE).unwrap().2;
    sdk.stop_live(handle);
    let map = piece
        .windows(4)
        .position(|bytes| bytes == [0x40, 14, b'H', b'K'])
        .unwrap()
        + 6;
    let bits = piece[map..map + 6]
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte))
        >> 4;
    let (second, minute, hour) = (bits >> 10 & 63, bits >> 16 & 63, bits >> 22 & 31);
    let now = jiff::tz::Offset::constant(2).to_datetime(jiff::Timestamp::now());
    let told = (hour * 3600 + minute * 60 + second) as i64;
    let expected =
        i64::from(now.hour()) * 3600 + i64::from(now.minute()) * 60 + i64::from(now.second());
    let late = (expected - told).rem_euclid(86_400);
    assert!(late <= 5, "{late} s late");
}

#[test]
fn stopping_waits_for_the_running_callback() {
    struct Slow {
        inside: mpsc::Sender<()>,
        left: mpsc::Sender<Instant>,
    }
    unsafe extern "C" fn slow(
        _handle: i32,
        _kind: u32,
        _bytes: *mut u8,
        _length: u32,
        user: *mut c_void,
    ) {
        // SAFETY: the pointer is the leaked value below.
        let slow = unsafe { &*user.cast::<Slow>() };
        let _ = slow.inside.send(());
        std::thread::sleep(Duration::from_millis(300));
        let _ = slow.left.send(Instant::now());
    }
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let ((inside, entered), (left, leaving)) = (mpsc::channel(), mpsc::channel());
    let pointer: *mut Slow = Box::into_raw(Box::new(Slow { inside, left }));
    let handle = watch(sdk, user, slow, pointer.cast());
    entered.recv_timeout(PATIENCE).unwrap();
    assert_eq!(sdk.stop_live(handle), 1);
    let stopped = Instant::now();
    let last = leaving.try_iter().last().unwrap();
    assert!(last <= stopped);
    assert_eq!(
        leaving.recv_timeout(Duration::from_millis(500)).err(),
        Some(mpsc::RecvTimeoutError::Timeout)
    );
}

fn exceptions(sdk: Sdk) -> mpsc::Receiver<(u32, i32, i32)> {
    unsafe extern "C" fn on_exception(kind: u32, user: i32, handle: i32, pointer: *mut c_void) {
        // SAFETY: the pointer is the leaked sender below.
        let sender = unsafe { &*pointer.cast::<mpsc::Sender<(u32, i32, i32)>>() };
        let _ = sender.send((kind, user, handle));
    }
    let (sender, receiver) = mpsc::channel::<(u32, i32, i32)>();
    let pointer: *mut mpsc::Sender<_> = Box::into_raw(Box::new(sender));
    assert_eq!(
        sdk.set_exception(0, std::ptr::null_mut(), Some(on_exception), pointer.cast()),
        1
    );
    receiver
}

#[test]
fn a_break_is_told_and_the_stream_comes_back_with_a_new_header() {
    let fault = Fault {
        at_bytes: 20_000,
        ..Fault::once(FaultKind::Break, Scope::Live)
    };
    let place = Place::new(&scenario(Device {
        faults: vec![fault],
        ..device()
    }));
    let sdk = Sdk::start(&place);
    assert_eq!(sdk.set_reconnect(100, 1), 1);
    let told = exceptions(sdk);
    let user = sdk.login();
    let (callback, pointer, given) = listener();
    let handle = watch(sdk, user, callback, pointer);
    assert_eq!(next_mark(&given).1, 1);
    let broken = next_mark(&given);
    assert_eq!((broken.1, broken.2.len()), (0, 0));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (0x8005, user, handle));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (0x8015, user, handle));
    assert_eq!(next_mark(&given).1, 1);
    assert_eq!(given.recv_timeout(PATIENCE).unwrap().1, 2);
    assert_eq!(sdk.stop_live(handle), 1);
    assert_eq!(sdk.cleanup(), 1);
}

#[test]
fn a_camera_that_goes_away_breaks_its_stream_until_it_is_back() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    assert_eq!(sdk.set_reconnect(50, 1), 1);
    let told = exceptions(sdk);
    let user = sdk.login();
    let (callback, pointer, given) = listener();
    let handle = watch(sdk, user, callback, pointer);
    assert_eq!(next_mark(&given).1, 1);
    let mut offline = device();
    offline.channels[0].online = false;
    hcnetsdk::folder::write_scenario(place.path(), &scenario(offline)).unwrap();
    assert_eq!(next_mark(&given).1, 0);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, 0x8005);
    let wanted = PreviewInfo {
        lChannel: 33,
        bBlocked: 1,
        ..Layout::zeroed()
    };
    assert_eq!(
        (
            sdk.live(user, &wanted, Some(callback), pointer),
            sdk.error()
        ),
        (-1, 83)
    );
    // who does not wait hears of it later
    let other = sdk.live(
        user,
        &PreviewInfo {
            bBlocked: 0,
            ..wanted
        },
        None,
        std::ptr::null_mut(),
    );
    assert!(other > handle);
    while told.recv_timeout(PATIENCE).unwrap() != (0x8003, user, other) {}
    hcnetsdk::folder::write_scenario(place.path(), &scenario(device())).unwrap();
    while told.recv_timeout(PATIENCE).unwrap() != (0x8015, user, handle) {}
    assert_eq!(next_mark(&given).1, 1);
    assert_eq!((sdk.stop_live(handle), sdk.stop_live(other)), (1, 1));
    assert_eq!(place.calls("live_stop").len(), 2);
}

#[test]
fn a_stalled_stream_says_nothing_and_can_be_stopped() {
    let fault = Fault {
        at_bytes: 5_000,
        ..Fault::once(FaultKind::Stall, Scope::Live)
    };
    let place = Place::new(&scenario(Device {
        faults: vec![fault],
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let (callback, pointer, given) = listener();
    let handle = watch(sdk, user, callback, pointer);
    eventually("it stalls", || !place.calls("fault").is_empty());
    given.try_iter().for_each(drop);
    assert!(given.recv_timeout(Duration::from_millis(500)).is_err());
    assert_eq!(sdk.stop_live(handle), 1);
}
