//! The vendor's structs, field for field. Names, order, offsets and sizes are those of
//! `hw-fixtures/hcnetsdk/layout.csv`; every one of them is asserted when this file compiles, and a test compares the
//! table with the file itself.
#![allow(
    non_snake_case,
    missing_docs,
    reason = "fields carry the vendor's names, which its manual explains"
)]

use std::ffi::{c_char, c_void};

/// The callback of an asynchronous login: user id, result (1 ok, 0 failed), device (null on failure), user pointer.
pub type LoginResultFn = unsafe extern "C" fn(i32, u32, *mut DeviceInfoV30, *mut c_void);
/// The data callback of live streams and of playback: handle, data type, bytes, length, user pointer.
pub type DataFn = unsafe extern "C" fn(i32, u32, *mut u8, u32, *mut c_void);
/// The older data callback, whose user value has only 32 bits.
pub type DataFn32 = unsafe extern "C" fn(i32, u32, *mut u8, u32, u32);
/// The exception callback: type, user id, handle, user pointer.
pub type ExceptionFn = unsafe extern "C" fn(u32, i32, i32, *mut c_void);

/// A struct of the vendor's header.
///
/// # Safety
/// All-zero bytes must be a valid value, and the layout must be the one named.
pub unsafe trait Layout: Copy {
    /// The name in the vendor's header.
    const NAME: &'static str;
    /// Field name, offset and size, in order.
    const FIELDS: &'static [(&'static str, usize, usize)];

    /// A value of which every byte is zero, as the vendor asks for.
    fn zeroed() -> Self {
        // SAFETY: the trait promises that zero bytes are a valid value.
        unsafe { std::mem::zeroed() }
    }
}

macro_rules! layout {
    ($(#[$doc:meta])* $vendor:literal, $size:literal => $name:ident {
        $($offset:literal : $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct $name { $(pub $field: $type),* }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            $(assert!(std::mem::offset_of!($name, $field) == $offset);)*
        };

        // SAFETY: the fields are integers, arrays of them, raw pointers and optional function pointers, all of which
        // may be zero; offsets and size are asserted above.
        unsafe impl Layout for $name {
            const NAME: &'static str = $vendor;
            const FIELDS: &'static [(&'static str, usize, usize)] =
                &[$((stringify!($field), $offset, size_of::<$type>())),*];
        }
    };
}

layout! {
    "NET_DVR_TIME", 24 => Time {
        0: dwYear: u32,
        4: dwMonth: u32,
        8: dwDay: u32,
        12: dwHour: u32,
        16: dwMinute: u32,
        20: dwSecond: u32,
    }
}

layout! {
    "NET_DVR_TIME_SEARCH", 12 => TimeSearch {
        0: wYear: u16,
        2: byMonth: u8,
        3: byDay: u8,
        4: byHour: u8,
        5: byMinute: u8,
        6: bySecond: u8,
        7: cTimeDifferenceH: i8,
        8: cTimeDifferenceM: i8,
        9: byLocalOrUTC: u8,
        10: wMillisecond: u16,
    }
}

layout! {
    "NET_DVR_TIME_SEARCH_COND", 12 => TimeSearchCond {
        0: wYear: u16,
        2: byMonth: u8,
        3: byDay: u8,
        4: byHour: u8,
        5: byMinute: u8,
        6: bySecond: u8,
        7: byLocalOrUTC: u8,
        8: wMillisecond: u16,
        10: cTimeDifferenceH: i8,
        11: cTimeDifferenceM: i8,
    }
}

layout! {
    "NET_DVR_TIME_V50", 12 => TimeV50 {
        0: wYear: u16,
        2: byMonth: u8,
        3: byDay: u8,
        4: byHour: u8,
        5: byMinute: u8,
        6: bySecond: u8,
        7: byISO8601: u8,
        8: wMillisecond: u16,
        10: cTimeDifferenceH: i8,
        11: cTimeDifferenceM: i8,
    }
}

