//! A small virtual machine with the real agent in it: Debian's kernel, busybox, and a read-only root made of the built
//! programs with the libraries that they need. Its data disk is a file below the rig.
//!
//! Where the machine has no hardware for it, QEMU emulates the processor: slower, and as good for this.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::loop_disk::run;
use crate::process::{Process, program};
use crate::stand_in::footage_cache;

/// Memory of the guest.
const MEMORY_MIB: u32 = 1_024;
/// Drivers of its disks and its network, in the order in which they need each other.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
];
/// Where the agent answers in the guest.
const PORT: u16 = 8080;

/// What the guest does when it has booted. The check runs as soon as the agent has told its address, that is after the
/// start-up check.
const INIT: &str = r#"#!/bin/busybox sh
export PATH=/bin:/usr/bin LD_LIBRARY_PATH=/lib64 HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
mount -t ext4 -o noatime /dev/vdb /data || { echo "GUEST: the data disk does not come back"; poweroff -f; }
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
cp -r /sdk /tmp/sdk
rm -f /data/state/run/address.json
edge-agent run --config /etc/agent.toml &
while [ ! -f /data/state/run/address.json ]; do sleep 0.2; kill -0 $! || break; done
echo "GUEST: check"
edge-agent check --deep --config /etc/agent.toml
echo "GUEST: check ended with $?"
wait
echo "GUEST: the agent ended with $?"
sleep 1000000
"#;

/// Why there is no virtual machine here; none when there is.
pub fn why_not() -> Option<String> {
    [
        "qemu-system-x86_64",
        "busybox",
        "mkfs.ext4",
        "dpkg",
        "apt-get",
    ]
    .iter()
    .find(|name| which(name).is_none())
    .map(|name| format!("{name} is not installed"))
}

fn which(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// A `/dev/kvm` may be there without a processor that can do it: in a machine that is virtual itself.
///
/// Without one, QEMU keeps what it has translated. Where that is much, and a page of the guest held a library that many
/// processes ran at many addresses, every write to that page walks all of it (`page_collection_lock`, 95 % of the time in
/// `perf`); where the firmware has its stack there after a restart, it does not get beyond its timer any more. So less is
/// kept (MiB; 1024 is QEMU's own).
pub fn accelerator() -> &'static str {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let can = processor
        .split_whitespace()
        .any(|flag| flag == "vmx" || flag == "svm");
    match can && Path::new("/dev/kvm").exists() {
        true => "kvm",
        false => "tcg,tb-size=256",
    }
}

/// What every boot starts from.
#[derive(Debug)]
pub struct Guest {
    kernel: PathBuf,
    initramfs: PathBuf,
    root: PathBuf,
}

impl Guest {
    /// Makes the root of the built programs and of the vendor's folder `sdk`, which is copied whole, and boots with this
    /// configuration of the agent.
    pub fn make(dir: &Path, sdk: &Path, config: &str) -> Result<Self> {
        let system = kernel(&footage_cache()?.with_file_name("guest"))?;
        let tree = dir.join("root");
        for folder in [
            "bin", "usr/bin", "lib64", "proc", "sys", "dev", "tmp", "run", "data", "etc",
            "modules", "sdk",
        ] {
            std::fs::create_dir_all(tree.join(folder))?;
        }
        std::fs::copy(
            which("busybox").context("busybox")?,
            tree.join("bin/busybox"),
        )?;
        // The root is only read: what busybox can do gets its names now.
        for name in run("busybox", &["--list"])?.lines() {
            if name != "busybox" {
                std::os::unix::fs::symlink("busybox", tree.join("bin").join(name))?;
            }
        }
        let agent = tree.join("bin/edge-agent");
        std::fs::copy(program("edge-agent")?, &agent)?;
        run("strip", &[&agent.display().to_string()])?;
        let mut needed = BTreeSet::new();
        for name in ["ffmpeg", "ffprobe"] {
            let path = which(name).with_context(|| format!("{name} is not installed"))?;
            std::fs::copy(&path, tree.join("usr/bin").join(name))?;
            needed.extend(libraries(&path)?);
        }
        needed.extend(libraries(&program("edge-agent")?)?);
        for library in needed {
            let name = library.file_name().context("a library has a name")?;
            std::fs::copy(&library, tree.join("lib64").join(name))?;
        }
        run(
            "cp",
            &[
                "-rL",
                &format!("{}/.", sdk.display()),
                &tree.join("sdk").display().to_string(),
            ],
        )?;
        std::fs::write(tree.join("etc/agent.toml"), config)?;
        std::fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/tmp:/bin/sh\n")?;
        let mut order = String::new();
        for module in MODULES {
            let found = run(
                "find",
                &[
                    &system.modules.display().to_string(),
                    "-name",
                    &format!("{module}.ko"),
                ],
            )?;
            // Built into the kernel is fine too.
            if let Some(path) = found.lines().next() {
                std::fs::copy(path, tree.join("modules").join(format!("{module}.ko")))?;
                order.push_str(module);
                order.push('\n');
            }
        }
        std::fs::write(tree.join("modules/order"), order)?;
        write_program(&tree.join("init"), INIT)?;
        let root = dir.join("root.img");
        let file = std::fs::File::create(&root)?;
        file.set_len(2 << 30)?;
        run(
            "mkfs.ext4",
            &[
                "-q",
                "-F",
                "-O",
                "^has_journal",
                "-d",
                &tree.display().to_string(),
                &root.display().to_string(),
            ],
        )?;
        std::fs::remove_dir_all(&tree)?;
        let initramfs = dir.join("initramfs");
        make_initramfs(dir, &initramfs, &system.modules)?;
        Ok(Self {
            kernel: system.kernel,
            initramfs,
            root,
        })
    }

