//! Faults of a disk, at a call that is counted.

use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// What is asked of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Call {
    /// A name is looked up, or attributes are read.
    Look,
    /// A file or folder is opened to be read, or its room is asked for.
    Open,
    /// A file is opened to be written.
    OpenToWrite,
    /// Bytes are read, or a folder is listed.
    Read,
    /// A file or folder is made.
    Create,
    /// Bytes are written.
    Write,
    /// A file is cut or grown, room is taken for it.
    Resize,
    /// `fsync`.
    Sync,
    /// A name becomes another.
    Rename,
    /// A name goes.
    Remove,
}

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// It answers with input/output errors.
    Io,
    /// It has no room left.
    Full,
    /// It takes no change, as a file system does that found itself damaged.
    ReadOnly,
    /// It writes less than it is given.
    Short,
    /// It is not there.
    Gone,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Io,
        Self::Full,
        Self::ReadOnly,
        Self::Short,
        Self::Gone,
    ];

    /// Whether this call meets it.
    pub fn meets(self, call: Call) -> bool {
        match self {
            Self::Io | Self::Gone => true,
            Self::Full => matches!(call, Call::Create | Call::Write | Call::Resize),
            Self::ReadOnly => !matches!(call, Call::Look | Call::Open | Call::Read | Call::Sync),
            Self::Short => call == Call::Write,
        }
    }

    /// What the call is answered; `None`: it is done, but only in part.
    pub(super) fn errno(self) -> Option<Errno> {
        match self {
            Self::Io => Some(Errno::EIO),
            Self::Full => Some(Errno::ENOSPC),
            Self::ReadOnly => Some(Errno::EROFS),
            Self::Gone => Some(Errno::ENOTCONN),
            Self::Short => None,
        }
    }
}

/// When it is wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// What.
    pub trouble: Trouble,
    /// Calls that would meet it and go well before the first that does not.
    pub after: u64,
    /// Calls that meet it; then the disk is well again.
    pub times: u64,
    /// Only what lies in this folder at the top; none: everything. A volume that is away beside a catalog that is not.
    pub below: Option<String>,
    /// Not files of this ending. What a program has mapped into its memory kills it when it cannot be read, which is
    /// no use where the program is the test itself.
    pub spare: Option<String>,
}

impl Plan {
    /// From the call after `after` on, until healed.
    pub fn lasting(trouble: Trouble, after: u64) -> Self {
        Self {
            trouble,
            after,
            times: u64::MAX,
            below: None,
            spare: None,
        }
    }
}

/// Calls that met a fault and are remembered.
const MET_MAX: usize = 1_000;

/// A plan under way.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    plan: Option<Plan>,
    met: Vec<(Call, PathBuf)>,
}

impl Troubles {
    pub(super) fn arm(&mut self, plan: Plan) {
        *self = Self {
            plan: Some(plan),
            met: Vec::new(),
        };
    }

    /// Ends it; tells which calls met it, the first thousand.
    pub(super) fn heal(&mut self) -> Vec<(Call, PathBuf)> {
        std::mem::take(self).met
    }

    pub(super) fn met(&self) -> u64 {
        self.met.len() as u64
    }

    /// What this call meets, by the path that it is about where that has one.
    pub(super) fn next(
        &mut self,
        call: Call,
        path: impl FnOnce() -> Option<PathBuf>,
    ) -> Option<Trouble> {
        let plan = self.plan.as_mut()?;
        if !plan.trouble.meets(call) || plan.times == 0 {
            return None;
        }
        let path = path().unwrap_or_default();
        let text = path.to_string_lossy();
        if plan
            .below
            .as_ref()
            .is_some_and(|below| !path.starts_with(below))
            || plan
                .spare
                .as_ref()
                .is_some_and(|spare| text.ends_with(spare.as_str()))
        {
            return None;
        }
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        plan.times -= 1;
        if self.met.len() < MET_MAX {
            self.met.push((call, path));
        }
        Some(plan.trouble)
    }
}
