//! A power cut at every step of a move: nothing is lost, nothing lies twice, and each disk is proven by itself (S6, P6).

use std::sync::Arc;

use super::*;
use crate::catalog::testing::{House, found, range};
use crate::custody::keeper::Keeper;
use crate::custody::verifier::{Verdict, Wanted, verify};
use crate::evict::{Evictor, RetentionConfig};
use crate::footage::path::{MEDIA, SIDECAR};
use crate::host::signature::Signer;
use crate::host::signature::testing::signer;
use crate::model::time::UtcTime;
use wire::resource::{RecordingStatus, Tier};

const FOOTAGE: &[u8] = b"what the camera saw";

const STEPS: [Step; 6] = [
    Step::Named,
    Step::Copied,
    Step::Placed(keep::Step::SidecarRenamed),
    Step::Placed(keep::Step::MediaRenamed),
    Step::Placed(keep::Step::Synced),
    Step::Switched,
];

struct Site {
    house: House,
    signer: Arc<Signer>,
    id: RecordingId,
}

impl Site {
    /// A hot volume with one recording, entered in its log, and a cold one.
    async fn new() -> Self {
        let (mut house, signer) = (House::new().await, Arc::new(signer()));
        let appliance = signer.key().appliance();
        house.catalog.set_appliance(&appliance).await.unwrap();
        let recorder = house.recorder("SN1", 1).await.id;
        let span = range("2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z");
        let id = house.observe(recorder, 1, vec![found("f", span, 5)]).await[0];
        house.hold(id, FOOTAGE).await;
        house.add_volume(|config| config.tier = Tier::Cold).await;
        let site = Self { house, signer, id };
        site.enter().await;
        site
    }

    async fn enter(&self) {
        let House {
            catalog, volumes, ..
        } = &self.house;
        let mut keeper = Keeper::new(catalog.clone(), volumes.clone(), self.signer.clone());
        keeper.enter_all().await.unwrap();
    }

    /// Moves it, up to a step.
    async fn carry(&self, last: Option<Step>) -> Carried {
        let House {
            catalog, volumes, ..
        } = &self.house;
        let evictor = Evictor::new(catalog.clone(), volumes.clone(), RetentionConfig::default());
        let cold = [volumes.iter().nth(1).unwrap()];
        let room = evictor
            .need_for_move(&cold, 100, UtcTime::from_micros(0))
            .await
            .unwrap();
        let pace = Pace {
            limit_bytes_per_s: u64::MAX,
            hurries: true,
        };
        let carry = Carry {
            catalog,
            source: self.house.volume(),
            recording: self.id,
        };
        let stop = CancellationToken::new();
        carry
            .carry_until(room, pace, &stop, Cut(last))
            .await
            .unwrap()
    }

    /// It is held once, whole, and each disk tells so.
    async fn assert_whole_once(&self, what: &str) {
        let House {
            catalog, volumes, ..
        } = &self.house;
        catalog.empty_garbage(volumes).await.unwrap();
        self.enter().await;
        let held = catalog.held(self.id).await.unwrap().expect(what);
        assert_eq!(held.recording.status, RecordingStatus::Completed);
        let mut copies = 0;
        for volume in volumes.iter() {
            let media = volume.file(&held.stem, MEDIA);
            if media.exists() {
                assert_eq!(std::fs::read(media).unwrap(), FOOTAGE, "{what}");
                assert_eq!(volume.id(), held.volume, "{what}");
                copies += 1;
            }
            assert!(!volume.staging(self.id).exists(), "{what}");
            if volume.id() != held.volume && !volume.path().join(crate::custody::FOLDER).exists() {
                // Nothing was ever entered there.
                continue;
            }
            let wanted = Wanted {
                keys: vec![self.signer.key().fingerprint()],
                ..Wanted::default()
            };
            let report = verify(volume.path(), &wanted, &mut |_, _| {}).unwrap();
            assert!(report.findings.is_empty(), "{what}: {report}");
            assert!(report.notes.is_empty(), "{what}: {report}");
            assert_eq!(report.verdict, Verdict::Proven, "{what}: {report}");
        }
        assert_eq!(copies, 1, "{what}");
        self.house.assert_sound();
    }

    fn is_cold(&self, volume: crate::footage::volume::VolumeId) -> bool {
        volume != self.house.volume().id()
    }
}

#[tokio::test]
async fn a_cut_at_every_step_loses_nothing_and_doubles_nothing() {
    for step in STEPS {
        let what = format!("{step:?}");
        let site = Site::new().await;
        assert!(matches!(site.carry(Some(step)).await, Carried::Stopped));
        let Site { house, signer, id } = site;
        let house = house.restart().await;
        // Also half moved, every file is named by a row, and what is held can be read.
        house.assert_sound();
        house
            .catalog
            .finish_interrupted(&house.volumes)
            .await
            .unwrap();
        let site = Site { house, signer, id };
        site.assert_whole_once(&what).await;
        let held = site.house.catalog.held(id).await.unwrap().unwrap();
        assert_eq!(site.is_cold(held.volume), step == Step::Switched, "{what}");
        if step != Step::Switched {
            assert!(matches!(site.carry(None).await, Carried::Moved));
            site.assert_whole_once(&what).await;
        }
        let again = site
            .house
            .catalog
            .finish_interrupted(&site.house.volumes)
            .await;
        assert_eq!(again.unwrap(), Default::default(), "{what}");
    }
}

