//! An exported copy, and every way to change it: the verifier names each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use wire::ids::RecordingId;

use super::report::FindingKind::*;
use super::report::{Finding, FindingKind};
use super::*;
use crate::catalog::testing::{House, at, found};
use crate::custody::keeper::Keeper;
use crate::footage::path::{MEDIA, SIDECAR};
use crate::host::signature::Signer;
use crate::host::signature::testing::signer;
use crate::model::time::UtcRange;

const MIB: usize = 1 << 20;
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// Days of footage.
const DAYS: i64 = 4;

/// A volume as an appliance keeps it: two cameras, a recording of each on four days, one of which was deleted.
struct Original {
    dir: tempfile::TempDir,
    /// The stems of what is held, by time.
    stems: Vec<String>,
    ids: Vec<RecordingId>,
    /// SHA-256 of the key, and the end of the log.
    key: String,
    head: String,
    appliance: String,
}

fn media(n: i64) -> Vec<u8> {
    let bytes = 3 * MIB + 1_000;
    (0..bytes).map(|at| (at as i64 / 5 + n * 7) as u8).collect()
}

async fn keep_footage(house: &House, signer: &Arc<Signer>) -> Vec<(RecordingId, String)> {
    house
        .catalog
        .set_appliance(&signer.key().appliance())
        .await
        .unwrap();
    let recorder = house.recorder("SN1", 2).await.id;
    let mut keeper = Keeper::new(house.catalog.clone(), house.volumes.clone(), signer.clone());
    let mut held = Vec::new();
    for n in 0..DAYS {
        for channel in [1, 2] {
            let from = at("2026-11-03T08:00:00Z").plus_s(n * 24 * 3_600);
            let to = from.plus_s(600);
            let name = format!("c{channel}d{n}");
            let listed = vec![found(&name, UtcRange { from, to }, 5)];
            let id = house.observe(recorder, channel, listed).await[0];
            house.hold(id, &media(n * 2 + i64::from(channel))).await;
            let stem = house.catalog.held(id).await.unwrap().unwrap().stem;
            held.push((id, stem.as_str().to_owned()));
        }
        keeper.enter_all().await.unwrap();
        if n == 2 {
            let (id, _) = held.remove(0);
            house.catalog.delete(id).await.unwrap();
            house.catalog.empty_garbage(&house.volumes).await.unwrap();
            keeper.enter_all().await.unwrap();
        }
        house.clock.advance_ms(DAY_MS);
    }
    held
}

fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (house, signer) = (House::new().await, Arc::new(signer()));
            let held = keep_footage(&house, &signer).await;
            let dir = tempfile::tempdir().unwrap();
            copy(house.volume().path(), dir.path());
            let head = house.catalog.custody_head(house.volume().id()).await;
            Original {
                dir,
                ids: held.iter().map(|(id, _)| *id).collect(),
                stems: held.into_iter().map(|(_, stem)| stem).collect(),
                key: signer.key().fingerprint(),
                head: head.unwrap().unwrap().hash,
                appliance: signer.key().appliance().to_string(),
            }
        })
    })
}

/// A copy, files as links where they are large: whoever changes one writes it anew.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else if std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

/// An exported copy to be changed.
struct Exported {
    dir: tempfile::TempDir,
}

impl Exported {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(original().dir.path(), dir.path());
        Self { dir }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn media(&self, n: usize) -> PathBuf {
        self.path(&format!("{}.{MEDIA}", original().stems[n]))
    }

    fn sidecar(&self, n: usize) -> PathBuf {
        self.path(&format!("{}.{SIDECAR}", original().stems[n]))
    }

    fn log(&self, day: &str) -> PathBuf {
        let folder = super::super::FOLDER;
        self.path(&format!("{folder}/{}/{day}.jsonl", original().appliance))
    }

    fn lines(&self, day: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.log(day)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn write_lines(&self, day: &str, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        write(&self.log(day), text.as_bytes());
    }

    fn verify(&self) -> Report {
        verify(self.dir.path(), &Wanted::default(), &mut |_, _| {}).unwrap()
    }
}

/// Writes a file anew, as it may be a link.
fn write(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    write(path, &bytes);
}

/// One kind of change and all that is found then.
fn finds(tamper: impl FnOnce(&Exported)) -> Report {
    let exported = Exported::new();
    tamper(&exported);
    let report = exported.verify();
    assert_eq!(report.verdict, Verdict::Changed, "{report}");
    report
}

fn kinds(report: &Report) -> BTreeSet<FindingKind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

fn only(report: &Report, kind: FindingKind) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{report}");
    assert_eq!(report.findings[0].kind, kind, "{report}");
    &report.findings[0]
}

