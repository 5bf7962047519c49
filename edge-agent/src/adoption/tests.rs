//! Reading what the box tells, and which order may follow from what a person says.

use super::*;

const SEEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// As `list-disks` writes a disk.
fn disk(
    name: &str,
    id: Option<&str>,
    state: &str,
    more: &[(&str, serde_json::Value)],
) -> serde_json::Value {
    let mut disk = serde_json::json!({
        "name": name, "id": id, "seen": SEEN, "bytes": 4_000_787_030_016_u64, "model": "WDC WD40PURZ",
        "serial": "WD-WX12D3E4F5A6", "wwn": "0x50014ee2b1c2d3e4", "transport": "sata", "removable": false,
        "rotational": true, "state": state, "reason": "", "volume": null, "contents": [],
    });
    for (key, value) in more {
        disk[key] = value.clone();
    }
    disk
}

fn list_of(disks: &[serde_json::Value]) -> List {
    let text = serde_json::json!({ "at": "2026-11-22T11:00:00Z", "disks": disks });
    serde_json::from_value(text).unwrap()
}

fn refusal(disk: serde_json::Value, seen: &str, typed: &str) -> String {
    choose(&list_of(&[disk]), "0123456789ab", seen, typed)
        .unwrap_err()
        .to_string()
}

const ID: Option<&str> = Some("0123456789ab");

#[test]
fn a_disk_that_was_confirmed_is_ordered() {
    for (state, typed) in [("free", "F5A6"), ("has_data", " f5a6 ")] {
        let order = choose(
            &list_of(&[
                disk("sda", None, "system", &[]),
                disk("sdb", ID, state, &[]),
            ]),
            "0123456789ab",
            SEEN,
            typed,
        )
        .unwrap();
        assert_eq!(
            serde_json::to_value(&order).unwrap(),
            serde_json::json!({ "id": "0123456789ab", "bytes": 4_000_787_030_016_u64, "seen": SEEN })
        );
    }
}

#[test]
fn what_is_typed_is_the_end_of_what_stands_on_the_label() {
    for (serial, wwn, typed, is_right) in [
        ("WD-WX12D3E4F5A6", "", "F5A6", true),
        ("WD-WX12D3E4F5A6", "", "WD-WX12D3E4F5A6", false),
        ("WD-WX12D3E4F5A6", "", "", false),
        ("WD-WX12D3E4F5A6", "0x50014ee2b1c2d3e4", "d3e4", false),
        ("", "0x50014ee2b1c2d3e4", "D3E4", true),
        ("42", "", "42", true),
        ("42", "", "2", false),
        ("Größe", "", "röße", true),
    ] {
        let numbers = [("serial", serial.into()), ("wwn", wwn.into())];
        let disks = list_of(&[disk("sdb", ID, "free", &numbers)]);
        let chosen = choose(&disks, "0123456789ab", SEEN, typed);
        assert_eq!(
            chosen.is_ok(),
            is_right,
            "{serial} {wwn} {typed}: {chosen:?}"
        );
    }
}

#[test]
fn the_wrong_disk_is_not_ordered() {
    let other = "b".repeat(64);
    for (state, reason, seen, typed, said) in [
        (
            "system",
            "this box runs from it",
            SEEN,
            "F5A6",
            "this box runs from it",
        ),
        (
            "footage",
            "it is used for footage already",
            SEEN,
            "F5A6",
            "already",
        ),
        (
            "in_use",
            "something on it is mounted",
            SEEN,
            "F5A6",
            "mounted",
        ),
        (
            "refused",
            "it is smaller than 8 GiB",
            SEEN,
            "F5A6",
            "WDC WD40PURZ (sdb) cannot be used for footage: it is smaller",
        ),
        (
            "free",
            "",
            other.as_str(),
            "F5A6",
            "has changed since it was shown",
        ),
        (
            "free",
            "",
            SEEN,
            "F5A7",
            "not how the serial number of WDC WD40PURZ (sdb) ends",
        ),
    ] {
        let message = refusal(
            disk("sdb", ID, state, &[("reason", reason.into())]),
            seen,
            typed,
        );
        assert!(message.contains(said), "{message}");
    }
    let none = refusal(disk("sdb", Some("ba9876543210"), "free", &[]), SEEN, "F5A6");
    assert!(none.contains("No disk of this box has the id"), "{none}");
    let twins = list_of(&[disk("sdb", ID, "free", &[]), disk("sdc", ID, "free", &[])]);
    let twins = choose(&twins, "0123456789ab", SEEN, "F5A6").unwrap_err();
    assert!(twins.to_string().contains("same serial number"), "{twins}");
    // Without any number nothing can be confirmed.
    let bare = [("serial", "".into()), ("wwn", "".into())];
    let bare = refusal(disk("sdb", ID, "free", &bare), SEEN, "");
    assert!(bare.contains("no number"), "{bare}");
}

