//! The scripts of the image that adopt a disk, on real block devices: what is erased is what a person meant, what is in
//! use stays as it is, and one that is killed in the middle leaves a disk that is adopted or one that is not.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::client::Client;
use tests::disk_box::{self, BoxAgent, DiskBox, Outcome};
use tests::eventually::eventually;
use wire::disk::{Adoption, BoxDisks, DiskState};
use wire::resource::{LoginResponse, Storage, VolumeState};

/// Large enough to be adopted.
const MIB: u64 = 9 * 1024;

/// A box, where there can be one.
fn new_box() -> Result<Option<DiskBox>> {
    if let Some(why) = disk_box::why_not() {
        eprintln!("skipped: {why}");
        return Ok(None);
    }
    DiskBox::new().map(Some)
}

fn refused(outcome: &Outcome, why: &str) -> Result<()> {
    ensure!(
        outcome.result == "refused" && outcome.reason.contains(why),
        "{outcome:?} instead of: {why}"
    );
    Ok(())
}

/// The disk is for footage: partitioned, mounted as it must be, written down, the agent's to write to.
fn is_adopted(it: &DiskBox, disk: &str) -> Result<String> {
    let listed = it.listed(disk)?;
    ensure!(listed["state"] == "footage", "{listed}");
    let volume = listed["volume"].as_str().context("volume")?.to_owned();
    let file: toml::Table = it
        .read(&format!("/etc/holdfast/volumes.d/{volume}.toml"))?
        .parse()?;
    let path = format!("/mnt/{volume}/footage");
    ensure!(
        file["name"].as_str() == Some(&volume)
            && file["path"].as_str() == Some(&path)
            && file["mounted"].as_bool() == Some(true),
        "{file:?}"
    );
    let parts = it.run(&["sfdisk", "--dump", &format!("/dev/{disk}")])?;
    ensure!(
        parts.contains("label: gpt")
            && parts.matches("name=\"holdfast-footage\"").count() == 1
            && parts.contains("type=8F0B7D52-6A1E-4C39-9B0D-3E5C1D7A24F6"),
        "{parts}"
    );
    let mounted = it.run(&[
        "findmnt",
        "-n",
        "-o",
        "SOURCE,FSTYPE,OPTIONS",
        &format!("/mnt/{volume}"),
    ])?;
    for word in [
        &format!("/dev/{disk}p1"),
        "ext4",
        "rw",
        "nodev",
        "nosuid",
        "noexec",
        "noatime",
        "errors=remount-ro",
    ] {
        ensure!(mounted.contains(word), "{word} in: {mounted}");
    }
    let as_agent = [
        "setpriv",
        "--reuid=holdfast",
        "--regid=holdfast",
        "--clear-groups",
        "touch",
    ];
    it.run(&[&as_agent[..], &[&format!("{path}/probe")]].concat())?;
    ensure!(
        it.run(&[&as_agent[..], &[&format!("/mnt/{volume}/beside")]].concat())
            .is_err(),
        "the agent writes beside its folder"
    );
    Ok(volume)
}

