//! Factory reset (A6): the box forgets who it is, whom it belongs to, its people, its recorders and its keys; footage goes
//! too if that was asked for. What stays otherwise is read in again, for whoever sets the box up next.
//!
//! A reset is an order in a file. It is carried out before anything is opened, and the file goes last: a power cut in the
//! middle of it is followed by the rest of it, never by half a box.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use base::clock::Clock;
use serde::{Deserialize, Serialize};

use crate::catalog::{CatalogError, anew};
use crate::config::{Config, State};
use crate::custody;
use crate::footage::archives::ARCHIVES;
use crate::footage::path::CAMERAS;
use crate::footage::staging::STAGING;
use crate::footage::volume::{MARKER, VolumeConfig};
use crate::model::time::UtcTime;
use crate::rebuild;
use crate::repair::on_runtime;

/// The order, in the state folder.
const FILE: &str = "reset.json";
/// Longest order.
const FILE_BYTES_MAX: u64 = 4096;

/// How often a running agent looks for an order.
const LOOK: Duration = Duration::from_secs(2);

/// What lies on a volume. Its marker stays: whose disk it is tells nothing of anybody, and without it the disk would be
/// taken for one that is not mounted.
const ON_VOLUMES: [&str; 4] = [CAMERAS, STAGING, ARCHIVES, custody::FOLDER];

/// A reset that is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Footage goes too.
    pub footage: bool,
    /// When it was asked for.
    pub at: UtcTime,
}

/// What became of one.
#[derive(Debug)]
pub struct Done {
    /// Recordings that were read in again.
    pub recordings: u64,
    /// Volumes that could not be reached, and why: what lies on them was not wiped, or not read in.
    pub away: Vec<String>,
}

/// Why a reset is not done yet. The order stays: it is tried again at the next start.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// A file or folder cannot be read or removed.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent runs, or what stays cannot be read in.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ResetError + use<> {
    let path = path.to_owned();
    move |source| ResetError::Io { path, source }
}

/// `edge-agent factory-reset`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wipes all footage and archives too, on every disk that is there.
    #[arg(long)]
    footage: bool,
    /// Does it. Without this, only says what would go.
    #[arg(long)]
    yes: bool,
}

/// Orders a reset: it is carried out when the agent starts next.
pub fn order(state: &State, order: Order) -> io::Result<()> {
    let text = serde_json::to_vec(&order).map_err(io::Error::other)?;
    base::durable::replace(&state.folder.join(FILE), &text, 0o600)
}

/// Waits for an order of somebody else, such as whoever stands in front of the box.
pub async fn ordered(state: &State) {
    let file = state.folder.join(FILE);
    while !file.exists() {
        tokio::time::sleep(LOOK).await;
    }
    tracing::warn!(path = %file.display(), "A factory reset was ordered");
}

/// Carries out what was ordered, if anything was. For an agent that has opened nothing yet.
pub async fn carry_out(config: &Config, clock: Clock) -> Result<Option<Done>, ResetError> {
    let file = config.state.folder.join(FILE);
    let read = || base::untrusted::read_if_there(&file, FILE_BYTES_MAX).map_err(at(&file));
    let mut done: Option<Done> = None;
    let mut last = Vec::new();
    // Whoever orders meanwhile, perhaps more than before, is told that it is ordered.
    while let Some(text) = read()?.filter(|text| *text != last) {
        let mut one = carry_out_one(config, clock.clone(), &file, &text).await?;
        // What the one before has not reached is still not reached.
        one.away
            .extend(done.into_iter().flat_map(|before| before.away));
        done = Some(one);
        last = text;
    }
    if done.is_some() {
        base::durable::remove_if_there(&file).map_err(at(&file))?;
    }
    Ok(done)
}

