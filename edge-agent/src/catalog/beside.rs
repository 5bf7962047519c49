//! The catalog as a program beside the agent reads it: nothing is written, nobody waits.

use std::io;
use std::path::Path;

use rusqlite::Connection;
use wire::ids::CameraId;
use wire::resource::{Camera, Recorder};
use wire::retention::Alarm;

use super::coverage::{self, Known};
use super::text::size;
use super::{CatalogError, FILE, SCHEMA, alarms, cameras, outbox, recorders, volumes};
use crate::footage::volume::{Volume, VolumeConfig};
use crate::model::time::{UtcRange, UtcTime};

/// The catalog, opened for reading.
#[derive(Debug)]
pub struct Beside(Connection);

/// Work that is not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Recordings that are to be fetched, or are being fetched.
    pub to_fetch: u64,
    /// Recordings that could not be fetched.
    pub failed: u64,
    /// Entries that the custody logs lack.
    pub custody: u64,
    /// Reports that the relay has not acknowledged.
    pub reports: u64,
}

impl Beside {
    /// Opens it. It must have the version of this program.
    pub fn open(folder: &Path) -> Result<Self, CatalogError> {
        let path = folder.join(FILE);
        if !path.exists() {
            let none = "there is no catalog here: the agent has not run with this folder yet";
            return Err(CatalogError::Io {
                path,
                source: io::Error::new(io::ErrorKind::NotFound, none),
            });
        }
        let c = base::sqlite::open_reader(&path, &SCHEMA)?;
        let version: i64 = c.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != SCHEMA.version() {
            return Err(CatalogError::Io {
                path,
                source: io::Error::other(format!(
                    "it has version {version}, this program knows {}: start the agent of this version once",
                    SCHEMA.version()
                )),
            });
        }
        Ok(Self(c))
    }

    /// The recorders that are not removed, oldest first.
    pub fn recorders(&self) -> Result<Vec<Recorder>, CatalogError> {
        recorders::all(&self.0)
    }

    /// The cameras, removed or not.
    pub fn cameras(&self) -> Result<Vec<Camera>, CatalogError> {
        let ids = cameras::ids(&self.0)?;
        ids.into_iter()
            .map(|id| cameras::get(&self.0, id))
            .collect()
    }

    /// What is known about a range of a camera.
    pub fn known(
        &self,
        camera: CameraId,
        range: UtcRange,
        now: UtcTime,
    ) -> Result<Known, CatalogError> {
        coverage::known(&self.0, camera, range, now)
    }

    /// The volume of this name, as the catalog knows it.
    pub fn volume(&self, config: &VolumeConfig) -> Result<Option<Volume>, CatalogError> {
        volumes::of_config(&self.0, config)
    }

    /// What people were told of and is not over, the newest first.
    pub fn alarms(&self) -> Result<Vec<Alarm>, CatalogError> {
        alarms::all(&self.0)
    }

    /// What is not done yet.
    pub fn waiting(&self) -> Result<Waiting, CatalogError> {
        let count = |sql: &str| self.0.query_row(sql, [], |row| size(row, "n"));
        Ok(Waiting {
            to_fetch: count(
                "select count(*) as n from recording where status in ('pending', 'downloading')",
            )?,
            failed: count("select count(*) as n from recording where status = 'failed'")?,
            custody: count("select count(*) as n from custody_due")?,
            reports: outbox::state(&self.0)?.map_or(0, |outbox| outbox.rows),
        })
    }
}