#[test]
fn what_was_not_changed_is_found_to_be_so() {
    let exported = Exported::new();
    let report = exported.verify();
    assert_eq!(report.verdict, Verdict::Consistent, "{report}");
    assert!(report.notes.is_empty(), "{report}");
    assert_eq!(report.recordings, original().stems.len() as u64);
    assert_eq!(report.logs[0].head, original().head);
    assert_eq!(report.logs[0].key, original().key);

    let named = Wanted {
        keys: vec![original().key.clone()],
        heads: vec![Hash::parse(&original().head).unwrap()],
        partial: false,
    };
    let verified = |path: &Path| verify(path, &named, &mut |_, _| {}).unwrap();
    assert_eq!(verified(exported.dir.path()).verdict, Verdict::Proven);
    // One day of one camera, one file, one description.
    let day = exported.media(1).parent().unwrap().to_owned();
    for path in [&day, &exported.media(2), &exported.sidecar(3)] {
        let report = verified(path);
        assert_eq!(
            report.verdict,
            Verdict::Proven,
            "{}: {report}",
            path.display()
        );
        assert_eq!(report.recordings, 1);
    }
    let other = Wanted {
        keys: vec!["0".repeat(64)],
        ..Wanted::default()
    };
    let report = verify(exported.dir.path(), &other, &mut |_, _| {}).unwrap();
    assert_eq!(kinds(&report), [LogKey].into(), "{report}");
}

#[test]
fn a_part_of_the_footage_proves_itself() {
    let exported = Exported::new();
    std::fs::remove_dir_all(exported.media(0).parent().unwrap()).unwrap();
    let part = Wanted {
        partial: true,
        ..Wanted::default()
    };
    let report = verify(exported.dir.path(), &part, &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Consistent, "{report}");
    assert_eq!(report.notes.len(), 1, "{report}");

    // Two files carried out on a stick, without the log and with it.
    let stick = tempfile::tempdir().unwrap();
    for path in [exported.media(3), exported.sidecar(3)] {
        std::fs::copy(&path, stick.path().join(path.file_name().unwrap())).unwrap();
    }
    let verified = || verify(stick.path(), &Wanted::default(), &mut |_, _| {}).unwrap();
    assert_eq!(verified().verdict, Verdict::Unproven, "{}", verified());
    copy(&exported.path("custody"), &stick.path().join("custody"));
    assert_eq!(verified().verdict, Verdict::Consistent, "{}", verified());
    let name = exported.media(3).file_name().unwrap().to_owned();
    change(&stick.path().join(name), |bytes| bytes[5] ^= 1);
    assert_eq!(kinds(&verified()), [MediaChanged].into());
}

#[test]
fn a_media_file_that_was_changed_is_named_with_its_bytes() {
    let report = finds(|copy| change(&copy.media(1), |bytes| bytes[MIB + 77] ^= 1));
    let finding = only(&report, MediaChanged);
    assert_eq!(finding.bytes, Some([MIB as u64, 2 * MIB as u64]));
    assert_eq!(finding.path, format!("{}.mp4", original().stems[1]));
    assert_eq!(finding.recording, Some(original().ids[1]));

    // Two places are two ranges.
    let report = finds(|copy| {
        change(&copy.media(1), |bytes| {
            bytes[3] ^= 1;
            bytes[3 * MIB + 3] ^= 1;
        });
    });
    let ranges: Vec<_> = report.findings.iter().filter_map(|f| f.bytes).collect();
    let (mib, end) = (MIB as u64, 3 * MIB as u64 + 1_000);
    assert_eq!(ranges, [[0, mib], [3 * mib, end]], "{report}");
}

#[test]
fn a_media_file_that_is_shorter_or_longer_is_told_from_one_that_was_changed() {
    let end = 3 * MIB as u64 + 1_000;
    for length in [0, 5, MIB, 2 * MIB + 9, 3 * MIB + 999] {
        let report = finds(|copy| change(&copy.media(1), |bytes| bytes.truncate(length)));
        let finding = only(&report, MediaShortened);
        assert_eq!(finding.bytes, Some([length as u64, end]));
    }
    let report = finds(|copy| change(&copy.media(1), |bytes| bytes.extend([7; 10])));
    assert_eq!(only(&report, MediaExtended).bytes, Some([end, end + 10]));
    // Both at once.
    let report = finds(|copy| {
        change(&copy.media(1), |bytes| {
            bytes[MIB] ^= 1;
            bytes.truncate(2 * MIB + 1);
        });
    });
    assert_eq!(kinds(&report), [MediaChanged, MediaShortened].into());
}

