//! The only file that names the stages in order: discover, plan, download, remux, verify, keep. Owns concurrency,
//! priorities, retries and hand-over.
//!
//! ```text
//! discovery ──> catalog ──> plan ──> order: room, download ─> remux ─> verify ─> keep ──> catalog
//!                  ^                                                      │ rejected, failed
//!                  └──────────────────────────────────────────────────────┘
//! ```
//!
//! No queue lives here: what is to be done is read from the catalog's rows, so after any kill the agent goes on from
//! there. What is remembered between two looks (which recorder is held back, what asked for the whole file) only saves
//! time; losing it costs an attempt.

mod discovery;
mod holds;
mod jobs;
mod order;
mod room;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::ids::{CameraId, RecorderId, RecordingId, SyncJobId};
use wire::resource::{RecordingStatus, SyncJob, SyncJobState};

use self::holds::Holds;
use self::order::{Effect, Ended};
use crate::catalog::recordings::{PendingRecording, RecordingFilter};
use crate::catalog::{Catalog, CatalogError, ChangeKind};
use crate::footage::volume::{Reservation, VolumeId, Volumes};
use crate::governor::settings::{Chosen, Settings};
use crate::governor::window::DayWindow;
use crate::governor::{Governor, Way};
use crate::media::MediaConfig;
use crate::model::inventory::Inventory;
use crate::model::time::{UtcRange, UtcTime};
use crate::plan::{self, Candidate, Limits, Running, Standing};
use crate::recorder::driver::{PartProgress, PartRequest, RecorderError};

/// Rows of each recorder that a plan looks at: more than can be begun before it looks again.
const LOOKAHEAD: usize = 32;
/// Longest time between two plans: rows become due without anybody telling.
const PLAN_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two writes of progress.
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);
/// Recordings that are remuxed and verified at once: it is the disk that bounds it.
const REMUXES: usize = 2;
/// Recordings remuxed while they come; those beyond are remuxed when they are there.
const REMUXES_AHEAD: usize = 2;
/// Time to come to the end of its part for a download that gives its place of the total to a person's.
const GIVE_WAY: Duration = Duration::from_secs(10);
/// How long work after the download may go on once the agent is to stop.
const LAST_WORK: Duration = Duration::from_secs(8);

/// `[discovery]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiscoveryConfig {
    /// Seconds between two questions to a channel. Default 300.
    pub interval_s: u32,
    /// How many days back footage is looked for. Default 30.
    pub backfill_days: u32,
    /// Seconds that the end of a recording must lie back before it counts as final. Default 120.
    pub settle_s: u32,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            interval_s: 300,
            backfill_days: 30,
            settle_s: 120,
        }
    }
}

impl DiscoveryConfig {
    fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_s.into())
    }
}

/// `[download]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DownloadConfig {
    /// Downloads at once from one recorder, if it bears them: how many streams it gives is learnt. Default 2; small NVRs
    /// bear 2 or 3 beside their own viewers.
    pub per_recorder: usize,
    /// Recordings at once in all. Default 4.
    pub total: usize,
    /// Seconds of footage fetched in one part; shorter recordings come in one. Default 21600 (six hours).
    pub slice_s: u32,
    /// Bandwidth taken from one recorder by all downloads together, in kbit/s. Default: as much as it gives.
    pub limit_kbps: Option<u32>,
    /// The same for downloads that nobody asked for. Default: as `limit_kbps`.
    pub background_limit_kbps: Option<u32>,
    /// Time of day in which what nobody asked for is fetched: `"22:00-06:00"`. Default: always.
    pub window: Option<DayWindow>,
    /// The zone that the time of day is meant in: `"Europe/Berlin"`. Default: the zone of this box.
    #[serde(deserialize_with = "zone_of_name")]
    pub zone: Option<TimeZone>,
    /// Seconds without a new byte after which a download is given up and tried again. Default 45.
    pub stall_s: u32,
    /// Seconds after the first failed attempt at a recording until the next; doubles with each. Also the pause after
    /// trouble of this box's own (its disk, its catalog). Default 30.
    pub retry_first_s: u32,
    /// The longest. Default 3600.
    pub retry_max_s: u32,
}

