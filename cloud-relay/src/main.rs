//! `cloud-relay`: the program far away. Parses, sets up tracing, dispatches.
#![forbid(unsafe_code)]
#![allow(dead_code)] // while the house is being built; goes with the wiring

mod access;
mod api;
mod audit;
mod broker;
mod changes;
mod claim;
mod config;
mod fleet;
mod identity;
mod index;
mod ingest;
mod mqtt;
mod pki;
mod relay;
mod store;
mod tenancy;
mod tunnel;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// The relay stopped because something failed while it ran or started.
const EXIT_FAILED: u8 = 1;

/// The configuration cannot be used; nothing was started. (Clap ends with the same code for bad arguments.)
const EXIT_CONFIG: u8 = 2;

/// Lists the footage of every site and carries people through to it.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the relay until it is told to stop.
    Run {
        /// The configuration file.
        #[arg(long, default_value = config::PATH)]
        config: PathBuf,
    },
    /// How the program starts its children; not for people.
    #[command(name = base::child::GUARD, hide = true)]
    Guard {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => run(&config),
        Command::Guard { arguments } => {
            let code = base::child::guard_main(arguments);
            ExitCode::from(u8::try_from(code).unwrap_or(EXIT_FAILED))
        }
    }
}

fn run(path: &std::path::Path) -> ExitCode {
    base::tracing_setup::init();
    base::tls::install_provider();
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cloud-relay: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "The runtime could not be started");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    match runtime.block_on(relay::run(config)) {
        Ok(()) => {
            tracing::info!("Stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The relay failed");
            ExitCode::from(EXIT_FAILED)
        }
    }
}
