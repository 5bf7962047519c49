//! The VOD playlist of a range (P1): completed recordings as HLS version 7, byte ranges of the kept files.
//!
//! Nothing is made for it: a kept file has one fragment per group of pictures, so a segment is a few neighbouring
//! fragments, and the head of the file is the initialisation part. Between two recordings stands a discontinuity, also
//! where no time is missing, because each file begins with timestamps of its own; true time is told after each.

use std::fmt::Write;

use wire::ids::RecordingId;

use crate::catalog::recordings::Held;
use crate::model::time::{UtcRange, UtcTime};

/// Fragments are joined until a segment is this long: a camera with a key picture every quarter of a second would make
/// a playlist of megabytes otherwise.
const SEGMENT_MS_MIN: u64 = 2_000;

/// Most segments of a playlist: more than a day of 25 hours in segments of two seconds; about 5 MB of text.
const SEGMENTS_MAX: usize = 50_000;

/// The range holds more than one playlist can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range holds more than {SEGMENTS_MAX} segments; ask for a shorter one, such as a day")]
pub struct TooLong;

/// A playlist under construction: recordings are added in the order of their start.
#[derive(Debug)]
pub struct Vod {
    range: UtcRange,
    stretches: Vec<Stretch>,
    segments: usize,
    /// Up to where footage has been listed: what a later recording repeats is left out.
    covered_to: UtcTime,
}

/// What a playlist shows of one recording.
#[derive(Debug)]
struct Stretch {
    recording: RecordingId,
    start: UtcTime,
    init_bytes: u64,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    offset: u64,
    bytes: u64,
    duration_ms: u64,
}

impl Vod {
    /// A playlist of what touches the range.
    pub fn new(range: UtcRange) -> Self {
        Self {
            range,
            stretches: Vec::new(),
            segments: 0,
            covered_to: range.from,
        }
    }

    /// Adds what a recording holds of the range. One without fragments (pictures that no player reads) adds nothing.
    pub fn add(&mut self, held: &Held) -> Result<(), TooLong> {
        let index = &held.fragments;
        let Some(first) = index.fragments.first() else {
            return Ok(());
        };
        let mut stretch: Option<Stretch> = None;
        for fragment in &index.fragments {
            let from_first = fragment.start_ms.saturating_sub(first.start_ms);
            let start = held.recording.start_utc.plus_ms(from_first.cast_signed());
            let end = start.plus_ms(fragment.duration_ms.cast_signed());
            if start >= self.range.to {
                break;
            }
            if end <= self.covered_to {
                continue;
            }
            let stretch = stretch.get_or_insert_with(|| Stretch {
                recording: held.recording.id,
                start,
                init_bytes: index.init_bytes,
                segments: Vec::new(),
            });
            match stretch.segments.last_mut() {
                Some(last) if last.takes(fragment.offset, fragment.duration_ms) => {
                    last.bytes += fragment.bytes;
                    last.duration_ms += fragment.duration_ms;
                }
                _ => {
                    self.segments += 1;
                    if self.segments > SEGMENTS_MAX {
                        return Err(TooLong);
                    }
                    stretch.segments.push(Segment {
                        offset: fragment.offset,
                        bytes: fragment.bytes,
                        duration_ms: fragment.duration_ms,
                    });
                }
            }
        }
        if let Some(stretch) = stretch {
            self.covered_to = self.covered_to.max(stretch.end());
            self.stretches.push(stretch);
        }
        Ok(())
    }

    /// The playlist; none when nothing of the range can be played.
    pub fn finish(self) -> Option<String> {
        let first = self.stretches.first()?;
        let longest_ms = self
            .stretches
            .iter()
            .flat_map(|stretch| &stretch.segments)
            .map(|segment| segment.duration_ms)
            .max()?;
        let mut text = String::with_capacity(300 + self.segments * 110);
        text.push_str("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-PLAYLIST-TYPE:VOD\n");
        line(
            &mut text,
            format_args!(
                "#EXT-X-TARGETDURATION:{}",
                longest_ms.div_ceil(1_000).max(1)
            ),
        );
        text.push_str("#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        // The first fragment begins at a key picture before the asked instant; players begin at the instant itself.
        let ahead_ms = self.range.from.ms_since(first.start);
        if ahead_ms > 0 {
            line(
                &mut text,
                format_args!(
                    "#EXT-X-START:TIME-OFFSET={},PRECISE=YES",
                    seconds(ahead_ms.cast_unsigned())
                ),
            );
        }
        for (n, stretch) in self.stretches.iter().enumerate() {
            if n > 0 {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            stretch.write(&mut text);
        }
        text.push_str("#EXT-X-ENDLIST\n");
        Some(text)
    }
}

impl Segment {
    /// Whether the fragment at `offset` becomes part of this segment.
    fn takes(&self, offset: u64, duration_ms: u64) -> bool {
        let next = self.offset + self.bytes == offset;
        // A fragment without a duration of its own cannot stand alone in a playlist.
        next && (self.duration_ms + duration_ms <= SEGMENT_MS_MIN
            || self.duration_ms == 0
            || duration_ms == 0)
    }
}

impl Stretch {
    fn end(&self) -> UtcTime {
        let length_ms: u64 = self.segments.iter().map(|s| s.duration_ms).sum();
        self.start.plus_ms(length_ms.cast_signed())
    }

    fn write(&self, text: &mut String) {
        // The same path at the appliance and behind the relay. The query means nothing to either: FFmpeg and what is
        // built on it refuse segments whose address does not end like a media file.
        let uri = format!("/api/v1/recordings/{}/media?as=.mp4", self.recording);
        line(
            text,
            format_args!(
                "#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{}@0\"",
                self.init_bytes
            ),
        );
        line(
            text,
            format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date_time(self.start)),
        );
        for segment in &self.segments {
            line(
                text,
                format_args!("#EXTINF:{},", seconds(segment.duration_ms)),
            );
            line(
                text,
                format_args!("#EXT-X-BYTERANGE:{}@{}", segment.bytes, segment.offset),
            );
            line(text, format_args!("{uri}"));
        }
    }
}

/// An instant to the millisecond, as playlists write it.
pub fn date_time(at: UtcTime) -> String {
    UtcTime::from_micros(at.micros().div_euclid(1_000) * 1_000).to_string()
}

/// Milliseconds as seconds with three digits.
pub fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// Adds a line to a text.
pub fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    text.write_fmt(content)
        .and_then(|()| text.write_char('\n'))
        .expect("a String takes everything");
}

#[cfg(test)]
mod tests;
