//! Reading the logs: whether their lines are those that were written, and what they say of each recording.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use jiff::civil::Date;
use wire::ids::{ApplianceId, RecordingId};

use super::super::entry::{Entry, Hash, Kept, Line, hash_of, holds};
use super::super::lines::{self, Kind, Lines};
use super::Wanted;
use super::report::{Finding, FindingKind, LogSeen, Report};
use crate::host::signature::PublicKey;
use crate::model::time::UtcTime;

/// Most lines between two signatures; an appliance writes a few hundred.
const UNSIGNED_MAX: usize = 20_000;

/// What the logs say of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where it lies: its path without extension.
    pub stem: Box<str>,
    /// SHA-256 of its description.
    pub sidecar: Hash,
    /// SHA-256 of its media.
    pub media: Hash,
    /// Size of its media.
    pub bytes: u64,
    /// When that was entered.
    pub at: UtcTime,
    /// Since when it is no longer held there, and why.
    pub left: Option<(UtcTime, Box<str>)>,
}

/// What the logs say.
#[derive(Debug, Default)]
pub struct Book {
    /// Of each recording.
    pub told: HashMap<RecordingId, Told>,
    /// Whether there is a log that is believed.
    pub is_one: bool,
}

impl Book {
    /// Reads the logs below a folder.
    pub fn read(root: &Path, wanted: &Wanted, report: &mut Report) -> io::Result<Self> {
        let mut book = Self::default();
        let folder = root.join(super::super::FOLDER);
        let mut appliances: Vec<ApplianceId> = Vec::new();
        if folder.is_dir() {
            for entry in std::fs::read_dir(&folder)? {
                let name = entry?.file_name();
                match name.to_str().and_then(|name| name.parse().ok()) {
                    Some(appliance) => appliances.push(appliance),
                    None => report.note(format!(
                        "{} is not the folder of a log and was left out",
                        folder.join(name).display()
                    )),
                }
            }
        }
        appliances.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut heads = wanted.heads.clone();
        for appliance in appliances {
            let mut reading = Reading::new(&folder, appliance, wanted, report);
            reading.read_all(&mut book, &mut heads)?;
        }
        for head in heads {
            report.add(Finding::new(
                FindingKind::LogEndMissing,
                super::super::FOLDER,
                format!(
                    "the line {head}, which was noted as the end of a log, is in none of the logs here: it and what followed were removed or replaced"
                ),
            ));
        }
        Ok(book)
    }

    /// Takes over what a line says.
    fn take(&mut self, line: Line, path: &str, report: &mut Report) {
        match line.entry {
            Entry::Kept(kept) | Entry::Found(kept) => {
                let Kept {
                    recording,
                    stem,
                    sidecar,
                    media,
                    bytes,
                } = kept;
                let told = Told {
                    stem: stem.into(),
                    sidecar,
                    media,
                    bytes,
                    at: line.at,
                    left: None,
                };
                // What was lost and fetched again may be other bytes.
                if let Some(before) = self.told.get(&recording)
                    && before.left.is_none()
                    && (before.media, before.sidecar) != (media, sidecar)
                {
                    let mut finding = Finding::new(
                        FindingKind::LogsDiffer,
                        path,
                        format!(
                            "line {} tells other digests of recording {recording} than an earlier line (of {}): the footage was changed in between",
                            line.n, before.at
                        ),
                    );
                    finding.recording = Some(recording);
                    report.add(finding);
                    return;
                }
                self.told.insert(recording, told);
            }
            Entry::Left {
                recording,
                stem,
                cause,
            } => {
                if let Some(told) = self.told.get_mut(&recording)
                    && *told.stem == *stem
                {
                    told.left = Some((line.at, cause.into()));
                }
            }
            Entry::Day { .. } | Entry::Signed { .. } => {}
        }
    }
}

/// The reading of one appliance's log.
struct Reading<'a> {
    folder: std::path::PathBuf,
    appliance: ApplianceId,
    wanted: &'a Wanted,
    report: &'a mut Report,
    /// Number and hash of the line before.
    before: Option<(u64, Hash)>,
    /// A line that was said to be changed already.
    blamed: Option<u64>,
    key: Option<PublicKey>,
    /// Lines since the last signature: believed when one follows.
    unsigned: Vec<Line>,
    lines: u64,
    last_at: Option<UtcTime>,
    went_back: bool,
}

