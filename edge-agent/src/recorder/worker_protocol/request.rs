//! What the agent asks a worker.

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::recorder::driver::StreamKind;

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
    /// Whether the library is shut in.
    pub sandbox: bool,
    /// The recorder's addresses: nobody else can be reached.
    pub reach: Vec<IpAddr>,
    /// The recorder's port.
    pub port: Option<u16>,
    /// Folders in which downloads grow.
    pub staging: Vec<PathBuf>,
    /// Folders that the library may write besides.
    pub writable: Vec<PathBuf>,
    /// Memory at which the agent replaces the worker.
    pub memory_limit_bytes: u64,
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
    /// Starts a live stream into the socket that comes with this frame. Answered by `Answer::Live` when it runs;
    /// `ToWorker::Cancel` with the same id ends it, as does closing the socket.
    Live {
        /// Of the login.
        session: u32,
        /// Channel number.
        channel: u32,
        /// Which encoding.
        stream: Stream,
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
