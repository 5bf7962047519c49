//! A worker that follows a script, over an in-memory socket.

use std::io::Write;
use std::time::Duration;

use super::*;
use crate::recorder::driver::PartProgress;
use crate::recorder::worker_protocol::{
    Answer, Failure, FromWorker, Kind, Outcome, PROTOCOL, Request,
};

fn hello() -> FromWorker {
    FromWorker::Hello(Hello {
        protocol: PROTOCOL,
        build: "test".into(),
        sdk_version: Some("6.1.6.45".into()),
        missing: Vec::new(),
        problem: None,
        sandbox: Vec::new(),
    })
}

fn send(stream: &mut StdStream, message: &FromWorker) {
    stream
        .write_all(&protocol::encode(message).unwrap())
        .unwrap();
}

/// A worker that follows a script, over an in-memory socket.
async fn scripted(
    config: SdkConfig,
    script: impl FnOnce(StdStream) + Send + 'static,
) -> Result<Worker, RecorderError> {
    let (ours, theirs) = StdStream::pair().unwrap();
    std::thread::spawn(move || script(theirs));
    Worker::adopt(ours, None, 0, &config, "192.0.2.10:8000", &Reach::nobody()).await
}

fn next(stream: &mut StdStream) -> Option<ToWorker> {
    protocol::read(stream).unwrap()
}

fn search() -> Request {
    let time = "2026-11-03T15:05:00".parse().unwrap();
    Request::Search {
        session: 1,
        channel: 33,
        start: time,
        end: time,
    }
}

#[tokio::test]
async fn requests_are_answered_out_of_order() {
    let worker = scripted(SdkConfig::default(), |mut stream| {
        assert!(matches!(next(&mut stream), Some(ToWorker::Configure(_))));
        send(&mut stream, &hello());
        let mut ids = Vec::new();
        while let Some(ToWorker::Request { id, .. }) = next(&mut stream) {
            ids.push(id);
            if let [first, second] = ids[..] {
                send(
                    &mut stream,
                    &FromWorker::Progress {
                        id: first,
                        received_bytes: 40,
                        percent: 7,
                    },
                );
                let failure = Failure {
                    kind: Kind::Device,
                    message: "no".into(),
                    code: Some(29),
                };
                send(
                    &mut stream,
                    &FromWorker::Reply {
                        id: second,
                        outcome: Outcome::Failed(failure),
                    },
                );
                send(
                    &mut stream,
                    &FromWorker::Reply {
                        id: first,
                        outcome: Outcome::Done(Answer::Found),
                    },
                );
            }
        }
    })
    .await
    .unwrap();
    let mut seen = PartProgress::default();
    let (first, second) = tokio::join!(
        worker.call("search", search(), None, |progress| seen = progress),
        worker.call("search", search(), None, |_| {}),
    );
    assert_eq!(first.unwrap().answer, Answer::Found);
    let second = second.unwrap_err();
    assert_eq!(
        (second.kind, second.vendor_code),
        (FailureKind::Device, Some(29))
    );
    assert!(
        seen.percent == 7 || seen == PartProgress::default(),
        "progress may be overtaken by the end"
    );
    worker.close().await;
}

#[tokio::test]
async fn a_worker_without_a_sign_of_life_is_ended() {
    let config = SdkConfig {
        hang_timeout_s: 1,
        ..SdkConfig::default()
    };
    let worker = scripted(config, |mut stream| {
        next(&mut stream);
        send(&mut stream, &hello());
        while next(&mut stream).is_some() {}
    })
    .await
    .unwrap();
    let error = worker
        .call("search channel 33", search(), None, |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind, FailureKind::Worker);
    assert_eq!(
        error.message,
        "the worker gave no sign of life for 1 s when told to search channel 33"
    );
    let later = worker
        .call("search", search(), None, |_| {})
        .await
        .unwrap_err();
    assert_eq!(later, error);
}

#[tokio::test]
async fn a_broken_frame_ends_the_worker() {
    let worker = scripted(SdkConfig::default(), |mut stream| {
        next(&mut stream);
        send(&mut stream, &hello());
        next(&mut stream);
        stream.write_all(b"NET_DVR_Init: 192.0.2.10\n").unwrap();
        while next(&mut stream).is_some() {}
    })
    .await
    .unwrap();
    let error = worker
        .call("search", search(), None, |_| {})
        .await
        .unwrap_err();
    assert!(error.message.contains("not a frame"), "{error}");
}

#[tokio::test]
async fn a_foreign_protocol_is_refused() {
    let error = scripted(SdkConfig::default(), |mut stream| {
        next(&mut stream);
        let FromWorker::Hello(mut hello) = hello() else {
            unreachable!()
        };
        hello.protocol = 99;
        send(&mut stream, &FromWorker::Hello(hello));
    })
    .await
    .unwrap_err();
    assert!(error.message.contains("protocol 99"), "{error}");
}

#[tokio::test]
async fn a_dropped_request_is_ended() {
    let (sender, cancelled) = oneshot::channel();
    let worker = scripted(SdkConfig::default(), |mut stream| {
        next(&mut stream);
        send(&mut stream, &hello());
        let Some(ToWorker::Request { id: asked, .. }) = next(&mut stream) else {
            panic!("no request")
        };
        let Some(ToWorker::Cancel { id }) = next(&mut stream) else {
            panic!("no cancel")
        };
        sender.send(asked == id).unwrap();
    })
    .await
    .unwrap();
    let call = worker.call("search", search(), None, |_| {});
    let _ = tokio::time::timeout(Duration::from_millis(50), call).await;
    assert!(cancelled.await.unwrap());
}
