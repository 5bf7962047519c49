//! The first day of a box, its first two updates, and its last day.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use wire::resource::Storage;

use super::access::Helper;
use super::as_new::as_new;
use super::machine::{self, HOST, Machine, Stick};
use super::{
    DISK_BYTES, Files, GOOD, PATIENCE, SLOT_A, SLOT_B, appliance, channels, held, provision,
    recorder, seconds, until_ready,
};
use super::{clock, newer, second_disk};
use crate::eventually::eventually_within;
use crate::main_job::Table;
use crate::process::program;
use crate::relay::Relay;

/// Size of a second disk.
const SECOND_BYTES: u64 = 9 << 30;
/// Least that the data partition then has.
const DATA_BYTES_MIN: u64 = 5 << 30;

/// Boots the image on a larger disk, with a stick in it that sets it up, and lives through its first day; `dir` holds all
/// that this needs.
pub async fn first_day_and_update(files: &Files, dir: &Path) -> Result<Table> {
    let mut table = Table::default();
    let nvr = recorder(channels(2)?).await?;
    let mut relay = Relay::new(&dir.join("relay"))?;
    // The name by which the box reaches this machine.
    relay.set("web", "public_host", HOST);
    relay.start().await?;
    relay.first_login().await?;
    let url = format!("https://{HOST}:{}", port_of(relay.url())?);
    let settings = dir.join("provision.toml");
    std::fs::write(
        &settings,
        provision(&nvr, Some((&url, &relay.ca_sha256()?))),
    )?;
    let library = dir.join("sdk");
    std::fs::create_dir(&library)?;
    std::fs::copy(program("libhcnetsdk.so")?, library.join("libhcnetsdk.so"))?;
    let holds = [("provision.toml", settings.as_path()), ("sdk", &library)];
    let first_stick = Stick::new(&dir.join("first.img"), &holds)?;

    let mut machine = Machine::new(dir, &files.image, DISK_BYTES)?;
    let serial = machine.add_disk(SECOND_BYTES)?;
    machine.boot()?;
    let begun = Instant::now();
    machine.put_in(&first_stick)?;
    let mut appliance = appliance(dir, &machine)?;
    until_ready(&appliance.client).await?;
    table.row("first boot to the API", seconds(begun), true);
    machine
        .says_since(0, &format!("Recorder {HOST} is added"), PATIENCE)
        .await?;
    table.row("  set up by a stick", seconds(begun), true);
    appliance.login().await?;
    held(&appliance, 1).await?;
    table.row(
        "first verified recording",
        seconds(begun),
        begun.elapsed() < Duration::from_secs(300),
    );
    let before = held(&appliance, 4).await?;

    let claiming = Instant::now();
    let site = relay.claim_waiting(&appliance, "Harbour").await?;
    table.row(
        "claimed through a relay on the host",
        seconds(claiming),
        true,
    );
    indexed(&relay, before.len()).await?;
    let missing = appliance.system().await?.sdk_problem;
    table.row(
        "the vendor's library, by the stick",
        missing.clone().unwrap_or_else(|| "there".into()),
        missing.is_none(),
    );

    let storage: Storage = appliance.client.get("/api/v1/storage").await?;
    let volume = storage.volumes.first().context("a volume")?;
    table.row(
        "data partition grown",
        format!(
            "{:.1} GiB of a disk of {} GiB",
            gib(volume.total_bytes),
            DISK_BYTES >> 30
        ),
        volume.total_bytes >= DATA_BYTES_MIN,
    );
    let name = machine.name()?;
    table.row(
        "the screen tells name and page",
        name.clone(),
        name == machine::NAME,
    );
    let lit = machine.screen()?;
    table.row(
        "  a screen at the box is not dark",
        format!("{:.1} % of it", lit * 100.0),
        lit > 0.005,
    );
    machine.says_since(0, GOOD, PATIENCE).await?;
    // GRUB speaks twice where the firmware has the serial line too.
    let only_a = machine.count(SLOT_A)? > 0 && machine.count(SLOT_B)? == 0;
    table.row("slot A is good", seconds(begun), only_a);
    machine.take_out()?;
    let helper = Helper::new(dir, &files.keys)?;
    support(&mut table, &mut machine, &helper, files.idle, dir, &name).await?;
    own_address(&mut table, &mut machine, &helper, dir).await?;
    appliance.login().await?;
    clock::set(&mut table, &machine, &appliance, &helper).await?;
    // A login does not outlive a long look at an idle box.
    appliance.login().await?;
    relay.login().await?;

    let adopting = Instant::now();
    let second = second_disk::adopt(&appliance.client, serial).await?;
    let volume = second_disk::works(&appliance.client, &second).await?;
    table.row(
        "second disk adopted from the page",
        format!("{:.1} GiB, {}", gib(volume.total_bytes), seconds(adopting)),
        true,
    );

    let mut watched = newer::Watched {
        machine: &mut machine,
        appliance: &mut appliance,
        relay: &relay,
        site: &site,
        holds: &before,
    };
    newer::from_the_page(&mut table, &mut watched, &files.update).await?;
    newer::through_the_relay(&mut table, &mut watched, &files.next_update).await?;
    second_disk::works(&appliance.client, &second).await?;
    table.row("  the second disk takes footage", second, true);
    let after = machine.name()?;
    table.row("  the name", after.clone(), after == name);
    as_new(
        &mut table,
        &mut machine,
        &mut appliance,
        &helper,
        &before,
        dir,
    )
    .await?;
    table.row(
        "the virtual firmware was helped",
        format!("{} times", machine.firmware_hangs()),
        true,
    );
    machine.end()?;
    relay.stop()?;
    Ok(table)
}

