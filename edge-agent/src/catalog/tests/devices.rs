//! Recorders and cameras: whose footage is whose.

use wire::resource::{CameraState, RecorderState, RecordingStatus};

use crate::catalog::CatalogError;
use crate::catalog::cameras::CameraChange;
use crate::catalog::recorders::{RecorderChange, SessionNoted};
use crate::catalog::testing::{House, found, range};
use crate::model::fingerprint::Fingerprint;

#[tokio::test]
async fn a_folder_has_one_agent() {
    let house = House::new().await;
    let second =
        crate::catalog::Catalog::open(house.catalog.folder(), base::clock::Clock::system());
    assert!(matches!(second, Err(CatalogError::Busy { .. })));
    let house = house.restart().await;
    house.assert_sound();
}

#[tokio::test]
async fn a_lock_that_is_about_to_go_is_waited_for() {
    let house = House::new().await;
    let folder = house.catalog.folder().to_owned();
    let clock = house.clock.clone();
    let goes = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        house.close().await
    };
    let comes = async {
        crate::catalog::until_free(&folder).await;
        crate::catalog::Catalog::open(&folder, clock).is_ok()
    };
    let (_closed, is_open) = tokio::join!(goes, comes);
    assert!(is_open);
}

#[tokio::test]
async fn cameras_follow_the_channels_but_a_persons_name_stays() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 2).await.id;
    let (one, two) = (
        house.camera(recorder, 1).await,
        house.camera(recorder, 2).await,
    );
    let change = CameraChange {
        name: Some("Back yard".to_owned()),
        enabled: Some(false),
        ..CameraChange::default()
    };
    house.catalog.change_camera(two, change).await.unwrap();
    let mut told = crate::catalog::testing::identity("SN1", 3);
    told.channels[0].name = "Front".to_owned();
    told.channels.remove(1);
    let noted = house
        .catalog
        .note_session(
            recorder,
            RecorderState::Online,
            None,
            house.catalog.now(),
            Some(&told),
        )
        .await
        .unwrap();
    assert_eq!(noted, SessionNoted::Accepted);
    let cameras = house.catalog.cameras().await.unwrap();
    let shown: Vec<_> = cameras
        .iter()
        .map(|c| (c.channel, c.name.as_str(), c.state, c.enabled))
        .collect();
    assert_eq!(
        shown,
        [
            (1, "Front", CameraState::Online, true),
            (2, "Back yard", CameraState::Offline, false),
            (3, "Gate 3", CameraState::Online, true),
        ]
    );
    assert_eq!(cameras[0].id, one);
    let asked = house.catalog.channels_to_discover(recorder).await.unwrap();
    assert_eq!(asked.iter().map(|c| c.channel).collect::<Vec<_>>(), [1, 3]);
}

#[tokio::test]
async fn another_device_at_the_same_address_is_refused() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    assert!(matches!(
        house.login(recorder, "SN2", 4).await,
        SessionNoted::WrongDevice(_)
    ));
    let shown = house.catalog.recorder(recorder).await.unwrap();
    assert_eq!(shown.state, RecorderState::Error);
    assert!(shown.state_reason.unwrap().contains("SN2"));
    assert_eq!(shown.serial.as_deref(), Some("SN1"));
    assert_eq!(house.catalog.cameras().await.unwrap().len(), 1);
    // With its settings changed it is tried anew.
    let change = RecorderChange {
        address: Some("192.0.2.2".to_owned()),
        ..RecorderChange::default()
    };
    let changed = house
        .catalog
        .change_recorder(recorder, change)
        .await
        .unwrap();
    assert_eq!(changed.state, RecorderState::Unknown);
    assert_eq!(changed.state_reason, None);
}

#[tokio::test]
async fn one_device_is_not_two_recorders() {
    let house = House::new().await;
    house.recorder("SN1", 1).await;
    let second = house.recorder("SN9", 1).await;
    house.catalog.remove_recorder(second.id).await.unwrap();
    let again = house
        .catalog
        .add_recorder(crate::catalog::recorders::NewRecorder {
            id: wire::ids::RecorderId::new(),
            driver: wire::resource::DriverKind::Sdk,
            name: "Twice".to_owned(),
            address: "192.0.2.9".to_owned(),
            port: 8000,
            username: "admin".to_owned(),
            password_sealed: Vec::new(),
            tls: false,
            certificate: None,
            enabled: true,
        })
        .await
        .unwrap();
    let noted = house.login(again.id, "SN1", 1).await;
    assert!(matches!(noted, SessionNoted::WrongDevice(why) if why.contains("Recorder SN1")));
}

