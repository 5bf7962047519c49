use proptest::prelude::*;

use super::*;

const SPAN: Span = Span {
    start: DateTime::constant(2026, 11, 3, 15, 0, 0, 0),
    end: DateTime::constant(2026, 11, 3, 15, 1, 0, 0),
    next_start: None,
    by_time: false,
    expected_bytes: None,
    turned: false,
};
/// Groups of a recording: two seconds each.
const GROUPS: i64 = 30;

fn packed(second: i64) -> u64 {
    let time = SPAN
        .start
        .saturating_add(jiff::SignedDuration::from_secs(second));
    let field = |value: i32, low: u32| (value as u64) << low;
    field(26, 36)
        | field(11, 32)
        | field(3, 27)
        | field(time.hour().into(), 22)
        | field(time.minute().into(), 16)
        | field(time.second().into(), 10)
}

fn group(n: i64) -> Group {
    Group {
        offset: 0,
        bytes: 1_000 + n as u64,
        pts: Some(90_000 * 2 * n as u64),
        last_pts: Some(90_000 * 2 * n as u64 + 176_400),
        wall: Some(packed(2 * n)),
        mapped: true,
        damaged: false,
    }
}

fn file(fetch: u32, mends: bool, groups: Range<i64>) -> Held {
    let mut at = 40;
    let groups = groups.map(|n| {
        let group = Group {
            offset: at,
            ..group(n)
        };
        at += group.bytes;
        group
    });
    Held {
        fetch,
        split: 0,
        mends,
        ended: true,
        path: format!("{fetch}.ps").into(),
        layout: PartLayout {
            header_bytes: 40,
            groups: groups.collect(),
            ..PartLayout::default()
        },
    }
}

fn look(held: &[Held]) -> Next {
    next(&SPAN, held, &BTreeSet::new())
}

fn hole(from: Option<i64>, to: Option<i64>) -> Next {
    let time = |n: i64| {
        SPAN.start
            .saturating_add(jiff::SignedDuration::from_secs(2 * n))
    };
    Next::Mend(Hole {
        from: from.map(time),
        to: to.map(time),
    })
}

#[test]
fn what_is_whole_is_done_and_what_is_nothing_is_asked_for() {
    assert_eq!(look(&[]), Next::Whole);
    let whole = file(0, false, 0..GROUPS);
    assert_eq!(
        look(std::slice::from_ref(&whole)),
        Next::Done(vec![whole.path.clone().into()])
    );
    // Size known: it decides, whatever the clock says.
    let by_size = |expected: u64, held: &Held| {
        let span = Span {
            expected_bytes: Some(expected),
            ..SPAN
        };
        next(&span, std::slice::from_ref(held), &BTreeSet::new())
    };
    let size = bytes(&[&whole], &cover(&SPAN, &[&whole]));
    assert!(matches!(by_size(size, &whole), Next::Done(_)));
    assert_eq!(by_size(size + 1, &whole), hole(Some(29), None));
    assert!(matches!(
        by_size(size - 2_000, &file(0, false, 0..29)),
        Next::Done(_)
    ));
}

#[test]
fn a_file_that_broke_goes_on_after_its_last_whole_group() {
    let mut broken = file(0, false, 0..12);
    broken.ended = false;
    assert_eq!(look(&[broken.clone()]), hole(Some(10), None));
    // The one that went on broke too.
    let mut second = file(1, true, 10..20);
    second.ended = false;
    assert_eq!(
        look(&[broken.clone(), second.clone()]),
        hole(Some(18), None)
    );
    let third = file(2, true, 18..GROUPS);
    let Next::Done(stretches) = look(&[broken.clone(), second, third]) else {
        panic!("nothing is missing")
    };
    assert_eq!(stretches.len(), 3);
    assert_eq!(
        (stretches[0].from, stretches[0].to),
        (0, Some(broken.layout.groups[11].offset))
    );
}

#[test]
fn a_group_that_lost_bytes_is_asked_for_again_and_taken_as_it_is_if_it_comes_no_better() {
    let mut damaged = file(0, false, 0..GROUPS);
    damaged.layout.groups[7].damaged = true;
    assert_eq!(look(&[damaged.clone()]), hole(Some(6), Some(8)));
    let better = file(1, true, 6..9);
    let Next::Done(stretches) = look(&[damaged.clone(), better]) else {
        panic!("nothing is missing")
    };
    let files: Vec<_> = stretches.iter().map(|s| s.path.to_str().unwrap()).collect();
    assert_eq!(files, ["0.ps", "1.ps", "0.ps"]);

    let mut no_better = file(1, true, 6..9);
    no_better.layout.groups[1].damaged = true;
    let held = [damaged.clone(), no_better];
    assert_eq!(look(&held), hole(Some(6), Some(8)));
    let Next::Mend(given_up) = look(&held) else {
        panic!("it is missing")
    };
    let Next::Done(stretches) = next(&SPAN, &held, &[given_up.from].into()) else {
        panic!("it was given up")
    };
    let bytes: u64 = stretches.iter().filter_map(|s| Some(s.to? - s.from)).sum();
    assert!(
        bytes > 8_000,
        "what is damaged is part of it: {stretches:?}"
    );
}

