//! One live stream, from its first viewer to the end of its idle time: the recorder's stream through FFmpeg into the
//! window; begun again when it stalls or breaks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::backoff::Backoff;
use base::clock::Clock;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::window::{Figures, Name, Window};
use super::{LiveConfig, Target};
use crate::media::MediaConfig;
use crate::media::ps::{HEADER_BYTES, Program, VideoCodec};
use crate::media::segmenter::Segmenter;
use crate::media::split::Piece;
use crate::recorder::driver::{LiveStream, RecorderError};

/// How the recorder's stream is opened.
pub type Open =
    Arc<dyn Fn(Target) -> BoxFuture<'static, Result<LiveStream, RecorderError>> + Send + Sync>;

/// How long the recorder may take to give the first bytes.
const FIRST_BYTES: Duration = Duration::from_secs(15);
/// How often viewers and progress are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two attempts; a viewer waits at the other end.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// Smart codecs send groups of ten seconds and more: as long as bytes come, a stream that is late by this is alive.
const LATE_GROUPS: u32 = 4;

/// What is known about a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Who watches now.
    pub viewers: usize,
    /// When it began.
    pub started: crate::model::time::UtcTime,
    /// `h264`, `hevc`; None until it plays.
    pub video_codec: Option<&'static str>,
    /// Picture size; 0 until it plays.
    pub width: u32,
    /// Picture size; 0 until it plays.
    pub height: u32,
    /// Pictures and bits a second.
    pub figures: Figures,
    /// How often it was begun again.
    pub restarts: u64,
    /// Why it does not play, in words.
    pub failure: Option<String>,
}

/// A live stream that is shared by its viewers.
#[derive(Debug)]
pub struct Stream {
    /// Where it comes from.
    pub target: Target,
    state: Mutex<State>,
    /// Counts what happens, so that who waits for it wakes.
    changed: watch::Sender<u64>,
    /// Ends it.
    pub stop: CancellationToken,
}

#[derive(Debug)]
struct State {
    window: Window,
    viewers: HashMap<String, Instant>,
    last_request: Instant,
    started: crate::model::time::UtcTime,
    video_codec: Option<&'static str>,
    size: (u32, u32),
    runs: u64,
    failure: Option<String>,
    /// It has found that nobody watches and is about to end: nobody may join it any more.
    ending: bool,
}

/// What a stream is made with.
#[derive(Clone)]
pub struct Means {
    pub config: LiveConfig,
    pub media: MediaConfig,
    pub clock: Clock,
    pub open: Open,
}

impl Stream {
    /// A stream that has not begun. `discontinuity`: see [`Window::new`].
    pub fn new(target: Target, discontinuity: u64, means: &Means, stop: CancellationToken) -> Self {
        Self {
            target,
            state: Mutex::new(State {
                window: Window::new(means.clock.now().into(), discontinuity),
                viewers: HashMap::new(),
                last_request: Instant::now(),
                started: means.clock.now().into(),
                video_codec: None,
                size: (0, 0),
                runs: 0,
                failure: None,
                ending: false,
            }),
            changed: watch::Sender::default(),
            stop,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while holding a stream's state")
    }

    fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let value = work(&mut self.state());
        self.changed.send_modify(|n| *n += 1);
        value
    }

