//! Searching: what a recorder holds, in true time.

use super::*;

#[tokio::test]
async fn a_recorder_is_searched_and_its_footage_fetched() {
    let place = Place::new(Device {
        zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
        clock_skew_s: 72,
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let identity = session.identity().clone();
    assert_eq!(identity.model, "DS-7608NI-K2");
    assert!(identity.serial.starts_with("DS-7608NI-K2"));
    let yard = ChannelInfo {
        number: 33,
        name: "Yard".into(),
        online: Some(true),
    };
    assert_eq!(identity.channels, [yard]);
    let clock = session.ping().await.unwrap();
    assert!((clock.offset_ms - 72_000).abs() <= 1_000, "{clock:?}");

    let asked = range("2026-11-20T10:00:15Z", "2026-11-20T10:00:20Z");
    let found = session.search(33, asked).await.unwrap();
    assert!(
        found.recordings.iter().any(|r| r.source_name == "ch33_2"),
        "{found:?}"
    );
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    let found = session.search(33, whole).await.unwrap();
    let names: Vec<_> = found
        .recordings
        .iter()
        .map(|r| r.source_name.as_str())
        .collect();
    assert_eq!(names, ["ch33_1", "ch33_2", "ch33_3"]);
    let second = &found.recordings[1];
    assert_eq!(second.start.wall.to_string(), "2026-11-20T11:01:22");
    let late_ms = second
        .span
        .from
        .ms_since("2026-11-20T10:00:10Z".parse().unwrap());
    assert!(late_ms.abs() <= 1_000, "{second:?}");
    assert_eq!((second.source_type, second.source_locked), (1, false));

    let (done, progress) = download(&session, by_name(&place, "ch33_2")).await;
    let bytes = done.unwrap();
    assert_eq!(
        std::fs::metadata(place.path("000.ps")).unwrap().len(),
        bytes
    );
    assert_eq!(bytes, second.stated_bytes + 40);
    assert_eq!(
        progress,
        PartProgress {
            received_bytes: bytes,
            percent: 100
        }
    );

    let running_worker = place.config.work_dir.clone();
    assert_eq!(std::fs::read_dir(&running_worker).unwrap().count(), 1);
    running.stop().await;
    assert_eq!(std::fs::read_dir(&running_worker).unwrap().count(), 0);
    assert_eq!(
        (place.calls("login").len(), place.calls("logout").len()),
        (1, 1)
    );
}

#[tokio::test]
async fn summer_time_and_the_hour_that_comes_twice_are_understood() {
    let truly = [
        "2026-07-01T10:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-11-20T10:00:00Z",
    ];
    for offsets in [false, true] {
        let mut device = Device {
            zone: "CET-1CEST,M3.5.0,M10.5.0/3".into(),
            v50_offsets: offsets,
            ..device()
        };
        device.channels[0].recordings = truly.iter().map(|start| recording(start, start)).collect();
        let place = Place::new(device);
        let running = place.start(PASSWORD);
        let session = running.session().await;
        let year = range("2026-01-01T00:00:00Z", "2026-11-21T00:00:00Z");
        let found = session.search(33, year).await.unwrap().recordings;
        let spans: Vec<_> = found
            .iter()
            .map(|found| (found.source_name.clone(), found.span.from.to_string()))
            .collect();
        assert_eq!(spans, truly.map(|time| (time.to_owned(), time.to_owned())));
        let passes = found.iter().map(|found| found.start.second_pass);
        assert!(passes.eq([false, false, true, true, false]), "{found:?}");
        // Only the second pass, asked for by itself.
        let second = range("2026-10-25T01:25:00Z", "2026-10-25T01:45:00Z");
        let found = session.search(33, second).await.unwrap().recordings;
        let names: Vec<_> = found.iter().map(|r| r.source_name.as_str()).collect();
        assert!(names.contains(&"2026-10-25T01:30:00Z"), "{names:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_recorder_of_the_older_kind_is_searched_all_the_same() {
    let place = Place::new(Device {
        v50: false,
        analog_channels: 4,
        first_digital: 5,
        digital_channels: Some(4),
        channels: vec![Channel {
            number: 2,
            name: "Gate".into(),
            recordings: vec![recording("ch02_1", "2026-11-20T10:00:00Z")],
            ..Channel::default()
        }],
        ..device()
    });
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let names: Vec<_> = session
        .identity()
        .channels
        .iter()
        .map(|c| (c.number, c.name.clone()))
        .collect();
    assert_eq!(names[..2], [(1, String::new()), (2, "Gate".into())]);
    assert_eq!(
        names.len(),
        4,
        "digital inputs without a camera are not channels: {names:?}"
    );
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    assert_eq!(session.search(2, whole).await.unwrap().recordings.len(), 1);
    assert!(
        session
            .search(3, whole)
            .await
            .unwrap()
            .recordings
            .is_empty()
    );
    let error = session.search(99, whole).await.unwrap_err();
    assert_eq!(
        (error.kind, error.vendor_code),
        (FailureKind::Unsupported, Some(4))
    );
    running.stop().await;
}

#[tokio::test]
async fn two_hundred_channels_with_holes_and_names_of_another_code_page() {
    // Four groups of 64; every third input has no camera, the cameras' ids run against the channels, and one channel
    // was recorded although its camera no longer answers.
    let number_of = |n: u32| 1 + n + n / 2;
    let channels: Vec<_> = (0..134u32)
        .map(|n| Channel {
            number: number_of(n),
            name: format!("\u{5927}\u{95e8} {n}"), // "gate"
            online: n != 133,
            ip_id: Some(200 - n as u16),
            recordings: (n == 133)
                .then(|| recording("last_1", "2026-11-20T10:00:00Z"))
                .into_iter()
                .collect(),
            ..Channel::default()
        })
        .collect();
    for char_encode_type in [0, 2, 6] {
        let place = Place::new(Device {
            first_digital: 1,
            digital_channels: Some(200),
            char_encode_type,
            channels: channels.clone(),
            ..device()
        });
        let running = place.start(PASSWORD);
        let session = running.session().await;
        let found = &session.identity().channels;
        assert_eq!(found.len(), channels.len());
        for (found, there) in found.iter().zip(&channels) {
            assert_eq!(
                (found.number, &found.name, found.online),
                (there.number, &there.name, Some(there.online)),
                "code page {char_encode_type}"
            );
        }
        let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
        let last = number_of(133);
        assert_eq!(last, 200);
        let found = session.search(last, whole).await.unwrap().recordings;
        assert_eq!(found.len(), 1, "an absent camera's recordings are found");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_full_answer_is_asked_for_in_halves() {
    let start: jiff::Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let recordings = (0..5_000)
        .map(|n| Recording {
            start: start + Duration::from_secs(n * 10),
            ..recording(&format!("ch33_{n}"), "2026-11-01T00:00:00Z")
        })
        .collect();
    let mut device = device();
    device.channels[0].recordings = recordings;
    let place = Place::new(device);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    let found = session.search(33, whole).await.unwrap();
    assert_eq!(found.recordings.len(), 5_000);
    running.stop().await;
}

/// It is what is told that a recorder limits, not what is new in it: half of a full answer may be repeats.
#[tokio::test]
async fn a_full_answer_of_repeats_is_asked_for_in_halves_too() {
    let start: jiff::Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let recordings = (0..5_000)
        .map(|n| Recording {
            start: start + Duration::from_secs(n / 2 * 10),
            ..recording(&format!("ch33_{}", n / 2), "2026-11-01T00:00:00Z")
        })
        .collect();
    let mut device = device();
    device.channels[0].recordings = recordings;
    let place = Place::new(device);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    let found = session.search(33, whole).await.unwrap();
    assert_eq!(found.recordings.len(), 2_500);
    running.stop().await;
}

#[tokio::test]
async fn a_search_that_breaks_or_never_ends_is_told() {
    let config = SdkConfig {
        search_timeout_s: 2,
        ..SdkConfig::default()
    };
    let faults = vec![
        Fault::once(FaultKind::Exception, Scope::Find),
        Fault::once(FaultKind::Endless, Scope::Find),
        Fault::once(FaultKind::Repeat, Scope::Find),
    ];
    let place = Place::with_config(Device { faults, ..device() }, config);
    let running = place.start(PASSWORD);
    let session = running.session().await;
    let whole = range("2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z");
    let mut told = Vec::new();
    for _ in 0..3 {
        let error = session.search(33, whole).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Device);
        told.push(error.message);
    }
    let told = told.join("\n");
    assert!(
        told.contains("broke the search off")
            && told.contains("did not finish within 2 s")
            && told.contains("repeats its results without end"),
        "{told}"
    );
    assert_eq!(session.search(33, whole).await.unwrap().recordings.len(), 3);
    running.stop().await;
}
