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
