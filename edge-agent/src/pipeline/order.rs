//! One order from its row to its row: room, download, remux, verify, keep; and what each way to fail means.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wire::ids::{RecorderId, RecordingId};

use super::{Pipeline, room};
use crate::catalog::CatalogError;
use crate::catalog::recordings::PendingRecording;
use crate::download::journal::Journal;
use crate::download::slices::Wanted;
use crate::download::{DownloadError, DownloadOrder, Manner, News, download};
use crate::footage::staging;
use crate::footage::volume::{LOOK_MAX, Reservation, Volume, VolumeError};
use crate::governor::budget::Class;
use crate::governor::{Place, Way};
use crate::media::ahead::Ahead;
use crate::media::process::MediaError;
use crate::model::retention::Bytes;
use crate::model::staged::Parts;
use crate::plan::{ATTEMPTS_MAX, BACKGROUND, is_urgent, pause_after};
use crate::recorder::driver::{FailureKind, PartProgress, PartRequest, RecorderError};
use crate::remux::{ahead, remux};
use crate::verify::{Claim, Verdict, Verified, verify};

/// What an order that has ended means for the next ones.
#[derive(Debug)]
pub enum Effect {
    /// It is held.
    Kept,
    /// Nothing.
    Nothing,
    /// Its slices did not meet: next time as a whole.
    AskWhole,
    /// Its recorder is to be left alone for a while.
    HoldBack(RecorderError),
    /// This box has trouble: nothing is to be begun for a while.
    Trouble(String),
}

/// An order that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub recording: RecordingId,
    /// From where.
    pub recorder: RecorderId,
    /// What it means.
    pub effect: Effect,
}

/// Why an order did not come to its end, as far as this file decides.
enum Failure {
    Download(DownloadError),
    Media(MediaError),
    Room(String),
    /// More came than can be right.
    Excess(String),
    Volume(VolumeError),
    Catalog(CatalogError),
}

macro_rules! failures {
    ($($kind:ident($error:ty)),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        }
    )*};
}
failures!(
    Download(DownloadError),
    Media(MediaError),
    Volume(VolumeError),
    Catalog(CatalogError)
);

/// Carries an order out. Whatever happens, its row says afterwards what became of it.
pub async fn carry_out(
    pipeline: Pipeline,
    row: PendingRecording,
    whole: bool,
    received: mpsc::UnboundedSender<RecordingId>,
    way: Way,
    stop: CancellationToken,
) -> Ended {
    let span = tracing::info_span!(
        "order",
        recording.id = %row.id,
        recorder.id = %row.recorder,
        camera.id = %row.camera,
        order.attempt = row.attempts + 1,
    );
    let order = Order {
        pipeline,
        row,
        whole,
        way,
        gained: Arc::default(),
        received: AtomicU64::new(0),
        ahead: Mutex::default(),
        volume: OnceLock::new(),
        stop,
    };
    async {
        let effect = match order
            .pipeline
            .0
            .parts
            .recorders
            .reach(order.row.recorder)
            .await
        {
            // Not begun, so no attempt is counted: an outage of days must not use them up.
            Err(error) => Effect::HoldBack(error),
            Ok(()) => match order.run(&received).await {
                Ok(effect) => effect,
                Err(failure) => match order.failed(failure).await {
                    Ok(effect) => effect,
                    Err(error) => trouble(&error),
                },
            },
        };
        Ended {
            recording: order.row.id,
            recorder: order.row.recorder,
            effect,
        }
    }
    .instrument(span)
    .await
}

/// The catalog refuses: either the row is no longer what it was, which is fine, or it cannot be written.
fn trouble(error: &CatalogError) -> Effect {
    match error {
        CatalogError::WrongState { .. } | CatalogError::NoRecording(_) => {
            tracing::info!(%error, "A recording is no longer wanted");
            Effect::Nothing
        }
        _ => Effect::Trouble(error.to_string()),
    }
}

