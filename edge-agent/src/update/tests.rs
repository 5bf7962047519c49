//! Receiving, waiting, ordering and hearing what became of it, over a real catalog and real files. The box's update service
//! is played by hand: it reads the order and writes an outcome, as its contract says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use tokio_util::sync::CancellationToken;
use wire::update::{InstallWhen, Update, UpdateOffer, UpdateProgress, WaitsFor};

use super::folder::Folder;
use super::keeper::Keeper;
use super::{Parts, Piece, UpdateConfig, UpdateError, Updates};
use crate::catalog::testing::{House, found, range};
use crate::evict::Evictor;
use crate::live::LiveHub;
use crate::model::time::UtcRange;
use crate::recorder::driver::{FailureKind, RecorderError};

const RUNNING: &str = "0.1.0+20261101000000";
const NEW: &str = "0.1.0+20261103090000";
/// Some bytes, of which a piece is a third.
const LENGTH: usize = 300_000;

struct Site {
    house: House,
    updates: Updates,
    config: UpdateConfig,
}

/// A bundle as bytes: nobody here looks into it.
fn bundle() -> Vec<u8> {
    (0..LENGTH).map(|n| (n * 7 % 251) as u8).collect()
}

fn offer(version: &str, bytes: &[u8]) -> UpdateOffer {
    UpdateOffer {
        version: version.parse().unwrap(),
        bytes: bytes.len() as u64,
        sha256: base::token::sha256_hex(bytes).parse().unwrap(),
    }
}

impl Site {
    async fn new() -> Self {
        Self::of(House::new().await)
    }

    fn of(house: House) -> Self {
        let version_file = house.path().join("version");
        std::fs::write(&version_file, format!("{RUNNING}\n")).unwrap();
        // It is noon in the tests, and quiet from three to five.
        let config = UpdateConfig {
            version_file,
            window: "15:00-17:00".parse().unwrap(),
            zone: Some(jiff::tz::TimeZone::UTC),
            ..UpdateConfig::default()
        };
        let updates = open(&house, &config);
        Self {
            house,
            updates,
            config,
        }
    }

    /// A kill, and a new start on the same folders.
    async fn restart(self) -> Self {
        let Self {
            house,
            updates,
            config,
        } = self;
        drop(updates);
        let house = house.restart().await;
        let updates = open(&house, &config);
        Self {
            house,
            updates,
            config,
        }
    }

    fn folder(&self) -> Folder {
        Folder::of(self.house.path())
    }

    async fn send(&self, bytes: &[u8], first: usize, last: usize) -> Result<Update, UpdateError> {
        let header = format!("bytes {first}-{last}/{}", bytes.len());
        let chunks = bytes[first..=last].chunks(10_000);
        let chunks: Vec<Result<Bytes, String>> =
            chunks.map(|it| Ok(Bytes::copy_from_slice(it))).collect();
        let piece = Piece::of_header(&header).unwrap();
        self.updates.append(piece, stream::iter(chunks)).await
    }

    async fn receive(&self, version: &str) -> Update {
        let bytes = bundle();
        self.updates.begin(offer(version, &bytes)).await.unwrap();
        self.send(&bytes, 0, LENGTH - 1).await.unwrap()
    }

    fn keeper(&self) -> Keeper {
        let live = LiveHub::new(
            Default::default(),
            Default::default(),
            self.house.clock.clone(),
            Arc::new(|_| Box::pin(async { Err(RecorderError::new(FailureKind::Network, "none")) })),
        );
        Keeper::new(self.updates.clone(), live, Arc::new(|| false))
    }

    /// The keeper looks around until something is as it should be.
    async fn keep_until(&self, is: impl Fn(&UpdateProgress) -> bool) -> UpdateProgress {
        let keeper = self.keeper();
        let stop = CancellationToken::new();
        let task = tokio::spawn(keeper.run(stop.clone()));
        let mut told = self.updates.told();
        let told = told.wait_for(|told| is(&told.progress));
        let told = tokio::time::timeout(Duration::from_secs(20), told).await;
        let told = told.expect("it becomes so in time").unwrap().clone();
        stop.cancel();
        task.await.unwrap().unwrap();
        told.progress
    }

    async fn waits(&self) -> WaitsFor {
        let told = self
            .keep_until(|progress| {
                !matches!(progress, UpdateProgress::Waiting { waits_for, .. } if *waits_for == WaitsFor::Moment)
            })
            .await;
        match told {
            UpdateProgress::Waiting { waits_for, .. } => waits_for,
            other => panic!("{other:?}"),
        }
    }

