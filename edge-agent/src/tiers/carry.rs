//! One recording moves, in the order that no interruption breaks: the row of the move names the new place; the copy is
//! written, compared and synced in staging; it is renamed into place as every recording is; the row is switched and the
//! old files become garbage in one transaction; then they go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wire::ids::RecordingId;

use crate::catalog::{Catalog, CatalogError};
use crate::footage::copy::{CopyError, InStaging, Move, copy};
use crate::footage::keep::{self, KeepError};
use crate::footage::staging;
use crate::footage::volume::{Reservation, Volume};

/// How fast bytes may be carried.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At most.
    pub limit_bytes_per_s: u64,
    /// Room is needed soon: others are not given way to.
    pub hurries: bool,
}

/// What became of it.
#[derive(Debug)]
pub enum Carried {
    /// It lies there now.
    Moved,
    /// It has left, or moved, or is being packed into an archive meanwhile.
    Unwanted,
    /// The agent stops.
    Stopped,
    /// What lies here is not what was kept.
    Damaged(String),
    /// Not now.
    Failed(String),
}

/// The moments after which a power cut is worth a thought; tests stop there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The row of the move names the new place.
    Named,
    /// The copy lies in staging, compared and synced.
    Copied,
    /// A step of taking the place.
    Placed(keep::Step),
    /// The row is switched; the old files are garbage.
    Switched,
}

/// Where a test stops; outside tests nowhere.
#[derive(Debug, Clone, Copy, Default)]
struct Cut(Option<Step>);

impl Cut {
    fn after(self, step: Step) -> io::Result<()> {
        match self.0 == Some(step) {
            true => Err(io::Error::other("cut")),
            false => Ok(()),
        }
    }
}

/// The move of one recording.
#[derive(Debug)]
pub struct Carry<'a> {
    /// The catalog.
    pub catalog: &'a Catalog,
    /// Where it lies.
    pub source: &'a Volume,
    /// Which.
    pub recording: RecordingId,
}

impl Carry<'_> {
    /// Moves it to where room is reserved.
    pub async fn carry(
        &self,
        room: Reservation,
        pace: Pace,
        stop: &CancellationToken,
    ) -> Result<Carried, CatalogError> {
        self.carry_until(room, pace, stop, Cut::default()).await
    }

    /// [`Carry::carry`], cut after a step.
    async fn carry_until(
        &self,
        mut room: Reservation,
        pace: Pace,
        stop: &CancellationToken,
        cut: Cut,
    ) -> Result<Carried, CatalogError> {
        let (source, target) = (self.source, room.volume().clone());
        let begun = self
            .catalog
            .begin_move(self.recording, source.id(), target.id())
            .await?;
        let Some(begun) = begun else {
            return Ok(Carried::Unwanted);
        };
        if cut.after(Step::Named).is_err() {
            return Ok(Carried::Stopped);
        }
        let copied = {
            let (from, to, order) = (source.clone(), target.clone(), begun.clone());
            let (stop, copied_bytes) = (stop.clone(), Arc::new(AtomicU64::new(0)));
            let (counter, ours) = (copied_bytes.clone(), room.bytes());
            let task = tokio::task::spawn_blocking(move || {
                let mut gait = Gait::new(pace);
                copy(&from, &to, &order, &mut |bytes| {
                    if stop.is_cancelled() {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    counter.fetch_add(bytes, Ordering::Relaxed);
                    gait.wait(bytes, is_busy(&from, 0) || is_busy(&to, ours));
                    Ok(())
                })
            });
            follow(task, &copied_bytes, &mut room).await
        };
        if let Err(error) = copied {
            self.catalog.drop_move(&begun).await?;
            self.sweep(&target).await;
            return Ok(match error {
                CopyError::Stopped => Carried::Stopped,
                CopyError::Damaged(why) => Carried::Damaged(why),
                CopyError::Read(path, error) => {
                    source.met(&error);
                    Carried::Failed(format!("{}: {error}", path.display()))
                }
                CopyError::Write(path, error) => {
                    target.met(&error);
                    Carried::Failed(format!("{}: {error}", path.display()))
                }
                CopyError::Volume(error) => Carried::Failed(error.to_string()),
            });
        }
        if cut.after(Step::Copied).is_err() {
            return Ok(Carried::Stopped);
        }
        match place(&target, &begun, cut).await {
            Placed::There => {}
            Placed::Cut => return Ok(Carried::Stopped),
            Placed::Refused(why) => {
                self.catalog.drop_move(&begun).await?;
                self.sweep(&target).await;
                return Ok(Carried::Failed(why));
            }
        }
        let switched = self.catalog.finish_move(&begun).await?;
        if cut.after(Step::Switched).is_err() {
            return Ok(Carried::Stopped);
        }
        self.sweep(&target).await;
        drop(room);
        Ok(match switched {
            true => {
                tracing::debug!(recording.id = %self.recording, from = source.name(), to = target.name(), "A recording has moved");
                Carried::Moved
            }
            false => Carried::Unwanted,
        })
    }

    /// The staging folder goes. What stays is swept at the next start.
    async fn sweep(&self, target: &Volume) {
        let (target, id) = (target.clone(), self.recording);
        let swept = tokio::task::spawn_blocking(move || staging::remove(&target, id)).await;
        if let Ok(Err(error)) = swept {
            tracing::debug!(recording.id = %self.recording, %error, "The staging folder of a moved recording stays for now");
        }
    }
}

