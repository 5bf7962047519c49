//! A power cut at any step of keeping and removing: no completed recording is lost, and no wrong row is left (S6).

use wire::ids::RecordingId;
use wire::resource::{EvictionCause, RecordingStatus};

use crate::catalog::testing::{House, found, range, verified};
use crate::footage::keep::{self, Step};
use crate::footage::path::{MEDIA, SIDECAR, Stem};

const MEDIA_BYTES: &[u8] = b"what the camera saw";

async fn one_found(house: &House) -> RecordingId {
    let recorder = house.recorder("SN1", 1).await.id;
    let span = range("2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z");
    house
        .observe(recorder, 1, vec![found("f1", span, 1_000)])
        .await[0]
}

async fn status(house: &House, id: RecordingId) -> RecordingStatus {
    house.catalog.recording(id).await.unwrap().status
}

#[tokio::test]
async fn a_cut_at_every_step_of_keeping() {
    for step in [
        Step::Written,
        Step::SidecarRenamed,
        Step::MediaRenamed,
        Step::Synced,
    ] {
        let house = House::new().await;
        let id = one_found(&house).await;
        let staged = house.fetch(id, MEDIA_BYTES).await;
        house
            .catalog
            .keep_until(house.volume(), staged, step)
            .await
            .unwrap();
        let house = house.restart().await;
        // Also half kept, every file is named by a row.
        house.assert_sound();
        let finished = house
            .catalog
            .finish_interrupted(&house.volumes)
            .await
            .unwrap();
        house.assert_sound();
        if matches!(step, Step::Written | Step::SidecarRenamed) {
            assert_eq!(finished.released, [id], "{step:?}");
            // What had been received is still there.
            let folder = house.volume().staging(id);
            assert_eq!(
                std::fs::read(folder.join("media.mp4")).unwrap(),
                MEDIA_BYTES
            );
            let again = verified(house.volume(), &house.pending(id).await, MEDIA_BYTES);
            house.catalog.keep(house.volume(), again).await.unwrap();
        } else {
            assert_eq!(finished.completed, [id], "{step:?}");
            assert_eq!(finished.swept, [id], "{step:?}");
        }
        let held = house.catalog.held(id).await.unwrap().unwrap();
        let media = std::fs::read(house.volume().file(&held.stem, MEDIA)).unwrap();
        assert_eq!(media, MEDIA_BYTES, "{step:?}");
        assert!(!house.volume().staging(id).exists());
        house.assert_sound();
        // A second start finds nothing to do.
        let again = house.catalog.finish_interrupted(&house.volumes).await;
        assert_eq!(again.unwrap(), Default::default());
    }
}

#[tokio::test]
async fn without_a_restart_the_next_attempt_finishes_what_was_cut() {
    let house = House::new().await;
    let id = one_found(&house).await;
    let staged = house.fetch(id, MEDIA_BYTES).await;
    house
        .catalog
        .keep_until(house.volume(), staged, Step::MediaRenamed)
        .await
        .unwrap();
    let again = verified(house.volume(), &house.pending(id).await, MEDIA_BYTES);
    house.catalog.keep(house.volume(), again).await.unwrap();
    assert_eq!(status(&house, id).await, RecordingStatus::Completed);
    house.assert_sound();
}

#[tokio::test]
async fn a_cut_at_every_step_of_removing() {
    for step in [None, Some(Step::MediaUnlinked), Some(Step::SidecarUnlinked)] {
        let house = House::new().await;
        let id = one_found(&house).await;
        house.hold(id, MEDIA_BYTES).await;
        let stem = house.catalog.held(id).await.unwrap().unwrap().stem;
        house
            .catalog
            .evict(vec![id], EvictionCause::Retention)
            .await
            .unwrap();
        if let Some(last) = step {
            let cut = keep::remove_with(house.volume(), &stem, &mut |step| match step == last {
                true => Err(std::io::Error::other("cut")),
                false => Ok(()),
            });
            assert!(cut.is_err());
        }
        let house = house.restart().await;
        house.assert_sound();
        let finished = house
            .catalog
            .finish_interrupted(&house.volumes)
            .await
            .unwrap();
        assert_eq!(finished.removed, 1, "{step:?}");
        assert!(!house.volume().file(&stem, MEDIA).exists());
        assert!(!house.volume().file(&stem, SIDECAR).exists());
        house.assert_sound();
        assert_eq!(status(&house, id).await, RecordingStatus::Evicted);
    }
}

