//! The library itself: found, loaded, initialised once, and never unloaded.
//!
//! Every function is looked up before Init and kept as it was found; a missing required one ends the loading with its
//! name, a missing optional one switches its feature off. Each method below is one call with its error read on the
//! same thread at once, because the library keeps the last error per thread. Success of a BOOL is 1 and nothing else:
//! with a part of the bundle missing the library has answered -1 (ABI.md §2.2).

use std::ffi::{CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::SyncSender;

use super::bindings::{
    DataCallback, DeviceInfoV40, ExceptionCallback, FileCond, FileCondV40, FileCondV50,
    FindDataV30, FindDataV40, FindDataV50, LocalCheckDev, LocalGeneral, LocalSdkPath,
    LocalTimeouts, LoginInfo, PLAY_SET_SPEED, PLAY_START, Plain, PlayCond, PreviewInfo, Text,
    put_text,
};
use super::codes::Code;
use crate::recorder::worker_protocol::Configure;

/// File name of the library.
const FILE: &str = "libhcnetsdk.so";

/// What else of the vendor's bundle is needed for search, download and live (ABI.md §2.1), below the folder.
const COMPANIONS: [&str; 6] = [
    "libHCCore.so",
    "libhpr.so",
    "HCNetSDKCom/libHCPlayBack.so",
    "HCNetSDKCom/libHCPreview.so",
    "HCNetSDKCom/libHCCoreDevCfg.so",
    "HCNetSDKCom/libHCGeneralCfgMgr.so",
];

/// Names under which bundles carry OpenSSL: `SetSDKInitCfg` number, file names.
const OPENSSL: [(i32, [&str; 3]); 2] = [
    (3, ["libcrypto.so", "libcrypto.so.1.1", "libcrypto.so.3"]),
    (4, ["libssl.so", "libssl.so.1.1", "libssl.so.3"]),
];

/// Declares the table of functions.
macro_rules! symbols {
    (
        required { $($required:ident = $required_name:literal: fn($($a:ty),*) -> $r:ty;)* }
        optional { $($optional:ident = $optional_name:literal: fn($($b:ty),*) -> $s:ty;)* }
    ) => {
        struct Api {
            $($required: unsafe extern "C" fn($($a),*) -> $r,)*
            $($optional: Option<unsafe extern "C" fn($($b),*) -> $s>,)*
        }

        impl Api {
            /// Looks every function up. Names of missing optional ones, or of all missing ones when a required one is.
            fn resolve(library: &libloading::Library) -> Result<(Self, Vec<String>), Vec<String>> {
                let mut missing = Vec::new();
                let mut incomplete = false;
                $(
                    // SAFETY: the type is that of the vendor's header for this name (ABI.md §3); the pointer outlives
                    // the library handle because the library is never unloaded.
                    let $required = unsafe { library.get::<unsafe extern "C" fn($($a),*) -> $r>($required_name) }
                        .map(|symbol| *symbol);
                    if $required.is_err() {
                        incomplete = true;
                        missing.push($required_name.to_owned());
                    }
                )*
                $(
                    // SAFETY: as above.
                    let $optional = unsafe { library.get::<unsafe extern "C" fn($($b),*) -> $s>($optional_name) }
                        .map(|symbol| *symbol)
                        .ok();
                    if $optional.is_none() {
                        missing.push($optional_name.to_owned());
                    }
                )*
                match ($($required,)*) {
                    ($(Ok($required),)*) if !incomplete => Ok((Self { $($required,)* $($optional,)* }, missing)),
                    _ => Err(missing),
                }
            }
        }
    };
}

symbols! {
    required {
        init = "NET_DVR_Init": fn() -> i32;
        build_version = "NET_DVR_GetSDKBuildVersion": fn() -> u32;
        last_error = "NET_DVR_GetLastError": fn() -> u32;
        set_connect_time = "NET_DVR_SetConnectTime": fn(u32, u32) -> i32;
        set_receive_timeout = "NET_DVR_SetRecvTimeOut": fn(u32) -> i32;
        set_reconnect = "NET_DVR_SetReconnect": fn(u32, i32) -> i32;
        set_init_config = "NET_DVR_SetSDKInitCfg": fn(i32, *mut c_void) -> i32;
        set_local_config = "NET_DVR_SetSDKLocalCfg": fn(i32, *const c_void) -> i32;
        set_exception_callback = "NET_DVR_SetExceptionCallBack_V30": fn(u32, *mut c_void, ExceptionCallback, *mut c_void) -> i32;
        login = "NET_DVR_Login_V40": fn(*mut LoginInfo, *mut DeviceInfoV40) -> i32;
        logout = "NET_DVR_Logout": fn(i32) -> i32;
        get_config = "NET_DVR_GetDVRConfig": fn(i32, u32, i32, *mut c_void, u32, *mut u32) -> i32;
        find_v40 = "NET_DVR_FindFile_V40": fn(i32, *mut FileCondV40) -> i32;
        find_next_v40 = "NET_DVR_FindNextFile_V40": fn(i32, *mut FindDataV40) -> i32;
        find_close = "NET_DVR_FindClose_V30": fn(i32) -> i32;
        file_by_name = "NET_DVR_GetFileByName": fn(i32, Text, Text) -> i32;
        file_by_time = "NET_DVR_GetFileByTime_V40": fn(i32, Text, *mut PlayCond) -> i32;
        play_control = "NET_DVR_PlayBackControl_V40": fn(i32, u32, *mut c_void, u32, *mut c_void, *mut u32) -> i32;
        download_position = "NET_DVR_GetDownloadPos": fn(i32) -> i32;
        stop_file = "NET_DVR_StopGetFile": fn(i32) -> i32;
        real_play = "NET_DVR_RealPlay_V40": fn(i32, *mut PreviewInfo, DataCallback, *mut c_void) -> i32;
        stop_real_play = "NET_DVR_StopRealPlay": fn(i32) -> i32;
    }
    optional {
        find_v50 = "NET_DVR_FindFile_V50": fn(i32, *mut FileCondV50) -> i32;
        find_next_v50 = "NET_DVR_FindNextFile_V50": fn(i32, *mut FindDataV50) -> i32;
        find_v30 = "NET_DVR_FindFile_V30": fn(i32, *mut FileCond) -> i32;
        find_next_v30 = "NET_DVR_FindNextFile_V30": fn(i32, *mut FindDataV30) -> i32;
    }
}

/// An exception as the library raised it.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// Its type.
    pub kind: u32,
    /// The handle that it is about; -1 for none.
    pub handle: i32,
}

