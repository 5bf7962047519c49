//! A real edge agent: its configuration, its process, its LAN API.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wire::resource::{Camera, LoginResponse, Page, Recorder, Recording, RecordingStatus, System};

use crate::client::Client;
use crate::eventually::eventually;
use crate::process::{Process, launched, program, tail};

/// The password that tests set at first run.
pub const PASSWORD: &str = "a ladder and a lamp";

/// An appliance: folders, settings, and the agent's process while it runs.
#[derive(Debug)]
pub struct Appliance {
    folder: PathBuf,
    data: PathBuf,
    config: toml::Table,
    launcher: Vec<OsString>,
    process: Option<Process>,
    /// The LAN API; with a bearer token after [`Appliance::first_run`].
    pub client: Client,
}

impl Appliance {
    /// Prepares an appliance below `folder` (made when missing) that loads the vendor library from `sdk_folder`.
    /// Times are short, so that stories are: discovery every second, nothing waits to settle.
    pub fn new(folder: &Path, sdk_folder: &Path) -> Result<Self> {
        Self::with_data(folder, folder, sdk_folder)
    }

    /// As [`Appliance::new`], with state and footage below `data`: a disk of their own.
    pub fn with_data(folder: &Path, data: &Path, sdk_folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let config = toml::toml! {
            [api]
            listen = "127.0.0.1:0"
            [discovery]
            interval_s = 1
            backfill_days = 3650
            settle_s = 0
            [download]
            retry_first_s = 1
            retry_max_s = 5
        };
        let mut this = Self {
            folder: folder.to_owned(),
            data: data.to_owned(),
            config,
            launcher: Vec::new(),
            process: None,
            client: Client::new("http://not-started.invalid", None)?,
        };
        this.set("state", "folder", this.state().display().to_string());
        this.set("sdk", "folder", sdk_folder.display().to_string());
        // Where the stand-in keeps its journal; the vendor's library needs nothing of the kind.
        let state = sdk_folder.join(hcnetsdk::folder::STATE);
        this.set("sdk", "writable", vec![state.display().to_string()]);
        let footage = this.footage();
        this.add_volume("main", &footage);
        Ok(this)
    }

