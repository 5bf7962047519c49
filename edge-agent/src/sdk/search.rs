//! Searching a channel: the three generations of the library's search behind one loop (ABI.md §3.3, §6.1).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::ToSpan;
use jiff::civil::DateTime;

use super::bindings::{
    FIND_BROKEN, FIND_END, FIND_MAX, FIND_NOTHING, FIND_PENDING, FIND_SUCCESS, FIND_TIMEOUT,
    FileCond, FileCondV40, FileCondV50, FindDataV30, FindDataV40, FindDataV50, Plain, StreamInfo,
    TimeSearch, TimeSearchCond,
};
use super::cancel::Cancel;
use super::codes::Code;
use super::session::{Session, library_time, wall_clock};
use crate::recorder::worker_protocol::{Failure, Kind, ROWS_MAX, Row};

/// Any record type, locked or not.
const ALL: u32 = 0xff;
/// First pause when the recorder is not ready; each next one is half as long again.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// Results of one window, repeats included, after which a recorder is taken to repeat itself for ever.
const TOLD_MAX: usize = 4 * FIND_MAX;

/// A stretch of a channel, both ends inclusive to the second.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Channel number.
    pub channel: u32,
    /// First second.
    pub start: DateTime,
    /// Last second.
    pub end: DateTime,
}

impl Window {
    /// Two halves without a common second; None when it is a single second.
    fn halves(self) -> Option<(Self, Self)> {
        let seconds = self.end.duration_since(self.start).as_secs();
        if seconds < 1 {
            return None;
        }
        let middle = self.start.checked_add((seconds / 2).seconds()).ok()?;
        let after = middle.checked_add(1.second()).ok()?;
        Some((
            Self {
                end: middle,
                ..self
            },
            Self {
                start: after,
                ..self
            },
        ))
    }
}

/// Everything that a channel holds in a window, handed to `emit` in batches in the order told, each once. Empty batches
/// say that the search is alive. `patience` bounds the search of one window; a window whose answer is cut at the
/// recorder's limit is searched in halves.
pub fn search(
    session: &Arc<Session>,
    window: Window,
    patience: Duration,
    cancel: &Cancel,
    mut emit: impl FnMut(Vec<Row>),
) -> Result<(), Failure> {
    let mut known = HashSet::new();
    let mut windows = vec![window];
    while let Some(window) = windows.pop() {
        let (rows, told) = search_window(session, window, patience, cancel, &mut emit)?;
        // Repeats count: it is what was told that the recorder limits.
        if told >= FIND_MAX
            && let Some((first, second)) = window.halves()
        {
            windows.extend([second, first]);
            continue;
        }
        let mut fresh: Vec<Row> = rows
            .into_iter()
            .filter(|row| known.insert(row.clone()))
            .collect();
        while !fresh.is_empty() {
            let rest = fresh.split_off(fresh.len().min(ROWS_MAX));
            emit(std::mem::replace(&mut fresh, rest));
        }
    }
    Ok(())
}

/// The recordings of one window, and how many results were told, repeats included.
fn search_window(
    session: &Arc<Session>,
    window: Window,
    patience: Duration,
    cancel: &Cancel,
    emit: &mut impl FnMut(Vec<Row>),
) -> Result<(Vec<Row>, usize), Failure> {
    let doing = format!(
        "search channel {} from {} to {}",
        window.channel, window.start, window.end
    );
    let trouble = |what: &str| Failure {
        kind: Kind::Device,
        message: format!("{}: cannot {doing}: {what}", session.at),
        code: None,
    };
    let mut find = Find::open(session, window).map_err(|code| session.failure(code, &doing))?;
    let began = Instant::now();
    let mut alive = Instant::now();
    let mut pause = PAUSE_FIRST;
    let (mut rows, mut told, mut known) = (Vec::new(), 0, HashSet::new());
    loop {
        if cancel.is_cancelled() {
            return Err(cancelled(&session.at, &doing));
        }
        if began.elapsed() > patience {
            return Err(trouble(&format!(
                "the recorder did not finish within {} s",
                patience.as_secs()
            )));
        }
        if alive.elapsed() > Duration::from_secs(1) {
            alive = Instant::now();
            emit(Vec::new());
        }
        match find.next().map_err(|code| session.failure(code, &doing))? {
            Step::Found(_) | Step::Nonsense(_) if told >= TOLD_MAX => {
                return Err(trouble("the recorder repeats its results without end"));
            }
            Step::Found(row) => {
                told += 1;
                if known.insert(row.clone()) {
                    rows.push(row);
                }
                pause = PAUSE_FIRST;
            }
            Step::Nonsense(what) => {
                told += 1;
                eprintln!(
                    "{}: a result of the search of channel {} is no recording: {what}",
                    session.at, window.channel
                );
            }
            Step::Pending => {
                cancel.wait(pause);
                pause = (pause + pause / 2).min(PAUSE_MAX);
            }
            Step::End => return Ok((rows, told)),
            Step::Broken => {
                return Err(trouble(
                    "the recorder broke the search off; it is tried again later",
                ));
            }
        }
    }
}

