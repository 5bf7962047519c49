//! What is known about one device's ways, found out by trying. Lives as long as the recorder's settings, over many
//! logins, so that nothing is tried anew after every broken connection.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Recordings whose short end is remembered.
const SHORT_MAX: usize = 64;

/// How the next page of a search is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paging {
    /// `searchResultPostion`, as the vendor's own library spells it.
    #[default]
    Vendor,
    /// `searchResultPosition`, as a dictionary does.
    Dictionary,
    /// By moving the start of the window to the end of what is known.
    ByTime,
}

/// How a broken download goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resume {
    /// Not tried yet.
    #[default]
    Unknown,
    /// By byte: the device honours `Range`.
    ByByte,
    /// It does not: long recordings are asked for in slices of time, each of which is done again when it breaks.
    BySlice,
    /// Neither: it sends the whole file whatever times are asked for.
    Never,
}

/// What the `Z` behind the times of a search means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zulu {
    /// Nothing: the digits are the device's wall clock. So do most recorders.
    Wall,
    /// UTC, as it should.
    Utc,
}

/// A device's ways.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// Search.
    pub paging: Paging,
    /// Downloads want a POST; otherwise a GET with a body.
    pub post_downloads: bool,
    /// Broken downloads.
    pub resume: Resume,
    /// None: not found out yet.
    pub zulu: Option<Zulu>,
    short: VecDeque<(String, u64)>,
}

impl Ways {
    /// A recording ended before its stated size. True when it has ended at the same byte before: then that is all
    /// there is, and the check of the recording has to say what it is worth.
    pub fn ended_short(&mut self, name: &str, bytes: u64) -> bool {
        if self.short.iter().any(|(n, b)| n == name && *b == bytes) {
            return true;
        }
        self.short.retain(|(n, _)| n != name);
        if self.short.len() >= SHORT_MAX {
            self.short.pop_front();
        }
        self.short.push_back((name.to_owned(), bytes));
        false
    }
}

/// The ways of one device, shared by its sessions.
#[derive(Debug, Default)]
pub struct Learnt(Mutex<Ways>);

impl Learnt {
    /// As known now.
    pub fn get(&self) -> Ways {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes something.
    pub fn note<T>(&self, change: impl FnOnce(&mut Ways) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
