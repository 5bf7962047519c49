//! Staged file -> `Verified` or `Rejected`: size, container, decodes, covers its time, digest (R7). Blocking.
//!
//! A download that ends early and looks complete is the rule rather than the exception, so nothing counts because a
//! device said so. What is rejected is fetched again; what comes back the same is all that there is, and is kept with
//! its defects: it may be the only evidence.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;
use wire::resource::{Defect, DefectKind};

use crate::footage::fragments::{self, FragmentIndex};
use crate::footage::sidecar::Custody;
use crate::media::mp4::{self, Container, Fragment};
use crate::media::picture::{self, Picture};
use crate::media::process::MediaError;
use crate::media::ps::VideoCodec;
use crate::media::{MediaConfig, nal};
use crate::model::staged::{Media, Staged};
use crate::model::time::UtcRange;

/// A picture that stands longer than this is a hole: cameras that record at all record more often.
const PICTURE_MS_MAX: u64 = 3_000;
/// Time that may be missing: recorders tell spans in whole seconds and begin and end within a group of pictures.
const MISSING_MS: i64 = 2_000;
/// And a hundredth of the span, up to this: long recordings of smart codecs have long groups.
const MISSING_MS_MAX: i64 = 10_000;

/// What was found out about a staged file.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Which recording.
    pub recording: RecordingId,
    /// The file in the kept format, complete, in the recording's staging folder on the volume that is to hold it.
    pub media: PathBuf,
    /// The vendor's bytes in one file, in the same folder, where the camera keeps them (`native`, `both`).
    pub native: Option<PathBuf>,
    /// What the footage covers in true time: the claimed span, cut where a defect says that it is short.
    pub span: UtcRange,
    /// Size of `media`.
    pub kept_bytes: u64,
    /// SHA-256 of `media` (hex).
    pub digest: String,
    /// Bytes as received, every group of pictures once.
    pub source_bytes: u64,
    /// Bytes that the recorder has sent for it, over all attempts.
    pub fetched_bytes: u64,
    /// SHA-256 of the bytes as received (hex).
    pub source_digest: String,
    /// `h264`, `hevc`.
    pub video_codec: Option<String>,
    /// `aac`, or none without sound.
    pub audio_codec: Option<String>,
    /// Picture width.
    pub width: Option<u32>,
    /// Picture height.
    pub height: Option<u32>,
    /// Length of the pictures.
    pub duration_ms: u64,
    /// Where the fragments lie.
    pub fragments: FragmentIndex,
    /// What is wrong with it; kept all the same.
    pub defects: Vec<Defect>,
    /// Digests of its mebibytes, as received and as kept.
    pub custody: Custody,
}

/// A staged file that may be kept. Only this file makes one, and the catalog accepts nothing else.
#[derive(Debug)]
pub struct Verified {
    facts: Facts,
}

impl Verified {
    /// What was found out.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// For tests of what comes after verification.
    #[cfg(test)]
    pub(crate) fn for_test(facts: Facts) -> Self {
        Self { facts }
    }
}

/// What the recorder claims about a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The time that it covers.
    pub span: UtcRange,
    /// Its size; 0 when not told.
    pub stated_bytes: u64,
    /// By how much this device's stated sizes differ from what arrives (ABI §10.5); None: not learnt yet.
    pub size_delta_bytes: Option<i64>,
}

/// A staged file that is not what it claims to be.
#[derive(Debug)]
pub struct Rejected {
    facts: Facts,
}

impl Rejected {
    /// SHA-256 (hex) of the bytes as received: two alike mean that the recorder has nothing better.
    pub fn source_digest(&self) -> &str {
        &self.facts.source_digest
    }

    /// Why, in words.
    pub fn reason(&self) -> String {
        let messages: Vec<&str> = self
            .facts
            .defects
            .iter()
            .map(|defect| defect.message.as_str())
            .collect();
        messages.join("; ")
    }

    /// Whether parts that do not meet are among the reasons: asking for it as a whole may mend that.
    pub fn is_short(&self) -> bool {
        self.facts
            .defects
            .iter()
            .any(|defect| defect.kind == DefectKind::Short)
    }

