//! Whether a recorder gives footage: the first bytes of a recording, or of the live stream where there is none.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;

use crate::model::inventory::FoundRecording;
use crate::recorder::config::SdkConfig;
use crate::recorder::driver::{
    FailureKind, PartProgress, PartRequest, RecorderError, RecorderSession, Source, StreamKind,
};

/// A live stream begins with a header of 40 bytes, which may come before any picture does.
const HEADER_BYTES: usize = 40;

/// Downloads a recording until its first bytes are there.
pub async fn of_recording(
    at: &str,
    session: &RecorderSession,
    channel: u32,
    recording: &FoundRecording,
    config: &SdkConfig,
) -> Result<String, RecorderError> {
    let scratch = Scratch::make(config)?;
    let request = PartRequest {
        source: Source::Name(recording.source_name.clone()),
        path: scratch.0.join("000.ps"),
        stated_bytes: recording.stated_bytes,
        limit_kbps: None,
    };
    let (sender, mut progress) = watch::channel(PartProgress::default());
    let cancel = CancellationToken::new();
    let began = Instant::now();
    let mut transfer = Box::pin(session.download(request, sender, cancel.clone()));
    let arrived = async {
        let some = progress.wait_for(|progress| progress.received_bytes > 0);
        if some.await.is_err() {
            // The transfer has ended, and says itself how.
            std::future::pending::<()>().await;
        }
    };
    let is_over = tokio::select! {
        done = &mut transfer => {
            done?;
            true
        }
        () = arrived => false,
        () = tokio::time::sleep(patience(config)) => {
            cancel.cancel();
            drop(transfer.await);
            return Err(silent(at, &format!("channel {channel}'s newest recording"), config));
        }
    };
    let after_ms = began.elapsed().as_millis();
    if !is_over {
        cancel.cancel();
        // It was stopped; how is of no interest.
        drop(transfer.await);
    }
    Ok(format!(
        "the first bytes of channel {channel}'s recording of {} came after {after_ms} ms",
        recording.start.wall.strftime("%Y-%m-%d %H:%M:%S")
    ))
}

/// Watches a channel until its first picture is there.
pub async fn of_live(
    at: &str,
    session: &RecorderSession,
    channel: u32,
    config: &SdkConfig,
) -> Result<String, RecorderError> {
    let began = Instant::now();
    let what = format!("channel {channel}'s live stream");
    let first = async {
        let mut stream = session.live(channel, StreamKind::Main).await?;
        let mut bytes = Vec::new();
        while bytes.len() <= HEADER_BYTES {
            let read = stream.bytes.read_buf(&mut bytes).await;
            if !read.is_ok_and(|read| read > 0) {
                let message = format!("{at}: {what} ended before its first picture");
                return Err(RecorderError::new(FailureKind::Device, message));
            }
        }
        Ok(())
    };
    tokio::time::timeout(patience(config), first)
        .await
        .unwrap_or_else(|_| Err(silent(at, &what, config)))?;
    Ok(format!(
        "no finished recording to try; {what} gave its first bytes after {} ms",
        began.elapsed().as_millis()
    ))
}

fn patience(config: &SdkConfig) -> Duration {
    Duration::from_secs(config.stall_timeout_s.max(1).into())
}

fn silent(at: &str, what: &str, config: &SdkConfig) -> RecorderError {
    let message = format!(
        "{at}: nothing of {what} came in {} s: check the disk of the recorder, and that the account may play back",
        config.stall_timeout_s.max(1)
    );
    RecorderError::new(FailureKind::Device, message)
}

/// A folder for what is fetched, which goes with this. It looks like a recording's that nobody knows, so that what a kill
/// leaves is swept at start.
struct Scratch(PathBuf);

impl Scratch {
    fn make(config: &SdkConfig) -> Result<Self, RecorderError> {
        let staging = config.staging.first().unwrap_or(&config.work_dir);
        let folder = staging.join(RecordingId::new().to_string());
        std::fs::create_dir_all(&folder).map_err(|error| {
            let message = format!("cannot make {}: {error}", folder.display());
            RecorderError::new(FailureKind::Local, message)
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "What a connection test fetched cannot be removed");
        }
    }
}
