//! The program that ran before runs again, because the newer one was not healthy: the catalog that the newer one has
//! changed is put aside, and the one that was kept before takes its place (`catalog/before.rs`), as a backup would. What was
//! recorded meanwhile is read in from the disks; what was set meanwhile, by people on the page of the newer one, is not.

use std::path::{Path, PathBuf};

use base::clock::Clock;

use crate::catalog::{Catalog, CatalogError, FILE, SCHEMA, anew, before};
use crate::config::Config;
use crate::repair::{Repaired, repair};

/// What a catalog is being made anew for. Never gone on with: a copy is quickly made again.
const PURPOSE: &str = "step back";

/// What became of it.
#[derive(Debug)]
pub struct SteppedBack {
    /// Version of the catalog that the newer program has left.
    pub found: i64,
    /// How the one from before was brought up to what lies on the disks.
    pub repaired: Repaired,
    /// Where the newer catalog lies now.
    pub aside: Option<PathBuf>,
}

/// Takes up the catalog that was kept, where the one in use is a newer program's and there is one. For an agent that has
/// opened nothing yet. A kill at any moment leaves one of the two in use.
pub async fn step_back(config: &Config, clock: Clock) -> Result<Option<SteppedBack>, CatalogError> {
    let folder = config.state.catalog();
    anew::settle(&folder, clock.now().into())?;
    let newer = |version: &i64| *version > SCHEMA.version();
    let Some(found) = before::version_of(&folder).filter(newer) else {
        return Ok(None);
    };
    let Some(kept) = before::usable(&folder) else {
        // Opening it says what to do.
        return Ok(None);
    };
    tracing::warn!(
        found,
        known = SCHEMA.version(),
        "A newer program has changed the catalog: the one from before is taken up"
    );
    let _newer = anew::lock(&folder)?;
    if anew::begin(&folder, PURPOSE)? {
        anew::clear(&folder)?;
    }
    let copy = anew::new_folder(&folder).join(FILE);
    let copied = std::fs::copy(&kept, &copy).and_then(|_| base::durable::sync_file(&copy));
    copied.map_err(|source| CatalogError::Io { path: copy, source })?;
    anew::as_restored(&folder)?;
    let catalog = Catalog::open_new(&folder, clock.clone())?;
    let volumes = catalog.open_volumes(&config.volume).await?;
    let repaired = repair(&catalog, &volumes).await?;
    let aside = anew::take_place(&folder, clock.now().into())?
        .map(|aside| last_newer(&folder, aside))
        .transpose()?;
    Ok(Some(SteppedBack {
        found,
        repaired,
        aside,
    }))
}

/// Of the newer catalogs that were left, only the last one stays, without what only takes room.
fn last_newer(folder: &Path, aside: PathBuf) -> Result<PathBuf, CatalogError> {
    let newer = folder.with_extension("newer");
    let tidied = || -> std::io::Result<()> {
        before::remove_but(&aside, None)?;
        base::durable::remove_if_there(&aside.join("reserve"))?;
        if newer.is_dir() {
            std::fs::remove_dir_all(&newer)?;
        }
        base::durable::rename_new(&aside, &newer)?;
        base::durable::sync_dir(folder.parent().unwrap_or(Path::new(".")))
    };
    tidied().map_err(|source| CatalogError::Io {
        path: newer.clone(),
        source,
    })?;
    Ok(newer)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use wire::resource::RecordingStatus;

    use super::*;
    use crate::catalog::testing::{House, found, range};

    /// As a program would leave it that is one version ahead.
    fn lead_on(folder: &std::path::Path) {
        let c = Connection::open(folder.join(FILE)).unwrap();
        c.execute_batch("alter table recording rename column stem to name")
            .unwrap();
        c.pragma_update(None, "user_version", SCHEMA.version() + 1)
            .unwrap();
    }

    #[tokio::test]
    async fn what_was_known_and_what_was_recorded_since_is_there() {
        let house = House::new().await;
        let config = house.config();
        let folder = config.state.catalog();
        let recorder = house.recorder("SN1", 1).await.id;
        let span = |h: u32| {
            range(
                &format!("2026-11-03T{h:02}:00:00Z"),
                &format!("2026-11-03T{h:02}:30:00Z"),
            )
        };
        let ids = house
            .observe(
                recorder,
                1,
                vec![
                    found("f0", span(0), 5),
                    found("f1", span(1), 5),
                    found("f2", span(2), 5),
                ],
            )
            .await;
        house.hold(ids[0], b"media").await;
        house.hold(ids[1], b"media").await;
        // As the newer program would keep it, before its upgrade.
        let copy = before::kept(&folder, SCHEMA.version());
        Connection::open(folder.join(FILE))
            .unwrap()
            .execute("vacuum into ?1", [copy.to_str().unwrap()])
            .unwrap();
        house.hold(ids[2], b"media").await;
        let closed = house.close().await;
        lead_on(&folder);
        // Without the newer program's help nobody could open it.
        assert!(Catalog::open(&folder, closed.clock.clone()).is_err());

        let done = step_back(&config, closed.clock.clone())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(done.found, SCHEMA.version() + 1);
        assert_eq!(done.repaired.read_in, 1);
        let aside = done.aside.unwrap();
        assert!(aside.join(FILE).is_file() && !aside.join("reserve").exists());
        assert!(!before::kept(&aside, SCHEMA.version()).exists());
        assert!(
            step_back(&config, closed.clock.clone())
                .await
                .unwrap()
                .is_none()
        );
        let house = closed.open().await;
        for id in ids {
            let held = house.catalog.recording(id).await.unwrap();
            assert_eq!(held.status, RecordingStatus::Completed, "{id}");
        }
        assert_eq!(house.catalog.recorders().await.unwrap().len(), 1);
        house.assert_sound();
    }

    #[tokio::test]
    async fn without_a_copy_or_with_an_old_one_it_is_left_as_it_is() {
        let house = House::new().await;
        let config = house.config();
        let closed = house.close().await;
        let copy = before::kept(&config.state.catalog(), SCHEMA.version());
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 86_400);
        std::fs::File::create(&copy)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        lead_on(&config.state.catalog());
        let nothing = step_back(&config, closed.clock.clone()).await.unwrap();
        assert!(nothing.is_none());
        let error = Catalog::open(&config.state.catalog(), closed.clock.clone())
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("install the newer program again"),
            "{error}"
        );
    }
}
