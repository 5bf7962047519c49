//! Questions to a recorder about itself.

use std::ffi::c_void;

use crate::codes::{config as command, error};
use crate::config;
use crate::faults;
use crate::ffi::{self, write_sized};
use crate::layout::{XmlConfigInput, XmlConfigOutput};
use crate::scenario::Scope;
use crate::sdk::{call_bool, last_error, sdk, session, set_last_error};

#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_GetDVRConfig(
    user_id: i32,
    wanted: u32,
    channel: i32,
    output: *mut c_void,
    size: u32,
    returned: *mut u32,
) -> i32 {
    call_bool(|| {
        let session = session(user_id)?;
        if returned.is_null() || output.is_null() {
            return Err(error::PARAMETER_ERROR);
        }
        let device = session.device()?;
        faults::meet(
            &faults::arm(&device, Scope::Config, None, None),
            Scope::Config,
        )?;
        let number = channel as u32;
        // SAFETY: the caller promises `size` writable bytes.
        let written = unsafe {
            match wanted {
                command::GET_TIMECFG => write_sized(output, size, config::time(&device))?,
                command::GET_ZONEANDDST => {
                    write_sized(output, size, device.clock().zone_and_dst())?
                }
                command::GET_NTPCFG => write_sized(output, size, config::ntp(&device))?,
                command::GET_HDCFG => write_sized(output, size, config::disks(&device))?,
                command::GET_DEVICECFG_V40 => write_sized(output, size, config::device(&device))?,
                command::GET_DIGITAL_CHANNEL_STATE => {
                    write_sized(output, size, config::channel_states(&device))?
                }
                command::GET_IPPARACFG_V40 => {
                    let group = config::ip_channels(&device, number).ok_or(error::CHANNEL_ERROR)?;
                    write_sized(output, size, *group)?
                }
                command::GET_PICCFG_V30 => write_bytes(
                    output,
                    size,
                    config::picture(&device, number, 7752).ok_or(error::CHANNEL_ERROR)?,
                )?,
                command::GET_PICCFG_V40 => write_bytes(
                    output,
                    size,
                    config::picture(&device, number, 77_140).ok_or(error::CHANNEL_ERROR)?,
                )?,
                _ => return Err(error::NOSUPPORT),
            }
        };
        // SAFETY: not NULL, and the caller promises an integer.
        unsafe { returned.write_unaligned(written) };
        Ok(())
    })
}

/// # Safety
/// `output` has `size` writable bytes.
unsafe fn write_bytes(output: *mut c_void, size: u32, bytes: Vec<u8>) -> Result<u32, u32> {
    if (size as usize) < bytes.len() {
        return Err(error::NOENOUGH_BUF);
    }
    // SAFETY: the buffer has room, as was just checked, and is none of ours.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), output.cast(), bytes.len()) };
    Ok(bytes.len() as u32)
}

/// Pages of the HTTP side. Both sizes are checked whatever the scenario says, and success keeps the last error.
#[unsafe(no_mangle)]
unsafe extern "C" fn NET_DVR_STDXMLConfig(
    user_id: i32,
    input: *const XmlConfigInput,
    output: *mut XmlConfigOutput,
) -> i32 {
    let before = last_error();
    let result = call_bool(|| {
        let session = session(user_id)?;
        // SAFETY: as every pointer of this module.
        let (given, mut answer) = unsafe { (ffi::read(input)?, ffi::read(output)?) };
        if given.dwSize as usize != size_of::<XmlConfigInput>()
            || answer.dwSize as usize != size_of::<XmlConfigOutput>()
            || given.lpRequestUrl.is_null()
            || answer.lpOutBuffer.is_null()
        {
            return Err(error::PARAMETER_ERROR);
        }
        // SAFETY: not NULL, and the caller promises this many bytes.
        let request = unsafe {
            std::slice::from_raw_parts(
                given.lpRequestUrl.cast::<u8>(),
                given.dwRequestUrlLen as usize,
            )
        };
        let device = session.device()?;
        let mut page =
            config::page(&device, &String::from_utf8_lossy(request)).ok_or(error::NOSUPPORT)?;
        page.push('\0');
        // SAFETY: the caller promises this many writable bytes.
        let written = unsafe {
            write_bytes(
                answer.lpOutBuffer,
                answer.dwOutBufferSize,
                page.into_bytes(),
            )
        }?;
        answer.dwReturnedXMLSize = written - 1;
        // SAFETY: as every pointer of this module.
        unsafe { ffi::write(output, answer) }
    });
    if result == 1 && sdk().inits > 0 {
        set_last_error(before);
    }
    result
}
