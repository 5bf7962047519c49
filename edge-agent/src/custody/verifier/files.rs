//! Comparing files with what is told of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use wire::ids::RecordingId;

use super::super::entry::Hash;
use super::book::{Book, Told};
use super::report::{Finding, FindingKind, Report};
use super::{Place, Progress, Wanted};
use crate::footage::path::{MEDIA, NATIVE, SIDECAR, Stem};
use crate::footage::sidecar::Sidecar;
use crate::model::chunks::{CHUNK_BYTES, Chunks, Digested, Hasher};

/// Most files that are listed: ten million recordings.
const FILES_MAX: usize = 30_000_000;
/// Ranges of bytes that are told of one file; more are counted.
const RANGES_MAX: usize = 20;
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// The files of one stem: their sizes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Group {
    media: Option<u64>,
    native: Option<u64>,
    sidecar: Option<u64>,
}

/// What lies there, by stem (a path relative to the root, without extension).
pub type Groups = BTreeMap<String, Group>;

/// Lists what is to be compared.
pub fn list(place: &Place, report: &mut Report) -> io::Result<Groups> {
    let mut groups = Groups::new();
    let start = place.root.join(&place.scope);
    let mut waiting = Vec::new();
    let mut seen = 0_usize;
    if start.is_dir() {
        waiting.push(start);
    } else {
        // All files of the stem that was named.
        let relative = relative(place, &start);
        let stem = split(&relative).0.to_owned();
        for extension in [MEDIA, NATIVE, SIDECAR] {
            let path = place.root.join(format!("{stem}.{extension}"));
            if let Ok(about) = std::fs::symlink_metadata(&path) {
                put(&mut groups, &stem, extension, about.len());
            }
        }
        if !groups.contains_key(&stem) {
            report.add(Finding::new(
                FindingKind::Stranger,
                relative,
                "it is no footage: only .mp4, .ps and .json files are verified",
            ));
        }
    }
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            seen += 1;
            if seen > FILES_MAX {
                return Err(io::Error::other(format!("more than {FILES_MAX} files")));
            }
            let (path, kind) = (entry.path(), entry.file_type()?);
            let relative = relative(place, &path);
            if kind.is_dir() {
                let ours = super::super::FOLDER;
                let other = [ours, crate::footage::staging::STAGING, "lost+found"];
                if folder != place.root || !other.contains(&relative.as_str()) {
                    waiting.push(path);
                }
                continue;
            }
            let (stem, extension) = split(&relative);
            let known = [MEDIA, NATIVE, SIDECAR].contains(&extension);
            if kind.is_file() && known {
                put(&mut groups, stem, extension, entry.metadata()?.len());
            } else if !place.loose && folder != place.root {
                report.add(Finding::new(
                    FindingKind::Stranger,
                    relative,
                    "it is none of the files that an appliance keeps here",
                ));
            }
        }
    }
    Ok(groups)
}

fn put(groups: &mut Groups, stem: &str, extension: &str, bytes: u64) {
    let group = groups.entry(stem.to_owned()).or_default();
    let place = match extension {
        MEDIA => &mut group.media,
        NATIVE => &mut group.native,
        _ => &mut group.sidecar,
    };
    *place = Some(bytes);
}

fn relative(place: &Place, path: &Path) -> String {
    let relative = path.strip_prefix(&place.root).unwrap_or(path);
    relative.to_string_lossy().into_owned()
}

fn split(relative: &str) -> (&str, &str) {
    relative.rsplit_once('.').unwrap_or((relative, ""))
}

/// Compares them with the logs and with their descriptions.
pub fn compare(
    place: &Place,
    groups: Groups,
    book: &Book,
    wanted: &Wanted,
    report: &mut Report,
    progress: Progress<'_>,
) -> io::Result<()> {
    let all = groups
        .values()
        .map(|group| group.media.unwrap_or(0) + group.native.unwrap_or(0))
        .sum();
    let mut comparing = Comparing {
        place,
        book,
        report,
        progress,
        all,
        done: 0,
        by_stem: None,
        seen: HashSet::new(),
        of_digest: HashMap::new(),
        foreign: Vec::new(),
    };
    for (stem, group) in &groups {
        comparing.group(stem, *group)?;
    }
    comparing.name_swapped();
    comparing.missing(wanted);
    Ok(())
}

