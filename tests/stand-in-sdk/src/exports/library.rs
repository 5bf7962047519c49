//! Life cycle and settings of the library itself.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::codes::{self, error};
use crate::ffi;
use crate::hostile;
use crate::layout::{
    ExceptionFn, Layout, LocalGeneralCfg, LocalStreamCallbackCfg, SdkAbl, SdkState,
};
use crate::sdk::{
    UserPointer, call, call_bool, close_all, guarded, last_error, sdk, set_exception_callback,
};
use crate::state::Call;
use crate::world::world;

/// 6.1.6.45, or 5.3.5.2 with the feature `legacy`.
const BUILD: u32 = if cfg!(feature = "legacy") {
    0x0503_0502
} else {
    0x0601_062d
};

/// Local settings that have a meaning here.
const LOCAL_STREAM_CALLBACK: c_int = 16;
const LOCAL_GENERAL: c_int = 17;

static SIGPIPES: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_sigpipe(_signal: c_int) {
    SIGPIPES.fetch_add(1, Ordering::Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_Init() -> i32 {
    guarded(0, || {
        sdk().inits += 1;
        if world().scenario().sigpipe_handler {
            let handler: extern "C" fn(c_int) = on_sigpipe;
            // SAFETY: the handler only touches an atomic. As the vendor's, it stays after Cleanup.
            unsafe { libc::signal(libc::SIGPIPE, handler as libc::sighandler_t) };
        }
        for _ in 0..world().scenario().idle_threads {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        world().record(Call {
            call: "init".to_string(),
            ..Call::default()
        });
        for plan in world()
            .scenario()
            .devices
            .iter()
            .filter_map(|device| device.hostile.as_ref())
        {
            hostile::run(plan, "init");
        }
        Ok(1)
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_Cleanup() -> i32 {
    call_bool(|| {
        let last = {
            let mut sdk = sdk();
            sdk.inits -= 1;
            sdk.inits == 0
        };
        if last {
            close_all();
        }
        std::thread::sleep(Duration::from_millis(world().scenario().cleanup_ms)); // what the vendor's takes
        world().record(Call {
            call: "cleanup".to_string(),
            ..Call::default()
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_GetSDKVersion() -> u32 {
    // 0xMMmmpppp becomes major in the high word and minor in the low one
    call(0, || Ok((BUILD >> 24) << 16 | (BUILD >> 16 & 0xff)))
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_GetSDKBuildVersion() -> u32 {
    call(0, || Ok(BUILD))
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_IsSupport() -> i32 {
    call(0, || Ok(0))
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_GetLastError() -> u32 {
    last_error()
}

/// The value behind the pointer is not read: the calling thread's last error is written there.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetErrorMsg(number: *mut i32) -> *const c_char {
    let code = last_error();
    if !number.is_null() {
        // SAFETY: not NULL, and the caller promises an integer.
        unsafe { number.write_unaligned(code as i32) };
    }
    codes::text(code).as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetConnectTime(milliseconds: u32, _tries: u32) -> i32 {
    call_bool(|| {
        if (300..=75_000).contains(&milliseconds) {
            sdk().settings.connect_ms = milliseconds;
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetRecvTimeOut(milliseconds: u32) -> i32 {
    call_bool(|| {
        sdk().settings.receive_ms = milliseconds;
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetReconnect(interval_ms: u32, enable: i32) -> i32 {
    call_bool(|| {
        sdk().settings.reconnect_ms = (enable != 0).then_some(interval_ms);
        Ok(())
    })
}

/// Before Init. The stand-in needs no components, so every known kind is taken.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_SetSDKInitCfg(kind: c_int, input: *const c_void) -> i32 {
    guarded(0, || {
        if !(0..=4).contains(&kind) || input.is_null() {
            return Err(error::PARAMETER_ERROR);
        }
        Ok(1)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_SetSDKLocalCfg(kind: c_int, input: *const c_void) -> i32 {
    call_bool(|| {
        match kind {
            LOCAL_STREAM_CALLBACK => {
                // SAFETY: this kind comes with this struct.
                let given = unsafe { ffi::read(input.cast::<LocalStreamCallbackCfg>()) }?;
                sdk().settings.tell_playback_end = given.byPlayBackEndFlag != 0;
            }
            LOCAL_GENERAL => {
                // SAFETY: this kind comes with this struct.
                let given = unsafe { ffi::read(input.cast::<LocalGeneralCfg>()) }?;
                sdk().settings.set_general(&given);
            }
            0..=25 if !input.is_null() => {}
            _ => return Err(error::PARAMETER_ERROR),
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetSDKLocalCfg(kind: c_int, output: *mut c_void) -> i32 {
    call_bool(|| {
        let settings = sdk().settings;
        match kind {
            LOCAL_STREAM_CALLBACK => {
                let flag = settings.tell_playback_end.into();
                let answer = LocalStreamCallbackCfg {
                    byPlayBackEndFlag: flag,
                    ..Layout::zeroed()
                };
                // SAFETY: this kind comes with this struct.
                unsafe { ffi::write(output.cast(), answer) }
            }
            LOCAL_GENERAL => {
                let answer = LocalGeneralCfg {
                    byNotSplitRecordFile: settings.split_bytes.is_none().into(),
                    i64FileSize: settings
                        .split_bytes
                        .unwrap_or(crate::sdk::DEFAULT_SPLIT_BYTES),
                    ..Layout::zeroed()
                };
                // SAFETY: this kind comes with this struct.
                unsafe { ffi::write(output.cast(), answer) }
            }
            _ => Err(error::NOSUPPORT),
        }
    })
}

/// The stand-in keeps `calls.jsonl` and writes no log of the vendor's kind.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_SetLogToFile(
    _level: u32,
    _folder: *const c_char,
    _delete: i32,
) -> i32 {
    call_bool(|| Ok(()))
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetExceptionCallBack_V30(
    _reserved: u32,
    _also_reserved: *mut c_void,
    callback: Option<ExceptionFn>,
    user: *mut c_void,
) -> i32 {
    call_bool(|| {
        set_exception_callback(callback.ok_or(error::PARAMETER_ERROR)?, UserPointer(user));
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetSDKState(output: *mut SdkState) -> i32 {
    call_bool(|| {
        let answer = {
            let sdk = sdk();
            SdkState {
                dwTotalLoginNum: sdk.sessions.len(),
                dwTotalRealPlayNum: sdk.previews.len(),
                dwTotalPlayBackNum: sdk.plays.len(),
                dwTotalFileSearchNum: sdk.searches.len(),
                ..Layout::zeroed()
            }
        };
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, answer) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetSDKAbility(output: *mut SdkAbl) -> i32 {
    call_bool(|| {
        let answer = SdkAbl {
            dwMaxLoginNum: 2048,
            dwMaxRealPlayNum: 4096,
            dwMaxPlayBackNum: 4096,
            dwMaxFileSearchNum: 512,
            ..Layout::zeroed()
        };
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, answer) }
    })
}
