//! What others wrote: files that are read with a bound, and texts that are shown as one short line.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// Reads a file of at most `bytes_max` bytes. A longer one is an error of kind `FileTooLarge`; so is what is no plain file,
/// of kind `InvalidInput`.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // A pipe would be waited for, for ever.
    let file = File::options()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no plain file",
        ));
    }
    let mut bytes = Vec::new();
    // One more tells a file that just fits from one that does not.
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > bytes_max {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {bytes_max} bytes"),
        )),
        false => Ok(bytes),
    }
}

/// The same; a file that is not there is none.
pub fn read_if_there(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    match read(path, bytes_max) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A text as one line without control characters, of at most `chars_max` characters.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !word.is_empty() && !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if let Some((end, _)) = line.char_indices().nth(chars_max) {
        line.truncate(end);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_not_beyond() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("words");
        assert_eq!(read_if_there(&file, 4).unwrap(), None);
        assert_eq!(read(&file, 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&file, "four").unwrap();
        assert_eq!(read_if_there(&file, 4).unwrap().unwrap(), b"four");
        assert_eq!(
            read_if_there(&file, 3).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for other in [Path::new("/dev/zero"), dir.path(), &pipe] {
            let error = read(other, 100).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{other:?}");
        }
    }

    #[test]
    fn words_stay_apart_and_nothing_else_is_left() {
        for (text, line) in [
            ("", ""),
            (" \n\t", ""),
            (
                "no room\nafter 900 s \u{1b}[31m",
                "no room after 900 s [31m",
            ),
            ("a\u{0}b", "a b"),
            ("über\u{2028}morgen", "über morgen"),
        ] {
            assert_eq!(one_line(text, 40), line);
        }
        assert_eq!(one_line("größer", 3), "grö");
    }

    proptest! {
        #[test]
        fn one_line_is_short_and_printable(text in any::<String>(), chars_max in 0usize..30) {
            let line = one_line(&text, chars_max);
            prop_assert!(line.chars().count() <= chars_max);
            prop_assert!(!line.contains(char::is_control) && !line.contains("  "));
        }
    }
}
