//! Support access: what its maker signs, and what it then lets somebody do.

use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;

use super::machine::Machine;
use crate::storage::loop_disk::run;

/// Somebody who helps: a key, and whoever signs for it.
#[derive(Debug)]
pub struct Helper {
    key: PathBuf,
    /// Folder with `sign.pem` and `sign.key`.
    signs: PathBuf,
}

impl Helper {
    /// With a new key.
    pub fn new(dir: &Path, signs: &Path) -> Result<Self> {
        let key = dir.join("helper");
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", &text(&key)],
        )?;
        Ok(Self {
            key,
            signs: signs.to_owned(),
        })
    }

    /// A signed permission for a box until a time; the file.
    pub fn permission(&self, name: &str, until: Timestamp) -> Result<PathBuf> {
        let public = std::fs::read_to_string(self.key.with_extension("pub"))?;
        let (plain, signed) = (
            self.key.with_extension("txt"),
            self.key.with_extension("cms"),
        );
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
        std::fs::write(&plain, format!("box={name}\nuntil={until}\nkey={public}"))?;
        let (certificate, key) = (self.signs.join("sign.pem"), self.signs.join("sign.key"));
        run(
            "openssl",
            &[
                "cms",
                "-sign",
                "-nodetach",
                "-outform",
                "PEM",
                "-in",
                &text(&plain),
                "-signer",
                &text(&certificate),
                "-inkey",
                &text(&key),
                "-out",
                &text(&signed),
            ],
        )?;
        Ok(signed)
    }

    /// What a command in the box prints.
    pub fn asks(&self, machine: &Machine, command: &str) -> Result<String> {
        run(
            "ssh",
            &[
                "-i",
                &text(&self.key),
                "-p",
                &machine.ssh_port().to_string(),
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "ConnectTimeout=30",
                "-o",
                "BatchMode=yes",
                "root@127.0.0.1",
                command,
            ],
        )
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
