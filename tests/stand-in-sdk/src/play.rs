//! Downloads and playbacks: one thread each, which feeds a file or a callback until the end, a stop or a fault.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::callback::DataCallback;
use crate::chaos::Chance;
use crate::codes::{data, error};
use crate::faults::{self, Armed, crash};
use crate::feed::{Feed, Stretch};
use crate::part_file::PartFile;
use crate::scenario::{FaultKind, Scope};
use crate::sdk::{admit, sdk};
use crate::search::Held;
use crate::session::Session;
use crate::state::Call;
use crate::world::{DeviceRef, world};

/// Bytes that are gathered before they are handed on.
const CHUNK_BYTES: usize = 256 * 1024;
/// How often a running transfer looks whether the recorder still answers.
const LOOK: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// One file of the recorder.
    Name(String),
    /// What a channel recorded between two true times.
    Time {
        /// Channel number.
        channel: u32,
        /// 0 main, 1 sub, 2 third stream.
        stream: u8,
        /// First moment.
        from: Timestamp,
        /// Last moment.
        to: Timestamp,
    },
}

/// Where it goes.
#[derive(Debug)]
pub enum Sink {
    /// Into a file, for the download calls.
    File(PartFile),
    /// To the data callback, for playback.
    Callback,
}

/// One download or playback.
#[derive(Debug)]
pub struct Play {
    session: Arc<Session>,
    device: DeviceRef,
    call: Call,
    total_bytes: u64,
    handle: OnceLock<i32>,
    ready: Mutex<Option<(Feed, Sink)>>,
    callback: Mutex<Option<DataCallback>>,
    faults: Vec<Armed>,
    is_download: bool,
    bytes: AtomicU64,
    /// Up to this byte comes garbage.
    garbage: AtomicU64,
    outcome: AtomicI32,
    error: AtomicI32,
    shown: Mutex<Option<Timestamp>>,
    control: Mutex<Control>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Control {
    stopped: bool,
    paused: bool,
    bytes_per_s: Option<u64>,
}

/// `outcome` while bytes may still come.
const RUNNING: i32 = 0;
const DONE: i32 = 100;
const FAILED: i32 = 200;
const UNWRITABLE: i32 = -1;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Play {
    /// Looks up what is wanted; nothing moves before [`Play::start`].
    pub fn new(
        session: Arc<Session>,
        device: DeviceRef,
        wanted: &Wanted,
        call: Call,
        faults: Vec<Armed>,
        sink: impl FnOnce(&[Armed]) -> Result<Sink, u32>,
    ) -> Result<Self, u32> {
        let feed = feed(&device, wanted)?;
        let total_bytes = feed.bytes();
        let faults: Vec<Armed> = faults
            .into_iter()
            .map(|fault| fault.of(total_bytes))
            .collect();
        let sink = sink(&faults)?;
        Ok(Self {
            session,
            call,
            total_bytes,
            handle: OnceLock::new(),
            is_download: matches!(sink, Sink::File(_)),
            ready: Mutex::new(Some((feed, sink))),
            callback: Mutex::new(None),
            faults,
            bytes: AtomicU64::new(0),
            garbage: AtomicU64::new(0),
            outcome: AtomicI32::new(RUNNING),
            error: AtomicI32::new(0),
            shown: Mutex::new(None),
            control: Mutex::new(Control {
                bytes_per_s: device.throttle_bytes_per_s,
                ..Control::default()
            }),
            changed: Condvar::new(),
            thread: Mutex::new(None),
            device,
        })
    }

    /// Enters it into the table of handles.
    pub fn open(self) -> i32 {
        let play = Arc::new(self);
        let handle = sdk().plays.insert(play.clone());
        play.handle.set(handle).expect("a play is opened once");
        handle
    }

    /// Playback data goes here.
    pub fn set_callback(&self, callback: DataCallback) {
        *lock(&self.callback) = Some(callback);
    }

    /// The start command. Playback gives its header to the callback before this returns.
    pub fn start(self: &Arc<Self>) -> Result<(), u32> {
        let key = self.session.key();
        let _alone = admit();
        let limit = self.device.max_downloads.unwrap_or(usize::MAX);
        if running(&key) >= limit {
            return Err(error::DVRNORESOURCE);
        }
        check_streams(&self.device, &key, &self.call)?;
        let (feed, sink) = lock(&self.ready).take().ok_or(error::ORDER_ERROR)?;
        self.note("start", error::NOERROR, None);
        if matches!(sink, Sink::Callback) {
            self.give(data::HEADER, &feed.header());
        }
        let play = self.clone();
        *lock(&self.thread) = Some(std::thread::spawn(move || play.run(feed, sink)));
        Ok(())
    }

    /// Meets the faults of a call about this transfer.
    pub fn meet(&self, on: Scope) -> Result<(), u32> {
        faults::meet(&self.faults, on)
    }

    fn runs(&self) -> bool {
        lock(&self.thread).is_some() && self.outcome.load(Ordering::Acquire) == RUNNING
    }

    /// Position as `GetDownloadPos` tells it: the number, and the error that goes with it.
    pub fn position(&self) -> (i32, u32) {
        let outcome = self.outcome.load(Ordering::Acquire);
        if outcome != RUNNING {
            return (outcome, self.error.load(Ordering::Acquire) as u32);
        }
        let share = self.bytes.load(Ordering::Acquire) * 100 / self.total_bytes.max(1);
        (share.min(99) as i32, error::NOERROR)
    }

    /// True time of what was given last.
    pub fn shown(&self) -> Option<jiff::civil::DateTime> {
        Some(self.device.clock().wall((*lock(&self.shown))?))
    }

    /// Holds the transfer, or lets it go on.
    pub fn pause(&self, paused: bool) {
        lock(&self.control).paused = paused;
        self.changed.notify_all();
    }

    /// Limits the rate.
    pub fn set_rate(&self, bytes_per_s: u64) {
        lock(&self.control).bytes_per_s = Some(bytes_per_s.max(1));
        self.changed.notify_all();
    }

    /// Ends it and waits for its thread.
    pub fn stop(&self) {
        lock(&self.control).stopped = true;
        self.changed.notify_all();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            if thread.thread().id() == std::thread::current().id() {
                crash(); // stopping a stream from inside its own callback kills the real library too
            }
            let _ = thread.join(); // a panic there was reported by itself
        }
        self.note(
            "stop",
            self.error.load(Ordering::Acquire) as u32,
            Some(self.bytes.load(Ordering::Acquire)),
        );
    }

