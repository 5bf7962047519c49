//! The bytes of a file in pages that are shared between copies: a copy of a large file with few changes is cheap, and
//! so are holes.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What operating systems write at once.
pub const PAGE_BYTES: usize = 4096;

/// What a disk writes at once, at least.
pub const SECTOR_BYTES: usize = 512;

type Page = [u8; PAGE_BYTES];

/// The content of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    bytes: u64,
    pages: BTreeMap<u64, Arc<Page>>,
}

impl Pages {
    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Numbers of the pages that are no holes.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.pages.keys().copied()
    }

    /// Writes as `pwrite` does: the file grows as needed, with zeroes.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (mut at, mut left) = (offset, bytes);
        while !left.is_empty() {
            let within = (at % PAGE_BYTES as u64) as usize;
            let n = left.len().min(PAGE_BYTES - within);
            let page = self.page_mut(at / PAGE_BYTES as u64);
            page[within..within + n].copy_from_slice(&left[..n]);
            (at, left) = (at + n as u64, &left[n..]);
        }
        self.bytes = self.bytes.max(at);
    }

    /// Cuts, or grows with zeroes.
    pub fn resize(&mut self, bytes: u64) {
        if bytes < self.bytes {
            let whole = bytes.div_ceil(PAGE_BYTES as u64);
            self.pages.split_off(&whole);
            let within = (bytes % PAGE_BYTES as u64) as usize;
            if within > 0 && self.pages.contains_key(&(whole - 1)) {
                self.page_mut(whole - 1)[within..].fill(0);
            }
        }
        self.bytes = bytes;
    }

    /// Takes a piece of a page (or all of it) from another version of the file; what that one does not have is zero.
    pub(super) fn take(&mut self, from: &Self, number: u64, within: std::ops::Range<usize>) {
        match from.pages.get(&number) {
            Some(page) if within.len() == PAGE_BYTES => {
                self.pages.insert(number, page.clone());
            }
            Some(page) => {
                let page = page.clone();
                self.page_mut(number)[within.clone()].copy_from_slice(&page[within]);
            }
            None if self.pages.contains_key(&number) => self.page_mut(number)[within].fill(0),
            None => {}
        }
    }

    /// Writes it into an empty file.
    pub fn copy_to(&self, file: &File) -> io::Result<()> {
        file.set_len(self.bytes)?;
        for (number, page) in &self.pages {
            let offset = number * PAGE_BYTES as u64;
            let n = (self.bytes - offset).min(PAGE_BYTES as u64) as usize;
            file.write_all_at(&page[..n], offset)?;
        }
        Ok(())
    }

    fn page_mut(&mut self, number: u64) -> &mut Page {
        let page = self
            .pages
            .entry(number)
            .or_insert_with(|| Arc::new([0; PAGE_BYTES]));
        Arc::make_mut(page)
    }
}

impl Hash for Pages {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
        for (number, page) in &self.pages {
            number.hash(state);
            state.write(&page[..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Change {
        Write(u16, Vec<u8>),
        Resize(u16),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..20_000_u16, prop::collection::vec(any::<u8>(), 0..9_000))
                .prop_map(|(at, bytes)| Change::Write(at, bytes)),
            (0..30_000_u16).prop_map(Change::Resize),
        ]
    }

    proptest! {
        #[test]
        fn pages_are_what_a_file_is(changes in prop::collection::vec(change(), 0..12)) {
            let (mut pages, mut plain) = (Pages::default(), Vec::new());
            for change in changes {
                match change {
                    Change::Write(at, bytes) => {
                        pages.write(at.into(), &bytes);
                        let end = usize::from(at) + bytes.len();
                        if !bytes.is_empty() {
                            plain.resize(plain.len().max(end), 0);
                            plain[usize::from(at)..end].copy_from_slice(&bytes);
                        }
                    }
                    Change::Resize(bytes) => {
                        pages.resize(bytes.into());
                        plain.resize(bytes.into(), 0);
                    }
                }
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            pages.copy_to(&File::create(&path).unwrap()).unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), plain);
        }
    }
}
