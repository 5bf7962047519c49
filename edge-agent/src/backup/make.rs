//! Making a backup, beside a running agent.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base::clock::Clock;
use clap::Args as ClapArgs;
use wire::time::UtcTime;

use super::format::{Header, Part, write};
use super::{BackupError, at, keys, part};
use crate::catalog::stripped_copy;
use crate::config::{Config, State};
use crate::host::identity::Identity;

/// `edge-agent backup`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The file to write; it must not be there yet.
    file: PathBuf,
    /// A file whose first line is a passphrase: the keys of the appliance and of its recorders' passwords come along,
    /// sealed with it. Without, they do not.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Makes a backup of what lies in a state folder. `config_text`: the settings file, as it stands. The file must not exist.
/// Blocking.
pub fn make(
    state: &State,
    config_text: &str,
    now: UtcTime,
    file: &Path,
    passphrase: Option<&str>,
) -> Result<(), BackupError> {
    if file.exists() {
        return Err(at(file)(std::io::ErrorKind::AlreadyExists.into()));
    }
    let beside = |suffix: &str| {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        file.with_file_name(name)
    };
    let (copy, grows) = (beside(".catalog"), beside(".new"));
    let made = (|| {
        base::durable::remove_if_there(&copy).map_err(at(&copy))?;
        let catalog_version = stripped_copy(&state.catalog(), &copy)?;
        let keys = passphrase
            .map(|passphrase| keys::seal(state, passphrase))
            .transpose()?;
        // Read, never made: a backup changes nothing.
        let key = state.identity_key();
        let appliance = match key.is_file() {
            true => Identity::open(&key).ok().map(|identity| identity.appliance),
            false => None,
        };
        let header = Header {
            made_at: now,
            appliance,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            catalog_version,
            parts: Vec::new(),
        };
        let mut parts = vec![
            Part::Bytes(part::CONFIG, config_text.as_bytes()),
            Part::File(part::CATALOG, &copy),
        ];
        parts.extend(keys.as_deref().map(|keys| Part::Bytes(part::KEYS, keys)));
        // Hashes of people's passwords are in it: nobody else's to read.
        let to = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&grows)
            .map_err(at(&grows))?;
        let to = write(to, &grows, header, &parts)?;
        to.sync_all().map_err(at(&grows))?;
        base::durable::rename_new(&grows, file).map_err(at(file))?;
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        base::durable::sync_dir(folder.unwrap_or(Path::new("."))).map_err(at(file))
    })();
    for left in [&copy, &grows] {
        base::durable::remove_if_there(left).map_err(at(left))?;
    }
    made
}

/// Reads a passphrase from the first line of a file.
pub(super) fn passphrase(file: &Path) -> Result<String, BackupError> {
    let text = std::fs::read_to_string(file).map_err(at(file))?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.chars().count() < base::password::LENGTH_MIN {
        return Err(at(file)(std::io::Error::other(format!(
            "the passphrase needs at least {} characters",
            base::password::LENGTH_MIN
        ))));
    }
    Ok(line)
}

/// Runs the command.
pub fn run(config: &Config, config_text: &str, args: &Args) -> ExitCode {
    let made = args
        .passphrase_file
        .as_deref()
        .map(passphrase)
        .transpose()
        .and_then(|passphrase| {
            let now = Clock::system().now().into();
            make(
                &config.state,
                config_text,
                now,
                &args.file,
                passphrase.as_deref(),
            )
        });
    match made {
        Ok(()) => {
            println!("{}", args.file.display());
            match args.passphrase_file {
                Some(_) => println!(
                    "Settings, catalog and keys are in it; the keys open with the passphrase only."
                ),
                None => println!(
                    "Settings and catalog are in it, keys are not: on another box recorders' passwords are entered again (--passphrase-file takes them along)."
                ),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
