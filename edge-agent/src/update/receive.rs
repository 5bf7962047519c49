//! Receiving a bundle: announced, in pieces that each begin where the last one ended, and compared with its digest when
//! the last byte is there. Whoever sends it asks how much came and goes on from there, after a cut line as after a
//! restart.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use ring::digest::{Context, SHA256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use wire::update::{BUNDLE_BYTES_MAX, InstallWhen, PIECE_BYTES_MAX, Update, UpdateOffer};

use super::folder::{Outcomes, Seen, Wanted};
use super::{UpdateError, Updates, at};

/// Whoever sends a bundle is not interrupted by another sender for so long after a piece.
const SENDER_PATIENCE: Duration = Duration::from_secs(60);

/// How long a piece waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(3);

/// Read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Which bytes of a bundle a piece is: checked to be within one, and not too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    first: u64,
    count: u64,
    length: u64,
}

impl Piece {
    /// Of a header `Content-Range`: `bytes 0-4194303/97000000`.
    pub fn of_header(text: &str) -> Result<Self, UpdateError> {
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u64>().ok(),
            false => None,
        };
        let parsed = || {
            let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            let (first, last, length) = (number(first)?, number(last)?, number(length)?);
            let count = last.checked_sub(first)?.checked_add(1)?;
            (last < length && count <= PIECE_BYTES_MAX && length <= BUNDLE_BYTES_MAX).then_some(
                Self {
                    first,
                    count,
                    length,
                },
            )
        };
        parsed().ok_or(UpdateError::Range)
    }
}

impl Updates {
    /// A bundle is about to be sent, or to be sent on. What is there of it is in the answer.
    pub async fn begin(&self, offer: UpdateOffer) -> Result<Update, UpdateError> {
        let _turn = self.0.turn.lock().await;
        let running = self.able()?;
        if offer.bytes == 0 || offer.bytes > BUNDLE_BYTES_MAX {
            return Err(UpdateError::Size(offer.bytes));
        }
        if offer.version <= *running {
            return Err(UpdateError::NotNewer {
                offered: offer.version.to_string(),
                running: running.to_string(),
            });
        }
        let seen = self.look()?;
        self.check_free(&seen, &offer)?;
        let consumed = seen.is_consumed();
        let is_same = |wanted: &Wanted| {
            !consumed
                && (&wanted.version, wanted.bytes, &wanted.sha256)
                    == (&offer.version, offer.bytes, &offer.sha256)
        };
        match seen.wanted.filter(is_same) {
            Some(wanted) if wanted.received_at.is_some() => {}
            // All came, and the end of it was interrupted.
            Some(wanted) if seen.has_bundle || seen.part_bytes >= wanted.bytes => {
                self.finish(wanted).await?;
            }
            Some(_) if seen.part_touched.is_some() => {}
            _ => self.anew(offer).await?,
        }
        *self.last_piece() = Some(Instant::now());
        self.0.wake.notify_one();
        self.status()
    }

    /// Whether a bundle may be received now, as far as that depends on others.
    fn check_free(&self, seen: &Seen, offer: &UpdateOffer) -> Result<(), UpdateError> {
        if let Some(outcome) = &seen.outcome
            && outcome.version == offer.version
        {
            match outcome.result {
                Outcomes::WentBack => return Err(UpdateError::WentBack(offer.version.to_string())),
                Outcomes::Installed => {
                    return Err(UpdateError::Busy(format!(
                        "{} is installed already and is being started",
                        offer.version
                    )));
                }
                Outcomes::Refused | Outcomes::Failed | Outcomes::Good => {}
            }
        }
        if seen.is_ordered {
            return Err(UpdateError::Busy(
                "an update is being installed. Wait until it is done".into(),
            ));
        }
        let Some(wanted) = seen.wanted.as_ref().filter(|_| !seen.is_consumed()) else {
            return Ok(());
        };
        let other = wanted.sha256 != offer.sha256 || wanted.version != offer.version;
        let lately = self
            .last_piece()
            .is_some_and(|last| last.elapsed() < SENDER_PATIENCE);
        if other && wanted.received_at.is_none() && lately {
            return Err(UpdateError::Busy(format!(
                "{} is being received from somebody else. Wait until it is here, or forget it first",
                wanted.version
            )));
        }
        if other && wanted.received_at.is_some() && offer.version <= wanted.version {
            return Err(UpdateError::Busy(format!(
                "{} is here already and waits. Forget it first, or install it",
                wanted.version
            )));
        }
        Ok(())
    }

