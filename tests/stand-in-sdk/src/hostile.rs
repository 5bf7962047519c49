//! A library that somebody has taken over: it tries what such code would try, and writes down how each attempt ended.
//!
//! It knows more than an attacker would (paths, the agent's process), so that what is refused is refused for good and not
//! for want of a name. Each attempt is harmless where it succeeds by mistake, but for the signal.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::Hostile;
use crate::world::world;

/// How one attempt ended: a line of `state/hostile.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// `init` or `login`.
    pub during: String,
    /// What was tried.
    pub attempt: String,
    /// Whether it worked.
    pub done: bool,
    /// Why not, or what came of it.
    pub detail: String,
}

/// Memory at which the library stops asking for more: nobody has that much.
const MEMORY_MAX: usize = 256 << 30;
/// What it asks for at once.
const PIECE: usize = 64 << 20;
/// How often it forks.
const FORKS: u32 = 16;

/// Tries everything in the plan.
pub fn run(plan: &Hostile, during: &str) {
    let agent = plan.process.unwrap_or_else(|| {
        // SAFETY: takes nothing.
        unsafe { libc::getppid() }
    });
    let note = |attempt: String, result: io::Result<String>| {
        let (done, detail) = match result {
            Ok(detail) => (true, detail),
            Err(error) => (false, error.to_string()),
        };
        world().state().append(
            "hostile.jsonl",
            &Attempt {
                during: during.to_owned(),
                attempt,
                done,
                detail,
            },
        );
    };
    let done = |()| String::new();
    for path in &plan.read {
        note(format!("read {}", path.display()), read(path));
    }
    for path in &plan.write {
        let shown = path.display();
        let open = |options: &std::fs::OpenOptions| options.open(path).map(drop).map(done);
        note(
            format!("write {shown}"),
            open(std::fs::OpenOptions::new().append(true).create(true)),
        );
        note(format!("mode {shown}"), mode(path).map(done));
        note(format!("truncate {shown}"), truncate(path).map(done));
        note(
            format!("remove {shown}"),
            std::fs::remove_file(path).map(done),
        );
    }
    for path in &plan.list {
        let listed = std::fs::read_dir(path).map(|entries| format!("{} entries", entries.count()));
        note(format!("list {}", path.display()), listed);
    }
    for address in &plan.connect {
        note(format!("connect {address}"), connect(*address));
        note(format!("datagram {address}"), datagram(*address).map(done));
    }
    note(
        "link".into(),
        std::os::unix::fs::symlink("/etc", "way-out").map(done),
    );
    note("program".into(), program().map(done));
    note("shell".into(), shell());
    note("processes".into(), forks());
    for (name, family, kind, protocol) in [
        (
            "raw socket",
            libc::AF_INET,
            libc::SOCK_RAW,
            libc::IPPROTO_ICMP,
        ),
        ("packet socket", libc::AF_PACKET, libc::SOCK_RAW, 0),
        ("local socket", libc::AF_UNIX, libc::SOCK_STREAM, 0),
        (
            "kernel events",
            libc::AF_NETLINK,
            libc::SOCK_RAW,
            libc::NETLINK_KOBJECT_UEVENT,
        ),
    ] {
        // SAFETY: takes numbers.
        note(
            name.into(),
            checked(unsafe { libc::socket(family, kind, protocol) }.into()).map(done),
        );
    }
    note("server".into(), server());
    note("other processes: trace".into(), trace(agent).map(done));
    note("other processes: memory".into(), memory_of(agent).map(done));
    note(
        "other processes: environment".into(),
        read(Path::new(&format!("/proc/{agent}/environ"))),
    );
    note("other processes: limits".into(), limits_of(agent).map(done));
    // SAFETY: takes numbers.
    note(
        "other processes: priority".into(),
        checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, agent as u32, 19) }.into())
            .map(done),
    );
    // SAFETY: takes numbers. It is meant.
    note(
        "other processes: signal".into(),
        checked(unsafe { libc::kill(agent, libc::SIGTERM) }.into()).map(done),
    );
    // SAFETY: takes numbers.
    note(
        "namespaces".into(),
        checked(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) }.into())
            .map(done),
    );
    // SAFETY: takes numbers; a NULL is refused with EFAULT where the call is allowed.
    let ring =
        checked(unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, std::ptr::null::<u8>()) });
    note("ring".into(), unless(ring, libc::EFAULT));
    // SAFETY: takes numbers.
    note(
        "outlive the agent".into(),
        checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0) }.into()).map(done),
    );
    note("memory without end".into(), memory());
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// An error that says that the call itself was allowed is success.
fn unless(result: io::Result<()>, allowed: i32) -> io::Result<String> {
    match result {
        Err(error) if error.raw_os_error() != Some(allowed) => Err(error),
        _ => Ok(String::new()),
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(4096)
        .read_to_end(&mut bytes)?;
    Ok(format!("{} bytes", bytes.len()))
}

/// Leaves the mode as it is where it works.
fn mode(path: &Path) -> io::Result<()> {
    let permissions = std::fs::metadata(path)?.permissions();
    std::fs::set_permissions(path, permissions)
}

/// To the length that it has.
fn truncate(path: &Path) -> io::Result<()> {
    let length = std::fs::metadata(path)?.len();
    let path = c_path(path)?;
    // SAFETY: the path ends with a NUL and outlives the call.
    checked(unsafe { libc::truncate(path.as_ptr(), length as libc::off_t) }.into())
}

fn connect(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
    stream.write_all(b"hello")?;
    Ok(String::new())
}

fn datagram(address: SocketAddr) -> io::Result<()> {
    let any: SocketAddr = if address.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    UdpSocket::bind(any)?.send_to(b"hello", address).map(drop)
}

/// A file that is not there: an allowed call says so.
fn program() -> io::Result<()> {
    let nowhere = c"/nonexistent/program";
    // SAFETY: the name ends with a NUL, no arguments and no environment are NULL-terminated lists of none.
    let result = unsafe {
        libc::execve(
            nowhere.as_ptr(),
            [std::ptr::null()].as_ptr(),
            [std::ptr::null()].as_ptr(),
        )
    };
    unless(checked(result.into()), libc::ENOENT).map(drop)
}

fn shell() -> io::Result<String> {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", "id"])
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn forks() -> io::Result<String> {
    let mut made = 0;
    let mut last = None;
    for _ in 0..FORKS {
        // SAFETY: the child does nothing but end.
        match unsafe { libc::fork() } {
            // SAFETY: ends the child at once.
            0 => unsafe { libc::_exit(0) },
            child if child > 0 => {
                made += 1;
                // SAFETY: waits for that child; no status is asked for.
                unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            }
            _ => last = Some(io::Error::last_os_error()),
        }
    }
    match last {
        Some(error) if made == 0 => Err(error),
        _ => Ok(format!("{made} processes")),
    }
}

fn server() -> io::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}

fn trace(process: i32) -> io::Result<()> {
    let call = |what: u32| {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: takes numbers.
        checked(unsafe { libc::ptrace(what, process, nothing, nothing) })
    };
    call(libc::PTRACE_SEIZE)?;
    // To let go again it has to stand still for a moment.
    call(libc::PTRACE_INTERRUPT)?;
    // SAFETY: waits for that process; no status is asked for.
    checked(unsafe { libc::waitpid(process, std::ptr::null_mut(), libc::__WALL) }.into())?;
    call(libc::PTRACE_DETACH)
}

/// Reads a place that is nowhere: an allowed call says so.
fn memory_of(process: i32) -> io::Result<()> {
    let mut bytes = [0u8; 8];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: 8,
    };
    let remote = libc::iovec {
        iov_base: 8 as *mut libc::c_void,
        iov_len: 8,
    };
    // SAFETY: the local piece is writable and outlives the call; the remote one is only a number here.
    let result =
        unsafe { libc::process_vm_readv(process, &raw const local, 1, &raw const remote, 1, 0) };
    unless(checked(result as libc::c_long), libc::EFAULT).map(drop)
}

/// Sets a limit to what it is.
fn limits_of(process: i32) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let (none, out) = (std::ptr::null(), &raw mut limit);
    // SAFETY: the kernel fills the struct.
    let read = unsafe { libc::prlimit(process, libc::RLIMIT_NOFILE, none, out) };
    checked(read.into())?;
    let (new, none) = (&raw const limit, std::ptr::null_mut());
    // SAFETY: the struct outlives the call.
    let set = unsafe { libc::prlimit(process, libc::RLIMIT_NOFILE, new, none) };
    checked(set.into())
}

/// Takes memory until it gets none, and gives it back.
fn memory() -> io::Result<String> {
    let mut taken = Vec::new();
    let result = loop {
        if taken.len() * PIECE >= MEMORY_MAX {
            break Ok(format!("{} MiB", (taken.len() * PIECE) >> 20));
        }
        // SAFETY: fresh memory that nobody else has, never touched.
        let piece = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PIECE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if piece == libc::MAP_FAILED {
            break Err(io::Error::last_os_error());
        }
        taken.push(piece);
    };
    for piece in taken {
        // SAFETY: as it was mapped above.
        unsafe { libc::munmap(piece, PIECE) };
    }
    result
}
