//! Archives with a real catalog and files, read by other people's programs.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::runtime::Handle;
use wire::archive::ArchiveState;
use wire::ids::RecordingId;
use wire::resource::{EvictionCause, RecordingStatus};

use super::pack::Order;
use super::*;
use crate::catalog::archives::Sealed;
use crate::catalog::testing::{House, found};
use crate::evict::RetentionConfig;
use crate::footage::archives;
use crate::footage::path::MEDIA;

const HOUR_S: i64 = 3_600;

/// Recordings of an hour each on two cameras, the newest of which ended ten days ago: name, bytes.
async fn hold(house: &House) -> Vec<RecordingId> {
    let recorder = house.recorder("SN1", 2).await;
    let mut all = Vec::new();
    for channel in 1..=2 {
        let list = (0..4)
            .map(|n| {
                let from = house.catalog.now().plus_s((n - 4 - 240) * HOUR_S);
                let to = from.plus_s(HOUR_S);
                found(&format!("c{channel}n{n}"), UtcRange { from, to }, 1_000)
            })
            .collect();
        let ids = house.observe(recorder.id, channel, list).await;
        for (n, id) in ids.iter().enumerate() {
            let fill = u8::try_from(n).unwrap() + 10 * u8::try_from(channel).unwrap();
            house.hold(*id, &vec![fill; 200_000 + n]).await;
        }
        all.extend(ids);
    }
    all
}

fn all_time(house: &House) -> UtcRange {
    UtcRange {
        from: house.catalog.now().plus_s(-30 * 24 * HOUR_S),
        to: house.catalog.now(),
    }
}

fn archiver(house: &House, config: ArchiveConfig) -> Archiver {
    Archiver::new(Parts {
        catalog: house.catalog.clone(),
        volumes: house.volumes.clone(),
        evictor: evictor(house),
        config,
        mailer: None,
        appliance: None,
    })
}

fn evictor(house: &House) -> Evictor {
    Evictor::new(
        house.catalog.clone(),
        house.volumes.clone(),
        RetentionConfig::default(),
    )
}

async fn ask(house: &House) -> Archive {
    archiver(house, ArchiveConfig::default())
        .ask(all_time(house), None, "ann".into())
        .await
        .unwrap()
}

/// All that waits is done.
async fn work(house: &House, config: ArchiveConfig) {
    let archiver = archiver(house, config);
    archiver.begin_weekly().await.unwrap();
    archiver.pack_all(&CancellationToken::new()).await.unwrap();
    archiver.remove_leftovers().await.unwrap();
}

async fn built(house: &House) -> Archive {
    let id = ask(house).await.id;
    work(house, ArchiveConfig::default()).await;
    house.catalog.archive(id).await.unwrap()
}

fn path(house: &House, archive: &Archive) -> PathBuf {
    let name = archive.file_name.as_deref().unwrap();
    house.volume().path().join(archives::file(name))
}

fn run(program: &str, args: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output();
    let output = match output {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        other => other.unwrap(),
    };
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{program} {args:?}: {said}");
    Some(said)
}

