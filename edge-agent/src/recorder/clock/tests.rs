//! What recorders tell, and what it means.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::model::clock::ClockStep;
use crate::model::inventory::Placement;
use crate::model::time::{RecorderTime, UtcRange};
use crate::recorder::worker_protocol::{SummerTime, YearlyMoment};

fn wall(text: &str) -> DateTime {
    text.parse().unwrap()
}

fn utc(text: &str) -> UtcTime {
    text.parse().unwrap()
}

/// Central Europe.
fn berlin() -> SummerTime {
    let sunday = |month, hour| YearlyMoment {
        month,
        week: 5,
        weekday: 0,
        hour,
        minute: 0,
    };
    SummerTime {
        bias_minutes: 60,
        begin: sunday(3, 2),
        end: sunday(10, 3),
    }
}

fn facts(
    shown: &str,
    truly: &str,
    zone_minutes: Option<i32>,
    summer_time: Option<SummerTime>,
) -> ClockFacts {
    let asked_at = utc(truly);
    ClockFacts {
        wall: wall(shown),
        asked_at,
        answered_at: asked_at.plus_ms(40),
        zone_minutes,
        summer_time,
        zone_text: None,
    }
}

fn measured(shown: &str, truly: &str, zone: Option<i32>, summer: Option<SummerTime>) -> (i32, i64) {
    let reading = DeviceClock::measure(&facts(shown, truly, zone, summer)).reading();
    (reading.zone_minutes, reading.offset_ms)
}

#[test]
fn zone_and_offset_are_told_apart() {
    let noon = "2026-11-03T12:00:00.3Z";
    // Zone told and confirmed.
    assert_eq!(
        measured("2026-11-03T13:00:00", noon, Some(60), None),
        (60, 0)
    );
    assert_eq!(
        measured("2026-11-03T13:01:12", noon, Some(60), None),
        (60, 72_000)
    );
    assert_eq!(
        measured("2026-11-03T17:29:50", noon, Some(330), None),
        (330, -10_000)
    );
    // A second more or less is not known.
    assert_eq!(measured("2026-11-03T12:00:01", noon, Some(0), None), (0, 0));
    // Nothing told: the nearest quarter of an hour.
    assert_eq!(
        measured("2026-11-03T17:46:00", noon, None, None),
        (345, 60_000)
    );
    assert_eq!(measured("2026-11-03T00:00:00", noon, None, None), (-720, 0));
    // A clock without a battery.
    assert_eq!(
        measured("1970-01-01T00:00:10", "1970-01-03T00:00:10.5Z", None, None),
        (0, -172_800_000)
    );
    // Told without summer time, and keeping it.
    assert_eq!(
        measured(
            "2026-07-03T14:00:00",
            "2026-07-03T12:00:00.4Z",
            Some(60),
            None
        ),
        (120, 0)
    );
    // An hour wrong: only a rule can tell that it is not summer time.
    assert_eq!(
        measured("2026-11-03T14:00:00", noon, Some(60), Some(berlin())),
        (120, 0)
    );
    assert_eq!(
        measured("2026-11-03T12:00:00", noon, Some(60), Some(berlin())),
        (60, -3_600_000)
    );
    assert_eq!(
        measured(
            "2026-07-03T14:00:30",
            "2026-07-03T12:00:00Z",
            Some(60),
            Some(berlin())
        ),
        (120, 30_000)
    );
}

#[test]
fn translated_both_ways() {
    let winter = DeviceClock::measure(&facts(
        "2026-11-03T13:01:12",
        "2026-11-03T12:00:00.5Z",
        Some(60),
        Some(berlin()),
    ));
    for (shown, second_pass, truly) in [
        ("2026-11-03T15:06:12", false, "2026-11-03T14:05:00Z"),
        // Measured in winter, right in summer.
        ("2026-07-01T12:01:12", false, "2026-07-01T10:00:00Z"),
        // The hour that is there twice.
        ("2026-10-25T02:31:12", false, "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:31:12", true, "2026-10-25T01:30:00Z"),
    ] {
        let told = RecorderTime {
            wall: wall(shown),
            second_pass,
        };
        assert_eq!(winter.to_utc(told), utc(truly), "{shown} {second_pass}");
        assert_eq!(winter.to_recorder(utc(truly)), told, "{truly}");
    }
}

