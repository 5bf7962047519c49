//! Moving with a real catalog and files.

use super::*;
use crate::catalog::testing::{House, found};
use crate::evict::RetentionConfig;
use crate::footage::path::{MEDIA, SIDECAR};
use crate::footage::volume::VolumeConfig;
use crate::model::time::UtcRange;
use wire::resource::{RecordingStatus, Tier};

const BYTES: usize = 1_000;

/// Ten recordings of an hour and a thousand bytes each on a hot volume; the newest ended an hour ago. Beside it a cold one.
async fn ten(
    hot: impl FnOnce(&mut VolumeConfig),
    cold: impl FnOnce(&mut VolumeConfig),
) -> (House, Vec<RecordingId>) {
    let mut house = House::with(hot).await;
    let recorder = house.recorder("SN1", 1).await;
    let now = house.catalog.now();
    let list = (0..10).map(|n| {
        let from = now.plus_s(-(11 - n) * 3_600);
        let to = from.plus_s(3_600);
        found(&format!("f{n}"), UtcRange { from, to }, 1_000)
    });
    let ids = house.observe(recorder.id, 1, list.collect()).await;
    for id in &ids {
        house.hold(*id, &[7; BYTES]).await;
    }
    house
        .add_volume(|config| {
            config.tier = Tier::Cold;
            cold(config);
        })
        .await;
    (house, ids)
}

fn mover(house: &House) -> Mover {
    let config = RetentionConfig::default();
    let evictor = Evictor::new(house.catalog.clone(), house.volumes.clone(), config);
    let (catalog, volumes) = (house.catalog.clone(), house.volumes.clone());
    Mover::new(catalog, volumes, evictor, TiersConfig::default())
}

async fn move_all(house: &House) -> u64 {
    let moved = mover(house).move_all(&CancellationToken::new()).await;
    let moved = moved.unwrap();
    house.catalog.empty_garbage(&house.volumes).await.unwrap();
    house.assert_sound();
    moved
}

/// The places of recordings: `h`ot, `c`old, or gone.
async fn places(house: &House, ids: &[RecordingId]) -> String {
    let mut places = String::new();
    for id in ids {
        let held = house.catalog.held(*id).await.unwrap();
        places.push(match held {
            None => '-',
            Some(held) if held.volume == house.volume().id() => 'h',
            Some(held) => {
                let disk = house.volumes.get(held.volume).unwrap();
                let media = std::fs::read(disk.file(&held.stem, MEDIA)).unwrap();
                assert_eq!(media, [7; BYTES]);
                'c'
            }
        });
    }
    places
}

#[tokio::test]
async fn what_is_old_enough_moves_locked_or_not_and_stays_locked() {
    let (house, ids) = ten(|config| config.move_after_days = Some(1), |_| {}).await;
    assert_eq!(move_all(&house).await, 0);
    house.catalog.set_locked(ids[1], true).await.unwrap();
    house.clock.advance_ms(20 * 3_600_000);
    // The first six ended more than a day ago.
    let before = house.catalog.held(ids[0]).await.unwrap().unwrap();
    let description = |disk: &Volume, held: &crate::catalog::recordings::Held| {
        std::fs::read(disk.file(&held.stem, SIDECAR)).unwrap()
    };
    let told = description(house.volume(), &before);
    assert_eq!(move_all(&house).await, 6);
    assert_eq!(places(&house, &ids).await, "cccccchhhh");
    assert!(house.catalog.recording(ids[1]).await.unwrap().locked);
    // The description came along to the byte, and nothing of it stays.
    let after = house.catalog.held(ids[0]).await.unwrap().unwrap();
    let cold = house.volumes.get(after.volume).unwrap();
    assert_eq!(description(cold, &after), told);
    assert!(!house.volume().file(&before.stem, MEDIA).exists());
    assert!(!house.volume().file(&before.stem, SIDECAR).exists());
    assert!(!cold.staging(ids[0]).exists());
    assert_eq!(move_all(&house).await, 0);
}

#[tokio::test]
async fn a_hot_volume_is_relieved_by_moving_and_nothing_leaves_the_ring() {
    // Room for ten and a half; a tenth of that is to be spare.
    let (house, ids) = ten(|config| config.budget_bytes = Some(10_500), |_| {}).await;
    assert_eq!(move_all(&house).await, 2);
    assert_eq!(places(&house, &ids).await, "cchhhhhhhh");
    // What is new goes to the hot one again.
    let mover = mover(&house);
    let room = mover.evictor.need(1_000, None).await.unwrap();
    assert_eq!(room.volume().id(), house.volume().id());
    drop(room);
    // More than fits there: it lies in the colder tier at once, and nothing leaves for it.
    let room = mover.evictor.need(5_000, None).await.unwrap();
    assert_ne!(room.volume().id(), house.volume().id());
    assert_eq!(places(&house, &ids).await, "cchhhhhhhh");
}

