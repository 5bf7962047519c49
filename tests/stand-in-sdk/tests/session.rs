//! Life cycle, logins and questions.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use std::ffi::CStr;

use common::*;
use hcnetsdk::layout::*;
use hcnetsdk::scenario::{Channel, Device, Fault, FaultKind, Scenario, Scope};

#[test]
fn nothing_works_before_init_and_init_is_counted() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::load(&place);
    assert_eq!((sdk.version(), sdk.error()), (0, 3));
    assert_eq!(
        (
            sdk.login_as(ADDRESS, PASSWORD, &mut DeviceInfoV40::zeroed()),
            sdk.error()
        ),
        (-1, 3)
    );
    assert_eq!((sdk.cleanup(), sdk.error()), (0, 3));
    assert_eq!((sdk.init(), sdk.init()), (1, 1));
    assert_eq!((sdk.version(), sdk.build()), (0x0006_0001, 0x0601_062d));
    assert_eq!(sdk.cleanup(), 1);
    assert_eq!(sdk.login(), 0);
    assert_eq!(sdk.cleanup(), 1);
    assert_eq!((sdk.cleanup(), sdk.error()), (0, 3));
}

#[test]
fn each_thread_has_its_own_last_error() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    assert_eq!((sdk.logout(0), sdk.error()), (0, 47));
    assert_eq!((sdk.logout(-1), sdk.error()), (0, 17));
    std::thread::spawn(move || assert_eq!(sdk.error(), 0))
        .join()
        .unwrap();
    let mut number = 99;
    let text = sdk.error_text(&mut number);
    assert_eq!(number, 17);
    // SAFETY: the library gives a static text.
    assert_eq!(unsafe { CStr::from_ptr(text) }, c"Parameter error.");
}

#[test]
fn logins_tell_the_recorder_and_ids_are_reused() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let mut info = DeviceInfoV40::zeroed();
    assert_eq!(sdk.login_as(ADDRESS, PASSWORD, &mut info), 0);
    assert_eq!(
        text(&info.struDeviceV30.sSerialNumber),
        Device::default().serial
    );
    assert_eq!(
        (
            info.struDeviceV30.byIPChanNum,
            info.struDeviceV30.byStartDChan
        ),
        (1, 33)
    );
    assert_eq!((sdk.login(), sdk.logout(0), sdk.login()), (1, 1, 0));
    assert_eq!(sdk.open_things(), (2, 0, 0, 0));
}

#[test]
fn wrong_passwords_lock_the_account_over_restarts() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let mut info = DeviceInfoV40::zeroed();
    for left in [4, 3, 2, 1] {
        assert_eq!(
            (sdk.login_as(ADDRESS, "guess-again", &mut info), sdk.error()),
            (-1, 1)
        );
        assert_eq!((info.bySupportLock, info.byRetryLoginTime), (1, left));
    }
    assert_eq!(
        (sdk.login_as(ADDRESS, "guess-again", &mut info), sdk.error()),
        (-1, 153)
    );
    // another process: the same folder, another copy of the library
    let again = place.path().join("again");
    std::fs::create_dir(&again).unwrap();
    for name in ["libhcnetsdk.so", "scenario.toml"] {
        std::fs::copy(place.path().join(name), again.join(name)).unwrap();
    }
    std::fs::rename(place.path().join("state"), again.join("state")).unwrap();
    let sdk = Sdk::load_from(&again);
    assert_eq!(sdk.init(), 1);
    assert_eq!(
        (sdk.login_as(ADDRESS, PASSWORD, &mut info), sdk.error()),
        (-1, 153)
    );
    assert!(
        (1790..=1800).contains(&info.dwSurplusLockTime),
        "{}",
        info.dwSurplusLockTime
    );
    // The journal went along with the counters.
    let calls = hcnetsdk::folder::calls(&again).unwrap();
    let logins = calls.iter().filter(|call| call.call == "login");
    let codes: Vec<u32> = logins.map(|call| call.error).collect();
    assert_eq!(codes, [1, 1, 1, 1, 153, 153]);
    let journal = std::fs::read_to_string(again.join("state/calls.jsonl")).unwrap();
    assert!(!journal.contains("guess-again") && !journal.contains(PASSWORD));
}

