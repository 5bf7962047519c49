//! A stand-in for the vendor's SDK: a shared library with its name, its symbols and its layout, whose recorders come
//! from a scenario file beside it. `README.md` explains how to write one.
//!
//! The same code as a Rust library gives tests what they need around it: reels, scenarios and the journal of calls.
#![cfg_attr(
    feature = "legacy",
    allow(
        dead_code,
        unused_imports,
        reason = "what only the V50 family uses stays in place"
    )
)]

mod callback;
pub mod chaos;
pub mod clock;
pub mod codes;
mod config;
mod exports;
mod faults;
pub mod feed;
mod ffi;
pub mod folder;
mod handles;
pub mod hostile;
pub mod layout;
mod live;
mod part_file;
mod play;
pub mod ps;
pub mod reel;
pub mod scenario;
mod sdk;
mod search;
mod session;
pub mod state;
mod world;

/// Writes the reel at `folder` as the file of a recorder whose clock is right and shows UTC, without a scenario: looped
/// to `seconds`, or once.
pub fn recorded(
    folder: &std::path::Path,
    start: jiff::Timestamp,
    seconds: Option<u64>,
    output: &mut impl std::io::Write,
) -> anyhow::Result<()> {
    let reel = std::sync::Arc::new(reel::Reel::open(folder)?);
    let end_ticks = seconds.map_or(reel.description.duration_ticks, |seconds| {
        seconds * reel::TICKS_PER_S
    });
    let stretch = feed::Stretch::of_recording(feed::Steps::whole(reel, end_ticks), start);
    let mut feed = feed::Feed::new(vec![stretch], clock::RecorderClock::new("Z", 0)?);
    output.write_all(&feed.header())?;
    let mut piece = Vec::new();
    while feed.next_piece(&mut piece)?.is_some() {
        output.write_all(&piece)?;
        piece.clear();
    }
    Ok(())
}
