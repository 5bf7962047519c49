//! One order -> parts with digests and a journal; resume, progress, bandwidth (R6).
//!
//! A recording is cut into slices. A slice is fetched into `<staging folder>/NNN.ps` by the vendor's library and hashed
//! here as it grows. Whatever breaks (the link, the recorder, its worker, the agent, the power), the groups of pictures
//! that came whole stay, and the next attempt asks for the rest by time into a file of its own (`mend.rs`). Who fetches
//! is handed in, so this stage knows of no session: `pipeline.rs` owns that.

pub mod journal;
pub mod mend;
pub mod slices;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;

use self::journal::{Came, Journal, Log};
use self::mend::{Hole, Next, Span};
use self::slices::{Slice, Wanted};
use self::tail::{Received, Tail};
use crate::governor::Way;
use crate::model::staged::Parts;
use crate::model::time::RecorderTime;
use crate::recorder::driver::{FailureKind, PartProgress, PartRequest, RecorderError, Source};

/// Pause between two notes of progress.
const NOTE_PAUSE: Duration = Duration::from_secs(1);
/// How long a cancelled part may take to be let go of by the recorder's side.
const LET_GO: Duration = Duration::from_secs(15);
/// How often a hole is asked for in vain before it counts as one that the recorder has too.
const TRIES: u32 = 2;
/// Times in a row that asking by time brings nothing until a recording is asked for as a whole again.
const IN_VAIN_MAX: u32 = 4;
/// Files that one slice may come in within one order; more holes than that are no accident.
const MENDS_MAX: u32 = 100;

/// One decision to download one recording now.
#[derive(Debug, Clone)]
pub struct DownloadOrder {
    /// Which.
    pub recording: RecordingId,
    /// Name of its recorder, for words.
    pub recorder_name: String,
    /// What to ask for.
    pub wanted: Wanted,
    /// Its staging folder, which exists.
    pub folder: PathBuf,
    /// Ask for it as a whole: its slices did not meet when they were joined.
    pub whole: bool,
    /// By how much this device's stated sizes differ from what arrives; None: not learnt yet.
    pub size_delta_bytes: Option<i64>,
    /// Set when something came that was not there before, also by an order that fails then.
    pub gained: Arc<AtomicBool>,
}

/// How to download.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Length of a part.
    pub slice: Duration,
    /// Longest time without a new byte.
    pub stall: Duration,
}

