//! The bytes around the entries of a ZIP (PKWARE APPNOTE 6.3.10; section numbers are its own). Pure.
//!
//! Entries are *stored*: video does not compress, and what is stored can be taken out of a damaged archive with any
//! tool. They are written in one pass: the check value of an entry follows it (§4.3.9), so nothing that was written is
//! ever changed. That is why this is not the crate `zip`: an archive that a power cut left half written is a right
//! beginning of the whole one, which is compared and written on; the crate can only begin anew, and needs to go back in
//! the file for what is longer than it was told.
//!
//! Sizes of 4 GiB and more take the ZIP64 forms (§4.3.14, §4.5.3), smaller ones do not, as old programs like it.

use crate::model::time::UtcTime;

/// From here on a size or an offset takes the ZIP64 form.
const LARGE: u64 = 0xffff_ffff;

/// From here on a number of entries does.
const MANY: u64 = 0xffff;

/// What a reader must know: 2.0 for folders, 4.5 for ZIP64 (§4.4.3).
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;

/// Made on Unix, so that the permissions count (§4.4.2).
const MADE_BY_UNIX: u16 = 3 << 8;

/// Check values follow the data (bit 3), names are UTF-8 (bit 11) (§4.4.4).
const FLAGS: u16 = 1 << 3 | 1 << 11;

/// A plain file that its owner may change and everybody may read.
const MODE: u32 = 0o100_644;

/// One entry before its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path within the archive; below 64 KiB.
    pub name: &'a str,
    /// What extracting gives as the time of last change.
    pub modified: UtcTime,
    /// Whether it may have 4 GiB or more: decides the form of what follows the data.
    pub large: bool,
}

/// One entry after its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Where its header begins.
    pub offset: u64,
    /// CRC-32 of its data.
    pub crc: u32,
    /// Bytes of its data.
    pub bytes: u64,
}

/// Whether an entry of so many bytes takes the ZIP64 form.
pub fn is_large(bytes: u64) -> bool {
    bytes >= LARGE
}

/// What stands before the data (§4.3.7). Sizes and check value are zero, because they follow.
pub fn header(entry: Entry<'_>) -> Vec<u8> {
    let mut extra = modified_field(entry.modified);
    if entry.large {
        extra.extend(zip64_field(&[0, 0]));
    }
    let mut out = Vec::with_capacity(30 + entry.name.len() + extra.len());
    put32(&mut out, 0x0403_4b50);
    put16(&mut out, if entry.large { VERSION_ZIP64 } else { VERSION });
    put16(&mut out, FLAGS);
    put16(&mut out, 0); // stored
    put32(&mut out, dos_time(entry.modified));
    put32(&mut out, 0);
    let size = if entry.large { u32::MAX } else { 0 };
    put32(&mut out, size);
    put32(&mut out, size);
    put16(&mut out, short(entry.name.len()));
    put16(&mut out, short(extra.len()));
    out.extend(entry.name.as_bytes());
    out.extend(extra);
    out
}

/// What follows the data (§4.3.9).
pub fn descriptor(large: bool, crc: u32, bytes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    put32(&mut out, 0x0807_4b50);
    put32(&mut out, crc);
    for _ in 0..2 {
        match large {
            true => put64(&mut out, bytes),
            false => put32(&mut out, saturated(bytes)),
        }
    }
    out
}

/// The entry in the directory at the end (§4.3.12).
pub fn directory_entry(entry: Entry<'_>, written: Written) -> Vec<u8> {
    let mut large = Vec::new();
    // Bytes twice: compressed and not. Either all of them or none, whichever reader it is.
    if entry.large || is_large(written.bytes) {
        large.extend([written.bytes, written.bytes]);
    }
    let sizes = if large.is_empty() {
        saturated(written.bytes)
    } else {
        u32::MAX
    };
    if is_large(written.offset) {
        large.push(written.offset);
    }
    let mut extra = modified_field(entry.modified);
    if !large.is_empty() {
        extra.extend(zip64_field(&large));
    }
    let version = if large.is_empty() {
        VERSION
    } else {
        VERSION_ZIP64
    };
    let mut out = Vec::with_capacity(46 + entry.name.len() + extra.len());
    put32(&mut out, 0x0201_4b50);
    put16(&mut out, MADE_BY_UNIX | VERSION_ZIP64);
    put16(&mut out, version);
    put16(&mut out, FLAGS);
    put16(&mut out, 0);
    put32(&mut out, dos_time(entry.modified));
    put32(&mut out, written.crc);
    put32(&mut out, sizes);
    put32(&mut out, sizes);
    put16(&mut out, short(entry.name.len()));
    put16(&mut out, short(extra.len()));
    put16(&mut out, 0); // comment
    put16(&mut out, 0); // disk
    put16(&mut out, 0); // binary
    put32(&mut out, MODE << 16);
    put32(&mut out, saturated(written.offset));
    out.extend(entry.name.as_bytes());
    out.extend(extra);
    out
}

