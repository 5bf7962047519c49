//! What the agent and an SDK worker say to each other: the only thing that `sdk/` and `recorder/` share.
//!
//! Frames travel over a Unix socket pair that is the worker's standard input: a big-endian `u32` with the number of
//! bytes, then that many bytes of JSON, at most [`FRAME_BYTES_MAX`]. The agent's first frame is [`ToWorker::Configure`];
//! the worker loads the library from the folder named there, and its first frame is [`FromWorker::Hello`]. Media never
//! passes through frames: a download is written to a path, a live stream goes to a socket of its own.
//!
//! Times are the recorder's wall clock (`2026-11-03T15:05:00`), both ends inclusive to the second; what they mean in
//! true time is `clock.rs`'s business.

use std::io::{self, Read};
use std::path::PathBuf;

use jiff::civil::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use wire::time::UtcTime;
use zeroize::Zeroizing;

use super::driver::{FailureKind, RecorderError, StreamKind};

/// Version of this protocol. Both sides come from one binary; they differ only while the binary is being replaced, and
/// then the worker is refused.
///
/// - 1: configure, login, clock, search, download, live.
pub const PROTOCOL: u32 = 1;

/// The largest frame, without its length.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// A password on its way to the worker: wiped when dropped, never shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a copy.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// From the agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToWorker {
    /// The first frame.
    Configure(Configure),
    /// A question; answered by one [`FromWorker::Reply`] with the same id.
    Request {
        /// Chosen by the agent, never used twice.
        id: u64,
        /// What.
        request: Request,
    },
    /// Ends a running request early. It is still answered; one that has ended already is not.
    Cancel {
        /// Of the request.
        id: u64,
    },
}

/// What a worker needs to know before anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// [`PROTOCOL`] of the agent.
    pub protocol: u32,
    /// Folder with the vendor's library, absolute.
    pub sdk_folder: PathBuf,
    /// How long a connection may take.
    pub connect_timeout_ms: u32,
    /// How long the recorder may take for an answer.
    pub receive_timeout_ms: u32,
    /// How long a download may stand still.
    pub stall_timeout_ms: u32,
    /// How long a search of one window may take.
    pub search_timeout_ms: u32,
}

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Logs in, in place of an earlier login. Answered by [`Answer::LoggedIn`].
    Login {
        /// Host name or IP address.
        address: String,
        /// TCP port.
        port: u16,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// Logs out and ends what still runs. Answered by [`Answer::LoggedOut`].
    Logout,
    /// Reads the recorder's clock. Answered by [`Answer::Clock`].
    Clock {
        /// Of the login.
        session: u32,
    },
    /// Lists what a channel holds: any number of [`FromWorker::Rows`], then [`Answer::Found`].
    Search {
        /// Of the login.
        session: u32,
        /// Channel number.
        channel: u32,
        /// First second.
        start: DateTime,
        /// Last second.
        end: DateTime,
    },
    /// Fetches a part into a file: [`FromWorker::Progress`] every half second, then [`Answer::Downloaded`].
    Download {
        /// Of the login.
        session: u32,
        /// What.
        source: Source,
        /// Absolute; created or truncated.
        path: PathBuf,
        /// Bandwidth limit.
        limit_kbps: Option<u32>,
    },
    /// Starts a live stream into a socket. Answered by [`Answer::Live`] when it runs; [`ToWorker::Cancel`] with the same
    /// id ends it, as does closing the socket.
    Live {
        /// Of the login.
        session: u32,
        /// Channel number.
        channel: u32,
        /// Which encoding.
        stream: Stream,
        /// Name of the abstract Unix socket where the agent waits for the bytes.
        socket: String,
    },
}

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// The stored file of this name.
    Name(String),
    /// A stretch of a channel.
    Time {
        /// Channel number.
        channel: u32,
        /// First second.
        start: DateTime,
        /// Last second.
        end: DateTime,
    },
}

/// Which encoding of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Full quality.
    Main,
    /// Thrifty.
    Sub,
}

impl From<StreamKind> for Stream {
    fn from(kind: StreamKind) -> Self {
        match kind {
            StreamKind::Main => Self::Main,
            StreamKind::Sub => Self::Sub,
        }
    }
}

