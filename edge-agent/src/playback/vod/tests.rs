use super::*;
use crate::catalog::testing::{at, range};
use crate::footage::fragments::{Fragment, FragmentIndex};
use crate::footage::path::Stem;
use crate::footage::volume::VolumeId;
use wire::resource::{Recording, RecordingStatus};

const CAMERA: &str = "0198c0de-0000-7000-8000-000000000001";
const FIRST: &str = "0198c0de-0000-7000-8000-00000000000a";
const SECOND: &str = "0198c0de-0000-7000-8000-00000000000b";

/// A recording whose groups last so many milliseconds, of 1000 bytes each behind a head of 800.
fn held(id: &str, start: &str, groups_ms: &[u64]) -> Held {
    let (mut fragments, mut start_ms) = (Vec::new(), 80);
    for (n, duration_ms) in groups_ms.iter().enumerate() {
        fragments.push(Fragment {
            offset: 800 + 1_000 * n as u64,
            bytes: 1_000,
            start_ms,
            duration_ms: *duration_ms,
        });
        start_ms += duration_ms;
    }
    let (start_utc, camera_id) = (at(start), CAMERA.parse().unwrap());
    let duration_ms: u64 = groups_ms.iter().sum();
    let end_utc = start_utc.plus_ms(duration_ms.cast_signed());
    let recording = Recording {
        id: id.parse().unwrap(),
        camera_id,
        status: RecordingStatus::Completed,
        start_utc,
        end_utc,
        recorder_start: "2026-11-03T15:05:00".to_owned(),
        clock_offset_ms: 0,
        source_name: "ch01".to_owned(),
        stated_bytes: 0,
        received_bytes: 1,
        progress_percent: 100,
        kept_bytes: Some(800 + 1_000 * groups_ms.len() as u64),
        digest: Some("00".repeat(32)),
        source_digest: None,
        fetched_bytes: None,
        video_codec: Some("h264".to_owned()),
        audio_codec: None,
        width: None,
        height: None,
        defects: Vec::new(),
        locked: false,
        bookmarked: false,
        attempts: 1,
        failure: None,
        next_attempt_at: None,
        eviction_cause: None,
        updated_at: end_utc,
    };
    Held {
        volume: VolumeId(1),
        stem: Stem::new(
            camera_id,
            UtcRange {
                from: start_utc,
                to: end_utc,
            },
            1,
        ),
        duration_ms,
        fragments: FragmentIndex {
            init_bytes: 800,
            fragments,
        },
        recording,
    }
}

fn playlist(range: UtcRange, all: &[Held]) -> Option<String> {
    let mut vod = Vod::new(range);
    for held in all {
        vod.add(held).unwrap();
    }
    vod.finish()
}

#[test]
fn a_range_across_a_gap_begins_at_the_asked_second() {
    let text = playlist(
        range("2026-11-03T14:05:03.5Z", "2026-11-03T14:10:02Z"),
        &[
            held(FIRST, "2026-11-03T14:05:00.25Z", &[2_000, 2_000, 1_960]),
            held(SECOND, "2026-11-03T14:10:00Z", &[4_000, 4_000]),
        ],
    )
    .unwrap();
    assert_eq!(
        text,
        format!(
            "#EXTM3U
#EXT-X-VERSION:7
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=1.250,PRECISE=YES
#EXT-X-MAP:URI=\"/api/v1/recordings/{FIRST}/media?as=.mp4\",BYTERANGE=\"800@0\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-03T14:05:02.25Z
#EXTINF:2.000,
#EXT-X-BYTERANGE:1000@1800
/api/v1/recordings/{FIRST}/media?as=.mp4
#EXTINF:1.960,
#EXT-X-BYTERANGE:1000@2800
/api/v1/recordings/{FIRST}/media?as=.mp4
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"/api/v1/recordings/{SECOND}/media?as=.mp4\",BYTERANGE=\"800@0\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-03T14:10:00Z
#EXTINF:4.000,
#EXT-X-BYTERANGE:1000@800
/api/v1/recordings/{SECOND}/media?as=.mp4
#EXT-X-ENDLIST
"
        )
    );
}

