use proptest::prelude::*;

use super::*;

fn minutes(from: i64, to: i64) -> UtcRange {
    let at = |minutes: i64| UtcTime::from_micros(minutes * 60_000_000);
    UtcRange {
        from: at(from),
        to: at(to),
    }
}

fn listed(from: i64, to: i64, status: RecordingStatus) -> Listed {
    let span = minutes(from, to);
    Listed {
        span,
        told_end: span.to,
        status,
        gone: false,
        eviction_cause: (status == RecordingStatus::Evicted).then_some(EvictionCause::Pressure),
        reason: None,
    }
}

/// `(from, to, cause)` of each gap, in minutes.
fn told(coverage: &Coverage) -> Vec<(i64, i64, GapCause)> {
    let minute = |at: UtcTime| at.seconds() / 60;
    coverage
        .gaps
        .iter()
        .map(|gap| (minute(gap.range.from), minute(gap.range.to), gap.cause))
        .collect()
}

#[test]
fn a_day_of_every_cause() {
    use RecordingStatus as Status;
    let facts = Facts {
        settled: vec![minutes(0, 100), minutes(110, 200)],
        doubts: vec![
            (minutes(0, 10), Doubt::Beyond),
            (minutes(190, 200), Doubt::Open),
        ],
        unreachable: Some((minutes(95, 105), "no route".into())),
        not_asked: None,
        clock_steps: vec![(minutes(15, 25), "set back".into())],
        listed: vec![
            listed(20, 30, Status::Completed),
            Listed {
                told_end: minutes(0, 50).to,
                ..listed(40, 45, Status::Completed)
            },
            listed(50, 60, Status::Pending),
            listed(60, 70, Status::Failed),
            Listed {
                gone: true,
                ..listed(70, 80, Status::Failed)
            },
            listed(80, 85, Status::Evicted),
            Listed {
                eviction_cause: Some(EvictionCause::Deleted),
                ..listed(85, 90, Status::Evicted)
            },
        ],
    };
    let coverage = coverage(minutes(0, 210), &facts);
    use GapCause::*;
    assert_eq!(
        told(&coverage),
        [
            (0, 10, BeyondReach),
            (10, 15, NotRecorded),
            (15, 20, ClockStep),
            (30, 40, NotRecorded),
            (45, 50, Defect),
            (50, 60, NotDownloaded),
            (60, 70, Failed),
            (70, 80, OverwrittenOnRecorder),
            (80, 85, Evicted),
            (85, 90, Deleted),
            (90, 100, NotRecorded),
            (100, 105, RecorderUnreachable),
            (105, 110, NotObserved),
            (110, 190, NotRecorded),
            (190, 210, NotObserved),
        ]
    );
    assert_eq!(coverage.held, [minutes(20, 30), minutes(40, 45)]);
    assert_eq!(coverage.recorded, [minutes(20, 30), minutes(40, 90)]);
    assert_eq!(coverage.verdict(), Verdict::Incomplete);
}

#[test]
fn what_overlaps_counts_by_the_best_that_is_known() {
    use RecordingStatus::*;
    let facts = Facts {
        settled: vec![minutes(0, 60)],
        listed: vec![
            listed(0, 40, Evicted),
            listed(10, 30, Pending),
            listed(20, 25, Completed),
            listed(20, 60, Failed),
        ],
        ..Facts::default()
    };
    let coverage = coverage(minutes(0, 60), &facts);
    assert_eq!(
        told(&coverage),
        [
            (0, 10, GapCause::Evicted),
            (10, 20, GapCause::NotDownloaded),
            (25, 30, GapCause::NotDownloaded),
            (30, 60, GapCause::Failed),
        ]
    );
}

#[test]
fn the_seam_of_two_files_is_no_gap_and_a_lost_minute_is_one() {
    let second = |from: i64, to: i64| UtcRange {
        from: UtcTime::from_micros(from * 1_000_000),
        to: UtcTime::from_micros(to * 1_000_000),
    };
    let held = |from, to| Listed {
        span: second(from, to),
        told_end: second(from, to).to,
        ..listed(0, 1, RecordingStatus::Completed)
    };
    let facts = Facts {
        settled: vec![second(0, 300)],
        listed: vec![held(0, 99), held(100, 200), held(260, 300)],
        ..Facts::default()
    };
    let coverage = coverage(second(0, 300), &facts);
    assert_eq!(coverage.held, [second(0, 200), second(260, 300)]);
    assert_eq!(coverage.gaps.len(), 1);
    assert_eq!(coverage.verdict(), Verdict::Complete);
    // A seam is between two recordings; before the first there is a gap, however short.
    let facts = Facts {
        listed: vec![held(1, 300)],
        ..facts
    };
    assert_eq!(super::coverage(second(0, 300), &facts).gaps.len(), 1);
}

#[test]
fn an_empty_range_is_told_as_such() {
    let coverage = coverage(minutes(5, 5), &Facts::default());
    assert!(coverage.held.is_empty() && coverage.gaps.is_empty());
}

fn any_listed() -> impl Strategy<Value = Listed> {
    use RecordingStatus::*;
    (
        0_i64..100,
        1_i64..30,
        0_i64..10,
        prop::sample::select(vec![Pending, Downloading, Completed, Failed, Evicted]),
        any::<bool>(),
    )
        .prop_map(|(from, length, short, status, gone)| Listed {
            told_end: minutes(0, from + length + short).to,
            gone: gone && status == Failed,
            ..listed(from, from + length, status)
        })
}

proptest! {
    /// Every instant is told once; held exactly where something held covers it; "not recorded" only where an answer is
    /// settled beyond doubt and nothing was listed.
    #[test]
    fn no_instant_is_left_out_and_none_is_told_wrongly(
        listed in prop::collection::vec(any_listed(), 0..12),
        settled in prop::collection::vec((0_i64..120, 1_i64..40), 0..4),
        doubts in prop::collection::vec((0_i64..120, 1_i64..40, any::<bool>()), 0..3),
    ) {
        let facts = Facts {
            settled: settled.iter().map(|(from, length)| minutes(*from, from + length)).collect(),
            doubts: doubts.iter().map(|(from, length, open)| {
                (minutes(*from, from + length), if *open { Doubt::Open } else { Doubt::Beyond })
            }).collect(),
            listed,
            ..Facts::default()
        };
        let coverage = coverage(minutes(0, 130), &facts);
        for minute in 0..130 {
            let this = minutes(minute, minute + 1);
            let told_held = coverage.held.iter().any(|held| held.overlaps(this));
            let gaps: Vec<&Gap> = coverage.gaps.iter().filter(|gap| gap.range.overlaps(this)).collect();
            prop_assert_eq!(gaps.len() + usize::from(told_held), 1, "minute {}", minute);
            let held = facts.listed.iter().any(|l| l.status == RecordingStatus::Completed && l.span.overlaps(this));
            prop_assert_eq!(told_held, held, "minute {}", minute);
            let known = facts.settled.iter().any(|s| s.overlaps(this))
                && !facts.doubts.iter().any(|(d, _)| d.overlaps(this));
            let was_there = facts.listed.iter().any(|l| {
                UtcRange { from: l.span.from, to: l.told_end }.overlaps(this)
            });
            if let [gap] = gaps[..] {
                prop_assert_eq!(gap.cause == GapCause::NotRecorded, known && !was_there, "minute {}", minute);
            }
            prop_assert_eq!(coverage.recorded.iter().any(|r| r.overlaps(this)), was_there, "minute {}", minute);
        }
    }
}
