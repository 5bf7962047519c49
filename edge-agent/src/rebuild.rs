//! `edge-agent rebuild`: the catalog made anew from the disks (S9), also from a disk of another box.
//!
//! The new catalog grows beside the old one and takes its place when it is whole; a kill at any moment leaves one of the
//! two in use, and running the command again goes on (`catalog/anew.rs`). What no sidecar tells (recorders and their
//! passwords, people, settings, locks, what had left) is taken over from the old catalog as far as that can be read.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base::clock::Clock;

use crate::catalog::adopt::Adopted;
use crate::catalog::anew::{self, Carried};
use crate::catalog::{Catalog, CatalogError, FILE};
use crate::config::Config;
use crate::footage::volume::Volumes;
use crate::repair::on_runtime;

/// What a catalog is being made anew for.
const PURPOSE: &str = "rebuild";

/// What became of it.
#[derive(Debug)]
pub struct Rebuilt {
    /// What was read in.
    pub adopted: Adopted,
    /// What was taken over from the old catalog; why nothing was.
    pub carried: Result<Carried, String>,
    /// Recordings that are locked as they were.
    pub locked: usize,
    /// Volumes of the configuration whose disk is not there: what lies on them is not in the catalog yet.
    pub away: Vec<String>,
    /// Where the old catalog lies now.
    pub aside: Option<PathBuf>,
}

/// Makes the catalog anew. `told` hears how many recordings have been read in.
pub async fn rebuild(
    config: &Config,
    clock: Clock,
    told: &(dyn Fn(u64) + Sync),
) -> Result<Rebuilt, CatalogError> {
    let folder = config.state.catalog();
    // An exchange that a kill interrupted is brought to its end first.
    anew::settle(&folder, clock.now().into())?;
    let _old = anew::lock(&folder)?;
    let goes_on = anew::begin(&folder, PURPOSE)?;
    let carried = match (goes_on, folder.join(FILE).is_file()) {
        (true, _) => Ok(Carried::default()),
        (false, false) => Err("there is none".to_owned()),
        (false, true) => anew::carry_over(&folder).map_err(|e| e.to_string()),
    };
    if carried.is_err() {
        // Half of it would be taken for all of it.
        anew::clear(&folder)?;
    }
    anew::prepared(&folder, PURPOSE)?;
    let catalog = Catalog::open_new(&folder, clock.clone())?;
    let volumes = catalog.open_volumes(&config.volume).await?;
    if !goes_on {
        catalog.adopt_again(&volumes).await?;
    }
    let adopted = catalog.adopt_footage_telling(&volumes, told).await?;
    let locked = match folder.join(FILE).is_file() {
        // A catalog that cannot be read tells of no locks either; that was said above.
        true => catalog.carry_locks(&folder).await.unwrap_or_default(),
        false => 0,
    };
    let aside = anew::take_place(&folder, clock.now().into())?;
    Ok(Rebuilt {
        adopted,
        carried,
        locked,
        away: away(&volumes),
        aside,
    })
}

fn away(volumes: &Volumes) -> Vec<String> {
    volumes
        .iter()
        .filter_map(|volume| volume.check().err())
        .map(|error| error.to_string())
        .collect()
}

