//! MPEG program stream out of access units: what a source without one (RTSP) is turned into, so that live view and
//! remux read the same kind of bytes from every driver. The reverse of `ps.rs`, as little as that reads: a media header,
//! and for each picture a pack, key pictures with a system map.

use super::ps::{HEADER_BYTES, VideoCodec};

/// Lead of the system clock over the presentation time: 200 ms.
const SCR_LEAD: u64 = 18_000;
/// Declared rate, in units of 50 bytes a second: 8 MB/s.
const MUX_RATE: u32 = 160_000;
/// Payload of a packet; its length has 16 bits.
const PAYLOAD_BYTES: usize = 60_000;
const VIDEO_ID: u8 = 0xE0;
const AUDIO_ID: u8 = 0xC0;

/// Codec of the sound that goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// G.711 A-law, 8 kHz mono.
    G711a,
    /// G.711 µ-law, 8 kHz mono.
    G711u,
    /// AAC with ADTS headers.
    Aac,
}

/// Writes one program stream. Pure: everything is appended to a buffer.
#[derive(Debug, Clone, Copy)]
pub struct PsWriter {
    video: VideoCodec,
    sound: Option<Sound>,
}

impl PsWriter {
    /// Of these streams.
    pub fn new(video: VideoCodec, sound: Option<Sound>) -> Self {
        Self { video, sound }
    }

    /// The vendor's media header (ABI §10.3), which stands before everything else.
    pub fn header(&self) -> [u8; HEADER_BYTES as usize] {
        let mut header = [0; HEADER_BYTES as usize];
        header[..4].copy_from_slice(b"IMKH");
        header[4..6].copy_from_slice(&0x0103_u16.to_le_bytes());
        header[8..10].copy_from_slice(&2_u16.to_le_bytes());
        let video: u16 = match self.video {
            VideoCodec::H264 => 0x0100,
            VideoCodec::H265 => 5,
        };
        header[10..12].copy_from_slice(&video.to_le_bytes());
        let sound: u16 = match self.sound {
            None => 0,
            Some(Sound::G711u) => 0x7110,
            Some(Sound::G711a) => 0x7111,
            Some(Sound::Aac) => 0x2001,
        };
        header[12..14].copy_from_slice(&sound.to_le_bytes());
        header
    }

    /// A picture in Annex B. `pts` has 90 kHz ticks and should not go back below the first one's.
    pub fn video(&self, out: &mut Vec<u8>, picture: &[u8], pts: u64, is_key: bool) {
        pack(out, pts.saturating_sub(SCR_LEAD));
        if is_key {
            self.map(out);
        }
        for (n, payload) in picture.chunks(PAYLOAD_BYTES).enumerate() {
            packet(out, VIDEO_ID, payload, (n == 0).then_some(pts));
        }
    }

    /// A piece of sound.
    pub fn audio(&self, out: &mut Vec<u8>, samples: &[u8], pts: u64) {
        for (n, payload) in samples.chunks(PAYLOAD_BYTES).enumerate() {
            packet(out, AUDIO_ID, payload, (n == 0).then_some(pts));
        }
    }

    /// Program stream map: which streams there are.
    fn map(&self, out: &mut Vec<u8>) {
        let video = match self.video {
            VideoCodec::H264 => 0x1B,
            VideoCodec::H265 => 0x24,
        };
        let mut entries = vec![video, VIDEO_ID, 0, 0];
        if let Some(sound) = self.sound {
            let sound = match sound {
                Sound::G711a => 0x90,
                Sound::G711u => 0x91,
                Sound::Aac => 0x0F,
            };
            entries.extend_from_slice(&[sound, AUDIO_ID, 0, 0]);
        }
        let begun = out.len();
        out.extend_from_slice(&[0, 0, 1, 0xBC]);
        out.extend_from_slice(&(entries.len() as u16 + 10).to_be_bytes());
        out.extend_from_slice(&[0xE0, 0xFF, 0, 0]); // current, version 0; no descriptors
        out.extend_from_slice(&(entries.len() as u16).to_be_bytes());
        out.extend_from_slice(&entries);
        let crc = crc32(&out[begun..]);
        out.extend_from_slice(&crc.to_be_bytes());
    }
}

fn pack(out: &mut Vec<u8>, clock: u64) {
    let clock = clock & 0x1_FFFF_FFFF;
    out.extend_from_slice(&[0, 0, 1, 0xBA]);
    // '01', 33 bits with marker bits after 3, 15 and 15, an extension of 0 and a marker.
    let bits = (0b01 << 46)
        | ((clock >> 30 & 0x7) << 43)
        | (1 << 42)
        | ((clock >> 15 & 0x7FFF) << 27)
        | (1 << 26)
        | ((clock & 0x7FFF) << 11)
        | (1 << 10)
        | 1;
    out.extend_from_slice(&bits.to_be_bytes()[2..]);
    out.extend_from_slice(&(MUX_RATE << 2 | 0b11).to_be_bytes()[1..]);
    out.push(0xF8);
}

fn packet(out: &mut Vec<u8>, id: u8, payload: &[u8], pts: Option<u64>) {
    let stamp_bytes = if pts.is_some() { 5 } else { 0 };
    out.extend_from_slice(&[0, 0, 1, id]);
    out.extend_from_slice(&((3 + stamp_bytes + payload.len()) as u16).to_be_bytes());
    out.extend_from_slice(&[
        0x80,
        if pts.is_some() { 0x80 } else { 0 },
        stamp_bytes as u8,
    ]);
    if let Some(pts) = pts {
        out.push(0x21 | ((pts >> 30 & 0x7) as u8) << 1);
        out.extend_from_slice(&(((pts >> 15 & 0x7FFF) as u16) << 1 | 1).to_be_bytes());
        out.extend_from_slice(&(((pts & 0x7FFF) as u16) << 1 | 1).to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// The CRC of MPEG sections: polynomial 04C11DB7, not reflected, all ones at first.
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
    use std::io::Cursor;

    use super::*;
    use crate::media::ps::{self, AudioCodec, Program};

    #[test]
    fn what_is_written_is_read_back() {
        for (sound, read) in [
            (None, None),
            (Some(Sound::G711a), Some(AudioCodec::Other)),
            (Some(Sound::Aac), Some(AudioCodec::Aac)),
        ] {
            let writer = PsWriter::new(VideoCodec::H265, sound);
            let mut out = writer.header().to_vec();
            let (first, last) = ((1 << 32) + 5, (1 << 32) + 90_005);
            writer.video(&mut out, &vec![7; 130_000], first, true);
            if sound.is_some() {
                writer.audio(&mut out, &[0xD5; 320], first);
            }
            writer.video(&mut out, &[8; 100], first + 3_600, false);
            writer.video(&mut out, &[9; 100], last, true);
            let layout = ps::scan(Cursor::new(&out)).unwrap();
            let program = Program {
                video: Some(VideoCodec::H265),
                audio: read,
            };
            assert_eq!((layout.program, layout.lost_bytes), (program, 0));
            assert_eq!(layout.groups.len(), 2);
            let group = &layout.groups[0];
            assert!(group.mapped);
            assert_eq!(
                (group.pts, group.last_pts),
                (Some(first), Some(first + 3_600))
            );
            assert_eq!(layout.groups[1].pts, Some(last));
        }
    }
}
