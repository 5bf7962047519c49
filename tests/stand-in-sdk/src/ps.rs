//! MPEG program stream as recorders write it: a 40-byte media header, then packs whose system map tells the wall
//! clock. Pure: everything appends to a buffer, and the same input gives the same bytes.
//!
//! FFmpeg's own muxer is of no use here: it refuses G.711 and knows nothing of the clock.

use crate::reel::{AudioCodec, VideoCodec};

/// Length of the header in front of every file and stream.
pub const HEADER_BYTES: usize = 40;
/// Bytes of one access unit in one PES packet. Recorders write several packets for a large picture.
const PES_PAYLOAD_BYTES: usize = 5000;
/// Lead of the system clock over the decoding time: 100 ms.
const SCR_LEAD: u64 = 9_000;
/// Declared rate, in units of 50 bytes a second.
const MUX_RATE: u32 = 20_000;

const PACK_BYTES: usize = 14;
const SYSTEM_HEADER_BYTES: usize = 18;
const VIDEO_ID: u8 = 0xE0;
const AUDIO_ID: u8 = 0xC0;

/// The streams of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Codec of the pictures.
    pub video: VideoCodec,
    /// Codec of the sound, if there is any.
    pub audio: Option<AudioCodec>,
}

/// A recorder's wall clock, as the system map holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of a date")]
pub struct WallTime {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub millisecond: u16,
}

/// The media header: "IMKH", container 2 (program stream), codecs, and the shape of the sound.
pub fn media_header(program: Program) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(b"IMKH");
    header[4..6].copy_from_slice(&0x0103_u16.to_le_bytes());
    header[8..10].copy_from_slice(&2_u16.to_le_bytes());
    let video: u16 = match program.video {
        VideoCodec::H264 => 0x0100,
        VideoCodec::H265 => 5,
    };
    header[10..12].copy_from_slice(&video.to_le_bytes());
    if let Some(audio) = program.audio {
        let codec: u16 = match audio {
            AudioCodec::G711u => 0x7110,
            AudioCodec::G711a => 0x7111,
        };
        header[12..14].copy_from_slice(&codec.to_le_bytes());
        header[14] = 1;
        header[15] = 16;
        header[16..20].copy_from_slice(&8_000_u32.to_le_bytes());
        header[20..24].copy_from_slice(&64_000_u32.to_le_bytes());
    }
    header
}

/// One access unit in a pack of its own; a key one brings system header and system map with it.
pub fn video(
    out: &mut Vec<u8>,
    program: Program,
    unit: &[u8],
    pts: u64,
    dts: u64,
    wall: Option<WallTime>,
) {
    pack_header(out, dts.saturating_sub(SCR_LEAD));
    if let Some(wall) = wall {
        system_header(out, program);
        system_map(out, program, wall);
    }
    for (n, payload) in unit.chunks(PES_PAYLOAD_BYTES).enumerate() {
        pes(out, VIDEO_ID, payload, (n == 0).then_some((pts, dts)));
    }
}

/// How many bytes [`video`] appends.
pub fn video_bytes(program: Program, unit_bytes: usize, pts: u64, dts: u64, key: bool) -> u64 {
    let packets = unit_bytes.div_ceil(PES_PAYLOAD_BYTES);
    let map = if key {
        SYSTEM_HEADER_BYTES + system_map_bytes(program)
    } else {
        0
    };
    let stamps = if packets == 0 {
        0
    } else {
        stamp_bytes(pts, dts)
    };
    (PACK_BYTES + map + packets * PES_HEADER_BYTES + stamps + unit_bytes) as u64
}

/// A stretch of sound in a packet of its own.
pub fn audio(out: &mut Vec<u8>, samples: &[u8], pts: u64) {
    pes(out, AUDIO_ID, samples, Some((pts, pts)));
}

/// How many bytes [`audio`] appends.
pub fn audio_bytes(samples: usize) -> u64 {
    (PES_HEADER_BYTES + 5 + samples) as u64
}

/// Start code, length, two flag bytes and the header length.
const PES_HEADER_BYTES: usize = 9;

fn stamp_bytes(pts: u64, dts: u64) -> usize {
    if pts == dts { 5 } else { 10 }
}

