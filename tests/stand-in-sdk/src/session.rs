//! Logins: who is connected to which recorder, and what the recorder tells at the door.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::codes::error;
use crate::faults;
use crate::ffi::fill;
use crate::hostile;
use crate::layout::{DeviceInfoV30, DeviceInfoV40, Layout};
use crate::scenario::{Device, Scope};
use crate::sdk::sdk;
use crate::state::Call;
use crate::world::{DeviceRef, world};

/// One login.
#[derive(Debug)]
pub struct Session {
    address: String,
    port: u16,
    pending: AtomicBool,
}

/// What a login needs.
#[derive(Clone)]
pub struct Credentials {
    /// Address as given.
    pub address: String,
    /// Port as given.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password; never written anywhere.
    pub password: String,
}

/// A refused login: the code, and what the recorder says about its lock.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// The error code.
    pub code: u32,
    /// Attempts that are left and seconds of the lock; only when the recorder answered.
    pub lock: Option<(u8, u32)>,
}

impl From<u32> for Refused {
    fn from(code: u32) -> Self {
        Self { code, lock: None }
    }
}

/// Wrong passwords of one account, kept over restarts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Door {
    wrong: u32,
    locked_until: Option<Timestamp>,
}

/// Until when recorders are away.
fn reboots() -> MutexGuard<'static, HashMap<String, Instant>> {
    static REBOOTS: OnceLock<Mutex<HashMap<String, Instant>>> = OnceLock::new();
    REBOOTS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

fn is_rebooting(key: &str) -> bool {
    reboots()
        .get(key)
        .is_some_and(|until| Instant::now() < *until)
}

impl Session {
    /// A session whose asynchronous login has not ended yet.
    pub fn new(who: &Credentials, pending: bool) -> Self {
        Self {
            address: who.address.clone(),
            port: who.port,
            pending: AtomicBool::new(pending),
        }
    }

    /// Whether the asynchronous login has not ended yet.
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The asynchronous login has worked.
    pub fn settle(&self) {
        self.pending.store(false, Ordering::Release);
    }

    /// The recorder, as the scenario has it now; error 7 when it does not answer any more.
    pub fn device(&self) -> Result<DeviceRef, u32> {
        world()
            .device(&self.address, self.port)
            .filter(|device| device.reachable && !is_rebooting(&self.key()))
            .ok_or(error::NETWORK_FAIL_CONNECT)
    }

    /// The recorder goes away for a while. Only this process notices: no other one has a session with it.
    pub fn reboot(&self, down: Duration) {
        reboots().insert(self.key(), Instant::now() + down);
    }

    /// The recorder's name in the journal.
    pub fn key(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }
}

/// Knocks at the recorder's door and notes the outcome.
pub fn log_in(who: &Credentials) -> Result<DeviceInfoV40, Refused> {
    let outcome = knock(who);
    world().record(Call {
        call: "login".to_string(),
        device: format!("{}:{}", who.address, who.port),
        error: outcome
            .as_ref()
            .map_or_else(|refused| refused.code, |_| error::NOERROR),
        name: Some(who.user.clone()),
        ..Call::default()
    });
    outcome
}

fn knock(who: &Credentials) -> Result<DeviceInfoV40, Refused> {
    let connect_ms = u64::from(sdk().settings.connect_ms);
    let device = world().device(&who.address, who.port);
    let is_there = |device: &DeviceRef| device.reachable && !is_rebooting(&device.key());
    let Some(device) = device.filter(is_there) else {
        let wait_ms = world().scenario().unreachable_after_ms.min(connect_ms);
        std::thread::sleep(Duration::from_millis(wait_ms)); // the modelled delay of a failed connection
        return Err(error::NETWORK_FAIL_CONNECT.into());
    };
    std::thread::sleep(Duration::from_millis(
        device.connect_delay_ms.min(connect_ms),
    ));
    if device.connect_delay_ms > connect_ms {
        return Err(error::NETWORK_FAIL_CONNECT.into());
    }
    if let Some(plan) = &device.hostile {
        hostile::run(plan, "login");
    }
    faults::meet(
        &faults::arm(&device, Scope::Login, None, None),
        Scope::Login,
    )?;
    check_password(&device, who)?;
    Ok(device_info(&device))
}

fn check_password(device: &DeviceRef, who: &Credentials) -> Result<(), Refused> {
    let right = device.user == who.user && device.password == who.password;
    let now = Timestamp::now();
    world()
        .state()
        .update(&format!("door-{}", device.file_key()), |door: &mut Door| {
            if let Some(until) = door.locked_until {
                if now < until {
                    let left_s = until.duration_since(now).as_secs().max(1) as u32;
                    return Err(Refused {
                        code: error::USER_LOCKED,
                        lock: Some((0, left_s)),
                    });
                }
                *door = Door::default();
            }
            if right {
                *door = Door::default();
                return Ok(());
            }
            door.wrong += 1;
            let left = device.login_tries.saturating_sub(door.wrong);
            if left == 0 {
                door.locked_until = Some(now + Duration::from_secs(device.lock_s));
                return Err(Refused {
                    code: error::USER_LOCKED,
                    lock: Some((0, device.lock_s as u32)),
                });
            }
            Err(Refused {
                code: error::PASSWORD_ERROR,
                lock: Some((left.min(255) as u8, 0)),
            })
        })
}

/// What the recorder says of itself.
fn device_info(device: &Device) -> DeviceInfoV40 {
    let digital = device.digital_count();
    let mut basic = DeviceInfoV30 {
        byDiskNum: device.disks.len().min(255) as u8,
        byDVRType: device.dev_type.min(255) as u8,
        byChanNum: device.analog_channels,
        byStartChan: device.first_analog,
        byIPChanNum: (digital % 256) as u8,
        byHighDChanNum: (digital / 256) as u8,
        byStartDChan: if digital == 0 {
            0
        } else {
            device.first_digital
        },
        bySupport1: 0x80 | 0x02, // IPPARACFG_V40; downloads told from playback
        wDevType: device.dev_type,
        ..Layout::zeroed()
    };
    fill(&mut basic.sSerialNumber, &device.serial);
    DeviceInfoV40 {
        struDeviceV30: basic,
        bySupportLock: 1,
        byCharEncodeType: device.char_encode_type,
        ..Layout::zeroed()
    }
}
