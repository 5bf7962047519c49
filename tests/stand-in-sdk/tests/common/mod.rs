//! The library as a program sees it: loaded from a folder of its own, called through its symbols.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hcnetsdk::layout::*;
use hcnetsdk::reel::{self, AccessUnit, AudioCodec, Description, VideoCodec};
use hcnetsdk::scenario::{Channel, Device, Recording, Scenario};
use hcnetsdk::{folder, state::Call};
use libloading::Library;
use tempfile::TempDir;

pub const PASSWORD: &str = "correct-horse";
pub const ADDRESS: &str = "192.0.2.10";

/// A folder with the library, its scenario and two reels: `a.reel` of 10 s and `live.reel` of 2 s.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new(scenario: &Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_reel(&folder.path().join("a.reel"), 250);
        make_reel(&folder.path().join("live.reel"), 50);
        folder::prepare(folder.path(), scenario).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn calls(&self, of: &str) -> Vec<Call> {
        folder::calls(self.path())
            .unwrap()
            .into_iter()
            .filter(|call| call.call == of)
            .collect()
    }

    pub fn saved(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What a recorder with a right clock in UTC gives for `recording`, if it is the reel once.
    pub fn expected(&self, recording: &Recording) -> Vec<u8> {
        let mut bytes = Vec::new();
        hcnetsdk::recorded(
            &self.path().join(&recording.media),
            recording.start,
            None,
            &mut bytes,
        )
        .unwrap();
        bytes
    }
}

/// 25 pictures a second with a key picture every second, sound, and bytes that no decoder is asked for.
pub fn make_reel(folder: &Path, frames: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let mut video = Vec::new();
    let mut units = Vec::new();
    for n in 0..frames {
        let size = if n % 25 == 0 { 12_000 } else { 900 };
        let dts = n * 3_600;
        units.push(AccessUnit {
            offset: video.len() as u64,
            size,
            key: n % 25 == 0,
            pts: dts,
            dts,
        });
        video.extend(std::iter::repeat_n(0x11 + (n % 100) as u8, size as usize));
    }
    let description = Description {
        codec: VideoCodec::H264,
        width: 640,
        height: 360,
        frames_per_s: 25.0,
        duration_ticks: frames * 3_600,
        audio: Some(AudioCodec::G711a),
    };
    reel::write(
        folder,
        &description,
        &units,
        &video,
        &vec![0xD5; frames as usize * 320],
    )
    .unwrap();
}

pub fn recording(name: &str, start: &str) -> Recording {
    Recording {
        name: name.to_string(),
        start: start.parse().unwrap(),
        duration_s: None,
        media: "a.reel".into(),
        locked: false,
        file_type: 0,
        stream: 0,
    }
}

/// One recorder with channel 33: three recordings of 10 s from 10:00:00 on, and a live stream.
pub fn device() -> Device {
    Device {
        address: ADDRESS.to_string(),
        password: PASSWORD.to_string(),
        channels: vec![Channel {
            number: 33,
            name: "Yard".to_string(),
            live: Some("live.reel".into()),
            recordings: vec![
                recording("ch33_1", "2026-11-20T10:00:00Z"),
                recording("ch33_2", "2026-11-20T10:00:10Z"),
                recording("ch33_3", "2026-11-20T10:00:20Z"),
            ],
            ..Channel::default()
        }],
        ..Device::default()
    }
}

pub fn scenario(device: Device) -> Scenario {
    Scenario {
        devices: vec![device],
        unreachable_after_ms: 1,
        ..Scenario::default()
    }
}

