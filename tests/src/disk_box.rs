//! A box around the scripts of the image that look at disks and adopt them: a root of its own over this machine's, loop
//! devices in place of disks, and what stands for udev and systemd. The scripts are the real ones and so are all the
//! programs that they call: a disk is partitioned, formatted and mounted as on an appliance.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::eventually::eventually;
use crate::process::program;
use crate::storage::loop_disk;

/// Where programs of the system lie in the box, those that stand for others first.
const PATH: &str = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the box in the folder `$1` with the scripts of `$2`, and lives until it is told to end.
const SETUP: &str = r#"set -eu
mount -t tmpfs box "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" box "$1/root"
cd "$1/root"
mkdir -p data mnt run var/lib/holdfast etc/holdfast usr/libexec/holdfast usr/lib/holdfast usr/local/bin
for place in dev proc sys; do mount --rbind "/$place" "$place"; done
for place in mnt run data; do mount -t tmpfs "$place" "$place"; done
cp "$2"/* usr/libexec/holdfast/
chmod 755 usr/libexec/holdfast/*
echo 0.1.0+1 > usr/lib/holdfast/version
grep -q '^holdfast:' etc/passwd || echo 'holdfast:x:950:950::/var/lib/holdfast:/bin/false' >> etc/passwd
grep -q '^holdfast:' etc/group || echo 'holdfast:x:950:' >> etc/group
chown 950:950 var/lib/holdfast
mkdir -p run/udev/data run/box/serial run/kill
: > run/box/disks
exec chroot . sh -c 'echo ready; exec cat'
"#;

/// Loop devices count as disks, and those of this box are all that there are.
const LSBLK: &str = r#"#!/bin/bash
set -o pipefail
words=()
while (($#)); do
	if [[ $1 == --exclude ]]; then
		[[ -s /run/box/disks ]] || exit 0
		mapfile -t -O "${#words[@]}" words < /run/box/disks
		shift
	else words+=("$1"); fi
	shift
done
/usr/bin/lsblk "${words[@]}" | sed -E 's/(^|[[:space:]])loop($|[[:space:]])/\1disk\2/'
"#;

/// What udev does when something changes: finds partitions, and writes down what is where.
const UDEVADM: &str = r#"#!/bin/bash
[[ $1 == settle ]] || exit 1
rm -f /run/udev/data/*
while read -r disk; do
	partx --delete "$disk" 2> /dev/null
	partx --add "$disk" 2> /dev/null
	for device in "$disk" "$disk"p*; do
		[[ -b $device ]] || continue
		{
			echo I:1
			echo E:ID_MODEL=Trial_Disk
			[[ $device != "$disk" ]] || echo "E:ID_SERIAL_SHORT=$(cat "/run/box/serial/${disk##*/}")"
			blkid -p -o udev "$device" | sed 's/^/E:/'
			echo V:1
		} > "/run/udev/data/b$(cat "/sys/class/block/${device##*/}/dev")"
	done
done < /run/box/disks
exit 0
"#;

const SYSTEMCTL: &str = r#"#!/bin/bash
echo "$*" >> /run/box/systemctl
case "$*" in
restart\ holdfast-disk@*) part=${2#*@}; exec /usr/libexec/holdfast/mount-disk "${part%.service}" ;;
"start holdfast-disks.service") exec /usr/libexec/holdfast/list-disks ;;
esac
"#;

/// Counts the commands of a script, and kills it before one of them, with all that it has started.
const KILLER: &str = r#"#!/bin/bash
read -r n < /run/kill/n
read -r at < /run/kill/at
echo $((n + 1)) > /run/kill/n
[[ $n != "$at" ]] || kill -KILL 0
PATH=${PATH#/usr/local/kill:}
exec "${0##*/}" "$@"
"#;

/// Commands before which a script is killed.
const KILLED_BEFORE: [&str; 14] = [
    "chmod",
    "install",
    "mkdir",
    "mkfs.ext4",
    "mount",
    "mv",
    "rm",
    "setpriv",
    "sfdisk",
    "sync",
    "systemctl",
    "touch",
    "udevadm",
    "umount",
];

/// How the order of a disk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `good`, `refused` or `failed`.
    pub result: String,
    /// Why.
    pub reason: String,
}

/// The box.
#[derive(Debug)]
pub struct DiskBox {
    dir: TempDir,
    life: Child,
    disks: Vec<String>,
}

/// A device that is mounted where the box does not see it.
#[derive(Debug)]
pub struct Elsewhere(Child);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

/// The agent in a box, as the user that it has there. Ends when dropped.
#[derive(Debug)]
pub struct BoxAgent {
    process: Child,
    /// Where it answers.
    pub base: String,
}

impl BoxAgent {
    /// Tells it to stop and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.process.id())?);
        kill(pid, Signal::SIGTERM)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the agent ended with {status}");
        Ok(())
    }
}

