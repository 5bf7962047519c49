//! The worker process: reads requests from its standard input, runs each on a thread, answers.
//!
//! It ends when its input ends, also while a call of the library hangs: the thread that reads is ours alone. Plain
//! threads, because every call of the library blocks and must read its error on the thread it was made on.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::bindings::{EXCEPTION_EXCHANGE, RELOGIN_FAILED, RESUME_EXCHANGE};
use super::cancel::Cancel;
use super::download::{Order, download};
use super::input::Input;
use super::library::{CannotLoad, Exception, Sdk};
use super::live::{Live, LiveEnd, LiveStreams};
use super::sandbox::{self, Sandbox};
use super::search::{Window, search};
use super::session::Session;
use crate::recorder::worker_protocol::{
    self as protocol, Answer, Configure, DeviceEvent, Failure, FromWorker, Hello, Kind, Layer,
    LoggedIn, Outcome, PROTOCOL, Request, ToWorker,
};

/// Exit code of a worker that somebody started by hand.
const EXIT_BY_HAND: u8 = 64;
/// Exit code after a broken or foreign frame.
const EXIT_PROTOCOL: i32 = 65;
/// Time for logging out at the end. A recorder that does not answer would otherwise hold the process for longer.
const FAREWELL: Duration = Duration::from_secs(2);
/// Requests at the same time; the agent asks for fewer.
const REQUESTS_MAX: usize = 64;
/// Exceptions that may wait to be passed on.
const EXCEPTIONS_MAX: usize = 256;