#[test]
fn questions_end_a_second_before_the_range() {
    let clock = DeviceClock::measure(&facts(
        "2026-11-03T13:00:00",
        "2026-11-03T12:00:00.5Z",
        Some(60),
        Some(berlin()),
    ));
    let ask = |from: &str, to: &str| {
        let questions = clock.questions(UtcRange::new(utc(from), utc(to)).unwrap());
        let [(start, end)] = questions[..] else {
            panic!("{questions:?}")
        };
        (start.to_string(), end.to_string())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        ask("2026-11-03T12:00:00.7Z", "2026-11-03T13:00:00Z"),
        pair("2026-11-03T13:00:00", "2026-11-03T13:59:59")
    );
    assert_eq!(
        ask("2026-11-03T12:00:00Z", "2026-11-03T12:00:00Z"),
        pair("2026-11-03T13:00:00", "2026-11-03T13:00:00")
    );
    // From 2:30 in the first pass to 2:15 in the second.
    assert_eq!(
        ask("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z"),
        pair("2026-10-25T01:00:00", "2026-10-25T03:59:59")
    );
}

#[test]
fn the_order_tells_the_passes_of_a_fold() {
    let clock = DeviceClock::measure(&facts(
        "2026-11-03T13:00:00",
        "2026-11-03T12:00:00.5Z",
        Some(60),
        Some(berlin()),
    ));
    let told = |start: &str, end: &str| Told {
        start: wall(start),
        end: wall(end),
        difference_minutes: None,
    };
    let placed = place(
        &clock,
        &[
            told("2026-10-25T01:30:00", "2026-10-25T02:15:00"),
            told("2026-10-25T02:15:00", "2026-10-25T02:10:00"), // through the fold
            told("2026-10-25T02:10:00", "2026-10-25T02:40:00"),
            told("2026-10-25T03:00:00", "2026-10-25T04:00:00"),
            told("2026-10-25T05:00:00", "2026-10-25T04:00:00"),
        ],
    );
    let spans: Vec<_> = placed
        .iter()
        .map(|placed| placed.map(|placed| format!("{}/{}", placed.span.from, placed.span.to)))
        .collect();
    let span = |text: &str| Some(text.to_owned());
    assert_eq!(
        spans,
        [
            span("2026-10-24T23:30:00Z/2026-10-25T00:15:00Z"),
            span("2026-10-25T00:15:00Z/2026-10-25T01:10:00Z"),
            span("2026-10-25T01:10:00Z/2026-10-25T01:40:00Z"),
            span("2026-10-25T02:00:00Z/2026-10-25T03:00:00Z"),
            None,
        ]
    );
    assert!(placed[1].unwrap().end.second_pass && placed[2].unwrap().start.second_pass);
}

#[test]
fn a_told_difference_decides() {
    let clock = DeviceClock::measure(&facts(
        "2026-11-03T13:00:00",
        "2026-11-03T12:00:00.5Z",
        Some(60),
        Some(berlin()),
    ));
    let told = Told {
        start: wall("2026-10-25T02:10:00"),
        end: wall("2026-10-25T02:40:00"),
        difference_minutes: Some((60, 60)),
    };
    let placed = place(&clock, &[told])[0].unwrap();
    assert_eq!(placed.span.from, utc("2026-10-25T01:10:00Z"));
    assert!(placed.start.second_pass && placed.end.second_pass);
}

/// Placed as of a day on which all of it was asked for.
fn place(clock: &DeviceClock, told: &[Told]) -> Vec<Option<Placement>> {
    let all = UtcRange {
        from: utc("2026-01-01T00:00:00Z"),
        to: utc("2026-12-31T00:00:00Z"),
    };
    clock.place(told, all, all.to)
}

fn in_berlin(shown: &str, truly: &str) -> DeviceClock {
    DeviceClock::measure(&facts(shown, truly, Some(60), Some(berlin())))
}

fn told(start: &str, end: &str) -> Told {
    Told {
        start: wall(start),
        end: wall(end),
        difference_minutes: None,
    }
}

fn starts(placed: &[Option<Placement>]) -> Vec<String> {
    let start = |one: &Option<Placement>| one.unwrap().span.from.to_string();
    placed.iter().map(start).collect()
}

