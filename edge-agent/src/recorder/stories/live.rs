//! Live streams.

use super::*;

#[tokio::test]
async fn a_live_stream_begins_with_the_header_and_ends_when_dropped() {
    let place = Place::new(device());
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let mut live = session.live(33, StreamKind::Main).await.unwrap();
    let mut bytes = vec![0; 50_000];
    tokio::time::timeout(PATIENCE, live.bytes.read_exact(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&bytes[..4], b"IMKH");
    assert_eq!(&bytes[40..44], [0, 0, 1, 0xBA]);
    assert_eq!(place.calls("live_stop").len(), 0);
    drop(live);
    eventually("the stream ends at the recorder", || {
        place.calls("live_stop").len() == 1
    })
    .await;
    let error = session.live(99, StreamKind::Sub).await.unwrap_err();
    assert_eq!(error.vendor_code, Some(4));
    running.stop().await;
}

#[tokio::test]
async fn a_live_stream_that_breaks_comes_back_with_its_header() {
    let place = Place::new(with_fault(Fault {
        at_bytes: 20_000,
        ..Fault::once(FaultKind::Break, Scope::Live)
    }));
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let mut live = session.live(33, StreamKind::Main).await.unwrap();
    let mut bytes = Vec::new();
    let began = Instant::now();
    let headers = |bytes: &[u8]| bytes.windows(4).filter(|four| four == b"IMKH").count();
    while headers(&bytes) < 2 {
        assert!(
            began.elapsed() < PATIENCE,
            "no second header in {} bytes",
            bytes.len()
        );
        let mut piece = [0; 65_536];
        let count = tokio::time::timeout(PATIENCE, live.bytes.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(count, 0, "the stream ended");
        bytes.extend_from_slice(&piece[..count]);
    }
    running.stop().await;
}
