//! A backup, to be taken along by an administrator.

use std::fs::File;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use tokio_util::io::ReaderStream;
use wire::tunnel::Permission;

use super::session::off_thread;
use super::{ApiError, ApiResult, App, Principal};

/// Makes a backup and gives it as an open file that has no name any more: it goes with its last reader.
#[derive(Clone)]
pub struct MakeBackup(pub Arc<dyn Fn() -> io::Result<File> + Send + Sync>);

impl std::fmt::Debug for MakeBackup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MakeBackup")
    }
}

/// Settings and catalog as they stand, in one file that `edge-agent restore` takes. Without keys: those travel only sealed
/// by a passphrase, which `edge-agent backup` asks for. On the site's own network only, as hashes of passwords are in it.
#[utoipa::path(get, path = "/system/backup", tag = "system",
    responses((status = 200, content_type = "application/octet-stream", description = "The backup")))]
pub async fn backup(State(app): State<App>, who: Principal) -> ApiResult<Response> {
    who.require(Permission::Manage)?;
    who.require_session()?;
    let (make, now) = (app.backup.clone(), app.catalog.now());
    let file = off_thread(move || (make.0)())
        .await?
        .map_err(ApiError::internal)?;
    let bytes = file.metadata().map_err(ApiError::internal)?.len();
    tracing::info!(person = %who.username, bytes, "A backup was taken");
    let name = format!(
        "attachment; filename=\"{}-{}.holdfast-backup\"",
        app.appliance,
        now.timestamp().strftime("%Y%m%dT%H%M%SZ")
    );
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    Ok((headers, body).into_response())
}
