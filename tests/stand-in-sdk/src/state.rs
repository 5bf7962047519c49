//! What outlives the process: counters of logins and faults and the journal of calls, all in
//! `state/`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One line of `calls.jsonl`. Passwords are never in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// When, in true time.
    pub at: Timestamp,
    /// Process that called.
    pub pid: u32,
    /// `init`, `login`, `logout`, `find`, `download_start`, `download_stop`, `playback_start`, `playback_stop`,
    /// `live_start`, `live_stop`, `refused` (one stream too many), `fault` or `cleanup`.
    pub call: String,
    /// `address:port` of the recorder.
    pub device: String,
    /// The error code it ended with; 0: it worked.
    pub error: u32,
    /// Channel number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// Name of the recording, or of the user who logged in, or what the fault does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// First moment asked for, in the recorder's wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last moment asked for, in the recorder's wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Where a download goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Bytes of a stream when it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The folder beside the library.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// Keeps everything in a folder of its own below the library's.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.join(crate::folder::STATE),
        }
    }

    /// Appends one line to a journal, in one write.
    pub fn append(&self, journal: &str, line: &impl Serialize) {
        let written = serde_json::to_string(line)
            .map_err(io::Error::other)
            .and_then(|line| {
                fs::create_dir_all(&self.folder)?;
                let mut file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(self.folder.join(journal))?;
                file.write_all((line + "\n").as_bytes())
            });
        if let Err(error) = written {
            eprintln!("stand-in SDK: cannot write {journal}: {error}");
        }
    }

    /// Appends one line to the journal of calls.
    pub fn record(&self, call: Call) {
        let call = Call {
            at: Timestamp::now(),
            pid: std::process::id(),
            ..call
        };
        self.append("calls.jsonl", &call);
    }

    /// Changes the value kept under `key`; it is on disk when this returns.
    pub fn update<T, R>(&self, key: &str, change: impl FnOnce(&mut T) -> R) -> R
    where
        T: Default + Serialize + DeserializeOwned,
    {
        let folder = &self.folder;
        let held = fs::create_dir_all(folder).and_then(|()| {
            let lock = File::create(folder.join("lock"))?;
            lock.lock()?;
            Ok(lock) // held until the value is written
        });
        let path = folder.join(format!("{key}.json"));
        let mut value = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let result = change(&mut value);
        let kept = held.and_then(|_lock| {
            write_whole(
                &path,
                &serde_json::to_vec(&value).map_err(io::Error::other)?,
            )
        });
        if let Err(error) = kept {
            eprintln!("stand-in SDK: cannot keep {key}: {error}");
        }
        result
    }
}

/// Writes `bytes` beside `path` and renames, so that readers see the old or the new.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_calls_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        for expected in 1..=3 {
            let state = State::new(folder.path());
            assert_eq!(
                state.update("count", |count: &mut u64| {
                    *count += 1;
                    *count
                }),
                expected
            );
            state.record(Call {
                call: "init".to_string(),
                ..Call::default()
            });
        }
        assert_eq!(crate::folder::calls(folder.path()).unwrap().len(), 3);
    }
}
