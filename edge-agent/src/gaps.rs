//! `edge-agent gaps`: what is held of a camera's day, and why the rest is not. Reads the catalog beside a running agent.

use std::process::ExitCode;

use anyhow::Context;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use wire::coverage::{Timeline, Verdict};
use wire::ids::CameraId;
use wire::resource::Camera;
use wire::time::UtcTime;

use crate::catalog::beside::Beside;
use crate::completeness::report;
use crate::config::Config;
use crate::model::time::UtcRange;

/// What `--help` says about exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  complete: everything that the recorder had is held
  1  the catalog could not be read
  2  the command line is not right: no such camera, day or zone
  3  incomplete: something is missing that does not come by itself
  4  something is still to come: not asked, not fetched yet, or the recorder is out of reach";

/// Tells what is held of a camera's day, and every gap with its cause.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Name or id of the camera
    #[arg(long)]
    camera: String,
    /// Day of the calendar, like 2026-11-03
    #[arg(long)]
    day: Date,
    /// The zone whose day it is, like Europe/Berlin; without it that of this box
    #[arg(long)]
    zone: Option<String>,
    /// Prints what the API would answer, for programs
    #[arg(long)]
    json: bool,
}

/// Why there is no answer: what is wrong with the question, or with the catalog.
enum Failure {
    Usage(String),
    Local(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Local(error.into())
    }
}

/// Answers.
pub fn run(config: &Config, args: &Args) -> ExitCode {
    let answer = ask(config, args);
    match answer {
        Ok((camera, timeline, zone)) => {
            let text = match args.json {
                true => serde_json::to_string_pretty(&timeline).expect("a report is plain data"),
                false => told(&camera, &timeline, &zone),
            };
            println!("{text}");
            ExitCode::from(match timeline.completeness.verdict {
                Verdict::Complete => 0,
                Verdict::Incomplete => 3,
                Verdict::Coming => 4,
            })
        }
        Err(Failure::Usage(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Failure::Local(error)) => {
            eprintln!("{error:#}");
            ExitCode::from(1)
        }
    }
}

fn zone_of(args: &Args) -> Result<TimeZone, Failure> {
    match args.zone.as_deref() {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name).map_err(|_| {
            Failure::Usage(format!(
                "{name:?} is not a time zone like \"Europe/Berlin\""
            ))
        }),
    }
}

fn ask(config: &Config, args: &Args) -> Result<(Camera, Timeline, TimeZone), Failure> {
    let zone = zone_of(args)?;
    let day = UtcRange::of_day(args.day, &zone)
        .ok_or_else(|| Failure::Usage(format!("{} is not a day of a calendar", args.day)))?;
    let catalog = Beside::open(&config.state.catalog()).context("read the catalog")?;
    let camera = chosen(catalog.cameras()?, &args.camera)?;
    let now = UtcTime::from(jiff::Timestamp::now());
    let past = day.until(now);
    let known = catalog.known(camera.id, past, now)?;
    let timeline = Timeline {
        day: args.day.to_string(),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        day_from_utc: day.from,
        day_to_utc: day.to,
        completeness: report(known, past),
    };
    Ok((camera, timeline, zone))
}

/// The camera that is meant, by id or by name, however written.
fn chosen(cameras: Vec<Camera>, wanted: &str) -> Result<Camera, Failure> {
    let id = wanted.parse::<CameraId>().ok();
    let is_meant = |camera: &&Camera| {
        Some(camera.id) == id || camera.name.to_lowercase() == wanted.trim().to_lowercase()
    };
    let meant: Vec<&Camera> = cameras.iter().filter(is_meant).collect();
    match meant[..] {
        [camera] => Ok(camera.clone()),
        [] => {
            let names: Vec<&str> = cameras.iter().map(|camera| camera.name.as_str()).collect();
            Err(Failure::Usage(format!(
                "there is no camera {wanted:?}; there are: {}",
                names.join(", ")
            )))
        }
        _ => {
            let ids: Vec<String> = meant.iter().map(|camera| camera.id.to_string()).collect();
            Err(Failure::Usage(format!(
                "several cameras are called {wanted:?}; name one by its id: {}",
                ids.join(", ")
            )))
        }
    }
}