#[test]
fn a_told_text_goes_before_the_numbers() {
    let mut told = facts(
        "2026-07-03T14:00:00",
        "2026-07-03T12:00:00Z",
        Some(480),
        None,
    );
    told.zone_text = Some("CST-1:00:00DST01:00:00,M3.5.0/02:00:00,M10.5.0/03:00:00".into());
    let clock = DeviceClock::measure(&told);
    assert_eq!(
        clock.reading(),
        RecorderClock {
            zone_minutes: 120,
            offset_ms: 0
        }
    );
    assert_eq!(
        clock.zone_text(),
        "<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00"
    );
    assert_eq!(
        clock.to_utc(RecorderTime::new(wall("2026-01-03T13:00:00"))),
        utc("2026-01-03T12:00:00Z")
    );
    // One that is no zone leaves the numbers.
    told.zone_text = Some("(GMT+01:00) Amsterdam".into());
    told.zone_minutes = Some(120);
    assert_eq!(DeviceClock::measure(&told).zone_text(), "<std>-02:00");
}

#[test]
fn both_passes_are_told_apart_in_a_list_sorted_by_the_shown_time() {
    let clock = in_berlin("2026-11-03T13:00:00", "2026-11-03T12:00:00.5Z");
    let hour =
        |from: &str, to: &str| told(&format!("2026-10-25T{from}"), &format!("2026-10-25T{to}"));
    let sorted = [
        hour("01:30:00", "02:00:00"),
        hour("02:00:00", "02:30:00"), // first pass
        hour("02:00:00", "02:30:00"), // second pass
        hour("02:30:00", "02:00:00"), // first pass, ends as the second begins
        hour("02:30:00", "03:00:00"), // second pass
        hour("03:00:00", "03:30:00"),
    ];
    let begins = [
        "2026-10-24T23:30:00Z",
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:00:00Z",
    ];
    assert_eq!(starts(&place(&clock, &sorted)), begins);
    // As it happened, half way through the second pass: what is still to come is not taken for it.
    let now = utc("2026-10-25T01:20:00Z");
    let asked = UtcRange {
        from: utc("2026-10-25T01:00:00Z"),
        to: now,
    };
    let so_far = [sorted[1], hour("02:00:00", "02:20:00"), sorted[3]];
    let placed = clock.place(&so_far, asked, now);
    assert_eq!(starts(&placed), [begins[1], begins[2], begins[3]]);
    // Alone, and asked for within the second pass only.
    let placed = clock.place(&[hour("02:05:00", "02:15:00")], asked, now);
    assert_eq!(starts(&placed), ["2026-10-25T01:05:00Z"]);
    assert!(placed[0].unwrap().start.second_pass);
}

/// A clock that has been read before, with the box's two clocks in step.
struct Watched {
    book: ClockBook,
    begun: Instant,
    box_began: UtcTime,
}

impl Watched {
    fn new(truly: &str) -> Self {
        Self {
            book: ClockBook::default(),
            begun: Instant::now(),
            box_began: utc(truly),
        }
    }

    /// A reading at this time by the box's clock, `box_ahead_s` after it was set forward by so much.
    fn read(&self, shown: &str, truly: &str, box_ahead_s: i64) -> (DeviceClock, Option<ClockStep>) {
        let lasted = utc(truly).ms_since(self.box_began) - box_ahead_s * 1_000;
        let steady = self.begun + Duration::from_millis(lasted.cast_unsigned());
        self.book.note(in_berlin(shown, truly), steady)
    }
}