layout! {
    "NET_DVR_TIMEPOINT", 20 => TimePoint {
        0: dwMonth: u32,
        4: dwWeekNo: u32,
        8: dwWeekDate: u32,
        12: dwHour: u32,
        16: dwMin: u32,
    }
}

layout! {
    "NET_DVR_STREAM_INFO", 72 => StreamInfo {
        0: dwSize: u32,
        4: byID: [u8; 32],
        36: dwChannel: u32,
        40: byRes: [u8; 32],
    }
}

layout! {
    "NET_DVR_IPADDR", 144 => IpAddr {
        0: sIpV4: [u8; 16],
        16: byIPv6: [u8; 128],
    }
}

layout! {
    "NET_DVR_ADDRESS", 148 => Address {
        0: struIP: IpAddr,
        144: wPort: u16,
        146: byRes: [u8; 2],
    }
}

layout! {
    "NET_DVR_USER_LOGIN_INFO", 416 => UserLoginInfo {
        0: sDeviceAddress: [u8; 129],
        129: byUseTransport: u8,
        130: wPort: u16,
        132: sUserName: [u8; 64],
        196: sPassword: [u8; 64],
        264: cbLoginResult: Option<LoginResultFn>,
        272: pUser: *mut c_void,
        280: bUseAsynLogin: i32,
        284: byProxyType: u8,
        285: byUseUTCTime: u8,
        286: byLoginMode: u8,
        287: byHttps: u8,
        288: iProxyID: i32,
        292: byVerifyMode: u8,
        293: byRes3: [u8; 119],
    }
}

layout! {
    "NET_DVR_DEVICEINFO_V30", 80 => DeviceInfoV30 {
        0: sSerialNumber: [u8; 48],
        48: byAlarmInPortNum: u8,
        49: byAlarmOutPortNum: u8,
        50: byDiskNum: u8,
        51: byDVRType: u8,
        52: byChanNum: u8,
        53: byStartChan: u8,
        54: byAudioChanNum: u8,
        55: byIPChanNum: u8,
        56: byZeroChanNum: u8,
        57: byMainProto: u8,
        58: bySubProto: u8,
        59: bySupport: u8,
        60: bySupport1: u8,
        61: bySupport2: u8,
        62: wDevType: u16,
        64: bySupport3: u8,
        65: byMultiStreamProto: u8,
        66: byStartDChan: u8,
        67: byStartDTalkChan: u8,
        68: byHighDChanNum: u8,
        69: bySupport4: u8,
        70: byLanguageType: u8,
        71: byVoiceInChanNum: u8,
        72: byStartVoiceInChanNo: u8,
        73: bySupport5: u8,
        74: bySupport6: u8,
        75: byMirrorChanNum: u8,
        76: wStartMirrorChanNo: u16,
        78: bySupport7: u8,
        79: byRes2: u8,
    }
}

layout! {
    "NET_DVR_DEVICEINFO_V40", 344 => DeviceInfoV40 {
        0: struDeviceV30: DeviceInfoV30,
        80: bySupportLock: u8,
        81: byRetryLoginTime: u8,
        82: byPasswordLevel: u8,
        83: byProxyType: u8,
        84: dwSurplusLockTime: u32,
        88: byCharEncodeType: u8,
        89: bySupportDev5: u8,
        90: bySupport: u8,
        91: byLoginMode: u8,
        92: dwOEMCode: u32,
        96: iResidualValidity: i32,
        100: byResidualValidity: u8,
        101: bySingleStartDTalkChan: u8,
        102: bySingleDTalkChanNums: u8,
        103: byPassWordResetLevel: u8,
        104: bySupportStreamEncrypt: u8,
        105: byMarketType: u8,
        106: byTLSCap: u8,
        107: byChildManage: u8,
        108: byPlaybackNewPosCap: u8,
        109: byRes2: [u8; 235],
    }
}

layout! {
    /// Kept as raw words: only the variants that the stand-in writes are laid over it.
    "NET_DVR_SPECIAL_FINDINFO_UNION", 8 => SpecialFindInfo { 0: words: [u32; 2] }
}