    /// Somebody asks for the playlist or a file. False: it is about to end, and another one has to be begun.
    pub fn touch(&self, viewer: &str) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.last_request = now;
        state.viewers.insert(viewer.to_owned(), now);
        !state.ending
    }

    /// How long nobody has asked.
    pub fn idle_for(&self) -> Duration {
        self.state().last_request.elapsed()
    }

    /// The playlist once something can be played; otherwise what is known when the time is over.
    pub async fn playlist(&self, patience: Duration) -> Result<String, Option<String>> {
        let mut changes = self.changed.subscribe();
        let deadline = Instant::now() + patience;
        loop {
            {
                let state = self.state();
                if state.window.is_ready() {
                    return Ok(state.window.playlist());
                }
                // It never played, and why is known: waiting longer would only hide the reason.
                if state.runs == 0 && state.failure.is_some() {
                    return Err(state.failure.clone());
                }
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                _ => return Err(self.state().failure.clone()),
            }
        }
    }

    /// Where the discontinuity sequence of the camera's next stream begins.
    pub fn next_discontinuity(&self) -> u64 {
        self.state().window.next_discontinuity()
    }

    /// A file.
    pub fn file(&self, name: Name) -> Option<Bytes> {
        self.state().window.file(name)
    }

    /// What is known about it.
    pub fn health(&self) -> Health {
        let mut state = self.state();
        // A player asks for the playlist once per target duration; three misses and it is gone.
        let gone = Duration::from_secs((3 * state.window.target_s()).max(10));
        state.viewers.retain(|_, last| last.elapsed() < gone);
        Health {
            viewers: state.viewers.len(),
            started: state.started,
            video_codec: state.video_codec,
            width: state.size.0,
            height: state.size.1,
            figures: state.window.figures(),
            restarts: state.runs.saturating_sub(1),
            failure: state.failure.clone(),
        }
    }

    /// Plays until nobody watches any more or it is stopped.
    pub async fn run(&self, means: &Means) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        while self.is_wanted(means) {
            let begun = Instant::now();
            let ended = tokio::select! {
                () = self.stop.cancelled() => return,
                ended = self.play(means) => ended,
            };
            let Err(reason) = ended else { return };
            tracing::warn!(
                recorder.id = %self.target.recorder,
                channel.no = self.target.channel,
                reason,
                "A live stream is begun again"
            );
            self.change(|state| state.failure = Some(reason));
            if begun.elapsed() > RETRY_MAX {
                backoff.reset();
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
    }

    /// Whether it goes on. Once it does not, nobody joins it: deciding and joining are under the same lock.
    fn is_wanted(&self, means: &Means) -> bool {
        let mut state = self.state();
        state.ending |=
            self.stop.is_cancelled() || state.last_request.elapsed() >= means.config.idle();
        !state.ending
    }

    /// One run of the stream: `Ok` when nobody watches any more, otherwise why it ended.
    async fn play(&self, means: &Means) -> Result<(), String> {
        let opening = timeout(FIRST_BYTES, (means.open)(self.target)).await;
        let LiveStream { mut bytes, guard } = opening
            .map_err(|_| "the recorder does not start the stream".to_owned())?
            .map_err(|error| error.message)?;
        let mut begun = vec![0; HEADER_BYTES as usize];
        timeout(FIRST_BYTES, bytes.read_exact(&mut begun))
            .await
            .map_err(|_| "the recorder sends no pictures".to_owned())?
            .map_err(|error| format!("the recorder ended the stream at once ({error})"))?;
        let program = Program::from_header(&begun).unwrap_or_default();
        let source = bytes.into_std().map_err(|error| error.to_string())?;
        let media = means.media.clone();
        let segmenter =
            tokio::task::spawn_blocking(move || Segmenter::start(&media, program, begun, source))
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
                .map_err(|error| error.to_string())?;
        let mut running = Running(Some(segmenter));
        self.change(|state| {
            state.runs += 1;
            state.video_codec = program.video.map(|codec| match codec {
                VideoCodec::H264 => "h264",
                VideoCodec::H265 => "hevc",
            });
        });
        let ended = self.follow(running.get(), means).await;
        // First the recorder's side, so that it is free for the next as soon as possible.
        drop(guard);
        running.stop().await;
        ended
    }

    /// Takes pieces as they come.
    async fn follow(&self, segmenter: &mut Segmenter, means: &Means) -> Result<(), String> {
        let mut last_piece = Instant::now();
        let mut last_bytes = (0, Instant::now());
        let mut look = tokio::time::interval(LOOK);
        loop {
            let piece = tokio::select! {
                piece = segmenter.next() => piece,
                _ = look.tick() => {
                    if !self.is_wanted(means) {
                        return Ok(());
                    }
                    let bytes = segmenter.received_bytes();
                    if bytes != last_bytes.0 {
                        last_bytes = (bytes, Instant::now());
                    }
                    let stall = means.config.stall();
                    let late = last_piece.elapsed();
                    if late > stall * LATE_GROUPS || (late > stall && last_bytes.1.elapsed() > LOOK * 3) {
                        return Err(format!("no pictures came for {} s", late.as_secs()));
                    }
                    continue;
                }
            };
            match piece {
                Some(Piece::Init {
                    bytes,
                    width,
                    height,
                }) => self.change(|state| {
                    state.window.init(bytes);
                    state.size = (width, height);
                }),
                Some(Piece::Fragment {
                    bytes,
                    duration_ms,
                    pictures,
                }) => {
                    last_piece = Instant::now();
                    let now = means.clock.now().into();
                    self.change(|state| {
                        state.window.push(bytes, duration_ms, pictures, now);
                        state.failure = None;
                    });
                }
                None => return Err(format!("the stream ended: {}", segmenter.last_words())),
            }
        }
    }
}

/// Ends a segmenter on a blocking thread, also when the run is dropped in the middle.
struct Running(Option<Segmenter>);

impl Running {
    fn get(&mut self) -> &mut Segmenter {
        self.0
            .as_mut()
            .expect("taken by stop() only, which consumes this")
    }

    async fn stop(mut self) {
        if let Some(segmenter) = self.0.take() {
            tokio::task::spawn_blocking(|| segmenter.stop())
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(segmenter) = self.0.take() {
            // Killing is quick but blocks; without a runtime (the end of the program) it happens right here.
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(|| segmenter.stop())),
                Err(_) => segmenter.stop(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_joins_a_stream_that_has_decided_to_end() {
        let means = Means {
            config: LiveConfig {
                idle_s: 1,
                ..LiveConfig::default()
            },
            media: MediaConfig::default(),
            clock: Clock::system(),
            open: Arc::new(|_| Box::pin(std::future::pending())),
        };
        let target = Target {
            recorder: wire::ids::RecorderId::new(),
            channel: 1,
        };
        let stream = Stream::new(target, 0, &means, CancellationToken::new());
        assert!(stream.touch("one") && stream.is_wanted(&means));
        stream.state().last_request = Instant::now() - Duration::from_secs(2);
        assert!(stream.touch("in time") && stream.is_wanted(&means));
        stream.state().last_request = Instant::now() - Duration::from_secs(2);
        assert!(!stream.is_wanted(&means));
        assert!(!stream.touch("too late"));
        assert!(!stream.is_wanted(&means), "it does not change its mind");
    }
}