#[test]
fn an_address_that_nobody_has_fails_and_leaves_the_struct_alone() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let mut info = DeviceInfoV40 {
        dwSurplusLockTime: 7,
        ..Layout::zeroed()
    };
    assert_eq!(
        (sdk.login_as("192.0.2.99", PASSWORD, &mut info), sdk.error()),
        (-1, 7)
    );
    assert_eq!((info.dwSurplusLockTime, info.bySupportLock), (7, 0));
}

#[test]
fn without_a_scenario_logins_fail_until_there_is_one() {
    let place = Place::new(&scenario(device()));
    let path = place.path().join("scenario.toml");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "this is no scenario").unwrap();
    let sdk = Sdk::start(&place);
    assert_eq!(
        (
            sdk.login_as(ADDRESS, PASSWORD, &mut DeviceInfoV40::zeroed()),
            sdk.error()
        ),
        (-1, 7)
    );
    std::fs::write(&path, good).unwrap();
    assert_eq!(sdk.login(), 0);
}

#[test]
fn a_login_fault_happens_as_often_as_it_says() {
    let fault = Fault {
        error: 52,
        times: 2,
        ..Fault::once(FaultKind::Error, Scope::Login)
    };
    let place = Place::new(&scenario(Device {
        faults: vec![fault],
        ..device()
    }));
    let sdk = Sdk::start(&place);
    for expected in [(-1, 52), (-1, 52), (0, 0)] {
        let user = sdk.login_as(ADDRESS, PASSWORD, &mut DeviceInfoV40::zeroed());
        assert_eq!((user, sdk.error()), expected);
    }
    assert_eq!(place.calls("fault").len(), 2);
}

#[test]
fn an_asynchronous_login_is_good_after_its_callback() {
    unsafe extern "C" fn on_login(
        user: i32,
        result: u32,
        info: *mut DeviceInfoV30,
        sender: *mut std::ffi::c_void,
    ) {
        // SAFETY: the pointer is the leaked sender of the test.
        let sender = unsafe { &*sender.cast::<std::sync::mpsc::Sender<(i32, u32, bool)>>() };
        sender.send((user, result, info.is_null())).unwrap();
    }
    let slow = Device {
        connect_delay_ms: 300,
        ..device()
    };
    let place = Place::new(&scenario(slow));
    let sdk = Sdk::start(&place);
    let (sender, receiver) = std::sync::mpsc::channel::<(i32, u32, bool)>();
    let mut input = UserLoginInfo {
        wPort: 8000,
        bUseAsynLogin: 1,
        cbLoginResult: Some(on_login),
        pUser: Box::into_raw(Box::new(sender)).cast(),
        ..Layout::zeroed()
    };
    put(&mut input.sDeviceAddress, ADDRESS);
    put(&mut input.sUserName, "admin");
    put(&mut input.sPassword, PASSWORD);
    assert_eq!(sdk.login_v40(&input, &mut DeviceInfoV40::zeroed()), 0);
    assert_eq!((sdk.logout(0), sdk.error()), (0, 102));
    assert_eq!(receiver.recv().unwrap(), (0, 1, false));
    assert_eq!(sdk.logout(0), 1);
    put(&mut input.sPassword, "wrong-one-no-nu");
    let user = sdk.login_v40(&input, &mut DeviceInfoV40::zeroed());
    assert_eq!(receiver.recv().unwrap(), (user, 0, true));
}

fn ask<T: Layout>(sdk: Sdk, user: i32, command: u32, channel: i32) -> Result<Box<T>, u32> {
    let mut answer = Box::new(T::zeroed());
    let mut returned = 0;
    let size = size_of::<T>() as u32;
    match sdk.config(
        user,
        command,
        channel,
        (&raw mut *answer).cast(),
        size,
        &mut returned,
    ) {
        1 => {
            assert_eq!(returned, size);
            Ok(answer)
        }
        _ => Err(sdk.error()),
    }
}

