//! The file of a backup: a line that says what it is, a line of JSON that says what is in it, then the parts one after the
//! other. The second line names the size and the SHA-256 of each part, so that a damaged backup is refused before
//! anything is changed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use wire::ids::ApplianceId;
use wire::time::UtcTime;

use super::{BackupError, at};
use crate::model::chunks::{finish, hex};

/// First line.
const MAGIC: &str = "HOLDFAST BACKUP 1\n";
/// Longest second line.
const HEADER_BYTES_MAX: u64 = 64 * 1024;
/// Largest part that is read into memory.
pub const SMALL_BYTES_MAX: u64 = 1 << 20;

/// The second line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// When it was made.
    pub made_at: UtcTime,
    /// Of which appliance.
    pub appliance: Option<ApplianceId>,
    /// Version of the program that made it.
    pub agent_version: String,
    /// Version of the catalog's schema.
    pub catalog_version: i64,
    /// What follows.
    pub parts: Vec<PartInfo>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartInfo {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 (hex).
    pub sha256: String,
}

/// A part that is to be written.
pub enum Part<'a> {
    /// From memory.
    Bytes(&'a str, &'a [u8]),
    /// From a file.
    File(&'a str, &'a Path),
}

/// Writes a backup. Returns what was written to.
pub fn write<W: Write>(
    mut to: W,
    path: &Path,
    mut header: Header,
    parts: &[Part<'_>],
) -> Result<W, BackupError> {
    header.parts.clear();
    for part in parts {
        let (name, bytes, sha256) = match part {
            Part::Bytes(name, bytes) => {
                let digest = copy(&mut &bytes[..], &mut io::sink()).map_err(at(path))?;
                (*name, digest.0, digest.1)
            }
            Part::File(name, file) => {
                let mut from = File::open(file).map_err(at(file))?;
                let digest = copy(&mut from, &mut io::sink()).map_err(at(file))?;
                (*name, digest.0, digest.1)
            }
        };
        header.parts.push(PartInfo {
            name: name.to_owned(),
            bytes,
            sha256,
        });
    }
    let line = serde_json::to_string(&header).map_err(|e| at(path)(e.into()))?;
    to.write_all(MAGIC.as_bytes())
        .and_then(|()| to.write_all(line.as_bytes()))
        .and_then(|()| to.write_all(b"\n"))
        .map_err(at(path))?;
    for part in parts {
        match part {
            Part::Bytes(_, bytes) => to.write_all(bytes).map_err(at(path))?,
            Part::File(_, file) => {
                let mut from = File::open(file).map_err(at(file))?;
                io::copy(&mut from, &mut to).map_err(at(path))?;
            }
        }
    }
    to.flush().map_err(at(path))?;
    Ok(to)
}

/// A backup that is being read. Its parts come in their order.
pub struct Reading {
    path: PathBuf,
    from: BufReader<File>,
    /// What it says of itself.
    pub header: Header,
    next: usize,
}

impl Reading {
    /// Opens a backup and reads what it says of itself.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let unusable = |why: &str| BackupError::Unusable {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let file = File::open(path).map_err(at(path))?;
        let length = file.metadata().map_err(at(path))?.len();
        let mut from = BufReader::new(file);
        let mut magic = vec![0; MAGIC.len()];
        from.read_exact(&mut magic)
            .map_err(|_| unusable("it is too short"))?;
        if magic != MAGIC.as_bytes() {
            return Err(unusable("it does not begin as one of this version does"));
        }
        let mut line = Vec::new();
        (&mut from)
            .take(HEADER_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(at(path))?;
        let header: Header = serde_json::from_slice(&line)
            .map_err(|e| unusable(&format!("its second line cannot be read ({e})")))?;
        let parts = header
            .parts
            .iter()
            .try_fold(0_u64, |sum, part| sum.checked_add(part.bytes));
        let whole = parts.and_then(|parts| parts.checked_add((MAGIC.len() + line.len()) as u64));
        if whole != Some(length) {
            return Err(unusable(
                "it is shorter or longer than it says: copy it again",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            from,
            header,
            next: 0,
        })
    }

    /// The next part's name; none: there is none.
    pub fn next_name(&self) -> Option<&str> {
        self.header
            .parts
            .get(self.next)
            .map(|part| part.name.as_str())
    }

    /// Copies the next part. It is as it was written, or an error.
    pub fn take(&mut self, to: &mut dyn Write) -> Result<(), BackupError> {
        let part = self.header.parts.get(self.next).cloned();
        let part = part.ok_or_else(|| self.unusable("a part is missing".to_owned()))?;
        self.next += 1;
        let (bytes, sha256) =
            copy(&mut (&mut self.from).take(part.bytes), to).map_err(at(&self.path))?;
        if (bytes, &sha256) != (part.bytes, &part.sha256) {
            return Err(self.unusable(format!(
                "its part {} is not as it was written: copy it again, or take an older backup",
                part.name
            )));
        }
        Ok(())
    }

    /// Copies the next part into memory.
    pub fn take_small(&mut self) -> Result<Vec<u8>, BackupError> {
        let bytes = self
            .header
            .parts
            .get(self.next)
            .map_or(0, |part| part.bytes);
        if bytes > SMALL_BYTES_MAX {
            return Err(self.unusable(format!("a part has {bytes} bytes")));
        }
        let mut content = Vec::new();
        self.take(&mut content)?;
        Ok(content)
    }

    fn unusable(&self, why: String) -> BackupError {
        BackupError::Unusable {
            path: self.path.clone(),
            why,
        }
    }
}

/// Copies and gives size and SHA-256 (hex).
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<(u64, String)> {
    let mut context = Context::new(&SHA256);
    let (mut buffer, mut bytes) = (vec![0; 256 << 10], 0);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok((bytes, hex(&finish(context)))),
            count => {
                context.update(&buffer[..count]);
                bytes += count as u64;
                to.write_all(&buffer[..count])?;
            }
        }
    }
}