#[test]
fn only_what_touches_the_range_is_listed() {
    let all = [held(FIRST, "2026-11-03T14:05:00Z", &[2_000; 30])];
    let offsets = |from: &str, to: &str| -> Vec<u64> {
        playlist(range(from, to), &all)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:1000@"))
            .map(|offset| (offset.parse::<u64>().unwrap() - 800) / 1_000)
            .collect()
    };
    // Ends belong to neither side: the range is half open, and so is every fragment.
    assert_eq!(
        offsets("2026-11-03T14:05:04Z", "2026-11-03T14:05:08Z"),
        [2, 3]
    );
    assert_eq!(
        offsets("2026-11-03T14:05:03.999Z", "2026-11-03T14:05:08.001Z"),
        [1, 2, 3, 4]
    );
    assert_eq!(offsets("2026-11-03T13:00:00Z", "2026-11-03T14:05:01Z"), [0]);
    assert_eq!(
        offsets("2026-11-03T14:05:59.5Z", "2026-11-03T15:00:00Z"),
        [29]
    );
    for empty in [
        ("2026-11-03T14:06:00Z", "2026-11-03T15:00:00Z"),
        ("2026-11-03T13:06:00Z", "2026-11-03T14:05:00Z"),
    ] {
        assert_eq!(offsets(empty.0, empty.1), [0_u64; 0]);
    }
}

#[test]
fn a_range_that_begins_in_a_gap_begins_with_the_next_footage() {
    let text = playlist(
        range("2026-11-03T14:00:00Z", "2026-11-03T14:10:02Z"),
        &[held(SECOND, "2026-11-03T14:10:00Z", &[4_000])],
    )
    .unwrap();
    assert!(!text.contains("EXT-X-START"), "{text}");
    assert!(!text.contains("DISCONTINUITY"), "{text}");
    assert!(
        text.contains("PROGRAM-DATE-TIME:2026-11-03T14:10:00Z\n"),
        "{text}"
    );
}

#[test]
fn short_groups_are_joined_and_a_group_without_duration_is_never_alone() {
    let text = playlist(
        range("2026-11-03T14:00:00Z", "2026-11-03T15:00:00Z"),
        &[held(
            FIRST,
            "2026-11-03T14:05:00Z",
            &[0, 500, 500, 500, 500, 500, 500, 9_800, 0],
        )],
    )
    .unwrap();
    let segments: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("#EXTINF") || line.starts_with("#EXT-X-BYTERANGE"))
        .collect();
    assert_eq!(
        segments,
        [
            "#EXTINF:2.000,",
            "#EXT-X-BYTERANGE:5000@800",
            "#EXTINF:1.000,",
            "#EXT-X-BYTERANGE:2000@5800",
            "#EXTINF:9.800,",
            "#EXT-X-BYTERANGE:2000@7800",
        ]
    );
    assert!(text.contains("TARGETDURATION:10\n"), "{text}");
}

#[test]
fn what_two_recordings_share_is_shown_once() {
    let text = playlist(
        range("2026-11-03T14:00:00Z", "2026-11-03T15:00:00Z"),
        &[
            held(FIRST, "2026-11-03T14:05:00Z", &[2_000; 3]),
            // Begins two groups and a half before the first one ends, and another lies wholly within.
            held(SECOND, "2026-11-03T14:05:01Z", &[2_000; 4]),
            held(CAMERA, "2026-11-03T14:05:02Z", &[2_000]),
        ],
    )
    .unwrap();
    assert_eq!(text.matches("#EXTINF").count(), 3 + 2, "{text}");
    assert!(
        text.contains("PROGRAM-DATE-TIME:2026-11-03T14:05:05Z\n"),
        "{text}"
    );
    assert!(!text.contains(CAMERA), "{text}");
}

#[test]
fn what_no_player_reads_is_left_out_and_too_much_is_refused() {
    let whole = range("2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z");
    assert_eq!(
        playlist(whole, &[held(FIRST, "2026-11-03T14:05:00Z", &[])]),
        None
    );
    assert_eq!(playlist(whole, &[]), None);

    let mut vod = Vod::new(whole);
    let half = vec![2_000; SEGMENTS_MAX / 2];
    vod.add(&held(FIRST, "2026-11-03T00:00:00Z", &half))
        .unwrap();
    vod.add(&held(SECOND, "2026-11-05T00:00:00Z", &half))
        .unwrap();
    let more = held(CAMERA, "2026-11-07T00:00:00Z", &[2_000]);
    assert_eq!(vod.add(&more), Err(TooLong));
}
