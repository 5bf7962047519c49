//! A second disk, adopted from the page: footage lies on it too, also after the box has started again.

use anyhow::{Context, Result, ensure};
use wire::disk::{AdoptRequest, Adoption, BoxDisk, BoxDisks, DiskState};
use wire::resource::{Storage, Volume};

use super::PATIENCE;
use crate::client::Client;
use crate::eventually::eventually_within;

const DISKS: &str = "/api/v1/disks";

/// Adopts the disk with this serial number as somebody does on the page; the name of its volume.
pub async fn adopt(client: &Client, serial: &str) -> Result<String> {
    let disk = eventually_within("the page shows the second disk", PATIENCE, || async {
        let told: BoxDisks = client.get(DISKS).await.map_err(|e| e.to_string())?;
        let mut disks = told.items.into_iter();
        disks
            .find(|disk| disk.serial == serial)
            .ok_or_else(|| "it does not".to_owned())
    })
    .await?;
    ensure!(disk.state == DiskState::Free, "{disk:?}");
    let system: BoxDisks = client.get(DISKS).await?;
    let of_system = |disk: &&BoxDisk| disk.state == DiskState::System;
    ensure!(
        system.items.iter().filter(of_system).count() == 1,
        "{system:?}"
    );
    let id = disk.id.context("a disk that can be adopted has an id")?;
    let confirm = serial[serial.len() - 4..].to_owned();
    let request = AdoptRequest {
        seen: disk.seen,
        confirm,
    };
    let _: BoxDisks = client
        .post(&format!("{DISKS}/{id}/adopt"), &request)
        .await?;
    // The agent starts again meanwhile.
    eventually_within("the disk is adopted", PATIENCE, || async {
        let told: BoxDisks = client.get(DISKS).await.map_err(|e| e.to_string())?;
        let volume = told.items.into_iter().find_map(|disk| disk.volume);
        match (told.adoption, volume) {
            (Adoption::Good { .. }, Some(volume)) => Ok(volume),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// The volume, once it is there and takes footage.
pub async fn works(client: &Client, name: &str) -> Result<Volume> {
    eventually_within("the second disk takes footage", PATIENCE, || async {
        let storage: Storage = client
            .get("/api/v1/storage")
            .await
            .map_err(|e| e.to_string())?;
        let volume = storage.volumes.into_iter().find(|it| it.name == name);
        match volume {
            Some(volume) if volume.state == wire::resource::VolumeState::Working => Ok(volume),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}
