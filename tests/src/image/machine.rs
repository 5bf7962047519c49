//! A virtual box: UEFI, a disk with the image on it, a network card, a watchdog, and a USB port.
//!
//! Where there is no hardware for it, QEMU emulates the processor: slower, and as good for this.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::firmware::Watch;
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

/// What stands on its label; it is named after the end of it.
const SERIAL: &str = "HF-2026-00417731";
/// What that makes of it.
pub const NAME: &str = "holdfast-00417731";

/// File and serial number of the second disk.
const SECOND: &str = "second.img";
const SECOND_SERIAL: &str = "SECOND-7F3A";

/// How long QEMU may take to listen.
const MONITOR_PATIENCE: Duration = Duration::from_secs(60);

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
    ssh_port: u16,
    /// Whether there is a second disk.
    second: bool,
    /// Sticks that were put in so far.
    sticks: u32,
    process: Option<Process>,
    watch: Option<Watch>,
    /// How often the firmware had lost a processor.
    firmware_hangs: Arc<AtomicU32>,
}

/// A USB stick's image.
#[derive(Debug, Clone)]
pub struct Stick(PathBuf);

impl Stick {
    /// Makes one, with files or folders under these names.
    pub fn new(image: &Path, holds: &[(&str, &Path)]) -> Result<Self> {
        let stick = path(image);
        let mut bytes = 64 << 20;
        for (_, from) in holds {
            bytes += run("du", &["-sb", &path(from)])?
                .split_whitespace()
                .next()
                .context("du")?
                .parse::<u64>()?;
        }
        std::fs::File::create(image)?.set_len(bytes)?;
        run("mkfs.vfat", &["-F", "32", "-n", "HOLDFAST", &stick])?;
        for (name, from) in holds {
            run(
                "mcopy",
                &["-s", "-i", &stick, &path(from), &format!("::/{name}")],
            )?;
        }
        Ok(Self(image.to_owned()))
    }
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
        // Free now; between this and QEMU's own bind nobody else on this machine is asked for them.
        let free = || -> Result<TcpListener> { Ok(TcpListener::bind("127.0.0.1:0")?) };
        let (page, ssh) = (free()?, free()?);
        Ok(Self {
            dir: dir.to_owned(),
            port: page.local_addr()?.port(),
            ssh_port: ssh.local_addr()?.port(),
            second: false,
            sticks: 0,
            process: None,
            watch: None,
            firmware_hangs: Arc::default(),
        })
    }

    /// Adds a second disk, an empty one of this size, which is there from the next start on; its serial number.
    pub fn add_disk(&mut self, bytes: u64) -> Result<&'static str> {
        std::fs::File::create(self.dir.join(SECOND))?.set_len(bytes)?;
        self.second = true;
        Ok(SECOND_SERIAL)
    }

    /// Where its page answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where its SSH answers, once that is open.
    pub fn ssh_port(&self) -> u16 {
        self.ssh_port
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
        // Tables of five levels cost an emulated processor a quarter of its speed.
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-machine", "q35", "-cpu", "max,la57=off"])
            .args(["-accel", accelerator()])
            .args(["-smp", &PROCESSORS.to_string()])
            .args(["-m", &MEMORY_MIB.to_string()])
            .args(["-smbios", &format!("type=1,serial={SERIAL}")])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .arg("-chardev")
            .arg(format!(
                "socket,id=serial,path={},server=on,wait=off,logfile={},logappend=on",
                path(&self.keyboard()),
                path(&self.log())
            ))
            .args(["-serial", "chardev:serial"])
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
            .args(["-device", "VGA"])
            .args(["-device", "qemu-xhci,id=usb"])
            .args(["-device", "i6300esb", "-action", "watchdog=reset"])
            .arg("-netdev")
            .arg(format!(
                "user,id=net,hostfwd=tcp:127.0.0.1:{}-:{PORT},hostfwd=tcp:127.0.0.1:{}-:22",
                self.port, self.ssh_port
            ))
            .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        if self.second {
            command
                .arg("-drive")
                .arg(drive(SECOND, "if=none,id=second,cache=unsafe"))
                .arg("-device")
                .arg(format!(
                    "virtio-blk-pci,drive=second,serial={SECOND_SERIAL}"
                ));
        }
        base::durable::remove_if_there(&self.monitor())?;
        base::durable::remove_if_there(&self.keyboard())?;
        self.process = Some(Process::start("machine", &command, &self.log())?);
        let begun = Instant::now();
        while let Err(error) = UnixStream::connect(self.monitor()) {
            ensure!(
                begun.elapsed() < MONITOR_PATIENCE,
                "QEMU's monitor: {error}\n{}",
                tail(&self.log(), 10)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        self.watch = Some(Watch::begin(self.monitor(), self.firmware_hangs.clone()));
        Ok(())
    }

    /// How often its firmware had lost a processor so far, and the reset button was pressed for that.
    pub fn firmware_hangs(&self) -> u32 {
        self.firmware_hangs.load(Ordering::SeqCst)
    }

    fn monitor(&self) -> PathBuf {
        self.dir.join("monitor")
    }

    /// What the screen shows, as a picture (PPM) in the folder of the machine; the share of it that is not black.
    pub fn screen(&self) -> Result<f64> {
        let picture = self.dir.join("screen.ppm");
        base::durable::remove_if_there(&picture)?;
        self.tell(&format!("screendump {}", path(&picture)))?;
        let bytes = std::fs::read(&picture).context("the picture of the screen")?;
        let lit = bytes.iter().filter(|byte| **byte > 64).count();
        Ok(lit as f64 / bytes.len().max(1) as f64)
    }

    fn keyboard(&self) -> PathBuf {
        self.dir.join("keyboard")
    }

    /// Types a line at the other end of the serial line, and waits until something is said to that.
    pub fn type_line(&self, line: &str, answer: &str) -> Result<()> {
        let mut keyboard = UnixStream::connect(self.keyboard()).context("the serial line")?;
        write!(keyboard, "{line}\r")?;
        read_until(&mut keyboard, answer).with_context(|| format!("{line:?} was typed"))?;
        Ok(())
    }

    /// Says something to QEMU's monitor, and waits until it was heard.
    fn tell(&self, commands: &str) -> Result<()> {
        ask(&self.monitor(), commands).map(|_| ())
    }

    /// Where its processors are and what its screen shows, for whoever wonders why it says nothing.
    pub fn condition(&self) -> String {
        let look = || -> Result<String> {
            let told = ask(&self.monitor(), "info registers -a")?;
            let of_use = |line: &&str| line.contains("CPU#") || line.contains("RIP=");
            Ok(told.lines().filter(of_use).collect::<Vec<_>>().join("\n"))
        };
        let looks: Vec<String> = (0..3)
            .map(|_| {
                std::thread::sleep(Duration::from_secs(1));
                look().unwrap_or_else(|error| format!("{error:#}"))
            })
            .collect();
        let screen = match self.screen() {
            Ok(lit) => format!("{:.1} % of the screen is lit (screen.ppm)", 100.0 * lit),
            Err(error) => format!("{error:#}"),
        };
        format!("{}\n{screen}", looks.join("\n"))
    }

    /// Puts in a USB stick.
    pub fn put_in(&mut self, stick: &Stick) -> Result<()> {
        // A device that was taken out is gone only once the system in there has let go of it.
        self.sticks += 1;
        let n = self.sticks;
        self.tell(&format!(
            "drive_add 0 if=none,id=drive{n},format=raw,readonly=on,file={}\n\
             device_add usb-storage,bus=usb.0,drive=drive{n},id=stick{n}",
            path(&stick.0)
        ))
    }

    /// Takes out the one that was put in last.
    pub fn take_out(&self) -> Result<()> {
        self.tell(&format!("device_del stick{}", self.sticks))
    }

    /// The button that nobody should have to press: processor and memory begin anew, at any moment.
    pub fn reset(&self) -> Result<()> {
        self.tell("system_reset")
    }

    /// How much came over the serial line so far.
    pub fn mark(&self) -> Result<usize> {
        Ok(self.log().metadata()?.len() as usize)
    }

    /// How often a text came over the serial line.
    pub fn count(&self, text: &str) -> Result<usize> {
        self.count_since(0, text)
    }

    /// The same, after a mark.
    pub fn count_since(&self, mark: usize, text: &str) -> Result<usize> {
        let log = std::fs::read(self.log())?;
        let since = log.get(mark..).unwrap_or_default();
        Ok(String::from_utf8_lossy(since).matches(text).count())
    }

    /// Waits until a text comes after a mark.
    pub async fn says_since(&mut self, mark: usize, text: &str, patience: Duration) -> Result<()> {
        self.says_one_of(mark, &[text], patience).await.map(|_| ())
    }

    /// Waits until one of these comes after a mark; which.
    pub async fn says_one_of<'a>(
        &mut self,
        mark: usize,
        texts: &[&'a str],
        patience: Duration,
    ) -> Result<&'a str> {
        let log = self.log();
        let alive = self.process.as_mut().is_some_and(Process::is_running);
        ensure!(alive, "the machine has ended:\n{}", tail(&log, 40));
        let what = format!("the serial line says one of {texts:?}");
        eventually_within(&what, patience, || async {
            let said = |text: &&&str| self.count_since(mark, text).is_ok_and(|count| count > 0);
            texts
                .iter()
                .find(said)
                .copied()
                .ok_or_else(|| tail(&log, 40))
        })
        .await
        .with_context(|| self.condition())
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
        self.watch = None;
        if let Some(mut process) = self.process.take() {
            process.kill_hard()?;
        }
        Ok(())
    }
}

/// What QEMU's monitor answers.
pub fn ask(monitor: &Path, commands: &str) -> Result<String> {
    let mut monitor = UnixStream::connect(monitor).context("QEMU's monitor")?;
    // It reads no further once we are gone, so the answer to the last one is waited for.
    writeln!(monitor, "{commands}\ninfo status")?;
    read_until(&mut monitor, "VM status:").context("QEMU's monitor")
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Reads what comes until it holds this.
fn read_until(from: &mut UnixStream, text: &str) -> Result<String> {
    from.set_read_timeout(Some(Duration::from_secs(30)))?;
    let (mut told, mut part) = (Vec::new(), [0; 4096]);
    while !told.windows(text.len()).any(|seen| seen == text.as_bytes()) {
        let read = from
            .read(&mut part)
            .with_context(|| format!("{text:?} is waited for"))?;
        ensure!(read > 0, "QEMU has gone");
        told.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8_lossy(&told).into_owned())
}