layout! {
    "NET_DVR_FILECOND", 96 => FileCond {
        0: lChannel: i32,
        4: dwFileType: u32,
        8: dwIsLocked: u32,
        12: dwUseCardNo: u32,
        16: sCardNumber: [u8; 32],
        48: struStartTime: Time,
        72: struStopTime: Time,
    }
}

layout! {
    "NET_DVR_FILECOND_V40", 160 => FileCondV40 {
        0: lChannel: i32,
        4: dwFileType: u32,
        8: dwIsLocked: u32,
        12: dwUseCardNo: u32,
        16: sCardNumber: [u8; 32],
        48: struStartTime: Time,
        72: struStopTime: Time,
        96: byDrawFrame: u8,
        97: byFindType: u8,
        98: byQuickSearch: u8,
        99: bySpecialFindInfoType: u8,
        100: dwVolumeNum: u32,
        104: byWorkingDeviceGUID: [u8; 16],
        120: uSpecialFindInfo: SpecialFindInfo,
        128: byStreamType: u8,
        129: byAudioFile: u8,
        130: byRes2: [u8; 30],
    }
}

layout! {
    "NET_DVR_FILECOND_V50", 424 => FileCondV50 {
        0: struStreamID: StreamInfo,
        72: struStartTime: TimeSearchCond,
        84: struStopTime: TimeSearchCond,
        96: byFindType: u8,
        97: byDrawFrame: u8,
        98: byQuickSearch: u8,
        99: byStreamType: u8,
        100: dwFileType: u32,
        104: dwVolumeNum: u32,
        108: byIsLocked: u8,
        109: byNeedCard: u8,
        110: byOnlyAudioFile: u8,
        111: bySpecialFindInfoType: u8,
        112: szCardNum: [u8; 32],
        144: szWorkingDeviceGUID: [u8; 16],
        160: uSpecialFindInfo: SpecialFindInfo,
        168: dwTimeout: u32,
        172: byRes: [u8; 252],
    }
}

layout! {
    "NET_DVR_FINDDATA_V30", 188 => FindDataV30 {
        0: sFileName: [u8; 100],
        100: struStartTime: Time,
        124: struStopTime: Time,
        148: dwFileSize: u32,
        152: sCardNum: [u8; 32],
        184: byLocked: u8,
        185: byFileType: u8,
        186: byRes: [u8; 2],
    }
}

layout! {
    "NET_DVR_FINDDATA_V40", 320 => FindDataV40 {
        0: sFileName: [u8; 100],
        100: struStartTime: Time,
        124: struStopTime: Time,
        148: dwFileSize: u32,
        152: sCardNum: [u8; 32],
        184: byLocked: u8,
        185: byFileType: u8,
        186: byQuickSearch: u8,
        187: byRes: u8,
        188: dwFileIndex: u32,
        192: byStreamType: u8,
        193: byRes1: [u8; 127],
    }
}

layout! {
    "NET_DVR_FINDDATA_V50", 572 => FindDataV50 {
        0: sFileName: [u8; 100],
        100: struStartTime: TimeSearch,
        112: struStopTime: TimeSearch,
        124: struAddr: Address,
        272: dwFileSize: u32,
        276: byLocked: u8,
        277: byFileType: u8,
        278: byQuickSearch: u8,
        279: byStreamType: u8,
        280: dwFileIndex: u32,
        284: sCardNum: [u8; 32],
        316: dwTotalLenH: u32,
        320: dwTotalLenL: u32,
        324: byBigFileType: u8,
        325: byRes: [u8; 247],
    }
}

layout! {
    "NET_DVR_FIND_DATA", 152 => FindData {
        0: sFileName: [u8; 100],
        100: struStartTime: Time,
        124: struStopTime: Time,
        148: dwFileSize: u32,
    }
}

layout! {
    "NET_DVR_PLAYCOND", 116 => PlayCond {
        0: dwChannel: u32,
        4: struStartTime: Time,
        28: struStopTime: Time,
        52: byDrawFrame: u8,
        53: byStreamType: u8,
        54: byStreamID: [u8; 32],
        86: byCourseFile: u8,
        87: byDownload: u8,
        88: byOptimalStreamType: u8,
        89: byVODFileType: u8,
        90: byRes: [u8; 26],
    }
}

