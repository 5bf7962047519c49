//! Searching for recordings.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, civil::DateTime, tz::TimeZone};

use crate::clock::{from_fields, from_time, to_time};
use crate::codes::{error, find};
use crate::faults;
use crate::ffi::{self, fill};
use crate::layout::{FileCond, FileCondV40, FindData, FindDataV30, FindDataV40, Layout, Time};
use crate::layout::{FileCondV50, FindDataV50, StreamInfo, TimeSearchCond};
use crate::scenario::{Device, Scope};
use crate::sdk::{call, call_bool, sdk, session};
use crate::search::{Answer, Found, Moment, Query, Search};
use crate::state::Call;
use crate::world::world;

fn open(user_id: i32, query: impl FnOnce(&Device) -> Result<Query, u32>) -> Result<i32, u32> {
    let session = session(user_id)?;
    let device = session.device()?;
    let query = query(&device)?;
    let faults = faults::arm(&device, Scope::Find, Some(query.channel), None);
    let search =
        faults::meet(&faults, Scope::Find).and_then(|()| Search::new(&device, &query, faults));
    world().record(Call {
        call: "find".to_string(),
        device: session.key(),
        error: search.as_ref().err().copied().unwrap_or(error::NOERROR),
        channel: Some(query.channel),
        from: Some(told(query.from)),
        to: Some(told(query.to)),
        ..Call::default()
    });
    Ok(sdk().searches.insert(Arc::new(Mutex::new(search?))))
}

fn told(moment: Moment) -> String {
    match moment {
        Moment::Wall(wall) => wall.to_string(),
        Moment::Utc(utc) => utc.to_string(),
    }
}

fn wall(time: &Time) -> Result<Moment, u32> {
    from_time(time)
        .map(Moment::Wall)
        .ok_or(error::PARAMETER_ERROR)
}

/// "One result per span, preferring main, then sub, then third": the best stream that the channel recorded.
fn preferred(device: &Device, channel: u32) -> Option<u8> {
    device
        .channel(channel)?
        .recordings
        .iter()
        .map(|recording| recording.stream)
        .min()
}

