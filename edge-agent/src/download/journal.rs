//! The journal of a recording's staging folder: what of it lies there and is known to be right, so that after any death
//! only what is missing is fetched again.
//!
//! One JSON line each. While a file grows, a line per mebibyte and one at each look tell the digest of what was read.
//! Those need no sync to be true: after a power cut the file is compared with them, and counts as far as it agrees.
//! A file that grows no more is made durable before its line is, but where it is the whole recording: that is kept
//! within moments, and then nobody asks for it any more. A line that a power cut left half says nothing.

mod lines;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base::durable;

use self::lines::{FILE, JournalText, Lies, Line, Name, append, read, text_of};
use super::mend::Held;
use super::slices::Slice;
use super::tail::{self, Received};
use crate::model::chunks::CHUNK_BYTES;
use crate::model::staged::{ReceivedPart, Stretch};
use crate::recorder::driver::Source;

pub use self::lines::Log;

/// Files that a library which was told not to split may make of one (1 GiB each).
const SPLIT_MAX: u32 = 1_000;

/// The journal, opened.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    slices: Vec<OfSlice>,
    wasted: u64,
}

/// How a file came.
#[derive(Debug, Clone, Copy)]
pub struct Came {
    /// Its end is the end that the recorder gave.
    pub ended: bool,
    /// It was to hold only what others lack.
    pub mends: bool,
    /// Nothing more is to come before the recording is kept.
    pub is_all: bool,
}

/// What is there of one slice.
#[derive(Debug, Clone, Default)]
struct OfSlice {
    held: Vec<Held>,
    done: Option<Vec<Stretch>>,
    /// Number of the next file.
    next: u32,
    /// Something was asked for that the first file lacked.
    mended: bool,
}

/// Of this run of the agent: files that were compared in it are not compared again.
fn this_run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| uuid::Uuid::new_v4().to_string())
}

impl Journal {
    /// Opens the journal of a plan. Files of another plan, and files that no line speaks of, are removed; what is not as
    /// it was told does not count.
    pub fn open(folder: &Path, slices: &[Slice]) -> io::Result<Self> {
        let plan: Vec<String> = slices.iter().map(describe).collect();
        let told = read(&folder.join(FILE))?;
        if told.as_ref().is_none_or(|told| told.plan != plan) {
            begin(folder, told.map_or(0, |told| told.wasted), &plan)?;
        }
        let told = read(&folder.join(FILE))?.unwrap_or_default();
        let mut journal = Self {
            folder: folder.to_owned(),
            slices: vec![OfSlice::default(); slices.len()],
            wasted: told.wasted,
        };
        journal.take(&told)?;
        journal.sweep(&told)?;
        if told.run != this_run() {
            let run = this_run().to_owned();
            append(&journal.folder.join(FILE), &[Line::Run { run }], false)?;
        }
        Ok(journal)
    }

    /// Forgets what is there, but not what it cost: it made a recording that was rejected.
    pub fn start_over(folder: &Path) -> io::Result<()> {
        match read(&folder.join(FILE))? {
            Some(told) => begin(folder, told.wasted, &[]),
            None => Ok(()),
        }
    }

