//! The nouns as types. No I/O, no async, no SQL, no JSON.

pub mod clock;
pub mod fingerprint;
pub mod inventory;
pub mod retention;
pub mod staged;
pub mod time;