    /// Sets one key of the configuration; takes effect at the next start.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) {
        let table = self
            .config
            .entry(section)
            .or_insert_with(|| toml::Table::new().into());
        table
            .as_table_mut()
            .expect("a section is a table")
            .insert(key.into(), value.into());
    }

    /// Adds a volume at this path; takes effect at the next start.
    pub fn add_volume(&mut self, name: &str, path: &Path) {
        let mut volume = toml::Table::new();
        volume.insert("name".into(), name.into());
        volume.insert("path".into(), path.display().to_string().into());
        volume.insert("floor_bytes".into(), 0.into());
        self.config
            .entry("volume")
            .or_insert_with(|| toml::Value::Array(Vec::new()))
            .as_array_mut()
            .expect("volumes are a list")
            .push(volume.into());
    }

    /// Sets one key of the first volume.
    pub fn set_volume(&mut self, key: &str, value: impl Into<toml::Value>) {
        self.set_volume_of(0, key, value);
    }

    /// Sets one key of the n-th volume, from 0.
    pub fn set_volume_of(&mut self, nth: usize, key: &str, value: impl Into<toml::Value>) {
        let volumes = self.config["volume"].as_array_mut().expect("made in new");
        volumes[nth]
            .as_table_mut()
            .expect("made in new")
            .insert(key.into(), value.into());
    }

    /// Starts the agent by these words instead of the built program. Only the agent itself: what judges it afterwards
    /// ([`Appliance::check`] and the like) is the built one.
    pub fn set_launcher(&mut self, words: Vec<OsString>) {
        self.launcher = words;
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("agent.toml")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.data.join("state")
    }

    /// The first volume's folder.
    pub fn footage(&self) -> PathBuf {
        self.data.join("footage")
    }

    /// The agent's log, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.folder.join("agent.log")
    }

    /// The agent's process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the agent is not running")
    }

    /// Starts the agent and waits until its API answers.
    pub async fn start(&mut self) -> Result<()> {
        self.write_config()?;
        let address = self.state().join("run/address.json");
        // What an earlier start wrote must not be taken for this one's.
        base::durable::remove_if_there(&address)?;
        let mut command = launched(&self.launcher, "edge-agent")?;
        command.args(["run", "--config"]).arg(self.config_path());
        self.process = Some(Process::start("edge-agent", &command, &self.log())?);
        let process = self.process.as_mut().expect("just set");
        let log = self.folder.join("agent.log");
        let url = eventually("the agent tells its address", || {
            let alive = process.is_running();
            let text = std::fs::read_to_string(&address);
            let log = &log;
            async move {
                match text {
                    Ok(text) => serde_json::from_str::<Value>(&text)
                        .ok()
                        .and_then(|v| v["api"].as_str().map(str::to_owned))
                        .ok_or(text),
                    Err(error) if alive => Err(error.to_string()),
                    Err(error) => Err(format!("{error}; the agent has ended:\n{}", tail(log, 30))),
                }
            }
        })
        .await?;
        let token = self.client.token().map(str::to_owned);
        self.client = Client::new(url, None)?.with_token(token.as_deref());
        eventually("the agent is ready", || async {
            self.client.bytes("/ready").await
        })
        .await?;
        Ok(())
    }

    /// Ends the agent as systemd does; it must end cleanly.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop_cleanly(),
            None => Ok(()),
        }
    }

    /// Kills the agent alone; what becomes of its children is its own affair.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the agent is not running")?;
        process.kill_hard()?;
        Ok(())
    }

    /// Moves to another disk; takes effect at the next start.
    pub fn move_to(&mut self, data: &Path) {
        self.data = data.to_owned();
        self.set("state", "folder", self.state().display().to_string());
        self.set_volume("path", self.footage().display().to_string());
    }

    /// First-run set-up: sets the admin's password and stays logged in.
    pub async fn first_run(&mut self) -> Result<()> {
        let answer: LoginResponse = self
            .client
            .post("/api/v1/setup", &json!({ "password": PASSWORD }))
            .await?;
        self.client.adopt(&answer);
        Ok(())
    }

    /// Logs in again (a token outlives a restart, but not its 15 minutes).
    pub async fn login(&mut self) -> Result<()> {
        self.client.login("admin", PASSWORD).await?;
        Ok(())
    }

    /// Adds a recorder.
    pub async fn add_recorder(
        &self,
        name: &str,
        address: &str,
        port: u16,
        user: &str,
        password: &str,
    ) -> Result<Recorder> {
        let body = json!({
            "name": name, "address": address, "port": port, "username": user, "password": password, "enabled": true,
        });
        self.client.post("/api/v1/recorders", &body).await
    }

    /// All cameras.
    pub async fn cameras(&self) -> Result<Vec<Camera>> {
        Ok(self
            .client
            .get::<Page<Camera>>("/api/v1/cameras")
            .await?
            .items)
    }

    /// All recorders.
    pub async fn recorders(&self) -> Result<Vec<Recorder>> {
        Ok(self
            .client
            .get::<Page<Recorder>>("/api/v1/recorders")
            .await?
            .items)
    }

    /// What the agent says of itself.
    pub async fn system(&self) -> Result<System> {
        self.client.get("/api/v1/system").await
    }

    /// All recordings, oldest first, over all pages.
    pub async fn recordings(&self) -> Result<Vec<Recording>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let path = match &cursor {
                Some(cursor) => {
                    format!("/api/v1/recordings?order=oldest&limit=200&cursor={cursor}")
                }
                None => "/api/v1/recordings?order=oldest&limit=200".to_owned(),
            };
            let page: Page<Recording> = self.client.get(&path).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Waits until exactly `count` recordings are completed and none is on its way.
    pub async fn all_completed(&self, count: usize) -> Result<Vec<Recording>> {
        eventually(&format!("{count} recordings are completed"), || async {
            let all = self.recordings().await.map_err(|e| e.to_string())?;
            if all.len() == count && all.iter().all(|r| r.status == RecordingStatus::Completed) {
                return Ok(all);
            }
            let brief = |r: &Recording| {
                format!(
                    "{} {:?} {}% {:?}",
                    r.source_name, r.status, r.progress_percent, r.failure
                )
            };
            Err(all.iter().map(brief).collect::<Vec<_>>().join("; "))
        })
        .await
    }

    /// Writes the configuration, which [`Appliance::start`] does anyway.
    pub fn write_config(&self) -> Result<()> {
        std::fs::write(self.config_path(), toml::to_string(&self.config)?)?;
        Ok(())
    }

    /// `edge-agent check --deep` on the stopped (or running) appliance must find nothing.
    pub fn check(&self) -> Result<()> {
        let output = Command::new(program("edge-agent")?)
            .args(["check", "--deep", "--config"])
            .arg(self.config_path())
            .output()?;
        ensure!(
            output.status.success(),
            "edge-agent check found:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// `edge-agent verify` of the first volume of the stopped appliance must find everything as it was kept.
    pub fn verify(&self) -> Result<()> {
        verify(&self.footage())
    }

    /// Runs a command of the agent with this appliance's configuration; what it printed.
    pub fn command(&self, name: &str, args: &[&str]) -> Result<String> {
        let output = Command::new(program("edge-agent")?)
            .args([name, "--config"])
            .arg(self.config_path())
            .args(args)
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "edge-agent {name} failed:\n{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(told)
    }

    /// Every WARN and ERROR line of the log must hold one of the `announced` texts.
    pub fn log_is_clean(&self, announced: &[&str]) -> Result<()> {
        log_is_clean(&self.log(), announced)
    }
}

/// `edge-agent verify` of a volume's folder must find everything as it was kept.
pub fn verify(volume: &Path) -> Result<()> {
    let output = Command::new(program("edge-agent")?)
        .arg("verify")
        .arg(volume)
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && !told.contains("Note:"),
        "edge-agent verify of {} found:\n{told}{}",
        volume.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Every WARN and ERROR line of a log must hold one of the `announced` texts.
pub fn log_is_clean(log: &Path, announced: &[&str]) -> Result<()> {
    let text = std::fs::read_to_string(log)?;
    let unannounced: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.contains(" WARN ") || line.contains(" ERROR ") || line.contains("panicked at")
        })
        .filter(|line| !announced.iter().any(|known| line.contains(known)))
        .collect();
    ensure!(
        unannounced.is_empty(),
        "the log {} has unannounced lines:\n{}",
        log.display(),
        unannounced.join("\n")
    );
    Ok(())
}
