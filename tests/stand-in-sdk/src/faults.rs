//! What goes wrong, and when: the faults of a scenario, armed by calls and fired by bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::{Fault, FaultKind, Scope};
use crate::state::Call;
use crate::world::{DeviceRef, world};

/// Counters of a recorder's faults by their id.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counters(BTreeMap<String, Counter>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter {
    /// Calls that matched.
    seen: u64,
    /// Times that it happened.
    fired: u64,
}

/// A fault that waits for its bytes.
#[derive(Debug, Clone)]
pub struct Armed {
    device: DeviceRef,
    id: String,
    fault: Fault,
}

/// The faults that this call can meet, each of which counts it.
pub fn arm(
    device: &DeviceRef,
    scope: Scope,
    channel: Option<u32>,
    name: Option<&str>,
) -> Vec<Armed> {
    let matching: Vec<(String, &Fault)> = device
        .faults
        .iter()
        .enumerate()
        .filter(|(_, fault)| {
            fault.on == scope
                && (fault.channel.is_none() || fault.channel == channel)
                && (fault.name.is_none() || fault.name.as_deref() == name)
        })
        .map(|(n, fault)| (fault.id.clone().unwrap_or_else(|| n.to_string()), fault))
        .collect();
    if matching.is_empty() {
        return Vec::new();
    }
    world()
        .state()
        .update(&counters_key(device), |counters: &mut Counters| {
            matching
                .into_iter()
                .filter(|(id, fault)| {
                    let counter = counters.0.entry(id.clone()).or_default();
                    counter.seen += 1;
                    fault.nth.is_none_or(|nth| nth == counter.seen)
                        && (fault.times == 0 || counter.fired < fault.times)
                })
                .map(|(id, fault)| Armed {
                    device: device.clone(),
                    id,
                    fault: fault.clone(),
                })
                .collect()
        })
}

fn counters_key(device: &DeviceRef) -> String {
    format!("faults-{}", device.file_key())
}

impl Armed {
    /// What happens.
    pub fn kind(&self) -> FaultKind {
        self.fault.kind
    }

    /// The code that goes with it.
    pub fn error(&self) -> u32 {
        self.fault.error
    }

    /// After how many bytes, header included.
    pub fn at_bytes(&self) -> u64 {
        self.fault.at_bytes
    }

    /// Whether it happens now; counted on disk before it does, and only as often as it may.
    pub fn fire(&self) -> bool {
        let fires =
            world()
                .state()
                .update(&counters_key(&self.device), |counters: &mut Counters| {
                    let counter = counters.0.entry(self.id.clone()).or_default();
                    let fires = self.fault.times == 0 || counter.fired < self.fault.times;
                    counter.fired += u64::from(fires);
                    fires
                });
        if fires {
            world().record(Call {
                call: "fault".to_string(),
                device: self.device.key(),
                name: Some(format!("{:?} on {:?}", self.fault.kind, self.fault.on).to_lowercase()),
                ..Call::default()
            });
        }
        fires
    }
}

/// Meets the faults that hit a call as such: it crashes, hangs, or fails with a code.
pub fn meet(armed: &[Armed]) -> Result<(), u32> {
    for fault in armed {
        match fault.kind() {
            FaultKind::Sigsegv if fault.at_bytes() == 0 && fault.fire() => crash(),
            FaultKind::Hang if fault.fire() => hang(),
            FaultKind::Error if fault.fire() => return Err(fault.error()),
            _ => {}
        }
    }
    Ok(())
}

/// A real segmentation fault: a write to a page that may not be written.
pub fn crash() -> ! {
    // SAFETY: a fresh anonymous page that belongs to nobody; what follows is meant to end the process.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        page.cast::<u8>().write_volatile(1);
    }
    std::process::abort() // not reached: the write above faults
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
