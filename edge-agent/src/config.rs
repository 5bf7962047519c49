//! The TOML file, made of the `Config` structs that each module owns; unknown keys are refused.
//!
//! Somebody who mistyped a key stands on a ladder in front of a box that does not start: a bad file is answered with its
//! line, its key, and what may stand there.

mod more_volumes;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adoption::AdoptionConfig;
use crate::archive::ArchiveConfig;
use crate::archive::mail::EmailConfig;
use crate::evict::RetentionConfig;
use crate::footage::volume::VolumeConfig;
use crate::host::smart::Smartctl;
use crate::live::LiveConfig;
use crate::media::MediaConfig;
use crate::pipeline::{DiscoveryConfig, DownloadConfig};
use crate::recorder::config::SdkConfig;
use crate::secrets::tpm::{Tpm, TpmSetting};
use crate::tiers::TiersConfig;
use crate::update::UpdateConfig;
use crate::uplink::claim::RelaySettings;

use self::more_volumes::FromFile;

/// Where the file lies unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/holdfast/agent.toml";

/// The folder beside it with more volumes, one in each `*.toml`.
const VOLUMES_D: &str = "volumes.d";

/// The whole file. Every section and key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The LAN HTTP API.
    pub api: crate::api::Config,
    /// Where the agent keeps what it knows.
    pub state: State,
    /// Where footage lies; none: one volume in the state folder.
    pub volume: Vec<VolumeConfig>,
    /// What is kept of it, and for how long.
    pub retention: RetentionConfig,
    /// Moving it between volumes of different tiers.
    pub tiers: TiersConfig,
    /// Asking disks how they fare.
    pub smart: Smartctl,
    /// Disks of the box that are not used yet.
    pub disks: AdoptionConfig,
    /// Packing what is held into archives.
    pub archive: ArchiveConfig,
    /// The mail server that e-mails about archives go through.
    pub email: Option<EmailConfig>,
    /// The vendor's library and its workers.
    pub sdk: SdkConfig,
    /// Asking recorders what they hold.
    pub discovery: DiscoveryConfig,
    /// Fetching it.
    pub download: DownloadConfig,
    /// FFmpeg.
    pub media: MediaConfig,
    /// Live view.
    pub live: LiveConfig,
    /// Updates of the box's system.
    pub update: UpdateConfig,
    /// The relay to join, where none was set from the page.
    pub relay: Option<RelaySettings>,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Catalog, keys, staging area of addresses; made when missing.
    pub folder: PathBuf,
    /// What seals the key of stored passwords, beside its file's permissions.
    pub tpm: TpmSetting,
}

impl Default for State {
    fn default() -> Self {
        Self {
            folder: "/var/lib/holdfast".into(),
            tpm: TpmSetting::Auto,
        }
    }
}

impl State {
    /// The catalog's folder.
    pub fn catalog(&self) -> PathBuf {
        self.folder.join("catalog")
    }

    /// The key from which the appliance's id follows.
    pub fn identity_key(&self) -> PathBuf {
        self.folder.join("appliance.key")
    }

    /// The key of stored passwords.
    pub fn secrets_key(&self) -> PathBuf {
        self.folder.join("secrets.key")
    }

    /// The TPM that seals it.
    pub fn tpm(&self) -> Option<Tpm> {
        Tpm::find(&self.tpm)
    }

    /// Where the agent says on which address it listens.
    pub fn address_file(&self) -> PathBuf {
        self.folder.join("run/address.json")
    }
}

/// A file that cannot be used, in words for whoever wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not there, or not readable.
    #[error(
        "cannot read the configuration {path}: {source}. Create it, or name another with --config."
    )]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More files with volumes than there may be.
    #[error("{path}: {count} files with volumes are more than {max}. Remove some and start again.")]
    TooMany {
        /// Which folder.
        path: PathBuf,
        /// How many.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{path}, line {line}: {message}\n    {text}\nCorrect this line and start again.")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, naming section and key.
        message: String,
        /// The line itself.
        text: String,
    },
    /// A value that cannot work.
    #[error("{path}: {message}. Correct it and start again.")]
    Value {
        /// Which file.
        path: PathBuf,
        /// What is wrong, naming section and key.
        message: String,
    },
}

