//! Parts of a recording become one fragmented MP4: pictures copied bit for bit, one fragment per group, sound as AAC.
//!
//! FFmpeg reads the parts from its standard input, joined on the way (`ps::join`), so that no joined copy is written;
//! the same bytes are hashed as they pass: they are the recording as the recorder gave it, each group once. What it
//! makes is hashed as it is written, so that the kept file is read once more only where somebody wants to see it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ffmpeg_sidecar::command::FfmpegCommand;
use tokio_util::sync::CancellationToken;

use super::MediaConfig;
use super::process::{Feed, Limits, Log, MediaError, run_into};
use super::ps::{self, AudioCodec, Joined, PartLayout, Program, VideoCodec};
use crate::model::chunks::{Chunks, Digested, Hasher};
use crate::model::staged::{Media, Stretch};

/// Bytes read from a part at a time.
const COPY_BYTES: usize = 1 << 20;
/// Slowest remux that is waited for, in bytes per second; a disk that does less has other troubles.
const SLOWEST_BYTES_PER_S: u64 = 500_000;
/// What is written goes to the disk in steps of so many bytes, beside the writing: little is left to wait for at the
/// end.
const SYNC_BYTES: u64 = 16 << 20;
/// So much may be on its way to the disk before the writer waits for it: a box with little memory does not fill it with
/// what is yet to be written.
const UNSYNCED_BYTES_MAX: u64 = 64 << 20;

/// Parts in time order, looked through once.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where they lie.
    pub parts: Vec<Stretch>,
    /// Codecs.
    pub program: Program,
    /// What to read of them.
    pub joined: Joined,
    /// Bytes that belong to no pack.
    pub lost_bytes: u64,
    /// Digests of its mebibytes, where they are known already because it came as one file.
    pub chunks: Option<Chunks>,
}

impl Source {
    /// Scans the parts and joins them.
    pub fn open(parts: impl IntoIterator<Item: Into<Stretch>>) -> Result<Self, MediaError> {
        let parts: Vec<Stretch> = parts.into_iter().map(Into::into).collect();
        let mut layouts: Vec<PartLayout> = Vec::with_capacity(parts.len());
        let mut sizes = Vec::with_capacity(parts.len());
        for part in &parts {
            let scanned = Window::open(part).and_then(|window| {
                let bytes = window.to - window.from;
                Ok((ps::scan(window)?, bytes))
            });
            let (layout, bytes) = scanned.map_err(|source| MediaError::Io {
                task: format!("read {}", part.path.display()),
                source,
            })?;
            layouts.push(layout);
            sizes.push(bytes);
        }
        let first = layouts.first();
        Ok(Self {
            program: first.map(|layout| layout.program).unwrap_or_default(),
            joined: ps::join(&layouts, &sizes),
            lost_bytes: layouts.iter().map(|layout| layout.lost_bytes).sum(),
            parts,
            chunks: None,
        })
    }

    /// Whether it is all of one file, which is `path`.
    pub fn is_whole(&self, path: &Path) -> bool {
        let ([stretch], [piece]) = (&self.parts[..], &self.joined.pieces[..]) else {
            return false;
        };
        let length = std::fs::metadata(path).map(|about| about.len()).ok();
        stretch.path == path
            && stretch.from == 0
            && piece.offset == 0
            && Some(piece.bytes) == length
    }

    /// Bytes of the joined source.
    pub fn bytes(&self) -> u64 {
        self.joined.pieces.iter().map(|piece| piece.bytes).sum()
    }

    /// Writes the joined source and gives its digests, those of its mebibytes only where they are not known. A reader
    /// that has had enough does not end the hashing; cancelling does.
    pub fn copy_to(&self, to: &mut dyn Write, cancel: &CancellationToken) -> io::Result<Digested> {
        let mut digest = match self.chunks {
            Some(_) => Hasher::whole_only(),
            None => Hasher::both(),
        };
        let mut buffer = vec![0; COPY_BYTES];
        let mut listening = true;
        for piece in &self.joined.pieces {
            let Stretch { path, from, .. } = &self.parts[piece.part];
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            let mut file = File::open(path).map_err(named)?;
            file.seek(SeekFrom::Start(from + piece.offset))
                .map_err(named)?;
            let mut file = file.take(piece.bytes);
            loop {
                let count = file.read(&mut buffer).map_err(named)?;
                if count == 0 {
                    break;
                }
                if cancel.is_cancelled() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                digest.update(&buffer[..count]);
                if listening {
                    match to.write_all(&buffer[..count]) {
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                            listening = false;
                        }
                        other => other?,
                    }
                }
            }
        }
        let mut digested = digest.finish();
        if let Some(known) = &self.chunks {
            digested.chunks = known.clone();
        }
        Ok(digested)
    }
}

