//! One source per live stream, fan-out to viewers, limits.
