//! `make demo`: the whole product on embedded defaults, for a person to look at, or once for a check.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use hcnetsdk::scenario::{Channel, Recording};
use jiff::{SignedDuration, Timestamp, Unit};
use tests::appliance::{self, Appliance};
use tests::footage::{StandardSpec, UserClip, from_folder, standard};
use tests::main_job::{self, World};
use tests::relay::{self, Relay};
use tests::stand_in::{StandIn, footage_cache};

/// Runs a stand-in recorder with real footage, the agent, and the relay with its broker.
#[derive(Debug, Parser)]
struct Options {
    /// Do the main job once, check it, print what happened, and end with 0 or 1.
    #[arg(long)]
    once: bool,
    /// A folder of video files to use as the recorder's footage.
    #[arg(long)]
    footage: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let dir = tempfile::Builder::new()
        .prefix("holdfast-demo-")
        .tempdir()?;
    println!("Preparing footage …");
    let recorder = recorder(&dir.path().join("sdk"), options.footage.as_deref())?;
    println!("Starting recorder, agent, relay and broker …");
    let mut appliance = Appliance::new(&dir.path().join("box"), recorder.folder())?;
    // As in the field, but for a demo's patience.
    appliance.set("discovery", "interval_s", 5);
    let relay = Relay::new(&dir.path().join("relay"))?;
    let mut world = main_job::start(recorder, appliance, relay).await?;
    let right = if options.once {
        let table = main_job::run(&world, dir.path()).await?;
        println!("\n{table}");
        println!(
            "{}",
            if table.all_right() {
                "All is right."
            } else {
                "Something is wrong."
            }
        );
        table.all_right()
    } else {
        tell(&world)?;
        tokio::signal::ctrl_c().await?;
        println!("\nStopping …");
        true
    };
    world.appliance.stop()?;
    world.relay.stop()?;
    if !right {
        std::process::exit(1);
    }
    Ok(())
}

/// Two cameras over the last minutes, or the user's own files as one camera each.
fn recorder(folder: &Path, footage: Option<&Path>) -> Result<StandIn> {
    let cache = footage_cache()?;
    let mut this = StandIn::new(folder)?;
    // Whole minutes, so that a second start within the minute renders nothing again.
    let now = Timestamp::now().round(Unit::Minute)?;
    let channels = match footage {
        Some(own) => {
            let made = from_folder(&cache, own).with_context(|| own.display().to_string())?;
            let start = now - SignedDuration::from_hours(1);
            (33..)
                .zip(&made.clips)
                .map(|(number, clip)| own_channel(number, clip, start))
                .collect()
        }
        None => {
            let start = now - SignedDuration::from_mins(30);
            let spec = StandardSpec {
                recordings: 3,
                seconds: 30,
                ..StandardSpec::starting(start)
            };
            (33..)
                .zip(standard(&cache, &spec)?)
                .map(|(number, camera)| camera.channel(number))
                .collect()
        }
    };
    this.add_recorder("127.0.0.1", 8000, channels);
    this.listen()?;
    Ok(this)
}

/// A user's file as a camera that recorded it once, and shows it live over and over.
fn own_channel(number: u32, clip: &UserClip, start: Timestamp) -> Channel {
    let recording = Recording {
        name: format!("ch{number:02}_00000000001"),
        start,
        duration_s: Some(clip.seconds.into()),
        media: clip.reel.clone(),
        locked: false,
        file_type: 0,
        stream: 0,
    };
    Channel {
        number,
        name: clip.name.clone(),
        live: Some(clip.reel.clone()),
        recordings: vec![recording],
        ..Channel::default()
    }
}

fn tell(world: &World) -> Result<()> {
    println!(
        "\n\
         At the site    {}\n\
         \x20              user admin, password “{}”\n\
         Far away       {}\n\
         \x20              user admin, password “{}”\n\
         \x20              its certificate is signed by {}\n\
         Footage        {}\n\
         Journals       {} and {}\n\n\
         Ctrl-C ends everything and removes it.",
        world.appliance.client.base(),
        appliance::PASSWORD,
        world.relay.url(),
        relay::PASSWORD,
        world.relay.state().join("pki/ca.pem").display(),
        world.appliance.footage().display(),
        world.appliance.log().display(),
        world.relay.log().display(),
    );
    Ok(())
}
