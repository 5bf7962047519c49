//! Fragmented MP4 as it comes out of a pipe, cut into the initialisation part and fragments. Pure, bounded.

use bytes::{Bytes, BytesMut};

use super::mp4::{Mp4Error, Tracks, broken, parse_moof, parse_moov};

/// Largest box that is waited for: a group of a minute at 8 Mbit/s.
const BOX_BYTES_MAX: usize = 64 << 20;

/// What came out whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// `ftyp` and `moov`.
    Init {
        /// The bytes.
        bytes: Bytes,
        /// Picture width.
        width: u32,
        /// Picture height.
        height: u32,
    },
    /// `moof` and `mdat`: a group of pictures and the sound that belongs to it.
    Fragment {
        /// The bytes.
        bytes: Bytes,
        /// How long its pictures last; 0 when it holds sound only.
        duration_ms: u64,
        /// How many there are.
        pictures: u64,
    },
}

/// Cuts a stream.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: BytesMut,
    /// Boxes that belong to the piece that is growing.
    head: BytesMut,
    tracks: Option<Tracks>,
    /// Duration and pictures of the `moof` in `head`.
    pending: Option<(u64, u64)>,
}

impl Splitter {
    /// Takes more of the stream and gives what is whole now.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, Mp4Error> {
        self.buffer.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while let Some(found) = self.next_box()? {
            pieces.extend(self.take(found)?);
        }
        Ok(pieces)
    }

    fn next_box(&mut self) -> Result<Option<Bytes>, Mp4Error> {
        let Some(length) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if !(8..=BOX_BYTES_MAX).contains(&length) {
            return Err(broken(format!("a box of {length} bytes in a live stream")));
        }
        Ok((self.buffer.len() >= length).then(|| self.buffer.split_to(length).freeze()))
    }

    fn take(&mut self, found: Bytes) -> Result<Option<Piece>, Mp4Error> {
        let (kind, body) = (&found[4..8], &found[8..]);
        match kind {
            b"ftyp" => {
                self.head = BytesMut::from(&found[..]);
                Ok(None)
            }
            b"moov" => {
                let tracks = parse_moov(body)?;
                let (width, height) = (tracks.pictures.width, tracks.pictures.height);
                self.tracks = Some(tracks);
                self.head.extend_from_slice(&found);
                let bytes = std::mem::take(&mut self.head).freeze();
                Ok(Some(Piece::Init {
                    bytes,
                    width,
                    height,
                }))
            }
            b"moof" => {
                let tracks = self
                    .tracks
                    .as_ref()
                    .ok_or_else(|| broken("moof before moov"))?;
                let video = parse_moof(body, tracks, 0)?.video;
                self.pending = Some(video.map_or((0, 0), |v| (v.duration_ms, v.pictures)));
                self.head = BytesMut::from(&found[..]);
                Ok(None)
            }
            b"mdat" => {
                let (duration_ms, pictures) = self
                    .pending
                    .take()
                    .ok_or_else(|| broken("mdat without its moof"))?;
                self.head.extend_from_slice(&found);
                let bytes = std::mem::take(&mut self.head).freeze();
                Ok(Some(Piece::Fragment {
                    bytes,
                    duration_ms,
                    pictures,
                }))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::mp4::tests::sample;
    use super::*;

    fn split(bytes: &[u8], step: usize) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        bytes
            .chunks(step)
            .flat_map(|chunk| splitter.push(chunk).unwrap())
            .collect()
    }

    #[test]
    fn pieces_are_the_same_however_the_stream_is_cut() {
        let bytes = sample();
        let whole = split(&bytes, bytes.len());
        assert!(matches!(whole[0], Piece::Init { .. }));
        let durations: Vec<u64> = whole
            .iter()
            .filter_map(|piece| match piece {
                Piece::Fragment { duration_ms, .. } => Some(*duration_ms),
                Piece::Init { .. } => None,
            })
            .collect();
        assert_eq!(durations, [1_000, 500, 0]);
        for step in [1, 3, 7, 50, 333] {
            assert_eq!(split(&bytes, step), whole);
        }
        let glued: usize = whole
            .iter()
            .map(|piece| match piece {
                Piece::Init { bytes, .. } | Piece::Fragment { bytes, .. } => bytes.len(),
            })
            .sum();
        assert_eq!(glued + 8, bytes.len(), "all but the empty mfra");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), step in 1usize..90) {
            let mut splitter = Splitter::default();
            for chunk in bytes.chunks(step) {
                if splitter.push(chunk).is_err() {
                    break;
                }
            }
        }
    }
}