layout! {
    "NET_DVR_DOWNLOAD_BY_NAME_COND", 424 => DownloadByNameCond {
        0: pFileName: *mut c_char,
        8: pSavedFileName: *mut c_char,
        16: struAddr: Address,
        164: byRes: [u8; 256],
    }
}

layout! {
    "NET_DVR_VOD_PARA", 160 => VodPara {
        0: dwSize: u32,
        4: struIDInfo: StreamInfo,
        76: struBeginTime: Time,
        100: struEndTime: Time,
        124: hWnd: u32,
        128: byDrawFrame: u8,
        129: byVolumeType: u8,
        130: byVolumeNum: u8,
        131: byStreamType: u8,
        132: dwFileIndex: u32,
        136: byAudioFile: u8,
        137: byCourseFile: u8,
        138: byDownload: u8,
        139: byOptimalStreamType: u8,
        140: byUseAsyn: u8,
        141: byRes2: [u8; 19],
    }
}

layout! {
    "NET_DVR_VOD_PARA_V50", 384 => VodParaV50 {
        0: dwSize: u32,
        4: struIDInfo: StreamInfo,
        76: struBeginTime: TimeV50,
        88: struEndTime: TimeV50,
        100: hWnd: u32,
        104: byDrawFrame: u8,
        105: byVolumeType: u8,
        106: byVolumeNum: u8,
        107: byStreamType: u8,
        108: dwFileIndex: u32,
        112: byAudioFile: u8,
        113: byCourseFile: u8,
        114: byPlayMode: u8,
        115: byLinkMode: u8,
        116: byDownload: u8,
        117: byOptimalStreamType: u8,
        118: byDisplayBufNum: u8,
        119: byNPQMode: u8,
        120: sUserName: [u8; 32],
        152: sPassword: [u8; 16],
        168: byRemoteFile: u8,
        169: byUseAsyn: u8,
        170: byRes2: [u8; 201],
        371: byHls: u8,
        376: pSavedFileName: *mut c_char,
    }
}

layout! {
    "NET_DVR_PLAY_BY_NAME_PARA", 636 => PlayByNamePara {
        0: szFileName: [u8; 100],
        100: byDownload: u8,
        101: byRes1: [u8; 127],
        228: hWnd: u32,
        232: struAddr: Address,
        380: byRes2: [u8; 256],
    }
}

layout! {
    "NET_DVR_PREVIEWINFO", 280 => PreviewInfo {
        0: lChannel: i32,
        4: dwStreamType: u32,
        8: dwLinkMode: u32,
        12: hPlayWnd: u32,
        16: bBlocked: u32,
        20: bPassbackRecord: u32,
        24: byPreviewMode: u8,
        25: byStreamID: [u8; 32],
        57: byProtoType: u8,
        58: byRes1: u8,
        59: byVideoCodingType: u8,
        60: dwDisplayBufNum: u32,
        64: byNPQMode: u8,
        65: byRecvMetaData: u8,
        66: byDataType: u8,
        67: byReconnect: u8,
        68: byRes: [u8; 212],
    }
}

layout! {
    "NET_DVR_CLIENTINFO", 32 => ClientInfo {
        0: lChannel: i32,
        4: lLinkMode: i32,
        8: hPlayWnd: u32,
        16: sMultiCastIP: *mut c_char,
        24: byProtoType: u8,
        25: byRes: [u8; 3],
    }
}

layout! {
    "NET_DVR_IPDEVINFO_V31", 296 => IpDevInfoV31 {
        0: byEnable: u8,
        1: byProType: u8,
        2: byEnableQuickAdd: u8,
        3: byCameraType: u8,
        4: sUserName: [u8; 32],
        36: sPassword: [u8; 16],
        52: byDomain: [u8; 64],
        116: struIP: IpAddr,
        260: wDVRPort: u16,
        262: szDeviceID: [u8; 32],
        294: byEnableTiming: u8,
        295: byCertificateValidation: u8,
    }
}

