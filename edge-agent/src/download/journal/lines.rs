//! The lines of a journal: what each says, how they are read and written, and the names that they speak of.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::durable;
use serde::{Deserialize, Serialize};

use super::super::tail::Digests;
use crate::model::chunks::{CHUNK_BYTES, Chunks, Sha256, hex, sha256};

/// Name of the journal within the staging folder.
pub const FILE: &str = "journal.jsonl";
/// Largest journal that is read: a day of footage is a few megabytes of digests.
const BYTES_MAX: u64 = 64 << 20;
/// Time after which a growing file and its lines are made durable: what a power cut may cost is fetched again. By time
/// and not by bytes, so that what comes fast is written to the disk once, as it is kept, and not twice.
const SYNC_PAUSE: Duration = Duration::from_secs(10);

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// First: what was cut how. Another plan makes the files worthless.
    Plan {
        /// One text per slice.
        parts: Vec<String>,
    },
    /// Bytes that were fetched and are gone: files of another plan, or of a recording that was rejected.
    Wasted { bytes: u64 },
    /// A run of the agent begins to work here: it has compared the files with all lines above.
    Run { run: String },
    /// A file begins to grow; `mends`: it is to hold only what another one of the slice lacks.
    Fetch { file: String, mends: bool },
    /// A growing file: the digest of its n-th mebibyte.
    Chunk {
        file: String,
        n: usize,
        sha256: String,
    },
    /// A growing file: the digest of what follows its last whole mebibyte.
    Mark {
        file: String,
        bytes: u64,
        sha256: String,
    },
    /// A file that grows no more; `ended`: its end is the end that the recorder gave.
    Part {
        file: String,
        ended: bool,
        digests: Digests,
    },
    /// Of a slice nothing is missing any more: where it lies.
    Done { slice: usize, stretches: Vec<Lies> },
}

/// A stretch of a file of the folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lies {
    /// Which.
    pub file: String,
    /// Where it begins.
    pub from: u64,
    /// Where it ends; None: where the file does.
    pub to: Option<u64>,
}

/// What the lines say of a file.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Digest of each whole mebibyte.
    pub chunks: Vec<String>,
    /// How long it was, and the digest of what follows them.
    pub mark: Option<(u64, String)>,
    /// Its end is the end that the recorder gave.
    pub ended: bool,
    /// It was to hold only what others lack.
    pub mends: bool,
}

impl Told {
    /// The digests of its first bytes; none where the lines do not tell them all.
    pub fn digests(&self, bytes: u64) -> Option<Digests> {
        let whole = usize::try_from(bytes / CHUNK_BYTES as u64).ok()?;
        let open = match &self.mark {
            _ if bytes.is_multiple_of(CHUNK_BYTES as u64) => None,
            Some((marked, sha256)) if *marked == bytes => Some(sha256),
            _ => return None,
        };
        let chunks = self.chunks.get(..whole)?.iter().chain(open);
        let chunks = chunks
            .map(|told| digest(told))
            .collect::<Option<Chunks>>()?;
        Some(Digests { bytes, chunks })
    }
}

fn digest(hex: &str) -> Option<Sha256> {
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// The name of a file: `NNN.ps`, `NNN-k.ps` for the k-th try at the same slice, each with `_m` where a library split it
/// (ABI §10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// Slice, counted from 0.
    pub slice: usize,
    /// Number of the try, counted from 0.
    pub fetch: u32,
    /// Which of the files that a library made of one try, counted from 0.
    pub split: u32,
}

impl Name {
    /// As text.
    pub fn text(self) -> String {
        let Self {
            slice,
            fetch,
            split,
        } = self;
        let fetch = if fetch > 0 {
            format!("-{fetch}")
        } else {
            String::new()
        };
        let split = if split > 0 {
            format!("_{split}")
        } else {
            String::new()
        };
        format!("{slice:03}{fetch}{split}.ps")
    }

    /// None: it is not the name of a part.
    pub fn parse(text: &str) -> Option<Self> {
        let stem = text.strip_suffix(".ps")?;
        let (stem, split) = match stem.split_once('_') {
            Some((stem, split)) => (stem, split.parse().ok()?),
            None => (stem, 0),
        };
        let (slice, fetch) = match stem.split_once('-') {
            Some((slice, fetch)) => (slice, fetch.parse().ok()?),
            None => (stem, 0),
        };
        let name = Self {
            slice: slice.parse().ok()?,
            fetch,
            split,
        };
        (name.text() == text).then_some(name)
    }
}

/// What a growing file tells.
#[derive(Debug)]
pub struct Log {
    journal: File,
    file: String,
    path: PathBuf,
    marked_bytes: u64,
    synced_at: Instant,
}

