//! Hints from the relay to an appliance. A poke carries no work: work goes over HTTP in the tunnel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::LogId;

/// A hint. It expires after [`Poke::EXPIRY_S`] seconds at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Poke {
    /// Dial the tunnel again now.
    Reconnect,
    /// Send reports of this log again, from this number on.
    Resync {
        /// The log that the relay misses reports of.
        log: LogId,
        /// First missing number.
        from: u64,
    },
    /// Publish all retained state again.
    Refresh,
}

impl Poke {
    /// Message expiry in seconds.
    pub const EXPIRY_S: u32 = 30;
}

/// What the relay has stored of an appliance's reports: everything up to and including `seq` of `log`.
///
/// Published retained on `…/ack`. An outbox row goes only when it is covered by this (a PUBACK is not enough).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Which log.
    pub log: LogId,
    /// Last number stored without a hole before it.
    pub seq: u64,
}