    fn take(&mut self, told: &JournalText) -> io::Result<()> {
        let mut verified = Vec::new();
        for (file, lines) in &told.files {
            if let Some(name) = Name::parse(file)
                && let Some(place) = self.slices.get_mut(name.slice)
            {
                place.mended |= lines.mends;
                place.next = place.next.max(name.fetch + 1);
            }
            let path = self.folder.join(file);
            let Ok(length) = path.metadata().map(|meta| meta.len()) else {
                continue;
            };
            let bytes = if told.run == this_run() {
                let marked = lines.mark.as_ref().map_or(0, |(bytes, _)| *bytes);
                length.min(marked.max((lines.chunks.len() * CHUNK_BYTES) as u64))
            } else {
                tail::verified_bytes(&path, &lines.chunks, lines.mark.as_ref())?
            };
            verified.push((file, lines, bytes, length));
        }
        for (slice, stretches) in &told.done {
            let whole = stretches.iter().all(|lies| {
                verified.iter().any(|(file, lines, bytes, length)| {
                    let ended = lines.mark.as_ref().is_some_and(|(told, _)| told == length);
                    **file == lies.file
                        && lies.to.map_or(ended && bytes == length, |to| to <= *bytes)
                })
            });
            if let Some(place) = self.slices.get_mut(*slice).filter(|_| whole) {
                let lies = |lies: &Lies| Stretch {
                    path: self.folder.join(&lies.file),
                    from: lies.from,
                    to: lies.to,
                };
                place.done = Some(stretches.iter().map(lies).collect());
            }
        }
        for (file, lines, bytes, length) in verified {
            let Some(name) = Name::parse(file) else {
                continue;
            };
            let Some(place) = self.slices.get_mut(name.slice) else {
                continue;
            };
            if place.done.is_some() {
                continue;
            }
            let path = self.folder.join(file);
            if bytes == 0 {
                durable::remove_if_there(&path)?;
            }
            if bytes < length {
                // What nobody vouches for must not be read by mistake; that it was fetched is remembered.
                if bytes > 0 {
                    File::options().write(true).open(&path)?.set_len(bytes)?;
                }
                self.wasted += length - bytes;
                let gone = Line::Wasted {
                    bytes: length - bytes,
                };
                append(&self.folder.join(FILE), &[gone], false)?;
            }
            if bytes == 0 {
                continue;
            }
            let layout = tail::read_still(&path)?.layout;
            place.held.push(Held {
                fetch: name.fetch,
                split: name.split,
                mends: lines.mends,
                ended: lines.ended && bytes == length,
                path,
                layout,
            });
        }
        for place in &mut self.slices {
            place.held.sort_by_key(|held| (held.fetch, held.split));
        }
        Ok(())
    }

    /// Where a slice lies of which nothing is missing any more.
    pub fn done(&self, slice: usize) -> Option<&[Stretch]> {
        self.slices[slice].done.as_deref()
    }

    /// What is there of a slice.
    pub fn held(&self, slice: usize) -> &[Held] {
        &self.slices[slice].held
    }

    /// Where the next file of a slice is to grow, and the log that follows it.
    /// `mends`: it is to hold only what others lack.
    pub fn next_file(&mut self, slice: usize, mends: bool) -> io::Result<(PathBuf, Log)> {
        let fetch = self.slices[slice].next;
        self.slices[slice].next += 1;
        self.slices[slice].mended |= mends;
        let file = Name {
            slice,
            fetch,
            split: 0,
        }
        .text();
        let path = self.folder.join(&file);
        durable::remove_if_there(&path)?;
        let log = Log::open(&self.folder, file, mends)?;
        Ok((path, log))
    }

    /// Notes a file that grows no more, and the further ones that a library made of it which was told not to split.
    /// Returns the bytes of them all.
    pub fn adopt(
        &mut self,
        slice: usize,
        path: &Path,
        received: Received,
        came: Came,
    ) -> io::Result<u64> {
        let Some(name) = path
            .file_name()
            .and_then(|name| Name::parse(name.to_str()?))
        else {
            return Err(io::Error::other(format!(
                "{} is no part's name",
                path.display()
            )));
        };
        let mut files = vec![(name, path.to_owned(), received)];
        for split in 1..=SPLIT_MAX {
            let name = Name { split, ..name };
            let path = self.folder.join(name.text());
            if !path.exists() {
                break;
            }
            let received = tail::read_still(&path)?;
            files.push((name, path, received));
        }
        let last = files.len() - 1;
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for (n, (name, path, received)) in files.into_iter().enumerate() {
            if !came.is_all {
                durable::sync_file(&path)?;
            }
            bytes += received.digests.bytes;
            let ended = came.ended && n == last;
            lines.push(Line::Part {
                file: name.text(),
                ended,
                digests: received.digests,
            });
            self.slices[slice].held.push(Held {
                fetch: name.fetch,
                split: name.split,
                mends: came.mends,
                ended,
                path,
                layout: received.layout,
            });
        }
        if !came.is_all {
            durable::sync_dir(&self.folder)?;
        }
        append(&self.folder.join(FILE), &lines, !came.is_all)?;
        Ok(bytes)
    }

