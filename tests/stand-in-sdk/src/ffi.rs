//! Crossing the C boundary: text and structs in, text and structs out.

use std::ffi::{CStr, c_char, c_void};

use crate::codes::error;
use crate::layout::Layout;

/// Copies `text` into a fixed array, cut where it does not fit; the rest becomes zero.
pub fn fill(target: &mut [u8], text: &str) {
    fill_bytes(target, text.as_bytes());
}

/// The same for a text that is in another code page.
pub fn fill_bytes(target: &mut [u8], bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(target.len())];
    target.fill(0);
    target[..bytes.len()].copy_from_slice(bytes);
}

/// The text in a fixed array: up to the first NUL or to its end.
pub fn text_in(array: &[u8]) -> String {
    let end = array
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(array.len());
    String::from_utf8_lossy(&array[..end]).into_owned()
}

/// The text behind a pointer; error 17 for NULL.
///
/// # Safety
/// `pointer` is NULL or points to a NUL-terminated string.
pub unsafe fn text_at(pointer: *const c_char) -> Result<String, u32> {
    if pointer.is_null() {
        return Err(error::PARAMETER_ERROR);
    }
    // SAFETY: not NULL, and the caller promises the terminator.
    Ok(unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned())
}

/// The struct behind a pointer; error 17 for NULL.
///
/// # Safety
/// `pointer` is NULL or points to a readable `T`.
pub unsafe fn read<T: Layout>(pointer: *const T) -> Result<T, u32> {
    if pointer.is_null() {
        return Err(error::PARAMETER_ERROR);
    }
    // SAFETY: not NULL and readable; callers written in C need not align it.
    Ok(unsafe { pointer.read_unaligned() })
}

/// Writes a struct behind a pointer; error 17 for NULL.
///
/// # Safety
/// `pointer` is NULL or points to a writable `T`.
pub unsafe fn write<T: Layout>(pointer: *mut T, value: T) -> Result<(), u32> {
    if pointer.is_null() {
        return Err(error::PARAMETER_ERROR);
    }
    // SAFETY: not NULL and writable; callers written in C need not align it.
    unsafe { pointer.write_unaligned(value) };
    Ok(())
}

/// Writes a struct into a buffer of `size` bytes: error 17 for NULL, 43 when it does not fit.
///
/// # Safety
/// `buffer` is NULL or has `size` writable bytes.
pub unsafe fn write_sized<T: Layout>(buffer: *mut c_void, size: u32, value: T) -> Result<u32, u32> {
    if !buffer.is_null() && (size as usize) < size_of::<T>() {
        return Err(error::NOENOUGH_BUF);
    }
    // SAFETY: the buffer has room for a T, as was just checked.
    unsafe { write(buffer.cast::<T>(), value) }?;
    Ok(size_of::<T>() as u32)
}
