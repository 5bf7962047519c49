//! `make image-test`: boots the image in a virtual machine, lives through its first day and two updates, prints what
//! happened, and ends with 0 or 1.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tests::image::{self, Files};

/// Boots an image and updates it.
#[derive(Debug, Parser)]
struct Arguments {
    /// The flashable image.
    image: PathBuf,
    /// An update that is newer than the image.
    update: PathBuf,
    /// One that is newer than that.
    next_update: PathBuf,
    /// Folder with the keys that it trusts.
    keys: PathBuf,
    /// Minutes for which the box is watched while it is idle: what it writes then.
    #[arg(long, default_value_t = 0)]
    idle: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments {
        image,
        update,
        next_update,
        keys,
        idle,
    } = Arguments::parse();
    if let Some(why) = image::why_not() {
        anyhow::bail!("there is no virtual machine here: {why}");
    }
    let dir = tempfile::Builder::new()
        .prefix("holdfast-image-")
        .tempdir()?;
    let files = Files {
        image,
        update,
        next_update,
        keys,
        idle: Duration::from_secs(idle * 60),
    };
    let told = image::first_day_and_update(&files, dir.path()).await;
    let judged = told.and_then(|table| {
        println!("\n{table}");
        image::check(&table)
    });
    if judged.is_err() {
        // Worth a look, so it stays.
        println!(
            "The serial line and the disk stay in {}",
            dir.keep().display()
        );
    }
    judged
}