struct Order {
    pipeline: Pipeline,
    row: PendingRecording,
    whole: bool,
    /// Says when its place at the recorder is to be given back.
    way: Way,
    /// Something came that was not there before.
    gained: Arc<AtomicBool>,
    /// Bytes of it that have come, by the newest news.
    received: AtomicU64,
    /// Its remux, which runs while it comes.
    ahead: Mutex<Option<(Ahead, OwnedSemaphorePermit)>>,
    /// Where it lies, once it has room.
    volume: OnceLock<Volume>,
    stop: CancellationToken,
}

impl Order {
    async fn run(&self, received: &mpsc::UnboundedSender<RecordingId>) -> Result<Effect, Failure> {
        let row = &self.row;
        let catalog = self.pipeline.catalog();
        let (mut reservation, folder) = self.make_room().await?;
        let volume = reservation.volume().clone();
        let governor = &self.pipeline.0.parts.governor;
        let class = if row.priority > BACKGROUND {
            Class::Asked
        } else if is_urgent(row.gone_at, governor.window(), self.pipeline.now()) {
            Class::Urgent
        } else {
            Class::Background
        };
        let place = tokio::select! {
            place = governor.enter(row.recorder, class, &self.way) => place,
            () = self.stop.cancelled() => None,
        };
        let Some(place) = place else {
            return Ok(Effect::Nothing); // the row was not touched: it is planned again
        };
        let recorder_name = catalog.recorder(row.recorder).await?.name;
        catalog.begin_download(row.id).await?;
        let parts = match self
            .download_in_room(folder, recorder_name, &place, &mut reservation)
            .await?
        {
            Err(DownloadError::Recorder(error)) => {
                // Whoever comes next goes by what this says of the recorder.
                place.failed(&error);
                return Err(Failure::Download(DownloadError::Recorder(error)));
            }
            other => other?,
        };
        drop(place);
        // The pipeline is gone only when the agent is.
        let _ = received.send(row.id);

        let (media, keep_native) = (self.pipeline.0.parts.media.clone(), row.keep != "mp4");
        let claim = Claim {
            span: row.span,
            stated_bytes: row.stated_bytes,
            size_delta_bytes: row.size_delta_bytes,
        };
        let permit = self.pipeline.0.remuxes.acquire().await;
        // Not stopped with the downloads: what is received is worth a moment. Ends with the runtime.
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        let (ahead, place) = self.ahead().take().unzip();
        let verdict = tokio::task::spawn_blocking(move || {
            let staged = remux(&media, &parts, ahead, keep_native, &cancel)?;
            drop(place);
            verify(&media, &staged, claim, &cancel)
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        drop((guard, permit));
        let effect = self.judge(verdict, &volume).await?;
        drop(reservation);
        Ok(effect)
    }

    /// Room on a volume and the staging folder there; what an earlier attempt left is found again, and room is made
    /// where it lies.
    async fn make_room(&self) -> Result<(Reservation, PathBuf), Failure> {
        let (row, parts) = (&self.row, &self.pipeline.0.parts);
        let id = row.id;
        let mut begun = None;
        for volume in parts.volumes.iter() {
            let lies_here =
                move |it: &Volume| it.check_writable().is_ok() && it.staging(id).is_dir();
            // One that does not answer has nothing to go on with now.
            if let Ok(true) = volume.within(LOOK_MAX, lies_here).await {
                begun = Some(volume.id());
                break;
            }
        }
        let bytes = room::wanted(row.stated_bytes, row.received_bytes);
        let reservation = (parts.room)(bytes, begun).await.map_err(Failure::Room)?;
        let volume = reservation.volume().clone();
        // One order makes room once.
        let _ = self.volume.set(volume.clone());
        let folder = blocking(move || staging::create(&volume, id)).await?;
        Ok((reservation, folder))
    }

    /// Downloads as long as there is room for what comes, which may be more than was stated. What still comes then has
    /// room made for it like everything else; where there is none, the download stops before the floor is crossed.
    async fn download_in_room(
        &self,
        folder: PathBuf,
        recorder_name: String,
        place: &Place,
        reservation: &mut Reservation,
    ) -> Result<Result<Parts, DownloadError>, Failure> {
        let stop = self.stop.child_token();
        let download = self.download(folder, recorder_name, place, &stop);
        tokio::pin!(download);
        let ended = tokio::select! {
            biased;
            outcome = &mut download => return Ok(outcome),
            ended = self.watch_room(reservation) => ended,
        };
        stop.cancel();
        // What came lies in its journal; why it stopped is known better here.
        drop(download.await);
        Err(ended)
    }

    /// Follows what comes and asks for more room before it is needed. Returns when there is none.
    async fn watch_room(&self, reservation: &mut Reservation) -> Failure {
        let row = &self.row;
        let room = &self.pipeline.0.parts.room;
        let most = room::most(row.stated_bytes, row.span.duration_ms());
        let before = row.received_bytes;
        let mut received = before;
        loop {
            tokio::time::sleep(room::LOOK_PAUSE).await;
            received = received.max(self.received.load(Ordering::Relaxed));
            if received > most {
                return Failure::Excess(format!(
                    "the recorder states {} for {} and has sent {}: it does not end",
                    Bytes(row.stated_bytes),
                    row.source_name,
                    Bytes(received)
                ));
            }
            reservation.note_written(received - before);
            let volume = reservation.volume().clone();
            let missing = room::missing(received, before, reservation.bytes());
            let floor_bytes = volume.config().floor_bytes;
            let free = blocking(move || volume.space()).await;
            let below = free.is_ok_and(|space| space.free_bytes < floor_bytes);
            if missing == 0 && !below {
                continue;
            }
            match room(missing, Some(reservation.volume().id())).await {
                Ok(more) if more.volume().id() == reservation.volume().id() => {
                    reservation.absorb(more);
                }
                // Its disk has just gone.
                Ok(more) => {
                    let gone = reservation.volume().check().err();
                    let other = more.volume().name().to_owned();
                    return match gone {
                        Some(gone) => Failure::Volume(gone),
                        None => Failure::Room(format!("there is room on volume {other:?} only")),
                    };
                }
                Err(why) => return Failure::Room(why),
            }
        }
    }

    async fn download(
        &self,
        folder: PathBuf,
        recorder_name: String,
        place: &Place,
        stop: &CancellationToken,
    ) -> Result<Parts, DownloadError> {
        let (row, parts) = (&self.row, &self.pipeline.0.parts);
        let order = DownloadOrder {
            recording: row.id,
            recorder_name,
            wanted: Wanted {
                source_name: row.source_name.clone(),
                channel: row.channel,
                start: row.source_start,
                end: row.source_end,
                next_start: row.next_start,
                stated_bytes: row.stated_bytes,
            },
            folder,
            whole: self.whole || parts.recorders.fetches_whole(row.recorder).await,
            size_delta_bytes: row.size_delta_bytes,
            gained: self.gained.clone(),
        };
        let config = &parts.download;
        let manner = Manner {
            slice: Duration::from_secs(config.slice_s.max(1).into()),
            stall: Duration::from_secs(config.stall_s.max(1).into()),
        };
        let fetch = |part, progress, cancel| self.fetch(part, progress, cancel, place);
        let note = |news: News<'_>| match news {
            News::Begins(part) => self.remux_ahead(part, manner.stall),
            News::Received(bytes) => {
                self.received.store(bytes, Ordering::Relaxed);
                self.pipeline.progress().insert(row.id, bytes);
            }
        };
        download(&order, manner, fetch, note, &self.way, stop).await
    }

    /// A file is about to come that may be the whole recording: its remux need not wait for its end.
    fn remux_ahead(&self, part: &Path, pause: Duration) {
        let mut running = self.ahead();
        // What an earlier try made is of no use.
        let place = match running.take() {
            Some((_, place)) => Some(place),
            None => {
                let places = self.pipeline.0.remuxes_ahead.clone();
                places.try_acquire_owned().ok()
            }
        };
        *running = place
            .and_then(|place| Some((ahead(&self.pipeline.0.parts.media, part, pause)?, place)));
    }

    fn ahead(&self) -> MutexGuard<'_, Option<(Ahead, OwnedSemaphorePermit)>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches a part with its share of the bandwidth, and tells the governor as soon as the recorder gives.
    async fn fetch(
        &self,
        mut part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
        place: &Place,
    ) -> Result<u64, RecorderError> {
        part.limit_kbps = place.limit_kbps();
        let mut received = progress.subscribe();
        let recorders = &self.pipeline.0.parts.recorders;
        let fetching = recorders.download(self.row.recorder, part, progress, cancel);
        tokio::pin!(fetching);
        tokio::select! {
            biased;
            outcome = &mut fetching => {
                if outcome.is_ok() {
                    place.accepted();
                }
                return outcome;
            }
            Ok(_) = received.wait_for(|progress| progress.received_bytes > 0) => place.accepted(),
        }
        fetching.await
    }

    async fn judge(&self, verdict: Verdict, volume: &Volume) -> Result<Effect, Failure> {
        let (row, catalog) = (&self.row, self.pipeline.catalog());
        let verified: Verified = match verdict {
            Verdict::Verified {
                verified,
                learnt_size_delta_bytes,
            } => {
                if let Some(delta) = learnt_size_delta_bytes {
                    catalog.learn_size_delta(row.recorder, delta).await?;
                }
                *verified
            }
            Verdict::Rejected(rejected) => {
                let alike = catalog
                    .note_rejected(row.id, rejected.source_digest())
                    .await?;
                let last = row.attempts + 1 >= ATTEMPTS_MAX;
                if !alike && !last {
                    return self
                        .reject(rejected.reason(), rejected.is_short(), volume)
                        .await;
                }
                tracing::warn!(
                    reason = rejected.reason(),
                    "A recording is kept with its defects: the recorder has nothing better"
                );
                rejected.accept()
            }
        };
        let kept = catalog.keep(volume, verified).await?;
        tracing::info!(
            bytes = kept.kept_bytes,
            source.name = row.source_name,
            "A recording is held"
        );
        Ok(Effect::Kept)
    }

    /// Fetched again from the start: whole parts that make a bad recording are worth nothing. What they cost is
    /// remembered.
    async fn reject(
        &self,
        reason: String,
        short: bool,
        volume: &Volume,
    ) -> Result<Effect, Failure> {
        let folder = volume.staging(self.row.id);
        let again = folder.clone();
        tokio::task::spawn_blocking(move || Journal::start_over(&again))
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            .map_err(|source| DownloadError::Local {
                path: folder,
                source,
            })?;
        self.count_attempt(&reason).await?;
        Ok(if short {
            Effect::AskWhole
        } else {
            Effect::Nothing
        })
    }

    async fn count_attempt(&self, reason: &str) -> Result<(), CatalogError> {
        let pauses = self.pipeline.0.parts.download.pauses();
        let retry_at = pause_after(self.row.attempts + 1, pauses)
            .map(|pause| self.pipeline.now().plus_s(pause.as_secs() as i64));
        tracing::warn!(
            reason,
            retry_at = retry_at.map(|at| at.to_string()),
            "A download failed"
        );
        self.pipeline
            .catalog()
            .fail(self.row.id, reason, retry_at)
            .await
    }

    /// Decides by kind what a failure means: for the row, and for the next orders.
    async fn failed(&self, failure: Failure) -> Result<Effect, CatalogError> {
        let (id, catalog) = (self.row.id, self.pipeline.catalog());
        match failure {
            Failure::Download(DownloadError::Recorder(error)) => self.recorder_failed(error).await,
            Failure::Download(error @ DownloadError::GaveWay) => {
                tracing::info!(reason = %error, "A download goes on later");
                catalog.put_back(id, None).await?;
                Ok(Effect::Nothing)
            }
            Failure::Download(error @ DownloadError::Local { .. }) => {
                catalog.put_back(id, None).await?;
                Ok(self.trouble_here(error.to_string()).await)
            }
            Failure::Room(reason) => {
                self.put_back_if_begun().await?;
                Ok(Effect::Trouble(reason))
            }
            Failure::Excess(reason) => {
                self.count_attempt(&reason).await?;
                Ok(Effect::Nothing)
            }
            Failure::Volume(error) => {
                self.put_back_if_begun().await?;
                Ok(self.trouble_here(error.to_string()).await)
            }
            Failure::Media(MediaError::Cancelled(_)) => {
                catalog.put_back(id, None).await?;
                Ok(Effect::Nothing)
            }
            Failure::Media(error) if error.is_local() => {
                catalog.put_back(id, None).await?;
                Ok(self.trouble_here(error.to_string()).await)
            }
            Failure::Media(error) => {
                self.count_attempt(&error.to_string()).await?;
                Ok(Effect::Nothing)
            }
            Failure::Catalog(error) => {
                let effect = trouble(&error);
                if matches!(effect, Effect::Trouble(_)) {
                    self.put_back_if_begun().await?;
                }
                Ok(effect)
            }
        }
    }

    async fn recorder_failed(&self, error: RecorderError) -> Result<Effect, CatalogError> {
        let (id, catalog) = (self.row.id, self.pipeline.catalog());
        match error.kind {
            FailureKind::Cancelled => {
                catalog.put_back(id, None).await?;
                Ok(Effect::Nothing)
            }
            FailureKind::SourceGone => {
                catalog.source_gone(id, &error.message).await?;
                tracing::warn!(
                    reason = error.message,
                    "The recorder no longer holds a recording"
                );
                Ok(Effect::Nothing)
            }
            // Its fault, not this recording's.
            FailureKind::Refused
            | FailureKind::Locked
            | FailureKind::OtherCertificate(_)
            | FailureKind::LibraryMissing => {
                catalog.put_back(id, None).await?;
                Ok(Effect::HoldBack(error))
            }
            // The governor has heard of it and says when there is a place.
            FailureKind::Capacity => {
                catalog.put_back(id, None).await?;
                Ok(Effect::Nothing)
            }
            FailureKind::Local => {
                catalog.put_back(id, None).await?;
                Ok(self.trouble_here(error.message).await)
            }
            FailureKind::Unsupported => {
                catalog.fail(id, &error.message, None).await?;
                Ok(Effect::Nothing)
            }
            // It goes on from where it broke, so it ends.
            FailureKind::Network | FailureKind::Device | FailureKind::Worker
                if self.gained.load(Ordering::Relaxed) =>
            {
                let first = self.pipeline.0.parts.download.pauses().first;
                let later = self.pipeline.now().plus_s(first.as_secs() as i64);
                tracing::warn!(
                    reason = error.message,
                    retry_at = %later,
                    "A download broke; it goes on from there"
                );
                catalog.put_back(id, Some(later)).await?;
                Ok(Effect::Nothing)
            }
            // May well be this recording's: a crash, a stall, an unreadable sector. Counted, so that it ends.
            FailureKind::Network | FailureKind::Device | FailureKind::Worker => {
                self.count_attempt(&error.message).await?;
                Ok(Effect::Nothing)
            }
        }
    }

    /// What the box itself refused. A disk that went away explains it better than the file that could not be written.
    async fn trouble_here(&self, message: String) -> Effect {
        let why = match self.volume.get() {
            Some(volume) => volume.within(LOOK_MAX, Volume::check).await.flatten().err(),
            None => None,
        };
        Effect::Trouble(why.map_or(message, |why| why.to_string()))
    }

    async fn put_back_if_begun(&self) -> Result<(), CatalogError> {
        match self.pipeline.catalog().put_back(self.row.id, None).await {
            Err(CatalogError::WrongState { .. } | CatalogError::NoRecording(_)) => Ok(()),
            other => other,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
