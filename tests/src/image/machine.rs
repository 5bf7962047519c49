//! A virtual box: UEFI, a disk with the image on it, a network card, a watchdog, and a USB port.
//!
//! Where there is no hardware for it, QEMU emulates the processor: slower, and as good for this.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::eventually::eventually_within;
use crate::process::{Process, tail};
use crate::storage::guest::accelerator;
use crate::storage::loop_disk::run;

/// Where the box reaches this machine.
pub const HOST: &str = "10.0.2.2";
/// Memory and processors of the smallest box that is supported.
const MEMORY_MIB: u32 = 2_048;
const PROCESSORS: u32 = 2;
/// Where the image serves its page.
const PORT: u16 = 80;
/// Debian's package `ovmf`.
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS.fd";

/// Why there is no virtual box here; none when there is.
pub fn why_not() -> Option<String> {
    let missing = |program: &str| {
        Command::new(program)
            .arg("--version")
            .output()
            .err()
            .map(|error| format!("{program}: {error}"))
    };
    let firmware = (!Path::new(FIRMWARE).exists()).then(|| format!("{FIRMWARE} is not there"));
    missing("qemu-system-x86_64")
        .or_else(|| missing("mcopy"))
        .or(firmware)
}

/// The box.
#[derive(Debug)]
pub struct Machine {
    dir: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Machine {
    /// Writes the image to a disk of this size.
    pub fn new(dir: &Path, image: &Path, disk_bytes: u64) -> Result<Self> {
        let disk = dir.join("disk.img");
        run("cp", &["--sparse=always", &path(image), &path(&disk)])?;
        std::fs::File::options()
            .write(true)
            .open(&disk)?
            .set_len(disk_bytes)?;
        std::fs::copy(VARIABLES, dir.join("variables.fd")).context(VARIABLES)?;
        // Free now; between this and QEMU's own bind nobody else on this machine is asked for it.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self {
            dir: dir.to_owned(),
            port,
            process: None,
        })
    }

    /// Where its page answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What came over the serial line, over all boots.
    pub fn log(&self) -> PathBuf {
        self.dir.join("serial.log")
    }

    /// Switches it on.
    pub fn boot(&mut self) -> Result<()> {
        let drive = |name: &str, kind: &str| {
            format!("file={},format=raw,{kind}", path(&self.dir.join(name)))
        };
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-machine", "q35", "-cpu", "max"])
            .args(["-accel", accelerator()])
            .args(["-smp", &PROCESSORS.to_string()])
            .args(["-m", &MEMORY_MIB.to_string()])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-serial", "stdio"])
            .arg("-monitor")
            .arg(format!("unix:{},server=on,wait=off", path(&self.monitor())))
            .arg("-drive")
            .arg(format!("if=pflash,format=raw,readonly=on,file={FIRMWARE}"))
            .arg("-drive")
            .arg(drive("variables.fd", "if=pflash"))
            .arg("-drive")
            // The power of this machine stays on: its own flushes need not reach a disk.
            .arg(drive("disk.img", "if=none,id=disk,cache=unsafe"))
            .args(["-device", "virtio-blk-pci,drive=disk,bootindex=0"])
            .args(["-device", "virtio-rng-pci"])
            .args(["-device", "qemu-xhci,id=usb"])
            .args(["-device", "i6300esb", "-action", "watchdog=reset"])
            .arg("-netdev")
            .arg(format!(
                "user,id=net,hostfwd=tcp:127.0.0.1:{}-:{PORT}",
                self.port
            ))
            .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        self.process = Some(Process::start("machine", &command, &self.log())?);
        Ok(())
    }

    fn monitor(&self) -> PathBuf {
        self.dir.join("monitor")
    }

    /// Puts in a USB stick with this update on it.
    pub fn put_in_stick(&self, update: &Path) -> Result<()> {
        let stick = path(&self.dir.join("stick.img"));
        let bytes = update.metadata()?.len() + (64 << 20);
        std::fs::File::create(&stick)?.set_len(bytes)?;
        run("mkfs.vfat", &["-F", "32", "-n", "HOLDFAST", &stick])?;
        run("mcopy", &["-i", &stick, &path(update), "::/holdfast.raucb"])?;
        let mut monitor = UnixStream::connect(self.monitor()).context("QEMU's monitor")?;
        writeln!(
            monitor,
            "drive_add 0 if=none,id=stick,format=raw,readonly=on,file={stick}\n\
             device_add usb-storage,bus=usb.0,drive=stick"
        )?;
        // It reads no further once we are gone.
        let mut answer = [0; 4096];
        monitor.set_read_timeout(Some(Duration::from_secs(2)))?;
        while std::io::Read::read(&mut monitor, &mut answer).is_ok_and(|read| read > 0) {}
        Ok(())
    }

    /// How often a text came over the serial line.
    pub fn count(&self, text: &str) -> Result<usize> {
        let log = std::fs::read(self.log())?;
        Ok(String::from_utf8_lossy(&log).matches(text).count())
    }

    /// Waits until a text has come so often.
    pub async fn said(&mut self, text: &str, times: usize, patience: Duration) -> Result<()> {
        let log = self.log();
        let alive = self.process.as_mut().is_some_and(Process::is_running);
        ensure!(alive, "the machine has ended:\n{}", tail(&log, 40));
        let what = format!("the serial line says {text:?} {times} times");
        eventually_within(&what, patience, || async {
            match self.count(text) {
                Ok(count) if count >= times => Ok(()),
                _ => Err(tail(&log, 40)),
            }
        })
        .await
    }

    /// The name of the box as the screen showed it last.
    pub fn name(&self) -> Result<String> {
        let log = std::fs::read(self.log())?;
        let log = String::from_utf8_lossy(&log);
        let (_, after) = log
            .rsplit_once(" on holdfast-")
            .context("the screen has not shown the name of the box")?;
        let end: String = after
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        Ok(format!("holdfast-{end}"))
    }

    /// Takes the power away.
    pub fn end(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill_hard()?;
        }
        Ok(())
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
