//! The outbox: every change told once, in order, whatever happens in between.

use std::collections::HashMap;

use wire::ids::{CameraId, LogId, RecordingId, UserId};
use wire::resource::{Recording, RecordingStatus};
use wire::telemetry::{Alert, Event, FootageAccess, PAYLOAD_BYTES_MAX, Severity};

use crate::catalog::outbox::{Backfill, ROWS_MAX};
use crate::catalog::testing::{House, at, found};
use crate::catalog::{Change, ChangeKind};
use crate::model::time::UtcRange;

/// What a relay knows from the reports.
#[derive(Default)]
pub struct Relay {
    log: Option<LogId>,
    seq: u64,
    /// Recordings as last told.
    pub recordings: HashMap<RecordingId, Recording>,
}

impl Relay {
    /// Takes in everything that waits, and acknowledges it.
    pub async fn drain(&mut self, house: &House) {
        loop {
            let Some(state) = house.catalog.outbox().await.unwrap() else {
                return;
            };
            if self.log != Some(state.log) {
                *self = Self {
                    log: Some(state.log),
                    ..Self::default()
                };
            }
            let rows = house.catalog.batch(self.seq, 7).await.unwrap();
            if rows.is_empty() {
                return;
            }
            for row in rows {
                assert_eq!(row.seq, self.seq + 1, "numbers without holes");
                self.seq = row.seq;
                for recording in row.event.recordings().unwrap_or_default() {
                    self.recordings.insert(recording.id, recording.clone());
                }
            }
            house.catalog.ack(state.log, self.seq).await.unwrap();
        }
    }
}

async fn many(house: &House, count: i64) -> Vec<RecordingId> {
    let recorder = house.recorder("SN1", 1).await.id;
    let list = (0..count).map(|n| {
        let from = at("2026-10-01T00:00:00Z").plus_s(n * 60);
        let span = UtcRange {
            from,
            to: from.plus_s(60),
        };
        found(&format!("f{n}"), span, 1_000)
    });
    house.observe(recorder, 1, list.collect()).await
}

#[tokio::test]
async fn nothing_is_reported_until_the_appliance_is_claimed() {
    let house = House::new().await;
    many(&house, 3).await;
    assert_eq!(house.catalog.outbox().await.unwrap(), None);
    assert!(house.catalog.batch(0, 10).await.unwrap().is_empty());
    let log = house.catalog.start_log().await.unwrap();
    let rows = house.catalog.batch(0, 10).await.unwrap();
    assert_eq!((rows.len(), rows[0].log, rows[0].seq), (1, log, 1));
    assert_eq!(rows[0].event.recordings().unwrap().len(), 3);
    house.catalog.stop_log().await.unwrap();
    assert!(house.catalog.batch(0, 10).await.unwrap().is_empty());
    house.assert_sound();
}

#[tokio::test]
async fn a_resync_tells_everything_a_little_at_a_time() {
    let house = House::new().await;
    let ids = many(&house, 2_345).await;
    house.catalog.start_log().await.unwrap();
    let first = house.catalog.batch(0, 1_000).await.unwrap();
    assert_eq!(first.len(), 20);
    let mut waiting = house.catalog.waiting();
    waiting.mark_unchanged();
    // Changes in between are told too, and what is newer is told later.
    house.hold(ids[2_000], b"bytes").await;
    assert!(waiting.has_changed().unwrap());
    let mut relay = Relay::default();
    relay.drain(&house).await;
    assert_eq!(relay.recordings.len(), 2_345);
    assert_eq!(
        relay.recordings[&ids[2_000]].status,
        RecordingStatus::Completed
    );
    let state = house.catalog.outbox().await.unwrap().unwrap();
    assert_eq!((state.rows, state.bytes, state.resyncing), (0, 0, false));
    house.assert_sound();
}

#[tokio::test]
async fn acknowledgements_and_holes() {
    let house = House::new().await;
    let ids = many(&house, 5).await;
    let log = house.catalog.start_log().await.unwrap();
    house.catalog.batch(0, 1).await.unwrap();
    for id in &ids {
        house.catalog.set_locked(*id, true).await.unwrap();
    }
    assert_eq!(house.catalog.ack(LogId::new(), 6).await.unwrap(), 0);
    assert_eq!(house.catalog.ack(log, 3).await.unwrap(), 3);
    let from = |log, seq| {
        let catalog = house.catalog.clone();
        async move { catalog.reports_from(log, seq, 10).await.unwrap() }
    };
    let seqs = |answer: Backfill| match answer {
        Backfill::Reports(rows) => rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        Backfill::Gone | Backfill::OtherLog => vec![0],
    };
    assert_eq!(seqs(from(log, 4).await), [4, 5, 6]);
    assert_eq!(seqs(from(log, 6).await), [6]);
    assert_eq!(seqs(from(log, 7).await), Vec::<u64>::new());
    assert_eq!(from(log, 3).await, Backfill::Gone);
    assert_eq!(from(LogId::new(), 4).await, Backfill::OtherLog);
    assert_eq!(house.catalog.ack(log, 6).await.unwrap(), 3);
    assert_eq!(from(log, 6).await, Backfill::Gone);
    assert_eq!(seqs(from(log, 7).await), Vec::<u64>::new());
    // A new log begins for what is lost only, and once.
    let resync = |log, seq| {
        let catalog = house.catalog.clone();
        async move { catalog.resync_lost(log, seq).await.unwrap().unwrap() }
    };
    assert_eq!(resync(LogId::new(), 1).await, log);
    assert_eq!(resync(log, 7).await, log);
    let next = resync(log, 6).await;
    assert_ne!(next, log);
    assert_eq!(resync(log, 6).await, next);
    house.catalog.stop_log().await.unwrap();
    assert_eq!(house.catalog.resync_lost(next, 1).await.unwrap(), None);
    house.assert_sound();
}

