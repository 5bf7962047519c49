//! The forecast against the real choice, hour by hour, and what must hold of it.

use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;
const GB: u64 = 1_000_000_000;

fn now() -> UtcTime {
    "2026-11-03T12:00:00Z".parse().unwrap()
}

fn pool(room_bytes: u64) -> Pool {
    Pool {
        room_bytes,
        disk_bytes: room_bytes,
        slack_bytes: 0,
        shares: vec![Share {
            part: 1.0,
            max_age_ms: None,
            tier: Tier::Hot,
            room_bytes,
            move_after_ms: None,
        }],
    }
}

fn camera(bytes_per_day: u64, rule: Rule) -> Camera {
    Camera {
        id: CameraId::new(),
        rule,
        bytes_per_day,
        held: Vec::new(),
    }
}

fn least(days: i64) -> Rule {
    Rule {
        min_age_ms: days * DAY_MS,
        ..Rule::default()
    }
}

fn days_of(ring: &Ring) -> Vec<Option<f64>> {
    let forecast = forecast(ring, now(), true);
    forecast.cameras.iter().map(|it| it.days).collect()
}

fn close(a: Option<f64>, b: f64, within: f64) -> bool {
    a.is_some_and(|a| (a - b).abs() <= within)
}

#[test]
fn footage_moves_on_and_the_tiers_are_one_ring() {
    let share =
        |tier, part, room_gb, max_age_days: Option<i64>, move_after_days: Option<i64>| Share {
            part,
            max_age_ms: max_age_days.map(|days| days * DAY_MS),
            tier,
            room_bytes: room_gb * GB,
            move_after_ms: move_after_days.map(|days| days * DAY_MS),
        };
    let days = |hot_days: Option<i64>, move_after: Option<i64>, cold_days: Option<i64>| {
        let ring = Ring {
            pool: Pool {
                shares: vec![
                    share(Tier::Cold, 0.0, 200, cold_days, None),
                    share(Tier::Hot, 1.0, 100, hot_days, move_after),
                ],
                ..pool(300 * GB)
            },
            cameras: vec![camera(10 * GB, Rule::default())],
        };
        days_of(&ring)[0]
    };
    // Ten days of room here, twenty there.
    assert!(close(days(None, None, None), 30.0, 1.0));
    assert!(close(days(None, Some(2), None), 30.0, 1.0));
    // What the cold volume keeps counts once it lies there.
    assert!(close(days(None, Some(2), Some(14)), 14.0, 1.0));
    assert!(close(days(None, None, Some(5)), 10.0, 1.0));
    // And what the hot one keeps, as long as it lies there.
    assert!(close(days(Some(5), None, None), 5.0, 1.0));
    assert!(close(days(Some(5), Some(2), None), 30.0, 1.0));
}

#[test]
fn room_is_shared_oldest_first() {
    let ring = Ring {
        pool: pool(300 * GB),
        cameras: vec![
            camera(10 * GB, Rule::default()),
            camera(5 * GB, Rule::default()),
        ],
    };
    for days in days_of(&ring) {
        assert!(close(days, 20.0, 0.1), "{days:?}");
    }
}

#[test]
fn each_limit_works_alone_and_the_tightest_one_with_others() {
    let age = |days| Rule {
        max_age_ms: Some(days * DAY_MS),
        ..Rule::default()
    };
    let bytes = |gb| Rule {
        max_bytes: Some(gb * GB),
        ..Rule::default()
    };
    let table: [(&str, Rule, Option<i64>, u64, f64); 7] = [
        ("age of the camera", age(7), None, 10_000, 7.0),
        ("bytes of the camera", bytes(120), None, 10_000, 12.0),
        ("age of the volume", Rule::default(), Some(9), 10_000, 9.0),
        ("room of the volume", Rule::default(), None, 150, 15.0),
        ("the camera's age first", age(7), Some(9), 150, 7.0),
        ("the camera's bytes first", bytes(40), Some(9), 150, 4.0),
        ("the room first", age(7), Some(9), 50, 5.0),
    ];
    for (name, rule, volume_days, room, expected) in table {
        let mut ring = Ring {
            pool: pool(room * GB),
            cameras: vec![camera(10 * GB, rule)],
        };
        ring.pool.shares[0].max_age_ms = volume_days.map(|days| days * DAY_MS);
        let found = days_of(&ring)[0];
        assert!(close(found, expected, 0.2), "{name}: {found:?}");
    }
}