/// Where exceptions go. The library has one callback per process.
static EXCEPTIONS: OnceLock<SyncSender<Exception>> = OnceLock::new();

/// A library that is loaded and initialised.
pub struct Sdk {
    api: Api,
    /// Its build, as `6.1.6.45`.
    pub build: String,
    /// Names of missing optional functions and files of the bundle.
    pub missing: Vec<String>,
}

/// Why there is no library.
#[derive(Debug)]
pub struct CannotLoad {
    /// Files and functions that are missing.
    pub missing: Vec<String>,
    /// What happened, and what to do.
    pub problem: String,
}

impl CannotLoad {
    fn new(missing: Vec<String>, problem: String) -> Self {
        Self { missing, problem }
    }
}

impl Sdk {
    /// Loads the library from its folder and initialises it with our settings. It stays for the life of the process:
    /// unloading it would leave its SIGPIPE handler pointing into unmapped memory.
    pub fn load(
        configure: &Configure,
        exceptions: SyncSender<Exception>,
    ) -> Result<&'static Self, CannotLoad> {
        let folder = &configure.sdk_folder;
        let shown = folder.display();
        let file = folder.join(FILE);
        if !file.is_file() {
            let missing = vec![FILE.to_owned()];
            let problem = format!(
                "the vendor's library is not installed: {FILE} is missing in {shown}. Copy the whole lib folder of the \
                 vendor's Linux 64-bit SDK (libhcnetsdk.so, libHCCore.so, libhpr.so, HCNetSDKCom/, ...) to {shown}"
            );
            return Err(CannotLoad::new(missing, problem));
        }
        let companions = missing_companions(folder);
        // SAFETY: loading runs the library's initialisers; this process exists to run that code and nothing else.
        let library = unsafe { libloading::Library::new(&file) }.map_err(|error| {
            let missing = if companions.is_empty() { String::new() } else { format!("; missing beside it: {}", companions.join(", ")) };
            let problem = format!(
                "the vendor's library in {shown} cannot be loaded: {}{missing}. Copy the whole lib folder of the vendor's \
                 Linux 64-bit SDK to {shown}",
                chain(&error)
            );
            CannotLoad::new(companions.clone(), problem)
        })?;
        let (api, mut missing) = Api::resolve(&library).map_err(|missing| {
            let problem = format!(
                "the library in {shown} is too old or not the vendor's: it lacks {}. Install SDK 5.3 or newer",
                some_of(&missing)
            );
            CannotLoad::new(missing, problem)
        })?;
        std::mem::forget(library);
        // Only the vendor's own bundle has companions at all.
        if companions.len() < COMPANIONS.len() {
            missing.extend(companions);
        }
        let mut sdk = Self {
            api,
            build: String::new(),
            missing,
        };
        sdk.initialise(configure, exceptions)
            .map_err(|(what, code)| {
                let problem = format!(
                    "the vendor's library in {shown} does not start: {what}: {} (error {})",
                    code.words("the recorder"),
                    code.number()
                );
                CannotLoad::new(sdk.missing.clone(), problem)
            })?;
        Ok(Box::leak(Box::new(sdk)))
    }

    /// The call sequence of ABI.md §12.
    fn initialise(
        &mut self,
        configure: &Configure,
        exceptions: SyncSender<Exception>,
    ) -> Result<(), (&'static str, Code)> {
        let folder = &configure.sdk_folder;
        let mut path = LocalSdkPath::zeroed();
        put_path(&mut path.path, folder).map_err(|code| ("folder", code))?;
        self.set_init(2, &mut path)
            .map_err(|code| ("folder", code))?;
        for (number, names) in OPENSSL {
            if let Some(file) = names
                .iter()
                .map(|name| folder.join(name))
                .find(|file| file.is_file())
            {
                let mut path = [0u8; 256];
                put_path(&mut path, &file).map_err(|code| ("path of OpenSSL", code))?;
                self.set_init(number, &mut path)
                    .map_err(|code| ("path of OpenSSL", code))?;
            }
        }
        // SAFETY: takes nothing; called once in this process.
        self.check(unsafe { (self.api.init)() })
            .map_err(|code| ("initialisation", code))?;
        ignore_sigpipe();
        // SAFETY: takes nothing.
        let build = unsafe { (self.api.build_version)() };
        self.build = build.to_be_bytes().map(|part| part.to_string()).join(".");

        let timeout_ms = configure.receive_timeout_ms;
        // SAFETY: takes a number.
        self.check(unsafe { (self.api.set_connect_time)(configure.connect_timeout_ms, 1) })
            .map_err(|code| ("connect timeout", code))?;
        // SAFETY: takes a number.
        self.check(unsafe { (self.api.set_receive_timeout)(timeout_ms) })
            .map_err(|code| ("receive timeout", code))?;
        // SAFETY: takes numbers.
        self.check(unsafe { (self.api.set_reconnect)(RECONNECT_MS, 1) })
            .map_err(|code| ("reconnect interval", code))?;
        let _ = EXCEPTIONS.set(exceptions); // set once: load is called once
        // SAFETY: `on_exception` has the type that the library calls and lives as long as the process.
        self.check(unsafe {
            (self.api.set_exception_callback)(
                0,
                std::ptr::null_mut(),
                on_exception,
                std::ptr::null_mut(),
            )
        })
        .map_err(|code| ("exception callback", code))?;

        let general = LocalGeneral {
            no_split: 1,
            ..LocalGeneral::zeroed()
        };
        self.set_local(17, &general)
            .map_err(|code| ("files in one piece", code))?;
        // The rest improves what works without it; old libraries know less of it.
        let timeouts = LocalTimeouts {
            preview_ms: timeout_ms,
            alarm_ms: timeout_ms,
            playback_ms: timeout_ms,
            other_ms: timeout_ms,
            ..LocalTimeouts::zeroed()
        };
        let heartbeat = LocalCheckDev {
            interval_ms: HEARTBEAT_MS,
            failures: 1,
            ..LocalCheckDev::zeroed()
        };
        for (what, result) in [
            ("timeouts", self.set_local(3, &timeouts)),
            ("heartbeat", self.set_local(10, &heartbeat)),
        ] {
            if let Err(code) = result {
                eprintln!("the library keeps its own {what}: error {}", code.number());
            }
        }
        Ok(())
    }

    fn check(&self, result: i32) -> Result<(), Code> {
        if result == 1 {
            Ok(())
        } else {
            Err(self.last_error())
        }
    }

    fn handle(&self, result: i32) -> Result<i32, Code> {
        if result >= 0 {
            Ok(result)
        } else {
            Err(self.last_error())
        }
    }

    /// Why the call just before, on this thread, failed.
    pub fn last_error(&self) -> Code {
        // SAFETY: takes nothing.
        Code::from_number(unsafe { (self.api.last_error)() })
    }

    fn set_init<T>(&self, number: i32, value: &mut T) -> Result<(), Code> {
        // SAFETY: the callers pass the struct or buffer that belongs to the number (ABI.md §2.2).
        self.check(unsafe { (self.api.set_init_config)(number, std::ptr::from_mut(value).cast()) })
    }

    fn set_local<T: Plain>(&self, number: i32, value: &T) -> Result<(), Code> {
        // SAFETY: the callers pass the struct that belongs to the number (ABI.md §6.7).
        self.check(unsafe { (self.api.set_local_config)(number, std::ptr::from_ref(value).cast()) })
    }

    /// Logs in. The device info comes with a failure too: it holds the state of the account.
    pub fn login(
        &self,
        info: &mut LoginInfo,
    ) -> Result<(i32, Box<DeviceInfoV40>), (Code, Box<DeviceInfoV40>)> {
        let mut device = DeviceInfoV40::zeroed_box();
        // SAFETY: both point to structs of the right type that outlive the call; the login is not asynchronous.
        match self.handle(unsafe { (self.api.login)(info, &mut *device) }) {
            Ok(user) => Ok((user, device)),
            Err(code) => Err((code, device)),
        }
    }

    /// Logs out.
    pub fn logout(&self, user: i32) -> Result<(), Code> {
        // SAFETY: takes a number.
        self.check(unsafe { (self.api.logout)(user) })
    }

    /// Reads a setting into the struct that belongs to the command.
    pub fn config<T: Plain>(&self, user: i32, command: u32, channel: i32) -> Result<Box<T>, Code> {
        let mut value = T::zeroed_box();
        let mut returned = 0;
        let size = size_of::<T>() as u32;
        let target: *mut T = &mut *value;
        // SAFETY: the target has `size` writable bytes, any bytes are a valid T, and `returned` is not NULL.
        self.check(unsafe {
            (self.api.get_config)(user, command, channel, target.cast(), size, &mut returned)
        })?;
        Ok(value)
    }

    /// Starts a search, third generation; error 23 where the library has none.
    pub fn find_v50(&self, user: i32, cond: &mut FileCondV50) -> Result<i32, Code> {
        let find = self
            .api
            .find_v50
            .filter(|_| self.api.find_next_v50.is_some())
            .ok_or(Code::NotSupported)?;
        // SAFETY: the struct has the right type and outlives the call.
        self.handle(unsafe { find(user, cond) })
    }

    /// Starts a search, second generation.
    pub fn find_v40(&self, user: i32, cond: &mut FileCondV40) -> Result<i32, Code> {
        // SAFETY: as above.
        self.handle(unsafe { (self.api.find_v40)(user, cond) })
    }

    /// Starts a search, first generation; error 23 where the library has none.
    pub fn find_v30(&self, user: i32, cond: &mut FileCond) -> Result<i32, Code> {
        let find = self
            .api
            .find_v30
            .filter(|_| self.api.find_next_v30.is_some())
            .ok_or(Code::NotSupported)?;
        // SAFETY: as above.
        self.handle(unsafe { find(user, cond) })
    }

    /// The next result, third generation: a `FIND_…` state.
    pub fn find_next_v50(&self, handle: i32, data: &mut FindDataV50) -> Result<i32, Code> {
        let next = self.api.find_next_v50.ok_or(Code::NotSupported)?;
        // SAFETY: as above.
        self.handle(unsafe { next(handle, data) })
    }

    /// The next result, second generation.
    pub fn find_next_v40(&self, handle: i32, data: &mut FindDataV40) -> Result<i32, Code> {
        // SAFETY: as above.
        self.handle(unsafe { (self.api.find_next_v40)(handle, data) })
    }

    /// The next result, first generation.
    pub fn find_next_v30(&self, handle: i32, data: &mut FindDataV30) -> Result<i32, Code> {
        let next = self.api.find_next_v30.ok_or(Code::NotSupported)?;
        // SAFETY: as above.
        self.handle(unsafe { next(handle, data) })
    }

    /// Ends a search.
    pub fn find_close(&self, handle: i32) -> Result<(), Code> {
        // SAFETY: takes a number.
        self.check(unsafe { (self.api.find_close)(handle) })
    }

    /// Prepares a download by name. Creates or truncates the file.
    pub fn file_by_name(&self, user: i32, name: &CString, path: &CString) -> Result<i32, Code> {
        // SAFETY: both are NUL-terminated and outlive the call; the library copies them.
        self.handle(unsafe { (self.api.file_by_name)(user, name.as_ptr(), path.as_ptr()) })
    }

    /// Prepares a download by time. Creates or truncates the file.
    pub fn file_by_time(
        &self,
        user: i32,
        path: &CString,
        cond: &mut PlayCond,
    ) -> Result<i32, Code> {
        // SAFETY: NUL-terminated, of the right type, and both outlive the call.
        self.handle(unsafe { (self.api.file_by_time)(user, path.as_ptr(), cond) })
    }

    /// Starts a prepared download.
    pub fn start_file(&self, handle: i32) -> Result<(), Code> {
        self.control(handle, PLAY_START, None)
    }

    /// Limits a download, in kbit/s.
    pub fn limit_file(&self, handle: i32, kbps: u32) -> Result<(), Code> {
        self.control(handle, PLAY_SET_SPEED, Some(kbps))
    }

    fn control(&self, handle: i32, command: u32, value: Option<u32>) -> Result<(), Code> {
        let mut value = value;
        let (pointer, size) = match &mut value {
            Some(number) => (std::ptr::from_mut(number).cast(), size_of::<u32>() as u32),
            None => (std::ptr::null_mut(), 0),
        };
        // SAFETY: the input is NULL or `size` readable bytes that outlive the call; no output is asked for.
        self.check(unsafe {
            (self.api.play_control)(
                handle,
                command,
                pointer,
                size,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        })
    }

    /// How far a download is: 0–99 running, 100 ended well, 200 broken off. The error is that of this thread.
    pub fn download_position(&self, handle: i32) -> Result<i32, Code> {
        // SAFETY: takes a number.
        self.handle(unsafe { (self.api.download_position)(handle) })
    }

    /// Ends a download, finished or not. The file stays as it is.
    pub fn stop_file(&self, handle: i32) -> Result<(), Code> {
        // SAFETY: takes a number.
        self.check(unsafe { (self.api.stop_file)(handle) })
    }

    /// Starts a live stream.
    ///
    /// # Safety
    /// `callback` gets `user` from other threads until [`Sdk::stop_real_play`] has returned successfully.
    pub unsafe fn real_play(
        &self,
        session: i32,
        info: &mut PreviewInfo,
        callback: DataCallback,
        user: *mut c_void,
    ) -> Result<i32, Code> {
        // SAFETY: the struct has the right type and outlives the call; the rest is the caller's promise.
        self.handle(unsafe { (self.api.real_play)(session, info, callback, user) })
    }

    /// Ends a live stream: waits for a running callback, and none comes afterwards. Not from inside a callback.
    pub fn stop_real_play(&self, handle: i32) -> Result<(), Code> {
        // SAFETY: takes a number.
        self.check(unsafe { (self.api.stop_real_play)(handle) })
    }
}

