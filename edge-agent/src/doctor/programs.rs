//! What the agent starts or loads: FFmpeg, smartctl, the vendor's library.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio_util::sync::CancellationToken;

use super::finding::Finding;
use crate::ability::rehearsal::rehearse;
use crate::host::smart::Smartctl;
use crate::media::MediaConfig;
use crate::recorder::config::SdkConfig;
use crate::recorder::{library_problem, sandbox};

/// The oldest FFmpeg that does (`[media]`).
const FFMPEG_MIN: (u32, u32) = (5, 1);

/// FFmpeg.
pub fn ffmpeg(config: &MediaConfig) -> Finding {
    let program = config.ffmpeg.display();
    match first_line(&config.ffmpeg, "-version") {
        Ok(line) => ffmpeg_finding(&line),
        Err(why) => Finding::wrong(
            "FFmpeg",
            format!("{program} cannot be run: {why}"),
            "Nothing can be kept without it: `apt install ffmpeg`, or name the program in [media] ffmpeg.",
        ),
    }
}

fn ffmpeg_finding(line: &str) -> Finding {
    match ffmpeg_version(line) {
        Some((major, minor)) if (major, minor) >= FFMPEG_MIN => {
            Finding::well("FFmpeg", format!("{major}.{minor}"))
        }
        Some((major, minor)) => Finding::wrong(
            "FFmpeg",
            format!("{major}.{minor} is too old"),
            format!(
                "Version {}.{} or newer is needed.",
                FFMPEG_MIN.0, FFMPEG_MIN.1
            ),
        ),
        None => Finding::note(
            "FFmpeg",
            format!("says of itself {line:?}, which is no release"),
            "It probably works; only releases are tested.",
        ),
    }
}

/// `ffmpeg version 5.1.6-0+deb12u1 Copyright …` as (5, 1); also `n7.0`. None of a build without a number.
fn ffmpeg_version(line: &str) -> Option<(u32, u32)> {
    let word = line.strip_prefix("ffmpeg version ")?.split(' ').next()?;
    let mut numbers = word
        .trim_start_matches('n')
        .split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

/// Whether footage can be made with it.
pub fn footage(config: &MediaConfig) -> Finding {
    let folder = std::env::temp_dir().join(format!("holdfast-doctor-{}", uuid::Uuid::new_v4()));
    match rehearse(config, &folder, &CancellationToken::new()) {
        Ok(()) => Finding::well("footage", "a rehearsed recording comes out well"),
        Err(why) => Finding::wrong(
            "footage",
            why,
            "Nothing can be kept until that is put right: is FFmpeg whole, and is there room in TMPDIR?",
        ),
    }
}

/// smartctl.
pub fn smartctl(config: &Smartctl) -> Finding {
    let Some(program) = config.command.first() else {
        return Finding::note(
            "smartctl",
            "the settings say that disks are not asked how they fare",
            "Remove `command` from [smart] to be told before a disk dies.",
        );
    };
    match first_line(Path::new(program), "--version") {
        Ok(line) => Finding::well("smartctl", line),
        Err(why) => Finding::note(
            "smartctl",
            format!("{program} cannot be run: {why}"),
            "`apt install smartmontools`, to be told before a disk dies.",
        ),
    }
}

/// First line that a program prints, and the end of it.
fn first_line(program: &Path, argument: &str) -> Result<String, String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), text.lines().next()) {
        (true, Some(line)) => Ok(line.chars().take(200).collect()),
        (true, None) => Err("it prints nothing".to_owned()),
        (false, _) => Err(format!("it ended with {}", output.status)),
    }
}

/// The vendor's library, loaded as the agent would; with what of its sandbox this kernel cannot give. `needed`: a
/// recorder is talked to by it.
pub async fn library(config: &SdkConfig, needed: bool) -> Vec<Finding> {
    let about = "vendor's library";
    if !needed && !config.sdk_folder.exists() {
        let seen = format!("not in {}", config.sdk_folder.display());
        return vec![Finding::note(
            about,
            seen,
            "Only needed for recorders that are added by their SDK port; copy the whole folder of the vendor's SDK there.",
        )];
    }
    let work_dir = std::env::temp_dir().join(format!("holdfast-doctor-{}", uuid::Uuid::new_v4()));
    let staging = work_dir.join("staging");
    if let Err(error) = std::fs::create_dir_all(&staging) {
        let seen = format!("not tried: {} cannot be made: {error}", staging.display());
        return vec![Finding::wrong(
            about,
            seen,
            "Free some room there, or set TMPDIR.",
        )];
    }
    let config = SdkConfig {
        work_dir: work_dir.clone(),
        staging: vec![staging],
        ..config.clone()
    };
    let mut findings = vec![match library_problem(&config).await {
        None => Finding::well(about, format!("loads from {}", config.sdk_folder.display())),
        Some(problem) => Finding::wrong(
            about,
            problem,
            "Until then nothing is fetched from recorders that are talked to by it.",
        ),
    }];
    for layer in sandbox::layers() {
        let about = format!("library's sandbox, {}", layer.name.word());
        findings.push(match layer.missing {
            None => Finding::well(about, "holds"),
            Some(why) => Finding::note(
                about,
                why,
                "The box works; the library could do more than it should.",
            ),
        });
    }
    // A folder below /tmp that stays costs nothing and is swept with it.
    drop(std::fs::remove_dir_all(&work_dir));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn ffmpegs_are_told_apart() {
        let cases = [
            (
                "ffmpeg version 5.1.6-0+deb12u1 Copyright (c) 2000-2024",
                Level::Well,
            ),
            ("ffmpeg version n7.0 Copyright", Level::Well),
            (
                "ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright",
                Level::Wrong,
            ),
            ("ffmpeg version N-112345-gabcdef Copyright", Level::Note),
            ("busybox", Level::Note),
        ];
        for (line, expected) in cases {
            assert_eq!(ffmpeg_finding(line).level, expected, "{line}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let config = MediaConfig {
            ffmpeg: "/nowhere/ffmpeg".into(),
        };
        let finding = ffmpeg(&config);
        assert_eq!(finding.level, Level::Wrong);
        assert!(finding.seen.contains("/nowhere/ffmpeg"), "{finding:?}");
    }
}
