//! Restoring a backup, of an agent that does not run.
//!
//! The catalog of the backup is made whole beside the one in use (`catalog/anew.rs`): footage that was fetched since is
//! read in from the disks, rows whose files are gone have left or are fetched again. Only then does it take its place. A
//! kill before that changes nothing; the command is given again.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base::clock::Clock;
use clap::Args as ClapArgs;

use super::format::{Header, Reading};
use super::keys::Keys;
use super::make::passphrase;
use super::{BackupError, at, keys, part};
use crate::catalog::adopt::Adopted;
use crate::catalog::check::Settled;
use crate::catalog::{Catalog, CatalogError, FILE, SCHEMA, anew};
use crate::config::{Config, DEFAULT_PATH};
use crate::host::identity::Identity;
use crate::repair::{causes, on_runtime};

/// What a catalog is being made anew for. Never gone on with: a backup is quickly read again.
const PURPOSE: &str = "restore";

/// `edge-agent restore`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The backup.
    file: PathBuf,
    /// A file whose first line is the passphrase of the keys in it.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// What became of it.
#[derive(Debug)]
pub struct Restored {
    /// What the backup said of itself.
    pub header: Header,
    /// What was read in from the disks.
    pub adopted: Adopted,
    /// Rows whose files were gone.
    pub settled: Settled,
    /// Whether the keys of the backup are in use.
    pub keys: KeysWere,
    /// Where the catalog that was in use lies now.
    pub aside: Option<PathBuf>,
    /// Where the settings file of the backup lies, if it is not the one in use.
    pub config_aside: Option<PathBuf>,
}

/// What became of the keys in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysWere {
    /// There are none in it.
    Absent,
    /// Nobody gave the passphrase.
    LeftOut,
    /// They are in use; those that lay there before have these names.
    Restored(Vec<String>),
}

/// The settings file of a backup.
pub fn config_of(file: &Path) -> Result<String, BackupError> {
    let mut reading = Reading::open(file)?;
    let unusable = |why: &str| BackupError::Unusable {
        path: file.to_owned(),
        why: why.to_owned(),
    };
    if reading.next_name() != Some(part::CONFIG) {
        return Err(unusable("there is no settings file in it"));
    }
    let bytes = reading.take_small()?;
    String::from_utf8(bytes).map_err(|_| unusable("its settings file is no text"))
}

/// Restores a backup into what a configuration names.
pub async fn restore(
    config: &Config,
    config_text: &str,
    clock: Clock,
    file: &Path,
    passphrase: Option<&str>,
) -> Result<Restored, BackupError> {
    let folder = config.state.catalog();
    let now = clock.now().into();
    let mut reading = Reading::open(file)?;
    let header = reading.header.clone();
    let unusable = |why: String| BackupError::Unusable {
        path: file.to_owned(),
        why,
    };
    if header.catalog_version > SCHEMA.version() {
        return Err(unusable(format!(
            "its catalog has version {}, this program knows up to {}: install version {} or newer",
            header.catalog_version,
            SCHEMA.version(),
            header.agent_version
        )));
    }
    anew::settle(&folder, now)?;
    let _old = anew::lock(&folder)?;
    if anew::begin(&folder, PURPOSE)? {
        anew::clear(&folder)?;
    }
    // All of it is read and compared before anything is changed.
    let (mut told_config, mut sealed, mut has_catalog) = (String::new(), None, false);
    while let Some(name) = reading.next_name().map(str::to_owned) {
        match name.as_str() {
            part::CONFIG => {
                told_config = String::from_utf8(reading.take_small()?)
                    .map_err(|_| unusable("its settings file is no text".to_owned()))?;
            }
            part::KEYS => sealed = Some(reading.take_small()?),
            part::CATALOG => {
                let path = anew::new_folder(&folder).join(FILE);
                let mut to = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(at(&path))?;
                reading.take(&mut to)?;
                to.sync_all().map_err(at(&path))?;
                has_catalog = true;
            }
            other => {
                return Err(unusable(format!(
                    "it has a part {other:?} that this program does not know"
                )));
            }
        }
    }
    if !has_catalog {
        return Err(unusable("there is no catalog in it".to_owned()));
    }
    let opened: Option<Keys> = match (&sealed, passphrase) {
        (Some(sealed), Some(passphrase)) => Some(keys::open(sealed, passphrase)?),
        _ => None,
    };
    anew::as_restored(&folder)?;
    let catalog = Catalog::open_new(&folder, clock.clone())?;
    let volumes = catalog.open_volumes(&config.volume).await?;
    catalog.finish_interrupted(&volumes).await?;
    catalog.adopt_again(&volumes).await?;
    let adopted = catalog.adopt_footage(&volumes).await?;
    let settled = catalog.settle_all_missing(&volumes, causes).await?;
    catalog.empty_garbage(&volumes).await?;
    let stamp = clock.now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let keys = match (&opened, sealed.is_some()) {
        (Some(keys), _) => KeysWere::Restored(keys.put(&config.state.folder, &stamp)?),
        (None, true) => KeysWere::LeftOut,
        (None, false) => KeysWere::Absent,
    };
    let aside = anew::take_place(&folder, now)?;
    let config_aside = match told_config == config_text {
        true => None,
        false => {
            let path = config.state.folder.join("agent.toml.from-backup");
            base::durable::replace(&path, told_config.as_bytes(), 0o600).map_err(at(&path))?;
            Some(path)
        }
    };
    Ok(Restored {
        header,
        adopted,
        settled,
        keys,
        aside,
        config_aside,
    })
}

