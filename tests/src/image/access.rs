//! Support access: what its maker signs, and what it then lets somebody do.

use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use super::PATIENCE;
use super::machine::{Machine, Stick};
use crate::eventually::eventually_within;
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

    /// Is let in for an hour, or until the box starts again, by a stick that has been taken out when this ends.
    pub async fn is_let_in(&self, machine: &mut Machine, dir: &Path) -> Result<()> {
        let until = Timestamp::now() + SignedDuration::from_hours(1);
        let permission = self.permission(&machine.name()?, until)?;
        let holds = [("support-access", permission.as_path())];
        let stick = Stick::new(&dir.join("support.img"), &holds)?;
        let mark = machine.mark()?;
        machine.put_in(&stick)?;
        machine
            .says_since(mark, "support access is open", PATIENCE)
            .await?;
        machine.take_out()?;
        eventually_within("SSH answers", PATIENCE, || async {
            self.asks(machine, "true").map_err(|e| e.to_string())
        })
        .await?;
        Ok(())
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