#[test]
fn a_disk_is_listed_and_adopted_and_found_at_each_start() -> Result<()> {
    let Some(mut it) = new_box()? else {
        return Ok(());
    };
    let (empty, used) = (it.put_in("TRIAL-0001", MIB)?, it.put_in("TRIAL-0002", MIB)?);
    it.run(&[
        "mkfs.ext4",
        "-q",
        "-F",
        "-L",
        "Büro \"1\"",
        &format!("/dev/{used}"),
    ])?;
    let free = it.listed(&empty)?;
    ensure!(
        free["state"] == "free" && free["bytes"] == MIB << 20 && free["contents"] == json!([]),
        "{free}"
    );
    ensure!(
        free["serial"] == "TRIAL-0001" && free["model"] == "Trial_Disk",
        "{free}"
    );
    // As a recorder formats its disks: no program here knows of it.
    let recorders = it.put_in("TRIAL-0003", MIB)?;
    let sign =
        format!("printf HIKVISION@HANGZHOU | dd of=/dev/{recorders} bs=1 seek=528 conv=notrunc");
    it.run(&["sh", "-c", &sign])?;
    let recorders = it.listed(&recorders)?;
    let reason = recorders["reason"].as_str().context("reason")?;
    ensure!(
        recorders["state"] == "has_data" && reason.contains("footage of a recorder"),
        "{recorders}"
    );
    let has_data = it.listed(&used)?;
    ensure!(
        has_data["state"] == "has_data"
            && has_data["contents"][0]["file_system"] == "ext4"
            && has_data["contents"][0]["label"] == "Büro 1",
        "{has_data}"
    );

    let mut volumes = Vec::new();
    for (disk, listed) in [(&empty, free), (&used, has_data)] {
        it.order(&listed)?;
        let outcome = it.carry_out()?;
        ensure!(outcome.result == "good", "{outcome:?}");
        volumes.push(is_adopted(&it, disk)?);
    }
    ensure!(volumes[0] != volumes[1]);
    let asked = it.read("/run/box/systemctl")?;
    ensure!(
        asked.contains("restart --no-block holdfast-agent.service"),
        "{asked}"
    );
    // At the next start they are mounted again, with what the agent wrote there.
    it.start_again()?;
    for (disk, volume) in [&empty, &used].into_iter().zip(&volumes) {
        ensure!(is_adopted(&it, disk)? == *volume);
        ensure!(it.has(&format!("/mnt/{volume}/footage/probe")));
    }
    // What can be put right by itself is; what cannot is read and not written. A copy of a disk is left alone.
    let part = format!("/dev/{empty}p1");
    let film = format!("/mnt/{}/footage/film", volumes[0]);
    it.run(&["sh", "-c", &format!("echo footage > {film}")])?;
    let way = |it: &DiskBox, damage: &str| {
        it.run(&["umount", &part])?;
        for command in [damage, "ssv state 2"] {
            it.run(&["debugfs", "-w", "-R", command, &part])?;
        }
        it.start_again()?;
        let options = it.run(&["findmnt", "-n", "-o", "OPTIONS", &part])?;
        Ok::<_, anyhow::Error>(options.split(',').next().unwrap_or_default().to_owned())
    };
    ensure!(way(&it, "ssv mtime 0")? == "rw");
    ensure!(way(&it, "sif footage/film block[0] 7")? == "ro");
    let copy = it.put_in_copy_of(0, "TRIAL-0004")?;
    it.run(&["udevadm", "settle"])?;
    let mounts = it.run(&["/usr/libexec/holdfast/mount-disk", &format!("{copy}p1")]);
    let said = mounts.err().context("a copy was mounted")?.to_string();
    ensure!(said.contains("copies of one disk"), "{said}");

    // A box that does not know one of them leaves it alone, and offers it with a word on what lies there.
    it.run(&[
        "rm",
        &format!("/etc/holdfast/volumes.d/{}.toml", volumes[0]),
    ])?;
    it.start_again()?;
    let foreign = it.listed(&empty)?;
    let reason = foreign["reason"].as_str().unwrap_or_default();
    ensure!(
        foreign["state"] == "has_data" && reason.contains("footage of another box"),
        "{foreign}"
    );
    let at = format!("/mnt/{}", volumes[0]);
    ensure!(it.run(&["mountpoint", &at]).is_err(), "{at} is mounted");
    Ok(())
}