/// What other programs make of it: each that is installed reads and compares all of it.
fn read_by_others(zip: &Path, dir: &Path) -> Vec<String> {
    let shown = zip.to_str().unwrap();
    let python = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  print('\\n'.join(z.namelist()))";
    let names = run("python3", &["-c", python, shown], dir).expect("python3 is installed");
    run("unzip", &["-q", "-o", shown], dir).expect("unzip is installed: `make setup-test`");
    let sums = run("sha256sum", &["-c", "SHA256SUMS"], dir).expect("coreutils");
    assert!(!sums.contains("FAILED"), "{sums}");
    if let Some(said) = run("7z", &["t", shown], dir) {
        assert!(said.contains("Everything is Ok"), "{said}");
    }
    names.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_read_it() {
    let house = House::new().await;
    let ids = hold(&house).await;
    let archive = built(&house).await;
    assert_eq!(archive.state, ArchiveState::Ready, "{archive:?}");
    assert_eq!(
        (archive.recordings, archive.left_out, archive.damaged),
        (8, 0, 0)
    );
    assert_eq!(
        std::fs::metadata(path(&house, &archive)).unwrap().len(),
        archive.bytes
    );
    let dir = tempfile::tempdir().unwrap();
    let names = read_by_others(&path(&house, &archive), dir.path());
    assert_eq!(names.len(), 2 * 8 + 3);
    // By camera and then by time, as people read it.
    let media: Vec<&String> = names.iter().filter(|name| name.ends_with(".mp4")).collect();
    assert_eq!(
        media[0],
        "Gate-1/2026-10-24/Gate-1_2026-10-24_08-00-00Z.mp4"
    );
    assert!(
        media.is_sorted() && media[7].starts_with("Gate-2/"),
        "{media:?}"
    );
    assert!(
        std::fs::read(dir.path().join(media[0]))
            .unwrap()
            .starts_with(&[10; 100])
    );
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["recordings"].as_array().unwrap().len(), 8);
    assert_eq!(manifest["recordings"][0]["recording"], ids[0].to_string());
    let readme = std::fs::read_to_string(dir.path().join("README.txt")).unwrap();
    assert!(readme.contains("8 recordings"), "{readme}");
    house.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_power_cut_left_it_it_becomes_whole() {
    let house = House::new().await;
    hold(&house).await;
    let first = built(&house).await;
    let whole = std::fs::read(path(&house, &first)).unwrap();
    for at in (0..whole.len())
        .step_by(whole.len() / 13)
        .chain([10, whole.len()])
    {
        // The row says where, then the file grows: cut off here.
        let archive = ask(&house).await;
        let volume = house.volume();
        house
            .catalog
            .place_archive(archive.id, volume.id())
            .await
            .unwrap();
        std::fs::create_dir_all(archives::folder(volume)).unwrap();
        std::fs::write(archives::part(volume, archive.id), &whole[..at]).unwrap();
        house.assert_sound();
        work(&house, ArchiveConfig::default()).await;
        let archive = house.catalog.archive(archive.id).await.unwrap();
        assert_eq!(archive.state, ArchiveState::Ready, "{at}: {archive:?}");
        // The same but for its own id in the manifest.
        assert_eq!(archive.bytes, first.bytes);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            read_by_others(&path(&house, &archive), dir.path()).len(),
            19
        );
        house.assert_sound();
        // A name is never used twice.
        assert_ne!(archive.file_name, first.file_name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_seal_and_ready_costs_nothing() {
    for renamed in [false, true] {
        let house = House::new().await;
        hold(&house).await;
        let archive = ask(&house).await;
        let volume = house.volume().clone();
        let job = house.catalog.archive_to_build().await.unwrap().unwrap();
        house
            .catalog
            .place_archive(archive.id, volume.id())
            .await
            .unwrap();
        let order = Order {
            job: job.clone(),
            room: volume.reserve(0),
            volume: volume.clone(),
            volumes: house.volumes.clone(),
            catalog: house.catalog.clone(),
            appliance: None,
            runtime: Handle::current(),
            stop: CancellationToken::new(),
        };
        let done = blocking(move || pack::pack(order)).await.unwrap().unwrap();
        let sealed = Sealed {
            file: archives::name(job.range, 1),
            bytes: done.bytes,
            digest: done.digest,
        };
        assert!(
            house
                .catalog
                .seal_archive(archive.id, sealed.clone(), 0)
                .await
                .unwrap()
        );
        if renamed {
            let part = archives::part(&volume, archive.id);
            std::fs::rename(part, volume.path().join(archives::file(&sealed.file))).unwrap();
        }
        house.assert_sound();
        let house = house.restart().await;
        work(&house, ArchiveConfig::default()).await;
        let archive = house.catalog.archive(archive.id).await.unwrap();
        assert_eq!(archive.state, ArchiveState::Ready);
        assert_eq!(archive.digest.as_deref(), Some(sealed.digest.as_str()));
        house.assert_sound();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_packed_does_not_leave() {
    let house = House::with(|config| config.budget_bytes = Some(4_000_000)).await;
    let ids = hold(&house).await;
    let archive = ask(&house).await;
    let refused = house.catalog.delete(ids[0]).await.unwrap_err();
    assert!(
        matches!(refused, CatalogError::BeingArchived { .. }),
        "{refused}"
    );
    // Nothing may leave, so there is no room for more; once it is cancelled there is.
    evictor(&house).need(3_900_000, None).await.unwrap_err();
    let left = house
        .catalog
        .evict(ids.clone(), EvictionCause::Pressure)
        .await
        .unwrap();
    assert!(left.is_empty());
    archiver(&house, ArchiveConfig::default())
        .cancel(archive.id, "ann")
        .await
        .unwrap();
    work(&house, ArchiveConfig::default()).await;
    let archive = house.catalog.archive(archive.id).await.unwrap();
    assert_eq!(archive.state, ArchiveState::Failed);
    assert!(archive.failure.unwrap().contains("cancelled by ann"));
    evictor(&house).need(3_900_000, None).await.unwrap();
    house.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn room_for_an_archive_is_made_by_what_is_older_only() {
    let house = House::with(|config| {
        config.budget_bytes = Some(2_900_000);
        config.slack_bytes = 0;
    })
    .await;
    let ids = hold(&house).await;
    let start = house.catalog.recording(ids[2]).await.unwrap().start_utc;
    // 1.6 MB are held; the younger half is packed, so that the four older ones may leave for it.
    let archiver = archiver(&house, ArchiveConfig::default());
    let younger = UtcRange {
        from: start,
        to: house.catalog.now(),
    };
    let archive = archiver.ask(younger, None, "ann".into()).await.unwrap();
    assert_eq!(archive.recordings, 4);
    work(&house, ArchiveConfig::default()).await;
    let archive = house.catalog.archive(archive.id).await.unwrap();
    assert_eq!(archive.state, ArchiveState::Ready, "{archive:?}");
    // The older half cannot be packed now without younger footage leaving: it is refused, and nothing leaves.
    let held = house.catalog.held_bytes(house.volume().id()).await.unwrap();
    let whole = archiver
        .ask(all_time(&house), None, "ann".into())
        .await
        .unwrap();
    work(&house, ArchiveConfig::default()).await;
    let whole = house.catalog.archive(whole.id).await.unwrap();
    assert_eq!(whole.state, ArchiveState::Failed);
    assert!(whole.failure.unwrap().contains("no room for an archive"));
    let now = house.catalog.held_bytes(house.volume().id()).await.unwrap();
    assert_eq!(now, held);
    house.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_goes_on_after_a_kill_and_spares_what_is_locked() {
    let house = House::new().await;
    let ids = hold(&house).await;
    let archive = built(&house).await;
    house.catalog.set_locked(ids[3], true).await.unwrap();
    let refused = house
        .catalog
        .begin_clear(archive.id, false)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("not downloaded whole"),
        "{refused}"
    );
    let clears = house
        .catalog
        .archive(archive.id)
        .await
        .unwrap()
        .clears
        .unwrap();
    assert_eq!((clears.recordings, clears.locked), (7, 1));
    // Every byte, in three pieces that overlap.
    let bytes = archive.bytes;
    for (first, end) in [(0, 100), (50, bytes - 1), (bytes - 1, bytes)] {
        let state = house.catalog.archive(archive.id).await.unwrap().state;
        assert_eq!(state, ArchiveState::Ready);
        house
            .catalog
            .note_delivered(archive.id, first, end)
            .await
            .unwrap();
    }
    let state = house.catalog.archive(archive.id).await.unwrap().state;
    assert_eq!(state, ArchiveState::Downloaded);
    house.catalog.begin_clear(archive.id, false).await.unwrap();
    // Killed here, and once more after its recordings have left.
    let house = house.restart().await;
    house.assert_sound();
    while !house.catalog.clear_recordings(archive.id).await.unwrap() {}
    let house = house.restart().await;
    house.assert_sound();
    work(&house, ArchiveConfig::default()).await;
    let archive = house.catalog.archive(archive.id).await.unwrap();
    assert_eq!(archive.state, ArchiveState::Cleared);
    assert_eq!(
        (archive.cleared_recordings, archive.locked_recordings),
        (7, 1)
    );
    for id in &ids {
        let recording = house.catalog.recording(*id).await.unwrap();
        let stays = *id == ids[3];
        let expected = if stays {
            RecordingStatus::Completed
        } else {
            RecordingStatus::Evicted
        };
        assert_eq!(recording.status, expected);
        let cause = (!stays).then_some(EvictionCause::ArchiveCleared);
        assert_eq!(recording.eviction_cause, cause);
    }
    assert!(!path(&house, &archive).exists());
    house.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_left_out_and_what_changed_is_told() {
    let house = House::new().await;
    let ids = hold(&house).await;
    let file = async |id: RecordingId| {
        let held = house.catalog.held(id).await.unwrap().unwrap();
        house.volume().file(&held.stem, MEDIA)
    };
    let (gone, changed) = (file(ids[1]).await, file(ids[2]).await);
    let aside = house.path().join("aside");
    std::fs::rename(&gone, &aside).unwrap();
    let mut bytes = std::fs::read(&changed).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&changed, &bytes).unwrap();
    let archive = built(&house).await;
    assert_eq!(archive.state, ArchiveState::Ready, "{archive:?}");
    assert_eq!((archive.left_out, archive.damaged), (1, 1));
    let dir = tempfile::tempdir().unwrap();
    let names = read_by_others(&path(&house, &archive), dir.path());
    assert_eq!(names.len(), 2 * 7 + 3);
    let manifest = std::fs::read_to_string(dir.path().join("manifest.json")).unwrap();
    assert!(
        manifest.contains("\"left_out\":") && manifest.contains("\"kept_sha256\":"),
        "{manifest}"
    );
    // What nobody has does not leave when it is cleared.
    std::fs::rename(&aside, &gone).unwrap();
    house.catalog.begin_clear(archive.id, true).await.unwrap();
    work(&house, ArchiveConfig::default()).await;
    let kept = house.catalog.recording(ids[1]).await.unwrap();
    assert_eq!(kept.status, RecordingStatus::Completed);
    house.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_week_what_is_old_and_in_no_archive_is_packed() {
    let house = House::new().await;
    hold(&house).await;
    let config = ArchiveConfig {
        weekly: true,
        max_bytes: 1_000_000,
        zone: Some(TimeZone::UTC),
        ..ArchiveConfig::default()
    };
    let states = async || {
        let page = house.catalog.archives(None).await.unwrap();
        page.items
            .iter()
            .map(|one| one.recordings)
            .collect::<Vec<_>>()
    };
    // Switched on: the first comes with the next Sunday, 8 November, at three.
    work(&house, config.clone()).await;
    assert_eq!(states().await, [0_u64; 0]);
    house.clock.advance_ms(4 * 24 * HOUR_S * 1_000);
    work(&house, config.clone()).await;
    assert_eq!(states().await, [0_u64; 0]);
    house.clock.advance_ms(24 * HOUR_S * 1_000);
    // 1.6 MB in two: the first has as many as fit.
    work(&house, config.clone()).await;
    assert_eq!(states().await, [4, 4]);
    work(&house, config.clone()).await;
    assert_eq!(states().await, [4, 4]);
    // A week later all is in archives; and no more are begun while two wait.
    house.clock.advance_ms(7 * 24 * HOUR_S * 1_000);
    work(&house, config.clone()).await;
    assert_eq!(states().await, [4, 4]);
    let page = house.catalog.archives(None).await.unwrap();
    assert!(
        page.items
            .iter()
            .all(|one| one.state == ArchiveState::Ready)
    );
    house.assert_sound();
}

/// By hand (`--ignored`): it writes some nine gigabytes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes nine gigabytes"]
async fn more_than_four_gigabytes() {
    let house = House::new().await;
    let ids = hold(&house).await;
    // As large as footage may be, and after it others whose place is beyond four gigabytes.
    let held = house.catalog.held(ids[0]).await.unwrap().unwrap();
    let media = house.volume().file(&held.stem, MEDIA);
    let file = std::fs::File::options().write(true).open(&media).unwrap();
    file.set_len((1 << 32) + 4_711).unwrap();
    let archive = built(&house).await;
    assert_eq!(archive.state, ArchiveState::Ready, "{archive:?}");
    assert!(archive.bytes > 1 << 32 && archive.damaged == 1);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        read_by_others(&path(&house, &archive), dir.path()).len(),
        19
    );
}
