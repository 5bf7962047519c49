//! Where archives lie: `archives/` on a volume, `<id>.part` while one is built, then under a name that people can read.

use std::path::{Path, PathBuf};

use wire::ids::ArchiveId;

use super::volume::Volume;
use crate::model::names::instant_part;
use crate::model::time::UtcRange;

/// Folder of all archives on a volume.
pub const ARCHIVES: &str = "archives";

/// Extension of what is built.
const PART: &str = "part";

/// The folder on a volume.
pub fn folder(volume: &Volume) -> PathBuf {
    volume.path().join(ARCHIVES)
}

/// Path of a finished archive, relative to its volume.
pub fn file(name: &str) -> PathBuf {
    Path::new(ARCHIVES).join(name)
}

/// Where an archive is built.
pub fn part(volume: &Volume, id: ArchiveId) -> PathBuf {
    folder(volume).join(format!("{id}.{PART}"))
}

/// The archive that a file within the folder is a part of.
pub fn part_of(name: &str) -> Option<ArchiveId> {
    let (id, extension) = name.rsplit_once('.')?;
    id.parse().ok().filter(|_| extension == PART)
}

/// `Holdfast_2026-11-03_14-05-00Z_2026-11-10_14-05-00Z.zip`, and `…_2.zip` where that is taken.
pub fn name(range: UtcRange, nth: u32) -> String {
    let (from, to) = (
        instant_part(range.from.timestamp()),
        instant_part(range.to.timestamp()),
    );
    match nth {
        0 | 1 => format!("Holdfast_{from}_{to}.zip"),
        nth => format!("Holdfast_{from}_{to}_{nth}.zip"),
    }
}
