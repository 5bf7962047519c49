//! The box is made as new by somebody in front of it: by what is typed, which leaves the footage, and by a stick, which
//! wipes it too.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use wire::ids::ApplianceId;
use wire::resource::{Recording, Setup};

use super::access::Helper;
use super::machine::{Machine, Stick};
use super::{PATIENCE, held, lost, seconds};
use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::eventually_within;
use crate::main_job::Table;

/// Both, one after the other; `helper` may look from within.
pub async fn as_new(
    table: &mut Table,
    machine: &mut Machine,
    appliance: &mut Appliance,
    helper: &Helper,
    before: &[Recording],
    dir: &Path,
) -> Result<()> {
    let name = machine.name()?;
    let setup: Setup = appliance.client.get("/api/v1/setup").await?;
    let first = setup.appliance;
    helper.is_let_in(machine, dir).await?;
    let there = media(helper, machine)?;
    ensure!(there >= before.len(), "{there} files of footage");
    let typing = Instant::now();
    machine.type_line("reset holdfast-another", "that names another box")?;
    machine.type_line(&format!("reset {name}"), "The factory reset is ordered")?;
    let typed = asks_to_be_set_up(&appliance.client).await?;
    table.row(
        "made as new by what is typed",
        seconds(typing),
        typed != first,
    );
    // No recorder is known, from which any of it could have been fetched.
    appliance.first_run().await?;
    let after = held(appliance, before.len()).await?;
    let recorders = appliance.recorders().await?.len();
    table.row(
        "  footage was read in again",
        format!("{} of {}", after.len(), before.len()),
        lost(before, &after).is_empty() && recorders == 0,
    );

    let order = dir.join("factory-reset");
    std::fs::write(&order, format!("{name}\nfootage\n"))?;
    let stick = Stick::new(&dir.join("reset.img"), &[("factory-reset", &order)])?;
    let (wiping, mark) = (Instant::now(), machine.mark()?);
    machine.put_in(&stick)?;
    machine
        .says_since(mark, "the box is as new", PATIENCE)
        .await?;
    machine.take_out()?;
    let wiped = asks_to_be_set_up(&appliance.client).await?;
    appliance.first_run().await?;
    // What a catalog that is new tells proves nothing.
    let files = media(helper, machine)?;
    table.row(
        "made as new by a stick, with its footage",
        format!("{}, {files} files left", seconds(wiping)),
        files == 0 && wiped != typed,
    );
    Ok(())
}

/// Files of footage, on any disk.
fn media(helper: &Helper, machine: &Machine) -> Result<usize> {
    let look = "find /data/var /mnt -path '*/cameras/*.mp4' > /tmp/media && wc -l < /tmp/media";
    Ok(helper.asks(machine, look)?.parse()?)
}

/// Waits until nobody has set the box up; who it is then.
async fn asks_to_be_set_up(client: &Client) -> Result<ApplianceId> {
    eventually_within("the box asks to be set up", PATIENCE, || async {
        let setup: Setup = client
            .get("/api/v1/setup")
            .await
            .map_err(|e| e.to_string())?;
        match setup.needed {
            true => Ok(setup.appliance),
            false => Err("it is set up".to_owned()),
        }
    })
    .await
}
