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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::media::sample::{self, Kind};

    fn order(folder: &Path, minutes: i64) -> DownloadOrder {
        let start: crate::model::time::RecorderTime = "2026-11-03T15:00:00".parse().unwrap();
        DownloadOrder {
            recording: RecordingId::new(),
            recorder_name: "Hall".into(),
            wanted: Wanted {
                source_name: "ch33_00000000001".into(),
                channel: 33,
                start,
                end: crate::model::time::RecorderTime::new(
                    start
                        .wall
                        .saturating_add(jiff::SignedDuration::from_mins(minutes)),
                ),
                next_start: None,
                stated_bytes: 0,
            },
            folder: folder.to_owned(),
            whole: false,
            size_delta_bytes: None,
            gained: Arc::default(),
        }
    }

    const MANNER: Manner = Manner {
        slice: Duration::from_secs(600),
        stall: Duration::from_secs(30),
    };

    fn write(request: &PartRequest, bytes: &[u8]) -> u64 {
        std::fs::write(&request.path, bytes).unwrap();
        bytes.len() as u64
    }

    #[tokio::test]
    async fn only_the_part_that_failed_is_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        let order = order(dir.path(), 30);
        let asked = RefCell::new(Vec::new());
        let cancel = CancellationToken::new();
        let asked_of = &asked;
        let fetch = |request: PartRequest, _, _| async move {
            let asked = asked_of;
            let first_time = asked.borrow().len() == 1;
            asked
                .borrow_mut()
                .push(request.path.file_name().unwrap().to_owned());
            let bytes = write(&request, format!("{:?}", request.source).as_bytes());
            if first_time {
                return Err(RecorderError::new(FailureKind::Network, "cut"));
            }
            Ok(bytes)
        };
        let error = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel).await;
        assert!(matches!(error, Err(DownloadError::Recorder(_))));
        assert!(!order.gained.load(Ordering::Relaxed) || asked.borrow().len() > 1);
        let parts = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
            .await
            .unwrap();
        assert_eq!(*asked.borrow(), ["000.ps", "001.ps", "001-1.ps", "002.ps"]);
        assert_eq!(parts.stretches.len(), 3);
        assert!(!parts.by_name);
        let on_disk: u64 = parts
            .stretches
            .iter()
            .map(|s| s.path.metadata().unwrap().len())
            .sum();
        assert_eq!(parts.bytes, on_disk);
        // What broke was fetched too.
        assert!(parts.fetched_bytes > on_disk);
    }

    /// A recorder with one recording of five groups that does by time what devices do: whole groups.
    struct Nvr {
        reel: hcnetsdk::reel::Reel,
        asked: RefCell<Vec<PartRequest>>,
    }

    impl Nvr {
        fn new() -> Self {
            Self {
                reel: sample::open(Kind::Gate),
                asked: RefCell::default(),
            }
        }

        /// All bytes of the answer.
        fn answer(&self, request: &PartRequest) -> Vec<u8> {
            self.asked.borrow_mut().push(request.clone());
            match &request.source {
                Source::Name(_) => sample::part(&self.reel, 0, 5),
                Source::Time { start, end, .. } => {
                    let begin: RecorderTime = "2026-11-03T15:05:00".parse().unwrap();
                    let group = |time: &RecorderTime| {
                        (time.wall.duration_since(begin.wall).as_secs().max(0) / 2).min(4) as usize
                    };
                    sample::part(&self.reel, group(start), group(end) + 1)
                }
            }
        }
    }

    fn ten_seconds(folder: &Path) -> DownloadOrder {
        let start: RecorderTime = "2026-11-03T15:05:00".parse().unwrap();
        let mut order = order(folder, 5);
        order.wanted.start = start;
        order.wanted.end = "2026-11-03T15:05:10".parse().unwrap();
        order
    }

    /// The joined bytes of what lies there.
    fn joined(parts: &Parts) -> Vec<u8> {
        let source = crate::media::remux::Source::open(parts.stretches.clone()).unwrap();
        assert!(source.joined.gap_ms < 100, "{:?}", source.joined);
        let mut bytes = Vec::new();
        source
            .copy_to(&mut bytes, &CancellationToken::new())
            .unwrap();
        bytes
    }

    /// Whatever breaks wherever: what is there at the end is what the recorder has, and little is fetched twice.
    #[tokio::test]
    async fn a_broken_part_goes_on_where_it_broke() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let whole = sample::part(&nvr.reel, 0, 5);
        let group = whole.len() as u64 / 5;
        for break_at in [0, 41, whole.len() / 7, whole.len() / 2, whole.len() - 1] {
            let dir = tempfile::tempdir().unwrap();
            let order = ten_seconds(dir.path());
            nvr.asked.borrow_mut().clear();
            let fetch = |request: PartRequest, _, _| async move {
                let bytes = nvr.answer(&request);
                if nvr.asked.borrow().len() == 1 {
                    write(&request, &bytes[..break_at]);
                    return Err(RecorderError::new(FailureKind::Worker, "killed"));
                }
                Ok(write(&request, &bytes))
            };
            let cancel = CancellationToken::new();
            let broken = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel).await;
            assert!(broken.is_err());
            let came = order.gained.load(Ordering::Relaxed);
            assert_eq!(came, break_at as u64 > group * 3 / 2, "{break_at}");
            let parts = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
                .await
                .unwrap();
            assert!(joined(&parts) == whole, "broken at {break_at}");
            let twice = parts.fetched_bytes - whole.len() as u64;
            assert!(
                twice < group * 3,
                "{twice} bytes twice, broken at {break_at}"
            );
            assert_eq!(nvr.asked.borrow().len(), 2);
        }
    }

    #[tokio::test]
    async fn an_end_that_comes_early_is_not_believed() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let whole = sample::part(&nvr.reel, 0, 5);
        let dir = tempfile::tempdir().unwrap();
        let mut order = ten_seconds(dir.path());
        order.wanted.stated_bytes = whole.len() as u64 - 40;
        order.size_delta_bytes = Some(40);
        let cut = whole.len() - 500;
        let fetch = |request: PartRequest, _, _| async move {
            let bytes = nvr.answer(&request);
            let first = nvr.asked.borrow().len() == 1;
            Ok(write(&request, if first { &bytes[..cut] } else { &bytes }))
        };
        let parts = download(
            &order,
            MANNER,
            fetch,
            |_| {},
            &Way::default(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        assert!(joined(&parts) == whole);
        assert!(!parts.by_name, "its size says nothing now");
    }

    #[tokio::test]
    async fn a_recorder_that_gives_nothing_by_time_is_asked_for_all_of_it_again() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let dir = tempfile::tempdir().unwrap();
        let order = ten_seconds(dir.path());
        let fetch = |request: PartRequest, _, _| async move {
            let bytes = nvr.answer(&request);
            if nvr.asked.borrow().len() == 1 {
                write(&request, &bytes[..bytes.len() / 2]);
                return Err(RecorderError::new(FailureKind::Network, "cut"));
            }
            match request.source {
                Source::Name(_) => Ok(write(&request, &bytes)),
                Source::Time { .. } => {
                    write(&request, b"");
                    Err(RecorderError::new(FailureKind::Device, "not by time"))
                }
            }
        };
        let (way, cancel) = (Way::default(), CancellationToken::new());
        for _ in 0..=IN_VAIN_MAX {
            let broken = download(&order, MANNER, &fetch, |_| {}, &way, &cancel).await;
            assert!(broken.is_err());
        }
        let parts = download(&order, MANNER, &fetch, |_| {}, &way, &cancel).await;
        assert!(joined(&parts.unwrap()) == sample::part(&nvr.reel, 0, 5));
    }

    #[tokio::test]
    async fn what_the_recorder_lacks_is_asked_for_twice_more_and_no_oftener() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let dir = tempfile::tempdir().unwrap();
        let order = ten_seconds(dir.path());
        // Of ten seconds it has six, whatever it told.
        let fetch = |request: PartRequest, _, _| async move {
            nvr.answer(&request);
            Ok(write(&request, &sample::part(&nvr.reel, 0, 3)))
        };
        let parts = download(
            &order,
            MANNER,
            fetch,
            |_| {},
            &Way::default(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        assert_eq!(nvr.asked.borrow().len(), 3);
        assert!(joined(&parts) == sample::part(&nvr.reel, 0, 3));
    }

    #[tokio::test]
    async fn a_group_that_lost_bytes_and_a_file_that_was_split_are_mended() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let whole = sample::part(&nvr.reel, 0, 5);
        let third = sample::part(&nvr.reel, 0, 2).len();
        for split in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let order = ten_seconds(dir.path());
            nvr.asked.borrow_mut().clear();
            let fetch = |request: PartRequest, _, _| async move {
                let mut bytes = nvr.answer(&request);
                if nvr.asked.borrow().len() > 1 {
                    return Ok(write(&request, &bytes));
                }
                if !split {
                    // More than one packet: what changes within a packet only a decoder would see.
                    bytes[third + 100..third + 6_100].fill(0x99);
                    return Ok(write(&request, &bytes));
                }
                // As the library splits: a header of its own, then the next pack (ABI 10.2).
                let pack = |w: &[u8]| w == [0, 0, 1, 0xBA];
                let next = third + 700 + bytes[third + 700..].windows(4).position(pack).unwrap();
                let second = [&bytes[..40], &bytes[next..]].concat();
                std::fs::write(request.path.with_file_name("000_1.ps"), &second).unwrap();
                Ok(write(&request, &bytes[..third + 600]) + second.len() as u64)
            };
            let parts = download(
                &order,
                MANNER,
                fetch,
                |_| {},
                &Way::default(),
                &CancellationToken::new(),
            )
            .await
            .unwrap();
            assert!(joined(&parts) == whole, "split: {split}");
            assert_eq!(nvr.asked.borrow().len(), 2, "split: {split}");
            let twice = parts.fetched_bytes as f64 / whole.len() as f64;
            assert!(twice < 1.7, "{twice}: all of it again");
        }
    }

    /// What mends may come in two files as well, wherever it is split.
    #[tokio::test]
    async fn what_mends_may_be_split_itself() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let whole = sample::part(&nvr.reel, 0, 5);
        let second = sample::part(&nvr.reel, 0, 2).len();
        for permille in [0, 20, 100, 300, 340, 500, 700, 990] {
            let dir = tempfile::tempdir().unwrap();
            let order = ten_seconds(dir.path());
            nvr.asked.borrow_mut().clear();
            let fetch = |request: PartRequest, _, _| async move {
                let mut bytes = nvr.answer(&request);
                match nvr.asked.borrow().len() {
                    1 => bytes[second - 100..second + 12_000].fill(0x99),
                    2 => {
                        let cut = 40 + bytes.len() * permille / 1_000;
                        let mut packs = bytes[cut + 1..].windows(4);
                        let next = packs.position(|w| w == [0, 0, 1, 0xBA]).unwrap();
                        let rest = [&bytes[..40], &bytes[cut + 1 + next..]].concat();
                        std::fs::write(request.path.with_file_name("000-1_1.ps"), &rest).unwrap();
                        return Ok(write(&request, &bytes[..cut]) + rest.len() as u64);
                    }
                    _ => {}
                }
                Ok(write(&request, &bytes))
            };
            let (way, cancel) = (Way::default(), CancellationToken::new());
            let parts = download(&order, MANNER, fetch, |_| {}, &way, &cancel).await;
            assert!(joined(&parts.unwrap()) == whole, "split at {permille}");
        }
    }

    /// The agent dies in the middle of a part, or the power does: what was hashed and is still so counts.
    #[tokio::test]
    async fn what_was_hashed_outlives_the_agent_and_what_a_power_cut_spoilt_does_not_count() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let whole = sample::part(&nvr.reel, 0, 5);
        let three = sample::part(&nvr.reel, 0, 3).len();
        for spoilt in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let order = ten_seconds(dir.path());
            nvr.asked.borrow_mut().clear();
            let fetch = |request: PartRequest, _, _| async move {
                let bytes = nvr.answer(&request);
                if nvr.asked.borrow().len() == 1 {
                    write(&request, &bytes[..three + 100]);
                    return std::future::pending().await;
                }
                Ok(write(&request, &bytes))
            };
            let cancel = CancellationToken::new();
            let way = Way::default();
            let dies = download(&order, MANNER, fetch, |_| {}, &way, &cancel);
            let waited = tokio::time::timeout(Duration::from_millis(900), dies).await;
            assert!(waited.is_err(), "nobody tells the dead that they are");
            let path = dir.path().join("journal.jsonl");
            let journal = std::fs::read_to_string(&path).unwrap();
            // As if another run of the agent had written it.
            let lines: Vec<&str> = journal.lines().filter(|l| !l.contains("\"run\"")).collect();
            std::fs::write(&path, lines.join("\n") + "\n{\"kind\":\"pa").unwrap();
            if spoilt {
                use std::os::unix::fs::FileExt;
                let path = dir.path().join("000.ps");
                let file = std::fs::File::options().write(true).open(path).unwrap();
                file.write_all_at(&[0; 4096], three as u64 / 2).unwrap();
            }
            let parts = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
                .await
                .unwrap();
            assert!(joined(&parts) == whole, "spoilt: {spoilt}");
            let second = nvr.asked.borrow()[1].source.clone();
            assert_eq!(matches!(second, Source::Name(_)), spoilt, "{second:?}");
            let request = nvr.asked.borrow()[1].clone();
            let again = nvr.answer(&request).len();
            assert_eq!(parts.fetched_bytes, (three + 100 + again) as u64);
        }
    }

    #[tokio::test]
    async fn what_was_rejected_is_fetched_anew_and_not_forgotten() {
        let nvr = Nvr::new();
        let nvr = &nvr;
        let dir = tempfile::tempdir().unwrap();
        let order = ten_seconds(dir.path());
        let fetch = |request: PartRequest, _, _| async move {
            let bytes = nvr.answer(&request);
            Ok(write(&request, &bytes))
        };
        let cancel = CancellationToken::new();
        let first = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
            .await
            .unwrap();
        Journal::start_over(dir.path()).unwrap();
        let second = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
            .await
            .unwrap();
        assert_eq!(second.fetched_bytes, first.fetched_bytes * 2);
        assert_eq!(nvr.asked.borrow().len(), 2);
        // Nothing is asked for what is there.
        let third = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
            .await
            .unwrap();
        assert_eq!((nvr.asked.borrow().len(), third), (2, second));
    }

    #[tokio::test]
    async fn progress_is_told_as_it_comes_and_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let order = order(dir.path(), 5);
        let told = RefCell::new(Vec::new());
        let fetch = |request: PartRequest, progress: watch::Sender<PartProgress>, _| async move {
            assert_eq!(request.source, Source::Name("ch33_00000000001".into()));
            write(&request, b"half");
            progress.send_replace(PartProgress {
                received_bytes: 4,
                percent: 50,
            });
            tokio::time::sleep(NOTE_PAUSE + Duration::from_millis(300)).await;
            Ok(write(&request, b"half and half"))
        };
        let note = |news: News<'_>| match news {
            News::Received(bytes) => told.borrow_mut().push(bytes),
            News::Begins(path) => assert!(path.ends_with("000.ps") && told.borrow().is_empty()),
        };
        let parts = download(
            &order,
            MANNER,
            fetch,
            note,
            &Way::default(),
            &CancellationToken::new(),
        )
        .await;
        assert!(parts.unwrap().by_name);
        assert_eq!(*told.borrow(), [4, 13]);
    }

    #[tokio::test]
    async fn a_recorder_that_falls_silent_is_given_up_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let order = order(dir.path(), 5);
        let manner = Manner {
            stall: Duration::from_millis(500),
            ..MANNER
        };
        let fetch = |request: PartRequest, _, stop: CancellationToken| async move {
            write(&request, b"a little");
            stop.cancelled().await;
            Err(RecorderError::new(FailureKind::Cancelled, "stopped"))
        };
        let error = download(
            &order,
            manner,
            fetch,
            |_| {},
            &Way::default(),
            &CancellationToken::new(),
        )
        .await
        .unwrap_err();
        assert!(!is_cancelled(&error));
        assert!(
            error.to_string().starts_with("Hall sent nothing"),
            "{error}"
        );
    }

    fn is_cancelled(error: &DownloadError) -> bool {
        matches!(error, DownloadError::Recorder(e) if e.kind == FailureKind::Cancelled)
    }

    #[tokio::test]
    async fn stopping_keeps_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let order = order(dir.path(), 20);
        let cancel = CancellationToken::new();
        let cancel_now = &cancel;
        let fetch = |request: PartRequest, _, stop: CancellationToken| async move {
            if request.path.ends_with("001.ps") {
                cancel_now.cancel();
                stop.cancelled().await;
                return Err(RecorderError::new(FailureKind::Cancelled, "stopped"));
            }
            Ok(write(&request, b"whole"))
        };
        let error = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
            .await
            .unwrap_err();
        assert!(is_cancelled(&error));
        let slices = slices::cut(&order.wanted, MANNER.slice, false);
        let journal = Journal::open(dir.path(), &slices).unwrap();
        assert!(journal.done(0).is_some() && journal.done(1).is_none());
    }

    #[test]
    fn a_part_that_is_nearly_there_is_worth_waiting_for() {
        let s = Duration::from_secs;
        assert!(ends_within(s(2), s(9), 90));
        assert!(!ends_within(s(2), s(30), 90));
        assert!(!ends_within(s(20), s(1), 0), "nothing is known of it");
        assert!(!ends_within(s(0), s(1), 100));
    }

    /// Gives its place back: in the first part, the second, or between them.
    #[tokio::test]
    async fn giving_way_keeps_what_is_whole_and_the_rest_is_fetched_later() {
        for (grace, percent, whole) in [(20, 90, 2), (20, 0, 1), (0, 99, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let order = order(dir.path(), 30);
            let (way, asked) = (Way::default(), RefCell::new(0));
            let (way_of, asked_of) = (&way, &asked);
            let fetch = |request: PartRequest,
                         progress: watch::Sender<PartProgress>,
                         stop: CancellationToken| async move {
                *asked_of.borrow_mut() += 1;
                let bytes = write(&request, b"a part");
                if request.path.ends_with("001.ps") {
                    progress.send_replace(PartProgress {
                        received_bytes: 3,
                        percent,
                    });
                    way_of.give_by(Instant::now() + Duration::from_secs(grace));
                    tokio::select! {
                        () = stop.cancelled() => {
                            return Err(RecorderError::new(FailureKind::Cancelled, "stopped"));
                        }
                        () = tokio::time::sleep(Duration::from_millis(300)) => {}
                    }
                }
                Ok(bytes)
            };
            let cancel = CancellationToken::new();
            let error = download(&order, MANNER, fetch, |_| {}, &way, &cancel).await;
            assert!(matches!(error, Err(DownloadError::GaveWay)), "{error:?}");
            let slices = slices::cut(&order.wanted, MANNER.slice, false);
            let kept = Journal::open(dir.path(), &slices).unwrap();
            assert_eq!(
                (0..3).filter(|n| kept.done(*n).is_some()).count(),
                whole,
                "{grace} s at {percent} %"
            );
            // On a way that is free again only what is missing is asked for.
            *asked.borrow_mut() = 0;
            let again = |request: PartRequest, _, _| async move {
                *asked_of.borrow_mut() += 1;
                Ok(write(&request, b"a part"))
            };
            let parts = download(&order, MANNER, again, |_| {}, &Way::default(), &cancel).await;
            assert_eq!(parts.unwrap().stretches.len(), 3);
            assert_eq!(*asked.borrow(), 3 - whole);
        }
    }

    #[tokio::test]
    async fn a_missing_disk_is_not_the_recorders_fault() {
        let order = order(Path::new("/nonexistent/staging"), 5);
        let fetch = |_, _, _| async { unreachable!("nothing is fetched without a folder") };
        let error = download(
            &order,
            MANNER,
            fetch,
            |_| {},
            &Way::default(),
            &CancellationToken::new(),
        )
        .await;
        assert!(matches!(error, Err(DownloadError::Local { .. })));
    }
}
