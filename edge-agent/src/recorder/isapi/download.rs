//! A stored file over HTTP (`docs/ref/isapi.md`, "Download"): GET with a body or POST, whole or from a byte on, and
//! never taken for whole because a connection ended.

use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::answers::refusal;
use super::client::{Call, Client};
use super::learnt::{Learnt, Resume};
use super::uri::PlaybackUri;
use super::xml::{Element, escape};
use crate::recorder::driver::{FailureKind, PartProgress, RecorderError};

/// Path of a download.
const PATH: &str = "/ISAPI/ContentMgmt/download";
/// A body that has begun and gives nothing for this long is asked for again.
const STALL: Duration = Duration::from_secs(15);
/// Attempts in a row without a new byte after which it is left to the next attempt of the whole order.
const IDLE_ATTEMPTS: u32 = 3;
/// Pause before the connection is made anew.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// What a stated size and the bytes sent may differ by without it being a short end: the header, or the last pack.
const SIZE_SLACK_BYTES: u64 = 64 << 10;
/// A slice that is at least this part of the whole file has not been cut out of it.
const UNCUT_PER_CENT: u64 = 90;

/// What to fetch.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// As messages call it.
    pub name: &'a str,
    /// What the device wants to be told.
    pub uri: &'a PlaybackUri,
    /// Whole files have a size that can be compared; a slice does not.
    pub whole: bool,
    /// Where it goes; created or emptied.
    pub path: &'a Path,
    /// Expected bytes, for progress; 0 unknown.
    pub stated_bytes: u64,
    /// Bandwidth limit.
    pub limit_kbps: Option<u32>,
}

/// How one connection ended.
enum End {
    /// At the end that the device announced, or that the connection's end stands for.
    Whole,
    /// Before.
    Broken(RecorderError),
}

/// Fetches a file or a slice of it.
pub async fn fetch(
    client: &Client,
    learnt: &Learnt,
    wanted: Wanted<'_>,
    progress: &watch::Sender<PartProgress>,
    cancel: &CancellationToken,
) -> Result<u64, RecorderError> {
    let local = |error: std::io::Error| {
        let message = format!("cannot write {}: {error}", wanted.path.display());
        RecorderError::new(FailureKind::Local, message)
    };
    let mut sink = Sink {
        file: File::create(wanted.path).await.map_err(local)?,
        received: 0,
        total: None,
        wanted: &wanted,
        progress,
        pace: Pace::new(wanted.limit_kbps),
    };
    let mut idle = 0;
    loop {
        let before = sink.received;
        let attempt = one_connection(client, learnt, &mut sink);
        let end = match cancel.run_until_cancelled(attempt).await {
            Some(end) => end?,
            None => {
                sink.file.flush().await.map_err(local)?;
                return Err(RecorderError::new(
                    FailureKind::Cancelled,
                    "the download was stopped",
                ));
            }
        };
        let error = match end {
            End::Whole => break,
            End::Broken(error) => error,
        };
        idle = if sink.received > before { 0 } else { idle + 1 };
        let can_go_on = matches!(learnt.get().resume, Resume::Unknown | Resume::ByByte);
        if !can_go_on || idle >= IDLE_ATTEMPTS {
            sink.file.flush().await.map_err(local)?;
            return Err(error);
        }
        tracing::info!(
            recorder.address = client.at(),
            source.name = wanted.name,
            received_bytes = sink.received,
            reason = error.message,
            "A download broke and goes on where it stopped"
        );
        if cancel
            .run_until_cancelled(tokio::time::sleep(RETRY_PAUSE))
            .await
            .is_none()
        {
            return Err(RecorderError::new(
                FailureKind::Cancelled,
                "the download was stopped",
            ));
        }
    }
    sink.file.flush().await.map_err(local)?;
    progress.send_replace(PartProgress {
        received_bytes: sink.received,
        percent: 100,
    });
    Ok(sink.received)
}