    /// The recorder has nothing better: it is kept with its defects.
    pub fn accept(self) -> Verified {
        Verified { facts: self.facts }
    }
}

/// The verdict on a staged file.
#[derive(Debug)]
pub enum Verdict {
    /// It is what it claims to be.
    Verified {
        /// May be kept.
        verified: Box<Verified>,
        /// The difference between stated and received size, when this file is the first to teach it.
        learnt_size_delta_bytes: Option<i64>,
    },
    /// It is not.
    Rejected(Box<Rejected>),
}

/// Judges a staged file.
pub fn verify(
    config: &MediaConfig,
    staged: &Staged,
    claim: Claim,
    cancel: &CancellationToken,
) -> Result<Verdict, MediaError> {
    let mut defects = size_defects(staged, claim);
    let facts = match &staged.media {
        Ok(media) => examine(config, staged, media, claim, defects, cancel)?,
        Err(problem) => {
            defects.push(unreadable(staged, problem)?);
            as_it_came(staged, claim, defects)?
        }
    };
    if !facts.defects.is_empty() {
        return Ok(Verdict::Rejected(Box::new(Rejected { facts })));
    }
    let learnt_size_delta_bytes = match (staged.whole_file_bytes, claim) {
        (
            Some(bytes),
            Claim {
                size_delta_bytes: None,
                stated_bytes: 1..,
                ..
            },
        ) => Some(bytes as i64 - claim.stated_bytes as i64),
        _ => None,
    };
    Ok(Verdict::Verified {
        verified: Box::new(Verified { facts }),
        learnt_size_delta_bytes,
    })
}

/// Everything about a file that FFmpeg could make.
fn examine(
    config: &MediaConfig,
    staged: &Staged,
    media: &Media,
    claim: Claim,
    mut defects: Vec<Defect>,
    cancel: &CancellationToken,
) -> Result<Facts, MediaError> {
    let path = &media.path;
    let container = read_container(path, media.bytes)?;
    if let Some(problem) = undecodable(config, path, &container, cancel)? {
        defects.push(undecodable_or_encrypted(staged, &problem)?);
    }
    let held_ms = container
        .duration_ms()
        .saturating_sub(container.holes_ms(PICTURE_MS_MAX));
    let short = short_defect(claim.span, held_ms, staged.gap_ms);
    let span = match &short {
        Some(_) => cut_to(claim.span, container.duration_ms()),
        None => claim.span,
    };
    defects.extend(short);
    Ok(Facts {
        recording: staged.recording,
        media: path.clone(),
        native: staged.native.clone(),
        span,
        kept_bytes: media.bytes,
        digest: media.sha256.clone(),
        source_bytes: staged.source_bytes,
        fetched_bytes: staged.fetched_bytes,
        source_digest: staged.source_digest.clone(),
        video_codec: Some(container.video.codec.clone()),
        audio_codec: container.audio_codec.clone(),
        width: Some(container.video.width),
        height: Some(container.video.height),
        duration_ms: container.duration_ms(),
        fragments: index(&container),
        defects,
        custody: Custody::new(
            media.chunks.clone(),
            staged.source_chunks.clone(),
            staged.joint.as_ref(),
        ),
    })
}

/// What FFmpeg could not read, as the recorder gave it.
fn as_it_came(staged: &Staged, claim: Claim, defects: Vec<Defect>) -> Result<Facts, MediaError> {
    let native = staged.native.clone().unwrap_or(staged.first_part.clone());
    Ok(Facts {
        recording: staged.recording,
        media: native,
        native: None,
        span: claim.span,
        kept_bytes: staged.source_bytes,
        digest: staged.source_digest.clone(),
        source_bytes: staged.source_bytes,
        fetched_bytes: staged.fetched_bytes,
        source_digest: staged.source_digest.clone(),
        video_codec: None,
        audio_codec: None,
        width: None,
        height: None,
        duration_ms: 0,
        fragments: FragmentIndex::default(),
        defects,
        custody: Custody::new(
            staged.source_chunks.clone(),
            staged.source_chunks.clone(),
            staged.joint.as_ref(),
        ),
    })
}

