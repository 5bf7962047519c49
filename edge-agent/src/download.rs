//! One order -> parts with digests and a journal; resume, progress, bandwidth (R6).
//!
//! A part is fetched into `<staging folder>/NNN.ps` by the vendor's library and hashed here as it grows. Parts that
//! came whole survive any interruption; the one that was being fetched is fetched again. Who fetches is handed in, so
//! this stage knows of no session: `pipeline.rs` owns that.

pub mod journal;
pub mod slices;
mod tail;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;

use self::journal::{Journal, Part};
use self::slices::{Slice, Wanted};
use crate::governor::Way;
use crate::model::staged::Parts;
use crate::recorder::driver::{FailureKind, PartProgress, PartRequest, RecorderError};

use self::tail::{Digests, Tail};

/// Pause between two notes of progress.
const NOTE_PAUSE: Duration = Duration::from_secs(1);
/// How long a cancelled part may take to be let go of by the recorder's side.
const LET_GO: Duration = Duration::from_secs(15);

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

/// Fetches what is still missing of a recording. `fetch` fetches one part to its end (the port's `download`), `note`
/// is told the bytes received so far, at most once a second. The bandwidth is the business of `fetch`. `way` says when its place is to be given back: that is done
/// between two parts, or in the middle of one that would take too long.
pub async fn download<F: Future<Output = Result<u64, RecorderError>>>(
    order: &DownloadOrder,
    manner: Manner,
    fetch: impl Fn(PartRequest, watch::Sender<PartProgress>, CancellationToken) -> F,
    note: impl Fn(u64),
    way: &Way,
    cancel: &CancellationToken,
) -> Result<Parts, DownloadError> {
    let slices = slices::cut(&order.wanted, manner.slice, order.whole);
    let mut journal = {
        let (folder, slices) = (order.folder.clone(), slices.clone());
        blocking(&order.folder, move || Journal::open(&folder, &slices)).await?
    };
    for (n, slice) in slices.iter().enumerate() {
        if journal.parts()[n].is_some() {
            continue;
        }
        if way.asked().is_some() {
            return Err(DownloadError::GaveWay);
        }
        let before: u64 = journal
            .parts()
            .iter()
            .flatten()
            .map(|p| p.digests.bytes)
            .sum();
        let path = journal.path(n);
        let means = Means {
            manner,
            fetch: &fetch,
            way,
            cancel,
        };
        let digests = part(order, slice, &path, means, |bytes| note(before + bytes)).await?;
        journal = blocking(&path, move || {
            journal.note(Part { part: n, digests })?;
            Ok(journal)
        })
        .await?;
    }
    let parts = Parts {
        recording: order.recording,
        folder: order.folder.clone(),
        paths: (0..slices.len()).map(|n| journal.path(n)).collect(),
        by_name: matches!(
            slices[..],
            [Slice {
                source: crate::recorder::driver::Source::Name(_),
                ..
            }]
        ),
        bytes: journal
            .parts()
            .iter()
            .flatten()
            .map(|part| part.digests.bytes)
            .sum(),
    };
    note(parts.bytes);
    Ok(parts)
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
    means: Means<'_, Fetch>,
    note: impl Fn(u64),
) -> Result<Digests, DownloadError>
where
    Fetch: Fn(PartRequest, watch::Sender<PartProgress>, CancellationToken) -> F,
    F: Future<Output = Result<u64, RecorderError>>,
{
    let Means { manner, way, .. } = means;
    let cancelled = || RecorderError::new(FailureKind::Cancelled, "the download was stopped");
    if means.cancel.is_cancelled() {
        return Err(cancelled().into());
    }
    // A file of before would be hashed as if it were new.
    base::durable::remove_if_there(path).map_err(local(path))?;
    let tail = Tail::follow(path).map_err(local(path))?;
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
            outcome = &mut fetching => break outcome,
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
            Ok(Err(error)) if error.kind != FailureKind::Cancelled => break Err(error),
            Ok(Err(_)) => {}
            Err(_) => tracing::warn!(
                recording.id = %order.recording,
                "The recorder's side does not let go of a part that was stopped"
            ),
        }
        if gives_way {
            return Err(DownloadError::GaveWay);
        }
        break Err(RecorderError::new(
            FailureKind::Network,
            format!(
                "{} sent nothing for {} s in the middle of {}",
                order.recorder_name,
                manner.stall.as_secs(),
                order.wanted.source_name
            ),
        ));
    };
    let told = outcome?;
    let digests = blocking(path, move || tail.finish()).await?;
    if digests.bytes < told {
        return Err(RecorderError::new(
            FailureKind::Worker,
            format!(
                "{} bytes of {} were said to be written, {} are in the file",
                told, order.wanted.source_name, digests.bytes
            ),
        )
        .into());
    }
    Ok(digests)
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
    use crate::recorder::driver::Source;

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
                stated_bytes: 0,
            },
            folder: folder.to_owned(),
            whole: false,
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
        let parts = download(&order, MANNER, fetch, |_| {}, &Way::default(), &cancel)
            .await
            .unwrap();
        assert_eq!(*asked.borrow(), ["000.ps", "001.ps", "001.ps", "002.ps"]);
        assert_eq!(parts.paths.len(), 3);
        assert!(!parts.by_name);
        let on_disk: u64 = parts
            .paths
            .iter()
            .map(|p| p.metadata().unwrap().len())
            .sum();
        assert_eq!(parts.bytes, on_disk);
        let slices = slices::cut(&order.wanted, MANNER.slice, false);
        for part in Journal::open(dir.path(), &slices).unwrap().parts() {
            let part = part.as_ref().unwrap();
            let path = &parts.paths[part.part];
            assert_eq!(tail::hash_file(path).unwrap(), part.digests);
        }
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
        let note = |bytes| told.borrow_mut().push(bytes);
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
        assert!(journal.parts()[0].is_some() && journal.parts()[1].is_none());
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
                kept.parts().iter().flatten().count(),
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
            assert_eq!(parts.unwrap().paths.len(), 3);
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