impl Config {
    /// Reads the file. Without `path` the default one is read, and defaults hold when it does not exist.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let more = more_volumes::read(&file.with_file_name(VOLUMES_D))?;
        Self::assemble(file, &Self::text(path)?, more)
    }

    /// The text of the file that [`Config::load`] reads; empty when defaults hold because there is none.
    pub fn text(path: Option<&Path>) -> Result<String, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(text),
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(String::new())
            }
            Err(source) => Err(ConfigError::Read {
                path: file.to_owned(),
                source,
            }),
        }
    }

    /// Reads a text alone; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::assemble(path, text, Vec::new())
    }

    /// Of a text and the volumes of further files.
    fn assemble(path: &Path, text: &str, more: Vec<FromFile>) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| at_line(path, text, &error))?;
        if config.volume.is_empty() {
            let folder = config.state.folder.join("footage");
            config.volume.push(VolumeConfig::new("main", folder));
        }
        more_volumes::add(&mut config.volume, more)?;
        if config.sdk.work_dir.as_os_str().is_empty() {
            config.sdk.work_dir = config.state.folder.join("run/workers");
        }
        config.check().map_err(|message| ConfigError::Value {
            path: path.to_owned(),
            message,
        })?;
        Ok(config)
    }

    /// What the types do not say.
    fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for volume in &self.volume {
            if volume.name.is_empty() || !names.insert(&volume.name) {
                return Err(format!(
                    "[[volume]] name = {:?}: every volume needs a name of its own",
                    volume.name
                ));
            }
        }
        for volume in &self.volume {
            let colder = self.volume.iter().any(|other| other.tier > volume.tier);
            if volume.move_after_days.is_some() && !colder {
                return Err(format!(
                    "[[volume]] {:?} has move_after_days, but no volume has a colder tier that footage could move to: give one tier = \"warm\" or \"cold\"",
                    volume.name
                ));
            }
        }
        self.archive.check()?;
        if let Some(email) = &self.email {
            email.check()?;
        }
        if let Some(Err(bad)) = self.relay.as_ref().map(RelaySettings::relay) {
            return Err(format!("[relay]: {bad}"));
        }
        self.retention.check()?;
        let volumes = self
            .volume
            .iter()
            .map(|volume| (&volume.path, "[[volume]] path"));
        let folders = [(&self.state.folder, "[state] folder")].into_iter();
        for (folder, key) in folders.chain(volumes) {
            if !folder.is_absolute() {
                return Err(format!(
                    "{key} = {folder:?}: give the whole path, beginning with /"
                ));
            }
        }
        Ok(())
    }
}

/// Finds line and section of what the parser stumbled over.
fn at_line(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let lines: Vec<&str> = text.lines().collect();
    let section = lines[..line.min(lines.len())]
        .iter()
        .rev()
        .find(|line| line.trim_start().starts_with('['))
        .map_or(String::new(), |line| format!(" in {}", line.trim()));
    ConfigError::Line {
        path: path.to_owned(),
        line,
        message: format!("{}{section}", error.message().trim_end()),
        text: lines
            .get(line - 1)
            .map_or("", |line| line.trim())
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(Path::new("/etc/holdfast/agent.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_documented_file_is_the_defaults() {
        let documented = include_str!("../../docs/ref/agent.toml");
        let read = |text: &str| Config::parse(Path::new("agent.toml"), text);
        assert_eq!(read(documented).unwrap(), read("").unwrap());
        // What is commented out is right too: a setting is one that has a key, or begins a section.
        let uncommented: String = documented
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.starts_with('[') || setting.contains(" = ") => setting,
                _ => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let full = read(&uncommented).unwrap();
        assert!(full.volume.len() == 2 && full.relay.is_some() && full.download.window.is_some());
    }

    #[test]
    fn an_empty_file_is_a_good_file() {
        let config = Config::parse(Path::new("x"), "").unwrap();
        assert_eq!(config.api.listen.port(), 8080);
        assert_eq!(config.state.folder, Path::new("/var/lib/holdfast"));
    }

    #[test]
    fn a_mistyped_key_is_shown_with_file_line_section_and_what_may_stand_there() {
        let message = refused("[state]\nfolder = \"/x\"\n\n[api]\nlissten = \"0.0.0.0:80\"\n");
        assert_eq!(
            message,
            "/etc/holdfast/agent.toml, line 5: unknown field `lissten`, expected `listen` in [api]\n    \
             lissten = \"0.0.0.0:80\"\nCorrect this line and start again."
        );
        let section = refused("[apii]\nlisten = \"0.0.0.0:80\"\n");
        assert!(
            section.contains("line 1: unknown field `apii`"),
            "{section}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_shown_too() {
        for (text, hint) in [
            (
                "[api]\nlisten = 8080",
                "line 2: invalid type: integer `8080`",
            ),
            ("[api]\nlisten = \"8080\"", "line 2: invalid socket address"),
            ("[api\n", "line 1: "),
            ("[api]\nlisten = ", "line 2: "),
        ] {
            let message = refused(text);
            assert!(message.contains(hint), "{message}");
        }
    }

    #[test]
    fn values_that_cannot_work_are_refused_with_their_key() {
        for (text, hint) in [
            (
                "[state]\nfolder = \"here\"",
                "[state] folder = \"here\": give the whole path",
            ),
            (
                "[[volume]]\nname = \"a\"\npath = \"x\"",
                "[[volume]] path = \"x\"",
            ),
            (
                "[[volume]]\nname = \"a\"\npath = \"/x\"\n[[volume]]\nname = \"a\"\npath = \"/y\"",
                "a name of its own",
            ),
            (
                "[[volume]]\nname = \"a\"\npath = \"/x\"\nmove_after_days = 3",
                "no volume has a colder tier",
            ),
            ("[[volume]]\nname = \"a\"", "line 1: missing field `path`"),
        ] {
            let message = refused(text);
            assert!(message.contains(hint), "{message}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let path = Path::new("/nowhere/agent.toml");
        let message = Config::load(Some(path)).unwrap_err().to_string();
        assert!(message.contains("/nowhere/agent.toml"), "{message}");
    }
}
