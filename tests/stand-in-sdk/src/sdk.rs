//! The state of the library in this process: what is open, and what the caller has set.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use crate::codes::error;
use crate::handles::Slots;
use crate::layout::{ExceptionFn, LocalGeneralCfg};
use crate::live::Preview;
use crate::play::Play;
use crate::search::Search;
use crate::session::Session;
use crate::world::world;

/// Everything that is open or set.
pub struct Sdk {
    /// Init calls without their Cleanup.
    pub inits: u32,
    /// Logins.
    pub sessions: Slots<Session>,
    /// Searches.
    pub searches: Slots<Mutex<Search>>,
    /// Downloads and playbacks, which share their handles.
    pub plays: Slots<Play>,
    /// Live streams.
    pub previews: Slots<Preview>,
    /// What the caller has set.
    pub settings: Settings,
    exceptions: Option<Exceptions>,
}

/// What the caller has set, with the vendor's defaults.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Connect timeout.
    pub connect_ms: u32,
    /// Answer timeout.
    pub receive_ms: u32,
    /// Time between two attempts to get a live stream back; none: no attempts.
    pub reconnect_ms: Option<u32>,
    /// Size at which a saved file is split; none: never.
    pub split_bytes: Option<u64>,
    /// Whether playback tells its end to the data callback.
    pub tell_playback_end: bool,
}

/// The vendor's default size of a part.
pub const DEFAULT_SPLIT_BYTES: u64 = 1 << 30;

impl Settings {
    const DEFAULT: Self = Self {
        connect_ms: 3500,
        receive_ms: 5000,
        reconnect_ms: Some(30_000),
        split_bytes: Some(DEFAULT_SPLIT_BYTES),
        tell_playback_end: false,
    };

    /// Takes over local setting 17.
    pub fn set_general(&mut self, general: &LocalGeneralCfg) {
        let bytes = if general.i64FileSize == 0 {
            DEFAULT_SPLIT_BYTES
        } else {
            general.i64FileSize
        };
        self.split_bytes = (general.byNotSplitRecordFile == 0).then_some(bytes);
    }
}

struct Exceptions {
    sender: mpsc::Sender<(u32, i32, i32)>,
    thread: JoinHandle<()>,
}

/// The caller's pointer, handed back to it unread.
#[derive(Debug, Clone, Copy)]
pub struct UserPointer(pub *mut c_void);

// SAFETY: the library never looks behind the pointer; the caller knows that its callbacks run on other threads.
unsafe impl Send for UserPointer {}
// SAFETY: as above.
unsafe impl Sync for UserPointer {}

static SDK: Mutex<Sdk> = Mutex::new(Sdk {
    inits: 0,
    sessions: Slots::new(),
    searches: Slots::new(),
    plays: Slots::new(),
    previews: Slots::new(),
    settings: Settings::DEFAULT,
    exceptions: None,
});

/// The library's state. Nothing slow is done while it is held.
pub fn sdk() -> MutexGuard<'static, Sdk> {
    SDK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held while it is looked whether a recorder gives one more stream, and until that stream is counted.
pub fn admit() -> MutexGuard<'static, ()> {
    static ADMISSION: Mutex<()> = Mutex::new(());
    ADMISSION.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// The calling thread's last error.
pub fn last_error() -> u32 {
    LAST_ERROR.get()
}

/// Sets the calling thread's last error.
pub fn set_last_error(code: u32) {
    LAST_ERROR.set(code);
}

/// Runs the body of an exported function: success clears the last error, failure sets it, a panic never gets out.
pub fn guarded<T>(failure: T, body: impl FnOnce() -> Result<T, u32>) -> T {
    let (result, code) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => (result, error::NOERROR),
        Ok(Err(code)) => (failure, code),
        Err(_) => (failure, error::PROGRAM_EXCEPTION),
    };
    set_last_error(code);
    result
}

/// As [`guarded`], for functions that need Init first.
pub fn call<T>(failure: T, body: impl FnOnce() -> Result<T, u32>) -> T {
    guarded(failure, || {
        if sdk().inits == 0 {
            Err(error::NOINIT)
        } else {
            body()
        }
    })
}

/// As [`call`], for functions that answer TRUE or FALSE.
pub fn call_bool(body: impl FnOnce() -> Result<(), u32>) -> i32 {
    let failure = if world().scenario().minus_one { -1 } else { 0 };
    call(failure, || body().map(|()| 1))
}

/// The session of `user_id`.
pub fn session(user_id: i32) -> Result<Arc<Session>, u32> {
    const MAX_LOGINS: i32 = 2048;
    if !(0..MAX_LOGINS).contains(&user_id) {
        return Err(error::PARAMETER_ERROR);
    }
    let session = sdk().sessions.get(user_id).ok_or(error::USERNOTEXIST)?;
    if session.is_pending() {
        Err(error::USER_NOT_SUCC_LOGIN)
    } else {
        Ok(session)
    }
}

/// From now on exceptions go to `callback`, on a thread of their own.
pub fn set_exception_callback(callback: ExceptionFn, user: UserPointer) {
    let (sender, receiver) = mpsc::channel::<(u32, i32, i32)>();
    let thread = std::thread::spawn(move || {
        let user = user; // the whole wrapper moves into the thread, and not the bare pointer
        for (kind, user_id, handle) in receiver {
            // SAFETY: the caller gave a function of this type and keeps it valid until Cleanup.
            unsafe { callback(kind, user_id, handle, user.0) };
        }
    });
    let former = sdk().exceptions.replace(Exceptions { sender, thread });
    end_exceptions(former);
}

/// Tells the caller of an exception.
pub fn raise_exception(kind: u32, user_id: i32, handle: i32) {
    if let Some(exceptions) = &sdk().exceptions {
        // The receiver lives as long as the sender; a callback that panicked took it away, and nobody listens then.
        let _ = exceptions.sender.send((kind, user_id, handle));
    }
}

fn end_exceptions(exceptions: Option<Exceptions>) {
    if let Some(Exceptions { sender, thread }) = exceptions {
        drop(sender);
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join(); // a callback that panicked was reported by itself
        }
    }
}

/// Closes everything, as the last Cleanup does.
pub fn close_all() {
    let (plays, previews, exceptions) = {
        let mut sdk = sdk();
        sdk.sessions.drain();
        sdk.searches.drain();
        sdk.settings = Settings::DEFAULT;
        (
            sdk.plays.drain(),
            sdk.previews.drain(),
            sdk.exceptions.take(),
        )
    };
    plays.iter().for_each(|play| play.stop());
    previews.iter().for_each(|preview| preview.stop());
    end_exceptions(exceptions);
}
