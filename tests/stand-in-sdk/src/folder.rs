//! What a test needs to put the stand-in in front of a program: a folder with library and scenario, and its journal.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::hostile::Attempt;
use crate::scenario::Scenario;
use crate::state::Call;

/// File name of the library, as the vendor calls it.
pub const LIBRARY: &str = "libhcnetsdk.so";

/// Puts library and scenario into `folder`, which becomes the vendor's folder for a program under test.
pub fn prepare(folder: &Path, scenario: &Scenario) -> Result<()> {
    // All that the library writes is in there: a worker may be allowed that folder and no more.
    std::fs::create_dir_all(folder.join(STATE))?;
    write_scenario(folder, scenario)?;
    let library = built_library()?;
    let target = folder.join(LIBRARY);
    // A copy and not a link: the loader takes two links for one library, and a rebuild must not change it underfoot.
    std::fs::copy(&library, &target)
        .with_context(|| format!("{} to {}", library.display(), target.display()))?;
    Ok(())
}

/// Folder in the library's where it keeps counters and its journal.
pub const STATE: &str = "state";

/// Replaces the scenario in `folder`; a running library follows with its next call. Reels that lie elsewhere are linked
/// into the folder: a worker reads nothing outside.
pub fn write_scenario(folder: &Path, scenario: &Scenario) -> Result<()> {
    let mut scenario = scenario.clone();
    for channel in scenario.devices.iter_mut().flat_map(|d| &mut d.channels) {
        let recorded = channel.recordings.iter_mut().map(|r| &mut r.media);
        let live = channel.live.iter_mut().chain(&mut channel.live_sub);
        for reel in recorded.chain(live) {
            if reel.is_absolute() && !reel.starts_with(folder) && reel.is_dir() {
                *reel = link_reel(folder, reel).with_context(|| {
                    format!("link {} into {}", reel.display(), folder.display())
                })?;
            }
        }
    }
    scenario.write(&folder.join("scenario.toml"))
}

/// The reel's place in the folder, relative to it.
fn link_reel(folder: &Path, reel: &Path) -> Result<PathBuf> {
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(reel, &mut hasher);
    let place = PathBuf::from(format!("reels/{:016x}", std::hash::Hasher::finish(&hasher)));
    let target = folder.join(&place);
    std::fs::create_dir_all(&target)?;
    for file in std::fs::read_dir(reel)? {
        let file = file?;
        let to = target.join(file.file_name());
        if !to.exists() && std::fs::hard_link(file.path(), &to).is_err() {
            std::fs::copy(file.path(), &to)?; // another file system
        }
    }
    Ok(place)
}

/// What was called so far, oldest first.
pub fn calls(folder: &Path) -> Result<Vec<Call>> {
    lines(&folder.join(STATE).join("calls.jsonl"))
}

/// How the attempts of a hostile library ended, oldest first.
pub fn attempts(folder: &Path) -> Result<Vec<Attempt>> {
    lines(&folder.join(STATE).join("hostile.jsonl"))
}

fn lines<T: DeserializeOwned>(journal: &Path) -> Result<Vec<T>> {
    match std::fs::read_to_string(journal) {
        Ok(text) => text
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| line.to_string()))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The library that cargo built beside the running program or test.
pub fn built_library() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    program
        .ancestors()
        .skip(1)
        .take(3)
        .flat_map(|folder| [folder.join("deps").join(LIBRARY), folder.join(LIBRARY)])
        .filter_map(|path| Some((path.metadata().and_then(|data| data.modified()).ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .with_context(|| {
            format!(
                "{LIBRARY} is not beside {}: build stand-in-sdk first",
                program.display()
            )
        })
}
