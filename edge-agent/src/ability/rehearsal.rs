//! A moment of drawn footage goes the way of every recording, up to where it would be kept: as a recorder's stream
//! through FFmpeg, and judged as strictly. Blocking.

use std::path::Path;
use std::sync::LazyLock;

use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;

use crate::media::MediaConfig;
use crate::media::process::MediaError;
use crate::media::ps::VideoCodec;
use crate::media::ps_writer::{PsWriter, Sound};
use crate::model::staged::Parts;
use crate::model::time::{UtcRange, UtcTime};
use crate::remux::remux;
use crate::verify::{Claim, Verdict, verify};

/// Two seconds of H.264 in Annex B, drawn by FFmpeg's `testsrc2`: 64 x 48, five pictures a second, a key picture each
/// second, an access unit delimiter before each picture, no B-frames.
const MOMENT: &[u8] = include_bytes!("moment.h264");
const SECONDS: i64 = 2;
/// What each picture begins with: start code and delimiter (H.264 7.3.2.4).
const DELIMITER: [u8; 5] = [0, 0, 0, 1, 9];
/// Ticks of 90 kHz, and bytes of sound of 8 kHz, between two pictures.
const PICTURE_TICKS: u64 = 90_000 / 5;
const PICTURE_SOUND: usize = 8_000 / 5;
/// Silence in A-law (G.711).
const SILENCE: u8 = 0xD5;
/// The clock of a stream does not begin with zero: the system clock leads.
const FIRST_PTS: u64 = 90_000;

/// It as a recorder would send it.
static STREAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let writer = PsWriter::new(VideoCodec::H264, Some(Sound::G711a));
    let mut stream = writer.header().to_vec();
    let mut starts: Vec<usize> = (0..MOMENT.len())
        .filter(|at| MOMENT[*at..].starts_with(&DELIMITER))
        .collect();
    starts.push(MOMENT.len());
    for (n, picture) in (0_u64..).zip(starts.windows(2)) {
        let pts = FIRST_PTS + n * PICTURE_TICKS;
        writer.video(
            &mut stream,
            &MOMENT[picture[0]..picture[1]],
            pts,
            n % 5 == 0,
        );
        writer.audio(&mut stream, &[SILENCE; PICTURE_SOUND], pts);
    }
    stream
});

/// Makes footage of it in `folder`, which is made for this and removed again; why it cannot be made, in words.
pub fn rehearse(
    config: &MediaConfig,
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<(), String> {
    let cannot = |error: std::io::Error| {
        format!("A rehearsal cannot write to {}: {error}", folder.display())
    };
    remove(folder).map_err(cannot)?;
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let part = folder.join("000.ps");
    std::fs::write(&part, &*STREAM).map_err(cannot)?;
    let made = make(config, &part, folder, cancel);
    remove(folder).map_err(cannot)?;
    let verdict = made.map_err(|error| format!("A rehearsal of a recording failed: {error}."))?;
    match verdict {
        Verdict::Verified { .. } => Ok(()),
        Verdict::Rejected(rejected) => Err(format!(
            "A rehearsal of a recording came out wrong: {}.",
            rejected.reason()
        )),
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make(
    config: &MediaConfig,
    part: &Path,
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Verdict, MediaError> {
    let bytes = STREAM.len() as u64;
    let parts = Parts {
        recording: RecordingId::new(),
        folder: folder.to_owned(),
        stretches: vec![part.to_owned().into()],
        received: Vec::new(),
        bytes,
        fetched_bytes: bytes,
        by_name: true,
    };
    let from = UtcTime::from(jiff::Timestamp::UNIX_EPOCH);
    let claim = Claim {
        span: UtcRange {
            from,
            to: from.plus_s(SECONDS),
        },
        stated_bytes: bytes,
        size_delta_bytes: Some(0),
    };
    let staged = remux(config, &parts, None, false, cancel)?;
    verify(config, &staged, claim, cancel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rehearse_with(ffmpeg: &str) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("rehearsal");
        let config = MediaConfig {
            ffmpeg: ffmpeg.into(),
        };
        let rehearsed = rehearse(&config, &folder, &CancellationToken::new());
        assert!(!folder.exists());
        rehearsed
    }

    #[test]
    fn it_comes_out_well_where_ffmpeg_works() {
        assert_eq!(rehearse_with("ffmpeg"), Ok(()));
    }

    #[test]
    fn one_that_is_not_there_or_makes_nothing_is_told() {
        for program in ["/nowhere/ffmpeg", "true", "false"] {
            let why = rehearse_with(program).unwrap_err();
            assert!(why.contains("rehearsal of a recording"), "{program}: {why}");
        }
    }

    /// What is left of an interrupted one is in nobody's way.
    #[test]
    fn it_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("rehearsal");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("000.ps"), b"half").unwrap();
        let cancel = CancellationToken::new();
        assert_eq!(rehearse(&MediaConfig::default(), &folder, &cancel), Ok(()));
    }
}