/// A failure of what was told to stop.
pub fn cancelled(at: &str, doing: &str) -> Failure {
    Failure {
        kind: Kind::Cancelled,
        message: format!("{at}: told to stop before it could {doing}"),
        code: None,
    }
}

enum Step {
    Found(Row),
    /// A row without a name or with impossible times.
    Nonsense(String),
    Pending,
    End,
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    V50,
    V40,
    V30,
}

impl Form {
    const ALL: [Self; 3] = [Self::V50, Self::V40, Self::V30];

    fn number(self) -> u8 {
        match self {
            Self::V50 => 50,
            Self::V40 => 40,
            Self::V30 => 30,
        }
    }
}

/// A running search; closed when dropped.
struct Find {
    session: Arc<Session>,
    handle: i32,
    form: Form,
    window: Window,
    told: bool,
}

impl Find {
    /// Begins with the newest form that the recorder has not refused yet.
    fn open(session: &Arc<Session>, window: Window) -> Result<Self, Code> {
        Self::open_from(session, window, session.find_form.load(Ordering::Relaxed))
    }

    fn open_from(session: &Arc<Session>, window: Window, newest: u8) -> Result<Self, Code> {
        let mut refusal = Code::NotSupported;
        for form in Form::ALL.into_iter().filter(|form| form.number() <= newest) {
            match begin(session, form, window) {
                Ok(handle) => {
                    session.settle_find_form(form.number());
                    return Ok(Self {
                        session: session.clone(),
                        handle,
                        form,
                        window,
                        told: false,
                    });
                }
                Err(code) if code.asks_for_an_older_form() => refusal = code,
                Err(code) => return Err(code),
            }
        }
        Err(refusal)
    }

    fn next(&mut self) -> Result<Step, Code> {
        match self.ask() {
            // Some recorders accept the newer question and then refuse to answer it.
            Err(code) if code.asks_for_an_older_form() && !self.told && self.form != Form::V30 => {
                let older = Self::open_from(&self.session, self.window, self.form.number() - 1)
                    .map_err(|_| code)?;
                *self = older;
                self.ask()
            }
            other => other,
        }
    }

    fn ask(&mut self) -> Result<Step, Code> {
        let sdk = self.session.sdk;
        let (state, row) = match self.form {
            Form::V50 => {
                let mut data = FindDataV50::zeroed();
                let state = sdk.find_next_v50(self.handle, &mut data)?;
                (state, (state == FIND_SUCCESS).then(|| self.row_v50(&data)))
            }
            Form::V40 => {
                let mut data = FindDataV40::zeroed();
                let state = sdk.find_next_v40(self.handle, &mut data)?;
                let old = |data: &FindDataV40| {
                    let times = (wall_clock(&data.start), wall_clock(&data.stop));
                    self.row(
                        &data.name,
                        times,
                        None,
                        data.bytes.into(),
                        data.file_type,
                        data.locked,
                    )
                };
                (state, (state == FIND_SUCCESS).then(|| old(&data)))
            }
            Form::V30 => {
                let mut data = FindDataV30::zeroed();
                let state = sdk.find_next_v30(self.handle, &mut data)?;
                let old = |data: &FindDataV30| {
                    let times = (wall_clock(&data.start), wall_clock(&data.stop));
                    self.row(
                        &data.name,
                        times,
                        None,
                        data.bytes.into(),
                        data.file_type,
                        data.locked,
                    )
                };
                (state, (state == FIND_SUCCESS).then(|| old(&data)))
            }
        };
        Ok(match (state, row) {
            (FIND_SUCCESS, Some(step)) => {
                self.told = true;
                step
            }
            (FIND_PENDING, _) => Step::Pending,
            (FIND_END | FIND_NOTHING, _) => Step::End,
            (FIND_BROKEN | FIND_TIMEOUT, _) => Step::Broken,
            (other, _) => {
                eprintln!(
                    "{}: a search answered with the unknown state {other}",
                    self.session.at
                );
                Step::Broken
            }
        })
    }