    fn note(&self, what: &str, error: u32, bytes: Option<u64>) {
        let kind = if self.is_download {
            "download"
        } else {
            "playback"
        };
        world().record(Call {
            call: format!("{kind}_{what}"),
            error,
            bytes,
            ..self.call.clone()
        });
    }

    fn give(&self, kind: u32, bytes: &[u8]) {
        let callback = *lock(&self.callback);
        if let (Some(callback), Some(handle)) = (callback, self.handle.get()) {
            callback.give(*handle, kind, bytes);
        }
    }

    fn end(&self, outcome: i32, error: u32) {
        self.error.store(error as i32, Ordering::Release);
        self.outcome.store(outcome, Ordering::Release);
    }

    fn run(&self, mut feed: Feed, mut sink: Sink) {
        let started = Instant::now();
        let mut buffer = Vec::with_capacity(2 * CHUNK_BYTES);
        if let Sink::File(_) = sink {
            buffer.extend_from_slice(&feed.header());
        }
        let mut looked = Instant::now();
        loop {
            let bytes_per_s = lock(&self.control).bytes_per_s;
            let chunk = bytes_per_s.map_or(CHUNK_BYTES, |rate| {
                (rate / 20).clamp(1, CHUNK_BYTES as u64) as usize
            });
            let more = match self.gather(&mut feed, &mut buffer, chunk) {
                Ok(more) => more,
                Err(problem) => {
                    eprintln!("stand-in SDK: reading a reel: {problem}");
                    return self.end(FAILED, error::DVROPRATEFAILED);
                }
            };
            if looked.elapsed() > LOOK {
                looked = Instant::now();
                if self.session.device().is_err() {
                    return self.end(FAILED, error::SOCKETCLOSE_ERROR);
                }
            }
            let ended = self.hand_on(&mut sink, &buffer);
            buffer.clear();
            if ended || self.wait_for_turn(started) {
                return;
            }
            if !more {
                let stuck = |fault: &&Armed| fault.kind() == FaultKind::Stuck99;
                if self.faults.iter().find(stuck).is_some_and(Armed::fire) {
                    return; // the end mark never comes
                }
                if matches!(sink, Sink::Callback) && sdk().settings.tell_playback_end {
                    self.give(data::ALL_FILE_END, &[]);
                }
                return self.end(DONE, error::NOERROR);
            }
        }
    }

