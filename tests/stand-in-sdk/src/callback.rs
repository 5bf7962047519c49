//! The caller's data callbacks.

use crate::layout::{DataFn, DataFn32};
use crate::sdk::UserPointer;

/// Longest run of bytes given to a callback at once.
pub const MAX_CALLBACK_BYTES: usize = 5120;

/// A data callback with what the caller wants back.
#[derive(Debug, Clone, Copy)]
pub enum DataCallback {
    /// With a pointer.
    Full(DataFn, UserPointer),
    /// With a 32-bit number.
    Short(DataFn32, u32),
}

impl DataCallback {
    /// Hands `bytes` over in pieces of at most 5120; the pointer is never NULL, even without bytes.
    pub fn give(self, handle: i32, kind: u32, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.call(handle, kind, &mut [0], 0);
        }
        let mut unit = [0; MAX_CALLBACK_BYTES];
        for piece in bytes.chunks(MAX_CALLBACK_BYTES) {
            let copy = &mut unit[..piece.len()];
            copy.copy_from_slice(piece); // the callback may write into what it is given
            self.call(handle, kind, copy, piece.len() as u32);
        }
    }

    fn call(self, handle: i32, kind: u32, buffer: &mut [u8], length: u32) {
        let pointer = buffer.as_mut_ptr();
        match self {
            // SAFETY: the caller gave a function of this type, valid until it stops the stream; the buffer outlives
            // the call and has `length` bytes.
            Self::Full(function, user) => unsafe {
                function(handle, kind, pointer, length, user.0)
            },
            // SAFETY: as above.
            Self::Short(function, user) => unsafe { function(handle, kind, pointer, length, user) },
        }
    }
}
