//! A box that a stick has set up, beside a recorder that shows more of its footage whenever it is told to.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hcnetsdk::scenario::Channel;
use serde_json::json;
use wire::resource::{Recording, SyncJob};

use super::access::Helper;
use super::machine::{Machine, Stick};
use super::{
    DISK_BYTES, GOOD, Image, PATIENCE, appliance, channels, first_of, held, provision, recorder,
};
use crate::appliance::Appliance;
use crate::isapi_recorder::IsapiRecorder;

/// Two cameras.
pub const CAMERAS: usize = 2;
/// Where somebody writes something on the first day, and what.
const SETTINGS: &str = "/etc/holdfast/agent.toml";
const WRITTEN: &str = "# Written on the first day.";

/// The box and its recorder.
#[derive(Debug)]
pub struct SetUp {
    pub machine: Machine,
    /// Logged in.
    pub appliance: Appliance,
    nvr: IsapiRecorder,
    helper: Helper,
    dir: PathBuf,
    /// All that the recorder will ever have.
    all: Vec<Channel>,
}

impl SetUp {
    /// A box that is good and holds `shown` recordings of each camera, of a recorder that will have so many at most. In its
    /// settings somebody has written a line.
    pub async fn new(
        image: &Image,
        dir: &Path,
        shown: u32,
        recordings_max: u32,
    ) -> Result<(Self, Vec<Recording>)> {
        let all = channels(recordings_max)?;
        let nvr = recorder(first_of(&all, shown)).await?;
        let settings = dir.join("provision.toml");
        std::fs::write(&settings, provision(&nvr, None))?;
        let stick = Stick::new(&dir.join("first.img"), &[("provision.toml", &settings)])?;
        let mut machine = Machine::new(dir, &image.file, DISK_BYTES)?;
        machine.boot()?;
        machine.put_in(&stick)?;
        let mut this = Self {
            appliance: appliance(dir, &machine)?,
            machine,
            nvr,
            helper: Helper::new(dir, &image.keys)?,
            dir: dir.to_owned(),
            all,
        };
        this.machine.says_since(0, GOOD, PATIENCE).await?;
        this.machine.says_since(0, "is added", PATIENCE).await?;
        this.machine.take_out()?;
        this.appliance.login().await?;
        let holds = held(&this.appliance, CAMERAS * shown as usize).await?;
        this.helper.is_let_in(&mut this.machine, &this.dir).await?;
        let write = format!("echo '{WRITTEN}' >> {SETTINGS} && sync {SETTINGS}");
        this.helper.asks(&this.machine, &write)?;
        Ok((this, holds))
    }

    /// What the box says from within at the end, and an error where it is not as it must be: its journal knows so many
    /// boots, the settings hold the line, and every byte of what is held is as it was stored.
    pub async fn ends_intact(mut self, boots_min: usize) -> Result<String> {
        let machine = &mut self.machine;
        self.helper.is_let_in(machine, &self.dir).await?;
        let ask = |command: &str| self.helper.asks(machine, command);
        let boots: usize = ask("journalctl --list-boots --no-pager -q | wc -l")?.parse()?;
        ensure!(
            boots >= boots_min,
            "the journal knows {boots} boots of {boots_min}"
        );
        let written = ask(&format!("tail -n 1 {SETTINGS}"))?;
        ensure!(written == WRITTEN, "{SETTINGS} ends with {written:?}");
        // Its exit code is the answer.
        let check = ask(
            "setpriv --reuid=holdfast --regid=holdfast --init-groups edge-agent check --deep > /tmp/check; \
             code=$?; tail -n 1 /tmp/check; exit $code",
        )?;
        machine.end().context("the end")?;
        Ok(format!(
            "its journal knows {boots} boots of {boots_min}, its settings are as they were written, and the check of every \
             byte says: {check}"
        ))
    }

    /// The recorder has so many recordings of each camera from now on, and somebody asks for them: they lie in a time
    /// of which the box knows what there was.
    pub async fn show(&self, recordings: u32) -> Result<()> {
        let shown = first_of(&self.all, recordings);
        self.nvr.device(|device| device.channels = shown);
        let _: SyncJob = self
            .appliance
            .client
            .post("/api/v1/sync", &json!({}))
            .await?;
        Ok(())
    }
}