#[test]
fn a_promise_breaks_on_its_day() {
    // 200 GB are free, 10 a day come, 30 days are promised: full after twenty days, with nothing older than twenty.
    let mut ring = Ring {
        pool: pool(200 * GB),
        cameras: vec![camera(10 * GB, least(30))],
    };
    let broken = forecast(&ring, now(), true).cameras[0].breaks_on.unwrap();
    assert_eq!(broken.ms_since(now()) / DAY_MS, 21);
    // By the budget alone nothing promised leaves: then nothing new has room.
    ring.pool.disk_bytes = 1_000 * GB;
    let full = forecast(&ring, now(), true);
    assert_eq!(full.cameras[0].breaks_on, None);
    assert_eq!(full.full_on.unwrap().ms_since(now()) / DAY_MS, 21);
    // A neighbour without a promise gives way first.
    ring.pool = pool(350 * GB);
    ring.cameras.push(camera(10 * GB, Rule::default()));
    let kept = forecast(&ring, now(), true);
    assert_eq!((kept.cameras[0].breaks_on, kept.full_on), (None, None));
    assert!(
        close(kept.cameras[1].days, 5.0, 1.1),
        "{:?}",
        kept.cameras[1]
    );
}

#[test]
fn locks_cost_days_and_what_is_off_only_leaves() {
    let today = now().micros().div_euclid(DAY_MS * 1_000);
    let held = |days: std::ops::Range<i64>, bytes, locked_bytes| {
        days.map(|back| Held {
            day: today - back,
            share: 0,
            bytes,
            locked_bytes,
        })
        .rev()
        .collect::<Vec<_>>()
    };
    let mut on = camera(10 * GB, Rule::default());
    on.held = held(1..11, 5 * GB, 5 * GB);
    let mut off = camera(0, Rule::default());
    off.held = held(1..6, 10 * GB, 0);
    let ring = Ring {
        pool: pool(200 * GB),
        cameras: vec![on, off],
    };
    let with = forecast(&ring, now(), true);
    let without = forecast(&ring, now(), false);
    assert!(close(with.cameras[0].days, 15.0, 0.6), "{with:?}");
    assert!(close(without.cameras[0].days, 20.0, 0.6), "{without:?}");
    assert_eq!(with.cameras[1].days, None);
}

#[test]
fn nothing_leaves_where_there_is_room_enough() {
    let ring = Ring {
        pool: pool(10_000 * GB),
        cameras: vec![camera(GB, least(30)), camera(0, Rule::default())],
    };
    let forecast = forecast(&ring, now(), true);
    assert_eq!(forecast.cameras[0], Outcome::default());
    assert_eq!((forecast.cameras[1].days, forecast.full_on), (None, None));
}