/// The catalog is lost as well: of both disks one recording is made.
#[tokio::test]
async fn a_cut_at_every_step_and_a_lost_catalog() {
    for entered in [false, true] {
        for step in STEPS {
            let what = format!("{step:?}, entered {entered}");
            let site = Site::new().await;
            assert!(matches!(site.carry(Some(step)).await, Carried::Stopped));
            if entered {
                // The logs of both disks had the time to tell of the move; the files had not.
                site.enter().await;
            }
            let Site { house, signer, id } = site;
            let house = house.lose_catalog().await;
            let appliance = signer.key().appliance();
            house.catalog.set_appliance(&appliance).await.unwrap();
            let adopted = house.catalog.adopt_footage(&house.volumes).await.unwrap();
            // Of a description whose media never came only the catalog knew. It is told, and a person removes it.
            let lone = step == Step::Placed(keep::Step::SidecarRenamed);
            assert_eq!(
                adopted.refused.len(),
                usize::from(lone),
                "{what}: {:?}",
                adopted.refused
            );
            for refused in adopted.refused {
                let cold = house.volumes.iter().nth(1).unwrap();
                assert_eq!(refused.volume, cold.name());
                std::fs::remove_file(cold.file(&refused.stem, SIDECAR)).unwrap();
            }
            house
                .catalog
                .finish_interrupted(&house.volumes)
                .await
                .unwrap();
            Site { house, signer, id }.assert_whole_once(&what).await;
        }
    }
}

/// A catalog from before the move knows of the old place only.
#[tokio::test]
async fn an_older_catalog_finds_what_has_moved() {
    let site = Site::new().await;
    let copy = site.house.path().join("copy.sqlite");
    crate::catalog::copy_to(
        &site.house.catalog.folder().join(crate::catalog::FILE),
        &copy,
    )
    .unwrap();
    assert!(matches!(site.carry(None).await, Carried::Moved));
    site.assert_whole_once("moved").await;
    let Site { house, signer, id } = site;
    let house = house.with_catalog(&copy).await;
    let repaired = crate::repair::repair(&house.catalog, &house.volumes).await;
    let repaired = repaired.unwrap();
    assert_eq!((repaired.settled.left, repaired.settled.lost), (0, 0));
    let site = Site { house, signer, id };
    let held = site.house.catalog.held(id).await.unwrap().unwrap();
    assert!(site.is_cold(held.volume));
    site.house.assert_sound();
}

#[tokio::test]
async fn what_leaves_while_it_moves_leaves_both_places() {
    let site = Site::new().await;
    let last = Step::Placed(keep::Step::Synced);
    assert!(matches!(site.carry(Some(last)).await, Carried::Stopped));
    site.house.catalog.delete(site.id).await.unwrap();
    let Site { house, .. } = site;
    let house = house.restart().await;
    house
        .catalog
        .finish_interrupted(&house.volumes)
        .await
        .unwrap();
    house.assert_sound();
    for volume in house.volumes.iter() {
        assert!(!volume.path().join("cameras").join("x").exists());
        let cameras = volume.path().join("cameras");
        let left = std::fs::read_dir(&cameras).map_or(0, |entries| {
            entries
                .flatten()
                .filter(|entry| {
                    std::fs::read_dir(entry.path()).is_ok_and(|mut days| days.next().is_some())
                })
                .count()
        });
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn a_move_that_is_stopped_leaves_no_trace() {
    let site = Site::new().await;
    let House {
        catalog, volumes, ..
    } = &site.house;
    let cold = volumes.iter().nth(1).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let carry = Carry {
        catalog,
        source: site.house.volume(),
        recording: site.id,
    };
    let pace = Pace {
        limit_bytes_per_s: 1,
        hurries: false,
    };
    let carried = carry.carry(cold.reserve(100), pace, &stop).await.unwrap();
    assert!(matches!(carried, Carried::Stopped));
    assert_eq!(cold.reserved_bytes(), 0);
    site.assert_whole_once("stopped").await;
    // A copy that the other disk refuses: its folder for what grows is a file.
    let staging = cold.path().join("staging");
    std::fs::remove_dir_all(&staging).unwrap();
    std::fs::write(&staging, "").unwrap();
    let stop = CancellationToken::new();
    let carried = carry.carry(cold.reserve(100), pace, &stop).await.unwrap();
    assert!(matches!(carried, Carried::Failed(_)), "{carried:?}");
    std::fs::remove_file(&staging).unwrap();
    site.assert_whole_once("refused").await;
}