#[test]
fn files_that_were_dropped_swapped_renamed_or_put_in_are_named() {
    let stems = &original().stems;
    let report = finds(|copy| std::fs::remove_file(copy.media(2)).unwrap());
    assert_eq!(
        only(&report, MediaMissing).path,
        format!("{}.mp4", stems[2])
    );
    let report = finds(|copy| {
        std::fs::remove_file(copy.media(2)).unwrap();
        std::fs::remove_file(copy.sidecar(2)).unwrap();
    });
    let finding = only(&report, MediaMissing);
    assert_eq!(finding.recording, Some(original().ids[2]));
    let report = finds(|copy| std::fs::remove_file(copy.sidecar(2)).unwrap());
    only(&report, DescriptionMissing);

    // Media alone, or with their descriptions.
    let swap = |a: PathBuf, b: PathBuf| {
        let aside = a.with_extension("aside");
        std::fs::rename(&a, &aside).unwrap();
        std::fs::rename(&b, &a).unwrap();
        std::fs::rename(&aside, &b).unwrap();
    };
    let report = finds(|copy| swap(copy.media(1), copy.media(2)));
    assert_eq!(kinds(&report), [MediaSwapped].into(), "{report}");
    assert_eq!(report.findings.len(), 2);
    assert!(report.findings[0].message.contains(&stems[2]), "{report}");
    let report = finds(|copy| {
        swap(copy.media(1), copy.media(2));
        swap(copy.sidecar(1), copy.sidecar(2));
    });
    assert_eq!(kinds(&report), [Renamed].into(), "{report}");

    // Back-dated: by its name, by its description, and by both.
    let earlier = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.with_file_name(name.replace("080000.000Z", "070000.000Z"))
    };
    let report = finds(|copy| {
        for path in [copy.media(1), copy.sidecar(1)] {
            std::fs::rename(&path, earlier(path.clone())).unwrap();
        }
    });
    only(&report, Renamed);
    let redate = |path: &Path| {
        change(path, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace("T08:00:00Z", "T07:00:00Z").into_bytes();
        });
    };
    let report = finds(|copy| redate(&copy.sidecar(1)));
    let finding = only(&report, DescriptionChanged);
    assert!(finding.message.contains("its time was changed"), "{report}");
    let report = finds(|copy| {
        redate(&copy.sidecar(1));
        for path in [copy.media(1), copy.sidecar(1)] {
            std::fs::rename(&path, earlier(path.clone())).unwrap();
        }
    });
    assert_eq!(kinds(&report), [DescriptionChanged, Renamed].into());

    // Under the other camera; as a copy; something of one's own.
    let report = finds(|copy| {
        for (from, to) in [
            (copy.media(1), copy.media(2)),
            (copy.sidecar(1), copy.sidecar(2)),
        ] {
            let name = from.file_name().unwrap().to_string_lossy().into_owned();
            let name = name.replace("080000", "090000");
            std::fs::copy(&from, to.with_file_name(name)).unwrap();
        }
    });
    only(&report, Renamed);
    let report = finds(|copy| {
        let own = copy.media(1).with_file_name("own.txt");
        std::fs::write(own, "x").unwrap();
    });
    only(&report, Stranger);
}

#[test]
fn footage_that_the_log_does_not_know_is_named() {
    let report = finds(|copy| {
        let id = original().ids[1].to_string();
        let forged = RecordingId::new().to_string();
        change(&copy.sidecar(1), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replace(&id, &forged).into_bytes();
        });
        let later = |path: PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            std::fs::rename(&path, path.with_file_name(name.replace("080000", "090000"))).unwrap();
        };
        later(copy.media(1));
        later(copy.sidecar(1));
    });
    assert_eq!(kinds(&report), [NotEntered, Renamed, MediaMissing].into());
}

