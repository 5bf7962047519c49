//! A real browser, driven by the scripts in `web-ui/stories/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// Longest that one script may take.
const SCRIPT_PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// A file that the browser downloaded.
#[derive(Debug, Clone, Deserialize)]
pub struct Downloaded {
    /// Name that it would be saved under.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest (hex).
    pub sha256: String,
}

/// The folder of the web pages' sources.
fn web_ui() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-ui")
}

/// Where screenshots are left for a person to look at.
pub fn screenshots(story: &str) -> Result<PathBuf> {
    Ok(crate::stand_in::footage_cache()?
        .with_file_name("screenshots")
        .join(story))
}

/// Runs one script with its options; its last line tells the file that it downloaded.
pub async fn run(script: &str, options: Value) -> Result<Downloaded> {
    let folder = web_ui();
    ensure!(
        folder.join("node_modules/playwright-core").exists(),
        "the browser's driver is missing: `make ui` first"
    );
    let running = tokio::process::Command::new("node")
        .arg(format!("stories/{script}.mjs"))
        .arg(options.to_string())
        .current_dir(&folder)
        .kill_on_drop(true)
        .output();
    // A page whose script never yields cannot be asked anything: the driver's own patience does not cover that.
    let output = tokio::time::timeout(SCRIPT_PATIENCE, running)
        .await
        .with_context(|| format!("{script}.mjs: the page hangs"))?
        .context("run node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{script}.mjs:\n{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let last = said.lines().last().context("the script said nothing")?;
    serde_json::from_str(last).with_context(|| last.to_owned())
}
