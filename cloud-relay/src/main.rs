//! `cloud-relay`: the program far away. Parses, sets up tracing, dispatches.
#![forbid(unsafe_code)]

mod access;
mod api;
mod audit;
mod broker;
mod changes;
mod claim;
mod config;
mod fleet;
mod identity;
mod ingest;
mod mqtt;
mod pki;
mod relay;
mod store;
mod tenancy;
mod tunnel;
mod updates;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use base::clock::Clock;
use clap::{Parser, Subcommand, ValueEnum};
use wire::resource::Role;
use wire::update::ImageVersion;

use crate::config::Config;
use crate::pki::Pki;
use crate::store::Store;
use crate::tenancy::NewPerson;

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
    /// Prints the OpenAPI document of the API.
    Openapi,
    /// Adds a person and prints the password to tell them; it must be changed at the first login.
    AddUser {
        /// The configuration file.
        #[arg(long, default_value = config::PATH)]
        config: PathBuf,
        /// Login name, an e-mail address by custom.
        username: String,
        /// What the person may do.
        #[arg(long, value_enum)]
        role: RoleName,
        /// Name of the organisation; made if it is not there. Not for super admins.
        #[arg(long)]
        organisation: Option<String>,
    },
    /// Writes a certificate with which an organisation's own programs read its telemetry from the broker: `ca.pem`,
    /// `consumer.pem` and `consumer.key` into a folder. It is good for 90 days.
    IssueConsumer {
        /// The configuration file.
        #[arg(long, default_value = config::PATH)]
        config: PathBuf,
        /// Name of the organisation.
        #[arg(long)]
        organisation: String,
        /// Where to write them.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Systems that can be sent to sites: signed bundles (`.raucb`), as `make image` builds them. Beside a running relay too.
    Update {
        /// The configuration file.
        #[arg(long, default_value = config::PATH, global = true)]
        config: PathBuf,
        #[command(subcommand)]
        what: UpdateCommand,
    },
    /// How the program starts its children; not for people.
    #[command(name = base::child::GUARD, hide = true)]
    Guard {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// What is done with systems for sites.
#[derive(Debug, Subcommand)]
enum UpdateCommand {
    /// Puts a bundle here: sites are offered the newest one, and those that take updates by themselves are sent it.
    Add {
        /// Its file.
        file: PathBuf,
        /// Its version, as its manifest has it. Default: the one in the name holdfast-<version>.raucb.
        #[arg(long)]
        version: Option<ImageVersion>,
    },
    /// Shows what is here, the newest first.
    List,
    /// Takes one away. Sites that have it keep it.
    Remove {
        /// Its version.
        version: ImageVersion,
    },
}

/// Roles of people.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// Runs the relay; sees every organisation.
    SuperAdmin,
    /// Everything within one organisation.
    OrgAdmin,
    /// Views, downloads, syncs, locks.
    Operator,
    /// Views and plays.
    Viewer,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::SuperAdmin => Self::SuperAdmin,
            RoleName::OrgAdmin => Self::OrgAdmin,
            RoleName::Operator => Self::Operator,
            RoleName::Viewer => Self::Viewer,
        }
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => {
            base::tracing_setup::init();
            base::tls::install_provider();
            with_config(&config, relay::run)
        }
        Command::Openapi => openapi(),
        Command::AddUser {
            config,
            username,
            role,
            organisation,
        } => {
            let new = NewPerson {
                username,
                role: role.into(),
                organisation,
            };
            with_config(&config, async move |config| add_user(&config, new).await)
        }
        Command::IssueConsumer {
            config,
            organisation,
            folder,
        } => with_config(&config, async move |config| {
            issue_consumer(&config, &organisation, &folder).await
        }),
        Command::Update { config, what } => {
            with_config(&config, async move |config| update(&config, what).await)
        }
        Command::Guard { arguments } => {
            let code = base::child::guard_main(arguments);
            ExitCode::from(u8::try_from(code).unwrap_or(EXIT_FAILED))
        }
    }
}

/// Reads the configuration and runs `work` with it.
fn with_config<F: Future<Output = anyhow::Result<()>>>(
    path: &Path,
    work: impl FnOnce(Config) -> F,
) -> ExitCode {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cloud-relay: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(work(config)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cloud-relay: {error:#}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn openapi() -> ExitCode {
    match api::router::document().to_pretty_json() {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cloud-relay: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

async fn add_user(config: &Config, new: NewPerson) -> anyhow::Result<()> {
    let folder = &config.state.folder;
    relay::make_state_folder(folder)?;
    let store = Store::open(folder)?;
    let password = tenancy::add_person(&store, &Clock::system(), new).await?;
    println!("{password}");
    Ok(())
}

async fn update(config: &Config, what: UpdateCommand) -> anyhow::Result<()> {
    let folder = &config.state.folder;
    relay::make_state_folder(folder)?;
    let store = Store::open(folder)?;
    match what {
        UpdateCommand::Add { file, version } => {
            let clock = Clock::system();
            let added = updates::bundles::add(&store, &clock, folder, &file, version).await?;
            println!("{}  {} bytes  {}", added.version, added.bytes, added.sha256);
        }
        UpdateCommand::List => {
            for known in store.bundles().await? {
                println!(
                    "{}  {} bytes  {}  {}",
                    known.version, known.bytes, known.added_at, known.sha256
                );
            }
        }
        UpdateCommand::Remove { version } => {
            updates::bundles::remove(&store, folder, version).await?;
        }
    }
    Ok(())
}

async fn issue_consumer(config: &Config, organisation: &str, folder: &Path) -> anyhow::Result<()> {
    let state = &config.state.folder;
    let known = Store::open(state)?.organisations().await?;
    let Some(organisation) = known.into_iter().find(|it| it.name == organisation) else {
        anyhow::bail!("there is no organisation of the name {organisation:?}");
    };
    let pki = Pki::open(state, Clock::system())?;
    let made = pki.issue_consumer(organisation.id)?;
    base::durable::create_dir_all(folder)
        .with_context(|| format!("make the folder {}", folder.display()))?;
    for (name, content, mode) in [
        ("ca.pem", pki.ca_pem(), 0o644),
        ("consumer.pem", &made.issued.certificate_pem, 0o644),
        ("consumer.key", &made.key_pem, 0o600),
    ] {
        let path = folder.join(name);
        base::durable::replace(&path, content.as_bytes(), mode)
            .with_context(|| format!("write {}", path.display()))?;
    }
    println!("{}", organisation.id);
    Ok(())
}
