//! A login at a recorder through its SDK worker: the driver's calls, in true time.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock::{ClockBook, Told};
use super::driver::{
    FailureKind, LiveStream, PartProgress, PartRequest, RecorderAccount, RecorderError, Source,
    StreamKind,
};
use super::reading::Reading;
use super::worker_process::Worker;
use super::worker_protocol::{self as protocol, Answer, Request, Secret};
use crate::model::inventory::{
    ChannelInfo, FoundRecording, Inventory, RecorderClock, RecorderIdentity,
};
use crate::model::time::UtcRange;

/// A login at one recorder through its worker process. Clones share it.
#[derive(Debug, Clone)]
pub struct WorkerSession {
    worker: Worker,
    number: u32,
    at: Arc<str>,
    identity: Arc<RecorderIdentity>,
    book: ClockBook,
    reading: Arc<Mutex<Reading>>,
}

impl WorkerSession {
    /// Logs in. An earlier login of the same worker ends. What is read of the recorder's clock goes into its book.
    pub async fn login(
        worker: Worker,
        account: &RecorderAccount,
        book: ClockBook,
    ) -> Result<Self, RecorderError> {
        let at: Arc<str> = account.at().into();
        if let Some(problem) = &worker.hello().problem {
            return Err(RecorderError::new(
                FailureKind::LibraryMissing,
                problem.as_str(),
            ));
        }
        let request = Request::Login {
            // Already resolved: the library may ask no name server.
            address: worker.reach().literal(&account.address),
            port: account.port,
            username: account.username.clone(),
            password: Secret::new(&account.password),
        };
        let done = worker
            .call(&format!("log in at {at}"), request, None, |_| {})
            .await?;
        let Answer::LoggedIn(told) = done.answer else {
            return Err(wrong_answer(&at));
        };
        let reading = Reading::note(&book, &at, &told.clock);
        let channels = told
            .channels
            .into_iter()
            .map(|channel| ChannelInfo {
                number: channel.number,
                name: channel.name,
                online: channel.online,
            })
            .collect();
        let identity = RecorderIdentity {
            serial: told.serial,
            model: told.model,
            channels,
            clock: reading.clock.reading(),
            certificate: None,
        };
        Ok(Self {
            worker,
            number: told.session,
            at,
            identity: Arc::new(identity),
            book,
            reading: Arc::new(Mutex::new(reading)),
        })
    }

    /// What the login told.
    pub fn identity(&self) -> &Arc<RecorderIdentity> {
        &self.identity
    }

    /// Logs out. The worker stays, for another login.
    pub async fn logout(&self) -> Result<(), RecorderError> {
        self.worker
            .call("log out", Request::Logout, None, |_| {})
            .await
            .map(drop)
    }

    /// Keep-alive, and the clock measured anew.
    pub async fn ping(&self) -> Result<RecorderClock, RecorderError> {
        let request = Request::Clock {
            session: self.number,
        };
        let done = self
            .worker
            .call("read the clock", request, None, |_| {})
            .await?;
        let Answer::Clock(facts) = done.answer else {
            return Err(wrong_answer(&self.at));
        };
        let reading = Reading::note(&self.book, &self.at, &facts);
        let shown = reading.clock.reading();
        *self.reading() = reading;
        Ok(shown)
    }

    /// What a channel holds in a range of true time.
    pub async fn search(&self, channel: u32, range: UtcRange) -> Result<Inventory, RecorderError> {
        let reading = self.fresh_reading().await?;
        let clock = &reading.clock;
        let mut rows: Vec<protocol::Row> = Vec::new();
        let mut known = HashSet::new();
        for (start, end) in clock.questions(range) {
            let request = Request::Search {
                session: self.number,
                channel,
                start,
                end,
            };
            let done = self
                .worker
                .call(&format!("search channel {channel}"), request, None, |_| {})
                .await?;
            rows.extend(
                done.rows
                    .into_iter()
                    .filter(|row| known.insert(row.clone())),
            );
        }
        let told: Vec<Told> = rows
            .iter()
            .map(|row| Told {
                start: row.start,
                end: row.end,
                difference_minutes: row.difference_minutes,
            })
            .collect();
        let answered_at = Timestamp::now().into();
        let mut recordings = Vec::with_capacity(rows.len());
        let placed = clock.place(&told, range, answered_at);
        for ((row, told), placed) in rows.into_iter().zip(&told).zip(placed) {
            let Some(placed) = placed else {
                tracing::warn!(
                    recorder.address = &*self.at,
                    channel.no = channel,
                    source_name = row.name,
                    "The recorder lists a recording that ends before it begins ({} to {}); it is ignored",
                    row.start,
                    row.end
                );
                continue;
            };
            // What may lie inside is not left out: the catalog knows it or should.
            let mut others = clock.readings(told);
            others.retain(|other| *other != placed);
            if !placed.span.overlaps(range) && others.is_empty() {
                continue;
            }
            recordings.push(FoundRecording {
                source_name: row.name,
                start: placed.start,
                end: placed.end,
                span: placed.span,
                clock: placed.clock,
                others,
                stated_bytes: row.bytes,
                source_type: row.kind,
                source_locked: row.locked,
            });
        }
        reading.check_box(&self.at, channel)?;
        Ok(Inventory {
            channel,
            asked: range,
            answered_at,
            clock: clock.reading(),
            recordings,
        })
    }

