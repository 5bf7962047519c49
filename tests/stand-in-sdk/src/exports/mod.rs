//! The exported symbols, by family. Each is a thin shell: pointers are checked and read here, the work is done by the
//! modules above, and [`crate::sdk::call`] sets the last error and stops panics.
//!
//! What every `unsafe extern "C"` function here asks of its caller is what the vendor's manual asks: a pointer is NULL
//! or points to what its type says.
#![allow(non_snake_case, reason = "the vendor's names")]

mod config;
mod download;
mod library;
mod live;
mod login;
mod playback;
mod search;
mod unmodelled;
