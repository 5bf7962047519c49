//! The newest segments of a stream and their playlist. In memory, bounded; knows nothing of processes or requests.

use std::collections::VecDeque;
use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use crate::model::time::UtcTime;

/// Segments in the playlist.
const LISTED: usize = 6;
/// Segments that stay for players which read an older playlist.
const KEPT: usize = LISTED + 4;
/// Most bytes of all segments: a group of 10 s at 16 Mbit/s is 20 MB.
const BYTES_MAX: usize = 96 << 20;
/// Fewest segments that stay whatever their size; without two nothing plays.
const FEWEST: usize = 2;
/// Groups of pictures are joined until a segment is this long: players ask for each one.
const SEGMENT_MS_MIN: u64 = 1_000;
/// How far the stream's own time may drift from the clock before it is set anew.
const DRIFT_MS_MAX: i64 = 2_000;

/// A file of a stream, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `init-<run>.mp4`.
    Init(u64),
    /// `<sequence>.m4s`.
    Segment(u64),
}

impl std::str::FromStr for Name {
    type Err = ();
    /// Accepts exactly what the playlist writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |digits: &str| {
            let number: u64 = digits.parse().map_err(|_| ())?;
            // One spelling: no sign, no leading zeros.
            (number.to_string() == digits).then_some(number).ok_or(())
        };
        if let Some(digits) = text
            .strip_prefix("init-")
            .and_then(|t| t.strip_suffix(".mp4"))
        {
            Ok(Self::Init(number(digits)?))
        } else if let Some(digits) = text.strip_suffix(".m4s") {
            Ok(Self::Segment(number(digits)?))
        } else {
            Err(())
        }
    }
}

#[derive(Debug)]
struct Segment {
    sequence: u64,
    run: u64,
    bytes: Bytes,
    duration_ms: u64,
    pictures: u64,
    begins: UtcTime,
}

/// Figures over the segments that are kept (L8).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Pictures a second.
    pub frames_per_s: f64,
    /// Bits a second.
    pub bits_per_s: u64,
}

/// The newest segments.
#[derive(Debug, Default)]
pub struct Window {
    inits: VecDeque<(u64, Bytes)>,
    segments: VecDeque<Segment>,
    next_sequence: u64,
    run: u64,
    /// What [`Self::run`] was before the first run.
    before_first_run: u64,
    /// The discontinuity sequence of the first run.
    first_discontinuity: u64,
    /// Longest segment ever, in seconds, rounded up: a playlist may not take its target duration back.
    target_s: u64,
    growing: Growing,
}

/// A segment that is not long enough yet.
#[derive(Debug, Default)]
struct Growing {
    bytes: BytesMut,
    duration_ms: u64,
    pictures: u64,
}

impl Window {
    /// An empty one whose numbers go on from those of every earlier stream of the camera: they begin with the second in
    /// which it begins, and a segment lasts a second at least. So a name never means two things, which players and
    /// their caches rely on, and a player that slept through the end of a stream goes on with the next.
    ///
    /// `discontinuity` is the number that follows those of the camera's earlier streams ([`Self::next_discontinuity`]).
    /// It must stay small: players keep a table that is as long as the number is large (hls.js walks it at each reload
    /// of the playlist, which with seconds for numbers takes it half a minute).
    pub fn new(now: UtcTime, discontinuity: u64) -> Self {
        let first = now.seconds().max(0).cast_unsigned();
        Self {
            next_sequence: first,
            run: first,
            before_first_run: first,
            first_discontinuity: discontinuity,
            ..Self::default()
        }
    }

    /// The discontinuity sequence of a run.
    fn discontinuity(&self, run: u64) -> u64 {
        self.first_discontinuity + run.saturating_sub(self.before_first_run + 1)
    }

    /// The discontinuity sequence that a later stream of the camera begins with.
    pub fn next_discontinuity(&self) -> u64 {
        self.discontinuity(self.run + 1)
    }

    /// The stream begins, or begins again.
    pub fn init(&mut self, bytes: Bytes) {
        let is_shown = self.segments.back().is_some_and(|s| s.run == self.run);
        if is_shown || self.inits.is_empty() {
            self.run += 1;
        } else {
            // A run that showed nothing is not counted: no playlist ever told of it.
            self.inits.pop_back();
        }
        self.growing = Growing::default();
        self.inits.push_back((self.run, bytes));
    }

