//! What the agent and an SDK worker say to each other: the only thing that `sdk/` and `recorder/` share.
//!
//! Frames travel over a Unix socket pair that is the worker's standard input: a big-endian `u32` with the number of
//! bytes, then that many bytes of JSON, at most a megabyte. The agent's first frame is [`ToWorker::Configure`];
//! the worker loads the library from the folder named there, and its first frame is [`FromWorker::Hello`]. Media never
//! passes through frames: a download is written to a path, a live stream goes to a socket of its own, which travels beside
//! the frame that asks for it.
//!
//! Times are the recorder's wall clock (`2026-11-03T15:05:00`), both ends inclusive to the second; what they mean in
//! true time is `clock.rs`'s business.

mod answer;
mod failure;
mod frame;
mod request;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use answer::{
    Answer, Channel, ClockFacts, DeviceEvent, Hello, Layer, LayerName, LoggedIn, Outcome, ROWS_MAX,
    Row, SummerTime, YearlyMoment,
};
pub use failure::{Failure, Kind};
pub use frame::{encode, read, read_async};
pub use request::{Configure, Request, Secret, Source, Stream};

/// Version of this protocol. Both sides come from one binary; they differ only while the binary is being replaced, and
/// then the worker is refused.
///
/// - 1: configure, login, clock, search, download, live.
/// - 2: a sandbox: what it needs in configure, what stands of it in hello, the socket of a live stream handed over.
pub const PROTOCOL: u32 = 2;

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