layout! {
    "NET_DVR_IPCHANINFO", 36 => IpChanInfo {
        0: byEnable: u8,
        1: byIPID: u8,
        2: byChannel: u8,
        3: byIPIDHigh: u8,
        4: byTransProtocol: u8,
        5: byGetStream: u8,
        6: byres: [u8; 30],
    }
}

layout! {
    /// Kept as raw words: only the variants that the stand-in writes are laid over it.
    "NET_DVR_GET_STREAM_UNION", 492 => GetStreamUnion { 0: words: [u32; 123] }
}

layout! {
    "NET_DVR_STREAM_MODE", 496 => StreamMode {
        0: byGetStreamType: u8,
        1: byRes: [u8; 3],
        4: uGetStream: GetStreamUnion,
    }
}

layout! {
    "NET_DVR_IPPARACFG_V40", 50792 => IpParaCfgV40 {
        0: dwSize: u32,
        4: dwGroupNum: u32,
        8: dwAChanNum: u32,
        12: dwDChanNum: u32,
        16: dwStartDChan: u32,
        20: byAnalogChanEnable: [u8; 64],
        84: struIPDevInfo: [IpDevInfoV31; 64],
        19028: struStreamMode: [StreamMode; 64],
        50772: byRes2: [u8; 20],
    }
}

layout! {
    "NET_DVR_ZONEANDDST", 68 => ZoneAndDst {
        0: dwSize: u32,
        4: dwZoneIndex: u32,
        8: byRes1: [u8; 12],
        20: dwEnableDST: u32,
        24: byDSTBias: u8,
        25: byRes2: [u8; 3],
        28: struBeginPoint: TimePoint,
        48: struEndPoint: TimePoint,
    }
}

layout! {
    "NET_DVR_NTPPARA", 80 => NtpPara {
        0: sNTPServer: [u8; 64],
        64: wInterval: u16,
        66: byEnableNTP: u8,
        67: cTimeDifferenceH: i8,
        68: cTimeDifferenceM: i8,
        69: res1: u8,
        70: wNtpPort: u16,
        72: res2: [u8; 8],
    }
}

layout! {
    "NET_DVR_DIGITAL_CHANNEL_STATE", 580 => DigitalChannelState {
        0: dwSize: u32,
        4: byDigitalAudioChanTalkState: [u8; 64],
        68: byDigitalChanState: [u8; 64],
        132: byDigitalAudioChanTalkStateEx: [u8; 192],
        324: byDigitalChanStateEx: [u8; 192],
        516: byAnalogChanState: [u8; 32],
        548: byRes: [u8; 32],
    }
}

layout! {
    "NET_DVR_SINGLE_HD", 144 => SingleHd {
        0: dwHDNo: u32,
        4: dwCapacity: u32,
        8: dwFreeSpace: u32,
        12: dwHdStatus: u32,
        16: byHDAttr: u8,
        17: byHDType: u8,
        18: byDiskDriver: u8,
        19: byRes1: u8,
        20: dwHdGroup: u32,
        24: byRecycling: u8,
        25: bySupportFormatType: u8,
        26: byFormatType: u8,
        27: byRes2: u8,
        28: dwStorageType: u32,
        32: dwPictureCapacity: u32,
        36: dwFreePictureSpace: u32,
        40: byRes3: [u8; 104],
    }
}

layout! {
    "NET_DVR_HDCFG", 4760 => HdCfg {
        0: dwSize: u32,
        4: dwHDCount: u32,
        8: struHDInfo: [SingleHd; 33],
    }
}