/// A recorder's hours come, and after each of them what must leaves by the real choice. The least age of what is held
/// at any time of the last days, camera by camera.
fn lived(ring: &Ring, days: i64) -> Vec<f64> {
    struct Hour {
        camera: usize,
        span: UtcRange,
        bytes: u64,
    }
    let mut held: Vec<Hour> = Vec::new();
    let mut least = vec![f64::INFINITY; ring.cameras.len()];
    for n in 0..days * 24 {
        let span = UtcRange {
            from: now().plus_ms(n * HOUR_MS),
            to: now().plus_ms((n + 1) * HOUR_MS),
        };
        for (camera, it) in ring.cameras.iter().enumerate() {
            let bytes = it.bytes_per_day / 24;
            held.push(Hour {
                camera,
                span,
                bytes,
            });
        }
        let candidate = |(id, hour): (usize, &Hour)| Candidate {
            id,
            camera: ring.cameras[hour.camera].id,
            span: hour.span,
            kept_bytes: hour.bytes,
            locked: false,
        };
        for (camera, it) in ring.cameras.iter().enumerate() {
            let own = || {
                held.iter()
                    .enumerate()
                    .filter(|(_, hour)| hour.camera == camera)
            };
            let bytes = own().map(|(_, hour)| hour.bytes).sum();
            let mut candidates = own().map(candidate);
            let gone = choice::beyond_rule(&it.rule, bytes, span.to, &mut candidates);
            drop(candidates);
            for n in gone {
                held[n].bytes = 0;
            }
            held.retain(|hour| hour.bytes > 0);
        }
        let bytes: u64 = held.iter().map(|hour| hour.bytes).sum();
        let room = Room {
            held_bytes: bytes,
            reserved_bytes: 0,
            written_bytes: 0,
            needed_bytes: 0,
            budget_bytes: Some(ring.pool.room_bytes),
            free_bytes: ring.pool.disk_bytes,
            floor_bytes: bytes,
            slack_bytes: ring.pool.slack_bytes,
        };
        let promised: HashMap<_, _> = ring
            .cameras
            .iter()
            .map(|camera| (camera.id, camera.rule.min_age_ms))
            .collect();
        let relief = choice::under_pressure(
            &room,
            span.to,
            |camera| promised[&camera],
            &mut held.iter().enumerate().map(candidate),
        );
        for n in relief.victims.into_iter().chain(relief.forced) {
            held[n].bytes = 0;
        }
        held.retain(|hour| hour.bytes > 0);
        if n >= (days - 5) * 24 {
            for (camera, least) in least.iter_mut().enumerate() {
                let oldest = held.iter().find(|hour| hour.camera == camera);
                let age_ms = oldest.map_or(0, |hour| span.to.ms_since(hour.span.from));
                *least = least.min(age_ms as f64 / DAY_MS as f64);
            }
        }
    }
    least
}

prop_compose! {
    fn any_rule()(
        max_age in prop::option::of(3_i64..25),
        max_gb in prop::option::of(20_u64..200),
        least in 0_i64..12,
    ) -> Rule {
        let min_age_ms = least.min(max_age.unwrap_or(i64::MAX)) * DAY_MS;
        Rule { max_age_ms: max_age.map(|days| days * DAY_MS), max_bytes: max_gb.map(|gb| gb * GB), min_age_ms }
    }
}

prop_compose! {
    fn any_ring()(
        cameras in prop::collection::vec((1_u64..20, any_rule()), 1..4),
        room_days in 3_u64..20,
        slack_hours in 0_u64..12,
    ) -> Ring {
        let cameras: Vec<Camera> = cameras.into_iter().map(|(gb, rule)| camera(gb * GB, rule)).collect();
        let a_day: u64 = cameras.iter().map(|camera| camera.bytes_per_day).sum();
        let mut pool = pool(a_day * room_days);
        pool.slack_bytes = a_day * slack_hours / 24;
        Ring { pool, cameras }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_what_the_choice_does_day_by_day(ring in any_ring()) {
        let told = forecast(&ring, now(), true);
        let seen = lived(&ring, 90);
        // A day is the grain of the forecast, and room that promises take from others is shared by whole days.
        for (camera, (told, seen)) in told.cameras.iter().zip(&seen).enumerate() {
            // What is kept for longer than was lived through is not told apart.
            let told = told.days.unwrap_or(f64::INFINITY).min(84.0);
            let seen = seen.min(84.0);
            prop_assert!((told - seen).abs() <= 1.6, "camera {}: told {}, seen {}: {:?}", camera, told, seen, ring);
        }
    }

    #[test]
    fn more_room_never_keeps_less_and_a_higher_rate_never_more(
        ring in any_ring(), more_gb in 1_u64..200, which in any::<prop::sample::Index>(),
    ) {
        let before = days_of(&ring);
        let mut larger = ring.clone();
        larger.pool.room_bytes += more_gb * GB;
        larger.pool.disk_bytes += more_gb * GB;
        for (before, after) in before.iter().zip(days_of(&larger)) {
            prop_assert!(after.unwrap_or(f64::INFINITY) >= before.unwrap_or(f64::INFINITY).min(HORIZON_DAYS as f64) - 0.05,
                "{:?} -> {:?}", before, after);
        }
        let which = which.index(ring.cameras.len());
        let mut faster = ring.clone();
        faster.cameras[which].bytes_per_day += more_gb * GB;
        let after = days_of(&faster)[which].unwrap_or(f64::INFINITY);
        prop_assert!(after <= before[which].unwrap_or(f64::INFINITY) + 0.05, "{:?} -> {}", before[which], after);
    }
}
