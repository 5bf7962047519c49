//! A newer system comes, once sent from the page and once through the relay, and what was there stays.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use wire::resource::{Recording, Site};
use wire::update::{InstallWhen, UpdateProgress};

use super::machine::Machine;
use super::{GOOD, PATIENCE, SLOT_A, SLOT_B, held, lost, page, seconds, until_ready};
use crate::appliance::Appliance;
use crate::eventually::eventually_within;
use crate::main_job::Table;
use crate::relay::Relay;

/// Who looks from where, and at what.
#[derive(Debug)]
pub struct Watched<'a> {
    pub machine: &'a mut Machine,
    pub appliance: &'a mut Appliance,
    pub relay: &'a Relay,
    pub site: &'a Site,
    /// What is held.
    pub holds: &'a [Recording],
}

/// Sent from the page: from slot A to slot B.
pub async fn from_the_page(table: &mut Table, it: &mut Watched<'_>, bundle: &Path) -> Result<()> {
    let (begun, mark) = (Instant::now(), it.machine.mark()?);
    page::send(&it.appliance.client, bundle).await?;
    let sent = begun.elapsed().as_secs_f64();
    let took = becomes_good(it.machine, mark, begun, SLOT_B).await?;
    table.row(
        "update from the page, A to B",
        format!("sent after {sent:.0} s, {took}"),
        true,
    );
    all_is_there(table, it, bundle).await
}

/// Sent by an admin far away, through the relay: from slot B to slot A.
pub async fn through_the_relay(
    table: &mut Table,
    it: &mut Watched<'_>,
    bundle: &Path,
) -> Result<()> {
    it.relay.add_update(bundle)?;
    let (begun, mark) = (Instant::now(), it.machine.mark()?);
    let wanted = json!({ "version": page::version_of(bundle)?, "when": InstallWhen::Now });
    let path = format!("/api/v1/sites/{}/update", it.site.id);
    let ask = it.relay.client.request(Method::POST, &path).json(&wanted);
    let answer = ask.send().await?;
    let status = answer.status();
    ensure!(status == 202, "{status} {}", answer.text().await?);
    let took = becomes_good(it.machine, mark, begun, SLOT_A).await?;
    table.row("update through the relay, B to A", took, true);
    all_is_there(table, it, bundle).await
}

async fn becomes_good(
    machine: &mut Machine,
    mark: usize,
    begun: Instant,
    slot: &str,
) -> Result<String> {
    machine.says_since(mark, slot, PATIENCE).await?;
    let installed = begun.elapsed().as_secs_f64();
    machine.says_since(mark, GOOD, PATIENCE).await?;
    Ok(format!(
        "installed after {installed:.0} s, good after {}",
        seconds(begun)
    ))
}

/// What was there before the update is there after it, and the page tells how it went.
async fn all_is_there(table: &mut Table, it: &mut Watched<'_>, bundle: &Path) -> Result<()> {
    until_ready(&it.appliance.client).await?;
    it.appliance
        .login()
        .await
        .context("log in after the update")?;
    let after = held(it.appliance, it.holds.len()).await?;
    table.row(
        "  recordings kept, digests equal",
        format!("{} of {}", after.len(), it.holds.len()),
        lost(it.holds, &after).is_empty() && after.len() == it.holds.len(),
    );
    let online = it.relay.site_online(it.site).await?;
    table.row("  membership kept: online at the relay", online.name, true);
    let wanted = page::version_of(bundle)?;
    eventually_within("the page tells that it is good", PATIENCE, || async {
        let told = page::told(&it.appliance.client)
            .await
            .map_err(|e| e.to_string())?;
        match &told.progress {
            UpdateProgress::Good { version, .. } if *version == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    table.row("  the page tells that it is good", wanted.to_string(), true);
    Ok(())
}
