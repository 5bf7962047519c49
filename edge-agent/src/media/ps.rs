//! MPEG program stream as recorders write it: where its groups of pictures begin, and how several parts of one
//! recording are joined without gap or repetition. Pure but for the reader it is given; foreign bytes never panic.
//!
//! A part is a 40-byte media header ("IMKH", ABI §10.3) and packs. A group begins with a pack that carries a system map
//! (ABI §11.1): it holds the recorder's wall clock and the stream types. Parts asked for by time come as whole groups,
//! so neighbours overlap; a group has the same bytes in both.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use jiff::civil::DateTime;

/// Length of the media header.
pub const HEADER_BYTES: u64 = 40;
const MAGIC: &[u8; 4] = b"IMKH";
const SYNC_WINDOW: usize = 256 * 1024;
/// Ticks of a millisecond in MPEG timestamps.
const TICKS_PER_MS: i64 = 90;
/// Timestamps have 33 bits.
const PTS_MODULUS: i64 = 1 << 33;

/// Codec of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// Codec of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC with ADTS headers: may stay as it is.
    Aac,
    /// Anything else: becomes AAC.
    Other,
}

/// What a stream consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Program {
    /// Codec of the pictures; None when it does not say, or is not one that we keep.
    pub video: Option<VideoCodec>,
    /// Codec of the sound; None without sound.
    pub audio: Option<AudioCodec>,
}

impl Program {
    /// As the media header tells it (ABI §10.3); None when these bytes are no media header.
    pub fn from_header(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES as usize)?;
        if &header[..4] != MAGIC {
            return None;
        }
        let video = match u16::from_le_bytes([header[10], header[11]]) {
            0x0100 | 1 => Some(VideoCodec::H264),
            5 => Some(VideoCodec::H265),
            _ => None,
        };
        let audio = match u16::from_le_bytes([header[12], header[13]]) {
            0 => None,
            0x2001 => Some(AudioCodec::Aac),
            _ => Some(AudioCodec::Other),
        };
        Some(Self { video, audio })
    }
}

/// A group of pictures in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Where it begins in the part.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// Presentation time of its first picture, in 90 kHz ticks.
    pub pts: Option<u64>,
    /// Latest presentation time of its pictures.
    pub last_pts: Option<u64>,
    /// The recorder's wall clock at its beginning, packed as the descriptor has it: equal means the same instant,
    /// greater means later.
    pub wall: Option<u64>,
    /// Whether it begins with a system map; what lies before the first one does not.
    pub mapped: bool,
    /// Whether bytes within it belong to no pack: something of it is missing.
    pub damaged: bool,
}

/// What a part consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartLayout {
    /// Length of the media header: 40, or 0 when there is none.
    pub header_bytes: u64,
    /// Codecs: by the first system map, else by the media header.
    pub program: Program,
    /// Its groups, in order.
    pub groups: Vec<Group>,
    /// Bytes that belong to no pack and were skipped.
    pub lost_bytes: u64,
    /// More of them than a media header has lie before the first pack: its beginning is missing.
    pub beheaded: bool,
}

/// Reads the layout of a part. Fails only when reading fails.
pub fn scan(source: impl Read + Seek) -> io::Result<PartLayout> {
    let mut reader = Reader {
        inner: BufReader::with_capacity(SYNC_WINDOW, source),
        at: 0,
    };
    let mut layout = PartLayout::default();
    let mut head = [0; HEADER_BYTES as usize];
    if reader.read_full(&mut head)? == head.len()
        && let Some(program) = Program::from_header(&head)
    {
        layout.header_bytes = HEADER_BYTES;
        layout.program = program;
    } else {
        reader.inner.seek(SeekFrom::Start(0))?;
        reader.at = 0;
    }
    let mut scan = Scan {
        layout,
        pack_at: None,
        from_map: false,
    };
    scan.packets(&mut reader)?;
    let end = reader.at;
    scan.close(end);
    Ok(scan.layout)
}

struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Fills as much of `buffer` as there is.
    fn read_full(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let count = self.inner.read(&mut buffer[filled..])?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        self.at += filled as u64;
        Ok(filled)
    }

    /// Moves on without reading; beyond the end is the end.
    fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 {
            let there = self.inner.fill_buf()?.len() as u64;
            if there == 0 {
                return Ok(());
            }
            let step = there.min(bytes);
            self.inner.consume(step as usize);
            self.at += step;
            bytes -= step;
        }
        Ok(())
    }

    /// Moves to the next pack header at or after here; counts what was passed over.
    fn resync(&mut self) -> io::Result<u64> {
        let begun = self.at;
        let mut window: u32 = u32::MAX;
        loop {
            let buffer = self.inner.fill_buf()?;
            if buffer.is_empty() {
                return Ok(self.at - begun);
            }
            let mut found = None;
            for (n, byte) in buffer.iter().enumerate() {
                window = window << 8 | u32::from(*byte);
                if window == 0x0000_01BA {
                    found = Some(n + 1);
                    break;
                }
            }
            let step = found.unwrap_or(buffer.len());
            self.inner.consume(step);
            self.at += step as u64;
            if found.is_some() {
                // Back to the start code, so that it is read like any other.
                self.inner.seek_relative(-4)?;
                self.at -= 4;
                return Ok(self.at.saturating_sub(begun));
            }
        }
    }
}

struct Scan {
    layout: PartLayout,
    /// Where the pack that is being read begins: a map in it makes it the beginning of a group.
    pack_at: Option<u64>,
    from_map: bool,
}

impl Scan {
    fn packets<R: Read + Seek>(&mut self, reader: &mut Reader<R>) -> io::Result<()> {
        let mut code = [0; 4];
        loop {
            let at = reader.at;
            let got = reader.read_full(&mut code)?;
            if got < 4 {
                self.layout.lost_bytes += got as u64;
                return Ok(());
            }
            match code {
                [0, 0, 1, 0xBA] => self.pack(reader, at)?,
                [0, 0, 1, 0xB9] => {} // end of the stream: some devices write it between stretches
                [0, 0, 1, 0xBC] => self.map(reader)?,
                [0, 0, 1, 0xE0..=0xEF] => self.video(reader)?,
                [0, 0, 1, 0xBB..=0xFF] => {
                    if let Some(length) = read_length(reader)? {
                        reader.skip(u64::from(length))?;
                    }
                }
                _ => {
                    // From the next byte on: a start code may lie across these four.
                    reader.inner.seek_relative(-3)?;
                    reader.at -= 3;
                    self.layout.lost_bytes += 1 + reader.resync()?;
                    if let Some(group) = self.layout.groups.last_mut() {
                        group.damaged = true;
                    }
                }
            }
        }
    }

    fn pack<R: Read + Seek>(&mut self, reader: &mut Reader<R>, at: u64) -> io::Result<()> {
        let mut rest = [0; 10];
        if reader.read_full(&mut rest)? < rest.len() {
            return Ok(());
        }
        // MPEG-2 packs end with stuffing whose length is in the last three bits.
        reader.skip(u64::from(rest[9] & 0x07))?;
        self.pack_at = Some(at);
        if self.layout.groups.is_empty() {
            // A header that is not known is none of the footage.
            let other_header = HEADER_BYTES - self.layout.header_bytes;
            self.layout.beheaded = self.layout.lost_bytes > other_header;
            self.open(at, false);
        }
        Ok(())
    }

    fn map<R: Read + Seek>(&mut self, reader: &mut Reader<R>) -> io::Result<()> {
        let Some(body) = read_body(reader)? else {
            return Ok(());
        };
        let pack_at = self.pack_at.take();
        if let Some(at) = pack_at {
            match self.layout.groups.last_mut() {
                // The very pack that opened the group: it is mapped after all.
                Some(last) if last.offset == at => last.mapped = true,
                _ => {
                    self.close(at);
                    self.open(at, true);
                }
            }
        }
        let Some((wall, program)) = parse_map(&body) else {
            return Ok(());
        };
        if let Some(group) = self.layout.groups.last_mut() {
            group.wall = group.wall.or(wall);
        }
        if !self.from_map {
            self.from_map = true;
            self.layout.program = Program {
                video: program.video.or(self.layout.program.video),
                audio: program.audio,
            };
        }
        Ok(())
    }