/// The report for people.
fn told(camera: &Camera, timeline: &Timeline, zone: &TimeZone) -> String {
    let report = &timeline.completeness;
    let clock = |at: UtcTime| {
        let zoned = at.timestamp().to_zoned(zone.clone());
        zoned.strftime("%H:%M:%S %Z").to_string()
    };
    let verdict = match report.verdict {
        Verdict::Complete => "complete: everything that the recorder had is held",
        Verdict::Coming => "not complete yet: something is still to come",
        Verdict::Incomplete => "incomplete: something is missing that does not come by itself",
    };
    let mut lines = vec![
        format!(
            "{} on {} ({}), a day of {} h",
            camera.name,
            timeline.day,
            timeline.zone,
            timeline.day_to_utc.ms_since(timeline.day_from_utc) / 3_600_000
        ),
        verdict.to_owned(),
        format!(
            "the recorder recorded {}, held are {}",
            length(report.recorded_ms),
            length(report.held_ms)
        ),
    ];
    for gap in &report.gaps {
        let recordings = match gap.recordings {
            0 => String::new(),
            1 => ", 1 recording".to_owned(),
            n => format!(", {n} recordings"),
        };
        lines.push(format!(
            "{} - {} ({}{recordings}): {}",
            clock(gap.from_utc),
            clock(gap.to_utc),
            length(gap.to_utc.ms_since(gap.from_utc)),
            gap.message
        ));
        lines.extend(gap.reason.iter().map(|reason| format!("    {reason}")));
        lines.extend(gap.advice.iter().map(|advice| format!("    {advice}")));
    }
    if let Some(risk) = &report.risk {
        lines.push(format!(
            "its recorder is about to overwrite {} recordings that are not fetched, the first at {}",
            risk.recordings, risk.first_gone_utc
        ));
    }
    lines.join("\n")
}

/// `2 h 05 min`, `3 min 20 s`, `45 s`.
fn length(ms: i64) -> String {
    let s = ms / 1_000;
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3_600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{House, found, range};

    #[tokio::test]
    async fn a_day_is_told_beside_the_running_agent() {
        let house = House::new().await;
        let recorder = house.recorder("SN1", 1).await.id;
        let camera = house.camera(recorder, 1).await;
        let ids = house
            .observe(
                recorder,
                1,
                vec![
                    found(
                        "a",
                        range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z"),
                        1,
                    ),
                    found(
                        "b",
                        range("2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z"),
                        1,
                    ),
                ],
            )
            .await;
        house.hold(ids[0], b"held").await;
        let beside = Beside::open(house.catalog.folder()).unwrap();
        let wanted = beside.cameras().unwrap();
        assert_eq!(chosen(wanted.clone(), " gate 1").ok().unwrap().id, camera);
        assert_eq!(
            chosen(wanted.clone(), &camera.to_string()).ok().unwrap().id,
            camera
        );
        let Err(Failure::Usage(message)) = chosen(wanted.clone(), "Yard") else {
            panic!("there is no such camera");
        };
        assert_eq!(message, "there is no camera \"Yard\"; there are: Gate 1");

        let morning = range("2026-11-03T08:00:00Z", "2026-11-03T10:00:00Z");
        let timeline = Timeline {
            day: "2026-11-03".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            day_from_utc: morning.from,
            day_to_utc: morning.to,
            completeness: report(
                beside.known(camera, morning, house.catalog.now()).unwrap(),
                morning,
            ),
        };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(
            told(&wanted[0], &timeline, &zone),
            "Gate 1 on 2026-11-03 (Europe/Berlin), a day of 2 h\n\
             not complete yet: something is still to come\n\
             the recorder recorded 2 h 00 min, held are 1 h 00 min\n\
             10:00:00 CET - 11:00:00 CET (1 h 00 min, 1 recording): Known to be on the recorder, not fetched yet.\n    \
             Wait, or fetch the range now to put it first."
        );
    }
}
