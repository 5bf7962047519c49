//! Files, ports and signals, by landlock: rules that a process puts on itself, without any privilege.
//!
//! What the library may touch: its own folder and the system's libraries (to read), the few files of `/etc`, `/proc` and
//! `/dev` that a C library looks at, its empty working folder, and staging, where it may create and write parts but not
//! list: the names there hold 74 random bits, so that it cannot find the parts of another recorder.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};

use crate::recorder::worker_protocol::Configure;

/// The newest rules that this was written for. Newer ones would deny what nobody here has tried.
const RULES: ABI = ABI::V6;

/// Folders of the system's libraries, of zones, and of what the C library reads about the box.
const READABLE_FOLDERS: [&str; 8] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/sys/devices/system/cpu",
    "/proc/self",
];

/// Single files. No password file, no resolver: names are resolved by the agent.
const READABLE_FILES: [&str; 12] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/nsswitch.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/dev/urandom",
    "/dev/random",
];

/// Devices that swallow and give nothing.
const NOTHING: [&str; 2] = ["/dev/null", "/dev/zero"];

/// TCP ports of recorders beside the configured one: web, RTSP, the vendor's two.
const RECORDER_PORTS: [u16; 5] = [80, 443, 554, 8000, 8443];

/// What stands besides the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// TCP connections go to a few ports, or none.
    Limited,
    /// The kernel does not know such rules yet (before 6.7).
    Any,
}

/// Puts the rules on this thread and on all that it starts. Behind a gate no connection is allowed at all: the gate makes
/// them. Fails with the reason, in words.
pub fn restrict(configure: &Configure, gated: bool) -> Result<Ports, String> {
    let status = apply(configure, gated).map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(match status.landlock {
            LandlockStatus::NotEnabled => {
                "landlock is not switched on in this kernel: add it to lsm= on its command line"
            }
            _ => "this kernel has no landlock (Linux 5.13 and newer)",
        }
        .to_owned()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => match status.landlock {
            LandlockStatus::Available { effective_abi, .. } if effective_abi >= ABI::V4 => {
                Ok(Ports::Limited)
            }
            _ => Ok(Ports::Any),
        },
    }
}

fn apply(configure: &Configure, gated: bool) -> Result<landlock::RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg;
    let own = read | write | AccessFs::MakeDir | AccessFs::RemoveFile | AccessFs::RemoveDir;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?;
    let libraries: Vec<PathBuf> = std::env::var_os("LD_LIBRARY_PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|folder| folder.is_absolute())
        .collect();
    for folder in READABLE_FOLDERS
        .iter()
        .map(Path::new)
        .chain(libraries.iter().map(PathBuf::as_path))
        .chain([configure.sdk_folder.as_path()])
    {
        rules = allow(rules, folder, read)?;
    }
    for file in READABLE_FILES {
        rules = allow(rules, Path::new(file), AccessFs::ReadFile.into())?;
    }
    for file in NOTHING {
        rules = allow(
            rules,
            Path::new(file),
            AccessFs::ReadFile | AccessFs::WriteFile,
        )?;
    }
    rules = allow(rules, Path::new("."), own)?;
    for folder in &configure.writable {
        rules = allow(rules, folder, own)?;
    }
    for folder in &configure.staging {
        rules = allow(rules, folder, write | AccessFs::ReadFile)?;
    }
    if !gated {
        for port in configure.port.into_iter().chain(RECORDER_PORTS) {
            rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    rules.restrict_self()
}

/// Allows something below a path. One that is not there needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(opened) => rules.add_rule(PathBeneath::new(opened, access)),
        Err(PathFdError::OpenCall { .. }) => Ok(rules),
        Err(_) => Ok(rules),
    }
}
