//! What goes wrong, and when: the faults of a scenario, armed by calls and fired by bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chaos::{self, Chance};
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
    /// What the transfer has to give.
    total_bytes: u64,
}

/// The faults that this call can meet, and what it opens, each of which counts it. `name` is that of the recording, of
/// a stretch of time that of the recording in which it begins.
pub fn arm(
    device: &DeviceRef,
    scope: Scope,
    channel: Option<u32>,
    name: Option<&str>,
) -> Vec<Armed> {
    let mut matching: Vec<(String, Fault)> = device
        .faults
        .iter()
        .enumerate()
        .filter(|(_, fault)| {
            fault.on.opened_by() == scope
                && (fault.channel.is_none() || fault.channel == channel)
                && (fault.name.is_none() || fault.name.as_deref() == name)
        })
        .map(|(n, fault)| {
            (
                fault.id.clone().unwrap_or_else(|| n.to_string()),
                fault.clone(),
            )
        })
        .collect();
    let chaos = device.chaos.as_ref();
    if let (Some(chaos), Some(name)) = (chaos, name) {
        let by_chance = chaos::faults(chaos, name).into_iter();
        matching.extend(
            by_chance
                .filter(|fault| fault.on.opened_by() == scope)
                .map(|fault| (fault.id.clone().unwrap_or_default(), fault)),
        );
    }
    let chaotic = chaos.filter(|chaos| chaos.calls_permille > 0 && chaos::is_of_call(scope));
    if matching.is_empty() && chaotic.is_none() {
        return Vec::new();
    }
    world()
        .state()
        .update(&counters_key(device), |counters: &mut Counters| {
            if let Some(chaos) = chaotic {
                let calls = counters.0.entry(format!("calls-{scope:?}")).or_default();
                calls.seen += 1;
                let fault = chaos::fault_of_call(chaos, scope, calls.seen);
                matching.extend(fault.map(|fault| (fault.id.clone().unwrap_or_default(), fault)));
            }
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
                    fault,
                    total_bytes: 0,
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

    /// Where it belongs.
    pub fn on(&self) -> Scope {
        self.fault.on
    }

    /// How many it is about.
    pub fn bytes(&self) -> u64 {
        self.fault.bytes
    }

    /// How long the recorder is away.
    pub fn down(&self) -> Duration {
        Duration::from_millis(self.fault.down_ms)
    }

    /// The transfer has so much to give.
    pub fn of(mut self, total_bytes: u64) -> Self {
        self.total_bytes = total_bytes;
        self
    }

    /// After how many bytes, header included.
    pub fn at_bytes(&self) -> u64 {
        match self.fault.at_permille {
            Some(permille) => self.total_bytes / 1_000 * u64::from(permille),
            None => self.fault.at_bytes,
        }
    }

    /// Whether it hits bytes rather than the call that opens.
    pub fn is_in_transfer(&self) -> bool {
        match self.fault.on {
            Scope::Transfer => true,
            Scope::Download | Scope::Live => !matches!(
                (self.fault.kind, self.fault.at_bytes),
                (FaultKind::Sigsegv | FaultKind::Sigabrt, 0)
            ),
            _ => false,
        }
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

/// Notes a fault that is there rather than happens, the first time that it shows.
pub fn note_once(device: &DeviceRef, fault: &Fault) {
    let armed = Armed {
        device: device.clone(),
        id: fault
            .id
            .clone()
            .unwrap_or_else(|| format!("{:?}-{:?}", fault.kind, fault.name)),
        fault: Fault {
            times: 1,
            ..fault.clone()
        },
        total_bytes: 0,
    };
    armed.fire();
}

/// Meets the faults that hit a call as such: it crashes, hangs, leaks, or fails with a code.
pub fn meet(armed: &[Armed], on: Scope) -> Result<(), u32> {
    for fault in armed.iter().filter(|fault| fault.on() == on) {
        match fault.kind() {
            FaultKind::Sigsegv if !fault.is_in_transfer() && fault.fire() => crash(),
            FaultKind::Sigabrt if !fault.is_in_transfer() && fault.fire() => std::process::abort(),
            FaultKind::Hang if fault.fire() => hang(),
            FaultKind::Leak if fault.fire() => leak(fault.bytes()),
            FaultKind::Frames if fault.fire() => babble(fault.bytes()),
            FaultKind::Error if fault.fire() => {
                std::thread::sleep(fault.down()); // what the device took for its refusal
                return Err(fault.error());
            }
            _ => {}
        }
    }
    Ok(())
}

/// As the vendor's heap grows: taken, written to, and never given back.
fn leak(bytes: u64) {
    std::mem::forget(vec![0x5A_u8; bytes as usize]);
}

/// Descriptors that are looked at for sockets.
const DESCRIPTORS: i32 = 64;

/// Writes what nobody asked for into every connected socket; what does not fit is left out.
fn babble(bytes: u64) {
    let mut chance = Chance::of(bytes, "frames");
    let noise: Vec<u8> = std::iter::repeat_with(|| chance.next_u64() as u8)
        .take(bytes as usize)
        .collect();
    for descriptor in 0..DESCRIPTORS {
        // SAFETY: the buffer is as long as it is said to be; no socket: the call fails, and nothing is written.
        unsafe {
            libc::send(
                descriptor,
                noise.as_ptr().cast(),
                noise.len(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
    }
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
