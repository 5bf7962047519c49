//! An update that somebody sends from the page: in pieces, and installed at once.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::header::CONTENT_RANGE;
use wire::update::{ImageVersion, InstallRequest, InstallWhen, Update, UpdateOffer};

use crate::client::Client;
use crate::storage::loop_disk::run;

/// As the page sends them.
const PIECE_BYTES: usize = 4 << 20;
const UPDATE: &str = "/api/v1/system/update";

/// The version that a bundle's name tells: `holdfast-<version>.raucb`.
pub fn version_of(bundle: &Path) -> Result<ImageVersion> {
    let name = bundle.file_name().and_then(|name| name.to_str());
    let version = name
        .and_then(|name| name.strip_prefix("holdfast-"))
        .and_then(|name| name.strip_suffix(".raucb"));
    Ok(version
        .with_context(|| format!("{} tells no version", bundle.display()))?
        .parse()?)
}

/// Sends a bundle to a box, and says that it is to be installed now.
pub async fn send(client: &Client, bundle: &Path) -> Result<()> {
    let digest = run("sha256sum", &[&bundle.display().to_string()])?;
    let bytes = bundle.metadata()?.len();
    let offer = UpdateOffer {
        version: version_of(bundle)?,
        bytes,
        sha256: digest
            .split_whitespace()
            .next()
            .context("sha256sum")?
            .parse()?,
    };
    let _: Update = client.post(UPDATE, &offer).await?;
    let mut file = std::fs::File::open(bundle)?;
    let mut first = 0;
    while first < bytes {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        (&mut file)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)?;
        let last = first + piece.len() as u64 - 1;
        let answer = client
            .request(Method::PUT, &format!("{UPDATE}/bundle"))
            .header(CONTENT_RANGE, format!("bytes {first}-{last}/{bytes}"))
            .body(piece)
            .send()
            .await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "byte {first}: {status} {}",
            answer.text().await?
        );
        first = last + 1;
    }
    let now = InstallRequest {
        when: InstallWhen::Now,
    };
    let _: Update = client.post(&format!("{UPDATE}/install"), &now).await?;
    Ok(())
}

/// What the box says of its update.
pub async fn told(client: &Client) -> Result<Update> {
    client.get(UPDATE).await
}
