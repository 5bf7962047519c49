//! Where the fragments of a kept file lie: what playback turns into byte ranges without opening the file.

use serde::{Deserialize, Serialize};

/// The fragments of one kept file (fragmented MP4, one fragment per GOP).
///
/// Written as JSON beside the row and in the sidecar: `{"init_bytes":I,"fragments":[[offset,bytes,start_ms,duration_ms],…]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FragmentIndex {
    /// Bytes of `ftyp` and `moov` at the head of the file: a player's initialisation segment.
    pub init_bytes: u64,
    /// The fragments in the order of the file.
    pub fragments: Vec<Fragment>,
}

/// One fragment: `moof` and its `mdat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 4]", into = "[u64; 4]")]
pub struct Fragment {
    /// First byte in the file.
    pub offset: u64,
    /// Length.
    pub bytes: u64,
    /// First picture, from the start of the file.
    pub start_ms: u64,
    /// Until the next fragment's first picture.
    pub duration_ms: u64,
}

impl From<[u64; 4]> for Fragment {
    fn from([offset, bytes, start_ms, duration_ms]: [u64; 4]) -> Self {
        Self {
            offset,
            bytes,
            start_ms,
            duration_ms,
        }
    }
}

impl From<Fragment> for [u64; 4] {
    fn from(f: Fragment) -> Self {
        [f.offset, f.bytes, f.start_ms, f.duration_ms]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_compactly_and_read_back() {
        let index = FragmentIndex {
            init_bytes: 800,
            fragments: vec![Fragment {
                offset: 800,
                bytes: 5_000,
                start_ms: 0,
                duration_ms: 2_000,
            }],
        };
        let text = serde_json::to_string(&index).unwrap();
        assert_eq!(
            text,
            r#"{"init_bytes":800,"fragments":[[800,5000,0,2000]]}"#
        );
        assert_eq!(serde_json::from_str::<FragmentIndex>(&text).unwrap(), index);
    }
}