impl Log {
    /// Of a file that begins now; `mends`: it is to hold only what others lack.
    pub fn open(folder: &Path, file: String, mends: bool) -> io::Result<Self> {
        let mut journal = open_to_append(&folder.join(FILE))?;
        let begins = Line::Fetch {
            file: file.clone(),
            mends,
        };
        journal.write_all(&text_of(&begins)?)?;
        Ok(Self {
            journal,
            path: folder.join(&file),
            file,
            marked_bytes: 0,
            synced_at: Instant::now(),
        })
    }

    /// The n-th mebibyte is there.
    pub fn chunk(&mut self, n: usize, sha256: &str) -> io::Result<()> {
        let line = Line::Chunk {
            file: self.file.clone(),
            n,
            sha256: sha256.to_owned(),
        };
        self.journal.write_all(&text_of(&line)?)?;
        if self.synced_at.elapsed() >= SYNC_PAUSE {
            durable::sync_file(&self.path)?;
            self.journal.sync_data()?;
            self.synced_at = Instant::now();
        }
        Ok(())
    }

    /// So much is there; the digest is that of what follows the last whole mebibyte.
    pub fn mark(&mut self, bytes: u64, sha256: &str) -> io::Result<()> {
        self.marked_bytes = bytes;
        let line = Line::Mark {
            file: self.file.clone(),
            bytes,
            sha256: sha256.to_owned(),
        };
        self.journal.write_all(&text_of(&line)?)
    }

    /// How much was told last.
    pub fn marked_bytes(&self) -> u64 {
        self.marked_bytes
    }
}

/// A journal as it was read.
#[derive(Debug, Default)]
pub struct JournalText {
    /// What was cut how.
    pub plan: Vec<String>,
    /// Bytes that were fetched and are gone.
    pub wasted: u64,
    /// The run of the agent that worked here last.
    pub run: String,
    /// By name, in the order in which they were first spoken of.
    pub files: Vec<(String, Told)>,
    /// Slices of which nothing is missing.
    pub done: Vec<(usize, Vec<Lies>)>,
}

impl JournalText {
    fn file(&mut self, file: String) -> &mut Told {
        let n = match self.files.iter().position(|(known, _)| *known == file) {
            Some(n) => n,
            None => {
                self.files.push((file, Told::default()));
                self.files.len() - 1
            }
        };
        &mut self.files[n].1
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Plan { parts } => self.plan = parts,
            Line::Wasted { bytes } => self.wasted += bytes,
            Line::Run { run } => self.run = run,
            Line::Fetch { file, mends } => self.file(file).mends = mends,
            Line::Chunk { file, n, sha256 } => {
                let told = self.file(file);
                // A hole in the lines ends what can be compared.
                if told.chunks.len() == n {
                    told.chunks.push(sha256);
                }
            }
            Line::Mark {
                file,
                bytes,
                sha256,
            } => self.file(file).mark = Some((bytes, sha256)),
            Line::Part {
                file,
                ended,
                digests,
            } => {
                let Digests { bytes, chunks } = digests;
                let mut chunks: Vec<String> = chunks.as_slice().iter().map(|c| hex(c)).collect();
                let whole = (bytes / CHUNK_BYTES as u64) as usize;
                let open = chunks.get(whole).cloned();
                chunks.truncate(whole);
                let mark = Some((bytes, open.unwrap_or_else(|| hex(&sha256(b"")))));
                let told = self.file(file);
                (told.chunks, told.mark, told.ended) = (chunks, mark, ended);
            }
            Line::Done { slice, stretches } => self.done.push((slice, stretches)),
        }
    }
}

/// None when there is no journal, or none that can be read.
pub fn read(path: &Path) -> io::Result<Option<JournalText>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(BYTES_MAX).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut journal = JournalText::default();
    let mut is_one = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        // What a line that a power cut left half speaks of is fetched again.
        if let Ok(line) = serde_json::from_slice::<Line>(line) {
            is_one |= matches!(line, Line::Plan { .. });
            journal.take(line);
        }
    }
    Ok(is_one.then_some(journal))
}

/// A line as it is written.
pub fn text_of(line: &Line) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes lines at the end.
pub fn append(path: &Path, lines: &[Line], sync: bool) -> io::Result<()> {
    let mut file = open_to_append(path)?;
    for line in lines {
        file.write_all(&text_of(line)?)?;
    }
    if sync { file.sync_data() } else { Ok(()) }
}

/// Half a line of before must not swallow the next one.
fn open_to_append(path: &Path) -> io::Result<File> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    if length > 0 && !ends_with_newline(path, length)? {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn ends_with_newline(path: &Path, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}
