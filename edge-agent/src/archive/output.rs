//! The file of an archive as it grows: entries, their check values and digests, and the digest of the whole.
//!
//! Bytes only ever go to the end. Digests are made on two further threads, so that a disk that is faster than one digest
//! does not wait for it; what is on its way to them is bounded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::zip::{self, Entry, Written};

/// Read and written at a time.
pub const CHUNK_BYTES: usize = 512 * 1024;

/// Chunks that wait for a digest.
const CHUNKS_WAITING: usize = 8;

/// After so many bytes the disk is waited for: so a box of little memory does not fill it with what waits for the disk,
/// and what comes from the recorders meanwhile is not held up for long.
const SYNC_BYTES: u64 = 64 * 1024 * 1024;

/// SHA-256.
pub type Digest = [u8; SHA256_OUTPUT_LEN];

/// An entry that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Where and what.
    pub written: Written,
    /// SHA-256 of its data.
    pub digest: Digest,
}

/// A place to go back to.
pub struct Mark {
    position: u64,
    whole: Context,
}

/// The growing file.
pub struct Output {
    file: File,
    position: u64,
    synced: u64,
    whole: Hasher,
    of_entry: Hasher,
}

impl Output {
    /// Opens the file, making it where it is missing. What is in it is compared first: see [`Output::accept`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Ok(Self {
            file,
            position: 0,
            synced: 0,
            whole: Hasher::start("archive-digest")?,
            of_entry: Hasher::start("archive-entry")?,
        })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// A place to go back to.
    pub fn mark(&self) -> io::Result<Mark> {
        Ok(Mark {
            position: self.position,
            whole: self.whole.context()?,
        })
    }

    /// Goes back: what was written since is as if it had never been.
    pub fn back_to(&mut self, mark: Mark) -> io::Result<()> {
        self.whole = Hasher::from(mark.whole, "archive-digest")?;
        self.of_entry = Hasher::start("archive-entry")?;
        self.position = mark.position;
        self.synced = self.synced.min(self.position);
        self.file.set_len(self.position)?;
        self.file.seek(SeekFrom::Start(self.position)).map(drop)
    }

    /// Writes an entry of which `source` gives the data.
    pub fn entry(&mut self, entry: Entry<'_>, source: &mut dyn Read) -> Result<Packed, EntryError> {
        let offset = self.position;
        self.put(zip::header(entry)).map_err(EntryError::Output)?;
        let (mut crc, mut bytes) = (crc32fast::Hasher::new(), 0);
        loop {
            let chunk = read_chunk(source).map_err(EntryError::Source)?;
            if chunk.is_empty() {
                break;
            }
            crc.update(&chunk);
            bytes += chunk.len() as u64;
            let chunk = Arc::new(chunk);
            self.of_entry
                .add(chunk.clone())
                .map_err(EntryError::Output)?;
            self.put_shared(chunk).map_err(EntryError::Output)?;
        }
        let crc = crc.finalize();
        self.put(zip::descriptor(entry.large, crc, bytes))
            .map_err(EntryError::Output)?;
        Ok(Packed {
            written: Written { offset, crc, bytes },
            digest: self.of_entry.take().map_err(EntryError::Output)?,
        })
    }

    /// Looks whether an entry of `bytes` bytes lies whole at the place that is next, from before an interruption. If so
    /// it is taken over; if not, the place stays where it is.
    pub fn accept(&mut self, entry: Entry<'_>, bytes: u64) -> io::Result<Option<Packed>> {
        let mark = self.mark()?;
        let packed = self.compare(entry, bytes)?;
        if packed.is_none() {
            self.whole = Hasher::from(mark.whole, "archive-digest")?;
            self.of_entry = Hasher::start("archive-entry")?;
            self.position = mark.position;
            self.file.seek(SeekFrom::Start(self.position))?;
        }
        Ok(packed)
    }

    fn compare(&mut self, entry: Entry<'_>, bytes: u64) -> io::Result<Option<Packed>> {
        let offset = self.position;
        if !self.is_next(zip::header(entry))? {
            return Ok(None);
        }
        let (mut crc, mut left) = (crc32fast::Hasher::new(), bytes);
        while left > 0 {
            let chunk = read_chunk(&mut (&self.file).take(left))?;
            if chunk.is_empty() {
                return Ok(None);
            }
            left -= chunk.len() as u64;
            self.position += chunk.len() as u64;
            crc.update(&chunk);
            let chunk = Arc::new(chunk);
            self.of_entry.add(chunk.clone())?;
            self.whole.add(chunk)?;
        }
        let crc = crc.finalize();
        if !self.is_next(zip::descriptor(entry.large, crc, bytes))? {
            return Ok(None);
        }
        Ok(Some(Packed {
            written: Written { offset, crc, bytes },
            digest: self.of_entry.take()?,
        }))
    }

    /// Whether these bytes come next in the file; if so they are passed.
    fn is_next(&mut self, expected: Vec<u8>) -> io::Result<bool> {
        let mut found = Vec::with_capacity(expected.len());
        (&self.file)
            .take(expected.len() as u64)
            .read_to_end(&mut found)?;
        if found != expected {
            return Ok(false);
        }
        self.position += expected.len() as u64;
        self.whole.add(Arc::new(expected))?;
        Ok(true)
    }

    /// Cuts off what lies behind: it belongs to nothing that was taken over.
    pub fn cut_here(&mut self) -> io::Result<()> {
        self.synced = self.position;
        self.file.set_len(self.position)
    }

    /// Writes bytes that are no entry.
    pub fn put(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.put_shared(Arc::new(bytes))
    }

    fn put_shared(&mut self, bytes: Arc<Vec<u8>>) -> io::Result<()> {
        self.file.write_all(&bytes)?;
        self.position += bytes.len() as u64;
        self.whole.add(bytes)?;
        if self.position - self.synced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.synced = self.position;
        }
        Ok(())
    }

    /// Makes everything durable, gives back what was set aside beyond the end, and tells size and digest of the whole.
    pub fn finish(self) -> io::Result<(u64, Digest)> {
        let digest = self.whole.take()?;
        self.file.set_len(self.position)?;
        self.file.sync_all()?;
        Ok((self.position, digest))
    }
}

