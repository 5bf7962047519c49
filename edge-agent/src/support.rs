//! The support bundle (A6): one ZIP of texts that somebody far away needs in order to help, and nothing that opens
//! anything: no password, key, token or footage. Everything in it can be read before it is given away. Writes nothing
//! else; may be made beside the agent.

mod bundle;
mod commands;
mod hide;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use base::clock::Clock;
use serde_json::json;

use self::bundle::Bundle;
use crate::catalog::CatalogError;
use crate::catalog::beside::Beside;
use crate::catalog::check::check;
use crate::config::Config;
use crate::doctor;
use crate::host::identity::Identity;
use crate::model::time::UtcTime;

/// What is said first to whoever opens it.
const README: &str = "\
A support bundle of Holdfast. Every file is plain text: read them before you give them away.

In it    versions, settings, state of recorders, cameras, disks and alarms, the examination of `edge-agent doctor`,
         the journals of the agent and of the box's services, and warnings of the system. That is: names of recorders and cameras, addresses in
         your network, user names, times.
Not in   passwords, keys, tokens, signed links, footage, pictures, the catalog.

";

/// `edge-agent support`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write; it must not be there yet. Without this, holdfast-support-<time>.zip in the folder of now.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Makes it and says where it is.
pub fn run(config: &Config, config_text: &str, args: &Args) -> ExitCode {
    let now: UtcTime = Clock::system().now().into();
    let path = match &args.file {
        Some(path) => path.clone(),
        None => file_name("holdfast", now).into(),
    };
    let made = open_new(&path).and_then(|mut file| {
        file.write_all(&make(config, config_text, now)?)?;
        file.sync_all()
    });
    match made {
        Ok(()) => {
            println!("{}", path.display());
            println!(
                "Texts without passwords, keys and footage; look at them before you give them away."
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the support bundle {}: {error}", path.display());
            ExitCode::from(crate::exit::FAILURE)
        }
    }
}

/// Names of recorders and of people are in it: nobody else's to read.
fn open_new(path: &std::path::Path) -> io::Result<File> {
    let options = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .to_owned();
    options.open(path)
}

/// What it is called; `whose`: the appliance, or the product.
pub fn file_name(whose: &str, now: UtcTime) -> String {
    let time = now.timestamp().strftime("%Y%m%dT%H%M%SZ");
    format!("{whose}-support-{time}.zip")
}

/// The bundle. What cannot be had is said in its place. Blocking: programs are asked, some seconds each at most.
pub fn make(config: &Config, config_text: &str, now: UtcTime) -> io::Result<Vec<u8>> {
    let mut bundle = Bundle::new(now);
    bundle.add("README.txt", &format!("{README}{}", head(config, now)));
    match doctor::examine(config) {
        Ok(report) => {
            bundle.add("doctor.txt", &report.to_string());
            bundle.add("doctor.json", &pretty(&json!(report)));
        }
        Err(error) => bundle.add("doctor.txt", &format!("{error:#}")),
    }
    bundle.add("settings.toml", config_text);
    match known(config) {
        Ok(known) => bundle.add("catalog.json", &pretty(&known)),
        Err(error) => bundle.add(
            "catalog.json",
            &pretty(&json!({ "error": error.to_string() })),
        ),
    }
    let checked = check(&config.state.catalog(), false);
    let checked = checked.map_or_else(|error| error.to_string(), |report| report.to_string());
    bundle.add("check.txt", &checked);
    for (name, asked) in commands::ALL {
        bundle.add(name, &commands::answers(asked));
    }
    Ok(bundle.finish())
}

fn head(config: &Config, now: UtcTime) -> String {
    let key = config.state.identity_key();
    // Read, never made.
    let appliance = match key.is_file() {
        true => Identity::open(&key).map_or_else(|e| e.to_string(), |it| it.appliance.to_string()),
        false => "none yet".to_owned(),
    };
    format!(
        "Made      {now}\nVersion   {}\nAppliance {appliance}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What is known, without what opens anything: these are what APIs show too.
fn known(config: &Config) -> Result<serde_json::Value, CatalogError> {
    let beside = Beside::open(&config.state.catalog())?;
    let volumes = config.volume.iter().map(|volume| beside.volume(volume));
    let volumes = volumes.collect::<Result<Vec<_>, _>>()?;
    let volumes = volumes.into_iter().map(|volume| format!("{volume:?}"));
    let waiting = beside.waiting()?;
    Ok(json!({
        "recorders": beside.recorders()?,
        "cameras": beside.cameras()?,
        "alarms": beside.alarms()?,
        "volumes": volumes.collect::<Vec<_>>(),
        "waiting": {
            "to_fetch": waiting.to_fetch,
            "failed": waiting.failed,
            "custody": waiting.custody,
            "reports": waiting.reports,
        },
    }))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}
