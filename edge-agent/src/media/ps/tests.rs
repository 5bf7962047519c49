use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn pts_bytes(pts: u64) -> [u8; 5] {
    [
        0x21 | (pts >> 29 & 0x0E) as u8,
        (pts >> 22) as u8,
        (pts >> 14) as u8 | 1,
        (pts >> 7) as u8,
        (pts << 1) as u8 | 1,
    ]
}

fn pack(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 1, 0xBA, 0x44, 0, 4, 0, 4, 1, 1, 0x38, 0x83, 0xF8]);
}

fn map(out: &mut Vec<u8>, wall: u64) {
    let mut info = vec![0x40, 14, b'H', b'K', 1, 0];
    info.extend_from_slice(&(wall << 4).to_be_bytes()[2..]);
    info.extend_from_slice(&[0; 4]);
    let mut body = vec![0xE0, 0xFF];
    body.extend_from_slice(&(info.len() as u16).to_be_bytes());
    body.extend_from_slice(&info);
    body.extend_from_slice(&[0, 8, 0x24, 0xE0, 0, 0, 0x90, 0xC0, 0, 0, 1, 2, 3, 4]);
    out.extend_from_slice(&[0, 0, 1, 0xBC]);
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(&body);
}

fn picture(out: &mut Vec<u8>, pts: u64, payload: usize) {
    out.extend_from_slice(&[0, 0, 1, 0xE0]);
    out.extend_from_slice(&(8 + payload as u16).to_be_bytes());
    out.extend_from_slice(&[0x88, 0x80, 5]);
    out.extend_from_slice(&pts_bytes(pts));
    out.extend(std::iter::repeat_n(0xAB, payload));
}

fn header() -> Vec<u8> {
    let mut header = vec![0; 40];
    header[..4].copy_from_slice(MAGIC);
    header[10] = 5;
    header
}

/// Groups of one second with 5 pictures.
fn part(groups: std::ops::Range<u64>, cut_last: bool, restart_pts: bool) -> Vec<u8> {
    let mut out = header();
    let base = if restart_pts { groups.start } else { 0 };
    for group in groups.clone() {
        for n in 0..5 {
            if cut_last && group + 1 == groups.end && n > 1 {
                break;
            }
            pack(&mut out);
            if n == 0 {
                map(&mut out, 1_000 + group);
            }
            picture(&mut out, 90_000 * (1 + group - base) + n * 18_000, 700);
        }
    }
    out
}

fn read(parts: &[Vec<u8>], joined: &Joined) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in &joined.pieces {
        let (from, to) = (piece.offset as usize, (piece.offset + piece.bytes) as usize);
        out.extend_from_slice(&parts[piece.part][from..to]);
    }
    out
}

fn join_bytes(parts: &[Vec<u8>]) -> (Vec<u8>, Joined) {
    let layouts: Vec<_> = parts
        .iter()
        .map(|part| scan(Cursor::new(part)).unwrap())
        .collect();
    let sizes: Vec<u64> = parts.iter().map(|part| part.len() as u64).collect();
    let joined = join(&layouts, &sizes);
    (read(parts, &joined), joined)
}

#[test]
fn groups_are_found_with_clock_and_timestamps() {
    let bytes = part(0..3, false, false);
    let layout = scan(Cursor::new(&bytes)).unwrap();
    assert_eq!(layout.header_bytes, 40);
    assert_eq!(layout.program.video, Some(VideoCodec::H265));
    assert_eq!(layout.program.audio, Some(AudioCodec::Other));
    assert_eq!(layout.lost_bytes, 0);
    let told: Vec<_> = layout
        .groups
        .iter()
        .map(|g| (g.pts, g.last_pts, g.wall, g.mapped))
        .collect();
    assert_eq!(
        told,
        [0, 1, 2].map(|n| (
            Some(90_000 * (1 + n)),
            Some(90_000 * (1 + n) + 72_000),
            Some(1_000 + n),
            true
        ))
    );
    assert_eq!(layout.groups[0].offset, 40);
    assert_eq!(
        layout.groups.iter().map(|g| g.bytes).sum::<u64>() + 40,
        bytes.len() as u64
    );
}