    /// A group of pictures is there. `now` is when it ended.
    pub fn push(&mut self, bytes: Bytes, duration_ms: u64, pictures: u64, now: UtcTime) {
        // Sound alone goes in front of what it precedes.
        self.growing.bytes.extend_from_slice(&bytes);
        self.growing.duration_ms += duration_ms;
        self.growing.pictures += pictures;
        if self.growing.duration_ms < SEGMENT_MS_MIN {
            return;
        }
        let Growing {
            bytes,
            duration_ms,
            pictures,
        } = std::mem::take(&mut self.growing);
        let bytes = bytes.freeze();
        // Within a run the clock is the stream's: what arrives is early or late by the network. Over days it drifts.
        let by_clock = now.plus_ms(-(duration_ms as i64));
        let begins = self
            .segments
            .back()
            .filter(|last| last.run == self.run)
            .map(|last| last.begins.plus_ms(last.duration_ms as i64))
            .filter(|begins| begins.ms_since(by_clock).abs() <= DRIFT_MS_MAX)
            .unwrap_or(by_clock);
        self.target_s = self.target_s.max(duration_ms.div_ceil(1_000)).max(1);
        self.segments.push_back(Segment {
            sequence: self.next_sequence,
            run: self.run,
            bytes,
            duration_ms,
            pictures,
            begins,
        });
        self.next_sequence += 1;
        self.trim();
    }

    fn trim(&mut self) {
        let too_large = |segments: &VecDeque<Segment>| {
            segments.iter().map(|s| s.bytes.len()).sum::<usize>() > BYTES_MAX
        };
        while self.segments.len() > KEPT
            || (self.segments.len() > FEWEST && too_large(&self.segments))
        {
            self.segments.pop_front();
        }
        let oldest = self
            .segments
            .front()
            .map_or(self.run, |segment| segment.run);
        self.inits.retain(|(run, _)| *run >= oldest);
    }

    /// Whether something can be played.
    pub fn is_ready(&self) -> bool {
        !self.segments.is_empty()
    }

    /// A file.
    pub fn file(&self, name: Name) -> Option<Bytes> {
        match name {
            Name::Init(run) => {
                let init = self.inits.iter().find(|(of, _)| *of == run)?;
                Some(init.1.clone())
            }
            Name::Segment(sequence) => {
                let segment = self.segments.iter().find(|s| s.sequence == sequence)?;
                Some(segment.bytes.clone())
            }
        }
    }

    /// Longest segment so far.
    pub fn target_s(&self) -> u64 {
        self.target_s
    }

    /// Figures over what is kept of the current run.
    pub fn figures(&self) -> Figures {
        let run = self.segments.iter().filter(|s| s.run == self.run);
        let (ms, pictures, bytes) = run.fold((0, 0, 0), |(ms, pictures, bytes), s| {
            (
                ms + s.duration_ms,
                pictures + s.pictures,
                bytes + s.bytes.len() as u64,
            )
        });
        if ms == 0 {
            return Figures::default();
        }
        Figures {
            frames_per_s: pictures as f64 * 1_000.0 / ms as f64,
            bits_per_s: bytes * 8_000 / ms,
        }
    }

