//! What the agent and the box say to each other of disks, in files. The box's services are those of the appliance image
//! (`image/root/usr/libexec/holdfast/`: `list-disks`, `adopt-disk`).
//!
//! ```text
//! [disks] list_file           the box's   the disks that there are, and what each may be used for
//! <state>/disks/order.json    ours        `{"id", "bytes", "seen"}`: the service looks at that disk, makes it ready,
//!                                         and removes the order
//! <state>/disks/outcome.json  the box's   `{"id", "result", "reason", "at"}`: what became of it
//! ```
//!
//! What others write is read with a bound and strictly.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::disk::DiskState;

use crate::model::time::UtcTime;

/// Longest list.
const LIST_BYTES_MAX: u64 = 512 * 1024;
/// Longest file of words.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// Longest reason that is shown, in characters.
const REASON_CHARS_MAX: usize = 300;

const ORDER: &str = "order.json";
const OUTCOME: &str = "outcome.json";

/// Lower-case hexadecimal digits, so many.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex<const DIGITS: usize>(String);

/// What a disk is known by, wherever it is plugged in: follows from its number and model.
pub type DiskId = Hex<12>;
/// Changes with what is on a disk.
pub type Fingerprint = Hex<64>;

impl<const DIGITS: usize> TryFrom<String> for Hex<DIGITS> {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() == DIGITS && text.bytes().all(is_hex) {
            true => Ok(Self(text)),
            false => Err(format!("not {DIGITS} lower-case hexadecimal digits")),
        }
    }
}

impl<const DIGITS: usize> From<Hex<DIGITS>> for String {
    fn from(it: Hex<DIGITS>) -> Self {
        it.0
    }
}

impl<const DIGITS: usize> fmt::Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The disks of the box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// When it was looked.
    pub at: UtcTime,
    /// They.
    pub disks: Vec<Listed>,
}

/// A disk of the box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// As the kernel calls it: `sdb`. Another one tomorrow, maybe.
    pub name: String,
    /// What it is known by; none for one without a number.
    pub id: Option<DiskId>,
    /// Of what is on it.
    pub seen: Fingerprint,
    /// Its size.
    pub bytes: u64,
    /// What its maker calls it; may be empty, as the next three.
    pub model: String,
    /// Its number.
    pub serial: String,
    /// Its number in the world.
    pub wwn: String,
    /// `sata`, `nvme`, `usb`, …
    pub transport: String,
    /// It may be pulled out while the box runs.
    pub removable: bool,
    /// It turns.
    pub rotational: bool,
    /// What it may be used for.
    pub state: DiskState,
    /// Why, in words; may be empty.
    pub reason: String,
    /// The volume that it was adopted as.
    pub volume: Option<String>,
    /// What is on it.
    pub contents: Vec<Content>,
}

/// A partition, or what lies on a disk without one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// As the kernel calls it: `sdb1`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// `ext4`, `ntfs`, …; empty where it is not known.
    pub file_system: String,
    /// What somebody has called that; may be empty.
    pub label: String,
    /// What the partition is called; may be empty.
    pub part_label: String,
    /// The folder where it is mounted; empty where it is not.
    pub mounted_at: String,
}

/// Which disk is to be made ready, and what the person was shown of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Which.
    pub id: DiskId,
    /// Its size.
    pub bytes: u64,
    /// Of what was on it.
    pub seen: Fingerprint,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Of which disk.
    pub id: DiskId,
    /// What.
    pub result: Outcomes,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
    /// When.
    pub at: UtcTime,
}

/// The results that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcomes {
    /// It is used for footage.
    Good,
    /// It was left as it was.
    Refused,
    /// It was begun and did not come to its end.
    Failed,
}

/// Reads the list; none where the box offers none.
pub fn list(path: &Path) -> io::Result<Option<List>> {
    read(path, LIST_BYTES_MAX)
}

/// `<state>/disks/`.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Of a state folder.
    pub fn of(state: &Path) -> Self {
        Self(state.join("disks"))
    }

    /// The order that nobody has carried out yet.
    pub fn ordered(&self) -> io::Result<Option<Order>> {
        read(&self.0.join(ORDER), FILE_BYTES_MAX)
    }

    /// What became of the last one.
    pub fn outcome(&self) -> io::Result<Option<Outcome>> {
        let outcome = read::<Outcome>(&self.0.join(OUTCOME), FILE_BYTES_MAX)?;
        Ok(outcome.map(Outcome::fit_to_show))
    }

    /// Orders. What became of the last order is forgotten first, so that it is not taken for this one's.
    pub fn order(&self, order: &Order) -> io::Result<()> {
        base::durable::create_dir_all(&self.0)?;
        base::durable::remove_if_there(&self.0.join(OUTCOME))?;
        let text = serde_json::to_vec(order).map_err(io::Error::other)?;
        base::durable::replace(&self.0.join(ORDER), &text, 0o644)
    }
}

/// A file that is not there is none.
fn read<T: DeserializeOwned>(path: &Path, bytes_max: u64) -> io::Result<Option<T>> {
    let Some(bytes) = base::untrusted::read_if_there(path, bytes_max)? else {
        return Ok(None);
    };
    // Labels of disks are whatever somebody wrote there.
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(serde_json::from_str(&text)?))
}

impl Outcome {
    /// One short line, whatever was written.
    fn fit_to_show(mut self) -> Self {
        self.reason = base::untrusted::one_line(&self.reason, REASON_CHARS_MAX);
        self
    }
}