enum Placed {
    There,
    Cut,
    Refused(String),
}

/// The copy takes its place.
async fn place(target: &Volume, order: &Move, cut: Cut) -> Placed {
    let (volume, order) = (target.clone(), order.clone());
    let placing = tokio::task::spawn_blocking(move || {
        let lies = InStaging::of(&volume, order.recording);
        let staged = keep::Staged {
            media: &lies.media,
            native: lies.native.exists().then_some(lies.native.as_path()),
        };
        let mut was_cut = false;
        let placed = keep::place(
            &volume,
            &order.to_stem,
            &lies.sidecar,
            staged,
            &mut |step| {
                cut.after(Step::Placed(step))
                    .inspect_err(|_| was_cut = true)
            },
        );
        match placed {
            Ok(()) => Placed::There,
            Err(_) if was_cut => Placed::Cut,
            Err(error) => {
                if let KeepError::Io { source, .. } = &error {
                    volume.met(source);
                }
                Placed::Refused(error.to_string())
            }
        }
    });
    match placing.await {
        Ok(placed) => placed,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Placed::Refused(cancelled.to_string()),
        },
    }
}

/// Tells the reservation what is written, until the copy is made.
async fn follow(
    mut task: tokio::task::JoinHandle<Result<(), CopyError>>,
    copied_bytes: &AtomicU64,
    room: &mut Reservation,
) -> Result<(), CopyError> {
    loop {
        let waited = tokio::time::timeout(Duration::from_millis(500), &mut task).await;
        room.note_written(copied_bytes.load(Ordering::Relaxed));
        match waited {
            Err(_) => {}
            Ok(Ok(done)) => return done,
            Ok(Err(failed)) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(CopyError::Stopped),
            },
        }
    }
}

/// Whether others write to a volume: more is promised there than to us.
fn is_busy(volume: &Volume, ours: u64) -> bool {
    volume.reserved_bytes() > ours
}

/// Keeps the pace.
struct Gait {
    pace: Pace,
    began: Instant,
    /// What the bytes so far may have taken.
    owed: Duration,
}

impl Gait {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            began: Instant::now(),
            owed: Duration::ZERO,
        }
    }

    fn wait(&mut self, bytes: u64, gives_way: bool) {
        let rate = match gives_way && !self.pace.hurries {
            true => self.pace.limit_bytes_per_s / 4,
            false => self.pace.limit_bytes_per_s,
        };
        self.owed += Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        if let Some(early) = self.owed.checked_sub(self.began.elapsed()) {
            std::thread::sleep(early);
        }
    }
}

#[cfg(test)]
mod tests;