layout! {
    "NET_DVR_DEVICECFG_V40", 180 => DeviceCfgV40 {
        0: dwSize: u32,
        4: sDVRName: [u8; 32],
        36: dwDVRID: u32,
        40: dwRecycleRecord: u32,
        44: sSerialNumber: [u8; 48],
        92: dwSoftwareVersion: u32,
        96: dwSoftwareBuildDate: u32,
        100: dwDSPSoftwareVersion: u32,
        104: dwDSPSoftwareBuildDate: u32,
        108: dwPanelVersion: u32,
        112: dwHardwareVersion: u32,
        116: byAlarmInPortNum: u8,
        117: byAlarmOutPortNum: u8,
        118: byRS232Num: u8,
        119: byRS485Num: u8,
        120: byNetworkPortNum: u8,
        121: byDiskCtrlNum: u8,
        122: byDiskNum: u8,
        123: byDVRType: u8,
        124: byChanNum: u8,
        125: byStartChan: u8,
        126: byDecordChans: u8,
        127: byVGANum: u8,
        128: byUSBNum: u8,
        129: byAuxoutNum: u8,
        130: byAudioNum: u8,
        131: byIPChanNum: u8,
        132: byZeroChanNum: u8,
        133: bySupport: u8,
        134: byEsataUseage: u8,
        135: byIPCPlug: u8,
        136: byStorageMode: u8,
        137: bySupport1: u8,
        138: wDevType: u16,
        140: byDevTypeName: [u8; 24],
        164: bySupport2: u8,
        165: byAnalogAlarmInPortNum: u8,
        166: byStartAlarmInNo: u8,
        167: byStartAlarmOutNo: u8,
        168: byStartIPAlarmInNo: u8,
        169: byStartIPAlarmOutNo: u8,
        170: byHighIPChanNum: u8,
        171: byEnableRemotePowerOn: u8,
        172: wDevClass: u16,
        174: byRes2: [u8; 6],
    }
}

layout! {
    "NET_DVR_XML_CONFIG_INPUT", 72 => XmlConfigInput {
        0: dwSize: u32,
        8: lpRequestUrl: *mut c_void,
        16: dwRequestUrlLen: u32,
        24: lpInBuffer: *mut c_void,
        32: dwInBufferSize: u32,
        36: dwRecvTimeOut: u32,
        40: byForceEncrpt: u8,
        41: byNumOfMultiPart: u8,
        42: byMIMEType: u8,
        43: byRes1: u8,
        44: dwSendTimeOut: u32,
        48: byRes: [u8; 24],
    }
}

layout! {
    "NET_DVR_XML_CONFIG_OUTPUT", 72 => XmlConfigOutput {
        0: dwSize: u32,
        8: lpOutBuffer: *mut c_void,
        16: dwOutBufferSize: u32,
        20: dwReturnedXMLSize: u32,
        24: lpStatusBuffer: *mut c_void,
        32: dwStatusSize: u32,
        40: lpDataBuffer: *mut c_void,
        48: byNumOfMultiPart: u8,
        49: byRes: [u8; 23],
    }
}

layout! {
    "NET_DVR_SDKSTATE", 84 => SdkState {
        0: dwTotalLoginNum: u32,
        4: dwTotalRealPlayNum: u32,
        8: dwTotalPlayBackNum: u32,
        12: dwTotalAlarmChanNum: u32,
        16: dwTotalFormatNum: u32,
        20: dwTotalFileSearchNum: u32,
        24: dwTotalLogSearchNum: u32,
        28: dwTotalSerialNum: u32,
        32: dwTotalUpgradeNum: u32,
        36: dwTotalVoiceComNum: u32,
        40: dwTotalBroadCastNum: u32,
        44: dwTotalListenNum: u32,
        48: dwEmailTestNum: u32,
        52: dwBackupNum: u32,
        56: dwTotalInquestUploadNum: u32,
        60: dwRes: [u32; 6],
    }
}

layout! {
    "NET_DVR_SDKABL", 84 => SdkAbl {
        0: dwMaxLoginNum: u32,
        4: dwMaxRealPlayNum: u32,
        8: dwMaxPlayBackNum: u32,
        12: dwMaxAlarmChanNum: u32,
        16: dwMaxFormatNum: u32,
        20: dwMaxFileSearchNum: u32,
        24: dwMaxLogSearchNum: u32,
        28: dwMaxSerialNum: u32,
        32: dwMaxUpgradeNum: u32,
        36: dwMaxVoiceComNum: u32,
        40: dwMaxBroadCastNum: u32,
        44: dwRes: [u32; 10],
    }
}