#[test]
fn a_log_that_was_changed_is_named_with_its_day() {
    let day = "2026-11-05";
    let named = |report: &Report, kind| {
        let of_kind = report.findings.iter().find(|finding| finding.kind == kind);
        let finding = of_kind.unwrap_or_else(|| panic!("{kind:?} is not found: {report}"));
        assert_eq!(finding.day, Some(day.parse().unwrap()), "{report}");
    };
    let edit = |edit: fn(&mut Vec<String>)| {
        finds(|copy| {
            let mut lines = copy.lines(day);
            edit(&mut lines);
            copy.write_lines(day, &lines);
        })
    };
    let report = edit(|lines| lines[1] = lines[1].replace("\"bytes\":3", "\"bytes\":4"));
    named(&report, LogLineChanged);
    let report = edit(|lines| lines[0] = lines[0].replace("2026-11-04", "2026-11-03"));
    named(&report, LogLineChanged);
    let report = edit(|lines| lines[1] = "nonsense".into());
    named(&report, LogLineChanged);
    let report = edit(|lines| drop(lines.remove(2)));
    named(&report, LogLinesMissing);
    let report = edit(|lines| lines.swap(1, 2));
    assert!(kinds(&report).contains(&LogLinesMissing) || kinds(&report).contains(&LogLinesMoved));
    let report = edit(|lines| {
        let again = lines[2].clone();
        lines.insert(4, again);
    });
    named(&report, LogLinesMoved);
    let report = edit(|lines| {
        let last = lines.last_mut().unwrap();
        *last = last.replace("\"signature\":\"", "\"signature\":\"AAAA");
    });
    named(&report, LogSignature);
    let report = edit(|lines| lines.truncate(3));
    named(&report, LogLinesMissing);

    let report = finds(|copy| std::fs::remove_file(copy.log(day)).unwrap());
    named(&report, LogDayMissing);
    let report = finds(|copy| {
        std::fs::rename(copy.log(day), copy.log("2026-11-02")).unwrap();
    });
    assert!(kinds(&report).contains(&LogLineChanged), "{report}");
    let report = finds(|copy| std::fs::remove_file(copy.log("2026-11-03")).unwrap());
    assert!(kinds(&report).contains(&LogDayMissing), "{report}");
}

#[test]
fn the_end_of_a_log_cannot_be_cut_off_or_replaced_unseen() {
    // Cut off with the footage that it told of still there.
    let last = "2026-11-06";
    let report = finds(|copy| std::fs::remove_file(copy.log(last)).unwrap());
    assert_eq!(kinds(&report), [NotEntered].into(), "{report}");
    // Cut off with it: seen by who noted the end.
    let exported = Exported::new();
    std::fs::remove_file(exported.log(last)).unwrap();
    for n in [original().stems.len() - 1, original().stems.len() - 2] {
        std::fs::remove_file(exported.media(n)).unwrap();
        std::fs::remove_file(exported.sidecar(n)).unwrap();
    }
    let noted = Wanted {
        heads: vec![Hash::parse(&original().head).unwrap()],
        ..Wanted::default()
    };
    let report = verify(exported.dir.path(), &noted, &mut |_, _| {}).unwrap();
    assert_eq!(kinds(&report), [LogEndMissing].into(), "{report}");

    // Written anew by somebody with another key: links and numbers are right, signatures are not.
    let stranger = signer();
    let report = finds(|copy| {
        let mut lines = copy.lines(last);
        lines[1] = lines[1].replace("\"bytes\":3", "\"bytes\":4");
        let mut before = None;
        for text in &mut lines {
            let mut line = super::super::entry::Line::parse(text.as_bytes()).unwrap();
            if let Some(before) = before {
                line.prev = Some(before);
                if let super::super::entry::Entry::Signed { signature } = &mut line.entry {
                    *signature = super::super::entry::sign(&stranger, before, line.n, line.at);
                }
            }
            *text = line.text();
            before = Some(super::super::entry::hash_of(text.as_bytes()));
        }
        copy.write_lines(last, &lines);
    });
    assert!(kinds(&report).contains(&LogSignature), "{report}");
    assert!(kinds(&report).contains(&NotEntered), "{report}");
    // Lines without a signature count for nothing.
    let report = finds(|copy| {
        let mut lines = copy.lines(last);
        lines.pop();
        copy.write_lines(last, &lines);
    });
    assert_eq!(kinds(&report), [NotEntered].into(), "{report}");
    assert_eq!(report.notes.len(), 1);
}

