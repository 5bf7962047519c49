//! The result file of a campaign: one line of JSON for each round that is done, so that a campaign that was stopped goes
//! on, and nothing of it is lost.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::stand_in::footage_cache;

/// One campaign's file.
#[derive(Debug)]
pub struct Results(PathBuf);

impl Results {
    /// `torture-<name>.jsonl`, beside the built programs.
    pub fn of(name: &str) -> Result<Self> {
        Ok(Self(
            footage_cache()?.with_file_name(format!("torture-{name}.jsonl")),
        ))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The rounds that are done. A line that was cut off in its middle is none.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context(self.0.display().to_string()),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }

    /// One round more, in the place of a line that was cut off.
    pub fn append(&self, round: &impl Serialize) -> Result<()> {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&self.0)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all((serde_json::to_string(round)? + "\n").as_bytes())?;
        Ok(())
    }

    /// Forgets the rounds of before.
    pub fn forget(&self) -> Result<()> {
        base::durable::remove_if_there(&self.0)?;
        Ok(())
    }
}
