//! Hashing a part and finding its groups while somebody else writes it: the vendor's library writes the file itself
//! (ABI §3.4), a reader follows its end. What it has read it tells the journal, so that whatever dies next, that much is
//! known to be right.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::journal::Log;
use crate::media::ps::{self, PartLayout};
use crate::model::chunks::{CHUNK_BYTES, Chunks, Hasher, hex, sha256};

/// How often the end of the file is looked at, and at most told to the journal. Nothing tells when another process
/// appends.
const LOOK: Duration = Duration::from_millis(200);

/// Digests of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of each mebibyte.
    pub chunks: Chunks,
}

/// What is known of a file that was read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its digests.
    pub digests: Digests,
    /// Its groups.
    pub layout: PartLayout,
}

/// A reader that follows a growing file on a thread of its own. Dropping it ends the thread.
#[derive(Debug)]
pub struct Tail {
    complete: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<io::Result<Received>>,
    path: PathBuf,
}

impl Tail {
    /// Starts following a file, which need not be there yet. A file of that name from before must be gone. `log` hears
    /// what has been read.
    pub fn follow(path: &Path, log: Option<Log>) -> io::Result<Self> {
        let (complete, completed) = mpsc::channel();
        let followed = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("part-hash".into())
            .spawn(move || {
                let (file, grows) = wait_for(&followed, &completed)?;
                read(Follow {
                    completed: grows.then_some(completed),
                    log,
                    ..Follow::still(file)
                })
            })?;
        Ok(Self {
            complete,
            thread,
            path: path.to_owned(),
        })
    }

    /// The writer is done, well or not: reads to the end and tells what is there. Blocks for as long as the rest takes.
    pub fn finish(self) -> io::Result<Received> {
        // A thread that has failed already has hung up; joining tells why.
        let _ = self.complete.send(());
        let received = self
            .thread
            .join()
            .map_err(|_| io::Error::other("the hashing thread panicked"))??;
        if unchanged(&self.path, &received.digests)? {
            Ok(received)
        } else {
            // The writer went back to the beginning: what counts is what lies there now.
            read_still(&self.path)
        }
    }
}

/// Waits until the file is there, or until it can no longer come; and whether it may still grow. The word that the
/// writer is done comes once.
fn wait_for(path: &Path, completed: &mpsc::Receiver<()>) -> io::Result<(File, bool)> {
    loop {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return Ok((other?, true)),
        }
        match completed.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) => return Ok((File::open(path)?, false)),
            Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("the hashing thread was stopped")
}

/// A file that lies still, read once.
pub fn read_still(path: &Path) -> io::Result<Received> {
    read(Follow::still(File::open(path)?))
}

fn read(mut follow: Follow) -> io::Result<Received> {
    let layout = ps::scan(&mut follow)?;
    let digested = follow.hasher.finish();
    Ok(Received {
        digests: Digests {
            bytes: digested.bytes,
            chunks: digested.chunks,
        },
        layout,
    })
}

/// A file that grows while it is read. Its end is there when the writer is done.
struct Follow {
    file: File,
    /// Where the next read begins, and how far it has been hashed.
    at: u64,
    hasher: Hasher,
    /// Says that the writer is done; None: it is.
    completed: Option<mpsc::Receiver<()>>,
    log: Option<Log>,
    told_at: Instant,
}

impl Follow {
    fn still(file: File) -> Self {
        Self {
            file,
            at: 0,
            hasher: Hasher::chunks_only(),
            completed: None,
            log: None,
            told_at: Instant::now(),
        }
    }

    /// Hashes what was not read before, and tells the journal.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let known = self
            .hasher
            .bytes()
            .saturating_sub(self.at)
            .min(bytes.len() as u64) as usize;
        self.at += bytes.len() as u64;
        let chunks = self.hasher.chunks().len();
        self.hasher.update(&bytes[known..]);
        if let Some(log) = &mut self.log {
            for (n, sha256) in self.hasher.chunks().iter().enumerate().skip(chunks) {
                log.chunk(n, &hex(sha256))?;
            }
        }
        if self.told_at.elapsed() >= LOOK {
            self.tell()?;
        }
        Ok(())
    }

    fn tell(&mut self) -> io::Result<()> {
        self.told_at = Instant::now();
        match &mut self.log {
            Some(log) => log.mark(self.hasher.bytes(), &hex(&self.hasher.open_chunk())),
            None => Ok(()),
        }
    }
}