#[test]
fn a_disk_that_nobody_meant_stays_as_it_is() -> Result<()> {
    let Some(mut it) = new_box()? else {
        return Ok(());
    };
    let disk = it.put_in("TRIAL-0001", MIB)?;
    let device = format!("/dev/{disk}");
    let shown = it.listed(&disk)?;
    let try_with = |it: &DiskBox, key: &str, value: serde_json::Value| {
        let mut order = shown.clone();
        order[key] = value;
        it.order(&order)?;
        it.carry_out()
    };
    refused(
        &try_with(&it, "id", json!("0123456789ab"))?,
        "not in the box any more",
    )?;
    refused(&try_with(&it, "bytes", json!(1_u64 << 40))?, "not as large")?;
    refused(
        &try_with(&it, "seen", json!("a".repeat(64)))?,
        "has changed",
    )?;
    for nonsense in [
        "",
        "{}",
        "not JSON",
        &format!(
            "{{\"id\":\"{0}\",\"bytes\":1,\"seen\":\"{0}\"}}",
            "$(reboot)"
        ),
        &format!(
            "{{\"id\":\"../../sda\",\"bytes\":-1,\"seen\":\"{}\"}}",
            "A".repeat(64)
        ),
        &" ".repeat(10_000),
    ] {
        it.order_text(nonsense)?;
        refused(&it.carry_out()?, "cannot be understood")?;
    }
    // Nothing of that has touched it; what is on it and not shown to the person is not erased either.
    ensure!(it.listed(&disk)? == shown);
    it.run(&["mkfs.ext4", "-q", "-F", "-L", "photos", &device])?;
    it.order(&shown)?;
    refused(&it.carry_out()?, "has changed")?;

    // Mounted; what the box runs from; mounted where the box cannot see it.
    let shown = it.listed(&disk)?;
    it.run(&["mkdir", "-p", "/mnt/other"])?;
    it.run(&["mount", &device, "/mnt/other"])?;
    ensure!(it.listed(&disk)?["state"] == "in_use");
    it.order(&shown)?;
    refused(&it.carry_out()?, "mounted")?;
    it.run(&["umount", "/mnt/other"])?;
    it.run(&["mount", &device, "/data"])?;
    ensure!(it.listed(&disk)?["state"] == "system");
    it.order(&shown)?;
    refused(&it.carry_out()?, "this box runs from it")?;
    it.run(&["umount", "/data"])?;
    {
        let _elsewhere = it.mounted_elsewhere(&device)?;
        ensure!(it.listed(&disk)?["state"] == "has_data");
        it.order(&shown)?;
        let outcome = it.carry_out()?;
        ensure!(
            outcome.result == "failed" && outcome.reason.contains("something else uses it"),
            "{outcome:?}"
        );
    }

    // Too small, without a number, a stick for the box, two that cannot be told apart.
    for (serial, mib, label, why) in [
        ("TRIAL-0002", 100, "", "smaller than 8 GiB"),
        ("", MIB, "", "no serial number"),
        ("TRIAL-0003", MIB, "HOLDFAST", "stick for this box"),
        ("TRIAL-0001", MIB, "", "same serial number"),
    ] {
        let other = it.put_in(serial, mib)?;
        if !label.is_empty() {
            it.run(&[
                "mkfs.ext4",
                "-q",
                "-F",
                "-L",
                label,
                &format!("/dev/{other}"),
            ])?;
        }
        let listed = it.listed(&other)?;
        let reason = listed["reason"].as_str().unwrap_or_default();
        ensure!(
            listed["state"] == "refused" && reason.contains(why),
            "{listed}"
        );
        if listed["id"].is_string() {
            it.order(&listed)?;
            refused(&it.carry_out()?, why)?;
        }
    }
    it.order(&shown)?;
    refused(&it.carry_out()?, "same serial number")?;
    let label = it.run(&["blkid", "-p", "-o", "value", "-s", "LABEL", &device])?;
    ensure!(label == "photos", "{label}");
    ensure!(
        !it.has("/etc/holdfast/volumes.d"),
        "a volume was written down"
    );
    Ok(())
}

#[test]
fn whoever_adopts_is_killed_before_every_command() -> Result<()> {
    let Some(mut it) = new_box()? else {
        return Ok(());
    };
    let disk = it.put_in("TRIAL-0001", MIB)?;
    let device = format!("/dev/{disk}");
    let (mut at, mut gone_on) = (0, 0);
    loop {
        // As it was bought: with somebody's file system.
        it.run(&[
            "sh",
            "-c",
            "umount /mnt/* 2> /dev/null; rm -rf /etc/holdfast/volumes.d /data/*; true",
        ])?;
        it.run(&["wipefs", "--all", "--quiet", &device])?;
        it.run(&["mkfs.ext4", "-q", "-F", "-L", "photos", &device])?;
        it.order(&it.listed(&disk)?)?;
        if !it.carry_out_and_kill(at)? {
            break;
        }
        it.start_again()?;
        let listed = it.listed(&disk)?;
        if listed["state"] == "footage" {
            gone_on += 1;
        } else {
            // It was erased in part and the box is not sure any more: a person says it once more.
            ensure!(
                listed["state"] == "free" || listed["state"] == "has_data",
                "killed before command {at}: {listed}"
            );
            it.order(&listed)?;
            let outcome = it.carry_out()?;
            ensure!(
                outcome.result == "good",
                "killed before command {at}: {outcome:?}"
            );
        }
        is_adopted(&it, &disk).with_context(|| format!("killed before command {at}"))?;
        ensure!(
            !it.has("/data/adopting"),
            "killed before command {at}: what was begun is noted for ever"
        );
        at += 1;
    }
    is_adopted(&it, &disk)?;
    ensure!(at >= 15, "only {at} steps were seen");
    ensure!(
        gone_on + 2 >= at,
        "of {at} only {gone_on} went on by themselves"
    );
    eprintln!("killed before each of {at} commands; {gone_on} times it went on by itself");
    Ok(())
}

