//! The rig for power cuts and broken disks: a file system under the whole data folder that writes down every change,
//! and rebuilds the disk as a cut at any of them may leave it.
//!
//! [`Rig`] is a FUSE pass-through, served by a process of its own: what is done below its mount point is done to a folder behind it, recorded in a
//! [`Log`], and refused where a [`Plan`] of faults says so. [`Disk`] replays a log and knows at every operation what is
//! durable and what only might be; [`Disk::cut`] chooses among what a disk may legally hold afterwards, and
//! [`Image::write`] puts it into a folder for a fresh start. With a single file below it, mounted through a loop device,
//! the same rig is a disk with a volatile write cache.
//!
//! What may be lost is told at [`Disk`]. Nothing here knows what is stored: that is the judge's business.

mod disk;
mod log;
mod pages;
mod passthrough;
mod rig;
mod service;
mod trouble;

pub use disk::{Cut, Disk, Image, Promise};
pub use log::{Ino, Log, Op, ROOT};
pub use pages::{PAGE_BYTES, Pages, SECTOR_BYTES};
pub use rig::{Rig, fast_folder, why_not};
pub use service::serve;
pub use trouble::{Call, Plan, Trouble};
