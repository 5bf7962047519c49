//! The kept format made while the part is still coming: when the last byte is there, so is nearly all of the file.
//!
//! It is a wager on the ordinary case, a recording that comes whole in one file. Where that is not what lies there in
//! the end (a hole that was mended, several slices, a header written again), the wager is lost: what was made is
//! dropped, and the parts are remuxed as they are.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::MediaConfig;
use super::process::{Limits, MediaError};
use super::ps::{self, Program};
use super::remux::{Remuxed, Source, make};
use crate::model::chunks::{Digested, Hasher};

/// Bytes that tell what is in a stream: header and first map come first.
const HEAD_BYTES: u64 = 64 << 10;
/// Bytes fed at a time.
const COPY_BYTES: usize = 256 << 10;
/// How often the end of the part is looked at. Nothing tells when another process appends.
const LOOK: Duration = Duration::from_millis(50);
/// Longest download that is remuxed meanwhile.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long FFmpeg may be silent while bytes are coming.
const SILENCE: Duration = Duration::from_secs(60);

/// A remux that runs while its part is being downloaded. Dropping it gives it up.
#[derive(Debug)]
pub struct Ahead {
    part: PathBuf,
    growing: Growing,
    given_up: tokio_util::sync::DropGuard,
    thread: JoinHandle<Result<Early, MediaError>>,
}

/// What was made before the whole part was known.
#[derive(Debug)]
struct Early {
    program: Program,
    head: Vec<u8>,
    remuxed: Remuxed,
}

impl Ahead {
    /// Starts to make `output` out of a part that need not be there yet. `pause`: how long the part may stay as long as
    /// it is.
    pub fn begin(
        config: &MediaConfig,
        part: &Path,
        output: &Path,
        pause: Duration,
    ) -> io::Result<Self> {
        let (growing, cancel) = (Growing::default(), CancellationToken::new());
        let thread = std::thread::Builder::new()
            .name("remux-ahead".into())
            .spawn({
                let (config, part, output) = (config.clone(), part.to_owned(), output.to_owned());
                let (growing, cancel) = (growing.clone(), cancel.clone());
                move || run(&config, &part, &output, pause, growing, &cancel)
            })?;
        Ok(Self {
            part: part.to_owned(),
            growing,
            given_up: cancel.drop_guard(),
            thread,
        })
    }

    /// Nothing more is coming. Blocks until FFmpeg is done, and gives what it made if that is the remux of `source`.
    pub fn finish(self, source: &Source) -> Option<Remuxed> {
        if !source.is_whole(&self.part) {
            return None;
        }
        self.growing.end();
        let made = self.thread.join();
        drop(self.given_up);
        let early = match made {
            Ok(Ok(early)) => early,
            Ok(Err(error)) => {
                tracing::debug!(part = %self.part.display(), %error, "A recording was not remuxed while it came");
                return None;
            }
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let same = early.program == source.program
            && early.remuxed.source.bytes == source.bytes()
            && early.remuxed.outcome.is_ok()
            && begins_with(&self.part, &early.head);
        same.then_some(early.remuxed)
    }
}

/// Whether the beginning is still what was read: writers go back to it to patch a header.
fn begins_with(part: &Path, head: &[u8]) -> bool {
    let mut now = vec![0; head.len()];
    File::open(part)
        .and_then(|mut file| file.read_exact(&mut now))
        .is_ok()
        && now == head
}

fn run(
    config: &MediaConfig,
    part: &Path,
    output: &Path,
    pause: Duration,
    growing: Growing,
    cancel: &CancellationToken,
) -> Result<Early, MediaError> {
    let io = |source| MediaError::Io {
        task: format!("read {}", part.display()),
        source,
    };
    let mut file = growing.open(part, cancel).map_err(io)?;
    let mut head = Vec::new();
    let mut follow = Follow {
        file: &mut file,
        growing: &growing,
        cancel,
    };
    (&mut follow)
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(io)?;
    let program = ps::scan(Cursor::new(&head)).map_err(io)?.program;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let limits = Limits {
        deadline: LONGEST,
        stall: pause + SILENCE,
        output_bytes_max: 0,
    };
    let feed = {
        let (growing, cancel) = (growing.clone(), cancel.clone());
        move |to: &mut dyn Write| {
            let mut file = file;
            let from = Follow {
                file: &mut file,
                growing: &growing,
                cancel: &cancel,
            };
            copy(from, to)
        }
    };
    let remuxed = make(config, program, feed, output, limits, cancel)?;
    Ok(Early {
        program,
        head,
        remuxed,
    })
}

/// Feeds all that comes and gives its digest. Those of its mebibytes are taken by whoever follows the part.
fn copy(mut from: impl Read, to: &mut dyn Write) -> io::Result<Digested> {
    let mut digest = Hasher::whole_only();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest.finish());
        }
        digest.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
}

