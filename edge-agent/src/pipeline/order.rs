//! One order from its row to its row: room, download, remux, verify, keep; and what each way to fail means.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wire::ids::{RecorderId, RecordingId};

use super::Pipeline;
use crate::catalog::CatalogError;
use crate::catalog::recordings::PendingRecording;
use crate::download::journal::Journal;
use crate::download::slices::Wanted;
use crate::download::{DownloadError, DownloadOrder, Manner, News, download};
use crate::footage::staging;
use crate::footage::volume::{Reservation, Volume, VolumeError};
use crate::governor::budget::Class;
use crate::governor::{Place, Way};
use crate::media::ahead::Ahead;
use crate::media::process::MediaError;
use crate::model::staged::Parts;
use crate::plan::{ATTEMPTS_MAX, BACKGROUND, is_urgent, pause_after};
use crate::recorder::driver::{FailureKind, PartProgress, PartRequest, RecorderError};
use crate::remux::{ahead, remux};
use crate::verify::{Claim, Verdict, Verified, verify};

/// Room beyond twice the stated size (the parts and the kept file lie there together).
const ROOM_BESIDE: u64 = 16 << 20;
/// Room for a recording whose size was not told.
const ROOM_UNKNOWN: u64 = 1 << 30;

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
        ahead: Mutex::default(),
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
    /// Its remux, which runs while it comes.
    ahead: Mutex<Option<(Ahead, OwnedSemaphorePermit)>>,
    stop: CancellationToken,
}

impl Order {
    async fn run(&self, received: &mpsc::UnboundedSender<RecordingId>) -> Result<Effect, Failure> {
        let row = &self.row;
        let catalog = self.pipeline.catalog();
        let (reservation, volume, folder) = self.make_room().await?;
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
        let parts = match self.download(folder, recorder_name, &place).await {
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

    /// Room on a volume and the staging folder there; what an earlier attempt left is found again.
    async fn make_room(&self) -> Result<(Reservation, Volume, PathBuf), Failure> {
        let row = &self.row;
        let bytes = match row.stated_bytes {
            0 => ROOM_UNKNOWN,
            stated => stated.saturating_mul(2).saturating_sub(row.received_bytes) + ROOM_BESIDE,
        };
        let room = (self.pipeline.0.parts.room)(bytes).await;
        let reservation = room.map_err(Failure::Room)?;
        let (volumes, id) = (self.pipeline.0.parts.volumes.clone(), row.id);
        let chosen = reservation.volume().clone();
        let (volume, folder) = tokio::task::spawn_blocking(move || {
            let begun = volumes
                .iter()
                .find(|volume| volume.check().is_ok() && volume.staging(id).is_dir())
                .cloned();
            let volume = begun.unwrap_or(chosen);
            let folder = staging::create(&volume, id)?;
            Ok::<_, VolumeError>((volume, folder))
        })
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        Ok((reservation, volume, folder))
    }

    async fn download(
        &self,
        folder: PathBuf,
        recorder_name: String,
        place: &Place,
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
                self.pipeline.progress().insert(row.id, bytes);
            }
        };
        download(&order, manner, fetch, note, &self.way, &self.stop).await
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
                Ok(Effect::Trouble(error.to_string()))
            }
            // The row was not touched yet.
            Failure::Room(reason) => Ok(Effect::Trouble(reason)),
            Failure::Volume(error) => {
                self.put_back_if_begun().await?;
                Ok(Effect::Trouble(error.to_string()))
            }
            Failure::Media(MediaError::Cancelled(_)) => {
                catalog.put_back(id, None).await?;
                Ok(Effect::Nothing)
            }
            Failure::Media(error) if error.is_local() => {
                catalog.put_back(id, None).await?;
                Ok(Effect::Trouble(error.to_string()))
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
                Ok(Effect::Trouble(error.message))
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

    async fn put_back_if_begun(&self) -> Result<(), CatalogError> {
        match self.pipeline.catalog().put_back(self.row.id, None).await {
            Err(CatalogError::WrongState { .. } | CatalogError::NoRecording(_)) => Ok(()),
            other => other,
        }
    }
}
