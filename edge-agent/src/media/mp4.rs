//! The fragment index of a kept file: where its initialisation part ends, and where each fragment lies in the file and
//! in time. Read from the boxes themselves (moov, moof, tfdt, trun, mfra). Bounded; foreign bytes never panic.

use std::io::{self, Read, Seek, SeekFrom};

/// Largest `moov` or `moof` that is read. A group of an hour at 60 pictures a second has a `moof` of under 4 MiB.
const BOX_BYTES_MAX: u64 = 8 << 20;
/// Most fragments of a file: a day of groups of a quarter of a second.
const FRAGMENTS_MAX: usize = 400_000;

/// Why a file is not the fragmented MP4 that we keep.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// It breaks the format, or lacks what every kept file has.
    #[error("not a whole fragmented MP4: {0}")]
    Broken(String),
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

pub(super) fn broken(what: impl Into<String>) -> Mp4Error {
    Mp4Error::Broken(what.into())
}

/// One fragment: a key picture and what follows up to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Where its `moof` begins in the file.
    pub offset: u64,
    /// Length of `moof` and `mdat`.
    pub bytes: u64,
    /// When its first picture is decoded, from the beginning of the file.
    pub start_ms: u64,
    /// How long its pictures last.
    pub duration_ms: u64,
    /// How long the longest shown of them lasts: a hole in the footage is a picture that stands.
    pub longest_ms: u64,
    /// How many there are.
    pub pictures: u64,
}

/// A file taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// `ftyp` and `moov`: what a player needs before any fragment.
    pub init_bytes: u64,
    /// Its fragments in order of time.
    pub fragments: Vec<Fragment>,
    /// Whether it ends with the `mfra` that is written last: without it the writer did not come to its end.
    pub finished: bool,
    /// Its pictures.
    pub video: VideoTrack,
    /// Name of its sound's codec (`aac`); None without sound.
    pub audio_codec: Option<String>,
}

/// What the pictures of a file are, as its initialisation part tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// `h264`, `hevc`; of others the code in the file.
    pub codec: String,
    /// Picture width as coded.
    pub width: u32,
    /// Picture height as coded.
    pub height: u32,
}

impl Container {
    /// How long the pictures last, in milliseconds, holes included.
    pub fn duration_ms(&self) -> u64 {
        match (self.fragments.first(), self.fragments.last()) {
            (Some(first), Some(last)) => {
                (last.start_ms + last.duration_ms).saturating_sub(first.start_ms)
            }
            _ => 0,
        }
    }

    /// Time that is not covered although the clock ran: pictures that stand for longer than `picture_ms_max`.
    pub fn holes_ms(&self, picture_ms_max: u64) -> u64 {
        self.fragments
            .iter()
            .map(|fragment| fragment.longest_ms)
            .filter(|longest| *longest > picture_ms_max)
            .sum()
    }
}

/// Reads the index of a file of `length` bytes.
pub fn read_index(mut file: impl Read + Seek, length: u64) -> Result<Container, Mp4Error> {
    let mut tracks: Option<Tracks> = None;
    let (mut init_bytes, mut fragments) = (0, Vec::new());
    let mut pending: Option<Moof> = None;
    let mut finished = false;
    let mut at = 0;
    while at < length {
        let header = read_header(&mut file, at, length)?;
        match &header.kind {
            b"moov" => {
                tracks = Some(parse_moov(&read_body(&mut file, &header)?)?);
                init_bytes = header.end();
            }
            b"moof" => {
                let tracks = tracks.as_ref().ok_or_else(|| broken("moof before moov"))?;
                if pending.is_some() {
                    return Err(broken("two moof in a row"));
                }
                pending = Some(parse_moof(&read_body(&mut file, &header)?, tracks, at)?);
            }
            b"mdat" => {
                let moof = pending
                    .take()
                    .ok_or_else(|| broken("mdat without its moof"))?;
                add_fragment(&mut fragments, moof, header.end())?;
            }
            b"mfra" => finished = true,
            _ => {}
        }
        at = header.end();
    }
    if pending.is_some() {
        return Err(broken("the last fragment has no data"));
    }
    let tracks = tracks.ok_or_else(|| broken("there is no moov"))?;
    Ok(Container {
        init_bytes,
        fragments,
        finished,
        video: tracks.pictures,
        audio_codec: tracks.audio_codec,
    })
}