/// A zone by its name in the tz database.
pub(crate) fn zone_of_name<'de, D: serde::Deserializer<'de>>(
    d: D,
) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(d)?;
    TimeZone::get(&name).map(Some).map_err(|_| {
        serde::de::Error::custom(format!(
            "{name:?} is not a time zone like \"Europe/Berlin\""
        ))
    })
}

impl DownloadConfig {
    /// What the governor goes by, as long as nothing else is chosen from the page.
    pub fn governed(&self) -> Settings {
        Settings {
            downloads_max: self.per_recorder,
            chosen: Chosen {
                limit_kbps: self.limit_kbps,
                background_limit_kbps: self.background_limit_kbps,
                window: self.window,
                zone: self.zone.clone(),
            },
        }
    }

    fn pauses(&self) -> plan::Pauses {
        let seconds = |s: u32| Duration::from_secs(s.max(1).into());
        plan::Pauses {
            first: seconds(self.retry_first_s),
            longest: seconds(self.retry_max_s.max(self.retry_first_s)),
        }
    }
}

impl Default for DownloadConfig {
    fn default() -> Self {
        Self {
            per_recorder: 2,
            total: 4,
            slice_s: 21_600,
            limit_kbps: None,
            background_limit_kbps: None,
            window: None,
            zone: None,
            stall_s: 45,
            retry_first_s: 30,
            retry_max_s: 3_600,
        }
    }
}

/// The recorders as the pipeline uses them. `agent.rs` fills it with sessions, tests with a script.
pub trait Recorders: Send + Sync + 'static {
    /// Makes sure that there is a session, waiting for a login under way.
    fn reach(&self, recorder: RecorderId) -> BoxFuture<'_, Result<(), RecorderError>>;

    /// Whether a long recording is best asked for as a whole; see the port.
    fn fetches_whole(&self, _recorder: RecorderId) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    /// The port's `search`.
    fn search(
        &self,
        recorder: RecorderId,
        channel: u32,
        range: UtcRange,
    ) -> BoxFuture<'_, Result<Inventory, RecorderError>>;

    /// The port's `download`.
    fn download(
        &self,
        recorder: RecorderId,
        part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<u64, RecorderError>>;
}

/// Makes room for so many bytes, on the volume where the download has begun if it has, and promises it: eviction's work.
/// The error says in words why there is none.
pub type MakeRoom = Arc<
    dyn Fn(u64, Option<VolumeId>) -> BoxFuture<'static, Result<Reservation, String>> + Send + Sync,
>;

/// What the pipeline is made of.
#[derive(Clone)]
pub struct Parts {
    /// The catalog.
    pub catalog: Catalog,
    /// Where footage lies.
    pub volumes: Volumes,
    /// The recorders.
    pub recorders: Arc<dyn Recorders>,
    /// Eviction.
    pub room: MakeRoom,
    /// FFmpeg.
    pub media: MediaConfig,
    /// `[discovery]`.
    pub discovery: DiscoveryConfig,
    /// `[download]`.
    pub download: DownloadConfig,
    /// Who may use a recorder when.
    pub governor: Governor,
}

/// What the pipeline does now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Recordings being fetched, remuxed or verified.
    pub running: usize,
    /// Why nothing is begun, in words.
    pub paused: Option<String>,
}

/// The pipeline. Cheap to clone; [`Pipeline::run`] does the work.
#[derive(Clone)]
pub struct Pipeline(Arc<Shared>);

struct Shared {
    parts: Parts,
    /// Something may be ready to be planned.
    plan: Notify,
    /// A recorder may be worth asking.
    discover: Notify,
    /// A recorder has changed: what was learnt of them may no longer hold.
    forgive: AtomicBool,
    jobs: mpsc::UnboundedSender<SyncJobId>,
    new_jobs: Mutex<Option<mpsc::UnboundedReceiver<SyncJobId>>>,
    progress: Mutex<HashMap<RecordingId, u64>>,
    remuxes: Semaphore,
    remuxes_ahead: Arc<Semaphore>,
    status: watch::Sender<Status>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pipeline({:?})", *self.0.status.borrow())
    }
}

