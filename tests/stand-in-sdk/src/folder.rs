//! What a test needs to put the stand-in in front of a program: a folder with library and scenario, and its journal.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::scenario::Scenario;
use crate::state::Call;

/// File name of the library, as the vendor calls it.
pub const LIBRARY: &str = "libhcnetsdk.so";

/// Puts library and scenario into `folder`, which becomes the vendor's folder for a program under test.
pub fn prepare(folder: &Path, scenario: &Scenario) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    write_scenario(folder, scenario)?;
    let library = built_library()?;
    let target = folder.join(LIBRARY);
    // A copy and not a link: the loader takes two links for one library, and a rebuild must not change it underfoot.
    std::fs::copy(&library, &target)
        .with_context(|| format!("{} to {}", library.display(), target.display()))?;
    Ok(())
}

/// Replaces the scenario in `folder`; a running library follows with its next call.
pub fn write_scenario(folder: &Path, scenario: &Scenario) -> Result<()> {
    scenario.write(&folder.join("scenario.toml"))
}

/// What was called so far, oldest first.
pub fn calls(folder: &Path) -> Result<Vec<Call>> {
    match std::fs::read_to_string(folder.join("calls.jsonl")) {
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
