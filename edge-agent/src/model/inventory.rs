//! What one observation found on a recorder.

use super::fingerprint::Fingerprint;
use super::time::{RecorderTime, UtcRange, UtcTime};

/// A channel as the recorder lists it at login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Number as the recorder counts: 1.., or 33.. for digital channels of many NVRs.
    pub number: u32,
    /// Its name, decoded; empty when the device has none.
    pub name: String,
    /// Whether the camera behind it is connected; None when the device does not say.
    pub online: Option<bool>,
}

/// The recorder's clock at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderClock {
    /// Device's zone, minutes east of UTC, DST included.
    pub zone_minutes: i32,
    /// Device's clock (brought to UTC by the zone) less true time.
    pub offset_ms: i64,
}

/// What a login tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderIdentity {
    /// Serial number.
    pub serial: String,
    /// Model, or type number in words.
    pub model: String,
    /// Channels, in the recorder's order.
    pub channels: Vec<ChannelInfo>,
    /// Its clock.
    pub clock: RecorderClock,
    /// The certificate that it showed; None without TLS.
    pub certificate: Option<Fingerprint>,
}

/// A recording that the recorder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRecording {
    /// The recorder's name for it (at most 99 bytes).
    pub source_name: String,
    /// Start as told.
    pub start: RecorderTime,
    /// End as told.
    pub end: RecorderTime,
    /// Span in true time.
    pub span: UtcRange,
    /// The recorder's clock when it began.
    pub clock: RecorderClock,
    /// What its told times may mean as well, where the recorder's clock showed them more than once.
    pub others: Vec<Placement>,
    /// Size as stated.
    pub stated_bytes: u64,
    /// The vendor's record type (ABI §6.5), stored raw.
    pub source_type: u32,
    /// Locked on the recorder.
    pub source_locked: bool,
}

impl FoundRecording {
    /// Puts it where another reading of its told times says.
    pub fn place(&mut self, at: Placement) {
        (self.start, self.end, self.span, self.clock) = (at.start, at.end, at.span, at.clock);
    }
}

/// Where a recording lies in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Start as told.
    pub start: RecorderTime,
    /// End as told.
    pub end: RecorderTime,
    /// Span in true time.
    pub span: UtcRange,
    /// The recorder's clock when it began.
    pub clock: RecorderClock,
}

/// The recordings found by one observation of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Which channel.
    pub channel: u32,
    /// What was asked, in true time.
    pub asked: UtcRange,
    /// When it was answered, in true time.
    pub answered_at: UtcTime,
    /// The recorder's clock then.
    pub clock: RecorderClock,
    /// What it holds, in the order told, each once.
    pub recordings: Vec<FoundRecording>,
}