impl Pipeline {
    /// A pipeline that does nothing yet.
    pub fn new(parts: Parts) -> Self {
        let (jobs, new_jobs) = mpsc::unbounded_channel();
        Self(Arc::new(Shared {
            parts,
            plan: Notify::new(),
            discover: Notify::new(),
            forgive: AtomicBool::new(false),
            jobs,
            new_jobs: Mutex::new(Some(new_jobs)),
            progress: Mutex::default(),
            remuxes: Semaphore::new(REMUXES),
            remuxes_ahead: Arc::new(Semaphore::new(REMUXES_AHEAD)),
            status: watch::Sender::default(),
        }))
    }

    /// A person asks for a range now, of one camera or of all (R5).
    pub async fn sync(
        &self,
        camera: Option<CameraId>,
        range: UtcRange,
    ) -> Result<SyncJob, CatalogError> {
        let job = self.catalog().add_job(camera, range).await?;
        // While the pipeline does not run the row waits; it is taken up at the next start.
        let _ = self.0.jobs.send(job.id);
        Ok(job)
    }

    /// A person no longer wants a job. What is being fetched goes on as background.
    pub async fn cancel_sync(&self, id: SyncJobId) -> Result<SyncJob, CatalogError> {
        let job = self
            .catalog()
            .set_job_state(id, SyncJobState::Cancelled, None)
            .await?;
        self.0.plan.notify_one();
        Ok(job)
    }

