//! Downloads into files.

use std::ffi::{c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use jiff::civil::DateTime;

use crate::clock::from_time;
use crate::codes::{control, error};
use crate::faults::Armed;
use crate::ffi::{self, text_at};
use crate::layout::DownloadByNameCond;
use crate::layout::{PlayCond, Time};
use crate::part_file::PartFile;
use crate::play::{self, Play, Sink, Wanted};
use crate::scenario::Scope;
use crate::sdk::{call, call_bool, sdk, session, set_last_error};
use crate::state::Call;
use crate::world::DeviceRef;
use crate::{faults, world};

/// A stretch of a channel as the caller asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Channel number.
    pub channel: u32,
    /// 0 main, 1 sub, 2 third stream.
    pub stream: u8,
    /// First moment, wall time.
    pub from: DateTime,
    /// Last moment, wall time.
    pub to: DateTime,
}

/// What the caller asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// One file of the recorder.
    Name(String),
    /// A stretch of a channel.
    Time(Stretch),
}

/// Opens a download or playback; nothing moves before the start command.
pub fn open(user_id: i32, asked: Asked, saved: Option<String>) -> Result<i32, u32> {
    let session = session(user_id)?;
    let device = session.device()?;
    let kind = if saved.is_some() {
        "download_open"
    } else {
        "playback_open"
    };
    let mut call = Call {
        call: kind.to_string(),
        device: session.key(),
        path: saved.clone(),
        ..Call::default()
    };
    let wanted = match asked {
        Asked::Name(name) => {
            call.channel = device.recording(&name).map(|(channel, _)| channel);
            call.name = Some(name.clone());
            Wanted::Name(name)
        }
        Asked::Time(Stretch {
            channel,
            stream,
            from,
            to,
        }) => {
            call.channel = Some(channel);
            (call.from, call.to) = (Some(from.to_string()), Some(to.to_string()));
            let clock = device.clock();
            Wanted::Time {
                channel,
                stream,
                from: clock.utc(from),
                to: clock.utc(to),
            }
        }
    };
    let name = call.name.clone().or_else(|| begins_in(&device, &wanted));
    let faults = faults::arm(&device, play::SCOPE, call.channel, name.as_deref());
    let opened = faults::meet(&faults, play::SCOPE).and_then(|()| {
        let split = device.split_bytes.or(sdk().settings.split_bytes);
        let sink = |faults: &[Armed]| match &saved {
            Some(path) => PartFile::create(Path::new(path), play::split(faults).or(split))
                .map(Sink::File)
                .map_err(|problem| {
                    eprintln!("stand-in SDK: {path}: {problem}");
                    error::CREATEFILE_ERROR
                }),
            None => Ok(Sink::Callback),
        };
        Play::new(session, device, &wanted, call.clone(), faults, sink)
    });
    if let Err(code) = &opened {
        world::world().record(Call {
            error: *code,
            ..call
        });
    }
    Ok(opened?.open())
}

/// The recording in which a stretch begins.
fn begins_in(device: &DeviceRef, wanted: &Wanted) -> Option<String> {
    let Wanted::Time { channel, from, .. } = wanted else {
        return None;
    };
    let recordings = &device.channel(*channel)?.recordings;
    let begun = recordings
        .iter()
        .filter(|recording| recording.start <= *from);
    Some(begun.max_by_key(|recording| recording.start)?.name.clone())
}

/// The play behind a handle.
pub fn play(handle: i32) -> Result<Arc<Play>, u32> {
    sdk().plays.get(handle).ok_or(error::ORDER_ERROR)
}

/// Names have at most 99 bytes.
pub fn name(pointer: *const c_char) -> Result<String, u32> {
    // SAFETY: as every pointer of this module.
    let name = unsafe { text_at(pointer) }?;
    if name.is_empty() || name.len() > 99 {
        Err(error::PARAMETER_ERROR)
    } else {
        Ok(name)
    }
}

/// The saved path must be absolute.
fn saved(pointer: *const c_char) -> Result<Option<String>, u32> {
    // SAFETY: as every pointer of this module.
    let path = unsafe { text_at(pointer) }?;
    if path.starts_with('/') {
        Ok(Some(path))
    } else {
        Err(error::CREATEFILE_ERROR)
    }
}