/// A whole log of another key proves nothing to whoever names the right one.
#[test]
fn a_forger_with_a_key_of_his_own_is_found_by_the_key() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let house = runtime.block_on(async {
        let (house, forger) = (House::new().await, Arc::new(signer()));
        keep_footage(&house, &forger).await;
        house
    });
    let root = house.volume().path();
    let any = verify(root, &Wanted::default(), &mut |_, _| {}).unwrap();
    assert_eq!(any.verdict, Verdict::Consistent, "{any}");
    for key in [&original().key, &original().appliance] {
        let named = Wanted {
            keys: vec![key.clone()],
            ..Wanted::default()
        };
        let report = verify(root, &named, &mut |_, _| {}).unwrap();
        assert_eq!(kinds(&report), [LogKey].into(), "{report}");
    }
}

#[test]
fn what_cannot_be_read_is_bounded_and_named() {
    let report = finds(|copy| write(&copy.sidecar(1), &vec![b'['; 1 << 20]));
    only(&report, DescriptionChanged);
    let report = finds(|copy| write(&copy.log("2026-11-05"), &vec![b'x'; 1 << 20]));
    assert!(kinds(&report).contains(&LogLineChanged), "{report}");
    let report = finds(|copy| write(&copy.log("2026-11-05"), b""));
    assert!(kinds(&report).contains(&LogDayMissing), "{report}");
}

/// What each version of the format is, in bytes: `golden/1` was written by other means (a script and OpenSSL) from
/// `docs/ref/custody.md` alone, so a format that changes unseen, or a page that is wrong, fails here.
#[test]
fn a_copy_that_another_program_wrote_by_the_documented_format_is_verified() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/custody/golden/1");
    let report = verify(&golden, &Wanted::default(), &mut |_, _| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Consistent, "{report}");
    assert_eq!((report.recordings, report.logs[0].lines), (2, 9));
    assert!(report.logs[0].head.starts_with("ba0181120dbf"), "{report}");
}

/// All files of a copy, relative to it, that say something.
fn files() -> &'static Vec<PathBuf> {
    static FILES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = original().dir.path();
        let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.parent() == Some(root) => {} // the volume's marker says nothing of footage
                    false => files.push(path.strip_prefix(root).unwrap().to_owned()),
                }
            }
        }
        files.sort();
        files
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Any byte of any file: the file is named, and of media the mebibyte.
    #[test]
    fn any_byte_that_is_flipped_is_found(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let exported = Exported::new();
        let relative = file.get(files());
        let path = exported.dir.path().join(relative);
        let mut changed = 0;
        change(&path, |bytes| {
            changed = at.index(bytes.len());
            bytes[changed] ^= 1_u8 << bit;
        });
        let report = exported.verify();
        prop_assert_eq!(report.verdict, Verdict::Changed, "{:?} byte {}: {}", relative, changed, report);
        if relative.extension().is_some_and(|it| it == MEDIA) {
            let [from, to] = report.findings[0].bytes.unwrap();
            prop_assert!((from..to).contains(&(changed as u64)) && to - from <= MIB as u64);
            prop_assert_eq!(&report.findings[0].path, &relative.to_string_lossy());
        }
    }

    /// Any file that is dropped, cut, or replaced by another one.
    #[test]
    fn any_file_that_is_dropped_cut_or_replaced_is_found(
        file in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        how in 0..3,
    ) {
        let exported = Exported::new();
        let relative = file.get(files());
        let path = exported.dir.path().join(relative);
        let with = exported.dir.path().join(other.get(files()));
        match how {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => change(&path, |bytes| bytes.truncate(cut.index(bytes.len()))),
            _ if with == path => return Ok(()),
            _ => {
                let bytes = std::fs::read(with).unwrap();
                write(&path, &bytes);
            }
        }
        let report = exported.verify();
        prop_assert_eq!(report.verdict, Verdict::Changed, "{:?} {}: {}", relative, how, report);
    }

    /// Any bytes as a log or a description: neither a panic nor a long time.
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2_000), line in ".{0,200}") {
        let _ = super::super::entry::Line::parse(&bytes);
        let _ = super::super::entry::Line::parse(line.as_bytes());
        let _ = crate::footage::sidecar::Sidecar::parse(&bytes);
        let _ = crate::host::signature::PublicKey::from_der(&bytes);
    }

    /// What is nearly a line.
    #[test]
    fn nearly_lines_are_read(
        day in 3..7_u32,
        line in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let path = original().dir.path().join(format!("custody/{}/2026-11-0{day}.jsonl", original().appliance));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut bytes = line.get(&lines).as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(line) = super::super::entry::Line::parse(&bytes) {
            prop_assert_eq!(line.text().into_bytes(), bytes);
        }
    }
}
