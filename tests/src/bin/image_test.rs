//! `make image-test`: boots the image in a virtual machine, lives through its first day and an update, prints what
//! happened, and ends with 0 or 1.

use std::path::PathBuf;

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
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { image, update } = Arguments::parse();
    if let Some(why) = image::why_not() {
        anyhow::bail!("there is no virtual machine here: {why}");
    }
    let dir = tempfile::Builder::new()
        .prefix("holdfast-image-")
        .tempdir()?;
    let told = image::first_day_and_update(&Files { image, update }, dir.path()).await;
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
