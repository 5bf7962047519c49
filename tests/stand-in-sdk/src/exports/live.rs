//! Live streams.

use std::ffi::c_void;
use std::sync::Arc;

use crate::callback::DataCallback;
use crate::codes::error;
use crate::faults;
use crate::ffi;
use crate::layout::{ClientInfo, DataFn, DataFn32, PreviewInfo};
use crate::live::Preview;
use crate::scenario::Scope;
use crate::sdk::{UserPointer, call, call_bool, sdk, session};

fn open(
    user_id: i32,
    channel: i32,
    sub: bool,
    callback: Option<DataCallback>,
    blocking: bool,
) -> Result<i32, u32> {
    let session = session(user_id)?;
    let device = session.device()?;
    let number = channel as u32;
    if !device.has_channel(number) {
        return Err(error::CHANNEL_ERROR);
    }
    let faults = faults::arm(&device, Scope::Live, Some(number), None);
    faults::meet(&faults, Scope::Live)?;
    Preview::new(session, user_id, number, sub, callback, faults).open(blocking)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_RealPlay_V40(
    user_id: i32,
    input: *const PreviewInfo,
    callback: Option<DataFn>,
    user: *mut c_void,
) -> i32 {
    call(-1, || {
        session(user_id)?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        let callback = callback.map(|function| DataCallback::Full(function, UserPointer(user)));
        open(
            user_id,
            given.lChannel,
            given.dwStreamType == 1,
            callback,
            given.bBlocked != 0,
        )
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_RealPlay_V30(
    user_id: i32,
    input: *const ClientInfo,
    callback: Option<DataFn>,
    user: *mut c_void,
    blocked: i32,
) -> i32 {
    call(-1, || {
        session(user_id)?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        let callback = callback.map(|function| DataCallback::Full(function, UserPointer(user)));
        // the highest bit of the link mode asks for the sub stream
        open(
            user_id,
            given.lChannel,
            given.lLinkMode < 0,
            callback,
            blocked != 0,
        )
    })
}

/// A wrong handle is a wrong parameter here, not a wrong order. Waits for the running callback.
#[unsafe(no_mangle)]
extern "C" fn NET_DVR_StopRealPlay(handle: i32) -> i32 {
    call_bool(|| {
        preview(handle)?.stop();
        sdk().previews.remove(handle);
        Ok(())
    })
}

fn preview(handle: i32) -> Result<Arc<Preview>, u32> {
    sdk().previews.get(handle).ok_or(error::PARAMETER_ERROR)
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetRealDataCallBack(
    handle: i32,
    callback: Option<DataFn32>,
    user: u32,
) -> i32 {
    call_bool(|| {
        preview(handle)?.set_callback(callback.map(|function| DataCallback::Short(function, user)));
        Ok(())
    })
}

#[cfg(not(feature = "legacy"))]
#[unsafe(no_mangle)]
extern "C" fn NET_DVR_SetRealDataCallBackEx(
    handle: i32,
    callback: Option<DataFn>,
    user: *mut c_void,
) -> i32 {
    call_bool(|| {
        let callback = callback.map(|function| DataCallback::Full(function, UserPointer(user)));
        preview(handle)?.set_callback(callback);
        Ok(())
    })
}

fn make_key_frame(user_id: i32, channel: i32) -> i32 {
    call_bool(|| {
        let device = session(user_id)?.device()?;
        // Key pictures come as the reel has them: asking for one is accepted and changes nothing.
        if device.has_channel(channel as u32) {
            Ok(())
        } else {
            Err(error::CHANNEL_ERROR)
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_MakeKeyFrame(user_id: i32, channel: i32) -> i32 {
    make_key_frame(user_id, channel)
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_MakeKeyFrameSub(user_id: i32, channel: i32) -> i32 {
    make_key_frame(user_id, channel)
}
