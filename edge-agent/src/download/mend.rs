//! Pure: what is still missing of a slice, looking at what has come of it so far; and where it lies once nothing is.
//!
//! A download that broke has given whole groups of pictures, each with the recorder's wall clock (ABI §11.3). What
//! follows the last of them is asked for by time (ABI §10.4: the one robust way), what lies between two of them as well:
//! a group that lost bytes, what was lost where a library split a file (ABI §10.2), the rest of a download that ended
//! early and looked complete. A file that ends is believed when its size or its clock says the same.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use jiff::civil::DateTime;

use crate::media::ps::{Group, PartLayout, wall_time};
use crate::model::staged::Stretch;

/// Time between two groups of different files that is no hole: a picture is shown that long before the next one.
const MEET_MS: i64 = 500;
/// How far a recording may end before the second that the recorder told, and begin after it.
const BORDER_MS: i64 = 1_000;
/// A clock in the stream that is further from what was asked for than this is another clock.
const FOREIGN_MS: i64 = 24 * 3_600 * 1_000;

/// What a slice is, by the recorder's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First second.
    pub start: DateTime,
    /// Last second.
    pub end: DateTime,
    /// Where the channel's next recording begins, if that is at once.
    pub next_start: Option<DateTime>,
    /// Asked for by time: what comes may reach beyond it.
    pub by_time: bool,
    /// Size of the stored file as it usually comes from this recorder; None: not known, or not a whole file.
    pub expected_bytes: Option<u64>,
    /// The clock is turned within it: it cannot say what comes before what.
    pub turned: bool,
}

/// A file of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Number of the try that it came from, counted from 0.
    pub fetch: u32,
    /// Which of the files that a library made of one try, counted from 0.
    pub split: u32,
    /// It was to hold only what others lack.
    pub mends: bool,
    /// Its end is the end that the recorder gave.
    pub ended: bool,
    /// Where it lies.
    pub path: PathBuf,
    /// Its groups.
    pub layout: PartLayout,
}

/// What lacks between two groups, or before or after all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The group after which something is missing, which is asked for once more: that the two overlap proves that they
    /// meet. None: from the beginning on.
    pub from: Option<DateTime>,
    /// The group before which something is missing; None: up to the end.
    pub to: Option<DateTime>,
}

/// What to do about a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask for all of it.
    Whole,
    /// Ask for what is missing.
    Mend(Hole),
    /// Nothing is missing, or nothing more is to be had.
    Done(Vec<Stretch>),
}

/// Groups of one file, one after the other, none of which lacks anything.
#[derive(Debug, Clone)]
struct Run {
    file: usize,
    groups: Range<usize>,
    /// First and last group that has a clock.
    first: i64,
    last: i64,
    /// When the last picture begins.
    until: i64,
}

/// Looks. `given_up` are the holes that were asked for without avail.
pub fn next(span: &Span, held: &[Held], given_up: &BTreeSet<Option<DateTime>>) -> Next {
    let told = telling(held);
    if told.is_empty() {
        return Next::Whole;
    }
    if span.turned || is_blind(span, &told) {
        return blind(&told);
    }
    let cover = cover(span, &told);
    let holes = holes(span, &told, &cover);
    if let Some(hole) = holes.iter().find(|hole| !given_up.contains(&hole.from)) {
        return match hole {
            Hole {
                from: None,
                to: None,
            } => Next::Whole,
            hole => Next::Mend(*hole),
        };
    }
    Next::Done(stretches(&told, &cover, &holes))
}

/// Bytes of what is whole in the files, each group once; 0 where no clock tells.
pub fn sound_bytes(span: &Span, held: &[Held]) -> u64 {
    let told = telling(held);
    if span.turned || is_blind(span, &told) {
        return 0;
    }
    let cover = cover(span, &told);
    if cover.is_empty() {
        0
    } else {
        bytes(&told, &cover)
    }
}

/// The files that say something: they have groups, or are of a whole file that came to its end without any.
fn telling(held: &[Held]) -> Vec<&Held> {
    let of_whole =
        |one: &Held| !one.mends && held.iter().any(|of| of.fetch == one.fetch && of.ended);
    let has_groups = |one: &Held| one.layout.groups.iter().any(|group| group.mapped);
    held.iter()
        .filter(|one| has_groups(one) || of_whole(one))
        .collect()
}