#[test]
fn questions_are_answered_in_the_recorders_terms() {
    let asked = Device {
        zone: "+05:30".to_string(),
        clock_skew_s: 3600,
        channels: vec![
            Channel {
                number: 33,
                name: "Yard".to_string(),
                ..Channel::default()
            },
            Channel {
                number: 35,
                online: false,
                ip_id: Some(9),
                ..Channel::default()
            },
        ],
        ..device()
    };
    let place = Place::new(&scenario(asked));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let time = ask::<Time>(sdk, user, 118, -1).unwrap();
    let expected = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(330 + 60);
    let expected = jiff::tz::TimeZone::UTC.to_datetime(expected);
    assert_eq!(
        (time.dwDay, time.dwHour),
        (expected.day() as u32, expected.hour() as u32)
    );
    let ntp = ask::<NtpPara>(sdk, user, 224, -1).unwrap();
    assert_eq!((ntp.cTimeDifferenceH, ntp.cTimeDifferenceM), (5, 30));
    assert_eq!(
        ask::<ZoneAndDst>(sdk, user, 128, -1).unwrap().dwEnableDST,
        0
    );
    let channels = ask::<IpParaCfgV40>(sdk, user, 1062, 0).unwrap();
    assert_eq!(
        (
            channels.dwGroupNum,
            channels.dwDChanNum,
            channels.dwStartDChan
        ),
        (1, 3, 33)
    );
    assert_eq!(channels.struIPDevInfo[8].byEnable, 1);
    let states = ask::<DigitalChannelState>(sdk, user, 6126, -1).unwrap();
    assert_eq!(states.byDigitalChanState[..4], [1, 0, 10, 0]);
    assert_eq!(ask::<HdCfg>(sdk, user, 1054, -1).unwrap().dwHDCount, 1);
    assert_eq!(ask::<Time>(sdk, user, 4711, -1).err(), Some(23));
    let mut short = [0_u8; 20];
    let answered = sdk.config(user, 118, -1, short.as_mut_ptr().cast(), 20, &mut 0);
    assert_eq!((answered, sdk.error()), (0, 43));
    let mut picture = vec![0_u8; 77_140];
    assert_eq!(
        sdk.config(user, 6179, 33, picture.as_mut_ptr().cast(), 77_140, &mut 0),
        1
    );
    assert_eq!(text(&picture[4..36]), "Yard");
    assert_eq!(
        (sdk.lock_by_name(user, c"x".as_ptr()), sdk.error()),
        (0, 23)
    );
}

#[test]
fn pages_pass_through_with_strict_sizes() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    let mut request = *b"GET /ISAPI/System/deviceInfo";
    let mut page = vec![0_u8; 4096];
    let mut input = XmlConfigInput {
        dwSize: 72,
        lpRequestUrl: request.as_mut_ptr().cast(),
        dwRequestUrlLen: request.len() as u32,
        ..Layout::zeroed()
    };
    let mut output = XmlConfigOutput {
        dwSize: 72,
        lpOutBuffer: page.as_mut_ptr().cast(),
        dwOutBufferSize: page.len() as u32,
        ..Layout::zeroed()
    };
    assert_eq!(sdk.page(user, &input, &mut output), 1, "{}", sdk.error());
    assert!(
        text(&page[..output.dwReturnedXMLSize as usize]).contains("<model>DS-7608NI-K2</model>")
    );
    input.dwSize = 71;
    assert_eq!((sdk.page(user, &input, &mut output), sdk.error()), (0, 17));
    input.dwSize = 72;
    assert_eq!(
        (sdk.page(user, &input, &mut output), sdk.error()),
        (1, 17),
        "success keeps the last error"
    );
}