layout! {
    "NET_DVR_LOCAL_GENERAL_CFG", 256 => LocalGeneralCfg {
        0: byExceptionCbDirectly: u8,
        1: byNotSplitRecordFile: u8,
        2: byResumeUpgradeEnable: u8,
        3: byAlarmJsonPictureSeparate: u8,
        4: byRes: [u8; 4],
        8: i64FileSize: u64,
        16: dwResumeUpgradeTimeout: u32,
        20: byAlarmReconnectMode: u8,
        21: byStdXmlBufferSize: u8,
        22: byMultiplexing: u8,
        23: byFastUpgrade: u8,
        24: byAlarmPrealloc: u8,
        25: bChangeEventIPToDomain: u8,
        26: byRes1: [u8; 230],
    }
}

layout! {
    "NET_DVR_LOCAL_STREAM_CALLBACK_CFG", 256 => LocalStreamCallbackCfg {
        0: byPlayBackEndFlag: u8,
        1: byPlayBackNewPos: u8,
        2: byRes: [u8; 254],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct,field,type,offset,size,struct_size` of the committed table.
    fn rows(of: &str) -> Vec<(String, usize, usize, usize)> {
        let table = include_str!("../../../hw-fixtures/hcnetsdk/layout.csv");
        table
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>())
            .filter(|cells| cells[0] == of)
            .map(|cells| {
                let number = |at: usize| cells[at].parse().expect("a number");
                (cells[1].to_string(), number(3), number(4), number(5))
            })
            .collect()
    }

    fn compare<T: Layout>() {
        let rows = rows(T::NAME);
        let (own, fields) = rows
            .split_first()
            .unwrap_or_else(|| panic!("{} is not in the table", T::NAME));
        assert_eq!(own.0, "(self)");
        assert_eq!(own.3, size_of::<T>(), "size of {}", T::NAME);
        if T::FIELDS[0].0 == "words" {
            return; // a union kept as raw words: only its size can be compared
        }
        let told: Vec<_> = fields
            .iter()
            .map(|(name, offset, size, _)| (name.as_str(), *offset, *size))
            .collect();
        assert_eq!(T::FIELDS, told.as_slice(), "fields of {}", T::NAME);
    }

    #[test]
    fn every_struct_agrees_with_the_committed_table() {
        compare::<Time>();
        compare::<TimeSearch>();
        compare::<TimeSearchCond>();
        compare::<TimeV50>();
        compare::<TimePoint>();
        compare::<StreamInfo>();
        compare::<IpAddr>();
        compare::<Address>();
        compare::<UserLoginInfo>();
        compare::<DeviceInfoV30>();
        compare::<DeviceInfoV40>();
        compare::<SpecialFindInfo>();
        compare::<FileCond>();
        compare::<FileCondV40>();
        compare::<FileCondV50>();
        compare::<FindDataV30>();
        compare::<FindDataV40>();
        compare::<FindDataV50>();
        compare::<FindData>();
        compare::<PlayCond>();
        compare::<DownloadByNameCond>();
        compare::<VodPara>();
        compare::<VodParaV50>();
        compare::<PlayByNamePara>();
        compare::<PreviewInfo>();
        compare::<ClientInfo>();
        compare::<IpDevInfoV31>();
        compare::<IpChanInfo>();
        compare::<GetStreamUnion>();
        compare::<StreamMode>();
        compare::<IpParaCfgV40>();
        compare::<ZoneAndDst>();
        compare::<NtpPara>();
        compare::<DigitalChannelState>();
        compare::<SingleHd>();
        compare::<HdCfg>();
        compare::<DeviceCfgV40>();
        compare::<XmlConfigInput>();
        compare::<XmlConfigOutput>();
        compare::<SdkState>();
        compare::<SdkAbl>();
        compare::<LocalGeneralCfg>();
        compare::<LocalStreamCallbackCfg>();
    }
}