/// A stretch of a file, read as if it were a file of its own.
struct Window {
    file: File,
    from: u64,
    to: u64,
    at: u64,
}

impl Window {
    fn open(part: &Stretch) -> io::Result<Self> {
        let mut file = File::open(&part.path)?;
        let length = file.metadata()?.len();
        let from = part.from.min(length);
        let to = part.to.unwrap_or(length).clamp(from, length);
        file.seek(SeekFrom::Start(from))?;
        Ok(Self {
            file,
            from,
            to,
            at: from,
        })
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.to.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = self.file.read(&mut buffer[..most])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(offset) => self.from.checked_add(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.to.checked_add_signed(by),
        };
        let at = at
            .filter(|at| *at >= self.from)
            .ok_or(io::ErrorKind::InvalidInput)?;
        self.at = self.file.seek(SeekFrom::Start(at))?;
        Ok(self.at - self.from)
    }
}

/// What a remux made.
#[derive(Debug)]
pub struct Remuxed {
    /// Digests of the joined source.
    pub source: Digested,
    /// What FFmpeg made of it and complained about; or, when it could make no file of it, why.
    pub outcome: Result<(Media, Log), String>,
}

/// Arguments that read a recorder's stream from standard input and write a fragmented MP4 to the output that follows.
/// Remux and live view share them: what plays live is what is kept.
pub fn arguments(config: &MediaConfig, program: Program, live: bool) -> FfmpegCommand {
    let mut command = FfmpegCommand::new_with_path(&config.ffmpeg);
    command.hide_banner().overwrite();
    // A program stream may announce a stream at any time, so FFmpeg looks until a limit. Live cannot wait for long.
    let (probe_bytes, probe_us) = if live {
        ("2000000", "1000000")
    } else {
        ("50000000", "20000000")
    };
    command.args(["-probesize", probe_bytes, "-analyzeduration", probe_us]);
    if live {
        // G.711 is looked at for 2500 packets (100 s) before FFmpeg believes that it is nothing else.
        command.args(["-fflags", "+nobuffer", "-max_probe_packets", "25"]);
    }
    command.format("mpeg").input("pipe:0");
    command.args(["-map", "0:v:0", "-map", "0:a:0?", "-map_metadata", "-1"]);
    command.codec_video("copy");
    if program.video == Some(VideoCodec::H265) {
        // `hev1` is what FFmpeg would choose and what Apple's players refuse.
        command.args(["-tag:v", "hvc1"]);
    }
    match program.audio {
        Some(AudioCodec::Aac) => command.codec_audio("copy"),
        // Silence where sound is missing keeps it in step with the pictures.
        _ => command
            .codec_audio("aac")
            .args(["-b:a", "32k", "-af", "aresample=async=1"]),
    };
    command.args(["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]);
    command.args(["-max_muxing_queue_size", "4096"]);
    if live {
        command.args(["-flush_packets", "1"]);
    }
    command.format("mp4");
    command
}

/// Makes `output` out of the source. Whatever lies there is replaced.
pub fn remux(
    config: &MediaConfig,
    source: &Source,
    output: &Path,
    cancel: &CancellationToken,
) -> Result<Remuxed, MediaError> {
    let limits = Limits {
        deadline: Duration::from_secs(120 + source.bytes() / SLOWEST_BYTES_PER_S),
        stall: Duration::from_secs(60),
        output_bytes_max: 0,
    };
    let (fed, cancelled) = (source.clone(), cancel.clone());
    let feed = move |to: &mut dyn Write| fed.copy_to(to, &cancelled);
    make(config, source.program, feed, output, limits, cancel)
}

/// Runs FFmpeg between `feed`, which gives the digests of what it fed, and a file.
pub(super) fn make(
    config: &MediaConfig,
    program: Program,
    feed: impl FnOnce(&mut dyn Write) -> io::Result<Digested> + Send + 'static,
    output: &Path,
    limits: Limits,
    cancel: &CancellationToken,
) -> Result<Remuxed, MediaError> {
    let mut command = arguments(config, program, false);
    command.pipe_stdout();
    let (tell, digest) = std::sync::mpsc::sync_channel(1);
    let feed: Feed = Box::new(move |to| {
        tell.send(feed(to)?)
            .map_err(|_| io::Error::other("nobody waits for the digest"))
    });
    let keep = |pipe: &mut dyn Read| keep(pipe, output);
    let outcome = match run_into(command.into(), "remux", Some(feed), keep, limits, cancel) {
        Ok(made) => Ok(made),
        // Footage that cannot be read: what it is (its digest) must be known all the same.
        Err(error @ MediaError::Failed { .. }) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    let source = digest.try_recv().map_err(|_| MediaError::Unreadable {
        task: "remux".to_owned(),
        problem: "the source was not read to its end".to_owned(),
    })?;
    Ok(Remuxed { source, outcome })
}

/// Writes what comes into a new file, and hashes it on the way.
fn keep(from: &mut dyn Read, path: &Path) -> io::Result<Media> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
        _ => {}
    }
    let file = File::create_new(path).map_err(named)?;
    std::thread::scope(|scope| {
        let (due, dues) = std::sync::mpsc::sync_channel::<()>(1);
        let syncing = scope.spawn(|| {
            dues.into_iter()
                .try_for_each(|()| file.sync_data())
                .map_err(named)
        });
        let written = write_hashed(from, &file, |unsynced| match unsynced {
            // A step that is still under way is waited for only when too much has come meanwhile. Nobody hears when
            // syncing has failed: that is told below.
            0..UNSYNCED_BYTES_MAX => due.try_send(()).is_ok(),
            _ => due.send(()).is_ok(),
        });
        drop(due);
        let synced = syncing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let Digested {
            bytes,
            sha256,
            chunks,
        } = written.map_err(named)?;
        synced?;
        Ok(Media {
            path: path.to_owned(),
            bytes,
            sha256,
            chunks,
        })
    })
}

/// Copies to the end and gives length and digests. `sync` hears how much was written since it last said that it
/// would see to it, once that is a step.
fn write_hashed(
    from: &mut dyn Read,
    mut to: &File,
    mut sync: impl FnMut(u64) -> bool,
) -> io::Result<Digested> {
    let mut digest = Hasher::both();
    let mut buffer = vec![0; COPY_BYTES];
    let mut synced = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest.finish());
        }
        to.write_all(&buffer[..count])?;
        digest.update(&buffer[..count]);
        if digest.bytes() - synced >= SYNC_BYTES && sync(digest.bytes() - synced) {
            synced = digest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::picture::{self, Picture};
    use super::super::sample::{self, Kind};
    use super::super::{mp4, probe};
    use super::*;

    struct Kept {
        _dir: tempfile::TempDir,
        path: PathBuf,
        source: Source,
        remuxed: Remuxed,
    }

    fn keep(parts: &[Vec<u8>]) -> Kept {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..parts.len())
            .map(|n| dir.path().join(format!("{n:03}.ps")))
            .collect();
        for (path, bytes) in paths.iter().zip(parts) {
            std::fs::write(path, bytes).unwrap();
        }
        let source = Source::open(paths).unwrap();
        let path = dir.path().join("media.mp4");
        let config = MediaConfig::default();
        let remuxed = remux(&config, &source, &path, &CancellationToken::new()).unwrap();
        Kept {
            _dir: dir,
            path,
            source,
            remuxed,
        }
    }

    fn digested(bytes: &[u8]) -> Digested {
        let mut hasher = Hasher::both();
        hasher.update(bytes);
        hasher.finish()
    }

    /// One hash per packet of the video, independent of container and timestamps.
    fn packets(path: &Path) -> Vec<String> {
        let output = std::process::Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args([
                "-map",
                "0:v",
                "-c",
                "copy",
                "-f",
                "framehash",
                "-hash",
                "md5",
                "-",
            ])
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
            .collect()
    }

    fn check(kind: Kind, codec: &str, tag: &str, audio: Option<&str>) {
        let reel = sample::open(kind);
        let groups = sample::groups(&reel);
        let whole = sample::part(&reel, 0, groups);
        let kept = keep(std::slice::from_ref(&whole));
        let length = std::fs::metadata(&kept.path).unwrap().len();

        let container = mp4::read_index(File::open(&kept.path).unwrap(), length).unwrap();
        assert!(container.finished);
        assert_eq!(container.audio_codec.as_deref(), audio);
        let index = &container;
        assert_eq!(index.fragments.len(), groups);
        assert_eq!(index.fragments[0].offset, index.init_bytes);
        for (n, pair) in index.fragments.windows(2).enumerate() {
            assert_eq!(pair[0].offset + pair[0].bytes, pair[1].offset);
            assert_eq!(pair[0].start_ms + pair[0].duration_ms, pair[1].start_ms);
            assert!(pair[0].duration_ms.abs_diff(2_000) < 50, "{n}: {pair:?}");
        }
        assert!(
            index.duration_ms().abs_diff(10_000) < 100,
            "{}",
            index.duration_ms()
        );

        let told = probe::probe(&kept.path, &CancellationToken::new()).unwrap();
        assert_eq!(
            (&container.video.codec, container.video.width),
            (&told.video_codec, told.width)
        );
        assert_eq!(container.video.height, told.height);
        assert_eq!(container.audio_codec, told.audio_codec);
        assert_eq!((told.width, told.height), (320, 180));
        assert_eq!(
            (told.video_codec.as_str(), told.video_tag.as_str()),
            (codec, tag)
        );
        assert_eq!(told.audio_codec.as_deref(), audio);
        assert!(
            told.duration_ms.abs_diff(10_000) < 300,
            "{}",
            told.duration_ms
        );

        let (first, last) = (index.fragments[0], index.fragments[groups - 1]);
        for fragments in [&[first][..], &[last], &[first, last]] {
            let verdict = picture::check(
                &MediaConfig::default(),
                &kept.path,
                index.init_bytes,
                fragments,
                &CancellationToken::new(),
            );
            assert_eq!(verdict.unwrap(), Picture::Whole);
        }

        // Digests of what went in and of what came out: the bytes themselves.
        assert_eq!(kept.remuxed.source, digested(&whole));
        let (media, _) = kept.remuxed.outcome.as_ref().unwrap();
        let bytes = std::fs::read(&kept.path).unwrap();
        let Digested { sha256, chunks, .. } = digested(&bytes);
        assert_eq!((&media.sha256, &media.chunks), (&sha256, &chunks));

        // The same recording in overlapping parts gives the same packets.
        let parts = [
            sample::part(&reel, 0, 3),
            sample::part(&reel, 2, 4),
            sample::part(&reel, 3, groups),
        ];
        let joined = keep(&parts);
        assert_eq!(packets(&joined.path), packets(&kept.path));
        assert!(joined.source.joined.overlap_bytes > 0);
        assert!(joined.source.joined.gap_ms < 100);
    }

    #[test]
    fn h264_with_g711_becomes_a_file_that_players_seek_in() {
        check(Kind::Yard, "h264", "avc1", Some("aac"));
    }

    #[test]
    fn h265_without_sound_is_tagged_for_every_player() {
        check(Kind::Gate, "hevc", "hvc1", None);
    }

    #[test]
    fn a_damaged_key_picture_is_noticed() {
        let reel = sample::open(Kind::Yard);
        let kept = keep(&[sample::part(&reel, 0, 2)]);
        let mut bytes = std::fs::read(&kept.path).unwrap();
        let index = mp4::read_index(std::io::Cursor::new(&bytes), bytes.len() as u64).unwrap();
        let last = index.fragments[1];
        // The pictures come after the moof; the first of them is the key one.
        let moof = u32::from_be_bytes(bytes[last.offset as usize..][..4].try_into().unwrap());
        let picture = last.offset as usize + moof as usize + 8;
        bytes[picture + 200..picture + 1_500].fill(0x55);
        std::fs::write(&kept.path, &bytes).unwrap();
        let verdict = |fragments: &[mp4::Fragment]| {
            picture::check(
                &MediaConfig::default(),
                &kept.path,
                index.init_bytes,
                fragments,
                &CancellationToken::new(),
            )
            .unwrap()
        };
        let first = index.fragments[0];
        assert_eq!(verdict(&[first]), Picture::Whole);
        assert!(matches!(verdict(&[last]), Picture::Damaged(_)));
        assert!(matches!(verdict(&[first, last]), Picture::Damaged(_)));
    }

    #[test]
    fn what_is_no_footage_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        std::fs::write(&path, vec![0x5A; 300_000]).unwrap();
        let source = Source::open(vec![path]).unwrap();
        assert!(source.lost_bytes > 0);
        let remuxed = remux(
            &MediaConfig::default(),
            &source,
            &dir.path().join("media.mp4"),
            &CancellationToken::new(),
        )
        .unwrap();
        assert!(remuxed.outcome.is_err());
        assert_eq!(remuxed.source, digested(&[0x5A; 300_000]));
    }
}