struct Sink<'a> {
    file: File,
    received: u64,
    /// Length of all of it, once the device has told.
    total: Option<u64>,
    wanted: &'a Wanted<'a>,
    progress: &'a watch::Sender<PartProgress>,
    pace: Pace,
}

impl Sink<'_> {
    async fn put(&mut self, piece: &[u8]) -> Result<(), RecorderError> {
        self.file.write_all(piece).await.map_err(|error| {
            let message = format!("cannot write {}: {error}", self.wanted.path.display());
            RecorderError::new(FailureKind::Local, message)
        })?;
        self.received += piece.len() as u64;
        let percent = match self.wanted.stated_bytes {
            0 => 0,
            stated => (self.received.saturating_mul(100) / stated).min(99) as u8,
        };
        self.progress.send_replace(PartProgress {
            received_bytes: self.received,
            percent,
        });
        self.pace.wait(piece.len()).await;
        Ok(())
    }
}

/// Asks once, from where the file ends, and takes what comes. `Err` is for what another attempt would not mend.
async fn one_connection(
    client: &Client,
    learnt: &Learnt,
    sink: &mut Sink<'_>,
) -> Result<End, RecorderError> {
    let what = format!("download {}", sink.wanted.name);
    let from = sink.received;
    let mut response = match open(client, learnt, sink.wanted, from, &what).await {
        Ok(response) => response,
        Err(error) if error.kind == FailureKind::Network => return Ok(End::Broken(error)),
        Err(error) => return Err(error),
    };
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // Nothing behind the last byte.
        return Ok(ended(client, learnt, sink, &what));
    }
    if from > 0 {
        let Some(total) = continues(&response, from) else {
            learnt.note(|ways| ways.resume = Resume::BySlice);
            let message = format!(
                "{}: cannot {what}: the connection broke after {from} bytes, and the recorder only begins anew",
                client.at()
            );
            return Err(RecorderError::new(FailureKind::Network, message));
        };
        sink.total = sink.total.or(total);
        learnt.note(|ways| ways.resume = Resume::ByByte);
    }
    let announced = response.content_length();
    if from == 0 {
        sink.total = announced;
    }
    if !sink.wanted.whole && is_uncut(sink.wanted, announced) {
        learnt.note(|ways| ways.resume = Resume::Never);
        let message = format!(
            "{}: cannot {what}: asked for a part, the recorder sends the whole file; it is fetched as a whole next time",
            client.at()
        );
        return Err(RecorderError::new(FailureKind::Device, message));
    }
    loop {
        let piece = match tokio::time::timeout(STALL, response.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Ok(End::Broken(client.broken(&what, &error))),
            Err(_) => {
                let message = format!(
                    "{}: cannot {what}: nothing more came after {} bytes",
                    client.at(),
                    sink.received
                );
                return Ok(End::Broken(RecorderError::new(
                    FailureKind::Network,
                    message,
                )));
            }
        };
        // A refusal with status 200.
        if sink.received == 0 && matches!(piece.first(), Some(b'<' | b'{')) {
            let told = Element::parse(&piece).map(|root| refusal(&root));
            return Err(client.refusal(&what, StatusCode::OK, &told.unwrap_or_default()));
        }
        sink.put(&piece).await?;
    }
    Ok(ended(client, learnt, sink, &what))
}

/// A body came to its end. Without an announced length the end of the connection says nothing: the stated size does.
fn ended(client: &Client, learnt: &Learnt, sink: &Sink<'_>, what: &str) -> End {
    if sink.received == 0 {
        let message = format!("{}: cannot {what}: the recorder sent nothing", client.at());
        return End::Broken(RecorderError::new(FailureKind::Device, message));
    }
    let stated = sink.wanted.uri.size_bytes();
    let is_short = match sink.total {
        Some(total) => sink.received < total,
        None => {
            sink.wanted.whole
                && sink.received.saturating_add(SIZE_SLACK_BYTES) < stated
                && !learnt.note(|ways| ways.ended_short(sink.wanted.name, sink.received))
        }
    };
    if !is_short {
        return End::Whole;
    }
    let stated = sink.total.unwrap_or(stated);
    let message = format!(
        "{}: cannot {what}: the recorder ended it after {} of {stated} bytes",
        client.at(),
        sink.received
    );
    End::Broken(RecorderError::new(FailureKind::Network, message))
}