/// The same person at an agent that was started again.
fn at(agent: &BoxAgent, before: &Client) -> Result<Client> {
    Ok(Client::new(&agent.base, None)?.with_token(before.token()))
}

/// How the volume of a disk is.
async fn state_of(client: &Client, volume: &str) -> Result<VolumeState> {
    let storage: Storage = client.get("/api/v1/storage").await?;
    let mut volumes = storage.volumes.into_iter();
    let volume = volumes.find(|it| it.name == volume);
    Ok(volume.context("no such volume")?.state)
}

#[tokio::test]
async fn the_agent_takes_up_the_disk_that_a_person_confirmed() -> Result<()> {
    let Some(mut it) = new_box()? else {
        return Ok(());
    };
    let disk = it.put_in("WD-TRIALF5A6", MIB)?;
    it.list()?;
    let agent = it.start_agent().await?;
    let mut client = Client::new(&agent.base, None)?;
    let password = json!({ "password": "correct horse battery" });
    let login: LoginResponse = client.post("/api/v1/setup", &password).await?;
    client.adopt(&login);

    let disks: BoxDisks = client.get("/api/v1/disks").await?;
    let shown = disks.items.first().context("a disk")?;
    let id = shown.id.as_deref().context("its id")?;
    ensure!(disks.offered && shown.state == DiskState::Free, "{disks:?}");
    let path = format!("/api/v1/disks/{id}/adopt");
    let word = |confirm: &str| json!({ "seen": shown.seen, "confirm": confirm });
    let slip: Result<Value> = client.post(&path, &word("F5A7")).await;
    ensure!(slip.is_err(), "a slip of the finger was taken: {slip:?}");
    ensure!(!it.has("/var/lib/holdfast/disks/order.json"));
    let ordered: BoxDisks = client.post(&path, &word("f5a6")).await?;
    ensure!(matches!(ordered.adoption, Adoption::Ordered { .. }));
    let again: Result<Value> = client.post(&path, &word("f5a6")).await;
    ensure!(again.is_err(), "two orders at once: {again:?}");

    let outcome = it.carry_out()?;
    ensure!(outcome.result == "good", "{outcome:?}");
    let told: BoxDisks = client.get("/api/v1/disks").await?;
    ensure!(
        matches!(&told.adoption, Adoption::Good { id: good, .. } if good == id),
        "{told:?}"
    );
    let volume = is_adopted(&it, &disk)?;
    // As the box does it then.
    agent.stop()?;
    let agent = it.start_agent().await?;
    let client = at(&agent, &client)?;
    ensure!(state_of(&client, &volume).await? == VolumeState::Working);

    // The next start comes without the disk: nothing holds the agent up, and nothing is written in its place.
    agent.stop()?;
    it.run(&["umount", &format!("/mnt/{volume}")])?;
    let agent = it.start_agent().await?;
    let client = at(&agent, &client)?;
    let is = async |wanted: VolumeState| {
        eventually("the volume is as its disk", async || {
            let state = state_of(&client, &volume).await?;
            ensure!(state == wanted, "{state:?}");
            Ok(())
        })
        .await
    };
    is(VolumeState::Gone).await?;
    ensure!(!it.has(&format!("/mnt/{volume}/footage")));
    it.run(&["/usr/libexec/holdfast/mount-disk", &format!("{disk}p1")])?;
    is(VolumeState::Working).await?;
    agent.stop()
}
