//! A ZIP of texts, made in memory: each is bounded, and passes `hide.rs`.

use super::hide::hidden;
use crate::archive::zip::{self, Entry, Written};
use crate::model::time::UtcTime;

/// Longest text. Of a longer one the end stays: in journals that is what happened last.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A ZIP that grows.
#[derive(Debug)]
pub struct Bundle {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    entries: u64,
    made_at: UtcTime,
}

impl Bundle {
    /// An empty one.
    pub fn new(made_at: UtcTime) -> Self {
        Self {
            bytes: Vec::new(),
            directory: Vec::new(),
            entries: 0,
            made_at,
        }
    }

    /// Adds a text under a name that was not there before.
    pub fn add(&mut self, name: &str, text: &str) {
        let text = hidden(ending(text));
        let entry = Entry {
            name,
            modified: self.made_at,
            large: false,
        };
        let written = Written {
            offset: self.bytes.len() as u64,
            crc: crc32fast::hash(text.as_bytes()),
            bytes: text.len() as u64,
        };
        self.bytes.extend(zip::header(entry));
        self.bytes.extend(text.as_bytes());
        self.bytes
            .extend(zip::descriptor(false, written.crc, written.bytes));
        self.directory.extend(zip::directory_entry(entry, written));
        self.entries += 1;
    }

    /// The whole file.
    pub fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u64;
        let end = zip::end(self.entries, offset, self.directory.len() as u64);
        self.bytes.extend(self.directory);
        self.bytes.extend(end);
        self.bytes
    }
}

/// The last whole lines that there is room for.
fn ending(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let from = text.ceil_char_boundary(text.len() - TEXT_BYTES_MAX);
    let rest = &text[from..];
    rest.split_once('\n').map_or(rest, |(_, lines)| lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_last_lines_stay() {
        let line = format!("{}\n", "é".repeat(500));
        let text = line.repeat(TEXT_BYTES_MAX / line.len() + 10);
        let rest = ending(&text);
        assert!(rest.len() <= TEXT_BYTES_MAX && rest.len() > TEXT_BYTES_MAX - line.len() - 2);
        assert!(rest.starts_with('é') && text.ends_with(rest));
        assert!(rest.len().is_multiple_of(line.len()));
        assert_eq!(ending("short"), "short");
    }
}
