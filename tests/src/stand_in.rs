//! A stand-in recorder: the folder that plays the vendor's SDK folder, with its scenario.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Result;
use hcnetsdk::folder;
use hcnetsdk::scenario::{Channel, Device, Scenario};
use hcnetsdk::state::Call;
use jiff::Timestamp;

use crate::footage::{self, Camera, StandardSpec};
use crate::process::program;

/// User name on every stand-in recorder.
pub const USER: &str = "admin";

/// Password on every stand-in recorder.
pub const PASSWORD: &str = "Abcdef12345";

/// When the standard footage begins: a fixed day, so that it is rendered once.
pub const DAY: &str = "2026-11-03T14:05:00Z";

/// One or more recorders behind one library.
#[derive(Debug)]
pub struct StandIn {
    folder: PathBuf,
    /// Ports that answer as a device's do; see [`StandIn::listen`].
    ports: Vec<TcpListener>,
    /// What the recorders are and how they misbehave; written by [`StandIn::write`].
    pub scenario: Scenario,
}

impl StandIn {
    /// A folder without recorders.
    pub fn new(folder: &Path) -> Result<Self> {
        let scenario = Scenario::default();
        folder::prepare(folder, &scenario)?;
        Ok(Self {
            folder: folder.to_owned(),
            ports: Vec::new(),
            scenario,
        })
    }

    /// A folder with one recorder that holds the standard footage on two channels (33: H.264 with sound, 34: H.265).
    pub fn standard(folder: &Path, spec: &StandardSpec) -> Result<Self> {
        let mut this = Self::new(folder)?;
        this.add_recorder("127.0.0.1", 8000, standard_channels(spec)?);
        this.write()?;
        Ok(this)
    }

    /// Adds a recorder; takes effect with [`StandIn::write`].
    pub fn add_recorder(
        &mut self,
        address: &str,
        port: u16,
        channels: Vec<Channel>,
    ) -> &mut Device {
        let number = self.scenario.devices.len();
        self.scenario.devices.push(Device {
            address: address.to_owned(),
            port,
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            serial: format!("DS-7608NI-K20820200101CCRRD{number:08}WCVU"),
            channels,
            ..Device::default()
        });
        &mut self.scenario.devices[number]
    }

    /// Gives every recorder a free port that accepts connections, as a connection test wants to see before it asks the
    /// library (which itself opens none here), and writes the scenario.
    pub fn listen(&mut self) -> Result<()> {
        for device in &mut self.scenario.devices {
            let port = TcpListener::bind((device.address.as_str(), 0))?;
            device.port = port.local_addr()?.port();
            self.ports.push(port);
        }
        self.write()
    }

    /// Writes the scenario; a running library follows with its next call.
    pub fn write(&self) -> Result<()> {
        folder::write_scenario(&self.folder, &self.scenario)
    }

    /// The folder to configure as the vendor's.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was called so far.
    pub fn calls(&self) -> Result<Vec<Call>> {
        folder::calls(&self.folder)
    }

    /// How often a call was made at a recorder's address.
    pub fn count(&self, call: &str, device: &str) -> Result<usize> {
        Ok(self
            .calls()?
            .iter()
            .filter(|c| c.call == call && c.device == device)
            .count())
    }
}

/// Where rendered footage is kept between runs: beside the built programs.
pub fn footage_cache() -> Result<PathBuf> {
    let target = program("")?;
    Ok(target.parent().unwrap_or(&target).join("footage"))
}

/// The standard footage of this size, on [`DAY`].
pub fn standard_spec(recordings: u32, seconds: u32) -> StandardSpec {
    let start: Timestamp = DAY.parse().expect("a constant");
    StandardSpec {
        recordings,
        seconds,
        ..StandardSpec::starting(start)
    }
}

/// The standard footage as channels 33 and 34.
pub fn standard_channels(spec: &StandardSpec) -> Result<Vec<Channel>> {
    let cameras: Vec<Camera> = footage::standard(&footage_cache()?, spec)?;
    Ok((33..)
        .zip(&cameras)
        .map(|(number, camera)| camera.channel(number))
        .collect())
}
