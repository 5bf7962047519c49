//! An appliance with a second disk: another folder beside its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wire::resource::{Storage, Volume, VolumeState};

use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::eventually;
use crate::process::{Process, program};

/// Name of the second volume; the first is `main`.
pub const SECOND: &str = "second";

/// An appliance with a second volume. It runs as a process of ours, with more in its settings than the harness writes.
#[derive(Debug)]
pub struct TwoDisks {
    /// The appliance, for everything but starting and stopping.
    pub appliance: Appliance,
    second: PathBuf,
    process: Process,
}

impl TwoDisks {
    /// Sets up an appliance with its first volume alone, and starts it with the second one. `settings`: lines that follow
    /// name, path and floor of the second.
    pub async fn start(mut appliance: Appliance, second: &Path, settings: &str) -> Result<Self> {
        appliance.start().await?;
        appliance.first_run().await?;
        appliance.stop()?;
        let mut file = std::fs::File::options()
            .append(true)
            .open(appliance.config_path())?;
        let path = second.display();
        write!(
            file,
            "\n[[volume]]\nname = \"{SECOND}\"\npath = \"{path}\"\nfloor_bytes = 0\n{settings}"
        )?;
        let process = run(&mut appliance).await?;
        Ok(Self {
            appliance,
            second: second.to_owned(),
            process,
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
        self.process.kill_hard()?;
        self.process = run(&mut self.appliance).await?;
        Ok(())
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
        self.process.stop_cleanly()?;
        self.appliance.check()?;
        self.appliance.verify()?;
        let output = Command::new(program("edge-agent")?)
            .arg("verify")
            .arg(&self.second)
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && !told.contains("Note:"),
            "edge-agent verify of the second disk found:\n{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.appliance.log_is_clean(announced)
    }
}

/// Starts the agent with the settings as they lie there, and waits until it is ready.
async fn run(appliance: &mut Appliance) -> Result<Process> {
    let address = appliance.state().join("run/address.json");
    base::durable::remove_if_there(&address)?;
    let mut command = Command::new(program("edge-agent")?);
    command
        .args(["run", "--config"])
        .arg(appliance.config_path());
    let process = Process::start("edge-agent", &command, &appliance.log())?;
    let url = eventually("the agent tells its address", || async {
        let text = std::fs::read_to_string(&address).map_err(|e| e.to_string())?;
        let told: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        told["api"].as_str().map(str::to_owned).ok_or(text)
    })
    .await?;
    let token = appliance.client.token().map(str::to_owned);
    appliance.client = Client::new(url, None)?.with_token(token.as_deref());
    eventually("the agent is ready", || async {
        appliance.client.bytes("/ready").await
    })
    .await?;
    Ok(process)
}
