//! What a verification found, in words for somebody who is tired and in JSON for programs.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use wire::ids::{ApplianceId, RecordingId};

use super::Wanted;

/// Findings that are told; more are counted.
const FINDINGS_MAX: usize = 10_000;

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is as the log of a key that was named says.
    Proven,
    /// Everything is as the log says; that the log is the appliance's own is for a person to see by its fingerprint.
    Consistent,
    /// Nothing contradicts, and there is no log: whoever changed footage could have changed its description too.
    Unproven,
    /// Something was changed, or is missing.
    Changed,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Bytes of a media file are others.
    MediaChanged,
    /// A media file ends early.
    MediaShortened,
    /// Something was added to a media file.
    MediaExtended,
    /// A media file is that of another recording.
    MediaSwapped,
    /// A media file is not there.
    MediaMissing,
    /// A description says something else than when it was kept.
    DescriptionChanged,
    /// A description is not there, or cannot be read.
    DescriptionMissing,
    /// Files lie under another name: another time, another camera, or a copy.
    Renamed,
    /// The log does not know a recording.
    NotEntered,
    /// A file that is nobody's.
    Stranger,
    /// A line of the log was changed.
    LogLineChanged,
    /// Lines of the log are missing.
    LogLinesMissing,
    /// Lines of the log stand elsewhere than they were written.
    LogLinesMoved,
    /// A day of the log is missing.
    LogDayMissing,
    /// A signature does not hold.
    LogSignature,
    /// The end of the log is not there.
    LogEndMissing,
    /// The logs of two appliances contradict each other.
    LogsDiffer,
    /// No log of a key that was named.
    LogKey,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The file, relative to the folder.
    pub path: String,
    /// Which recording, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingId>,
    /// The day of the log, where it is about the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<jiff::civil::Date>,
    /// From which byte to which (not included), where it is about bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<[u64; 2]>,
    /// In words.
    pub message: String,
}

impl Finding {
    /// About a file.
    pub fn new(kind: FindingKind, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            path: path.into(),
            recording: None,
            day: None,
            bytes: None,
            message: message.into(),
        }
    }
}

/// A log that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogSeen {
    /// Whose.
    pub appliance: ApplianceId,
    /// SHA-256 of its public key: to be compared with the appliance's System page.
    pub key: String,
    /// Whether it is one of the keys that were named; none: no key was named.
    pub named: Option<bool>,
    /// First day.
    pub first_day: jiff::civil::Date,
    /// Last day.
    pub last_day: jiff::civil::Date,
    /// Lines.
    pub lines: u64,
    /// Hash of the last one.
    pub head: String,
}

/// What was looked at and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this report.
    pub version: u32,
    /// What was verified.
    pub path: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Further things that are wrong and are not told.
    pub more_findings: u64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
    /// The logs.
    pub logs: Vec<LogSeen>,
    /// Recordings that were compared.
    pub recordings: u64,
    /// Bytes that were read for it.
    pub bytes: u64,
}

impl Report {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            version: 1,
            path: path.display().to_string(),
            verdict: Verdict::Unproven,
            findings: Vec::new(),
            more_findings: 0,
            notes: Vec::new(),
            logs: Vec::new(),
            recordings: 0,
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        if self.notes.len() < FINDINGS_MAX {
            self.notes.push(note.into());
        }
    }

    pub(super) fn close(&mut self, wanted: &Wanted) {
        let believed = self.logs.iter().any(|log| log.named != Some(false));
        if !wanted.keys.is_empty() && !believed {
            self.add(Finding::new(
                FindingKind::LogKey,
                super::super::FOLDER,
                "there is no custody log of the key that was named: nothing here is proven by it",
            ));
        }
        self.verdict = match (self.findings.is_empty(), believed, wanted.keys.is_empty()) {
            (false, _, _) => Verdict::Changed,
            (true, false, _) => Verdict::Unproven,
            (true, true, true) => Verdict::Consistent,
            (true, true, false) => Verdict::Proven,
        };
    }

    /// As JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "CHANGED  {}", finding.path)?;
            writeln!(f, "         {}", finding.message)?;
        }
        if self.more_findings > 0 {
            writeln!(f, "… and {} more", self.more_findings)?;
        }
        for note in &self.notes {
            writeln!(f, "Note: {note}")?;
        }
        for log in &self.logs {
            writeln!(
                f,
                "Custody log of appliance {}, {} to {}, {} lines\n    key  {}\n    end  {}",
                log.appliance, log.first_day, log.last_day, log.lines, log.key, log.head
            )?;
        }
        writeln!(
            f,
            "{} recordings compared, {:.1} MB read.",
            self.recordings,
            self.bytes as f64 / 1e6
        )?;
        match self.verdict {
            Verdict::Proven => write!(
                f,
                "All of it is as the appliance kept it: the log is signed by the key that you named, and every byte is the one that it tells of."
            ),
            Verdict::Consistent => write!(
                f,
                "All of it is as the log says. Compare the key above with the System page of the appliance (or give it with --key): a log of another key proves nothing."
            ),
            Verdict::Unproven => write!(
                f,
                "Nothing contradicts, but there is no custody log here: whoever changed footage could have changed its description too. Copy the folder \"custody\" of the volume as well."
            ),
            Verdict::Changed => {
                let n = self.findings.len() as u64 + self.more_findings;
                match n {
                    1 => write!(f, "1 thing is not as it was kept."),
                    n => write!(f, "{n} things are not as they were kept."),
                }
            }
        }
    }
}

/// Progress on a terminal; nothing elsewhere.
pub(super) struct ShownProgress {
    began: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl ShownProgress {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            shown: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    pub(super) fn show(&mut self, done: u64, all: u64) {
        let due = self
            .shown
            .is_none_or(|at| at.elapsed() > Duration::from_millis(500));
        if !self.terminal || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let rate = mb(done) / self.began.elapsed().as_secs_f64().max(0.001);
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        // A terminal that is gone is no reason to stop.
        let _ = write!(
            std::io::stderr(),
            "\r{percent:3} %  {:.0} of {:.0} MB, {rate:.0} MB/s ",
            mb(done),
            mb(all)
        );
    }

    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r{:60}\r", "");
        }
    }
}
