//! File systems in a file, mounted through a loop device: where root may do that.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Why nothing can be mounted here; none when it can.
pub fn why_not() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("mounting needs root".to_owned());
    }
    let tried = || -> Result<()> {
        let dir = tempfile::tempdir()?;
        let image = Image::make(&dir.path().join("image"), Kind::Ext4, 16, &[])?;
        image.mount(&dir.path().join("at"))?.unmount()
    };
    tried()
        .err()
        .map(|error| format!("loop devices cannot be mounted here: {error:#}"))
}

/// Runs a program of the system; its words are the error's.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{program} (is it installed?)"))?;
    ensure!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the appliance's data partition has.
    Ext4,
    /// What many servers have.
    Xfs,
}

impl Kind {
    /// Its name as `mount` knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Why it cannot be made here; none when it can.
    pub fn why_not(self) -> Option<String> {
        let program = match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
        };
        let found = ["/usr/sbin", "/sbin", "/usr/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists());
        (!found).then(|| format!("{program} is not installed"))
    }
}

/// A file that holds a file system.
#[derive(Debug, Clone)]
pub struct Image {
    path: PathBuf,
    kind: Kind,
}

impl Image {
    /// A new file system of so many MiB. `options` go to its maker.
    pub fn make(path: &Path, kind: Kind, mib: u64, options: &[&str]) -> Result<Self> {
        let file = std::fs::File::create(path)?;
        file.set_len(mib << 20)?;
        drop(file);
        let text = path.display().to_string();
        let mut arguments = match kind {
            // Everything is written at once: what is made later would be in the way of a cut.
            Kind::Ext4 => vec![
                "-q",
                "-F",
                "-m",
                "0",
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
            ],
            Kind::Xfs => vec!["-q", "-f", "-K"],
        };
        arguments.extend(options);
        arguments.push(&text);
        run(&format!("mkfs.{}", kind.name()), &arguments)?;
        Ok(Self {
            path: path.to_owned(),
            kind,
        })
    }

    /// The same file system in a copy of the file, or behind the rig.
    pub fn at(&self, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            kind: self.kind,
        }
    }

    /// Mounts it.
    pub fn mount(&self, at: &Path) -> Result<Mounted> {
        std::fs::create_dir_all(at)?;
        let device = run(
            "losetup",
            &["--find", "--show", &self.path.display().to_string()],
        )?;
        // From here on it is detached whatever happens.
        let mounted = Mounted {
            device: Some(device.clone()),
            at: at.to_owned(),
        };
        run(
            "mount",
            &[
                "-t",
                self.kind.name(),
                "-o",
                "noatime",
                &device,
                &at.display().to_string(),
            ],
        )?;
        Ok(mounted)
    }
}

/// A mounted file system. Unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    /// The loop device; none for a file system without one.
    device: Option<String>,
    at: PathBuf,
}

impl Mounted {
    /// A file system in memory. `options` as `mount` takes them.
    pub fn in_memory(at: &Path, options: &str) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                options,
                "tmpfs",
                &at.display().to_string(),
            ],
        )?;
        Ok(Self {
            device: None,
            at: at.to_owned(),
        })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Mounts it anew with other options.
    pub fn remount(&self, options: &str) -> Result<()> {
        let options = format!("remount,{options}");
        run("mount", &["-o", &options, &self.at.display().to_string()]).map(drop)
    }

    /// Unmounts it in good order.
    pub fn unmount(mut self) -> Result<()> {
        run("umount", &[&self.at.display().to_string()])?;
        match self.device.take() {
            Some(device) => run("losetup", &["--detach", &device]).map(drop),
            None => Ok(()),
        }
    }

    /// Takes it away while files are open in it, as a disk that is pulled out.
    pub fn pull(mut self) -> Result<()> {
        run("umount", &["--lazy", &self.at.display().to_string()])?;
        match self.device.take() {
            Some(device) => run("losetup", &["--detach", &device]).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // After `unmount` both fail, and there is nobody left to tell.
        let at = self.at.display().to_string();
        if self.device.is_some() || !self.at.as_os_str().is_empty() {
            drop(Command::new("umount").args(["--lazy", &at]).output());
        }
        if let Some(device) = self.device.take() {
            drop(Command::new("losetup").args(["--detach", &device]).output());
        }
    }
}
