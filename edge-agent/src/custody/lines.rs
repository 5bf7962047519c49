//! The files of a log as bytes: which there are, and their lines, of which none may be too long.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::entry::LINE_BYTES_MAX;

/// Extension of a day's file.
const EXTENSION: &str = "jsonl";
/// Most files that are looked at in a folder: more days than there are in a century.
const FILES_MAX: usize = 40_000;

/// Name of a day's file.
pub fn name_of(day: Date) -> String {
    format!("{day}.{EXTENSION}")
}

/// The day of a file's name; none when it is no log's.
pub fn day_of(name: &str) -> Option<Date> {
    let day = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let parsed: Date = day.parse().ok()?;
    (parsed.to_string() == day).then_some(parsed)
}

/// The days of which a folder holds a file, oldest first; none when there is no such folder.
pub fn days(folder: &Path) -> io::Result<Vec<Date>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut days = Vec::new();
    for entry in entries.take(FILES_MAX) {
        days.extend(entry?.file_name().to_str().and_then(day_of));
    }
    days.sort_unstable();
    Ok(days)
}

/// What came of reading a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line.
    Whole,
    /// The file ends within it.
    Torn,
    /// It is too long to be one.
    TooLong,
}

/// Reads the lines of a file one after the other.
pub struct Lines {
    from: BufReader<File>,
    text: Vec<u8>,
    next: u64,
}

impl Lines {
    /// Of a file.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            from: BufReader::with_capacity(128 << 10, File::open(path)?),
            text: Vec::new(),
            next: 0,
        })
    }

    /// The next line; none at the end of the file. Its text is in [`Lines::text`].
    pub fn next(&mut self) -> io::Result<Option<Kind>> {
        self.text.clear();
        let most = LINE_BYTES_MAX as u64 + 1;
        let count = (&mut self.from)
            .take(most)
            .read_until(b'\n', &mut self.text)?;
        self.next += count as u64;
        if count == 0 {
            return Ok(None);
        }
        if self.text.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some(Kind::Whole));
        }
        if (count as u64) < most {
            return Ok(Some(Kind::Torn));
        }
        self.skip_line()?;
        Ok(Some(Kind::TooLong))
    }

    /// What was read last, without the line feed; of a line that is too long its beginning.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where that ends, the line feed included.
    pub fn end(&self) -> u64 {
        self.next
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.from.fill_buf()?;
            let (count, found) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            };
            self.from.consume(count);
            self.next += count as u64;
            if found || count == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_a_torn_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("2026-11-03.jsonl");
        let long = "x".repeat(LINE_BYTES_MAX * 3);
        std::fs::write(&path, format!("one\n{long}\n\nlast")).unwrap();
        let mut lines = Lines::open(path).unwrap();
        let mut seen = Vec::new();
        while let Some(kind) = lines.next().unwrap() {
            let before: u64 = seen.iter().map(|(_, _, bytes)| bytes).sum();
            seen.push((kind, lines.text().len(), lines.end() - before));
        }
        let long = long.len() as u64 + 1;
        assert_eq!(
            seen,
            [
                (Kind::Whole, 3, 4),
                (Kind::TooLong, LINE_BYTES_MAX + 1, long),
                (Kind::Whole, 0, 1),
                (Kind::Torn, 4, 4),
            ]
        );
        std::fs::write(dir.path().join("2026-1-03.jsonl"), "").unwrap();
        std::fs::write(dir.path().join("2026-11-02.jsonl"), "").unwrap();
        let days = days(dir.path()).unwrap();
        assert_eq!(
            days,
            [
                "2026-11-02".parse().unwrap(),
                "2026-11-03".parse::<Date>().unwrap()
            ]
        );
    }
}
