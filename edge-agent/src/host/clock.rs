//! The box's own clock, by which recorders' clocks are judged: whether a time server keeps it, and setting it by hand where
//! none can be reached.
//!
//! The agent may not set it (`ProtectClock=`). It leaves an order, and a service of the appliance image carries that out
//! (`image/root/usr/libexec/holdfast/set-clock`):
//!
//! ```text
//! <state>/clock/order.json   `{"at_s", "up_s", "boot"}`: Unix time, seconds since the start of the box and the start's id,
//!                            all of the same moment; the service sets the clock and removes the order
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use wire::resource::BoxClock;

use crate::model::time::UtcTime;

/// Carries out orders; where it is not, the clock is set in the system that the box has.
pub const SERVICE: &str = "/usr/libexec/holdfast/set-clock";

/// This program did not exist earlier: 2026-01-01.
pub const EARLIEST_S: i64 = 1_767_225_600;
/// Nobody means a later time: 2100-01-01.
const LATEST_S: i64 = 4_102_444_800;

const ORDER: &str = "order.json";
/// Says how long ago the start was, and which start it was.
const UPTIME: &str = "/proc/uptime";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Whether the box's clock follows a time server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSync {
    /// It does.
    Synchronised,
    /// It runs by itself.
    Free,
    /// Nobody can say.
    Unknown,
}

impl ClockSync {
    /// Asks systemd. Blocking, for a moment.
    pub fn ask() -> Self {
        let asked = Command::new("timedatectl")
            .args(["show", "--property=NTPSynchronized", "--value"])
            .output();
        match asked {
            Ok(output) if output.status.success() => match output.stdout.trim_ascii() {
                b"yes" => Self::Synchronised,
                b"no" => Self::Free,
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    fn follows_server(self) -> Option<bool> {
        match self {
            Self::Synchronised => Some(true),
            Self::Free => Some(false),
            Self::Unknown => None,
        }
    }
}

/// How long the box has been running, in seconds, where the kernel says.
pub fn up_seconds() -> Option<u64> {
    let text = std::fs::read_to_string(UPTIME).ok()?;
    text.split('.').next()?.parse().ok()
}

/// Why the clock is not set.
#[derive(Debug, thiserror::Error)]
pub enum SetClockError {
    /// The box is not of the appliance image.
    #[error(
        "This box was not set up from the appliance image, so its clock is set in its system: `timedatectl set-time`"
    )]
    NotOffered,
    /// Somebody knows better.
    #[error(
        "A time server keeps this box's clock. A recorder that shows another time is wrong: set that one"
    )]
    Followed,
    /// It cannot be now.
    #[error("{0} cannot be the time now. Look at the clock of the device on which you see this")]
    Never(UtcTime),
    /// One at a time.
    #[error("The clock is being set already. Ask again in a moment")]
    Busy,
    /// A file of ours or of the kernel's.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Debug, Serialize)]
struct Order<'a> {
    at_s: i64,
    up_s: u64,
    boot: &'a str,
}

/// The clock, as people see and set it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OwnClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    service: PathBuf,
}

impl OwnClock {
    /// Over a state folder and what carries out orders ([`SERVICE`]).
    pub fn new(state: &Path, service: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            folder: state.join("clock"),
            service: service.into(),
        }))
    }

    /// What it shows and who keeps it. Blocking, for a moment.
    pub fn status(&self) -> BoxClock {
        let sync = ClockSync::ask();
        BoxClock {
            now: Timestamp::now().into(),
            follows_server: sync.follows_server(),
            can_be_set: self.is_offered() && sync != ClockSync::Synchronised,
            ordered: self.order_file().exists(),
        }
    }

    /// Orders that it shows `now`. Blocking, for a moment.
    pub fn set(&self, now: UtcTime) -> Result<BoxClock, SetClockError> {
        let up_s = up_seconds().ok_or_else(|| at(UPTIME)(io::ErrorKind::InvalidData.into()))?;
        if !(EARLIEST_S..LATEST_S).contains(&now.seconds()) {
            return Err(SetClockError::Never(now));
        }
        if !self.is_offered() {
            return Err(SetClockError::NotOffered);
        }
        if ClockSync::ask() == ClockSync::Synchronised {
            return Err(SetClockError::Followed);
        }
        if self.order_file().exists() {
            return Err(SetClockError::Busy);
        }
        let boot = std::fs::read_to_string(BOOT_ID).map_err(at(BOOT_ID))?;
        let order = Order {
            at_s: now.seconds(),
            up_s,
            boot: boot.trim(),
        };
        let write = || {
            base::durable::create_dir_all(&self.0.folder)?;
            let text = serde_json::to_vec(&order).map_err(io::Error::other)?;
            base::durable::replace(&self.order_file(), &text, 0o644)
        };
        write().map_err(at(&self.0.folder))?;
        Ok(self.status())
    }

    fn is_offered(&self) -> bool {
        self.0.service.exists()
    }

    fn order_file(&self) -> PathBuf {
        self.0.folder.join(ORDER)
    }
}

fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SetClockError {
    let path = path.into();
    move |source| SetClockError::Io { path, source }
}