#[test]
fn what_the_box_tells_is_read_strictly_and_shown_plainly() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disks.json");
    let disks = Disks::new(
        &AdoptionConfig {
            list_file: path.clone(),
        },
        dir.path(),
    );
    let status = disks.status().unwrap();
    assert!(!status.offered && status.items.is_empty() && status.adoption == Adoption::None);
    assert!(matches!(
        disks.adopt("0123456789ab", SEEN, "F5A6"),
        Err(AdoptionError::NotOffered)
    ));

    let contents = serde_json::json!([{ "name": "sdb1", "bytes": 5, "file_system": "ntfs", "label": "",
        "part_label": "Basic data partition", "mounted_at": "" }]);
    let text = serde_json::json!({ "at": "2026-11-22T11:00:00Z", "disks": [
        disk("sda", None, "system", &[]),
        disk("sdb", ID, "has_data", &[("contents", contents)]),
        disk("sdc", ID, "footage", &[("volume", "disk-01234567".into())]),
    ] });
    std::fs::write(&path, text.to_string()).unwrap();
    let status = disks.status().unwrap();
    let shown: Vec<_> = status
        .items
        .iter()
        .map(|it| (it.message.as_str(), it.confirm.is_some()))
        .collect();
    assert_eq!(
        shown,
        [
            (
                "This box runs from it; its own footage lies there too.",
                false
            ),
            ("Something is on it, which would be erased.", true),
            ("Footage lies on it: volume disk-01234567.", false),
        ]
    );
    assert_eq!(status.items[1].contents[0].label, "Basic data partition");
    // A label in no encoding that we know spoils nothing.
    let mut bytes = text
        .to_string()
        .replace("Basic data", "Bas\u{1}c")
        .into_bytes();
    let at = bytes.iter().position(|b| *b == 1).unwrap();
    bytes[at] = 0xff;
    std::fs::write(&path, &bytes).unwrap();
    assert!(
        disks.status().unwrap().items[1].contents[0]
            .label
            .starts_with("Bas")
    );

    for bad in [
        "",
        "{\"at\":\"2026-11-22T11:00:00Z\"}",
        &text.to_string().replace("\"has_data\"", "\"fine\""),
        &text.to_string().replace("0123456789ab", "0123456789AB"),
        &text
            .to_string()
            .replace("\"rotational\"", "\"extra\":1,\"rotational\""),
        &format!("{text}{}", " ".repeat(600_000)),
    ] {
        std::fs::write(&path, bad).unwrap();
        assert!(
            matches!(disks.status(), Err(AdoptionError::Io { .. })),
            "{bad:.80}"
        );
    }
}

#[test]
fn an_order_stands_until_the_box_has_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disks.json");
    let text = serde_json::json!({ "at": "2026-11-22T11:00:00Z", "disks": [disk("sdb", ID, "free", &[])] });
    std::fs::write(&path, text.to_string()).unwrap();
    let disks = Disks::new(&AdoptionConfig { list_file: path }, dir.path());
    let (order, outcome) = (
        dir.path().join("disks/order.json"),
        dir.path().join("disks/outcome.json"),
    );
    let ordered = disks.adopt("0123456789ab", SEEN, "f5a6").unwrap();
    assert_eq!(
        ordered.adoption,
        Adoption::Ordered {
            id: "0123456789ab".into()
        }
    );
    assert!(matches!(
        disks.adopt("0123456789ab", SEEN, "f5a6"),
        Err(AdoptionError::Busy)
    ));
    for (result, reason) in [
        ("good", "well"),
        ("refused", "what is on it has\nchanged"),
        ("failed", "the disk cannot be written"),
    ] {
        std::fs::remove_file(&order).unwrap();
        let told = serde_json::json!({ "id": "0123456789ab", "result": result, "reason": reason, "at": "2026-11-22T11:01:00Z" });
        std::fs::write(&outcome, told.to_string()).unwrap();
        let adoption = serde_json::to_value(disks.status().unwrap().adoption).unwrap();
        assert_eq!(adoption["state"], result);
        if result == "refused" {
            assert_eq!(adoption["reason"], "what is on it has changed");
        }
        disks.adopt("0123456789ab", SEEN, "f5a6").unwrap();
        assert!(!outcome.exists(), "the last outcome is told as this one's");
    }
}