    /// Notes that nothing is missing of a slice.
    pub fn finish(&mut self, slice: usize, stretches: Vec<Stretch>) -> io::Result<()> {
        let lies = |stretch: &Stretch| Lies {
            file: stretch
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            from: stretch.from,
            to: stretch.to,
        };
        let stretches_told = stretches.iter().map(lies).collect();
        append(
            &self.folder.join(FILE),
            &[Line::Done {
                slice,
                stretches: stretches_told,
            }],
            self.slices.len() > 1,
        )?;
        let place = &mut self.slices[slice];
        place.done = Some(stretches);
        place.held.clear();
        Ok(())
    }

    /// Bytes that the recorder has sent for this recording, over all attempts.
    pub fn fetched_bytes(&self) -> io::Result<u64> {
        Ok(self.wasted
            + parts_on_disk(&self.folder)?
                .iter()
                .map(|(_, bytes)| bytes)
                .sum::<u64>())
    }

    /// Bytes where a finished slice lies; 0 for one that is not.
    pub fn slice_bytes(&self, slice: usize) -> u64 {
        let length = |stretch: &Stretch| {
            let end = stretch
                .to
                .or_else(|| Some(stretch.path.metadata().ok()?.len()));
            end.unwrap_or(stretch.from).saturating_sub(stretch.from)
        };
        self.done(slice)
            .unwrap_or_default()
            .iter()
            .map(length)
            .sum()
    }

    /// The same of all slices before one.
    pub fn bytes_before(&self, slice: usize) -> u64 {
        (0..slice).map(|n| self.slice_bytes(n)).sum()
    }

    /// The files that these stretches are of, with the digests that were taken as they came.
    pub fn received(&self, stretches: &[Stretch]) -> io::Result<Vec<ReceivedPart>> {
        let told = read(&self.folder.join(FILE))?.unwrap_or_default();
        let mut parts: Vec<ReceivedPart> = Vec::new();
        for Stretch { path, .. } in stretches {
            if parts.iter().any(|part| part.path == *path) {
                continue;
            }
            let bytes = path.metadata()?.len();
            let name = path.file_name().unwrap_or_default();
            let lines = told.files.iter().find(|(file, _)| name == file.as_str());
            let digests = match lines.and_then(|(_, lines)| lines.digests(bytes)) {
                Some(digests) => digests,
                // Lines that a power cut took: what lies there is what will be kept.
                None => tail::read_still(path)?.digests,
            };
            parts.push(ReceivedPart {
                path: path.clone(),
                bytes: digests.bytes,
                chunks: digests.chunks,
            });
        }
        Ok(parts)
    }

    /// Whether something of a slice was asked for by itself.
    pub fn is_mended(&self, slice: usize) -> bool {
        self.slices[slice].mended
    }

    /// How many files a slice has come in.
    pub fn fetches(&self, slice: usize) -> u32 {
        self.slices[slice].next
    }

    /// How often a slice was asked for in vain since a group of it came.
    pub fn in_vain(&self, slice: usize) -> u32 {
        let place = &self.slices[slice];
        let came = place.held.iter().filter(|held| {
            let mut groups = held.layout.groups.iter();
            groups.any(|group| group.mapped)
        });
        let since = came.map(|held| held.fetch + 1).max();
        place.next - since.unwrap_or(0)
    }

    /// Removes what no line speaks of: a file of which nothing was read, what remuxing left.
    fn sweep(&mut self, told: &JournalText) -> io::Result<()> {
        let mut gone = 0;
        for (path, bytes) in parts_on_disk(&self.folder)? {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if !told.files.iter().any(|(known, _)| *known == file) {
                durable::remove_if_there(&path)?;
                gone += bytes;
            }
        }
        if gone > 0 {
            self.wasted += gone;
            append(
                &self.folder.join(FILE),
                &[Line::Wasted { bytes: gone }],
                false,
            )?;
        }
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let named = path.file_name().unwrap_or_default().to_str();
            let ours = named.is_some_and(|name| name == FILE || Name::parse(name).is_some());
            if !ours && !path.is_dir() {
                durable::remove_if_there(&path)?;
            }
        }
        Ok(())
    }
}

/// A new journal in the place of an old one, whose files go.
fn begin(folder: &Path, wasted: u64, plan: &[String]) -> io::Result<()> {
    let parts = parts_on_disk(folder)?;
    let bytes = wasted + parts.iter().map(|(_, bytes)| bytes).sum::<u64>();
    // In one step, and before the files go: bytes are counted twice rather than never.
    let lines = [
        Line::Plan {
            parts: plan.to_vec(),
        },
        Line::Wasted { bytes },
    ];
    let text: Vec<u8> = lines
        .iter()
        .map(text_of)
        .collect::<io::Result<Vec<_>>>()?
        .concat();
    durable::replace(&folder.join(FILE), &text, 0o600)?;
    for (path, _) in parts {
        durable::remove_if_there(&path)?;
    }
    durable::sync_dir(folder)
}

