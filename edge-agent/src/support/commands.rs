//! What other programs say of the box. Each is asked once, for a bounded time and a bounded answer; one that is not there
//! says so in its place.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base::child::{self, NoLeakChild};

/// Longest wait for a program.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest answer; what is more is not read.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The texts, and what is asked for each. None of these changes anything.
pub const ALL: [(&str, &[&[&str]]); 5] = [
    (
        "box.txt",
        &[
            &["uname", "-a"],
            &[
                "cat",
                "/etc/os-release",
                "/proc/uptime",
                "/proc/loadavg",
                "/proc/cmdline",
            ],
            &[
                "cat",
                "/proc/meminfo",
                "/proc/pressure/memory",
                "/proc/pressure/io",
            ],
            &["timedatectl", "status"],
            &["timedatectl", "timesync-status"],
            &[
                "cat",
                "/proc/net/dev",
                "/proc/net/fib_trie",
                "/proc/net/route",
                "/proc/net/if_inet6",
            ],
            &["networkctl", "--no-pager", "status", "--all"],
            &["resolvectl", "--no-pager", "status"],
            &["rauc", "status", "--detailed"],
            &["systemctl", "--no-pager", "--failed"],
            &["systemctl", "--no-pager", "show", "holdfast-agent.service"],
            // The box's own services, where there are any.
            &[
                "systemctl",
                "--no-pager",
                "--all",
                "list-units",
                "holdfast-*",
            ],
        ],
    ),
    (
        "disks.txt",
        &[
            &[
                "lsblk",
                "-o",
                "NAME,SIZE,TYPE,FSTYPE,LABEL,MOUNTPOINTS,MODEL,ROTA,RO",
            ],
            &["df", "-h"],
            &["df", "-i"],
            &["findmnt", "--real"],
        ],
    ),
    (
        "journal-agent.txt",
        &[&[
            "journalctl",
            "--no-pager",
            "-o",
            "short-iso-precise",
            "-n",
            "20000",
            "-u",
            "holdfast-agent.service",
        ]],
    ),
    (
        // What became of updates, sticks and disks is said here and nowhere else.
        "journal-box.txt",
        &[&[
            "journalctl",
            "--no-pager",
            "-o",
            "short-iso-precise",
            "-n",
            "5000",
            "-u",
            "holdfast-adopt.service",
            "-u",
            "holdfast-alive.service",
            "-u",
            "holdfast-clock.service",
            "-u",
            "holdfast-console@*",
            "-u",
            "holdfast-disk*",
            "-u",
            "holdfast-first-boot.service",
            "-u",
            "holdfast-health.service",
            "-u",
            "holdfast-name.service",
            "-u",
            "holdfast-network.service",
            "-u",
            "holdfast-smart.service",
            "-u",
            "holdfast-stick@*",
            "-u",
            "holdfast-update.service",
            "-u",
            "rauc.service",
        ]],
    ),
    (
        "journal-system.txt",
        &[
            &["journalctl", "--no-pager", "--list-boots"],
            &[
                "journalctl",
                "--no-pager",
                "-o",
                "short-iso-precise",
                "-n",
                "5000",
                "-p",
                "warning",
            ],
        ],
    ),
];

/// What they answer, one after the other.
pub fn answers(asked: &[&[&str]]) -> String {
    let mut text = String::new();
    for words in asked {
        let answer = answer(words);
        // Writing into a text does not fail.
        let _ = writeln!(text, "$ {}\n{}\n", words.join(" "), answer.trim_end());
    }
    text
}

fn answer(words: &[&str]) -> String {
    let Some((program, arguments)) = words.split_first() else {
        return String::new();
    };
    match ask(program, arguments, PATIENCE) {
        Ok(answer) => answer,
        Err(error) if error.kind() == io::ErrorKind::NotFound => "(is not there)".to_owned(),
        Err(error) => format!("(no answer: {error})"),
    }
}

/// Starts a program and reads what it says, errors and all.
fn ask(program: &str, arguments: &[&str], patience: Duration) -> io::Result<String> {
    let (answer, both) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(both.try_clone()?)
        .stderr(both);
    // Short-lived: without a guard, and killed with its group when this gives up.
    command.process_group(0);
    let mut child = NoLeakChild::new(child::spawn(command)?, program);
    let (read, wait) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("support-answer".to_owned())
        .spawn(move || {
            let mut bytes = Vec::new();
            let end = answer.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
            // Whoever asked may have lost patience.
            let _ = read.send(end.map(|_| bytes));
        })?;
    let (bytes, status) = match wait.recv_timeout(patience) {
        Ok(bytes) => match child.wait_within(patience)? {
            Some(status) => (bytes?, status),
            None => (bytes?, child.kill()?),
        },
        Err(_) => {
            child.kill()?;
            let late = format!("it was stopped after {} s", patience.as_secs());
            return Err(io::Error::other(late));
        }
    };
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !status.success() {
        text.push_str(&format!("({status})\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_program_is_asked_once_for_a_bounded_time() {
        let long = Duration::from_secs(20);
        assert_eq!(ask("echo", &["a b"], long).unwrap(), "a b\n");
        let failed = ask("sh", &["-c", "echo no >&2; exit 3"], long).unwrap();
        assert!(
            failed.starts_with("no\n(") && failed.contains('3'),
            "{failed}"
        );
        let begun = Instant::now();
        let late = ask("sleep", &["60"], Duration::from_millis(100)).unwrap_err();
        assert!(late.to_string().contains("stopped"), "{late}");
        assert!(begun.elapsed() < long);
        assert_eq!(answer(&["is-surely-not-there"]), "(is not there)");
        // Whoever is not read any more ends by the pipe.
        let endless = ask("yes", &[], long).unwrap();
        assert!(endless.len() as u64 <= ANSWER_BYTES_MAX + 40);
    }
}