impl Drop for BoxAgent {
    fn drop(&mut self) {
        // After `stop` there is nobody to kill.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Why there can be none here; none when there can.
pub fn why_not() -> Option<String> {
    loop_disk::why_not().or_else(|| {
        let programs = [
            "sfdisk",
            "debugfs",
            "partx",
            "e2fsck",
            "mkfs.ext4",
            "setpriv",
            "nsenter",
            "setsid",
        ];
        let is_missing = |program: &&&str| {
            let mut folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter();
            !folders.any(|folder| Path::new(folder).join(program).exists())
        };
        let missing = programs.iter().find(is_missing)?;
        Some(format!("{missing} is not installed"))
    })
}

impl DiskBox {
    /// A box without any disk but its own.
    pub fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let place = dir.path().join("box");
        std::fs::create_dir(&place)?;
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../image/root/usr/libexec/holdfast")
            .canonicalize()?;
        let mut unshare = Command::new("unshare");
        unshare
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                SETUP,
                "sh",
            ])
            .arg(&place)
            .arg(scripts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut life = base::child::spawn(unshare).context("unshare")?;
        let mut said = String::new();
        let words = life.stdout.take().context("its words")?;
        BufReader::new(words).read_line(&mut said)?;
        let box_ = Self {
            dir,
            life,
            disks: Vec::new(),
        };
        ensure!(said == "ready\n", "the box could not be made");
        // What is written there is never written to this machine.
        ensure!(
            box_.has("/run/box/disks") && !Path::new("/run/box/disks").exists(),
            "the box has not got a root of its own"
        );
        box_.program("/usr/local/bin/lsblk", LSBLK)?;
        box_.program("/usr/local/bin/udevadm", UDEVADM)?;
        box_.program("/usr/local/bin/systemctl", SYSTEMCTL)?;
        for name in KILLED_BEFORE {
            box_.program(&format!("/usr/local/kill/{name}"), KILLER)?;
        }
        box_.run(&["mkdir", "-p", "/var/lib/holdfast/disks"])?;
        box_.run(&["chown", "950:950", "/var/lib/holdfast/disks"])?;
        Ok(box_)
    }