struct Comparing<'a, 'p> {
    place: &'a Place,
    book: &'a Book,
    report: &'a mut Report,
    progress: Progress<'p>,
    all: u64,
    done: u64,
    /// Recordings by where the logs say that they lie; made when it is needed first.
    by_stem: Option<HashMap<&'a str, RecordingId>>,
    seen: HashSet<RecordingId>,
    /// By the digest of media: where it belongs, as descriptions here say.
    of_digest: HashMap<String, String>,
    /// Media that is not what belongs there: number of its finding, its digest.
    foreign: Vec<(usize, String)>,
}

/// What a file must be.
struct Expected<'a> {
    bytes: u64,
    sha256: String,
    chunks: Option<&'a Chunks>,
}

impl<'a> Comparing<'a, '_> {
    fn add(&mut self, recording: Option<RecordingId>, finding: Finding) {
        self.report.add(Finding {
            recording,
            ..finding
        });
    }

    fn group(&mut self, stem: &str, group: Group) -> io::Result<()> {
        self.report.recordings += 1;
        let name = |extension: &str| format!("{stem}.{extension}");
        let (sidecar, digest) = match group.sidecar {
            None => (None, None),
            Some(_) => match Sidecar::read_with_digest(&self.place.root.join(name(SIDECAR))) {
                Ok((sidecar, digest)) => (Some(sidecar), Some(Hash(digest))),
                Err(error) => {
                    let finding = Finding::new(
                        FindingKind::DescriptionChanged,
                        name(SIDECAR),
                        format!("it is not as it was written: {error}"),
                    );
                    let recording = self.recording_at(stem);
                    self.add(recording, finding);
                    (None, None)
                }
            },
        };
        let id = sidecar
            .as_ref()
            .map(|sidecar| sidecar.recording)
            .filter(|id| self.book.told.contains_key(id))
            .or_else(|| self.recording_at(stem))
            .or(sidecar.as_ref().map(|sidecar| sidecar.recording));
        let told = id.and_then(|id| self.book.told.get(&id));
        if group.sidecar.is_none() {
            let finding = Finding::new(
                FindingKind::DescriptionMissing,
                name(SIDECAR),
                "the description of this recording was removed",
            );
            self.add(id, finding);
        }
        let first = id.is_none_or(|id| self.seen.insert(id));
        let as_written = match (told, digest) {
            (Some(told), Some(digest)) => told.sidecar == digest,
            (None, Some(_)) => !self.book.is_one,
            (_, None) => false,
        };
        match (told, &sidecar) {
            (Some(told), _) => {
                self.lies_right(stem, told, id, first);
                if digest.is_some() && !as_written {
                    let message = match &sidecar {
                        Some(sidecar) => changed_how(sidecar, told),
                        None => "it is not as it was kept".to_owned(),
                    };
                    let finding =
                        Finding::new(FindingKind::DescriptionChanged, name(SIDECAR), message);
                    self.add(id, finding);
                }
            }
            (None, sidecar) => {
                if self.book.is_one {
                    let finding = Finding::new(
                        FindingKind::NotEntered,
                        name(MEDIA),
                        match sidecar {
                            Some(sidecar) => format!(
                                "the log does not know this recording ({}), which says that it was kept at {}: it was put here by somebody else, or the part of the log that told of it was removed",
                                sidecar.recording, sidecar.kept_at
                            ),
                            None => "the log does not know this recording".to_owned(),
                        },
                    );
                    self.add(id, finding);
                }
                if let Some(sidecar) = sidecar {
                    self.named_right(stem, sidecar);
                }
            }
        }
        self.media(stem, group, told, sidecar.as_ref(), as_written)?;
        self.native(stem, group, sidecar.as_ref())
    }

    fn recording_at(&mut self, stem: &str) -> Option<RecordingId> {
        if self.place.loose {
            return None;
        }
        let book: &'a Book = self.book;
        let by_stem = self.by_stem.get_or_insert_with(|| {
            book.told
                .iter()
                .map(|(id, told)| (&*told.stem, *id))
                .collect()
        });
        by_stem.get(stem).copied()
    }

    /// Whether files lie where the log says.
    fn lies_right(&mut self, stem: &str, told: &Told, id: Option<RecordingId>, first: bool) {
        let right = match self.place.loose {
            true => last(stem) == last(&told.stem),
            false => *told.stem == *stem,
        };
        if !right || !first {
            let finding = Finding::new(
                FindingKind::Renamed,
                format!("{stem}.{MEDIA}"),
                format!(
                    "{} was kept as {}: its name, and so its camera or its time, is another one here",
                    match first {
                        true => "this recording",
                        false => "this is a copy of a recording that is here already. It",
                    },
                    told.stem
                ),
            );
            self.add(id, finding);
        } else if let Some((at, cause)) = &told.left {
            self.report.note(format!(
                "{stem}: the appliance let go of it at {at} ({cause}); it is here all the same"
            ));
        }
    }

    /// Without a log: whether the name is the one that the description makes.
    fn named_right(&mut self, stem: &str, sidecar: &Sidecar) {
        let own = Stem::new(sidecar.camera, sidecar.span(), 1);
        let (own_name, name) = (last(own.as_str()), last(stem));
        let numbered = name
            .strip_prefix(own_name)
            .and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|nth| nth.parse::<u32>().is_ok());
        let in_folder =
            self.place.loose || stem.rsplit_once('/').map(|s| s.0) == Some(own.folder());
        if !(in_folder && (name == own_name || numbered)) {
            let finding = Finding::new(
                FindingKind::Renamed,
                format!("{stem}.{MEDIA}"),
                format!(
                    "its description says that it is {own}: it was renamed, or the description was changed"
                ),
            );
            self.add(Some(sidecar.recording), finding);
        }
    }

    fn media(
        &mut self,
        stem: &str,
        group: Group,
        told: Option<&Told>,
        sidecar: Option<&Sidecar>,
        as_written: bool,
    ) -> io::Result<()> {
        let path = format!("{stem}.{MEDIA}");
        let id = sidecar.map(|sidecar| sidecar.recording);
        if let Some(sidecar) = sidecar {
            self.of_digest
                .insert(sidecar.digest.clone(), stem.to_owned());
        }
        let expected = match (told, sidecar) {
            (Some(told), sidecar) => Expected {
                bytes: told.bytes,
                sha256: told.media.to_string(),
                // Of a description that was changed the list is no proof; it may still say where.
                chunks: sidecar
                    .filter(|sidecar| as_written || sidecar.digest == told.media.to_string())
                    .and_then(|sidecar| sidecar.custody.as_ref())
                    .map(|custody| &custody.kept),
            },
            (None, Some(sidecar)) => Expected {
                bytes: sidecar.kept_bytes,
                sha256: sidecar.digest.clone(),
                chunks: sidecar.custody.as_ref().map(|custody| &custody.kept),
            },
            (None, None) => {
                if !self.book.is_one && group.media.is_some() {
                    let finding =
                        Finding::new(FindingKind::NotEntered, path, "nothing says what it is");
                    self.add(None, finding);
                }
                return Ok(());
            }
        };
        if group.media.is_none() {
            // What left may lack its media: the description goes last.
            if told.is_none_or(|told| told.left.is_none()) {
                let finding = Finding::new(
                    FindingKind::MediaMissing,
                    path,
                    "its description is here, the footage itself was removed",
                );
                self.add(id, finding);
            }
            return Ok(());
        }
        self.file(path, id, &expected)
    }

    /// The vendor's bytes, where they were kept too.
    fn native(&mut self, stem: &str, group: Group, sidecar: Option<&Sidecar>) -> io::Result<()> {
        let (Some(_), Some(sidecar)) = (group.native, sidecar) else {
            return Ok(());
        };
        let expected = Expected {
            bytes: sidecar.source_bytes,
            sha256: sidecar.source_digest.clone(),
            chunks: sidecar.custody.as_ref().map(|custody| &custody.source),
        };
        self.file(
            format!("{stem}.{NATIVE}"),
            Some(sidecar.recording),
            &expected,
        )
    }

    fn file(
        &mut self,
        path: String,
        id: Option<RecordingId>,
        expected: &Expected<'_>,
    ) -> io::Result<()> {
        let (begin, whole, bytes) = match self.read(&path, expected.bytes) {
            Ok(read) => read,
            Err(error) => {
                let finding = Finding::new(
                    FindingKind::MediaMissing,
                    path,
                    format!("it cannot be read: {error}"),
                );
                self.add(id, finding);
                return Ok(());
            }
        };
        if bytes == expected.bytes && begin.sha256 == expected.sha256 {
            return Ok(());
        }
        let at = self.report.findings.len();
        if begin.sha256 != expected.sha256 {
            self.changed(&path, id, expected, &begin);
        }
        if bytes > expected.bytes {
            let finding = Finding {
                bytes: Some([expected.bytes, bytes]),
                ..Finding::new(
                    FindingKind::MediaExtended,
                    path,
                    format!(
                        "{} bytes were added at its end, from byte {} on",
                        bytes - expected.bytes,
                        expected.bytes
                    ),
                )
            };
            self.add(id, finding);
        }
        if self.report.findings.len() > at {
            self.foreign.push((at, whole));
        }
        Ok(())
    }

    /// Which bytes are others.
    fn changed(
        &mut self,
        path: &str,
        id: Option<RecordingId>,
        expected: &Expected<'_>,
        found: &Digested,
    ) {
        let short = found.bytes < expected.bytes;
        let chunks = expected.chunks.filter(|chunks| chunks.fits(expected.bytes));
        // The mebibyte in which a shortened file ends cannot be compared.
        let whole = match short {
            true => (found.bytes / CHUNK_BYTES as u64) as usize,
            false => usize::MAX,
        };
        let mut ranges: Vec<[u64; 2]> = Vec::new();
        if let Some(chunks) = chunks {
            let pairs = chunks.as_slice().iter().zip(found.chunks.as_slice());
            for (n, (told, seen)) in pairs.enumerate().take(whole) {
                if told == seen {
                    continue;
                }
                let from = n as u64 * CHUNK_BYTES as u64;
                let to = (from + CHUNK_BYTES as u64).min(expected.bytes);
                match ranges.last_mut() {
                    Some(range) if range[1] == from => range[1] = to,
                    _ => ranges.push([from, to]),
                }
            }
        }
        if short {
            let finding = Finding {
                bytes: Some([found.bytes, expected.bytes]),
                ..Finding::new(
                    FindingKind::MediaShortened,
                    path,
                    format!(
                        "it ends at byte {}: {} of {} bytes are missing",
                        found.bytes,
                        expected.bytes - found.bytes,
                        expected.bytes
                    ),
                )
            };
            self.add(id, finding);
        }
        let all = ranges
            .first()
            .is_some_and(|range| *range == [0, expected.bytes]);
        let count = ranges.len();
        for range in ranges.into_iter().take(RANGES_MAX) {
            let message = match all {
                true => "all of its bytes are others than those that were kept".to_owned(),
                false => format!(
                    "it was changed between byte {} and byte {}",
                    range[0],
                    range[1] - 1
                ),
            };
            let finding = Finding {
                bytes: Some(range),
                ..Finding::new(FindingKind::MediaChanged, path, message)
            };
            self.add(id, finding);
        }
        if count > RANGES_MAX {
            self.report.note(format!(
                "{path} was changed at {} further places",
                count - RANGES_MAX
            ));
        }
        if count == 0 && !short {
            let finding = Finding {
                bytes: Some([0, expected.bytes]),
                ..Finding::new(
                    FindingKind::MediaChanged,
                    path,
                    "its bytes are not those that were kept; where it was changed cannot be told, as its description has no digests of parts, or was changed too",
                )
            };
            self.add(id, finding);
        }
    }

    /// Digests of the first `bytes` of a file, the SHA-256 of it all, and its size.
    fn read(&mut self, path: &str, bytes: u64) -> io::Result<(Digested, String, u64)> {
        let mut file = File::open(self.place.root.join(path))?;
        let mut begin = Hasher::both();
        let mut whole: Option<Hasher> = None;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            let left = usize::try_from(bytes - begin.bytes()).unwrap_or(usize::MAX);
            let (first, rest) = buffer[..count].split_at(count.min(left));
            if let Some(whole) = &mut whole {
                whole.update(rest);
            } else {
                begin.update(first);
                if !rest.is_empty() {
                    let mut all = begin.clone_whole();
                    all.update(rest);
                    whole = Some(all);
                }
            }
            self.done += count as u64;
            self.report.bytes += count as u64;
            (self.progress)(self.done, self.all);
        }
        let begin = begin.finish();
        let (sha256, bytes) = match whole.map(Hasher::finish) {
            Some(whole) => (whole.sha256, whole.bytes),
            None => (begin.sha256.clone(), begin.bytes),
        };
        Ok((begin, sha256, bytes))
    }

    /// Media that belongs elsewhere is said to.
    fn name_swapped(&mut self) {
        if self.foreign.is_empty() {
            return;
        }
        let digests: HashSet<&String> = self.foreign.iter().map(|(_, digest)| digest).collect();
        let mut belongs: HashMap<String, String> = self
            .of_digest
            .iter()
            .filter(|(digest, _)| digests.contains(digest))
            .map(|(digest, stem)| (digest.clone(), stem.clone()))
            .collect();
        for told in self.book.told.values() {
            let digest = told.media.to_string();
            if digests.contains(&digest) {
                belongs.insert(digest, told.stem.to_string());
            }
        }
        for (at, digest) in std::mem::take(&mut self.foreign) {
            if let Some(stem) = belongs.get(&digest)
                && let Some(finding) = self.report.findings.get_mut(at)
            {
                finding.kind = FindingKind::MediaSwapped;
                finding.message = format!(
                    "it is the footage of {stem}: the files were swapped, or this one was replaced"
                );
            }
        }
    }

    /// What the log says is held here, and is not.
    fn missing(&mut self, wanted: &Wanted) {
        if self.place.loose {
            return;
        }
        let scope = self.place.scope.to_string_lossy().into_owned();
        let scope = match self.place.root.join(&self.place.scope).is_dir() || scope.is_empty() {
            true => scope,
            false => split(&scope).0.to_owned(),
        };
        let within = |stem: &str| {
            let rest = stem.strip_prefix(scope.as_str());
            scope.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut missing: Vec<(&RecordingId, &Told)> = self
            .book
            .told
            .iter()
            .filter(|(id, told)| {
                told.left.is_none() && within(&told.stem) && !self.seen.contains(id)
            })
            .collect();
        missing.sort_by(|a, b| a.1.stem.cmp(&b.1.stem));
        if wanted.partial {
            if !missing.is_empty() {
                self.report.note(format!(
                    "{} recordings that the log tells of are not in this copy",
                    missing.len()
                ));
            }
            return;
        }
        for (id, told) in missing {
            let finding = Finding {
                recording: Some(*id),
                ..Finding::new(
                    FindingKind::MediaMissing,
                    format!("{}.{MEDIA}", told.stem),
                    format!(
                        "it was removed: the log says that it was kept (entered at {}), and nowhere that it left",
                        told.at
                    ),
                )
            };
            self.report.add(finding);
        }
    }
}

fn last(stem: &str) -> &str {
    stem.rsplit_once('/').map_or(stem, |(_, name)| name)
}

/// What a description says otherwise than the log.
fn changed_how(sidecar: &Sidecar, told: &Told) -> String {
    let own = Stem::new(sidecar.camera, sidecar.span(), 1);
    let same_place = told
        .stem
        .strip_prefix(own.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    if !same_place {
        return format!(
            "it says that the recording is {own}; it was kept as {}: its camera or its time was changed",
            told.stem
        );
    }
    if sidecar.digest != told.media.to_string() || sidecar.kept_bytes != told.bytes {
        return "the digest or the size of the footage in it is another one than when it was kept"
            .to_owned();
    }
    "it is not as it was kept: something in it was changed".to_owned()
}