    /// The playlist; names in it are relative to it.
    pub fn playlist(&self) -> String {
        let first = self.segments.len().saturating_sub(LISTED);
        // Every run begins with a discontinuity, except the first.
        let first_run = self.segments.get(first).map_or(self.run, |s| s.run);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            self.target_s.max(1),
            self.segments
                .get(first)
                .map_or(self.next_sequence, |s| s.sequence),
            self.discontinuity(first_run),
        );
        let mut run = None;
        for segment in self.segments.iter().skip(first) {
            if run != Some(segment.run) {
                if run.is_some() {
                    text.push_str("#EXT-X-DISCONTINUITY\n");
                }
                // Writing to a String cannot fail.
                let _ = write!(
                    text,
                    "#EXT-X-MAP:URI=\"init-{}.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:{:.3}\n",
                    segment.run,
                    segment.begins.timestamp()
                );
                run = Some(segment.run);
            }
            let _ = writeln!(
                text,
                "#EXTINF:{}.{:03},\n{}.m4s",
                segment.duration_ms / 1_000,
                segment.duration_ms % 1_000,
                segment.sequence
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> UtcTime {
        let noon: UtcTime = "2026-11-03T12:00:00Z".parse().unwrap();
        noon.plus_s(s)
    }

    fn bytes(n: u8) -> Bytes {
        Bytes::from(vec![n; 10])
    }

    #[test]
    fn the_playlist_of_a_stream_that_began_again() {
        let mut window = Window::default();
        window.init(bytes(1));
        window.push(bytes(2), 2_000, 50, at(2));
        window.push(bytes(3), 2_040, 51, at(5));
        window.init(bytes(4));
        window.push(bytes(5), 1_500, 37, at(20));
        assert_eq!(
            window.playlist(),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MAP:URI=\"init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-03T12:00:00.000Z\n\
             #EXTINF:2.000,\n0.m4s\n#EXTINF:2.040,\n1.m4s\n#EXT-X-DISCONTINUITY\n\
             #EXT-X-MAP:URI=\"init-2.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-03T12:00:18.500Z\n\
             #EXTINF:1.500,\n2.m4s\n"
        );
        assert_eq!(window.file(Name::Init(1)), Some(bytes(1)));
        assert_eq!(window.file(Name::Segment(2)), Some(bytes(5)));
        assert_eq!(window.file(Name::Segment(3)), None);
    }

    #[test]
    fn old_segments_leave_and_the_numbers_go_on() {
        let mut window = Window::default();
        window.init(bytes(0));
        window.push(bytes(0), 1_000, 25, at(1));
        window.init(bytes(1));
        for n in 0..30 {
            window.push(bytes(n), 1_000, 25, at(10 + i64::from(n)));
        }
        let playlist = window.playlist();
        assert!(
            playlist.contains("#EXT-X-MEDIA-SEQUENCE:25\n"),
            "{playlist}"
        );
        assert!(
            playlist.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"),
            "{playlist}"
        );
        assert_eq!(playlist.matches(".m4s").count(), LISTED);
        assert_eq!(
            window.file(Name::Segment(21)),
            Some(bytes(20)),
            "just left the list"
        );
        assert_eq!(window.file(Name::Segment(20)), None);
        assert_eq!(window.file(Name::Init(1)), None);
        assert_eq!(window.figures().frames_per_s, 25.0);
    }

    #[test]
    fn sound_alone_is_carried_to_the_next_segment() {
        let mut window = Window::default();
        window.init(bytes(0));
        window.push(Bytes::from_static(b"sound"), 0, 0, at(1));
        window.push(Bytes::from_static(b"pictures"), 1_000, 25, at(2));
        assert_eq!(window.file(Name::Segment(0)).unwrap(), "soundpictures");
    }

    #[test]
    fn a_later_stream_uses_no_name_again() {
        let mut earlier = Window::new(at(0), 7);
        earlier.init(bytes(0));
        for n in 0..20 {
            earlier.push(bytes(0), 1_000, 25, at(1 + n));
        }
        let mut later = Window::new(at(50), earlier.next_discontinuity());
        later.init(bytes(1));
        later.push(bytes(1), 1_000, 25, at(51));
        assert!(
            earlier
                .playlist()
                .contains("#EXT-X-DISCONTINUITY-SEQUENCE:7\n")
        );
        assert!(
            later
                .playlist()
                .contains("#EXT-X-DISCONTINUITY-SEQUENCE:8\n")
        );
        let names = |window: &Window| -> Vec<String> {
            let text = window.playlist();
            let is_name = |l: &&str| l.ends_with(".m4s") || l.starts_with("#EXT-X-MAP");
            text.lines().filter(is_name).map(str::to_owned).collect()
        };
        let used = names(&earlier);
        assert!(names(&later).iter().all(|name| !used.contains(name)));
        assert!(later.next_sequence > earlier.next_sequence);
    }

    #[test]
    fn short_groups_are_joined_and_told_times_follow_the_clock() {
        let mut window = Window::default();
        window.init(bytes(9));
        // A source that begins again before it has shown anything is one run.
        window.init(bytes(0));
        for n in 0..4 {
            window.push(bytes(n), 300, 7, at(1));
        }
        assert_eq!(window.file(Name::Segment(0)).unwrap().len(), 40);
        assert_eq!(window.file(Name::Init(1)), Some(bytes(0)));
        let first = |window: &Window| window.segments.back().unwrap().begins;
        let begun = first(&window);
        window.push(bytes(5), 2_000, 50, at(4));
        assert_eq!(
            first(&window),
            begun.plus_ms(1_200),
            "a second late is the network"
        );
        window.push(bytes(6), 2_000, 50, at(60));
        assert_eq!(first(&window), at(58));
    }

    #[test]
    fn names_have_one_spelling() {
        for good in ["init-1.mp4", "0.m4s", "12.m4s"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".m4s",
            "init-.mp4",
            "01.m4s",
            "+1.m4s",
            "-1.m4s",
            "1.mp4",
            "../1.m4s",
            "init-1.m4s",
            "99999999999999999999.m4s",
            "1.m4s/..",
            "index.m3u8",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
