//! What the agent and the relay say to each other, and what both say to people: ids, times, resources, topics,
//! payloads, frames and versions.
//!
//! This crate does no I/O, reads no clock and keeps no state. A type that derives `Serialize` here is a promise to
//! somebody outside: it changes only as [`version`] says.
#![forbid(unsafe_code)]

pub mod archive;
pub mod claim;
pub mod coverage;
pub mod disk;
pub mod error;
pub mod ids;
pub mod poke;
pub mod resource;
pub mod retention;
pub mod telemetry;
pub mod time;
pub mod topics;
pub mod tunnel;
pub mod update;
pub mod version;
