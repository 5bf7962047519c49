//! What a worker and the vendor's library print goes to the journal, line by line and bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Longest line that is passed on.
const LINE_BYTES_MAX: usize = 1_024;
/// Lines that are kept for the cause of an end.
const KEPT_LINES: usize = 8;
/// Lines that are passed on in one [`PERIOD`]; the library prints a line per packet when it is unhappy.
const LINES_MAX: u32 = 60;
/// See [`LINES_MAX`].
const PERIOD: Duration = Duration::from_secs(60);

/// Follows the output to its end, in a task of its own. The result holds the last lines.
pub fn follow(mut output: pipe::Receiver, name: &str) -> Arc<Mutex<VecDeque<String>>> {
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let (lines, name) = (kept.clone(), name.to_owned());
    tokio::spawn(async move {
        let mut splitter = Splitter::default();
        let mut budget = Budget::new();
        let mut bytes = [0; 4096];
        loop {
            let count = match output.read(&mut bytes).await {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    tracing::warn!(recorder.address = name, %error, "A worker's output cannot be read any more");
                    break;
                }
            };
            for line in splitter.feed(&bytes[..count]) {
                if budget.allows(&name) {
                    tracing::info!(recorder.address = name, line, "SDK worker");
                }
                let mut kept = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == KEPT_LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        }
    });
    kept
}

/// Bytes to lines; what is longer than a line may be is cut.
#[derive(Default)]
struct Splitter {
    line: Vec<u8>,
}

impl Splitter {
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => {
                    let line = String::from_utf8_lossy(&self.line).trim().to_owned();
                    self.line.clear();
                    if !line.is_empty() {
                        lines.push(line);
                    }
                }
                _ if self.line.len() < LINE_BYTES_MAX => self.line.push(byte),
                _ => {}
            }
        }
        lines
    }
}

struct Budget {
    began: Instant,
    spent: u32,
}

impl Budget {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            spent: 0,
        }
    }

    fn allows(&mut self, name: &str) -> bool {
        if self.began.elapsed() > PERIOD {
            let dropped = self.spent.saturating_sub(LINES_MAX);
            if dropped > 0 {
                tracing::info!(
                    recorder.address = name,
                    dropped,
                    "Lines of the SDK worker were left out"
                );
            }
            *self = Self::new();
        }
        self.spent += 1;
        self.spent <= LINES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_joined() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(b"one\n\ntw"), ["one"]);
        assert_eq!(splitter.feed(b"o\r\n"), ["two"]);
        assert!(splitter.feed(&[b'x'; 5_000]).is_empty());
        assert_eq!(splitter.feed(b"\n")[0].len(), LINE_BYTES_MAX);
        assert_eq!(splitter.feed(b"\xff!\n"), ["\u{fffd}!"]);
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut budget = Budget::new();
        let passed = (0..500).filter(|_| budget.allows("x")).count();
        assert_eq!(passed, LINES_MAX as usize);
    }
}