/// A stretch with times that exist and are in order.
pub fn stretch(channel: u32, stream: u8, from: &Time, to: &Time) -> Result<Asked, u32> {
    let from = from_time(from).ok_or(error::PARAMETER_ERROR)?;
    let to = from_time(to).ok_or(error::PARAMETER_ERROR)?;
    if to < from {
        return Err(error::PARAMETER_ERROR);
    }
    Ok(Asked::Time(Stretch {
        channel,
        stream,
        from,
        to,
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetFileByTime_V40(
    user_id: i32,
    path: *const c_char,
    input: *const PlayCond,
) -> i32 {
    call(-1, || {
        session(user_id)?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        let asked = stretch(
            given.dwChannel,
            given.byStreamType,
            &given.struStartTime,
            &given.struStopTime,
        )?;
        open(user_id, asked, saved(path)?)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetFileByTime(
    user_id: i32,
    channel: i32,
    start: *const Time,
    stop: *const Time,
    path: *const c_char,
) -> i32 {
    call(-1, || {
        session(user_id)?;
        // SAFETY: as every pointer of this module.
        let (start, stop) = unsafe { (ffi::read(start)?, ffi::read(stop)?) };
        open(
            user_id,
            stretch(channel as u32, 0, &start, &stop)?,
            saved(path)?,
        )
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetFileByName(
    user_id: i32,
    file: *const c_char,
    path: *const c_char,
) -> i32 {
    call(-1, || {
        session(user_id)?;
        open(user_id, Asked::Name(name(file)?), saved(path)?)
    })
}

#[cfg(not(feature = "legacy"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetFileByName_V50(
    user_id: i32,
    input: *const DownloadByNameCond,
) -> i32 {
    call(-1, || {
        let device = session(user_id)?.device()?;
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        if !device.v50 {
            return Err(error::NOSUPPORT);
        }
        open(
            user_id,
            Asked::Name(name(given.pFileName)?),
            saved(given.pSavedFileName)?,
        )
    })
}

/// The commands that are modelled, for both forms of the call; a position goes to `output`.
fn command(handle: i32, command: u32, value: Option<u32>, output: *mut u32) -> Result<(), u32> {
    let play = play(handle)?;
    match command {
        control::PLAYSTART => {
            play.meet(Scope::Start)?;
            play.start()?;
        }
        control::PLAYPAUSE => play.pause(true),
        control::PLAYRESTART => play.pause(false),
        control::PLAYSTOP => play.pause(true),
        control::KEEPALIVE => {}
        // kilobits a second, 256 at least
        control::SETSPEED => {
            let kilobits = value.ok_or(error::PARAMETER_ERROR)?.max(256);
            play.set_rate(u64::from(kilobits) * 1000 / 8);
        }
        control::PLAYGETPOS => {
            if output.is_null() {
                return Err(error::PARAMETER_ERROR);
            }
            // SAFETY: not NULL, and the caller promises an integer.
            unsafe { output.write_unaligned(play.position().0.max(0) as u32) };
        }
        _ => return Err(error::NOSUPPORT),
    }
    Ok(())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_PlayBackControl_V40(
    handle: i32,
    wanted: u32,
    input: *const c_void,
    input_size: u32,
    output: *mut c_void,
    output_size: *mut u32,
) -> i32 {
    call_bool(|| {
        let value = (!input.is_null() && input_size >= 4).then(|| {
            // SAFETY: not NULL and at least four bytes, as the caller says.
            unsafe { input.cast::<u32>().read_unaligned() }
        });
        command(handle, wanted, value, output.cast())?;
        if wanted == control::PLAYGETPOS && !output_size.is_null() {
            // SAFETY: not NULL, and the caller promises an integer.
            unsafe { output_size.write_unaligned(4) };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_PlayBackControl(
    handle: i32,
    wanted: u32,
    value: u32,
    output: *mut u32,
) -> i32 {
    call_bool(|| command(handle, wanted, Some(value), output))
}

/// 0 to 99 while bytes come, 100 at the end mark, 200 when the stream ended without it, -1 when the file could not be
/// written; the last error belongs to it and is 0 otherwise.
pub fn position(handle: i32) -> i32 {
    let mut code = error::NOERROR;
    let position = call(-1, || {
        let play = play(handle)?;
        play.meet(Scope::Position)?;
        let (position, cause) = play.position();
        code = cause;
        if position < 0 {
            Err(cause)
        } else {
            Ok(position)
        }
    });
    if position > 100 {
        set_last_error(code);
    }
    position
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_GetDownloadPos(handle: i32) -> i32 {
    position(handle)
}

/// Downloads and playbacks share their handles, so either call ends either.
pub fn stop(handle: i32) -> i32 {
    call_bool(|| {
        let play = sdk().plays.remove(handle).ok_or(error::ORDER_ERROR)?;
        play.meet(Scope::Stop)?;
        play.stop();
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_StopGetFile(handle: i32) -> i32 {
    stop(handle)
}
