//! What keeps the vendor's library inside its process: put up after the agent's first frame has said what is needed and
//! before the library is loaded. The library is closed code that reads what a device on the network sends; whoever takes
//! it over gets no further than the recorder it speaks to and the parts it writes.
//!
//! Five layers, each of its own, in this order, because each still needs what the next one takes away:
//!
//! | layer | by | since | takes away |
//! | --- | --- | --- | --- |
//! | limits | resource limits, nice value, out-of-memory score | any | memory without end, core dumps, the box's CPU |
//! | privileges | capabilities, no-new-privileges | any | what root may do, set-user-id programs |
//! | network | `gate`: a filter that asks another process | Linux 5.9 | every address but the recorder's |
//! | files | landlock | Linux 5.13 | every file but its own; ports and signals on newer kernels |
//! | calls | seccomp | Linux 3.17 | programs, other processes, raw sockets, the kernel's rarer doors |
//!
//! A layer that cannot be had is reported with its reason, and the others stand without it: footage comes before
//! perfection, and a person reads what is missing. Everything is inherited by the threads that begin later, so this
//! is done while there is one thread.

mod calls;
mod files;
mod gate;
mod gate_policy;
mod limits;

use std::os::fd::AsRawFd;

pub use gate::Gate;

use crate::recorder::worker_protocol::{Configure, Layer, LayerName};

/// A sandbox that stands.
pub struct Sandbox {
    /// Each layer, and what is missing of it.
    pub layers: Vec<Layer>,
    /// The process that looks after connections; none where that layer is missing.
    pub gate: Option<Gate>,
}

/// Closes every descriptor above the first three: whatever the agent may have left open is not the library's. Before
/// anything of ours is opened.
pub fn close_inherited() {
    // SAFETY: nothing of this process is open yet but its three standard descriptors. Kernels before 5.9 answer ENOSYS;
    // there the agent's own close-on-exec flags are all there is.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Puts the sandbox up around this process. `kept` is the socket to the agent.
pub fn enter(configure: &Configure, kept: &impl AsRawFd) -> Sandbox {
    let mut layers = Vec::new();
    let mut note = |name, missing: Result<(), String>| {
        layers.push(Layer {
            name,
            missing: missing.err(),
        })
    };
    if !configure.sandbox {
        let off = "it is switched off in the configuration ([sdk] sandbox = false)";
        note(LayerName::Limits, limits::no_core());
        for name in LayerName::ALL.into_iter().skip(1) {
            note(name, Err(off.to_owned()));
        }
        return Sandbox { layers, gate: None };
    }
    note(LayerName::Limits, limits::set(configure.memory_limit_bytes));
    note(LayerName::Privileges, limits::drop_privileges());
    let gate = gate::Prepared::start(&configure.reach, kept.as_raw_fd())
        .and_then(gate::Prepared::close_door);
    // What the rules on files allow of the network depends on whether somebody else looks after it.
    let files = files::restrict(configure, gate.is_ok());
    let (gate, network) = match gate {
        Ok(gate) => (Some(gate), Ok(())),
        Err(why) => {
            let rest = match files {
                Ok(files::Ports::Limited) => {
                    "so addresses are not limited, only TCP ports (to those of recorders) and UDP (none)"
                }
                _ => "so addresses are not limited, only UDP (none)",
            };
            (None, Err(format!("{why}; {rest}")))
        }
    };
    note(LayerName::Network, network);
    note(LayerName::Files, files.map(drop));
    note(LayerName::Calls, calls::filter(gate.is_some()));
    if gate.is_none() {
        // The gate reads our memory, so it has to stay readable for our own user; without it nobody may.
        let _ = nix::sys::prctl::set_dumpable(false);
    }
    Sandbox { layers, gate }
}