/// The loaded library. It stays loaded: the real one may not be unloaded either.
#[derive(Clone, Copy)]
pub struct Sdk(&'static Library);

macro_rules! calls {
    ($($method:ident = $symbol:ident ( $($argument:ident : $type:ty),* ) -> $result:ty;)*) => {
        $(pub fn $method(self, $($argument: $type),*) -> $result {
            // SAFETY: the symbol has this type; the tests pass pointers that live through the call.
            unsafe {
                let function: libloading::Symbol<'_, unsafe extern "C" fn($($type),*) -> $result> =
                    self.0.get(stringify!($symbol).as_bytes()).unwrap();
                function($($argument),*)
            }
        })*
    };
}

impl Sdk {
    pub fn load(place: &Place) -> Self {
        Self::load_from(place.path())
    }

    pub fn load_from(folder: &Path) -> Self {
        // SAFETY: loading runs nothing but what Rust's runtime needs.
        let library = unsafe { Library::new(folder.join("libhcnetsdk.so")) }.unwrap();
        Self(Box::leak(Box::new(library)))
    }

    /// Whether the library exports `symbol`.
    pub fn has(self, symbol: &str) -> bool {
        // SAFETY: the symbol is only looked up, never used.
        unsafe { self.0.get::<*const c_void>(symbol.as_bytes()) }.is_ok()
    }

    /// Loads and initialises.
    pub fn start(place: &Place) -> Self {
        let sdk = Self::load(place);
        assert_eq!(sdk.init(), 1);
        sdk
    }

    calls! {
        init = NET_DVR_Init() -> i32;
        cleanup = NET_DVR_Cleanup() -> i32;
        version = NET_DVR_GetSDKVersion() -> u32;
        build = NET_DVR_GetSDKBuildVersion() -> u32;
        error = NET_DVR_GetLastError() -> u32;
        error_text = NET_DVR_GetErrorMsg(number: *mut i32) -> *const c_char;
        set_local = NET_DVR_SetSDKLocalCfg(kind: i32, input: *const c_void) -> i32;
        set_reconnect = NET_DVR_SetReconnect(interval_ms: u32, enable: i32) -> i32;
        set_exception = NET_DVR_SetExceptionCallBack_V30(
            a: u32, b: *mut c_void, callback: Option<ExceptionFn>, user: *mut c_void
        ) -> i32;
        state = NET_DVR_GetSDKState(output: *mut SdkState) -> i32;
        login_v40 = NET_DVR_Login_V40(input: *const UserLoginInfo, output: *mut DeviceInfoV40) -> i32;
        logout = NET_DVR_Logout(user: i32) -> i32;
        config = NET_DVR_GetDVRConfig(
            user: i32, command: u32, channel: i32, output: *mut c_void, size: u32, returned: *mut u32
        ) -> i32;
        page = NET_DVR_STDXMLConfig(user: i32, input: *const XmlConfigInput, output: *mut XmlConfigOutput) -> i32;
        find_v40 = NET_DVR_FindFile_V40(user: i32, input: *const FileCondV40) -> i32;
        find_v50 = NET_DVR_FindFile_V50(user: i32, input: *const FileCondV50) -> i32;
        next_v30 = NET_DVR_FindNextFile_V30(handle: i32, output: *mut FindDataV30) -> i32;
        next_v40 = NET_DVR_FindNextFile_V40(handle: i32, output: *mut FindDataV40) -> i32;
        next_v50 = NET_DVR_FindNextFile_V50(handle: i32, output: *mut FindDataV50) -> i32;
        find_close = NET_DVR_FindClose_V30(handle: i32) -> i32;
        by_name = NET_DVR_GetFileByName(user: i32, name: *const c_char, path: *const c_char) -> i32;
        by_time = NET_DVR_GetFileByTime_V40(user: i32, path: *const c_char, input: *const PlayCond) -> i32;
        control = NET_DVR_PlayBackControl_V40(
            handle: i32, command: u32, input: *const c_void, size: u32, output: *mut c_void, returned: *mut u32
        ) -> i32;
        position = NET_DVR_GetDownloadPos(handle: i32) -> i32;
        stop_file = NET_DVR_StopGetFile(handle: i32) -> i32;
        play_by_time = NET_DVR_PlayBackByTime_V40(user: i32, input: *const VodPara) -> i32;
        play_callback = NET_DVR_SetPlayDataCallBack_V40(
            handle: i32, callback: Option<DataFn>, user: *mut c_void
        ) -> i32;
        play_position = NET_DVR_GetPlayBackPos(handle: i32) -> i32;
        stop_play = NET_DVR_StopPlayBack(handle: i32) -> i32;
        live = NET_DVR_RealPlay_V40(
            user: i32, input: *const PreviewInfo, callback: Option<DataFn>, pointer: *mut c_void
        ) -> i32;
        stop_live = NET_DVR_StopRealPlay(handle: i32) -> i32;
        lock_by_name = NET_DVR_LockFileByName(user: i32, name: *const c_char) -> i32;
    }

    pub fn login_as(self, address: &str, password: &str, output: &mut DeviceInfoV40) -> i32 {
        let mut input = UserLoginInfo {
            wPort: 8000,
            ..Layout::zeroed()
        };
        put(&mut input.sDeviceAddress, address);
        put(&mut input.sUserName, "admin");
        put(&mut input.sPassword, password);
        self.login_v40(&input, output)
    }

    pub fn login(self) -> i32 {
        let user = self.login_as(ADDRESS, PASSWORD, &mut DeviceInfoV40::zeroed());
        assert!(user >= 0, "login failed with {}", self.error());
        user
    }

    /// Opens a download by name and starts it.
    pub fn download(self, user: i32, name: &str, path: &Path) -> i32 {
        let handle = self.open_by_name(user, name, path);
        assert!(handle >= 0, "opening failed with {}", self.error());
        assert_eq!(
            self.start_play(handle),
            1,
            "starting failed with {}",
            self.error()
        );
        handle
    }

    pub fn open_by_name(self, user: i32, name: &str, path: &Path) -> i32 {
        let (name, path) = (
            CString::new(name).unwrap(),
            CString::new(path.to_str().unwrap()).unwrap(),
        );
        self.by_name(user, name.as_ptr(), path.as_ptr())
    }

    pub fn start_play(self, handle: i32) -> i32 {
        let none = std::ptr::null_mut();
        self.control(handle, 1, none, 0, none, std::ptr::null_mut())
    }

    /// Waits until the position is no longer that of a running download.
    pub fn ended(self, handle: i32) -> (i32, u32) {
        let mut last = (0, 0);
        eventually("the download ends", || {
            last = (self.position(handle), self.error());
            !(0..100).contains(&last.0)
        });
        last
    }

    pub fn open_things(self) -> (u32, u32, u32, u32) {
        let mut state = SdkState::zeroed();
        assert_eq!(self.state(&mut state), 1);
        (
            state.dwTotalLoginNum,
            state.dwTotalFileSearchNum,
            state.dwTotalPlayBackNum,
            state.dwTotalRealPlayNum,
        )
    }
}

pub fn put(target: &mut [u8], text: &str) {
    target[..text.len()].copy_from_slice(text.as_bytes());
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(
        bytes
            .iter()
            .copied()
            .take_while(|byte| *byte != 0)
            .collect(),
    )
    .unwrap()
}

/// `10:MM:SS` of the day that the recordings are from.
pub fn at(minute: u32, second: u32) -> Time {
    Time {
        dwYear: 2026,
        dwMonth: 11,
        dwDay: 20,
        dwHour: 10,
        dwMinute: minute,
        dwSecond: second,
    }
}

pub fn window(from: Time, to: Time) -> FileCondV40 {
    FileCondV40 {
        lChannel: 33,
        dwFileType: 0xff,
        dwIsLocked: 0xff,
        struStartTime: from,
        struStopTime: to,
        ..Layout::zeroed()
    }
}

pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a data callback was given: handle, type, bytes.
pub type Given = (i32, u32, Vec<u8>);

/// A callback that sends everything to the receiver; the sender stays for ever, as the library may use it late.
pub fn listener() -> (DataFn, *mut c_void, mpsc::Receiver<Given>) {
    unsafe extern "C" fn on_data(
        handle: i32,
        kind: u32,
        bytes: *mut u8,
        length: u32,
        user: *mut c_void,
    ) {
        assert!(!bytes.is_null());
        // SAFETY: the library gives `length` bytes, and `user` is the leaked sender.
        let (bytes, sender) = unsafe {
            (
                std::slice::from_raw_parts(bytes, length as usize),
                &*user.cast::<mpsc::Sender<Given>>(),
            )
        };
        let _ = sender.send((handle, kind, bytes.to_vec()));
    }
    let (sender, receiver) = mpsc::channel();
    (on_data, Box::into_raw(Box::new(sender)).cast(), receiver)
}
