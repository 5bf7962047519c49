//! Where things lie: the state folder with its keys, and the volumes. Looks only; nothing is written, so that it may run
//! beside the agent and as another user.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::statfs::{self, FsType, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::finding::Finding;
use crate::config::State;
use crate::footage::volume::{Volume, VolumeConfig};
use crate::model::retention::Bytes;

/// Room that the catalog, its journal and its copies want.
const STATE_FREE_MIN: u64 = 1 << 30;
const STATE_FREE_LEAST: u64 = 64 << 20;

/// The state folder: its permissions, the keys in it, the file system that the catalog lies on.
pub fn state(state: &State) -> Vec<Finding> {
    let folder = &state.folder;
    let about = format!("state folder {}", folder.display());
    let mode = match folder.metadata() {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) => {
            let advice = "The agent makes it when it starts: has it run with this configuration?";
            return vec![Finding::wrong(about, error.to_string(), advice)];
        }
    };
    let mut findings = vec![match mode & 0o007 {
        0 => Finding::well(about, "readable by the agent only"),
        _ => Finding::wrong(
            about,
            format!(
                "everybody on this box may read it (mode {:o})",
                mode & 0o777
            ),
            format!("chmod o= {}", folder.display()),
        ),
    }];
    findings.push(key("key of this appliance", &state.identity_key()));
    findings.push(key("key of stored passwords", &state.secrets_key()));
    findings.push(match catalog_home(folder) {
        Ok(home) => home.finding(),
        Err(error) => Finding::wrong(
            "disk of the catalog",
            error.to_string(),
            "See `dmesg` for what the disk says.",
        ),
    });
    findings
}

fn key(about: &str, path: &Path) -> Finding {
    match path.metadata() {
        Ok(metadata) => match metadata.permissions().mode() & 0o077 {
            0 => Finding::well(about, "there, and nobody else's to read"),
            _ => Finding::wrong(
                about,
                format!("{} may be read by others", path.display()),
                format!(
                    "chmod 600 {}; then change it: `edge-agent rotate-key` for stored passwords.",
                    path.display()
                ),
            ),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::note(
            about,
            format!("{} is not there yet", path.display()),
            "The agent makes it at its first start. If it was there before, restore it from a backup.",
        ),
        Err(error) => Finding::wrong(
            about,
            format!("{}: {error}", path.display()),
            "Run this as root or as the agent's user.",
        ),
    }
}

/// The file system that the catalog lies on.
struct Home {
    kind: Kind,
    free_bytes: u64,
    read_only: bool,
}

/// What a file system is to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A disk of this box.
    Local,
    /// In memory: gone with the power.
    Memory,
    /// Another machine's disk: SQLite's shared memory does not work there.
    Network,
    /// It has no permissions, and no order that a power cut respects.
    Stick,
}

fn kind(found: FsType) -> Kind {
    match found {
        statfs::TMPFS_MAGIC => Kind::Memory,
        statfs::NFS_SUPER_MAGIC | statfs::SMB_SUPER_MAGIC => Kind::Network,
        statfs::MSDOS_SUPER_MAGIC => Kind::Stick,
        _ => Kind::Local,
    }
}

fn catalog_home(folder: &Path) -> io::Result<Home> {
    let stat = statvfs(folder)?;
    Ok(Home {
        kind: kind(statfs(folder)?.filesystem_type()),
        free_bytes: stat.blocks_available().saturating_mul(stat.fragment_size()),
        read_only: stat.flags().contains(FsFlags::ST_RDONLY),
    })
}

impl Home {
    fn finding(&self) -> Finding {
        let about = "disk of the catalog";
        let free = format!("{} free", Bytes(self.free_bytes));
        match self {
            Self {
                kind: Kind::Network,
                ..
            } => Finding::wrong(
                about,
                "it is another machine's disk",
                "The state folder must lie on a disk of this box (ext4 or XFS); footage need not.",
            ),
            Self {
                kind: Kind::Stick, ..
            } => Finding::wrong(
                about,
                "its file system (FAT) keeps neither permissions nor its word at a power cut",
                "Format it with ext4, or set [state] folder to another disk.",
            ),
            Self {
                read_only: true, ..
            } => Finding::wrong(
                about,
                "it is read-only",
                "After errors Linux turns disks read-only: see `dmesg`, and replace the disk.",
            ),
            Self { free_bytes, .. } if *free_bytes < STATE_FREE_LEAST => Finding::wrong(
                about,
                free,
                "Free some room: without it nothing can be written down.",
            ),
            Self {
                kind: Kind::Memory, ..
            } => Finding::note(
                about,
                "it lies in memory, and is gone with the power",
                "Fine for a trial; otherwise set [state] folder to a disk.",
            ),
            Self { free_bytes, .. } if *free_bytes < STATE_FREE_MIN => {
                Finding::note(about, free, "Give it some room before it is needed.")
            }
            _ => Finding::well(about, free),
        }
    }
}