#[test]
fn a_first_group_that_lost_bytes_is_asked_for_however_short_it_is() {
    let second = |n: i64| Group {
        wall: Some(packed(n)),
        ..group(n)
    };
    let mut spoilt = file(0, false, 0..GROUPS);
    for (n, group) in (0..).zip(&mut spoilt.layout.groups) {
        group.wall = second(n).wall;
    }
    spoilt.layout.groups[0].damaged = true;
    let span = Span {
        end: SPAN.start + jiff::SignedDuration::from_secs(GROUPS),
        ..SPAN
    };
    let to = SPAN.start + jiff::SignedDuration::from_secs(1);
    let beginning = Hole {
        from: None,
        to: Some(to),
    };
    let seen = next(&span, &[spoilt], &BTreeSet::new());
    assert_eq!(seen, Next::Mend(beginning));
}

#[test]
fn a_file_that_lost_its_beginning_is_asked_for_it() {
    // What is left of it begins with the rest of a group, or with a later group.
    let mut rest = file(0, false, 0..GROUPS);
    rest.layout.groups[0].mapped = false;
    rest.layout.groups[0].wall = None;
    for (mut beheaded, to) in [(rest, 1), (file(0, false, 1..GROUPS), 2)] {
        beheaded.layout.beheaded = true;
        let beginning = hole(None, Some(to));
        assert_eq!(look(&[beheaded.clone()]), beginning);
        let better = file(1, true, 0..3);
        let Next::Done(stretches) = look(&[beheaded.clone(), better]) else {
            panic!("nothing is missing")
        };
        let files: Vec<_> = stretches.iter().map(|s| s.path.to_str().unwrap()).collect();
        assert_eq!(files, ["1.ps", "0.ps"]);
        // No better: what there is counts.
        let no_better = file(1, true, to..3);
        let held = [beheaded, no_better];
        assert_eq!(look(&held), beginning);
        let Next::Done(stretches) = next(&SPAN, &held, &[None].into()) else {
            panic!("it was given up")
        };
        assert!(!stretches.is_empty());
    }
}

#[test]
fn without_a_clock_only_a_whole_file_counts() {
    let mut blind = file(0, false, 0..GROUPS);
    for group in &mut blind.layout.groups {
        group.wall = None;
    }
    assert!(matches!(look(&[blind.clone()]), Next::Done(_)));
    blind.ended = false;
    assert_eq!(look(&[blind.clone()]), Next::Whole);
    let turned = Span {
        turned: true,
        ..SPAN
    };
    let mut broken = file(0, false, 0..12);
    broken.ended = false;
    assert_eq!(
        next(&turned, &[broken.clone()], &BTreeSet::new()),
        Next::Whole
    );
    // One clock that was spoilt costs its group; one of another year says nothing.
    broken.layout.groups[5].wall = Some(packed(0));
    assert_eq!(look(&[broken]), hole(Some(4), Some(6)));
    let mut foreign = file(0, false, 0..12);
    foreign.ended = false;
    for group in &mut foreign.layout.groups {
        group.wall = group.wall.map(|wall| wall & !(0xFF << 36));
    }
    assert_eq!(look(&[foreign]), Next::Whole);
}

#[test]
fn what_the_next_recording_begins_with_is_not_part_of_this_one() {
    let mut broken = file(0, false, 0..12);
    broken.ended = false;
    // Asked for to the last second, the recorder gives the group that begins in it.
    let rest = file(1, true, 10..GROUPS + 1);
    let followed = Span {
        next_start: Some(SPAN.end),
        ..SPAN
    };
    let bytes_of = |span: &Span| sound_bytes(span, &[broken.clone(), rest.clone()]);
    let own: u64 = 40 + (0..GROUPS).map(|n| group(n).bytes).sum::<u64>();
    assert_eq!(bytes_of(&followed), own);
    assert_eq!(
        bytes_of(&SPAN),
        own + group(GROUPS).bytes,
        "its own, or nobody's"
    );
    // One that begins later, or before this one ends, says nothing about the last second.
    let before = Span {
        next_start: Some(SPAN.start),
        ..SPAN
    };
    assert_eq!(bytes_of(&before), bytes_of(&SPAN));
}

