//! Logging in and out.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use crate::codes::error;
use crate::faults;
use crate::ffi::{self, text_at, text_in};
use crate::layout::{DeviceInfoV30, DeviceInfoV40, LoginResultFn, UserLoginInfo};
use crate::scenario::Scope;
use crate::sdk::{UserPointer, call, call_bool, sdk, session};
use crate::session::{Credentials, Refused, Session, log_in};
use crate::state::Call;
use crate::world::world;

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_Login_V40(
    input: *const UserLoginInfo,
    output: *mut DeviceInfoV40,
) -> i32 {
    call(-1, || {
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        if output.is_null() {
            return Err(error::PARAMETER_ERROR);
        }
        let who = Credentials {
            address: text_in(&given.sDeviceAddress),
            port: given.wPort,
            user: text_in(&given.sUserName),
            password: text_in(&given.sPassword),
        };
        if given.bUseAsynLogin != 0 {
            let callback = given.cbLoginResult.ok_or(error::PARAMETER_ERROR)?;
            return Ok(log_in_apart(who, callback, UserPointer(given.pUser)));
        }
        match log_in(&who) {
            Ok(info) => {
                // SAFETY: as every pointer of this module.
                unsafe { ffi::write(output, info) }?;
                Ok(sdk().sessions.insert(Arc::new(Session::new(&who, false))))
            }
            Err(Refused { code, lock: None }) => Err(code), // nobody answered: the struct stays as it was
            Err(Refused {
                code,
                lock: Some((tries, lock_s)),
            }) => {
                // SAFETY: as every pointer of this module.
                let mut info = unsafe { ffi::read(output) }?;
                info.bySupportLock = 1;
                info.byRetryLoginTime = tries;
                info.dwSurplusLockTime = lock_s;
                // SAFETY: as every pointer of this module.
                unsafe { ffi::write(output, info) }?;
                Err(code)
            }
        }
    })
}

/// Gives an id at once; it is good when the callback says so.
fn log_in_apart(who: Credentials, callback: LoginResultFn, user: UserPointer) -> i32 {
    let session = Arc::new(Session::new(&who, true));
    let id = sdk().sessions.insert(session.clone());
    std::thread::spawn(move || {
        let user = user; // the whole wrapper moves into the thread, and not the bare pointer
        match log_in(&who) {
            Ok(mut info) => {
                session.settle();
                // SAFETY: the caller gave a function of this type; the struct lives through the call.
                unsafe { callback(id, 1, &raw mut info.struDeviceV30, user.0) };
            }
            Err(_) => {
                sdk().sessions.remove(id);
                // SAFETY: the caller gave a function of this type, which knows that a failure comes without a struct.
                unsafe { callback(id, 0, std::ptr::null_mut(), user.0) };
            }
        }
    });
    id
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_Login_V30(
    address: *const c_char,
    port: u16,
    user: *const c_char,
    password: *const c_char,
    output: *mut DeviceInfoV30,
) -> i32 {
    call(-1, || {
        // SAFETY: as every pointer of this module.
        let texts = unsafe { (text_at(address)?, text_at(user)?, text_at(password)?) };
        let who = Credentials {
            address: texts.0,
            port,
            user: texts.1,
            password: texts.2,
        };
        if output.is_null() {
            return Err(error::PARAMETER_ERROR);
        }
        let info = log_in(&who).map_err(|refused| refused.code)?;
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, info.struDeviceV30) }?;
        Ok(sdk().sessions.insert(Arc::new(Session::new(&who, false))))
    })
}

fn log_out(user_id: i32) -> i32 {
    call_bool(|| {
        let session = session(user_id)?;
        if let Ok(device) = session.device() {
            faults::meet(
                &faults::arm(&device, Scope::Logout, None, None),
                Scope::Logout,
            )?;
        }
        let key = session.key();
        sdk().sessions.remove(user_id);
        world().record(Call {
            call: "logout".to_string(),
            device: key,
            ..Call::default()
        });
        Ok(())
    })
}

/// Streams go on until they are stopped themselves.
#[unsafe(no_mangle)]
extern "C" fn NET_DVR_Logout(user_id: i32) -> i32 {
    log_out(user_id)
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_Logout_V30(user_id: i32) -> i32 {
    log_out(user_id)
}

/// Command 20005 asks whether the session is still known.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_RemoteControl(
    user_id: i32,
    command: u32,
    _input: *mut c_void,
    _size: u32,
) -> i32 {
    call_bool(|| {
        let session = session(user_id)?;
        if command != crate::codes::config::CHECK_USER_STATUS {
            return Err(error::NOSUPPORT);
        }
        session.device().map(drop)
    })
}
