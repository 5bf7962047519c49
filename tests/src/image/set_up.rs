//! A box that a stick has set up, beside a recorder that shows more of its footage whenever it is told to.

use std::path::Path;

use anyhow::Result;
use hcnetsdk::scenario::Channel;
use serde_json::json;
use wire::resource::{Recording, SyncJob};

use super::machine::{Machine, Stick};
use super::{DISK_BYTES, GOOD, PATIENCE, appliance, channels, first_of, held, provision, recorder};
use crate::appliance::Appliance;
use crate::isapi_recorder::IsapiRecorder;

/// Two cameras.
pub const CAMERAS: usize = 2;

/// The box and its recorder.
#[derive(Debug)]
pub struct SetUp {
    pub machine: Machine,
    /// Logged in.
    pub appliance: Appliance,
    nvr: IsapiRecorder,
    /// All that the recorder will ever have.
    all: Vec<Channel>,
}

impl SetUp {
    /// A box that is good and holds `shown` recordings of each camera, of a recorder that will have so many at most.
    pub async fn new(
        image: &Path,
        dir: &Path,
        shown: u32,
        recordings_max: u32,
    ) -> Result<(Self, Vec<Recording>)> {
        let all = channels(recordings_max)?;
        let nvr = recorder(first_of(&all, shown)).await?;
        let settings = dir.join("provision.toml");
        std::fs::write(&settings, provision(&nvr, None))?;
        let stick = Stick::new(&dir.join("first.img"), &[("provision.toml", &settings)])?;
        let mut machine = Machine::new(dir, image, DISK_BYTES)?;
        machine.boot()?;
        machine.put_in(&stick)?;
        let mut this = Self {
            appliance: appliance(dir, &machine)?,
            machine,
            nvr,
            all,
        };
        this.machine.says_since(0, GOOD, PATIENCE).await?;
        this.machine.says_since(0, "is added", PATIENCE).await?;
        this.machine.take_out()?;
        this.appliance.login().await?;
        let holds = held(&this.appliance, CAMERAS * shown as usize).await?;
        Ok((this, holds))
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