/// Whether somebody else is still writing a file.
#[derive(Debug, Clone, Default)]
struct Growing(Arc<(Mutex<bool>, Condvar)>);

impl Growing {
    fn end(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits a moment; tells whether the writer is done.
    fn wait(&self) -> bool {
        let (ended, changed) = &*self.0;
        let guard = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = changed
            .wait_timeout_while(guard, LOOK, |ended| !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        *guard
    }

    /// Opens a file as soon as it is there.
    fn open(&self, path: &Path, cancel: &CancellationToken) -> io::Result<File> {
        loop {
            match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
            if self.wait() {
                return File::open(path);
            }
            if cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
    }
}

/// Reads a file that grows, to the end that it will have.
struct Follow<'a> {
    file: &'a mut File,
    growing: &'a Growing,
    cancel: &'a CancellationToken,
}

impl Read for Follow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Asked first: what was written before the word is there when it is read afterwards.
            let ended = *self
                .growing
                .0
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let count = self.file.read(buffer)?;
            if count > 0 || ended {
                return Ok(count);
            }
            if self.cancel.is_cancelled() {
                return Err(io::Error::other("the download was given up"));
            }
            self.growing.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::remux::remux;
    use crate::media::sample::{self, Kind};

    /// A part that comes piece by piece while it is remuxed.
    struct Coming {
        dir: tempfile::TempDir,
        part: PathBuf,
        ahead: Ahead,
    }

    impl Coming {
        fn begin() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let part = dir.path().join("000.ps");
            let output = dir.path().join("ahead.mp4");
            let pause = Duration::from_secs(30);
            let ahead = Ahead::begin(&MediaConfig::default(), &part, &output, pause).unwrap();
            Self { dir, part, ahead }
        }

        fn write(&self, bytes: &[u8]) {
            let mut file = File::options()
                .create(true)
                .append(true)
                .open(&self.part)
                .unwrap();
            file.write_all(bytes).unwrap();
        }

        fn finish(self) -> (Option<Remuxed>, Remuxed) {
            let source = Source::open([self.part.clone()]).unwrap();
            let early = self.ahead.finish(&source);
            let path = self.dir.path().join("media.mp4");
            let cancel = CancellationToken::new();
            let late = remux(&MediaConfig::default(), &source, &path, &cancel).unwrap();
            (early, late)
        }
    }

    #[test]
    fn what_comes_whole_is_made_on_the_way_and_is_the_same() {
        for kind in [Kind::Yard, Kind::Gate] {
            let reel = sample::open(kind);
            let bytes = sample::part(&reel, 0, 5);
            let coming = Coming::begin();
            for piece in bytes.chunks(bytes.len() / 7 + 1) {
                coming.write(piece);
                std::thread::sleep(Duration::from_millis(30)); // so that it is met in the middle
            }
            let (early, late) = coming.finish();
            let early = early.expect("it came whole");
            assert_eq!(early.source.sha256, late.source.sha256);
            let (early, _) = early.outcome.unwrap();
            let (late, _) = late.outcome.unwrap();
            assert_eq!((early.bytes, &early.sha256), (late.bytes, &late.sha256));
        }
    }

    #[test]
    fn a_beginning_that_is_written_again_loses_the_wager() {
        use std::os::unix::fs::FileExt;
        let reel = sample::open(Kind::Gate);
        let bytes = sample::part(&reel, 0, 5);
        let coming = Coming::begin();
        coming.write(&bytes[..bytes.len() / 2]);
        // Fed by now, or read after it was patched: both must end right.
        std::thread::sleep(Duration::from_millis(200));
        let file = File::options().write(true).open(&coming.part).unwrap();
        file.write_all_at(&[0x77; 8], 24).unwrap();
        coming.write(&bytes[bytes.len() / 2..]);
        let (early, late) = coming.finish();
        if let Some(early) = early {
            assert_eq!(early.source.sha256, late.source.sha256);
        }
    }

    #[test]
    fn what_was_mended_or_is_no_footage_is_left_to_the_ordinary_way() {
        let coming = Coming::begin();
        coming.write(&[0x5A; 300_000]);
        assert!(coming.finish().0.is_none());

        let reel = sample::open(Kind::Gate);
        let coming = Coming::begin();
        coming.write(&sample::part(&reel, 0, 3));
        let second = coming.dir.path().join("000_1.ps");
        std::fs::write(&second, sample::part(&reel, 3, 5)).unwrap();
        let source = Source::open([coming.part.clone(), second]).unwrap();
        assert!(coming.ahead.finish(&source).is_none());
    }

    #[test]
    fn giving_it_up_ends_it() {
        let reel = sample::open(Kind::Gate);
        let coming = Coming::begin();
        coming.write(&sample::part(&reel, 0, 3));
        let Ahead {
            given_up, thread, ..
        } = coming.ahead;
        drop(given_up);
        assert!(thread.join().unwrap().is_err());
    }
}