/// From the worker.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWorker {
    /// The first frame, once the library is loaded, or is known not to load.
    Hello(Hello),
    /// The end of a request.
    Reply {
        /// Of the request.
        id: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// A download lives, and has come so far.
    Progress {
        /// Of the request.
        id: u64,
        /// Bytes in the file.
        received_bytes: u64,
        /// 0–100 as the device tells it.
        percent: u8,
    },
    /// Some of what a search found, in the order told. An empty one says only that the search lives.
    Rows {
        /// Of the request.
        id: u64,
        /// At most [`ROWS_MAX`].
        rows: Vec<Row>,
    },
    /// The recorder or the library said something unasked.
    Event(DeviceEvent),
}

/// Rows in one frame: 500 of them stay well below the largest frame.
pub const ROWS_MAX: usize = 500;

/// How the worker presents itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`PROTOCOL`] of the worker.
    pub protocol: u32,
    /// Version of the worker's program.
    pub build: String,
    /// Build of the vendor's library (`6.1.6.45`); None when it could not be loaded.
    pub sdk_version: Option<String>,
    /// Files and functions that are missing; a feature or everything may depend on them.
    pub missing: Vec<String>,
    /// Why the library cannot be used at all, in words that say what to do; None when it can.
    pub problem: Option<String>,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Well.
    Done(Answer),
    /// Not well.
    Failed(Failure),
}

/// What a request that ended well tells.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// To [`Request::Login`].
    LoggedIn(LoggedIn),
    /// To [`Request::Logout`].
    LoggedOut,
    /// To [`Request::Clock`].
    Clock(ClockFacts),
    /// To [`Request::Search`]: that was all.
    Found,
    /// To [`Request::Download`]: the device sent its end mark.
    Downloaded {
        /// Bytes in the file.
        bytes: u64,
    },
    /// To [`Request::Live`]: it runs.
    Live,
}

/// What a login tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedIn {
    /// Names this login in later requests.
    pub session: u32,
    /// Serial number.
    pub serial: String,
    /// Model, or type number in words.
    pub model: String,
    /// Channels with something behind them, in the recorder's order.
    pub channels: Vec<Channel>,
    /// Its clock.
    pub clock: ClockFacts,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Number as the recorder counts.
    pub number: u32,
    /// Name, decoded; may be empty.
    pub name: String,
    /// Whether its camera is connected, where the recorder says so.
    pub online: Option<bool>,
}

/// What a recorder tells about its clock, and when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockFacts {
    /// Its wall clock, in whole seconds.
    pub wall: DateTime,
    /// True time just before it was asked.
    pub asked_at: UtcTime,
    /// True time when it had answered.
    pub answered_at: UtcTime,
    /// Minutes east of UTC without summer time, where it tells.
    pub zone_minutes: Option<i32>,
    /// Its summer time, where it tells and has one.
    pub summer_time: Option<SummerTime>,
}

/// A rule of summer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummerTime {
    /// By how many minutes clocks go forward.
    pub bias_minutes: u8,
    /// When it begins, in standard time.
    pub begin: YearlyMoment,
    /// When it ends, in summer time.
    pub end: YearlyMoment,
}

/// A moment of every year, such as the last Sunday of March at 2:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearlyMoment {
    /// 1–12.
    pub month: u8,
    /// 1–5; 5 is the last one.
    pub week: u8,
    /// 0 is Sunday.
    pub weekday: u8,
    /// 0–23.
    pub hour: u8,
    /// 0–59.
    pub minute: u8,
}

/// A recording as a search tells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The recorder's name for it; empty for results that have none.
    pub name: String,
    /// First second.
    pub start: DateTime,
    /// Last second.
    pub end: DateTime,
    /// Minutes east of UTC of `start` and `end`, where the recorder tells them.
    pub difference_minutes: Option<(i32, i32)>,
    /// Size as stated.
    pub bytes: u64,
    /// The vendor's record type.
    pub kind: u32,
    /// Protected on the recorder.
    pub locked: bool,
}

/// Something unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEvent {
    /// The library's heartbeat to the recorder fails.
    SessionLost,
    /// The heartbeat is back.
    SessionBack,
    /// The library could not log in again by itself.
    ReloginFailed,
    /// A live stream broke; the library tries to get it back.
    LiveBroken,
    /// A live stream is back.
    LiveBack,
    /// A live stream ended for good.
    LiveEnded,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What to do about it.
    pub kind: Kind,
    /// What happened, naming the recorder, and what to do.
    pub message: String,
    /// The vendor's number, where there is one.
    pub code: Option<u32>,
}