/// A volume. `known`: as the catalog knows it, None where it does not.
pub fn volume(config: &VolumeConfig, known: Option<&Volume>) -> Finding {
    let about = format!("volume {:?} ({})", config.name, config.path.display());
    let Some(volume) = known else {
        return Finding::note(
            about,
            "the catalog does not know it yet",
            "The agent takes it up when it starts.",
        );
    };
    if let Err(error) = volume.check() {
        return Finding::wrong(
            about,
            error.to_string(),
            "Footage on it is listed but cannot be played; see *Storage* on the page.",
        );
    }
    let read_only = statvfs(&config.path).is_ok_and(|it| it.flags().contains(FsFlags::ST_RDONLY));
    if read_only {
        return Finding::wrong(
            about,
            "it is read-only",
            "After errors Linux turns disks read-only: see `dmesg`, and replace the disk.",
        );
    }
    match volume.space() {
        Ok(space) if space.free_bytes < config.floor_bytes => Finding::note(
            about,
            format!(
                "{} of {} free, less than its floor of {}",
                Bytes(space.free_bytes),
                Bytes(space.total_bytes),
                Bytes(config.floor_bytes)
            ),
            "Nothing is written to it until footage may leave, or what else fills it does.",
        ),
        Ok(space) => Finding::well(
            about,
            format!(
                "{} of {} free",
                Bytes(space.free_bytes),
                Bytes(space.total_bytes)
            ),
        ),
        Err(error) => Finding::wrong(
            about,
            error.to_string(),
            "See `dmesg` for what the disk says.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::footage::volume::VolumeId;

    #[test]
    fn homes_of_catalogs_are_judged() {
        let home = |kind, free_bytes, read_only| Home {
            kind,
            free_bytes,
            read_only,
        };
        let cases = [
            (home(Kind::Local, 10 << 30, false), Level::Well),
            (home(Kind::Local, 500 << 20, false), Level::Note),
            (home(Kind::Local, 1 << 20, false), Level::Wrong),
            (home(Kind::Local, 10 << 30, true), Level::Wrong),
            (home(Kind::Memory, 10 << 30, false), Level::Note),
            (home(Kind::Network, 10 << 30, false), Level::Wrong),
            (home(Kind::Stick, 10 << 30, false), Level::Wrong),
        ];
        for (home, expected) in cases {
            let finding = home.finding();
            assert_eq!(finding.level, expected, "{finding:?}");
        }
        assert_eq!(kind(statfs::NFS_SUPER_MAGIC), Kind::Network);
        assert_eq!(kind(statfs::EXT4_SUPER_MAGIC), Kind::Local);
    }

    #[test]
    fn a_key_that_others_may_read_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        assert_eq!(key("key", &path).level, Level::Note);
        std::fs::write(&path, [0; 32]).unwrap();
        for (mode, expected) in [
            (0o600, Level::Well),
            (0o640, Level::Wrong),
            (0o604, Level::Wrong),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(key("key", &path).level, expected, "{mode:o}");
        }
    }

    #[test]
    fn a_volume_that_is_away_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let config = VolumeConfig {
            floor_bytes: 0,
            ..VolumeConfig::new("main", dir.path().join("disk"))
        };
        assert_eq!(volume(&config, None).level, Level::Note);
        let known = Volume::new(VolumeId(1), uuid::Uuid::now_v7(), config.clone()).not_made();
        assert_eq!(volume(&config, Some(&known)).level, Level::Wrong);
        known.claim().unwrap();
        assert_eq!(volume(&config, Some(&known)).level, Level::Well);
        let floor = VolumeConfig {
            floor_bytes: u64::MAX,
            ..config
        };
        assert_eq!(volume(&floor, Some(&known)).level, Level::Note);
    }
}
