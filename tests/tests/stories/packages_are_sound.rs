//! The Debian packages hold what an administrator expects: programs, the units of `systemd/` as they are, settings that
//! need nothing set, a page of the manual that names every command. lintian finds nothing, and the same inputs give the
//! same bytes. How they are installed, upgraded and purged is `make deb-test`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::process::{program, run};

/// Package, its program, the name of its settings.
const PACKAGES: [(&str, &str, &str); 2] = [
    ("holdfast-agent", "edge-agent", "agent.toml"),
    ("holdfast-relay", "cloud-relay", "relay.toml"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(run(command)?.stdout)?)
}

#[test]
fn the_manual_names_every_command() -> Result<()> {
    for (_, name, _) in PACKAGES {
        let page = repository().join(format!("packaging/debian/{name}.1"));
        let page = std::fs::read_to_string(page)?.replace("\\-", "-");
        let help = text(Command::new(program(name)?).arg("--help"))?;
        let commands = help
            .split("Commands:")
            .nth(1)
            .and_then(|rest| rest.split("Options:").next())
            .context("the help lists no commands")?;
        let mut named = 0;
        for line in commands.lines() {
            let Some(command) = line.split_whitespace().next() else {
                continue;
            };
            let told = page.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next().is_some_and(|it| it.starts_with(".B")) && words.next() == Some(command)
            });
            ensure!(told || command == "help", "{name}.1 lacks {command:?}");
            named += 1;
        }
        ensure!(named > 3, "the help is read wrongly:\n{help}");
    }
    Ok(())
}

#[test]
fn nothing_has_to_be_set() -> Result<()> {
    for (_, _, settings) in PACKAGES {
        let path = repository().join("packaging/debian").join(settings);
        let table: toml::Table = std::fs::read_to_string(path)?.parse()?;
        let set = |value: &toml::Value| value.as_table().is_none_or(|it| !it.is_empty());
        ensure!(!table.values().any(set), "{settings} sets {table}");
    }
    Ok(())
}

#[test]
fn packages_are_sound() -> Result<()> {
    for tool in ["dpkg-buildpackage", "dh", "lintian"] {
        if Command::new(tool).arg("--version").output().is_err() {
            eprintln!("LEFT OUT: the Debian packages: no {tool} here");
            return Ok(());
        }
    }
    let dir = tempfile::tempdir()?;
    let made = build(&dir.path().join("once"))?;
    for (package, program, settings) in PACKAGES {
        let debian = Debian::open(made.get(package).context(package)?, dir.path())?;
        let unit = format!("system/{package}.service");
        let systemd = repository().join("systemd");
        ensure!(
            debian.read(&format!("lib/systemd/{unit}"))?
                == std::fs::read_to_string(systemd.join(unit))?,
            "{package} has another unit than systemd/"
        );
        let told = text(Command::new(debian.path(&format!("usr/bin/{program}"))).arg("--version"))?;
        ensure!(told.contains(env!("CARGO_PKG_VERSION")), "{told}");
        ensure!(
            debian.read("DEBIAN/conffiles")?.trim() == format!("/etc/holdfast/{settings}"),
            "{package}: settings that dpkg does not know"
        );
        let depends = debian.control("Depends")?;
        let stands_on = match package {
            "holdfast-agent" => "ffmpeg (>= 7:5.1)",
            _ => "mosquitto (>= 2.0)",
        };
        for needed in [stands_on, "libc6 (>= "] {
            ensure!(depends.contains(needed), "{package}: {depends}");
        }
        for script in ["postinst", "prerm", "postrm"] {
            run(Command::new("sh")
                .arg("-n")
                .arg(debian.path("DEBIAN").join(script)))?;
        }
    }
    let changes = std::fs::read_dir(dir.path().join("once"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|it| it == "changes"))
        .context("no .changes was made")?;
    run(Command::new("lintian")
        .args(["--fail-on", "error,warning", "--allow-root"])
        .arg(changes))?;
    for (name, again) in build(&dir.path().join("again"))? {
        ensure!(
            std::fs::read(&made[&name])? == std::fs::read(again)?,
            "{name} has other bytes the second time"
        );
    }
    Ok(())
}

/// The packages by name.
fn build(out: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let programs = program("edge-agent")?;
    let programs = programs.parent().context("a folder of programs")?;
    run(Command::new(repository().join("packaging/build-deb.sh"))
        .env("PROGRAMS", programs)
        .env("OUT", out)
        .env("VERSION", "0.1.0+20261103000000")
        .env("SOURCE_DATE_EPOCH", "1793664000")
        .env("COMPRESSION", "-Zgzip -z1"))?;
    let mut made = BTreeMap::new();
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "deb") {
            let name = path.file_name().context("a name")?.to_string_lossy();
            let name = name.split('_').next().context("a package's name")?;
            made.insert(name.to_owned(), path.clone());
        }
    }
    Ok(made)
}

/// A package, unpacked: its files, and what dpkg is told in `DEBIAN`.
struct Debian {
    folder: PathBuf,
}

impl Debian {
    fn open(file: &Path, below: &Path) -> Result<Self> {
        let folder = below.join(file.file_stem().context("a name")?);
        run(Command::new("dpkg-deb").arg("-R").arg(file).arg(&folder))?;
        Ok(Self { folder })
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside)
    }

    fn read(&self, inside: &str) -> Result<String> {
        let path = self.path(inside);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// A field of what dpkg is told.
    fn control(&self, field: &str) -> Result<String> {
        let text = self.read("DEBIAN/control")?;
        text.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(": "))
            .map(str::to_owned)
            .with_context(|| format!("{field} is missing:\n{text}"))
    }
}