/// The end of the archive: its directory lies at `offset` and has `bytes` bytes (§4.3.14 to 4.3.16).
pub fn end(entries: u64, offset: u64, bytes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(98);
    if entries >= MANY || is_large(offset) || is_large(bytes) {
        put32(&mut out, 0x0606_4b50);
        put64(&mut out, 44); // what follows of this record
        put16(&mut out, MADE_BY_UNIX | VERSION_ZIP64);
        put16(&mut out, VERSION_ZIP64);
        put32(&mut out, 0);
        put32(&mut out, 0);
        put64(&mut out, entries);
        put64(&mut out, entries);
        put64(&mut out, bytes);
        put64(&mut out, offset);
        // Where that record is.
        put32(&mut out, 0x0706_4b50);
        put32(&mut out, 0);
        put64(&mut out, offset + bytes);
        put32(&mut out, 1);
    }
    put32(&mut out, 0x0605_4b50);
    put16(&mut out, 0);
    put16(&mut out, 0);
    for _ in 0..2 {
        put16(&mut out, u16::try_from(entries).unwrap_or(u16::MAX));
    }
    put32(&mut out, saturated(bytes));
    put32(&mut out, saturated(offset));
    put16(&mut out, 0);
    out
}

/// Sizes or offsets that do not fit their places (§4.5.3).
fn zip64_field(values: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + 8 * values.len());
    put16(&mut out, 0x0001);
    put16(&mut out, short(8 * values.len()));
    for value in values {
        put64(&mut out, *value);
    }
    out
}

/// The time of last change in seconds of UTC, as Info-ZIP keeps it: the time of the header itself has no zone.
fn modified_field(at: UtcTime) -> Vec<u8> {
    let mut out = Vec::with_capacity(9);
    put16(&mut out, 0x5455);
    put16(&mut out, 5);
    out.push(1);
    // After 2038 the field cannot tell; readers then take the time of the header.
    let seconds = i32::try_from(at.seconds()).unwrap_or(i32::MAX);
    out.extend(seconds.to_le_bytes());
    out
}

/// Date and time as DOS wrote them, in UTC and steps of two seconds (§4.4.6): from 1980 to 2107.
fn dos_time(at: UtcTime) -> u32 {
    let at = jiff::tz::TimeZone::UTC.to_datetime(at.timestamp());
    let year = i32::from(at.year()) - 1980;
    if !(0..128).contains(&year) {
        return 0x0021_0000; // 1 January 1980
    }
    let bits = |value: i8, shift: u32| u32::from(value.unsigned_abs()) << shift;
    year.unsigned_abs() << 25
        | bits(at.month(), 21)
        | bits(at.day(), 16)
        | bits(at.hour(), 11)
        | bits(at.minute(), 5)
        | bits(at.second() / 2, 0)
}

fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Names and extra fields are ours and short.
fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a name or field of ours is below 64 KiB")
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(large: bool) -> Entry<'static> {
        Entry {
            name: "Gate/a.mp4",
            modified: "2026-11-03T14:05:01Z".parse().unwrap(),
            large,
        }
    }

    #[test]
    fn times_are_as_dos_and_unix_write_them() {
        let at = |text: &str| dos_time(text.parse().unwrap());
        assert_eq!(at("1980-01-01T00:00:00Z"), 1 << 21 | 1 << 16);
        assert_eq!(
            at("2026-11-03T14:05:01Z"),
            46 << 25 | 11 << 21 | 3 << 16 | 14 << 11 | 5 << 5
        );
        assert_eq!(at("1970-01-01T00:00:00Z"), 0x0021_0000);
        let seconds = "2026-11-03T14:05:01Z".parse::<UtcTime>().unwrap().seconds();
        assert_eq!(
            modified_field(entry(false).modified)[5..],
            (seconds as i32).to_le_bytes()
        );
    }

    #[test]
    fn what_is_small_takes_the_old_forms_and_what_is_large_the_new_ones() {
        let small = Written {
            offset: 7,
            crc: 9,
            bytes: LARGE - 1,
        };
        assert_eq!(header(entry(false)).len(), 30 + 10 + 9);
        assert_eq!(descriptor(false, 9, 5).len(), 16);
        assert_eq!(directory_entry(entry(false), small).len(), 46 + 10 + 9);
        assert_eq!(end(MANY - 1, LARGE - 1, 10).len(), 22);
        let large = Written {
            bytes: LARGE,
            ..small
        };
        assert_eq!(header(entry(true)).len(), 30 + 10 + 9 + 20);
        assert_eq!(descriptor(true, 9, 5).len(), 24);
        assert_eq!(directory_entry(entry(true), large).len(), 46 + 10 + 9 + 20);
        let far = Written {
            offset: LARGE,
            ..small
        };
        assert_eq!(directory_entry(entry(false), far).len(), 46 + 10 + 9 + 12);
        for (entries, offset, bytes) in [(MANY, 1, 1), (1, LARGE, 1), (1, 1, LARGE)] {
            assert_eq!(end(entries, offset, bytes).len(), 56 + 20 + 22);
        }
    }
}
