//! `make cross-test`: what `make cross` built does the main job in a system as old as its floor, emulated where it is for
//! another processor; prints what happened, and ends with 0 or 1.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use tests::cross::{Target, Userland, main_job_there};

/// Tries programs that were built for other machines.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder of what was built, and of the systems in `userland/`.
    built: PathBuf,
    /// Profile that it was built with.
    #[arg(long, default_value = "debug")]
    profile: String,
    /// Only these targets of cross.toml.
    targets: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut targets = Target::all()?;
    if !arguments.targets.is_empty() {
        targets.retain(|it| arguments.targets.contains(&it.name));
    }
    ensure!(!targets.is_empty(), "no such target in cross.toml");
    for target in targets {
        let programs = arguments.built.join(&target.name).join(&arguments.profile);
        let userland = Userland::make(&target, &arguments.built.join("userland"), &programs)?;
        let dir = tempfile::Builder::new()
            .prefix("holdfast-cross-")
            .tempdir()?;
        println!("{}, {}", target.name, arguments.profile);
        let told = main_job_there(&userland, dir.path()).await;
        let judged = told.and_then(|table| {
            println!("{table}");
            ensure!(table.all_right(), "something is wrong");
            Ok(())
        });
        if let Err(error) = judged {
            // Worth a look, so it stays.
            let stays = dir.keep();
            return Err(error.context(format!(
                "{}; box, relay and their logs stay in {}",
                target.name,
                stays.display()
            )));
        }
    }
    Ok(())
}
