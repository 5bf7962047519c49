//! The systemd units: systemd understands every line, and finds both programs well shut in.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::process::program;

/// Most exposure, in tenths, that `systemd-analyze security` may find (0 is none, 100 all).
const EXPOSURE_MAX: u32 = 20;

/// The units of the repository.
fn units() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/system")
}

fn systemd_analyze(arguments: &[&str], files: &[std::path::PathBuf]) -> Result<()> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .args(files)
        .output()
        .context("systemd-analyze (package systemd)")?;
    let told = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "systemd-analyze {arguments:?} {files:?}:\n{}",
        String::from_utf8_lossy(&told)
    );
    Ok(())
}

#[test]
fn every_line_of_the_units_is_understood() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(units())? {
        let path = entry?.path();
        let mut text = std::fs::read_to_string(&path)?;
        // Where they are installed to; here they lie where they were built.
        for name in ["edge-agent", "cloud-relay"] {
            let built = program(name)?;
            text = text.replace(&format!("/usr/bin/{name}"), &built.display().to_string());
        }
        let copy = dir.path().join(path.file_name().context("a unit's name")?);
        std::fs::write(&copy, text)?;
        files.push(copy);
    }
    ensure!(files.len() >= 3, "the units are missing: {files:?}");
    systemd_analyze(&["verify", "--man=no", "--recursive-errors=yes"], &files)
}

#[test]
fn both_programs_are_shut_in() -> Result<()> {
    for name in ["holdfast-agent.service", "holdfast-relay.service"] {
        let threshold = format!("--threshold={EXPOSURE_MAX}");
        systemd_analyze(
            &["security", "--offline=yes", "--no-pager", &threshold],
            &[units().join(name)],
        )?;
    }
    Ok(())
}
