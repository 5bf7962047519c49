//! Programs from PyPI that stories talk to, each in a Python environment of its own, made once beside the built programs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{program, run};

/// The Python of an environment that holds these packages (as pip names them) and nothing that they would bring. It is
/// made where there is none of this name yet.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let target = program("")?;
    let folder = target
        .parent()
        .unwrap_or(&target)
        .join("foreign")
        .join(name.replace("==", "-"));
    let python = folder.join("bin/python");
    std::fs::create_dir_all(&folder)?;
    let lock = std::fs::File::create(folder.with_added_extension("lock"))?;
    lock.lock()?;
    let done = folder.join("complete");
    if done.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).context(
        "make a Python environment: is python3-venv installed? (`make setup-test` does)",
    )?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--no-input"])
        .args(["--disable-pip-version-check", "--no-deps"])
        .args(packages))
    .with_context(|| {
        format!(
            "install {name} from PyPI: this test needs the package registry, which does not answer"
        )
    })?;
    std::fs::write(done, "")?;
    Ok(python)
}
