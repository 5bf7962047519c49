//! Second disks of an appliance, adopted from the page. The agent reaches no disk: it reads which ones the box has found,
//! orders one to be made ready once a person has confirmed which, and tells what became of that. What the two say to each
//! other is in [`folder`]; the box decides anew, by the same rules, before it erases anything.

pub mod folder;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use wire::disk::{Adoption, BoxDisk, BoxDisks, Confirmation, DiskContent, DiskState, NumberKind};

use self::folder::{Folder, List, Listed, Order, Outcomes};

/// `[disks]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdoptionConfig {
    /// The file in which the box tells of its disks; where it is not, none can be adopted.
    pub list_file: PathBuf,
}

impl Default for AdoptionConfig {
    fn default() -> Self {
        Self {
            list_file: "/run/holdfast-disks/disks.json".into(),
        }
    }
}

/// Characters of its number that a person types to confirm which disk is meant.
const CONFIRM_CHARS: usize = 4;

/// Why a disk is not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// This box tells of no disks.
    #[error(
        "This box was not set up from the appliance image, so it adopts no disks here. Mount the disk and name its folder \
         in a [[volume]] of the settings"
    )]
    NotOffered,
    /// There is no such disk.
    #[error(
        "No disk of this box has the id {0}: it may have been pulled out. Look at the list again"
    )]
    NoDisk(String),
    /// It may not be adopted.
    #[error("{disk} cannot be used for footage: {why}")]
    Unfit {
        /// Which.
        disk: String,
        /// Why.
        why: String,
    },
    /// It is not what the person was shown.
    #[error("What is on {0} has changed since it was shown. Look at it again")]
    Changed(String),
    /// What was typed is not what the disk says.
    #[error("{0}")]
    NotConfirmed(String),
    /// One at a time.
    #[error("Another disk is being made ready. Wait until it is done")]
    Busy,
    /// A file of ours or of the box.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Adopting disks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Disks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    list_file: PathBuf,
    folder: Folder,
    state: PathBuf,
    /// One at a time orders.
    turn: Mutex<()>,
}

impl Disks {
    /// Over the box's list and a state folder.
    pub fn new(config: &AdoptionConfig, state: &Path) -> Self {
        Self(Arc::new(Inner {
            list_file: config.list_file.clone(),
            folder: Folder::of(state),
            state: state.join("disks"),
            turn: Mutex::default(),
        }))
    }

    /// Which there are, and how far an adoption is. Blocking, for a moment.
    pub fn status(&self) -> Result<BoxDisks, AdoptionError> {
        let list = self.list()?;
        Ok(BoxDisks {
            offered: list.is_some(),
            items: list.map_or_else(Vec::new, |list| {
                list.disks.into_iter().map(BoxDisk::from).collect()
            }),
            adoption: self.adoption()?,
        })
    }

    /// Orders a disk to be made ready: the one with this id, on which is what the person was shown (`seen`), and whose
    /// number ends with what the person typed. Blocking, for a moment.
    pub fn adopt(&self, id: &str, seen: &str, typed: &str) -> Result<BoxDisks, AdoptionError> {
        let turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.list()?.ok_or(AdoptionError::NotOffered)?;
        if matches!(self.adoption()?, Adoption::Ordered { .. }) {
            return Err(AdoptionError::Busy);
        }
        let order = choose(&list, id, seen, typed)?;
        let folder = &self.0.folder;
        folder.order(&order).map_err(self.at_state())?;
        drop(turn);
        self.status()
    }

    fn list(&self) -> Result<Option<List>, AdoptionError> {
        folder::list(&self.0.list_file).map_err(|source| AdoptionError::Io {
            path: self.0.list_file.clone(),
            source,
        })
    }

    fn adoption(&self) -> Result<Adoption, AdoptionError> {
        let folder = &self.0.folder;
        if let Some(order) = folder.ordered().map_err(self.at_state())? {
            return Ok(Adoption::Ordered {
                id: order.id.to_string(),
            });
        }
        let Some(outcome) = folder.outcome().map_err(self.at_state())? else {
            return Ok(Adoption::None);
        };
        let (id, at, reason) = (outcome.id.to_string(), outcome.at, outcome.reason);
        Ok(match outcome.result {
            Outcomes::Good => Adoption::Good { id, at },
            Outcomes::Refused => Adoption::Refused { id, reason, at },
            Outcomes::Failed => Adoption::Failed { id, reason, at },
        })
    }

    fn at_state(&self) -> impl FnOnce(io::Error) -> AdoptionError + use<> {
        let path = self.0.state.clone();
        move |source| AdoptionError::Io { path, source }
    }
}

