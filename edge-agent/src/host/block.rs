//! Which disks a folder lies on: from `/proc/self/mountinfo` and `/sys`, as the kernel tells it (proc(5), sysfs).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Disks that one volume may lie on: more than an array of a small box has.
const DISKS_MAX: usize = 16;
/// Layers between a file system and its disks: a partition, a RAID, encryption, a volume manager.
const LAYERS_MAX: usize = 8;

/// A disk as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockDisk {
    /// Its name, such as `sda` or `nvme0n1`.
    pub name: String,
}

/// Where the kernel tells of itself; another place in tests.
#[derive(Debug, Clone)]
pub struct Kernel {
    mountinfo: PathBuf,
    sys: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            mountinfo: "/proc/self/mountinfo".into(),
            sys: "/sys".into(),
        }
    }
}

impl Kernel {
    /// One that knows of a single disk, on which everything lies.
    #[cfg(test)]
    pub fn of_one_disk(folder: &Path, name: &str, model: &str) -> Self {
        let disk = folder.join("sys/devices").join(name);
        for made in [
            disk.join("device"),
            folder.join("sys/dev/block"),
            folder.join("sys/class/block"),
        ] {
            std::fs::create_dir_all(made).unwrap();
        }
        std::fs::write(disk.join("device/model"), model).unwrap();
        for link in [
            folder.join("sys/dev/block/8:0"),
            folder.join("sys/class/block").join(name),
        ] {
            if !link.exists() {
                std::os::unix::fs::symlink(&disk, link).unwrap();
            }
        }
        let mountinfo = folder.join("mountinfo");
        std::fs::write(&mountinfo, "27 1 8:0 / / rw - ext4 /dev/x rw\n").unwrap();
        Self {
            mountinfo,
            sys: folder.join("sys"),
        }
    }

    /// The disks that a folder lies on; none when it lies on none (a network, memory) or it cannot be told.
    pub fn disks_of(&self, folder: &Path) -> BTreeSet<BlockDisk> {
        let mut disks = BTreeSet::new();
        // What the kernel does not tell is not known; people are told so.
        let text = std::fs::read_to_string(&self.mountinfo).unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Some(mount) = mount_of(&text, &folder) else {
            return disks;
        };
        let by_number = self.sys.join("dev/block").join(&mount.number);
        let device = by_number.canonicalize().ok().or_else(|| {
            // Some file systems (btrfs) have a number of their own; their source is a device all the same.
            let source = Path::new(&mount.source).canonicalize().ok()?;
            let name = source.strip_prefix("/dev").ok()?.file_name()?.to_owned();
            self.sys.join("class/block").join(name).canonicalize().ok()
        });
        if let Some(device) = device {
            self.below(&device, LAYERS_MAX, &mut disks);
        }
        disks
    }

    /// The disks below a device: itself, the one it is a part of, or those it is made of.
    fn below(&self, device: &Path, layers: usize, disks: &mut BTreeSet<BlockDisk>) {
        if layers == 0 || disks.len() >= DISKS_MAX {
            return;
        }
        let slaves = std::fs::read_dir(device.join("slaves"));
        let mut made_of = slaves
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.path().canonicalize().ok())
            .peekable();
        if made_of.peek().is_some() {
            for slave in made_of.take(DISKS_MAX) {
                self.below(&slave, layers - 1, disks);
            }
            return;
        }
        if device.join("partition").exists()
            && let Some(whole) = device.parent()
        {
            return self.below(whole, layers - 1, disks);
        }
        let name = device.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| is_a_disk(name)) {
            disks.insert(BlockDisk {
                name: name.to_owned(),
            });
        }
    }

    /// The model, as the kernel has read it.
    pub fn model(&self, disk: &BlockDisk) -> Option<String> {
        self.text(&format!("class/block/{}/device/model", disk.name))
    }

    /// Its temperature in °C, where the kernel measures it (`nvme`, `drivetemp`).
    pub fn temperature_c(&self, disk: &BlockDisk) -> Option<i64> {
        let device = self.sys.join("class/block").join(&disk.name).join("device");
        let sensors = [device.join("hwmon"), device];
        let mut all = sensors
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with("hwmon"))
            });
        all.find_map(|sensor| {
            let text = std::fs::read_to_string(sensor.join("temp1_input")).ok()?;
            let milli: i64 = text.trim().parse().ok()?;
            (-100_000..=200_000)
                .contains(&milli)
                .then_some(milli / 1_000)
        })
    }

    fn text(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.sys.join(path)).ok()?;
        super::smart::short(&text)
    }
}

/// Whether SMART is to be expected of a device of this name: not of what lives in memory or in a file.
fn is_a_disk(name: &str) -> bool {
    !["loop", "ram", "zram", "dm-", "md"]
        .iter()
        .any(|virtual_| name.starts_with(virtual_))
}

/// A mount, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// Major and minor number of the device, `8:1`.
    number: String,
    /// What is mounted, `/dev/sda1`.
    source: String,
}