/// Whether the groups cannot be put in order by the clock: it is not there, not the recorder's, or goes back. A group
/// whose clock was spoilt does not make the others worthless, and a file without groups says nothing of the clock.
fn is_blind(span: &Span, held: &[&Held]) -> bool {
    let mapped: usize = held
        .iter()
        .map(|held| held.layout.groups.iter().filter(|g| g.mapped).count())
        .sum();
    let told: usize = held
        .iter()
        .map(|held| clocks(span, held).iter().flatten().count())
        .sum();
    2 * told <= mapped
}

/// The clock of each group, where it can be believed.
fn clocks(span: &Span, held: &Held) -> Vec<Option<i64>> {
    let (start, end) = (ms(span.start) - FOREIGN_MS, ms(span.end) + FOREIGN_MS);
    let mut latest = i64::MIN;
    let groups = held.layout.groups.iter();
    groups
        .map(|group| {
            let wall = wall_ms(group)
                .filter(|wall| group.mapped && (start..end).contains(wall) && *wall > latest)?;
            latest = wall;
            Some(wall)
        })
        .collect()
}

/// Without a clock only a file that came to its end counts, and then as a whole.
fn blind(held: &[&Held]) -> Next {
    let ended = held.iter().rev().find(|held| held.ended && !held.mends);
    match ended {
        None => Next::Whole,
        Some(ended) => {
            let of_it = held.iter().filter(|held| held.fetch == ended.fetch);
            Next::Done(of_it.map(|held| held.path.clone().into()).collect())
        }
    }
}

/// Runs of sound groups in time order, none within another.
fn cover(span: &Span, held: &[&Held]) -> Vec<Run> {
    let mut runs: Vec<Run> = held
        .iter()
        .enumerate()
        .flat_map(|(file, _)| runs(span, file, held))
        .collect();
    // Of two that begin alike the longer one.
    runs.sort_by_key(|run| (run.first, -run.last));
    let mut cover: Vec<Run> = Vec::new();
    for run in runs {
        if cover.last().is_none_or(|before| run.last > before.last) {
            cover.push(run);
        }
    }
    cover
}

fn runs(span: &Span, file: usize, all: &[&Held]) -> Vec<Run> {
    let held = all[file];
    let groups = &held.layout.groups;
    let clocks = clocks(span, held);
    let sound = |n: usize| {
        let group = &groups[n];
        // What a whole file begins with before its first map belongs to it, unless bytes were lost before that.
        let begins = n == 0 && is_beginning(held);
        let leading = begins && !group.mapped;
        let beheaded = begins && held.layout.beheaded;
        let is_whole = n + 1 < groups.len() || (held.ended && !is_surpassed(span, group, all));
        (clocks[n].is_some() || leading)
            && !group.damaged
            && !beheaded
            && is_whole
            && !is_beyond(span, held, group)
    };
    let mut runs = Vec::new();
    let mut at = 0;
    while at < groups.len() {
        let end = (at..groups.len())
            .find(|n| !sound(*n))
            .unwrap_or(groups.len());
        runs.extend(run(file, groups, at..end));
        at = end.max(at) + 1;
    }
    runs
}

/// Whether a file begins where the recording begins, whatever its clock says.
fn is_beginning(held: &Held) -> bool {
    !held.mends && held.split == 0
}

/// Whether the last group of a file may be cut, whatever the recorder said of its end: another file has more of it, or
/// goes on after it.
fn is_surpassed(span: &Span, group: &Group, held: &[&Held]) -> bool {
    let Some(wall) = wall_ms(group) else {
        return false;
    };
    held.iter().any(|held| {
        let mut others = held.layout.groups.iter().zip(clocks(span, held));
        others.any(|(other, other_wall)| {
            other_wall > Some(wall) && !is_beyond(span, held, other)
                || other_wall == Some(wall) && other.bytes > group.bytes && !other.damaged
        })
    })
}

fn run(file: usize, groups: &[Group], of: Range<usize>) -> Option<Run> {
    let first = groups[of.clone()].iter().find_map(wall_ms)?;
    let last = groups[of.clone()].last()?;
    let wall = wall_ms(last)?;
    Some(Run {
        file,
        groups: of,
        first,
        last: wall,
        until: wall + last.length_ms(),
    })
}

/// What is asked for by time may bring the beginning of what follows. Recorders tell ends in whole seconds, so within
/// the last one only the next recording's start says whose a group is: his in whose time most of it is shown, as a clock
/// in a stream tells when its pictures were coded, which may be some frames before they are shown.
fn is_beyond(span: &Span, held: &Held, group: &Group) -> bool {
    let next = span.next_start.map(ms).filter(|next| *next >= ms(span.end));
    (held.mends || span.by_time)
        && wall_ms(group).is_some_and(|wall| {
            wall >= ms(span.end) + BORDER_MS
                || next.is_some_and(|next| wall + group.length_ms() / 2 >= next)
        })
}

