//! What an archive says of itself: a text for people, digests that `sha256sum -c` reads, and the same for programs. They
//! are written last, because they tell what was packed, one recording at a time.

use std::io::{self, Read};

use data_encoding::HEXLOWER;
use serde::Serialize;
use wire::ids::{ApplianceId, ArchiveId, RecordingId};
use wire::resource::Defect;
use wire::time::UtcTime;

use super::output::Digest;
use crate::catalog::archives::ArchiveItem;
use crate::model::time::UtcRange;

/// For people.
pub const README: &str = "README.txt";
/// For `sha256sum -c`.
pub const SUMS: &str = "SHA256SUMS";
/// For programs.
pub const MANIFEST: &str = "manifest.json";

/// Version of the manifest. Fields are added without a new one; a new meaning needs one.
const VERSION: u32 = 1;

/// What is said of the archive as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    version: u32,
    /// Which archive.
    pub archive: ArchiveId,
    /// Which appliance made it.
    pub appliance: Option<ApplianceId>,
    from_utc: UtcTime,
    to_utc: UtcTime,
    /// When it was packed.
    pub made_at: UtcTime,
}

impl Head {
    /// Of an archive of this range.
    pub fn new(
        archive: ArchiveId,
        appliance: Option<ApplianceId>,
        range: UtcRange,
        made_at: UtcTime,
    ) -> Self {
        Self {
            version: VERSION,
            archive,
            appliance,
            from_utc: range.from,
            to_utc: range.to,
            made_at,
        }
    }

    /// Its first lines.
    pub fn begin(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("ids and times are JSON");
        text.pop();
        text.extend(b",\"recordings\":[\n");
        text
    }

    /// Its last.
    pub fn end() -> Vec<u8> {
        b"\n]}\n".to_vec()
    }

    /// The text for people.
    pub fn readme(&self, recordings: u64, left_out: u64) -> String {
        let (from, to) = (self.from_utc, self.to_utc);
        let appliance = self
            .appliance
            .as_ref()
            .map_or_else(|| "an appliance".to_owned(), |id| format!("appliance {id}"));
        let missing = match left_out {
            0 => String::new(),
            n => format!(
                "\r\n{n} recordings of this range could not be read and are NOT in here; {MANIFEST} says which and why.\r\n"
            ),
        };
        // Lines end as Notepad and everybody else can read them.
        format!(
            "Footage of {from} to {to}\r\n\
             packed by Holdfast on {appliance}, {made_at}.\r\n\
             \r\n\
             {recordings} recordings, one folder for each camera and in it one for each day. All times are UTC.\r\n\
             Beside each video lies a .json file that says where it came from.\r\n\
             {missing}\
             \r\n\
             To see whether anything was changed, compare the digests (SHA-256):\r\n\
             \x20   sha256sum -c {SUMS}        (Linux)\r\n\
             \x20   shasum -a 256 -c {SUMS}    (macOS)\r\n\
             \r\n\
             {MANIFEST} says the same for programs, and what is wrong with a recording where something is.\r\n",
            made_at = self.made_at,
        )
    }
}

/// A file in the archive.
#[derive(Debug, Serialize)]
pub struct FileLine {
    /// Its path in the archive.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 (hex).
    pub sha256: String,
}

impl FileLine {
    /// A file with this digest.
    pub fn new(name: String, bytes: u64, digest: &Digest) -> Self {
        Self {
            name,
            bytes,
            sha256: HEXLOWER.encode(digest),
        }
    }

    /// As `sha256sum` writes it.
    pub fn sum(&self) -> Vec<u8> {
        format!("{}  {}\n", self.sha256, self.name).into_bytes()
    }
}

#[derive(Serialize)]
struct RecordingLine<'a> {
    recording: RecordingId,
    camera: &'a str,
    start_utc: UtcTime,
    end_utc: UtcTime,
    files: &'a [FileLine],
    /// Where the media is no longer what was kept: what that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Defect]>::is_empty")]
    defects: &'a [Defect],
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'a str>,
}

/// A recording in the manifest.
pub fn recording_line(
    item: &ArchiveItem,
    files: &[FileLine],
    first: bool,
    damaged: bool,
) -> Vec<u8> {
    let line = RecordingLine {
        recording: item.recording,
        camera: &item.camera,
        start_utc: item.span.from,
        end_utc: item.span.to,
        files,
        kept_sha256: damaged.then_some(item.digest.as_str()),
        defects: &item.defects,
        left_out: item.left_out.as_deref(),
    };
    let mut text = if first { Vec::new() } else { b",\n".to_vec() };
    text.extend(serde_json::to_vec(&line).expect("ids, times and texts are JSON"));
    text
}

/// Text that is made as it is read, piece by piece.
pub struct Made<F> {
    next: F,
    piece: io::Cursor<Vec<u8>>,
}

impl<F: FnMut() -> io::Result<Option<Vec<u8>>>> Made<F> {
    /// Of the pieces that `next` gives until it gives none.
    pub fn new(next: F) -> Self {
        Self {
            next,
            piece: io::Cursor::default(),
        }
    }
}

impl<F: FnMut() -> io::Result<Option<Vec<u8>>>> Read for Made<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(out)? {
                0 if !out.is_empty() => match (self.next)()? {
                    Some(piece) => self.piece = io::Cursor::new(piece),
                    None => return Ok(0),
                },
                n => return Ok(n),
            }
        }
    }
}