    /// Nothing is there yet.
    async fn anew(&self, offer: UpdateOffer) -> Result<(), UpdateError> {
        let folder = self.0.folder.clone();
        self.0.folder.forget_bundle().map_err(at(folder.path()))?;
        // What became of an earlier one of the same version must not be taken for this one's.
        if let Some(outcome) = self.look()?.outcome
            && outcome.version == offer.version
        {
            folder.forget_outcome().map_err(at(folder.path()))?;
        }
        drop(self.make_room(offer.bytes).await?);
        tracing::info!(version = %offer.version, bytes = offer.bytes, "An update begins to come");
        let wanted = Wanted {
            version: offer.version,
            bytes: offer.bytes,
            sha256: offer.sha256,
            received_at: None,
            chosen: None,
        };
        folder.want(&wanted).map_err(at(folder.path()))
    }

    /// Takes the next piece. What came of one that breaks off stays. Ends only when the piece does: to be run where a
    /// sender that goes away does not end it half way.
    pub async fn append<E: std::fmt::Display>(
        &self,
        piece: Piece,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Update, UpdateError> {
        let Some(_turn) = self.turn().await else {
            return Err(UpdateError::Busy(
                "another piece of an update is just coming in. Wait for it to end, and ask how much is there".into(),
            ));
        };
        let seen = self.look()?;
        let wanted = seen
            .wanted
            .clone()
            .filter(|wanted| wanted.received_at.is_none() && !seen.has_bundle)
            .ok_or_else(|| {
                UpdateError::Busy(
                    "no update is being received. Announce it first (POST /api/v1/system/update)"
                        .into(),
                )
            })?;
        if piece.length != wanted.bytes {
            return Err(UpdateError::Range);
        }
        if piece.first != seen.part_bytes {
            return Err(UpdateError::Offset(seen.part_bytes));
        }
        *self.last_piece() = Some(Instant::now());
        let path = self.0.folder.part();
        let written = write(&path, piece, body).await;
        *self.last_piece() = Some(Instant::now());
        match written {
            Ok(received_bytes) if received_bytes == wanted.bytes => self.finish(wanted).await?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                return Err(UpdateError::NoRoom {
                    bytes: wanted.bytes,
                    why: "the disk is full".into(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                let received_bytes = self.look()?.part_bytes;
                self.status()?;
                return Err(UpdateError::BrokeOff {
                    received_bytes,
                    why: error.to_string(),
                });
            }
            Err(error) => return Err(at(&path)(error)),
        }
        self.0.wake.notify_one();
        self.status()
    }

    /// All came: it is compared, and takes its name.
    async fn finish(&self, mut wanted: Wanted) -> Result<(), UpdateError> {
        let (folder, should) = (self.0.folder.clone(), wanted.sha256.to_string());
        let now = self.0.catalog.now();
        let work = tokio::task::spawn_blocking(move || {
            let (part, bundle) = (folder.part(), folder.bundle());
            if !bundle.exists() {
                let is = digest(&part).map_err(at(&part))?;
                if is != should {
                    folder.forget_bundle().map_err(at(folder.path()))?;
                    return Err(UpdateError::Damaged { is, should });
                }
                base::durable::sync_file(&part).map_err(at(&part))?;
                std::fs::rename(&part, &bundle).map_err(at(&bundle))?;
                base::durable::sync_dir(folder.path()).map_err(at(folder.path()))?;
            }
            wanted.received_at = Some(now);
            folder.want(&wanted).map_err(at(folder.path()))?;
            tracing::info!(version = %wanted.version, bytes = wanted.bytes, "An update is here, whole");
            Ok(())
        });
        work.await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// A person says when.
    pub async fn install(&self, when: InstallWhen) -> Result<Update, UpdateError> {
        let _turn = self.0.turn.lock().await;
        let seen = self.look()?;
        if seen.is_ordered {
            return Err(UpdateError::Busy("it is being installed already".into()));
        }
        let wanted = seen.wanted.clone().filter(|_| !seen.is_consumed());
        let Some(mut wanted) = wanted.filter(|wanted| wanted.received_at.is_some()) else {
            return Err(UpdateError::Busy(
                "there is no update to install yet: send one first, and wait until all of it is here"
                    .into(),
            ));
        };
        wanted.chosen = Some(when);
        let folder = &self.0.folder;
        folder.want(&wanted).map_err(at(folder.path()))?;
        self.0.wake.notify_one();
        self.status()
    }

    /// A person does not want it any more, or has read what became of it.
    pub async fn forget(&self) -> Result<Update, UpdateError> {
        let Some(_turn) = self.turn().await else {
            return Err(UpdateError::Busy(
                "a piece of the update is just coming in. Try again in a moment".into(),
            ));
        };
        let seen = self.look()?;
        if seen.is_ordered {
            return Err(UpdateError::Busy(
                "it is being installed, which cannot be interrupted. A system that is not well is left by itself".into(),
            ));
        }
        let folder = &self.0.folder;
        folder.forget_bundle().map_err(at(folder.path()))?;
        // That a system was left, or is not judged yet, is not for people to forget: it would be sent again.
        let is_news = seen.outcome.as_ref().is_some_and(|outcome| {
            !matches!(outcome.result, Outcomes::WentBack | Outcomes::Installed)
        });
        if is_news {
            folder.forget_outcome().map_err(at(folder.path()))?;
        }
        *self.last_piece() = None;
        self.0.wake.notify_one();
        self.status()
    }

    /// The turn, unless a piece is coming: the keeper, which the last piece woke, has it only for a moment.
    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        tokio::time::timeout(TURN_PATIENCE, self.0.turn.lock())
            .await
            .ok()
    }

    fn last_piece(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0
            .last_piece
            .lock()
            .expect("nothing panics while holding it")
    }
}

/// Writes a piece to its place; what came lies on the disk afterwards, also of one that breaks off (an error of kind
/// `ConnectionAborted`). Returns the length of the file.
async fn write<E: std::fmt::Display>(
    path: &Path,
    piece: Piece,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> io::Result<u64> {
    let broke_off = |why: String| io::Error::new(io::ErrorKind::ConnectionAborted, why);
    let mut file = tokio::fs::File::options().write(true).open(path).await?;
    file.seek(io::SeekFrom::Start(piece.first)).await?;
    let (mut left, mut outcome) = (piece.count, Ok(()));
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                outcome = Err(broke_off(error.to_string()));
                break;
            }
        };
        // More than was announced is not looked at.
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        file.write_all(&chunk[..taken]).await?;
        left -= taken as u64;
        if taken < chunk.len() {
            outcome = Err(broke_off("more came than was announced".into()));
            break;
        }
    }
    file.flush().await?;
    file.sync_data().await?;
    outcome?;
    match left {
        0 => Ok(piece.first + piece.count),
        left => Err(broke_off(format!("{left} bytes are missing"))),
    }
}

/// SHA-256 of a file, in hex. Blocking.
fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut context, mut chunk) = (Context::new(&SHA256), vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => context.update(&chunk[..n]),
        }
    }
    Ok(data_encoding::HEXLOWER.encode(context.finish().as_ref()))
}
