//! Fleeting figures: the box, its network, and cameras that are being fetched or watched. They may be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use wire::ids::{ApplianceId, CameraId};
use wire::resource::RecordingStatus;
use wire::telemetry::{CameraFigures, DownloadProgress, Figures, TelemetryMessage};
use wire::topics::{Group, Leaf};

use super::{Told, payload};
use crate::catalog::recordings::RecordingFilter;
use crate::catalog::{Catalog, CatalogError};
use crate::host::health::Health;

/// Downloads told of at once; more are not run at the same time anyway.
const DOWNLOADS_MAX: u32 = 100;

/// How many people watch each camera live, as the live room knows it.
pub type Viewers = Arc<dyn Fn() -> BTreeMap<CameraId, u32> + Send + Sync>;

/// Gathers the figures of an appliance.
pub struct Gauges {
    appliance: ApplianceId,
    catalog: Catalog,
    health: Arc<Mutex<Health>>,
    viewers: Viewers,
    /// Cameras that were told of last: they are told of once more when nothing happens there any longer.
    busy: BTreeSet<CameraId>,
}

impl Gauges {
    /// Begins to measure.
    pub fn new(appliance: ApplianceId, catalog: Catalog, viewers: Viewers) -> Self {
        Self {
            appliance,
            catalog,
            health: Arc::new(Mutex::new(Health::new())),
            viewers,
            busy: BTreeSet::new(),
        }
    }

    /// Measures now.
    pub async fn measure(&mut self) -> Result<Vec<Told>, CatalogError> {
        let health = self.health.clone();
        let measured = tokio::task::spawn_blocking(move || {
            let mut health = health.lock().unwrap_or_else(PoisonError::into_inner);
            health.measure()
        })
        .await;
        let mut told = Vec::new();
        match measured {
            Ok((host, network)) => {
                told.push(self.told(Group::Host, Figures::Host(host)));
                told.push(self.told(Group::Network, Figures::Network(network)));
            }
            // The runtime is going down, or measuring panicked, which the hook has said.
            Err(error) => tracing::warn!(%error, "The box could not be measured"),
        }
        let cameras = self.cameras().await?;
        let idle = self.busy.iter().filter(|id| !cameras.contains_key(id));
        let quiet: Vec<_> = idle.map(|id| quiet(*id)).collect();
        self.busy = cameras.keys().copied().collect();
        for figures in cameras.into_values().chain(quiet) {
            told.push(self.told(Group::Camera, Figures::Camera(figures)));
        }
        Ok(told)
    }

    async fn cameras(&self) -> Result<BTreeMap<CameraId, CameraFigures>, CatalogError> {
        let filter = RecordingFilter {
            status: Some(RecordingStatus::Downloading),
            limit: DOWNLOADS_MAX,
            ..RecordingFilter::default()
        };
        let mut cameras = BTreeMap::new();
        for recording in self.catalog.recordings(filter).await?.items {
            let id = recording.camera_id;
            let figures = cameras.entry(id).or_insert_with(|| quiet(id));
            figures.downloads.push(DownloadProgress {
                recording_id: recording.id,
                received_bytes: recording.received_bytes,
                progress_percent: recording.progress_percent,
            });
        }
        for (id, viewers) in (self.viewers)() {
            if viewers > 0 {
                cameras.entry(id).or_insert_with(|| quiet(id)).live_viewers = viewers;
            }
        }
        Ok(cameras)
    }

    fn told(&self, group: Group, figures: Figures) -> Told {
        Told {
            leaf: Leaf::Telemetry(group),
            payload: payload(&TelemetryMessage {
                v: wire::version::TELEMETRY,
                appliance: self.appliance.clone(),
                ts: self.catalog.now(),
                figures,
            }),
        }
    }
}

fn quiet(camera_id: CameraId) -> CameraFigures {
    CameraFigures {
        camera_id,
        downloads: Vec::new(),
        live_viewers: 0,
    }
}
