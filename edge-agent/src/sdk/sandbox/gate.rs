//! The gate: a second process through which every connection of the library goes.
//!
//! A system call filter sees where an address lies in memory and not what it says, and another thread may change it
//! after the look. So the filter hands `connect`, and every send that names a receiver, to this process, which copies
//! the address out of the library's memory, judges the copy, and makes the call itself, with the copy, on the very same
//! socket. A call that is refused fails with EACCES. Bytes on a connection that stands pass no gate and cost nothing.
//!
//! It is a fork of the worker, made while there is one thread, so that it costs a few pages and no second start. It lives
//! below no landlock and has no capability; it ends with the worker, and when it ends first, so does the worker. Needs
//! Linux 5.9, no privilege, and leave to read the worker's memory: where Yama forbids that even to a child that was
//! named (`ptrace_scope` 2 and 3), there is no gate.

use std::collections::HashSet;
use std::io::{IoSliceMut, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

use super::gate_policy::{Purpose, Verdict, judge};

/// Longest socket address that the kernel knows.
const ADDRESS_MAX: usize = 128;
/// Longest message that is carried; requests to recorders are a few kilobytes.
const MESSAGE_MAX: usize = 1 << 20;
/// Pieces of one message.
const PIECES_MAX: usize = 64;
/// Calls that may wait for an answer side by side, each on a thread of its own.
const CALLS_MAX: usize = 64;
/// Refused receivers that are told to the journal, each once.
const TOLD_MAX: usize = 16;
/// The gate's end of the socket to the worker, always this one.
const LINE: RawFd = 3;
/// What the gate says when all is well.
const FINE: u8 = b'+';

/// A gate that waits for its filter.
pub struct Prepared {
    line: UnixStream,
    gate: Pid,
}

/// A gate that stands. It must be watched: see [`Gate::watch`].
pub struct Gate {
    line: UnixStream,
}

impl Prepared {
    /// Starts the process, and makes sure that it can do what it is for. `probe` is any open descriptor of ours. Fails
    /// with the reason, in words; nothing is changed then.
    pub fn start(recorder: &[IpAddr], probe: RawFd) -> Result<Self, String> {
        let in_words = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let (mut line, theirs) =
            UnixStream::pair().map_err(|error| in_words("socket pair", &error))?;
        let worker = getpid();
        // SAFETY: this process has one thread that does anything (the shipped worker has no other at all), so nothing
        // is half done in the copy; the copy never returns from here.
        let gate = match unsafe { fork() }.map_err(|error| in_words("fork", &error))? {
            ForkResult::Child => serve(theirs, worker, recorder),
            ForkResult::Parent { child } => child,
        };
        drop(theirs);
        let prepared = |line| Self { line, gate };
        // Yama lets a child read our memory only when we name it; without Yama this fails, and is not needed.
        // SAFETY: takes numbers.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, gate.as_raw(), 0, 0, 0) };
        match trial(&mut line, probe) {
            Ok(()) => Ok(prepared(line)),
            Err(error) => {
                prepared(line).give_up();
                Err(error)
            }
        }
    }

    /// Puts the filter on this thread and on all that it starts. From here on the library reaches nobody but through
    /// the gate.
    pub fn close_door(self) -> Result<Gate, String> {
        let listener = match install() {
            Ok(listener) => listener,
            Err(error) => {
                self.give_up();
                return Err(format!("filter that asks: {error}"));
            }
        };
        let mut line = self.line;
        let handed = line
            .write_all(&listener.as_raw_fd().to_ne_bytes())
            .and_then(|()| heard(&mut line));
        match handed {
            Ok(()) => Ok(Gate { line }),
            Err(error) => {
                // No way back: without a gate, every connection fails. The agent starts another worker.
                eprintln!("the gate did not open: {error}");
                std::process::exit(1);
            }
        }
    }

    /// Lets the process end, and waits for it.
    fn give_up(self) {
        drop(self.line);
        let _ = nix::sys::wait::waitpid(self.gate, None); // it can only have ended by itself already
    }
}

impl Gate {
    /// Returns when the gate has ended; nothing can be reached then.
    pub fn watch(mut self) {
        let mut nothing = [0; 1];
        loop {
            match self.line.read(&mut nothing) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

/// Asks the gate to read our memory and to take a descriptor.
fn trial(line: &mut UnixStream, probe: RawFd) -> Result<(), String> {
    let token = std::hint::black_box([FINE; 8]);
    let mut question = Vec::with_capacity(12);
    question.extend(probe.to_ne_bytes());
    question.extend((token.as_ptr() as usize).to_ne_bytes());
    line.write_all(&question)
        .and_then(|()| heard(line))
        .map_err(|error| format!("another process may not look after this one: {error}"))
}

/// The gate's word.
fn heard(line: &mut UnixStream) -> std::io::Result<()> {
    let mut answer = [0; 5];
    line.read_exact(&mut answer)?;
    match answer {
        [FINE, ..] => Ok(()),
        [_, errno @ ..] => Err(std::io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
    }
}

/// The program of the filter: which calls are asked about.
fn program() -> Vec<libc::sock_filter> {
    /// `AUDIT_ARCH_*`, the number of the architecture for filters.
    const ARCH: u32 = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else {
        0xc000_00b7
    };
    /// Where `x32` begins on x86_64: the same calls under other numbers. Nothing of ours uses them.
    const X32: u32 = 0x4000_0000;
    // Places in `struct seccomp_data`: number, architecture, and the fifth argument in two halves (little endian).
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const RECEIVER: u32 = 16 + 4 * 8;
    let load = |place| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place);
    let give = |what| statement(libc::BPF_RET | libc::BPF_K, what);
    let equal = |what, yes, no| jump(libc::BPF_JEQ, what, yes, no);
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    vec![
        load(ARCHITECTURE),
        equal(ARCH, 1, 0),
        give(refuse),
        load(NUMBER),
        jump(libc::BPF_JGE, X32, 0, 1),
        give(refuse),
        equal(libc::SYS_connect as u32, 7, 0),
        equal(libc::SYS_sendmsg as u32, 6, 0),
        equal(libc::SYS_sendto as u32, 0, 4),
        load(RECEIVER),
        equal(0, 0, 3),
        load(RECEIVER + 4),
        equal(0, 0, 1),
        give(libc::SECCOMP_RET_ALLOW),
        give(libc::SECCOMP_RET_USER_NOTIF),
    ]
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// A jump over `yes` or `no` statements.
fn jump(operator: u32, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_JMP | operator | libc::BPF_K) as u16,
        jt: yes,
        jf: no,
        k,
    }
}

/// Installs the filter; the descriptor on which it asks.
fn install() -> std::io::Result<OwnedFd> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err(std::io::ErrorKind::Unsupported.into());
    }
    let mut program = program();
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program outlives the call, which copies it.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as RawFd) })
}