/// Runs the command.
pub fn run(config: &Config) -> ExitCode {
    let progress = Progress::new();
    let rebuilt = on_runtime(rebuild(config, Clock::system(), &|n| progress.show(n)));
    progress.end();
    match rebuilt {
        Ok(rebuilt) => {
            print!("{}", words(&rebuilt, progress.began.elapsed()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn words(rebuilt: &Rebuilt, took: Duration) -> String {
    let Rebuilt {
        adopted,
        carried,
        locked,
        away,
        aside,
    } = rebuilt;
    let mut text = String::new();
    match carried {
        Ok(carried) => {
            for (table, why) in &carried.lost {
                text += &format!("lost from the old catalog: {table} ({why})\n");
            }
        }
        Err(why) => {
            text += &format!(
                "nothing was taken over from the old catalog: {why}.\nRecorders, people and settings are to be entered anew, or restored from a backup.\n"
            );
        }
    }
    for refused in &adopted.refused {
        text += &format!("{refused}\n");
    }
    for volume in away {
        text += &format!("not read: {volume}\n");
    }
    let seconds = took.as_secs_f64().max(0.001);
    text += &format!(
        "{} recordings read in, {} left where they are, {locked} locked as before; {seconds:.1} s, {:.0} a second\n",
        adopted.recordings,
        adopted.left,
        adopted.recordings as f64 / seconds
    );
    if let Some(aside) = aside {
        text += &format!("The old catalog lies in {}\n", aside.display());
    }
    text
}

/// Progress for a person: on a terminal in place, elsewhere a line now and then.
struct Progress {
    began: Instant,
    shown: Mutex<Instant>,
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            shown: Mutex::new(Instant::now()),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    fn show(&self, recordings: u64) {
        let pause = match self.terminal {
            true => Duration::from_millis(500),
            false => Duration::from_secs(10),
        };
        let Ok(mut shown) = self.shown.lock() else {
            return;
        };
        if shown.elapsed() < pause {
            return;
        }
        *shown = Instant::now();
        let rate = recordings as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let end = if self.terminal { '\r' } else { '\n' };
        // A terminal that is gone is no reason to stop.
        let _ = write!(
            std::io::stderr(),
            "{recordings} recordings read in, {rate:.0} a second{end}"
        );
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "{:60}\r", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{House, found, range};
    use crate::footage::path::{MEDIA, SIDECAR};
    use wire::ids::RecordingId;
    use wire::resource::RecordingStatus;

    async fn with_footage() -> (House, Vec<RecordingId>) {
        let house = House::new().await;
        let recorder = house.recorder("SN1", 2).await.id;
        let mut ids = Vec::new();
        for channel in [1, 2] {
            let listed = (0..5).map(|n| {
                let span = range(
                    &format!("2026-11-03T0{n}:00:00Z"),
                    &format!("2026-11-03T0{n}:30:00Z"),
                );
                found(&format!("c{channel}f{n}"), span, 5)
            });
            ids.extend(house.observe(recorder, channel, listed.collect()).await);
        }
        for id in &ids[..8] {
            house.hold(*id, id.to_string().as_bytes()).await;
        }
        house.catalog.set_locked(ids[3], true).await.unwrap();
        house.catalog.delete(ids[4]).await.unwrap();
        house.catalog.empty_garbage(&house.volumes).await.unwrap();
        (house, ids)
    }

    async fn states(house: &House, ids: &[RecordingId]) -> Vec<(RecordingStatus, bool)> {
        let mut states = Vec::new();
        for id in ids {
            let recording = house.catalog.recording(*id).await.unwrap();
            states.push((recording.status, recording.locked));
        }
        states
    }

    #[tokio::test]
    async fn everything_is_as_before_and_the_old_one_is_kept() {
        let (house, ids) = with_footage().await;
        let before = states(&house, &ids).await;
        let cameras = house.catalog.cameras().await.unwrap();
        let marked = house.catalog.recording(ids[0]).await.unwrap();
        let bookmark = crate::catalog::bookmarks::NewBookmark {
            camera: marked.camera_id,
            at: marked.start_utc,
            note: "a van".to_owned(),
            made_by: "ann".to_owned(),
            via_relay: false,
        };
        house.catalog.add_bookmark(bookmark).await.unwrap();
        let config = house.config();
        let house = house.close().await;
        let rebuilt = rebuild(&config, house.clock.clone(), &|_| {})
            .await
            .unwrap();
        assert_eq!((rebuilt.adopted.recordings, rebuilt.adopted.left), (7, 0));
        assert_eq!(rebuilt.locked, 1);
        let carried = rebuilt.carried.unwrap();
        assert!(carried.lost.is_empty(), "{carried:?}");
        assert!(rebuilt.aside.unwrap().join(FILE).is_file());
        let house = house.open().await;
        assert_eq!(states(&house, &ids).await, before);
        assert!(house.catalog.recording(ids[0]).await.unwrap().bookmarked);
        let same = house.catalog.cameras().await.unwrap();
        let ids_of = |all: &[wire::resource::Camera]| all.iter().map(|c| c.id).collect::<Vec<_>>();
        assert_eq!(ids_of(&same), ids_of(&cameras));
        house.assert_sound();
    }

    /// Killed at every step: running it again ends with the same catalog.
    #[tokio::test]
    async fn a_rebuild_that_was_killed_goes_on() {
        for killed_at in 0..5 {
            let (house, ids) = with_footage().await;
            let before = states(&house, &ids).await;
            let config = house.config();
            let house = house.close().await;
            let folder = config.state.catalog();
            if killed_at >= 1 {
                assert!(!anew::begin(&folder, PURPOSE).unwrap());
            }
            if killed_at >= 2 {
                anew::carry_over(&folder).unwrap();
            }
            if killed_at >= 3 {
                anew::prepared(&folder, PURPOSE).unwrap();
                let catalog = Catalog::open_new(&folder, house.clock.clone()).unwrap();
                let volumes = catalog.open_volumes(&config.volume).await.unwrap();
                catalog.adopt_footage(&volumes).await.unwrap();
                if killed_at >= 4 {
                    catalog.carry_locks(&folder).await.unwrap();
                    anew::say_whole(&folder).unwrap();
                }
                drop((volumes, catalog));
                House::unlocked(&anew::new_folder(&folder)).await;
            }
            if killed_at < 4 {
                rebuild(&config, house.clock.clone(), &|_| {})
                    .await
                    .unwrap();
            }
            let house = house.open().await;
            assert_eq!(states(&house, &ids).await, before, "killed at {killed_at}");
            assert!(!anew::new_folder(&folder).exists());
            house.assert_sound();
        }
    }

    #[tokio::test]
    async fn a_damaged_catalog_is_rebuilt_from_the_disks_alone() {
        let (house, ids) = with_footage().await;
        let config = house.config();
        let house = house.close().await;
        let file = config.state.catalog().join(FILE);
        // Removed first: a connection that is still being closed writes what it has into the old one.
        for extension in ["sqlite", "sqlite-wal", "sqlite-shm"] {
            base::durable::remove_if_there(&file.with_extension(extension)).unwrap();
        }
        std::fs::write(&file, vec![0x5A; 40_000]).unwrap();
        let rebuilt = rebuild(&config, house.clock.clone(), &|_| {})
            .await
            .unwrap();
        assert!(rebuilt.carried.is_err());
        assert_eq!(rebuilt.adopted.recordings, 7);
        let house = house.open().await;
        assert!(house.catalog.held(ids[0]).await.unwrap().is_some());
        house.assert_sound();
    }

    #[tokio::test]
    async fn conflicts_are_told_and_kept_apart() {
        let (house, ids) = with_footage().await;
        let of = |n: usize| {
            let catalog = house.catalog.clone();
            let id = ids[n];
            async move { catalog.held(id).await.unwrap().unwrap().stem }
        };
        let (first, second) = (of(0).await, of(1).await);
        let volume = house.volume().clone();
        // A copy of a recording under another name of its camera.
        let copy = crate::footage::path::Stem::new(
            first.camera(),
            range("2026-11-03T20:00:00Z", "2026-11-03T20:30:00Z"),
            1,
        );
        for extension in [MEDIA, SIDECAR] {
            std::fs::copy(
                volume.file(&first, extension),
                volume.file(&copy, extension),
            )
            .unwrap();
        }
        // Footage that says that it is of the same camera, of another device.
        let description = volume.file(&second, SIDECAR);
        let text = std::fs::read_to_string(&description).unwrap();
        std::fs::write(&description, text.replace("SN1", "SN9")).unwrap();
        let config = house.config();
        let house = house.close().await;
        let rebuilt = rebuild(&config, house.clock.clone(), &|_| {})
            .await
            .unwrap();
        assert_eq!((rebuilt.adopted.recordings, rebuilt.adopted.left), (6, 2));
        let told: Vec<String> = rebuilt
            .adopted
            .refused
            .iter()
            .map(|r| r.to_string())
            .collect();
        assert!(
            told.iter().any(|t| t.contains("it is a copy of recording")),
            "{told:?}"
        );
        assert!(told.iter().any(|t| t.contains("of device SN9")), "{told:?}");
        // Nothing was removed, nothing was shown under the wrong camera.
        assert!(volume.file(&copy, MEDIA).exists() && volume.file(&second, MEDIA).exists());
        let house = house.open().await;
        assert!(house.catalog.held(ids[0]).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_disk_of_another_box_brings_its_cameras() {
        let (theirs, ids) = with_footage().await;
        let ours = House::new().await;
        ours.recorder("SN2", 1).await;
        let mut config = ours.config();
        let mut disk = theirs.volume().config().clone();
        disk.name = "theirs".into();
        config.volume.push(disk);
        let ours = ours.close().await;
        let rebuilt = rebuild(&config, ours.clock.clone(), &|_| {}).await.unwrap();
        assert_eq!(rebuilt.adopted.recordings, 7);
        let ours = ours.open().await;
        assert_eq!(ours.catalog.cameras().await.unwrap().len(), 1 + 2);
        assert!(ours.catalog.held(ids[0]).await.unwrap().is_some());
    }
}
