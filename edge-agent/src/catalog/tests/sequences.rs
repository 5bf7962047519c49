//! Whatever is done in whatever order, with cuts in between: the invariants hold after every step, nothing that was
//! held and did not leave is lost, and a relay that drains the outbox knows what the catalog knows.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use wire::ids::{BookmarkId, CameraId, RecorderId, RecordingId};
use wire::resource::{EvictionCause, Recording, RecordingStatus};

use super::reports::Relay;
use crate::catalog::bookmarks::NewBookmark;
use crate::catalog::recordings::RecordingFilter;
use crate::catalog::testing::{House, at, found};
use crate::evict::{Evictor, RetentionConfig};
use crate::footage::keep::Step;
use crate::model::time::UtcRange;

#[derive(Debug, Clone)]
enum Op {
    Observe(u8),
    Begin(u8),
    Progress(u8),
    Fail(u8, bool),
    PutBack(u8),
    Keep(u8),
    KeepCut(u8, u8),
    Lock(u8, bool),
    Bookmark(u8),
    RemoveBookmark(u8),
    Delete(u8),
    Need(u16),
    EmptyGarbage,
    Restart,
    RemoveRecorder,
    AddRecorder,
    StartLog,
    Drain,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0_u8..8;
    prop_oneof![
        3 => n.clone().prop_map(Op::Observe),
        1 => n.clone().prop_map(Op::Begin),
        1 => n.clone().prop_map(Op::Progress),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, again)| Op::Fail(n, again)),
        1 => n.clone().prop_map(Op::PutBack),
        5 => n.clone().prop_map(Op::Keep),
        3 => (n.clone(), 0_u8..4).prop_map(|(n, step)| Op::KeepCut(n, step)),
        2 => (n.clone(), any::<bool>()).prop_map(|(n, locked)| Op::Lock(n, locked)),
        2 => n.clone().prop_map(Op::Bookmark),
        1 => n.clone().prop_map(Op::RemoveBookmark),
        2 => n.prop_map(Op::Delete),
        2 => (0_u16..3_000).prop_map(Op::Need),
        1 => Just(Op::EmptyGarbage),
        3 => Just(Op::Restart),
        1 => Just(Op::RemoveRecorder),
        1 => Just(Op::AddRecorder),
        1 => Just(Op::StartLog),
        1 => Just(Op::Drain),
    ]
}

struct World {
    house: House,
    recorder: Option<RecorderId>,
    camera: CameraId,
    bookmarks: Vec<BookmarkId>,
    ids: Vec<RecordingId>,
    relay: Relay,
    /// Held at some time, and not seen to leave.
    held: HashSet<RecordingId>,
}

impl World {
    async fn new() -> Self {
        let house = House::with(|config| config.budget_bytes = Some(4_000)).await;
        let recorder = house.recorder("SN1", 1).await.id;
        house.catalog.start_log().await.unwrap();
        let mut world = Self {
            camera: house.camera(recorder, 1).await,
            bookmarks: Vec::new(),
            house,
            recorder: Some(recorder),
            ids: Vec::new(),
            relay: Relay::default(),
            held: HashSet::new(),
        };
        for n in 0..4 {
            world = world.apply(Op::Observe(n)).await;
        }
        world.relay.drain(&world.house).await;
        world
    }

    fn id(&self, n: u8) -> Option<RecordingId> {
        self.ids.get(usize::from(n)).copied()
    }

