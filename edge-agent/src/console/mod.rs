//! The screen of the box: where the page is, and the claim code, for whoever stands in front of it.
//!
//! Two processes. The agent keeps a file below `/run`, which its own user alone may read, since the claim code is in it;
//! `edge-agent console`, one for each screen and serial line, draws it. A screen that is slow or gone is nobody's trouble.
//! Where a keyboard is listened to, whoever stands there may order a factory reset: the box is in their hands anyway.

mod keyboard;
mod screen;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base::clock::Clock;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use wire::resource::Claim;

use crate::config::State;
use crate::exit;
use crate::reset;
use crate::uplink::UplinkHandle;
use keyboard::{Typed, help, understand};
use screen::{Around, screen};

/// Name of the file in the runtime folder.
const FILE: &str = "console.json";
/// Where systemd makes the runtime folder of the shipped unit.
const RUNTIME_FOLDER: &str = "/run/holdfast";
/// How often either side looks whether something has changed.
const LOOK: Duration = Duration::from_secs(2);
/// Longest line that is read at once.
const LINE_BYTES_MAX: u64 = 4096;
/// How long an answer to what was typed stays on the screen.
const ANSWER: Duration = Duration::from_secs(30);
/// Largest file that is read: it has a few hundred bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the agent tells the screens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    /// Where the page is served.
    listen: SocketAddr,
    /// How far the appliance has joined an organisation; the code is in it.
    claim: Claim,
}

/// Arguments of `edge-agent console`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder in which the running agent tells how it fares (`RuntimeDirectory=` of its unit).
    #[arg(long, value_name = "FOLDER", default_value = RUNTIME_FOLDER)]
    runtime: PathBuf,
    /// The box answers to its name on the network (mDNS): show `http://<name>.local` too.
    #[arg(long)]
    mdns: bool,
    /// Listens to the keyboard; a factory reset that is typed is ordered in this folder, the agent's state folder.
    #[arg(long, value_name = "FOLDER")]
    keyboard: Option<PathBuf>,
    /// Prints once and ends, instead of drawing anew whenever something changes.
    #[arg(long)]
    once: bool,
}

/// Keeps the file, where systemd gave the agent a runtime folder. Ends with `stop`; the file goes with the folder.
pub async fn keep(listen: SocketAddr, uplink: UplinkHandle, stop: CancellationToken) {
    // Several folders are separated by colons; the unit asks for one.
    let folder = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let Some(file) = folder.map(|folder| folder.join(FILE)) else {
        stop.cancelled().await;
        return;
    };
    let mut last = None;
    let mut every = tokio::time::interval(LOOK);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let told = Told {
            listen,
            claim: uplink.claim(),
        };
        if last.as_ref() == Some(&told) {
            continue;
        }
        match tell(&file, &told) {
            Ok(()) => last = Some(told),
            Err(error) => {
                tracing::warn!(path = %file.display(), %error, "The screens of the box cannot be told where the page is");
                // Once is enough: the page tells the same.
                stop.cancelled().await;
                return;
            }
        }
    }
}

fn tell(file: &Path, told: &Told) -> io::Result<()> {
    let text = serde_json::to_vec(told).map_err(io::Error::other)?;
    base::durable::replace(file, &text, 0o600)
}

/// What the agent told last; None while it does not run.
fn read(file: &Path) -> io::Result<Option<Told>> {
    let text = base::untrusted::read_if_there(file, FILE_BYTES_MAX)?;
    let told = text.map(|text| serde_json::from_slice(&text)).transpose();
    told.map_err(io::Error::other)
}