fn read_container(media: &Path, bytes: u64) -> Result<Container, MediaError> {
    // FFmpeg said that it had made this file: what is wrong with it now is not the footage's fault.
    let unreadable = |problem: String| MediaError::Unreadable {
        task: format!("reading {}", media.display()),
        problem,
    };
    let file = File::open(media).map_err(|error| unreadable(error.to_string()))?;
    let container = mp4::read_index(std::io::BufReader::new(file), bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    if !container.finished {
        return Err(unreadable("it has no end".to_owned()));
    }
    Ok(container)
}

fn index(container: &Container) -> FragmentIndex {
    FragmentIndex {
        init_bytes: container.init_bytes,
        fragments: container
            .fragments
            .iter()
            .map(|f| fragments::Fragment {
                offset: f.offset,
                bytes: f.bytes,
                start_ms: f.start_ms,
                duration_ms: f.duration_ms,
            })
            .collect(),
    }
}

/// Why the first or the last key picture does not decode; None when both do.
fn undecodable(
    config: &MediaConfig,
    media: &Path,
    container: &Container,
    cancel: &CancellationToken,
) -> Result<Option<String>, MediaError> {
    let (Some(first), Some(last)) = (container.fragments.first(), container.fragments.last())
    else {
        return Ok(Some("there is no picture in it".to_owned()));
    };
    let check = |fragments: &[Fragment]| {
        picture::check(config, media, container.init_bytes, fragments, cancel)
    };
    let ends = [("first", *first), ("last", *last)];
    let alone = usize::from(container.fragments.len() > 1) + 1;
    let both: Vec<Fragment> = ends[..alone].iter().map(|(_, end)| *end).collect();
    let Picture::Damaged(why) = check(&both)? else {
        return Ok(None);
    };
    // Which of them it is, each by itself.
    for (which, fragment) in ends {
        if let Picture::Damaged(why) = check(&[fragment])? {
            return Ok(Some(format!(
                "its {which} key picture does not decode: {why}"
            )));
        }
    }
    Ok(Some(format!(
        "its first and last key pictures do not decode together: {why}"
    )))
}

fn undecodable_or_encrypted(staged: &Staged, problem: &str) -> Result<Defect, MediaError> {
    let codec = match staged.h265 {
        Some(true) => VideoCodec::H265,
        _ => VideoCodec::H264,
    };
    let mut head = Vec::new();
    File::open(&staged.first_part)
        .and_then(|file| file.take(nal::LOOK_BYTES as u64).read_to_end(&mut head))
        .map_err(|source| MediaError::Io {
            task: format!("read {}", staged.first_part.display()),
            source,
        })?;
    Ok(if nal::looks_encrypted(&head, codec) {
        Defect {
            kind: DefectKind::Encrypted,
            message: "its pictures are encrypted: switch image encryption off on the recorder or camera for new \
                      recordings"
                .to_owned(),
        }
    } else {
        Defect {
            kind: DefectKind::Undecodable,
            message: problem.to_owned(),
        }
    })
}

fn unreadable(staged: &Staged, problem: &str) -> Result<Defect, MediaError> {
    let mut defect =
        undecodable_or_encrypted(staged, &format!("it cannot be read as footage: {problem}"))?;
    defect
        .message
        .push_str("; it is kept as the recorder gave it, an MPEG program stream");
    Ok(defect)
}

fn size_defects(staged: &Staged, claim: Claim) -> Vec<Defect> {
    let (Some(received), Some(delta)) = (staged.whole_file_bytes, claim.size_delta_bytes) else {
        return Vec::new();
    };
    let expected = claim.stated_bytes as i64 + delta;
    if claim.stated_bytes == 0 || received as i64 >= expected {
        return Vec::new();
    }
    vec![Defect {
        kind: DefectKind::SizeDiffers,
        message: format!(
            "{received} bytes came, {expected} are usual for a stated size of {}",
            claim.stated_bytes
        ),
    }]
}

/// How much may be missing of a span.
fn tolerance_ms(claimed_ms: i64) -> i64 {
    (MISSING_MS + claimed_ms / 100).min(MISSING_MS_MAX)
}

fn short_defect(span: UtcRange, held_ms: u64, gap_ms: i64) -> Option<Defect> {
    let (claimed_ms, held_ms) = (span.duration_ms(), held_ms as i64);
    let missing_ms = claimed_ms - held_ms;
    // A hole between parts that FFmpeg closed by moving the timestamps together shows in neither length nor pictures.
    let hole = gap_ms > PICTURE_MS_MAX as i64;
    if missing_ms <= tolerance_ms(claimed_ms) && !hole {
        return None;
    }
    let seconds = |ms: i64| format!("{}.{} s", ms / 1_000, ms.abs() % 1_000 / 100);
    let mut message = format!(
        "it holds {} of the {} that the recorder claims",
        seconds(held_ms),
        seconds(claimed_ms)
    );
    if hole {
        message.push_str(&format!(
            "; {} are missing where two parts meet",
            seconds(gap_ms)
        ));
    }
    Some(Defect {
        kind: DefectKind::Short,
        message,
    })
}

/// The claimed span without what is missing at its end.
fn cut_to(span: UtcRange, held_ms: u64) -> UtcRange {
    UtcRange {
        from: span.from,
        to: span.to.min(span.from.plus_ms(held_ms as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::{self, Kind};
    use crate::model::staged::Parts;
    use crate::model::time::UtcTime;

    fn span(seconds: i64) -> UtcRange {
        let from: UtcTime = "2026-11-03T14:05:00Z".parse().unwrap();
        UtcRange {
            from,
            to: from.plus_s(seconds),
        }
    }

    /// Remuxes bytes as one part asked for by name and judges the result.
    fn judge(bytes: &[u8], claim: Claim) -> (tempfile::TempDir, Verdict) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("000.ps");
        std::fs::write(&path, bytes).unwrap();
        let parts = Parts {
            recording: RecordingId::new(),
            folder: dir.path().to_owned(),
            stretches: vec![path.into()],
            received: Vec::new(),
            bytes: bytes.len() as u64,
            fetched_bytes: bytes.len() as u64,
            by_name: true,
        };
        let (config, cancel) = (MediaConfig::default(), CancellationToken::new());
        let staged = crate::remux::remux(&config, &parts, None, false, &cancel).unwrap();
        let verdict = verify(&config, &staged, claim, &cancel).unwrap();
        (dir, verdict)
    }

    fn claim(seconds: i64) -> Claim {
        Claim {
            span: span(seconds),
            stated_bytes: 0,
            size_delta_bytes: None,
        }
    }

    fn kinds(verdict: Verdict) -> Vec<DefectKind> {
        match verdict {
            Verdict::Verified { .. } => Vec::new(),
            Verdict::Rejected(rejected) => rejected.facts.defects.iter().map(|d| d.kind).collect(),
        }
    }

    #[test]
    fn a_whole_recording_is_verified_with_all_that_is_worth_knowing() {
        let reel = sample::open(Kind::Gate);
        let bytes = sample::part(&reel, 0, sample::groups(&reel));
        let stated = bytes.len() as u64 - 40;
        let claim = Claim {
            stated_bytes: stated,
            ..claim(10)
        };
        let (_dir, verdict) = judge(&bytes, claim);
        let Verdict::Verified {
            verified,
            learnt_size_delta_bytes,
        } = verdict
        else {
            panic!("{verdict:?}");
        };
        let facts = verified.facts();
        assert_eq!(learnt_size_delta_bytes, Some(40));
        assert_eq!(facts.video_codec.as_deref(), Some("hevc"));
        assert_eq!((facts.width, facts.height), (Some(320), Some(180)));
        assert_eq!(facts.span, span(10));
        assert_eq!(facts.fragments.fragments.len(), 5);
        assert_eq!(facts.source_bytes, bytes.len() as u64);
        let kept = std::fs::read(&facts.media).unwrap();
        assert_eq!(facts.kept_bytes, kept.len() as u64);
        let digest = crate::model::chunks::sha256(&kept);
        assert_eq!(facts.digest, crate::model::chunks::hex(&digest));
        assert_eq!(facts.custody.kept.as_slice(), [digest]);
        assert!(facts.custody.source.fits(facts.source_bytes));
    }

    #[test]
    fn a_download_that_ended_early_and_looks_complete_is_rejected() {
        let reel = sample::open(Kind::Yard);
        let bytes = sample::part(&reel, 0, 3);
        let (_dir, verdict) = judge(&bytes, claim(10));
        let Verdict::Rejected(rejected) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(rejected.is_short());
        assert!(
            rejected.reason().starts_with("it holds 6."),
            "{}",
            rejected.reason()
        );
        let verified = rejected.accept();
        let span = verified.facts().span;
        assert!(span.duration_ms() < 7_000, "{span:?}");
        assert_eq!(verified.facts().defects.len(), 1);
    }

    #[test]
    fn a_hole_that_the_clock_runs_over_counts_as_missing() {
        let reel = sample::open(Kind::Gate);
        // The first group, then the last: six seconds of nothing in between.
        let mut bytes = sample::part(&reel, 0, 1);
        bytes.extend_from_slice(&sample::part(&reel, 4, 5)[40..]);
        let (_dir, verdict) = judge(&bytes, claim(10));
        assert_eq!(kinds(verdict), [DefectKind::Short]);
    }

    #[test]
    fn sizes_count_only_once_they_are_learnt() {
        let reel = sample::open(Kind::Gate);
        let bytes = sample::part(&reel, 0, 5);
        let stated_bytes = bytes.len() as u64 + 1_000;
        let unlearnt = Claim {
            stated_bytes,
            ..claim(10)
        };
        assert_eq!(kinds(judge(&bytes, unlearnt).1), []);
        let learnt = Claim {
            size_delta_bytes: Some(40),
            ..unlearnt
        };
        assert_eq!(kinds(judge(&bytes, learnt).1), [DefectKind::SizeDiffers]);
        let usual = Claim {
            size_delta_bytes: Some(-1_000),
            ..unlearnt
        };
        assert_eq!(kinds(judge(&bytes, usual).1), []);
    }

    #[test]
    fn what_is_no_footage_at_all_is_rejected_and_can_still_be_kept() {
        let bytes = vec![0x5A; 200_000];
        let (_dir, verdict) = judge(&bytes, claim(10));
        let Verdict::Rejected(rejected) = verdict else {
            panic!("{verdict:?}");
        };
        let verified = rejected.accept();
        let facts = verified.facts();
        assert_eq!(facts.defects[0].kind, DefectKind::Undecodable);
        assert_eq!(std::fs::read(&facts.media).unwrap(), bytes);
        assert_eq!(facts.digest, facts.source_digest);
    }

    #[test]
    fn scrambled_pictures_are_told_from_damaged_ones() {
        let reel = sample::open(Kind::Yard);
        let mut bytes = sample::part(&reel, 0, 5);
        // What follows every NAL header is replaced, as encryption does.
        let mut at = 0;
        while at + 5 < bytes.len() {
            if bytes[at..at + 4] == [0, 0, 0, 1] && bytes[at + 4] & 0x80 == 0 {
                let end = (at + 5 + 16).min(bytes.len());
                for (n, byte) in bytes[at + 5..end].iter_mut().enumerate() {
                    *byte = 0x9B ^ (n as u8).wrapping_mul(37);
                }
                at = end;
            } else {
                at += 1;
            }
        }
        let (_dir, verdict) = judge(&bytes, claim(10));
        assert!(kinds(verdict).contains(&DefectKind::Encrypted));
    }

    #[test]
    fn what_may_be_missing_grows_slowly() {
        for (claimed_s, tolerated_ms) in [(0, 2_000), (20, 2_200), (600, 8_000), (7_200, 10_000)] {
            assert_eq!(tolerance_ms(claimed_s * 1_000), tolerated_ms);
        }
    }
}
