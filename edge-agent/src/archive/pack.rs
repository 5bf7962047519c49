//! Packs the recordings of an archive into its file. Blocking; memory does not grow with the bytes, and with the number
//! of recordings only by a hundred bytes for each.
//!
//! The file is its own journal: which entries there are, in which order and under which names was decided with the row,
//! so that after an interruption the whole entries at its beginning are recognised, compared with the digests of the
//! recordings, and kept; the rest is cut off and written anew ([`super::output`]).

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use nix::fcntl::{FallocateFlags, fallocate};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wire::ids::ApplianceId;

use super::manifest::{self, FileLine, Head, Made};
use super::output::{EntryError, Output, Packed};
use super::zip::{self, Entry};
use crate::catalog::archives::{ArchiveItem, ArchiveJob};
use crate::catalog::{Catalog, CatalogError};
use crate::footage::archives;
use crate::footage::path::{MEDIA, NATIVE, SIDECAR};
use crate::footage::volume::{Reservation, Volume, Volumes};
use crate::model::time::UtcTime;

/// Items read at a time.
const PAGE: u32 = 200;

/// How often the row learns how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What a recording consists of, in the order in which it is packed. The vendor's own bytes are there where a camera
/// keeps them.
const EXTENSIONS: [&str; 3] = [SIDECAR, MEDIA, NATIVE];

/// Why an archive was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The agent stops; the next start goes on.
    #[error("the agent stops")]
    Stopped,
    /// It is no longer to be built.
    #[error("it is no longer wanted")]
    Unwanted,
    /// It cannot be built, with the reason.
    #[error("{0}")]
    Failed(String),
    /// The catalog could not be asked.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// What is to be packed, and what with.
pub struct Order {
    /// The archive.
    pub job: ArchiveJob,
    /// Where its file grows.
    pub volume: Volume,
    /// Room that was promised for it; given back as soon as the disk itself has set it aside.
    pub room: Reservation,
    /// Where recordings lie.
    pub volumes: Volumes,
    /// What is known.
    pub catalog: Catalog,
    /// This appliance.
    pub appliance: Option<ApplianceId>,
    /// For asking the catalog.
    pub runtime: Handle,
    /// Cancelled when the agent stops.
    pub stop: CancellationToken,
}

/// A whole archive, synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 (hex).
    pub digest: String,
    /// Recordings in it whose bytes are not those that were kept.
    pub damaged: u64,
}

/// A packed file: of which item, which extension.
struct Line {
    n: u64,
    extension: &'static str,
    packed: Packed,
}

struct Packer {
    order: Order,
    output: Output,
    path: PathBuf,
    lines: Vec<Line>,
    told: Instant,
}

/// Packs it.
pub fn pack(order: Order) -> Result<Done, PackError> {
    let path = archives::part(&order.volume, order.job.id);
    let at = |e: io::Error| failed(&path, &e);
    base::durable::create_dir_all(&archives::folder(&order.volume)).map_err(at)?;
    let output = Output::open(&path).map_err(at)?;
    set_aside(&output, &order, &path)?;
    let mut packer = Packer {
        order,
        output,
        path,
        lines: Vec::new(),
        told: Instant::now(),
    };
    let next = packer.take_over()?;
    packer.pack_from(next)?;
    packer.close()
}

/// Has the disk set aside what the archive will need, so that nothing else can take it. Where the file system cannot,
/// the promise of the evictor is kept instead.
fn set_aside(output: &Output, order: &Order, path: &std::path::Path) -> Result<(), PackError> {
    let bytes = i64::try_from(order.job.bytes).unwrap_or(i64::MAX);
    match fallocate(output.file(), FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, bytes) {
        Ok(()) => {
            order.room.give_back();
            Ok(())
        }
        Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::ENOSYS) => Ok(()),
        Err(e) => Err(failed(path, &e.into())),
    }
}

fn failed(path: &std::path::Path, error: &io::Error) -> PackError {
    PackError::Failed(format!("{}: {error}", path.display()))
}

