//! What goes and what stays, and that half of it is never the end.

use wire::ids::RecordingId;
use wire::resource::RecordingStatus;

use super::*;
use crate::catalog::testing::{Closed, House, found, range};
use crate::host::identity::Identity;
use crate::secrets::Secrets;

/// A box with one recording held, that does not run.
struct Box {
    closed: Closed,
    config: Config,
    held: RecordingId,
    identity: String,
}

impl Box {
    async fn new() -> Self {
        let house = House::new().await;
        let mut config = house.config();
        config.sdk.sdk_folder = house.path().join("sdk");
        std::fs::create_dir(&config.sdk.sdk_folder).unwrap();
        std::fs::write(config.sdk.sdk_folder.join("lib.so"), "vendor's").unwrap();
        let identity = Identity::open(&config.state.identity_key()).unwrap();
        Secrets::open(&config.state.secrets_key(), None).unwrap();
        std::fs::write(house.path().join("membership.json"), "{}").unwrap();
        let recorder = house.recorder("SN1", 1).await.id;
        let span = range("2026-11-03T00:00:00Z", "2026-11-03T00:30:00Z");
        let ids = house.observe(recorder, 1, vec![found("f0", span, 5)]).await;
        house.hold(ids[0], b"media").await;
        Self {
            closed: house.close().await,
            config,
            held: ids[0],
            identity: identity.appliance.to_string(),
        }
    }

    fn order(&self, footage: bool) {
        let at = self.closed.clock.now().into();
        order(&self.config.state, Order { footage, at }).unwrap();
    }

    async fn carry_out(&self) -> Result<Option<Done>, ResetError> {
        carry_out(&self.config, self.closed.clock.clone()).await
    }

    fn is_as_new(&self) {
        let state = &self.config.state;
        let gone = [
            state.identity_key(),
            state.secrets_key(),
            state.folder.join("membership.json"),
            state.folder.join(FILE),
        ];
        for path in gone {
            assert!(!path.exists(), "{} is still there", path.display());
        }
        assert!(self.config.sdk.sdk_folder.join("lib.so").is_file());
        let identity = Identity::open(&state.identity_key()).unwrap();
        assert_ne!(identity.appliance.to_string(), self.identity);
    }

    fn media(&self) -> usize {
        let mut folders = vec![self.config.volume[0].path.clone()];
        let mut media = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                media += usize::from(path.extension().is_some_and(|it| it == "mp4"));
                folders.extend(path.is_dir().then_some(path));
            }
        }
        media
    }
}

#[tokio::test]
async fn keys_and_people_go_and_footage_is_read_in_again() {
    let it = Box::new().await;
    it.order(false);
    let done = it.carry_out().await.unwrap().unwrap();
    assert_eq!((done.recordings, it.media()), (1, 1));
    assert!(done.away.is_empty());
    it.is_as_new();
    assert!(it.carry_out().await.unwrap().is_none(), "it is done once");
    let house = it.closed.open().await;
    let held = house.catalog.recording(it.held).await.unwrap();
    assert_eq!(held.status, RecordingStatus::Completed);
    assert!(!house.catalog.people().is_set_up().await.unwrap());
    house.assert_sound();
}

#[tokio::test]
async fn footage_goes_when_asked_and_nothing_else_on_its_disk() {
    let it = Box::new().await;
    let theirs = it.config.volume[0].path.join("holiday.txt");
    std::fs::write(&theirs, "not ours").unwrap();
    it.order(true);
    let done = it.carry_out().await.unwrap().unwrap();
    assert_eq!((done.recordings, it.media()), (0, 0));
    it.is_as_new();
    assert!(theirs.is_file());
    assert!(it.config.volume[0].path.join(MARKER).is_file());
}

#[tokio::test]
async fn footage_below_the_state_folder_stays_whatever_that_is_called() {
    let mut it = Box::new().await;
    let link = tempfile::tempdir().unwrap();
    let other_name = link.path().join("state");
    std::os::unix::fs::symlink(&it.config.state.folder, &other_name).unwrap();
    it.config.state.folder = other_name;
    it.order(false);
    assert_eq!(it.carry_out().await.unwrap().unwrap().recordings, 1);
    assert_eq!(it.media(), 1);
    it.is_as_new();
}

#[tokio::test]
async fn a_disk_that_is_not_there_is_named() {
    let mut it = Box::new().await;
    let mut second = it.config.volume[0].clone();
    second.name = "second".to_owned();
    second.path = it.config.state.folder.join("not-mounted");
    it.config.volume.push(second);
    it.order(true);
    let done = it.carry_out().await.unwrap().unwrap();
    assert_eq!(done.away.len(), 1);
    assert!(
        done.away[0].starts_with("volume second: "),
        "{:?}",
        done.away
    );
}

#[tokio::test]
async fn what_was_interrupted_goes_on() {
    let it = Box::new().await;
    it.order(false);
    // The power went after a part of the state had gone.
    std::fs::remove_dir_all(it.config.state.catalog()).unwrap();
    std::fs::remove_file(it.config.state.identity_key()).unwrap();
    assert_eq!(it.carry_out().await.unwrap().unwrap().recordings, 1);
    it.is_as_new();
    // And while what stays was being read in.
    it.order(false);
    std::fs::create_dir_all(it.config.state.folder.join("catalog.new")).unwrap();
    assert_eq!(it.carry_out().await.unwrap().unwrap().recordings, 1);
}

#[tokio::test]
async fn a_box_that_runs_is_not_reset_below_its_feet() {
    let it = Box::new().await;
    it.order(true);
    let runs = anew::lock(&it.config.state.catalog()).unwrap();
    let refused = it.carry_out().await.unwrap_err();
    assert!(
        matches!(refused, ResetError::Catalog(CatalogError::Busy { .. })),
        "{refused}"
    );
    assert_eq!(it.media(), 1);
    drop(runs);
    assert!(it.carry_out().await.unwrap().is_some());
}
