//! Live view (L1, L7, L8): one source per camera, shared by all its viewers, as HLS with fragmented MP4 segments that
//! are kept in memory. Begun by the first viewer, ended when nobody has asked for a while.
//!
//! Knows neither HTTP nor the catalog: `api/live.rs` turns a camera into a [`Target`] and errors into answers.

mod stream;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::Clock;
use bytes::Bytes;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::ids::{CameraId, RecorderId};

use self::stream::{Means, Stream};
use crate::media::MediaConfig;

pub use self::stream::{Health, Open};
pub use self::window::Name;

/// `[live]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// Streams at once in all. Default 8.
    pub streams_max: usize,
    /// Streams at once from one recorder. Default 4: a recorder has few sessions, and downloads need one.
    pub per_recorder_max: usize,
    /// Seconds without a request after which a stream ends. Default 30.
    pub idle_s: u32,
    /// Seconds without a new segment after which a stream is begun again. Default 15.
    pub stall_s: u32,
    /// Seconds that a viewer waits for the first segment. Default 20.
    pub start_s: u32,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            streams_max: 8,
            per_recorder_max: 4,
            idle_s: 30,
            stall_s: 15,
            start_s: 20,
        }
    }
}

impl LiveConfig {
    fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s.max(1).into())
    }
    fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_s.max(2).into())
    }
    fn start(&self) -> Duration {
        Duration::from_secs(self.start_s.max(1).into())
    }
}

/// Where a camera's stream comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Which recorder.
    pub recorder: RecorderId,
    /// Which of its channels.
    pub channel: u32,
}

/// Why there is nothing to watch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// 429: as many streams as may be are being watched.
    #[error(
        "{limit} live streams {whose} are being watched already, which is the limit: close one and try again"
    )]
    TooMany {
        /// The limit.
        limit: usize,
        /// `in all`, or of which recorder.
        whose: &'static str,
    },
    /// 503: the source does not play; why, and what to do.
    #[error("the camera cannot be watched now: {reason}")]
    Source {
        /// In words.
        reason: String,
    },
    /// 404: such a file is not (or no longer) there.
    #[error("there is no such segment, or no longer: read the playlist again")]
    NoSuchFile,
}

/// A file of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its type for HTTP.
    pub content_type: &'static str,
}

/// All live streams. Cheap to clone.
#[derive(Clone)]
pub struct LiveHub(Arc<Inner>);

struct Inner {
    means: Means,
    streams: Mutex<HashMap<CameraId, Arc<Stream>>>,
    /// No stream that has ended used this discontinuity sequence or a later one.
    next_discontinuity: AtomicU64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl std::fmt::Debug for LiveHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveHub({} streams)", self.streams().len())
    }
}

