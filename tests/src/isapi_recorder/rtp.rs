//! Access units as RTP packets, interleaved into a TCP connection (RFC 6184, RFC 7798, RFC 3551, RFC 2326 §10.12).

use hcnetsdk::reel::{AudioCodec, VideoCodec};

/// Most bytes of a payload.
const PAYLOAD_BYTES: usize = 1_400;

/// One RTP stream.
#[derive(Debug)]
pub struct Track {
    /// Interleaved channel.
    pub channel: u8,
    payload_type: u8,
    sequence: u16,
    ssrc: u32,
}

impl Track {
    /// A stream that has sent nothing.
    pub fn new(channel: u8, payload_type: u8) -> Self {
        Self {
            channel,
            payload_type,
            sequence: 1,
            ssrc: 0x5EED_0000 + u32::from(channel),
        }
    }

    /// The next sequence number.
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Appends a picture in Annex B.
    pub fn video(&mut self, out: &mut Vec<u8>, codec: VideoCodec, unit: &[u8], timestamp: u32) {
        let nals: Vec<&[u8]> = split(unit);
        for (n, nal) in nals.iter().enumerate() {
            let last_nal = n + 1 == nals.len();
            if nal.len() <= PAYLOAD_BYTES {
                self.packet(out, &[], nal, timestamp, last_nal);
                continue;
            }
            // Fragments: the header of the unit is told apart, and what remains is cut.
            let (head, body) = match codec {
                VideoCodec::H264 => nal.split_at(1),
                VideoCodec::H265 => nal.split_at(2),
            };
            let pieces: Vec<&[u8]> = body.chunks(PAYLOAD_BYTES).collect();
            for (piece_no, piece) in pieces.iter().enumerate() {
                let last = piece_no + 1 == pieces.len();
                let ends = u8::from(piece_no == 0) << 7 | u8::from(last) << 6;
                let header = match codec {
                    VideoCodec::H264 => vec![head[0] & 0xE0 | 28, ends | head[0] & 0x1F],
                    VideoCodec::H265 => {
                        let kind = head[0] >> 1 & 0x3F;
                        vec![head[0] & 0x81 | 49 << 1, head[1], ends | kind]
                    }
                };
                self.packet(out, &header, piece, timestamp, last && last_nal);
            }
        }
    }

    /// Appends a piece of G.711.
    pub fn audio(&mut self, out: &mut Vec<u8>, samples: &[u8], timestamp: u32) {
        self.packet(out, &[], samples, timestamp, false);
    }

    fn packet(
        &mut self,
        out: &mut Vec<u8>,
        header: &[u8],
        payload: &[u8],
        timestamp: u32,
        marker: bool,
    ) {
        let length = 12 + header.len() + payload.len();
        out.extend_from_slice(&[b'$', self.channel]);
        out.extend_from_slice(&(length as u16).to_be_bytes());
        out.extend_from_slice(&[0x80, u8::from(marker) << 7 | self.payload_type]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(header);
        out.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// The NAL units of an access unit, without start codes.
pub fn split(unit: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= unit.len() {
        if unit[at..at + 3] == [0, 0, 1] {
            starts.push(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    let mut nals = Vec::new();
    for (n, start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).map_or(unit.len(), |next| next - 3);
        let mut nal = &unit[*start..end];
        // The zero of a longer start code belongs to no unit.
        while let [rest @ .., 0] = nal {
            nal = rest;
        }
        if !nal.is_empty() {
            nals.push(nal);
        }
    }
    nals
}

/// Payload type and name of the sound.
pub fn audio_format(codec: AudioCodec) -> (u8, &'static str) {
    match codec {
        AudioCodec::G711u => (0, "PCMU"),
        AudioCodec::G711a => (8, "PCMA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_behind_both_start_codes() {
        let unit = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 5,
        ];
        let nals = split(&unit);
        assert_eq!(nals, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4, 5]]);
    }

    #[test]
    fn large_units_are_cut_and_marked() {
        let mut track = Track::new(0, 96);
        let mut unit = vec![0, 0, 1, 0x65];
        unit.extend(std::iter::repeat_n(7, 3_000));
        let mut out = Vec::new();
        track.video(&mut out, VideoCodec::H264, &unit, 9);
        let mut heads = Vec::new();
        let mut at = 0;
        while at < out.len() {
            let length = usize::from(u16::from_be_bytes([out[at + 2], out[at + 3]]));
            heads.push((out[at + 5] >> 7, out[at + 16], out[at + 17]));
            at += 4 + length;
        }
        assert_eq!(heads, [(0, 0x7C, 0x85), (0, 0x7C, 0x05), (1, 0x7C, 0x45)]);
    }
}