/// An answer that begins at this byte: the length of the whole, where it tells. None for another answer.
fn continues(response: &reqwest::Response, from: u64) -> Option<Option<u64>> {
    let range = response
        .headers()
        .get(http::header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let range = range.strip_prefix("bytes ")?;
    let begins_at = range.split('-').next()?.trim().parse().ok();
    let total = range
        .rsplit('/')
        .next()
        .and_then(|total| total.trim().parse().ok());
    (response.status() == StatusCode::PARTIAL_CONTENT && begins_at == Some(from)).then_some(total)
}

fn is_uncut(wanted: &Wanted<'_>, announced: Option<u64>) -> bool {
    let whole = wanted.uri.size_bytes();
    let expected = wanted.stated_bytes;
    // Only where a slice is expected to be clearly less than the file.
    whole > 0
        && expected.saturating_mul(2) < whole
        && announced
            .is_some_and(|bytes| bytes.saturating_mul(100) >= whole.saturating_mul(UNCUT_PER_CENT))
}

/// The first bytes of a recording, at most so many; the rest is not waited for.
pub async fn head(
    client: &Client,
    learnt: &Learnt,
    uri: &PlaybackUri,
    bytes_max: usize,
) -> Result<Vec<u8>, RecorderError> {
    let wanted = Wanted {
        name: "a recording's beginning",
        uri,
        whole: false,
        path: Path::new(""),
        stated_bytes: 0,
        limit_kbps: None,
    };
    let what = "look at a recording's beginning";
    let mut response = open(client, learnt, &wanted, 0, what).await?;
    let mut bytes = Vec::new();
    while bytes.len() < bytes_max {
        match response.chunk().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return Err(client.broken(what, &error)),
        }
    }
    Ok(bytes)
}

/// By the method that the device takes.
async fn open(
    client: &Client,
    learnt: &Learnt,
    wanted: &Wanted<'_>,
    from: u64,
    what: &str,
) -> Result<reqwest::Response, RecorderError> {
    let body = format!(
        "<downloadRequest><playbackURI>{}</playbackURI></downloadRequest>",
        escape(wanted.uri.as_str())
    );
    let call = |post: bool| Call {
        what,
        method: if post { Method::POST } else { Method::GET },
        path: PATH,
        body: Some(body.clone()),
        from_byte: (from > 0).then_some(from),
    };
    let post = learnt.get().post_downloads;
    match client.open(call(post)).await {
        Err(error) if error.kind == FailureKind::Unsupported => {
            let response = client.open(call(!post)).await.map_err(|_| error)?;
            learnt.note(|ways| ways.post_downloads = !post);
            Ok(response)
        }
        other => other,
    }
}

/// Holds a download to its bandwidth.
struct Pace {
    bytes_per_s: Option<f64>,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    fn new(limit_kbps: Option<u32>) -> Self {
        Self {
            bytes_per_s: limit_kbps.map(|kbps| f64::from(kbps.max(1)) * 125.0),
            begun: Instant::now(),
            bytes: 0,
        }
    }

    async fn wait(&mut self, bytes: usize) {
        let Some(rate) = self.bytes_per_s else {
            return;
        };
        self.bytes += bytes as u64;
        let due = Duration::from_secs_f64(self.bytes as f64 / rate);
        let early = due.saturating_sub(self.begun.elapsed());
        if early > Duration::from_millis(5) {
            tokio::time::sleep(early).await;
        }
    }
}
