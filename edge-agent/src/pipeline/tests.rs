//! The whole pipeline on a real catalog, real files and FFmpeg; the recorder is a script.

use std::collections::VecDeque;
use std::time::Instant;

use futures_util::FutureExt;
use wire::resource::{DefectKind, Recording};

use super::*;
use crate::catalog::testing::{House, found, range};
use crate::media::sample::{self, Kind};
use crate::model::inventory::RecorderClock;
use crate::recorder::driver::{FailureKind, Source};

/// What the scripted recorder does with one download.
#[derive(Debug, Clone)]
enum Act {
    /// Gives the groups from .. to of the sample.
    Give(usize, usize),
    /// Writes a little and fails.
    Fail(FailureKind),
    /// Writes more than was promised room for, and waits to be stopped.
    Flood,
    /// Writes a little and waits to be stopped.
    Hang,
}

struct Script {
    catalog: Catalog,
    /// Recordings on it: name, start and end in true time.
    holds: Vec<(&'static str, UtcRange)>,
    /// What happens to downloads in turn; the last one stays.
    acts: Mutex<VecDeque<Act>>,
    reachable: std::sync::atomic::AtomicBool,
    asked: Mutex<Vec<String>>,
    /// Bandwidth that each download was to take.
    limits_kbps: Mutex<Vec<Option<u32>>>,
}

impl Script {
    fn act(&self) -> Act {
        let mut acts = self.acts.lock().unwrap();
        match acts.len() {
            1 => acts[0].clone(),
            _ => acts.pop_front().unwrap(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Recorders for Arc<Script> {
    fn reach(&self, _: RecorderId) -> BoxFuture<'_, Result<(), RecorderError>> {
        let there = self.reachable.load(std::sync::atomic::Ordering::SeqCst);
        let answer = if there {
            Ok(())
        } else {
            Err(RecorderError::new(
                FailureKind::Network,
                "nothing answers at 192.0.2.1",
            ))
        };
        std::future::ready(answer).boxed()
    }

    fn search(
        &self,
        _: RecorderId,
        channel: u32,
        range: UtcRange,
    ) -> BoxFuture<'_, Result<Inventory, RecorderError>> {
        let inventory = Inventory {
            channel,
            asked: range,
            answered_at: self.catalog.now(),
            clock: RecorderClock {
                zone_minutes: 60,
                offset_ms: 0,
            },
            recordings: self
                .holds
                .iter()
                .filter(|(_, span)| span.overlaps(range))
                .map(|(name, span)| found(name, *span, 0))
                .collect(),
        };
        std::future::ready(Ok(inventory)).boxed()
    }

    fn download(
        &self,
        _: RecorderId,
        part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<u64, RecorderError>> {
        let act = self.act();
        self.limits_kbps.lock().unwrap().push(part.limit_kbps);
        self.asked.lock().unwrap().push(match &part.source {
            Source::Name(name) => name.clone(),
            Source::Time { start, .. } => start.to_string(),
        });
        async move {
            let little = b"a little";
            match act {
                Act::Give(from, to) => {
                    let bytes = sample::part(&sample::open(Kind::Gate), from, to);
                    std::fs::write(&part.path, &bytes).unwrap();
                    Ok(bytes.len() as u64)
                }
                Act::Fail(kind) => {
                    std::fs::write(&part.path, little).unwrap();
                    Err(RecorderError::new(kind, format!("scripted {kind:?}")))
                }
                Act::Flood => {
                    std::fs::write(&part.path, [7; 4_000]).unwrap();
                    progress.send_modify(|progress| progress.received_bytes = 4_000);
                    cancel.cancelled().await;
                    Err(RecorderError::new(FailureKind::Cancelled, "stopped"))
                }
                Act::Hang => {
                    std::fs::write(&part.path, little).unwrap();
                    cancel.cancelled().await;
                    Err(RecorderError::new(FailureKind::Cancelled, "stopped"))
                }
            }
        }
        .boxed()
    }
}

struct Site {
    house: House,
    recorder: RecorderId,
    script: Arc<Script>,
    pipeline: Pipeline,
    cancel: CancellationToken,
    run: tokio::task::JoinHandle<Result<(), CatalogError>>,
}

const TEN_SECONDS: (&str, &str) = ("2026-11-03T10:00:00Z", "2026-11-03T10:00:10Z");

impl Site {
    async fn start(acts: &[Act]) -> Self {
        Self::with(acts, &[("one", TEN_SECONDS)], |_| {}).await
    }

    async fn with(
        acts: &[Act],
        holds: &[(&'static str, (&str, &str))],
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        let house = House::new().await;
        let recorder = house.recorder("SERIAL", 1).await.id;
        let script = Arc::new(Script {
            catalog: house.catalog.clone(),
            holds: holds
                .iter()
                .map(|(name, (from, to))| (*name, range(from, to)))
                .collect(),
            acts: Mutex::new(acts.iter().cloned().collect()),
            reachable: true.into(),
            asked: Mutex::default(),
            limits_kbps: Mutex::default(),
        });
        let volume = house.volume().clone();
        let mut parts = Parts {
            catalog: house.catalog.clone(),
            volumes: house.volumes.clone(),
            recorders: Arc::new(script.clone()),
            room: Arc::new(move |bytes, _| std::future::ready(Ok(volume.reserve(bytes))).boxed()),
            media: MediaConfig::default(),
            discovery: DiscoveryConfig::default(),
            download: DownloadConfig::default(),
            governor: Governor::new(DownloadConfig::default().governed(), house.clock.clone()),
        };
        change(&mut parts);
        parts.download.zone = Some(TimeZone::UTC);
        parts.governor = Governor::new(parts.download.governed(), house.clock.clone());
        let pipeline = Pipeline::new(parts);
        let cancel = CancellationToken::new();
        let run = tokio::spawn({
            let (pipeline, cancel) = (pipeline.clone(), cancel.clone());
            async move { pipeline.run(cancel).await }
        });
        Self {
            house,
            recorder,
            script,
            pipeline,
            cancel,
            run,
        }
    }

    async fn recordings(&self) -> Vec<Recording> {
        let all = self.house.catalog.recordings(RecordingFilter::default());
        all.await.unwrap().items
    }

    async fn recording(&self) -> Recording {
        self.recordings().await.remove(0)
    }

    /// Waits until the newest recording is as wanted.
    async fn eventually(&self, wanted: impl Fn(&Recording) -> bool) -> Recording {
        let begun = Instant::now();
        loop {
            let recordings = self.recordings().await;
            if let Some(recording) = recordings.first().filter(|r| wanted(r)) {
                return recording.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{recordings:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets time pass, and those notice who wait for it.
    fn advance_s(&self, s: i64) {
        self.house.clock.advance_ms(s * 1_000);
        self.pipeline.0.plan.notify_one();
        self.pipeline.0.discover.notify_one();
    }

    async fn stop(self) -> House {
        self.cancel.cancel();
        self.run.await.unwrap().unwrap();
        self.house
    }
}

fn is(status: RecordingStatus) -> impl Fn(&Recording) -> bool {
    move |recording| recording.status == status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_recorder_holds_is_soon_held_here() {
    let site = Site::start(&[Act::Give(0, 5)]).await;
    let held = site.eventually(is(RecordingStatus::Completed)).await;
    assert_eq!(held.video_codec.as_deref(), Some("hevc"));
    assert_eq!((held.width, held.defects.len()), (Some(320), 0));
    assert_eq!(held.progress_percent, 100);
    let of_file = site.house.catalog.held(held.id).await.unwrap().unwrap();
    assert_eq!(of_file.fragments.fragments.len(), 5);
    let volume = site.house.volume().clone();
    assert!(volume.file(&of_file.stem, "mp4").is_file());
    let house = site.stop().await;
    assert!(!volume.staging(held.id).exists());
    house.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_and_tried_again_later() {
    let site = Site::start(&[Act::Fail(FailureKind::Device), Act::Give(0, 5)]).await;
    let failed = site.eventually(is(RecordingStatus::Failed)).await;
    assert_eq!(failed.failure.as_deref(), Some("scripted Device"));
    assert_eq!(failed.attempts, 1);
    let again_s = failed
        .next_attempt_at
        .unwrap()
        .ms_since(site.pipeline.now())
        / 1_000;
    assert_eq!(again_s, 30);
    site.advance_s(31);
    site.eventually(is(RecordingStatus::Completed)).await;
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_not_asked_again() {
    let site = Site::start(&[Act::Fail(FailureKind::SourceGone)]).await;
    let gone = site.eventually(is(RecordingStatus::Failed)).await;
    assert_eq!(gone.next_attempt_at, None);
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_refuses_is_left_alone_and_costs_no_attempt() {
    let site = Site::start(&[Act::Fail(FailureKind::Locked), Act::Give(0, 5)]).await;
    let waiting =
        |r: &Recording| r.status == RecordingStatus::Pending && !site.script.asked().is_empty();
    let put_back = site.eventually(waiting).await;
    assert_eq!(put_back.attempts, 0);
    site.advance_s(120);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.script.asked().len(), 1, "asked a locked account again");
    // The refusal may have been noted after the first advance, so time goes on until it is over.
    site.eventually(|r| {
        site.advance_s(20);
        r.status == RecordingStatus::Completed
    })
    .await;
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_uses_up_no_attempts() {
    let site = Site::start(&[Act::Give(0, 5)]).await;
    site.eventually(is(RecordingStatus::Completed)).await;
    site.script
        .reachable
        .store(false, std::sync::atomic::Ordering::SeqCst);
    site.house
        .observe(
            site.recorder,
            1,
            vec![found(
                "two",
                range("2026-11-03T11:00:00Z", "2026-11-03T11:00:10Z"),
                0,
            )],
        )
        .await;
    for _ in 0..20 {
        site.advance_s(301);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let waiting = site.eventually(is(RecordingStatus::Pending)).await;
    assert_eq!(waiting.attempts, 0);
    site.script
        .reachable
        .store(true, std::sync::atomic::Ordering::SeqCst);
    site.advance_s(301);
    site.eventually(is(RecordingStatus::Completed)).await;
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_short_twice_alike_is_kept_with_its_defect() {
    let site = Site::start(&[Act::Give(0, 2)]).await;
    let failed = site.eventually(is(RecordingStatus::Failed)).await;
    assert!(failed.failure.unwrap().contains("it holds 4."));
    site.advance_s(31);
    let kept = site.eventually(is(RecordingStatus::Completed)).await;
    assert_eq!(
        site.script.asked().len(),
        2,
        "rejected parts are fetched anew"
    );
    assert_eq!(kept.defects[0].kind, DefectKind::Short);
    assert!(kept.end_utc.ms_since(kept.start_utc) < 5_000);
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_download_is_made_good_by_the_next() {
    let site = Site::start(&[Act::Give(0, 2), Act::Give(0, 5)]).await;
    site.eventually(is(RecordingStatus::Failed)).await;
    site.advance_s(31);
    let held = site.eventually(is(RecordingStatus::Completed)).await;
    assert!(held.defects.is_empty());
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_puts_back_and_starting_goes_on() {
    let site = Site::start(&[Act::Hang]).await;
    site.eventually(|_| !site.script.asked().is_empty()).await;
    let begun = Instant::now();
    let catalog = site.house.catalog.clone();
    site.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let all = catalog
        .recordings(RecordingFilter::default())
        .await
        .unwrap();
    assert_eq!(all.items[0].status, RecordingStatus::Pending);
    assert_eq!(all.items[0].attempts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_asks_goes_first_and_sees_how_far_it_is() {
    let holds: &[(&'static str, (&str, &str))] = &[
        ("old", ("2026-11-02T10:00:00Z", "2026-11-02T10:00:10Z")),
        ("new", TEN_SECONDS),
    ];
    // Outside the window the background does not move.
    let closed = |parts: &mut Parts| {
        parts.download.window = Some("01:00-02:00".parse().unwrap());
    };
    let site = Site::with(&[Act::Give(0, 5)], holds, closed).await;
    site.eventually(is(RecordingStatus::Pending)).await;
    let camera = site.house.camera(site.recorder, 1).await;
    let wanted = range("2026-11-03T09:00:00Z", "2026-11-03T11:00:00Z");
    let job = site.pipeline.sync(Some(camera), wanted).await.unwrap();
    let begun = Instant::now();
    let done = loop {
        let job = site.house.catalog.job(job.id).await.unwrap();
        if crate::catalog::jobs::is_over(job.state) {
            break job;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{job:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(done.state, SyncJobState::Done);
    assert_eq!(
        (done.found, done.completed, done.progress_percent),
        (1, 1, 100)
    );
    assert_eq!(site.script.asked(), ["new"]);
    let old = site.recordings().await.pop().unwrap();
    assert_eq!(
        (old.source_name.as_str(), old.status),
        ("old", RecordingStatus::Pending)
    );
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_that_is_full_costs_no_attempt_and_is_asked_when_it_is_time() {
    let full = Act::Fail(FailureKind::Capacity);
    let site = Site::start(&[full.clone(), full, Act::Give(0, 5)]).await;
    // The first may have been a mood. Put back means that the refusal was noted, at the time that still is.
    let put_back =
        |r: &Recording| r.status == RecordingStatus::Pending && site.script.asked().len() == 1;
    site.eventually(put_back).await;
    site.advance_s(3);
    let put_back =
        |r: &Recording| r.status == RecordingStatus::Pending && site.script.asked().len() == 2;
    let waiting = site.eventually(put_back).await;
    assert_eq!((waiting.attempts, waiting.next_attempt_at), (0, None));
    let report = site.pipeline.0.parts.governor.report(site.recorder);
    assert_eq!(report.usage.limit, Some(0));
    assert_eq!(report.refusal.as_deref(), Some("scripted Capacity"));
    site.advance_s(19);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.script.asked().len(), 2, "asked too early");
    site.advance_s(2);
    site.eventually(is(RecordingStatus::Completed)).await;
    let report = site.pipeline.0.parts.governor.report(site.recorder);
    assert_eq!((report.usage.limit, report.usage.background), (Some(1), 0));
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_chosen_while_it_runs_holds_at_once() {
    // The clock of the house stands at another time of day.
    let site = Site::with(&[Act::Give(0, 5)], &[("one", TEN_SECONDS)], |parts| {
        parts.download.window = Some("02:00-02:01".parse().unwrap());
    })
    .await;
    site.eventually(is(RecordingStatus::Pending)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.script.asked(), [""; 0]);
    site.pipeline.0.parts.governor.choose(Chosen {
        limit_kbps: Some(20_000),
        background_limit_kbps: Some(8_000),
        ..Chosen::default()
    });
    site.eventually(is(RecordingStatus::Completed)).await;
    assert_eq!(*site.script.limits_kbps.lock().unwrap(), [Some(4_000)]);
    site.stop().await.assert_sound();
}

/// One place, at the recorder or in all: what the background fetches there gives way to a person's wish, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_background_gives_way_to_a_person_and_goes_on() {
    for (per_recorder, total) in [(1, 4), (2, 1)] {
        let holds: &[(&'static str, (&str, &str))] = &[
            ("old", ("2026-11-02T10:00:00Z", "2026-11-02T10:00:10Z")),
            ("new", TEN_SECONDS),
        ];
        let narrow = |parts: &mut Parts| {
            (parts.download.per_recorder, parts.download.total) = (per_recorder, total);
        };
        let site = Site::with(&[Act::Hang, Act::Give(0, 5)], holds, narrow).await;
        site.eventually(|_| site.script.asked() == ["old"]).await;
        let camera = site.house.camera(site.recorder, 1).await;
        let wanted = range("2026-11-03T09:00:00Z", "2026-11-03T11:00:00Z");
        site.pipeline.sync(Some(camera), wanted).await.unwrap();
        site.eventually(is(RecordingStatus::Completed)).await;
        let begun = Instant::now();
        while site.recordings().await[1].status != RecordingStatus::Completed {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it does not go on"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(site.script.asked(), ["old", "new", "old"]);
        let attempts: Vec<_> = site.recordings().await.iter().map(|r| r.attempts).collect();
        assert_eq!(attempts, [1, 1], "giving way is no failed attempt");
        site.stop().await.assert_sound();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_nothing_is_begun_and_the_reason_is_told() {
    let full = |parts: &mut Parts| {
        parts.room =
            Arc::new(|_, _| std::future::ready(Err("volume main is full".to_owned())).boxed());
    };
    let site = Site::with(&[Act::Give(0, 5)], &[("one", TEN_SECONDS)], full).await;
    site.eventually(is(RecordingStatus::Pending)).await;
    let mut status = site.pipeline.status();
    let told = status.wait_for(|status| status.paused.is_some());
    let told = tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert_eq!(told.paused.as_deref(), Some("volume main is full"));
    assert_eq!(site.recording().await.attempts, 0);
    site.stop().await.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_beyond_its_promise_has_room_made_or_is_stopped() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let little = |parts: &mut Parts| {
        let volume = parts.volumes.iter().next().unwrap().clone();
        parts.room = Arc::new(move |bytes, begun| {
            let mut asked = noted.lock().unwrap();
            asked.push((bytes, begun));
            let answer = match asked.len() {
                1 => Ok(volume.reserve(1_000)),
                _ => Err("volume main is full".to_owned()),
            };
            std::future::ready(answer).boxed()
        });
    };
    let site = Site::with(&[Act::Flood], &[("one", TEN_SECONDS)], little).await;
    let mut status = site.pipeline.status();
    let told = status.wait_for(|status| status.paused.is_some());
    let told = tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert_eq!(told.paused.as_deref(), Some("volume main is full"));
    // Asked for where the download lies, for what came and for the kept file; and it waits as it did before.
    let asked = asked.lock().unwrap().clone();
    assert_eq!(
        (asked[0].1, asked[1].1),
        (None, Some(site.house.volume().id()))
    );
    assert!(asked[1].0 > 7_000, "{asked:?}");
    let waits = site.recording().await;
    assert_eq!(
        (waits.status, waits.attempts),
        (RecordingStatus::Pending, 0)
    );
    assert_eq!(site.house.volume().reserved_bytes(), 0);
    site.stop().await.assert_sound();
}
