//! A box that is lost but for its footage, and what of a backup is refused.

use std::path::{Path, PathBuf};

use wire::ids::RecordingId;
use wire::resource::RecordingStatus;

use super::format::Reading;
use super::restore::{KeysWere, config_of, restore};
use super::*;
use crate::catalog::testing::{House, found, range};
use crate::config::Config;
use crate::host::identity::Identity;
use crate::secrets::Secrets;

const TEXT: &str = "# settings\n";
const PASSPHRASE: &str = "a ladder and a lamp";

struct Site {
    house: House,
    config: Config,
    ids: Vec<RecordingId>,
    file: PathBuf,
}

impl Site {
    /// Four recordings, of which two are held.
    async fn new() -> Self {
        let house = House::new().await;
        let config = house.config();
        Identity::open(&config.state.identity_key()).unwrap();
        let secrets = Secrets::open(&config.state.secrets_key(), None).unwrap();
        let recorder = house.recorder("SN1", 1).await.id;
        let change = crate::catalog::recorders::RecorderChange {
            password_sealed: Some(secrets.seal(recorder, "pw")),
            ..Default::default()
        };
        house
            .catalog
            .change_recorder(recorder, change)
            .await
            .unwrap();
        let listed = (0..4).map(|n| {
            let span = range(
                &format!("2026-11-03T0{n}:00:00Z"),
                &format!("2026-11-03T0{n}:30:00Z"),
            );
            found(&format!("f{n}"), span, 5)
        });
        let ids = house.observe(recorder, 1, listed.collect()).await;
        let file = house.path().join("box.backup");
        let site = Self {
            house,
            config,
            ids,
            file,
        };
        site.hold(0).await;
        site.hold(1).await;
        site
    }

    async fn hold(&self, n: usize) {
        let id = self.ids[n];
        self.house.hold(id, id.to_string().as_bytes()).await;
    }

    fn back_up(&self, passphrase: Option<&str>) {
        let now = self.house.catalog.now();
        make(&self.config.state, TEXT, now, &self.file, passphrase).unwrap();
    }

    /// Everything but the footage and the backup is lost.
    async fn lose_all(
        self,
    ) -> (
        crate::catalog::testing::Closed,
        Config,
        PathBuf,
        Vec<RecordingId>,
    ) {
        let Self {
            house,
            config,
            ids,
            file,
        } = self;
        let closed = house.close().await;
        std::fs::remove_dir_all(config.state.catalog()).unwrap();
        for key in [config.state.identity_key(), config.state.secrets_key()] {
            std::fs::remove_file(key).unwrap();
        }
        (closed, config, file, ids)
    }
}

async fn password(house: &House, config: &Config) -> Option<String> {
    let recorder = house.catalog.recorders().await.unwrap()[0].id;
    let sealed = house
        .catalog
        .recorder_password_sealed(recorder)
        .await
        .unwrap();
    let secrets = Secrets::open(&config.state.secrets_key(), None).unwrap();
    let opened = secrets.open_password(recorder, &sealed).ok();
    opened.map(|password| password.to_string())
}

#[tokio::test]
async fn a_box_is_as_it_was_and_what_came_since_is_there() {
    let site = Site::new().await;
    let appliance = Identity::open(&site.config.state.identity_key())
        .unwrap()
        .appliance;
    site.back_up(Some(PASSPHRASE));
    site.hold(2).await;
    site.house
        .catalog
        .set_locked(site.ids[2], true)
        .await
        .unwrap();
    let (closed, config, file, ids) = site.lose_all().await;
    let clock = closed.clock.clone();
    let restored = restore(&config, "# other\n", clock, &file, Some(PASSPHRASE))
        .await
        .unwrap();
    assert_eq!(restored.keys, KeysWere::Restored(Vec::new()));
    assert_eq!(restored.adopted.recordings, 3);
    assert_eq!(
        std::fs::read_to_string(restored.config_aside.unwrap()).unwrap(),
        TEXT
    );
    let house = closed.open().await;
    for id in &ids[..3] {
        assert!(house.catalog.held(*id).await.unwrap().is_some());
    }
    let status = house.catalog.recording(ids[3]).await.unwrap().status;
    assert_eq!(status, RecordingStatus::Pending);
    assert_eq!(house.catalog.outbox().await.unwrap(), None);
    assert_eq!(password(&house, &config).await.as_deref(), Some("pw"));
    assert_eq!(
        Identity::open(&config.state.identity_key())
            .unwrap()
            .appliance,
        appliance
    );
    house.assert_sound();
}

#[tokio::test]
async fn without_the_passphrase_no_key_travels() {
    let site = Site::new().await;
    let key = std::fs::read(site.config.state.secrets_key()).unwrap();
    site.back_up(None);
    let holds = |file: &Path| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(key.len()).any(|window| window == key)
    };
    assert!(!holds(&site.file));
    std::fs::remove_file(&site.file).unwrap();
    site.back_up(Some(PASSPHRASE));
    assert!(!holds(&site.file));
    let (closed, config, file, ids) = site.lose_all().await;
    let clock = closed.clock.clone();
    let wrong = restore(&config, TEXT, clock.clone(), &file, Some("another one")).await;
    assert!(matches!(wrong, Err(BackupError::Passphrase)));
    let restored = restore(&config, TEXT, clock, &file, None).await.unwrap();
    assert_eq!(
        (restored.keys, restored.config_aside),
        (KeysWere::LeftOut, None)
    );
    let house = closed.open().await;
    assert!(house.catalog.held(ids[0]).await.unwrap().is_some());
    assert_eq!(password(&house, &config).await, None);
}

#[tokio::test]
async fn a_damaged_backup_changes_nothing() {
    let site = Site::new().await;
    site.back_up(None);
    let good = std::fs::read(&site.file).unwrap();
    assert_eq!(config_of(&site.file).unwrap(), TEXT);
    let Site {
        house,
        config,
        ids,
        file,
    } = site;
    let closed = house.close().await;
    let step = good.len() / 40;
    for at in (0..good.len()).step_by(step.max(1)) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        for bytes in [bad, good[..at].to_vec()] {
            std::fs::write(&file, bytes).unwrap();
            let refused = restore(&config, TEXT, closed.clock.clone(), &file, None).await;
            // The time that it tells may be another one: what follows is compared all the same.
            let header_alone = Reading::open(&file).is_ok() && refused.is_ok();
            assert!(refused.is_err() || header_alone, "byte {at}");
        }
    }
    std::fs::write(&file, &good).unwrap();
    restore(&config, TEXT, closed.clock.clone(), &file, None)
        .await
        .unwrap();
    let house = closed.open().await;
    assert!(house.catalog.held(ids[1]).await.unwrap().is_some());
    house.assert_sound();
}

#[tokio::test]
async fn a_backup_of_a_newer_program_is_refused() {
    let site = Site::new().await;
    site.back_up(None);
    let text = std::fs::read(&site.file).unwrap();
    let version = crate::catalog::SCHEMA.version();
    let (old, new) = (
        format!("\"catalog_version\":{version}"),
        "\"catalog_version\":9999",
    );
    let at = text
        .windows(old.len())
        .position(|window| window == old.as_bytes())
        .unwrap();
    let newer = [&text[..at], new.as_bytes(), &text[at + old.len()..]].concat();
    std::fs::write(&site.file, newer).unwrap();
    let (closed, config, file, _) = site.lose_all().await;
    let refused = restore(&config, TEXT, closed.clock.clone(), &file, None).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("install version"), "{message}");
}
