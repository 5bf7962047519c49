//! The box is made as new by somebody in front of it: by what is typed, which leaves the footage, and by a stick, which
//! wipes it too.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use wire::resource::{Recording, Setup};

use super::machine::{HOST, Machine, Stick};
use super::{PATIENCE, held, seconds};
use crate::appliance::Appliance;
use crate::client::Client;
use crate::eventually::eventually_within;
use crate::main_job::Table;

/// Both, one after the other; `first_stick` sets a new box up.
pub async fn as_new(
    table: &mut Table,
    machine: &mut Machine,
    appliance: &mut Appliance,
    first_stick: &Stick,
    before: &[Recording],
    dir: &Path,
) -> Result<()> {
    let name = machine.name()?;
    let typing = Instant::now();
    machine.type_line("reset holdfast-another", "that names another box")?;
    machine.type_line(&format!("reset {name}"), "The factory reset is ordered")?;
    asks_to_be_set_up(&appliance.client).await?;
    table.row("made as new by what is typed", seconds(typing), true);

    let mark = machine.mark()?;
    machine.put_in(first_stick)?;
    machine
        .says_since(mark, &format!("Recorder {HOST} is added"), PATIENCE)
        .await?;
    appliance.login().await?;
    let after = held(appliance, before.len()).await?;
    let kept = before
        .iter()
        .filter(|one| after.iter().any(|other| other.digest == one.digest))
        .count();
    table.row(
        "  footage was read in again",
        format!("{kept} of {}", before.len()),
        kept == before.len(),
    );
    machine.take_out()?;

    let order = dir.join("factory-reset");
    std::fs::write(&order, format!("{name}\nfootage\n"))?;
    let stick = Stick::new(&dir.join("reset.img"), &[("factory-reset", &order)])?;
    let (wiping, mark) = (Instant::now(), machine.mark()?);
    machine.put_in(&stick)?;
    machine
        .says_since(mark, "the box is as new", PATIENCE)
        .await?;
    machine.take_out()?;
    asks_to_be_set_up(&appliance.client).await?;
    appliance.first_run().await?;
    let left = appliance.recordings().await?.len();
    table.row(
        "made as new by a stick, with its footage",
        format!("{}, {left} recordings left", seconds(wiping)),
        left == 0,
    );
    Ok(())
}

async fn asks_to_be_set_up(client: &Client) -> Result<()> {
    eventually_within("the box asks to be set up", PATIENCE, || async {
        let setup: Setup = client
            .get("/api/v1/setup")
            .await
            .map_err(|e| e.to_string())?;
        match setup.needed {
            true => Ok(()),
            false => Err("it is set up".to_owned()),
        }
    })
    .await
}
