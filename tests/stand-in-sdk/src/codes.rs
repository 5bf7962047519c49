//! The vendor's numbers that the stand-in answers with.

/// Error codes of the SDK, named as in its manual (without `NET_DVR_`).
pub mod error {
    #![allow(
        missing_docs,
        reason = "the names are the vendor's; the meaning is in its manual"
    )]
    pub const NOERROR: u32 = 0;
    pub const PASSWORD_ERROR: u32 = 1;
    pub const NOINIT: u32 = 3;
    pub const CHANNEL_ERROR: u32 = 4;
    pub const OVER_MAXLINK: u32 = 5;
    pub const NETWORK_FAIL_CONNECT: u32 = 7;
    pub const NETWORK_ERRORDATA: u32 = 11;
    pub const ORDER_ERROR: u32 = 12;
    pub const PARAMETER_ERROR: u32 = 17;
    pub const NOSUPPORT: u32 = 23;
    pub const DVRNORESOURCE: u32 = 28;
    pub const DVROPRATEFAILED: u32 = 29;
    pub const NOSPECFILE: u32 = 33;
    pub const CREATEFILE_ERROR: u32 = 34;
    pub const NOENOUGH_BUF: u32 = 43;
    pub const USERNOTEXIST: u32 = 47;
    pub const SOCKETCLOSE_ERROR: u32 = 73;
    pub const PROGRAM_EXCEPTION: u32 = 76;
    pub const WRITEFILE_FAILED: u32 = 77;
    pub const IPCHAN_NOTALIVE: u32 = 83;
    pub const USER_NOT_SUCC_LOGIN: u32 = 102;
    pub const USER_LOCKED: u32 = 153;
}

/// What `FindNextFile` returns.
pub mod find {
    #![allow(missing_docs, reason = "the names are the vendor's")]
    pub const FILE_SUCCESS: i32 = 1000;
    pub const FILE_NOFIND: i32 = 1001;
    pub const ISFINDING: i32 = 1002;
    pub const NOMOREFILE: i32 = 1003;
    pub const FILE_EXCEPTION: i32 = 1004;
    /// A device returns at most this many records for one search.
    pub const MAX_RECORDS: usize = 4000;
}

/// Data types of stream callbacks.
pub mod data {
    /// A live session broke; delivered without bytes.
    pub const BROKEN: u32 = 0;
    /// The 40-byte media header.
    pub const HEADER: u32 = 1;
    /// Bytes of the stream.
    pub const STREAM: u32 = 2;
    /// Playback reached its end; only when asked for by local setting 16.
    pub const ALL_FILE_END: u32 = 12;
}

/// Exception types.
pub mod exception {
    /// A live stream failed and will not come back by itself.
    pub const PREVIEW: u32 = 0x8003;
    /// A live stream broke; the library tries to get it back.
    pub const RECONNECT: u32 = 0x8005;
    /// A live stream is back.
    pub const RECONNECT_SUCCESS: u32 = 0x8015;
}

/// Commands of `PlayBackControl`.
pub mod control {
    #![allow(missing_docs, reason = "the names are the vendor's")]
    pub const PLAYSTART: u32 = 1;
    pub const PLAYSTOP: u32 = 2;
    pub const PLAYPAUSE: u32 = 3;
    pub const PLAYRESTART: u32 = 4;
    pub const PLAYGETPOS: u32 = 13;
    pub const SETSPEED: u32 = 24;
    pub const KEEPALIVE: u32 = 25;
}

/// Configuration commands of `GetDVRConfig`.
pub mod config {
    #![allow(missing_docs, reason = "the names are the vendor's")]
    pub const GET_TIMECFG: u32 = 118;
    pub const GET_ZONEANDDST: u32 = 128;
    pub const GET_NTPCFG: u32 = 224;
    pub const GET_PICCFG_V30: u32 = 1002;
    pub const GET_HDCFG: u32 = 1054;
    pub const GET_IPPARACFG_V40: u32 = 1062;
    pub const GET_DEVICECFG_V40: u32 = 1100;
    pub const GET_DIGITAL_CHANNEL_STATE: u32 = 6126;
    pub const GET_PICCFG_V40: u32 = 6179;
    /// `RemoteControl`: is this session still known?
    pub const CHECK_USER_STATUS: u32 = 20005;
}

/// The text that the vendor's library gives for a code.
pub fn text(code: u32) -> &'static std::ffi::CStr {
    match code {
        error::NOERROR => c"No error.",
        error::PASSWORD_ERROR => c"Username or Password error.",
        error::NOINIT => c"SDK is not initialized.",
        error::CHANNEL_ERROR => c"Illegal channel number.",
        error::NETWORK_FAIL_CONNECT => {
            c"Failed to connect to the device. The device is off-line, or connection timeout caused by network."
        }
        error::ORDER_ERROR => c"API calling order error.",
        error::PARAMETER_ERROR => c"Parameter error.",
        error::NOSUPPORT => c"Device does not support this function.",
        error::DVRNORESOURCE => c"The device resource is not enough.",
        error::NOSPECFILE => c"The specified file does not exist.",
        error::CREATEFILE_ERROR => c"Failed to create the file.",
        error::NOENOUGH_BUF => c"The buffer is not enough.",
        error::USERNOTEXIST => c"The user does not exist.",
        error::WRITEFILE_FAILED => c"Failed to write the file.",
        error::USER_LOCKED => c"User is locked.",
        _ => c"Unknown error.",
    }
}