#[tokio::test]
async fn a_recorder_that_is_removed_and_added_again_finds_its_footage() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let camera = house.camera(recorder, 1).await;
    let ids = house
        .observe(
            recorder,
            1,
            vec![
                found(
                    "held",
                    range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z"),
                    5,
                ),
                found(
                    "not yet",
                    range("2026-11-03T09:00:00Z", "2026-11-03T10:00:00Z"),
                    5,
                ),
            ],
        )
        .await;
    house.hold(ids[0], b"bytes").await;
    house.catalog.remove_recorder(recorder).await.unwrap();
    assert!(house.catalog.recorders().await.unwrap().is_empty());
    assert!(matches!(
        house.catalog.recorder_password_sealed(recorder).await,
        Err(CatalogError::NoRecorder(_))
    ));
    let kept = house.catalog.cameras().await.unwrap();
    assert_eq!((kept.len(), kept[0].enabled), (1, false));
    assert!(house.catalog.held(ids[0]).await.unwrap().is_some());
    let given_up = house.catalog.recording(ids[1]).await.unwrap();
    assert_eq!(given_up.status, RecordingStatus::Failed);
    assert!(given_up.failure.unwrap().contains("was removed"));
    house.assert_sound();

    let again = house.recorder("SN1", 2).await.id;
    assert_eq!(house.camera(again, 1).await, camera);
    assert_eq!(house.catalog.cameras().await.unwrap().len(), 2);
    assert_eq!(house.pending(ids[1]).await.recorder, again);
    house.assert_sound();
}

#[tokio::test]
async fn a_recorder_that_is_switched_off_or_a_camera_is_not_fetched_from() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await.id;
    let camera = house.camera(recorder, 1).await;
    let span = range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z");
    let off = CameraChange {
        enabled: Some(false),
        ..CameraChange::default()
    };
    house.catalog.change_camera(camera, off).await.unwrap();
    let ids = house.observe(recorder, 1, vec![found("f", span, 5)]).await;
    let now = house.catalog.now();
    assert!(house.catalog.to_fetch(now, 10).await.unwrap().is_empty());
    // A person may ask for it all the same.
    assert_eq!(
        house
            .catalog
            .raise_priority(Some(camera), span)
            .await
            .unwrap(),
        1
    );
    let asked = house.catalog.to_fetch(now, 10).await.unwrap();
    assert_eq!((asked[0].id, asked[0].priority), (ids[0], 10));
    let off = RecorderChange {
        enabled: Some(false),
        ..RecorderChange::default()
    };
    house.catalog.change_recorder(recorder, off).await.unwrap();
    assert!(house.catalog.to_fetch(now, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_first_certificate_stays_until_a_person_accepts_another() {
    let house = House::new().await;
    let id = house.recorder("SN1", 1).await.id;
    let login = async |certificate: &Fingerprint| {
        let told = crate::model::inventory::RecorderIdentity {
            certificate: Some(*certificate),
            ..crate::catalog::testing::identity("SN1", 1)
        };
        let now = house.catalog.now();
        let noted = house
            .catalog
            .note_session(id, RecorderState::Online, None, now, Some(&told));
        assert_eq!(noted.await.unwrap(), SessionNoted::Accepted);
        house.catalog.recorder(id).await.unwrap()
    };
    let (first, second) = (Fingerprint::of(b"first"), Fingerprint::of(b"second"));
    let known = login(&first).await.certificate_sha256;
    assert_eq!(known, Some(first.to_string()));

    let note = house.catalog.note_other_certificate(id, second);
    note.await.unwrap();
    let shown = house.catalog.recorder(id).await.unwrap();
    assert_eq!(shown.certificate_sha256, Some(first.to_string()));
    assert_eq!(shown.other_certificate_sha256, Some(second.to_string()));

    let accept = RecorderChange {
        certificate: Some(second),
        ..RecorderChange::default()
    };
    let changed = house.catalog.change_recorder(id, accept).await.unwrap();
    assert_eq!(changed.certificate_sha256, Some(second.to_string()));
    assert_eq!(changed.other_certificate_sha256, None);
    assert_eq!(changed.state, RecorderState::Unknown, "it is tried anew");
}