#[test]
fn a_clock_put_right_leaves_earlier_footage_where_it_was() {
    let watched = Watched::new("2026-11-03T09:00:00.5Z");
    // Three minutes and twelve seconds behind.
    assert_eq!(
        watched
            .read("2026-11-03T09:56:48", "2026-11-03T09:00:00.5Z", 0)
            .1,
        None
    );
    assert_eq!(
        watched
            .read("2026-11-03T10:56:48", "2026-11-03T10:00:00.5Z", 0)
            .1,
        None
    );
    let (clock, step) = watched.read("2026-11-03T11:01:00", "2026-11-03T10:01:00.5Z", 0);
    assert_eq!(step, Some(ClockStep::Recorder(192_000)));
    let placed = clock.place(
        &[
            told("2026-11-03T10:00:00", "2026-11-03T10:30:00"),
            told("2026-11-03T11:02:00", "2026-11-03T11:05:00"),
        ],
        UtcRange {
            from: utc("2026-11-03T00:00:00Z"),
            to: utc("2026-11-03T10:10:00Z"),
        },
        utc("2026-11-03T10:10:00Z"),
    );
    assert_eq!(
        starts(&placed),
        ["2026-11-03T09:03:12Z", "2026-11-03T10:02:00Z"]
    );
    assert_eq!(placed[0].unwrap().clock.offset_ms, -192_000);
    assert_eq!(placed[1].unwrap().clock.offset_ms, 0);
    // Each time is asked for by the clock of its time, in one question.
    let range = UtcRange {
        from: utc("2026-11-03T09:03:12Z"),
        to: utc("2026-11-03T10:05:00Z"),
    };
    assert_eq!(
        clock.questions(range),
        [(wall("2026-11-03T10:00:00"), wall("2026-11-03T11:04:59"))]
    );
    let runs = watched.book.runs();
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].number, runs[1].number), (1, 2));
}

#[test]
fn a_clock_set_back_shows_times_twice_and_both_are_found() {
    let watched = Watched::new("2026-11-03T10:00:00.5Z");
    let _ = watched.read("2026-11-03T11:00:00", "2026-11-03T10:00:00.5Z", 0);
    let _ = watched.read("2026-11-03T12:00:00", "2026-11-03T11:00:00.5Z", 0);
    let (clock, step) = watched.read("2026-11-03T10:30:00", "2026-11-03T11:00:30.5Z", 0);
    assert_eq!(step, Some(ClockStep::Recorder(-5_430_000)));
    let now = utc("2026-11-03T11:31:00Z");
    let list = [
        told("2026-11-03T10:30:00", "2026-11-03T11:00:00"), // before
        told("2026-11-03T10:30:00", "2026-11-03T11:00:00"), // after
        told("2026-11-03T11:00:00", "2026-11-03T11:30:00"), // before
    ];
    let begins = [
        "2026-11-03T09:30:00Z",
        "2026-11-03T11:00:30Z",
        "2026-11-03T10:00:00Z",
    ];
    let asked = UtcRange {
        from: utc("2026-11-03T09:00:00Z"),
        to: now,
    };
    assert_eq!(starts(&clock.place(&list, asked, now)), begins);
    let in_order = [list[0], list[2], list[1]];
    assert_eq!(
        starts(&clock.place(&in_order, asked, now)),
        [begins[0], begins[2], begins[1]]
    );
    // Asked only about the time after: both are listed, each is where it was.
    let after = UtcRange {
        from: utc("2026-11-03T11:00:31Z"),
        to: now,
    };
    assert_eq!(
        clock.questions(after),
        [(wall("2026-11-03T10:30:01"), wall("2026-11-03T11:00:29"))]
    );
    assert_eq!(starts(&clock.place(&list[..2], after, now)), begins[..2]);
    // What was recorded before is gone: the other is not mistaken for it.
    assert_eq!(starts(&clock.place(&list[1..2], after, now)), begins[1..2]);
}

#[test]
fn what_was_recorded_before_a_step_that_nobody_saw_is_asked_for_by_both_clocks() {
    // Nobody looked from nine to twelve; in between somebody put it two hours forward.
    let watched = Watched::new("2026-11-03T08:00:00.5Z");
    let _ = watched.read("2026-11-03T09:00:00", "2026-11-03T08:00:00.5Z", 0);
    let (clock, step) = watched.read("2026-11-03T14:00:00", "2026-11-03T11:00:00.5Z", 0);
    assert_eq!(step, Some(ClockStep::Recorder(7_200_000)));
    let range = UtcRange {
        from: utc("2026-11-03T08:30:00Z"),
        to: utc("2026-11-03T10:30:00Z"),
    };
    assert_eq!(
        clock.questions(range),
        [(wall("2026-11-03T09:30:00"), wall("2026-11-03T13:29:59"))]
    );
    // By the new clock this would have been before the last reading: it is from before the step.
    let early = told("2026-11-03T09:30:00", "2026-11-03T09:40:00");
    let placed = clock.place(&[early], range, utc("2026-11-03T11:00:00Z"));
    assert_eq!(starts(&placed), ["2026-11-03T08:30:00Z"]);
}

