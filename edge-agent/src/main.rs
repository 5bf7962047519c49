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

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Finds the footage of a recorder, keeps it, and serves it.
#[derive(Debug, Parser)]
#[command(name = "edge-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hosts the vendor's library for one recorder; started by the agent itself.
    #[command(hide = true)]
    SdkWorker,
    /// Starts a program that ends with the agent; started by the agent itself.
    #[command(hide = true)]
    Guard {
        /// Process id of the parent, program, arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::SdkWorker => sdk::worker_main::run(),
        Command::Guard { args } => exit_code(base::child::guard_main(args)),
    }
}

/// A number as the exit code that it stands for; those that do not fit are a general failure.
fn exit_code(number: i32) -> ExitCode {
    u8::try_from(number).map_or(ExitCode::FAILURE, ExitCode::from)
}
