//! A new key for the stored passwords, whatever is killed in between.
//!
//! 1. The new key is written beside the old one (`secrets.key.next`); from here on both open.
//! 2. Every password is sealed with the new key, in one transaction.
//! 3. The new key takes the place of the old one.
//!
//! A kill between 1 and 3 leaves both keys: at the next start the steps from 2 on are made again, whichever of the keys a
//! password is sealed with.

use std::process::ExitCode;
use std::sync::Arc;

use base::clock::Clock;

use crate::catalog::{Catalog, CatalogError};
use crate::config::Config;
use crate::secrets::{KeyError, Secrets};

/// Why the key was not changed; the passwords open all the same.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// A key cannot be read or written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The passwords cannot be stored.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Changes the key, or ends a change that was interrupted. Returns how many passwords are sealed with the new one.
pub async fn rotate(secrets: &Arc<Secrets>, catalog: &Catalog) -> Result<usize, RotateError> {
    let _alone = secrets.changing().await;
    secrets.begin_change()?;
    let sealing = secrets.clone();
    let resealed = catalog
        .reseal_passwords(move |recorder, sealed| sealing.reseal(recorder, sealed).ok())
        .await?;
    secrets.end_change()?;
    if !resealed.unreadable.is_empty() {
        tracing::warn!(
            recorders = ?resealed.unreadable,
            "Passwords that no key opened before do not open with the new one either: enter them again"
        );
    }
    tracing::info!(
        passwords = resealed.sealed,
        "The key of stored passwords was changed"
    );
    Ok(resealed.sealed)
}

/// Ends a change that was interrupted, if there is one.
pub async fn finish(secrets: &Arc<Secrets>, catalog: &Catalog) -> Result<(), RotateError> {
    if secrets.is_changing() {
        rotate(secrets, catalog).await?;
    }
    Ok(())
}

/// `edge-agent rotate-key`: for an agent that does not run.
pub fn run(config: &Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the threads cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let changed = runtime.block_on(async {
        let catalog = Catalog::open(&config.state.catalog(), Clock::system())?;
        let secrets = Arc::new(Secrets::open(
            &config.state.secrets_key(),
            config.state.tpm(),
        )?);
        rotate(&secrets, &catalog).await
    });
    match changed {
        Ok(passwords) => {
            println!(
                "the key of stored passwords is a new one; passwords sealed with it: {passwords}"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::recorders::RecorderChange;
    use crate::catalog::testing::House;
    use wire::ids::RecorderId;

    async fn house() -> (House, Arc<Secrets>, Vec<RecorderId>) {
        let house = House::new().await;
        let secrets = Arc::new(open(&house));
        let mut ids = Vec::new();
        for serial in ["A1", "B2", "C3"] {
            let id = house.recorder(serial, 1).await.id;
            let change = RecorderChange {
                password_sealed: Some(secrets.seal(id, serial)),
                ..RecorderChange::default()
            };
            house.catalog.change_recorder(id, change).await.unwrap();
            ids.push(id);
        }
        (house, secrets, ids)
    }

    fn open(house: &House) -> Secrets {
        Secrets::open(&house.path().join("secrets.key"), None).unwrap()
    }

    /// The passwords, as they open with what lies on the disk.
    async fn opened(house: &House, ids: &[RecorderId]) -> Vec<String> {
        let secrets = open(house);
        let mut all = Vec::new();
        for id in ids {
            let sealed = house.catalog.recorder_password_sealed(*id).await.unwrap();
            all.push(secrets.open_password(*id, &sealed).unwrap().to_string());
        }
        all
    }

    #[tokio::test]
    async fn a_change_that_ends_anywhere_is_brought_to_its_end() {
        for steps in 0..=3 {
            let (house, secrets, ids) = house().await;
            let key = std::fs::read(house.path().join("secrets.key")).unwrap();
            if steps >= 1 {
                secrets.begin_change().unwrap();
            }
            if steps >= 2 {
                let sealing = secrets.clone();
                let reseal = move |id, sealed: &[u8]| sealing.reseal(id, sealed).ok();
                house.catalog.reseal_passwords(reseal).await.unwrap();
            }
            if steps >= 3 {
                secrets.end_change().unwrap();
            }
            // Killed here: all that counts is what lies on the disk.
            drop(secrets);
            assert_eq!(opened(&house, &ids).await, ["A1", "B2", "C3"], "{steps}");
            let again = Arc::new(open(&house));
            finish(&again, &house.catalog).await.unwrap();
            assert_eq!(opened(&house, &ids).await, ["A1", "B2", "C3"], "{steps}");
            assert!(!house.path().join("secrets.key.next").exists());
            let now = std::fs::read(house.path().join("secrets.key")).unwrap();
            assert_eq!(now != key, steps >= 1, "{steps}");
        }
    }

    #[tokio::test]
    async fn a_change_is_no_news_to_sessions_and_what_does_not_open_stays_as_it_is() {
        let (house, secrets, ids) = house().await;
        let broken = RecorderChange {
            password_sealed: Some(vec![1, 2, 3]),
            ..RecorderChange::default()
        };
        house.catalog.change_recorder(ids[1], broken).await.unwrap();
        let before = house.catalog.recorder_password_id(ids[0]).await.unwrap();
        let mut changes = house.catalog.changes();
        assert_eq!(rotate(&secrets, &house.catalog).await.unwrap(), 2);
        assert!(changes.try_recv().is_err(), "nobody logs in anew");
        let after = house.catalog.recorder_password_id(ids[0]).await.unwrap();
        assert_eq!(before, after);
        let kept = house
            .catalog
            .recorder_password_sealed(ids[1])
            .await
            .unwrap();
        assert_eq!(kept, [1, 2, 3]);
        // The same that is in use goes on with the new key.
        let sealed = house
            .catalog
            .recorder_password_sealed(ids[2])
            .await
            .unwrap();
        assert_eq!(*secrets.open_password(ids[2], &sealed).unwrap(), "C3");
        assert_eq!(opened(&house, &[ids[0], ids[2]]).await, ["A1", "C3"]);
    }
}
