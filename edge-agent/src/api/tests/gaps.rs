//! Completeness over HTTP.

use http::StatusCode;
use serde_json::json;

use super::house::House;
use crate::catalog::testing::{found, range};
use crate::footage::volume::health::Seen;
use crate::model::inventory::{Inventory, RecorderClock};

#[tokio::test]
async fn a_day_tells_what_is_held_and_why_the_rest_is_not() {
    let (house, login) = House::set_up().await;
    let below = &house.below;
    let recorder = below.recorder("SN1", 1).await.id;
    let camera = below.camera(recorder, 1).await;
    let answered = |asked, recordings| Inventory {
        channel: 1,
        asked,
        answered_at: below.catalog.now(),
        clock: RecorderClock {
            zone_minutes: 60,
            offset_ms: 0,
        },
        recordings,
    };
    let morning = range("2026-11-02T23:00:00Z", "2026-11-03T12:00:00Z");
    let listed = vec![
        found(
            "a",
            range("2026-11-03T07:00:00Z", "2026-11-03T08:00:00Z"),
            1,
        ),
        found(
            "b",
            range("2026-11-03T08:00:00Z", "2026-11-03T09:00:00Z"),
            1,
        ),
    ];
    let inventory = answered(morning, listed);
    let observed = below
        .catalog
        .record_observation(recorder, &inventory, 120_000);
    let ids = observed.await.unwrap().new;
    below.hold(ids[0], b"held").await;

    let path = format!("/api/v1/recordings/timeline/{camera}?day=2026-11-03&zone=Europe/Berlin");
    let told = house.get(&path, &login).await.json();
    assert_eq!(told["day_from_utc"], "2026-11-02T23:00:00Z");
    assert_eq!(told["day_to_utc"], "2026-11-03T23:00:00Z");
    assert_eq!(
        told["to_utc"], "2026-11-03T12:00:00Z",
        "the day as far as it has passed"
    );
    assert_eq!(told["verdict"], "coming");
    assert_eq!(
        told["held"],
        json!([{ "from_utc": "2026-11-03T07:00:00Z", "to_utc": "2026-11-03T08:00:00Z" }])
    );
    let causes = |told: &serde_json::Value| -> Vec<String> {
        let gaps = told["gaps"].as_array().unwrap();
        gaps.iter()
            .map(|gap| gap["cause"].as_str().unwrap().to_owned())
            .collect()
    };
    // Empty answers prove nothing before the recorder's reach was read.
    assert_eq!(
        causes(&told),
        ["not_observed", "not_downloaded", "not_observed"]
    );
    assert_eq!(told["away"], json!([]));
    // Its disk goes: it is held all the same, and where it lies is told.
    let gone = Seen::Gone("unplugged".to_owned());
    below.volume().judge(gone, below.catalog.now());
    let away = house.get(&path, &login).await.json();
    assert_eq!(away["away"], away["held"]);
    assert_eq!(away["held"], told["held"]);
    let play = format!(
        "/api/v1/playback/{camera}/index.m3u8?from=2026-11-03T07:00:00Z&to=2026-11-03T08:00:00Z"
    );
    let failure = house.get(&play, &login).await.failure();
    assert_eq!(failure.error.code, wire::error::ErrorCode::Unavailable);
    assert!(failure.error.message.contains("\"main\""), "{failure:?}");
    let back = Seen::Written {
        took: std::time::Duration::from_millis(1),
        free_bytes: 1 << 30,
    };
    below.volume().judge(back, below.catalog.now());

    // Its oldest footage begins at seven: what lies before is lost if it ever was, what lies after was never there.
    let reading = answered(morning, inventory.recordings.clone());
    below.catalog.note_reach(recorder, &reading).await.unwrap();
    let gaps =
        format!("/api/v1/cameras/{camera}/gaps?from=2026-11-03T00:00:00Z&to=2026-11-03T11:00:00Z");
    let told = house.get(&gaps, &login).await.json();
    assert_eq!(
        causes(&told),
        ["beyond_reach", "not_downloaded", "not_recorded"]
    );
    assert_eq!(told["verdict"], "incomplete");
    assert_eq!(
        (&told["recorded_ms"], &told["held_ms"]),
        (&json!(7_200_000), &json!(3_600_000))
    );
    assert_eq!(told["gaps"][1]["recordings"], 1);
    assert!(
        told["gaps"][1]["advice"]
            .as_str()
            .unwrap()
            .contains("fetch the range now")
    );

    for (path, field) in [
        (
            format!(
                "/api/v1/cameras/{camera}/gaps?from=2026-11-03T00:00:00Z&to=2026-11-03T00:00:00Z"
            ),
            "to",
        ),
        (
            format!(
                "/api/v1/cameras/{camera}/gaps?from=2026-01-03T00:00:00Z&to=2026-11-03T00:00:00Z"
            ),
            "to",
        ),
        (
            format!("/api/v1/recordings/timeline/{camera}?day=2026-11-31"),
            "day",
        ),
        (
            format!("/api/v1/recordings/timeline/{camera}?day=2026-11-03&zone=Mars"),
            "zone",
        ),
    ] {
        let failure = house.get(&path, &login).await;
        assert_eq!(failure.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(failure.failure().error.details, json!({ "field": field }));
    }
    let nobody = format!(
        "/api/v1/cameras/{}/gaps?from=2026-11-03T00:00:00Z&to=2026-11-03T01:00:00Z",
        wire::ids::CameraId::new()
    );
    assert_eq!(
        house.get(&nobody, &login).await.status,
        StatusCode::NOT_FOUND
    );
}
