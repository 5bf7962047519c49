//! The vendor's structs, constants and function types, as they lie in memory on x86_64 Linux.
//!
//! Sizes and offsets come from `hw-fixtures/hcnetsdk/layout.csv`, which a program compiled against the vendor's header
//! printed; they are asserted at compile time below and compared with that file by a test. Every struct consists of
//! numbers, pointers and arrays of them, so all-zero bytes are a valid value of each ([`Plain`]).

use std::ffi::{c_char, c_void};

/// A struct for which all-zero bytes, and any bytes that the library writes, are a valid value.
///
/// # Safety
/// Only for `#[repr(C)]` structs made of integers, nullable pointers, `Option` of functions, and arrays of those.
pub unsafe trait Plain: Sized {
    /// All bytes zero, reserved ones included, as the library wants its inputs.
    fn zeroed() -> Self {
        // SAFETY: the implementor promises that zero bytes are a valid value.
        unsafe { std::mem::zeroed() }
    }

    /// As [`Plain::zeroed`], straight on the heap: some of these are larger than a thread's stack should carry.
    fn zeroed_box() -> Box<Self> {
        // SAFETY: the box was allocated for a Self and zeroed, and zero bytes are a valid value.
        unsafe { Box::<Self>::new_zeroed().assume_init() }
    }
}

/// Data of a stream: handle, data type, bytes, number of bytes, the caller's pointer.
pub type DataCallback = unsafe extern "C" fn(i32, u32, *mut u8, u32, *mut c_void);
/// An exception: type, user id, handle, the caller's pointer.
pub type ExceptionCallback = unsafe extern "C" fn(u32, i32, i32, *mut c_void);