/// Time between two attempts of the library to get a live stream back.
const RECONNECT_MS: u32 = 10_000;
/// Time between two heartbeats of the library: its minimum.
const HEARTBEAT_MS: u32 = 30_000;

/// The library's exceptions, on one of its threads: copied, queued, and dropped when nobody reads them.
unsafe extern "C" fn on_exception(kind: u32, _user: i32, handle: i32, _data: *mut c_void) {
    // A panic must not unwind into the library; there is nothing in here that could, and it would be lost if it did.
    let _ = std::panic::catch_unwind(|| {
        if let Some(queue) = EXCEPTIONS.get() {
            let _ = queue.try_send(Exception { kind, handle }); // full: the reader hangs, and the worker with it
        }
    });
}

/// Init takes SIGPIPE over; a viewer that goes away must end a write with an error, not this process.
fn ignore_sigpipe() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: ignoring a signal installs no code.
    if let Err(error) = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) } {
        eprintln!("SIGPIPE cannot be ignored again: {error}");
    }
}

fn put_path(array: &mut [u8], path: &Path) -> Result<(), Code> {
    let text = std::str::from_utf8(path.as_os_str().as_bytes()).map_err(|_| Code::BadFolder)?;
    put_text(array, text).map_err(|_| Code::BadFolder)
}

fn missing_companions(folder: &Path) -> Vec<String> {
    COMPANIONS
        .iter()
        .filter(|name| !folder.join(PathBuf::from(name)).exists())
        .map(|name| (*name).to_owned())
        .collect()
}

/// The first few names, and how many more there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
