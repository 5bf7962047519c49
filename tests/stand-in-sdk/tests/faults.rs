//! Faults that a recorder, its link and the library itself can have, one by one; and the same ones by chance.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use std::time::Duration;

use common::*;
use hcnetsdk::scenario::{Chaos, Device, Fault, FaultKind, Scenario, Scope};

const FIRST: &str = "ch33_1";

fn first(place: &Place) -> Vec<u8> {
    place.expected(&recording(FIRST, "2026-11-20T10:00:00Z"))
}

fn faulty(fault: Fault) -> (Place, Sdk, i32) {
    let place = Place::new(&scenario(Device {
        faults: vec![fault],
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    (place, sdk, user)
}

fn halfway(kind: FaultKind) -> Fault {
    Fault {
        at_permille: Some(500),
        ..Fault::once(kind, Scope::Transfer)
    }
}

#[test]
fn all_bytes_may_come_and_the_end_never() {
    let (place, sdk, user) = faulty(Fault::once(FaultKind::Stuck99, Scope::Transfer));
    let path = place.saved("a.ps");
    let handle = sdk.download(user, FIRST, &path);
    eventually("it is stuck", || !place.calls("fault").is_empty());
    assert_eq!((sdk.position(handle), sdk.error()), (99, 0));
    assert_eq!(std::fs::read(&path).unwrap(), first(&place));
    assert_eq!(sdk.stop_file(handle), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_minus_one_and_77() {
    let (place, sdk, user) = faulty(halfway(FaultKind::Write77));
    let handle = sdk.download(user, FIRST, &place.saved("a.ps"));
    assert_eq!(sdk.ended(handle), (-1, 77));
}

#[test]
fn garbage_takes_the_place_of_what_was_recorded() {
    let (place, sdk, user) = faulty(Fault {
        bytes: 5_000,
        ..halfway(FaultKind::Garbage)
    });
    let path = place.saved("a.ps");
    let handle = sdk.download(user, FIRST, &path);
    assert_eq!(sdk.ended(handle), (100, 0));
    let (got, wanted) = (std::fs::read(&path).unwrap(), first(&place));
    assert_eq!(got.len(), wanted.len());
    let differ: Vec<usize> = (0..got.len()).filter(|n| got[*n] != wanted[*n]).collect();
    let (from, to) = (differ[0], differ[differ.len() - 1]);
    assert!((4_900..=5_000).contains(&(to - from + 1)), "{from} to {to}");
}

#[test]
fn a_file_is_split_against_the_settings() {
    let (place, sdk, user) = faulty(halfway(FaultKind::Split));
    let general = hcnetsdk::layout::LocalGeneralCfg {
        byNotSplitRecordFile: 1,
        ..hcnetsdk::layout::Layout::zeroed()
    };
    assert_eq!(sdk.set_local(17, (&raw const general).cast()), 1);
    let handle = sdk.download(user, FIRST, &place.saved("a.ps"));
    assert_eq!(sdk.ended(handle), (100, 0));
    assert_eq!(std::fs::read(place.saved("a_1.ps")).unwrap()[..4], *b"IMKH");
}

#[test]
fn a_reboot_breaks_what_runs_and_is_over_after_a_while() {
    let (place, sdk, user) = faulty(Fault {
        down_ms: 400,
        ..halfway(FaultKind::Reboot)
    });
    let handle = sdk.download(user, FIRST, &place.saved("a.ps"));
    assert_eq!(sdk.ended(handle), (200, 73));
    assert_eq!(
        (
            sdk.open_by_name(user, FIRST, &place.saved("b.ps")),
            sdk.error()
        ),
        (-1, 7)
    );
    eventually("it is back", || {
        sdk.open_by_name(user, FIRST, &place.saved("b.ps")) >= 0
    });
}

#[test]
fn an_error_may_take_its_time() {
    let (place, sdk, user) = faulty(Fault {
        error: 29,
        down_ms: 300,
        ..Fault::once(FaultKind::Error, Scope::Start)
    });
    let handle = sdk.open_by_name(user, FIRST, &place.saved("a.ps"));
    let begun = std::time::Instant::now();
    assert_eq!((sdk.start_play(handle), sdk.error()), (0, 29));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(sdk.start_play(handle), 1, "once");
}

#[test]
fn functions_may_fail_with_minus_one() {
    let place = Place::new(&Scenario {
        minus_one: true,
        idle_threads: 5,
        cleanup_ms: 10,
        ..scenario(device())
    });
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let handle = sdk.download(user, FIRST, &place.saved("a.ps"));
    assert_eq!(sdk.ended(handle), (100, 0));
    assert_eq!(sdk.stop_file(handle), 1);
    assert_eq!((sdk.stop_file(handle), sdk.error()), (-1, 12));
}

/// The n-th download of a recording meets the n-th fault that the seed has for it, whether it is asked for by name or by
/// time, and in the end it comes.
#[test]
fn chance_ends_when_its_faults_are_used_up() {
    let chaos = Chaos {
        seed: 3,
        faults_max: 4,
        kinds: vec![FaultKind::Fail200, FaultKind::ShortFile],
        ..Chaos::default()
    };
    let planned = hcnetsdk::chaos::faults(&chaos, FIRST).len();
    let place = Place::new(&scenario(Device {
        chaos: Some(chaos),
        ..device()
    }));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let path = place.saved("a.ps");
    for attempt in 0..=planned {
        let handle = sdk.download(user, FIRST, &path);
        sdk.ended(handle);
        assert_eq!(sdk.stop_file(handle), 1);
        let whole = std::fs::read(&path).unwrap() == first(&place);
        assert!(
            !whole || attempt == planned,
            "nothing went wrong at {attempt}"
        );
        assert!(whole || attempt < planned, "it still goes wrong");
    }
    assert_eq!(place.calls("fault").len(), planned);
}
