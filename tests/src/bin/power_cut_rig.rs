//! Serves the file system of [`tests::power_cut::Rig`], which starts it and talks to it.

use std::path::PathBuf;

use clap::Parser;

/// A folder seen through a file system that records changes and refuses calls.
#[derive(Debug, Parser)]
struct Arguments {
    /// What lies behind it.
    backing: PathBuf,
    /// Where it is mounted.
    mount: PathBuf,
    /// Remember every change.
    #[arg(long)]
    recording: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments {
        backing,
        mount,
        recording,
    } = Arguments::parse();
    tests::power_cut::serve(&backing, &mount, recording)
}