    /// Refusals (wrong state, locked, no room) are part of the game: what matters is what is left behind.
    async fn apply(mut self, op: Op) -> Self {
        let catalog = self.house.catalog.clone();
        match op {
            Op::Observe(n) => {
                if let Some(recorder) = self.recorder {
                    // Two and two have the same span (a clock that was set back), and so the same name on the disk.
                    let from = at("2026-11-03T00:00:00Z").plus_s(i64::from(n / 2) * 600);
                    let span = UtcRange {
                        from,
                        to: from.plus_s(600),
                    };
                    let list = vec![found(&format!("f{n}"), span, 1_000)];
                    let new = self.house.observe(recorder, 1, list).await;
                    self.ids.extend(new);
                }
            }
            Op::Begin(n) => {
                if let Some(id) = self.id(n) {
                    drop(catalog.begin_download(id).await);
                }
            }
            Op::Progress(n) => {
                if let Some(id) = self.id(n) {
                    catalog.note_progress(vec![(id, 10)]).await.unwrap();
                }
            }
            Op::Fail(n, again) => {
                if let Some(id) = self.id(n) {
                    let retry = again.then(|| catalog.now());
                    drop(catalog.fail(id, "for the test", retry).await);
                }
            }
            Op::PutBack(n) => {
                if let Some(id) = self.id(n) {
                    drop(catalog.put_back(id, None).await);
                }
            }
            Op::Keep(n) => {
                if let Some(verified) = self.verified(n).await {
                    // What is fetched and verified can be kept, always.
                    catalog.keep(self.house.volume(), verified).await.unwrap();
                }
            }
            Op::KeepCut(n, step) => {
                if let Some(verified) = self.verified(n).await {
                    let steps = [
                        Step::Written,
                        Step::SidecarRenamed,
                        Step::MediaRenamed,
                        Step::Synced,
                    ];
                    let last = steps[usize::from(step)];
                    drop(
                        catalog
                            .keep_until(self.house.volume(), verified, last)
                            .await,
                    );
                }
            }
            Op::Lock(n, locked) => {
                if let Some(id) = self.id(n) {
                    drop(catalog.set_locked(id, locked).await);
                }
            }
            Op::Bookmark(n) => {
                let new = NewBookmark {
                    camera: self.camera,
                    at: at("2026-11-03T00:00:00Z").plus_s(i64::from(n) * 300),
                    note: String::new(),
                    made_by: "ann".to_owned(),
                    via_relay: false,
                };
                self.bookmarks
                    .push(catalog.add_bookmark(new).await.unwrap().id);
            }
            Op::RemoveBookmark(n) => {
                if let Some(id) = self.bookmarks.pop_if(|_| n % 2 == 0) {
                    catalog.remove_bookmark(id).await.unwrap();
                }
            }
            Op::Delete(n) => {
                if let Some(id) = self.id(n)
                    && catalog.delete(id).await.is_ok()
                {
                    self.held.remove(&id);
                }
            }
            Op::Need(bytes) => {
                let evictor = Evictor::new(
                    catalog.clone(),
                    self.house.volumes.clone(),
                    RetentionConfig::default(),
                );
                drop(evictor.need(u64::from(bytes), None).await);
            }
            Op::EmptyGarbage => drop(catalog.empty_garbage(&self.house.volumes).await.unwrap()),
            Op::Restart => {
                drop(catalog);
                self.house = self.house.restart().await;
                self.house
                    .catalog
                    .finish_interrupted(&self.house.volumes)
                    .await
                    .unwrap();
            }
            Op::RemoveRecorder => {
                if let Some(recorder) = self.recorder.take() {
                    catalog.remove_recorder(recorder).await.unwrap();
                }
            }
            Op::AddRecorder => {
                if self.recorder.is_none() {
                    self.recorder = Some(self.house.recorder("SN1", 1).await.id);
                }
            }
            Op::StartLog => drop(catalog.start_log().await.unwrap()),
            Op::Drain => self.relay.drain(&self.house).await,
        }
        self
    }

    async fn verified(&self, n: u8) -> Option<crate::verify::Verified> {
        let id = self.id(n)?;
        let catalog = &self.house.catalog;
        catalog.begin_download(id).await.ok()?;
        let all = catalog.to_fetch(catalog.now(), 100).await.unwrap();
        let pending = all.into_iter().find(|r| r.id == id)?;
        let media = vec![n; 700 + usize::from(n)];
        Some(crate::catalog::testing::verified(
            self.house.volume(),
            &pending,
            &media,
        ))
    }

    async fn assert_sound(&mut self) {
        self.house.assert_sound();
        let now = self.recordings().await;
        for (id, recording) in &now {
            if recording.status == RecordingStatus::Completed {
                self.held.insert(*id);
            }
            // What leaves for room leaves as `pressure`, and never while it is locked.
            if recording.eviction_cause == Some(EvictionCause::Pressure) {
                assert!(!recording.locked && !recording.bookmarked);
                self.held.remove(id);
            }
        }
        for id in &self.held {
            assert_eq!(now[id].status, RecordingStatus::Completed, "{id} is lost");
        }
    }

    async fn recordings(&self) -> HashMap<RecordingId, Recording> {
        let filter = RecordingFilter {
            limit: 1_000,
            ..RecordingFilter::default()
        };
        let page = self.house.catalog.recordings(filter).await.unwrap();
        page.items.into_iter().map(|r| (r.id, r)).collect()
    }
}

/// Without what telemetry tells instead of reports.
fn as_reported(recording: &Recording) -> Recording {
    let mut recording = recording.clone();
    if recording.status != RecordingStatus::Completed {
        recording.received_bytes = 0;
        recording.progress_percent = 0;
    }
    recording.updated_at = recording.start_utc;
    recording
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence(ops in prop::collection::vec(op(), 10..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for op in ops {
                world = world.apply(op).await;
                world.assert_sound().await;
            }
            // A relay that has drained everything knows what the catalog knows.
            world = world.apply(Op::Restart).await;
            if world.house.catalog.outbox().await.unwrap().is_none() {
                world.house.catalog.start_log().await.unwrap();
            }
            world.relay.drain(&world.house).await;
            let mine = world.recordings().await;
            assert_eq!(world.relay.recordings.len(), mine.len());
            for (id, told) in &world.relay.recordings {
                assert_eq!(as_reported(told), as_reported(&mine[id]));
            }
        });
    }
}
