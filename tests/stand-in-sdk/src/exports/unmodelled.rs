//! What recorders could do and the stand-in does not: present, with the right shape, and always error 23.

use std::ffi::{c_char, c_void};

use crate::codes::error;
use crate::layout::{DataFn, DataFn32};
use crate::sdk::call;

macro_rules! unmodelled {
    ($($(#[$attribute:meta])* $name:ident ( $($argument:ty),* ) = $failure:literal;)*) => {
        $(
            $(#[$attribute])*
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $argument),*) -> i32 {
                call($failure, || Err(error::NOSUPPORT))
            }
        )*
    };
}

unmodelled! {
    NET_DVR_SetDVRConfig(i32, u32, i32, *const c_void, u32) = 0;
    NET_DVR_GetDeviceConfig(i32, u32, u32, *const c_void, u32, *mut c_void, *mut c_void, u32) = 0;
    NET_DVR_GetDeviceAbility(i32, u32, *const c_char, u32, *mut c_char, u32) = 0;
    NET_DVR_GetDVRWorkState_V30(i32, *mut c_void) = 0;
    NET_DVR_LockFileByName(i32, *const c_char) = 0;
    NET_DVR_UnlockFileByName(i32, *const c_char) = 0;
    NET_DVR_LockFileByTime(i32, *const c_void, *mut c_void) = 0;
    NET_DVR_UnlockFileByTime(i32, *const c_void, *mut c_void) = 0;
    NET_DVR_FindFileByEvent_V40(i32, *const c_void) = -1;
    #[cfg(not(feature = "legacy"))]
    NET_DVR_FindFileByEvent_V50(i32, *const c_void) = -1;
    NET_DVR_FindNextEvent_V40(i32, *mut c_void) = -1;
    #[cfg(not(feature = "legacy"))]
    NET_DVR_FindNextEvent_V50(i32, *mut c_void) = -1;
    NET_DVR_SetPlayBackESCallBack(i32, *const c_void, *mut c_void) = 0;
    NET_DVR_PlayBackSaveData(i32, *const c_char) = 0;
    NET_DVR_StopPlayBackSave(i32) = 0;
    NET_DVR_SetStandardDataCallBack(i32, Option<DataFn32>, u32) = 0;
    #[cfg(not(feature = "legacy"))]
    NET_DVR_SetStandardDataCallBackEx(i32, Option<DataFn>, *mut c_void) = 0;
    NET_DVR_SetESRealPlayCallBack(i32, *const c_void, *mut c_void) = 0;
    NET_DVR_SaveRealData(i32, *const c_char) = 0;
    NET_DVR_SaveRealData_V30(i32, u32, *const c_char) = 0;
    NET_DVR_StopSaveRealData(i32) = 0;
    NET_DVR_CaptureJPEGPicture(i32, i32, *const c_void, *const c_char) = 0;
    NET_DVR_CaptureJPEGPicture_NEW(i32, i32, *const c_void, *mut c_char, u32, *mut u32) = 0;
    #[cfg(not(feature = "legacy"))]
    NET_DVR_SetRealPlaySecretKey(i32, u32, *const c_char, u32) = 0;
    #[cfg(not(feature = "legacy"))]
    NET_DVR_SetPlayBackSecretKey(i32, u32, *const c_char, u32) = 0;
}
