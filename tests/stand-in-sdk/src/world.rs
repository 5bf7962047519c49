//! What the library finds around itself: its folder, the scenario in it, reels, and its state.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Result;

use crate::reel::Reel;
use crate::scenario::{Device, Scenario};
use crate::state::{Call, State};

/// Everything outside the process.
#[derive(Debug)]
pub struct World {
    folder: PathBuf,
    state: State,
    scenario: Mutex<Cached>,
    reels: Mutex<HashMap<PathBuf, Arc<Reel>>>,
}

#[derive(Debug, Default)]
struct Cached {
    /// Inode, modification time and length of what was read.
    stamp: Option<(u64, i64, i64, u64)>,
    scenario: Arc<Scenario>,
}

/// The one world of this process.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = own_folder();
        World {
            state: State::new(&folder),
            folder,
            scenario: Mutex::default(),
            reels: Mutex::default(),
        }
    })
}

/// The folder that this library was loaded from, as it was named: links are not resolved.
fn own_folder() -> PathBuf {
    // SAFETY: Dl_info consists of pointers, for which zero is valid; dladdr fills it.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let own: fn() -> PathBuf = own_folder;
    // SAFETY: the address is that of a function of this library, and `info` lives through the call.
    let found = unsafe { libc::dladdr(own as *const libc::c_void, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return PathBuf::from(".");
    }
    // SAFETY: dladdr gave a NUL-terminated name that lives as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = std::path::absolute(OsStr::from_bytes(name.to_bytes())).unwrap_or_default();
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

impl World {
    /// The scenario as it is now. A file that is missing or wrong leaves the last good one in force, at first an empty
    /// one; that is said once on standard error.
    pub fn scenario(&self) -> Arc<Scenario> {
        let path = self.folder.join("scenario.toml");
        let stamp = path
            .metadata()
            .map(|data| (data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
            .ok();
        let mut cached = self.scenario.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.is_none() || cached.stamp != stamp {
            let seen = cached.stamp.replace(stamp.unwrap_or_default());
            match Scenario::read(&path) {
                Ok(scenario) => cached.scenario = Arc::new(scenario),
                Err(error) if seen != cached.stamp => {
                    eprintln!("stand-in SDK: no usable scenario: {error:#}")
                }
                Err(_) => {}
            }
        }
        cached.scenario.clone()
    }

    /// The recorder at this address, if the scenario has it.
    pub fn device(&self, address: &str, port: u16) -> Option<DeviceRef> {
        let scenario = self.scenario();
        let index = scenario.position(address, port)?;
        Some(DeviceRef { scenario, index })
    }

    /// The reel at `path`, relative to the folder of the library.
    pub fn reel(&self, path: &Path) -> Result<Arc<Reel>> {
        let path = self.folder.join(path);
        let mut reels = self.reels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reel) = reels.get(&path) {
            return Ok(reel.clone());
        }
        let reel = Arc::new(Reel::open(&path)?);
        reels.insert(path, reel.clone());
        Ok(reel)
    }

    /// Counters that outlive the process.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Notes a call.
    pub fn record(&self, call: Call) {
        self.state.record(call);
    }
}

/// A recorder of a scenario, which stays as it was when it was looked up.
#[derive(Debug, Clone)]
pub struct DeviceRef {
    scenario: Arc<Scenario>,
    index: usize,
}

impl Deref for DeviceRef {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.scenario.devices[self.index]
    }
}

impl DeviceRef {
    /// Name of this recorder in journals and in names of counters.
    pub fn key(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }

    /// The same as a part of a file name.
    pub fn file_key(&self) -> String {
        self.key().replace(['/', ':'], "_")
    }
}