#[test]
fn joined_parts_equal_the_whole() {
    let whole = part(0..9, false, false);
    let cases: [&[Vec<u8>]; 4] = [
        &[part(0..9, false, false)],
        // Neighbours that meet.
        &[part(0..4, false, false), part(4..9, false, false)],
        // Neighbours that overlap by two groups, the last of them cut.
        &[part(0..6, true, false), part(4..9, false, false)],
        &[
            part(0..4, false, false),
            part(3..7, true, false),
            part(6..9, false, false),
        ],
    ];
    for parts in cases {
        let (bytes, joined) = join_bytes(parts);
        assert!(bytes == whole, "{} parts", parts.len());
        assert!(joined.gap_ms <= 200, "{joined:?}");
    }
}

#[test]
fn timestamps_that_start_anew_are_joined_by_the_clock() {
    let parts = [part(0..5, true, true), part(3..9, false, true)];
    let (bytes, joined) = join_bytes(&parts);
    let layout = scan(Cursor::new(&bytes)).unwrap();
    let walls: Vec<_> = layout.groups.iter().filter_map(|g| g.wall).collect();
    assert_eq!(walls, (1_000..1_009).collect::<Vec<_>>());
    assert!(joined.overlap_bytes > 0);
}

#[test]
fn a_gap_between_neighbours_is_told() {
    let parts = [part(0..4, false, false), part(7..9, false, false)];
    let (_, joined) = join_bytes(&parts);
    assert_eq!(joined.gap_ms, 3_200);
}

#[test]
fn damage_costs_the_pack_that_it_hits() {
    let mut bytes = part(0..3, false, false);
    let second = scan(Cursor::new(&bytes)).unwrap().groups[1].offset as usize;
    bytes[second + 40..second + 60].fill(0xFF);
    let layout = scan(Cursor::new(&bytes)).unwrap();
    assert!(layout.lost_bytes > 0);
    assert_eq!(layout.groups.last().unwrap().wall, Some(1_002));
    assert_eq!(
        layout.groups.iter().map(|g| g.damaged).collect::<Vec<_>>(),
        [false, true, false]
    );
}

#[test]
fn a_lost_beginning_is_told_from_a_header_that_is_not_known() {
    let whole = scan(Cursor::new(part(0..3, false, false))).unwrap();
    assert!(!whole.beheaded);
    for (lost, beheaded) in [(40, false), (41, true), (6_000, true)] {
        let mut bytes = vec![0xFF; lost];
        bytes.extend_from_slice(&part(0..3, false, false)[whole.header_bytes as usize..]);
        let layout = scan(Cursor::new(bytes)).unwrap();
        assert_eq!(layout.beheaded, beheaded, "{lost}");
        assert_eq!(layout.groups.len(), whole.groups.len());
    }
}

#[test]
fn a_packed_clock_is_a_time_or_nothing() {
    let packed = 26 << 36 | 11 << 32 | 3 << 27 | 15 << 22 | 5 << 16 | 59 << 10 | 999;
    assert_eq!(
        wall_time(packed).unwrap().to_string(),
        "2026-11-03T15:05:59.999"
    );
    assert_eq!(wall_time(0), None);
    assert_eq!(wall_time(u64::MAX), None);
}

#[test]
fn timestamps_go_the_short_way_around_the_wrap() {
    assert_eq!(ticks_between((1 << 33) - 10, 20), 30);
    assert_eq!(ticks_between(20, (1 << 33) - 10), -30);
    let mut five = [0; 8];
    five[0] = 0x80;
    five[1] = 0x80;
    five[3..].copy_from_slice(&pts_bytes(0x1_FFFF_FFFF));
    assert_eq!(parse_pts(&five), Some(0x1_FFFF_FFFF));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let layout = scan(Cursor::new(&bytes)).unwrap();
        prop_assert!(layout.groups.iter().all(|g| g.offset + g.bytes <= bytes.len() as u64));
    }

    #[test]
    fn a_bitten_part_is_scanned_to_its_end(at in 0usize..6_000, byte: u8, cut in 0usize..12_000) {
        let mut bytes = part(0..3, false, false);
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(cut.max(1));
        let layout = scan(Cursor::new(&bytes)).unwrap();
        prop_assert!(layout.groups.windows(2).all(|w| w[0].offset + w[0].bytes == w[1].offset));
        let _ = join(&[layout.clone(), layout], &[bytes.len() as u64, bytes.len() as u64]);
    }
}