/// Runs the command. `named`: the settings file that was named, if one was. Where there is none, the backup's is put there.
pub fn run(named: Option<&Path>, args: &Args) -> ExitCode {
    match prepare(named, args) {
        Ok((config, text, passphrase)) => {
            let outcome = on_runtime(async {
                Ok::<_, CatalogError>(
                    restore(
                        &config,
                        &text,
                        Clock::system(),
                        &args.file,
                        passphrase.as_deref(),
                    )
                    .await,
                )
            });
            match outcome {
                Ok(Ok(restored)) => {
                    print!("{}", words(&config, &restored));
                    ExitCode::SUCCESS
                }
                Ok(Err(error)) => failed(&error),
                Err(error) => failed(&error),
            }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}\nNothing was changed.");
    ExitCode::FAILURE
}

fn prepare(named: Option<&Path>, args: &Args) -> Result<(Config, String, Option<String>), String> {
    let passphrase = args
        .passphrase_file
        .as_deref()
        .map(passphrase)
        .transpose()
        .map_err(|e| e.to_string())?;
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    if !path.exists() {
        let text = config_of(&args.file).map_err(|e| e.to_string())?;
        // Read before it is written: one that cannot be used is not put there.
        Config::parse(path, &text).map_err(|e| e.to_string())?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        base::durable::create_dir_all(folder)
            .and_then(|()| base::durable::replace(path, text.as_bytes(), 0o644))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        println!(
            "The settings file of the backup was put at {}",
            path.display()
        );
    }
    let config = Config::load(Some(path)).map_err(|e| e.to_string())?;
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok((config, text, passphrase))
}

fn words(config: &Config, restored: &Restored) -> String {
    let Restored {
        header,
        adopted,
        settled,
        keys,
        aside,
        config_aside,
    } = restored;
    let mut text = format!(
        "Restored as it was at {}: {} recordings lie on the disks; {} had left since, {} were lost and are fetched again if their recorder still has them\n",
        header.made_at, adopted.recordings, settled.left, settled.lost
    );
    for refused in &adopted.refused {
        text += &format!("{refused}\n");
    }
    match keys {
        KeysWere::Restored(old) => {
            text += "The keys are those of the backup: recorders' passwords open, and this is the same appliance\n";
            for name in old {
                text += &format!("The key that lay here before is {name} in the state folder\n");
            }
        }
        KeysWere::LeftOut => {
            text += "The keys in it were left out (--passphrase-file opens them): ";
            text += other_keys(config, header);
        }
        KeysWere::Absent => {
            text += "There are no keys in it: ";
            text += other_keys(config, header);
        }
    }
    if let Some(path) = config_aside {
        text += &format!(
            "The settings file in use differs from the backup's, which lies in {}\n",
            path.display()
        );
    }
    if let Some(aside) = aside {
        text += &format!("The catalog that was in use lies in {}\n", aside.display());
    }
    text
}

fn other_keys(config: &Config, header: &Header) -> &'static str {
    let key = config.state.identity_key();
    let here = match key.is_file() {
        true => Identity::open(&key).ok().map(|identity| identity.appliance),
        false => None,
    };
    match here.is_some() && here == header.appliance {
        true => "this box has its own still, so nothing changes\n",
        false => {
            "this is another appliance, which is claimed anew, and recorders' passwords are entered again\n"
        }
    }
}
