//! The protocol, byte for byte, and against foreign bytes.

use jiff::civil::DateTime;
use proptest::prelude::*;
use serde::Serialize;

use super::frame::FrameError;
use super::*;

fn frame_text(message: &impl Serialize) -> String {
    let frame = encode(message).unwrap();
    assert_eq!(
        u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize,
        frame.len() - 4
    );
    String::from_utf8(frame[4..].to_vec()).unwrap()
}

fn time(text: &str) -> DateTime {
    text.parse().unwrap()
}

/// Version 2, byte for byte. A change here is a new version.
#[test]
fn version_2_to_the_worker() {
    let configure = Configure {
        protocol: 2,
        sdk_folder: "/var/lib/holdfast/sdk".into(),
        connect_timeout_ms: 3000,
        receive_timeout_ms: 10_000,
        stall_timeout_ms: 30_000,
        search_timeout_ms: 60_000,
        sandbox: true,
        reach: vec!["192.0.2.10".parse().unwrap()],
        port: Some(8000),
        staging: vec!["/srv/footage/staging".into()],
        writable: Vec::new(),
        memory_limit_bytes: 1 << 30,
    };
    assert_eq!(
        frame_text(&ToWorker::Configure(configure)),
        r#"{"type":"configure","protocol":2,"sdk_folder":"/var/lib/holdfast/sdk","connect_timeout_ms":3000,"receive_timeout_ms":10000,"stall_timeout_ms":30000,"search_timeout_ms":60000,"sandbox":true,"reach":["192.0.2.10"],"port":8000,"staging":["/srv/footage/staging"],"writable":[],"memory_limit_bytes":1073741824}"#
    );
    let login = Request::Login {
        address: "192.0.2.10".into(),
        port: 8000,
        username: "admin".into(),
        password: Secret::new("pa\"ss"),
    };
    assert_eq!(
        frame_text(&ToWorker::Request {
            id: 1,
            request: login
        }),
        r#"{"type":"request","id":1,"request":{"call":"login","address":"192.0.2.10","port":8000,"username":"admin","password":"pa\"ss"}}"#
    );
    let search = Request::Search {
        session: 2,
        channel: 33,
        start: time("2026-11-03T15:05:00"),
        end: time("2026-11-03T16:04:59"),
    };
    assert_eq!(
        frame_text(&ToWorker::Request {
            id: 2,
            request: search
        }),
        r#"{"type":"request","id":2,"request":{"call":"search","session":2,"channel":33,"start":"2026-11-03T15:05:00","end":"2026-11-03T16:04:59"}}"#
    );
    let download = Request::Download {
        session: 2,
        source: Source::Name("ch01_00000000001".into()),
        path: "/s/000.ps".into(),
        limit_kbps: None,
    };
    assert_eq!(
        frame_text(&ToWorker::Request {
            id: 3,
            request: download
        }),
        r#"{"type":"request","id":3,"request":{"call":"download","session":2,"source":{"name":"ch01_00000000001"},"path":"/s/000.ps","limit_kbps":null}}"#
    );
    let live = Request::Live {
        session: 2,
        channel: 33,
        stream: Stream::Sub,
    };
    assert_eq!(
        frame_text(&ToWorker::Request {
            id: 4,
            request: live
        }),
        r#"{"type":"request","id":4,"request":{"call":"live","session":2,"channel":33,"stream":"sub"}}"#
    );
    assert_eq!(
        frame_text(&ToWorker::Cancel { id: 4 }),
        r#"{"type":"cancel","id":4}"#
    );
}

