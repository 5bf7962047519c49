//! Disks of the box that wait unused.

use super::finding::Finding;
use crate::adoption::AdoptionConfig;
use crate::adoption::folder::{self, List};
use crate::model::retention::Bytes;
use wire::disk::DiskState;

/// What the box tells of its disks; nothing where it tells none.
pub fn unused(config: &AdoptionConfig) -> Vec<Finding> {
    match folder::list(&config.list_file) {
        Ok(list) => list.iter().flat_map(judge).collect(),
        Err(error) => vec![Finding::wrong(
            "disks in this box",
            format!("{}: {error}", config.list_file.display()),
            "`journal-box.txt` in the support bundle (*System*) holds what the box's service for disks said.",
        )],
    }
}

/// Pure: those on which nothing is.
fn judge(list: &List) -> Vec<Finding> {
    let free = list.disks.iter().filter(|it| it.state == DiskState::Free);
    free.map(|disk| {
        Finding::note(
            format!("disk {}", disk.name),
            format!("{}, {}, is not used", disk.model, Bytes(disk.bytes)),
            "If it is meant for footage: open Storage on the page and press \"Use for footage\".",
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_disk_waits() {
        let dir = tempfile::tempdir().unwrap();
        let config = AdoptionConfig {
            list_file: dir.path().join("disks.json"),
        };
        assert_eq!(unused(&config), []);
        let disk = |name: &str, state: &str| {
            serde_json::json!({ "name": name, "id": null, "seen": "a".repeat(64), "bytes": 4_000_000_000_000_u64,
                "model": "WDC WD40PURZ", "serial": "", "wwn": "", "transport": "sata", "removable": false,
                "rotational": true, "state": state, "reason": "", "volume": null, "contents": [] })
        };
        let list = serde_json::json!({ "at": "2026-11-22T11:00:00Z",
            "disks": [disk("sda", "system"), disk("sdb", "free"), disk("sdc", "has_data")] });
        std::fs::write(&config.list_file, list.to_string()).unwrap();
        let found = unused(&config);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].about, "disk sdb");
        std::fs::write(&config.list_file, "{").unwrap();
        assert_eq!(
            unused(&config)[0].level,
            super::super::finding::Level::Wrong
        );
    }
}