#[test]
fn a_file_without_groups_makes_nobody_blind() {
    let mut damaged = file(0, false, 0..GROUPS);
    damaged.layout.groups[7].damaged = true;
    let rest = |fetch, mends| Held {
        split: 1,
        ..file(fetch, mends, 0..0)
    };
    // The second file of a split answer has but the end of a group.
    assert_eq!(look(&[damaged, rest(1, true)]), hole(Some(6), Some(8)));
    let mut first = file(0, false, 0..GROUPS);
    first.ended = false;
    assert_eq!(look(&[first, rest(0, false)]), hole(Some(28), None));
    // Without any clock both files of a split one are taken.
    let mut first = file(0, false, 0..1);
    first.ended = false;
    first.layout.groups[0].wall = None;
    first.layout.groups[0].mapped = false;
    assert_eq!(
        look(&[first.clone(), rest(0, false)]),
        Next::Done(vec![first.path.into(), PathBuf::from("0.ps").into()])
    );
}

/// What happens to one answer of a recorder.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Whole,
    /// Breaks in its n-th group.
    Breaks(usize),
    /// The same, and says that this is the end.
    EndsEarly(usize),
    /// Its n-th group loses bytes.
    Damages(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Whole),
        (0usize..32).prop_map(Fate::Breaks),
        (1usize..32).prop_map(Fate::EndsEarly),
        (0usize..32).prop_map(Fate::Damages),
    ]
}

proptest! {
    /// Whatever happens to the answers, what lies there in the end is every group once whole, in order, and each
    /// accident costs few groups.
    #[test]
    fn every_recording_comes_whole(fates in proptest::collection::vec(fate(), 0..12)) {
        let span = Span {
            expected_bytes: Some(40 + (0..GROUPS).map(|n| group(n).bytes).sum::<u64>()),
            ..SPAN
        };
        let (mut held, mut given_up) = (Vec::new(), BTreeSet::new());
        let (mut fetched, mut accidents) = (0, 0);
        let mut fates = fates.into_iter();
        let stretches = loop {
            let step = next(&span, &held, &given_up);
            let hole = match &step {
                Next::Done(stretches) => break stretches.clone(),
                Next::Whole => Hole { from: None, to: None },
                Next::Mend(hole) => *hole,
            };
            let number = |time: DateTime| time.duration_since(SPAN.start).as_secs() / 2;
            let from = hole.from.map_or(0, number);
            let to = hole.to.map_or(GROUPS, |to| number(to) + 1).min(GROUPS);
            let mut answer = file(held.len() as u32, step != Next::Whole, from..to);
            let fate = fates.next().unwrap_or(Fate::Whole);
            let hit = match fate {
                Fate::Whole => false,
                Fate::Breaks(n) | Fate::EndsEarly(n) => {
                    answer.layout.groups.truncate(n + 1);
                    // Half a group is shorter than a whole one.
                    if let Some(last) = answer.layout.groups.last_mut() {
                        last.bytes -= 500;
                    }
                    answer.ended = matches!(fate, Fate::EndsEarly(_));
                    true
                }
                Fate::Damages(n) => {
                    answer.layout.groups.get_mut(n).map(|group| group.damaged = true).is_some()
                }
            };
            accidents += i64::from(hit);
            fetched += answer.layout.groups.len() as i64;
            held.push(answer);
            if !hit && let Next::Mend(left) = next(&span, &held, &given_up) && left.from == hole.from {
                given_up.insert(left.from);
            }
            prop_assert!(held.len() < 60, "it does not come to an end");
        };
        let (mut order, mut bytes) = (Vec::new(), 40);
        for stretch in &stretches {
            let of: &Held = held.iter().find(|held| held.path == stretch.path).unwrap();
            for group in &of.layout.groups {
                let within = group.offset >= stretch.from && stretch.to.is_none_or(|to| group.offset < to);
                if within && order.last().is_none_or(|last| *last < group.wall) {
                    order.push(group.wall);
                    prop_assert!(!group.damaged);
                    bytes += group.bytes;
                }
            }
        }
        let all: Vec<_> = (0..GROUPS).map(|n| Some(packed(2 * n))).collect();
        prop_assert_eq!(order, all);
        prop_assert_eq!(Some(bytes), span.expected_bytes, "half a group is not a group");
        prop_assert!(fetched <= GROUPS + 4 * accidents + 1, "{} groups for {} accidents", fetched, accidents);
    }
}