/// [`FailureKind`] on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each stands for the FailureKind of its name")]
pub enum Kind {
    Refused,
    Locked,
    Capacity,
    Network,
    Device,
    SourceGone,
    Unsupported,
    Local,
    LibraryMissing,
    Worker,
    Cancelled,
}

impl From<Kind> for FailureKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Refused => Self::Refused,
            Kind::Locked => Self::Locked,
            Kind::Capacity => Self::Capacity,
            Kind::Network => Self::Network,
            Kind::Device => Self::Device,
            Kind::SourceGone => Self::SourceGone,
            Kind::Unsupported => Self::Unsupported,
            Kind::Local => Self::Local,
            Kind::LibraryMissing => Self::LibraryMissing,
            Kind::Worker => Self::Worker,
            Kind::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Failure> for RecorderError {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind.into(),
            message: failure.message,
            vendor_code: failure.code,
        }
    }
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than anything we say.
    #[error("a frame of {0} bytes, more than the {FRAME_BYTES_MAX} allowed")]
    TooLong(usize),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Cut,
    /// Not the JSON it should be.
    #[error("a frame that is not understood: {0}")]
    Content(#[from] serde_json::Error),
    /// Reading or writing failed.
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),
}

/// A message as a frame, length included. The bytes are wiped when dropped, since they may hold a password.
pub fn encode(message: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    // Room ahead, so that the buffer does not move and leave copies behind; only searches are longer, without secrets.
    let mut frame = Zeroizing::new(Vec::with_capacity(4096));
    frame.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut *frame, message)?;
    let length = frame.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

fn announced(head: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_BYTES_MAX {
        Err(FrameError::TooLong(length))
    } else {
        Ok(length)
    }
}

fn cut(error: io::Error) -> FrameError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        FrameError::Cut
    } else {
        error.into()
    }
}

/// Reads one message; None at the end of the stream between two frames.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut head = [0; 4];
    loop {
        match stream.read(&mut head[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    stream.read_exact(&mut head[1..]).map_err(cut)?;
    let mut body = Zeroizing::new(vec![0; announced(head)?]);
    stream.read_exact(&mut body).map_err(cut)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// As [`read`], for the agent's side. Not safe to cancel: a frame half read is lost.
pub async fn read_async<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let mut head = [0; 4];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await.map_err(cut)?;
    let mut body = vec![0; announced(head)?];
    stream.read_exact(&mut body).await.map_err(cut)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// Version 1, byte for byte. A change here is a new version.
    #[test]
    fn version_1_to_the_worker() {
        let configure = Configure {
            protocol: 1,
            sdk_folder: "/var/lib/holdfast/sdk".into(),
            connect_timeout_ms: 3000,
            receive_timeout_ms: 10_000,
            stall_timeout_ms: 30_000,
            search_timeout_ms: 60_000,
        };
        assert_eq!(
            frame_text(&ToWorker::Configure(configure)),
            r#"{"type":"configure","protocol":1,"sdk_folder":"/var/lib/holdfast/sdk","connect_timeout_ms":3000,"receive_timeout_ms":10000,"stall_timeout_ms":30000,"search_timeout_ms":60000}"#
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
            socket: "h".into(),
        };
        assert_eq!(
            frame_text(&ToWorker::Request {
                id: 4,
                request: live
            }),
            r#"{"type":"request","id":4,"request":{"call":"live","session":2,"channel":33,"stream":"sub","socket":"h"}}"#
        );
        assert_eq!(
            frame_text(&ToWorker::Cancel { id: 4 }),
            r#"{"type":"cancel","id":4}"#
        );
    }

    /// Version 1, byte for byte. A change here is a new version.
    #[test]
    fn version_1_from_the_worker() {
        let hello = Hello {
            protocol: 1,
            build: "0.1.0".into(),
            sdk_version: Some("6.1.6.45".into()),
            missing: vec!["NET_DVR_FindFile_V50".into()],
            problem: None,
        };
        assert_eq!(
            frame_text(&FromWorker::Hello(hello)),
            r#"{"type":"hello","protocol":1,"build":"0.1.0","sdk_version":"6.1.6.45","missing":["NET_DVR_FindFile_V50"],"problem":null}"#
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
}
