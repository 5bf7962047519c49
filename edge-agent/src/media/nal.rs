//! Telling encrypted pictures from damaged ones (ABI §14).
//!
//! A recorder that encrypts leaves the container and the NAL headers readable and scrambles the payload. Parameter sets
//! are short, so all of them is scrambled, and their first bytes have few lawful values: a stream whose parameter sets
//! are all there and all nonsense is encrypted. Pictures themselves tell nothing; compressed or encrypted, they look
//! random.

use super::ps::VideoCodec;

/// Most bytes looked at: several groups' parameter sets.
pub const LOOK_BYTES: usize = 4 << 20;

/// Profiles of H.264 (7.3.2.1.1).
const H264_PROFILES: [u8; 17] = [
    44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244,
];

/// Whether the beginning of a program stream holds parameter sets, none of which can be one.
pub fn looks_encrypted(stream: &[u8], codec: VideoCodec) -> bool {
    let (mut lawful, mut nonsense) = (0, 0);
    for nal in nals(&stream[..stream.len().min(LOOK_BYTES)]) {
        match judge(nal, codec) {
            Some(true) => lawful += 1,
            Some(false) => nonsense += 1,
            None => {}
        }
    }
    lawful == 0 && nonsense > 0
}

/// What follows each four-byte start code. Program stream packets begin with three bytes and ids from 0xB9 on, which
/// are no NAL header (the forbidden bit is set).
fn nals(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at + 4 < stream.len() {
            if stream[at..at + 4] == [0, 0, 0, 1] {
                at += 4;
                return Some(&stream[at..]);
            }
            at += 1;
        }
        None
    })
}

/// Whether a parameter set can be one; None when the NAL is none.
fn judge(nal: &[u8], codec: VideoCodec) -> Option<bool> {
    match (codec, nal) {
        (VideoCodec::H264, [head, profile, constraints, level, ..])
            if head & 0x80 == 0 && head & 0x1F == 7 =>
        {
            Some(
                H264_PROFILES.contains(profile)
                    && constraints & 0x03 == 0
                    && (9..=62).contains(level),
            )
        }
        // vps_reserved_0xffff_16bits follows two bytes of flags and counts.
        (VideoCodec::H265, [head, layer, _, _, high, low, ..])
            if head & 0x81 == 0 && head >> 1 == 32 && layer & 0xF8 == 0 =>
        {
            Some(*high == 0xFF && *low == 0xFF)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambled_parameter_sets_are_told_from_lawful_ones() {
        let clear = [
            0, 0, 1, 0xE0, 0, 0, 0, 0, 0, 1, 0x67, 0x4D, 0x40, 0x1F, 0xEC, 0xA0,
        ];
        let scrambled = [
            0, 0, 1, 0xE0, 0, 0, 0, 0, 0, 1, 0x67, 0x9B, 0x17, 0xE2, 0x04, 0x5C,
        ];
        assert!(!looks_encrypted(&clear, VideoCodec::H264));
        assert!(looks_encrypted(&scrambled, VideoCodec::H264));
        // One lawful set among them: damage, not encryption.
        assert!(!looks_encrypted(
            &[scrambled, clear].concat(),
            VideoCodec::H264
        ));

        let clear = [0, 0, 0, 1, 0x40, 0x01, 0x0C, 0x01, 0xFF, 0xFF, 0x01, 0x60];
        let scrambled = [0, 0, 0, 1, 0x40, 0x01, 0x8E, 0x33, 0xD1, 0x0B, 0x70, 0x42];
        assert!(!looks_encrypted(&clear, VideoCodec::H265));
        assert!(looks_encrypted(&scrambled, VideoCodec::H265));
        assert!(!looks_encrypted(&[], VideoCodec::H265));
    }
}
