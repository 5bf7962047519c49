//! A recording written down while it plays over RTSP, for devices without downloads. As slow as the recording is long.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::rtsp::{Playing, Stopped};
use crate::recorder::driver::{FailureKind, PartProgress, PartRequest, RecorderError};

/// Silence after which a playback is over, or broken: its length decides which.
const SILENCE: Duration = Duration::from_secs(10);
/// A playback that has run for this part of its length and falls silent is over.
const DONE_PER_CENT: u64 = 90;

/// Writes what plays into the part's file.
pub async fn write(
    playing: Playing,
    part: &PartRequest,
    seconds: Option<u64>,
    progress: &watch::Sender<PartProgress>,
    cancel: &CancellationToken,
) -> Result<u64, RecorderError> {
    let local = |error: std::io::Error| {
        let message = format!("cannot write {}: {error}", part.path.display());
        RecorderError::new(FailureKind::Local, message)
    };
    let begun = Instant::now();
    let mut file = Counted {
        file: File::create(&part.path).await.map_err(local)?,
        bytes: 0,
        stated_bytes: part.stated_bytes,
        progress,
        failure: None,
    };
    let stopped = playing.write_to(&mut file, SILENCE, cancel).await;
    file.file.flush().await.map_err(local)?;
    if let Some(error) = file.failure.take() {
        return Err(local(error));
    }
    let played = begun.elapsed().saturating_sub(SILENCE).as_secs();
    let was_long_enough = |expected: u64| played * 100 >= expected * DONE_PER_CENT;
    match stopped {
        Stopped::Ended => {}
        Stopped::Silent(_) if seconds.is_some_and(was_long_enough) => {}
        Stopped::Broken(error) | Stopped::Silent(error) => return Err(error),
        Stopped::Unwanted => {
            return Err(RecorderError::new(
                FailureKind::Cancelled,
                "the download was stopped",
            ));
        }
    }
    progress.send_replace(PartProgress {
        received_bytes: file.bytes,
        percent: 100,
    });
    Ok(file.bytes)
}

/// A file that tells how far it has grown, and remembers why it could not.
struct Counted<'a> {
    file: File,
    bytes: u64,
    stated_bytes: u64,
    progress: &'a watch::Sender<PartProgress>,
    failure: Option<std::io::Error>,
}

impl AsyncWrite for Counted<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.file).poll_write(cx, bytes));
        match written {
            Ok(count) => {
                self.bytes += count as u64;
                let percent = match self.stated_bytes {
                    0 => 0,
                    stated => (self.bytes.saturating_mul(100) / stated).min(99) as u8,
                };
                self.progress.send_replace(PartProgress {
                    received_bytes: self.bytes,
                    percent,
                });
                Poll::Ready(Ok(count))
            }
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                Poll::Ready(Err(kind.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.file).poll_shutdown(cx)
    }
}