impl Packer {
    /// Recognises what an earlier attempt wrote; gives the number of the first item that is to be packed.
    fn take_over(&mut self) -> Result<u64, PackError> {
        let mut next = 0;
        'items: loop {
            let page = self.page(next)?;
            let Some(last) = page.last() else { break };
            let end = last.n + 1;
            for item in page.iter().filter(|item| item.left_out.is_none()) {
                self.still_wanted()?;
                let mark = self.output.mark().map_err(|e| failed(&self.path, &e))?;
                if !self.take_over_item(item)? {
                    self.output
                        .back_to(mark)
                        .map_err(|e| failed(&self.path, &e))?;
                    next = item.n;
                    break 'items;
                }
            }
            next = end;
        }
        self.lines.retain(|line| line.n < next);
        self.output.cut_here().map_err(|e| failed(&self.path, &e))?;
        if next > 0 {
            tracing::info!(archive.id = %self.order.job.id, recordings = next, bytes = self.output.position(), "An interrupted archive goes on");
        }
        Ok(next)
    }

    fn take_over_item(&mut self, item: &ArchiveItem) -> Result<bool, PackError> {
        let Ok(volume) = self.source(item) else {
            return Ok(false);
        };
        for extension in EXTENSIONS {
            let Ok(metadata) = std::fs::metadata(volume.file(&item.stem, extension)) else {
                continue;
            };
            let bytes = metadata.len();
            let name = format!("{}.{extension}", item.name);
            let found = self
                .output
                .accept(entry(&name, item, bytes), bytes)
                .map_err(|e| failed(&self.path, &e))?;
            match found {
                Some(packed) if extension != MEDIA || is_kept(item, &packed) => {
                    self.lines.push(Line {
                        n: item.n,
                        extension,
                        packed,
                    });
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn pack_from(&mut self, first: u64) -> Result<(), PackError> {
        let mut next = first;
        loop {
            let page = self.page(next)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            next = last.n + 1;
            for item in page.iter().filter(|item| item.left_out.is_none()) {
                self.still_wanted()?;
                self.pack_item(item)?;
            }
        }
    }

    /// Packs a recording whole, or leaves it out whole.
    fn pack_item(&mut self, item: &ArchiveItem) -> Result<(), PackError> {
        let volume = self.source(item)?;
        let mark = self.output.mark().map_err(|e| failed(&self.path, &e))?;
        let known = self.lines.len();
        for extension in EXTENSIONS {
            let path = volume.file(&item.stem, extension);
            let packed = match self.pack_file(item, extension, &path) {
                Ok(packed) => packed,
                Err(EntryError::Source(e)) if extension == NATIVE && is_missing(&e) => continue,
                Err(EntryError::Output(e)) => return Err(failed(&self.path, &e)),
                Err(EntryError::Source(e)) => {
                    self.still_running()?;
                    // An unplugged disk says nothing of this one recording.
                    volume
                        .check()
                        .map_err(|e| PackError::Failed(e.to_string()))?;
                    let why = format!("{}: {e}", path.display());
                    tracing::error!(archive.id = %self.order.job.id, recording.id = %item.recording, reason = why, "A recording cannot be read and is left out of an archive");
                    self.lines.truncate(known);
                    self.output
                        .back_to(mark)
                        .map_err(|e| failed(&self.path, &e))?;
                    let (id, n) = (self.order.job.id, item.n);
                    return Ok(self.wait(self.order.catalog.leave_out(id, n, why))?);
                }
            };
            if extension == MEDIA && !is_kept(item, &packed) {
                tracing::error!(archive.id = %self.order.job.id, recording.id = %item.recording, file.path = %path.display(),
                    "The bytes of a recording are not those that were kept; it is packed as it is now");
            }
            self.lines.push(Line {
                n: item.n,
                extension,
                packed,
            });
        }
        Ok(())
    }

    fn pack_file(
        &mut self,
        item: &ArchiveItem,
        extension: &'static str,
        path: &std::path::Path,
    ) -> Result<Packed, EntryError> {
        let file = File::open(path).map_err(EntryError::Source)?;
        let bytes = file.metadata().map_err(EntryError::Source)?.len();
        let name = format!("{}.{extension}", item.name);
        let mut source = Watched {
            // What grows meanwhile is not ours, and would not fit the form that was chosen for it.
            source: file.take(bytes),
            stop: &self.order.stop,
        };
        self.output.entry(entry(&name, item, bytes), &mut source)
    }

    /// Writes what the archive says of itself, and its directory.
    fn close(mut self) -> Result<Done, PackError> {
        let (id, range) = (self.order.job.id, self.order.job.range);
        let made_at = self.order.catalog.now();
        let head = Head::new(id, self.order.appliance.clone(), range, made_at);
        let items = self.lines.chunk_by(|a, b| a.n == b.n).count() as u64;
        let archive = self.wait(self.order.catalog.archive(id))?;
        let readme = head.readme(items, archive.left_out);
        let mut own = Vec::new();
        let manifest = self.write_lines(Kind::Manifest(&head), manifest::MANIFEST, made_at)?;
        let sums = self.write_lines(Kind::Sums, manifest::SUMS, made_at)?;
        let readme = self
            .output
            .entry(own_entry(manifest::README, made_at), &mut readme.as_bytes())
            .map_err(|e| self.lost(e))?;
        own.extend([
            (manifest::MANIFEST, manifest),
            (manifest::SUMS, sums),
            (manifest::README, readme),
        ]);
        self.write_directory(&own, made_at)?;
        let damaged = self.count_damaged()?;
        let path = self.path.clone();
        let (bytes, digest) = self.output.finish().map_err(|e| failed(&path, &e))?;
        Ok(Done {
            bytes,
            digest: HEXLOWER.encode(&digest),
            damaged,
        })
    }

    fn lost(&self, error: EntryError) -> PackError {
        match error {
            EntryError::Source(e) | EntryError::Output(e) => failed(&self.path, &e),
        }
    }

    /// Writes an entry of a text that has a piece for each recording.
    fn write_lines(
        &mut self,
        kind: Kind<'_>,
        name: &'static str,
        made_at: UtcTime,
    ) -> Result<Packed, PackError> {
        let lines = std::mem::take(&mut self.lines);
        let mut items = Items::new(&self.order);
        let (mut at, mut begun, mut ended) = (0, false, false);
        let mut first = true;
        let next = || {
            if !std::mem::replace(&mut begun, true)
                && let Kind::Manifest(head) = &kind
            {
                return Ok(Some(head.begin()));
            }
            let Some(item) = items.next()? else {
                let end = matches!(kind, Kind::Manifest(_)) && !std::mem::replace(&mut ended, true);
                return Ok(end.then(Head::end));
            };
            let count = lines[at..]
                .iter()
                .take_while(|line| line.n == item.n)
                .count();
            let of_item = &lines[at..at + count];
            at += count;
            let files: Vec<FileLine> = of_item.iter().map(|line| file_line(&item, line)).collect();
            Ok(Some(match kind {
                Kind::Sums => files.iter().flat_map(FileLine::sum).collect(),
                Kind::Manifest(_) => {
                    let first = std::mem::replace(&mut first, false);
                    manifest::recording_line(&item, &files, first, is_damaged(&item, of_item))
                }
            }))
        };
        let written = self
            .output
            .entry(own_entry(name, made_at), &mut Made::new(next));
        self.lines = lines;
        written.map_err(|e| self.lost(e))
    }

    fn write_directory(
        &mut self,
        own: &[(&'static str, Packed)],
        made_at: UtcTime,
    ) -> Result<(), PackError> {
        let offset = self.output.position();
        let at = |path: &PathBuf, e: io::Error| failed(path, &e);
        let mut items = Items::new(&self.order);
        let mut lines = self.lines.iter().peekable();
        while let Some(item) = items.next().map_err(|e| at(&self.path, e))? {
            let mut some = Vec::new();
            while let Some(line) = lines.next_if(|line| line.n == item.n) {
                let name = format!("{}.{}", item.name, line.extension);
                let entry = entry(&name, &item, line.packed.written.bytes);
                some.extend(zip::directory_entry(entry, line.packed.written));
            }
            self.output.put(some).map_err(|e| at(&self.path, e))?;
        }
        for (name, packed) in own {
            self.output
                .put(zip::directory_entry(
                    own_entry(name, made_at),
                    packed.written,
                ))
                .map_err(|e| at(&self.path, e))?;
        }
        let entries = (self.lines.len() + own.len()) as u64;
        let bytes = self.output.position() - offset;
        self.output
            .put(zip::end(entries, offset, bytes))
            .map_err(|e| at(&self.path, e))
    }

    fn count_damaged(&self) -> Result<u64, PackError> {
        let mut items = Items::new(&self.order);
        let mut lines = self.lines.chunk_by(|a, b| a.n == b.n).peekable();
        let mut damaged = 0;
        while let Some(item) = items.next().map_err(|e| failed(&self.path, &e))? {
            if let Some(of_item) = lines.next_if(|some| some[0].n == item.n) {
                damaged += u64::from(is_damaged(&item, of_item));
            }
        }
        Ok(damaged)
    }

    /// The volume of a recording, which must be there.
    fn source(&self, item: &ArchiveItem) -> Result<Volume, PackError> {
        self.order
            .volumes
            .get(item.volume)
            .cloned()
            .ok_or_else(|| {
                PackError::Failed(format!(
                    "recording {} lies on a volume that is not in the configuration any more: put its [[volume]] back",
                    item.recording
                ))
            })
    }

    fn page(&self, from: u64) -> Result<Vec<ArchiveItem>, PackError> {
        let id = self.order.job.id;
        Ok(self.wait(self.order.catalog.archive_items(id, from, PAGE))?)
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, CatalogError>>,
    ) -> Result<T, CatalogError> {
        self.order.runtime.block_on(answer)
    }

    fn still_running(&self) -> Result<(), PackError> {
        match self.order.stop.is_cancelled() {
            true => Err(PackError::Stopped),
            false => Ok(()),
        }
    }

    /// Tells how far it is now and then, and learns whether it is to go on.
    fn still_wanted(&mut self) -> Result<(), PackError> {
        self.still_running()?;
        if self.told.elapsed() < TOLD_EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        let (id, bytes) = (self.order.job.id, self.output.position());
        match self.wait(self.order.catalog.note_archive_written(id, bytes))? {
            true => Ok(()),
            false => Err(PackError::Unwanted),
        }
    }
}

/// What a text tells of each recording.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Manifest(&'a Head),
    Sums,
}

/// The items of an archive, a page at a time.
struct Items<'a> {
    order: &'a Order,
    next: u64,
    page: std::vec::IntoIter<ArchiveItem>,
}

impl<'a> Items<'a> {
    fn new(order: &'a Order) -> Self {
        Self {
            order,
            next: 0,
            page: Vec::new().into_iter(),
        }
    }

    fn next(&mut self) -> io::Result<Option<ArchiveItem>> {
        if self.page.len() == 0 {
            let (id, next) = (self.order.job.id, self.next);
            let page = self
                .order
                .runtime
                .block_on(self.order.catalog.archive_items(id, next, PAGE))
                .map_err(io::Error::other)?;
            self.page = page.into_iter();
        }
        let item = self.page.next();
        if let Some(item) = &item {
            self.next = item.n + 1;
        }
        Ok(item)
    }
}

/// A source that ends with an error when the agent stops: a recording may take a minute.
struct Watched<'a, R> {
    source: R,
    stop: &'a CancellationToken,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("the agent stops"));
        }
        self.source.read(out)
    }
}

fn entry<'a>(name: &'a str, item: &ArchiveItem, bytes: u64) -> Entry<'a> {
    Entry {
        name,
        modified: item.span.from,
        large: zip::is_large(bytes),
    }
}

fn own_entry(name: &'static str, made_at: UtcTime) -> Entry<'static> {
    Entry {
        name,
        modified: made_at,
        large: false,
    }
}

fn file_line(item: &ArchiveItem, line: &Line) -> FileLine {
    let name = format!("{}.{}", item.name, line.extension);
    FileLine::new(name, line.packed.written.bytes, &line.packed.digest)
}

/// Whether media is what was kept.
fn is_kept(item: &ArchiveItem, packed: &Packed) -> bool {
    HEXLOWER.encode(&packed.digest) == item.digest
}

fn is_damaged(item: &ArchiveItem, lines: &[Line]) -> bool {
    lines
        .iter()
        .any(|line| line.extension == MEDIA && !is_kept(item, &line.packed))
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
