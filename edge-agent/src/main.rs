//! `edge-agent`: the program beside the recorder. Parses, sets up tracing, dispatches.
#![deny(unsafe_code)]
#![allow(dead_code)] // while the house is being built; goes with the wiring

mod agent;
mod api;
mod catalog;
mod config;
mod discover;
mod download;
mod evict;
mod footage;
mod host;
mod live;
mod media;
mod model;
mod pipeline;
mod plan;
mod playback;
mod recorder;
mod remux;
mod report;
#[allow(unsafe_code)] // the one place: the vendor's library, inside the worker process
mod sdk;
mod secrets;
mod uplink;
mod verify;

fn main() {}