#[test]
fn an_hour_of_footage_in_the_hour_that_comes_twice_is_an_hour() {
    let zone = in_berlin("2026-10-25T12:00:00", "2026-10-25T11:00:00.5Z");
    // Files of an hour, one after the other; the clocks go back at three.
    let list = [
        told("2026-10-25T01:14:04", "2026-10-25T02:14:04"),
        told("2026-10-25T02:14:05", "2026-10-25T02:14:05"),
        told("2026-10-25T02:14:06", "2026-10-25T03:14:06"),
    ];
    let day = UtcRange {
        from: utc("2026-10-24T22:00:00Z"),
        to: utc("2026-10-25T23:00:00Z"),
    };
    let placed = zone.place(&list, day, utc("2026-10-25T11:00:00Z"));
    assert_eq!(
        starts(&placed),
        [
            "2026-10-24T23:14:04Z",
            "2026-10-25T00:14:05Z",
            "2026-10-25T01:14:06Z"
        ]
    );
    let lengths: Vec<i64> = placed
        .iter()
        .map(|one| one.unwrap().span.duration_ms() / 1_000)
        .collect();
    assert_eq!(lengths, [3_600, 3_600, 3_600]);
    // The same is told of their ends when they are looked at again by their told times alone.
    for one in placed.into_iter().flatten() {
        let length_s = told_length_s(&zone.zone_text(), one.start, one.end);
        assert_eq!(length_s, Some(3_600));
    }
    let across = [wall("2026-10-25T01:30:00"), wall("2026-10-25T03:30:00")].map(RecorderTime::new);
    assert_eq!(
        told_length_s(&zone.zone_text(), across[0], across[1]),
        Some(3 * 3_600)
    );
    assert_eq!(told_length_s("no zone", across[0], across[1]), None);
}

#[test]
fn a_box_that_was_wrong_teaches_nothing() {
    // It starts two days in the past, and a time server corrects it.
    let watched = Watched::new("2026-11-01T10:00:00.5Z");
    let (clock, _) = watched.read("2026-11-03T11:00:00", "2026-11-01T10:00:00.5Z", 0);
    assert_eq!(clock.reading().offset_ms, 172_800_000);
    let (clock, step) = watched.read("2026-11-03T11:01:00", "2026-11-03T10:01:00.5Z", 172_800);
    assert_eq!(step, Some(ClockStep::Box(172_800_000)));
    assert_eq!(clock.reading().offset_ms, 0);
    let runs = watched.book.runs();
    assert_eq!(
        [runs[0].box_was_wrong, runs[1].box_was_wrong],
        [true, false]
    );
    let early = RecorderTime::new(wall("2026-10-30T11:00:00"));
    assert_eq!(clock.to_utc(early), utc("2026-10-30T10:00:00Z"));
    // It runs in the future, the agent starts again, and it is right.
    let mut runs = runs[1..].to_vec();
    runs[0].began_at = utc("2030-01-01T00:00:00Z");
    runs[0].last_at = runs[0].began_at;
    let again = ClockBook::new(runs);
    let (clock, step) = again.note(
        in_berlin("2026-11-03T13:00:00", "2026-11-03T12:00:00.5Z"),
        Instant::now(),
    );
    assert!(matches!(step, Some(ClockStep::Either(_))), "{step:?}");
    assert!(again.runs()[0].box_was_wrong);
    assert_eq!(clock.to_utc(early), utc("2026-10-30T10:00:00Z"));
}