    /// Boots it with this data disk. Returns the machine and where its agent will answer.
    pub fn boot(&self, data: &Path, log: &Path) -> Result<(Process, String)> {
        // Free now; between this and QEMU's own bind nobody else on this machine is asked for it.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args([
                "-machine",
                "q35",
                "-cpu",
                "max",
                "-smp",
                "1",
                "-m",
                &MEMORY_MIB.to_string(),
            ])
            .args(["-accel", accelerator()])
            .args([
                "-display",
                "none",
                "-no-reboot",
                "-serial",
                "stdio",
                "-monitor",
                "none",
            ])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", "console=ttyS0 quiet panic=1 mitigations=off"])
            .arg("-drive")
            .arg(format!(
                "file={},if=virtio,format=raw,readonly=on",
                self.root.display()
            ))
            // Flushes of the guest become flushes of the file, and only they.
            .arg("-drive")
            .arg(format!(
                "file={},if=virtio,format=raw,cache=writeback",
                data.display()
            ))
            .arg("-netdev")
            .arg(format!(
                "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:{PORT}"
            ))
            .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        let process = Process::start("guest", &command, log)?;
        Ok((process, format!("http://127.0.0.1:{port}")))
    }
}

struct System {
    kernel: PathBuf,
    modules: PathBuf,
}

/// Debian's kernel for virtual machines, fetched once.
fn kernel(cache: &Path) -> Result<System> {
    let unpacked = cache.join("kernel");
    if !unpacked.join("boot").is_dir() {
        std::fs::create_dir_all(cache)?;
        let depends = run("apt-cache", &["depends", "linux-image-cloud-amd64"])?;
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .context("no kernel is known to apt: `apt-get update`")?;
        let fetched = Command::new("apt-get")
            .args(["download", package])
            .current_dir(cache)
            .output()?;
        ensure!(
            fetched.status.success(),
            "the kernel cannot be fetched: {}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        let file = only(cache, |name| name.ends_with(".deb"))?;
        run(
            "dpkg",
            &[
                "-x",
                &file.display().to_string(),
                &unpacked.display().to_string(),
            ],
        )?;
    }
    let kernel = only(&unpacked.join("boot"), |name| name.starts_with("vmlinuz"))?;
    let modules = unpacked.join("lib/modules");
    Ok(System { kernel, modules })
}

fn only(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(&wanted)
        {
            return Ok(path);
        }
    }
    anyhow::bail!("{} has no such file", folder.display())
}

/// The libraries that a program is linked with, the loader among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = run("ldd", &[&program.display().to_string()])?;
    let paths = listed.lines().filter_map(|line| {
        let path = match line.split_once("=>") {
            Some((_, path)) => path,
            None => line,
        };
        let path = path.split_whitespace().next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    Ok(paths.collect())
}

/// Loads the drivers of the disk and goes over to the root.
fn make_initramfs(dir: &Path, to: &Path, modules: &Path) -> Result<()> {
    let tree = dir.join("initramfs.d");
    for folder in ["bin", "dev", "proc", "root", "modules"] {
        std::fs::create_dir_all(tree.join(folder))?;
    }
    std::fs::copy(
        which("busybox").context("busybox")?,
        tree.join("bin/busybox"),
    )?;
    let mut init = String::from("#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs dev /dev\n");
    for module in &MODULES[..6] {
        let found = run(
            "find",
            &[
                &modules.display().to_string(),
                "-name",
                &format!("{module}.ko"),
            ],
        )?;
        if let Some(path) = found.lines().next() {
            std::fs::copy(path, tree.join("modules").join(format!("{module}.ko")))?;
            init.push_str(&format!("/bin/busybox insmod /modules/{module}.ko\n"));
        }
    }
    init.push_str(
        "while [ ! -b /dev/vda ]; do /bin/busybox sleep 0.1; done\n\
         /bin/busybox mount -t ext4 -o ro /dev/vda /root\n\
         exec /bin/busybox switch_root /root /init\n",
    );
    write_program(&tree.join("init"), &init)?;
    let packed = Command::new("sh")
        .arg("-c")
        .arg("cd \"$0\" && find . | busybox cpio -o -H newc")
        .arg(&tree)
        .output()?;
    ensure!(
        packed.status.success(),
        "{}",
        String::from_utf8_lossy(&packed.stderr)
    );
    std::fs::write(to, packed.stdout)?;
    Ok(())
}

fn write_program(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
