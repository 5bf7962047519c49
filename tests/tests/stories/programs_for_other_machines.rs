//! What programs for other machines are built for is said in one place, and everything that names it again says the same;
//! and the check of the oldest glibc finds a program that needs a newer one. The programs themselves: `make cross-test`.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::cross::{PROGRAMS, Target, repository};
use tests::process::program;

#[test]
fn everything_names_the_same_targets() -> Result<()> {
    let targets = Target::all()?;
    ensure!(!targets.is_empty(), "cross.toml names no target");
    let read = |path: &str| -> Result<String> {
        std::fs::read_to_string(repository()?.join(path)).context(path.to_owned())
    };
    let guide = read("docs/guide/cross.md")?;
    let licences: toml::Table = read("deny.toml")?.parse()?;
    let examined = licences["graph"]["targets"].as_array().context("targets")?;
    let control = read("packaging/debian/control")?;
    for Target { name, floor } in &targets {
        ensure!(
            guide
                .lines()
                .any(|line| line.starts_with("| `") && line.contains(name) && line.contains(floor)),
            "docs/guide/cross.md has no line with {name} and {floor}"
        );
        ensure!(
            examined.iter().any(|it| it.as_str() == Some(name)),
            "deny.toml does not look at what {name} is made of"
        );
    }
    let architectures = targets
        .iter()
        .map(Target::architecture)
        .collect::<Result<std::collections::BTreeSet<_>>>()?;
    for line in control.lines() {
        let Some(named) = line.strip_prefix("Architecture: ") else {
            continue;
        };
        let named = named.split(' ').collect();
        ensure!(
            architectures == named,
            "packages are for {named:?}, programs for {architectures:?}"
        );
    }
    let told = guide
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("-linux-gnu`"))
        .count();
    ensure!(
        told == targets.len(),
        "docs/guide/cross.md names {told} targets, cross.toml {}",
        targets.len()
    );
    Ok(())
}

#[test]
fn a_newer_glibc_is_found() -> Result<()> {
    let check = repository()?.join("packaging/glibc_floor.py");
    let judge = |path: &std::path::Path, floor: &str| {
        Command::new(&check)
            .arg(path)
            .arg(floor)
            .output()
            .with_context(|| check.display().to_string())
    };
    for name in PROGRAMS {
        let path = program(name)?;
        // Rust's standard library asks for 2.17 at least, so this is too old by number and newer by letter.
        let refused = judge(&path, "2.5")?;
        let said = String::from_utf8(refused.stderr)?;
        ensure!(
            refused.status.code() == Some(1) && said.contains("needs glibc 2."),
            "{name} may need 2.5: {said}"
        );
        let allowed = judge(&path, "2.999")?;
        ensure!(allowed.status.success(), "{name}: {allowed:?}");
    }
    let text = judge(&repository()?.join("cross.toml"), "2.31")?;
    ensure!(
        !text.status.success(),
        "what is no program at all passes the check"
    );
    Ok(())
}
