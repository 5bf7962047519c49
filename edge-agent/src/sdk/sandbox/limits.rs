//! Limits of the process, and the privileges that it gives away.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Address space beside the memory that a worker may hold: 130 threads reserve 8 MiB of stack each, and the allocator
/// its arenas. Reserved and not used, it costs nothing.
const RESERVED_BYTES: u64 = 2 << 30;
/// Descriptors: `select` in old code knows no higher ones.
const FILES_MAX: u64 = 1024;
/// Processes and threads of our user at which no thread is begun here any more. The kernel counts all of them, the
/// agent's and other workers' too: this stops a flood of threads and leaves the agent room above.
const THREADS_MAX: u64 = 4096;
/// Nice value: a library that spins must not slow down what the box is there for.
const NICE: i32 = 5;

/// No memory image with a password in it, neither as a file nor through a helper: with 0 the kernel would still start
/// the helper, with 1 it does not.
pub fn no_core() -> Result<(), String> {
    let limit = getrlimit(Resource::RLIMIT_CORE).map_or(0, |(_, hard)| hard.min(1));
    setrlimit(Resource::RLIMIT_CORE, limit, limit).map_err(|error| format!("core dumps: {error}"))
}

/// Sets every limit. `memory_limit_bytes` is where the agent replaces a worker; at twice as much it ends it.
pub fn set(memory_limit_bytes: u64) -> Result<(), String> {
    let memory = memory_limit_bytes
        .saturating_mul(2)
        .saturating_add(RESERVED_BYTES);
    let mut failed: Vec<String> = no_core().err().into_iter().collect();
    for (what, resource, limit) in [
        ("memory", Resource::RLIMIT_AS, memory),
        ("open files", Resource::RLIMIT_NOFILE, FILES_MAX),
        ("threads", Resource::RLIMIT_NPROC, THREADS_MAX),
    ] {
        if let Err(error) = lower(resource, limit) {
            failed.push(format!("{what}: {error}"));
        }
    }
    // SAFETY: takes numbers; about this process only. It cannot fail upwards.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0 {
        failed.push(format!("nice value: {}", std::io::Error::last_os_error()));
    }
    // Should the box run out of memory it is a worker that goes, and not the agent.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "800") {
        failed.push(format!("out-of-memory score: {error}"));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; "))
    }
}

/// Never above what is allowed already.
fn lower(resource: Resource, limit: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let limit = limit.min(hard);
    setrlimit(resource, limit, limit)
}

/// Gives away every capability and the way to any. Where the agent runs as root the user stays root, since the agent's
/// folders are root's and a second user could neither enter them nor leave parts there; but without capabilities it
/// is an ordinary user that owns many files, and those are the next layers' business.
pub fn drop_privileges() -> Result<(), String> {
    nix::sys::prctl::set_no_new_privs().map_err(|error| format!("no new privileges: {error}"))?;
    drop_capabilities().map_err(|error| format!("capabilities: {error}"))
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words each.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    process: i32,
}

fn drop_capabilities() -> std::io::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        process: 0,
    };
    // Effective, permitted and inheritable, twice. Ambient ones go with the permitted.
    let none = [0u32; 6];
    // SAFETY: header and data have the layout of this version, and outlive the call.
    match unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
