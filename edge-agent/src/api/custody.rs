//! The custody logs: by which key they are signed and where they end, to be compared with a copy of them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use wire::ids::ApplianceId;
use wire::time::UtcTime;
use wire::tunnel::Permission;

use super::{ApiResult, App, Principal};

/// Answer of `GET /system/custody`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Custody {
    /// This appliance; its id follows from its key.
    appliance: ApplianceId,
    /// SHA-256 (hex) of its public key: what `edge-agent verify --key` takes.
    key_sha256: String,
    /// The log of each volume that has one.
    logs: Vec<CustodyLog>,
}

/// Where a log ends.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustodyLog {
    /// Name of its volume.
    volume: String,
    /// Lines.
    lines: u64,
    /// Hash (hex) of the newest one: what `edge-agent verify --head` takes.
    head: String,
    /// When that was written.
    at: UtcTime,
}

/// By which key the custody logs are signed, and where they end now. Noted elsewhere, it shows later whether the end of a
/// log was cut off.
#[utoipa::path(get, path = "/system/custody", tag = "system", responses((status = 200, body = Custody)))]
pub async fn custody(State(app): State<App>, who: Principal) -> ApiResult<Json<Custody>> {
    who.require(Permission::View)?;
    let mut logs = Vec::new();
    for volume in app.volumes.iter() {
        if let Some(head) = app.catalog.custody_head(volume.id()).await? {
            logs.push(CustodyLog {
                volume: volume.name().to_owned(),
                lines: head.n,
                head: head.hash,
                at: head.at,
            });
        }
    }
    Ok(Json(Custody {
        appliance: app.appliance.clone(),
        key_sha256: app.key_sha256.clone(),
        logs,
    }))
}