/// Version 2, byte for byte. A change here is a new version.
#[test]
fn version_2_from_the_worker() {
    let hello = Hello {
        protocol: 2,
        build: "0.1.0".into(),
        sdk_version: Some("6.1.6.45".into()),
        missing: vec!["NET_DVR_FindFile_V50".into()],
        problem: None,
        sandbox: vec![Layer {
            name: LayerName::Files,
            missing: Some("no landlock".into()),
        }],
    };
    assert_eq!(
        frame_text(&FromWorker::Hello(hello)),
        r#"{"type":"hello","protocol":2,"build":"0.1.0","sdk_version":"6.1.6.45","missing":["NET_DVR_FindFile_V50"],"problem":null,"sandbox":[{"name":"files","missing":"no landlock"}]}"#
    );
    let row = Row {
        name: "a".into(),
        start: time("2026-11-03T15:05:00"),
        end: time("2026-11-03T15:06:00"),
        difference_minutes: Some((60, 60)),
        bytes: 5_000_000_000,
        kind: 1,
        locked: false,
    };
    assert_eq!(
        frame_text(&FromWorker::Rows {
            id: 2,
            rows: vec![row]
        }),
        r#"{"type":"rows","id":2,"rows":[{"name":"a","start":"2026-11-03T15:05:00","end":"2026-11-03T15:06:00","difference_minutes":[60,60],"bytes":5000000000,"kind":1,"locked":false}]}"#
    );
    assert_eq!(
        frame_text(&FromWorker::Progress {
            id: 3,
            received_bytes: 40,
            percent: 0
        }),
        r#"{"type":"progress","id":3,"received_bytes":40,"percent":0}"#
    );
    let failure = Failure {
        kind: Kind::Refused,
        message: "no".into(),
        code: Some(1),
    };
    assert_eq!(
        frame_text(&FromWorker::Reply {
            id: 1,
            outcome: Outcome::Failed(failure)
        }),
        r#"{"type":"reply","id":1,"outcome":{"failed":{"kind":"refused","message":"no","code":1}}}"#
    );
    assert_eq!(
        frame_text(&FromWorker::Reply {
            id: 3,
            outcome: Outcome::Done(Answer::Downloaded { bytes: 7 })
        }),
        r#"{"type":"reply","id":3,"outcome":{"done":{"downloaded":{"bytes":7}}}}"#
    );
    let event = FromWorker::Event(DeviceEvent::SessionLost);
    let mut bytes: &[u8] = &encode(&event).unwrap();
    assert_eq!(read::<FromWorker>(&mut bytes).unwrap(), Some(event));
}

#[test]
fn a_password_is_not_shown() {
    let request = Request::Login {
        address: "a".into(),
        port: 1,
        username: "u".into(),
        password: Secret::new("hunter2"),
    };
    assert!(!format!("{request:?}").contains("hunter2"));
}

#[test]
fn broken_streams_are_told_apart() {
    let read = |bytes: &[u8]| read::<FromWorker>(&mut { bytes });
    assert!(matches!(read(b""), Ok(None)));
    assert!(matches!(read(&[0, 0]), Err(FrameError::Cut)));
    assert!(matches!(read(&[0, 0, 0, 9, b'{']), Err(FrameError::Cut)));
    assert!(matches!(
        read(&[0, 16, 0, 1]),
        Err(FrameError::TooLong(0x10_0001))
    ));
    assert!(matches!(
        read(&[0, 0, 0, 2, b'{', b'}']),
        Err(FrameError::Content(_))
    ));
}

proptest! {
    /// What a broken or hostile library prints into the stream ends in an error, never in a panic.
    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), framed: bool) {
        let mut stream = if framed { (bytes.len() as u32).to_be_bytes().to_vec() } else { Vec::new() };
        stream.extend(bytes);
        let _ = read::<FromWorker>(&mut stream.as_slice());
        let _ = read::<ToWorker>(&mut stream.as_slice());
    }

    /// Texts from recorders survive, whatever they hold.
    #[test]
    fn messages_survive(message: String, code: Option<u32>, id: u64) {
        let failure = Failure { kind: Kind::Device, message, code };
        let sent = FromWorker::Reply { id, outcome: Outcome::Failed(failure) };
        let frame = encode(&sent).unwrap();
        prop_assert_eq!(read::<FromWorker>(&mut frame.as_slice()).unwrap(), Some(sent));
    }
}