/// `edge-agent console`: draws until the screen is gone.
pub fn run(args: &Args) -> ExitCode {
    match draw(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "the screen cannot be drawn: {error}. Run it as the agent's user, beside an agent that systemd started."
            );
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn draw(args: &Args) -> io::Result<()> {
    let clock = Clock::system();
    let file = args.runtime.join(FILE);
    let mut typed = args.keyboard.is_some().then(listen);
    let mut answer: Option<(Instant, String)> = None;
    let mut last = String::new();
    loop {
        let around = Around {
            name: host_name()?,
            mdns: args.mdns,
            addresses: addresses(),
            now: clock.now().into(),
        };
        let mut text = screen(read(&file)?.as_ref(), &around);
        answer.take_if(|(since, _)| since.elapsed() > ANSWER);
        if let Some((_, words)) = &answer {
            text = format!("{text}\n{words}");
        }
        if args.once {
            return io::stdout().write_all(text.as_bytes());
        }
        if text != last {
            // Home, the text, and nothing below it: clearing first would flicker.
            let mut out = io::stdout().lock();
            write!(out, "\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\r\n"))?;
            out.flush()?;
            last = text;
        }
        match typed.as_ref().map(|lines| lines.recv_timeout(LOOK)) {
            Some(Ok(line)) => {
                if !line.trim().is_empty() {
                    let words = act(&line, &around.name, args);
                    answer = Some((Instant::now(), words));
                    // What was typed stands on the screen.
                    last.clear();
                }
                // Noise on a line keeps nothing busy.
                std::thread::sleep(LOOK / 2);
            }
            Some(Err(mpsc::RecvTimeoutError::Disconnected)) => typed = None,
            Some(Err(mpsc::RecvTimeoutError::Timeout)) => {}
            None => std::thread::sleep(LOOK),
        }
    }
}

/// Lines from the keyboard, until that is gone. One that nobody has looked at yet holds up the next.
fn listen() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::sync_channel(0);
    std::thread::spawn(move || {
        let mut keyboard = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = (&mut keyboard)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line);
            match read {
                // Ctrl-D ends a line and not a keyboard.
                Ok(0) | Err(_) if io::stdin().is_terminal() => std::thread::sleep(LOOK),
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if lines.send(line).is_err() {
                        return;
                    }
                }
            }
        }
    });
    typed
}

/// Does what was typed, and what to answer.
fn act(line: &str, name: &str, args: &Args) -> String {
    let footage = match understand(line, name) {
        Typed::Reset { footage } => footage,
        Typed::OtherBox => {
            return format!("Nothing was done: that names another box.\n{}", help(name));
        }
        Typed::Unknown => return help(name),
    };
    let state = State {
        folder: args.keyboard.clone().unwrap_or_default(),
        ..State::default()
    };
    let at = Clock::system().now().into();
    match reset::order(&state, reset::Order { footage, at }) {
        Ok(()) => "The factory reset is ordered. It is carried out at once, or when the agent starts next.\n".to_owned(),
        Err(error) => format!("The factory reset cannot be ordered: {error}\n"),
    }
}

fn host_name() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/hostname")?
        .trim()
        .to_owned())
}

/// Addresses under which others on the network reach the box, in order.
fn addresses() -> Vec<Ipv4Addr> {
    let networks = sysinfo::Networks::new_with_refreshed_list();
    let mut all: Vec<Ipv4Addr> = networks
        .values()
        .flat_map(|network| network.ip_networks())
        .filter_map(|network| match network.addr {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .filter(|address| !address.is_loopback())
        .collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::resource::ClaimState;

    #[test]
    fn what_is_told_is_read_by_the_own_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        assert_eq!(read(&file).unwrap(), None);
        let told = Told {
            listen: "0.0.0.0:80".parse().unwrap(),
            claim: Claim {
                state: ClaimState::Waiting,
                code: Some("ABCD-1234".into()),
                code_expires_at: None,
                relay_url: None,
                connected: false,
                site_name: None,
                failure: None,
            },
        };
        tell(&file, &told).unwrap();
        assert_eq!(read(&file).unwrap(), Some(told));
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&file, "{").unwrap();
        assert!(read(&file).is_err());
    }
}
