//! A real cloud relay: its configuration, its process, its web API.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wire::resource::{Claim, ClaimState, Page, Site, SiteCamera, SiteRecording};

use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::eventually;
use crate::process::{Process, launched, program, tail};

/// The password that tests give the relay's admin.
pub const PASSWORD: &str = "far away from the site";

/// A relay: folders, settings, and its process while it runs.
#[derive(Debug)]
pub struct Relay {
    folder: PathBuf,
    config: toml::Table,
    launcher: Vec<OsString>,
    process: Option<Process>,
    /// The web API; with a bearer token after [`Relay::first_login`].
    pub client: Client,
    addresses: Value,
}

impl Relay {
    /// Prepares a relay below `folder` that runs its own broker, everything on free ports of the loopback.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let config = toml::toml! {
            [web]
            listen = "127.0.0.1:0"
            names = ["localhost", "127.0.0.1"]
            [tunnel]
            listen = "127.0.0.1:0"
            [broker]
            mode = "managed"
            listen = "127.0.0.1:0"
        };
        let mut this = Self {
            folder: folder.to_owned(),
            config,
            launcher: Vec::new(),
            process: None,
            client: Client::new("http://not-started.invalid", None)?,
            addresses: Value::Null,
        };
        this.set(
            "state",
            "folder",
            folder.join("state").display().to_string(),
        );
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

    /// Replaces a whole section.
    pub fn set_section(&mut self, section: &str, table: toml::Table) {
        self.config.insert(section.into(), table.into());
    }

    /// Starts the relay by these words instead of the built program.
    pub fn set_launcher(&mut self, words: Vec<OsString>) {
        self.launcher = words;
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("relay.toml")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The relay's log, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.folder.join("relay.log")
    }

    /// The CA that signs the relay's certificates (PEM).
    pub fn ca_pem(&self) -> Result<String> {
        let path = self.state().join("pki/ca.pem");
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// SHA-256 (hex) of the CA's certificate, as the appliance pins it.
    pub fn ca_sha256(&self) -> Result<String> {
        let certificates = base::tls::certificates(&self.ca_pem()?)?;
        Ok(base::token::sha256_hex(certificates[0].as_ref()))
    }

    /// Gives the relay an update for its sites, as its operator does.
    pub fn add_update(&self, bundle: &Path) -> Result<()> {
        let mut command = Command::new(program("cloud-relay")?);
        command.args(["update", "add"]).arg(bundle);
        command.arg("--config").arg(self.config_path());
        let added = command.output()?;
        ensure!(added.status.success(), "{added:?}");
        Ok(())
    }

    /// `https://…` of the web listener.
    pub fn url(&self) -> &str {
        self.client.base()
    }

    /// Bound address of a listener (`web`, `tunnel`, `broker`), as the relay told it.
    pub fn address(&self, listener: &str) -> Result<&str> {
        self.addresses[listener]
            .as_str()
            .with_context(|| format!("no {listener} in {}", self.addresses))
    }

    /// The relay's process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the relay is not running")
    }

    /// Starts the relay and waits until its API answers. Started again it keeps the ports of its first start, as a
    /// relay in the field does.
    pub async fn start(&mut self) -> Result<()> {
        std::fs::write(self.config_path(), toml::to_string(&self.config)?)?;
        let address = self.state().join("run/address.json");
        base::durable::remove_if_there(&address)?;
        let mut command = launched(&self.launcher, "cloud-relay")?;
        command.args(["run", "--config"]).arg(self.config_path());
        self.process = Some(Process::start("cloud-relay", &command, &self.log())?);
        let process = self.process.as_mut().expect("just set");
        let log = self.folder.join("relay.log");
        self.addresses = eventually("the relay tells its addresses", || {
            let alive = process.is_running();
            let text = std::fs::read_to_string(&address);
            let log = &log;
            async move {
                match text {
                    Ok(text) => {
                        serde_json::from_str::<Value>(&text).map_err(|e| format!("{e}: {text}"))
                    }
                    Err(error) if alive => Err(error.to_string()),
                    Err(error) => Err(format!("{error}; the relay has ended:\n{}", tail(log, 30))),
                }
            }
        })
        .await?;
        for (section, listener) in [("web", "web"), ("tunnel", "tunnel"), ("broker", "broker")] {
            let bound = self.addresses[listener].as_str().map(str::to_owned);
            if let Some(bound) = bound.filter(|_| self.config[section].get("listen").is_some()) {
                let bound = bound.trim_start_matches("https://").to_owned();
                self.set(section, "listen", bound);
            }
        }
        let web = self.addresses["web"].as_str().context("no web address")?;
        let url = if web.starts_with("https://") {
            web.to_owned()
        } else {
            format!("https://{web}")
        };
        let token = self.client.token().map(str::to_owned);
        self.client = Client::new(url, Some(&self.ca_pem()?))?.with_token(token.as_deref());
        eventually("the relay is ready", || async {
            self.client.bytes("/ready").await
        })
        .await?;
        Ok(())
    }

    /// Ends the relay as systemd does; it must end cleanly.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop_cleanly(),
            None => Ok(()),
        }
    }

    /// Kills the relay alone.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the relay is not running")?;
        process.kill_hard()?;
        Ok(())
    }

    /// Logs in with the first password, changes it as demanded, and stays logged in.
    pub async fn first_login(&mut self) -> Result<()> {
        let first = std::fs::read_to_string(self.state().join("first-admin-password"))?;
        let first = first.trim();
        self.client.login("admin", first).await?;
        let change = json!({ "current": first, "new": PASSWORD });
        let _: Value = self.client.post("/api/v1/auth/password", &change).await?;
        self.login().await
    }

    /// Logs in again, with the password that was chosen.
    pub async fn login(&mut self) -> Result<()> {
        self.client.login("admin", PASSWORD).await?;
        Ok(())
    }

    /// Joins an appliance: tells it the relay, reads its code, types it here, waits for the tunnel and the birth.
    pub async fn claim(&self, appliance: &Appliance, site_name: &str) -> Result<Site> {
        self.claim_at(appliance, site_name, self.url()).await
    }

    /// As [`Relay::claim`], where the appliance reaches the relay at another address.
    pub async fn claim_at(
        &self,
        appliance: &Appliance,
        site_name: &str,
        url: &str,
    ) -> Result<Site> {
        let relay = json!({ "url": url, "ca_sha256": self.ca_sha256()? });
        let _: Value = appliance.client.put("/api/v1/system/relay", &relay).await?;
        self.claim_waiting(appliance, site_name).await
    }

    /// Claims an appliance that knows this relay, by the code that it shows.
    pub async fn claim_waiting(&self, appliance: &Appliance, site_name: &str) -> Result<Site> {
        let code = eventually("the appliance shows a claim code", || async {
            let claim: Claim = appliance.system().await.map_err(|e| e.to_string())?.claim;
            match (claim.state, &claim.code) {
                (ClaimState::Waiting, Some(code)) => Ok(code.clone()),
                _ => Err(format!("{claim:?}")),
            }
        })
        .await?;
        let site: Site = eventually("the relay takes the claim code", || async {
            let body = json!({ "code": code, "site_name": site_name });
            self.client.post("/api/v1/appliances/claim", &body).await
        })
        .await?;
        self.site_online(&site).await
    }

    /// Waits until a site is online with a spare tunnel connection.
    pub async fn site_online(&self, site: &Site) -> Result<Site> {
        eventually("the site is online", || async {
            let sites = self.sites().await.map_err(|e| e.to_string())?;
            let it = sites
                .into_iter()
                .find(|s| s.id == site.id)
                .ok_or("not listed")?;
            if it.online && it.tunnel_connections > 0 {
                Ok(it)
            } else {
                Err(format!("{it:?}"))
            }
        })
        .await
    }

    /// All sites.
    pub async fn sites(&self) -> Result<Vec<Site>> {
        Ok(self.client.get::<Page<Site>>("/api/v1/sites").await?.items)
    }

    /// All cameras.
    pub async fn cameras(&self) -> Result<Vec<SiteCamera>> {
        Ok(self
            .client
            .get::<Page<SiteCamera>>("/api/v1/cameras")
            .await?
            .items)
    }

    /// All recordings of the index, oldest first.
    pub async fn recordings(&self) -> Result<Vec<SiteRecording>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let path = match &cursor {
                Some(cursor) => {
                    format!("/api/v1/recordings?order=oldest&limit=200&cursor={cursor}")
                }
                None => "/api/v1/recordings?order=oldest&limit=200".to_owned(),
            };
            let page: Page<SiteRecording> = self.client.get(&path).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}