    /// The box's update service: takes the order, says what became of it.
    fn serve(&self, result: &str) {
        let folder = self.folder();
        let order = folder.path().join("order.json");
        let order: serde_json::Value =
            serde_json::from_slice(&std::fs::read(order).unwrap()).unwrap();
        assert_eq!(order["sha256"], base::token::sha256_hex(&bundle()));
        assert_eq!(std::fs::read(folder.bundle()).unwrap(), bundle());
        self.say(result, order["version"].as_str().unwrap());
        std::fs::remove_file(folder.path().join("order.json")).unwrap();
        std::fs::remove_file(folder.bundle()).unwrap();
    }

    fn say(&self, result: &str, version: &str) {
        let now = self.house.catalog.now();
        let text = format!(
            r#"{{"version":"{version}","result":"{result}","reason":"as it was","at":"{now}"}}"#
        );
        std::fs::write(self.folder().path().join("outcome.json"), text).unwrap();
    }

    fn progress(&self) -> UpdateProgress {
        self.updates.status().unwrap().progress
    }

    /// The names in its folder.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder().path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    async fn alarms(&self) -> Vec<(String, String)> {
        let alarms = self.house.catalog.alarms().await.unwrap();
        alarms.into_iter().map(|it| (it.rule, it.subject)).collect()
    }
}

fn open(house: &House, config: &UpdateConfig) -> Updates {
    let evictor = Evictor::new(
        house.catalog.clone(),
        house.volumes.clone(),
        Default::default(),
    );
    Updates::open(Parts {
        config: config.clone(),
        state: house.path().to_owned(),
        catalog: house.catalog.clone(),
        evictor,
        volumes: house.volumes.clone(),
    })
    .unwrap()
}

fn received(update: &Update) -> u64 {
    match &update.progress {
        UpdateProgress::Receiving { received_bytes, .. } => *received_bytes,
        other => panic!("{other:?}"),
    }
}

fn is_waiting(progress: &UpdateProgress) -> bool {
    matches!(progress, UpdateProgress::Waiting { .. })
}

#[tokio::test]
async fn what_breaks_off_is_gone_on_with_after_a_restart_too() {
    let it = Site::new().await;
    let bytes = bundle();
    let begun = it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    assert_eq!(received(&begun), 0);
    let third = LENGTH / 3;
    let update = it.send(&bytes, 0, third - 1).await.unwrap();
    assert_eq!(received(&update), third as u64);

    // The line is cut in the middle of the second piece: what came stays.
    let torn = vec![
        Ok(Bytes::copy_from_slice(&bytes[third..third + 5_000])),
        Err("the line was cut"),
    ];
    let piece = format!("bytes {third}-{}/{LENGTH}", 2 * third - 1);
    let piece = Piece::of_header(&piece).unwrap();
    let broke = it.updates.append(piece, stream::iter(torn)).await;
    let offset = third + 5_000;
    assert!(
        matches!(&broke, Err(UpdateError::BrokeOff { received_bytes, .. }) if *received_bytes == offset as u64),
        "{broke:?}"
    );

    let it = it.restart().await;
    // Whoever does not ask is told.
    let wrong = it.send(&bytes, third, LENGTH - 1).await;
    assert!(matches!(wrong, Err(UpdateError::Offset(at)) if at == offset as u64));
    let begun = it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    assert_eq!(received(&begun), offset as u64);
    let update = it.send(&bytes, offset, LENGTH - 1).await.unwrap();
    assert!(is_waiting(&update.progress), "{update:?}");
    assert_eq!(std::fs::read(it.folder().bundle()).unwrap(), bytes);
    assert_eq!(it.names(), ["bundle.raucb", "wanted.json"]);
    // Announced again, it is there.
    let again = it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    assert!(is_waiting(&again.progress));
}