#[tokio::test]
async fn half_kept_and_damaged_is_fetched_again() {
    let house = House::new().await;
    let id = one_found(&house).await;
    let staged = house.fetch(id, MEDIA_BYTES).await;
    house
        .catalog
        .keep_until(house.volume(), staged, Step::MediaRenamed)
        .await
        .unwrap();
    let span = house.pending(id).await.span;
    let camera = house.pending(id).await.camera;
    let media = house.volume().file(&Stem::new(camera, span, 1), MEDIA);
    std::fs::write(&media, b"torn").unwrap();
    let house = house.restart().await;
    let finished = house
        .catalog
        .finish_interrupted(&house.volumes)
        .await
        .unwrap();
    assert_eq!((finished.released, finished.removed), (vec![id], 1));
    assert!(!media.exists());
    assert_eq!(status(&house, id).await, RecordingStatus::Downloading);
    house.assert_sound();
}

#[tokio::test]
async fn somebody_elses_file_is_never_replaced_nor_removed() {
    let house = House::new().await;
    let id = one_found(&house).await;
    let staged = house.fetch(id, MEDIA_BYTES).await;
    let facts = staged.facts().clone();
    let camera = house.pending(id).await.camera;
    let theirs = house
        .volume()
        .file(&Stem::new(camera, facts.span, 1), MEDIA);
    std::fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    std::fs::write(&theirs, b"theirs").unwrap();
    house.catalog.keep(house.volume(), staged).await.unwrap();
    let held = house.catalog.held(id).await.unwrap().unwrap();
    assert_eq!(held.stem, Stem::new(camera, facts.span, 2));
    let house = house.restart().await;
    house
        .catalog
        .finish_interrupted(&house.volumes)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
    // The check says that it is there.
    let report = crate::catalog::check::check(house.catalog.folder(), true).unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    assert!(report.to_string().contains("belongs to no recording"));
}

#[tokio::test]
async fn deleted_while_it_is_being_kept() {
    let house = House::new().await;
    let id = one_found(&house).await;
    let staged = house.fetch(id, MEDIA_BYTES).await;
    house
        .catalog
        .keep_until(house.volume(), staged, Step::Synced)
        .await
        .unwrap();
    house.catalog.delete(id).await.unwrap();
    house.assert_sound();
    let finished = house
        .catalog
        .finish_interrupted(&house.volumes)
        .await
        .unwrap();
    assert_eq!((finished.released, finished.removed), (vec![id], 1));
    assert_eq!(status(&house, id).await, RecordingStatus::Evicted);
    house.assert_sound();
}

#[tokio::test]
async fn without_its_disk_nothing_is_taken_for_gone() {
    let house = House::new().await;
    let id = one_found(&house).await;
    house.hold(id, MEDIA_BYTES).await;
    house.catalog.delete(id).await.unwrap();
    // The disk is not mounted: an empty folder is there instead.
    let (disk, aside) = (
        house.volume().path().to_owned(),
        house.path().join("unplugged"),
    );
    std::fs::rename(&disk, &aside).unwrap();
    std::fs::create_dir(&disk).unwrap();
    let house = house.restart().await;
    assert!(!disk.join(crate::footage::volume::MARKER).exists());
    let finished = house
        .catalog
        .finish_interrupted(&house.volumes)
        .await
        .unwrap();
    assert_eq!(finished.removed, 0);
    std::fs::remove_dir(&disk).unwrap();
    std::fs::rename(&aside, &disk).unwrap();
    let emptied = house.catalog.empty_garbage(&house.volumes).await.unwrap();
    assert_eq!(emptied.removed, 1);
    house.assert_sound();
}

#[tokio::test]
async fn the_check_says_what_is_wrong() {
    let house = House::new().await;
    let id = one_found(&house).await;
    house.hold(id, MEDIA_BYTES).await;
    let media = house
        .volume()
        .file(&house.catalog.held(id).await.unwrap().unwrap().stem, MEDIA);
    let says = |deep| {
        crate::catalog::check::check(house.catalog.folder(), deep)
            .unwrap()
            .to_string()
    };
    let mut changed = MEDIA_BYTES.to_vec();
    changed[0] ^= 1;
    std::fs::write(&media, &changed).unwrap();
    assert!(says(false).contains("nothing is wrong"), "{}", says(false));
    assert!(says(true).contains("has changed"), "{}", says(true));
    std::fs::write(&media, b"short").unwrap();
    assert!(says(false).contains("5 bytes instead of 19"));
    std::fs::remove_file(&media).unwrap();
    assert!(says(false).contains("invariant 1"));
    std::fs::write(&media, MEDIA_BYTES).unwrap();
    house
        .catalog
        .damage("update holding set recordings = 7")
        .await;
    assert!(says(false).contains("counts 7 recordings"));
    house
        .catalog
        .damage("update holding set recordings = 1")
        .await;
    house.assert_sound();
}
