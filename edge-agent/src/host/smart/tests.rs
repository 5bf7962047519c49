//! What disks answer, what it means, and that nothing anybody answers does harm. `corpus/` holds answers of smartctl 7.3:
//! of this box's virtual disk as it came, the others written after the format (smartmontools, JSON format 1.0).

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::host::block::BlockDisk;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/smart/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(file).unwrap())
        })
        .collect()
}

fn of(name: &str) -> Result<Smart, Unasked> {
    let corpus = corpus();
    let (_, bytes) = corpus.iter().find(|(it, _)| it == name).unwrap();
    read(bytes)
}

#[test]
fn a_hard_disk_tells_its_age_and_its_sectors() {
    let smart = of("ata_good").unwrap();
    assert_eq!(smart.model.as_deref(), Some("WDC WD40PURZ-85TTDY0"));
    assert_eq!(smart.serial.as_deref(), Some("WD-WCC7K0000001"));
    assert_eq!(
        (smart.power_on_hours, smart.temperature_c),
        (Some(21_364), Some(34))
    );
    assert_eq!(
        (smart.reallocated, smart.pending, smart.uncorrectable),
        (Some(0), Some(0), Some(0))
    );
    assert_eq!(smart.verdict().0, DiskHealth::Good);
    let worn = of("ata_pending").unwrap();
    assert_eq!(
        worn.verdict(),
        (
            DiskHealth::Ageing,
            "8 sectors cannot be read; 24 sectors had to be replaced".to_owned()
        )
    );
    let failing = of("ata_failing").unwrap();
    let (health, why) = failing.verdict();
    assert_eq!(health, DiskHealth::Failing);
    assert!(why.contains("says that it is failing") && why.contains("Reallocated_Sector_Ct"));
}

#[test]
fn an_nvme_disk_tells_its_wear() {
    let good = of("nvme_good").unwrap();
    assert_eq!((good.wear_percent, good.media_errors), (Some(3), Some(0)));
    assert_eq!(good.spare, Some((100, 10)));
    assert_eq!(good.verdict().0, DiskHealth::Good);
    let worn = of("nvme_worn").unwrap();
    assert_eq!(worn.verdict().0, DiskHealth::Ageing);
    assert!(worn.verdict().1.contains("94 %"), "{worn:?}");
    let dead = of("nvme_read_only").unwrap();
    assert_eq!(dead.verdict().0, DiskHealth::Failing);
    assert!(dead.verdict().1.contains("read-only"), "{dead:?}");
}

#[test]
fn who_cannot_be_asked_says_why() {
    assert!(
        matches!(of("virtual"), Err(Unasked::Silent(why)) if why.contains("detect device type"))
    );
    assert_eq!(of("not_allowed"), Err(Unasked::NotAllowed));
    assert_eq!(of("asleep"), Err(Unasked::Asleep));
    assert!(matches!(read(b"{}"), Err(Unasked::Unreadable(_))));
    assert!(matches!(read(b"smartctl 6.6"), Err(Unasked::Unreadable(_))));
}

#[test]
fn the_program_may_be_missing_silent_or_endless() {
    let disk = BlockDisk { name: "sda".into() };
    let ask = |command: &[&str]| {
        let command = command.iter().map(|it| (*it).to_owned()).collect();
        Smartctl {
            command,
            interval_s: 1,
        }
        .ask(&disk)
    };
    assert_eq!(ask(&[]), Err(Unasked::Off));
    let missing = ask(&["no-such-smartctl"]);
    assert_eq!(
        missing,
        Err(Unasked::NotInstalled("no-such-smartctl".into()))
    );
    assert!(matches!(ask(&["true"]), Err(Unasked::Unreadable(_))));
    // `yes` prints its arguments for ever.
    assert!(
        matches!(ask(&["yes", "--"]), Err(Unasked::Failed(why)) if why.contains("does not end"))
    );
    // A real process, a real answer.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/smart/corpus/nvme_good.json");
    let script = format!("exec cat {}", file.display());
    let smart = ask(&["sh", "-c", &script]).unwrap();
    assert_eq!(smart.model.as_deref(), Some("Samsung SSD 980 PRO 1TB"));
}

#[test]
fn counters_that_no_disk_means_are_none() {
    let text = r#"{"smartctl":{"version":[7,3]},"model_name":"x\u0007y","ata_smart_attributes":{"table":[
        {"id":5,"raw":{"value":18446744073709551615}},{"id":197,"raw":{"value":-4}},{"id":"x"},7,null]},
        "temperature":{"current":4000},"power_on_time":"long"}"#;
    let smart = read(text.as_bytes()).unwrap();
    assert_eq!(smart.model.as_deref(), Some("xy"));
    assert_eq!(
        (smart.reallocated, smart.pending, smart.temperature_c),
        (None, None, None)
    );
    assert_eq!(smart.verdict().0, DiskHealth::Unknown);
}

fn harmless(bytes: &[u8]) {
    if let Ok(smart) = read(bytes) {
        let told = smart.told("sda", "2026-11-03T12:00:00Z".parse().unwrap());
        assert!(told.message.len() < 1_000);
        for text in [told.model, told.serial].into_iter().flatten() {
            assert!(text.chars().count() <= TEXT_CHARS_MAX && !text.chars().any(char::is_control));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        harmless(&bytes);
    }

    #[test]
    fn nearly_answers(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..20),
    ) {
        let corpus = corpus();
        let mut bytes = corpus[seed.index(corpus.len())].1.clone();
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        harmless(&bytes);
    }

    #[test]
    fn any_figures(
        passed in any::<Option<bool>>(),
        pending in any::<Option<u64>>(),
        wear_percent in any::<Option<u64>>(),
        critical_warning in any::<u64>(),
        temperature_c in any::<Option<i64>>(),
    ) {
        let smart = Smart { passed, pending, wear_percent, critical_warning, temperature_c, ..Smart::default() };
        let (health, message) = smart.verdict();
        prop_assert!(!message.is_empty());
        // Whatever else it tells: a disk that says it fails is failing, and one that says nothing bad is not.
        if passed == Some(false) {
            prop_assert_eq!(health, DiskHealth::Failing);
        }
        if pending.is_some_and(|n| n > 0) {
            prop_assert!(matches!(health, DiskHealth::Failing | DiskHealth::Ageing));
        }
    }
}
