//! Programs that `make cross` built, in a system as old as they may meet ([`Userland`]): they do the whole main job there,
//! and the programs of this machine judge what they left.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use wire::resource::Recorder;

use crate::appliance::Appliance;
use crate::isapi_recorder::{IsapiRecorder, Quirks};
use crate::main_job::{self, Table, World};
use crate::process::{launched, program, run};
use crate::relay::Relay;
use crate::stand_in::{PASSWORD, StandIn, USER, standard_spec};

/// Both programs.
pub const PROGRAMS: [&str; 2] = ["edge-agent", "cloud-relay"];

/// Where this workspace lies.
pub fn repository() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?)
}

/// What the programs are built for (`cross.toml`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Rust's name of it.
    pub name: String,
    /// The oldest glibc that they may meet, like `2.31`.
    pub floor: String,
}

impl Target {
    /// All of them, in the order of their names.
    pub fn all() -> Result<Vec<Self>> {
        let settings: toml::Table =
            std::fs::read_to_string(repository()?.join("cross.toml"))?.parse()?;
        let targets = settings["target"].as_table().context("[target.…]")?;
        targets
            .iter()
            .map(|(name, how)| {
                let floor = how["zig"].as_str().context("zig = \"<glibc>\"")?;
                Ok(Self {
                    name: name.clone(),
                    floor: floor.to_owned(),
                })
            })
            .collect()
    }

    /// Debian's name of its processor.
    pub fn architecture(&self) -> Result<&'static str> {
        match self.name.split('-').next() {
            Some("x86_64") => Ok("amd64"),
            Some("aarch64") => Ok("arm64"),
            _ => bail!("{}: Debian's name of its processor is not known", self.name),
        }
    }

    /// What emulates its processor here: None where that is the one of this machine.
    fn emulator(&self) -> Result<Option<&'static Path>> {
        if self.name.starts_with(std::env::consts::ARCH) {
            return Ok(None);
        }
        let path = match self.architecture()? {
            "arm64" => Path::new("/usr/bin/qemu-aarch64-static"),
            other => bail!("nothing is known that emulates {other}"),
        };
        ensure!(
            path.exists(),
            "{} is missing: `make setup-cross-test`",
            path.display()
        );
        Ok(Some(path))
    }
}

/// A system of another age or processor, unpacked in a folder, with the programs built for it.
#[derive(Debug)]
pub struct Userland {
    target: Target,
    root: PathBuf,
    programs: PathBuf,
}

impl Userland {
    /// Made below `folder` where it is not there yet. It must be as old as the target's floor, or it would prove nothing.
    pub fn make(target: &Target, folder: &Path, programs: &Path) -> Result<Self> {
        let folder = folder.join(target.architecture()?);
        run(Command::new(repository()?.join("packaging/userland.sh"))
            .arg(target.architecture()?)
            .arg(&folder))?;
        let this = Self {
            target: target.clone(),
            root: folder.join("root").canonicalize()?,
            programs: programs
                .canonicalize()
                .with_context(|| format!("{}: `make cross` makes it", programs.display()))?,
        };
        let there = this.glibc()?;
        ensure!(
            there == target.floor,
            "{} has glibc {there}, not {}",
            folder.display(),
            target.floor
        );
        Ok(this)
    }

    /// The version of its C library, as that says itself when it is run.
    fn glibc(&self) -> Result<String> {
        let triplet = self.target.name.replace("-unknown", "");
        let library = Path::new("/lib").join(triplet).join("libc.so.6");
        let words = self.launcher_of(&library, &self.programs)?;
        let said = String::from_utf8(run(&mut launched(&words, "libc")?)?.stdout)?;
        said.lines()
            .next()
            .and_then(|line| line.rsplit("version ").next())
            .map(|version| version.trim_end_matches('.').to_owned())
            .with_context(|| format!("the C library says {said:?}"))
    }

    /// The words that start one of our programs in it; `shared` is there under the same name.
    pub fn launcher(&self, program: &str, shared: &Path) -> Result<Vec<OsString>> {
        self.launcher_of(&Path::new("/opt").join(program), shared)
    }

    fn launcher_of(&self, program: &Path, shared: &Path) -> Result<Vec<OsString>> {
        let mut emulator = OsString::from("EMULATOR=");
        emulator.push(self.target.emulator()?.unwrap_or(Path::new("")));
        Ok(vec![
            "env".into(),
            emulator,
            repository()?.join("packaging/within.sh").into(),
            self.root.clone().into(),
            self.programs.clone().into(),
            shared.into(),
            program.into(),
        ])
    }

    /// How it is told to people.
    fn title(&self) -> Result<String> {
        let how = match self.target.emulator()? {
            Some(_) => "emulated",
            None => "this machine's processor",
        };
        Ok(format!(
            "glibc {}, {}, {how}",
            self.target.floor,
            self.target.architecture()?
        ))
    }
}

