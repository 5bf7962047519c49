//! What a worker tells: about itself, about a recorder, and what a recorder holds.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use wire::time::UtcTime;

use super::Failure;

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
    /// What shuts the library in.
    pub sandbox: Vec<Layer>,
}

/// One layer of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Which.
    pub name: LayerName,
    /// Why it does not stand, or not wholly, in words; None when it does.
    pub missing: Option<String>,
}

/// What a layer of the sandbox is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerName {
    /// Memory, descriptors, threads, core dumps, its share of the processor.
    Limits,
    /// Root's powers and the ways to them.
    Privileges,
    /// Nobody but the recorder.
    Network,
    /// No files but its own.
    Files,
    /// No programs, other processes, raw sockets.
    Calls,
}

impl LayerName {
    /// All, in the order in which they are put up.
    pub const ALL: [Self; 5] = [
        Self::Limits,
        Self::Privileges,
        Self::Network,
        Self::Files,
        Self::Calls,
    ];

    /// Its name for people and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Privileges => "privileges",
            Self::Network => "network",
            Self::Files => "files",
            Self::Calls => "calls",
        }
    }
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
    /// Its zone with summer time as a POSIX text, where it tells one; it goes before the numbers.
    pub zone_text: Option<String>,
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
