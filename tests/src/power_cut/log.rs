//! What was done to a folder, in order.

use std::sync::Arc;

/// Number of a file or folder. Never used again for another one.
pub type Ino = u64;

/// The folder that all others lie below.
pub const ROOT: Ino = 1;

/// One change, or a promise that what came before is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A new file or folder got its name.
    Create {
        /// Its folder.
        folder: Ino,
        /// Its name there.
        name: String,
        /// Its number.
        ino: Ino,
        /// A folder rather than a file.
        is_folder: bool,
        /// Permission bits.
        mode: u32,
    },
    /// A name went: of a file or of an empty folder.
    Remove {
        /// Its folder.
        folder: Ino,
        /// The name.
        name: String,
    },
    /// A name became another, replacing what bore that.
    Rename {
        /// Folder of before.
        from: Ino,
        /// Name of before.
        name: String,
        /// Folder from now on.
        to: Ino,
        /// Name from now on.
        new_name: String,
    },
    /// Bytes were written.
    Write {
        /// Which file.
        ino: Ino,
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// A file was cut or grown to this size.
    Resize {
        /// Which file.
        ino: Ino,
        /// Its size from now on.
        bytes: u64,
    },
    /// `fsync` or `fdatasync` of a file, `fsync` of a folder: it was answered that all of it is durable.
    Sync {
        /// Which file or folder.
        ino: Ino,
    },
    /// Whoever drives the rig learnt its n-th fact: from here on it must hold.
    Mark(u64),
}

impl Op {
    /// Whether a cut after it can leave another disk, or more to be expected of it, than a cut before.
    pub fn matters(&self) -> bool {
        !matches!(self, Self::Write { bytes, .. } if bytes.is_empty())
    }
}

/// Everything that was done.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// In order.
    pub ops: Vec<Op>,
    /// How many of them describe what lay there when recording began: no cut before that is asked about.
    pub prelude: usize,
}
