//! `edge-agent`: the program beside the recorder. Parses, sets up tracing, dispatches.
#![deny(unsafe_code)]

mod ability;
mod adoption;
mod agent;
mod api;
mod archive;
mod backup;
mod catalog;
mod completeness;
mod config;
mod console;
mod custody;
mod discover;
mod disks;
mod doctor;
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
#[cfg(test)]
mod power_cut;
mod probe;
mod provision;
mod rebuild;
mod recorder;
mod remux;
mod repair;
mod report;
mod reset;
mod rotate_key;
#[allow(unsafe_code)] // the one place: the vendor's library, inside the worker process
mod sdk;
mod secrets;
mod sessions;
#[cfg(test)]
mod simulation;
mod step_back;
mod support;
mod tasks;
mod tiers;
mod update;
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
    /// `check` or `verify` found something.
    pub const FOUND: u8 = 3;
}

/// Finds the footage of a recorder, keeps it, and serves it.
///
/// Ends with 0 when told to stop, 1 after a failure, 2 when the command line or the configuration is wrong, 3 when
/// `check` or `verify` found something, 4 when `verify` finds no log to prove anything by, 130 when told to stop twice.
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
        /// Puts right what can be put right first: what an interruption left, footage that the catalog does not know,
        /// rows whose files are gone. For an agent that does not run.
        #[arg(long)]
        repair: bool,
    },
    /// Writes settings and catalog into one file. May run beside the agent.
    Backup {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: backup::BackupArgs,
    },
    /// Restores what `backup` wrote; footage that was fetched since is read in from the disks. For an agent that does not
    /// run.
    Restore {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: backup::RestoreArgs,
    },
    /// Makes the catalog anew from the disks, also from a disk of another box; the old one is kept aside. For an agent that
    /// does not run.
    Rebuild(ConfigFile),
    /// Verifies copied footage against its custody log, anywhere and offline: names the bytes, the file or the day that was
    /// changed. Ends with 0 when all is as it was kept, 3 when not, 4 when there is no log to prove it.
    Verify(custody::verifier::Args),
    /// Tells what is held of a camera's day, and every gap with its cause. May run beside the agent.
    Gaps {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: gaps::Args,
    },
    /// Looks at everything that the agent stands on and at what it promises, and says what to do. May run beside the agent.
    Doctor {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: doctor::Args,
    },
    /// Writes one file with what somebody far away needs to help: texts without passwords, keys and footage. May run beside
    /// the agent.
    Support {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: support::Args,
    },
    /// Seals the recorders' passwords with a new key. For an agent that does not run; while it runs, its API does it.
    RotateKey(ConfigFile),
    /// Makes the box as new: people, recorders, identity and keys go, and footage if asked. For an agent that does not run;
    /// while it runs, its page does it.
    FactoryReset {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: reset::Args,
    },
    /// Shows where the page is and the claim code, on the screen of the box. Runs beside the agent.
    Console(console::Args),
    /// Types into the page of a new box what a file says: password, relay, recorders. Runs beside the agent; doing it again
    /// adds only what is missing.
    Provision {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: provision::Args,
    },
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
        Command::Run(file) => with_config_text(&file, |config, text| run(config, &text)),
        Command::Check { file, deep, repair } => with_config(&file, |config| match repair {
            true => repair::run(&config, deep),
            false => check_and_tell(|| catalog::check::check(&config.state.catalog(), deep)),
        }),
        Command::Backup { file, args } => with_config_text(&file, |config, text| {
            backup::run_backup(&config, &text, &args)
        }),
        Command::Restore { file, args } => backup::run_restore(file.config.as_deref(), &args),
        Command::Rebuild(file) => with_config(&file, |config| rebuild::run(&config)),
        Command::Verify(args) => custody::verifier::run(&args),
        Command::Gaps { file, args } => with_config(&file, |config| gaps::run(&config, &args)),
        Command::Doctor { file, args } => with_config(&file, |config| doctor::run(&config, &args)),
        Command::Support { file, args } => {
            with_config_text(&file, |config, text| support::run(&config, &text, &args))
        }
        Command::RotateKey(file) => with_config(&file, |config| rotate_key::run(&config)),
        Command::FactoryReset { file, args } => {
            with_config(&file, |config| reset::run(&config, &args))
        }
        Command::Console(args) => console::run(&args),
        Command::Provision { file, args } => {
            with_config(&file, |config| provision::run(&config.state, &args))
        }
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

/// The same, with the text that it was read from.
fn with_config_text(
    file: &ConfigFile,
    command: impl FnOnce(Config, String) -> ExitCode,
) -> ExitCode {
    with_config(file, |config| match Config::text(file.config.as_deref()) {
        Ok(text) => command(config, text),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::USAGE)
        }
    })
}

fn run(config: Config, config_text: &str) -> ExitCode {
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
    let outcome = runtime.block_on(agent::run(config, config_text));
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

/// Checks, and ends as what was found says.
fn check_and_tell(
    check: impl FnOnce() -> Result<catalog::check::Report, catalog::CatalogError>,
) -> ExitCode {
    match check() {
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
