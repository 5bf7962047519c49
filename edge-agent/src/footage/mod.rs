//! Media bytes on disk: readable paths (R8), staging, volumes, and the one order in which footage is kept and removed.
//!
//! What lies here describes itself (S9): beside every media file is a sidecar, written first and removed last, so that
//! a file without a description never exists. Which files there should be is the catalog's knowledge, not this one's.

pub mod archives;
pub mod copy;
pub mod fragments;
pub mod keep;
pub mod path;
pub mod sidecar;
pub mod staging;
pub mod volume;