#[tokio::test]
async fn another_length_or_more_bytes_than_announced_are_no_piece() {
    let it = Site::new().await;
    let bytes = bundle();
    it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    let piece = Piece::of_header("bytes 0-9/11").unwrap();
    let none = stream::iter(Vec::<Result<Bytes, String>>::new());
    let wrong = it.updates.append(piece, none).await;
    assert!(matches!(wrong, Err(UpdateError::Range)));
    let piece = Piece::of_header(&format!("bytes 0-9/{LENGTH}")).unwrap();
    let eleven: Vec<Result<Bytes, String>> = vec![Ok(Bytes::copy_from_slice(&bytes[..11]))];
    let wrong = it.updates.append(piece, stream::iter(eleven)).await;
    assert!(
        matches!(
            wrong,
            Err(UpdateError::BrokeOff {
                received_bytes: 10,
                ..
            })
        ),
        "{wrong:?}"
    );
    for bad in [
        "",
        "bytes 0-9",
        "bytes 0-9/*",
        "bytes 9-0/10",
        "bytes 0-10/10",
        "bytes -9/10",
        "bytes +0-9/10",
        "bytes 0-16777216/20000000",
        "bytes 0-9/1073741825",
        "bits 0-9/10",
        "bytes 0-99999999999999999999/10",
    ] {
        assert!(Piece::of_header(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_damaged_bundle_is_removed_and_may_come_again() {
    let it = Site::new().await;
    let bytes = bundle();
    it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    let mut damaged = bytes.clone();
    damaged[LENGTH / 2] ^= 1;
    let refused = it.send(&damaged, 0, LENGTH - 1).await;
    assert!(
        matches!(refused, Err(UpdateError::Damaged { .. })),
        "{refused:?}"
    );
    assert_eq!(it.names(), [""; 0]);
    assert_eq!(it.progress(), UpdateProgress::None);
    assert!(is_waiting(&it.receive(NEW).await.progress));
}

#[tokio::test]
async fn what_cannot_help_is_refused_before_a_byte_of_it_comes() {
    let mut it = Site::new().await;
    let bytes = bundle();
    for old in [RUNNING, "0.1.0", "0.0.9+20991231000000"] {
        let refused = it.updates.begin(offer(old, &bytes)).await;
        assert!(
            matches!(refused, Err(UpdateError::NotNewer { .. })),
            "{old}"
        );
    }
    for length in [0, wire::update::BUNDLE_BYTES_MAX + 1] {
        let sized = UpdateOffer {
            bytes: length,
            ..offer(NEW, &bytes)
        };
        let refused = it.updates.begin(sized).await;
        assert!(matches!(refused, Err(UpdateError::Size(_))), "{length}");
    }
    std::fs::remove_file(&it.config.version_file).unwrap();
    it = it.restart().await;
    let refused = it.updates.begin(offer(NEW, &bytes)).await.unwrap_err();
    assert!(refused.to_string().contains("Debian package"), "{refused}");
    assert!(it.updates.status().unwrap().unable.is_some());
    assert_eq!(it.names(), [""; 0]);
}

#[tokio::test]
async fn a_full_disk_takes_no_bundle_and_the_ring_gives_way_for_one() {
    let house = House::new().await;
    let recorder = house.recorder("SN1", 1).await;
    let now = house.catalog.now();
    let hours = (0..10).map(|n| {
        let from = now.plus_s(-(11 - n) * 3_600);
        let to = from.plus_s(3_600);
        found(&format!("f{n}"), UtcRange { from, to }, 100_000)
    });
    let ids = house.observe(recorder.id, 1, hours.collect()).await;
    for id in &ids {
        house.hold(*id, &[7; 100_000]).await;
    }
    house.volume().pretend(1_050_000);
    let it = Site::of(house);
    let bytes = bundle();
    for id in &ids {
        it.house.catalog.set_locked(*id, true).await.unwrap();
    }
    let refused = it.updates.begin(offer(NEW, &bytes)).await;
    assert!(
        matches!(refused, Err(UpdateError::NoRoom { .. })),
        "{refused:?}"
    );
    assert_eq!(it.names(), [""; 0]);
    for id in &ids {
        it.house.catalog.set_locked(*id, false).await.unwrap();
    }
    assert!(is_waiting(&it.receive(NEW).await.progress));
    let held = it.house.catalog.held_bytes(it.house.volume().id()).await;
    assert!(held.unwrap() <= 1_050_000 - LENGTH as u64);
    // Nothing stays promised: the disk has set it aside.
    assert_eq!(it.house.volume().reserved_bytes(), 0);
}

#[tokio::test]
async fn a_kill_between_the_digest_and_the_word_loses_nothing() {
    let it = Site::new().await;
    let bytes = bundle();
    it.receive(NEW).await;
    // As it was a moment before: all came, nothing says so.
    let folder = it.folder();
    let mut wanted = folder.look().unwrap().wanted.unwrap();
    wanted.received_at = None;
    folder.want(&wanted).unwrap();
    let it = it.restart().await;
    // Whoever sends sees that no byte is missing, and announces it once more.
    assert!(matches!(
        it.progress(),
        UpdateProgress::Receiving { bytes, received_bytes, .. } if received_bytes == bytes
    ));
    let again = it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    assert!(is_waiting(&again.progress));
    // And a moment before that: under its first name.
    std::fs::rename(folder.bundle(), folder.part()).unwrap();
    folder.want(&wanted).unwrap();
    let it = it.restart().await;
    let again = it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    assert!(is_waiting(&again.progress));
    assert_eq!(it.names(), ["bundle.raucb", "wanted.json"]);
}

#[tokio::test]
async fn it_waits_for_its_window_is_ordered_and_told_good() {
    let it = Site::new().await;
    it.receive(NEW).await;
    assert_eq!(it.waits().await, WaitsFor::Window);
    it.house.clock.advance_ms(3 * 3_600_000);
    // Somebody wants something of the recorders.
    let wanted = range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z");
    let job = it.house.catalog.add_job(None, wanted).await.unwrap();
    let told = it
        .keep_until(|progress| {
            matches!(progress, UpdateProgress::Waiting { waits_for, .. } if *waits_for == WaitsFor::Sync)
        })
        .await;
    assert!(is_waiting(&told));
    let over = wire::resource::SyncJobState::Cancelled;
    let catalog = &it.house.catalog;
    catalog.set_job_state(job.id, over, None).await.unwrap();
    it.keep_until(|progress| matches!(progress, UpdateProgress::Ordered { .. }))
        .await;
    // Nothing else is taken, and it cannot be taken back, not after a restart either.
    let it = it.restart().await;
    let newer = it.updates.begin(offer("0.2.0", &bundle())).await;
    assert!(matches!(newer, Err(UpdateError::Busy(_))), "{newer:?}");
    assert!(it.updates.forget().await.is_err());
    it.serve("installed");
    it.keep_until(|progress| matches!(progress, UpdateProgress::Installed { .. }))
        .await;
    assert_eq!(it.names(), ["outcome.json"]);
    let again = it.updates.begin(offer(NEW, &bundle())).await;
    assert!(matches!(again, Err(UpdateError::Busy(_))), "{again:?}");
    // A newer one may come, and waits for the judgement of the one before.
    it.receive("0.1.0+20261103090000.1").await;
    it.updates.install(InstallWhen::Now).await.unwrap();
    assert_eq!(it.waits().await, WaitsFor::Judgement);
    it.updates.forget().await.unwrap();
    // The box starts the new system, whose health gate says that it is well.
    it.say("good", NEW);
    std::fs::write(&it.config.version_file, NEW).unwrap();
    let it = it.restart().await;
    it.keep_until(|progress| matches!(progress, UpdateProgress::Good { .. }))
        .await;
    assert_eq!(it.alarms().await, []);
    let old = it.updates.begin(offer(NEW, &bundle())).await;
    assert!(matches!(old, Err(UpdateError::NotNewer { .. })));
}

#[tokio::test]
async fn people_are_told_once_of_what_did_not_end_well() {
    let it = Site::new().await;
    it.receive(NEW).await;
    it.updates.install(InstallWhen::Now).await.unwrap();
    it.keep_until(|progress| matches!(progress, UpdateProgress::Ordered { .. }))
        .await;
    it.serve("refused");
    let told = it
        .keep_until(|progress| matches!(progress, UpdateProgress::Refused { .. }))
        .await;
    assert!(matches!(told, UpdateProgress::Refused { reason, .. } if reason == "as it was"));
    let alarm = ("update_failed".to_owned(), NEW.to_owned());
    assert_eq!(it.alarms().await, std::slice::from_ref(&alarm));
    let it = it.restart().await;
    it.keep_until(|progress| matches!(progress, UpdateProgress::Refused { .. }))
        .await;
    assert_eq!(it.alarms().await, [alarm]);
    // Somebody tries again: what became of the first is no answer to the second.
    it.receive(NEW).await;
    assert_eq!(it.waits().await, WaitsFor::Window);
    assert_eq!(it.alarms().await, []);
}

#[tokio::test]
async fn what_the_box_went_back_from_is_not_taken_again() {
    let it = Site::new().await;
    it.say("went_back", NEW);
    it.keep_until(|progress| matches!(progress, UpdateProgress::WentBack { .. }))
        .await;
    assert_eq!(it.alarms().await.len(), 1);
    let again = it.updates.begin(offer(NEW, &bundle())).await;
    assert!(matches!(again, Err(UpdateError::WentBack(_))), "{again:?}");
    // Also not once somebody has read it.
    it.updates.forget().await.unwrap();
    let again = it.updates.begin(offer(NEW, &bundle())).await;
    assert!(matches!(again, Err(UpdateError::WentBack(_))), "{again:?}");
    assert!(is_waiting(
        &it.receive("0.1.0+20261103090000.1").await.progress
    ));
}

#[tokio::test]
async fn a_service_that_says_nothing_has_failed() {
    let it = Site::new().await;
    it.receive(NEW).await;
    it.updates.install(InstallWhen::Now).await.unwrap();
    it.keep_until(|progress| matches!(progress, UpdateProgress::Ordered { .. }))
        .await;
    std::fs::remove_file(it.folder().path().join("order.json")).unwrap();
    std::fs::remove_file(it.folder().bundle()).unwrap();
    it.keep_until(|progress| matches!(progress, UpdateProgress::Failed { .. }))
        .await;
    assert_eq!(it.alarms().await.len(), 1);
    // What it was interrupted in is tidied: it had said what became of it, and left the bundle.
    it.receive(NEW).await;
    it.say("failed", NEW);
    it.keep_until(|progress| matches!(progress, UpdateProgress::Failed { .. }))
        .await;
    assert_eq!(it.names(), ["outcome.json"]);
}

#[tokio::test]
async fn one_sender_at_a_time_and_the_newest_wins() {
    let it = Site::new().await;
    let (bytes, mut other) = (bundle(), bundle());
    other[0] ^= 1;
    it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    it.send(&bytes, 0, 99).await.unwrap();
    let second = it.updates.begin(offer("0.2.0", &other)).await;
    assert!(matches!(second, Err(UpdateError::Busy(_))), "{second:?}");
    it.send(&bytes, 100, LENGTH - 1).await.unwrap();
    let older = it
        .updates
        .begin(offer("0.1.0+20261102000000", &other))
        .await;
    assert!(matches!(older, Err(UpdateError::Busy(_))), "{older:?}");
    let newer = it.updates.begin(offer("0.2.0", &other)).await.unwrap();
    assert_eq!(received(&newer), 0);
    assert_eq!(it.names(), ["bundle.part", "wanted.json"]);
}

#[tokio::test]
async fn what_nobody_goes_on_with_is_removed_and_orphans_too() {
    let it = Site::new().await;
    let bytes = bundle();
    it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    it.send(&bytes, 0, 999).await.unwrap();
    let it = it.restart().await;
    it.keep_until(|progress| matches!(progress, UpdateProgress::Receiving { .. }))
        .await;
    let part = std::fs::File::options()
        .write(true)
        .open(it.folder().part());
    let week = Duration::from_secs(8 * 24 * 3600);
    part.unwrap()
        .set_modified(SystemTime::now() - week)
        .unwrap();
    it.keep_until(|progress| *progress == UpdateProgress::None)
        .await;
    assert_eq!(it.names(), [""; 0]);
    std::fs::write(it.folder().bundle(), "whose?").unwrap();
    std::fs::write(it.folder().part(), "whose?").unwrap();
    it.keeper().look().await.unwrap();
    assert_eq!(it.names(), [""; 0]);
}

/// The keeper is woken by each piece and looks while the next one comes.
#[tokio::test]
async fn a_piece_waits_for_whoever_looks_in_between() {
    let it = Site::new().await;
    let bytes = bundle();
    it.updates.begin(offer(NEW, &bytes)).await.unwrap();
    let turn = it.updates.0.turn.lock().await;
    let (sent, ()) = tokio::join!(it.send(&bytes, 0, 99), async { drop(turn) });
    sent.unwrap();
}

#[tokio::test]
async fn forgotten_is_forgotten() {
    let it = Site::new().await;
    assert!(it.updates.install(InstallWhen::Now).await.is_err());
    it.receive(NEW).await;
    let forgotten = it.updates.forget().await.unwrap();
    assert_eq!(forgotten.progress, UpdateProgress::None);
    assert_eq!(it.names(), [""; 0]);
    let wrong = it.send(&bundle(), 0, 9).await;
    assert!(matches!(wrong, Err(UpdateError::Busy(_))), "{wrong:?}");
}
