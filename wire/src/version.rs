//! The protocol versions, one line of history each.

/// Version of MQTT topics and envelopes (`holdfast/1/…`, `"v": 1`).
///
/// 1: first. Additive changes stay within 1; a breaking one is published as 2 beside it.
pub const TELEMETRY: u32 = 1;

/// Version of the tunnel's hello frame and ALPN name.
///
/// 1: first.
pub const TUNNEL: u32 = 1;

/// Version of the enrolment request (`POST /enroll/v1`).
///
/// 1: first.
pub const CLAIM: u32 = 1;

/// Version of the sidecar that describes a recording on disk (`<stem>.json`).
///
/// 1: first.
pub const SIDECAR: u32 = 1;
