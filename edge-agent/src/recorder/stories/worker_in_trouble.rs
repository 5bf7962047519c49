//! A library that crashes, hangs, grows, or is not there.

use super::*;

#[tokio::test]
async fn a_crash_in_the_library_costs_one_download() {
    let place = Place::new(with_fault(Fault {
        at_bytes: 60_000,
        ..Fault::once(FaultKind::Sigsegv, Scope::Download)
    }));
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let (done, _) = download(&session, by_name(&place, "ch33_1")).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind, FailureKind::Worker);
    assert!(error.message.contains("SIGSEGV"), "{error}");
    // The next session is another process, and the work goes on.
    let session = loop {
        match tokio::time::timeout(PATIENCE, running.handle.session())
            .await
            .unwrap()
        {
            Ok(session) if session.ping().await.is_ok() => break session,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    download(&session, by_name(&place, "ch33_1"))
        .await
        .0
        .unwrap();
    let expected = place.expected("2026-11-20T10:00:00Z");
    assert!(std::fs::read(place.path("000.ps")).unwrap() == expected);
    running.stop().await;
}

#[tokio::test]
async fn a_library_that_hangs_is_replaced() {
    let config = SdkConfig {
        hang_timeout_s: 2,
        ..SdkConfig::default()
    };
    let hangs = with_fault(Fault::once(FaultKind::Hang, Scope::Find));
    let place = Place::with_config(hangs, config);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    let error = session.search(33, whole).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Worker);
    assert!(error.message.contains("no sign of life for 2 s"), "{error}");
    eventually("another worker logs in", || place.calls("login").len() == 2).await;
    let found = running.session().await.search(33, whole).await.unwrap();
    assert_eq!(found.recordings.len(), 3);
    running.stop().await;
}

#[tokio::test]
async fn a_hanging_call_does_not_keep_the_worker_alive() {
    let hangs = with_fault(Fault::once(FaultKind::Hang, Scope::Find));
    let place = Place::new(hangs);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let searching = tokio::spawn(async move {
        let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
        session.search(33, whole).await
    });
    eventually("the call hangs", || !place.calls("fault").is_empty()).await;
    let asked = Instant::now();
    running.stop().await;
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        searching.await.unwrap().unwrap_err().kind,
        FailureKind::Worker
    );
}

#[tokio::test]
async fn a_missing_library_is_explained_and_found_when_it_comes() {
    let place = Place::new(device());
    let library = place.config.sdk_folder.join(folder::LIBRARY);
    std::fs::remove_file(&library).unwrap();
    let running = place.start(PASSWORD);
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::LibraryMissing);
    let folder = place.config.sdk_folder.display().to_string();
    assert!(
        error.message.contains("libhcnetsdk.so is missing in"),
        "{error}"
    );
    assert!(error.message.contains(&folder), "{error}");
    std::fs::copy(folder::built_library().unwrap(), &library).unwrap();
    running.handle.check_now();
    running.status(RecorderState::Online).await;
    running.stop().await;

    std::fs::write(&library, "not a library").unwrap();
    let error = place.start(PASSWORD).refusal().await;
    assert_eq!(error.kind, FailureKind::LibraryMissing);
    assert!(error.message.contains("cannot be loaded"), "{error}");
}

#[tokio::test]
async fn a_worker_that_has_grown_too_large_is_replaced() {
    let config = SdkConfig {
        check_interval_s: 1,
        memory_limit_bytes: 1,
        ..SdkConfig::default()
    };
    let place = Place::with_config(device(), config);
    let running = place.start(PASSWORD);
    running.session().await;
    eventually("it is replaced", || place.calls("login").len() >= 2).await;
    assert!(!place.calls("logout").is_empty());
    running.stop().await;
}
