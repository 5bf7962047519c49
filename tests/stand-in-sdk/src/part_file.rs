//! A saved file as the vendor's library writes it: mode 0600, split at a limit into `name.ext`, `name_1.ext`, ...

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::ps::HEADER_BYTES;

/// The start code of a pack, at which a new part begins.
const PACK: [u8; 4] = [0, 0, 1, 0xBA];

/// The part that is being written.
#[derive(Debug)]
pub struct PartFile {
    path: PathBuf,
    file: File,
    limit: Option<u64>,
    part: u32,
    written: u64,
    header: Vec<u8>,
}

impl PartFile {
    /// Creates the first part, or empties the file that is there.
    pub fn create(path: &Path, limit: Option<u64>) -> io::Result<Self> {
        let limit = limit.map(|limit| limit.max(2 * HEADER_BYTES as u64));
        Ok(Self {
            path: path.to_path_buf(),
            file: create(path)?,
            limit,
            part: 0,
            written: 0,
            header: Vec::new(),
        })
    }

    /// Where the first part lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `bytes`. At the limit the part ends at once, and the next one begins with a header of its own and the
    /// next pack: what lies between is lost, as it is with the real library.
    pub fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let missing = (HEADER_BYTES - self.header.len()).min(bytes.len());
        self.header.extend_from_slice(&bytes[..missing]);
        while let Some(limit) = self.limit {
            let room = (limit - self.written) as usize;
            if bytes.len() <= room {
                break;
            }
            self.append(&bytes[..room])?;
            bytes = &bytes[room..];
            let Some(pack) = bytes.windows(PACK.len()).position(|window| window == PACK) else {
                return Ok(());
            };
            bytes = &bytes[pack..];
            self.next_part()?;
        }
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn next_part(&mut self) -> io::Result<()> {
        self.part += 1;
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let ending = self
            .path
            .extension()
            .map(|ending| format!(".{}", ending.to_string_lossy()))
            .unwrap_or_default();
        self.file = create(
            &self
                .path
                .with_file_name(format!("{stem}_{}{ending}", self.part)),
        )?;
        self.written = 0;
        let header = std::mem::take(&mut self.header);
        self.append(&header)?;
        self.header = header;
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_at_the_limit_and_begin_with_a_pack() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ps");
        let mut file = PartFile::create(&path, Some(100)).unwrap();
        let mut stream = vec![7; HEADER_BYTES];
        for n in 0..4 {
            stream.extend_from_slice(&PACK);
            stream.extend_from_slice(&[n; 36]);
        }
        file.put(&stream[..30]).unwrap();
        file.put(&stream[30..]).unwrap();
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("a.ps"), stream[..100]);
        assert_eq!(read("a_1.ps"), [&stream[..40], &stream[120..180]].concat());
        assert!(
            !folder.path().join("a_2.ps").exists(),
            "no further pack came"
        );
    }
}
