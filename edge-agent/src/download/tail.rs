//! Hashing a part while somebody else writes it: the vendor's library writes the file itself (ABI §3.4), a reader
//! follows its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use ring::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

/// Bytes of a chunk with a digest of its own: custody can name the mebibyte that was changed.
pub const CHUNK_BYTES: usize = 1 << 20;
/// How often the end of the file is looked at. Nothing tells when another process appends.
const LOOK: Duration = Duration::from_millis(200);

/// Digests of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digests {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 (hex) of all of it.
    pub sha256: String,
    /// SHA-256 (hex) of each mebibyte.
    pub chunks: Vec<String>,
}

/// A reader that follows a growing file on a thread of its own. Dropping it ends the thread.
#[derive(Debug)]
pub struct Tail {
    complete: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<io::Result<Option<Digests>>>,
    path: PathBuf,
}

impl Tail {
    /// Starts following a file, which need not be there yet. A file of that name from before must be gone.
    pub fn follow(path: &Path) -> io::Result<Self> {
        let (complete, completed) = mpsc::channel();
        let followed = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("part-hash".into())
            .spawn(move || follow(&followed, &completed))?;
        Ok(Self {
            complete,
            thread,
            path: path.to_owned(),
        })
    }

    /// The writer is done: reads to the end and gives the digests. Blocks for as long as the rest takes.
    pub fn finish(self) -> io::Result<Digests> {
        // A thread that has failed already has hung up; joining tells why.
        let _ = self.complete.send(());
        let digests = self
            .thread
            .join()
            .map_err(|_| io::Error::other("the hashing thread panicked"))??
            .ok_or_else(|| io::Error::other("the hashing thread was stopped"))?;
        if unchanged(&self.path, &digests)? {
            Ok(digests)
        } else {
            // The writer went back to the beginning: what counts is what lies there now.
            hash_file(&self.path)
        }
    }
}

fn follow(path: &Path, completed: &mpsc::Receiver<()>) -> io::Result<Option<Digests>> {
    let mut hasher = Hasher::default();
    let mut file: Option<File> = None;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        // Asked before reading, so that the last read comes after the writer's last byte.
        let done = match completed.recv_timeout(LOOK) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        };
        if file.is_none() {
            match File::open(path) {
                Ok(opened) => file = Some(opened),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !done => continue,
                Err(error) => return Err(error),
            }
        }
        if let Some(file) = &mut file {
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
            }
        }
        if done {
            return Ok(Some(hasher.finish()));
        }
    }
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
    let told = digests.chunks.first().map_or("", String::as_str);
    Ok(first.is_empty() || hex(digest(&SHA256, &first).as_ref()) == told)
}

/// Digests of a file that lies still.
pub fn hash_file(path: &Path) -> io::Result<Digests> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
    }
}

struct Hasher {
    whole: Context,
    chunk: Context,
    in_chunk: usize,
    chunks: Vec<String>,
    bytes: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            whole: Context::new(&SHA256),
            chunk: Context::new(&SHA256),
            in_chunk: 0,
            chunks: Vec::new(),
            bytes: 0,
        }
    }
}

impl Hasher {
    fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.in_chunk));
            self.chunk.update(now);
            self.in_chunk += now.len();
            bytes = later;
            if self.in_chunk == CHUNK_BYTES {
                self.close_chunk();
            }
        }
    }

    fn close_chunk(&mut self) {
        let chunk = std::mem::replace(&mut self.chunk, Context::new(&SHA256));
        self.chunks.push(hex(chunk.finish().as_ref()));
        self.in_chunk = 0;
    }

    fn finish(mut self) -> Digests {
        if self.in_chunk > 0 {
            self.close_chunk();
        }
        Digests {
            bytes: self.bytes,
            sha256: hex(self.whole.finish().as_ref()),
            chunks: self.chunks,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_growing_file_is_hashed_as_if_it_had_lain_still() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        let tail = Tail::follow(&path).unwrap();
        let mut file = File::create(&path).unwrap();
        let bytes: Vec<u8> = (0..3_500_000u32).map(|n| (n / 7) as u8).collect();
        for piece in bytes.chunks(333_333) {
            file.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(30)); // lets the reader catch up in between
        }
        let digests = tail.finish().unwrap();
        assert_eq!(digests, hash_file(&path).unwrap());
        assert_eq!((digests.bytes, digests.chunks.len()), (3_500_000, 4));
        assert_eq!(digests.sha256, hex(digest(&SHA256, &bytes).as_ref()));
        assert_eq!(
            digests.chunks[3],
            hex(digest(&SHA256, &bytes[3 * CHUNK_BYTES..]).as_ref())
        );
    }

    #[test]
    fn a_header_that_is_patched_at_the_end_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        std::fs::write(&path, vec![1; 2_000_000]).unwrap();
        let tail = Tail::follow(&path).unwrap();
        std::thread::sleep(LOOK * 2); // the reader has passed the beginning
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(b"patched").unwrap();
        assert_eq!(tail.finish().unwrap(), hash_file(&path).unwrap());
    }

    #[test]
    fn a_file_that_never_came_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let tail = Tail::follow(&dir.path().join("000.ps")).unwrap();
        assert_eq!(tail.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