// ---- the gate's own process

/// The gate's life.
fn serve(line: UnixStream, worker: Pid, recorder: &[IpAddr]) -> ! {
    let outcome = line_only(line).and_then(|line| gate(line, worker, recorder));
    if let Err(error) = outcome {
        eprintln!("the gate of the SDK worker ends: {error}");
    }
    // SAFETY: ends the process at once; nothing of the worker that it was copied from is run again.
    unsafe { libc::_exit(0) }
}

/// Leaves the worker's descriptors behind, and ends with the worker.
fn line_only(line: UnixStream) -> std::io::Result<UnixStream> {
    // A name for `ps`; and the signal of our parent's death.
    let _ = nix::sys::prctl::set_name(c"sdk-gate");
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    let number = std::os::fd::IntoRawFd::into_raw_fd(line);
    if number != LINE {
        // SAFETY: what was at LINE belonged to the worker, whose copy of it ends here.
        if unsafe { libc::dup2(number, LINE) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    // SAFETY: as above for all the others.
    if unsafe { libc::syscall(libc::SYS_close_range, LINE + 1, libc::c_uint::MAX, 0) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: LINE is our end of the pair, and owned by nobody else.
    Ok(unsafe { UnixStream::from_raw_fd(LINE) })
}

fn gate(mut line: UnixStream, worker: Pid, recorder: &[IpAddr]) -> std::io::Result<()> {
    if getppid() != worker {
        return Ok(()); // it has ended in this instant
    }
    // SAFETY: takes numbers.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, worker.as_raw(), 0) };
    let worker = (process >= 0)
        // SAFETY: a fresh descriptor that nobody else has.
        .then(|| unsafe { OwnedFd::from_raw_fd(process as RawFd) })
        .ok_or_else(std::io::Error::last_os_error)
        .map(|process| Worker {
            process,
            id: worker,
        });
    // The trial: a descriptor and eight bytes of memory.
    let mut question = [0; 12];
    line.read_exact(&mut question)?;
    let (probe, place) = question.split_at(4);
    let probe = RawFd::from_ne_bytes(probe.try_into().unwrap_or_default());
    let place = usize::from_ne_bytes(place.try_into().unwrap_or_default());
    let tried = worker.and_then(|worker| {
        worker.descriptor(probe)?;
        match worker.memory(place as u64, 8)?.first() {
            Some(&FINE) => Ok(worker),
            _ => Err(Errno::EFAULT.into()),
        }
    });
    let worker = match tried {
        Ok(worker) => worker,
        Err(error) => return say(&mut line, Err(&error)),
    };
    say(&mut line, Ok(()))?;
    // The filter stands: its descriptor.
    let mut number = [0; 4];
    match line.read_exact(&mut number) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read?,
    }
    let listener = match worker.descriptor(RawFd::from_ne_bytes(number)) {
        Ok(listener) => listener,
        Err(error) => return say(&mut line, Err(&error)),
    };
    say(&mut line, Ok(()))?;
    let desk = Arc::new(Desk {
        listener,
        worker,
        recorder: recorder.to_vec(),
        told: Mutex::default(),
        running: AtomicUsize::new(0),
    });
    loop {
        use std::os::fd::AsFd;
        let mut wait = [
            PollFd::new(desk.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(line.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut wait, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            waited => waited?,
        };
        let [asked, ended] = wait.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if !ended.is_empty() || asked.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            return Ok(());
        }
        if let Some(call) = desk.next()? {
            desk.clone().take(call);
        }
    }
}

fn say(line: &mut UnixStream, what: Result<(), &std::io::Error>) -> std::io::Result<()> {
    let errno = what
        .err()
        .map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
    let mut answer = [if errno == 0 { FINE } else { b'-' }, 0, 0, 0, 0];
    answer[1..].copy_from_slice(&errno.to_ne_bytes());
    line.write_all(&answer)
}

/// The process that is looked after.
struct Worker {
    process: OwnedFd,
    id: Pid,
}

impl Worker {
    /// One of its descriptors, as ours.
    fn descriptor(&self, number: RawFd) -> std::io::Result<OwnedFd> {
        let process = self.process.as_raw_fd();
        // SAFETY: takes numbers.
        let taken = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, number, 0) };
        if taken < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else has.
        Ok(unsafe { OwnedFd::from_raw_fd(taken as RawFd) })
    }

    /// A copy of its memory.
    fn memory(&self, place: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut copy = vec![0; length];
        let remote = RemoteIoVec {
            base: usize::try_from(place).map_err(|_| Errno::EFAULT)?,
            len: length,
        };
        let count = match length {
            0 => 0,
            _ => process_vm_readv(self.id, &mut [IoSliceMut::new(&mut copy)], &[remote])?,
        };
        if count == length {
            Ok(copy)
        } else {
            Err(Errno::EFAULT.into())
        }
    }
}

/// Where calls are asked about and answered.
struct Desk {
    listener: OwnedFd,
    worker: Worker,
    recorder: Vec<IpAddr>,
    told: Mutex<HashSet<String>>,
    running: AtomicUsize,
}

impl Desk {
    /// The next call; None when it has gone again.
    fn next(&self) -> std::io::Result<Option<libc::seccomp_notif>> {
        // SAFETY: a struct of numbers, for which zero is valid, and which the kernel wants zeroed.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel fills the struct that belongs to this request.
        let received = unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV as _,
                &raw mut call,
            )
        };
        match Errno::result(received) {
            Ok(_) => Ok(Some(call)),
            Err(Errno::EINTR | Errno::ENOENT | Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers a call on a thread of its own: connecting may take as long as the recorder does.
    fn take(self: Arc<Self>, call: libc::seccomp_notif) {
        if self.running.fetch_add(1, Ordering::AcqRel) >= CALLS_MAX {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return self.answer(call.id, Err(Errno::EAGAIN));
        }
        let desk = self.clone();
        let begun = std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || {
                let result = desk.perform(&call);
                desk.answer(call.id, result);
                desk.running.fetch_sub(1, Ordering::AcqRel);
            });
        if begun.is_err() {
            self.running.fetch_sub(1, Ordering::AcqRel);
            self.answer(call.id, Err(Errno::EAGAIN));
        }
    }

    fn answer(&self, id: u64, result: Result<i64, Errno>) {
        let answer = libc::seccomp_notif_resp {
            id,
            val: result.unwrap_or(0),
            error: result.err().map_or(0, |errno| -(errno as i32)),
            flags: 0,
        };
        // A call that has gone in the meantime needs no answer.
        // SAFETY: the struct belongs to this request and outlives the call.
        unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND as _,
                &raw const answer,
            )
        };
    }

    /// Makes a call in the library's place, if it may be made.
    fn perform(&self, call: &libc::seccomp_notif) -> Result<i64, Errno> {
        let [first, second, third, fourth, fifth, sixth] = call.data.args;
        match i64::from(call.data.nr) {
            libc::SYS_connect => {
                let address = self.receiver(second, third as u32, Purpose::Connect)?;
                self.on_socket(first, |socket| {
                    // SAFETY: the address is `len` readable bytes that outlive the call.
                    unsafe {
                        libc::connect(socket, address.as_ptr().cast(), address.len() as u32)
                            as isize
                    }
                })
            }
            libc::SYS_sendto => {
                let length = usize::try_from(third).unwrap_or(usize::MAX);
                if length > MESSAGE_MAX {
                    return Err(Errno::EMSGSIZE);
                }
                let message = self.memory(second, length)?;
                let address = self.receiver(fifth, sixth as u32, Purpose::Send)?;
                self.send(first, &message, fourth as i32, &address)
            }
            libc::SYS_sendmsg => self.send_message(first, second, third as i32),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// `sendmsg`, piece by piece. Descriptors and other extras do not pass.
    fn send_message(&self, socket: u64, place: u64, flags: i32) -> Result<i64, Errno> {
        let head = self.memory(place, size_of::<libc::msghdr>())?;
        // SAFETY: as many bytes as the struct has, all of them numbers and pointers that are never followed here.
        let head: libc::msghdr = unsafe { std::ptr::read_unaligned(head.as_ptr().cast()) };
        if head.msg_controllen != 0 {
            return Err(Errno::EPERM);
        }
        let address = match head.msg_name.is_null() {
            true => Vec::new(),
            false => self.receiver(head.msg_name as u64, head.msg_namelen, Purpose::Send)?,
        };
        if head.msg_iovlen as usize > PIECES_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let pieces = self.memory(
            head.msg_iov as u64,
            head.msg_iovlen as usize * size_of::<libc::iovec>(),
        )?;
        let mut message = Vec::new();
        for piece in pieces.chunks_exact(size_of::<libc::iovec>()) {
            // SAFETY: as above.
            let piece: libc::iovec = unsafe { std::ptr::read_unaligned(piece.as_ptr().cast()) };
            if piece.iov_len > MESSAGE_MAX - message.len() {
                return Err(Errno::EMSGSIZE);
            }
            message.extend(self.memory(piece.iov_base as u64, piece.iov_len)?);
        }
        self.send(socket, &message, flags, &address)
    }

    fn send(&self, socket: u64, message: &[u8], flags: i32, address: &[u8]) -> Result<i64, Errno> {
        let receiver = match address {
            [] => std::ptr::null(),
            some => some.as_ptr().cast(),
        };
        self.on_socket(socket, |socket| {
            // SAFETY: message and address are as long as said, and outlive the call.
            unsafe {
                libc::sendto(
                    socket,
                    message.as_ptr().cast(),
                    message.len(),
                    flags | libc::MSG_NOSIGNAL,
                    receiver,
                    address.len() as u32,
                )
            }
        })
    }

    fn on_socket(&self, number: u64, act: impl FnOnce(RawFd) -> isize) -> Result<i64, Errno> {
        let number = RawFd::try_from(number as u32).map_err(|_| Errno::EBADF)?;
        let socket = self.worker.descriptor(number).map_err(errno)?;
        Errno::result(act(socket.as_raw_fd())).map(|count| count as i64)
    }

    /// A copy of an address that may be reached.
    fn receiver(&self, place: u64, length: u32, purpose: Purpose) -> Result<Vec<u8>, Errno> {
        if length as usize > ADDRESS_MAX {
            return Err(Errno::EINVAL);
        }
        let address = self.memory(place, length as usize)?;
        match judge(&address, purpose, &self.recorder) {
            Verdict::Allowed => Ok(address),
            Verdict::Nonsense => Err(Errno::EINVAL),
            Verdict::Refused(whom) => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.len() < TOLD_MAX && told.insert(whom.clone()) {
                    eprintln!(
                        "the library wanted to reach {whom}, which is not its recorder: refused"
                    );
                }
                Err(Errno::EACCES)
            }
        }
    }

    fn memory(&self, place: u64, length: usize) -> Result<Vec<u8>, Errno> {
        self.worker.memory(place, length).map_err(errno)
    }
}

fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
