//! `edge-agent probe`: tries the vendor's library and a recorder, and explains what fails in words.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use wire::resource::DriverKind;
use zeroize::Zeroizing;

use crate::recorder::config::SdkConfig;
use crate::recorder::driver::{FailureKind, RecorderAccount, Tls};
use crate::recorder::examination::{Examination, Login, Outcome, Target, examine};

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  everything that was asked for works
  1  something else failed: a local cause, or trouble in the recorder
  2  the command line is not right
  3  the vendor's library is missing, incomplete or does not start
  4  nothing answers at the address, or the connection broke
  5  the recorder refused the user name, the password, or the account's rights
  6  the recorder has locked the account
  7  the library crashed or hung";

/// Tries the vendor's library and a recorder, and explains what fails.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Folder with libhcnetsdk.so and what belongs to it
    #[arg(long, value_name = "FOLDER")]
    sdk: PathBuf,
    /// Host name or IP address of the recorder
    #[arg(long)]
    host: String,
    /// TCP port of the recorder's SDK service
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// User name; without it the probe ends before the login
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

/// Runs the probe.
pub fn run(args: &Args) -> ExitCode {
    match probe(args) {
        Ok(examination) => {
            print(&examination);
            ExitCode::from(exit_code(examination.failure.map(|failure| failure.kind)))
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn probe(args: &Args) -> anyhow::Result<Examination> {
    let account = match (&args.user, &args.password_file) {
        (Some(user), Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("read {}", file.display()))?;
            let text = Zeroizing::new(text);
            let password = text.lines().next().unwrap_or_default();
            Some(RecorderAccount {
                driver: DriverKind::Sdk,
                address: args.host.clone(),
                port: args.port,
                tls: Tls::Off,
                username: user.clone(),
                password: Zeroizing::new(password.to_owned()),
            })
        }
        _ => None,
    };
    let work_dir = std::env::temp_dir().join(format!("edge-agent-probe-{}", uuid::Uuid::new_v4()));
    let staging = work_dir.join("staging");
    std::fs::create_dir_all(&staging).with_context(|| format!("make {}", staging.display()))?;
    let config = SdkConfig {
        sdk_folder: args.sdk.clone(),
        work_dir: work_dir.clone(),
        staging: vec![staging],
        ..SdkConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let target = Target {
        driver: DriverKind::Sdk,
        address: args.host.clone(),
        port: args.port,
        tls: Tls::Off,
    };
    let login = account.as_ref().map_or(Login::None, Login::Own);
    let mut nobody = |_| {};
    let testing = examine(&target, login, None, &config, &mut nobody);
    let examination = runtime.block_on(testing);
    if let Err(error) = std::fs::remove_dir_all(&work_dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        eprintln!("{} could not be removed: {error}", work_dir.display());
    }
    Ok(examination)
}

fn print(examination: &Examination) {
    for step in &examination.steps {
        let mark = match step.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAIL",
            Outcome::Skipped => "-",
        };
        println!("{mark:<4} {:<10} {}", step.step.word(), step.message);
    }
    for channel in examination
        .identity
        .iter()
        .flat_map(|identity| &identity.channels)
    {
        let online = match channel.online {
            Some(true) => "connected",
            Some(false) => "not connected",
            None => "",
        };
        println!(
            "     channel {:<4} {:<32} {online}",
            channel.number, channel.name
        );
    }
}

fn exit_code(failure: Option<FailureKind>) -> u8 {
    match failure {
        None => 0,
        Some(FailureKind::LibraryMissing) => 3,
        Some(FailureKind::Network) => 4,
        Some(FailureKind::Refused) => 5,
        Some(FailureKind::Locked) => 6,
        Some(FailureKind::Worker) => 7,
        Some(
            FailureKind::OtherCertificate(_)
            | FailureKind::Capacity
            | FailureKind::Device
            | FailureKind::SourceGone
            | FailureKind::Unsupported
            | FailureKind::Local
            | FailureKind::Cancelled,
        ) => 1,
    }
}