    fn gather(&self, feed: &mut Feed, buffer: &mut Vec<u8>, chunk: usize) -> std::io::Result<bool> {
        while buffer.len() < chunk {
            match feed.next_piece(buffer)? {
                Some(utc) => *lock(&self.shown) = Some(utc),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Writes or gives `bytes`, as far as no fault comes between; true when it has ended.
    fn hand_on(&self, sink: &mut Sink, bytes: &[u8]) -> bool {
        let before = self.bytes.load(Ordering::Acquire);
        let reaches =
            |fault: &&Armed| (before..=before + bytes.len() as u64).contains(&fault.at_bytes());
        let mut due: Vec<&Armed> = self
            .faults
            .iter()
            .filter(|fault| fault.is_in_transfer() && fires_in_transfer(fault.kind()))
            .filter(reaches)
            .collect();
        due.sort_by_key(|fault| fault.at_bytes());
        let mut handed = 0;
        for fault in due {
            let until = (fault.at_bytes() - before) as usize;
            if self.put(sink, &bytes[handed..until]) {
                return true;
            }
            handed = until;
            if fault.fire() {
                if fault.kind() == FaultKind::Garbage {
                    self.garbage
                        .store(fault.at_bytes() + fault.bytes(), Ordering::Release);
                    continue;
                }
                self.break_down(fault);
                return true;
            }
        }
        self.put(sink, &bytes[handed..])
    }

    fn put(&self, sink: &mut Sink, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        let at = self.bytes.load(Ordering::Acquire);
        let spoilt = self.garbage.load(Ordering::Acquire).saturating_sub(at);
        let spoilt = (spoilt as usize).min(bytes.len());
        let mut chance = Chance::of(at, "garbage");
        let garbage: Vec<u8> = std::iter::repeat_with(|| chance.next_u64() as u8)
            .take(spoilt)
            .chain(bytes[spoilt..].iter().copied())
            .collect();
        let bytes = &garbage[..];
        match sink {
            Sink::File(file) => {
                if let Err(problem) = file.put(bytes) {
                    eprintln!("stand-in SDK: {}: {problem}", file.path().display());
                    self.end(UNWRITABLE, error::WRITEFILE_FAILED);
                    return true;
                }
            }
            Sink::Callback => self.give(data::STREAM, bytes),
        }
        self.bytes.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        false
    }

    fn break_down(&self, fault: &Armed) {
        match fault.kind() {
            FaultKind::Sigsegv => crash(),
            FaultKind::Sigabrt => std::process::abort(),
            FaultKind::Write77 => self.end(UNWRITABLE, error::WRITEFILE_FAILED),
            FaultKind::Reboot => {
                self.session.reboot(fault.down());
                self.end(FAILED, error::SOCKETCLOSE_ERROR);
            }
            FaultKind::Fail200 => self.end(FAILED, fault.error()),
            FaultKind::ShortFile => self.end(DONE, error::NOERROR),
            _ => {} // a stall: the thread ends and nobody is told
        }
    }

    /// Waits until the next bytes may go; true when it was stopped.
    fn wait_for_turn(&self, started: Instant) -> bool {
        let mut control = lock(&self.control);
        loop {
            if control.stopped {
                return true;
            }
            let early = match control.bytes_per_s {
                _ if control.paused => Duration::MAX,
                Some(rate) => {
                    let due = Duration::from_secs_f64(
                        self.bytes.load(Ordering::Acquire) as f64 / rate as f64,
                    );
                    due.saturating_sub(started.elapsed())
                }
                None => Duration::ZERO,
            };
            if early.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(control, early.min(LOOK));
            control = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Downloads and playbacks that a recorder gives now.
pub fn running(key: &str) -> usize {
    sdk()
        .plays
        .iter()
        .filter(|play| play.session.key() == key && play.runs())
        .count()
}

/// Whether the recorder gives one more stream; a refusal is noted.
pub fn check_streams(device: &DeviceRef, key: &str, call: &Call) -> Result<(), u32> {
    let limit = device.max_streams.unwrap_or(usize::MAX);
    if running(key) + crate::live::running(key) < limit {
        return Ok(());
    }
    world().record(Call {
        call: "refused".to_string(),
        device: key.to_string(),
        error: device.full_error,
        ..call.clone()
    });
    Err(device.full_error)
}

fn fires_in_transfer(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Sigsegv
            | FaultKind::Sigabrt
            | FaultKind::Stall
            | FaultKind::Fail200
            | FaultKind::ShortFile
            | FaultKind::Garbage
            | FaultKind::Write77
            | FaultKind::Reboot
    )
}

/// Where a fault splits the file.
pub fn split(faults: &[Armed]) -> Option<u64> {
    let fault = faults
        .iter()
        .find(|fault| fault.kind() == FaultKind::Split)?;
    fault.fire().then(|| fault.at_bytes())
}

fn feed(device: &DeviceRef, wanted: &Wanted) -> Result<Feed, u32> {
    let now = Timestamp::now();
    let mut clock = device.clock();
    let stretches = match wanted {
        Wanted::Name(name) => {
            let recording = device.recording(name).ok_or(error::NOSPECFILE)?.1;
            clock = device.clock_at(recording.start);
            let held = Held::new(recording, now).ok_or(error::NOSPECFILE)?;
            vec![Stretch::of_recording(held.whole(), held.start)]
        }
        Wanted::Time {
            channel,
            stream,
            from,
            to,
        } => {
            if !device.has_channel(*channel) {
                return Err(error::CHANNEL_ERROR);
            }
            let recordings = device
                .channel(*channel)
                .map(|channel| channel.recordings.as_slice())
                .unwrap_or_default();
            let mut held: Vec<Held> = recordings
                .iter()
                .filter(|recording| recording.stream == *stream)
                .filter_map(|recording| Held::new(recording, now))
                .filter(|held| held.start <= *to && held.stop() > *from)
                .collect();
            held.sort_by_key(|held| held.start);
            in_sequence(&held, *from, *to)
        }
    };
    if stretches.is_empty() {
        return Err(error::NOSPECFILE);
    }
    Ok(Feed::new(stretches, clock))
}

/// Several recordings as one stream: the timestamps of the later ones go on by true time.
fn in_sequence(held: &[Held], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let first = held.first().map(|held| held.start).unwrap_or(from);
    for held in held {
        let mut stretch = Stretch::of_recording(held.part(from, to), held.start);
        let later: SignedDuration = held.start.duration_since(first);
        stretch.shift_ticks += (later.as_micros() * 9 / 100) as i64;
        stretches.push(stretch);
    }
    stretches
}

/// The scope that faults of downloads and playbacks have.
pub const SCOPE: Scope = Scope::Download;