/// Nobody can log in but who was signed for; what the box is like from within.
async fn support(
    table: &mut Table,
    machine: &mut Machine,
    helper: &Helper,
    idle: Duration,
    dir: &Path,
    name: &str,
) -> Result<()> {
    let before = helper.asks(machine, "true").is_err();
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    for (to, answer) in [
        ("holdfast-another", "support access is refused: it is for"),
        (name, "support access is open until"),
    ] {
        let permission = helper.permission(to, until)?;
        let holds = [("support-access", permission.as_path())];
        let stick = Stick::new(&dir.join(format!("support-{to}.img")), &holds)?;
        let mark = machine.mark()?;
        machine.put_in(&stick)?;
        machine.says_since(mark, answer, PATIENCE).await?;
        machine.take_out()?;
    }
    let user = eventually_within("SSH answers", PATIENCE, || async {
        helper.asks(machine, "id -un").map_err(|e| e.to_string())
    })
    .await?;
    let shut = "closed before; open for this box alone, and for an hour";
    table.row("support access, by a stick", shut, before && user == "root");
    let exposure = helper.asks(
        machine,
        "systemd-analyze security --no-pager holdfast-agent | tail -n 1 | grep -o '[0-9]*[.][0-9] [A-Z]*'",
    )?;
    let low = exposure
        .split(' ')
        .next()
        .and_then(|figure| figure.parse::<f64>().ok())
        .is_some_and(|figure| figure <= 2.0);
    table.row("  exposure of the agent (at most 2.0)", exposure, low);
    let used = helper.asks(
        machine,
        "awk '/^MemTotal/ {all = $2} /^MemAvailable/ {print int((all - $2) / 1024)}' /proc/meminfo",
    )?;
    table.row("  memory of the whole box", format!("{used} MiB"), true);
    // RAUC itself would let anybody install and mark.
    let agent = "setpriv --reuid=holdfast --regid=holdfast --init-groups";
    let mark = "busctl call de.pengutronix.rauc / de.pengutronix.rauc.Installer Mark ss bad booted";
    let denied = helper.asks(machine, &format!("{agent} {mark} 2>&1 | grep -ci denied"))?;
    let looks = helper.asks(
        machine,
        &format!("{agent} rauc status | grep -c 'Booted from'"),
    )?;
    table.row(
        "  the agent may look at the slots and mark none",
        format!("{looks} and {denied}"),
        denied == "1" && looks == "1",
    );
    let alive = helper.asks(machine, "systemctl start holdfast-alive && echo well")?;
    table.row(
        "  a look at whether it lives",
        alive.clone(),
        alive == "well",
    );
    let failed = helper.asks(machine, "systemctl --failed --plain --no-legend | wc -l")?;
    table.row("  units that failed", failed.clone(), failed == "0");
    if !idle.is_zero() {
        let written = written(machine, helper, idle).await?;
        // Half an hour that a later failure should not take along.
        println!("written by an idle box: {written}");
        table.row("  written by an idle box", written, true);
    }
    let disks = helper.asks(machine, "ls /run/holdfast-smart | wc -l")?;
    table.row(
        "  disks that were asked how they fare",
        disks.clone(),
        disks != "0",
    );
    Ok(())
}

