//! A typing error in the configuration: both programs say file, place and remedy, and end with code 2.

use std::process::Command;

use anyhow::{Result, ensure};
use tests::process::program;

#[test]
fn bad_config_is_explained() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (name, text, names) in [
        (
            "edge-agent",
            "[api]\nlisten = \"127.0.0.1:0\"\nlisen = 1\n",
            "lisen",
        ),
        ("edge-agent", "[api\n", "line 1"),
        (
            "edge-agent",
            "[api]\nlisten = \"not an address\"\n",
            "listen",
        ),
        (
            "cloud-relay",
            "[web]\nlisten = \"127.0.0.1:0\"\n[brokr]\n",
            "brokr",
        ),
        ("cloud-relay", "[broker]\nmode = \"mangaed\"\n", "mangaed"),
    ] {
        let path = dir.path().join("bad.toml");
        std::fs::write(&path, text)?;
        let output = Command::new(program(name)?)
            .args(["run", "--config"])
            .arg(&path)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2),
            "{name} {text:?}: {:?}\n{said}",
            output.status
        );
        ensure!(
            said.contains(names) && said.contains("bad.toml"),
            "{name} {text:?} does not say what: {said}"
        );
        ensure!(!said.contains("panicked"), "{said}");
    }
    let output = Command::new(program("edge-agent")?)
        .args(["run", "--config", "/does/not/exist.toml"])
        .output()?;
    ensure!(
        output.status.code() == Some(2)
            && String::from_utf8_lossy(&output.stderr).contains("/does/not/exist.toml")
    );
    Ok(())
}
