//! Makes footage by hand: renders the standard cameras, converts a folder, or writes a reel as a recorder would.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use tests::footage::{StandardSpec, from_folder, standard};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Renders the two standard cameras.
    Standard {
        /// Where reels are kept.
        #[arg(long)]
        cache: PathBuf,
        /// True time of the first picture.
        #[arg(long)]
        start: Timestamp,
        /// Recordings of each camera.
        #[arg(long, default_value_t = 2)]
        recordings: u32,
        /// Length of each.
        #[arg(long, default_value_t = 20)]
        seconds: u32,
    },
    /// Converts the video files of a folder.
    Folder {
        /// Where reels are kept.
        #[arg(long)]
        cache: PathBuf,
        /// The folder.
        footage: PathBuf,
    },
    /// Writes a reel as the file that a recorder would give: header and program stream.
    Mux {
        /// Folder of the reel.
        reel: PathBuf,
        /// The file to write.
        output: PathBuf,
        /// True time of the first picture.
        #[arg(long, default_value = "2026-01-01T00:00:00Z")]
        start: Timestamp,
        /// Length, looped as needed; absent: the reel once.
        #[arg(long)]
        seconds: Option<u64>,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        What::Standard {
            cache,
            start,
            recordings,
            seconds,
        } => {
            let spec = StandardSpec {
                recordings,
                seconds,
                ..StandardSpec::starting(start)
            };
            for camera in standard(&cache, &spec)? {
                for clip in camera.clips {
                    println!("{}\t{}\t{}", camera.name, clip.start, clip.reel.display());
                }
                println!("{}\tlive\t{}", camera.name, camera.live.display());
            }
        }
        What::Folder { cache, footage } => {
            for clip in from_folder(&cache, &footage)?.clips {
                println!("{}\t{} s\t{}", clip.name, clip.seconds, clip.reel.display());
            }
        }
        What::Mux {
            reel,
            output,
            start,
            seconds,
        } => {
            let mut file = BufWriter::new(File::create(output)?);
            hcnetsdk::recorded(&reel, start, seconds, &mut file)?;
            file.flush()?;
        }
    }
    Ok(())
}