/// Pure: the order for a disk, where all is as it must be.
fn choose(list: &List, id: &str, seen: &str, typed: &str) -> Result<Order, AdoptionError> {
    let is_meant = |disk: &&Listed| disk.id.as_ref().is_some_and(|it| it.to_string() == id);
    let mut meant = list.disks.iter().filter(is_meant);
    let Some(disk) = meant.next() else {
        let id = id.chars().take(40).collect();
        return Err(AdoptionError::NoDisk(id));
    };
    let unfit = |why: &str| AdoptionError::Unfit {
        disk: called(disk),
        why: why.to_owned(),
    };
    if meant.next().is_some() {
        return Err(unfit("another disk has the same serial number"));
    }
    let (Some(id), Some((of, number))) = (&disk.id, confirmation(disk)) else {
        return Err(unfit(match disk.reason.as_str() {
            "" => "it has no number by which it could be told from others",
            reason => reason,
        }));
    };
    if disk.seen.to_string() != seen {
        return Err(AdoptionError::Changed(called(disk)));
    }
    if !typed.trim().eq_ignore_ascii_case(number) {
        let number = match of {
            NumberKind::Serial => "serial number",
            NumberKind::Wwn => "World Wide Name (WWN)",
        };
        return Err(AdoptionError::NotConfirmed(format!(
            "that is not how the {number} of {} ends. It stands on the disk's label: make sure that it is the right disk",
            called(disk)
        )));
    }
    Ok(Order {
        id: id.clone(),
        bytes: disk.bytes,
        seen: disk.seen.clone(),
    })
}

/// What a person has to type for a disk that may be adopted.
fn confirmation(disk: &Listed) -> Option<(NumberKind, &str)> {
    if !matches!(disk.state, DiskState::Free | DiskState::HasData) {
        return None;
    }
    let numbers = [
        (NumberKind::Serial, disk.serial.trim()),
        (NumberKind::Wwn, disk.wwn.trim()),
    ];
    let (of, number) = numbers.into_iter().find(|(_, number)| !number.is_empty())?;
    let end = number.char_indices().rev().nth(CONFIRM_CHARS - 1);
    Some((of, end.map_or(number, |(from, _)| &number[from..])))
}

/// A disk as people call it.
fn called(disk: &Listed) -> String {
    match disk.model.as_str() {
        "" => disk.name.clone(),
        model => format!("{model} ({})", disk.name),
    }
}

impl From<Listed> for BoxDisk {
    fn from(disk: Listed) -> Self {
        let confirm = confirmation(&disk).map(|(of, number)| Confirmation {
            of,
            chars: u8::try_from(number.chars().count()).unwrap_or(u8::MAX),
        });
        Self {
            message: message(&disk),
            id: disk.id.map(String::from),
            name: disk.name,
            model: disk.model,
            serial: disk.serial,
            bytes: disk.bytes,
            transport: disk.transport,
            removable: disk.removable,
            rotational: disk.rotational,
            state: disk.state,
            volume: disk.volume,
            contents: disk.contents.into_iter().map(DiskContent::from).collect(),
            seen: disk.seen.into(),
            confirm,
        }
    }
}

impl From<folder::Content> for DiskContent {
    fn from(content: folder::Content) -> Self {
        // What a file system is called says more than what its partition is.
        let label = match content.label.is_empty() {
            true => content.part_label,
            false => content.label,
        };
        Self {
            name: content.name,
            bytes: content.bytes,
            file_system: content.file_system,
            label,
            mounted_at: Some(content.mounted_at).filter(|folder| !folder.is_empty()),
        }
    }
}

/// What the state of a disk means.
fn message(disk: &Listed) -> String {
    let reason = disk.reason.as_str();
    match (disk.state, &disk.volume) {
        (DiskState::System, _) => "This box runs from it; its own footage lies there too.".into(),
        (DiskState::Footage, Some(volume)) => format!("Footage lies on it: volume {volume}."),
        (DiskState::Footage, None) => "Footage lies on it.".into(),
        (DiskState::Free, _) => "Nothing is on it.".into(),
        (DiskState::HasData, _) if reason.is_empty() => {
            "Something is on it, which would be erased.".into()
        }
        (DiskState::HasData, _) => format!("It would be erased: {reason}."),
        (DiskState::InUse | DiskState::Refused, _) if reason.is_empty() => {
            "It cannot be used for footage.".into()
        }
        (DiskState::InUse | DiskState::Refused, _) => {
            format!("It cannot be used for footage: {reason}.")
        }
    }
}
