//! Who saw what (P3): bytes are counted as they are handed to the viewer's connection, also when it breaks off.
//!
//! A download is one entry for each request. Playback and live view take many requests, so theirs are added up, for a
//! person, an address and a camera or recording, until nothing more is asked for; a kill costs the entries that were
//! still open. Bodies cannot wait for a disk when they are dropped, so they tell a task that writes.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use wire::ids::{ArchiveId, CameraId, RecordingId, UserId};
use wire::telemetry::FootageAccess;

use super::Principal;
use crate::catalog::Catalog;
use crate::model::time::UtcRange;

/// Pause after which an access is over.
const PAUSE: Duration = Duration::from_secs(30);

/// A longer access is written in pieces, so that somebody who watches all day is seen before the evening.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// How often open accesses are looked at.
const TICK: Duration = Duration::from_secs(5);

/// What a connection that broke off may have taken from us without passing it on: what the kernels and programs in between
/// hold. An archive counts as downloaded without it.
const ON_ITS_WAY_BYTES: u64 = 16 * 1024 * 1024;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A file was taken.
    Download,
    /// Held footage was played.
    Playback,
    /// A camera was watched.
    Live,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Playback => "playback",
            Self::Live => "live",
        }
    }
}

/// To what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What was done.
    pub action: Action,
    /// Which camera; none for an archive.
    pub camera: Option<CameraId>,
    /// Which recording, unless live or an archive.
    pub recording: Option<RecordingId>,
    /// Which archive.
    pub archive: Option<ArchiveId>,
    /// Which range, for a playlist.
    pub range: Option<UtcRange>,
}

/// Requests with the same key belong to one access.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    user: UserId,
    username: String,
    via: &'static str,
    address: Option<String>,
    subject: Subject,
}

#[derive(Debug)]
struct Seen {
    key: Key,
    request_id: String,
    bytes: u64,
    /// Which part of a file was answered: first byte, and how many.
    part: Option<(u64, u64)>,
}

impl Seen {
    /// The bytes of a file that count as delivered, from the first to before the last.
    fn delivered(&self) -> Option<(u64, u64)> {
        let (first, count) = self.part?;
        let bytes = match self.bytes {
            bytes if bytes >= count => count,
            bytes => bytes.saturating_sub(ON_ITS_WAY_BYTES),
        };
        Some((first, first + bytes))
    }
}

/// Takes note of accesses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    seen: mpsc::UnboundedSender<Seen>,
    inbox: Arc<Mutex<mpsc::UnboundedReceiver<Seen>>>,
    /// Bodies under way: the task ends after them.
    bodies: TaskTracker,
    /// When the last one ended.
    last: Arc<std::sync::Mutex<Option<Instant>>>,
}

impl Default for AccessLog {
    fn default() -> Self {
        // Unbounded, because who tells cannot wait; what is in it is bounded by the connections that are served.
        let (seen, inbox) = mpsc::unbounded_channel();
        Self {
            seen,
            inbox: Arc::new(Mutex::new(inbox)),
            bodies: TaskTracker::new(),
            last: Arc::default(),
        }
    }
}

impl AccessLog {
    /// Counts one answer; what it counted is told when it is dropped.
    pub fn meter(&self, who: &Principal, subject: Subject) -> Meter {
        let key = Key {
            user: who.user_id,
            username: who.username.clone(),
            via: who.via.as_str(),
            // Players use several connections: the port says nothing.
            address: who.via.address().map(|address| address.ip().to_string()),
            subject,
        };
        Meter {
            seen: Some(Seen {
                key,
                request_id: who.request_id.clone(),
                bytes: 0,
                part: None,
            }),
            to: self.seen.clone(),
            last: self.last.clone(),
            _token: self.bodies.token(),
        }
    }

    /// Whether anybody is being answered, or was within the pause that ends an access.
    pub fn in_use(&self) -> bool {
        let last = *self.last.lock().expect("nothing panics while holding it");
        !self.bodies.is_empty() || last.is_some_and(|last| last.elapsed() < PAUSE)
    }

    /// Writes accesses into the catalog until `stop`, and then those of the bodies that are still under way.
    pub async fn write(&self, catalog: Catalog, stop: CancellationToken) {
        let mut inbox = self.inbox.lock().await;
        let mut open = OpenAccesses::default();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bodies = async {
            stop.cancelled().await;
            self.bodies.close();
            self.bodies.wait().await;
        };
        let mut bodies = std::pin::pin!(bodies);
        loop {
            let over = tokio::select! {
                biased;
                Some(seen) = inbox.recv() => open.take(seen, Instant::now()),
                () = &mut bodies => break,
                _ = ticks.tick() => open.over(Instant::now()),
            };
            store(&catalog, over).await;
        }
        while let Ok(seen) = inbox.try_recv() {
            store(&catalog, open.take(seen, Instant::now())).await;
        }
        store(&catalog, open.all()).await;
    }
}

async fn store(catalog: &Catalog, accesses: Vec<Seen>) {
    for seen in accesses {
        let delivered = seen.key.subject.archive.zip(seen.delivered());
        let Seen {
            key,
            request_id,
            bytes,
            ..
        } = seen;
        let access = FootageAccess {
            user_id: key.user,
            username: key.username,
            via: key.via.to_owned(),
            action: key.subject.action.word().to_owned(),
            camera_id: key.subject.camera,
            recording_id: key.subject.recording,
            archive_id: key.subject.archive,
            bytes,
            request_id,
        };
        let told = format!("{access:?}");
        let written = catalog
            .log_access(access, key.address, key.subject.range)
            .await;
        if let Err(error) = written {
            // The bytes are with the viewer already; the journal at least keeps who that was.
            tracing::error!(%error, access = told, "An access to footage could not be written to the access log");
        }
        if let Some((archive, (first, end))) = delivered
            && let Err(error) = catalog.note_delivered(archive, first, end).await
        {
            tracing::error!(%error, archive.id = %archive, "What was downloaded of an archive could not be noted; it counts as not downloaded");
        }
    }
}

