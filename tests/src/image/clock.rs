//! The clock of a box that reaches no time server is set from the page, and the mainboard's with it.

use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use wire::resource::{BoxClock, SetClockRequest};

use super::PATIENCE;
use super::access::Helper;
use super::machine::Machine;
use crate::appliance::Appliance;
use crate::eventually::eventually_within;
use crate::main_job::Table;

const CLOCK: &str = "/api/v1/system/clock";
/// More than two clocks differ by that agree, and less than a login and support access last.
const WRONG_BY: SignedDuration = SignedDuration::from_mins(7);
/// The way to the box, an order on it, and whole seconds.
const SAME: Duration = Duration::from_secs(60);

/// Sets it wrong, and right again.
pub async fn set(
    table: &mut Table,
    machine: &Machine,
    appliance: &Appliance,
    helper: &Helper,
) -> Result<()> {
    let told: BoxClock = appliance.client.get(CLOCK).await?;
    if told.follows_server != Some(false) {
        let seen = format!("left out: a time server keeps it ({told:?})");
        table.row("the clock, from the page", seen, !told.can_be_set);
        return Ok(());
    }
    let mut right = told.can_be_set;
    let mut steps = Vec::new();
    for wrong_by in [WRONG_BY, SignedDuration::ZERO] {
        let request = SetClockRequest {
            now: (Timestamp::now() + wrong_by).into(),
        };
        let _: BoxClock = appliance.client.post(CLOCK, &request).await?;
        let off = eventually_within("the clock is set", PATIENCE, || async {
            let told: BoxClock = appliance
                .client
                .get(CLOCK)
                .await
                .map_err(|e| e.to_string())?;
            let off = off_by(told.now.timestamp(), wrong_by);
            match !told.ordered && off <= SAME {
                true => Ok(off),
                false => Err(format!("{told:?}")),
            }
        })
        .await?;
        let board = helper.asks(machine, "cat /sys/class/rtc/rtc0/since_epoch")?;
        let board = off_by(Timestamp::from_second(board.parse()?)?, wrong_by);
        right &= board <= SAME;
        steps.push(format!("{} and {} s", off.as_secs(), board.as_secs()));
    }
    table.row(
        "the clock, from the page",
        format!(
            "7 min ahead and back; it and the mainboard's off by {}",
            steps.join(", ")
        ),
        right,
    );
    Ok(())
}

/// How much a clock differs from what it was set to.
fn off_by(shown: Timestamp, wrong_by: SignedDuration) -> Duration {
    shown
        .duration_since(Timestamp::now() + wrong_by)
        .unsigned_abs()
}
