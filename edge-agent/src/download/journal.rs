//! The journal of a recording's staging folder: which parts are there whole. One JSON line each, synced after the part
//! itself, so that after any kill what it says is true and only the part that was being fetched is fetched again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base::durable;
use serde::{Deserialize, Serialize};

use super::slices::Slice;
use super::tail::Digests;
use crate::recorder::driver::Source;

/// Name of the journal within the staging folder.
const FILE: &str = "journal.jsonl";
/// Largest journal that is read: a day of footage is a few megabytes of chunk digests.
const BYTES_MAX: u64 = 64 << 20;

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    /// First: what was cut how. Another plan makes the parts worthless.
    Plan {
        /// One text per part.
        parts: Vec<String>,
    },
    /// A part that lies there whole.
    Part(Part),
}

/// A part that was fetched to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which, counted from 0; its file is `NNN.ps`.
    pub part: usize,
    /// What it was hashed to while it came.
    pub digests: Digests,
}

/// The journal, opened.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    parts: Vec<Option<Part>>,
}

impl Journal {
    /// Opens the journal of a plan. Parts of another plan, and files that no line speaks of, are removed.
    pub fn open(folder: &Path, slices: &[Slice]) -> io::Result<Self> {
        let plan: Vec<String> = slices.iter().map(describe).collect();
        let mut journal = Self {
            folder: folder.to_owned(),
            parts: vec![None; plan.len()],
        };
        match read(&folder.join(FILE))? {
            Some((told, parts)) if told == plan => {
                for part in parts {
                    let whole = journal.is_whole(&part)?;
                    if let Some(place) = journal.parts.get_mut(part.part).filter(|_| whole) {
                        *place = Some(part);
                    }
                }
            }
            _ => journal.begin(plan)?,
        }
        journal.sweep()?;
        Ok(journal)
    }

    /// The parts that are there, by number.
    pub fn parts(&self) -> &[Option<Part>] {
        &self.parts
    }

    /// Where a part lies.
    pub fn path(&self, part: usize) -> PathBuf {
        self.folder.join(format!("{part:03}.ps"))
    }

    /// Notes a part that has come whole: the part is made durable, then the line.
    pub fn note(&mut self, part: Part) -> io::Result<()> {
        durable::sync_file(&self.path(part.part))?;
        durable::sync_dir(&self.folder)?;
        append(&self.folder.join(FILE), &Line::Part(part.clone()))?;
        let place = part.part;
        self.parts[place] = Some(part);
        Ok(())
    }

    fn begin(&mut self, parts: Vec<String>) -> io::Result<()> {
        durable::remove_if_there(&self.folder.join(FILE))?;
        append(&self.folder.join(FILE), &Line::Plan { parts })?;
        durable::sync_dir(&self.folder)
    }

    fn is_whole(&self, part: &Part) -> io::Result<bool> {
        match std::fs::metadata(self.path(part.part)) {
            Ok(meta) => Ok(meta.len() == part.digests.bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes everything but the journal and its parts: half a part, what remuxing left.
    fn sweep(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let named =
                (0..self.parts.len()).any(|n| self.parts[n].is_some() && self.path(n) == path);
            if !named && path != self.folder.join(FILE) && !path.is_dir() {
                durable::remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

/// What a part is asked for with, as text: the plan is the same if these are.
fn describe(slice: &Slice) -> String {
    match &slice.source {
        Source::Name(name) => format!("name {name} of {} bytes", slice.stated_bytes),
        Source::Time {
            channel,
            start,
            end,
        } => format!(
            "channel {channel} {start}{} to {end}{}",
            pass(start.second_pass),
            pass(end.second_pass)
        ),
    }
}

fn pass(second: bool) -> &'static str {
    if second { " (second pass)" } else { "" }
}

/// Plan and parts; None when there is no journal, or none that can be read.
fn read(path: &Path) -> io::Result<Option<(Vec<String>, Vec<Part>)>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => match file.take(BYTES_MAX).read_to_string(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            other => other?,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut plan = None;
    let mut parts = Vec::new();
    for line in text.lines() {
        // What a line that a power cut left half speaks of is fetched again.
        match serde_json::from_str(line) {
            Ok(Line::Plan { parts }) => plan = Some(parts),
            Ok(Line::Part(part)) => parts.push(part),
            Err(_) => {}
        }
    }
    Ok(plan.map(|plan| (plan, parts)))
}

fn append(path: &Path, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
    text.push(b'\n');
    let mut file = File::options().append(true).create(true).open(path)?;
    // Half a line of before must not swallow this one.
    let length = file.metadata()?.len();
    if length > 0 && !ends_with_newline(path, length)? {
        file.write_all(b"\n")?;
    }
    file.write_all(&text)?;
    file.sync_data()
}

fn ends_with_newline(path: &Path, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::super::tail::hash_file;
    use super::*;

    fn slices(count: u32) -> Vec<Slice> {
        (0..count)
            .map(|n| Slice {
                source: Source::Time {
                    channel: 33,
                    start: format!("2026-11-03T15:{n:02}:00").parse().unwrap(),
                    end: format!("2026-11-03T15:{:02}:05", n + 1).parse().unwrap(),
                },
                stated_bytes: 0,
            })
            .collect()
    }

    fn fetch(journal: &mut Journal, part: usize, bytes: &[u8]) {
        let path = journal.path(part);
        std::fs::write(&path, bytes).unwrap();
        let digests = hash_file(&path).unwrap();
        journal.note(Part { part, digests }).unwrap();
    }

    #[test]
    fn whole_parts_survive_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), &slices(3)).unwrap();
        fetch(&mut journal, 0, b"first");
        fetch(&mut journal, 1, b"second");
        std::fs::write(journal.path(2), b"hal").unwrap();
        std::fs::write(dir.path().join("media.mp4"), b"x").unwrap();

        let journal = Journal::open(dir.path(), &slices(3)).unwrap();
        let there: Vec<bool> = journal.parts().iter().map(Option::is_some).collect();
        assert_eq!(there, [true, true, false]);
        assert!(!journal.path(2).exists() && !dir.path().join("media.mp4").exists());

        // A part that is not as long as was noted does not count.
        std::fs::write(journal.path(1), b"sec").unwrap();
        let journal = Journal::open(dir.path(), &slices(3)).unwrap();
        assert!(journal.parts()[0].is_some() && journal.parts()[1].is_none());
        // Another plan begins anew.
        let journal = Journal::open(dir.path(), &slices(2)).unwrap();
        assert!(journal.parts().iter().all(Option::is_none));
        assert!(!journal.path(0).exists());
    }

    #[test]
    fn a_line_cut_by_a_power_cut_costs_its_part_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), &slices(3)).unwrap();
        fetch(&mut journal, 0, b"first");
        fetch(&mut journal, 1, b"second");
        let path = dir.path().join(FILE);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 30]).unwrap();

        let mut journal = Journal::open(dir.path(), &slices(3)).unwrap();
        assert!(journal.parts()[0].is_some() && journal.parts()[1].is_none());
        fetch(&mut journal, 1, b"second again");
        let journal = Journal::open(dir.path(), &slices(3)).unwrap();
        assert!(journal.parts()[0].is_some() && journal.parts()[1].is_some());
    }
}