impl<'a> Reading<'a> {
    fn new(all: &Path, appliance: ApplianceId, wanted: &'a Wanted, report: &'a mut Report) -> Self {
        Self {
            folder: all.join(appliance.as_str()),
            appliance,
            wanted,
            report,
            before: None,
            blamed: None,
            key: None,
            unsigned: Vec::new(),
            lines: 0,
            last_at: None,
            went_back: false,
        }
    }

    fn path(&self, day: Date) -> String {
        let (folder, name) = (super::super::FOLDER, lines::name_of(day));
        format!("{folder}/{}/{name}", self.appliance)
    }

    fn find(&mut self, kind: FindingKind, day: Date, message: String) {
        let finding = Finding {
            day: Some(day),
            ..Finding::new(kind, self.path(day), message)
        };
        self.report.add(finding);
    }

    fn read_all(&mut self, book: &mut Book, heads: &mut Vec<Hash>) -> io::Result<()> {
        let days = lines::days(&self.folder)?;
        let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) else {
            return Ok(());
        };
        let mut previous = None;
        for day in days {
            self.read_day(day, previous, day == last, book, heads)?;
            previous = Some(day);
        }
        if self.went_back {
            self.report.note(format!(
                "the clock of appliance {} was set back while the log was written; the order of its lines is what counts",
                self.appliance
            ));
        }
        let Some(key) = &self.key else {
            return Ok(());
        };
        let named = self.is_named(key);
        book.is_one |= named != Some(false);
        self.report.logs.push(LogSeen {
            appliance: self.appliance.clone(),
            key: key.fingerprint(),
            named,
            first_day: first,
            last_day: last,
            lines: self.lines,
            head: self
                .before
                .map_or(String::new(), |(_, hash)| hash.to_string()),
        });
        if named == Some(false) {
            self.report.note(format!(
                "the log of appliance {} is of a key that was not named: it was left out",
                self.appliance
            ));
        }
        Ok(())
    }

    fn is_named(&self, key: &PublicKey) -> Option<bool> {
        let keys = &self.wanted.keys;
        (!keys.is_empty()).then(|| {
            keys.iter()
                .any(|named| *named == key.fingerprint() || named == self.appliance.as_str())
        })
    }

    fn read_day(
        &mut self,
        day: Date,
        previous: Option<Date>,
        is_last: bool,
        book: &mut Book,
        heads: &mut Vec<Hash>,
    ) -> io::Result<()> {
        let mut lines = Lines::open(self.folder.join(lines::name_of(day)))?;
        let mut number = 0_u64;
        while let Some(kind) = lines.next()? {
            number += 1;
            let hash = hash_of(lines.text());
            if kind == Kind::Torn && is_last {
                self.report.note(format!(
                    "{} ends within a line: the copy was made while it was written, or power failed then",
                    self.path(day)
                ));
                break;
            }
            let line = match (kind, Line::parse(lines.text())) {
                (Kind::Whole, Ok(line)) => line,
                (kind, parsed) => {
                    let why = match (kind, parsed) {
                        (Kind::TooLong, _) => "it is too long".to_owned(),
                        (Kind::Torn, _) => "the file ends within it".to_owned(),
                        (Kind::Whole, parsed) => parsed.err().unwrap_or_default(),
                    };
                    let n = self.before.map_or(1, |(n, _)| n + 1);
                    self.find(
                        FindingKind::LogLineChanged,
                        day,
                        format!("line {number} of the log of {day} is not one that was written there ({why})"),
                    );
                    self.blamed = Some(n);
                    self.before = Some((n, hash));
                    continue;
                }
            };
            heads.retain(|head| *head != hash);
            self.lines += 1;
            if number == 1 && !self.opens(&line, day) {
                self.find(
                    FindingKind::LogLineChanged,
                    day,
                    format!("the log of {day} does not begin with the line that begins this day of this appliance: the file was renamed, or its first line was changed or removed"),
                );
                self.blamed = Some(line.n);
            }
            self.link(&line, day, previous.filter(|_| number == 1), number);
            if self.last_at.is_some_and(|last| line.at < last) {
                self.went_back = true;
            }
            self.last_at = Some(line.at);
            let (n, at) = (line.n, line.at);
            let Entry::Signed { signature } = &line.entry else {
                self.unsigned.push(line);
                self.before = Some((n, hash));
                if self.unsigned.len() > UNSIGNED_MAX {
                    self.not_signed(day, n);
                }
                continue;
            };
            let key = self.key.as_ref();
            let good = line
                .prev
                .zip(key)
                .is_some_and(|(of, key)| holds(key, of, n, at, signature));
            self.before = Some((n, hash));
            if !good {
                self.not_signed(day, n);
                continue;
            }
            let believed = key.is_some_and(|key| self.is_named(key) != Some(false));
            let path = self.path(day);
            for line in self.unsigned.drain(..).filter(|_| believed) {
                book.take(line, &path, self.report);
            }
        }
        if number == 0 {
            self.find(
                FindingKind::LogDayMissing,
                day,
                format!("the log of {day} is empty: its lines were removed"),
            );
        }
        match (self.unsigned.first().map(|line| line.n), is_last) {
            (None, _) => {}
            (Some(from), true) => {
                let path = self.path(day);
                self.report.note(format!(
                    "{path}: the lines from {from} on are not signed and do not count: the copy was made while they were written, or power failed then"
                ));
            }
            (Some(from), false) => {
                self.unsigned.clear();
                self.find(
                    FindingKind::LogLinesMissing,
                    day,
                    format!("the end of the log of {day} is missing: what follows line {from} was removed"),
                );
            }
        }
        Ok(())
    }

    /// Lines since the last signature do not count: the one in line `n` is not the appliance's, or there is none.
    fn not_signed(&mut self, day: Date, n: u64) {
        let from = self.unsigned.first().map_or(n, |line| line.n);
        self.unsigned.clear();
        self.find(
            FindingKind::LogSignature,
            day,
            format!("lines {from} to {n} of the log ({day}) are not signed by the appliance as they stand here: they do not count"),
        );
    }

    /// Whether a line is the first of this day of this appliance.
    fn opens(&mut self, line: &Line, day: Date) -> bool {
        let Entry::Day {
            day: told,
            appliance,
            key,
            ..
        } = &line.entry
        else {
            return false;
        };
        let Some(key) = PublicKey::from_text(key) else {
            return false;
        };
        let good =
            *told == day && *appliance == self.appliance && key.appliance() == self.appliance;
        if good && self.key.is_none() {
            self.key = Some(key.clone());
        }
        good && self.key.as_ref() == Some(&key)
    }

    /// Whether a line follows the one before it.
    fn link(&mut self, line: &Line, day: Date, previous: Option<Date>, number: u64) {
        let Some((n, hash)) = self.before else {
            if line.n != 1 || line.prev.is_some() {
                self.begins_late(line, day);
            }
            return;
        };
        let follows = n.checked_add(1) == Some(line.n);
        if follows && line.prev == Some(hash) {
            return;
        }
        if line.n <= n.saturating_add(1) {
            // Not the line that was there: it does not count.
            self.unsigned.pop_if(|before| before.n == n);
        }
        if follows && self.blamed == Some(n) {
            return;
        }
        let days_gone = match (&line.entry, previous) {
            (
                Entry::Day {
                    previous_day: Some(told),
                    ..
                },
                Some(seen),
            ) if *told != seen => Some((*told, seen)),
            _ => None,
        };
        if let Some((told, seen)) = days_gone
            && line.n > n
        {
            let finding = Finding {
                day: Some(told),
                ..Finding::new(
                    FindingKind::LogDayMissing,
                    self.path(told),
                    format!(
                        "the log of {told} is missing: between {seen} and {day} there was at least this day, with lines {} to {}",
                        n + 1,
                        line.n.saturating_sub(1)
                    ),
                )
            };
            self.report.add(finding);
        } else if follows {
            self.find(
                FindingKind::LogLineChanged,
                previous.unwrap_or(day),
                format!("line {n} of the log ({}) was changed after it was written: the line after it names another one", previous.unwrap_or(day)),
            );
        } else if line.n > n {
            self.find(
                FindingKind::LogLinesMissing,
                day,
                format!(
                    "lines {} to {} of the log are missing before line {number} of {day}",
                    n + 1,
                    line.n.saturating_sub(1)
                ),
            );
        } else {
            self.find(
                FindingKind::LogLinesMoved,
                day,
                format!("line {number} of {day} bears number {} and stands after number {n}: lines were moved, repeated or put in", line.n),
            );
        }
    }

    fn begins_late(&mut self, line: &Line, day: Date) {
        let earlier = match &line.entry {
            Entry::Day {
                previous_day: Some(earlier),
                ..
            } => *earlier,
            _ => day,
        };
        let message = format!(
            "the log begins with its line {}, of {day}: the log of {earlier} and of the days before it is missing",
            line.n
        );
        if self.wanted.partial {
            self.report.note(message);
            return;
        }
        let finding = Finding {
            day: Some(earlier),
            ..Finding::new(FindingKind::LogDayMissing, self.path(earlier), message)
        };
        self.report.add(finding);
    }
}