#[test]
fn a_recorder_that_goes_away_is_noticed_in_calls() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::start(&place);
    let user = sdk.login();
    hcnetsdk::folder::write_scenario(
        place.path(),
        &scenario(Device {
            reachable: false,
            ..device()
        }),
    )
    .unwrap();
    assert_eq!(ask::<Time>(sdk, user, 118, -1).err(), Some(7));
    hcnetsdk::folder::write_scenario(
        place.path(),
        &Scenario {
            devices: vec![device()],
            ..Scenario::default()
        },
    )
    .unwrap();
    assert!(ask::<Time>(sdk, user, 118, -1).is_ok());
}

/// What chapter 3 of the reference lists, and the older search calls, without `NET_DVR_`.
const SYMBOLS: &[&str] = &[
    "CaptureJPEGPicture",
    "CaptureJPEGPicture_NEW",
    "Cleanup",
    "FindClose",
    "FindClose_V30",
    "FindFile",
    "FindFileByEvent_V40",
    "FindFileByEvent_V50",
    "FindFile_V30",
    "FindFile_V40",
    "FindFile_V50",
    "FindNextEvent_V40",
    "FindNextEvent_V50",
    "FindNextFile",
    "FindNextFile_V30",
    "FindNextFile_V40",
    "FindNextFile_V50",
    "GetDVRConfig",
    "GetDVRWorkState_V30",
    "GetDeviceAbility",
    "GetDeviceConfig",
    "GetDownloadPos",
    "GetErrorMsg",
    "GetFileByName",
    "GetFileByName_V50",
    "GetFileByTime",
    "GetFileByTime_V40",
    "GetLastError",
    "GetPlayBackOsdTime",
    "GetPlayBackPos",
    "GetSDKAbility",
    "GetSDKBuildVersion",
    "GetSDKLocalCfg",
    "GetSDKState",
    "GetSDKVersion",
    "Init",
    "IsSupport",
    "LockFileByName",
    "LockFileByTime",
    "Login_V30",
    "Login_V40",
    "Logout",
    "Logout_V30",
    "MakeKeyFrame",
    "MakeKeyFrameSub",
    "PlayBackByName",
    "PlayBackByName_V50",
    "PlayBackByTime_V40",
    "PlayBackByTime_V50",
    "PlayBackControl",
    "PlayBackControl_V40",
    "PlayBackSaveData",
    "RealPlay_V30",
    "RealPlay_V40",
    "RemoteControl",
    "STDXMLConfig",
    "SaveRealData",
    "SaveRealData_V30",
    "SetConnectTime",
    "SetDVRConfig",
    "SetESRealPlayCallBack",
    "SetExceptionCallBack_V30",
    "SetLogToFile",
    "SetPlayBackESCallBack",
    "SetPlayBackSecretKey",
    "SetPlayDataCallBack",
    "SetPlayDataCallBack_V40",
    "SetRealDataCallBack",
    "SetRealDataCallBackEx",
    "SetRealPlaySecretKey",
    "SetReconnect",
    "SetRecvTimeOut",
    "SetSDKInitCfg",
    "SetSDKLocalCfg",
    "SetStandardDataCallBack",
    "SetStandardDataCallBackEx",
    "StopGetFile",
    "StopPlayBack",
    "StopPlayBackSave",
    "StopRealPlay",
    "StopSaveRealData",
    "UnlockFileByName",
    "UnlockFileByTime",
];

#[test]
fn every_symbol_is_there() {
    let place = Place::new(&scenario(device()));
    let sdk = Sdk::load(&place);
    let missing: Vec<&&str> = SYMBOLS
        .iter()
        .filter(|name| !sdk.has(&format!("NET_DVR_{name}")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn init_takes_sigpipe_over() {
    // SAFETY: ignoring a signal is harmless; the second call only asks what was there.
    let found = unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        Sdk::start(&Place::new(&scenario(device())));
        libc::signal(libc::SIGPIPE, libc::SIG_IGN)
    };
    assert!(found != libc::SIG_IGN && found != libc::SIG_DFL);
}