/// Why an entry was not written.
#[derive(Debug)]
pub enum EntryError {
    /// Its source cannot be read.
    Source(io::Error),
    /// The archive cannot be written.
    Output(io::Error),
}

fn read_chunk(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    source.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

enum Word {
    Add(Arc<Vec<u8>>),
    /// Tells the digest so far and begins anew.
    Take(SyncSender<Digest>),
    /// Tells the state.
    Copy(SyncSender<Context>),
}

/// A digest that is made on a thread of its own, which ends with it.
struct Hasher {
    words: Option<SyncSender<Word>>,
    thread: Option<JoinHandle<()>>,
}

impl Hasher {
    fn start(name: &str) -> io::Result<Self> {
        Self::from(Context::new(&SHA256), name)
    }

    fn from(context: Context, name: &str) -> io::Result<Self> {
        let (words, inbox) = sync_channel(CHUNKS_WAITING);
        let mut context = context;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // A receiver that has gone does not wait for the answer.
                for word in inbox {
                    match word {
                        Word::Add(bytes) => context.update(&bytes),
                        Word::Take(to) => {
                            let full = std::mem::replace(&mut context, Context::new(&SHA256));
                            let mut digest = [0; SHA256_OUTPUT_LEN];
                            digest.copy_from_slice(full.finish().as_ref());
                            let _ = to.send(digest);
                        }
                        Word::Copy(to) => drop(to.send(context.clone())),
                    }
                }
            })?;
        Ok(Self {
            words: Some(words),
            thread: Some(thread),
        })
    }

    fn tell(&self, word: Word) -> io::Result<()> {
        self.words
            .as_ref()
            .and_then(|words| words.send(word).ok())
            .ok_or_else(|| io::Error::other("the thread that makes digests has ended"))
    }

    fn add(&self, bytes: Arc<Vec<u8>>) -> io::Result<()> {
        self.tell(Word::Add(bytes))
    }

    fn take(&self) -> io::Result<Digest> {
        let (to, answer) = sync_channel(1);
        self.tell(Word::Take(to))?;
        answer.recv().map_err(io::Error::other)
    }

    fn context(&self) -> io::Result<Context> {
        let (to, answer) = sync_channel(1);
        self.tell(Word::Copy(to))?;
        answer.recv().map_err(io::Error::other)
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        drop(self.words.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The thread that makes digests panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry<'_> {
        Entry {
            name,
            modified: "2026-11-03T14:05:00Z".parse().unwrap(),
            large: false,
        }
    }

    /// An archive of entries that were written one after the other.
    fn write(path: &Path, data: &[&[u8]]) -> (u64, Digest) {
        let mut output = Output::open(path).unwrap();
        output.cut_here().unwrap();
        for (n, mut one) in data.iter().copied().enumerate() {
            output.entry(entry(&format!("{n}")), &mut one).unwrap();
        }
        output.finish().unwrap()
    }

    /// Opens it again and takes over what is whole of the same entries; writes the rest.
    fn write_on(path: &Path, data: &[&[u8]]) -> (usize, (u64, Digest)) {
        let mut output = Output::open(path).unwrap();
        let mut accepted = 0;
        for (n, one) in data.iter().enumerate() {
            let name = format!("{n}");
            let Some(packed) = output.accept(entry(&name), one.len() as u64).unwrap() else {
                break;
            };
            assert_eq!(
                packed.digest[..],
                *ring::digest::digest(&SHA256, one).as_ref()
            );
            accepted += 1;
        }
        output.cut_here().unwrap();
        for (n, mut one) in data.iter().copied().enumerate().skip(accepted) {
            output.entry(entry(&format!("{n}")), &mut one).unwrap();
        }
        (accepted, output.finish().unwrap())
    }

    #[test]
    fn wherever_it_was_cut_off_it_becomes_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        let long = vec![7; CHUNK_BYTES + 10];
        let data: [&[u8]; 4] = [b"one", &long, b"", b"four"];
        let whole = write(&path, &data);
        let bytes = std::fs::read(&path).unwrap();
        // Every byte around the short ones, some of the long one.
        let places = (0..100)
            .chain((100..bytes.len() - 200).step_by(40_961))
            .chain(bytes.len() - 200..=bytes.len());
        for at in places {
            std::fs::write(&path, &bytes[..at]).unwrap();
            let (accepted, written) = write_on(&path, &data);
            assert_eq!(written, whole, "cut off at {at}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "cut off at {at}");
            assert!(accepted == 4 || at < bytes.len());
        }
    }

    #[test]
    fn what_was_torn_is_not_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        let data: [&[u8]; 3] = [b"one", b"two", b"three"];
        let whole = write(&path, &data);
        let right = std::fs::read(&path).unwrap();
        for at in 0..right.len() {
            let mut torn = right.clone();
            torn[at] ^= 1;
            std::fs::write(&path, &torn).unwrap();
            let (accepted, written) = write_on(&path, &data);
            assert!(accepted < 3, "byte {at}");
            assert_eq!(written, whole);
        }
    }

    #[test]
    fn what_was_taken_back_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        let whole = write(&path, &[b"one", b"two"]);
        let mut output = Output::open(&other).unwrap();
        output.entry(entry("0"), &mut &b"one"[..]).unwrap();
        let mark = output.mark().unwrap();
        output
            .entry(entry("x"), &mut &b"something else"[..])
            .unwrap();
        output.back_to(mark).unwrap();
        output.entry(entry("1"), &mut &b"two"[..]).unwrap();
        assert_eq!(output.finish().unwrap(), whole);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            std::fs::read(&other).unwrap()
        );
    }
}
