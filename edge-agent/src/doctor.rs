//! `edge-agent doctor` (A6): looks at everything that the agent stands on and at what it promises, and says what to do.
//! Changes nothing of the box; may run beside the agent.

mod disks;
mod finding;
mod machine;
mod places;
mod programs;
mod promises;
mod relay;
mod service;
mod update;

use std::process::ExitCode;

use anyhow::Context;
use wire::resource::DriverKind;

use crate::catalog::beside::Beside;
use crate::config::Config;
use crate::model::time::UtcTime;
use finding::{Finding, Level};
pub use finding::{Part, Report};

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  nothing is wrong
  1  the examination itself could not be made
  2  the command line or the configuration is not right
  3  something is wrong";

/// Looks at everything that the agent stands on and at what it promises, and says what to do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Prints it for programs
    #[arg(long)]
    json: bool,
}

/// Looks and tells.
pub fn run(config: &Config, args: &Args) -> ExitCode {
    match examine(config) {
        Ok(report) => {
            match args.json {
                true => println!("{}", serde_json::json!(report)),
                false => println!("{report}"),
            }
            match report.count(Level::Wrong) {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::from(crate::exit::FOUND),
            }
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(crate::exit::FAILURE)
        }
    }
}

/// Looks. Blocking, some seconds: programs and the relay are asked.
pub fn examine(config: &Config) -> anyhow::Result<Report> {
    base::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")?;
    Ok(runtime.block_on(report(config)))
}

async fn report(config: &Config) -> Report {
    let now = UtcTime::from(jiff::Timestamp::now());
    // What cannot be read of it is a finding like others.
    let catalog = Beside::open(&config.state.catalog());
    let (catalog, unread) = match catalog {
        Ok(catalog) => (Some(catalog), None),
        Err(error) => {
            let advice = "Without it there is nothing to say of recorders and footage. `edge-agent check` says more.";
            (
                None,
                Some(Finding::wrong("catalog", error.to_string(), advice)),
            )
        }
    };
    let asked = |ask: &dyn Fn(&Beside) -> Result<Vec<Finding>, crate::catalog::CatalogError>| {
        let catalog = catalog.as_ref()?;
        Some(ask(catalog).unwrap_or_else(|error| {
            vec![Finding::wrong(
                "catalog",
                error.to_string(),
                "Run `edge-agent check`.",
            )]
        }))
    };
    let by_library = |it: &Beside| {
        let recorders = it.recorders().unwrap_or_default();
        recorders.iter().any(|it| it.driver == DriverKind::Sdk)
    };

    let mut programs = vec![
        programs::ffmpeg(&config.media),
        programs::footage(&config.media),
        programs::smartctl(&config.smart),
    ];
    let needed = catalog.as_ref().is_some_and(by_library);
    programs.extend(programs::library(&config.sdk, needed).await);
    let mut places = places::state(&config.state);
    places.extend(unread);
    for volume in &config.volume {
        let known = catalog
            .as_ref()
            .and_then(|it| it.volume(volume).ok().flatten());
        places.push(places::volume(volume, known.as_ref()));
    }
    places.extend(disks::unused(&config.disks));
    let mut parts = vec![
        Part {
            name: "The box",
            findings: machine::Machine::look().findings(),
        },
        Part {
            name: "Programs",
            findings: programs,
        },
        Part {
            name: "Disks",
            findings: places,
        },
        Part {
            name: "The agent",
            findings: vec![
                service::agent(&config.state).await,
                update::update(&config.state, &config.update, now),
            ],
        },
    ];
    parts.extend(asked(&promises::recorders).map(|findings| Part {
        name: "Recorders",
        findings,
    }));
    parts.extend(
        asked(&|it| promises::promises(it, now)).map(|findings| Part {
            name: "Promises",
            findings,
        }),
    );
    parts.push(Part {
        name: "Far away",
        findings: relay::relay(&config.state.folder, now).await,
    });
    Report {
        version: env!("CARGO_PKG_VERSION"),
        parts,
    }
}
