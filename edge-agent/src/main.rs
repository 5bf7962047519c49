//! `edge-agent`: the program beside the recorder. Parses, sets up tracing, dispatches.
#![deny(unsafe_code)]

mod agent;
mod api;
mod catalog;
mod completeness;
mod config;
mod discover;
mod download;
mod evict;
mod footage;
mod gaps;
mod governor;
mod host;
mod live;
mod media;
mod model;
mod pipeline;
mod plan;
mod playback;
mod probe;
mod recorder;
mod remux;
mod report;
mod rotate_key;
#[allow(unsafe_code)] // the one place: the vendor's library, inside the worker process
mod sdk;
mod secrets;
mod sessions;
#[cfg(test)]
mod simulation;
mod tasks;
mod uplink;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use config::Config;

/// The codes that the program ends with, beside 0 and [`base::shutdown::EXIT_IMPATIENT`].
mod exit {
    /// It could not do what was asked, or a part of it failed; the last lines of the journal say why.
    pub const FAILURE: u8 = 1;
    /// The command line or the configuration is wrong: starting again changes nothing.
    pub const USAGE: u8 = 2;
    /// `check` found something.
    pub const FOUND: u8 = 3;
}

/// Finds the footage of a recorder, keeps it, and serves it.
///
/// Ends with 0 when told to stop, 1 after a failure, 2 when the command line or the configuration is wrong, 3 when
/// `check` found something, 130 when told to stop twice.
#[derive(Debug, Parser)]
#[command(name = "edge-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the agent until SIGTERM or SIGINT; a second signal ends it at once.
    Run(ConfigFile),
    /// Checks that the catalog and the footage agree, and says in words what does not. May run beside the agent.
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// Reads all footage and compares digests: takes as long as reading the disks.
        #[arg(long)]
        deep: bool,
    },
    /// Tells what is held of a camera's day, and every gap with its cause. May run beside the agent.
    Gaps {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: gaps::Args,
    },
    /// Seals the recorders' passwords with a new key. For an agent that does not run; while it runs, its API does it.
    RotateKey(ConfigFile),
    /// Prints the OpenAPI document of the API.
    Openapi,
    /// Tries the vendor's library and a recorder, and explains what fails.
    Probe(probe::Args),
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

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration; without this, /etc/holdfast/agent.toml if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(file) => with_config(&file, run),
        Command::Check { file, deep } => with_config(&file, |config| check(&config, deep)),
        Command::Gaps { file, args } => with_config(&file, |config| gaps::run(&config, &args)),
        Command::RotateKey(file) => with_config(&file, |config| rotate_key::run(&config)),
        Command::Openapi => print_openapi(),
        Command::Probe(args) => probe::run(&args),
        Command::SdkWorker => sdk::worker_main::run(),
        Command::Guard { args } => exit_code(base::child::guard_main(args)),
    }
}

/// Reads the configuration completely before anything is opened or bound.
fn with_config(file: &ConfigFile, command: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(file.config.as_deref()) {
        Ok(config) => command(config),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn run(config: Config) -> ExitCode {
    base::tracing_setup::init();
    base::tls::install_provider();
    // Catalog, keys and footage are nobody else's to read.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o027));
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "The threads of the agent cannot be started");
            return ExitCode::from(exit::FAILURE);
        }
    };
    let outcome = runtime.block_on(agent::run(config));
    // Blocking work that nobody waits for any more (a measurement, a hash) must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "The agent ends");
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn check(config: &Config, deep: bool) -> ExitCode {
    match catalog::check::check(&config.state.catalog(), deep) {
        Ok(report) => {
            println!("{report}");
            match report.findings.is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(exit::FOUND),
            }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn print_openapi() -> ExitCode {
    match api::router::document().to_pretty_json() {
        Ok(text) => {
            use std::io::Write;
            let written = writeln!(std::io::stdout(), "{text}");
            written.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A number as the exit code that it stands for; those that do not fit are a general failure.
fn exit_code(number: i32) -> ExitCode {
    u8::try_from(number).map_or(ExitCode::FAILURE, ExitCode::from)
}