fn holes(span: &Span, held: &[&Held], cover: &[Run]) -> Vec<Hole> {
    let (Some(first), Some(last)) = (cover.first(), cover.last()) else {
        return vec![Hole {
            from: None,
            to: None,
        }];
    };
    let mut holes = Vec::new();
    let of = held[first.file];
    let begins = is_beginning(of) && first.groups.start == 0;
    // What it begins with is there and not sound; that may be less than the border.
    let spoilt = is_beginning(of) && first.groups.start > 0;
    if !begins && (spoilt || first.first > ms(span.start) + BORDER_MS) {
        holes.push(Hole {
            from: None,
            to: time(first.first),
        });
    }
    for pair in cover.windows(2) {
        if pair[1].first - pair[0].until > MEET_MS {
            holes.push(Hole {
                from: time(pair[0].last),
                to: time(pair[1].first),
            });
        }
    }
    if !reaches_the_end(span, held, cover, last) {
        holes.push(Hole {
            from: time(last.last),
            to: None,
        });
    }
    holes
}

fn reaches_the_end(span: &Span, held: &[&Held], cover: &[Run], last: &Run) -> bool {
    let groups = &held[last.file].layout.groups;
    let beyond = |group: &Group| is_beyond(span, held[last.file], group);
    let is_end = held[last.file].ended && groups[last.groups.end..].iter().all(beyond);
    let by_clock = last.until + BORDER_MS >= ms(span.end);
    let by_size = span
        .expected_bytes
        .map(|expected| bytes(held, cover) >= expected);
    is_end && by_size.unwrap_or(by_clock)
}

/// Bytes of the groups, each once, and of the header.
fn bytes(held: &[&Held], cover: &[Run]) -> u64 {
    let mut until = i64::MIN;
    let mut sum = held[cover[0].file].layout.header_bytes;
    for run in cover {
        let groups = &held[run.file].layout.groups[run.groups.clone()];
        let new = groups
            .iter()
            .filter(|group| wall_ms(group).is_none_or(|wall| wall > until));
        sum += new.map(|group| group.bytes).sum::<u64>();
        until = run.last;
    }
    sum
}

/// Where it lies, in time order. What could not be had whole is better than nothing, so it fills the holes.
fn stretches(held: &[&Held], cover: &[Run], holes: &[Hole]) -> Vec<Stretch> {
    let mut parts: Vec<(i64, Stretch)> = cover
        .iter()
        .map(|run| (run.first, stretch(held[run.file], run.groups.clone())))
        .collect();
    for hole in holes {
        let from = hole.from.map_or(i64::MIN, ms);
        let to = hole.to.map_or(i64::MAX, ms);
        let spare = held.iter().filter_map(|held| {
            let within =
                |group: &Group| wall_ms(group).is_some_and(|wall| wall > from && wall < to);
            let first = held.layout.groups.iter().position(within)?;
            let count = held.layout.groups[first..]
                .iter()
                .take_while(|group| within(group))
                .count();
            let wall = wall_ms(&held.layout.groups[first])?;
            Some((wall, stretch(held, first..first + count)))
        });
        let length = |stretch: &Stretch| stretch.to.unwrap_or(u64::MAX) - stretch.from;
        parts.extend(spare.max_by_key(|(_, stretch)| length(stretch)));
    }
    parts.sort_by_key(|(first, _)| *first);
    parts.into_iter().map(|(_, stretch)| stretch).collect()
}

fn stretch(held: &Held, groups: Range<usize>) -> Stretch {
    let all = &held.layout.groups;
    Stretch {
        path: held.path.clone(),
        // The header goes with the first group.
        from: if groups.start == 0 {
            0
        } else {
            all[groups.start].offset
        },
        to: all.get(groups.end).map(|after| after.offset),
    }
}

fn wall_ms(group: &Group) -> Option<i64> {
    group.wall.and_then(wall_time).map(ms)
}

/// Milliseconds on a line without zones.
fn ms(time: DateTime) -> i64 {
    time.duration_since(DateTime::constant(2000, 1, 1, 0, 0, 0, 0))
        .as_millis() as i64
}

fn time(ms: i64) -> Option<DateTime> {
    DateTime::constant(2000, 1, 1, 0, 0, 0, 0)
        .checked_add(jiff::SignedDuration::from_millis(ms))
        .ok()
}

#[cfg(test)]
mod tests {
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
}
