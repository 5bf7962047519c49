//! Between the library's callback, which must not wait, and a viewer, who may: a bounded queue of stream bytes.
//!
//! When the viewer is too slow the rest of the group of pictures is dropped and counted, so that what does arrive can
//! be decoded: it goes on at the next pack that begins a group (a pack header followed by a program stream map).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::bindings::{DATA_HEADER, DATA_STREAM};

/// Bytes that may wait: eight seconds at 8 Mbit/s.
pub const QUEUE_BYTES_MAX: usize = 8 << 20;

/// Bytes kept from one piece to the next while looking for the beginning of a group: pack header with stuffing, system
/// header and the map's start code are shorter.
const CARRY_BYTES: usize = 256;

/// Container number of MPEG-PS in the 40-byte header.
const CONTAINER_PS: u16 = 2;

/// The queue of one live stream.
#[derive(Debug)]
pub struct LiveQueue {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Dropping until the next group, and what may be the beginning of one.
    dropping: Option<Vec<u8>>,
    /// Whether groups can be told at all.
    is_ps: bool,
    ended: bool,
    dropped: Dropped,
}

/// What did not reach the viewer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// How often dropping began.
    pub times: u64,
    /// Bytes.
    pub bytes: u64,
}

impl LiveQueue {
    /// An empty queue.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            bytes_max,
        }
    }

    /// Takes what the library gives. Never waits for the viewer.
    pub fn push(&self, kind: u32, piece: &[u8]) {
        let mut state = self.lock();
        match kind {
            // The header comes again after each reconnect, and is short enough to be always taken.
            DATA_HEADER => {
                state.is_ps = piece.get(8..10) == Some(&CONTAINER_PS.to_le_bytes());
                state.dropping = None;
                state.accept(piece.to_vec());
            }
            DATA_STREAM => state.push_stream(piece, self.bytes_max),
            // Sound apart from the pictures, overlays and the like would break the program stream.
            _ => return,
        }
        self.changed.notify_one();
    }

    /// No more will come.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    /// The next piece; None when no more will come.
    pub fn pop(&self) -> Option<Vec<u8>> {
        let waiting = |state: &mut State| state.pieces.is_empty() && !state.ended;
        let mut state = self
            .changed
            .wait_while(self.lock(), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        // What still waits when the stream has been ended is of no use to anybody.
        if state.ended {
            return None;
        }
        let piece = state.pieces.pop_front()?;
        state.bytes -= piece.len();
        Some(piece)
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn accept(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    fn push_stream(&mut self, piece: &[u8], bytes_max: usize) {
        let full = self.bytes + piece.len() > bytes_max;
        match self.dropping.take() {
            None if !full => self.accept(piece.to_vec()),
            None => {
                self.dropped.times += 1;
                self.dropped.bytes += piece.len() as u64;
                self.dropping = Some(tail(piece));
            }
            Some(mut carried) => {
                self.dropped.bytes += piece.len() as u64;
                carried.extend_from_slice(piece);
                let begin = if self.is_ps {
                    group_start(&carried)
                } else {
                    Some(carried.len() - piece.len())
                };
                // Half empty, so that a viewer at his limit gets several whole groups and not a piece of each.
                let roomy = self.bytes + piece.len() <= bytes_max / 2;
                match begin {
                    Some(at) if roomy => {
                        self.dropped.bytes -= (carried.len() - at) as u64;
                        self.accept(carried.split_off(at));
                    }
                    _ => self.dropping = Some(tail(&carried)),
                }
            }
        }
    }
}

fn tail(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(CARRY_BYTES)..].to_vec()
}

/// Where a group of pictures begins: a pack header, an optional system header, and a program stream map.
fn group_start(bytes: &[u8]) -> Option<usize> {
    const PACK: [u8; 4] = [0, 0, 1, 0xBA];
    const SYSTEM: [u8; 4] = [0, 0, 1, 0xBB];
    const MAP: [u8; 4] = [0, 0, 1, 0xBC];
    let code_at = |at: usize, code: [u8; 4]| bytes.get(at..at + 4) == Some(&code);
    (0..bytes.len()).find(|&at| {
        if !code_at(at, PACK) {
            return false;
        }
        // The lower three bits of the pack header's last byte count the stuffing behind it.
        let Some(stuffing) = bytes.get(at + 13).map(|byte| usize::from(byte & 7)) else {
            return false;
        };
        let mut next = at + 14 + stuffing;
        if code_at(next, SYSTEM) {
            let Some(&[high, low]) = bytes.get(next + 4..next + 6) else {
                return false;
            };
            next += 6 + usize::from(u16::from_be_bytes([high, low]));
        }
        code_at(next, MAP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(container: u8) -> Vec<u8> {
        let mut header = vec![0; 40];
        header[..4].copy_from_slice(b"IMKH");
        header[8] = container;
        header
    }

    fn pack(stuffing: u8) -> Vec<u8> {
        let mut pack = vec![0, 0, 1, 0xBA, 0x44, 0, 4, 0, 4, 1, 0, 0, 3, 0xF8 | stuffing];
        pack.resize(14 + usize::from(stuffing), 0xFF);
        pack
    }

    fn group(stuffing: u8) -> Vec<u8> {
        let mut group = pack(stuffing);
        group.extend([0, 0, 1, 0xBB, 0, 3, 1, 2, 3]);
        group.extend([0, 0, 1, 0xBC, 0, 2]);
        group
    }

    #[test]
    fn a_group_begins_at_a_pack_with_a_map() {
        assert_eq!(group_start(&[pack(2), group(6)].concat()), Some(16));
        assert_eq!(group_start(&pack(0)), None);
        let without_system = [pack(0), vec![0, 0, 1, 0xBC]].concat();
        assert_eq!(group_start(&without_system), Some(0));
        for cut in 0..group(3).len() - 2 {
            assert_eq!(group_start(&group(3)[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_slow_viewer_loses_whole_groups() {
        let queue = LiveQueue::new(1000);
        queue.push(DATA_HEADER, &header(2));
        queue.push(DATA_STREAM, &[1; 600]);
        queue.push(DATA_STREAM, &[2; 600]); // does not fit
        queue.push(DATA_STREAM, &group(0)); // a group, but the queue is not half empty yet
        queue.push(DATA_STREAM, &[3; 300]);
        assert_eq!(queue.pop().unwrap().len(), 40);
        assert_eq!(queue.pop().unwrap(), [1; 600]);
        queue.push(DATA_STREAM, &[4; 100]); // not the beginning of a group
        let (first, second) = (group(0)[..10].to_vec(), group(0)[10..].to_vec());
        queue.push(DATA_STREAM, &first);
        queue.push(DATA_STREAM, &second);
        queue.push(DATA_STREAM, &[5; 10]);
        assert_eq!(queue.pop().unwrap(), group(0));
        assert_eq!(queue.pop().unwrap(), [5; 10]);
        let lost = 600 + group(0).len() as u64 + 300 + 100;
        assert_eq!(
            queue.dropped(),
            Dropped {
                times: 1,
                bytes: lost
            }
        );
    }

    #[test]
    fn other_containers_go_on_anywhere() {
        let queue = LiveQueue::new(200);
        queue.push(DATA_HEADER, &header(4));
        queue.push(DATA_STREAM, &[1; 70]);
        queue.push(DATA_STREAM, &[2; 100]); // does not fit
        assert_eq!(queue.pop().unwrap().len(), 40);
        assert_eq!(queue.pop().unwrap(), [1; 70]);
        queue.push(DATA_STREAM, &[3; 20]);
        assert_eq!(queue.pop().unwrap(), [3; 20]);
        assert_eq!(
            queue.dropped(),
            Dropped {
                times: 1,
                bytes: 100
            }
        );
    }

    #[test]
    fn an_ended_queue_gives_nothing_more() {
        let queue = LiveQueue::new(100);
        queue.push(DATA_STREAM, &[1; 70]);
        queue.end();
        assert_eq!(queue.pop(), None);
    }
}