impl LiveHub {
    /// A hub without streams. `open` opens a recorder's main stream (the port's `live`).
    pub fn new(config: LiveConfig, media: MediaConfig, clock: Clock, open: Open) -> Self {
        Self(Arc::new(Inner {
            means: Means {
                config,
                media,
                clock,
                open,
            },
            streams: Mutex::default(),
            next_discontinuity: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<CameraId, Arc<Stream>>> {
        self.0
            .streams
            .lock()
            .expect("nothing panics while holding the streams")
    }

    /// The playlist of a camera's stream, which is begun if need be. `viewer` tells viewers apart, for counting.
    pub async fn playlist(
        &self,
        camera: CameraId,
        target: Target,
        viewer: &str,
    ) -> Result<String, LiveError> {
        let stream = self.stream(camera, target, viewer)?;
        let ready = stream.playlist(self.0.means.config.start()).await;
        ready.map_err(|failure| LiveError::Source {
            reason: failure
                .unwrap_or_else(|| "no pictures have come yet; try again in a moment".to_owned()),
        })
    }

    /// A file that the playlist names.
    pub fn file(&self, camera: CameraId, name: &str, viewer: &str) -> Result<LiveFile, LiveError> {
        let name: Name = name.parse().map_err(|()| LiveError::NoSuchFile)?;
        let stream = self
            .streams()
            .get(&camera)
            .cloned()
            .ok_or(LiveError::NoSuchFile)?;
        stream.touch(viewer);
        let bytes = stream.file(name).ok_or(LiveError::NoSuchFile)?;
        let content_type = match name {
            Name::Init(_) => "video/mp4",
            Name::Segment(_) => "video/iso.segment",
        };
        Ok(LiveFile {
            bytes,
            content_type,
        })
    }

    /// What is known about each stream.
    pub fn health(&self) -> Vec<(CameraId, Health)> {
        let streams: Vec<_> = self
            .streams()
            .iter()
            .map(|(camera, stream)| (*camera, stream.clone()))
            .collect();
        streams
            .into_iter()
            .map(|(camera, stream)| (camera, stream.health()))
            .collect()
    }

    /// Ends all streams and waits for their processes.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The camera's stream; a new one when there is none and the limits allow it.
    fn stream(
        &self,
        camera: CameraId,
        target: Target,
        viewer: &str,
    ) -> Result<Arc<Stream>, LiveError> {
        let mut streams = self.streams();
        if let Some(stream) = streams.get(&camera)
            && stream.target == target
            && !stream.stop.is_cancelled()
            && stream.touch(viewer)
        {
            return Ok(stream.clone());
        }
        if self.0.stop.is_cancelled() {
            return Err(LiveError::Source {
                reason: "the agent is stopping".to_owned(),
            });
        }
        self.make_place(&mut streams, camera, target)?;
        let stop = self.0.stop.child_token();
        if let Some(former) = streams.get(&camera) {
            self.count(former);
        }
        let discontinuity = self.0.next_discontinuity.load(Ordering::Relaxed);
        let stream = Arc::new(Stream::new(target, discontinuity, &self.0.means, stop));
        stream.touch(viewer);
        if let Some(former) = streams.insert(camera, stream.clone()) {
            former.stop.cancel(); // it was about to end, or the camera has moved to another channel
        }
        let (hub, running) = (self.clone(), stream.clone());
        self.0.tasks.spawn(async move {
            tracing::info!(camera.id = %camera, "A live stream begins");
            running.run(&hub.0.means).await;
            running.stop.cancel();
            let mut streams = hub.streams();
            hub.count(&running);
            if streams
                .get(&camera)
                .is_some_and(|now| Arc::ptr_eq(now, &running))
            {
                streams.remove(&camera);
            }
            tracing::info!(camera.id = %camera, "A live stream has ended");
        });
        Ok(stream)
    }

    /// Refuses a stream beyond the limits, unless one that nobody watches any more can give its place.
    fn make_place(
        &self,
        streams: &mut HashMap<CameraId, Arc<Stream>>,
        camera: CameraId,
        target: Target,
    ) -> Result<(), LiveError> {
        let config = &self.0.means.config;
        let of_recorder = |stream: &Stream| stream.target.recorder == target.recorder;
        let limits: [(usize, &'static str, bool); 2] = [
            (config.per_recorder_max, "of this recorder", true),
            (config.streams_max, "in all", false),
        ];
        for (limit, whose, same_recorder) in limits {
            let counted = |stream: &Stream| !same_recorder || of_recorder(stream);
            let others = streams
                .iter()
                .filter(|(id, stream)| **id != camera && counted(stream));
            if others.clone().count() < limit {
                continue;
            }
            let unwatched = others
                .filter(|(_, stream)| stream.health().viewers == 0)
                .max_by_key(|(_, stream)| stream.idle_for())
                .map(|(id, _)| *id);
            let Some(stream) = unwatched.and_then(|id| streams.remove(&id)) else {
                return Err(LiveError::TooMany { limit, whose });
            };
            self.count(&stream);
            stream.stop.cancel();
        }
        Ok(())
    }

    /// A stream ends: later ones go on behind its discontinuities.
    fn count(&self, ending: &Stream) {
        let next = ending.next_discontinuity();
        self.0.next_discontinuity.fetch_max(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
