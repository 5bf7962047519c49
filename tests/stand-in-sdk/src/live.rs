//! Live streams: one thread each, paced by the clock, which breaks and comes back as the real ones do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::callback::DataCallback;
use crate::codes::{data, error, exception};
use crate::faults::{Armed, crash};
use crate::feed::Feed;
use crate::play::check_streams;
use crate::scenario::FaultKind;
use crate::sdk::{admit, raise_exception, sdk};
use crate::session::Session;
use crate::state::Call;
use crate::world::world;

/// How often a running stream looks whether recorder and camera are still there.
const LOOK: Duration = Duration::from_millis(200);

/// One live stream.
#[derive(Debug)]
pub struct Preview {
    session: Arc<Session>,
    user_id: i32,
    channel: u32,
    sub: bool,
    handle: OnceLock<i32>,
    callback: Mutex<Option<DataCallback>>,
    faults: Vec<Armed>,
    bytes: AtomicU64,
    stopped: Mutex<bool>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Live streams that a recorder gives now.
pub fn running(key: &str) -> usize {
    sdk()
        .previews
        .iter()
        .filter(|preview| preview.session.key() == key)
        .count()
}

/// Why a stream is not running any more.
enum End {
    Stopped,
    Broken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Preview {
    /// A stream of `channel`; its thread begins with [`Preview::open`].
    pub fn new(
        session: Arc<Session>,
        user_id: i32,
        channel: u32,
        sub: bool,
        callback: Option<DataCallback>,
        faults: Vec<Armed>,
    ) -> Self {
        Self {
            session,
            user_id,
            channel,
            sub,
            handle: OnceLock::new(),
            callback: Mutex::new(callback),
            faults,
            bytes: AtomicU64::new(0),
            stopped: Mutex::new(false),
            changed: Condvar::new(),
            thread: Mutex::new(None),
        }
    }

    /// Enters it into the table of handles and lets it run. A blocking caller hears of a failure at once, any other
    /// gets an exception.
    pub fn open(self, blocking: bool) -> Result<i32, u32> {
        let _alone = admit();
        if let Ok(device) = self.session.device() {
            let call = Call {
                channel: Some(self.channel),
                ..Call::default()
            };
            check_streams(&device, &self.session.key(), &call)?;
        }
        let feed = self.connect();
        if let (true, Err(code)) = (blocking, &feed) {
            return Err(*code);
        }
        let preview = Arc::new(self);
        let handle = sdk().previews.insert(preview.clone());
        preview
            .handle
            .set(handle)
            .expect("a preview is opened once");
        preview.note("live_start", None);
        let runner = preview.clone();
        *lock(&preview.thread) = Some(std::thread::spawn(move || runner.run(feed)));
        Ok(handle)
    }

    /// Data goes here from now on.
    pub fn set_callback(&self, callback: Option<DataCallback>) {
        *lock(&self.callback) = callback;
    }

    /// Ends it: waits for the running callback, and none comes afterwards.
    pub fn stop(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            if thread.thread().id() == std::thread::current().id() {
                crash(); // stopping a stream from inside its own callback kills the real library too
            }
            let _ = thread.join(); // a panic there was reported by itself
        }
        self.note("live_stop", Some(self.bytes.load(Ordering::Acquire)));
    }

    fn note(&self, what: &str, bytes: Option<u64>) {
        world().record(Call {
            call: what.to_string(),
            device: self.session.key(),
            channel: Some(self.channel),
            bytes,
            ..Call::default()
        });
    }

    /// The stream from now on, if recorder and camera are there.
    fn connect(&self) -> Result<Feed, u32> {
        let device = self.session.device()?;
        let channel = device.channel(self.channel).ok_or(error::CHANNEL_ERROR)?;
        let sub = channel.live_sub.as_ref().filter(|_| self.sub);
        let media = sub
            .or(channel.live.as_ref())
            .filter(|_| channel.online)
            .ok_or(error::IPCHAN_NOTALIVE)?;
        let reel = world().reel(media).map_err(|problem| {
            eprintln!(
                "stand-in SDK: live stream of channel {}: {problem:#}",
                self.channel
            );
            error::DVROPRATEFAILED
        })?;
        Ok(Feed::live(reel, device.clock()))
    }

    fn run(&self, first: Result<Feed, u32>) {
        let Ok(mut feed) = first else {
            return self.raise(exception::PREVIEW);
        };
        loop {
            self.give(data::HEADER, &feed.header());
            match self.play(feed) {
                End::Stopped => return,
                End::Broken => self.give(data::BROKEN, &[]),
            }
            let Some(again) = self.come_back() else {
                return;
            };
            self.raise(exception::RECONNECT_SUCCESS);
            feed = again;
        }
    }

    /// Tries until the stream is back; nothing when it was stopped or may not try.
    fn come_back(&self) -> Option<Feed> {
        loop {
            let Some(interval_ms) = sdk().settings.reconnect_ms else {
                self.raise(exception::PREVIEW);
                return None;
            };
            self.raise(exception::RECONNECT);
            if self.pause(Duration::from_millis(interval_ms.into())) {
                return None;
            }
            if let Ok(feed) = self.connect() {
                return Some(feed);
            }
        }
    }

    /// Gives piece after piece when it is due, until it is stopped or breaks.
    fn play(&self, mut feed: Feed) -> End {
        let mut piece = Vec::new();
        let mut given = 40;
        let mut looked = Instant::now();
        loop {
            piece.clear();
            let due = match feed.next_piece(&mut piece) {
                Ok(Some(due)) => due,
                Ok(None) => return End::Broken, // a live reel has no end; only an unreadable one gets here
                Err(problem) => {
                    eprintln!(
                        "stand-in SDK: live stream of channel {}: {problem}",
                        self.channel
                    );
                    return End::Broken;
                }
            };
            let early =
                Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
            if self.pause(early) {
                return End::Stopped;
            }
            if looked.elapsed() > LOOK {
                looked = Instant::now();
                if self.connect().is_err() {
                    return End::Broken;
                }
            }
            given += piece.len() as u64;
            if let Some(end) = self.meet_fault(given) {
                return end;
            }
            self.give(data::STREAM, &piece);
            self.bytes.fetch_add(piece.len() as u64, Ordering::AcqRel);
        }
    }

    fn meet_fault(&self, given: u64) -> Option<End> {
        let fault = self
            .faults
            .iter()
            .find(|fault| fires_in_stream(fault) && fault.at_bytes() <= given)?;
        if !fault.fire() {
            return None;
        }
        match fault.kind() {
            FaultKind::Sigsegv => crash(),
            FaultKind::Break => Some(End::Broken),
            _ => {
                while !self.pause(LOOK) {} // nothing comes, and nobody is told
                Some(End::Stopped)
            }
        }
    }

    fn give(&self, kind: u32, bytes: &[u8]) {
        let callback = *lock(&self.callback);
        if let (Some(callback), Some(handle)) = (callback, self.handle.get()) {
            callback.give(*handle, kind, bytes);
        }
    }

    fn raise(&self, kind: u32) {
        raise_exception(kind, self.user_id, self.handle.get().copied().unwrap_or(-1));
    }

    /// Waits for `time`, or less when it is stopped meanwhile: then true.
    fn pause(&self, time: Duration) -> bool {
        let stopped = lock(&self.stopped);
        let waited = self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn fires_in_stream(fault: &Armed) -> bool {
    matches!(
        fault.kind(),
        FaultKind::Sigsegv | FaultKind::Stall | FaultKind::Break
    )
}
