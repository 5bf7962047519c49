//! What only recorders over ISAPI do: quirks of firmware, and what a broken connection costs.

use super::both_drivers::Bench;
use super::*;
use tests::isapi_recorder::{Challenge, Method, Position, Quirks};

/// 100 recordings of ten seconds on the first channel.
fn many() -> Device {
    let begin: jiff::Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    let mut device = device();
    device.channels[0].recordings = (0..100)
        .map(|n| {
            let start = begin + jiff::SignedDuration::from_secs(10 * n);
            recording(&format!("ch01_{n:011}"), &start.to_string())
        })
        .collect();
    device
}

const DAY: (&str, &str) = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");

async fn found(session: &RecorderSession) -> Vec<String> {
    let found = session.search(1, range(DAY.0, DAY.1)).await.unwrap();
    found
        .recordings
        .into_iter()
        .map(|found| found.source_name)
        .collect()
}

#[tokio::test]
async fn every_way_of_paging_lists_everything_once() {
    for position in [Position::Vendor, Position::Dictionary, Position::Ignored] {
        for (repeats_last, always_more) in [(false, false), (true, false), (false, true)] {
            let quirks = Quirks {
                page_cap: 30,
                position,
                repeats_last,
                always_more,
                ..Quirks::default()
            };
            let bench = Bench::isapi(many(), quirks.clone()).await;
            let running = bench.start();
            let session = running.session().await;
            let names = found(&session).await;
            assert_eq!(names.len(), 100, "{quirks:?}");
            assert_eq!(names[99], "101/20261120T101630Z/ch01_00000000099");
            // What was learnt is not tried again.
            let before = bench
                .isapi
                .as_ref()
                .unwrap()
                .count("POST /ISAPI/ContentMgmt/search");
            assert_eq!(found(&session).await.len(), 100);
            let after = bench
                .isapi
                .as_ref()
                .unwrap()
                .count("POST /ISAPI/ContentMgmt/search");
            assert!(
                after - before <= 8,
                "{} searches, {quirks:?}",
                after - before
            );
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn ways_of_logging_in() {
    let well = [
        Quirks {
            challenge: Challenge::Sha256AndMd5,
            ..Quirks::default()
        },
        Quirks {
            single_use_nonce: true,
            namespace: "",
            ..Quirks::default()
        },
        Quirks {
            no_user_check: true,
            namespace: "http://www.isapi.org/ver20/XMLSchema",
            ..Quirks::default()
        },
    ];
    for quirks in well {
        let bench = Bench::isapi(device(), quirks).await;
        let running = bench.start();
        let session = running.session().await;
        assert_eq!(found(&session).await.len(), 3);
        running.stop().await;
    }
    let basic = Quirks {
        challenge: Challenge::Basic,
        ..Quirks::default()
    };
    let bench = Bench::isapi(device(), basic).await;
    let running = bench.start();
    let error = running.refusal().await;
    assert!(error.message.contains("digest"), "{error}");
    assert!(
        bench
            .isapi
            .as_ref()
            .unwrap()
            .seen()
            .iter()
            .all(|seen| !seen.with_credentials)
    );
    running.stop().await;
}

#[tokio::test]
async fn a_locked_account_is_told_and_left_alone() {
    let bench = Bench::isapi(
        Device {
            login_tries: 2,
            ..device()
        },
        Quirks::default(),
    )
    .await;
    let running = Running::start(bench.account("wrong-one"), bench.place.config.clone());
    let error = running.refusal().await;
    assert!(error.message.contains("1 tries left"), "{error}");
    // The same password, entered once more.
    running
        .handle
        .change_account(bench.account("wrong-one"), "again".into())
        .await;
    running
        .handle
        .status()
        .wait_for(|status| {
            status
                .reason
                .as_ref()
                .is_some_and(|why| why.contains("locked for"))
        })
        .await
        .unwrap();
    assert_eq!(running.refusal().await.kind, FailureKind::Locked);
    running.stop().await;
}

/// The bytes of the second recording, and what the recorder sent for it.
async fn fetch(bench: &Bench, session: &RecorderSession) -> (Result<u64, RecorderError>, u64) {
    let name = found(session).await.remove(1);
    let wanted = part(Source::Name(name), bench.place.path("000.ps"));
    let (done, _) = download(session, wanted).await;
    let sent = bench
        .isapi
        .as_ref()
        .unwrap()
        .seen()
        .iter()
        .filter(|seen| seen.request.contains("/download") && matches!(seen.status, 200 | 206))
        .map(|seen| seen.sent_bytes)
        .sum();
    (done, sent)
}

#[tokio::test]
async fn a_cut_connection_costs_no_byte_where_the_device_goes_on() {
    for content_length in [true, false] {
        let quirks = Quirks {
            content_length,
            cut_at: vec![1, 50_000, 50_000, 200_000],
            ..Quirks::default()
        };
        let bench = Bench::isapi(device(), quirks).await;
        let running = bench.start();
        let session = running.session().await;
        let (done, sent) = fetch(&bench, &session).await;
        let expected = bench.place.expected("2026-11-20T10:00:10Z");
        assert_eq!(done.unwrap(), expected.len() as u64);
        assert!(std::fs::read(bench.place.path("000.ps")).unwrap() == expected);
        assert_eq!(sent, expected.len() as u64, "fetched over needed is 1");
        assert!(session.fetches_whole());
        running.stop().await;
    }
}

#[tokio::test]
async fn where_the_device_only_begins_anew_slices_are_asked_for() {
    let quirks = Quirks {
        range: false,
        cut_at: vec![50_000],
        ..Quirks::default()
    };
    let bench = Bench::isapi(device(), quirks).await;
    let running = bench.start();
    let session = running.session().await;
    assert!(session.fetches_whole());
    let (done, _) = fetch(&bench, &session).await;
    assert_eq!(done.unwrap_err().kind, FailureKind::Network);
    assert!(!session.fetches_whole());
    // And where it does not cut either, there is only the whole.
    bench
        .isapi
        .as_ref()
        .unwrap()
        .quirks(|quirks| quirks.cuts = false);
    let time = |text: &str| RecorderTime::new(text.parse().unwrap());
    let slice = Source::Time {
        channel: 1,
        start: time("2026-11-20T10:00:10"),
        end: time("2026-11-20T10:00:12"),
    };
    let wanted = PartRequest {
        stated_bytes: 20_000,
        ..part(slice, bench.place.path("000.ps"))
    };
    let (done, _) = download(&session, wanted).await;
    assert!(done.unwrap_err().message.contains("whole"));
    assert!(session.fetches_whole());
    running.stop().await;
}

#[tokio::test]
async fn a_size_that_is_wrong_is_tried_once_more_and_then_left_to_the_check() {
    let quirks = Quirks {
        size_delta: 500_000,
        content_length: false,
        ..Quirks::default()
    };
    let bench = Bench::isapi(device(), quirks).await;
    let running = bench.start();
    let session = running.session().await;
    let (done, sent) = fetch(&bench, &session).await;
    let expected = bench.place.expected("2026-11-20T10:00:10Z");
    assert_eq!(done.unwrap(), expected.len() as u64);
    assert_eq!(sent, expected.len() as u64);
    running.stop().await;
}

#[tokio::test]
async fn refusals_of_downloads_are_told_for_what_they_are() {
    let post = Quirks {
        download_method: Method::Post,
        ..Quirks::default()
    };
    let bench = Bench::isapi(device(), post).await;
    let running = bench.start();
    let session = running.session().await;
    fetch(&bench, &session).await.0.unwrap();
    let recorder = bench.isapi.as_ref().unwrap();
    fetch(&bench, &session).await.0.unwrap();
    assert_eq!(
        recorder.count("GET /ISAPI/ContentMgmt/download"),
        1,
        "learnt"
    );

    recorder.quirks(|quirks| quirks.refuse_with_200 = true);
    let error = fetch(&bench, &session).await.0.unwrap_err();
    assert_eq!(error.kind, FailureKind::Device, "{error}");
    recorder.quirks(|quirks| quirks.refuse_with_200 = false);

    let name = found(&session).await.remove(1);
    recorder.quirks(|quirks| quirks.busy = 1);
    let wanted = part(Source::Name(name), bench.place.path("000.ps"));
    let error = download(&session, wanted).await.0.unwrap_err();
    assert_eq!(error.kind, FailureKind::Capacity, "{error}");
    running.stop().await;
}

#[tokio::test]
async fn a_name_outlives_the_session_that_found_it() {
    let bench = Bench::isapi(device(), Quirks::default()).await;
    let first = bench.start();
    let name = found(&first.session().await).await.remove(2);
    first.stop().await;
    let second = bench.start();
    let session = second.session().await;
    let wanted = part(Source::Name(name), bench.place.path("000.ps"));
    download(&session, wanted).await.0.unwrap();
    let expected = bench.place.expected("2026-11-20T10:00:20Z");
    assert!(std::fs::read(bench.place.path("000.ps")).unwrap() == expected);
    second.stop().await;
}

#[tokio::test]
async fn another_viewer_too_many_is_told() {
    let mut device = device();
    device.channels[0].live = Some(crate::media::sample::live());
    let quirks = Quirks {
        rtsp_sessions_max: 1,
        ..Quirks::default()
    };
    let bench = Bench::isapi(device, quirks).await;
    let running = bench.start();
    let session = running.session().await;
    let first = session.live(1, StreamKind::Main).await.unwrap();
    let error = session.live(1, StreamKind::Main).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Capacity, "{error}");
    assert_eq!(error.vendor_code, Some(453));
    drop(first);
    running.stop().await;
}

#[tokio::test]
async fn what_the_z_means_is_read_from_the_footage() {
    for zulu_is_utc in [false, true] {
        for offsets in [false, true] {
            let device = Device {
                zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
                clock_skew_s: 30,
                ..device()
            };
            let quirks = Quirks {
                zulu_is_utc,
                offsets: offsets && !zulu_is_utc,
                ..Quirks::default()
            };
            let bench = Bench::isapi(device, quirks).await;
            let running = bench.start();
            let session = running.session().await;
            for _ in 0..2 {
                let asked = range("2026-11-20T09:59:00Z", "2026-11-20T10:01:00Z");
                let found = session.search(1, asked).await.unwrap().recordings;
                assert_eq!(found.len(), 3, "UTC: {zulu_is_utc}");
                let late_ms = found[0]
                    .span
                    .from
                    .ms_since("2026-11-20T10:00:00Z".parse().unwrap());
                assert!(late_ms.abs() <= 2_000, "{found:?}");
            }
            let slice = Source::Time {
                channel: 1,
                start: found_start(&session).await,
                end: found_start(&session).await,
            };
            let (done, _) = download(&session, part(slice, bench.place.path("000.ps"))).await;
            assert!(done.unwrap() > 40);
            running.stop().await;
        }
    }
}

async fn found_start(session: &RecorderSession) -> RecorderTime {
    let asked = range("2026-11-20T09:59:00Z", "2026-11-20T10:01:00Z");
    session.search(1, asked).await.unwrap().recordings[1].start
}

#[tokio::test]
async fn a_device_without_downloads_is_played_back() {
    let mut device = device();
    device.channels[0].recordings = vec![Recording {
        media: crate::media::sample::live(),
        ..recording("ch01_1", "2026-11-20T10:00:00Z")
    }];
    let quirks = Quirks {
        no_download: true,
        ..Quirks::default()
    };
    let bench = Bench::isapi(device, quirks).await;
    let running = bench.start();
    let session = running.session().await;
    let name = found(&session).await.remove(0);
    let wanted = part(Source::Name(name), bench.place.path("000.ps"));
    let (done, progress) = download(&session, wanted).await;
    assert_eq!(done.unwrap(), progress.received_bytes);
    let file = std::fs::File::open(bench.place.path("000.ps")).unwrap();
    let layout = crate::media::ps::scan(file).unwrap();
    assert_eq!(layout.lost_bytes, 0);
    let (first, last) = (
        layout.groups[0].pts.unwrap(),
        layout.groups.last().unwrap().last_pts.unwrap(),
    );
    let seconds = (last - first) / 90_000;
    assert!(
        (9..=10).contains(&seconds),
        "{seconds} s, {} groups",
        layout.groups.len()
    );
    running.stop().await;
}