/// The files of slices in a folder, with their lengths.
fn parts_on_disk(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(Name::parse).is_some() {
            parts.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(parts)
}

/// What a slice is asked for with, as text: the plan is the same if these are.
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

#[cfg(test)]
mod tests {
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

    const WHOLE: Came = Came {
        ended: true,
        mends: false,
        is_all: false,
    };

    fn fetch(journal: &mut Journal, slice: usize, bytes: &[u8]) -> PathBuf {
        let (path, _log) = journal.next_file(slice, false).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let received = tail::read_still(&path).unwrap();
        journal.adopt(slice, &path, received, WHOLE).unwrap();
        journal.finish(slice, vec![path.clone().into()]).unwrap();
        path
    }

    fn done(dir: &Path, count: u32) -> Vec<bool> {
        let journal = Journal::open(dir, &slices(count)).unwrap();
        (0..count as usize)
            .map(|n| journal.done(n).is_some())
            .collect()
    }

    /// As if another run of the agent had written it.
    fn by_another_run(dir: &Path) {
        append(
            &dir.join(FILE),
            &[Line::Run {
                run: "another".into(),
            }],
            false,
        )
        .unwrap();
    }

    #[test]
    fn whole_slices_survive_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), &slices(3)).unwrap();
        fetch(&mut journal, 0, b"first");
        let second = fetch(&mut journal, 1, b"second");
        std::fs::write(dir.path().join("002.ps"), b"hal").unwrap();
        std::fs::write(dir.path().join("media.mp4"), b"x").unwrap();
        by_another_run(dir.path());

        assert_eq!(done(dir.path(), 3), [true, true, false]);
        assert!(!dir.path().join("002.ps").exists() && !dir.path().join("media.mp4").exists());
        // It was fetched all the same.
        let journal = Journal::open(dir.path(), &slices(3)).unwrap();
        assert_eq!(journal.fetched_bytes().unwrap(), 5 + 6 + 3);

        // A file that is not as it was does not count, also where its length is right.
        std::fs::write(&second, b"sec0nd").unwrap();
        assert_eq!(
            done(dir.path(), 3),
            [true, true, false],
            "compared in this run"
        );
        by_another_run(dir.path());
        assert_eq!(done(dir.path(), 3), [true, false, false]);
        // Another plan begins anew.
        assert_eq!(done(dir.path(), 2), [false, false]);
        assert!(!dir.path().join("000.ps").exists());
        let journal = Journal::open(dir.path(), &slices(2)).unwrap();
        assert_eq!(journal.fetched_bytes().unwrap(), 5 + 6 + 3);
    }

    #[test]
    fn a_line_cut_by_a_power_cut_costs_its_slice_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path(), &slices(3)).unwrap();
        fetch(&mut journal, 0, b"first");
        fetch(&mut journal, 1, b"second");
        let path = dir.path().join(FILE);
        let text = std::fs::read(&path).unwrap();
        for cut in [1, 30, 200] {
            std::fs::write(&path, &text[..text.len() - cut]).unwrap();
            assert!(done(dir.path(), 3)[0], "{cut} bytes are missing");
            let mut journal = Journal::open(dir.path(), &slices(3)).unwrap();
            if journal.done(1).is_none() {
                fetch(&mut journal, 1, b"second again");
            }
            assert_eq!(done(dir.path(), 3), [true, true, false]);
        }
    }

    #[test]
    fn names_say_what_they_are_of() {
        for (text, name) in [
            ("000.ps", Some((0, 0, 0))),
            ("012-3.ps", Some((12, 3, 0))),
            ("1000-1_2.ps", Some((1000, 1, 2))),
            ("000_1.ps", Some((0, 0, 1))),
            ("native.ps", None),
            ("00.ps", None),
            ("000-0.ps", None),
        ] {
            let parsed = Name::parse(text).map(|n| (n.slice, n.fetch, n.split));
            assert_eq!(parsed, name, "{text}");
        }
    }
}
