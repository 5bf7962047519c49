//! Sealing the key of stored passwords with the box's TPM: whoever takes the disk away has nothing that opens.
//!
//! `systemd-creds` (systemd 250 and newer) does the sealing: it knows the TPMs, and what it makes is documented and can
//! be opened by hand. Bound to PCR 7, the state of Secure Boot, which updates of the system do not change. The key goes
//! through pipes, never through arguments or files.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

/// The kernel's door to a TPM that several programs may use.
const DEVICE: &str = "/dev/tpmrm0";
/// Name that is bound into what is sealed.
const NAME: &str = "holdfast-secrets";
/// State of Secure Boot.
const PCR: &str = "7";
/// A TPM is slow; one that takes longer than this is broken.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer: a sealed key has about 600 bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// `tpm` of `[state]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum TpmSetting {
    /// Where the box has one.
    #[default]
    Auto,
    /// Never: the key lies in its file.
    Off,
    /// This one, and nothing else will do: a device (`/dev/tpmrm0`) or a driver and its parameter (`swtpm:port=2321`).
    Device(String),
}

impl From<String> for TpmSetting {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "off" => Self::Off,
            _ => Self::Device(text),
        }
    }
}

/// A TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tpm {
    device: String,
    /// Nothing else will do.
    pub required: bool,
}

impl Tpm {
    /// The one that is to be used; None: there is none, or it is not to be used.
    pub fn find(setting: &TpmSetting) -> Option<Self> {
        match setting {
            TpmSetting::Off => None,
            TpmSetting::Auto => Path::new(DEVICE).exists().then(|| Self {
                device: DEVICE.to_owned(),
                required: false,
            }),
            TpmSetting::Device(device) => Some(Self {
                device: device.clone(),
                required: true,
            }),
        }
    }

    /// Seals a key: text that opens on this box only.
    pub fn seal(&self, key: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let pcrs = format!("--tpm2-pcrs={PCR}");
        self.run(&["encrypt", "--with-key=tpm2", &pcrs], key)
    }

    /// Opens what was sealed.
    pub fn open(&self, sealed: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        self.run(&["decrypt"], sealed)
    }

    fn run(&self, task: &[&str], input: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut command = Command::new("systemd-creds");
        command
            .args(task)
            .arg(format!("--name={NAME}"))
            .arg(format!("--tpm2-device={}", self.device))
            .args(["-", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Short-lived: without a guard, and killed with its group when this gives up.
        command.process_group(0);
        let child = base::child::spawn(command).map_err(|e| {
            io::Error::new(e.kind(), format!("systemd-creds cannot be started: {e}"))
        })?;
        let mut child = base::child::NoLeakChild::new(child, "systemd-creds");
        let inner = child.inner();
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (inner.stdin.take(), inner.stdout.take(), inner.stderr.take())
        else {
            return Err(io::Error::other("systemd-creds has no pipes"));
        };
        let read = |from: &mut dyn Read| -> io::Result<Zeroizing<Vec<u8>>> {
            let mut bytes = Zeroizing::new(Vec::new());
            from.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        std::thread::scope(|scope| {
            let answer = scope.spawn(move || read(&mut { stdout }));
            let said = scope.spawn(move || read(&mut { stderr }));
            // It may end without having read: its words say why.
            let written = stdin.write_all(input);
            drop(stdin);
            let Some(status) = child.wait_within(PATIENCE)? else {
                child.kill()?;
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the TPM {} did not answer for {PATIENCE:?}", self.device),
                ));
            };
            let panicked = |_| io::Error::other("a reader of systemd-creds panicked");
            let answer = answer.join().map_err(panicked)??;
            let said = said.join().map_err(panicked)??;
            if status.success() {
                return written.map(|()| answer);
            }
            let said = String::from_utf8_lossy(&said);
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            Err(io::Error::other(format!(
                "the TPM {}: {}",
                self.device,
                last.unwrap_or("systemd-creds failed without a word")
            )))
        })
    }
}
