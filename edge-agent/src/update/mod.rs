//! Updates of the appliance's system that come from the relay or from the page (A2). Here a bundle is received in pieces,
//! waits for a quiet moment, and is ordered; the box's own update service installs it, by its signature and nothing else.
//! What the two say to each other is in [`folder`], when it is done in [`choice`] (pure), receiving in [`receive`],
//! the task that watches over it all in [`keeper`].
//!
//! All that is known lies in files: after any kill it goes on from there.

pub mod choice;
pub mod folder;
pub mod keeper;
mod receive;
mod room;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::sync::{Notify, watch};
use wire::update::{
    BUNDLE_BYTES_MAX, ImageVersion, PIECE_BYTES_MAX, Update, UpdateProgress, WaitsFor,
};

use self::choice::Settings;
use self::folder::{Folder, Outcome, Outcomes, Seen};
use crate::catalog::Catalog;
use crate::evict::Evictor;
use crate::footage::volume::Volumes;
use crate::governor::window::DayWindow;
use crate::model::retention::Bytes;

pub use self::receive::Piece;

/// `[update]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateConfig {
    /// What is received is installed in the quiet window without anybody saying so. Default: yes.
    pub automatic: bool,
    /// The quiet window. Default `"02:00-05:00"`.
    pub window: DayWindow,
    /// The zone it is meant in: `"Europe/Berlin"`. Default: the zone of this box.
    #[serde(deserialize_with = "crate::pipeline::zone_of_name")]
    pub zone: Option<TimeZone>,
    /// Days after which an update no longer waits for people and downloads, only for the window. Default 7.
    pub at_latest_days: u32,
    /// The file that names the system that runs; where it is not, the box is no appliance image.
    pub version_file: PathBuf,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self {
            automatic: true,
            window: "02:00-05:00".parse().expect("a window"),
            zone: None,
            at_latest_days: 7,
            version_file: "/usr/lib/holdfast/version".into(),
        }
    }
}

impl UpdateConfig {
    fn settings(&self) -> Settings {
        Settings {
            automatic: self.automatic,
            window: self.window,
            zone: self.zone.clone().unwrap_or_else(TimeZone::system),
            at_latest_days: self.at_latest_days,
        }
    }
}

/// Said where the box is no appliance image.
pub const NO_IMAGE: &str = "This box was not set up from the appliance image, so it takes no updates here. It is updated \
     as what it was installed from: with the Debian package, `apt install ./holdfast-agent_<version>_<arch>.deb`";

/// Why an update is not received, installed or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// This box takes none.
    #[error("{0}")]
    Unable(String),
    /// It is longer than any may be, or empty.
    #[error("a bundle has 1 to {BUNDLE_BYTES_MAX} bytes, not {0}")]
    Size(u64),
    /// It is what runs, or older.
    #[error(
        "{offered} is not newer than {running}, which runs here. A box never goes back to an older system by an update"
    )]
    NotNewer {
        /// What was offered.
        offered: String,
        /// What runs.
        running: String,
    },
    /// It was tried.
    #[error(
        "{0} was installed here before and was not well, so the box went back. Send one that is newer"
    )]
    WentBack(String),
    /// Something else is under way.
    #[error("{0}")]
    Busy(String),
    /// The piece does not begin where the last one ended.
    #[error("the next piece begins at byte {0}: send it from there")]
    Offset(u64),
    /// The piece is no piece of this bundle.
    #[error(
        "the header Content-Range must read \"bytes <first>-<last>/<length of the bundle>\", for at most {PIECE_BYTES_MAX} bytes"
    )]
    Range,
    /// It broke off.
    #[error("the piece broke off after {received_bytes} bytes ({why}). Go on from there")]
    BrokeOff {
        /// What is there now of the bundle.
        received_bytes: u64,
        /// Why.
        why: String,
    },
    /// What came is not what was announced.
    #[error(
        "the bundle is damaged: its SHA-256 is {is}, not {should}. It was removed; send it again"
    )]
    Damaged {
        /// What came.
        is: String,
        /// What was announced.
        should: String,
    },
    /// The disk has no room for it.
    #[error("there is no room for a bundle of {}: {why}", Bytes(*bytes))]
    NoRoom {
        /// Its length.
        bytes: u64,
        /// Why.
        why: String,
    },
    /// A file of ours.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> UpdateError + use<> {
    let path = path.to_owned();
    move |source| UpdateError::Io { path, source }
}

/// Updates of this box. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Updates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: UpdateConfig,
    folder: Folder,
    /// What runs; it does not change while we do.
    running: Result<Option<ImageVersion>, String>,
    catalog: Catalog,
    evictor: Evictor,
    volumes: Volumes,
    /// One at a time changes the folder.
    turn: tokio::sync::Mutex<()>,
    /// When the last piece came.
    last_piece: Mutex<Option<Instant>>,
    told: watch::Sender<Update>,
    /// Somebody said something that the keeper should look at.
    wake: Notify,
}

/// What updates need of the house.
#[derive(Debug)]
pub struct Parts {
    /// `[update]`.
    pub config: UpdateConfig,
    /// The state folder.
    pub state: PathBuf,
    /// Where people are told.
    pub catalog: Catalog,
    /// Makes room.
    pub evictor: Evictor,
    /// Where it may be made.
    pub volumes: Volumes,
}