/// The main job in a userland, with a recorder on this machine; `dir` holds all that it needs.
pub async fn main_job_there(userland: &Userland, dir: &Path) -> Result<Table> {
    let dir = &dir.canonicalize()?;
    let mut table = Table::default();
    table.row("where", userland.title()?, true);
    for name in PROGRAMS {
        let path = userland.programs.join(name);
        let needs = run(Command::new(repository()?.join("packaging/glibc_floor.py"))
            .arg(path)
            .arg(&userland.target.floor))?;
        let needs = String::from_utf8(needs.stdout)?;
        let needs = needs.rsplit(": ").next().unwrap_or_default().trim();
        table.row(name, needs, true);
        for question in ["--version", "openapi"] {
            let here = run(Command::new(program(name)?).arg(question))?.stdout;
            let there = run(launched(&userland.launcher(name, dir)?, name)?.arg(question))?.stdout;
            let size = format!("{} bytes, as here", there.len());
            table.row(question_row(question), size, here == there);
        }
    }
    golden_volume(userland, dir, &mut table)?;
    let (mut world, _recorder) = begin(userland, dir, &mut table).await?;
    let job = main_job::run(&world, dir).await?;
    table.0.extend(job.0);
    world.appliance.stop()?;
    world.relay.stop()?;
    // There is none, and an emulator could not shut it in: it knows neither Landlock nor seccomp.
    world.appliance.log_is_clean(&["library"])?;
    // What another processor wrote, judged by this one.
    world.appliance.check()?;
    world.appliance.verify()?;
    table.row(
        "what they left, judged by this machine's programs",
        "nothing to say",
        true,
    );
    Ok(table)
}

fn question_row(question: &str) -> &'static str {
    match question {
        "openapi" => "  its API document",
        _ => "  its version",
    }
}

/// Digests and signatures, on that processor.
fn golden_volume(userland: &Userland, dir: &Path, table: &mut Table) -> Result<()> {
    let golden = repository()?.join("edge-agent/src/custody/golden/1");
    let copy = dir.join("golden");
    run(Command::new("cp").arg("-r").arg(golden).arg(&copy))?;
    let mut verify = launched(&userland.launcher("edge-agent", dir)?, "edge-agent")?;
    run(verify.arg("verify").arg(copy))?;
    table.row("the golden volume", "verified", true);
    Ok(())
}

/// Relay and agent are started there, the doctor looks, the box is claimed and given its recorder, which lives as long
/// as its handle.
async fn begin(
    userland: &Userland,
    dir: &Path,
    table: &mut Table,
) -> Result<(World, IsapiRecorder)> {
    // Over ISAPI: the vendor's library is another one for each processor, and none may be had for that.
    let recorder = StandIn::standard(&dir.join("footage"), &standard_spec(2, 10))?;
    let device = recorder.scenario.devices[0].clone();
    let nvr = IsapiRecorder::start(device, Path::new("/"), Quirks::default()).await?;
    let mut relay = Relay::new(&dir.join("relay"))?;
    relay.set_launcher(userland.launcher("cloud-relay", dir)?);
    relay.start().await.context("start the relay")?;
    relay.first_login().await.context("log in at the relay")?;

    let mut appliance = Appliance::new(&dir.join("box"), &dir.join("no-sdk"))?;
    appliance.set_launcher(userland.launcher("edge-agent", dir)?);
    let started = Instant::now();
    appliance.start().await.context("start the agent")?;
    let ready = started.elapsed().as_secs_f64();
    table.row("agent start to ready", format!("{ready:.1} s"), true);
    let mut doctor = launched(&userland.launcher("edge-agent", dir)?, "edge-agent")?;
    doctor
        .args(["doctor", "--json", "--config"])
        .arg(appliance.config_path());
    doctor_on_ffmpeg(&mut doctor, table)?;

    appliance.first_run().await.context("set the password")?;
    let body = json!({
        "name": "Shop", "driver": "isapi", "address": "127.0.0.1", "port": nvr.http.port(), "username": USER,
        "password": PASSWORD, "enabled": true,
    });
    let _: Recorder = appliance.client.post("/api/v1/recorders", &body).await?;
    let site = relay.claim(&appliance, "Far site").await.context("claim")?;
    let world = World {
        recorder,
        appliance,
        relay,
        site,
        started,
    };
    Ok((world, nvr))
}

/// The doctor runs there, and finds an FFmpeg that does.
fn doctor_on_ffmpeg(doctor: &mut Command, table: &mut Table) -> Result<()> {
    // It ends with 3: the vendor's library is not there.
    let told: Value = serde_json::from_slice(&doctor.output()?.stdout).context("the doctor")?;
    let parts = told["parts"].as_array().context("parts")?;
    let ffmpeg = parts
        .iter()
        .filter_map(|part| part["findings"].as_array())
        .flatten()
        .find(|it| it["about"] == "FFmpeg")
        .context("the doctor says nothing about FFmpeg")?;
    let said = ffmpeg["seen"].as_str().unwrap_or_default().to_owned();
    table.row("the doctor about FFmpeg", said, ffmpeg["level"] == "well");
    Ok(())
}
