//! An appliance with a second disk: another folder beside its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wire::resource::{Storage, Volume, VolumeState};

use crate::appliance::{Appliance, verify};
use crate::eventually::eventually;

/// Name of the second volume; the first is `main`.
pub const SECOND: &str = "second";

/// An appliance with a second volume.
#[derive(Debug)]
pub struct TwoDisks {
    /// The appliance.
    pub appliance: Appliance,
    second: PathBuf,
}

impl TwoDisks {
    /// Sets up an appliance with its first volume alone, and starts it with the second one, set up by `set`.
    pub async fn start(
        mut appliance: Appliance,
        second: &Path,
        set: impl FnOnce(&mut Appliance),
    ) -> Result<Self> {
        appliance.start().await?;
        appliance.first_run().await?;
        appliance.stop()?;
        appliance.add_volume(SECOND, second);
        set(&mut appliance);
        appliance.start().await?;
        Ok(Self {
            appliance,
            second: second.to_owned(),
        })
    }

    /// Folder of the second volume.
    pub fn second(&self) -> &Path {
        &self.second
    }

    /// The second disk is pulled out: nothing is left in its place. Gives where it lies now.
    pub fn pull(&self) -> Result<PathBuf> {
        let away = self.second.with_extension("pulled");
        std::fs::rename(&self.second, &away)?;
        Ok(away)
    }

    /// The second disk is back.
    pub fn plug_in(&self) -> Result<()> {
        std::fs::rename(self.second.with_extension("pulled"), &self.second)?;
        Ok(())
    }

    /// Kills the agent and starts it again.
    pub async fn kill_and_start(&mut self) -> Result<()> {
        self.appliance.kill()?;
        self.appliance.start().await
    }

    /// What the agent says of a volume.
    pub async fn volume(&self, name: &str) -> Result<Volume> {
        let storage: Storage = self.appliance.client.get("/api/v1/storage").await?;
        let mut volumes = storage.volumes.into_iter();
        volumes
            .find(|volume| volume.name == name)
            .with_context(|| format!("no volume {name}"))
    }

    /// Waits until the second volume has a state.
    pub async fn second_is(&self, state: VolumeState) -> Result<Volume> {
        eventually(&format!("the second volume is {state:?}"), || async {
            let volume = self.volume(SECOND).await.map_err(|e| e.to_string())?;
            match volume.state == state {
                true => Ok(volume),
                false => Err(format!("{:?} {:?}", volume.state, volume.trouble)),
            }
        })
        .await
    }

    /// Stops the agent; catalog and both disks must be as they should, each disk proven by itself.
    pub fn stop_and_check(mut self, announced: &[&str]) -> Result<()> {
        self.appliance.stop()?;
        self.appliance.check()?;
        self.appliance.verify()?;
        verify(&self.second)?;
        self.appliance.log_is_clean(announced)
    }
}