fn pack_header(out: &mut Vec<u8>, scr: u64) {
    let scr = scr & 0x1_FFFF_FFFF;
    out.extend_from_slice(&[0, 0, 1, 0xBA]);
    // '01', then 33 bits of clock with marker bits after 3, 15 and 15, an extension of 0 and a marker.
    let bits = (0b01 << 46)
        | ((scr >> 30 & 0x7) << 43)
        | (1 << 42)
        | ((scr >> 15 & 0x7FFF) << 27)
        | (1 << 26)
        | ((scr & 0x7FFF) << 11)
        | (1 << 10)
        | 1;
    out.extend_from_slice(&bits.to_be_bytes()[2..]);
    out.extend_from_slice(&(MUX_RATE << 2 | 0b11).to_be_bytes()[1..]);
    out.push(0xF8); // no stuffing
}

fn system_header(out: &mut Vec<u8>, program: Program) {
    out.extend_from_slice(&[0, 0, 1, 0xBB]);
    out.extend_from_slice(&u16::to_be_bytes(SYSTEM_HEADER_BYTES as u16 - 6));
    let bound = MUX_RATE << 1 | 0x80_0001;
    out.extend_from_slice(&bound.to_be_bytes()[1..]);
    out.push(u8::from(program.audio.is_some()) << 2);
    out.extend_from_slice(&[0xE1, 0xFF]); // both locks, marker, one video stream; no rate restriction
    out.extend_from_slice(&[VIDEO_ID, 0xE0, 0x80, AUDIO_ID, 0xC0, 0x20]);
}

fn system_map_bytes(program: Program) -> usize {
    6 + 4 + WALL_CLOCK_BYTES + 2 + 4 * (1 + usize::from(program.audio.is_some())) + 4
}

