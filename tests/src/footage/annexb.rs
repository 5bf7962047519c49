//! Annex B: finding parameter sets in access units.

use hcnetsdk::reel::VideoCodec;

/// The latest parameter sets of a stream, as they stood in it.
#[derive(Debug, Default)]
pub struct ParameterSets {
    bytes: Vec<u8>,
}

impl ParameterSets {
    /// Whether `unit` carries parameter sets; if so they are remembered.
    pub fn seen_in(&mut self, unit: &[u8], codec: VideoCodec) -> bool {
        let sets: Vec<u8> = nals(unit)
            .filter(|nal| is_parameter_set(nal, codec))
            .flat_map(with_start_code)
            .collect();
        let seen = !sets.is_empty();
        if seen {
            self.bytes = sets;
        }
        seen
    }

    /// Whether none were seen yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The sets, each behind a start code.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn with_start_code(nal: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1], nal].concat()
}

fn is_parameter_set(nal: &[u8], codec: VideoCodec) -> bool {
    let Some(first) = nal.first() else {
        return false;
    };
    match codec {
        VideoCodec::H264 => matches!(first & 0x1F, 7 | 8),
        VideoCodec::H265 => matches!(first >> 1 & 0x3F, 32..=34),
    }
}

/// The NAL units of an access unit without their start codes.
fn nals(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> = (0..unit.len().saturating_sub(2))
        .filter(|at| unit[*at..*at + 3] == [0, 0, 1])
        .map(|at| at + 3)
        .collect();
    let ends: Vec<usize> = starts
        .iter()
        .skip(1)
        .map(|start| start - 3)
        .chain([unit.len()])
        .collect();
    starts.into_iter().zip(ends).map(|(start, end)| {
        let nal = &unit[start..end];
        // a fourth zero of the next start code is no part of this unit
        &nal[..nal
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_are_found_and_kept() {
        let mut sets = ParameterSets::default();
        let key = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9, 9,
        ];
        assert!(sets.seen_in(&key, VideoCodec::H264));
        assert!(!sets.seen_in(&[0, 0, 1, 0x41, 7], VideoCodec::H264));
        assert_eq!(sets.bytes(), [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);
        assert!(sets.seen_in(&[0, 0, 1, 0x40, 1, 5], VideoCodec::H265));
    }
}
