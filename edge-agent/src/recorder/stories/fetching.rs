//! Downloading: every byte, side by side, broken off and cancelled.

use super::*;

#[tokio::test]
async fn bytes_are_those_of_the_recorder() {
    let place = Place::new(device());
    let running = place.start(PASSWORD);
    let session = running.session().await;
    download(&session, by_name(&place, "ch33_2"))
        .await
        .0
        .unwrap();
    let expected = place.expected("2026-11-20T10:00:10Z");
    assert!(std::fs::read(place.path("000.ps")).unwrap() == expected);
    let time = |text: &str| RecorderTime::new(text.parse().unwrap());
    let source = Source::Time {
        channel: 33,
        start: time("2026-11-20T10:00:10"),
        end: time("2026-11-20T10:00:19"),
    };
    download(&session, part(source, place.path("001.ps")))
        .await
        .0
        .unwrap();
    assert_eq!(&std::fs::read(place.path("001.ps")).unwrap()[..4], b"IMKH");
    running.stop().await;
}

#[tokio::test]
async fn a_recorder_that_stops_sending_is_noticed() {
    let config = SdkConfig {
        stall_timeout_s: 2,
        ..SdkConfig::default()
    };
    let place = Place::with_config(
        with_fault(Fault {
            at_bytes: 60_000,
            ..Fault::once(FaultKind::Stall, Scope::Download)
        }),
        config,
    );
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let (done, progress) = download(&session, by_name(&place, "ch33_1")).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind, FailureKind::Network);
    assert!(
        error.message.contains("stopped sending: no byte for 2 s"),
        "{error}"
    );
    assert!(
        progress.received_bytes > 0 && progress.percent < 100,
        "{progress:?}"
    );
    eventually("the download is stopped", || {
        place.calls("download_stop").len() == 1
    })
    .await;
    // The worker has survived it.
    download(&session, by_name(&place, "ch33_1"))
        .await
        .0
        .unwrap();
    running.stop().await;
}

#[tokio::test]
async fn position_200_is_not_success() {
    let place = Place::new(with_fault(Fault {
        at_bytes: 60_000,
        error: 800,
        ..Fault::once(FaultKind::Fail200, Scope::Download)
    }));
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let error = download(&session, by_name(&place, "ch33_1"))
        .await
        .0
        .unwrap_err();
    assert_eq!(
        (error.kind, error.vendor_code),
        (FailureKind::Capacity, Some(800))
    );
    let error = download(&session, by_name(&place, "gone"))
        .await
        .0
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::SourceGone);
    let nowhere = part(
        Source::Name("ch33_1".into()),
        place.path("no/folder/000.ps"),
    );
    let error = download(&session, nowhere).await.0.unwrap_err();
    assert_eq!(
        (error.kind, error.vendor_code),
        (FailureKind::Local, Some(34))
    );
    running.stop().await;
}

#[tokio::test]
async fn downloads_run_side_by_side_up_to_the_recorders_limit() {
    let place = Place::new(Device {
        max_downloads: Some(2),
        throttle_bytes_per_s: Some(100_000),
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let fetch = |name: &str, file: &str| {
        let part = PartRequest {
            path: place.path(file),
            limit_kbps: None,
            ..by_name(&place, name)
        };
        let (sender, progress) = watch::channel(PartProgress::default());
        let session = session.clone();
        let done = async move {
            session
                .download(part, sender, CancellationToken::new())
                .await
        };
        (tokio::spawn(done), progress)
    };
    let (one, mut progress_of_one) = fetch("ch33_1", "1.ps");
    let (two, mut progress_of_two) = fetch("ch33_2", "2.ps");
    for progress in [&mut progress_of_one, &mut progress_of_two] {
        let begun = progress.wait_for(|progress| progress.received_bytes > 0);
        begun.await.unwrap();
    }
    let refused = fetch("ch33_3", "3.ps").0.await.unwrap().unwrap_err();
    assert_eq!(
        (refused.kind, refused.vendor_code),
        (FailureKind::Capacity, Some(28))
    );
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_download_is_cancelled_at_once() {
    let place = Place::new(Device {
        throttle_bytes_per_s: Some(20_000),
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let (sender, mut progress) = watch::channel(PartProgress::default());
    let cancel = CancellationToken::new();
    let downloading = tokio::spawn({
        // A limit of ours would replace the rate of this slow recorder.
        let part = PartRequest {
            limit_kbps: None,
            ..by_name(&place, "ch33_1")
        };
        let (session, cancel) = (session.clone(), cancel.clone());
        async move { session.download(part, sender, cancel).await }
    });
    progress
        .wait_for(|progress| progress.received_bytes > 0)
        .await
        .unwrap();
    let asked = Instant::now();
    cancel.cancel();
    let error = downloading.await.unwrap().unwrap_err();
    assert_eq!(error.kind, FailureKind::Cancelled);
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(place.calls("download_stop").len(), 1);
    running.stop().await;
}