/// The mount that a folder lies on: the one with the longest mount point above it, the newest of those.
fn mount_of(mountinfo: &str, folder: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mountinfo.lines() {
        let Some((point, mount)) = mount(line) else {
            continue;
        };
        let depth = point.components().count();
        if folder.starts_with(&point) && best.as_ref().is_none_or(|(most, _)| depth >= *most) {
            best = Some((depth, mount));
        }
    }
    best.map(|(_, mount)| mount)
}

/// `36 35 98:0 /root /mnt/x rw,noatime shared:1 - ext3 /dev/root rw`: its mount point, and what is mounted.
fn mount(line: &str) -> Option<(PathBuf, Mount)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ');
    let number = before.nth(2)?;
    let (major, minor) = number.split_once(':')?;
    // It becomes a part of a path.
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(major) || !is_number(minor) {
        return None;
    }
    let point = unescaped(before.nth(1)?);
    let source = unescaped(after.split(' ').nth(1)?);
    Some((
        PathBuf::from(point),
        Mount {
            number: number.to_owned(),
            source,
        },
    ))
}

/// The kernel writes space, tab, line feed and backslash as octal numbers.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 27 253:0 / /mnt/array rw - xfs /dev/mapper/array rw
41 27 0:45 / /mnt/two\\040words rw - btrfs /dev/nvme0n1p1 rw
42 27 0:46 / /mnt/net rw - nfs server:/x rw
broken
43 27 ../..:1 / /mnt/bad rw - ext4 /dev/sdz rw
";

    fn kernel(dir: &Path) -> Kernel {
        let device = |path: &str| {
            let path = dir.join("sys/devices").join(path);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let link = |to: &Path, from: &str| {
            let from = dir.join("sys").join(from);
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            symlink(to, from).unwrap();
        };
        for disk in ["sda", "sdb", "sdc"] {
            let whole = device(disk);
            fs::create_dir_all(whole.join("device")).unwrap();
            fs::write(whole.join("device/model"), format!("MODEL {disk}  \n")).unwrap();
            link(&whole, &format!("class/block/{disk}"));
        }
        let part = device("sda/sda2");
        fs::write(part.join("partition"), "2").unwrap();
        link(&part, "dev/block/8:2");
        // Encryption over a RAID of two disks.
        let (dm, md) = (device("dm-0"), device("md0"));
        link(&dm, "dev/block/253:0");
        for (holder, slave) in [(&dm, "md0"), (&md, "sdb"), (&md, "sdc")] {
            fs::create_dir_all(holder.join("slaves")).unwrap();
            symlink(
                dir.join("sys/devices").join(slave),
                holder.join("slaves").join(slave),
            )
            .unwrap();
        }
        let hwmon = dir.join("sys/devices/sda/device/hwmon/hwmon3");
        fs::create_dir_all(&hwmon).unwrap();
        fs::write(hwmon.join("temp1_input"), "41850\n").unwrap();
        fs::write(dir.join("mountinfo"), MOUNTS).unwrap();
        Kernel {
            mountinfo: dir.join("mountinfo"),
            sys: dir.join("sys"),
        }
    }

    #[test]
    fn the_disks_below_a_folder_are_found_through_every_layer() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = kernel(dir.path());
        let names = |folder: &str| -> Vec<String> {
            let disks = kernel.disks_of(Path::new(folder));
            disks.into_iter().map(|disk| disk.name).collect()
        };
        assert_eq!(names("/var/lib/holdfast"), ["sda"]);
        assert_eq!(names("/mnt/array/footage"), ["sdb", "sdc"]);
        assert_eq!(names("/mnt/net/x"), [""; 0]);
        assert_eq!(names("/mnt/bad/x"), ["sda"]);
        let disk = BlockDisk { name: "sda".into() };
        assert_eq!(kernel.model(&disk).as_deref(), Some("MODEL sda"));
        assert_eq!(kernel.temperature_c(&disk), Some(41));
        assert!(
            kernel
                .temperature_c(&BlockDisk { name: "sdb".into() })
                .is_none()
        );
    }

    #[test]
    fn a_mount_is_the_deepest_and_the_newest() {
        let source = |folder: &str| mount_of(MOUNTS, Path::new(folder)).unwrap().source;
        assert_eq!(source("/mnt/two words/x"), "/dev/nvme0n1p1");
        assert_eq!(source("/mnt/twofold"), "/dev/sda2");
        assert_eq!(source("/proc/self"), "proc");
        let over = format!("{MOUNTS}50 27 8:9 / /mnt/array rw - ext4 /dev/sdq rw\n");
        let mount = mount_of(&over, Path::new("/mnt/array")).unwrap();
        assert_eq!(mount.number, "8:9");
    }

    #[test]
    fn this_box_is_read_without_trouble() {
        // Whatever it has.
        Kernel::default().disks_of(Path::new("/tmp"));
    }

    proptest! {
        #[test]
        fn any_table_of_mounts(text in "([0-9:]{0,5}[ /a-z\\\\.-]{0,12}\n?){0,20}") {
            if let Some(mount) = mount_of(&text, Path::new("/mnt/x")) {
                prop_assert!(mount.number.bytes().all(|b| b.is_ascii_digit() || b == b':'));
            }
        }
    }
}