async fn carry_out_one(
    config: &Config,
    clock: Clock,
    file: &Path,
    text: &[u8],
) -> Result<Done, ResetError> {
    let order: Order = serde_json::from_slice(text)
        .map_err(io::Error::other)
        .map_err(at(file))?;
    tracing::warn!(footage = order.footage, ordered_at = %order.at, "A factory reset is carried out");
    let alone = anew::lock(&config.state.catalog())?;
    let mut away = Vec::new();
    if order.footage {
        for volume in &config.volume {
            // The keys go all the same.
            if let Err(why) = wipe_volume(volume) {
                away.push(format!("volume {}: {why}", volume.name));
            }
        }
    }
    wipe_state(config, file)?;
    drop(alone);
    let mut recordings = 0;
    if !order.footage {
        // A box without what it had is better than none.
        match rebuild::rebuild(config, clock, &|_| {}).await {
            Ok(rebuilt) => (recordings, away) = (rebuilt.adopted.recordings, rebuilt.away),
            Err(error) => away.push(format!("{error}; `edge-agent rebuild` reads footage in")),
        }
    }
    tracing::warn!(recordings, ?away, "The factory reset is done");
    Ok(Done { recordings, away })
}

/// Removes what lies on a volume.
fn wipe_volume(volume: &VolumeConfig) -> Result<(), ResetError> {
    let marker = volume.path.join(MARKER);
    std::fs::metadata(&marker).map_err(at(&marker))?;
    for name in ON_VOLUMES {
        remove(&volume.path.join(name))?;
    }
    base::durable::sync_dir(&volume.path).map_err(at(&volume.path))
}

/// Removes all of the state folder but the order, the vendor's library and what footage lies there.
fn wipe_state(config: &Config, order: &Path) -> Result<(), ResetError> {
    let folder = &config.state.folder;
    let library = config.sdk.sdk_folder.as_path();
    let volumes = config.volume.iter().map(|volume| volume.path.as_path());
    // By every name that it has: a folder may be given relative, or lie behind a link.
    let names = |path: &Path| [Some(path.to_owned()), std::fs::canonicalize(path).ok()];
    let kept: Vec<PathBuf> = [order, library]
        .into_iter()
        .chain(volumes)
        .flat_map(names)
        .flatten()
        .collect();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let is_kept = |name: PathBuf| kept.iter().any(|kept| kept.starts_with(&name));
        if !names(&path).into_iter().flatten().any(is_kept) {
            remove(&path)?;
        }
    }
    base::durable::sync_dir(folder).map_err(at(folder))
}

/// Removes a file or a folder; one that is not there is as good.
fn remove(path: &Path) -> Result<(), ResetError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Runs the command.
pub fn run(config: &Config, args: &Args) -> ExitCode {
    let footage = match args.footage {
        true => "All footage and archives go with it, for good.",
        false => {
            "Footage stays, without its locks, and is shown to whoever sets the box up next (--footage wipes it)."
        }
    };
    if !args.yes {
        println!(
            "People, recorders with their passwords, cameras, settings of the page, the box's identity and keys go; it leaves its organisation.\n{footage}\nSay --yes to do it."
        );
        return ExitCode::from(crate::exit::USAGE);
    }
    let done = on_runtime(async {
        // Whose catalog is open is not wiped.
        drop(anew::lock(&config.state.catalog())?);
        let clock = Clock::system();
        let folder = &config.state.folder;
        base::durable::create_dir_all(folder).map_err(at(folder))?;
        let asked = Order {
            footage: args.footage,
            at: clock.now().into(),
        };
        order(&config.state, asked).map_err(at(folder))?;
        carry_out(config, clock).await
    });
    match done {
        Ok(done) => {
            let is_something_left = done.as_ref().is_some_and(|done| !done.away.is_empty());
            for volume in done.iter().flat_map(|done| &done.away) {
                eprintln!("not reached: {volume}");
            }
            // Whoever hands the box on must not believe that nothing is left.
            if args.footage && is_something_left {
                eprintln!("The box is as new, but footage may be left on what was not reached.");
                return ExitCode::from(crate::exit::FAILURE);
            }
            match done.map_or(0, |done| done.recordings) {
                0 => println!("The box is as new."),
                n => println!("The box is as new; {n} recordings are still on its disks."),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(crate::exit::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests;