fn add_fragment(fragments: &mut Vec<Fragment>, moof: Moof, end: u64) -> Result<(), Mp4Error> {
    let bytes = end - moof.at;
    match (moof.video, fragments.last_mut()) {
        (Some(times), _) => {
            if fragments.len() == FRAGMENTS_MAX {
                return Err(broken(format!(
                    "it has more than {FRAGMENTS_MAX} fragments"
                )));
            }
            fragments.push(Fragment {
                offset: moof.at,
                bytes,
                ..times
            });
        }
        // Sound that outlasts the pictures belongs to the fragment before it.
        (None, Some(last)) => last.bytes = end - last.offset,
        (None, None) => {}
    }
    Ok(())
}

struct Header {
    kind: [u8; 4],
    at: u64,
    header_bytes: u64,
    bytes: u64,
}

impl Header {
    fn end(&self) -> u64 {
        self.at + self.bytes
    }
}

fn read_header(file: &mut (impl Read + Seek), at: u64, length: u64) -> Result<Header, Mp4Error> {
    let cut = || broken(format!("it is cut within a box at byte {at}"));
    if length - at < 8 {
        return Err(cut());
    }
    file.seek(SeekFrom::Start(at))?;
    let mut head = [0; 8];
    file.read_exact(&mut head)?;
    let [a, b, c, d, kind @ ..] = head;
    let (header_bytes, bytes) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (8, length - at),
        1 => {
            if length - at < 16 {
                return Err(cut());
            }
            let mut large = [0; 8];
            file.read_exact(&mut large)?;
            (16, u64::from_be_bytes(large))
        }
        bytes => (8, u64::from(bytes)),
    };
    if bytes < header_bytes {
        return Err(broken(format!("impossible box length at byte {at}")));
    }
    if bytes > length - at {
        return Err(cut());
    }
    Ok(Header {
        kind,
        at,
        header_bytes,
        bytes,
    })
}

fn read_body(file: &mut (impl Read + Seek), header: &Header) -> Result<Vec<u8>, Mp4Error> {
    let bytes = header.bytes - header.header_bytes;
    if bytes > BOX_BYTES_MAX {
        return Err(broken(format!(
            "a {} of {bytes} bytes",
            String::from_utf8_lossy(&header.kind)
        )));
    }
    let mut body = vec![0; bytes as usize];
    file.read_exact(&mut body)?;
    Ok(body)
}

/// The boxes within a box.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Mp4Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = match self.0.first_chunk::<4>() {
            Some(length) if self.0.len() >= 8 => u32::from_be_bytes(*length) as usize,
            _ => 0,
        };
        if bytes < 8 || bytes > self.0.len() {
            self.0 = &[];
            return Some(Err(broken("impossible length of an inner box")));
        }
        let (this, rest) = self.0.split_at(bytes);
        self.0 = rest;
        Some(Ok((&this[4..8], &this[8..])))
    }
}

fn child<'a>(body: &'a [u8], kind: &[u8; 4]) -> Result<Option<&'a [u8]>, Mp4Error> {
    for item in Boxes(body) {
        let (found, inner) = item?;
        if found == kind {
            return Ok(Some(inner));
        }
    }
    Ok(None)
}