    /// A path of the box as it is seen from here.
    fn seen(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.life.id()))
    }

    /// Writes a file of the box.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        std::fs::write(self.seen(path), text).with_context(|| path.to_owned())
    }

    /// Reads one.
    pub fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.seen(path)).with_context(|| path.to_owned())
    }

    /// Whether there is one.
    pub fn has(&self, path: &str) -> bool {
        self.seen(path).exists()
    }

    fn program(&self, path: &str, text: &str) -> Result<()> {
        let at = self.seen(path);
        std::fs::create_dir_all(at.parent().context("a folder")?)?;
        std::fs::write(&at, text)?;
        Ok(std::fs::set_permissions(
            at,
            std::fs::Permissions::from_mode(0o755),
        )?)
    }

    fn command(&self, path: &str, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.life.id().to_string()])
            .args(["--mount", "--root", "--wdns=/", "env", "-i"])
            .args([&format!("PATH={path}"), "LC_ALL=C", "setsid", "--wait"])
            .args(words);
        command
    }

    /// Runs a program in the box; its words.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let output = self.command(PATH, words).output()?;
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told).trim().to_owned();
        ensure!(
            output.status.success(),
            "{words:?}: {}: {told}",
            output.status
        );
        Ok(told)
    }

    /// Starts the agent, and waits until it is ready.
    pub async fn start_agent(&self) -> Result<BoxAgent> {
        const ADDRESS: &str = "/var/lib/holdfast/run/address.json";
        if !self.has("/usr/bin/edge-agent") {
            let at = self.seen("/usr/bin/edge-agent");
            std::fs::copy(program("edge-agent")?, at)?;
            self.write(
                "/etc/holdfast/agent.toml",
                "[api]\nlisten = \"127.0.0.1:0\"\n",
            )?;
        }
        let mut command = self.command(
            PATH,
            &[
                "setpriv",
                "--reuid=holdfast",
                "--regid=holdfast",
                "--clear-groups",
                "/usr/bin/edge-agent",
                "run",
            ],
        );
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut agent = BoxAgent {
            process: base::child::spawn(command)?,
            base: String::new(),
        };
        agent.base = eventually("the agent is ready", async || {
            let address: Value = serde_json::from_str(&self.read(ADDRESS)?)?;
            let base = address["api"].as_str().context("its address")?.to_owned();
            let ready = Client::new(&base, None)?;
            let answer = ready.request(Method::GET, "/ready").send().await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            Ok(base)
        })
        .await?;
        Ok(agent)
    }

    /// Puts an empty disk in. Gives its name.
    pub fn put_in(&mut self, serial: &str, mib: u64) -> Result<String> {
        std::fs::File::create(self.image(self.disks.len()))?.set_len(mib << 20)?;
        self.plug_in(serial)
    }

    /// Puts a copy of another one in, by the order in which they came. Gives its name.
    pub fn put_in_copy_of(&mut self, other: usize, serial: &str) -> Result<String> {
        let [from, to] = [other, self.disks.len()].map(|it| self.image(it).display().to_string());
        loop_disk::run("cp", &["--sparse=always", &from, &to])?;
        self.plug_in(serial)
    }

    fn image(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("disk-{number}"))
    }

    fn plug_in(&mut self, serial: &str) -> Result<String> {
        let image = self.image(self.disks.len()).display().to_string();
        let device = loop_disk::run("losetup", &["--find", "--show", &image])?;
        let name = device.trim_start_matches("/dev/").to_owned();
        self.disks.push(device);
        self.write(&format!("/run/box/serial/{name}"), serial)?;
        self.write("/run/box/disks", &(self.disks.join("\n") + "\n"))?;
        Ok(name)
    }

    /// The disks as the agent is told of them.
    pub fn list(&self) -> Result<Vec<Value>> {
        self.run(&["/usr/libexec/holdfast/list-disks"])?;
        let list: Value = serde_json::from_str(&self.read("/run/holdfast-disks/disks.json")?)?;
        Ok(list["disks"].as_array().context("disks")?.clone())
    }

    /// One of them.
    pub fn listed(&self, name: &str) -> Result<Value> {
        let mut disks = self.list()?.into_iter();
        disks
            .find(|disk| disk["name"] == name)
            .with_context(|| format!("{name} is not listed"))
    }

    /// Mounts a device where nobody else sees it, until what this gives is dropped.
    pub fn mounted_elsewhere(&self, device: &str) -> Result<Elsewhere> {
        let script = format!("mount {device} /tmp && echo ready && exec cat");
        let words = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
        ];
        let mut holding = self.command(PATH, &words);
        holding.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = base::child::spawn(holding)?;
        let mut said = String::new();
        let told = holder.stdout.take().context("its words")?;
        BufReader::new(told).read_line(&mut said)?;
        ensure!(said == "ready\n", "{device} could not be mounted");
        Ok(Elsewhere(holder))
    }

    /// Writes an order as the agent does.
    pub fn order(&self, disk: &Value) -> Result<()> {
        let order =
            serde_json::json!({ "id": disk["id"], "bytes": disk["bytes"], "seen": disk["seen"] });
        self.order_text(&order.to_string())
    }

    /// Writes whatever may stand in an order.
    pub fn order_text(&self, text: &str) -> Result<()> {
        self.write("/var/lib/holdfast/disks/order.json", text)
    }

    /// Carries out the order that lies there.
    pub fn carry_out(&self) -> Result<Outcome> {
        // It may end with a failure, which it tells.
        let output = self
            .command(PATH, &["/usr/libexec/holdfast/adopt-disk"])
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !self.has("/var/lib/holdfast/disks/order.json"),
            "the order stands: {said}"
        );
        self.outcome().with_context(|| said)
    }

    fn outcome(&self) -> Result<Outcome> {
        let told: Value =
            serde_json::from_str(&self.read("/var/lib/holdfast/disks/outcome.json")?)?;
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        Ok(Outcome {
            result: text("result"),
            reason: text("reason"),
        })
    }

    /// Carries out the order and is killed before the command of this number, from 0. False where it had ended before.
    pub fn carry_out_and_kill(&self, at: u32) -> Result<bool> {
        self.write("/run/kill/n", "0\n")?;
        self.write("/run/kill/at", &format!("{at}\n"))?;
        let path = format!("/usr/local/kill:{PATH}");
        let status = self
            .command(&path, &["/usr/libexec/holdfast/adopt-disk"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(!status.success())
    }

    /// The box is started again: nothing is mounted, what its units do at each start is done.
    pub fn start_again(&self) -> Result<()> {
        self.run(&[
            "sh",
            "-c",
            "umount /run/holdfast-new-disk /mnt/* 2> /dev/null; rm -rf /run/holdfast*; true",
        ])?;
        self.run(&["udevadm", "settle"])?;
        for disk in self.list()? {
            for part in disk["contents"].as_array().into_iter().flatten() {
                if part["part_label"] == "holdfast-footage" {
                    let part = part["name"].as_str().context("name")?;
                    self.run(&["/usr/libexec/holdfast/mount-disk", part])?;
                }
            }
        }
        if self.has("/var/lib/holdfast/disks/order.json") {
            self.carry_out()?;
        }
        Ok(())
    }
}

impl Drop for DiskBox {
    fn drop(&mut self) {
        let umount = "umount /run/holdfast-new-disk /mnt/* /data 2> /dev/null; true";
        drop(self.command(PATH, &["sh", "-c", umount]).output());
        for disk in &self.disks {
            drop(Command::new("partx").args(["--delete", disk]).output());
            drop(Command::new("losetup").args(["--detach", disk]).output());
        }
        drop(self.life.stdin.take());
        drop(self.life.wait());
    }
}
