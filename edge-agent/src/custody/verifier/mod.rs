//! `edge-agent verify`: whether copied footage is what an appliance kept, anywhere and offline: no configuration, no
//! catalog, nothing but the folder.
//!
//! Three things are compared: the media with the digests in its description, the description with the custody log, the
//! log with itself and with the appliance's signatures. What was changed is named: the bytes, the file, the day. All that
//! is read may be anybody's: it is bounded, read strictly, and believed only as far as a signature reaches.

mod book;
mod files;
mod report;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as ClapArgs;

use self::book::Book;
use super::entry::Hash;

pub use self::report::{Report, Verdict};

/// What of a folder's log and files is looked at, and whom it believes.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Fingerprints or ids of the appliances whose logs count; none: any.
    pub keys: Vec<String>,
    /// Lines that must be in a log.
    pub heads: Vec<Hash>,
    /// The copy is of some of the footage: what the log names and the folder lacks is counted, not found fault with.
    pub partial: bool,
}

/// Hears how far it is: bytes read, bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Verifies a folder or a file. An error is about reading what is there, not about what was found.
pub fn verify(path: &Path, wanted: &Wanted, progress: Progress<'_>) -> io::Result<Report> {
    let place = Place::of(path)?;
    let mut report = Report::new(path);
    // Listed before the log is read: what comes meanwhile is in the log but not looked for in the list.
    let files = files::list(&place, &mut report)?;
    let book = Book::read(&place.root, wanted, &mut report)?;
    files::compare(&place, files, &book, wanted, &mut report, progress)?;
    report.close(wanted);
    Ok(report)
}

/// Where footage lies, and which of it is meant.
#[derive(Debug)]
struct Place {
    /// The folder that holds `custody` and `cameras`, as on a volume; or the only folder that there is.
    root: PathBuf,
    /// What is meant, relative to it; empty: all.
    scope: PathBuf,
    /// The files do not lie as on a volume: their folders say nothing.
    loose: bool,
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        for root in path.ancestors() {
            let is_volume = |name: &str| root.join(name).is_dir();
            if is_volume(super::FOLDER) || is_volume(crate::footage::path::CAMERAS) {
                let scope = path.strip_prefix(root).unwrap_or(Path::new("")).to_owned();
                let in_log = scope.starts_with(super::FOLDER);
                let in_cameras = scope.starts_with(crate::footage::path::CAMERAS);
                let scope = if in_log { PathBuf::new() } else { scope };
                return Ok(Self {
                    root: root.to_owned(),
                    loose: !is_volume(crate::footage::path::CAMERAS)
                        || !(scope.as_os_str().is_empty() || in_cameras),
                    scope,
                });
            }
        }
        let root = match path.is_dir() {
            true => path.clone(),
            false => path.parent().unwrap_or(&path).to_owned(),
        };
        Ok(Self {
            scope: path.strip_prefix(&root).unwrap_or(Path::new("")).to_owned(),
            root,
            loose: true,
        })
    }
}

/// `edge-agent verify`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A volume, a copy of one, a folder of it, or a file.
    path: PathBuf,
    /// Believe only the appliance with this key: its fingerprint or id, as its System page shows it. May be repeated.
    #[arg(long, value_name = "FINGERPRINT")]
    key: Vec<String>,
    /// The end of the log as it was noted earlier: names it if lines were removed since. May be repeated.
    #[arg(long, value_name = "HASH")]
    head: Vec<String>,
    /// The copy is of a part of the footage: what is not in it is not missed.
    #[arg(long)]
    partial: bool,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What the program ends with.
pub mod exit {
    /// It cannot be read.
    pub const FAILURE: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// Something was changed, or is missing.
    pub const FOUND: u8 = 3;
    /// Nothing contradicts, but there is no log that proves it.
    pub const UNPROVEN: u8 = 4;
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let mut wanted = Wanted {
        partial: args.partial,
        ..Wanted::default()
    };
    for key in &args.key {
        let key = key.trim().to_lowercase().replace(':', "");
        let is_id = key.parse::<wire::ids::ApplianceId>().is_ok();
        if !is_id && Hash::parse(&key).is_none() {
            eprintln!(
                "--key {key:?} is neither a fingerprint (64 hexadecimal digits) nor the id of an appliance (16 letters and digits): copy it from the appliance's System page"
            );
            return ExitCode::from(exit::USAGE);
        }
        wanted.keys.push(key);
    }
    for head in &args.head {
        match Hash::parse(&head.trim().to_lowercase()) {
            Some(head) => wanted.heads.push(head),
            None => {
                eprintln!("--head {head:?} is not the end of a log (64 hexadecimal digits)");
                return ExitCode::from(exit::USAGE);
            }
        }
    }
    let mut shown = report::ShownProgress::new();
    match verify(&args.path, &wanted, &mut |done, all| shown.show(done, all)) {
        Ok(report) => {
            shown.clear();
            match args.json {
                true => println!("{}", report.json()),
                false => println!("{report}"),
            }
            match report.verdict {
                Verdict::Changed => ExitCode::from(exit::FOUND),
                Verdict::Unproven => ExitCode::from(exit::UNPROVEN),
                Verdict::Proven | Verdict::Consistent => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            shown.clear();
            eprintln!("{}: {error}", args.path.display());
            ExitCode::from(exit::FAILURE)
        }
    }
}