    /// Fetches one part into its file; see [`super::driver::RecorderSession::download`].
    pub async fn download(
        &self,
        part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
    ) -> Result<u64, RecorderError> {
        if !part.path.is_absolute() {
            // The library would take it from the worker's own folder, which goes with the worker.
            let message = format!(
                "{}: the path {} is not absolute",
                self.at,
                part.path.display()
            );
            return Err(RecorderError::new(FailureKind::Local, message));
        }
        let source = match part.source {
            Source::Name(name) => protocol::Source::Name(name),
            Source::Time {
                channel,
                start,
                end,
            } => protocol::Source::Time {
                channel,
                start: start.wall,
                end: end.wall,
            },
        };
        let request = Request::Download {
            session: self.number,
            source,
            path: part.path.clone(),
            limit_kbps: part.limit_kbps,
        };
        let _counted = self.worker.count_transfer();
        let done = self
            .worker
            .call("download", request, Some(&cancel), |news| {
                progress.send_replace(news);
            })
            .await;
        if let Err(error) = &done
            && error.kind == FailureKind::Local
            && can_create(part.path).await
        {
            self.worker.note_shut_out();
        }
        let done = done?;
        let Answer::Downloaded { bytes } = done.answer else {
            return Err(wrong_answer(&self.at));
        };
        progress.send_replace(PartProgress {
            received_bytes: bytes,
            percent: 100,
        });
        Ok(bytes)
    }

    /// Starts a live stream.
    pub async fn live(
        &self,
        channel: u32,
        stream: StreamKind,
    ) -> Result<LiveStream, RecorderError> {
        let local = |what: &str, error: &dyn std::fmt::Display| {
            let message = format!(
                "{}: cannot show channel {channel} live: {what}: {error}",
                self.at
            );
            RecorderError::new(FailureKind::Local, message)
        };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()
            .and_then(|(ours, theirs)| {
                ours.set_nonblocking(true)?;
                Ok((UnixStream::from_std(ours)?, theirs))
            })
            .map_err(|error| local("socket", &error))?;
        let request = Request::Live {
            session: self.number,
            channel,
            stream: stream.into(),
        };
        let counted = self.worker.count_transfer();
        let done = self
            .worker
            .call_with(
                &format!("show channel {channel} live"),
                request,
                Some(theirs.into()),
                None,
                |_| {},
            )
            .await?;
        let guard = CancellationToken::new();
        tokio::spawn({
            let (worker, guard) = (self.worker.clone(), guard.clone());
            async move {
                tokio::select! {
                    () = guard.cancelled() => worker.cancel(done.id),
                    _ = worker.ended() => {}
                }
                drop(counted);
            }
        });
        Ok(LiveStream {
            bytes: ours,
            guard: guard.drop_guard(),
        })
    }

    /// A reading that is good for a search: of just now, by a box whose clock is believed.
    async fn fresh_reading(&self) -> Result<Reading, RecorderError> {
        let is_stale = self.reading().is_stale();
        if is_stale {
            self.ping().await?;
        }
        let reading = self.reading().clone();
        reading.believed(&self.at)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrong_answer(at: &str) -> RecorderError {
    RecorderError::new(
        FailureKind::Worker,
        format!("{at}: the worker answered another question"),
    )
}

/// Whether this program can make a file at a path where there is none.
async fn can_create(path: PathBuf) -> bool {
    let created = tokio::task::spawn_blocking(move || {
        std::fs::File::create_new(&path).is_ok() && std::fs::remove_file(&path).is_ok()
    });
    created.await.unwrap_or(false)
}