    /// What it does now.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    fn catalog(&self) -> &Catalog {
        &self.0.parts.catalog
    }

    fn now(&self) -> UtcTime {
        self.catalog().now()
    }

    /// Works until cancelled, on a catalog whose interrupted work is finished; then downloads stop where they can go
    /// on later, and what is already received gets a moment to be kept. Ends with an error only when the catalog cannot be read.
    pub async fn run(&self, cancel: CancellationToken) -> Result<(), CatalogError> {
        // Before anything is discovered: what lies on the disks is not fetched again.
        self.catalog().adopt_footage(&self.0.parts.volumes).await?;
        self.put_back_interrupted().await?;

        let mut side = JoinSet::new();
        let stop = cancel.child_token();
        side.spawn(named(
            "discovery",
            discovery::run(self.clone(), stop.clone()),
        ));
        side.spawn(named("jobs", jobs::run(self.clone(), stop.clone())));
        side.spawn(named("progress", self.clone().write_progress(stop.clone())));
        side.spawn(named("changes", self.clone().follow_changes(stop.clone())));
        let downloads = self.fetch(cancel);
        tokio::pin!(downloads);
        let outcome = tokio::select! {
            outcome = &mut downloads => outcome,
            // None of them ends before it is told to.
            Some(ended) = side.join_next() => {
                stop.cancel();
                let outcome = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                downloads.await.and(outcome)
            }
        };
        stop.cancel();
        while let Some(ended) = side.join_next().await {
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        }
        outcome
    }

    /// What an earlier run was fetching waits again, and its attempt does not count.
    async fn put_back_interrupted(&self) -> Result<(), CatalogError> {
        loop {
            let page = self
                .catalog()
                .recordings(RecordingFilter {
                    status: Some(RecordingStatus::Downloading),
                    ..RecordingFilter::default()
                })
                .await?;
            if page.items.is_empty() {
                return Ok(());
            }
            for recording in page.items {
                self.catalog().put_back(recording.id, None).await?;
            }
        }
    }

    /// Plans and carries out orders until cancelled.
    async fn fetch(&self, cancel: CancellationToken) -> Result<(), CatalogError> {
        let mut work = Work {
            pipeline: self.clone(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            holds: Holds::default(),
            whole: HashSet::new(),
            trouble: None,
            stop: CancellationToken::new(),
        };
        let (received, mut has_received) = mpsc::unbounded_channel();
        loop {
            let wake = work.begin_orders(&received).await?;
            self.0.status.send_if_modified(|status| work.tell(status));
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(ended) = work.tasks.join_next() => work.ended(ended),
                Some(id) = has_received.recv() => work.received(id),
                () = self.0.plan.notified() => {}
                () = self.0.parts.governor.changed() => {}
                () = tokio::time::sleep(wake) => {}
            }
        }
        work.drain().await;
        Ok(())
    }

    /// Changes that people make wake the planner and the discovery.
    async fn follow_changes(self, cancel: CancellationToken) -> Result<(), CatalogError> {
        use tokio::sync::broadcast::error::RecvError;
        let mut changes = self.catalog().changes();
        loop {
            let change = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            match change {
                // Our own doing, mostly: many a second, and none of them brings work.
                Ok(change)
                    if matches!(
                        change.kind,
                        ChangeKind::Recording | ChangeKind::SyncJob | ChangeKind::Bookmark
                    ) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    self.0.forgive.store(true, Ordering::SeqCst);
                    self.0.plan.notify_one();
                    self.0.discover.notify_one();
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// Progress of all downloads in one transaction a second.
    async fn write_progress(self, cancel: CancellationToken) -> Result<(), CatalogError> {
        while !cancel.is_cancelled() {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(PROGRESS_PAUSE) => {}
            }
            let progress = std::mem::take(&mut *self.progress());
            if let Err(error) = self
                .catalog()
                .note_progress(progress.into_iter().collect())
                .await
            {
                tracing::warn!(%error, "Progress of downloads is not written");
            }
        }
        Ok(())
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, HashMap<RecordingId, u64>> {
        self.0
            .progress
            .lock()
            .expect("nothing panics while holding the progress")
    }
}

async fn named(
    task: &'static str,
    work: impl Future<Output = Result<(), CatalogError>>,
) -> Result<(), CatalogError> {
    work.await.inspect_err(|error| {
        tracing::error!(task, %error, "A task of the pipeline ended");
    })
}

/// An order under way.
struct UnderWay {
    recorder: RecorderId,
    /// As the planner sees it.
    running: Running,
    way: Way,
}

/// Orders under way and what was learnt of recorders.
struct Work {
    pipeline: Pipeline,
    tasks: JoinSet<Ended>,
    running: HashMap<RecordingId, UnderWay>,
    holds: Holds,
    /// To be asked for as a whole next time: their slices did not meet.
    whole: HashSet<RecordingId>,
    /// Trouble of this box, and until when nothing is begun.
    trouble: Option<(String, UtcTime)>,
    /// Ends downloads; not what comes after them.
    stop: CancellationToken,
}

impl Work {
    /// Plans and begins what is to be begun. Returns when to look again.
    async fn begin_orders(
        &mut self,
        received: &mpsc::UnboundedSender<RecordingId>,
    ) -> Result<Duration, CatalogError> {
        let now = self.pipeline.now();
        if self.trouble.as_ref().is_some_and(|(_, until)| *until > now) {
            return Ok(PLAN_PAUSE);
        }
        if self.pipeline.0.forgive.swap(false, Ordering::SeqCst) {
            self.holds = Holds::default();
        }
        let rows = match self.pipeline.catalog().to_fetch(now, LOOKAHEAD).await {
            Ok(rows) => rows,
            Err(error @ CatalogError::Db(base::sqlite::DbError::Closed)) => return Err(error),
            Err(error) => {
                self.troubled(error.to_string());
                return Ok(PLAN_PAUSE);
            }
        };
        self.trouble = None;
        let config = &self.pipeline.0.parts.download;
        let governor = &self.pipeline.0.parts.governor;
        for row in &rows {
            // A person asks for what is being fetched in the background.
            if let Some(under_way) = self.running.get_mut(&row.id)
                && row.priority > under_way.running.priority
            {
                under_way.running.priority = row.priority;
                governor.promote(under_way.recorder, &under_way.way);
            }
        }
        let concerned = rows
            .iter()
            .map(|row| row.recorder)
            .chain(self.running.values().map(|under_way| under_way.recorder));
        let limits = Limits {
            total: config.total,
            per_recorder: config.per_recorder,
            recorders: concerned
                .map(|recorder| (recorder, self.standing(recorder, now)))
                .collect(),
            background: governor.window(),
        };
        let candidates: Vec<Candidate> = rows.iter().map(candidate).collect();
        let running: Vec<Running> = self
            .running
            .values()
            .map(|under_way| Running {
                gives_way: under_way.way.asked().is_some(),
                ..under_way.running
            })
            .collect();
        let plan = plan::plan(&candidates, &running, &limits, now);
        for id in plan.give_way {
            if let Some(under_way) = self.running.get(&id) {
                under_way.way.give_by(Instant::now() + GIVE_WAY);
            }
        }
        for id in plan.orders {
            if let Some(row) = rows.iter().find(|row| row.id == id) {
                self.begin(row.clone(), received.clone());
            }
        }
        let until_ms = plan
            .again_at
            .map_or(i64::MAX, |at| at.ms_since(now).max(100));
        Ok(PLAN_PAUSE.min(Duration::from_millis(until_ms.unsigned_abs())))
    }

    /// What a recorder bears now.
    fn standing(&self, recorder: RecorderId, now: UtcTime) -> Standing {
        let places = self.pipeline.0.parts.governor.places(recorder);
        let free = Standing {
            asked: places.asked,
            background: places.background,
            urgent: places.urgent,
            again_at: places.again_at,
        };
        self.holds.standing(recorder, free, now)
    }

    fn begin(&mut self, row: PendingRecording, received: mpsc::UnboundedSender<RecordingId>) {
        let way = Way::default();
        let running = Running {
            recording: row.id,
            recorder: Some(row.recorder),
            priority: row.priority,
            gives_way: false,
        };
        let under_way = UnderWay {
            recorder: row.recorder,
            running,
            way: way.clone(),
        };
        self.running.insert(row.id, under_way);
        let whole = self.whole.contains(&row.id);
        self.tasks.spawn(order::carry_out(
            self.pipeline.clone(),
            row,
            whole,
            received,
            way,
            self.stop.clone(),
        ));
    }

    /// The recorder has given all of it; only this box works on it now.
    fn received(&mut self, id: RecordingId) {
        if let Some(under_way) = self.running.get_mut(&id) {
            under_way.running.recorder = None;
        }
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ended {
            recording,
            recorder,
            effect,
        } = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.running.remove(&recording);
        self.pipeline.progress().remove(&recording);
        let now = self.pipeline.now();
        match effect {
            Effect::Kept => {
                self.whole.remove(&recording);
                self.holds.clear(recorder);
            }
            Effect::Nothing => {}
            Effect::AskWhole => {
                self.whole.insert(recording);
            }
            Effect::HoldBack(error) => self.holds.hold_back(recorder, &error, now),
            Effect::Trouble(reason) => self.troubled(reason),
        }
    }

    fn troubled(&mut self, reason: String) {
        if self.trouble.is_none() {
            tracing::error!(reason, "Nothing is downloaded for now");
        }
        let pause = self.pipeline.0.parts.download.pauses().first;
        let until = self.pipeline.now().plus_s(pause.as_secs() as i64);
        self.trouble = Some((reason, until));
    }

    fn tell(&self, status: &mut Status) -> bool {
        let now = Status {
            running: self.running.len(),
            paused: self.trouble.as_ref().map(|(reason, _)| reason.clone()),
        };
        let changed = *status != now;
        *status = now;
        changed
    }

    /// Stops downloads where they can go on later, and waits for what comes after them.
    async fn drain(mut self) {
        self.stop.cancel();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                self.ended(ended);
            }
        };
        if tokio::time::timeout(LAST_WORK, all).await.is_err() {
            // Dropping what is left is harmless: it is begun again from its parts.
            tracing::info!(
                left = self.tasks.len(),
                "Work on recordings goes on at the next start"
            );
        }
    }
}

/// A row as the planner sees it.
pub(crate) fn candidate(row: &PendingRecording) -> Candidate {
    Candidate {
        recording: row.id,
        recorder: row.recorder,
        priority: row.priority,
        start: row.span.from,
        gone_at: row.gone_at,
        not_before: row.next_attempt,
    }
}

#[cfg(test)]
mod tests;