/// A stick says which address it has.
async fn own_address(
    table: &mut Table,
    machine: &mut Machine,
    helper: &Helper,
    dir: &Path,
) -> Result<()> {
    let words = dir.join("network");
    for (text, answer) in [
        ("address=10.0.2.300/24\n", "cannot be understood"),
        // What QEMU would give it too, so that it is reached still.
        (
            "# The office.\r\naddress=10.0.2.15/24\r\ngateway=10.0.2.2\r\nntp=10.0.2.2 10.0.2.3\r\n",
            "gets the address that the stick says, 10.0.2.15/24",
        ),
    ] {
        std::fs::write(&words, text)?;
        let stick = Stick::new(&dir.join("network.img"), &[("network", words.as_path())])?;
        let mark = machine.mark()?;
        machine.put_in(&stick)?;
        machine.says_since(mark, answer, PATIENCE).await?;
        machine.take_out()?;
    }
    let has = "networkctl --no-pager status --all | grep -c '10[.]0[.]2[.]15$'";
    let has = eventually_within("it has that address", PATIENCE, || async {
        helper.asks(machine, has).map_err(|e| e.to_string())
    })
    .await?;
    table.row(
        "an address of its own, by a stick",
        "10.0.2.15, without DHCP",
        has == "1",
    );
    Ok(())
}

/// What the disk is given to write while nothing is fetched, in a day's measure.
async fn written(machine: &Machine, helper: &Helper, idle: Duration) -> Result<String> {
    // Written sectors of 512 bytes (Documentation/admin-guide/iostats.rst).
    let bytes = || -> Result<u64> {
        let sectors = helper.asks(machine, "awk '$3 == \"vda\" {print $10}' /proc/diskstats")?;
        Ok(sectors.parse::<u64>()? * 512)
    };
    let (before, begun) = (bytes()?, Instant::now());
    tokio::time::sleep(idle).await;
    let (after, seconds) = (bytes()?, begun.elapsed().as_secs_f64());
    let a_day = (after - before) as f64 / seconds * 86_400.0;
    Ok(format!(
        "{:.0} MB a day ({:.1} MB in {:.0} min)",
        a_day / 1e6,
        (after - before) as f64 / 1e6,
        seconds / 60.0
    ))
}

async fn indexed(relay: &Relay, count: usize) -> Result<()> {
    eventually_within("the relay lists what the box holds", PATIENCE, || async {
        let listed = relay.recordings().await.map_err(|e| e.to_string())?.len();
        match listed >= count {
            true => Ok(()),
            false => Err(format!("{listed}")),
        }
    })
    .await
}

fn port_of(url: &str) -> Result<u16> {
    let (_, port) = url.rsplit_once(':').context("a port")?;
    Ok(port.parse()?)
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}