#[tokio::test]
async fn a_report_stays_within_its_bounds() {
    let house = House::new().await;
    let ids = many(&house, 120).await;
    house.catalog.start_log().await.unwrap();
    for id in &ids {
        house
            .catalog
            .fail(*id, &"ü".repeat(5_000), None)
            .await
            .unwrap();
    }
    house.catalog.start_log().await.unwrap();
    let rows = house.catalog.batch(0, 1_000).await.unwrap();
    let mut told = 0;
    for row in rows {
        told += row.event.recordings().unwrap().len();
        let appliance = wire::ids::ApplianceId::from_spki(b"a key");
        let text = serde_json::to_vec(&row.into_report(appliance)).unwrap();
        assert!(text.len() <= PAYLOAD_BYTES_MAX, "{}", text.len());
    }
    assert_eq!(told, 120);
}

#[tokio::test]
async fn a_full_outbox_collapses_into_a_new_log_and_keeps_what_state_does_not_tell() {
    let house = House::new().await;
    let ids = many(&house, 3).await;
    let before = house.catalog.start_log().await.unwrap();
    house.catalog.batch(0, 1).await.unwrap();
    let alert = |text: &str| {
        Event::AlertRaised(Alert {
            rule: "test".to_owned(),
            severity: Severity::Info,
            message: text.to_owned(),
        })
    };
    house.catalog.report(alert("keep me")).await.unwrap();
    house
        .catalog
        .damage(
            "insert into outbox (seq, id, ts_utc, event)
             with recursive n(i) as (select 3 union all select i + 1 from n where i < 100000)
             select i, '0198c0de-0000-7000-8000-000000000001', 0,
                '{\"type\":\"recording.changed\",\"data\":{\"recordings\":[]}}' from n",
        )
        .await;
    let state = house.catalog.outbox().await.unwrap().unwrap();
    assert_eq!((state.rows, state.last_seq), (ROWS_MAX, ROWS_MAX));
    house.assert_sound();
    house.catalog.set_locked(ids[0], true).await.unwrap();
    let after = house.catalog.outbox().await.unwrap().unwrap();
    assert_ne!(after.log, before);
    assert_eq!((after.rows, after.last_seq, after.resyncing), (2, 2, true));
    let rows = house.catalog.batch(0, 10).await.unwrap();
    assert_eq!(rows[0].event, alert("keep me"));
    let mut relay = Relay::default();
    relay.drain(&house).await;
    assert_eq!(relay.recordings.len(), 3);
    assert!(relay.recordings[&ids[0]].locked);
    house.assert_sound();
}

#[tokio::test]
async fn changes_are_told_to_who_watches_and_many_at_once_as_one() {
    let house = House::new().await;
    let mut changes = house.catalog.changes();
    let ids = many(&house, 100).await;
    let mut seen = Vec::new();
    while let Ok(change) = changes.try_recv() {
        seen.push(change);
    }
    let many = Change {
        kind: ChangeKind::Recording,
        id: None,
    };
    assert!(seen.contains(&many));
    assert!(seen.len() < 10);
    house.catalog.set_locked(ids[0], true).await.unwrap();
    assert_eq!(changes.try_recv().unwrap().id, Some(ids[0].to_string()));
    // Locking what is locked is no change.
    house.catalog.set_locked(ids[0], true).await.unwrap();
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn reading_footage_is_logged_and_reported() {
    let house = House::new().await;
    house.catalog.start_log().await.unwrap();
    for n in 0..3_u64 {
        let access = FootageAccess {
            user_id: UserId::new(),
            username: "ada".to_owned(),
            via: "lan".to_owned(),
            action: "download".to_owned(),
            camera_id: Some(CameraId::new()),
            recording_id: Some(RecordingId::new()),
            archive_id: None,
            bytes: n,
            request_id: format!("r{n}"),
        };
        house
            .catalog
            .log_access(access, Some("192.0.2.7".to_owned()), None)
            .await
            .unwrap();
    }
    let page = house.catalog.access_log(None, 2).await.unwrap();
    assert_eq!(page.items[0].request_id, "r2");
    let rest = house.catalog.access_log(page.next_cursor, 2).await.unwrap();
    assert_eq!(
        (rest.items.len(), rest.items[0].bytes, rest.next_cursor),
        (1, 0, None)
    );
    assert_eq!(house.catalog.batch(0, 10).await.unwrap().len(), 3);
}