/// Serves the agent until its end of the socket closes.
pub fn run() -> ExitCode {
    let Some(stream) = take_stdin() else {
        eprintln!(
            "`edge-agent sdk-worker` hosts the vendor's library for one recorder. The agent starts it by itself and \
             speaks to it over a socket; it is of no use by hand. To try a recorder: edge-agent probe --help"
        );
        return ExitCode::from(EXIT_BY_HAND);
    };
    if let Err(error) = prepare_process() {
        eprintln!("the worker cannot set itself up: {error}");
        return ExitCode::FAILURE;
    }
    let outbox = match stream.try_clone() {
        Ok(output) => Outbox(Arc::new(Mutex::new(output))),
        Err(error) => {
            eprintln!("the worker cannot use its socket: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut input = Input::new(stream);
    let configure = match protocol::read::<ToWorker>(&mut input) {
        Ok(Some(ToWorker::Configure(configure))) => configure,
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(_)) | Err(_) => {
            eprintln!("the first frame is not a configuration of protocol {PROTOCOL}");
            return ExitCode::from(EXIT_PROTOCOL as u8);
        }
    };
    // Before the library is loaded, and before there is a second thread.
    let Sandbox { layers, gate } = sandbox::enter(&configure, &input);
    let worker = Worker::new(configure, outbox);
    if let Some(gate) = gate {
        start_thread("gate", move || {
            gate.watch();
            eprintln!("the process that looks after the library's connections has ended");
            // SAFETY: ends the process at once: it could reach nobody any more, and the agent starts another.
            unsafe { libc::_exit(1) }
        });
    }
    worker.greet(layers);
    let code = worker.serve(&mut input);
    worker.farewell(code)
}

/// The socket that is our standard input; None when it is anything else. Input becomes empty for everybody else in
/// this process.
fn take_stdin() -> Option<UnixStream> {
    let stdin = std::io::stdin();
    let is_socket = nix::sys::socket::getsockname::<nix::sys::socket::UnixAddr>(
        std::os::fd::AsRawFd::as_raw_fd(&stdin),
    );
    is_socket.ok()?;
    sandbox::close_inherited();
    let stream = UnixStream::from(stdin.as_fd().try_clone_to_owned().ok()?);
    let nothing = std::fs::File::open("/dev/null").ok()?;
    nix::unistd::dup2_stdin(nothing).ok()?;
    Some(stream)
}

/// Ends with the agent, and turns SIGTERM into an orderly end.
fn prepare_process() -> nix::Result<()> {
    // Before any other thread exists, so that all of them inherit it.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    // Should the agent die in a way that leaves the socket open (it cannot), the kernel still tells.
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)
}

/// Frames to the agent.
#[derive(Clone)]
struct Outbox(Arc<Mutex<UnixStream>>);

impl Outbox {
    fn send(&self, message: &FromWorker) {
        let frame = match protocol::encode(message) {
            Ok(frame) => frame,
            Err(error) => {
                eprintln!("an answer cannot be sent: {error}");
                return;
            }
        };
        // When the agent is gone the reader notices too, and ends the process.
        let _ = lock(&self.0).write_all(&frame);
    }

    fn reply(&self, id: u64, result: Result<Answer, Failure>) {
        let outcome = match result {
            Ok(answer) => Outcome::Done(answer),
            Err(failure) => Outcome::Failed(failure),
        };
        self.send(&FromWorker::Reply { id, outcome });
    }
}

/// What may end a running request.
#[derive(Clone)]
struct Running {
    cancel: Cancel,
    live: Arc<Mutex<Option<LiveEnd>>>,
}

impl Running {
    fn stop(&self) {
        self.cancel.cancel();
        if let Some(live) = &*lock(&self.live) {
            live.end();
        }
    }
}

struct Worker {
    configure: Configure,
    outbox: Outbox,
    library: Result<&'static Sdk, CannotLoad>,
    session: Mutex<Option<(u32, Arc<Session>)>>,
    logins: Mutex<u32>,
    running: Mutex<HashMap<u64, Running>>,
    quiet: Condvar,
    lives: Arc<LiveStreams>,
}

impl Worker {
    fn new(configure: Configure, outbox: Outbox) -> Arc<Self> {
        let (sender, exceptions) = mpsc::sync_channel(EXCEPTIONS_MAX);
        let library = if configure.protocol == PROTOCOL {
            Sdk::load(&configure, sender)
        } else {
            let problem = format!(
                "the agent speaks protocol {} and its worker {PROTOCOL}: the program was replaced while it ran; restart it",
                configure.protocol
            );
            Err(CannotLoad {
                missing: Vec::new(),
                problem,
            })
        };
        let worker = Arc::new(Self {
            configure,
            outbox,
            library,
            session: Mutex::default(),
            logins: Mutex::default(),
            running: Mutex::default(),
            quiet: Condvar::new(),
            lives: Arc::default(),
        });
        start_thread("exceptions", {
            let worker = worker.clone();
            move || worker.pass_on(&exceptions)
        });
        start_thread("sigterm", {
            let worker = worker.clone();
            move || {
                let mut signals = SigSet::empty();
                signals.add(Signal::SIGTERM);
                if signals.wait().is_ok() {
                    worker.farewell(0);
                }
            }
        });
        worker
    }

    fn greet(&self, sandbox: Vec<Layer>) {
        let (sdk_version, missing, problem) = match &self.library {
            Ok(sdk) => (Some(sdk.build.clone()), sdk.missing.clone(), None),
            Err(cannot) => (None, cannot.missing.clone(), Some(cannot.problem.clone())),
        };
        let build = env!("CARGO_PKG_VERSION").to_owned();
        self.outbox.send(&FromWorker::Hello(Hello {
            protocol: PROTOCOL,
            build,
            sdk_version,
            missing,
            problem,
            sandbox,
        }));
    }

    /// Reads until the end; the exit code.
    fn serve(self: &Arc<Self>, input: &mut Input) -> i32 {
        loop {
            match protocol::read::<ToWorker>(input) {
                Ok(Some(ToWorker::Request { id, request })) => {
                    let socket = input.take_socket();
                    self.begin(id, request, socket);
                }
                Ok(Some(ToWorker::Cancel { id })) => {
                    let running = lock(&self.running).get(&id).cloned();
                    if let Some(running) = running {
                        running.stop();
                    }
                }
                Ok(None) => return 0,
                Ok(Some(ToWorker::Configure(_))) => {
                    eprintln!("configured a second time");
                    return EXIT_PROTOCOL;
                }
                Err(error) => {
                    eprintln!("{error}");
                    return EXIT_PROTOCOL;
                }
            }
        }
    }

    fn begin(self: &Arc<Self>, id: u64, request: Request, socket: Option<UnixStream>) {
        let running = Running {
            cancel: Cancel::default(),
            live: Arc::default(),
        };
        {
            let mut table = lock(&self.running);
            if table.len() >= REQUESTS_MAX {
                drop(table);
                let message =
                    format!("more than {REQUESTS_MAX} requests to one recorder at the same time");
                return self.outbox.reply(
                    id,
                    Err(Failure {
                        kind: Kind::Capacity,
                        message,
                        code: None,
                    }),
                );
            }
            table.insert(id, running.clone());
        }
        let worker = self.clone();
        start_thread("request", move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                worker.answer(id, request, socket, &running)
            }));
            let result = result.unwrap_or_else(|_| {
                let message =
                    "the worker has a defect: see the lines above in the journal".to_owned();
                Some(Err(Failure {
                    kind: Kind::Worker,
                    message,
                    code: None,
                }))
            });
            if let Some(result) = result {
                worker.outbox.reply(id, result);
            }
            lock(&worker.running).remove(&id);
            worker.quiet.notify_all();
        });
    }

    /// Does what is asked; None when it has been answered already.
    fn answer(
        &self,
        id: u64,
        request: Request,
        socket: Option<UnixStream>,
        running: &Running,
    ) -> Option<Result<Answer, Failure>> {
        Some(match request {
            Request::Login {
                address,
                port,
                username,
                password,
            } => self.log_in(&address, port, &username, password.expose()),
            Request::Logout => {
                self.stop_all(Some(id));
                drop(lock(&self.session).take());
                Ok(Answer::LoggedOut)
            }
            Request::Clock { session } => self
                .session(session)
                .and_then(|session| session.clock())
                .map(Answer::Clock),
            Request::Search {
                session,
                channel,
                start,
                end,
            } => self.session(session).and_then(|session| {
                let window = Window {
                    channel,
                    start,
                    end,
                };
                let patience = Duration::from_millis(self.configure.search_timeout_ms.into());
                search(&session, window, patience, &running.cancel, |rows| {
                    self.outbox.send(&FromWorker::Rows { id, rows });
                })
                .map(|()| Answer::Found)
            }),
            Request::Download {
                session,
                source,
                path,
                limit_kbps,
            } => self.session(session).and_then(|session| {
                let stall = Duration::from_millis(self.configure.stall_timeout_ms.into());
                let order = Order {
                    source: &source,
                    path: &path,
                    limit_kbps,
                    stall,
                };
                download(
                    &session,
                    &order,
                    &running.cancel,
                    |received_bytes, percent| {
                        self.outbox.send(&FromWorker::Progress {
                            id,
                            received_bytes,
                            percent,
                        });
                    },
                )
                .map(|bytes| Answer::Downloaded { bytes })
            }),
            Request::Live {
                session,
                channel,
                stream,
            } => {
                let started = self.session(session).and_then(|session| {
                    let socket = socket.ok_or_else(|| Failure {
                        kind: Kind::Worker,
                        message: "no socket came with the request for a live stream".to_owned(),
                        code: None,
                    })?;
                    Live::start(&session, &self.lives, channel, stream, socket)
                });
                match started {
                    Err(failure) => Err(failure),
                    Ok((live, end)) => {
                        self.outbox.reply(id, Ok(Answer::Live));
                        *lock(&running.live) = Some(end.clone());
                        if running.cancel.is_cancelled() {
                            end.end();
                        }
                        live.run();
                        return None;
                    }
                }
            }
        })
    }

    fn log_in(
        &self,
        address: &str,
        port: u16,
        username: &str,
        password: &str,
    ) -> Result<Answer, Failure> {
        let sdk = *self.library.as_ref().map_err(|cannot| Failure {
            kind: Kind::LibraryMissing,
            message: cannot.problem.clone(),
            code: None,
        })?;
        // The earlier login first: a recorder has few places.
        drop(lock(&self.session).take());
        let session = Session::login(sdk, address, port, username, password)?;
        let number = {
            let mut logins = lock(&self.logins);
            *logins += 1;
            *logins
        };
        let told = LoggedIn {
            session: number,
            serial: session.serial(),
            model: session.model()?,
            channels: session.channels()?,
            clock: session.clock()?,
        };
        *lock(&self.session) = Some((number, session));
        Ok(Answer::LoggedIn(told))
    }

    fn session(&self, number: u32) -> Result<Arc<Session>, Failure> {
        match &*lock(&self.session) {
            Some((current, session)) if *current == number => Ok(session.clone()),
            _ => {
                let message = "the login at the recorder has ended in the meantime".to_owned();
                Err(Failure {
                    kind: Kind::Worker,
                    message,
                    code: None,
                })
            }
        }
    }

    fn stop_all(&self, except: Option<u64>) {
        let running: Vec<Running> = lock(&self.running)
            .iter()
            .filter(|(id, _)| Some(**id) != except)
            .map(|(_, r)| r.clone())
            .collect();
        running.iter().for_each(Running::stop);
    }

    fn pass_on(&self, exceptions: &Receiver<Exception>) {
        for exception in exceptions {
            let event = self.lives.notice(exception).or(match exception.kind {
                EXCEPTION_EXCHANGE => Some(DeviceEvent::SessionLost),
                RESUME_EXCHANGE => Some(DeviceEvent::SessionBack),
                RELOGIN_FAILED => Some(DeviceEvent::ReloginFailed),
                _ => None,
            });
            if let Some(event) = event {
                self.outbox.send(&FromWorker::Event(event));
            }
        }
    }

    /// Ends what runs, logs out, and ends the process, all within [`FAREWELL`]. The library is not asked to clean up:
    /// that takes up to a second and gives nothing to a process that ends.
    fn farewell(self: &Arc<Self>, code: i32) -> ! {
        let (done, finished) = mpsc::channel::<()>();
        let worker = self.clone();
        let helper = std::thread::Builder::new()
            .name("farewell".into())
            .spawn(move || {
                worker.stop_all(None);
                let table = lock(&worker.running);
                let waited = worker
                    .quiet
                    .wait_timeout_while(table, FAREWELL, |table| !table.is_empty());
                drop(waited);
                drop(lock(&worker.session).take()); // logs out
                drop(done);
            });
        if helper.is_ok() {
            // Ends by the helper's end or by the time: both are the end.
            let _ = finished.recv_timeout(FAREWELL);
        }
        // SAFETY: ends the process at once. Destructors of the library, which `exit` would run beside its own threads,
        // have crashed and hung.
        unsafe { libc::_exit(code) }
    }
}

/// A thread that this process cannot do without. When the system has no thread left the process ends, the agent reads
/// why, and starts it anew.
fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.into()).spawn(body) {
        eprintln!("no thread can be started: {error}");
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(1) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests of `recorder/` start this very program with this test's name and a socket as standard input: then it is
    /// the worker. In an ordinary run it does nothing.
    #[test]
    fn serves_the_agent() {
        let is_worker =
            std::env::args().any(|argument| argument == "--exact") && stdin_is_a_socket();
        if is_worker {
            run();
        }
    }

    fn stdin_is_a_socket() -> bool {
        use std::os::fd::AsRawFd;
        let stdin = std::io::stdin().as_raw_fd();
        nix::sys::socket::getsockname::<nix::sys::socket::UnixAddr>(stdin).is_ok()
    }
}