#[tokio::test]
async fn where_the_colder_tier_is_full_what_is_older_leaves_there() {
    let hot = |config: &mut VolumeConfig| config.budget_bytes = Some(10_500);
    // A recording and what lies beside it fit three times.
    let cold = |config: &mut VolumeConfig| {
        config.budget_bytes = Some((1 << 20) + 3_500);
        config.slack_bytes = 0;
    };
    let (house, ids) = ten(hot, cold).await;
    assert_eq!(move_all(&house).await, 2);
    // Two more make the hot one short again.
    let recorder = house.catalog.recorders().await.unwrap()[0].id;
    let now = house.catalog.now();
    for n in 0..4 {
        let from = now.plus_s(n * 3_600);
        let to = from.plus_s(3_600);
        house.clock.advance_ms(2 * 3_600_000);
        let listed = found(&format!("g{n}"), UtcRange { from, to }, 1_000);
        let id = house.observe(recorder, 1, vec![listed]).await[0];
        house.hold(id, &[7; BYTES]).await;
    }
    move_all(&house).await;
    let places = places(&house, &ids).await;
    // The oldest have left, in their order, and what moved is younger than they.
    let gone = places.chars().take_while(|c| *c == '-').count();
    let cold = places.chars().filter(|c| *c == 'c').count();
    assert!(gone >= 1 && cold >= 1, "{places}");
    let shape: String = "-".repeat(gone) + &"c".repeat(cold) + &"h".repeat(10 - gone - cold);
    assert_eq!(places, shape);
    let status = house.catalog.recording(ids[0]).await.unwrap().status;
    assert_eq!(status, RecordingStatus::Evicted);
}

#[tokio::test]
async fn nothing_moves_to_a_disk_that_is_away_or_of_one_that_is_read_only() {
    let (house, ids) = ten(|config| config.move_after_days = Some(1), |_| {}).await;
    house.clock.advance_ms(48 * 3_600_000);
    let cold = house.volumes.iter().nth(1).unwrap();
    let away = house.path().join("away");
    std::fs::rename(cold.path(), &away).unwrap();
    let moved = mover(&house).move_all(&CancellationToken::new()).await;
    assert_eq!(moved.unwrap(), 0);
    assert!(!cold.path().exists());
    std::fs::rename(&away, cold.path()).unwrap();
    let seen = crate::footage::volume::health::Seen::ReadOnly("why".into());
    house.volume().judge(seen, house.catalog.now());
    let moved = mover(&house).move_all(&CancellationToken::new()).await;
    assert_eq!(moved.unwrap(), 0);
    assert_eq!(places(&house, &ids).await, "hhhhhhhhhh");
}

#[tokio::test]
async fn what_is_damaged_stays_where_it_is_and_is_told() {
    let (house, ids) = ten(|config| config.move_after_days = Some(1), |_| {}).await;
    house.clock.advance_ms(48 * 3_600_000);
    let held = house.catalog.held(ids[0]).await.unwrap().unwrap();
    std::fs::write(house.volume().file(&held.stem, MEDIA), [8; BYTES]).unwrap();
    let mut mover = mover(&house);
    let moved = mover.move_all(&CancellationToken::new()).await.unwrap();
    assert!(moved >= 9);
    house.catalog.empty_garbage(&house.volumes).await.unwrap();
    assert_eq!(&places(&house, &ids[1..]).await, "ccccccccc");
    let still = house.catalog.held(ids[0]).await.unwrap().unwrap();
    assert_eq!((still.volume, still.stem), (house.volume().id(), held.stem));
}

#[tokio::test]
async fn what_a_move_that_broke_has_left_holds_up_nothing() {
    let (house, ids) = ten(|config| config.move_after_days = Some(1), |_| {}).await;
    house.clock.advance_ms(48 * 3_600_000);
    let (hot, cold) = (
        house.volume().id(),
        house.volumes.iter().nth(1).unwrap().id(),
    );
    // The catalog could not be written when it was given up.
    let begun = house.catalog.begin_move(ids[3], hot, cold).await.unwrap();
    assert!(begun.is_some());
    assert!(
        house
            .catalog
            .begin_move(ids[3], hot, cold)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(move_all(&house).await, 10);
    assert_eq!(places(&house, &ids).await, "cccccccccc");
}

#[tokio::test]
async fn an_open_file_of_the_old_place_can_be_read_to_its_end() {
    use std::io::Read;
    let (house, ids) = ten(|config| config.move_after_days = Some(1), |_| {}).await;
    house.clock.advance_ms(48 * 3_600_000);
    let held = house.catalog.held(ids[0]).await.unwrap().unwrap();
    let mut file = std::fs::File::open(house.volume().file(&held.stem, MEDIA)).unwrap();
    let mut half = [0; BYTES / 2];
    file.read_exact(&mut half).unwrap();
    assert_eq!(move_all(&house).await, 10);
    file.read_exact(&mut half).unwrap();
    assert_eq!(half, [7; BYTES / 2]);
}
