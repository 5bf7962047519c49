//! The port that every way to talk to a recorder fills: the SDK worker and ISAPI.
//!
//! A driver speaks in true time; translating to and from the recorder's clock is its own business
//! (`recorder/clock.rs`). A driver never retries a refusal of credentials.

use std::path::PathBuf;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::resource::DriverKind;
use zeroize::Zeroizing;

use crate::model::fingerprint::Fingerprint;
use crate::model::inventory::{Inventory, RecorderIdentity};
use crate::model::time::{RecorderTime, UtcRange};

/// How connections to a recorder are protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not by TLS.
    #[default]
    Off,
    /// By TLS; the certificate that it shows first is the one that counts.
    FirstUse,
    /// By TLS; it must show this certificate.
    Known(Fingerprint),
}

impl Tls {
    /// As settings say it.
    pub fn of(is_on: bool, certificate: Option<Fingerprint>) -> Self {
        match (is_on, certificate) {
            (false, _) => Self::Off,
            (true, None) => Self::FirstUse,
            (true, Some(certificate)) => Self::Known(certificate),
        }
    }
}

/// Where a recorder is, how to talk to it and how to log in.
#[derive(Clone)]
pub struct RecorderAccount {
    /// Which way to talk.
    pub driver: DriverKind,
    /// Host name or IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// How connections are protected; ISAPI only.
    pub tls: Tls,
    /// User name.
    pub username: String,
    /// Password; wiped when dropped.
    pub password: Zeroizing<String>,
}

impl RecorderAccount {
    /// Address and port, as messages name the recorder.
    pub fn at(&self) -> String {
        at(&self.address, self.port)
    }
}

/// Address and port as they are written together.
pub fn at(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

impl std::fmt::Debug for RecorderAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.username, self.address, self.port)
    }
}

/// What kind of failure, by what to do about it (the classes of ABI §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Credentials or rights: stop until the settings change (class A).
    Refused,
    /// The account is locked; further attempts would prolong it (class K).
    Locked,
    /// It shows this certificate instead of the one it is known by: nothing is sent to it until a person accepts it.
    OtherCertificate(Fingerprint),
    /// The device has no session or bandwidth left: fewer at once, later (class C).
    Capacity,
    /// Nothing answers, or the connection broke: retry with back-off (class N).
    Network,
    /// The device is in trouble: retry slowly (class D).
    Device,
    /// The recording is gone from the recorder (error 33): do not retry.
    SourceGone,
    /// The device does not know this request: do not retry (class Q).
    Unsupported,
    /// A local cause: disk, descriptors, missing library files (class L).
    Local,
    /// The vendor library is missing or incomplete (R1).
    LibraryMissing,
    /// The worker crashed, hung or broke the protocol; it is being replaced (R2). Also misuse of handles (class S).
    Worker,
    /// Cancelled by us.
    Cancelled,
}

/// A failure of a recorder, in words for the installer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RecorderError {
    /// What to do about it.
    pub kind: FailureKind,
    /// What happened, naming the recorder, and what to do.
    pub message: String,
    /// The vendor's number, where there is one.
    pub vendor_code: Option<u32>,
}

impl RecorderError {
    /// A failure without a vendor's number.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            vendor_code: None,
        }
    }
}

/// What to download, as the recorder knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The whole stored file of this name.
    Name(String),
    /// A stretch of a channel, in the recorder's own clock, both ends inclusive to the second.
    Time {
        /// Channel number.
        channel: u32,
        /// First second.
        start: RecorderTime,
        /// Last second.
        end: RecorderTime,
    },
}

/// One part to fetch into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRequest {
    /// What.
    pub source: Source,
    /// Absolute path; created, or truncated when it is there.
    pub path: PathBuf,
    /// Expected size, for progress; 0 when unknown.
    pub stated_bytes: u64,
    /// Bandwidth limit in kbit/s; None: as fast as the device gives.
    pub limit_kbps: Option<u32>,
}

/// How far a part has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartProgress {
    /// Bytes in the file.
    pub received_bytes: u64,
    /// 0–100 as the device tells it.
    pub percent: u8,
}

/// Which encoding of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Full quality.
    Main,
    /// Thrifty.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "live view knows one quality so far (L6)")
    )]
    Sub,
}

/// A live stream: MPEG-PS behind the vendor's 40-byte header, as bytes on a socket. Dropping it ends the stream at the
/// recorder.
#[derive(Debug)]
pub struct LiveStream {
    /// The bytes; end of file when the stream ends for good.
    pub bytes: UnixStream,
    /// Cancelled by dropping.
    pub guard: tokio_util::sync::DropGuard,
}

/// A session with one recorder. Cheap to clone; calls may run side by side.
#[derive(Debug, Clone)]
pub enum RecorderSession {
    /// Through the vendor's SDK in a worker process.
    Sdk(super::worker::WorkerSession),
    /// Over HTTP and RTSP, in this process.
    Isapi(super::isapi::IsapiSession),
}

impl RecorderSession {
    /// What the login told.
    pub fn identity(&self) -> &std::sync::Arc<RecorderIdentity> {
        match self {
            Self::Sdk(session) => session.identity(),
            Self::Isapi(session) => session.identity(),
        }
    }

    /// Asks the recorder for its time: a keep-alive, and the clock measured anew.
    pub async fn ping(&self) -> Result<crate::model::inventory::RecorderClock, RecorderError> {
        match self {
            Self::Sdk(session) => session.ping().await,
            Self::Isapi(session) => session.ping().await,
        }
    }

    /// What a channel holds in a range of true time, whole. Pages and narrow windows are the driver's business.
    pub async fn search(&self, channel: u32, range: UtcRange) -> Result<Inventory, RecorderError> {
        match self {
            Self::Sdk(session) => session.search(channel, range).await,
            Self::Isapi(session) => session.search(channel, range).await,
        }
    }

    /// Whether a long recording is best asked for as a whole by its name: where a broken transfer goes on at its last
    /// byte, or where the device cannot cut. Otherwise slices of time keep small what has to be done again.
    pub fn fetches_whole(&self) -> bool {
        match self {
            Self::Sdk(_) => false,
            Self::Isapi(session) => session.fetches_whole(),
        }
    }

    /// Fetches one part to its end into its file. Progress is sent as it comes; cancelling stops at once and leaves
    /// what was written. `Ok` means that the device sent its end mark; it does not mean that the bytes are right.
    pub async fn download(
        &self,
        part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
    ) -> Result<u64, RecorderError> {
        match self {
            Self::Sdk(session) => session.download(part, progress, cancel).await,
            Self::Isapi(session) => session.download(part, progress, cancel).await,
        }
    }

    /// Starts a live stream.
    pub async fn live(
        &self,
        channel: u32,
        stream: StreamKind,
    ) -> Result<LiveStream, RecorderError> {
        match self {
            Self::Sdk(session) => session.live(channel, stream).await,
            Self::Isapi(session) => session.live(channel, stream).await,
        }
    }
}
