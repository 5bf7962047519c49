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
use serde::{Deserialize, Serialize};
use wire::resource::BoxClock;

use crate::model::time::UtcTime;

/// Carries out orders; where it is not, the clock is set in the system that the box has.
pub const SERVICE: &str = "/usr/libexec/holdfast/set-clock";

/// This program did not exist earlier: 2026-01-01.
pub const EARLIEST_S: i64 = 1_767_225_600;
/// Nobody means a later time: 2100-01-01.
const LATEST_S: i64 = 4_102_444_800;

const ORDER: &str = "order.json";
/// Longest order that is read back.
const ORDER_BYTES_MAX: u64 = 4_096;
/// After this a service that has not carried an order out will not do so any more.
const TAKEN_UP_S: u64 = 180;
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

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    at_s: i64,
    up_s: u64,
    boot: String,
}

/// The clock, as people see and set it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OwnClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    service: PathBuf,
    ask: fn() -> ClockSync,
}

impl OwnClock {
    /// Over a state folder, what carries out orders ([`SERVICE`]), and who knows whether a time server keeps the clock
    /// ([`ClockSync::ask`]).
    pub fn new(state: &Path, service: impl Into<PathBuf>, ask: fn() -> ClockSync) -> Self {
        Self(Arc::new(Inner {
            folder: state.join("clock"),
            service: service.into(),
            ask,
        }))
    }

    /// What it shows and who keeps it. Blocking, for a moment.
    pub fn status(&self) -> BoxClock {
        let sync = (self.0.ask)();
        BoxClock {
            now: Timestamp::now().into(),
            follows_server: sync.follows_server(),
            can_be_set: self.is_offered() && sync != ClockSync::Synchronised,
            ordered: self.is_ordered(),
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
        if (self.0.ask)() == ClockSync::Synchronised {
            return Err(SetClockError::Followed);
        }
        if self.is_ordered() {
            return Err(SetClockError::Busy);
        }
        let order = Order {
            at_s: now.seconds(),
            up_s,
            boot: boot_id().map_err(at(BOOT_ID))?,
        };
        let write = || {
            base::durable::create_dir_all(&self.0.folder)?;
            let text = serde_json::to_vec(&order).map_err(io::Error::other)?;
            base::durable::replace(&self.order_file(), &text, 0o644)
        };
        write().map_err(at(&self.0.folder))?;
        Ok(self.status())
    }

    /// Whether the service is still about to carry out an order. What it cannot read it throws away.
    fn is_ordered(&self) -> bool {
        let read = base::untrusted::read_if_there(&self.order_file(), ORDER_BYTES_MAX);
        let order = read
            .ok()
            .flatten()
            .and_then(|bytes| serde_json::from_slice::<Order>(&bytes).ok());
        order.is_some_and(|order| {
            let waits_s = up_seconds().and_then(|up_s| up_s.checked_sub(order.up_s));
            boot_id().is_ok_and(|boot| boot == order.boot)
                && waits_s.is_some_and(|waits_s| waits_s < TAKEN_UP_S)
        })
    }

    fn is_offered(&self) -> bool {
        self.0.service.exists()
    }

    fn order_file(&self) -> PathBuf {
        self.0.folder.join(ORDER)
    }
}

fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> SetClockError {
    let path = path.into();
    move |source| SetClockError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_follows_a_time_server_is_not_set() {
        let dir = tempfile::tempdir().unwrap();
        let service = dir.path().join("set-clock");
        std::fs::write(&service, "").unwrap();
        let now = UtcTime::from(Timestamp::now());
        for (ask, can_be_set) in [
            ((|| ClockSync::Synchronised) as fn() -> ClockSync, false),
            (|| ClockSync::Free, true),
            (|| ClockSync::Unknown, true),
        ] {
            let clock = OwnClock::new(dir.path(), &service, ask);
            assert_eq!(clock.status().can_be_set, can_be_set, "{:?}", ask());
            assert_eq!(clock.set(now).is_ok(), can_be_set, "{:?}", ask());
            base::durable::remove_if_there(&clock.order_file()).unwrap();
        }
    }

    #[test]
    fn an_order_is_waited_for_while_the_service_may_take_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let clock = OwnClock::new(dir.path(), "/nowhere", || ClockSync::Free);
        std::fs::create_dir_all(dir.path().join("clock")).unwrap();
        let (boot, up_s) = (boot_id().unwrap(), up_seconds().unwrap());
        let order = |boot: &str, up_s: u64| {
            serde_json::json!({ "at_s": 1_800_000_000, "up_s": up_s, "boot": boot }).to_string()
        };
        for (text, is_waited_for) in [
            (order(&boot, up_s), true),
            (order(&boot, up_s.saturating_sub(TAKEN_UP_S)), false),
            (order(&boot, up_s + 1_000), false),
            (order("another", up_s), false),
            ("{".to_owned(), false),
        ] {
            std::fs::write(clock.order_file(), &text).unwrap();
            assert_eq!(clock.is_ordered(), is_waited_for, "{text}");
        }
    }
}
