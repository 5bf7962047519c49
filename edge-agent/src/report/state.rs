//! Retained state: agent, storage, retention, update, recorders, cameras. Told when it differs from what was told last, and all
//! of it now and then. What is gone is cleared.

use std::collections::HashMap;

use tokio::sync::watch;
use wire::ids::ApplianceId;
use wire::retention::Retention;
use wire::telemetry::{AgentState, State, StateMessage};
use wire::time::UtcTime;
use wire::topics::{Leaf, Subject};
use wire::update::Update;

use super::{Told, payload};
use crate::catalog::{Catalog, CatalogError};
use crate::footage::volume::Volumes;

/// How long footage stays, and when that was reckoned; none until it was.
pub type Outlooks = watch::Receiver<Option<(UtcTime, Retention)>>;

/// How far an update of the system is.
pub type UpdateStates = watch::Receiver<Update>;

/// Gathers the states of an appliance, and remembers what was told.
#[derive(Debug)]
pub struct States {
    appliance: ApplianceId,
    catalog: Catalog,
    volumes: Volumes,
    outlooks: Outlooks,
    updates: UpdateStates,
    started_at: UtcTime,
    told: HashMap<Leaf, State>,
}

impl States {
    /// Nothing told yet.
    pub fn new(
        appliance: ApplianceId,
        catalog: Catalog,
        volumes: Volumes,
        outlooks: Outlooks,
        updates: UpdateStates,
        started_at: UtcTime,
    ) -> Self {
        Self {
            appliance,
            catalog,
            volumes,
            outlooks,
            updates,
            started_at,
            told: HashMap::new(),
        }
    }

    /// How far an update is, to hear of changes.
    pub fn updates(&self) -> UpdateStates {
        self.updates.clone()
    }

    /// Everything, told or not: after connecting, and every few minutes.
    pub async fn all(&mut self) -> Result<Vec<Told>, CatalogError> {
        let gone = self.gone(&self.gather().await?);
        self.told.clear();
        let mut told = self.changed().await?;
        told.extend(gone);
        Ok(told)
    }

    /// What differs from what was told last.
    pub async fn changed(&mut self) -> Result<Vec<Told>, CatalogError> {
        let now = self.gather().await?;
        let mut out = self.gone(&now);
        for told in &out {
            self.told.remove(&told.leaf);
        }
        for (leaf, state) in now {
            if self.told.get(&leaf) == Some(&state) {
                continue;
            }
            self.told.insert(leaf, state.clone());
            let message = StateMessage {
                v: wire::version::TELEMETRY,
                appliance: self.appliance.clone(),
                ts: self.catalog.now(),
                state,
            };
            out.push(Told {
                leaf,
                payload: payload(&message),
            });
        }
        Ok(out)
    }

    fn gone(&self, now: &[(Leaf, State)]) -> Vec<Told> {
        self.told
            .keys()
            .filter(|leaf| !now.iter().any(|(there, _)| there == *leaf))
            .map(|leaf| Told {
                leaf: *leaf,
                payload: Vec::new(),
            })
            .collect()
    }

    async fn gather(&self) -> Result<Vec<(Leaf, State)>, CatalogError> {
        let (pending, downloading) = self.catalog.backlog().await?;
        let outbox_rows = self.catalog.outbox().await?.map_or(0, |outbox| outbox.rows);
        let agent = AgentState {
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: self.started_at,
            pending,
            downloading,
            outbox_rows,
        };
        let storage = self.catalog.storage(&self.volumes).await?;
        let mut states = vec![
            (Leaf::State(Subject::Agent), State::Agent(agent)),
            (Leaf::State(Subject::Storage), State::Storage(storage)),
        ];
        let retention = self.outlooks.borrow().clone();
        if let Some((_, retention)) = retention {
            let leaf = Leaf::State(Subject::Retention);
            states.push((leaf, State::Retention(bounded(retention))));
        }
        let update = self.updates.borrow().clone();
        states.push((Leaf::State(Subject::Update), State::Update(update)));
        for recorder in self.catalog.recorders().await? {
            let leaf = Leaf::State(Subject::Recorder(recorder.id));
            states.push((leaf, State::Recorder(recorder)));
        }
        for camera in self.catalog.cameras().await? {
            let leaf = Leaf::State(Subject::Camera(camera.id));
            states.push((leaf, State::Camera(camera)));
        }
        Ok(states)
    }
}

/// Most cameras of which the retention is told, so that a message stays below its bound; those whose promise breaks
/// first.
const CAMERAS_MAX: usize = 128;

fn bounded(mut retention: Retention) -> Retention {
    if retention.cameras.len() > CAMERAS_MAX {
        retention
            .cameras
            .sort_by_key(|camera| (camera.breaks_on.is_none(), camera.breaks_on));
        retention.cameras.truncate(CAMERAS_MAX);
    }
    retention
}

/// Of a box that takes no updates.
#[cfg(test)]
pub fn no_updates() -> UpdateStates {
    let update = Update {
        running: None,
        unable: None,
        automatic: true,
        window: "02:00-05:00".into(),
        progress: wire::update::UpdateProgress::None,
    };
    watch::channel(update).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::House;

    #[tokio::test]
    async fn what_differs_is_told_once_and_what_is_gone_is_cleared() {
        let house = House::new().await;
        let me = ApplianceId::from_spki(b"me");
        let mut states = States::new(
            me.clone(),
            house.catalog.clone(),
            house.volumes.clone(),
            watch::channel(None).1,
            no_updates(),
            house.catalog.now(),
        );
        let first = states.all().await.unwrap();
        let leaves: Vec<_> = first.iter().map(|t| t.leaf.to_string()).collect();
        assert_eq!(leaves, ["state/agent", "state/storage", "state/update"]);
        let recorder = house.recorder("SERIAL", 1).await;
        let told = states.changed().await.unwrap();
        let of = |id| Leaf::State(Subject::Recorder(id));
        // Free space moves under a test, so storage may be among it.
        assert!(told.iter().any(|t| t.leaf == of(recorder.id)));
        assert!(told[0].topic(&me).starts_with("holdfast/1/device/"));
        let again = states.changed().await.unwrap();
        assert!(!again.iter().any(|t| t.leaf == of(recorder.id)));
        assert!(
            states
                .all()
                .await
                .unwrap()
                .iter()
                .any(|t| t.leaf == of(recorder.id))
        );
        house.catalog.remove_recorder(recorder.id).await.unwrap();
        let cleared = states.changed().await.unwrap();
        let cleared = cleared.iter().find(|t| t.leaf == of(recorder.id)).unwrap();
        assert!(cleared.payload.is_empty());
    }
}