/// Accesses that may go on.
#[derive(Debug, Default)]
struct OpenAccesses(HashMap<Key, Open>);

#[derive(Debug)]
struct Open {
    request_id: String,
    bytes: u64,
    first: Instant,
    last: Instant,
}

impl OpenAccesses {
    /// Adds what was seen; gives what is to be written now.
    fn take(&mut self, seen: Seen, now: Instant) -> Vec<Seen> {
        if seen.key.subject.action == Action::Download {
            return vec![seen];
        }
        let open = self.0.entry(seen.key).or_insert(Open {
            request_id: seen.request_id,
            bytes: 0,
            first: now,
            last: now,
        });
        open.bytes += seen.bytes;
        open.last = now;
        Vec::new()
    }

    /// Those that are over.
    fn over(&mut self, now: Instant) -> Vec<Seen> {
        let over = |open: &Open| now - open.last >= PAUSE || now - open.first >= LONGEST;
        self.0
            .extract_if(|_, open| over(open))
            .map(seen_of)
            .collect()
    }

    fn all(&mut self) -> Vec<Seen> {
        self.0.drain().map(seen_of).collect()
    }
}

fn seen_of((key, open): (Key, Open)) -> Seen {
    Seen {
        key,
        request_id: open.request_id,
        bytes: open.bytes,
        part: None,
    }
}

/// Counts the bytes of one answer.
#[derive(Debug)]
pub struct Meter {
    seen: Option<Seen>,
    to: mpsc::UnboundedSender<Seen>,
    last: Arc<std::sync::Mutex<Option<Instant>>>,
    _token: TaskTrackerToken,
}

impl Meter {
    fn add(&mut self, bytes: usize) {
        if let Some(seen) = &mut self.seen {
            seen.bytes += bytes as u64;
        }
    }

    /// The answer is this part of a file.
    pub fn of_part(mut self, first: u64, count: u64) -> Self {
        if let Some(seen) = &mut self.seen {
            seen.part = Some((first, count));
        }
        self
    }

    /// A body whose bytes are counted.
    pub fn body(self, body: Body) -> Body {
        Body::new(Metered { body, meter: self })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        *self.last.lock().expect("nothing panics while holding it") = Some(Instant::now());
        if let Some(seen) = self.seen.take()
            && let Err(unheard) = self.to.send(seen)
        {
            tracing::error!(access = ?unheard.0, "An access to footage came after the end of the access log");
        }
    }
}

struct Metered {
    body: Body,
    meter: Meter,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.meter.add(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(action: Action, camera: CameraId, bytes: u64) -> Seen {
        let subject = Subject {
            action,
            camera: Some(camera),
            recording: None,
            archive: None,
            range: None,
        };
        let user = UserId(uuid::Uuid::nil());
        Seen {
            key: Key {
                user,
                username: "ana".to_owned(),
                via: "lan",
                address: None,
                subject,
            },
            request_id: "one".to_owned(),
            bytes,
            part: None,
        }
    }

    #[test]
    fn watching_is_one_access_and_each_download_is_one() {
        let (mut open, camera) = (OpenAccesses::default(), CameraId::new());
        let begun = Instant::now();
        for n in 0..5 {
            let now = begun + Duration::from_secs(n * 20);
            assert!(open.take(seen(Action::Live, camera, 100), now).is_empty());
            assert!(open.over(now + Duration::from_secs(19)).is_empty());
        }
        assert_eq!(open.take(seen(Action::Download, camera, 7), begun).len(), 1);
        let other = CameraId::new();
        open.take(
            seen(Action::Live, other, 1),
            begun + Duration::from_secs(100),
        );
        let over = open.over(begun + Duration::from_secs(110));
        assert_eq!(over.len(), 1);
        assert_eq!(
            (over[0].bytes, over[0].key.subject.camera),
            (500, Some(camera))
        );
        assert_eq!(open.all().len(), 1);
    }

    #[test]
    fn who_watches_all_day_is_seen_before_the_evening() {
        let (mut open, camera) = (OpenAccesses::default(), CameraId::new());
        let begun = Instant::now();
        let mut written = Vec::new();
        for n in 0..4_320 {
            let now = begun + Duration::from_secs(n * 5);
            open.take(seen(Action::Live, camera, 1), now);
            written.extend(open.over(now));
        }
        assert_eq!(written.len(), 35);
        written.extend(open.all());
        assert_eq!(written.iter().map(|seen| seen.bytes).sum::<u64>(), 4_320);
    }

    #[test]
    fn what_broke_off_counts_without_what_was_on_its_way() {
        let part = |bytes, count| {
            let mut seen = seen(Action::Download, CameraId::new(), bytes);
            seen.part = Some((100, count));
            seen.delivered()
        };
        assert_eq!(part(50, 50), Some((100, 150)));
        assert_eq!(part(49, 50), Some((100, 100)));
        let many = ON_ITS_WAY_BYTES + 7;
        assert_eq!(part(many, many + 1), Some((100, 107)));
        assert_eq!(seen(Action::Live, CameraId::new(), 1).delivered(), None);
    }
}