impl Updates {
    /// Reads what lies there. Blocking, for a moment.
    pub fn open(parts: Parts) -> Result<Self, UpdateError> {
        let Parts {
            config,
            state,
            catalog,
            evictor,
            volumes,
        } = parts;
        let folder = Folder::of(&state);
        folder.make().map_err(at(folder.path()))?;
        let running = folder::running(&config.version_file);
        let told = watch::Sender::new(Update {
            running: running.clone().ok().flatten(),
            unable: None,
            automatic: config.automatic,
            window: config.window.to_string(),
            progress: UpdateProgress::None,
        });
        let updates = Self(Arc::new(Inner {
            config,
            folder,
            running,
            catalog,
            evictor,
            volumes,
            turn: tokio::sync::Mutex::default(),
            last_piece: Mutex::default(),
            told,
            wake: Notify::new(),
        }));
        let seen = updates.look()?;
        updates.tell(&seen, None);
        Ok(updates)
    }

    /// How far it is, whenever that changes.
    pub fn told(&self) -> watch::Receiver<Update> {
        self.0.told.subscribe()
    }

    /// How far it is, looked at now.
    pub fn status(&self) -> Result<Update, UpdateError> {
        let seen = self.look()?;
        // What it waits for is known since the keeper's last look.
        let waits = match &self.0.told.borrow().progress {
            UpdateProgress::Waiting {
                version,
                waits_for,
                message,
                opens_at,
                ..
            } => Some((
                version.clone(),
                Waits {
                    kind: *waits_for,
                    message: message.clone(),
                    opens_at: *opens_at,
                },
            )),
            _ => None,
        };
        let waits = waits.filter(|(version, _)| {
            let wanted = seen.wanted.as_ref();
            wanted.is_some_and(|wanted| wanted.version == *version)
        });
        self.tell(&seen, waits.map(|(_, waits)| waits));
        Ok(self.0.told.borrow().clone())
    }

    fn look(&self) -> Result<Seen, UpdateError> {
        let folder = &self.0.folder;
        folder.look().map_err(at(folder.path()))
    }

    /// Tells what is seen.
    fn tell(&self, seen: &Seen, waits: Option<Waits>) {
        let now = Update {
            running: self.0.running.clone().ok().flatten(),
            unable: self.able().err().map(|why| format!("{why}.")),
            automatic: self.0.config.automatic,
            window: self.0.config.window.to_string(),
            progress: progress(seen, waits, &self.0.config.settings()),
        };
        self.0.told.send_if_modified(|told| {
            let news = *told != now;
            *told = now;
            news
        });
    }

    /// The version that runs, where the box takes updates.
    fn able(&self) -> Result<&ImageVersion, UpdateError> {
        match &self.0.running {
            Ok(Some(version)) => Ok(version),
            Ok(None) => Err(UpdateError::Unable(NO_IMAGE.into())),
            Err(why) => Err(UpdateError::Unable(format!(
                "it is not known which system runs here ({why}), so nothing can be told to be newer"
            ))),
        }
    }
}

/// What a bundle waits for, as people are told.
#[derive(Debug, Clone)]
struct Waits {
    kind: WaitsFor,
    message: String,
    opens_at: Option<wire::time::UtcTime>,
}

/// Pure: what lies in the folder, as others are told.
fn progress(seen: &Seen, waits: Option<Waits>, settings: &Settings) -> UpdateProgress {
    match &seen.wanted {
        Some(wanted) if seen.is_ordered => UpdateProgress::Ordered {
            version: wanted.version.clone(),
        },
        Some(wanted) if !seen.is_consumed() => match wanted.received_at {
            Some(since) => {
                let waits = waits.unwrap_or(Waits {
                    kind: WaitsFor::Moment,
                    message: "It is here, and is looked at in a moment.".into(),
                    opens_at: None,
                });
                UpdateProgress::Waiting {
                    version: wanted.version.clone(),
                    sha256: wanted.sha256.clone(),
                    since,
                    chosen: wanted.chosen,
                    waits_for: waits.kind,
                    message: waits.message,
                    opens_at: waits.opens_at,
                    latest_at: choice::latest(since, settings),
                }
            }
            None => UpdateProgress::Receiving {
                version: wanted.version.clone(),
                sha256: wanted.sha256.clone(),
                bytes: wanted.bytes,
                // Whole, and only the word on that is missing: announcing it once more gives it.
                received_bytes: match seen.has_bundle {
                    true => wanted.bytes,
                    false => seen.part_bytes.min(wanted.bytes),
                },
            },
        },
        _ => seen
            .outcome
            .as_ref()
            .map_or(UpdateProgress::None, of_outcome),
    }
}

fn of_outcome(outcome: &Outcome) -> UpdateProgress {
    let (version, at) = (outcome.version.clone(), outcome.at);
    let reason = match outcome.reason.as_str() {
        "" => "No reason was given.".to_owned(),
        reason => reason.to_owned(),
    };
    match outcome.result {
        Outcomes::Installed => UpdateProgress::Installed { version, at },
        Outcomes::Good => UpdateProgress::Good { version, at },
        Outcomes::Refused => UpdateProgress::Refused {
            version,
            reason,
            at,
        },
        Outcomes::Failed => UpdateProgress::Failed {
            version,
            reason,
            at,
        },
        Outcomes::WentBack => UpdateProgress::WentBack {
            version,
            reason,
            at,
        },
    }
}