fn system_map(out: &mut Vec<u8>, program: Program, wall: WallTime) {
    let start = out.len();
    let body = system_map_bytes(program) - 6;
    out.extend_from_slice(&[0, 0, 1, 0xBC]);
    out.extend_from_slice(&(body as u16).to_be_bytes());
    out.extend_from_slice(&[0xE0, 0xFF]); // current, version 0
    out.extend_from_slice(&(WALL_CLOCK_BYTES as u16).to_be_bytes());
    wall_clock(out, wall);
    let streams = 1 + u16::from(program.audio.is_some());
    out.extend_from_slice(&(4 * streams).to_be_bytes());
    let video = match program.video {
        VideoCodec::H264 => 0x1B,
        VideoCodec::H265 => 0x24,
    };
    out.extend_from_slice(&[video, VIDEO_ID, 0, 0]);
    if let Some(audio) = program.audio {
        let audio = match audio {
            AudioCodec::G711a => 0x90,
            AudioCodec::G711u => 0x91,
        };
        out.extend_from_slice(&[audio, AUDIO_ID, 0, 0]);
    }
    let crc = crc32(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

const WALL_CLOCK_BYTES: usize = 16;

/// Descriptor 0x40: "HK", two bytes, then year since 2000 (8 bits), month (4), day (5), hour (5), minute (6),
/// second (6), millisecond (10), and zeros up to the length of 14.
fn wall_clock(out: &mut Vec<u8>, wall: WallTime) {
    out.extend_from_slice(&[0x40, 14, b'H', b'K', 0x01, 0x00]);
    let mut bits: u64 = u64::from(wall.year.saturating_sub(2000)) & 0xFF;
    for (value, width) in [
        (u64::from(wall.month), 4),
        (u64::from(wall.day), 5),
        (u64::from(wall.hour), 5),
        (u64::from(wall.minute), 6),
        (u64::from(wall.second), 6),
        (u64::from(wall.millisecond), 10),
    ] {
        bits = bits << width | value;
    }
    out.extend_from_slice(&(bits << 4).to_be_bytes()[2..]); // 44 bits at the top of 48
    out.extend_from_slice(&[0; 4]);
}

fn pes(out: &mut Vec<u8>, id: u8, payload: &[u8], stamps: Option<(u64, u64)>) {
    let stamp_length = stamps.map_or(0, |(pts, dts)| stamp_bytes(pts, dts));
    out.extend_from_slice(&[0, 0, 1, id]);
    out.extend_from_slice(&((3 + stamp_length + payload.len()) as u16).to_be_bytes());
    out.push(0x88); // '10', no scrambling, priority
    out.push(match stamp_length {
        0 => 0x00,
        5 => 0x80,
        _ => 0xC0,
    });
    out.push(stamp_length as u8);
    if let Some((pts, dts)) = stamps {
        stamp(out, if pts == dts { 0b0010 } else { 0b0011 }, pts);
        if pts != dts {
            stamp(out, 0b0001, dts);
        }
    }
    out.extend_from_slice(payload);
}

/// 33 bits in five bytes with a prefix of four bits and marker bits.
fn stamp(out: &mut Vec<u8>, prefix: u8, ticks: u64) {
    out.push(prefix << 4 | ((ticks >> 30 & 0x7) as u8) << 1 | 1);
    out.extend_from_slice(&(((ticks >> 15 & 0x7FFF) as u16) << 1 | 1).to_be_bytes());
    out.extend_from_slice(&(((ticks & 0x7FFF) as u16) << 1 | 1).to_be_bytes());
}

/// The CRC of MPEG sections: polynomial 04C11DB7, no reflection, all ones at first.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x04C1_1DB7
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_SOUND: Program = Program {
        video: VideoCodec::H264,
        audio: Some(AudioCodec::G711a),
    };
    const SILENT: Program = Program {
        video: VideoCodec::H265,
        audio: None,
    };
    const WALL: WallTime = WallTime {
        year: 2026,
        month: 11,
        day: 21,
        hour: 7,
        minute: 42,
        second: 5,
        millisecond: 123,
    };

    #[test]
    fn the_media_header_is_the_recorders() {
        assert_eq!(
            media_header(WITH_SOUND),
            [
                b'I', b'M', b'K', b'H', 3, 1, 0, 0, 2, 0, 0x00, 0x01, 0x11, 0x71, 1, 16, 0x40,
                0x1F, 0, 0, 0x00, 0xFA, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
            ]
        );
        let silent = media_header(SILENT);
        assert_eq!(silent[10..16], [5, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_wall_clock_is_packed_into_44_bits() {
        let mut out = Vec::new();
        wall_clock(&mut out, WALL);
        // 26, 11, 21, 7, 42, 5, 123 in 8, 4, 5, 5, 6, 6 and 10 bits:
        // 00011010 1011 10101 00111 101010 000101 0001111011 0000
        assert_eq!(
            out,
            [
                0x40,
                0x0E,
                0x48,
                0x4B,
                0x01,
                0x00,
                0b0001_1010,
                0b1011_1010,
                0b1001_1110,
                0b1010_0001,
                0b0100_0111,
                0b1011_0000,
                0,
                0,
                0,
                0
            ]
        );
    }

    #[test]
    fn a_key_unit_begins_with_pack_header_and_system_map() {
        let mut out = Vec::new();
        video(&mut out, WITH_SOUND, &[0xAA; 7], 99_000, 99_000, Some(WALL));
        assert_eq!(
            out[..14],
            [
                0, 0, 1, 0xBA, 0x44, 0x00, 0x16, 0xFC, 0x84, 0x01, 0x01, 0x38, 0x83, 0xF8
            ]
        );
        assert_eq!(
            out[14..32],
            [
                0, 0, 1, 0xBB, 0, 12, 0x80, 0x9C, 0x41, 0x04, 0xE1, 0xFF, 0xE0, 0xE0, 0x80, 0xC0,
                0xC0, 0x20
            ]
        );
        assert_eq!(out[32..42], [0, 0, 1, 0xBC, 0, 34, 0xE0, 0xFF, 0, 16]);
        assert_eq!(out[58..68], [0, 8, 0x1B, 0xE0, 0, 0, 0x90, 0xC0, 0, 0]);
        assert_eq!(
            crc32(&out[32..72]),
            0,
            "a section with its CRC leaves no remainder"
        );
        assert_eq!(
            out[72..],
            [
                0, 0, 1, 0xE0, 0, 15, 0x88, 0x80, 5, 0x21, 0x00, 0x07, 0x05, 0x71, 0xAA, 0xAA,
                0xAA, 0xAA, 0xAA, 0xAA, 0xAA
            ]
        );
    }

    #[test]
    fn sizes_are_told_without_muxing() {
        for program in [WITH_SOUND, SILENT] {
            for (bytes, pts, dts, key) in [
                (1, 9_000, 9_000, true),
                (5_000, 9_000, 0, false),
                (5_001, 9_000, 3_600, true),
                (70_000, 5, 5, false),
            ] {
                let mut out = Vec::new();
                video(
                    &mut out,
                    program,
                    &vec![1; bytes],
                    pts,
                    dts,
                    key.then_some(WALL),
                );
                assert_eq!(out.len() as u64, video_bytes(program, bytes, pts, dts, key));
            }
        }
        let mut out = Vec::new();
        audio(&mut out, &[0xD5; 320], 1 << 32);
        assert_eq!(out.len() as u64, audio_bytes(320));
    }
}