    fn row_v50(&self, data: &FindDataV50) -> Step {
        let bytes = if data.is_big == 1 {
            u64::from(data.bytes_high) << 32 | u64::from(data.bytes_low)
        } else {
            data.bytes.into()
        };
        let difference = |time: &TimeSearch| {
            let minutes =
                i32::from(time.difference_hours) * 60 + i32::from(time.difference_minutes);
            (time.has_difference == 1).then_some(minutes)
        };
        let differences = difference(&data.start).zip(difference(&data.stop));
        let times = (wall_clock_v50(&data.start), wall_clock_v50(&data.stop));
        self.row(
            &data.name,
            times,
            differences,
            bytes,
            data.file_type,
            data.locked,
        )
    }

    fn row(
        &self,
        name: &[u8],
        times: (Option<DateTime>, Option<DateTime>),
        difference_minutes: Option<(i32, i32)>,
        bytes: u64,
        kind: u8,
        locked: u8,
    ) -> Step {
        let name = self.session.texts.decode(name);
        match times {
            (Some(start), Some(end)) => {
                let (kind, locked) = (kind.into(), locked == 1);
                Step::Found(Row {
                    name,
                    start,
                    end,
                    difference_minutes,
                    bytes,
                    kind,
                    locked,
                })
            }
            _ => Step::Nonsense(format!("{name:?} has no valid times")),
        }
    }
}

impl Drop for Find {
    fn drop(&mut self) {
        if let Err(code) = self.session.sdk.find_close(self.handle) {
            eprintln!(
                "{}: a search could not be closed: error {}",
                self.session.at,
                code.number()
            );
        }
    }
}

fn begin(session: &Session, form: Form, window: Window) -> Result<i32, Code> {
    let (sdk, user) = (session.sdk, session.user);
    let channel = i32::try_from(window.channel).map_err(|_| Code::NoSuchChannel)?;
    let start = library_time(window.start).ok_or(Code::BadTime)?;
    let stop = library_time(window.end).ok_or(Code::BadTime)?;
    match form {
        Form::V50 => {
            let stream = StreamInfo {
                size: size_of::<StreamInfo>() as u32,
                channel: window.channel,
                ..StreamInfo::zeroed()
            };
            let mut cond = FileCondV50 {
                stream,
                start: question_v50(window.start).ok_or(Code::BadTime)?,
                stop: question_v50(window.end).ok_or(Code::BadTime)?,
                stream_type: 0, // the main stream
                file_type: ALL,
                locked: ALL as u8,
                ..FileCondV50::zeroed()
            };
            sdk.find_v50(user, &mut cond)
        }
        Form::V40 => {
            // Stream type 0: one result for each span, the main stream where there is one.
            let mut cond = FileCondV40 {
                channel,
                file_type: ALL,
                locked: ALL,
                start,
                stop,
                ..FileCondV40::zeroed()
            };
            sdk.find_v40(user, &mut cond)
        }
        Form::V30 => {
            let mut cond = FileCond {
                channel,
                file_type: ALL,
                locked: ALL,
                start,
                stop,
                ..FileCond::zeroed()
            };
            sdk.find_v30(user, &mut cond)
        }
    }
}

fn wall_clock_v50(time: &TimeSearch) -> Option<DateTime> {
    let nanos = i32::from(time.millisecond.min(999)) * 1_000_000;
    DateTime::new(
        i16::try_from(time.year).ok()?,
        i8::try_from(time.month).ok()?,
        i8::try_from(time.day).ok()?,
        i8::try_from(time.hour).ok()?,
        i8::try_from(time.minute).ok()?,
        i8::try_from(time.second).ok()?,
        nanos,
    )
    .ok()
}

/// A wall clock without a difference to UTC, for a V50 question.
fn question_v50(wall: DateTime) -> Option<TimeSearchCond> {
    Some(TimeSearchCond {
        year: u16::try_from(wall.year()).ok()?,
        month: wall.month() as u8,
        day: wall.day() as u8,
        hour: wall.hour() as u8,
        minute: wall.minute() as u8,
        second: wall.second() as u8,
        ..TimeSearchCond::zeroed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_share_no_second_and_lose_none() {
        let window = |start: &str, end: &str| Window {
            channel: 1,
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        };
        let (first, second) = window("2026-11-03T00:00:00", "2026-11-03T23:59:59")
            .halves()
            .unwrap();
        assert_eq!(first.end.to_string(), "2026-11-03T11:59:59");
        assert_eq!(second.start.to_string(), "2026-11-03T12:00:00");
        let (first, second) = window("2026-11-03T00:00:00", "2026-11-03T00:00:01")
            .halves()
            .unwrap();
        assert_eq!((first.end, second.start), (first.start, second.end));
        assert!(
            window("2026-11-03T00:00:00", "2026-11-03T00:00:00")
                .halves()
                .is_none()
        );
    }
}