    fn video<R: Read + Seek>(&mut self, reader: &mut Reader<R>) -> io::Result<()> {
        let Some(length) = read_length(reader)? else {
            return Ok(());
        };
        let mut head = [0; 8];
        let take = head.len().min(usize::from(length));
        let got = reader.read_full(&mut head[..take])?;
        if let (Some(pts), Some(group)) = (parse_pts(&head[..got]), self.layout.groups.last_mut()) {
            group.pts.get_or_insert(pts);
            group.last_pts = Some(group.last_pts.map_or(pts, |last| later(last, pts)));
        }
        reader.skip(u64::from(length) - take as u64)
    }

    fn open(&mut self, at: u64, mapped: bool) {
        self.layout.groups.push(Group {
            offset: at,
            bytes: 0,
            pts: None,
            last_pts: None,
            wall: None,
            mapped,
            damaged: false,
        });
    }

    fn close(&mut self, at: u64) {
        if let Some(group) = self.layout.groups.last_mut() {
            group.bytes = at.saturating_sub(group.offset);
        }
    }
}

fn read_length<R: Read + Seek>(reader: &mut Reader<R>) -> io::Result<Option<u16>> {
    let mut length = [0; 2];
    let whole = reader.read_full(&mut length)? == 2;
    Ok(whole.then(|| u16::from_be_bytes(length)))
}

fn read_body<R: Read + Seek>(reader: &mut Reader<R>) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = read_length(reader)? else {
        return Ok(None);
    };
    let mut body = vec![0; usize::from(length)];
    let got = reader.read_full(&mut body)?;
    Ok((got == body.len()).then_some(body))
}

/// Wall clock and stream types of a system map, whose start code and length have been read.
fn parse_map(body: &[u8]) -> Option<(Option<u64>, Program)> {
    let info_bytes = usize::from(u16::from_be_bytes([*body.get(2)?, *body.get(3)?]));
    let info = body.get(4..4 + info_bytes)?;
    let rest = body.get(4 + info_bytes..)?;
    let entries_bytes = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
    let mut entries = rest.get(2..2 + entries_bytes)?;
    let mut program = Program::default();
    while let [kind, id, high, low, after @ ..] = entries {
        match (kind, id) {
            (0x1B, _) => program.video = Some(VideoCodec::H264),
            (0x24, _) => program.video = Some(VideoCodec::H265),
            (0x0F, 0xC0..=0xDF) => program.audio = Some(AudioCodec::Aac),
            (_, 0xC0..=0xDF) => program.audio = Some(AudioCodec::Other),
            _ => {}
        }
        entries = after.get(usize::from(u16::from_be_bytes([*high, *low]))..)?;
    }
    Some((wall_clock(info), program))
}

/// The bits of year, month, day, hour, minute, second and millisecond (ABI §11.3) as one number.
fn wall_clock(mut descriptors: &[u8]) -> Option<u64> {
    while let [tag, length, after @ ..] = descriptors {
        let body = after.get(..usize::from(*length))?;
        if *tag == 0x40 && body.len() >= 10 && body.starts_with(b"HK") {
            let mut bits = [0; 8];
            bits[2..].copy_from_slice(&body[4..10]);
            return Some(u64::from_be_bytes(bits) >> 4);
        }
        descriptors = &after[body.len()..];
    }
    None
}

/// The civil time that a packed wall clock stands for; None when there is no such time.
pub fn wall_time(packed: u64) -> Option<DateTime> {
    let field = |low: u32, bits: u32| (packed >> low & ((1 << bits) - 1)) as i32;
    DateTime::new(
        (2000 + field(36, 8)) as i16,
        field(32, 4) as i8,
        field(27, 5) as i8,
        field(22, 5) as i8,
        field(16, 6) as i8,
        field(10, 6) as i8,
        field(0, 10) * 1_000_000,
    )
    .ok()
}

impl Group {
    /// How long its pictures are shown, but for the last one, in milliseconds.
    pub fn length_ms(&self) -> i64 {
        match (self.pts, self.last_pts) {
            (Some(first), Some(last)) => (ticks_between(first, last) / TICKS_PER_MS).max(0),
            _ => 0,
        }
    }
}