/// Why an order could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The recorder or the way to it.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// Its place at the recorder was wanted for people, or its time of day is over. What came whole is kept.
    #[error("the download gave its place at the recorder back")]
    GaveWay,
    /// The disk of this box.
    #[error("cannot write {path}: {source}")]
    Local {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn local(path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_owned();
    move |source| DownloadError::Local { path, source }
}

/// What is told while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// All of the recording is about to come into this file, if nothing goes wrong.
    Begins(&'a Path),
    /// Bytes received so far; at most once a second.
    Received(u64),
}

/// Fetches what is still missing of a recording. `fetch` fetches one part to its end (the port's `download`), `note`
/// hears how it goes. The bandwidth is the business of `fetch`. `way` says when its place is to be given back: that is
/// done between two parts, or in the middle of one that would take too long.
pub async fn download<F: Future<Output = Result<u64, RecorderError>>>(
    order: &DownloadOrder,
    manner: Manner,
    fetch: impl Fn(PartRequest, watch::Sender<PartProgress>, CancellationToken) -> F,
    note: impl Fn(News<'_>),
    way: &Way,
    cancel: &CancellationToken,
) -> Result<Parts, DownloadError> {
    let slices = slices::cut(&order.wanted, manner.slice, order.whole);
    let mut journal = {
        let (folder, slices) = (order.folder.clone(), slices.clone());
        blocking(&order.folder, move || Journal::open(&folder, &slices)).await?
    };
    for (n, slice) in slices.iter().enumerate() {
        let span = span(order, slice);
        let (mut given_up, mut in_vain) = (BTreeSet::new(), 0);
        let begun = journal.fetches(n);
        while journal.done(n).is_none() {
            let hole = match mend::next(&span, journal.held(n), &given_up) {
                Next::Done(stretches) => {
                    journal = blocking(&order.folder, move || {
                        journal.finish(n, stretches)?;
                        Ok(journal)
                    })
                    .await?;
                    continue;
                }
                Next::Whole => None,
                // By time nothing comes of this recorder: all of it once more, as it came before.
                Next::Mend(_) if journal.in_vain(n) >= IN_VAIN_MAX => None,
                Next::Mend(hole) => Some(hole),
            };
            if way.asked().is_some() {
                return Err(DownloadError::GaveWay);
            }
            let request = match hole {
                _ if journal.fetches(n) - begun >= MENDS_MAX => {
                    return Err(RecorderError::new(
                        FailureKind::Device,
                        format!(
                            "{} does not come whole from {}: it was asked for in {MENDS_MAX} parts",
                            order.wanted.source_name, order.recorder_name
                        ),
                    )
                    .into());
                }
                None => slice.clone(),
                Some(hole) => missing(order, slice, &span, hole),
            };
            let (path, log) = journal
                .next_file(n, hole.is_some())
                .map_err(local(&order.folder))?;
            let before = mend::sound_bytes(&span, journal.held(n));
            let sum = journal.bytes_before(n) + before;
            if hole.is_none() && slices.len() == 1 {
                note(News::Begins(&path));
            }
            let note = |bytes: u64| note(News::Received(sum + bytes));
            let means = Means {
                manner,
                fetch: &fetch,
                way,
                cancel,
            };
            let fetched = part(order, &request, &path, log, means, note).await;
            let Fetched {
                mut outcome,
                received,
            } = fetched;
            if let Some(received) = received {
                let came = Came {
                    ended: outcome.is_ok(),
                    mends: hole.is_some(),
                    is_all: outcome.is_ok() && hole.is_none() && slices.len() == 1,
                };
                let path = path.clone();
                let bytes;
                (journal, bytes) = blocking(&order.folder, move || {
                    let bytes = journal.adopt(n, &path, received, came)?;
                    Ok((journal, bytes))
                })
                .await?;
                if outcome.as_ref().is_ok_and(|told| *told > bytes) {
                    return Err(RecorderError::new(
                        FailureKind::Worker,
                        format!(
                            "{} bytes of {} were said to be written, {bytes} are there",
                            outcome.unwrap_or_default(),
                            order.wanted.source_name
                        ),
                    )
                    .into());
                }
            }
            if mend::sound_bytes(&span, journal.held(n)) > before {
                order.gained.store(true, Ordering::Relaxed);
            }
            // The recorder has nothing more of it: what is there is all that there is.
            if let (Some(_), Err(DownloadError::Recorder(error))) = (hole, &outcome)
                && error.kind == FailureKind::SourceGone
            {
                outcome = Ok(0);
            }
            outcome?;
            // Asked for and given, and still missing.
            if let Next::Mend(left) = mend::next(&span, journal.held(n), &given_up)
                && hole.is_some_and(|hole| hole.from == left.from)
            {
                in_vain += 1;
                if in_vain >= TRIES {
                    given_up.insert(left.from);
                }
            } else {
                in_vain = 0;
            }
        }
    }
    let stretches: Vec<_> = (0..slices.len())
        .filter_map(|n| journal.done(n))
        .flatten()
        .cloned()
        .collect();
    let received = {
        let stretches: Vec<_> = stretches.clone();
        let (kept, received) = blocking(&order.folder, move || {
            let received = journal.received(&stretches)?;
            Ok((journal, received))
        })
        .await?;
        journal = kept;
        received
    };
    let parts = Parts {
        recording: order.recording,
        folder: order.folder.clone(),
        by_name: matches!(
            slices[..],
            [Slice {
                source: Source::Name(_),
                ..
            }]
        ) && !journal.is_mended(0),
        bytes: (0..slices.len()).map(|n| journal.slice_bytes(n)).sum(),
        fetched_bytes: journal.fetched_bytes().map_err(local(&order.folder))?,
        stretches,
        received,
    };
    note(News::Received(parts.bytes));
    Ok(parts)
}

fn span(order: &DownloadOrder, slice: &Slice) -> Span {
    let Wanted {
        start,
        end,
        next_start,
        ..
    } = order.wanted;
    let turned = start.second_pass != end.second_pass;
    match &slice.source {
        Source::Name(_) => Span {
            start: start.wall,
            end: end.wall,
            next_start,
            by_time: false,
            expected_bytes: order
                .size_delta_bytes
                .filter(|_| slice.stated_bytes > 0)
                .map(|delta| slice.stated_bytes.saturating_add_signed(delta)),
            turned,
        },
        Source::Time { start, end, .. } => Span {
            start: start.wall,
            end: end.wall,
            next_start,
            by_time: true,
            expected_bytes: None,
            turned,
        },
    }
}

/// What is to be asked for to fill a hole: whole seconds, from the one in which the group before it begins.
fn missing(order: &DownloadOrder, slice: &Slice, span: &Span, hole: Hole) -> Slice {
    let second = |time: jiff::civil::DateTime| RecorderTime {
        wall: time.with().subsec_nanosecond(0).build().unwrap_or(time),
        second_pass: order.wanted.start.second_pass,
    };
    let seconds = |from: RecorderTime, to: RecorderTime| {
        to.wall.duration_since(from.wall).as_secs().max(0) as u64
    };
    let start = second(hole.from.unwrap_or(span.start));
    let end = second(hole.to.unwrap_or(span.end).max(start.wall));
    let all = seconds(second(span.start), second(span.end)).max(1);
    let share = seconds(start, end).min(all);
    Slice {
        source: Source::Time {
            channel: order.wanted.channel,
            start,
            end,
        },
        stated_bytes: (u128::from(slice.stated_bytes) * u128::from(share) / u128::from(all)) as u64,
    }
}

/// How the fetching of one part ended, and what it left.
struct Fetched {
    outcome: Result<u64, DownloadError>,
    /// None: nothing.
    received: Option<Received>,
}

impl From<DownloadError> for Fetched {
    fn from(error: DownloadError) -> Self {
        Self {
            outcome: Err(error),
            received: None,
        }
    }
}

/// How a part is fetched.
struct Means<'a, Fetch> {
    manner: Manner,
    fetch: &'a Fetch,
    way: &'a Way,
    cancel: &'a CancellationToken,
}

/// Fetches one part and hashes it as it comes.
async fn part<Fetch, F>(
    order: &DownloadOrder,
    slice: &Slice,
    path: &Path,
    log: Log,
    means: Means<'_, Fetch>,
    note: impl Fn(u64),
) -> Fetched
where
    Fetch: Fn(PartRequest, watch::Sender<PartProgress>, CancellationToken) -> F,
    F: Future<Output = Result<u64, RecorderError>>,
{
    let Means { manner, way, .. } = means;
    if means.cancel.is_cancelled() {
        let cancelled = RecorderError::new(FailureKind::Cancelled, "the download was stopped");
        return DownloadError::from(cancelled).into();
    }
    let tail = match Tail::follow(path, Some(log)).map_err(local(path)) {
        Ok(tail) => tail,
        Err(error) => return error.into(),
    };
    let request = PartRequest {
        source: slice.source.clone(),
        path: path.to_owned(),
        stated_bytes: slice.stated_bytes,
        limit_kbps: None,
    };
    let (progress, received) = watch::channel(PartProgress::default());
    // A child, so that a stalled part can be stopped without stopping the order.
    let stop = means.cancel.child_token();
    let fetching = (means.fetch)(request, progress, stop.clone());
    let mut fetching = std::pin::pin!(fetching);
    let began = Instant::now();
    let (mut last, mut give_by) = ((0, began), None);
    let outcome = loop {
        let wake = Instant::now() + NOTE_PAUSE;
        tokio::select! {
            outcome = &mut fetching => break outcome.map_err(DownloadError::from),
            by = way.changed(give_by) => give_by = Some(by),
            () = tokio::time::sleep_until(give_by.map_or(wake, |by| wake.min(by))) => {}
        }
        let PartProgress {
            received_bytes: bytes,
            percent,
        } = *received.borrow();
        if bytes != last.0 {
            last = (bytes, Instant::now());
            note(bytes);
        }
        let stalled = last.1.elapsed() > manner.stall;
        let gives_way = give_by.is_some_and(|by| {
            let left = by.saturating_duration_since(Instant::now());
            !ends_within(left, began.elapsed(), percent)
        });
        if !stalled && !gives_way {
            continue;
        }
        stop.cancel();
        match tokio::time::timeout(LET_GO, &mut fetching).await {
            // It came whole in the last moment.
            Ok(Ok(bytes)) => break Ok(bytes),
            Ok(Err(error)) if error.kind != FailureKind::Cancelled => break Err(error.into()),
            Ok(Err(_)) => {}
            Err(_) => tracing::warn!(
                recording.id = %order.recording,
                "The recorder's side does not let go of a part that was stopped"
            ),
        }
        if gives_way {
            break Err(DownloadError::GaveWay);
        }
        break Err(DownloadError::Recorder(RecorderError::new(
            FailureKind::Network,
            format!(
                "{} sent nothing for {} s in the middle of {}",
                order.recorder_name,
                manner.stall.as_secs(),
                order.wanted.source_name
            ),
        )));
    };
    match (outcome, blocking(path, move || tail.finish()).await) {
        (outcome, Ok(received)) => Fetched {
            outcome,
            received: Some(received),
        },
        // Nothing came, and why is known.
        (Err(error), Err(DownloadError::Local { source, .. }))
            if source.kind() == io::ErrorKind::NotFound =>
        {
            error.into()
        }
        (_, Err(error)) => error.into(),
    }
}

/// Whether a part that has come so far comes to its end in the time that is left, going on as it went.
fn ends_within(left: Duration, elapsed: Duration, percent: u8) -> bool {
    let percent = u32::from(percent.min(100));
    !left.is_zero() && percent > 0 && elapsed * (100 - percent) / percent <= left
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, DownloadError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| local(path)(io::Error::other(panic)))?
        .map_err(local(path))
}