fn query_v30(device: &Device, given: &FileCond) -> Result<Query, u32> {
    let channel = given.lChannel as u32;
    Ok(Query {
        channel,
        from: wall(&given.struStartTime)?,
        to: wall(&given.struStopTime)?,
        file_type: given.dwFileType,
        locked: given.dwIsLocked,
        stream: preferred(device, channel),
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindFile(
    user_id: i32,
    channel: i32,
    file_type: u32,
    start: *const Time,
    stop: *const Time,
) -> i32 {
    call(-1, || {
        // SAFETY: as every pointer of this module.
        let (struStartTime, struStopTime) = unsafe { (ffi::read(start)?, ffi::read(stop)?) };
        let given = FileCond {
            lChannel: channel,
            dwFileType: file_type,
            dwIsLocked: 0xff,
            struStartTime,
            struStopTime,
            ..Layout::zeroed()
        };
        open(user_id, |device| query_v30(device, &given))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindFile_V30(user_id: i32, input: *const FileCond) -> i32 {
    call(-1, || {
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        open(user_id, |device| query_v30(device, &given))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindFile_V40(user_id: i32, input: *const FileCondV40) -> i32 {
    call(-1, || {
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        open(user_id, |device| {
            let channel = given.lChannel as u32;
            Ok(Query {
                channel,
                from: wall(&given.struStartTime)?,
                to: wall(&given.struStopTime)?,
                file_type: given.dwFileType,
                locked: given.dwIsLocked,
                stream: match given.byStreamType {
                    stream @ 1..=2 => Some(stream),
                    3 => Some(0),
                    _ => preferred(device, channel),
                },
            })
        })
    })
}

#[cfg(not(feature = "legacy"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindFile_V50(user_id: i32, input: *const FileCondV50) -> i32 {
    call(-1, || {
        // SAFETY: as every pointer of this module.
        let given = unsafe { ffi::read(input) }?;
        let strict = world().scenario().strict_sizes;
        open(user_id, |device| {
            if !device.v50 {
                return Err(error::NOSUPPORT);
            }
            if strict && given.struStreamID.dwSize as usize != size_of::<StreamInfo>() {
                return Err(error::PARAMETER_ERROR);
            }
            Ok(Query {
                channel: given.struStreamID.dwChannel,
                from: moment_v50(&given.struStartTime)?,
                to: moment_v50(&given.struStopTime)?,
                file_type: given.dwFileType,
                locked: given.byIsLocked.into(),
                stream: (given.byStreamType != 0xff).then_some(given.byStreamType),
            })
        })
    })
}

fn moment_v50(time: &TimeSearchCond) -> Result<Moment, u32> {
    let wall: DateTime = from_fields(
        time.wYear,
        time.byMonth,
        time.byDay,
        time.byHour,
        time.byMinute,
        time.bySecond,
    )
    .ok_or(error::PARAMETER_ERROR)?;
    if time.byLocalOrUTC == 0 {
        return Ok(Moment::Wall(wall));
    }
    let difference = SignedDuration::from_mins(
        i64::from(time.cTimeDifferenceH) * 60 + i64::from(time.cTimeDifferenceM),
    );
    let shown = wall
        .to_zoned(TimeZone::UTC)
        .map_err(|_| error::PARAMETER_ERROR)?
        .timestamp();
    Ok(Moment::Utc(shown - difference))
}

/// Takes the next answer; a record goes through `write`.
fn next(handle: i32, write: impl FnOnce(&Found) -> Result<(), u32>) -> i32 {
    call(-1, || {
        let search = sdk().searches.get(handle).ok_or(error::ORDER_ERROR)?;
        let answer = search
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next_answer()?;
        match answer {
            Answer::State(state) => Ok(state),
            Answer::Record(found) => write(&found).map(|()| find::FILE_SUCCESS),
        }
    })
}

/// Sizes that do not fit are told as what is left in 32 bits, as devices do.
fn record_v40(found: &Found) -> FindDataV40 {
    let mut record = FindDataV40 {
        struStartTime: to_time(found.start),
        struStopTime: to_time(found.stop),
        dwFileSize: found.stated_bytes as u32,
        byLocked: found.locked.into(),
        byFileType: found.file_type,
        dwFileIndex: found.index,
        byStreamType: found.stream,
        ..Layout::zeroed()
    };
    fill(&mut record.sFileName, &found.name);
    record
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindNextFile(handle: i32, output: *mut FindData) -> i32 {
    next(handle, |found| {
        let record = record_v40(found);
        let answer = FindData {
            sFileName: record.sFileName,
            struStartTime: record.struStartTime,
            struStopTime: record.struStopTime,
            dwFileSize: record.dwFileSize,
        };
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, answer) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindNextFile_V30(handle: i32, output: *mut FindDataV30) -> i32 {
    next(handle, |found| {
        let record = record_v40(found);
        let answer = FindDataV30 {
            sFileName: record.sFileName,
            struStartTime: record.struStartTime,
            struStopTime: record.struStopTime,
            dwFileSize: record.dwFileSize,
            byLocked: record.byLocked,
            byFileType: record.byFileType,
            ..Layout::zeroed()
        };
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, answer) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindNextFile_V40(handle: i32, output: *mut FindDataV40) -> i32 {
    next(handle, |found| {
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, record_v40(found)) }
    })
}

#[cfg(not(feature = "legacy"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_FindNextFile_V50(handle: i32, output: *mut FindDataV50) -> i32 {
    next(handle, |found| {
        let bytes = found.stated_bytes;
        let mut record = FindDataV50 {
            struStartTime: crate::clock::to_time_search(
                found.start,
                found.offsets.map(|(start, _)| start),
            ),
            struStopTime: crate::clock::to_time_search(
                found.stop,
                found.offsets.map(|(_, stop)| stop),
            ),
            dwFileSize: bytes as u32,
            byLocked: found.locked.into(),
            byFileType: found.file_type,
            byStreamType: found.stream,
            dwFileIndex: found.index,
            dwTotalLenH: (bytes >> 32) as u32,
            dwTotalLenL: bytes as u32,
            byBigFileType: (bytes > u64::from(u32::MAX)).into(),
            ..Layout::zeroed()
        };
        fill(&mut record.sFileName, &found.name);
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, record) }
    })
}

fn close(handle: i32) -> i32 {
    call_bool(|| {
        sdk()
            .searches
            .remove(handle)
            .map(drop)
            .ok_or(error::ORDER_ERROR)
    })
}

#[unsafe(no_mangle)]
extern "C" fn NET_DVR_FindClose(handle: i32) -> i32 {
    close(handle)
}

/// Closes searches of every version.
#[unsafe(no_mangle)]
extern "C" fn NET_DVR_FindClose_V30(handle: i32) -> i32 {
    close(handle)
}