fn need<'a>(body: &'a [u8], kind: &[u8; 4]) -> Result<&'a [u8], Mp4Error> {
    child(body, kind)?
        .ok_or_else(|| broken(format!("{} is missing", String::from_utf8_lossy(kind))))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Mp4Error> {
    let four = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .ok_or_else(|| broken("a box is too short"))?;
    Ok(u32::from_be_bytes(*four))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Mp4Error> {
    Ok(u64::from(u32_at(bytes, at)?) << 32 | u64::from(u32_at(bytes, at + 4)?))
}

/// The tracks of a movie, as far as fragments are read with them.
#[derive(Debug, Clone)]
pub(super) struct Tracks {
    video: u32,
    timescale: u64,
    /// What `trex` gives to samples that say nothing of their own.
    default_duration: u32,
    audio_codec: Option<String>,
    /// What the pictures are.
    pub(super) pictures: VideoTrack,
}

/// The first sample entry of a track: its code and content (ISO/IEC 14496-12, 8.5.2).
fn sample_entry(mdia: &[u8]) -> Result<(&[u8], &[u8]), Mp4Error> {
    let stbl = need(need(mdia, b"minf")?, b"stbl")?;
    // Version, flags and number of entries come first.
    let entries = need(stbl, b"stsd")?.get(8..).unwrap_or_default();
    Boxes(entries)
        .next()
        .unwrap_or_else(|| Err(broken("a track does not say what it is")))
}

/// The name under which FFmpeg and people know a codec.
fn codec_name(code: &[u8]) -> String {
    match code {
        b"avc1" | b"avc3" => "h264".to_owned(),
        b"hvc1" | b"hev1" => "hevc".to_owned(),
        b"mp4a" => "aac".to_owned(),
        other => other.escape_ascii().to_string(),
    }
}

/// Reads the content of a `moov`.
pub(super) fn parse_moov(moov: &[u8]) -> Result<Tracks, Mp4Error> {
    let (mut video, mut audio_codec) = (None, None);
    for item in Boxes(moov) {
        let (kind, trak) = item?;
        if kind != b"trak" {
            continue;
        }
        let mdia = need(trak, b"mdia")?;
        let handler = need(mdia, b"hdlr")?.get(8..12).unwrap_or_default();
        if handler == b"soun" {
            audio_codec = Some(codec_name(sample_entry(mdia)?.0));
        }
        if handler == b"vide" {
            let tkhd = need(trak, b"tkhd")?;
            let mdhd = need(mdia, b"mdhd")?;
            let wide = |full: &[u8]| full.first() == Some(&1);
            let id = u32_at(tkhd, if wide(tkhd) { 20 } else { 12 })?;
            let timescale = u64::from(u32_at(mdhd, if wide(mdhd) { 20 } else { 12 })?);
            if timescale == 0 {
                return Err(broken("a timescale of 0"));
            }
            let (code, entry) = sample_entry(mdia)?;
            // Width and height lie behind 24 bytes, 16 bits each.
            let size = u32_at(entry, 24)?;
            let pictures = VideoTrack {
                codec: codec_name(code),
                width: size >> 16,
                height: size & 0xFFFF,
            };
            video = Some((id, timescale, pictures));
        }
    }
    let (video, timescale, pictures) =
        video.ok_or_else(|| broken("there are no pictures in it"))?;
    let mut default_duration = 0;
    if let Some(mvex) = child(moov, b"mvex")? {
        for item in Boxes(mvex) {
            let (kind, trex) = item?;
            if kind == b"trex" && u32_at(trex, 4)? == video {
                default_duration = u32_at(trex, 12)?;
            }
        }
    }
    Ok(Tracks {
        video,
        timescale,
        default_duration,
        audio_codec,
        pictures,
    })
}

/// A `moof` that waits for its `mdat`.
pub(super) struct Moof {
    at: u64,
    /// The pictures' times, place still unknown; None when it holds sound only.
    pub(super) video: Option<Fragment>,
}

/// Reads the content of a `moof` that lies at `at`.
pub(super) fn parse_moof(moof: &[u8], tracks: &Tracks, at: u64) -> Result<Moof, Mp4Error> {
    let mut video = None;
    for item in Boxes(moof) {
        let (kind, traf) = item?;
        if kind == b"traf"
            && let Some(times) = parse_traf(traf, tracks)?
        {
            let ms = |ticks: u64| ticks.saturating_mul(1_000) / tracks.timescale;
            // The difference of two roundings, so that durations add up to the length.
            let (start, end) = (times.start, times.start.saturating_add(times.durations.sum));
            video = Some(Fragment {
                offset: at,
                bytes: 0,
                start_ms: ms(start),
                duration_ms: ms(end) - ms(start),
                longest_ms: ms(times.durations.longest),
                pictures: times.durations.samples,
            });
        }
    }
    Ok(Moof { at, video })
}

/// The video track's samples in a fragment, in its timescale.
struct Times {
    start: u64,
    durations: Durations,
}

#[derive(Default)]
struct Durations {
    sum: u64,
    longest: u64,
    samples: u64,
}

fn parse_traf(traf: &[u8], tracks: &Tracks) -> Result<Option<Times>, Mp4Error> {
    let tfhd = need(traf, b"tfhd")?;
    if u32_at(tfhd, 4)? != tracks.video {
        return Ok(None);
    }
    let flags = u32_at(tfhd, 0)? & 0x00FF_FFFF;
    let mut place = 8;
    place += if flags & 0x01 != 0 { 8 } else { 0 };
    place += if flags & 0x02 != 0 { 4 } else { 0 };
    let each = if flags & 0x08 != 0 {
        u32_at(tfhd, place)?
    } else {
        tracks.default_duration
    };
    let tfdt = need(traf, b"tfdt")?;
    let start = match tfdt.first() {
        Some(1) => u64_at(tfdt, 4)?,
        _ => u64::from(u32_at(tfdt, 4)?),
    };
    let mut durations = Durations::default();
    for item in Boxes(traf) {
        let (kind, trun) = item?;
        if kind == b"trun" {
            let run = trun_durations(trun, each)?;
            durations.sum = durations.sum.saturating_add(run.sum);
            durations.longest = durations.longest.max(run.longest);
            durations.samples = durations.samples.saturating_add(run.samples);
        }
    }
    Ok(Some(Times { start, durations }))
}

fn trun_durations(trun: &[u8], each: u32) -> Result<Durations, Mp4Error> {
    let flags = u32_at(trun, 0)? & 0x00FF_FFFF;
    let samples = u32_at(trun, 4)?;
    if flags & 0x100 == 0 {
        return Ok(Durations {
            sum: u64::from(samples) * u64::from(each),
            longest: u64::from(each),
            samples: samples.into(),
        });
    }
    let mut place = 8;
    place += if flags & 0x01 != 0 { 4 } else { 0 };
    place += if flags & 0x04 != 0 { 4 } else { 0 };
    let row = 4 * (flags >> 8 & 0x0F).count_ones() as usize;
    let rows = trun
        .get(place..)
        .filter(|rows| rows.len() / row >= samples as usize)
        .ok_or_else(|| broken("a trun is shorter than its samples"))?;
    let mut durations = Durations {
        samples: samples.into(),
        ..Durations::default()
    };
    for row in rows.chunks_exact(row).take(samples as usize) {
        let ticks = u64::from(u32_at(row, 0)?);
        durations.sum += ticks;
        durations.longest = durations.longest.max(ticks);
    }
    Ok(durations)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = ((body.len() + 8) as u32).to_be_bytes().to_vec();
        out.extend_from_slice(kind);
        out.extend_from_slice(body);
        out
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    /// Two fragments of 1 s and 0.5 s at a timescale of 1000, the second followed by sound alone.
    pub(crate) fn sample() -> Vec<u8> {
        let tkhd = boxed(b"tkhd", &words(&[0, 0, 0, 1, 0, 0]));
        let mdhd = boxed(b"mdhd", &words(&[0, 0, 0, 1_000, 0]));
        let hdlr = boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide\0\0\0\0");
        let entry = boxed(
            b"avc1",
            &[&[0; 24][..], &1280u16.to_be_bytes(), &720u16.to_be_bytes()].concat(),
        );
        let stsd = boxed(b"stsd", &[words(&[0, 1]), entry].concat());
        let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
        let trak = boxed(
            b"trak",
            &[tkhd, boxed(b"mdia", &[mdhd, hdlr, minf].concat())].concat(),
        );
        let trex = boxed(b"trex", &words(&[0, 1, 1, 40, 0, 0]));
        let moov = boxed(b"moov", &[trak, boxed(b"mvex", &trex)].concat());
        let traf = |track: u32, start: u32, trun: Vec<u8>| {
            let tfhd = boxed(b"tfhd", &words(&[0x02_0000, track]));
            let tfdt = boxed(b"tfdt", &words(&[0, start]));
            boxed(b"traf", &[tfhd, tfdt, boxed(b"trun", &trun)].concat())
        };
        let first = boxed(b"moof", &traf(1, 0, words(&[0, 25])));
        let second = boxed(
            b"moof",
            &traf(1, 1_000, words(&[0x301, 2, 99, 300, 7, 200, 8])),
        );
        let sound = boxed(b"moof", &traf(2, 0, words(&[0, 1])));
        let mdat = boxed(b"mdat", &[0xAA; 50]);
        [
            boxed(b"ftyp", b"iso5\0\0\0\0"),
            moov,
            first,
            mdat.clone(),
            second,
            mdat.clone(),
            sound,
            mdat,
            boxed(b"mfra", &[]),
        ]
        .concat()
    }

    #[test]
    fn fragments_are_found_in_place_and_time() {
        let bytes = sample();
        let container = read_index(Cursor::new(&bytes), bytes.len() as u64).unwrap();
        let index = &container;
        assert!(container.finished && container.audio_codec.is_none());
        let video = &container.video;
        assert_eq!(
            (video.codec.as_str(), video.width, video.height),
            ("h264", 1280, 720)
        );
        let times: Vec<_> = index
            .fragments
            .iter()
            .map(|f| (f.start_ms, f.duration_ms))
            .collect();
        assert_eq!(times, [(0, 1_000), (1_000, 500)]);
        assert_eq!(index.duration_ms(), 1_500);
        assert_eq!(index.fragments[0].offset, index.init_bytes);
        assert_eq!(
            index.fragments[0].offset + index.fragments[0].bytes,
            index.fragments[1].offset
        );
        // The sound at the end counts with the second, and mfra follows.
        assert_eq!(
            index.fragments[1].offset + index.fragments[1].bytes + 8,
            bytes.len() as u64
        );
        assert_eq!(index.fragments[1].longest_ms, 300);
        assert_eq!((index.holes_ms(299), index.holes_ms(300)), (300, 0));
    }

    #[test]
    fn a_file_that_is_cut_is_told() {
        let bytes = sample();
        for cut in [3, 20, 200, bytes.len() - 20] {
            let error = read_index(Cursor::new(&bytes[..cut]), cut as u64);
            assert!(
                matches!(error, Err(Mp4Error::Broken(_))),
                "{cut}: {error:?}"
            );
        }
        let without_mfra = &bytes[..bytes.len() - 8];
        let container = read_index(Cursor::new(without_mfra), without_mfra.len() as u64).unwrap();
        assert!(!container.finished);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read_index(Cursor::new(&bytes), bytes.len() as u64);
        }

        #[test]
        fn a_bitten_file_never_panics(at in 0usize..10_000, byte: u8, cut in 1usize..2_000) {
            let mut bytes = sample();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut);
            if let Ok(container) = read_index(Cursor::new(&bytes), bytes.len() as u64) {
                prop_assert!(container.fragments.iter().all(|f| f.offset + f.bytes <= bytes.len() as u64));
            }
        }
    }
}
