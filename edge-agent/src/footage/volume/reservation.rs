//! Room that is promised.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Volume;

/// Room promised to one download; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    volume: Volume,
    bytes: AtomicU64,
    written_bytes: u64,
}

impl Volume {
    /// Promises room. Whether there is room is for eviction to say (`evict.rs`), which alone should call this.
    pub fn reserve(&self, bytes: u64) -> Reservation {
        self.0.reserved_bytes.fetch_add(bytes, Ordering::SeqCst);
        Reservation {
            volume: self.clone(),
            bytes: AtomicU64::new(bytes),
            written_bytes: 0,
        }
    }
}

impl Reservation {
    /// Where the room is.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// How much was promised.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// So many bytes of the download lie on the disk now: they are not free any more, so they are not promised twice.
    pub fn note_written(&mut self, bytes: u64) {
        let written = bytes.min(self.bytes());
        let counter = &self.volume.0.written_bytes;
        if written >= self.written_bytes {
            counter.fetch_add(written - self.written_bytes, Ordering::SeqCst);
        } else {
            counter.fetch_sub(self.written_bytes - written, Ordering::SeqCst);
        }
        self.written_bytes = written;
    }

    /// Takes more room for the same download, promised on the same volume.
    pub fn absorb(&mut self, more: Self) {
        debug_assert_eq!(self.volume.id(), more.volume.id());
        // The promise passes over without being given back in between.
        more.volume
            .0
            .reserved_bytes
            .fetch_add(more.bytes(), Ordering::SeqCst);
        self.bytes.fetch_add(more.bytes(), Ordering::SeqCst);
    }

    /// Gives the room back before its time: the disk itself has set it aside (`fallocate`). Nothing of it may have been
    /// noted as written.
    pub fn give_back(&self) {
        let bytes = self.bytes.swap(0, Ordering::SeqCst);
        self.volume
            .0
            .reserved_bytes
            .fetch_sub(bytes, Ordering::SeqCst);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
        let counter = &self.volume.0.written_bytes;
        counter.fetch_sub(self.written_bytes, Ordering::SeqCst);
    }
}
