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
mod tests;
