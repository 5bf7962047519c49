//! Settings of the SDK driver: the `[sdk]` table of the configuration file.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::worker_protocol::{Configure, PROTOCOL};

/// How the vendor's SDK is found, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdkConfig {
    /// Folder with `libhcnetsdk.so` and what belongs to it. It is never bundled: the installer copies it there.
    #[serde(rename = "folder")]
    pub sdk_folder: PathBuf,
    /// Folder for the workers' own empty working folders; made when it is not there. Empty: one in the state folder.
    pub work_dir: PathBuf,
    /// How long a connection may take, in seconds.
    pub connect_timeout_s: u32,
    /// How long a recorder may take for an answer, in seconds.
    pub answer_timeout_s: u32,
    /// How long the search of one window may take, in seconds.
    pub search_timeout_s: u32,
    /// How long a download may stand still, in seconds, before it fails. Recorders and the library do not always say
    /// that a connection broke.
    pub stall_timeout_s: u32,
    /// How long a request may go without a sign of life from the worker, in seconds, before the worker is replaced.
    pub hang_timeout_s: u32,
    /// Resident memory of a worker, in bytes, above which it is replaced as soon as no transfer runs; at twice as much
    /// it is replaced at once.
    pub memory_limit_bytes: u64,
    /// Time between two checks of a session that works, in seconds.
    pub check_interval_s: u32,
    /// Whether the library is shut in: no files but its own, no address but the recorder's, no other programs.
    pub sandbox: bool,
    /// Folders that the library may write beside staging and its working folder; for a bundle that keeps logs.
    pub writable: Vec<PathBuf>,
    /// Where downloads grow: the staging folders of all volumes.
    #[serde(skip)]
    pub staging: Vec<PathBuf>,
    /// What is started as worker.
    #[serde(skip)]
    pub program: WorkerProgram,
}

impl Default for SdkConfig {
    fn default() -> Self {
        Self {
            sdk_folder: "/var/lib/holdfast/sdk".into(),
            work_dir: PathBuf::new(),
            connect_timeout_s: 3,
            answer_timeout_s: 10,
            search_timeout_s: 60,
            stall_timeout_s: 30,
            hang_timeout_s: 60,
            memory_limit_bytes: 1 << 30,
            check_interval_s: 60,
            sandbox: true,
            writable: Vec::new(),
            staging: Vec::new(),
            program: WorkerProgram::default(),
        }
    }
}

impl SdkConfig {
    /// The first frame for a worker that may reach these addresses of a recorder.
    pub fn configure(&self, reach: &[IpAddr], port: Option<u16>) -> Configure {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let ms = |s: u32| s.saturating_mul(1_000);
        Configure {
            protocol: PROTOCOL,
            sdk_folder: absolute(&self.sdk_folder),
            connect_timeout_ms: ms(self.connect_timeout_s),
            receive_timeout_ms: ms(self.answer_timeout_s),
            stall_timeout_ms: ms(self.stall_timeout_s),
            search_timeout_ms: ms(self.search_timeout_s),
            sandbox: self.sandbox,
            reach: reach.to_vec(),
            port,
            staging: self.staging.iter().map(|path| absolute(path)).collect(),
            writable: self.writable.iter().map(|path| absolute(path)).collect(),
            memory_limit_bytes: self.memory_limit_bytes,
        }
    }

    /// [`SdkConfig::hang_timeout_s`].
    pub fn hang_timeout(&self) -> Duration {
        Duration::from_secs(self.hang_timeout_s.max(1).into())
    }

    /// [`SdkConfig::check_interval_s`].
    pub fn check_interval(&self) -> Duration {
        Duration::from_secs(self.check_interval_s.max(1).into())
    }
}

/// The program of the worker and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerProgram {
    /// None: the program that runs.
    pub path: Option<PathBuf>,
    /// Arguments.
    pub arguments: Vec<OsString>,
}

impl Default for WorkerProgram {
    fn default() -> Self {
        Self {
            path: None,
            arguments: vec!["sdk-worker".into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_default_and_unknown_ones_are_refused() {
        assert_eq!(
            toml::from_str::<SdkConfig>("").unwrap(),
            SdkConfig::default()
        );
        let config: SdkConfig = toml::from_str("folder = '/opt/sdk'\nstall_timeout_s = 5").unwrap();
        assert_eq!(config.configure(&[], None).stall_timeout_ms, 5_000);
        assert!(toml::from_str::<SdkConfig>("sdk_dir = '/opt/sdk'").is_err());
    }
}
