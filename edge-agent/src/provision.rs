//! Provisioning (A1): a file says what somebody would type on the page of a new box, for installers with many of them.
//!
//! It is typed in by this command, as a client of the box's own page: what the page refuses is refused here in the same
//! words. Doing it again adds only what is missing; a box that somebody has set up otherwise is left alone.

mod page;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use wire::resource::{ClaimState, DriverKind, Recorder};
use zeroize::Zeroizing;

use crate::api::usual_port;
use crate::config::State;
use page::{Asked, Page};

/// Largest file: some hundred recorders fit.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// `edge-agent provision`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to set up (docs/ref/provision.toml).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Seconds to wait until the agent is ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u16,
}

/// What the file says.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(deny_unknown_fields)]
struct Provision {
    /// Password of `admin` on the box's page.
    password: Zeroizing<String>,
    #[serde(default)]
    relay: Option<Relay>,
    #[serde(default)]
    recorder: Vec<RecorderEntry>,
}

/// Which relay to join.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(deny_unknown_fields)]
struct Relay {
    url: String,
    #[serde(default)]
    ca_sha256: Option<String>,
}

/// A recorder; left out is what the page would leave out.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(deny_unknown_fields)]
struct RecorderEntry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    driver: DriverKind,
    address: String,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    tls: bool,
    #[serde(default)]
    certificate_sha256: Option<String>,
    username: String,
    password: Zeroizing<String>,
}

impl RecorderEntry {
    /// Whether it is one that the box has.
    fn is(&self, known: &Recorder) -> bool {
        let port = self
            .port
            .unwrap_or_else(|| usual_port(self.driver, self.tls));
        self.driver == known.driver && self.address == known.address && port == known.port
    }
}

/// Why a box was not set up, or not wholly.
#[derive(Debug, thiserror::Error)]
enum ProvisionError {
    /// The file is not there, too long, or not text.
    #[error("{path} cannot be read: {source}")]
    File { path: PathBuf, source: io::Error },
    /// The file says what nobody understands. Never quotes the line, since passwords stand there.
    #[error(
        "{path}, line {line}: {why}. docs/ref/provision.toml shows all that it may say; nothing was set up"
    )]
    Understood {
        path: PathBuf,
        line: usize,
        why: String,
    },
    /// The agent is not there.
    #[error("the agent is not ready: {0}. `journalctl -u holdfast-agent -n 50` shows why")]
    NotReady(String),
    /// The page could not be asked.
    #[error("the agent cannot be asked: {0}")]
    Page(String),
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    /// Each thing that was done or refused, in words.
    SetUp(Vec<Step>),
    /// Somebody has chosen another password: nothing was touched.
    SetUpOtherwise,
}

/// One thing.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    well: bool,
    says: String,
}

impl Step {
    fn well(says: impl Into<String>) -> Self {
        Self {
            well: true,
            says: says.into(),
        }
    }

    /// What was asked for, and the page's answer where it refused.
    fn of(about: &str, asked: Asked<()>) -> Self {
        match asked {
            Asked::Answer(()) => Self::well(about),
            Asked::Refused { message, .. } => Self {
                well: false,
                says: format!("{about}: refused. {message}"),
            },
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetUp(steps) => {
                let lines: Vec<&str> = steps.iter().map(|step| step.says.as_str()).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::SetUpOtherwise => f.write_str(
                "This box was set up before, with another password: nothing was changed.",
            ),
        }
    }
}

/// Runs the command.
pub fn run(state: &State, args: &Args) -> ExitCode {
    base::tls::install_provider();
    let provision = match read(&args.file) {
        Ok(provision) => provision,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(crate::exit::USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(|error| ProvisionError::Page(error.to_string()))
        .and_then(|runtime| runtime.block_on(provide(state, &provision, args.wait)));
    match done {
        Ok(done) => {
            println!("{done}");
            match &done {
                Done::SetUp(steps) if steps.iter().any(|step| !step.well) => {
                    ExitCode::from(crate::exit::FAILURE)
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(crate::exit::FAILURE)
        }
    }
}

fn read(path: &std::path::Path) -> Result<Provision, ProvisionError> {
    let unreadable = |source| ProvisionError::File {
        path: path.to_owned(),
        source,
    };
    let bytes = Zeroizing::new(base::untrusted::read(path, FILE_BYTES_MAX).map_err(unreadable)?);
    let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(io::Error::other(error)))?;
    parse(text).map_err(|(line, why)| ProvisionError::Understood {
        path: path.to_owned(),
        line,
        why,
    })
}

/// What a text says, or in which line it does not and why.
fn parse(text: &str) -> Result<Provision, (usize, String)> {
    // Written by an editor of Windows.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    toml::from_str(text).map_err(|error| {
        let before = error.span().map_or(0, |span| span.start);
        let line = 1 + text.get(..before).unwrap_or("").matches('\n').count();
        // These would quote the value, and it may be a password that lacks its quotes.
        let why = match error.message() {
            quotes if quotes.starts_with("invalid ") => {
                "the value is of another kind than is expected here; texts stand in quotes"
            }
            other => other,
        };
        (line, why.to_owned())
    })
}

async fn provide(
    state: &State,
    provision: &Provision,
    wait_s: u16,
) -> Result<Done, ProvisionError> {
    let patience = Duration::from_secs(u64::from(wait_s));
    let mut page = Page::when_ready(&state.address_file(), patience).await?;
    let mut steps = Vec::new();
    let set_up = match page.set_up(&provision.password).await? {
        Asked::Answer(()) => Step::well("The password of admin is set"),
        Asked::Refused { status: 409, .. } => match page.log_in(&provision.password).await? {
            Asked::Answer(()) => Step::well("The password of admin was set before"),
            Asked::Refused { status: 401, .. } => return Ok(Done::SetUpOtherwise),
            refused @ Asked::Refused { .. } => {
                return Ok(Done::SetUp(vec![Step::of("Logging in", refused)]));
            }
        },
        // A weak password: the rest waits for a better one.
        refused @ Asked::Refused { .. } => {
            return Ok(Done::SetUp(vec![Step::of(
                "The password of admin",
                refused,
            )]));
        }
    };
    steps.push(set_up);
    if let Some(relay) = &provision.relay {
        steps.push(join(&page, relay).await?);
    }
    if !provision.recorder.is_empty() {
        let known = page.recorders().await?;
        for entry in &provision.recorder {
            let about = format!("Recorder {}", entry.address);
            steps.push(match known.iter().any(|known| entry.is(known)) {
                true => Step::well(format!("{about} was added before")),
                false => Step::of(&format!("{about} is added"), page.add(entry).await?),
            });
        }
    }
    page.log_out().await?;
    Ok(Done::SetUp(steps))
}

/// Has the box join a relay, unless it has one.
async fn join(page: &Page, relay: &Relay) -> Result<Step, ProvisionError> {
    let claim = page.claim().await?;
    let about = format!("The relay {}", relay.url);
    Ok(match (claim.state, claim.relay_url) {
        (ClaimState::Claimed, Some(url)) => {
            Step::well(format!("The box belongs to a site at {url}"))
        }
        (_, Some(url)) if url == relay.url.trim_end_matches('/') => {
            Step::well(format!("{about} was set before"))
        }
        _ => Step::of(
            &format!("{about} is set; the screen and the page show the claim code"),
            page.join(relay).await?,
        ),
    })
}

#[cfg(test)]
mod tests;