impl Read for Follow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.file.read(buffer)?;
            if count > 0 {
                self.take(&buffer[..count])?;
                return Ok(count);
            }
            if self
                .log
                .as_ref()
                .is_some_and(|log| log.marked_bytes() < self.hasher.bytes())
            {
                self.tell()?;
            }
            let Some(completed) = &self.completed else {
                return Ok(0);
            };
            match completed.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                // Read once more: the last bytes came before the word.
                Ok(()) => self.completed = None,
                Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
            }
        }
    }
}

impl Seek for Follow {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

/// How much of a file is as it was hashed: whole chunks, then the beginning of the next one as far as `mark` says.
pub fn verified_bytes(
    path: &Path,
    chunks: &[String],
    mark: Option<&(u64, String)>,
) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut verified = 0;
    for told in chunks {
        let count = read_full(&mut file, &mut buffer)?;
        if count < CHUNK_BYTES || hex(&sha256(&buffer)) != *told {
            return Ok(verified);
        }
        verified += count as u64;
    }
    let Some((bytes, told)) = mark else {
        return Ok(verified);
    };
    let Some(rest) = bytes
        .checked_sub(verified)
        .filter(|rest| *rest <= CHUNK_BYTES as u64)
    else {
        return Ok(verified);
    };
    let rest = rest as usize;
    let count = read_full(&mut file, &mut buffer[..rest])?;
    let right = count == rest && hex(&sha256(&buffer[..rest])) == *told;
    Ok(if right { *bytes } else { verified })
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Whether the beginning, where writers go back to patch a header, and the length are as they were hashed.
fn unchanged(path: &Path, digests: &Digests) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != digests.bytes {
        return Ok(false);
    }
    let mut first = vec![0; (CHUNK_BYTES as u64).min(digests.bytes) as usize];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut first)?;
    let told = digests.chunks.as_slice().first();
    Ok(first.is_empty() || told == Some(&sha256(&first)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_growing_file_is_hashed_as_if_it_had_lain_still() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        let tail = Tail::follow(&path, None).unwrap();
        let mut file = File::create(&path).unwrap();
        let bytes: Vec<u8> = (0..3_500_000u32).map(|n| (n / 7) as u8).collect();
        for piece in bytes.chunks(333_333) {
            file.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(30)); // lets the reader catch up in between
        }
        let received = tail.finish().unwrap();
        assert_eq!(received, read_still(&path).unwrap());
        let digests = received.digests;
        let chunks = digests.chunks.as_slice();
        assert_eq!((digests.bytes, chunks.len()), (3_500_000, 4));
        assert_eq!(chunks[3], sha256(&bytes[3 * CHUNK_BYTES..]));
    }

    #[test]
    fn a_header_that_is_patched_at_the_end_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        std::fs::write(&path, vec![1; 2_000_000]).unwrap();
        let tail = Tail::follow(&path, None).unwrap();
        std::thread::sleep(LOOK * 2); // the reader has passed the beginning
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(b"patched").unwrap();
        assert_eq!(tail.finish().unwrap(), read_still(&path).unwrap());
    }

    #[test]
    fn a_file_that_comes_and_is_done_between_two_looks_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        let tail = Tail::follow(&path, None).unwrap();
        std::thread::sleep(LOOK / 4); // the reader waits for its next look
        std::fs::write(&path, b"quick").unwrap();
        assert_eq!(tail.finish().unwrap().digests.bytes, 5);
    }

    #[test]
    fn a_file_that_never_came_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let tail = Tail::follow(&dir.path().join("000.ps"), None).unwrap();
        assert_eq!(tail.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_what_is_as_it_was_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        let mut bytes: Vec<u8> = (0..2_500_000u32).map(|n| (n / 3) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let digests = read_still(&path).unwrap().digests;
        let mut chunks: Vec<String> = digests.chunks.as_slice().iter().map(|c| hex(c)).collect();
        let open = chunks.pop().unwrap();
        let mark = (2_500_000, open);
        let verified = |mark| verified_bytes(&path, &chunks, mark).unwrap();
        assert_eq!(
            (verified(Some(&mark)), verified(None)),
            (2_500_000, 2 << 20)
        );
        // A power cut left zeros where the end was.
        bytes[2_400_000..].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(verified(Some(&mark)), 2 << 20);
        bytes[1 << 20] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(verified(Some(&mark)), 1 << 20);
        std::fs::write(&path, &bytes[..700]).unwrap();
        assert_eq!(verified(Some(&mark)), 0);
    }
}