/// Declares plain structs with the vendor's name, size and the offsets of the named fields.
macro_rules! layouts {
    ($($(#[$doc:meta])* $name:ident = $vendor:literal, size $size:literal {
        $($field:ident: $type:ty = $offset:literal as $vendor_field:literal,)*
        $(_ $hidden:ident: $hidden_type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[allow(missing_docs, reason = "the fields are the vendor's; ABI.md §4.2 and the vendor's manual describe them")]
        pub struct $name {
            $(pub $field: $type,)*
            $(pub $hidden: $hidden_type,)*
        }

        // SAFETY: made of integers, nullable pointers and arrays of them, as the lines above show.
        unsafe impl Plain for $name {}

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $(assert!(std::mem::offset_of!($name, $field) == $offset);)*
        };
    )*

        /// Every struct above: the vendor's name, its size, and (vendor's field, offset) of its named fields.
        #[cfg(test)]
        type Described = (&'static str, usize, &'static [(&'static str, usize)]);
        #[cfg(test)]
        const LAYOUTS: &[Described] = &[
            $(($vendor, size_of::<$name>(), &[$(($vendor_field, std::mem::offset_of!($name, $field)),)*]),)*
        ];
    };
}

layouts! {
    /// A wall clock without an offset.
    #[derive(Debug, Clone, Copy)]
    Time = "NET_DVR_TIME", size 24 {
        year: u32 = 0 as "dwYear",
        month: u32 = 4 as "dwMonth",
        day: u32 = 8 as "dwDay",
        hour: u32 = 12 as "dwHour",
        minute: u32 = 16 as "dwMinute",
        second: u32 = 20 as "dwSecond",
    }

    /// A time in a V50 result. Its fields are in another order than those of [`TimeSearchCond`].
    #[derive(Debug, Clone, Copy)]
    TimeSearch = "NET_DVR_TIME_SEARCH", size 12 {
        year: u16 = 0 as "wYear",
        month: u8 = 2 as "byMonth",
        day: u8 = 3 as "byDay",
        hour: u8 = 4 as "byHour",
        minute: u8 = 5 as "byMinute",
        second: u8 = 6 as "bySecond",
        difference_hours: i8 = 7 as "cTimeDifferenceH",
        difference_minutes: i8 = 8 as "cTimeDifferenceM",
        has_difference: u8 = 9 as "byLocalOrUTC",
        millisecond: u16 = 10 as "wMillisecond",
    }

    /// A time in a V50 question. Its fields are in another order than those of [`TimeSearch`].
    #[derive(Debug, Clone, Copy)]
    TimeSearchCond = "NET_DVR_TIME_SEARCH_COND", size 12 {
        year: u16 = 0 as "wYear",
        month: u8 = 2 as "byMonth",
        day: u8 = 3 as "byDay",
        hour: u8 = 4 as "byHour",
        minute: u8 = 5 as "byMinute",
        second: u8 = 6 as "bySecond",
        has_difference: u8 = 7 as "byLocalOrUTC",
        millisecond: u16 = 8 as "wMillisecond",
        difference_hours: i8 = 10 as "cTimeDifferenceH",
        difference_minutes: i8 = 11 as "cTimeDifferenceM",
    }

    /// What a login needs.
    LoginInfo = "NET_DVR_USER_LOGIN_INFO", size 416 {
        address: [u8; 129] = 0 as "sDeviceAddress",
        use_transport: u8 = 129 as "byUseTransport",
        port: u16 = 130 as "wPort",
        user: [u8; 64] = 132 as "sUserName",
        password: [u8; 64] = 196 as "sPassword",
        callback: *mut c_void = 264 as "cbLoginResult",
        user_data: *mut c_void = 272 as "pUser",
        asynchronous: i32 = 280 as "bUseAsynLogin",
        proxy_type: u8 = 284 as "byProxyType",
        use_utc_time: u8 = 285 as "byUseUTCTime",
        login_mode: u8 = 286 as "byLoginMode",
        https: u8 = 287 as "byHttps",
        proxy_id: i32 = 288 as "iProxyID",
        verify_mode: u8 = 292 as "byVerifyMode",
        _ reserved: [u8; 119],
    }

    /// What a recorder tells of itself at login.
    #[derive(Clone, Copy)]
    DeviceInfoV30 = "NET_DVR_DEVICEINFO_V30", size 80 {
        serial: [u8; 48] = 0 as "sSerialNumber",
        alarm_inputs: u8 = 48 as "byAlarmInPortNum",
        alarm_outputs: u8 = 49 as "byAlarmOutPortNum",
        disks: u8 = 50 as "byDiskNum",
        dvr_type: u8 = 51 as "byDVRType",
        analog_channels: u8 = 52 as "byChanNum",
        first_analog: u8 = 53 as "byStartChan",
        audio_channels: u8 = 54 as "byAudioChanNum",
        digital_channels: u8 = 55 as "byIPChanNum",
        zero_channels: u8 = 56 as "byZeroChanNum",
        main_protocol: u8 = 57 as "byMainProto",
        sub_protocol: u8 = 58 as "bySubProto",
        support: u8 = 59 as "bySupport",
        support1: u8 = 60 as "bySupport1",
        support2: u8 = 61 as "bySupport2",
        device_type: u16 = 62 as "wDevType",
        support3: u8 = 64 as "bySupport3",
        multi_stream_protocol: u8 = 65 as "byMultiStreamProto",
        first_digital: u8 = 66 as "byStartDChan",
        first_digital_talk: u8 = 67 as "byStartDTalkChan",
        digital_channels_high: u8 = 68 as "byHighDChanNum",
        _ rest: [u8; 11],
    }

    /// As [`DeviceInfoV30`], with the state of the account.
    #[derive(Clone, Copy)]
    DeviceInfoV40 = "NET_DVR_DEVICEINFO_V40", size 344 {
        v30: DeviceInfoV30 = 0 as "struDeviceV30",
        has_lock: u8 = 80 as "bySupportLock",
        tries_left: u8 = 81 as "byRetryLoginTime",
        password_level: u8 = 82 as "byPasswordLevel",
        proxy_type: u8 = 83 as "byProxyType",
        locked_for_s: u32 = 84 as "dwSurplusLockTime",
        text_encoding: u8 = 88 as "byCharEncodeType",
        support_dev5: u8 = 89 as "bySupportDev5",
        support: u8 = 90 as "bySupport",
        login_mode: u8 = 91 as "byLoginMode",
        oem_code: u32 = 92 as "dwOEMCode",
        _ rest: [u8; 248],
    }

    /// A question for recordings, first generation.
    FileCond = "NET_DVR_FILECOND", size 96 {
        channel: i32 = 0 as "lChannel",
        file_type: u32 = 4 as "dwFileType",
        locked: u32 = 8 as "dwIsLocked",
        use_card: u32 = 12 as "dwUseCardNo",
        card: [u8; 32] = 16 as "sCardNumber",
        start: Time = 48 as "struStartTime",
        stop: Time = 72 as "struStopTime",
    }

    /// A question for recordings, second generation.
    FileCondV40 = "NET_DVR_FILECOND_V40", size 160 {
        channel: i32 = 0 as "lChannel",
        file_type: u32 = 4 as "dwFileType",
        locked: u32 = 8 as "dwIsLocked",
        use_card: u32 = 12 as "dwUseCardNo",
        card: [u8; 32] = 16 as "sCardNumber",
        start: Time = 48 as "struStartTime",
        stop: Time = 72 as "struStopTime",
        draw_frame: u8 = 96 as "byDrawFrame",
        find_type: u8 = 97 as "byFindType",
        quick: u8 = 98 as "byQuickSearch",
        special: u8 = 99 as "bySpecialFindInfoType",
        volume: u32 = 100 as "dwVolumeNum",
        device_guid: [u8; 16] = 104 as "byWorkingDeviceGUID",
        special_info: [u8; 8] = 120 as "uSpecialFindInfo",
        stream_type: u8 = 128 as "byStreamType",
        audio_file: u8 = 129 as "byAudioFile",
        _ reserved: [u8; 30],
    }

    /// Which channel, by number or id.
    StreamInfo = "NET_DVR_STREAM_INFO", size 72 {
        size: u32 = 0 as "dwSize",
        id: [u8; 32] = 4 as "byID",
        channel: u32 = 36 as "dwChannel",
        _ reserved: [u8; 32],
    }

    /// A question for recordings, third generation: the one whose answers know sizes over 4 GiB.
    FileCondV50 = "NET_DVR_FILECOND_V50", size 424 {
        stream: StreamInfo = 0 as "struStreamID",
        start: TimeSearchCond = 72 as "struStartTime",
        stop: TimeSearchCond = 84 as "struStopTime",
        find_type: u8 = 96 as "byFindType",
        draw_frame: u8 = 97 as "byDrawFrame",
        quick: u8 = 98 as "byQuickSearch",
        stream_type: u8 = 99 as "byStreamType",
        file_type: u32 = 100 as "dwFileType",
        volume: u32 = 104 as "dwVolumeNum",
        locked: u8 = 108 as "byIsLocked",
        need_card: u8 = 109 as "byNeedCard",
        only_audio: u8 = 110 as "byOnlyAudioFile",
        special: u8 = 111 as "bySpecialFindInfoType",
        card: [u8; 32] = 112 as "szCardNum",
        device_guid: [u8; 16] = 144 as "szWorkingDeviceGUID",
        special_info: [u8; 8] = 160 as "uSpecialFindInfo",
        timeout_ms: u32 = 168 as "dwTimeout",
        _ reserved: [u8; 252],
    }

    /// A found recording, first generation.
    FindDataV30 = "NET_DVR_FINDDATA_V30", size 188 {
        name: [u8; 100] = 0 as "sFileName",
        start: Time = 100 as "struStartTime",
        stop: Time = 124 as "struStopTime",
        bytes: u32 = 148 as "dwFileSize",
        card: [u8; 32] = 152 as "sCardNum",
        locked: u8 = 184 as "byLocked",
        file_type: u8 = 185 as "byFileType",
        _ reserved: [u8; 2],
    }

    /// A found recording, second generation.
    FindDataV40 = "NET_DVR_FINDDATA_V40", size 320 {
        name: [u8; 100] = 0 as "sFileName",
        start: Time = 100 as "struStartTime",
        stop: Time = 124 as "struStopTime",
        bytes: u32 = 148 as "dwFileSize",
        card: [u8; 32] = 152 as "sCardNum",
        locked: u8 = 184 as "byLocked",
        file_type: u8 = 185 as "byFileType",
        quick: u8 = 186 as "byQuickSearch",
        reserved0: u8 = 187 as "byRes",
        file_index: u32 = 188 as "dwFileIndex",
        stream_type: u8 = 192 as "byStreamType",
        _ reserved: [u8; 127],
    }

    /// A network address in a result.
    Address = "NET_DVR_ADDRESS", size 148 {
        ip: [u8; 144] = 0 as "struIP",
        port: u16 = 144 as "wPort",
        _ reserved: [u8; 2],
    }

    /// A found recording, third generation.
    FindDataV50 = "NET_DVR_FINDDATA_V50", size 572 {
        name: [u8; 100] = 0 as "sFileName",
        start: TimeSearch = 100 as "struStartTime",
        stop: TimeSearch = 112 as "struStopTime",
        address: Address = 124 as "struAddr",
        bytes: u32 = 272 as "dwFileSize",
        locked: u8 = 276 as "byLocked",
        file_type: u8 = 277 as "byFileType",
        quick: u8 = 278 as "byQuickSearch",
        stream_type: u8 = 279 as "byStreamType",
        file_index: u32 = 280 as "dwFileIndex",
        card: [u8; 32] = 284 as "sCardNum",
        bytes_high: u32 = 316 as "dwTotalLenH",
        bytes_low: u32 = 320 as "dwTotalLenL",
        is_big: u8 = 324 as "byBigFileType",
        _ reserved: [u8; 247],
    }

    /// What to fetch by time.
    PlayCond = "NET_DVR_PLAYCOND", size 116 {
        channel: u32 = 0 as "dwChannel",
        start: Time = 4 as "struStartTime",
        stop: Time = 28 as "struStopTime",
        draw_frame: u8 = 52 as "byDrawFrame",
        stream_type: u8 = 53 as "byStreamType",
        stream_id: [u8; 32] = 54 as "byStreamID",
        course_file: u8 = 86 as "byCourseFile",
        download: u8 = 87 as "byDownload",
        optimal_stream: u8 = 88 as "byOptimalStreamType",
        file_format: u8 = 89 as "byVODFileType",
        _ reserved: [u8; 26],
    }

    /// Which live stream.
    PreviewInfo = "NET_DVR_PREVIEWINFO", size 280 {
        channel: i32 = 0 as "lChannel",
        stream_type: u32 = 4 as "dwStreamType",
        link_mode: u32 = 8 as "dwLinkMode",
        window: u32 = 12 as "hPlayWnd",
        blocked: u32 = 16 as "bBlocked",
        passback: u32 = 20 as "bPassbackRecord",
        preview_mode: u8 = 24 as "byPreviewMode",
        stream_id: [u8; 32] = 25 as "byStreamID",
        protocol: u8 = 57 as "byProtoType",
        reserved1: u8 = 58 as "byRes1",
        video_coding: u8 = 59 as "byVideoCodingType",
        display_buffers: u32 = 60 as "dwDisplayBufNum",
        npq_mode: u8 = 64 as "byNPQMode",
        metadata: u8 = 65 as "byRecvMetaData",
        data_type: u8 = 66 as "byDataType",
        reconnect: u8 = 67 as "byReconnect",
        _ reserved: [u8; 212],
    }

    /// Channel and camera behind it, the common form inside [`StreamMode`].
    #[derive(Clone, Copy)]
    IpChanInfo = "NET_DVR_IPCHANINFO", size 36 {
        enable: u8 = 0 as "byEnable",
        ip_id: u8 = 1 as "byIPID",
        channel: u8 = 2 as "byChannel",
        ip_id_high: u8 = 3 as "byIPIDHigh",
        _ rest: [u8; 32],
    }

    /// Channel and camera behind it, the later form inside [`StreamMode`].
    #[derive(Clone, Copy)]
    IpChanInfoV40 = "NET_DVR_IPCHANINFO_V40", size 252 {
        enable: u8 = 0 as "byEnable",
        reserved1: u8 = 1 as "byRes1",
        ip_id: u16 = 2 as "wIPID",
        channel: u32 = 4 as "dwChannel",
        _ rest: [u8; 244],
    }

    /// How a digital channel gets its stream; the union's variants are read from its bytes.
    #[derive(Clone, Copy)]
    StreamMode = "NET_DVR_STREAM_MODE", size 496 {
        kind: u8 = 0 as "byGetStreamType",
        reserved: [u8; 3] = 1 as "byRes",
        union_words: [u32; 123] = 4 as "uGetStream",
    }

    /// The digital channels of a group of 64.
    IpParaCfgV40 = "NET_DVR_IPPARACFG_V40", size 50792 {
        size: u32 = 0 as "dwSize",
        groups: u32 = 4 as "dwGroupNum",
        analog: u32 = 8 as "dwAChanNum",
        digital: u32 = 12 as "dwDChanNum",
        first_digital: u32 = 16 as "dwStartDChan",
        analog_enabled: [u8; 64] = 20 as "byAnalogChanEnable",
        devices: [u8; 18944] = 84 as "struIPDevInfo",
        modes: [StreamMode; 64] = 19028 as "struStreamMode",
        _ reserved: [u8; 20],
    }

    /// Where the recorder gets its time, and its zone without summer time.
    NtpPara = "NET_DVR_NTPPARA", size 80 {
        server: [u8; 64] = 0 as "sNTPServer",
        interval: u16 = 64 as "wInterval",
        enabled: u8 = 66 as "byEnableNTP",
        difference_hours: i8 = 67 as "cTimeDifferenceH",
        difference_minutes: i8 = 68 as "cTimeDifferenceM",
        reserved1: u8 = 69 as "res1",
        port: u16 = 70 as "wNtpPort",
        _ reserved: [u8; 8],
    }

    /// When summer time begins or ends.
    #[derive(Debug, Clone, Copy)]
    TimePoint = "NET_DVR_TIMEPOINT", size 20 {
        month: u32 = 0 as "dwMonth",
        week: u32 = 4 as "dwWeekNo",
        weekday: u32 = 8 as "dwWeekDate",
        hour: u32 = 12 as "dwHour",
        minute: u32 = 16 as "dwMin",
    }

    /// Zone and summer time.
    ZoneAndDst = "NET_DVR_ZONEANDDST", size 68 {
        size: u32 = 0 as "dwSize",
        zone_index: u32 = 4 as "dwZoneIndex",
        reserved1: [u8; 12] = 8 as "byRes1",
        dst_enabled: u32 = 20 as "dwEnableDST",
        dst_bias: u8 = 24 as "byDSTBias",
        reserved2: [u8; 3] = 25 as "byRes2",
        begin: TimePoint = 28 as "struBeginPoint",
        end: TimePoint = 48 as "struEndPoint",
    }

    /// What the recorder is.
    DeviceCfgV40 = "NET_DVR_DEVICECFG_V40", size 180 {
        size: u32 = 0 as "dwSize",
        name: [u8; 32] = 4 as "sDVRName",
        id: u32 = 36 as "dwDVRID",
        recycle: u32 = 40 as "dwRecycleRecord",
        serial: [u8; 48] = 44 as "sSerialNumber",
        software_version: u32 = 92 as "dwSoftwareVersion",
        software_date: u32 = 96 as "dwSoftwareBuildDate",
        versions: [u32; 4] = 100 as "dwDSPSoftwareVersion",
        counts: [u8; 22] = 116 as "byAlarmInPortNum",
        device_type: u16 = 138 as "wDevType",
        type_name: [u8; 24] = 140 as "byDevTypeName",
        _ rest: [u8; 16],
    }

    /// A channel's picture settings; only the name at their head is of interest.
    PicCfgV40 = "NET_DVR_PICCFG_V40", size 77140 {
        size: u32 = 0 as "dwSize",
        channel_name: [u8; 32] = 4 as "sChanName",
        _ rest: [u8; 77104],
    }

    /// As [`PicCfgV40`], of older recorders.
    PicCfgV30 = "NET_DVR_PICCFG_V30", size 7752 {
        size: u32 = 0 as "dwSize",
        channel_name: [u8; 32] = 4 as "sChanName",
        _ rest: [u8; 7716],
    }

    /// Local setting 17.
    LocalGeneral = "NET_DVR_LOCAL_GENERAL_CFG", size 256 {
        exceptions_directly: u8 = 0 as "byExceptionCbDirectly",
        no_split: u8 = 1 as "byNotSplitRecordFile",
        resume_upgrade: u8 = 2 as "byResumeUpgradeEnable",
        alarm_pictures: u8 = 3 as "byAlarmJsonPictureSeparate",
        reserved1: [u8; 4] = 4 as "byRes",
        split_bytes: u64 = 8 as "i64FileSize",
        _ rest: [u8; 240],
    }

    /// Local setting 10.
    LocalCheckDev = "NET_DVR_LOCAL_CHECK_DEV", size 264 {
        interval_ms: u32 = 0 as "dwCheckOnlineTimeout",
        failures: u32 = 4 as "dwCheckOnlineNetFailMax",
        _ rest: [u8; 256],
    }

    /// Local setting 3.
    LocalTimeouts = "NET_DVR_LOCAL_MODULE_RECV_TIMEOUT_CFG", size 528 {
        preview_ms: u32 = 0 as "dwPreviewTime",
        alarm_ms: u32 = 4 as "dwAlarmTime",
        playback_ms: u32 = 8 as "dwVodTime",
        other_ms: u32 = 12 as "dwElse",
        _ rest: [u8; 512],
    }

    /// Where the library's folder is, for `SetSDKInitCfg` 2.
    LocalSdkPath = "NET_DVR_LOCAL_SDK_PATH", size 384 {
        path: [u8; 256] = 0 as "sPath",
        _ reserved: [u8; 128],
    }
}

impl StreamMode {
    /// Number of the camera behind the channel and whether it is connected; None for a channel without a camera, or
    /// with one that is reached in a way that has no such number (ABI.md §8).
    pub fn camera(&self) -> Option<(u32, bool)> {
        let first = self.union_words[0];
        let bytes = first.to_ne_bytes();
        let (id, enable) = match self.kind {
            0 => (u32::from(bytes[1]) + 256 * u32::from(bytes[3]), bytes[0]),
            6 => (
                u32::from(u16::from_ne_bytes([bytes[2], bytes[3]])),
                bytes[0],
            ),
            _ => return None,
        };
        (id != 0).then_some((id, enable != 0))
    }
}

/// Copies a text into a fixed array; the array was zeroed, so the text ends with a NUL unless it fills it.
/// Too long a text is refused with the number of bytes that fit, rather than cut.
pub fn put_text(array: &mut [u8], text: &str) -> Result<(), usize> {
    let bytes = text.as_bytes();
    let fits = array.len() - 1;
    if bytes.len() > fits || bytes.contains(&0) {
        return Err(fits);
    }
    array[..bytes.len()].copy_from_slice(bytes);
    Ok(())
}

/// The bytes of a text in a fixed array, up to the first NUL or the end.
pub fn text_bytes(array: &[u8]) -> &[u8] {
    let end = array
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(array.len());
    &array[..end]
}

/// A path or name as the library takes it.
pub type Text = *const c_char;

/// `FindNextFile`: one record was written.
pub const FIND_SUCCESS: i32 = 1000;
/// `FindNextFile`: nothing was found.
pub const FIND_NOTHING: i32 = 1001;
/// `FindNextFile`: not ready, ask again.
pub const FIND_PENDING: i32 = 1002;
/// `FindNextFile`: the end.
pub const FIND_END: i32 = 1003;
/// `FindNextFile`: the search broke.
pub const FIND_BROKEN: i32 = 1004;
/// `FindNextFile`: the recorder took too long (newer builds).
pub const FIND_TIMEOUT: i32 = 1005;
/// A recorder tells at most so many records for one search.
pub const FIND_MAX: usize = 4000;

/// Stream data: the 40-byte media header.
pub const DATA_HEADER: u32 = 1;
/// Stream data: bytes of the stream.
pub const DATA_STREAM: u32 = 2;

/// `PlayBackControl`: start.
pub const PLAY_START: u32 = 1;
/// `PlayBackControl`: limit the rate, in kbit/s.
pub const PLAY_SET_SPEED: u32 = 24;
/// The least that [`PLAY_SET_SPEED`] takes.
pub const SPEED_KBPS_MIN: u32 = 256;

/// `GetDVRConfig`: the wall clock.
pub const GET_TIMECFG: u32 = 118;
/// `GetDVRConfig`: zone and summer time.
pub const GET_ZONEANDDST: u32 = 128;
/// `GetDVRConfig`: time server, and the zone's difference.
pub const GET_NTPCFG: u32 = 224;
/// `GetDVRConfig`: a channel's picture settings, older form.
pub const GET_PICCFG_V30: u32 = 1002;
/// `GetDVRConfig`: digital channels of a group.
pub const GET_IPPARACFG_V40: u32 = 1062;
/// `GetDVRConfig`: what the recorder is.
pub const GET_DEVICECFG_V40: u32 = 1100;
/// `GetDVRConfig`: a channel's picture settings.
pub const GET_PICCFG_V40: u32 = 6179;

/// Session heartbeat failed.
pub const EXCEPTION_EXCHANGE: u32 = 0x8000;
/// A live stream failed for good.
pub const EXCEPTION_PREVIEW: u32 = 0x8003;
/// A live stream broke; the library tries to get it back.
pub const EXCEPTION_RECONNECT: u32 = 0x8005;
/// A live stream is back.
pub const EXCEPTION_RECONNECTED: u32 = 0x8015;
/// Session heartbeat is back.
pub const RESUME_EXCHANGE: u32 = 0x8017;
/// The library's own attempt to log in again failed.
pub const RELOGIN_FAILED: u32 = 0x8044;
/// A live stream broke and will not be tried again.
pub const RECONNECT_CLOSED: u32 = 0x8045;

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's own compiler had the last word on every offset.
    #[test]
    fn layouts_are_those_of_the_compiled_header() {
        let csv = include_str!("../../../hw-fixtures/hcnetsdk/layout.csv");
        let mut known = std::collections::HashMap::new();
        for line in csv.lines().skip(1) {
            let columns: Vec<_> = line.split(',').collect();
            let number = |n: usize| columns[n].parse::<usize>().unwrap();
            known.insert((columns[0], columns[1]), (number(3), number(5)));
        }
        for (vendor, size, fields) in LAYOUTS {
            assert_eq!(known[&(*vendor, "(self)")], (0, *size), "{vendor}");
            for (field, offset) in *fields {
                assert_eq!(
                    known.get(&(*vendor, *field)),
                    Some(&(*offset, *size)),
                    "{vendor}.{field}"
                );
            }
        }
    }

    #[test]
    fn a_camera_is_found_in_both_forms() {
        let mut mode = StreamMode::zeroed();
        assert_eq!(mode.camera(), None);
        mode.union_words[0] = u32::from_ne_bytes([1, 44, 1, 1]);
        assert_eq!(mode.camera(), Some((300, true)));
        mode.kind = 6;
        mode.union_words[0] = u32::from_ne_bytes([0, 0, 44, 1]);
        assert_eq!(mode.camera(), Some((300, false)));
        mode.kind = 2;
        assert_eq!(mode.camera(), None);
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused() {
        let mut array = [0u8; 4];
        assert_eq!(put_text(&mut array, "abc"), Ok(()));
        assert_eq!(text_bytes(&array), b"abc");
        assert_eq!(put_text(&mut [0; 4], "abcd"), Err(3));
        assert_eq!(put_text(&mut [0; 4], "a\0"), Err(3));
        assert_eq!(text_bytes(b"full"), b"full");
    }
}
