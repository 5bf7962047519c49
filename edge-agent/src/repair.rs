//! `edge-agent check --repair`: what start-up finishes, what lies on the disks and is not in the catalog, and rows whose
//! files are gone. Nothing that was received is thrown away.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use base::clock::Clock;
use wire::ids::RecordingId;

use crate::catalog::adopt::Refused;
use crate::catalog::check::{Finished, Missing, Settled, check};
use crate::catalog::{Catalog, CatalogError};
use crate::config::Config;
use crate::custody;
use crate::footage::volume::{Volume, Volumes};

/// What was put right.
#[derive(Debug, Default)]
pub struct Repaired {
    /// What an interruption had left.
    pub finished: Finished,
    /// Recordings that were read in from the disks.
    pub read_in: u64,
    /// Footage that was not, and why.
    pub refused: Vec<Refused>,
    /// Rows whose files are gone.
    pub settled: Settled,
}

/// Puts a catalog right, of an agent that does not run.
pub async fn repair(catalog: &Catalog, volumes: &Volumes) -> Result<Repaired, CatalogError> {
    let finished = catalog.finish_interrupted(volumes).await?;
    let before = held(catalog, volumes).await?;
    catalog.adopt_again(volumes).await?;
    let adopted = catalog.adopt_footage(volumes).await?;
    let read_in = held(catalog, volumes).await?.saturating_sub(before);
    let settled = catalog.settle_all_missing(volumes, causes).await?;
    catalog.empty_garbage(volumes).await?;
    Ok(Repaired {
        finished,
        read_in,
        refused: adopted.refused,
        settled,
    })
}

async fn held(catalog: &Catalog, volumes: &Volumes) -> Result<u64, CatalogError> {
    let mut all = 0;
    for volume in volumes.iter() {
        all += catalog.held_recordings(volume.id()).await?;
    }
    Ok(all)
}

/// Why recordings left, as the custody logs of their volume tell.
pub fn causes(volume: &Volume, missing: &[Missing]) -> HashMap<RecordingId, String> {
    let wanted: HashSet<RecordingId> = missing.iter().map(|row| row.recording).collect();
    custody::chain::causes(volume.path(), &wanted).unwrap_or_else(|error| {
        tracing::warn!(volume = volume.name(), %error,
            "The custody log of a volume cannot be read: what is missing there counts as lost");
        HashMap::new()
    })
}

/// Runs the command: repairs, and checks then.
pub fn run(config: &Config, deep: bool) -> ExitCode {
    let repaired = on_runtime(async {
        let catalog = Catalog::open(&config.state.catalog(), Clock::system())?;
        let volumes = catalog.open_volumes(&config.volume).await?;
        repair(&catalog, &volumes).await
    });
    match repaired {
        Ok(repaired) => {
            print!("{}", words(&repaired));
            crate::check_and_tell(|| check(&config.state.catalog(), deep))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What was put right, a line each.
fn words(repaired: &Repaired) -> String {
    let Repaired {
        finished,
        read_in,
        refused,
        settled,
    } = repaired;
    let counts = [
        (
            finished.completed.len() as u64,
            "half-kept recordings are held now",
        ),
        (
            finished.released.len() as u64,
            "half-kept recordings are to be fetched on",
        ),
        (
            finished.removed,
            "recordings that had left have lost their files",
        ),
        (
            finished.swept.len() as u64,
            "staging folders that nobody wants were removed",
        ),
        (*read_in, "recordings that lay on the disks were read in"),
        (
            settled.left,
            "recordings without files had left, as the custody log says",
        ),
        (
            settled.lost,
            "recordings without files were lost, and are fetched again if their recorder still has them",
        ),
    ];
    let mut text = String::new();
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        text += &format!("{count} {what}\n");
    }
    for refused in refused {
        text += &format!("{refused}\n");
    }
    text
}

/// Runs work that needs the runtime, for a command.
pub fn on_runtime<T, E: From<CatalogError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CatalogError::Io {
            path: "(threads)".into(),
            source,
        })?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::testing::{House, found, range};
    use crate::custody::keeper::Keeper;
    use crate::footage::path::MEDIA;
    use crate::host::signature::testing::signer;
    use wire::resource::RecordingStatus;

    #[tokio::test]
    async fn what_is_missing_has_left_or_is_fetched_again() {
        let house = House::new().await;
        let recorder = house.recorder("SN1", 1).await.id;
        let listed = (0..4).map(|n| {
            let span = range(
                &format!("2026-11-03T0{n}:00:00Z"),
                &format!("2026-11-03T0{n}:30:00Z"),
            );
            found(&format!("f{n}"), span, 5)
        });
        let ids = house.observe(recorder, 1, listed.collect()).await;
        for id in &ids {
            house.hold(*id, id.to_string().as_bytes()).await;
        }
        house.catalog.set_locked(ids[2], true).await.unwrap();
        // As a catalog of yesterday would have it: the first was deleted since, two were lost.
        let file = house.path().join("catalog/catalog.sqlite");
        let yesterday = house.path().join("yesterday.sqlite");
        rusqlite_copy(&file, &yesterday);
        house.catalog.delete(ids[0]).await.unwrap();
        house.catalog.empty_garbage(&house.volumes).await.unwrap();
        let mut keeper = Keeper::new(
            house.catalog.clone(),
            house.volumes.clone(),
            Arc::new(signer()),
        );
        keeper.enter_all().await.unwrap();
        drop(keeper);
        for id in &ids[1..3] {
            let stem = house.catalog.held(*id).await.unwrap().unwrap().stem;
            std::fs::remove_file(house.volume().file(&stem, MEDIA)).unwrap();
        }
        let house = house.with_catalog(&yesterday).await;
        let repaired = repair(&house.catalog, &house.volumes).await.unwrap();
        assert_eq!(repaired.settled, Settled { left: 1, lost: 2 });
        house.assert_sound();
        let mut states = Vec::new();
        for id in &ids {
            states.push(house.catalog.recording(*id).await.unwrap().status);
        }
        use RecordingStatus::{Completed, Evicted, Pending};
        assert_eq!(states, [Evicted, Pending, Pending, Completed]);
        let again = repair(&house.catalog, &house.volumes).await.unwrap();
        assert_eq!((again.read_in, again.settled), (0, Settled::default()));
    }

    #[tokio::test]
    async fn what_lies_there_unknown_is_read_in() {
        let house = House::new().await;
        let recorder = house.recorder("SN1", 1).await.id;
        let file = house.path().join("catalog/catalog.sqlite");
        let yesterday = house.path().join("yesterday.sqlite");
        rusqlite_copy(&file, &yesterday);
        let span = range("2026-11-03T01:00:00Z", "2026-11-03T01:30:00Z");
        let id = house.observe(recorder, 1, vec![found("f", span, 5)]).await[0];
        house.hold(id, b"bytes").await;
        let house = house.with_catalog(&yesterday).await;
        let repaired = repair(&house.catalog, &house.volumes).await.unwrap();
        assert_eq!(repaired.read_in, 1);
        house.assert_sound();
    }

    fn rusqlite_copy(from: &std::path::Path, to: &std::path::Path) {
        crate::catalog::copy_to(from, to).unwrap();
    }
}