/// The presentation time of a PES packet, from the bytes after its length.
fn parse_pts(head: &[u8]) -> Option<u64> {
    let [first, flags, _, a, b, c, d, e] = head else {
        return None;
    };
    if first & 0xC0 != 0x80 || flags & 0x80 == 0 {
        return None;
    }
    let (a, b, c, d, e) = (
        u64::from(*a),
        u64::from(*b),
        u64::from(*c),
        u64::from(*d),
        u64::from(*e),
    );
    Some((a >> 1 & 0x07) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

/// `to - from` in ticks, the short way around the wrap.
fn ticks_between(from: u64, to: u64) -> i64 {
    let difference = (to as i64 - from as i64).rem_euclid(PTS_MODULUS);
    if difference > PTS_MODULUS / 2 {
        difference - PTS_MODULUS
    } else {
        difference
    }
}

fn later(a: u64, b: u64) -> u64 {
    if ticks_between(a, b) > 0 { b } else { a }
}

/// A stretch of bytes of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Which part, counted from 0.
    pub part: usize,
    /// Where it begins.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// Parts joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// What to read, in this order: one header and every group once.
    pub pieces: Vec<Piece>,
    /// Bytes left out because the next part has them too.
    pub overlap_bytes: u64,
    /// Longest time missing between two neighbours, in milliseconds; 0 when they meet.
    pub gap_ms: i64,
}

/// Joins parts in time order. A part gives way at the group with which the next one begins: that one is whole there,
/// while here it may have been cut.
pub fn join(parts: &[PartLayout], sizes: &[u64]) -> Joined {
    let mut joined = Joined::default();
    let mut skip_leading = false;
    for (n, part) in parts.iter().enumerate() {
        let size = sizes.get(n).copied().unwrap_or(0);
        let (begin, leading) = match (n, skip_leading, part.groups.iter().find(|g| g.mapped)) {
            (0, _, _) => (0, 0),
            (_, true, Some(first)) => {
                (first.offset, first.offset.saturating_sub(part.header_bytes))
            }
            _ => (part.header_bytes, 0),
        };
        let seam = parts.get(n + 1).map(|next| seam(part, next));
        let end = match seam {
            Some(Seam::Overlap(offset)) => offset.max(begin),
            _ => size,
        };
        skip_leading = matches!(seam, Some(Seam::Overlap(_)));
        if let Some(Seam::Gap(ms)) = seam {
            joined.gap_ms = joined.gap_ms.max(ms);
        }
        joined.overlap_bytes += (size - end.min(size)) + leading;
        if end > begin {
            joined.pieces.push(Piece {
                part: n,
                offset: begin,
                bytes: end - begin,
            });
        }
    }
    joined
}

enum Seam {
    /// This part has the next one's first group, from this offset on.
    Overlap(u64),
    /// The next part begins where this one ends, or so much later.
    Gap(i64),
}

fn seam(part: &PartLayout, next: &PartLayout) -> Seam {
    let Some(first) = next.groups.iter().find(|g| g.mapped) else {
        return Seam::Gap(0);
    };
    let same = |group: &&Group| match (group.pts, first.pts, group.wall, first.wall) {
        (Some(a), Some(b), Some(x), Some(y)) => a == b && x == y,
        (Some(a), Some(b), _, _) => a == b,
        _ => false,
    };
    if let Some(group) = part.groups.iter().rfind(same) {
        return Seam::Overlap(group.offset);
    }
    // Timestamps that start anew with every request: the wall clock, one per group, tells.
    if let Some(wall) = first.wall
        && let Some(group) = part
            .groups
            .iter()
            .find(|group| group.wall.is_some_and(|have| have >= wall))
    {
        return Seam::Overlap(group.offset);
    }
    let last = part.groups.iter().rev().find_map(|group| group.last_pts);
    match (last, first.pts) {
        (Some(last), Some(pts)) => Seam::Gap((ticks_between(last, pts) / TICKS_PER_MS).max(0)),
        _ => Seam::Gap(0),
    }
}

#[cfg(test)]
mod tests;
