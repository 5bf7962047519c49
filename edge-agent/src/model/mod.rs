//! The nouns as types. No I/O, no async, no SQL, no JSON.

pub mod chunks;
pub mod clock;
pub mod coverage;
pub mod fingerprint;
pub mod inventory;
pub mod names;
pub mod reach;
pub mod retention;
pub mod spans;
pub mod staged;
pub mod time;
