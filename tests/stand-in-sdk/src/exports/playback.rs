//! Playback as a stream.

use std::ffi::{c_char, c_void};

use super::download::{self, Asked, open, play};
use crate::callback::DataCallback;
use crate::clock::to_time;
use crate::codes::error;
use crate::ffi;
use crate::layout::{DataFn, DataFn32, StreamInfo, Time, VodPara};
use crate::layout::{PlayByNamePara, TimeV50, VodParaV50};
use crate::sdk::{UserPointer, call, call_bool, session};
use crate::world::world;

fn check_sizes(own: u32, expected: usize, id: &StreamInfo) -> Result<(), u32> {
    let right = own as usize == expected && id.dwSize as usize == size_of::<StreamInfo>();
    if right || !world().scenario().strict_sizes {
        Ok(())
    } else {
        Err(error::PARAMETER_ERROR)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_PlayBackByTime_V40(user_id: i32, input: *const VodPara) -> i32 {
    call(-1, || {
        session(user_id)?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        check_sizes(given.dwSize, size_of::<VodPara>(), &given.struIDInfo)?;
        let asked = download::stretch(
            given.struIDInfo.dwChannel,
            given.byStreamType,
            &given.struBeginTime,
            &given.struEndTime,
        )?;
        open(user_id, asked, None)
    })
}

#[cfg(not(feature = "legacy"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_PlayBackByTime_V50(user_id: i32, input: *const VodParaV50) -> i32 {
    call(-1, || {
        let device = session(user_id)?.device()?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        if !device.v50 {
            return Err(error::NOSUPPORT);
        }
        check_sizes(given.dwSize, size_of::<VodParaV50>(), &given.struIDInfo)?;
        let wall = |time: &TimeV50| Time {
            dwYear: time.wYear.into(),
            dwMonth: time.byMonth.into(),
            dwDay: time.byDay.into(),
            dwHour: time.byHour.into(),
            dwMinute: time.byMinute.into(),
            dwSecond: time.bySecond.into(),
        };
        let (from, to) = (wall(&given.struBeginTime), wall(&given.struEndTime));
        open(
            user_id,
            download::stretch(given.struIDInfo.dwChannel, given.byStreamType, &from, &to)?,
            None,
        )
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_PlayBackByName(
    user_id: i32,
    file: *const c_char,
    _window: u32,
) -> i32 {
    call(-1, || {
        session(user_id)?;
        open(user_id, Asked::Name(download::name(file)?), None)
    })
}

#[cfg(not(feature = "legacy"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_PlayBackByName_V50(user_id: i32, input: *const PlayByNamePara) -> i32 {
    call(-1, || {
        let device = session(user_id)?.device()?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        if !device.v50 {
            return Err(error::NOSUPPORT);
        }
        open(user_id, Asked::Name(ffi::text_in(&given.szFileName)), None)
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetPlayDataCallBack_V40(
    handle: i32,
    callback: Option<DataFn>,
    user: *mut c_void,
) -> i32 {
    call_bool(|| {
        let callback = callback.ok_or(error::PARAMETER_ERROR)?;
        play(handle)?.set_callback(DataCallback::Full(callback, UserPointer(user)));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetPlayDataCallBack(
    handle: i32,
    callback: Option<DataFn32>,
    user: u32,
) -> i32 {
    call_bool(|| {
        let callback = callback.ok_or(error::PARAMETER_ERROR)?;
        play(handle)?.set_callback(DataCallback::Short(callback, user));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_GetPlayBackPos(handle: i32) -> i32 {
    download::position(handle)
}

/// The wall time of what was given last.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetPlayBackOsdTime(handle: i32, output: *mut Time) -> i32 {
    call_bool(|| {
        let shown = play(handle)?.shown().ok_or(error::ORDER_ERROR)?;
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, to_time(shown)) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_StopPlayBack(handle: i32) -> i32 {
    download::stop(handle)
}