#[test]
fn drift_is_no_step_and_is_told_after_half_a_day() {
    let watched = Watched::new("2026-11-03T00:00:00.5Z");
    // Ten seconds a day, read every six hours.
    for (shown, truly, drift) in [
        ("2026-11-03T01:00:00", "2026-11-03T00:00:00.5Z", None),
        ("2026-11-03T07:00:03", "2026-11-03T06:00:00.5Z", None),
        (
            "2026-11-03T13:00:05",
            "2026-11-03T12:00:00.5Z",
            Some(10_000),
        ),
        (
            "2026-11-04T01:00:10",
            "2026-11-04T00:00:00.5Z",
            Some(10_000),
        ),
    ] {
        let (_, step) = watched.read(shown, truly, 0);
        assert_eq!(step, None);
        assert_eq!(watched.book.runs()[0].drift_ms_per_day(), drift, "{truly}");
    }
    // Another zone is another run, and no step of the clock.
    let elsewhere = facts(
        "2026-11-04T05:30:00",
        "2026-11-04T00:00:30.5Z",
        Some(330),
        None,
    );
    let (_, step) = watched.book.note(
        DeviceClock::measure(&elsewhere),
        watched.begun + Duration::from_secs(86_430),
    );
    assert!(
        matches!(step, Some(ClockStep::Recorder(_) | ClockStep::Zone)),
        "{step:?}"
    );
    assert_eq!(watched.book.runs().len(), 2);
}

proptest! {
    /// There and back is where one was, in every zone and hour, for clocks that are wrong by up to a day; and back and
    /// there as well, with the pass told.
    #[test]
    fn there_and_back(
        seconds in 1_600_000_000i64..2_000_000_000,
        zone in -48i32..56,
        skew_s in -86_400i64..86_400,
        summer: bool,
    ) {
        let standard_s = zone * 15 * 60;
        let rule = if summer { ZoneRule::with_summer_time(standard_s, berlin()) } else { ZoneRule::fixed(standard_s) };
        let clock = DeviceClock {
            rule,
            zone: rule.time_zone().unwrap(),
            reading: RecorderClock { zone_minutes: 0, offset_ms: skew_s * 1_000 },
            exact_offset_ms: skew_s * 1_000,
            measured_at: utc("2026-11-03T12:00:00Z"),
            earlier: Vec::new(),
        };
        let truly = UtcTime::from_micros(seconds * 1_000_000);
        let shown = clock.to_recorder(truly);
        prop_assert_eq!(clock.to_utc(shown), truly);
        prop_assert_eq!(clock.to_recorder(clock.to_utc(shown)), shown);
    }

    /// Whatever steps a clock made, each moment is among what its showing may mean, and a question for it asks for it.
    #[test]
    fn steps_lose_no_moment(
        steps in proptest::collection::vec((-200_000i64..200_000, 60i64..400_000), 0..6),
        moment in 0i64..3_000_000,
    ) {
        let begun = Instant::now();
        let (mut at, mut skew_s) = (utc("2026-10-01T00:00:00.5Z"), 0);
        let book = ClockBook::default();
        let mut clock = None;
        for (by_s, lasts_s) in [(0, 86_400)].into_iter().chain(steps) {
            skew_s += by_s;
            for read_at in [at, at.plus_s(lasts_s - 30)] {
                let mut facts = facts("2026-10-01T00:00:00", "2026-10-01T00:00:00Z", None, None);
                let zone = rule_berlin().time_zone().unwrap();
                facts.zone_text = Some(rule_berlin().to_string());
                facts.wall = zone.to_datetime(read_at.plus_s(skew_s).plus_ms(-500).timestamp());
                facts.asked_at = read_at;
                facts.answered_at = read_at;
                let steady = begun + Duration::from_millis(
                    read_at.ms_since(utc("2026-10-01T00:00:00.5Z")).cast_unsigned());
                clock = Some(book.note(DeviceClock::measure(&facts), steady).0);
            }
            at = at.plus_s(lasts_s);
        }
        let clock = clock.unwrap();
        let truly = utc("2026-09-20T00:00:00Z").plus_s(moment);
        let shown = clock.to_recorder(truly);
        let meanings = clock.meanings(shown.wall, None);
        prop_assert!(meanings.iter().any(|m| m.utc == truly && m.told == shown), "{truly} {shown:?} {meanings:?}");
        let questions = clock.questions(UtcRange { from: truly.plus_s(-5), to: truly.plus_s(5) });
        prop_assert!(questions.iter().any(|(a, b)| *a <= shown.wall && shown.wall <= *b), "{shown:?} {questions:?}");
    }
}

fn rule_berlin() -> ZoneRule {
    ZoneRule::with_summer_time(3_600, berlin())
}
