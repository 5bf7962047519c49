//! Disks that age and die, as a program tells of them.

use std::path::Path;

use super::*;
use crate::catalog::testing::House;
use wire::telemetry::Event;

/// A program that gives an answer of the corpus, whatever it is asked.
fn answering(name: &str) -> Smartctl {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/host/smart/corpus")
        .join(format!("{name}.json"));
    Smartctl {
        command: vec![
            "sh".into(),
            "-c".into(),
            format!("exec cat {}", file.display()),
        ],
        interval_s: 1,
    }
}

fn wear(house: &House, smartctl: Smartctl) -> Wear {
    let kernel = Kernel::of_one_disk(house.path(), "sda", "MODEL OF THE KERNEL");
    Wear::new(
        house.catalog.clone(),
        house.volumes.clone(),
        smartctl,
        kernel,
    )
}

async fn alerts(house: &House) -> usize {
    let told = house.catalog.batch(0, 100).await.unwrap();
    told.iter()
        .filter(|row| matches!(row.event, Event::AlertRaised(_)))
        .count()
}

async fn rules(house: &House) -> Vec<String> {
    let alarms = house.catalog.alarms().await.unwrap();
    alarms.into_iter().map(|alarm| alarm.rule).collect()
}

#[tokio::test]
async fn people_are_told_before_a_disk_dies_and_once() {
    let house = House::new().await;
    house.catalog.start_log().await.unwrap();
    wear(&house, answering("ata_good")).look().await.unwrap();
    let storage = house.catalog.storage(&house.volumes).await.unwrap();
    let disk = &storage.volumes[0].disks[0];
    assert_eq!(
        (disk.device.as_str(), disk.health, disk.temperature_c),
        ("sda", DiskHealth::Good, Some(34))
    );
    assert!(rules(&house).await.is_empty());
    for _ in 0..3 {
        let mut wear = wear(&house, answering("ata_pending"));
        wear.look().await.unwrap();
        wear.look().await.unwrap();
    }
    assert_eq!(
        (rules(&house).await, alerts(&house).await),
        (vec![AGEING.to_owned()], 1)
    );
    wear(&house, answering("ata_failing")).look().await.unwrap();
    assert_eq!(
        (rules(&house).await, alerts(&house).await),
        (vec![DYING.to_owned()], 2)
    );
    let alarm = house.catalog.alarms().await.unwrap().remove(0);
    assert!(alarm.message.contains("WDC WD40PURZ") && alarm.message.contains("replace"));
    // That it cannot be asked is no news of the disk; that it is another one is.
    wear(&house, answering("not_allowed")).look().await.unwrap();
    assert_eq!(rules(&house).await, [DYING]);
    wear(&house, answering("nvme_good")).look().await.unwrap();
    assert!(rules(&house).await.is_empty());
    // Of a volume that is away nothing is told: the disk below would be that of its mount point.
    let away = house.path().join("away");
    std::fs::rename(house.volume().path(), away).unwrap();
    wear(&house, answering("ata_good")).look().await.unwrap();
    assert!(house.volume().disks().is_empty());
}

#[tokio::test]
async fn without_the_program_it_is_said_and_the_kernel_is_asked() {
    let house = House::new().await;
    let smartctl = Smartctl {
        command: vec!["no-such-smartctl".into()],
        interval_s: 1,
    };
    wear(&house, smartctl).look().await.unwrap();
    let disks = house.volume().disks();
    assert_eq!(disks[0].health, DiskHealth::Unknown);
    assert_eq!(disks[0].model.as_deref(), Some("MODEL OF THE KERNEL"));
    assert!(
        disks[0].message.contains("smartmontools"),
        "{}",
        disks[0].message
    );
    assert!(rules(&house).await.is_empty());
}
